"""One definition on three engines: Eksempelstyrelsen gives the same frames on DuckDB, PostgreSQL and Spark."""

import gc
import re
import shutil
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import psutil
import pytest

from mi_analysis import synthetic
from mi_analysis.measures import compute
from mi_analysis.measures.compute import ORDER, Frames
from mi_analysis.model import build as model
from mi_analysis.model.database import open_model
from mi_analysis.model.engines import DAYS_FROM, DUCKDB, SPARK, engine_of, statements
from mi_analysis.parameters import Institution, Labels, OwnMeasure, Part, WrongUse, load_institution

STRANGE = "Sjællands 'Øst'; --\\n \"{0}\" as double"
"""A unit's code that has to stand in literals of every engine as it is."""


@pytest.fixture(scope="session")
def example(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Institution, Path, date]:
    """Eksempelstyrelsen of 50,000 delivered rows, with a strange code and measures of its own: its model, and its last day."""
    root = tmp_path_factory.mktemp("engines")
    institution = load_institution(project / "parameters" / "example")
    truth = synthetic.make(root / "deliveries", units=14, months=26)
    audit = model.build(institution, "example", root / "deliveries", root / "model")
    assert sum(item.account.read for item in audit.received) > 50_000
    assert truth
    renamed = duckdb.sql(f"select min(unit) from '{root}/model/staff.parquet'").fetchall()[0][0]
    for table in (
        "units",
        "unit_map",
        "hours",
        "cases",
        "staff",
        "absence",
        "ledger",
        "budget",
        "volumes",
        "goals",
        "persons",
    ):
        file = root / "model" / f"{table}.parquet"
        rows = duckdb.sql(f"select * from '{file}'").to_arrow_table()
        for column in {"unit", "to_unit"} & set(rows.column_names):
            texts = [STRANGE if text == renamed else text for text in rows[column].to_pylist()]
            rows = rows.set_column(rows.column_names.index(column), column, [texts])
        file.unlink()
        duckdb.sql("select * from rows").write_parquet(str(file))
    label = Labels(da="Andel", en="Share")
    strange = {"account_group": ["pay", "it's; -- not"]}
    measures = {
        "pay_share": OwnMeasure(numerator=Part(name="amount", table="ledger", where=strange), denominator=Part(name="amount", table="ledger"), kind="ratio", labels=label),
        "own_fte": OwnMeasure(numerator=Part(name="fte", table="staff"), kind="level", labels=label),
    }  # fmt: skip
    changed = {"measures": measures, "overhead_activities": ["it's"]}
    return institution.model_copy(update=changed), root / "model", model.month_end(audit.periods[-1])


Computed = Callable[..., Frames]


@pytest.fixture(scope="session")
def computed(example: tuple[Institution, Path, date], tmp_path_factory: pytest.TempPathFactory) -> Computed:
    """Frames of the example by an engine, in a structure."""
    institution, folder, as_of = example

    def frames_by(engine: str, structure: str = "today") -> Frames:
        place = tmp_path_factory.mktemp(engine) / "a folder [1]"  # Spark reads paths as patterns
        shutil.copytree(folder, place, ignore=shutil.ignore_patterns("parts"))
        with open_model(place) as local:
            chosen = institution.model_copy(update={"engine": engine, "structure": structure})
            compute.build(local, chosen, place, as_of)
        return compute.frames(place)

    return frames_by


@pytest.fixture(scope="session")
def by_default(computed: Computed) -> Frames:
    return computed("duckdb")


def differences(found: Frames, expected: Frames) -> list[str]:
    """What differs between two sets of frames: rows, columns, types, texts, missing values, and numbers by more than 1e-9."""
    told = []
    for name in ORDER:
        one, other = getattr(found, name), getattr(expected, name)
        if len(one) != len(other) or list(one.dtypes.items()) != list(other.dtypes.items()):
            told.append(
                f"{name}: {len(one)} rows and {len(other)}, {set(one.dtypes.items()) ^ set(other.dtypes.items())}"
            )
            continue
        for column in one:
            if pd.api.types.is_float_dtype(one[column]):
                same = np.isclose(one[column], other[column], rtol=1e-9, atol=1e-9, equal_nan=True)
            else:
                same = (one[column] == other[column]) | (one[column].isna() & other[column].isna())
            if not same.all():
                told.append(f"{name}.{column}: {(~same).sum()} of {len(same)}")
    return told


def lost(frames: Frames, folder: Path) -> dict[str, float]:
    """What the total of the institution lacks of the hours, amounts and closed cases in the model, over all months."""
    months = frames.values.query("window == 'month' and grain == 'month' and activity == '*'")
    top = months[months["unit"] == months.groupby("unit")["registered_hours"].sum().idxmax()]
    delivered = {
        "registered_hours": f"select sum(hours) from '{folder}/hours.parquet'",
        "actual": f"select sum(amount) from '{folder}/ledger.parquet'",
        "closed": f"select count(closed) + (select sum(value) from '{folder}/volumes.parquet' where name = 'closed') "
        f"from '{folder}/cases.parquet' where not coalesce(reopened, false)",
    }
    return {name: duckdb.sql(query).fetchall()[0][0] - top[name].sum() for name, query in delivered.items()}


