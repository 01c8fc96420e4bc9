"""What a supplier is sent: the contract of a delivery as a page, and a workbook to fill in.

Both follow from the source profile, so what is asked for is what is read: an empty template that comes back is
a delivery with a header and no rows.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

import pandas as pd
import xlsxwriter
from xlsxwriter.utility import xl_range_abs
from xlsxwriter.worksheet import Worksheet

from mi_analysis.model.columns import NUMBERS
from mi_analysis.model.contract import PLAIN_TEXTS, Owed, owed, workbook_pattern
from mi_analysis.model.grid import JOINED
from mi_analysis.model.keys import END, Keys
from mi_analysis.parameters import Institution, Source
from mi_analysis.reporting.export import page
from mi_analysis.reporting.presentation import escape
from mi_analysis.reporting.tables import Column, table
from mi_analysis.reporting.wording import Words

ROWS = 5_000  # rows of a template that are watched while they are filled in
LONGEST_LIST = 2_000
TEXT_FORMAT, DATE_FORMATS = "@", {"date": "dd-mm-yyyy", "time": "dd-mm-yyyy hh:mm"}
Codes = Mapping[str, Sequence[tuple[str, str]]]
"""By kind (unit, activity): codes, each with its name."""
LONGEST_NOTE, LONGEST_TITLE = 255, 32  # what a spreadsheet shows beside a cell


@dataclass(frozen=True)
class Written:
    """Files made for one source, and what stands in them."""

    source: str
    owner: str
    due: int | None
    columns: int
    page: Path
    template: Path


def write(institution: Institution, known: Keys, folder: Path, year: int) -> list[Written]:
    """Write page and template of every source into ``folder``.

    Parameters
    ----------
    known
        Units and activities, whose codes become drop-downs.
    year
        Of the months that stand as headers in the template of a wide source.
    """
    words = Words(institution.language, institution.currency, institution.money_scale)
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, source in institution.sources.items():
        if source.in_place:
            continue
        codes, columns = codes_of(known, source.system or name), owed(source)
        file = template_name(source, words)
        text = contract_page(name, source, columns, codes, institution.name.said(institution.language), words)
        place, sheet = folder / f"{name}.html", folder / name / file
        sheet.parent.mkdir(exist_ok=True)
        place.write_text(text, encoding="utf-8")
        sheet.write_bytes(template(source, columns, codes, words, year))
        made.append(Written(name, source.contract.owner, source.contract.due_working_day, len(columns), place, sheet))
    return made


def codes_of(known: Keys, system: str) -> dict[str, list[tuple[str, str]]]:
    """Codes of units and activities that a system may use today, each with its name."""
    units = {row.unit: row.name for row in known.units if row.valid_to == END}
    activities = {row.activity: row.name for row in known.activities}
    found = {}
    for kind, rows, names in (("unit", known.unit_codes, units), ("activity", known.crosswalk, activities)):
        own = {
            row.code: names.get(row.to, row.to) for row in rows if row.system in (system, "*") and row.valid_to == END
        }
        found[kind] = sorted((own or names).items())
    return found


def template_name(source: Source, words: Words) -> str:
    """Name of the template: one that the source's own pattern takes once it is filled in."""
    return PurePosixPath(workbook_pattern(source.files[0])).name.replace("*", words.text("contract.in_name"))


# --- the page ------------------------------------------------------------------------------------------------------


def contract_page(
    name: str, source: Source, columns: Sequence[Owed], codes: Codes, institution: str, words: Words
) -> str:  # fmt: skip
    """The contract of one source as a page."""
    agreed = source.contract
    day = agreed.due_working_day
    lines = [words.text("contract.due", n=day) if day else words.text("contract.due_open"), _form(source, words)]
    if source.unit_scale != 1:
        lines.append(words.text("contract.scale", scale=words.number(source.unit_scale)))
    if any(column.column == "activity" for column in columns):
        lines.append(words.text("contract.mapped", share=words.percent(100 * agreed.smallest_mapped_share, 0)))
    lines += [
        words.text("contract.total", column=column, stated=words.number(stated, 2))
        for column, stated in agreed.control_totals.items()
    ]
    lines += [words.text("contract.totals"), words.text("contract.persons")]
    rows, labels = told(columns, source, codes, words), [Column(key, words.text(label)) for key, label in TOLD.items()]
    shown = table(rows, labels, words.text("contract.caption"), words, key="columns")
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    periods = source.wide is not None and source.wide.columns == "periods"
    wide = f"<p>{escape(words.text('contract.meaning.periods'))}</p>" if periods else ""
    body = f"<ul>{listed}</ul>{shown.html}{wide}"
    title = words.text("contract.title", source=agreed.owner or name)
    stamp = {"institution": institution}
    return page(title, body, language=words.language, subtitle=agreed.content or name, stamp=stamp)


