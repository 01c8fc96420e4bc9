"""One source file as its profile says: facts with their origin, everything else told and counted.

Rows are conserved: read = used + quarantined + dropped by rule. A bad cell puts its row in quarantine; a
breach stops the delivery. Only columns that the profile names are parsed, and a person is at most a key.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from mi_analysis.model.findings import (
    ControlTotal,
    Finding,
    cell_findings,
    column_breaches,
    control_totals,
    cumulative_finding,
    months_of_ytd,
    percent_beside_fraction,
    stop,
    text_breaches,
    total_findings,
)
from mi_analysis.model.formats import read_grid
from mi_analysis.model.grid import Grid, Unreadable, positions
from mi_analysis.model.rows import (
    Part,
    bad_cells,
    beside_the_one,
    facts_of,
    no_data,
    parts_of,
    repeated,
    repeated_keys,
    said_by_headers,
    spellings_of,
    wanted,
)
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import DateOrder, Period, fold, parse_date, parse_period
from mi_analysis.parameters import Institution, Problem, Source, WrongUse, nearest

QUARANTINE = pa.schema(
    [("delivery", pa.string()), ("row", pa.int64()), *((name, pa.string()) for name in ("column", "text", "reason"))]
)


@dataclass(frozen=True)
class Account:
    """What became of the rows, and of the amounts of each conserved column (total lines are no amounts)."""

    read: int = 0
    used: int = 0
    quarantined: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # blank, total, note, filtered, duplicate, closing_date
    amounts: dict[str, dict[str, float]] = field(default_factory=dict)  # "table.column" -> read, used ... dropped


@dataclass(frozen=True)
class Delivery:
    """One file as read. ``facts`` hold the file's own unit and activity codes; of a stopped delivery, nothing."""

    source: str
    file: str
    fingerprint: str = ""
    extracted_at: date | None = None
    as_of: date | None = None
    periods: tuple[tuple[date, str], ...] = ()
    facts: dict[str, pa.Table] = field(default_factory=dict)
    quarantine: pa.Table = field(default_factory=QUARANTINE.empty_table)
    account: Account = field(default_factory=Account)
    control_totals: tuple[ControlTotal, ...] = ()
    findings: tuple[Finding, ...] = ()
    stopped: bool = False


def check_profiles(institution: Institution) -> None:
    """Refuse source profiles that name tables, columns or tokens the model does not have, all at once.

    Raises `WrongUse` with the line of each, and the nearest right name.
    """
    problems = []

    def refuse(at: tuple[str | int, ...], what: str, written: str, known: Iterable[str]) -> None:
        problems.append(Problem(institution.where("sources", *at), what, nearest(written, known)))

    for name, source in institution.sources.items():
        for number, other in enumerate(source.yields_to):
            if other not in institution.sources or other == name:
                what = f'yields_to: "{other}" is no other source.'
                refuse((name, "yields_to", number), what, other, institution.sources)
        for number, fact in enumerate(source.facts):
            at = (name, "facts", number)
            if fact.table not in TABLES:
                refuse((*at, "table"), f'table: "{fact.table}" is no table of the model.', fact.table, TABLES)
                continue
            columns = TABLES[fact.table].columns
            named = [(part, column) for part in ("columns", "values", "constants") for column in getattr(fact, part)]
            if source.wide:
                named += [("wide", column) for column in (*said_by_headers(source), source.wide.value)]
            given = {"period", *(column for _, column in named)}  # a file without a period is told when it is read
            if lacking := [name for name, kind in columns.items() if kind.required and name not in given]:
                what = f"columns: no row of {fact.table} can do without {', '.join(lacking)}."
                right = "Say which column holds it, or write it under constants."
                problems += (
                    [] if source.in_place else [Problem(institution.where("sources", *at, "columns"), what, right)]
                )
            for part, column in named:
                if column not in columns:
                    below = (name, part) if part == "wide" else (*at, part, column)
                    refuse(below, f'{part}: "{column}" is no column of {fact.table}.', column, columns)
            for column, texts in fact.values.items():
                tokens = columns[column].tokens if column in columns else ()
                for text, token in texts.items() if tokens else ():
                    if token and fold(token) not in map(fold, tokens):
                        refuse((*at, "values", column, text), f'{column}: "{token}" is not known.', token, tokens)
        spelled = [[one] if isinstance(one, str) else one for _, one in spellings_of(source)]
        headers = [header for listed in spelled for header in listed] + source.fill_down
        for part in ("meanings", "examples"):
            for header in sorted(set(getattr(source.contract, part)) - set(headers)):
                refuse(
                    (name, "contract", part, header), f'{part}: "{header}" is no column that is read.', header, headers
                )
    if problems:
        raise WrongUse(*problems)


def read(path: Path, name: str, source: Source) -> Delivery:
    """Read one file of the source ``name``; what is wrong with it is in the findings, never raised."""
    empty = Delivery(name, path.name, stopped=True)
    if path.is_symlink():
        return replace(empty, findings=(stop("link"),))
    try:
        content = path.read_bytes()
    except OSError as error:
        gone = isinstance(error, FileNotFoundError)
        return replace(empty, findings=(stop("vanished" if gone else "no_access"),))
    empty = replace(empty, fingerprint=hashlib.sha256(content).hexdigest())
    try:
        grid = read_grid(content, path.name, source, lambda headers: wanted(headers, source))
    except Unreadable as problem:
        return replace(empty, findings=(stop(problem.key, **problem.values),))
    day = _stated_day(source, source.extracted_at, grid.titles, path.name)
    empty = replace(empty, extracted_at=day, as_of=_stated_day(source, source.as_of, grid.titles, path.name) or day)
    breaches = [*column_breaches(grid, source)] or [*text_breaches(grid, source)]
    return replace(empty, findings=tuple(breaches)) if breaches else _read_rows(grid, source, empty)


