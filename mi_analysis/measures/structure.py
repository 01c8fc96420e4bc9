"""The months, windows and units that every cell is made of: small tables made before any measure."""

from collections import defaultdict
from datetime import date

from mi_analysis.measures import calendar
from mi_analysis.measures.catalogue import LAST_THREE, MONTH, ROLLING, TO_DATE, WINDOWS
from mi_analysis.model import database
from mi_analysis.model.engines import Engine
from mi_analysis.model.history import Stint, stints
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.model.values import end_of
from mi_analysis.parameters import GRAINS, Institution

FACTS = ("hours", "absence", "staff", "ledger", "budget", "volumes", "goals")
"""Tables whose rows belong to a period (a case has days instead)."""


def number(day: date) -> int:
    """Number of a day's month: year * 12 + month - 1."""
    return day.year * 12 + day.month - 1


def first_day(month: int) -> date:
    """First day of a numbered month."""
    return date(month // 12, month % 12 + 1, 1)


def add_table(engine: Engine, name: str, rows: list[dict[str, object]], columns: str) -> None:
    """Make a table of few rows; ``columns`` are SQL names and types."""
    engine.local.execute(f"create or replace temp table {name} ({columns})")
    names = [column.split()[0] for column in columns.split(", ")]
    if rows:  # as text: an Arrow table of Python values would load pandas first
        engine.local.execute(
            f"insert into {name} values "
            + ", ".join(f"({', '.join(literal(row[column]) for column in names)})" for row in rows)
        )
    engine.take(name)


def literal(value: object) -> str:
    """SQL literal of a text, number, date or missing value."""
    if value is None:
        return "null"
    return database.quoted(str(value)) if isinstance(value, str | date) else repr(value)


def add_periods(engine: Engine, institution: Institution, as_of: date) -> int:
    """Make reporting (periods that get a row), windows and members (periods of facts); the case log's first month.

    The log begins with its first closing: cases received before stand in the opening stock.
    """
    facts = engine.rows(
        " union ".join(f"select distinct grain, period_start from {table} where grain is not null" for table in FACTS)
    )
    opening = engine.rows(
        "select coalesce(min(case when closed >= received and not coalesce(reopened, false) then closed end), min(received)) from cases"
    )[0][0]
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
            ends = min(end_of(first_day(end), "month"), as_of)
            key: dict[str, object] = {"grain": grain, "period_start": first_day(first)}
            reporting.append(key | {
                "first_month": first, "last_month": end, "period_end": ends, "end_month": f"{ends:%Y-%m}",
                "fiscal_year": fiscal_year, "net_hours": calendar.net_hours(first // 12, institution.capacity, rules),
            })  # fmt: skip
            begins = {MONTH: first, LAST_THREE: end - 2, TO_DATE: fiscal_year * 12 + fiscal, ROLLING: end - 11}
            windows += [key | {
                "span": span, "first_month": begins[span], "first_day": first_day(begins[span]), "last_month": end,
                "stock_month": min(end, last), "rank": length, "slot": len(windows) + place,
            } for place, span in enumerate(WINDOWS)]  # fmt: skip
    members = []
    for grain, day in sorted(
        {*facts, *((row["grain"], row["period_start"]) for row in reporting if row["grain"] == "month")}
    ):
        first, length = number(day), GRAINS[grain]
        days = calendar.working_days(day, end_of(day, grain), rules)
        members.append({
            "grain": grain, "period_start": day, "first_month": first, "last_month": first + length - 1, "months": length,
            "fiscal_year": (first + length - 1 - fiscal) // 12, "rank": length,
            "norm_per_fte": None if days is None else days * rules.hours_per_day,
        })  # fmt: skip
    columns = "grain varchar, period_start date, first_month bigint, last_month bigint"
    add_table(
        engine, "reporting", reporting,
        f"{columns}, period_end date, end_month varchar, fiscal_year bigint, net_hours double",
    )  # fmt: skip
    add_table(
        engine, "windows", windows,
        f"{columns}, first_day date, slot integer, span varchar, stock_month bigint, rank bigint",
    )  # fmt: skip
    add_table(
        engine, "members", members, f"{columns}, months bigint, fiscal_year bigint, rank bigint, norm_per_fte double"
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


def add_structure(engine: Engine, institution: Institution) -> None:
    """Make the tables that say what each unit is part of, professional and overhead_activities.

    own (unit as delivered -> unit of the structure), tree (unit -> itself and all above), reach (both), places and
    place_tree (the same by stint: what stood in one place together).

    What is not placed, and a unit whose parents are unknown, stand directly under the institution: the
    unit without a parent, or ``*`` where no unit is that.
    """
    units = engine.local.execute(
        "select unit, coalesce(parent, ''), coalesce(valid_from, date '0001-01-01') from units order by valid_to nulls last"
    ).fetchall()
    top = next((unit for unit, parent, _ in units if not parent), ALL)
    own, above = (as_it_was if institution.structure == "as_was" else as_today)(engine, units)
    codes = " union ".join(f"select unit from {table}" for table in (*FACTS, "cases"))
    known = {unit for unit, _, _ in own}
    own += [(unit, NOT_PLACED, 1.0) for (unit,) in engine.rows(codes) if unit is not None and unit not in known]
    held: dict[str, list[Stint]] = defaultdict(list)
    for one in above:
        held[one.unit].append(one._replace(above=one.above if top in one.above else (*one.above, top)))
    reach: dict[tuple[str, str, date, date], float] = defaultdict(float)
    for unit, target, share in own:
        for one in held[target]:
            for over in one.above:
                reach[unit, over, one.first, one.last] += share
    places = [
        (unit, f"{target} {at}", share, one.first, one.last)
        for unit, target, share in own for at, one in enumerate(held[target])
    ]  # fmt: skip
    add_rows(engine, "own", [(unit, target, share, date.min, date.max) for unit, target, share in own])
    add_rows(engine, "reach", [(unit, over, share, first, last) for (unit, over, first, last), share in reach.items()])
    add_rows(engine, "places", places)
    every = [(at, one) for stood in held.values() for at, one in enumerate(stood)]
    add_rows(engine, "tree", [(one.unit, over, 1.0, one.first, one.last) for _, one in every for over in one.above])
    add_rows(
        engine,
        "place_tree",
        [(f"{one.unit} {at}", over, 1.0, one.first, one.last) for at, one in every for over in one.above],
    )
    general = ", ".join(map(literal, ["", *institution.overhead_activities]))
    engine.run(
        "create or replace temp table professional as select activity from activities "
        f"where coalesce(purpose, '') not like '9%' and activity not in ({general});"
        "create or replace temp table overhead_activities as "
        "select activity from activities where activity not in (select activity from professional);"
        "create or replace temp table counts as "
        "select delivery, unit, coalesce(activity, '~') as activity, period_start, grain, name, value from volumes"
    )


Own = list[tuple[str, str, float]]
"""Unit as delivered, unit of which it is a part, share."""


def as_today(engine: Engine, units: list[tuple[str, str, date]]) -> tuple[Own, list[Stint]]:
    """Every unit as a part of today's, and what those stand under now, whatever the day."""
    mapped = engine.local.execute("select unit, to_unit, share from unit_map").fetchall()
    parents = {unit: parent for unit, parent, _ in units}
    gone = {unit for unit, target, _ in mapped if unit != target}
    targets = dict.fromkeys([target for _, target, _ in mapped] + [unit for unit in parents if unit not in gone])
    targets.setdefault(NOT_PLACED)
    return mapped, [Stint(unit, chain(unit, parents), date.min, date.max) for unit in targets]


def as_it_was(engine: Engine, units: list[tuple[str, str, date]]) -> tuple[Own, list[Stint]]:
    """Every unit by itself, and what it stood under on each day."""
    found = [*stints(units), Stint(NOT_PLACED, (NOT_PLACED,), date.min, date.max)]
    return [(unit, unit, 1.0) for unit in dict.fromkeys(one.unit for one in found)], found


def chain(unit: str, parents: dict[str, str]) -> tuple[str, ...]:
    """The unit and every unit above it."""
    found: list[str] = []
    while unit and unit not in found and (unit in parents or not found):
        found.append(unit)
        unit = parents.get(unit, "")
    return tuple(found)


def add_rows(engine: Engine, name: str, rows: list[tuple[str, str, float, date, date]]) -> None:
    """Make a table of what a unit is part of: unit, above, share, and the days on which it is."""
    columns = ("unit", "above", "share", "valid_from", "valid_to")
    listed = [dict(zip(columns, row, strict=True)) for row in rows]
    add_table(engine, name, listed, "unit varchar, above varchar, share double, valid_from date, valid_to date")
