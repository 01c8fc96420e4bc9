"""A report of the worst that data can hold stays whole, safe and readable, as page, PDF and workbook."""

import re
from datetime import date
from io import BytesIO
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook, new_output

from mi_analysis.reporting import export, pdf, plots, workbook
from mi_analysis.reporting.figures import figure
from mi_analysis.reporting.presentation import grid, heading, message
from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words

DA = Words("da")
SCRIPT = '<script>alert("x")</script>'
NAMES = [
    SCRIPT,
    '=cmd|"/c calc"!A1',
    "\"quoted\" 'name' & <b>",
    "Ø" * 200,
    "\u202eTilsyn\u202c \u200fØst",
    "Å, Ærø",
    "x y" * 66,
]
FORMULA = ("=", "+", "-", "@")


def line(values: list[float | None], title: str) -> Any:
    days = pd.date_range("2000-01-01", periods=len(values), freq="MS")
    data = pd.DataFrame({"month": days, "closed": pd.Series(values, dtype=float)})
    columns = [Column("month", kind="month"), measure_column("closed", DA)]
    return figure(plots.series(data, "month", "closed", DA), title, f"Sager for {title}.", data, columns, DA)


def cloud(count: int, title: str) -> Any:
    rng = np.random.default_rng(1)
    data = pd.DataFrame({"unit": [NAMES[i % len(NAMES)] for i in range(count)], "overtime_per_fte": rng.random(count),
                         "kept_due_pct": rng.random(count)})  # fmt: skip
    columns = [Column("unit"), *(measure_column(name, DA) for name in ("overtime_per_fte", "kept_due_pct"))]
    axes = plots.points(data, "overtime_per_fte", "kept_due_pct", DA)
    return figure(axes, title, "Alle enheder.", data, columns, DA, kind="points")


def rows(count: int, title: str, state: str = "") -> Any:
    frame = pd.DataFrame({"unit": [NAMES[i % len(NAMES)] for i in range(count)], "closed": [float(i) for i in range(count)],
                          "actual": [1e9 * (-1) ** i for i in range(count)]})  # fmt: skip
    columns = [Column("unit"), measure_column("closed", DA), measure_column("actual", DA)]
    states = {(i, name): state for i in range(count) for name in ("closed", "actual")} if state else None
    return table(frame, columns, title, DA, states=states)


@pytest.fixture(scope="module")
def notebook() -> NotebookNode:
    shown = [
        heading(NAMES[0], lead=NAMES[3], page=True),
        message([("bad", name) for name in NAMES], title=NAMES[1], words=DA),
        grid(line([5.0], "Et punkt"), line([], "Ingen punkter"), line([None] * 12, "Lutter huller")),
        cloud(5_000, NAMES[2]),
        rows(0, "Ingen rækker"),
        rows(400, NAMES[4]),
        rows(7, "Alt skjult", "hidden"),
        *(line([1.0, 2.0], name) for name in NAMES),
    ]
    outputs = [new_code_cell("x", outputs=[new_output("display_data", data=one._repr_mimebundle_())]) for one in shown]
    return new_notebook(cells=outputs)


@pytest.fixture(scope="module")
def page(notebook: NotebookNode, tmp_path_factory: pytest.TempPathFactory) -> Any:
    stamp = {"institution": NAMES[0], "report": NAMES[1], "unit": NAMES[3], "audience": "public", "data": "3f9a"}
    file = tmp_path_factory.mktemp("worst") / "page.html"
    text = export.html(notebook, language="da", title=NAMES[0], subtitle=NAMES[4], stamp=stamp)
    file.write_text(text, encoding="utf-8")
    return file


def test_the_page_is_safe_and_says_what_is_not_there(page: Any) -> None:
    text = page.read_text(encoding="utf-8")

    assert not re.search(r"<script|onerror=|javascript:|[\u202a-\u202e\u200f]", text)
    assert "&lt;script&gt;alert(" in text
    assert "Ingen rækker</td>" in text
    assert text.count("skjult af diskretionshensyn") == 1
    assert "De første 500 af 5.000 rækker" in text
    assert len(text) < 2_000_000


def test_the_page_is_read_by_everyone_and_valid(page: Any, look: Any, html_errors: Any) -> None:
    seen = look(page)

    assert (seen.violations, seen.requests, seen.narrow) == ([], [], 320)
    assert html_errors(page) == []


@pytest.mark.pango
def test_the_pdf_keeps_the_rules_of_pdf_ua(page: Any) -> None:
    from page import ValidationProfile, validate_pdf_bytes

    found = validate_pdf_bytes(pdf.pdf(page.read_text(encoding="utf-8")), profile=ValidationProfile.PDF_UA_1)

    assert [failure.message for failure in found.failures] == []


def test_the_workbook_has_every_row_as_text_and_numbers_and_no_formula_or_link(notebook: NotebookNode) -> None:
    book = openpyxl.load_workbook(BytesIO(workbook.workbook(notebook, DA, title=NAMES[0], created=date(2026, 1, 13))))

    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s", "n", "d"}
    assert [cell for cell in cells if cell.hyperlink] == []
    assert any(str(cell.value).startswith(FORMULA) for cell in cells)  # kept as the text it is
    assert max(sheet.max_row for sheet in book) == 3 + 5_000
