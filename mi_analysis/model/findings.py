"""What a person should know of a delivery: breaches that stop it, warnings, notes.

Texts are ``finding.<key>`` in the words, filled with the values.
"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mi_analysis.model.columns import NUMBERS, Rule, numbers
from mi_analysis.model.grid import Grid, positions
from mi_analysis.model.rows import Part, spellings_of, wanted, wide_places
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import (
    PERSON_NUMBER,
    TEN_DIGITS,
    TEN_DIGITS_SHARE,
    NumberStyle,
    fold,
    looks_like_minutes,
    mojibake,
    names_a_person,
    parse_hours,
    parse_number,
    show,
)
from mi_analysis.parameters import Source


@dataclass(frozen=True)
class Finding:
    """Something a person should know."""

    key: str
    severity: str  # "stop" | "warn" | "note"
    values: dict[str, object] = field(default_factory=dict)


def stop(key: str, **values: object) -> Finding:
    """A breach: the delivery is left out whole."""
    return Finding(f"delivery.{key}", "stop", values)


def column_breaches(grid: Grid, source: Source) -> Iterator[Finding]:
    """Columns that are missing, ambiguous or name persons; a file without rows."""
    shown = ", ".join("…" if re.search(r"[0-9]{6}", header) else header for header in grid.headers if header)
    seen = set()
    for model_column, spellings in [*spellings_of(source), *(("", header) for header in source.fill_down)]:
        listed = [spellings] if isinstance(spellings, str) else spellings
        found = positions(grid.headers, listed)
        if (key := (tuple(listed), model_column == "person_key")) in seen:
            continue
        seen.add(key)
        names = {"column": " / ".join(listed), "row": grid.header_row}
        if not found:
            near = difflib.get_close_matches(fold(listed[0]), map(fold, grid.headers), 1, 0.6)
            header = next((header for header in grid.headers if near and fold(header) == near[0]), "")
            yield stop("renamed_column" if near else "missing_column", **names, headers=shown, near=header)
        elif len(found) > 1:
            yield stop("ambiguous_column", **names, count=len(found))
        elif names_a_person(header := grid.headers[found[0]]) and model_column != "person_key":
            of_things = model_column == "name" and {fact.table for fact in source.facts} <= {"units", "activities"}
            if not (of_things and fold(header) in ("navn", "name")):
                yield stop("person_header", column=header)
    if source.wide and not wide_places(grid.headers, source):
        yield stop("no_wide_columns", headers=shown)
    if not len(grid.rows):
        yield stop("header_only", row=grid.header_row)


TEN_DIGIT_NUMBER = 1_000_000_000


def text_breaches(grid: Grid, source: Source) -> Iterator[Finding]:
    """Text read in the wrong encoding, and persons' numbers, in the columns that are read."""
    for place in sorted(wanted(grid.headers, source)):
        typed, header = grid.columns[place].typed, grid.headers[place]
        if typed is not None and not (
            pa.types.is_integer(typed.type) and (pc.max(typed).as_py() or 0) >= TEN_DIGIT_NUMBER
        ):
            continue
        column = grid.columns[place].as_text()
        texts = column.texts
        odd = [(header, grid.header_row)] if mojibake(header) else []
        for text in texts.filter(pc.invert(pc.string_is_ascii(texts))).to_pylist() if not odd else []:
            if mojibake(text):
                code = pc.index(texts, text).as_py()
                odd = [(text, int(grid.rows[np.flatnonzero(column.codes == code)[0]]))]
                break
        for text, row in odd:
            yield stop("mojibake", column=header, row=row, text=text, encoding=mojibake(text))
        marked = column.per_row(pc.match_substring_regex(texts, PERSON_NUMBER).to_numpy(zero_copy_only=False))
        bare = column.per_row(pc.match_substring_regex(texts, TEN_DIGITS).to_numpy(zero_copy_only=False))
        filled = len(column.codes) - int(column.blank().sum())
        rows = int((marked | bare).sum()) if bare.sum() > TEN_DIGITS_SHARE * filled else int(marked.sum())
        if rows:
            yield stop("person_number", column=header, rows=rows)


# Totals

TOLERANCE = 0.01  # per row, between a stated total and the sum


