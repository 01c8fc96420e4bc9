"""The months, windows and units that every cell is made of: small tables made before any measure."""

from collections import defaultdict
from datetime import date

import duckdb

from mi_analysis.measures import calendar
from mi_analysis.measures.catalogue import LAST_THREE, MONTH, ROLLING, TO_DATE, WINDOWS
from mi_analysis.model import database
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.parameters import Institution

FACTS = ("hours", "absence", "staff", "ledger", "budget", "volumes", "goals")
"""Tables whose rows belong to a period (a case has days instead)."""
GRAINS = {"month": 1, "quarter": 3, "year": 12}
"""Months of a period of each grain."""


def number(day: date) -> int:
    """Number of a day's month: year * 12 + month - 1."""
    return day.year * 12 + day.month - 1


def first_day(month: int) -> date:
    """First day of a numbered month."""
    return date(month // 12, month % 12 + 1, 1)


def add_table(con: duckdb.DuckDBPyConnection, name: str, rows: list[dict[str, object]], columns: str) -> None:
    """Make a table of few rows; ``columns`` are SQL names and types."""
    con.execute(f"create or replace temp table {name} ({columns})")
    names = [column.split()[0] for column in columns.split(", ")]
    if rows:  # as text: an Arrow table of Python values would load pandas first
        con.execute(
            f"insert into {name} values "
            + ", ".join(f"({', '.join(literal(row[column]) for column in names)})" for row in rows)
        )


def literal(value: object) -> str:
    """SQL literal of a text, number, date or missing value."""
    if value is None:
        return "null"
    return database.quoted(str(value)) if isinstance(value, str | date) else repr(value)


def add_periods(con: duckdb.DuckDBPyConnection, institution: Institution, as_of: date) -> int:
    """Make reporting (periods that get a row), windows and members (periods of facts); the case log's first month.

    The log begins with its first closing: cases received before stand in the opening stock.
    """
    facts = con.execute(
        " union ".join(f"select distinct grain, period_start from {table} where grain is not null" for table in FACTS)
    ).fetchall()
    opening = con.execute(
        "select coalesce(min(case when closed >= received and not coalesce(reopened, false) then closed end), min(received)) from cases"
    ).fetchone()[0]  # type: ignore[index]
    last = number(as_of)
    log_start = min(number(opening), last + 1) if opening else last + 1
    begun = {grain: [number(day) for kind, day in facts if kind == grain and day <= as_of] for grain in GRAINS}
    begun["month"].append(log_start)
    rules, fiscal = institution.calendar, institution.fiscal_year_start - 1
    reporting: list[dict[str, object]] = []
    windows: list[dict[str, object]] = []
    earliest = last + 1
    for grain, length in GRAINS.items():
        earliest = min([earliest, *begun[grain]])
        for first in first_months(begun[grain], earliest, last, length):
            end = first + length - 1
            fiscal_year = (end - fiscal) // 12
            ladder = calendar.capacity_ladder(first // 12, institution.capacity, rules)
            key: dict[str, object] = {"grain": grain, "period_start": first_day(first)}
            reporting.append(key | {
                "first_month": first, "last_month": end, "period_end": min(calendar.month_end(first_day(end)), as_of),
                "fiscal_year": fiscal_year, "net_hours": ladder[-1][1],
            })  # fmt: skip
            begins = {MONTH: first, LAST_THREE: end - 2, TO_DATE: fiscal_year * 12 + fiscal, ROLLING: end - 11}
            windows += [
                key
                | {
                    "span": span,
                    "first_month": begins[span],
                    "last_month": end,
                    "stock_month": min(end, last),
                    "rank": length,
                    "slot": len(windows) + place,
                }
                for place, span in enumerate(WINDOWS)
            ]
    members = []
    for grain, day in sorted(
        {*facts, *((row["grain"], row["period_start"]) for row in reporting if row["grain"] == "month")}
    ):
        first, length = number(day), GRAINS[grain]
        days = calendar.working_days(day, calendar.month_end(day, length), rules)
        members.append({
            "grain": grain, "period_start": day, "first_month": first, "last_month": first + length - 1, "months": length,
            "fiscal_year": (first + length - 1 - fiscal) // 12, "rank": length,
            "norm_per_fte": None if days is None else days * rules.hours_per_day,
        })  # fmt: skip
    columns = "grain varchar, period_start date, first_month bigint, last_month bigint"
    add_table(con, "reporting", reporting, f"{columns}, period_end date, fiscal_year bigint, net_hours double")
    add_table(con, "windows", windows, f"{columns}, slot integer, span varchar, stock_month bigint, rank bigint")
    add_table(
        con, "members", members, f"{columns}, months bigint, fiscal_year bigint, rank bigint, norm_per_fte double"
    )
    return log_start


def first_months(begun: list[int], earliest: int, last: int, length: int) -> list[int]:
    """Months in which a period to report begins: of the calendar, and years that facts begin in another month."""
    if earliest > last:
        return []
    starts = set(range(earliest // length * length, last + 1, length))
    for first in begun if length == GRAINS["year"] else ():
        starts |= set(range(first, last + 1, length))
    return sorted(starts)


def add_structure(con: duckdb.DuckDBPyConnection, institution: Institution) -> None:
    """Make own (unit as delivered -> unit of today), tree (unit -> itself and all above), reach (both), professional and overhead_activities.

    What is not placed, and a unit whose parents are unknown, stand directly under the institution: the
    unit without a parent, or ``*`` where no unit is that.
    """
    units = con.execute("select unit, parent from units order by valid_to nulls last").fetchall()
    parents = {unit: parent or "" for unit, parent in units}
    top = next((unit for unit, parent in units if not parent), ALL)
    mapped = con.execute("select unit, to_unit, share from unit_map").fetchall()
    codes = " union ".join(f"select unit from {table}" for table in (*FACTS, "cases"))
    known = {unit for unit, _, _ in mapped}
    own = [
        *mapped,
        *(
            (unit, NOT_PLACED, 1.0)
            for (unit,) in con.execute(codes).fetchall()
            if unit is not None and unit not in known
        ),
    ]
    tree = {
        (unit, above) for unit in [target for _, target, _ in own] + [*parents] for above in chain(unit, parents, top)
    }
    reach: dict[tuple[str, str], float] = defaultdict(float)
    for unit, target, share in own:
        for above in chain(target, parents, top):
            reach[unit, above] += share
    columns = "unit varchar, above varchar"
    gone = {unit for unit, target, _ in mapped if unit != target}
    add_table(con, "own", [{"unit": u, "above": t, "share": s} for u, t, s in own], f"{columns}, share double")
    add_table(con, "tree", [{"unit": u, "above": a} for u, a in sorted(tree) if u not in gone], columns)
    add_table(
        con, "reach", [{"unit": u, "above": a, "share": s} for (u, a), s in reach.items()], f"{columns}, share double"
    )
    con.execute(
        "create or replace temp table professional as select activity from activities "
        "where coalesce(purpose, '') not like '9%' and not list_contains(?, activity)", [list(institution.overhead_activities)],
    )  # fmt: skip
    con.execute(
        "create or replace temp table overhead_activities as "
        "select activity from activities where activity not in (select activity from professional)"
    )
    con.execute(
        "create or replace temp table counts as select * replace (coalesce(activity, '~') as activity) from volumes"
    )


def chain(unit: str, parents: dict[str, str], top: str) -> list[str]:
    """The unit and every unit above it, ending with the institution."""
    found: list[str] = []
    while unit and unit not in found and (unit in parents or not found):
        found.append(unit)
        unit = parents.get(unit, "")
    return found if top in found else [*found, top]