def _stated_day(source: Source, pattern: str | None, titles: list[str], file: str) -> date | None:
    order: DateOrder = source.dates if isinstance(source.dates, str) else "day_first"
    found = parse_date(_searched(pattern, titles, file), order) if pattern else None
    return found.date() if isinstance(found, datetime) else None


def _searched(pattern: str, titles: list[str], file: str) -> str:
    return next((match[1] for text in (*titles, file) if (match := re.search(pattern, text))), "")


def _file_period(source: Source, titles: list[str], file: str) -> tuple[str, int | None]:
    """The period that holds for the whole file, and its year."""
    if source.period is None:
        return "", None
    text = _searched(source.period, titles, file) if re.compile(source.period).groups else source.period
    period = parse_period(text, source.dates)
    return text, period.start.year if isinstance(period, Period) else None


def _read_rows(grid: Grid, source: Source, empty: Delivery) -> Delivery:
    blank, total, note = no_data(grid, source)
    other = blank | total | note
    data = grid.take(np.flatnonzero(~other)) if other.any() else grid
    if not len(data.rows):
        return replace(empty, findings=(stop("header_only", row=grid.header_row),))
    for header in source.fill_down:
        place = positions(data.headers, header)[0]
        data.columns[place] = data.columns[place].as_text().filled_down()
    parts = [*parts_of(data, source, *_file_period(source, grid.titles, empty.file))]
    taken = np.logical_or.reduce([part.taken for part in parts])
    twin = repeated(data) & taken if source.duplicates == "drop_exact" else np.zeros(len(taken), bool)
    if source.duplicates in ("first", "last"):
        twin = beside_the_one(parts, taken, source.duplicates)
    closing = np.logical_or.reduce([part.is_kind("closing") for part in parts]) & ~twin
    kept = taken & ~twin & ~closing
    bad = bad_cells(parts, data, kept)
    good = kept & ~np.isin(data.rows, [row for row, *_ in bad])
    if source.duplicates == "error":
        bad += repeated_keys(parts, data, good)
        good &= ~np.isin(data.rows, [row for row, *_ in bad])
    dropped = {
        "blank": blank, "total": total, "note": note, "filtered": ~taken, "duplicate": twin, "closing_date": closing,
    }  # fmt: skip
    account = Account(
        len(grid.rows), int(good.sum()), int((kept & ~good).sum()),
        {rule: int(rows.sum()) for rule, rows in dropped.items() if rows.any()}, _amounts(parts, kept & ~good, good),
    )  # fmt: skip
    totals = tuple(control_totals(grid, source, total, blank | note))
    without_number = {part.headers[name] for part in parts for name, rows in part.without_number() if rows}
    findings = [*cell_findings(parts, data, source), *total_findings(totals, without_number, source.decimal)]
    if not account.used:
        findings.append(stop("nothing_used", rows=len(data.rows), quarantined=account.quarantined))
    elif account.quarantined:
        findings.append(Finding("delivery.quarantined", "warn", {"rows": account.quarantined, "cells": len(bad)}))
    facts = facts_of(parts, data, good)
    for table, fact in facts.items():
        if source.period_kind == "ytd":
            facts[table], told = months_of_ytd(table, fact)
        else:
            told = [found for found in [cumulative_finding(table, fact)] if found and source.period_kind == "month"]
        findings += [*told, *percent_beside_fraction(table, fact)]
    stopped = any(finding.severity == "stop" for finding in findings)
    rows = [dict(zip(QUARANTINE.names, (empty.file, *cell), strict=True)) for cell in bad]
    return replace(
        empty, periods=_periods(facts), facts={} if stopped else facts, account=account, control_totals=totals,
        quarantine=pa.Table.from_pylist(rows, QUARANTINE), findings=tuple(findings), stopped=stopped,
    )  # fmt: skip


def _periods(facts: dict[str, pa.Table]) -> tuple[tuple[date, str], ...]:
    pair = ["period_start", "grain"]
    tables = [fact.select(pair).group_by(pair).aggregate([]) for fact in facts.values() if "grain" in fact.column_names]
    return tuple(sorted({(row["period_start"], row["grain"]) for table in tables for row in table.to_pylist()}))


def _amounts(parts: list[Part], quarantined: np.ndarray, good: np.ndarray) -> dict[str, dict[str, float]]:
    """Sum of each conserved column over the rows read, used, quarantined and dropped."""
    amounts: dict[str, dict[str, float]] = {}
    for part in parts:
        for name, values in part.numbers():
            used, aside = good & part.taken, quarantined & part.taken
            masks = {"read": np.ones(len(values), bool), "used": used, "quarantined": aside, "dropped": ~(used | aside)}
            sums = amounts.setdefault(f"{part.table}.{name}", dict.fromkeys(masks, 0.0))
            for what, rows in masks.items():
                sums[what] += float(np.nansum(values[rows]))
    return {column: {what: round(value, 6) for what, value in sums.items()} for column, sums in amounts.items()}
