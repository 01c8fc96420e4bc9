"""The workbook of a report: every table and every figure's numbers on a sheet of its own.

Numbers are numbers with formats that the reader's own program shows in its language; text from
data is only ever text: no formula and no link can come out of it. The same input gives the same bytes.
"""

import io
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import xlsxwriter
from nbformat import NotebookNode
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from mi_analysis.reporting.export import outputs
from mi_analysis.reporting.presentation import clean
from mi_analysis.reporting.tables import MARKED, decimals_of
from mi_analysis.reporting.wording import Words

TEXT_WIDTH, NUMBER_WIDTH, LONGEST_CELL = 32, 15, 32_767
HEADER_ROW = 2
DATE_FORMATS = {"date": "dd-mm-yyyy", "month": "mmm yyyy"}
_OPTIONS = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def workbook(
    notebook: NotebookNode, words: Words, *, title: str, created: date, stamp: Mapping[str, str] | None = None
) -> bytes:
    """The workbook as bytes.

    Parameters
    ----------
    created
        Its date of creation: the latest time of extraction, never the time of the run.
    stamp
        Facts of the report, on the first sheet under their labels.
    """
    target = io.BytesIO()
    book = _book(target, title, created)
    formats = _Formats(book)
    sheets = [item for item in outputs(notebook) if item["kind"] in ("table", "figure") and item["columns"]]
    names = [_sheet_name(number, item["title"]) for number, item in enumerate(sheets, 1)]
    _about(book.add_worksheet(words.text("document.about")), title, stamp or {}, names, sheets, words, formats)
    for name, item in zip(names, sheets, strict=True):
        _sheet(book.add_worksheet(name), item, words, formats)
    book.close()
    return target.getvalue()


def form(headers: Sequence[str], rows: Sequence[Sequence[str]], *, title: str, created: date) -> bytes:
    """A workbook of one sheet to be filled in: headers on the first line, every cell text."""
    target = io.BytesIO()
    book = _book(target, title, created)
    sheet, formats = book.add_worksheet(_sheet_name(1, title)), _Formats(book)
    for place, header in enumerate(headers):
        longest = max([len(header), *(len(row[place]) for row in rows)])
        sheet.set_column(place, place, min(max(longest + 2, 12), 60))
        sheet.write_string(0, place, header, formats.header)
        for i, row in enumerate(rows, 1):
            if text := clean(row[place])[:LONGEST_CELL]:
                sheet.write_string(i, place, text, formats.wrapped)
            else:
                sheet.write_blank(i, place, None, formats.wrapped)
    sheet.freeze_panes(1, 0)
    sheet.autofilter(0, 0, max(len(rows), 1), len(headers) - 1)
    book.close()
    return target.getvalue()


def _book(target: io.BytesIO, title: str, created: date) -> xlsxwriter.Workbook:
    book = xlsxwriter.Workbook(target, _OPTIONS)
    made = datetime(created.year, created.month, created.day)
    book.set_properties({"title": clean(title), "author": "", "created": made})
    return book


class _Formats:
    """Cell formats of one workbook, made when first asked for."""

    def __init__(self, book: xlsxwriter.Workbook) -> None:
        self.book, self.made = book, dict[str, Format]()
        self.title = book.add_format({"bold": True, "font_size": 14, "font_color": "#12436D"})
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top", "num_format": "@"})
        self.header = book.add_format(
            {"bold": True, "text_wrap": True, "valign": "top", "bottom": 2, "bottom_color": "#12436D"}
        )

    def number(self, pattern: str) -> Format:
        return self.made.setdefault(pattern, self.book.add_format({"num_format": pattern}))


def _sheet_name(number: int, title: str) -> str:
    """At most 31 letters, none that Excel refuses, unique by its number."""
    allowed = re.sub(r"[^\w ,.()-]", " ", clean(title))
    return f"{number} {allowed}"[:31].strip()


