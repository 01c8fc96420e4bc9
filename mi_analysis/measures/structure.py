"""The months, windows and units that every cell is made of: small tables made before any measure."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date

from mi_analysis.measures import calendar
from mi_analysis.measures.catalogue import LAST_THREE, MONTH, ROLLING, TO_DATE
from mi_analysis.model import database
from mi_analysis.model.engines import Engine
from mi_analysis.model.history import standing
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


def add_table(engine: Engine, name: str, columns: str, rows: Iterable[Iterable[object]]) -> None:
    """Make a table of few rows that the engine knows; ``columns`` are SQL names and types."""
    database.add_table(engine.local, name, columns, rows)
    engine.take(name)


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
    reporting: list[tuple] = []
    windows: list[tuple] = []
    earliest = last + 1
    for grain, length in GRAINS.items():
        earliest = min([earliest, *begun[grain]])
        for first in first_months(begun[grain], earliest, last, length):
            end = first + length - 1
            fiscal_year = (end - fiscal) // 12
            ends = min(end_of(first_day(end), "month"), as_of)
            net_hours = calendar.net_hours(first // 12, institution.capacity, rules)
            reporting.append((grain, first_day(first), first, end, ends, f"{ends:%Y-%m}", fiscal_year, net_hours))
            begins = {MONTH: first, LAST_THREE: end - 2, TO_DATE: fiscal_year * 12 + fiscal, ROLLING: end - 11}
            for span, begin in begins.items():
                days = (begin, end, first_day(begin))
                windows.append((grain, first_day(first), *days, len(windows), span, min(end, last), length))
    members = []
    for grain, day in sorted({*facts, *(row[:2] for row in reporting if row[0] == "month")}):
        first, length = number(day), GRAINS[grain]
        end, working = first + length - 1, calendar.working_days(day, end_of(day, grain), rules)
        norm_hours = None if working is None else working * rules.hours_per_day
        members.append((grain, day, first, end, length, (end - fiscal) // 12, length, norm_hours))
    own = "grain varchar, period_start date, first_month bigint, last_month bigint"
    for name, columns, rows in (
        ("reporting", "period_end date, end_month varchar, fiscal_year bigint, net_hours double", reporting),
        ("windows", "first_day date, slot integer, span varchar, stock_month bigint, rank bigint", windows),
        ("members", "months bigint, fiscal_year bigint, rank bigint, norm_per_fte double", members),
    ):
        add_table(engine, name, f"{own}, {columns}", rows)
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
    mapped = engine.local.execute("select unit, to_unit, share from unit_map").fetchall()
    own, stood = standing(institution.structure, units, mapped)
    codes = " union ".join(f"select unit from {table}" for table in (*FACTS, "cases"))
    known = {unit for unit, _, _ in own}
    own += [(unit, NOT_PLACED, 1.0) for (unit,) in engine.rows(codes) if unit is not None and unit not in known]
    held = {
        unit: [one._replace(above=one.above if top in one.above else (*one.above, top)) for one in stints]
        for unit, stints in stood.items()
    }
    reach: dict[tuple[str, str, date, date], float] = defaultdict(float)
    for unit, target, share in own:
        for one in held[target]:
            for over in one.above:
                reach[unit, over, one.first, one.last] += share
    every = [(at, one, over) for stints in held.values() for at, one in enumerate(stints) for over in one.above]
    for name, rows in {
        "own": [(unit, target, share, date.min, date.max) for unit, target, share in own],
        "reach": [(unit, over, share, first, last) for (unit, over, first, last), share in reach.items()],
        "places": [
            (unit, f"{target} {at}", share, one.first, one.last)
            for unit, target, share in own
            for at, one in enumerate(held[target])
        ],
        "tree": [(one.unit, over, 1.0, one.first, one.last) for _, one, over in every],
        "place_tree": [(f"{one.unit} {at}", over, 1.0, one.first, one.last) for at, one, over in every],
    }.items():
        columns = "unit varchar, above varchar, share double, valid_from date, valid_to date"
        add_table(engine, name, columns, rows)
    general = ", ".join(map(database.literal, ["", *institution.overhead_activities]))
    engine.run(
        "create or replace temp table professional as select activity from activities "
        f"where coalesce(purpose, '') not like '9%' and activity not in ({general});"
        "create or replace temp table overhead_activities as "
        "select activity from activities where activity not in (select activity from professional);"
        "create or replace temp table counts as "
        "select delivery, unit, coalesce(activity, '~') as activity, period_start, grain, name, value from volumes"
    )
