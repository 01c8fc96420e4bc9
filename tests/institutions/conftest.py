"""Real institutions by configuration alone: their models, built once."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from mi_analysis.cli import main
from mi_analysis.workbench import prepare


@pytest.fixture(scope="session")
def built(project, real_data, tmp_path_factory) -> Callable:
    """The prepared institution of a name."""

    @cache
    def institution(name: str):
        return prepare(name, start=project, audience="internal", out=tmp_path_factory.mktemp(name))

    return institution


@pytest.fixture(scope="session")
def stored(built) -> Callable[[str, str], list[tuple]]:
    """Rows of a query over the stored tables of an institution: ``{volumes}`` is its table of counts."""

    def query(name: str, sql: str) -> list[tuple]:
        model = built(name).folder / "model"
        tables = {file.stem: f"'{file}'" for file in model.glob("*.parquet")}
        with duckdb.connect() as connection:
            return connection.execute(sql.format(**tables)).fetchall()

    return query


def totals(prepared, grain: str = "month") -> pd.DataFrame:
    """Figures of all activities together, each period by itself."""
    values = prepared.released.values
    return values[(values["activity"] == "*") & (values["grain"] == grain) & (values["window"] == "month")]


def accounts_balance(prepared) -> None:
    """Rows and amounts read are used, put aside or dropped by a named rule."""
    assert not prepared.audit.stopped
    for item in prepared.audit.received:
        account = item.account
        assert account.read == account.used + account.quarantined + sum(account.dropped.values()), item.file
        for column, sums in account.amounts.items():
            assert abs(sums["read"] - sums["used"] - sums["quarantined"] - sums["dropped"]) <= 0.01, (item.file, column)


def made_by_run(project: Path, out: Path, run_file: str, *units: str) -> dict[str, str]:
    """State of each report of the units, after `mi run` has ended with reports and an index."""
    with pytest.raises(SystemExit) as ended:
        main(["run", str(project / "parameters" / run_file), "--only", "unit=" + ",".join(units), "--out", str(out)])
    assert ended.value.code == 0
    states: dict[str, str] = {}
    for record in sorted(out.glob("*/*/*/1/run.json")):
        assert (record.parent / "index.html").exists()
        jobs = json.loads(record.read_text(encoding="utf-8"))["jobs"]
        states |= {
            f"{record.parent.parent.name}/{key}": job["state"]
            for key, job in jobs.items()
            if job["state"] != "not_chosen"
        }
    return {key: state for key, state in states.items() if key.split("/")[1] in units}