def test_rows_and_amounts_of_the_model_are_in_the_total(
    example: tuple[Institution, Path, date], by_default: Frames
) -> None:
    assert lost(by_default, example[1]) == pytest.approx({"registered_hours": 0, "actual": 0, "closed": 0}, abs=1e-3)
    assert STRANGE in set(by_default.values["unit"])
    assert by_default.values["pay_share"].between(1, 100).any()
    assert set(by_default.states["state"]) == {"not_applicable", "incomplete", "not_assessed"}


def test_a_difference_would_be_told(by_default: Frames) -> None:
    values = by_default.values.copy()
    place = values["fte"].first_valid_index()
    values.loc[place, "fte"] *= 1 + 1e-8
    values.loc[place, "closed"] = np.nan
    states = by_default.states.iloc[1:]
    changed = Frames(values, states, by_default.guards, by_default.goals, by_default.coverage)
    assert [text.split(":")[0] for text in differences(changed, by_default)] == [
        "values.fte",
        "values.closed",
        "states",
    ]


@pytest.mark.postgresql
@pytest.mark.parametrize("structure", ["today", "as_was"])
def test_postgresql_gives_every_frame_as_duckdb_does(
    structure: str, example: tuple[Institution, Path, date], computed: Computed, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("MI_WAREHOUSE", warehouse)
    found = computed("postgresql", structure)
    assert differences(found, computed("duckdb", structure)) == []
    assert lost(found, example[1]) == pytest.approx({"registered_hours": 0, "actual": 0, "closed": 0}, abs=1e-3)


@pytest.mark.java
def test_spark_gives_every_frame_as_duckdb_does(
    example: tuple[Institution, Path, date], computed: Computed, by_default: Frames, capfd: pytest.CaptureFixture[str]
) -> None:
    found = computed("spark")
    assert capfd.readouterr() == ("", "")
    assert differences(found, by_default) == []
    assert lost(found, example[1]) == pytest.approx({"registered_hours": 0, "actual": 0, "closed": 0}, abs=1e-3)


def test_an_engine_says_what_differs_in_its_own_words_and_leaves_literals_and_comments() -> None:
    script = "-- a unit's days; by text\nselect days_from(greatest(a, b), c), 'days_from(a, b); -- it''s' from x; drop table y;"
    literal = "'days_from(a, b); -- it''s'"
    assert statements(script, DUCKDB) == [f"select (c - greatest(a, b)), {literal} from x", "drop table y"]
    assert statements(script, SPARK) == [f"select datediff(c, greatest(a, b)), {literal} from x", "drop table y"]
    assert re.sub(DAYS_FROM, "", "x_days_from(a, b)") == "x_days_from(a, b)"


def test_an_engine_that_is_not_there_is_told_with_what_to_do(
    example: tuple[Institution, Path, date], monkeypatch: pytest.MonkeyPatch
) -> None:
    institution, folder, _ = example

    def said(engine: str) -> str:
        chosen = institution.model_copy(update={"engine": engine})
        with pytest.raises(WrongUse) as told, open_model(folder) as local, engine_of(chosen, local, folder):
            pass
        return str(told.value).split("institution.yaml: ")[1]

    monkeypatch.delenv("MI_WAREHOUSE", raising=False)
    monkeypatch.setitem(sys.modules, "adbc_driver_postgresql", None)
    monkeypatch.setitem(sys.modules, "pyspark", None)
    assert said("postgresql") == "needs the package adbc-driver-postgresql. Install mi-analysis[postgresql]."
    assert said("spark") == "needs the package pyspark. Install mi-analysis[spark]."


@pytest.mark.java
def test_spark_without_java_is_told(example: tuple[Institution, Path, date], monkeypatch: pytest.MonkeyPatch) -> None:
    institution, folder, _ = example
    monkeypatch.setenv("JAVA_HOME", str(folder))
    chosen, said = (
        institution.model_copy(update={"engine": "spark"}),
        "Spark needs Java, and there is none. Install Java 17 or newer.",
    )
    with pytest.raises(WrongUse, match=re.escape(said)), open_model(folder) as local, engine_of(chosen, local, folder):
        pass


@pytest.mark.java
@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # pyspark leaves the pipe to a JVM that never was
def test_spark_that_does_not_get_through_is_told_in_a_sentence_and_leaves_no_process(
    example: tuple[Institution, Path, date], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    institution, folder, _ = example
    chosen = institution.model_copy(update={"engine": "spark"})
    before = psutil.Process().children(recursive=True)
    monkeypatch.setenv("MI_SPARK", "local[1]")
    with pytest.raises(WrongUse) as told, open_model(folder) as local, engine_of(chosen, local, folder) as engine:
        engine.run("create or replace temp table x as select * from gone")
    assert (
        "institution.yaml: Spark (local[1]) did not get through: [TABLE_OR_VIEW_NOT_FOUND] The table or view `gone`"
        in str(told.value)
    )
    assert str(told.value).endswith(
        " Nothing was written; the same command goes on once Spark answers and sees the outputs."
    )
    monkeypatch.setenv("MI_SPARK", "nonsense")
    with (
        pytest.raises(WrongUse, match=r"Spark \(nonsense\) did not get through: "),
        open_model(folder) as local,
        engine_of(chosen, local, folder),
    ):
        pass
    assert capfd.readouterr() == ("", "")
    assert psutil.Process().children(recursive=True) == before
    gc.collect()  # here, where it may be left
