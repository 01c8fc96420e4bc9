"""Rows of one delivery get their unit and activity, persons are counted and gone, facts are added up.

What is stored afterwards knows no person: it says how many stand behind a unit's figures and how
large a part the largest of them has, for the unit and every unit above it.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mi_analysis.model import database
from mi_analysis.model.columns import ARROW
from mi_analysis.model.findings import Finding
from mi_analysis.model.history import standing
from mi_analysis.model.keys import Keys, Placement
from mi_analysis.model.schema import NOT_PLACED, STORED, TABLES
from mi_analysis.model.values import end_of
from mi_analysis.parameters import Source

HOURS_PER_DAY = 7.4
"""A full-time working day of state absence statistics (definitions, section 3)."""

ENDED = (
    "spell_end >= period_start and spell_end < "
    "period_start + case grain when 'month' then interval 1 month when 'quarter' then interval 3 month else interval 1 year end"
)
"""The spell of a row ended in the row's period."""
LONG = f"{ENDED} and date_diff('day', spell_start, spell_end) >= {{long}}"

PERSON_DOMAINS = {
    "hours": {"hours": "hours", "overtime": "overtime_hours"},
    "absence": {
        **{
            kind: f"case when absence_type = '{kind}' then absence_hours end"
            for kind in ("sick", "child_sick", "injury")
        },
        "spells": f"case when absence_type = 'sick' and {ENDED} then 1 end",
        "long_spells": f"case when absence_type = 'sick' and {LONG} then 1 end",
    },
    "staff": {
        "overtime": "coalesce(overtime_hours, 0) + coalesce(extra_hours, 0) + coalesce(overtime_pay, 0)",
        "injury": "injury_pay",
    },
}
"""What one person can dominate, per table: domain and the value that is shared among persons."""


def place(connection: duckdb.DuckDBPyConnection, fact: pa.Table, table: str, system: str, known: Keys) -> None:
    """Make the view ``placed``: the fact's rows with unit, activity and their ``part`` of a shared row.

    And ``astray``: those of them whose unit or activity has a reason to be told.
    The end of a spell stands on the first of its rows only, so that a spell is counted once.
    A row whose code is split over activities stands once per activity; its parts sum to one.
    """
    fact = with_all_columns(fact, table)
    spans, of_span = spans_of(fact, table, known)
    unit, unit_row = found_places(known, "unit", table, system, fact.column("unit"), spans, of_span)
    activity, activity_row = found_places(known, "activity", table, system, fact.column("activity"), spans, of_span)
    shared = np.array([len(place) for place in activity], dtype=np.int64)[activity_row]
    rows = np.repeat(np.arange(fact.num_rows), shared)
    turn = np.arange(len(rows)) - np.repeat(np.cumsum(shared) - shared, shared)  # which of the row's activities
    fact = fact.take(pa.array(rows)) if len(rows) > fact.num_rows else fact
    unit_row, activity_row = unit_row[rows], activity_row[rows]
    first = np.cumsum([0, *(len(place) for place in activity)])[activity_row] + turn
    units = [place[0] for place in unit]
    activities = [target for place in activity for target in place]
    placed, told = fact.drop_columns(["unit", "activity"]), np.zeros(len(rows), bool)
    for name, listed, at in (("unit", units, unit_row), ("activity", activities, first)):
        told |= np.array([bool(row.reason) for row in listed], bool)[at]
        for what, column in (("target", name), ("code", f"{name}_code"), ("reason", f"{name}_reason")):
            words = pa.array([getattr(row, what) for row in listed], pa.string())
            placed = placed.append_column(column, pa.DictionaryArray.from_arrays(pa.array(at, pa.int32()), words))
    part = np.array([row.share for row in units])[unit_row] * np.array([row.share for row in activities])[first]
    placed = placed.append_column("part", pa.array(part))
    connection.register("delivered", placed)
    connection.register("astray", placed.filter(pa.array(told)))
    once = "row_number() over (partition by coalesce(person_key, row::varchar), spell_start order by row) = 1"
    spells = f" replace (case when {once} then spell_end end as spell_end)" if table == "absence" else ""
    connection.execute(f"create or replace temp view placed as select *{spells} from delivered")


