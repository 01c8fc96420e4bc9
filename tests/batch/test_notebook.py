"""What a notebook takes is read from its parameters cell; what a run file gives it is cast to it."""

import papermill
import pytest

from mi_analysis.batch.notebook import cast, read_notebook

CELL = """\
source: str = "example"  # where data come from
colour: str = "#ff0000"
limit: float = 0.1
months: int = -3
full: bool = False
measures: list[str] = ["a", "b"]
unit = ""
"""


def test_names_types_and_defaults_are_read(project):
    project.notebook("n", parameters=CELL, title="Where do we stand?")

    book = read_notebook("n", project.root / "notebooks", "here")

    assert book.title == "Where do we stand?"
    assert [(one.name, one.kind, one.default) for one in book.parameters.values()] == [
        ("source", "str", "example"), ("colour", "str", "#ff0000"), ("limit", "float", 0.1), ("months", "int", -3),
        ("full", "bool", False), ("measures", "list[str]", ["a", "b"]), ("unit", "str", ""),
    ]  # fmt: skip


def test_the_names_are_those_papermill_sees(project):
    path = project.notebook("n", parameters=CELL)

    assert list(papermill.inspect_notebook(path)) == list(read_notebook("n", path.parent, "here").parameters)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no json", "notebooks/n.ipynb: is not a notebook. Open it in JupyterLab and save it as a notebook."),
        (b"{}", "notebooks/n.ipynb: is not a notebook. Open it in JupyterLab and save it as a notebook."),
        (
            b'{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
            "notebooks/n.ipynb: is written in R. Only Python notebooks can be run.",
        ),
        (
            b'{"cells": [], "metadata": {}}',
            "notebooks/n.ipynb: has no cell tagged parameters. Tag the cell that holds the default values.",
        ),
    ],
)
def test_what_is_no_notebook_to_run_is_named(project, content, message):
    project.notebook("n").write_bytes(content)

    assert str(read_notebook("n", project.root / "notebooks", "here")) == message


@pytest.mark.parametrize("cell", ["a = 2\nb = a * 2", "import os", "a, b = 1, 2"])
def test_a_parameters_cell_that_computes_is_refused(project, cell):
    project.notebook("n", parameters=cell)

    line = len(cell.splitlines())
    assert str(read_notebook("n", project.root / "notebooks", "here")) == (
        f"notebooks/n.ipynb: the parameters cell holds more than names with plain values (line {line}). "
        "Move it to the next cell."
    )


@pytest.mark.parametrize("name", ["02_unit_reprt", "../notebooks/02_unit_report"])
def test_an_unknown_notebook_is_told_with_the_nearest(project, name):
    project.notebook("02_unit_report")

    assert str(read_notebook(name, project.root / "notebooks", "monthly.yaml line 2")) == (
        f'monthly.yaml line 2: there is no notebook "{name}" in notebooks/. Nearest: 02_unit_report.'
    )


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [("007", "str", "007"), ("0.15", "float", 0.15), ("-3", "int", -3), ("yes", "bool", True), ("no", "bool", False),
     ("a", "list[str]", ["a"]), (["1", "2"], "list[int]", [1, 2])],
)  # fmt: skip
def test_a_text_becomes_what_the_notebook_declares(written, kind, value):
    assert cast(written, kind) == value


@pytest.mark.parametrize(
    ("written", "kind", "takes", "right"),
    [("0,15", "float", 'a number; "0,15" is not.', "Write 0.15."), ("1.5", "int", 'a whole number; "1.5" is not.', ""),
     ("perhaps", "bool", 'yes or no; "perhaps" is not.', ""), (["1"], "float", "a number, not a list.", "Write one value.")],
)  # fmt: skip
def test_a_text_of_the_wrong_type_says_what_would_be_right(written, kind, takes, right):
    with pytest.raises(ValueError, match=r".") as told:
        cast(written, kind)

    assert told.value.args == (takes, right)