def _about(
    sheet: Worksheet, title: str, stamp: Mapping[str, str], names: list[str], items: list[dict[str, Any]], words: Words,
    formats: _Formats,
) -> None:  # fmt: skip
    sheet.set_column(0, 1, 48)
    sheet.write_string(0, 0, clean(title), formats.title)
    rows = [(words.text(f"stamp.{k}") if words.has(f"stamp.{k}") else k, v) for k, v in stamp.items()]
    rows += [("", ""), (words.text("document.sheet"), words.text("document.title"))]
    rows += [(name, item["title"]) for name, item in zip(names, items, strict=True)]
    for i, row in enumerate(rows, 2):
        for place, text in enumerate(row):
            sheet.write_string(i, place, clean(text)[:LONGEST_CELL])


def _sheet(sheet: Worksheet, item: Mapping[str, Any], words: Words, formats: _Formats) -> None:
    columns = [(i, column) for i, column in enumerate(item["columns"]) if column["kind"] != "curve"]
    states = {(state["row"], state["column"]): state["state"] for state in item["states"]}
    sheet.write_string(0, 0, clean(item["title"])[:LONGEST_CELL], formats.title)
    for place, (_, column) in enumerate(columns):
        wide = column["kind"] in ("text", "measure")
        sheet.set_column(place, place, TEXT_WIDTH if wide else NUMBER_WIDTH)
        sheet.write_string(HEADER_ROW, place, clean(_header(column)), formats.header)
    marks = [(state, words.text(f"symbol.{state}")) for state in MARKED if state in states.values()]
    said = [words.text("document.legend", symbol=s, word=words.lower(words.text(f"state.{name}"))) for name, s in marks]
    sheet.write_string(HEADER_ROW - 1, 0, "; ".join(said)[:LONGEST_CELL])
    for i, row in enumerate(item["rows"]):
        for place, (position, column) in enumerate(columns):
            state = states.get((i, column["name"]), "")
            _write(sheet, HEADER_ROW + 1 + i, place, row[position], column, state, words, formats)
    sheet.freeze_panes(HEADER_ROW + 1, 1)
    sheet.autofilter(HEADER_ROW, 0, HEADER_ROW + max(len(item["rows"]), 1), max(len(columns) - 1, 0))


def _header(column: Mapping[str, Any]) -> str:
    parts = [column.get("group"), column["label"]]
    text = ": ".join(part for part in parts if part)
    return f"{text} ({column['unit']})" if column["unit"] else text


def _write(
    sheet: Worksheet,
    row: int,
    place: int,
    value: Any,
    column: Mapping[str, Any],
    state: str,
    words: Words,
    formats: _Formats,
) -> None:
    kind = column["kind"]
    if value is None:
        sheet.write_string(row, place, words.text(f"state.{state or 'missing'}"))
    elif kind in ("quarter", "year"):  # a workbook has no format of them
        sheet.write_string(row, place, words.period(datetime.fromisoformat(value), kind))
    elif kind in DATE_FORMATS:
        sheet.write_datetime(row, place, datetime.fromisoformat(value), formats.number(DATE_FORMATS[kind]))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        sheet.write_number(row, place, value, formats.number(_pattern(column, state, words)))
    else:
        sheet.write_string(row, place, _text(value, kind, words)[:LONGEST_CELL])


def _pattern(column: Mapping[str, Any], state: str, words: Words) -> str:
    """Format of a number; after one that is provisional, estimated or incomplete stands the sign of it."""
    decimals = decimals_of(column["kind"], column["decimals"])
    mark = f'"{words.text(f"symbol.{state}")}"' if state in MARKED else ""
    return "#,##0" + ("." + "0" * decimals if decimals else "") + mark


def _text(value: Any, kind: str, words: Words) -> str:
    if kind == "measure" and words.has(f"measure.{value}.label"):
        return words.measure(value)
    return words.text(f"{kind}.{value}") if words.has(f"{kind}.{value}") else clean(value)