class Place(NamedTuple):
    """One target of a source code."""

    code: str
    target: str
    share: float
    reason: str


def spans_of(fact: pa.Table, table: str, known: Keys) -> tuple[list[tuple[date, date]], np.ndarray]:
    """Distinct first and last days that rows belong to, and which of them each row has.

    A case belongs to the day it was received; days between which no code changes its meaning are one.
    """
    if table == "cases":
        changes = sorted(known.changes)
        days = fact.column("received").cast(pa.date32()).to_numpy()
        since = np.searchsorted(np.array(changes, dtype="datetime64[D]"), days.astype("datetime64[D]"), side="right")
        return [(day, day) for day in [date(1, 1, 2), *changes]], since
    start, grain = fact.column("period_start"), fact.column("grain")
    day = fact.column("date").cast(pa.date32()) if table == "ledger" else pa.nulls(fact.num_rows, pa.date32())
    columns = [pc.dictionary_encode(column, null_encoding="encode") for column in map(whole, (start, grain, day))]
    sizes = [len(column.dictionary) for column in columns]
    mixed = np.ravel_multi_index([column.indices.to_numpy(zero_copy_only=False) for column in columns], sizes)
    seen, of_span = np.unique(mixed, return_inverse=True)
    places = zip(*np.unravel_index(seen, sizes), strict=True)
    triples = [
        tuple(column.dictionary[int(at)].as_py() for column, at in zip(columns, place, strict=True)) for place in places
    ]
    return [(day, day) if day else (start, end_of(start, grain)) for start, grain, day in triples], of_span


def whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """A column in one piece."""
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def found_places(
    known: Keys,
    key: str,
    table: str,
    system: str,
    codes: pa.ChunkedArray,
    spans: list[tuple[date, date]],
    of_span: np.ndarray,
) -> tuple[list[list[Place]], np.ndarray]:
    """Places of each code and span that occurs, and which of them each row has."""
    coded = whole(pc.fill_null(codes, "")).dictionary_encode()
    mixed = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64) * len(spans) + of_span
    seen, rows = np.unique(mixed, return_inverse=True)
    places = []
    for code, span in zip(*divmod(seen, len(spans)), strict=True):
        text = coded.dictionary[int(code)].as_py()
        placement = placement_of(known, key, table, system, text, *spans[span])
        places.append([Place(text, target, share, placement.reason) for target, share in placement.targets])
    return places, rows


ALWAYS = {"unit": pa.string(), "activity": pa.string(), "person_key": pa.string(), "withheld": pa.bool_()}
OF_TABLE = {
    "ledger": {"date": pa.date32()},
    "goals": {
        "target": pa.float64(), "result": pa.float64(), "target_date": pa.date32(), "result_date": pa.date32(), "state": pa.string(),
    },
}  # fmt: skip
WITHOUT_ACTIVITY = ("staff", "absence", "comments")
OF_THE_INSTITUTION = ("goals", "comments")


def with_all_columns(fact: pa.Table, table: str) -> pa.Table:
    """The fact with a null column for each of its table's columns that the delivery does not have."""
    declared = {name: ARROW[column.kind] for name, column in TABLES[table].columns.items() if column.kind != "period"}
    for name, kind in (ALWAYS | declared | OF_TABLE.get(table, {})).items():
        if name not in fact.column_names:
            fact = fact.append_column(name, pa.nulls(fact.num_rows, kind))
    return fact