@dataclass(frozen=True)
class ControlTotal:
    """A total line against the sum of the rows it stands for, in the file's own unit."""

    row: int
    label: str
    column: str
    stated: float
    computed: float
    difference: float
    agrees: bool


def control_totals(grid: Grid, source: Source, total: np.ndarray, empty: np.ndarray) -> Iterator[ControlTotal]:
    """Each number in a total line, reconciled.

    A line may stand for all rows above it, for those since any line before, or (``<name> i alt``) for
    those from the first row that bears its name; the reading that fits best counts.
    """
    lines = np.flatnonzero(total).tolist()
    if not lines:
        return
    style = NumberStyle(source.decimal, source.thousands, source.percent)
    labels = {line: next(text for column in grid.columns.values() if (text := column.text_at(line))) for line in lines}
    starts = {line: _group_start(grid, labels[line], source, line) for line in lines}
    rows = np.concatenate([[0], np.cumsum(~(total | empty))])
    for place, rule in dict(_number_columns(grid, source)).items():
        column = grid.columns[place].as_text()
        values = numbers(column.texts, style, rule)[0][column.codes]
        sums = np.concatenate([[0.0], np.cumsum(np.where(total | empty, 0.0, np.nan_to_num(values)))])
        for line in lines:
            stated = float(values[line])
            if np.isnan(stated):
                continue
            firsts = np.array([0, starts[line], *(earlier + 1 for earlier in lines if earlier < line)])
            first = firsts[np.argmin(np.abs(sums[line] - sums[firsts] - stated))]
            computed = round(float(sums[line] - sums[first]), 6)
            difference = round(stated - computed, 6) + 0.0
            agrees = abs(difference) <= TOLERANCE * max(rows[line] - rows[first], 1)
            yield ControlTotal(
                int(grid.rows[line]), labels[line], grid.headers[place], stated, computed, difference, bool(agrees)
            )


def _number_columns(grid: Grid, source: Source) -> Iterator[tuple[int, Rule]]:
    for fact in source.facts:
        columns = TABLES[fact.table].columns
        named = {positions(grid.headers, spellings)[0]: columns[name].kind for name, spellings in fact.columns.items()}
        if source.wide:
            named |= dict.fromkeys(wide_places(grid.headers, source), columns[source.wide.value].kind)
        for place, kind in named.items():
            if kind in NUMBERS:
                yield place, parse_hours if kind == "hours" else parse_number


def _group_start(grid: Grid, label: str, source: Source, line: int) -> int:
    """First row of the last run of rows that bear the name in a subtotal's label; else 0."""
    ending = next((ending for ending in source.total_endings if fold(label).endswith(fold(ending))), "")
    name = fold(label).removesuffix(fold(ending)).strip()
    named = [
        column.per_row(np.asarray(pc.equal(column.folded(), name)))[:line]
        for column in grid.columns.values()
        if column.typed is None
    ]
    places = np.flatnonzero(np.logical_or.reduce(named) if ending and named else np.zeros(0, bool))
    return int(places[np.flatnonzero(np.diff(places, prepend=-2) != 1)[-1]]) if len(places) else 0


def total_findings(totals: tuple[ControlTotal, ...], bad_columns: set[str], decimal: str) -> Iterator[Finding]:
    """Totals that do not agree: a stop, or a warning where cells of the column gave no number."""
    for total in totals:
        if not total.agrees:
            known = total.column not in bad_columns
            figures = {key: show(getattr(total, key), decimal) for key in ("stated", "computed", "difference")}
            yield Finding(
                "delivery.control_total" if known else "delivery.control_total_open", "stop" if known else "warn",
                {"row": total.row, "label": total.label, "column": total.column, **figures},
            )  # fmt: skip


def stated_findings(stated: Mapping[str, float], used: Mapping[str, float], rows: int) -> Iterator[Finding]:
    """Sums of a source's deliveries that are not what the owner states.

    Parameters
    ----------
    stated
        Model column ("amount" or "ledger.amount") to the owner's figure.
    used
        "table.column" to the sum of what was used, of ``rows`` rows.
    """
    for column, figure in stated.items():
        total = sum(value for name, value in used.items() if column in (name, name.rpartition(".")[2]))
        if abs(total - figure) > TOLERANCE * max(rows, 1):
            told = {"stated": show(figure), "computed": show(total), "difference": show(figure - total)}
            yield stop("stated_total", column=column, **told)


