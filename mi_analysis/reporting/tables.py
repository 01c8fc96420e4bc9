"""Tables: caption, headers with scope, numbers of the language, states in words.

A table is data in, `Table` out; nothing is computed. What a cell cannot show (not delivered,
hidden, not applicable, not assessed) is a symbol with its words for a screen reader, and a line
under the table says what the symbols mean.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pandas as pd

from mi_analysis.measures.catalogue import Measure
from mi_analysis.reporting.curves import curve
from mi_analysis.reporting.presentation import Table, clean, escape, with_symbol
from mi_analysis.reporting.wording import Words, is_missing

NO_NUMBER = ("missing", "hidden", "not_applicable", "not_assessed", "no_target")
"""States of a cell that prints no number."""
MARKED = ("incomplete", "provisional", "estimated")
"""States of a cell that prints its number with a mark."""

FEW_COLUMNS, MANY = 8, ' class="many"'
"""A table with more columns than this is set closer."""

TEXTS = ("text", "measure", "status", "signal", "curve")
PHRASES = {"percent": "pct", "points": "pp_short"}
"""Kinds of number that carry their unit, and its key among the words."""
NUMBERS = ("number", *PHRASES, "money", "deviation", "quantity")
PERIODS = ("month", "quarter", "year")
TIMES = ("date", *PERIODS)

TONE_OF_STATUS = {
    **dict.fromkeys(("met", "expected", "green", "on_time", "used", "agrees"), "good"),
    **dict.fromkeys(("partly", "at_risk", "amber", "late", "warned"), "attention"),
    **dict.fromkeys(("not_met", "not_expected", "red", "stopped", "differs"), "bad"),
}

States = Mapping[tuple[Hashable, str], str] | None
"""States beside a frame: (index label, column) -> state."""


@dataclass(frozen=True)
class Column:
    """How one column of a frame is printed.

    Attributes
    ----------
    name
        Column of the frame.
    label
        Header; blank: the words' ``column.<name>``, or the measure's short label.
    kind
        ``text``; ``measure`` (a measure's name, printed as its label with unit), ``status`` (word
        with symbol), ``signal``, ``curve`` (a Series or mapping date -> value, drawn small);
        ``number``, ``percent``, ``points``, ``money``, ``deviation`` (money with
        merforbrug/mindreforbrug), ``quantity`` (of the measure named in the row's ``measure``);
        ``date``, ``month``.
    unit
        Printed in the header; blank: per cent, points and money carry it in the cell.
    change
        Another column of the frame, printed small under the value, with its sign.
    change_kind
        Kind of the change; blank: as the column.
    group
        A header over neighbouring columns of the same group.
    signed
        A plus before positive numbers.
    income
        A column of the frame that is true where the row is income: its deviation is merindtægt/mindreindtægt.
    reference
        A limit or target: in the table, not in a figure's description.
    mark
        Another column of the frame: tone and word, printed small under the value with the tone's symbol.
    """

    name: str
    label: str = ""
    kind: str = "text"
    decimals: int | None = None
    unit: str = ""
    change: str = ""
    change_kind: str = ""
    group: str = ""
    signed: bool = False
    income: str = ""
    reference: bool = False
    mark: str = ""

    def __post_init__(self) -> None:
        known = TEXTS + NUMBERS + TIMES
        if self.kind not in known or self.change_kind not in ("", *NUMBERS):
            raise ValueError(f"kind of column '{self.name}' must be one of {', '.join(known)}; got {self.kind}.")

    @property
    def numeric(self) -> bool:
        """Prints numbers."""
        return self.kind in NUMBERS


def measure_column(name: str, words: Words, **settings: Any) -> Column:
    """The column of a measure: short label, unit, decimals and kind as the catalogue has them."""
    kind = "deviation" if name == "deviation" else "money" if words.is_money(name) else "number"
    standard = {
        "label": words.measure(name, "short"),
        "unit": words.measure(name, "unit"),
        "kind": kind,
        "decimals": words.decimals(name),
    }
    return Column(name, **{**standard, **settings})


def label(column: Column, words: Words) -> str:
    """Header text of a column."""
    if column.label:
        return column.label
    keys = (f"column.{column.name}", f"measure.{column.name}.short")
    return next((words.text(key) for key in keys if words.has(key)), column.name)


def cell_text(value: Any, column: Column, row: Mapping[str, Any], words: Words) -> str:
    """A value as text, as the column's kind says; missing is a dash."""
    if is_missing(value):
        return words.text("symbol.missing")
    if column.numeric:
        return _number_text(value, column, row, words)
    if column.kind == "date":
        return words.date(value, table=True)
    if column.kind in PERIODS:
        return words.period(value, column.kind, short=True)
    if column.kind == "measure":
        return words.measure(value)
    if column.kind in ("status", "signal"):
        return words.text(f"{column.kind}.{value}")
    return clean(value)


def _number_text(value: float, column: Column, row: Mapping[str, Any], words: Words) -> str:
    if column.kind in ("money", "deviation"):
        signed = column.signed or column.kind == "deviation"
        return (words.money_number if column.unit else words.money)(value, signed=signed)
    if column.kind == "quantity":
        return words.quantity(value, row["measure"], unit=False, signed=column.signed)
    number = words.number(value, decimals_of(column.kind, column.decimals), signed=column.signed)
    if column.kind == "number" or column.unit:
        return number
    return words.text(f"quantity.{PHRASES[column.kind]}", value=number)


def decimals_of(kind: str, decimals: int | None) -> int:
    """Decimals of a column: its own, else one where its kind is a share or any measure."""
    return (1 if kind in (*PHRASES, "quantity") else 0) if decimals is None else decimals


def table(
    frame: pd.DataFrame,
    columns: Sequence[Column | str],
    title: str,
    words: Words,
    *,
    key: str = "table",
    states: States = None,
    blank: str = "missing",
    total_row: bool = False,
    note: str = "",
    verdict: Sequence[Mapping[str, Any]] = (),
) -> Table:
    """A table in print.

    Parameters
    ----------
    frame
        One row per printed row, in the order printed. The first column is the row's header.
    states
        See `States`.
    blank
        State of a null that has none: not delivered.
    total_row
        The last row is a total.
    note
        A sentence under the table ("Anm.: ...").

    Raises
    ------
    ValueError
        No title, no columns, or a column the frame does not have (all named at once).
    """
    cols = [Column(c) if isinstance(c, str) else c for c in columns]
    needed = [name for c in cols for name in (c.name, c.change) if name]
    printed = [name for c in cols for name in (c.name, c.change, c.mark) if name]
    marks = {c.mark for c in cols}
    absent = [name for name in printed if name not in frame.columns]
    if not title.strip() or not cols or absent:
        has = ", ".join(map(str, frame.columns))
        needs = "needs a title and columns the frame has"
        raise ValueError(f"Table '{title}' {needs}; it lacks {absent}, the frame has {has}.")
    if states is not None and not frame.index.is_unique:
        raise ValueError(f"Table '{title}': states are matched on the frame's index, which has the same label twice.")
    known = states or {}
    records: list[dict[Any, Any]] = frame.to_dict("records")
    found: list[dict[str, Any]] = [
        {"row": i, "column": name, "state": state}
        for i, (index, record) in enumerate(zip(frame.index, records, strict=True))
        for name in needed
        if (state := known.get((index, name)) or (blank if is_missing(record[name]) else ""))
    ]
    by_cell = {(state["row"], state["column"]): state["state"] for state in found}
    body = [
        _row(record, {name: by_cell.get((i, name), "") for name in needed}, cols, words, total_row and i == len(records) - 1)
        for i, record in enumerate(records)
    ]  # fmt: skip
    body = body or [f'<tr><td colspan="{len(cols)}">{escape(words.text("document.no_rows"))}</td></tr>']
    inner = f"<caption>{escape(title)}</caption>{_head(cols, words)}<tbody>{''.join(body)}</tbody>"
    html = f"<table{MANY if len(cols) > FEW_COLUMNS else ''}>{inner}</table>"
    html = f'<div aria-label="{escape(title)}" class="scroll" role="region" tabindex="0">{html}</div>'
    html = f'<div class="table">{html}{_notes(note, by_cell.values(), words)}</div>'
    rows = tuple(
        tuple(None if by_cell.get((i, name)) in NO_NUMBER else _told(record[name], name in marks) for name in printed)
        for i, record in enumerate(records)
    )
    return Table(key, title, "", html, _described(cols, words), rows, tuple(found), tuple(verdict))


def _told(value: Any, mark: bool) -> Any:
    """A cell as it is handed on; of a mark its words."""
    return (value or ("", ""))[1] if mark else value


def _described(columns: Sequence[Column], words: Words) -> tuple[Mapping[str, Any], ...]:
    described: list[Mapping[str, Any]] = []
    for column in columns:
        money = column.kind in ("money", "deviation")
        unit = words.money_unit(1) if money else column.unit or _unit(column.kind, words)
        one = {"name": column.name, "label": label(column, words), "kind": column.kind, "unit": unit}
        described.append({**one, "group": column.group, "decimals": column.decimals})
        if column.change:
            change = _change(column)
            text = words.text("document.change_of", label=one["label"])
            unit = unit if change.kind == column.kind else _unit(change.kind, words)
            described.append({**one, "name": change.name, "label": text, "kind": change.kind, "unit": unit,
                              "group": column.group, "decimals": change.decimals})  # fmt: skip
        if column.mark:
            text = words.text("document.mark_of", label=one["label"])
            described.append({**one, "name": column.mark, "label": text, "kind": "text", "unit": "", "group": column.group,
                              "decimals": None})  # fmt: skip
    return tuple(described)


def _unit(kind: str, words: Words) -> str:
    return words.text(f"quantity.{PHRASES[kind]}", value="").strip() if kind in PHRASES else ""


def _change(column: Column) -> Column:
    """The small number under a value, as a column of its own."""
    kind = column.change_kind or column.kind
    same = kind == column.kind
    return replace(column, name=column.change, change="", kind=kind, signed=True,
                   unit=column.unit if same else "", decimals=column.decimals if same else None)  # fmt: skip


def _head(columns: Sequence[Column], words: Words) -> str:
    cells = "".join(_header(column, words) for column in columns)
    groups = [(group, len(list(members))) for group, members in groupby(columns, lambda column: column.group)]
    if not any(group for group, _ in groups):
        return f"<thead><tr>{cells}</tr></thead>"
    spans = "".join(f'<colgroup span="{n}"></colgroup>' for _, n in groups)
    over = "".join(
        f'<th scope="colgroup" colspan="{n}">{escape(group)}</th>' if group else f'<td colspan="{n}"></td>'
        for group, n in groups
    )
    return f'{spans}<thead><tr class="groups">{over}</tr><tr>{cells}</tr></thead>'


def _header(column: Column, words: Words) -> str:
    text = label(column, words)
    return f'<th scope="col"{_css(column)}>{escape(text)}{_unit_beside(text, column.unit)}</th>'


def _unit_beside(text: str, unit: str) -> str:
    """The unit after a label that does not say it already."""
    return f' <span class="unit">{escape(unit)}</span>' if unit and unit.casefold() not in text.casefold() else ""


def _css(column: Column) -> str:
    if column.numeric:
        return ' class="n ref"' if column.reference else ' class="n"'
    return ' class="w"' if column.kind in ("signal", "status") else ""


def _row(
    record: Mapping[str, Any], states: Mapping[str, str], columns: Sequence[Column], words: Words, total: bool
) -> str:
    cells = []
    for i, column in enumerate(columns):
        tag, end = ('th scope="row"', "th") if i == 0 else ("td", "td")
        cells.append(f"<{tag}{_css(column)}>{_cell(record, states, column, words)}</{end}>")
    start = '<tr class="total">' if total else "<tr>"
    return f"{start}{''.join(cells)}</tr>"


def _cell(record: Mapping[str, Any], states: Mapping[str, str], column: Column, words: Words) -> str:
    value, state = record[column.name], states[column.name]
    if state in NO_NUMBER:
        return symbol(state, words)
    html = _shown(value, column, record, words)
    if state:
        html += f"<sup>{symbol(state, words)}</sup>"
    if column.kind == "deviation" and (word := words.deviation_word(value, income=bool(record.get(column.income)))):
        html += f' <span class="word">{escape(words.lower(word))}</span>'
    if column.change and not states[column.change]:
        change = _change(column)
        html += f' <span class="change">{escape(cell_text(record[column.change], change, record, words))}</span>'
    if column.mark and record[column.mark]:
        tone, said = record[column.mark]
        html += f' <span class="word">{with_symbol(tone, said, words)}</span>'
    return html


NO_SIGNAL = ("none", "too_short", "hidden", "rolling")
"""Words in the column of signals that tell of none."""


def tone_of_signal(signal: str, measure: Measure | None) -> str:
    """Good where the measure moves the better way, attention where it does not, plain without a signal or a better way."""
    better = {"higher": "up", "lower": "down"}.get(measure.direction if measure else "")
    if signal in NO_SIGNAL or better is None:
        return "plain"
    return "good" if signal.endswith(better) else "attention"


def _shown(value: Any, column: Column, record: Mapping[str, Any], words: Words) -> str:
    text = escape(cell_text(value, column, record, words)) if column.kind != "curve" else ""
    if column.kind == "curve":
        return curve(value, words, record.get("measure", "")) or symbol("missing", words)
    if column.kind == "measure":
        return text + _unit_beside(words.measure(value), words.measure(value, "unit"))
    if column.kind == "status":
        own = cell_text(value, column, record, words)
        return f'<span class="status">{with_symbol(TONE_OF_STATUS.get(str(value), "none"), own, words)}</span>'
    if column.kind == "signal" and value in NO_SIGNAL:
        return f'<span class="quiet">{text}</span>'
    if column.kind == "signal":
        tone = tone_of_signal(value, words.known(str(record.get("measure", ""))))
        return f'<span class="signal">{with_symbol(tone, cell_text(value, column, record, words), words)}</span>'
    return text


def symbol(state: str, words: Words) -> str:
    """The sign of a state, read aloud as its words."""
    word = escape(words.text(f"state.{state}"))
    return f'<span class="state" role="img" aria-label="{word}">{escape(words.text(f"symbol.{state}"))}</span>'


def _notes(note: str, states: Any, words: Words) -> str:
    """The note, and what the symbols used in the table mean."""
    used = set(states)
    shown = [state for state in (*NO_NUMBER, *MARKED) if state in used and words.text(f"symbol.{state}")]
    said = {state: words.lower(words.text(f"state.{state}")) for state in shown}
    legend = [words.text("document.legend", symbol=words.text(f"symbol.{state}"), word=said[state]) for state in shown]
    parts = [f"{words.text('report.note')}: {note}"] if note else []
    lines = parts + (["; ".join(legend)] if legend else [])
    return f'<p class="note">{" <br>".join(map(escape, lines))}</p>' if lines else ""
