"""What a source profile asks of its supplier: the columns of a delivery, what may stand in them, an example."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePosixPath

from mi_analysis.model.columns import NUMBERS
from mi_analysis.model.schema import TABLES
from mi_analysis.parameters import Fact, Source

EXAMPLE_DAY = datetime(2025, 3, 31, 14, 30)
PLAIN_TEXTS = (".csv", ".txt", ".tsv", ".tab")


@dataclass(frozen=True)
class Owed:
    """One column that a delivery must have.

    Attributes
    ----------
    table, column
        Where the model takes it; of a column that only sorts rows, the column is blank.
    choices
        Texts that may stand here; none: any of its kind.
    open_choices
        Other texts are read too.
    """

    header: str
    table: str
    column: str
    kind: str
    required: bool
    choices: tuple[str, ...] = ()
    open_choices: bool = False
    example: str = ""


def owed(source: Source) -> list[Owed]:
    """Columns that a delivery of the source must have, in the order of the profile; a header stands once."""
    found: dict[str, Owed] = {}
    for column in _asked(source):
        first = found.get(column.header)
        if first is None:
            found[column.header] = column
            continue
        better = column if not first.column else first
        both = tuple(dict.fromkeys((*first.choices, *column.choices)))
        opened = first.open_choices or column.open_choices or bool(first.choices) != bool(column.choices)
        found[column.header] = replace(better, choices=both, open_choices=opened)
    asked = Counter(column.header for column in _asked(source) if column.required)
    return [
        replace(column, example=_example(column, source), required=asked[column.header] >= len(source.facts))
        for column in found.values()
    ]


def _asked(source: Source) -> Iterator[Owed]:
    for fact in source.facts:
        columns = TABLES[fact.table].columns
        filters = {**fact.where, **fact.where_not}
        for name, spellings in fact.columns.items():
            column, header = columns[name], spellings if isinstance(spellings, str) else spellings[0]
            choices, opened = _choices(fact, name, column.tokens)
            yield Owed(header, fact.table, name, column.kind, column.required, choices, opened)
        for header, texts in filters.items():
            plain = tuple(text for text in texts if text and not text.endswith("*"))
            yield Owed(header, fact.table, "", "text", False, plain, True)
    for header in source.fill_down:
        yield Owed(header, source.facts[0].table, "", "text", False)
    if source.wide and source.wide.columns != "periods":
        fact = source.facts[0]
        kind = TABLES[fact.table].columns[source.wide.value].kind
        yield from (Owed(header, fact.table, source.wide.value, kind, False) for header in source.wide.columns)


def _choices(fact: Fact, name: str, tokens: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """Texts that a column may hold, and whether others are read too."""
    mapping = fact.values.get(name)
    if mapping is None:
        return tokens, False
    plain = tuple(text for text in mapping if text and not text.endswith("*"))
    return plain, len(plain) < len(mapping)


def _example(column: Owed, source: Source) -> str:
    given = source.contract.examples.get(column.header)
    if given is not None or column.choices:
        return given or column.choices[0]
    if column.kind in NUMBERS:
        whole = "1" + source.thousands + "234" if column.kind in ("amount", "number") else "7"
        return whole + source.decimal + ("50" if column.kind != "share" else "5 %")
    if column.kind in ("date", "time") or column.column == "date":
        if not isinstance(source.dates, str):
            return EXAMPLE_DAY.strftime(source.dates[0])
        form = "%d-%m-%Y" if source.dates == "day_first" else "%m/%d/%Y"
        return EXAMPLE_DAY.strftime(form + (" %H:%M" if column.kind == "time" else ""))
    return {"period": "2025-03", "flag": "ja"}.get(column.kind, "")


def workbook_pattern(pattern: str) -> str:
    """The pattern under which a delivery may come as a workbook instead of as text."""
    path = PurePosixPath(pattern.removesuffix(".gz"))
    return str(path.with_suffix(".xlsx")) if path.suffix.lower() in PLAIN_TEXTS else pattern