TOLD = {
    "header": "column.column", "meaning": "contract.meaning_column", "required": "contract.required", "allowed": "contract.allowed",
    "example": "contract.example",
}  # fmt: skip
"""What is told of each column, and the key of its label."""


def told(columns: Sequence[Owed], source: Source, codes: Codes, words: Words) -> pd.DataFrame:
    """A row per column that is owed: `TOLD`."""
    rows = [
        (column.header, meaning(column, source, words), words.text("contract.yes" if column.required else "contract.no"),
         _allowed(column, codes, words), example(column, codes))
        for column in columns
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(TOLD))


def _form(source: Source, words: Words) -> str:
    pattern, name = source.files[0], template_name(source, words)
    if not pattern.removesuffix(".gz").lower().endswith(PLAIN_TEXTS):
        return words.text("contract.workbook", files=PurePosixPath(pattern).name, template=name)
    delimiter = words.text("contract.tab") if source.delimiter == "\t" else source.delimiter
    return words.text(
        "contract.text_file", delimiter=delimiter, encoding=source.encoding or "utf-8", decimal=source.decimal,
        files=PurePosixPath(pattern).name, template=name,
    )  # fmt: skip


def meaning(column: Owed, source: Source, words: Words) -> str:
    """What a column means: as agreed, else as the model takes it."""
    if column.header in source.contract.meanings:
        return source.contract.meanings[column.header]
    keys = (f"contract.meaning.{column.table}.{column.column}", f"contract.meaning.{column.column or 'filter'}")
    return next(words.text(key) for key in keys if words.has(key))


def example(column: Owed, codes: Codes) -> str:
    """A cell as it should be written; of a code, the first that is known."""
    return column.example or next((code for code, _ in codes.get(column.column, ())), "")


def _allowed(column: Owed, codes: Codes, words: Words) -> str:
    if column.choices:
        return ", ".join((*column.choices, "…")) if column.open_choices else ", ".join(column.choices)
    return words.text("contract.known_codes") if codes.get(column.column) else ""


# --- the workbook --------------------------------------------------------------------------------------------------


