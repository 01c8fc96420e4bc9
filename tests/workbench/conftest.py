"""Eksempelstyrelsen in full, for tests of what is true of it."""

import pytest

from mi_analysis import synthetic
from mi_analysis.workbench import prepare


@pytest.fixture(scope="session")
def whole_agency(project, made_once):
    """Eksempelstyrelsen in full: 24 offices, 36 months; what is true, and the model."""

    def prepared_in(folder):
        places = {"deliveries": folder / "deliveries", "out": folder / "outputs"}
        return prepare("example", start=project, audience="internal", **places)

    def make(folder):
        truth = synthetic.make(folder / "deliveries")
        prepared_in(folder)
        return truth

    folder, truth = made_once("whole", make)
    return truth, prepared_in(folder)


@pytest.fixture(scope="session")
def truth(whole_agency):
    return whole_agency[0]


@pytest.fixture(scope="session")
def prepared(whole_agency):
    return whole_agency[1]
