"""Deliveries of one source seen together: what repeats, contradicts or cannot be, is left out and told."""

import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

from mi_analysis.model import database
from mi_analysis.model.audit import Received
from mi_analysis.model.findings import Finding, cumulative_finding, magnitude_finding, stated_findings
from mi_analysis.parameters import Institution, Source

Told = Iterator[tuple[int, Finding]]
"""Positions of deliveries to stop, and why."""


def set_aside(institution: Institution, received: list[Received], parts: Path) -> list[Received]:
    """Stop deliveries that repeat another's bytes or figures, or do not fit with the others of their source."""
    seen: dict[tuple[str, str], str] = {}
    checked: list[Received] = []
    for item in received:
        first = seen.setdefault((item.source, item.fingerprint), item.file) if item.fingerprint else item.file
        if first != item.file:
            item = stop(item, Finding("delivery.same_bytes", "warn", {"first": first}))
        checked.append(item)
    for look in (superseded, cumulative, magnitude, stated):
        for name, source in institution.sources.items():
            places = [place for place, item in enumerate(checked) if item.source == name and not item.stopped]
            for at, finding in look(source, [checked[place] for place in places], parts):
                checked[places[at]] = stop(checked[places[at]], finding)
    return checked


def stop(item: Received, finding: Finding) -> Received:
    """The delivery, left out whole, with the finding that says why."""
    return replace(item, stopped=True, findings=(*item.findings, finding))


def superseded(_: Source, items: list[Received], parts: Path) -> Told:
    """Two deliveries with figures for the same cells: the later extract counts; without dates, neither does."""
    found: dict[int, Finding] = {}
    for (place, item), other in product(enumerate(items), items):
        shared_periods = set(item.periods) & set(other.periods) if other is not item else set()
        tables = set(item.placed_rows) & set(other.placed_rows) & set(OVERLAP_KEYS) if shared_periods else set()
        for table in sorted(tables):
            if place not in found and (shared := overlap(table, parts / item.part, parts / other.part)):
                values = {"other": other.file, "cells": shared, "table": table}
                if not item.extracted_at or not other.extracted_at or item.extracted_at == other.extracted_at:
                    found[place] = Finding("delivery.overlap", "stop", values)
                elif item.extracted_at < other.extracted_at:
                    found[place] = Finding("delivery.superseded", "warn", values)
    yield from found.items()


SERIES = ("hours", "absence", "staff", "volumes")
"""Tables that a year-to-date export can be taken for months of."""


def cumulative(_: Source, items: list[Received], parts: Path) -> Told:
    """Monthly files that, taken together, are the year to date: all of them."""
    for table in SERIES:
        files = [file for item in items if (file := parts / item.part / f"{table}.parquet").exists()]
        if len(files) > 1:
            connection = database.connect()
            database.add_parquet(connection, "together", files)
            finding = cumulative_finding(table, database.arrow(connection, "select * from together"))
            if finding and finding.severity == "stop":
                yield from ((place, finding) for place in range(len(items)))
                return


SIZED = ("hours", "absence_hours", "amount", "pay", "norm_hours", "fte", "value")
"""Columns whose total has a usual size (a signed balance may be anything)."""


def magnitude(_: Source, items: list[Received], parts: Path) -> Told:
    """Deliveries some 1,000 times, or a thousandth of, what their source used to be."""
    usual: dict[str, list[float]] = {}
    for place, item in enumerate(items):
        totals = {
            column: amounts["used"] / max(len(item.periods), 1)
            for column, amounts in item.account.amounts.items() if column.rpartition(".")[2] in SIZED
        }  # fmt: skip
        previous = {column: statistics.median(values) for column, values in usual.items()}
        if found := magnitude_finding(previous, totals):
            yield place, found
            continue
        for column, total in totals.items():
            usual.setdefault(column, []).append(total)


def stated(source: Source, items: list[Received], parts: Path) -> Told:
    """Deliveries that together are not what their owner states: all of them."""
    used: Counter[str] = Counter()
    for item in items:
        used.update({column: sums["used"] for column, sums in item.account.amounts.items()})
    rows = sum(item.account.used for item in items)
    for finding in stated_findings(source.contract.control_totals, used, rows):
        yield from ((place, finding) for place in range(len(items)))


OVERLAP_KEYS = {
    "hours": "unit, activity, period_start", "absence": "unit, absence_type, period_start", "staff": "unit, period_start",
    "ledger": "unit, activity, period_start, account, amount", "budget": "unit, activity, period_start, version, account_group",
    "volumes": "unit, activity, period_start, name", "goals": "goal, unit, period_start",
}  # fmt: skip
"""What two deliveries of one source may not both have."""


def overlap(table: str, one: Path, other: Path) -> int:
    """Number of cells that two stored parts both have.

    Postings have no key, and two months may hold the same amount: of a ledger, less than half of the smaller
    part's cells in the periods they share is no overlap.
    """
    connection = database.connect()
    for name, part in (("one", one), ("other", other)):
        database.add_parquet(connection, f"all_of_{name}", [part / f"{table}.parquet"])
    for name, beside in (("one", "other"), ("other", "one")):
        connection.execute(
            f"create temp table {name} as select distinct {OVERLAP_KEYS[table]} from all_of_{name} "
            f"where period_start in (select period_start from all_of_{beside})"
        )
    shared, smaller = connection.execute(
        "select (select count(*) from (from one intersect from other)), "
        "least((select count(*) from one), (select count(*) from other))"
    ).fetchall()[0]
    return 0 if table == "ledger" and 2 * shared < smaller else int(shared)
