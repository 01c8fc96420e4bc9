"""The account of a build: every delivery, every problem, every row that found no partner, at once."""

import json
from dataclasses import dataclass, is_dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from mi_analysis.model.deliveries import Account, Delivery
from mi_analysis.model.findings import ControlTotal, Finding
from mi_analysis.model.keys import Keys
from mi_analysis.model.rows import LONGEST_TOLD
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import end_of

if TYPE_CHECKING:
    import duckdb  # reading a stored audit needs no data engine

VALUE = {
    "hours": ("hours", "hours"),
    "absence": ("absence_hours", "hours"),
    "staff": ("coalesce(fte, 0)", "fte"),
    "ledger": ("amount", "money"),
    "budget": ("amount", "money"),
    "volumes": ("value", "count"),
    "cases": ("1", "count"),
    "goals": ("0", "count"),
    "comments": ("0", "count"),
}
"""What a lost row of each table would cost: an expression of its rows, and its unit of measure."""
WORTH = {"fte": "fte", "overtime_hours": "hours", "pay": "money", "overtime_pay": "money", "injury_pay": "money"}
"""What a lost row of staff would cost: the first of these that is delivered."""
MONTH_OF = {"cases": "date_trunc('month', received)::date"}
ALSO_RESTATED = {
    "staff": [("overtime", "period_start", "overtime_hours", "hours")],
    "cases": [
        ("closings", "date_trunc('month', case when not coalesce(reopened, false) then closed end)::date", "1", "count")
    ],
}
"""What else of a table moves in months already reported: name, month, an expression of its rows, unit of measure."""


@dataclass(frozen=True)
class Gap:
    """A source code that found no unit or activity: rows and value are in "~", not lost."""

    source: str
    file: str
    table: str
    key: str  # "unit" | "activity"
    code: str
    reason: str  # "blank" | "unknown" | "gap" | "outside_validity" | "rest"
    rows: int
    value: float
    measure: str  # "hours" | "money" | "count" | "fte"
    near: str = ""


@dataclass(frozen=True)
class Restated:
    """A figure of an already reported month that is not what it was at the last build."""

    table: str
    unit: str
    period: str
    before: float | None
    after: float | None
    measure: str
    hidden: bool = False


@dataclass(frozen=True)
class Received:
    """One delivery as the audit remembers it; persons and rows are gone."""

    source: str
    file: str
    fingerprint: str
    extracted_at: str | None
    as_of: str | None
    periods: tuple[str, ...]
    tables: tuple[str, ...]
    account: Account
    control_totals: tuple[ControlTotal, ...]
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]
    placed_rows: dict[str, int]
    stopped: bool
    part: str = ""
    ended: tuple[str, ...] = ()  # last day of each period
    due: str | None = None  # the day it was agreed for, and working days after it; None: not agreed or not known
    days_late: int | None = None

    @property
    def activity_rows(self) -> int:
        """Rows of the tables that have an activity."""
        return sum(rows for table, rows in self.placed_rows.items() if "activity" in TABLES[table].columns)

    def mapped_share(self, key: str = "activity") -> float | None:
        """Share of `activity_rows` with a valid activity, or of all rows with no wrong ``unit``; None where there is no such row."""
        rows = self.activity_rows if key == "activity" else sum(self.placed_rows.values())
        wrong = [
            gap.rows for gap in self.gaps if gap.key == key and (key == "activity" or gap.reason in ("unknown", "gap"))
        ]
        return 1 - sum(wrong) / rows if rows else None


@dataclass(frozen=True)
class Audit:
    """Everything the build found. ``identity`` tells whether a new build would give the same."""

    institution: str
    identity: str
    as_of: str | None
    received: tuple[Received, ...]
    findings: tuple[Finding, ...]
    restated: tuple[Restated, ...] = ()
    missing_sources: tuple[str, ...] = ()
    periods: tuple[str, ...] = ()

    @property
    def stopped(self) -> tuple[Received, ...]:
        """Deliveries that were left out whole."""
        return tuple(item for item in self.received if item.stopped)

    @property
    def usable(self) -> bool:
        """Whether any delivery gave a row."""
        return any(not item.stopped and item.placed_rows for item in self.received)

    def write(self, file: Path) -> None:
        """Store the audit as JSON, the same bytes for the same content."""
        text = json.dumps(
            self, ensure_ascii=False, sort_keys=True, default=lambda one: vars(one) if is_dataclass(one) else str(one)
        )
        file.write_text(text, encoding="utf-8")