def magnitude_finding(previous_totals: Mapping[str, float], totals: Mapping[str, float]) -> Finding | None:
    """Kroner for thousands: a column's total some 1,000 times, or a thousandth of, what it used to be."""
    for column, total in totals.items():
        usual = previous_totals.get(column, 0.0)
        if usual and total and 2.5 < abs(np.log10(abs(total / usual))) < 3.5:
            return stop(
                "magnitude_up" if abs(total) > abs(usual) else "magnitude_down",
                column=column.rpartition(".")[2], total=show(total), usual=show(usual),
            )  # fmt: skip
    return None


# Series over months

LEVELS = frozenset({"fte", "persons", "balance_opening", "balance_closing", "flex_balance", "weight", "baseline"})
LEVEL_NAMES = ("stock", "caseworkers")  # of volumes: they stand, they do not add up over months

FEWEST_MONTHS = 4  # before a series can look like the year to date


def _flows(table: str, fact: pa.Table) -> list[str]:
    return [
        name for name, column in TABLES[table].columns.items()
        if name in fact.column_names and column.conserved and name not in LEVELS
    ]  # fmt: skip


def _series(table: str, fact: pa.Table) -> pa.Table:
    if "name" in fact.column_names and table == "volumes":
        fact = fact.filter(pc.invert(pc.is_in(fact.column("name"), pa.array(LEVEL_NAMES))))
    return fact.filter(pc.equal(fact.column("grain"), "month")) if "grain" in fact.column_names else fact.slice(0, 0)


def cumulative_finding(table: str, fact: pa.Table) -> Finding | None:
    """A year-to-date export taken as monthly: from January, every series only rises and the sum grows as the months do.

    Stops with six months or five series; fewer only warn.
    """
    fact = _series(table, fact)
    if not fact.num_rows or pc.count_distinct(fact.column("period_start")).as_py() < FEWEST_MONTHS:
        return None
    keys = [name for name in ("unit", "name") if name in fact.column_names]
    for value in _flows(table, fact) if fact.num_rows else ():
        added = fact.group_by([*keys, "period_start"]).aggregate([(value, "sum")]).to_pandas()
        wide = added.pivot_table(index="period_start", columns=keys, values=f"{value}_sum", aggfunc="sum").sort_index()
        for year, months in wide.groupby([day.year for day in wide.index]):
            total = months.sum(axis=1).to_numpy()
            count = len(total)
            if count < FEWEST_MONTHS or months.index[0].month != 1 or months.index[-1].month != count or not total[0]:
                continue
            steps = np.diff(months.to_numpy(), axis=0)
            rising = np.nanmean(steps[~np.isnan(steps)] * np.sign(total[0]) >= 0)
            growth = total[-1] / total[0] / count
            if rising >= 0.95 and 0.6 <= growth <= 1.7 and (np.diff(total) * np.sign(total[0]) > 0).all():
                sure = count >= 6 or months.shape[1] >= 5
                sums = {"first": show(total[0]), "last": show(total[-1])}
                values = {"column": value, "year": int(year), "months": count, **sums}
                return Finding("delivery.cumulative", "stop" if sure else "warn", values)
    return None


