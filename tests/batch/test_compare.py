"""Two versions compared: each figure that moved, and whether data, code, parameters or hiding moved it."""

import json

import nbformat
import pytest

from mi_analysis.batch.compare import Moved, changed, compare, version_in
from mi_analysis.batch.record import SCHEMA
from mi_analysis.cli import main
from mi_analysis.parameters import WrongUse
from mi_analysis.reporting.presentation import JSON

PARTS = {"notebook": "n", "parameters": "p", "data": "d", "package": "1", "run": "r"}
KEY = "07/02_unit_report"
TABLE = "Staff, December 2025"


def version(folder, rows, *, states=(), parts=None, **data):
    """A version's folder with one report that shows one table."""
    payload = {"kind": "table", "key": "staff", "title": TABLE, "rows": rows, "states": list(states),
               "columns": [{"name": "measure", "label": "Measure"}, {"name": "month", "label": "Month"}]}  # fmt: skip
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("")])
    book.cells[0].outputs = [nbformat.v4.new_output("display_data", {JSON: payload})]
    (folder / "07").mkdir(parents=True)
    nbformat.write(book, folder / f"{KEY}.ipynb")
    job = {"state": "made", "parts": PARTS | (parts or {}), "outputs": [{"file": f"{KEY}.ipynb"}]}
    record = {"schema": SCHEMA, "version": int(folder.name), "deliveries": "a", "settings": "s", "package": "1", "jobs": {KEY: job}}  # fmt: skip
    (folder / "run.json").write_text(json.dumps(record | data))
    return folder


@pytest.fixture
def first(tmp_path):
    return version(tmp_path / "2025-12" / "1", [["Sick days", 12.5], ["FTE", 10], ["Overtime", None]],
                   states=[{"row": 2, "column": "month", "state": "hidden"}])  # fmt: skip


def test_figures_that_moved_are_told_with_what_moved_them(tmp_path, first):
    second = version(tmp_path / "2025-12" / "2", [["Sick days", 13.5], ["FTE", 10], ["Overtime", 4.0]], deliveries="b")

    found = compare(version_in(first), version_in(second))

    assert (found.both, found.gone, found.new) == ((KEY,), (), ())
    assert found.moved == (
        Moved(KEY, TABLE, "Sick days", "Month", 12.5, 13.5, ("data",)),
        Moved(KEY, TABLE, "Overtime", "Month", None, 4.0, ("hiding",)),
    )


def test_rows_that_came_and_went_are_moved_figures(tmp_path, first):
    second = version(tmp_path / "2025-12" / "2", [["Sick days", 12.5], ["Flex", 3]], parts={"notebook": "m"})

    moved = compare(version_in(first), version_in(second)).moved

    assert [(figure.row, figure.before, figure.after, figure.causes) for figure in moved] == [
        ("FTE", 10, None, ("code",)),
        ("Flex", None, 3, ("code",)),
    ]


def test_what_differs_is_named_by_its_kind():
    record = {"deliveries": "a", "settings": "s"} | PARTS

    assert changed(record, record) == ()
    assert changed(record, record | {"deliveries": "b"}) == ("data",)
    assert changed(record, record | {"package": "2", "settings": "t"}) == ("code", "parameters")
    assert changed(record, record | {"run": "en"}) == ("parameters",)


def test_the_command_says_what_moved_and_what_only_one_has(tmp_path, first, capsys):
    second = version(tmp_path / "2025-12" / "2", [["Sick days", 13.5], ["FTE", 10]], deliveries="b")
    record = json.loads((second / "run.json").read_text())
    record["jobs"]["09/02_unit_report"] = record["jobs"][KEY]
    (second / "run.json").write_text(json.dumps(record))

    with pytest.raises(SystemExit) as ended:
        main(["diff", str(first), str(second.parent)])

    assert ended.value.code == 0
    assert capsys.readouterr().out == (
        "Reports in both: 1. Figures that moved: 1, in 1 of the reports.\n"
        "  1 by data\n"
        "Only after: 09/02_unit_report\n"
        f"\n{KEY}:\n"
        f"  {TABLE}  Sick days  Month  12.5  ->  13.5  data\n"
    )


def test_a_folder_without_a_version_is_told(tmp_path):
    with pytest.raises(WrongUse) as told:
        version_in(tmp_path)

    assert str(told.value) == (
        f"{tmp_path}: holds no version of a run. Name a version, for instance "
        "outputs/example/monthly/2025-12/1, or the period's folder for its newest."
    )
    (tmp_path / "2025-11").mkdir()
    with pytest.raises(WrongUse) as told:
        version_in(tmp_path / "2025-13")
    assert str(told.value) == f"{tmp_path / '2025-13'}: is not there. Nearest: 2025-11."
