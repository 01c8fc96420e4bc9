"""Eksempelstyrelsen in full, for tests of what is true of it."""

import pytest

from mi_analysis import synthetic
from mi_analysis.workbench import prepare


@pytest.fixture(scope="session")
def whole_agency(project, tmp_path_factory):
    """Eksempelstyrelsen in full: 24 offices, 36 months; what is true, and the model."""
    folder = tmp_path_factory.mktemp("whole")
    truth = synthetic.make(folder / "deliveries")
    made = prepare(
        "example", start=project, deliveries=folder / "deliveries", audience="internal", out=folder / "outputs"
    )
    return truth, made


@pytest.fixture(scope="session")
def truth(whole_agency):
    return whole_agency[0]


@pytest.fixture(scope="session")
def prepared(whole_agency):
    return whole_agency[1]
