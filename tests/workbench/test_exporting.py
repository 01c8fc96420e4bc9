"""What leaves for other programs is what was released, and nothing else."""

import duckdb
import pandas as pd
import pytest

from mi_analysis import cli, disclosure
from mi_analysis.measures import compute
from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.parameters import WrongUse
from mi_analysis.workbench import exporting


@pytest.fixture(scope="module")
def exported(small_agency, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "unit_manager"
    exporting.export(small_agency.prepared, folder)
    return folder


def test_the_figures_are_those_released_to_the_audience_and_no_other(small_agency, exported):
    released = small_agency.prepared.released

    assert pd.read_parquet(exported / "about.parquet")["audience"].to_list() == [released.audience] == ["unit_manager"]
    pd.testing.assert_frame_equal(
        pd.read_parquet(exported / "values.parquet"), released.values.reset_index(drop=True), check_dtype=False
    )
    with duckdb.connect(exported / exporting.DATABASE, read_only=True) as connection:
        held = connection.sql('from "values"').df()
        figures = connection.sql("from figures").df()
    pd.testing.assert_frame_equal(held, released.values.reset_index(drop=True), check_dtype=False)
    names = [name for name in released.values.columns if name in CATALOGUE]
    assert len(figures[figures["value"].notna()]) == int(released.values[names].notna().sum().sum())


def test_what_is_hidden_has_its_state_and_no_value_anywhere(small_agency, exported):
    place = small_agency.prepared.folder / "model"
    unreleased = compute.frames(place).values
    with duckdb.connect(exported / exporting.DATABASE, read_only=True) as connection:
        hidden = connection.sql("from figures where state = 'hidden'").df()

    assert len(hidden) > 100
    assert hidden["value"].isna().all()
    row = hidden[hidden["measure"] == "sick_days"].iloc[0]
    key = (unreleased[disclosure.CELL] == row[disclosure.CELL]).all(axis=1)
    assert unreleased.loc[key, "sick_days"].notna().all()  # it was there to be hidden
    assert {file.stem for file in exported.iterdir()} == {
        "values", "states", "goals", "coverage", "units", "activities", "measures", "about", "columns", "figures",
    }  # fmt: skip


def test_the_dictionary_has_every_measure_and_column_in_both_languages(exported):
    measures, columns = pd.read_parquet(exported / "measures.parquet"), pd.read_parquet(exported / "columns.parquet")
    with duckdb.connect(exported / exporting.DATABASE, read_only=True) as connection:
        held = set(connection.execute("select table_name, column_name from information_schema.columns").fetchall())

    assert set(zip(columns["table"], columns["column"], strict=True)) | {("columns", name) for name in columns} == held
    assert not columns.isna().any().any()
    values = pd.read_parquet(exported / "values.parquet")
    assert [*measures["measure"]] == [name for name in CATALOGUE if name in values]
    row = measures.set_index("measure").loc["overtime_per_fte"]
    assert (row["unit_en"], row["direction"], row["definition"]) == (
        "hours per FTE",
        CATALOGUE["overtime_per_fte"].direction,
        "sum(overtime_hours) / sum(overtime_fte)",
    )
    assert measures.set_index("measure").loc["actual", "unit_da"] == "DKK"


def test_a_folder_that_cannot_be_written_is_told_and_what_stood_there_stands(small_agency, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(WrongUse) as error:
        exporting.export(small_agency.prepared, tmp_path / "file" / "internal")

    assert (
        str(error.value)
        == f"{tmp_path}/file/internal: cannot be written. The system says: File exists. What stood there still stands."
    )


def test_a_disk_that_fills_leaves_the_export_before_it_whole(small_agency, tmp_path, monkeypatch):
    place = tmp_path / "internal"
    exporting.export(small_agency.prepared, place)
    before = {file.name: file.read_bytes() for file in place.iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(WrongUse, match=r"The system says: No space left on device\. What stood there still stands\."):
        exporting.export(small_agency.prepared, place)

    assert {file.name: file.read_bytes() for file in place.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["internal"]


def test_export_says_where_the_files_are(small_agency, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(small_agency.root)

    with pytest.raises(SystemExit) as ended:
        cli.main(["export", "example", "--audience", "public"])
    lines = capsys.readouterr().out.splitlines()

    folder = small_agency.root / "outputs" / "example" / "export" / "public"
    assert ended.value.code in (0, 4)
    assert lines[0].startswith("The Example Agency, public, as of ")
    assert lines[0].endswith(str(folder))
    assert lines[-1] == "All of them, with the view figures, in figures.duckdb."
    assert pd.read_parquet(folder / "about.parquet")["audience"].to_list() == ["public"]