def months_of_ytd(table: str, fact: pa.Table) -> tuple[pa.Table, list[Finding]]:
    """Months of year-to-date figures: each figure less the one before in its year, per key.

    A falling series is a correction or an error, and told; a year that does not begin in January stops.
    """
    flows = _flows(table, fact)
    if not flows or "grain" not in fact.column_names or not fact.num_rows:
        return fact, []
    frame = fact.to_pandas(date_as_object=True)
    year = frame["period_start"].map(lambda day: day.year)
    late = frame.groupby(year)["period_start"].min()
    late = late[late.map(lambda day: day.month) > 1]
    if len(late):
        return fact, [stop("ytd_needs_earlier", year=int(late.index[0]), month=late.iloc[0].strftime("%Y-%m"))]
    keys = [name for name in TABLES[table].columns if name in frame and name not in (*LEVELS, *flows)]
    level = frame["name"].isin(LEVEL_NAMES) if table == "volumes" else frame["row"] < 0
    ordered = frame[~level].sort_values("period_start", kind="stable")
    groups = ordered.groupby([*(ordered[key] for key in keys), year], dropna=False, sort=False)
    findings = [Finding("delivery.ytd_differenced", "note", {"columns": ", ".join(flows)})]
    for name in flows:
        months = ordered[name] - groups[name].shift(fill_value=0.0)
        frame.loc[ordered.index, name] = months
        falling = ordered[(months < 0) & (groups[name].shift() > 0)]
        if len(falling):
            values = {"column": name, "rows": len(falling), "row": int(falling["row"].iloc[0])}
            findings.append(Finding("delivery.ytd_falling", "warn", values))
    return pa.Table.from_pandas(frame, fact.schema, preserve_index=False), findings


# Cells


def cell_findings(parts: list[Part], grid: Grid, source: Source) -> Iterator[Finding]:
    """What the cells of the data rows tell together; each thing is told once per column."""
    told: set[tuple[str, str]] = set()
    for part in parts:
        for name in part.parsed:
            header = part.headers.get(name, name)
            for key, severity, rows in _cell_signs(name, part, source):
                if rows.any() and (key, header) not in told:
                    told.add((key, header))
                    place = int(np.flatnonzero(rows)[0])
                    values = {"column": header, "row": int(grid.rows[place]), "text": part.cells[name].text_at(place)}
                    yield Finding(f"delivery.{key}", severity, values | {"rows": int(rows.sum())})
            kind = TABLES[part.table].columns[name].kind
            if kind == "hours" and ("minutes_like", header) not in told and part.cells[name].typed is None:
                told.add(("minutes_like", header))
                if looks_like_minutes(part.cells[name].texts.to_pylist(), source.decimal):
                    yield Finding("delivery.minutes_like", "warn", {"column": header})


def _cell_signs(name: str, part: Part, source: Source) -> Iterator[tuple[str, str, np.ndarray]]:
    parsed = part.parsed[name]
    bad = parsed.bad * part.taken
    for number, reason in enumerate(parsed.reasons, start=1):
        if reason == "swapped_date":
            yield "us_date" if source.dates == "day_first" else "danish_date", "stop", bad == number
        elif name == "period" and name not in part.headers:
            yield "no_period", "stop", bad == number
    if parsed.kind is not None:
        if source.period_kind != "ytd":
            yield "ytd_period", "stop", (parsed.kind == "ytd") & part.taken
        yield "supplementary_period", "note", (parsed.kind == "supplementary") & part.taken


PERCENT = (50.0, 200.0)
"""A target and a result this many times each other, one of them at most 1, are written in two ways."""
WHOLE_PER_CENT = 1.5
"""A share above that is likely a number of per cent."""


def percent_beside_fraction(table: str, fact: pa.Table) -> Iterator[Finding]:
    """Goals whose target is a percentage and whose result is a fraction, or the other way round; both that are no shares."""
    if table != "goals" or not {"target", "result"} <= set(fact.column_names):
        return
    target, result = (np.abs(fact.column(name).to_numpy()) for name in ("target", "result"))
    low, high = np.fmin(target, result), np.fmax(target, result)
    with np.errstate(divide="ignore", invalid="ignore"):
        rows = (low > 0) & (low <= 1) & (high > 1) & (high / low >= PERCENT[0]) & (high / low <= PERCENT[1])
    units = fact.column("goal_unit") if "goal_unit" in fact.column_names else pa.nulls(len(fact), pa.string())
    whole = pc.fill_null(pc.equal(units, "pct."), False).to_numpy() & (low > WHOLE_PER_CENT)
    for key, found in (("percent_beside_fraction", rows), ("percent_as_points", whole)):
        if found.any():
            first = fact.filter(pa.array(found)).slice(0, 1).to_pylist()[0]
            values = {
                "rows": int(found.sum()),
                "goal": first["goal"],
                "target": first["target"],
                "result": first["result"],
            }
            yield Finding(f"delivery.{key}", "warn", values)
