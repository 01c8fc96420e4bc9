"""A column of text -> typed values, by its kind in the schema and the source's profile.

Each distinct text is parsed once by the pure rules of `values`; the many texts of a large column that
are written in the plain way are parsed at once, with the same result.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mi_analysis.model import schema
from mi_analysis.model.grid import Column
from mi_analysis.model.values import (
    EXCEL_ERRORS,
    Bad,
    NumberStyle,
    fold,
    parse_date,
    parse_flag,
    parse_hours,
    parse_number,
    parse_period,
    plain_code,
    tidy,
)  # fmt: skip
from mi_analysis.parameters import Source

FEW = 500  # distinct texts below which the plain rule is quick enough
NUMBERS = ("number", "amount", "hours", "days", "share")
ARROW = {
    "code": pa.string(), "text": pa.string(), "token": pa.string(), "date": pa.date32(), "time": pa.timestamp("us"),
    "flag": pa.bool_(), **dict.fromkeys(NUMBERS, pa.float64()),
}  # fmt: skip
GOAL_VALUES = ("target", "result")  # text in the schema: a number, a share, a date, or not assessed
_BOUND_WORDS = ("≥", "≤", "mindst", "højst", "maks.", "maks", "min.", "at least", "at most")
_UNIT_WORDS = ("dage", "dag", "timer", "sager", "point", "antal", "days", "hours", "cases", "points")


@dataclass(frozen=True)
class Parsed:
    """Values of a column, row by row, and what is wrong with a cell.

    Attributes
    ----------
    arrays
        By column of the fact table: a period gives ``period_start``, ``grain`` and ``day``.
    bad
        0, or 1 + position in ``reasons``.
    withheld
        A text that says the figure is withheld stood here.
    kind
        What a period is besides its month: the `Period.kind` per row (blank elsewhere).
    """

    arrays: dict[str, pa.Array]
    bad: np.ndarray
    reasons: list[str]
    withheld: np.ndarray | None = None
    kind: np.ndarray | None = None


Value = TypeVar("Value")


@dataclass
class _Texts:
    """What is known of each distinct text of a column while it is parsed."""

    texts: pa.StringArray
    open: np.ndarray  # still to be parsed
    problems: dict[int, Bad] = field(default_factory=dict)

    def parse(self, rule: "Callable[[str], Value | Bad]") -> "list[Value | None]":
        """Values of the open texts by a rule of one text; None elsewhere."""
        found: list[Value | None] = [None] * len(self.texts)
        places = np.flatnonzero(self.open)
        for place, text in zip(places, self.texts.take(pa.array(places)).to_pylist(), strict=True):
            value = rule(text)
            if isinstance(value, Bad):
                self.problems[int(place)] = value
            else:
                found[place] = value
        return found


def parse_column(
    name: str, column: schema.Column, cells: Column, source: Source, mapping: dict[str, str], year: int | None
) -> Parsed:
    """Typed values of one model column.

    Parameters
    ----------
    mapping
        Text in the file -> text to read instead; ``18*`` is a beginning, ``*`` the rest.
    year
        The year of periods that are written without one.
    """
    if cells.typed is not None:
        arrays = None if mapping else _typed(name, column, cells.typed, source)
        if arrays:
            missing = next(iter(arrays.values())).is_null().to_numpy(zero_copy_only=False)
            return Parsed(arrays, (missing & column.required).astype(np.int32), ["missing"])
        source = source.model_copy(update={"decimal": ".", "thousands": ""})
        cells = cells.as_text()
    texts = cells.texts
    work = _Texts(texts, np.ones(len(texts), bool))
    if mapping:
        work.texts = _mapped(work, mapping, set(map(fold, source.na_tokens)))
    folded = pc.utf8_lower(pc.replace_substring(work.texts, "–", "-"))
    missing = _among(folded, ["", *source.na_tokens])
    blank = _among(folded, [""])
    number = column.kind in NUMBERS or name in GOAL_VALUES
    withheld = _among(folded, source.suppressed_tokens) if number else np.zeros(len(texts), bool)
    broken = _among(folded, EXCEL_ERRORS) & ~missing & ~withheld
    work.problems |= {int(place): Bad("excel_error") for place in np.flatnonzero(broken)}
    if column.required:
        refused = (blank if number else missing) & work.open
        work.problems |= {int(place): Bad("missing") for place in np.flatnonzero(refused)}
    work.open &= ~(missing | withheld | broken)
    arrays, kinds = _by_kind(name, column, work, source, year, na=missing & ~blank)
    codes = pa.array(cells.codes)
    reasons = list(dict.fromkeys(str(problem) for problem in work.problems.values()))
    bad = np.zeros(len(texts), np.int32)
    for place, problem in work.problems.items():
        bad[place] = reasons.index(str(problem)) + 1
    return Parsed(
        {key: array.take(codes) for key, array in arrays.items()}, cells.per_row(bad), reasons,
        cells.per_row(withheld) if withheld.any() else None, None if kinds is None else cells.per_row(kinds),
    )  # fmt: skip


def _among(folded: pa.StringArray, tokens: "list[str] | frozenset[str]") -> np.ndarray:
    if not tokens:
        return np.zeros(len(folded), bool)
    return pc.is_in(folded, pa.array(sorted(map(fold, tokens)), pa.string())).to_numpy(zero_copy_only=False)


def matching(texts: pa.StringArray, patterns: "dict[str, str] | list[str]") -> list[str | None]:
    """Which pattern each text meets: itself, a beginning (``18*``), ``*`` for any text; else None."""
    exact = {fold(pattern): pattern for pattern in patterns if not pattern.endswith("*")}
    beginnings = sorted((pattern for pattern in patterns if pattern.endswith("*")), key=len, reverse=True)

    def met(text: str) -> str | None:
        folded = fold(text)
        if folded in exact or not folded:
            return exact.get(folded)
        return next((start for start in beginnings if folded.startswith(fold(start[:-1]))), None)

    return [met(text) for text in texts.to_pylist()]


def _mapped(work: _Texts, mapping: dict[str, str], not_available: set[str]) -> pa.StringArray:
    """The texts that stand for the file's texts; a text without one is bad, and so told."""
    found = matching(work.texts, mapping)
    known = ", ".join(text for text in mapping if text)
    for place, (pattern, text) in enumerate(zip(found, work.texts.to_pylist(), strict=True)):
        if pattern is None and text and fold(text) not in not_available:
            work.problems[place] = Bad("unknown_text", known)
            work.open[place] = False
    return pa.array(["" if pattern is None else mapping[pattern] for pattern in found], pa.string())