def placement_of(known: Keys, key: str, table: str, system: str, code: str, begin: date, finish: date) -> Placement:
    """Where a code of a table belongs; a goal or comment without a unit is about the institution."""
    if key == "unit":
        if not code and table in OF_THE_INSTITUTION:
            return Placement(((known.root, 1.0),))
        return known.place_unit(system, code, begin, finish)
    if table in WITHOUT_ACTIVITY or (not code and table == "goals"):
        return Placement(((NOT_PLACED, 1.0),))
    placement = known.place_activity(system, code, begin, finish)
    if table == "cases" and len(placement.targets) > 1:  # a case is one case: it cannot be shared
        return Placement(((NOT_PLACED, 1.0),), "split")
    return placement


def add_above(connection: duckdb.DuckDBPyConnection, known: Keys, structure: str) -> None:
    """Make the table ``above``: each unit, as delivered, and every unit of the structure that holds it, with the days."""
    newest_last = sorted(known.units, key=lambda row: row.valid_to)
    units = [(row.unit, row.parent, row.valid_from) for row in newest_last]
    own, held = standing(structure, units, [row[:3] for row in known.restated()])
    rows = {(unit, over, one.first, one.last) for unit, target, _ in own for one in held[target] for over in one.above}
    columns = "unit varchar, above varchar, first_day date, last_day date"
    database.add_table(connection, "above", columns, sorted(rows))


def count_persons(connection: duckdb.DuckDBPyConnection, table: str, source: Source, long: int) -> bool:
    """Add to the table ``people``, in memory only, who stands behind the rows in ``placed``; persons end here.

    One row per unit (each one above too), period, domain and person. A spell of more days is ``long``.
    Returns whether the table of the model has persons at all.
    """
    mode = next(fact.persons for fact in source.facts if fact.table == table)
    if table not in PERSON_DOMAINS or mode == "none":
        return False
    person = {"key": "person_key", "rows": "row::varchar"}[mode]
    domains = {"staff": "1", **PERSON_DOMAINS[table]}
    sums = ", ".join(f"sum(({value}) * part)::double as {domain}" for domain, value in domains.items())
    each = f"select unit, period_start, grain, {person} as person, {sums} from placed where {person} is not null group by all"
    everywhere = (
        f"select above, p.* exclude (unit) from ({each.replace('{long}', str(long))}) p "
        "join above on p.unit = above.unit and p.period_start between first_day and last_day"
    )
    connection.execute(
        "create temp table if not exists people "
        "(unit varchar, period_start date, grain varchar, domain varchar, person varchar, value double);"
        "insert into people select above, period_start, grain, domain, person, value "
        f"from (unpivot ({everywhere}) on {', '.join(domains)} into name domain value value)"
    )
    return True


def forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop the rows of the delivery, and with them its persons."""
    connection.execute("drop table if exists people; drop view if exists placed")
    for name in ("delivered", "astray"):
        connection.unregister(name)


COUNTED = """
select unit, period_start, grain, domain, count(*)::double as persons,
    max(abs(value)) / nullif(sum(abs(value)), 0) as largest_person_share, sum(abs(value)) as value