def template(source: Source, columns: Sequence[Owed], codes: Codes, words: Words, year: int) -> bytes:
    """An empty workbook that the source profile reads: drop-downs, checks while typing, a guide and the known codes."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target, {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False})
    made = [book.add_worksheet(name) for name in source.sheets[:1] or [words.text("contract.sheet")]]
    data, guide, listed = made[0], *(book.add_worksheet(words.text(f"contract.{name}")) for name in ("guide", "codes"))
    bold = book.add_format({"bold": True, "bottom": 2, "bottom_color": "#12436D", "text_wrap": True})
    above = rows_above(source, columns, year)
    for row, cells in enumerate(above):
        data.write_row(row, 0, cells, bold)
    data.freeze_panes(len(above), 0)
    ranges = _write_lists(listed, columns, codes, words)
    for place, column in enumerate(columns):
        form = DATE_FORMATS.get(column.kind, TEXT_FORMAT if column.kind not in NUMBERS else "General")
        form = TEXT_FORMAT if not isinstance(source.dates, str) and column.kind in DATE_FORMATS else form
        data.set_column(place, place, 18, book.add_format({"num_format": form}))
        rule = validation(column, source, ranges.get(column.header, ""), words)
        data.data_validation(len(above), place, len(above) + ROWS, place, rule)
    data.set_column(len(columns), max(len(columns), len(above[-1]) if above else 0), 12)
    guide.set_column(0, 4, 30)
    guide.write_row(0, 0, [words.text(key) for key in TOLD.values()], bold)
    for row, texts in enumerate(told(columns, source, codes, words).to_numpy(), start=1):
        for place, text in enumerate(texts):
            guide.write_string(row, place, text)
    book.close()
    return target.getvalue()


def rows_above(source: Source, columns: Sequence[Owed], year: int) -> list[list[str]]:
    """Titles and header rows of the template, so that the profile finds its header there."""
    names = list(source.header) if isinstance(source.header, list) else []
    headers = [column.header for column in columns]
    wide = source.wide is not None and source.wide.columns == "periods"
    months = [date(year, month, 1) for month in range(1, 13)] if wide else []
    titles = [[label] for label in filter(None, map(_label, (source.extracted_at, source.as_of)))] if names else []
    if source.header == 0:
        return []
    if isinstance(source.header, int):
        titles = [[""]] * (source.header - 1)
    if source.header_rows == 1:
        extra = [name for name in names if name not in headers]
        return [*titles, [*headers, *extra, *(f"{day:%Y-%m}" for day in months)]]
    rows: list[list[str]] = [[] for _ in range(source.header_rows)]
    for place, header in enumerate(headers):
        upper, _, lower = header.rpartition(JOINED)
        first = upper or (names[place] if place < len(names) else "")
        cells = [first, *[""] * (source.header_rows - 2), "" if first == lower else lower]
        for row, cell in zip(rows, cells, strict=True):
            row.append(cell)
    for day in months:
        for row in rows:  # the same text in each: equal header rows are one
            row.append(f"{day:%m-%Y}")
    return [*titles, *rows]


def _label(pattern: str | None) -> str:
    """The words before the day in a title, where a pattern begins with plain words; the day is written after them."""
    before = re.sub(r"\\(.)", r"\1", (pattern or "").partition("(")[0])
    return before if before.endswith(" ") and not re.search(r"[\[\]*+?|^$]", before) else ""


def _write_lists(sheet: Worksheet, columns: Sequence[Owed], codes: Codes, words: Words) -> dict[str, str]:
    """Write every list of a drop-down, with names beside codes; where each stands, by header."""
    ranges, place = {}, 0
    for column in columns:
        known = [(text, "") for text in column.choices] or list(codes.get(column.column, ()))[:LONGEST_LIST]
        if not known or (column.column in codes and column.table in ("units", "crosswalk", "unit_codes")):
            continue
        sheet.write_string(0, place, f"{words.text('contract.codes')}: {column.header}")
        for row, (text, label) in enumerate(known, start=1):
            sheet.write_string(row, place, text)
            sheet.write_string(row, place + 1, label)
        ranges[column.header] = f"='{sheet.get_name()}'!{xl_range_abs(1, place, len(known), place)}"
        place += 2
    return ranges


def validation(column: Owed, source: Source, listed: str, words: Words) -> dict[str, object]:
    """The check of a column while it is filled in: what may stand there, and what is said otherwise."""
    note = {
        "input_title": column.header[:LONGEST_TITLE],
        "input_message": meaning(column, source, words)[:LONGEST_NOTE],
        "ignore_blank": True,
    }
    rule: dict[str, object] = {"validate": "any"}
    wrong = ""
    if listed:
        sure = bool(column.choices) and not column.open_choices
        wrong = "wrong_choice" if column.choices else "wrong_code"
        rule = {"validate": "list", "source": listed, "error_type": "stop" if sure else "warning"}
    elif column.kind in NUMBERS:
        wrong, rule = "wrong_number", {"validate": "decimal", "criteria": "between", "minimum": -1e15, "maximum": 1e15}
    elif column.kind in DATE_FORMATS and isinstance(source.dates, str):
        wrong, rule = "wrong_date", {"validate": "date", "criteria": ">", "value": date(1901, 1, 1)}
    elif column.kind == "period":
        wrong, rule = "wrong_period", {"validate": "length", "criteria": "between", "minimum": 4, "maximum": 20}
    return note | rule | ({"error_message": words.text(f"contract.{wrong}")} if wrong else {})