def _by_kind(
    name: str, column: schema.Column, work: _Texts, source: Source, year: int | None, na: np.ndarray
) -> tuple[dict[str, pa.Array], np.ndarray | None]:
    kind = ARROW.get(column.kind)
    percent = "fraction" if column.kind == "share" else source.percent
    style = NumberStyle(source.decimal, source.thousands, percent, _scale(column, source))
    if name in GOAL_VALUES and column.kind == "text":
        return _goal_values(name, work, source, style, na), None
    if column.kind == "period":
        return _periods(work, source, year)
    if column.kind in NUMBERS:
        return {name: _numbers_of(work, style, parse_hours if column.kind == "hours" else parse_number)}, None
    if column.kind in ("code", "text"):
        values = work.texts
        if column.kind == "code" and not pc.all(pc.string_is_ascii(values)).as_py():
            values = pa.array(map(plain_code, values.to_pylist()), pa.string())
        return {name: pc.if_else(pa.array(work.open), values, pa.scalar(None, pa.string()))}, None
    if column.kind in ("date", "time"):
        return {name: _dates_of(work, source).cast(kind, safe=False)}, None
    if column.kind == "flag":
        return {name: pa.array(work.parse(parse_flag), kind)}, None
    known = {fold(token): token for token in column.tokens}
    unknown = Bad("unknown_text", ", ".join(column.tokens))
    return {name: pa.array(work.parse(lambda text: known.get(fold(text), unknown)), kind)}, None


def _scale(column: schema.Column, source: Source) -> float:
    """Factor of a column's numbers: the source's unit of money, or a share that is written in per cent."""
    return {"amount": source.unit_scale, "share": 0.01 if source.percent == "points" else 1}.get(column.kind, 1)


# Many numbers and dates at once

Rule = Callable[[str, NumberStyle], float | Bad]


def _numbers_of(work: _Texts, style: NumberStyle, rule: Rule) -> pa.Array:
    places = np.flatnonzero(work.open)
    values, bad = numbers(work.texts.take(pa.array(places)), style, rule)
    work.problems |= {int(places[place]): problem for place, problem in bad.items()}
    found = np.full(len(work.texts), np.nan)
    found[places] = values
    return pa.array(found, mask=np.isnan(found))


def numbers(texts: pa.StringArray, style: NumberStyle, rule: Rule = parse_number) -> tuple[np.ndarray, dict[int, Bad]]:
    """Values of a column's distinct texts (NaN where bad), and the bad ones by position.

    ``1.234`` is a thousand when every text of the column with a point can be read so; when some
    cannot (``0.5``), it is ambiguous.
    """
    values = np.full(len(texts), np.nan)
    done = _read_plain(texts, style, values) if len(texts) > FEW else np.zeros(len(texts), bool)
    bad: dict[int, Bad] = {}
    rest = np.flatnonzero(~done)
    for place, text in zip(rest, texts.take(pa.array(rest)).to_pylist(), strict=True):
        value = rule(text, style)
        if isinstance(value, Bad):
            bad[int(place)] = value
        else:
            values[place] = value
    if style.lone_group and any(problem.reason == "other_separators" for problem in bad.values()):
        return numbers(texts, replace(style, lone_group=False), rule)
    return values, bad