from (select unit, period_start, grain, domain, person, sum(value) as value from people group by all)
where coalesce(value, 0) <> 0 or domain = 'staff'
group by unit, period_start, grain, domain
"""


def stored_rows(table: str, name: str, source: Source, long: int) -> str:
    """Query over ``placed`` that gives the rows to store, with the columns of `schema.STORED`; a spell of more days is ``long``."""
    made = {"delivery": f"'{name}'", **STORE[table](source)}
    named = {column: f'"{column}"' for column in STORED[table]}
    columns = ", ".join(f"{made.get(column, name)} as {name}" for column, name in named.items())
    return f"select {columns} from placed".replace("{long}", str(long)) + (" group by all" if table in ADDED_UP else "")


ADDED_UP = ("hours", "absence", "staff", "budget", "volumes")


def added(*columns: str, factor: str = "part") -> dict[str, str]:
    """Sums of columns, each row by its part."""
    return {column: f"sum({column} * {factor})" for column in columns}


def store_hours(source: Source) -> dict[str, str]:
    """Columns of `hours`: drafts are counted beside, never used."""
    used = "coalesce(status, '') <> 'draft'"
    return {
        "hours": f"coalesce(sum(hours * part) filter ({used}), 0)",
        "overtime_hours": f"sum(overtime_hours * part) filter ({used})",
        "auto_hours": "coalesce(sum(hours * part) filter (status = 'auto'), 0)",
        "draft_hours": "coalesce(sum(hours * part) filter (status = 'draft'), 0)",
        "auto_rows": "count(*) filter (status = 'auto')",
        "rows": f"count(*) filter ({used})",
        **persons_of(source, "hours", "hours"),
    }


def store_absence(source: Source) -> dict[str, str]:
    """Columns of `absence`: days become hours of a full-time day."""
    working = 1.0 if source.day_basis == "working" else 5 / 7
    return {
        "absence_hours": f"sum(coalesce(absence_hours, absence_days * {HOURS_PER_DAY}) * {working} * part)",
        "spells": f"case when count(spell_start) = count(*) then count(*) filter ({ENDED}) end::double",
        "long_spells": f"case when count(spell_start) = count(*) then count(*) filter ({LONG}) end::double",
        "fte": "sum(fte * part)",
        "withheld": "coalesce(bool_or(withheld), false)",
        **persons_of(source, "absence", "absence_hours"),
    }


def store_staff(source: Source) -> dict[str, str]:
    """Columns of `staff`: overtime in all, 1:1, and årsværk as a level."""
    one_to_one = 1.0 if source.hours_basis == "one_to_one" else 1 / 1.5
    months = 1 if source.fte_basis == "level" else 12
    amounts = added(
        "norm_hours", "balance_opening", "balance_taken", "balance_paid", "balance_expired", "balance_closing",
        "flex_balance", "pay", "overtime_pay", "injury_pay",
    )  # fmt: skip
    persons = persons_of(source, "staff", "coalesce(overtime_hours, overtime_pay)")
    return amounts | {
        "fte": f"sum(fte * part * case when grain = 'month' then {months} else 1 end)",
        "overtime_hours": "sum(case when overtime_hours is null and extra_hours is null then null "
        f"else coalesce(overtime_hours, 0) + coalesce(extra_hours, 0) end * part) * {one_to_one}",
        "withheld": "coalesce(bool_or(withheld), false)",
        "persons": f"coalesce({persons['persons']}, sum(persons * part))",
        "largest_person_share": persons["largest_person_share"],
    }


def persons_of(source: Source, table: str, value: str) -> dict[str, str]:
    """Persons and the largest part of a stored row, as far as the delivery tells."""
    mode = next(fact.persons for fact in source.facts if fact.table == table)
    if mode == "rows":
        return {
            "persons": "count(*)::double",
            "largest_person_share": f"max(abs({value})) / nullif(sum(abs({value})), 0)",
        }
    return {"persons": "nullif(count(distinct person_key), 0)::double", "largest_person_share": "null::double"}


STORE = {
    "hours": store_hours,
    "absence": store_absence,
    "staff": store_staff,
    "ledger": lambda _: {"amount": "amount * part"},
    "budget": lambda _: added("amount"),
    "volumes": lambda _: added("value"),
    "cases": lambda _: {"reopened": "coalesce(status = 'reopened', false)"},
    "goals": lambda _: {},
    "comments": lambda _: {},
}


def findings(source: Source, table: str) -> Iterator[Finding]:
    """What the source's own way of counting did to its figures, told as a note."""
    if table == "absence" and source.day_basis == "calendar":
        yield Finding("delivery.calendar_days", "note", {"factor": round(5 / 7, 3)})
    if table == "staff" and source.hours_basis == "with_supplement":
        yield Finding("delivery.with_supplement", "note", {"factor": round(1 / 1.5, 3)})