def read(file: Path) -> Audit | None:
    """The audit of the last build, or None when there is none that this version understands."""
    try:
        return stored(Audit).validate_json(file.read_bytes())
    except (OSError, ValueError):
        return None


Record = TypeVar("Record")


@cache
def stored(record: type[Record]) -> TypeAdapter[Record]:
    """What makes a record of ours again from its JSON."""
    return TypeAdapter(record)


def remember(delivery: Delivery, gaps: tuple[Gap, ...], placed_rows: dict[str, int], part: str) -> Received:
    """A delivery without its rows."""
    same = ("source", "file", "fingerprint", "account", "control_totals", "findings", "stopped")
    kept: dict[str, Any] = {name: getattr(delivery, name) for name in same}
    starts, ends = ({start for start, _ in delivery.periods}, {end_of(*period) for period in delivery.periods})
    return Received(
        **kept, extracted_at=iso(delivery.extracted_at), as_of=iso(delivery.as_of), tables=tuple(delivery.facts),
        periods=tuple(map(str, sorted(starts))), ended=tuple(map(str, sorted(ends))), gaps=gaps, placed_rows=placed_rows, part=part,
    )  # fmt: skip


def iso(value: date | datetime | None) -> str | None:
    """ISO text of a day."""
    return None if value is None else value.isoformat()


def gaps(
    connection: "duckdb.DuckDBPyConnection", delivery: Delivery, table: str, keys: Keys, system: str
) -> tuple[Gap, ...]:
    """What did not find its partner, in rows and value, per code; from the view ``astray``."""
    value, measure = VALUE[table]
    if table == "staff":
        told = (pair for pair in WORTH.items() if pair[0] in delivery.facts[table].column_names)
        value, measure = next(told, (value, measure))
    of_key = " union all ".join(
        f"select '{key}' as key, {key}_code as code, {key}_reason, round(sum(part))::bigint as rows, sum({value} * part) from astray "
        f"where {key}_reason <> '' group by all"
        for key in ("unit", "activity")
    )
    found = []
    for key, code, reason, count, amount in connection.execute(
        f"{of_key} order by key desc, rows desc, code"
    ).fetchall():
        code = code and code[:LONGEST_TOLD]
        near = keys.near(key, system, code) if reason in ("unknown", "gap", "rest") else ""
        worth = round(amount or 0, 6)
        found.append(Gap(delivery.source, delivery.file, table, key, code, reason, count, worth, measure, near))
    return tuple(found)


def restated(
    connection: "duckdb.DuckDBPyConnection", before: Path, tables: tuple[str, ...], last_reported: str
) -> tuple[Restated, ...]:
    """Totals per unit and month that moved since the last build, months already reported only.

    Views named like ``tables`` hold the new model; ``before`` is the folder of the one in place.
    """
    from mi_analysis.model import database  # reading a stored audit needs no data engine

    found: list[Restated] = []
    for table in tables:
        file = before / f"{table}.parquet"
        if not file.exists():
            continue
        database.add_parquet(connection, "earlier", [file])
        value, measure = VALUE[table]
        for name, start, counted, unit_of in (
            (table, MONTH_OF.get(table, "period_start"), value, measure), *ALSO_RESTATED.get(table, ()),
        ):  # fmt: skip
            total = f"select unit, {start} as period, sum({counted}) as total from {{}} where {start} <= date '{last_reported}' group by all"
            rows = connection.execute(
                f"select coalesce(o.unit, n.unit), coalesce(o.period, n.period), o.total, n.total "
                f"from ({total.format('earlier')}) o "
                f"full join ({total.format(table)}) n on o.unit = n.unit and o.period = n.period "
                f"where abs(coalesce(o.total, 0) - coalesce(n.total, 0)) > 0.005 order by 2 desc, 1"
            ).fetchall()
            found += [Restated(name, unit, period.isoformat(), old, new, unit_of) for unit, period, old, new in rows]
    return tuple(found)
