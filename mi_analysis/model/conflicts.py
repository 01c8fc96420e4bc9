"""Deliveries of one source seen together: what repeats, contradicts or cannot be, is left out and told."""

import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

from mi_analysis.model import database
from mi_analysis.model.audit import Received
from mi_analysis.model.deliveries import Finding, magnitude_finding
from mi_analysis.model.findings import cumulative_finding, stated_findings
from mi_analysis.parameters import Institution


def set_aside(institution: Institution, received: list[Received], parts: Path) -> list[Received]:
    """Stop deliveries that repeat another's bytes or figures, or do not fit with the others of their source."""
    seen: dict[tuple[str, str], str] = {}
    checked: list[Received] = []
    for item in received:
        first = seen.setdefault((item.source, item.fingerprint), item.file) if item.fingerprint else item.file
        if first != item.file:
            item = stop(item, Finding("delivery.same_bytes", "warn", {"first": first}))
        checked.append(item)
    checked = stop_cumulative([stop_superseded(item, checked, parts) for item in checked], parts)
    checked = stop_magnitude(institution, checked)
    return stop_stated(institution, checked)


def stop_magnitude(institution: Institution, received: list[Received]) -> list[Received]:
    """Stop deliveries some 1,000 times, or a thousandth of, what their source used to be."""
    checked = list(received)
    for source in institution.sources:
        usual: dict[str, list[float]] = {}
        for position, item in enumerate(checked):
            if item.source == source and not item.stopped:
                totals = {
                    column: amounts["used"] / max(len(item.periods), 1)
                    for column, amounts in item.account.amounts.items() if column.rpartition(".")[2] in SIZED
                }  # fmt: skip
                previous = {column: statistics.median(values) for column, values in usual.items()}
                found = magnitude_finding(previous, totals) if previous else None
                if found:
                    checked[position] = stop(item, found)
                    continue
                for column, total in totals.items():
                    usual.setdefault(column, []).append(total)
    return checked


SIZED = ("hours", "absence_hours", "amount", "pay", "norm_hours", "fte", "value")
"""Columns whose total has a usual size (a signed balance may be anything)."""


SERIES = ("hours", "absence", "staff", "volumes")
"""Tables that a year-to-date export can be taken for months of."""


def stop_cumulative(received: list[Received], parts: Path) -> list[Received]:
    """Stop a source whose monthly files, taken together, are the year to date."""
    found: dict[str, Finding] = {}
    for source, table in sorted(
        {(item.source, table) for item in received if not item.stopped for table in item.placed_rows}
    ):
        files = [
            file for item in received if item.source == source and not item.stopped
            and (file := parts / item.part / f"{table}.parquet").exists()
        ]  # fmt: skip
        if len(files) > 1 and table in SERIES:
            connection = database.connect()
            database.add_parquet(connection, "together", files)
            finding = cumulative_finding(table, database.arrow(connection, "select * from together"))
            if finding and finding.severity == "stop":
                found[source] = finding
    return [stop(item, found[item.source]) if item.source in found and not item.stopped else item for item in received]


def stop_stated(institution: Institution, received: list[Received]) -> list[Received]:
    """Stop a source whose deliveries together are not what its owner states."""
    found: dict[str, list[Finding]] = {}
    for source, profile in institution.sources.items():
        accounts = [item.account for item in received if item.source == source and not item.stopped]
        used: Counter[str] = Counter()
        for account in accounts:
            used.update({column: sums["used"] for column, sums in account.amounts.items()})
        if accounts:
            rows = sum(account.used for account in accounts)
            found[source] = [*stated_findings(profile.contract.control_totals, used, rows)]
    return [stop(item, *told) if (told := found.get(item.source)) and not item.stopped else item for item in received]


def stop(item: Received, *found: Finding) -> Received:
    """The delivery, left out whole, with the finding that says why."""
    return replace(item, stopped=True, findings=(*item.findings, *found))


def stop_superseded(item: Received, received: list[Received], parts: Path) -> Received:
    """Two deliveries with figures for the same cells: the later extract counts; without dates, neither does."""
    for other in received:
        tables = set(item.placed_rows) & set(other.placed_rows) & set(OVERLAP_KEYS)
        if (
            other is item
            or other.source != item.source
            or item.stopped
            or other.stopped
            or not set(item.periods) & set(other.periods)
        ):
            continue
        for table in sorted(tables):
            shared = overlap(table, parts / item.part, parts / other.part)
            if shared:
                values = {"other": other.file, "cells": shared, "table": table}
                if not item.extracted_at or not other.extracted_at or item.extracted_at == other.extracted_at:
                    return stop(item, Finding("delivery.overlap", "stop", values))
                if item.extracted_at < other.extracted_at:
                    return stop(item, Finding("delivery.superseded", "warn", values))
    return item


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