def _read_plain(texts: pa.StringArray, style: NumberStyle, values: np.ndarray) -> np.ndarray:
    """Fill in, at once, the numbers written in the plain way; say which."""
    decimal, group = f"[{style.decimal}]", f"[{style.thousands}]"
    grouped = f"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+{decimal}[0-9]+|" if style.thousands else ""
    plain = pc.match_substring_regex(texts, f"^(?:-?(?:{grouped}[0-9]+(?:{decimal}[0-9]+)?)|[0-9]+{decimal}[0-9]+-)$")
    done = plain.to_numpy(zero_copy_only=False)
    chosen = texts.filter(plain)
    if style.thousands:
        chosen = pc.replace_substring(chosen, style.thousands, "")
    chosen = pc.replace_substring(chosen, style.decimal, ".")
    trailing = pc.ends_with(chosen, "-").to_numpy(zero_copy_only=False)
    parsed = pc.cast(pc.utf8_rtrim(chosen, "-"), pa.float64()).to_numpy(zero_copy_only=False) * style.scale
    values[done] = np.where(trailing, -parsed, parsed)
    return done


_DAY, _MONTH, _YEAR = "(0[1-9]|1[0-9]|2[0-8])", "(0[1-9]|1[0-2])", "((?:19|20)[0-9]{2})"
_TIME = "((?: (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9])?)"


def _dates_of(work: _Texts, source: Source) -> pa.Array:
    """Dates with time of day; days 1-28 written in full at once, the others one by one."""
    plain = None
    if work.open.sum() > FEW and isinstance(source.dates, str):
        first, second = (_DAY, _MONTH) if source.dates == "day_first" else (_MONTH, _DAY)
        into = r"\3-\2-\1\4" if source.dates == "day_first" else r"\3-\1-\2\4"
        iso = pc.replace_substring_regex(work.texts, f"^{first}[-/.]{second}[-/.]{_YEAR}{_TIME}$", into)
        is_plain = pc.and_(pc.match_substring_regex(iso, f"^{_YEAR}-{_MONTH}-{_DAY}{_TIME}$"), pa.array(work.open))
        plain = pc.cast(pc.if_else(is_plain, iso, pa.scalar(None, pa.string())), pa.timestamp("us"))
        work.open &= ~is_plain.to_numpy(zero_copy_only=False)
    rest = pa.array(work.parse(lambda text: parse_date(text, source.dates)), pa.timestamp("us"))
    return rest if plain is None else pc.coalesce(plain, rest)


def _periods(work: _Texts, source: Source, year: int | None) -> tuple[dict[str, pa.Array], np.ndarray]:
    periods = work.parse(lambda text: parse_period(text, source.dates, year))
    kinds = np.array([period.kind if period else "" for period in periods], object)
    return {
        "period_start": pa.array([period and period.start for period in periods], pa.date32()),
        "grain": pa.array([period and period.grain for period in periods], pa.string()),
        "day": pa.array([period and period.day for period in periods], pa.date32()),
    }, kinds


def _goal_values(name: str, work: _Texts, source: Source, style: NumberStyle, na: np.ndarray) -> dict[str, pa.Array]:
    """A target or result as number or date; a result that is not assessed is a state, never 0."""
    found = work.parse(lambda text: _goal_value(text, source, style))
    dates = [value if isinstance(value, date) else None for value in found]
    values = [None if isinstance(value, date) else value for value in found]
    arrays = {name: pa.array(values, pa.float64()), f"{name}_date": pa.array(dates, pa.date32())}
    if name == "result":
        states = [
            None if open_ else "not_assessed" if not_assessed else "missing"
            for open_, not_assessed in zip(work.open, na, strict=True)
        ]
        arrays["state"] = pa.array(states, pa.string())
    return arrays


def _goal_value(text: str, source: Source, style: NumberStyle) -> float | date | Bad:
    plain = tidy(text)
    for word in _BOUND_WORDS:
        plain = plain[len(word) :].strip() if plain.lower().startswith(word) else plain
    for word in _UNIT_WORDS:
        plain = plain[: -len(word) - 1].strip() if plain.lower().endswith(f" {word}") else plain
    value = parse_number(plain, style)
    if not isinstance(value, Bad):
        return value
    flag = parse_flag(plain)
    if not isinstance(flag, Bad):
        return float(flag)
    day = parse_date(plain, source.dates)
    return value if isinstance(day, Bad) else day.date()


# Columns that come typed


def _typed(name: str, column: schema.Column, array: pa.Array, source: Source) -> dict[str, pa.Array] | None:
    """The array as the kind wants it; None when it has to go by text."""
    kind = array.type
    if column.kind in NUMBERS and (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        values = pc.cast(array, pa.float64())
        values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
        scale = _scale(column, source)
        return {name: values if scale == 1 else pc.multiply(values, scale)}
    if pa.types.is_temporal(kind):
        if column.kind in ("date", "time"):
            return {name: pc.cast(pc.cast(array, pa.timestamp("us"), safe=False), ARROW[column.kind], safe=False)}
        if column.kind == "period":
            day = pc.cast(array, pa.date32(), safe=False)
            return {
                "period_start": pc.cast(pc.floor_temporal(day, unit="month"), pa.date32()),
                "grain": pc.if_else(pc.is_valid(day), "month", pa.scalar(None, pa.string())), "day": day,
            }  # fmt: skip
    return {name: array} if column.kind == "flag" and pa.types.is_boolean(kind) else None
