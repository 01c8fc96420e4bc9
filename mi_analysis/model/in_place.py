"""Facts of a warehouse that are measured where they lie: what is looked at before, and how the measures see them."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from mi_analysis.model import audit as audits
from mi_analysis.model.audit import Gap, Received
from mi_analysis.model.deliveries import Account, Delivery
from mi_analysis.model.keys import Keys
from mi_analysis.model.schema import NOT_PLACED, stored_types
from mi_analysis.model.warehouse import VARIABLE, connected, fetched, plain_types
from mi_analysis.parameters import Institution, Problem, Source, WrongUse

NEEDED = {"cases": ("case", "unit", "activity", "received", "closed")}
"""Tables that may lie in the warehouse, and the columns they need: what tells of persons is counted on its way in."""
KINDS: dict[str, tuple[str, Callable[[pa.DataType], bool]]] = {
    "varchar": ("text", pa.types.is_string), "boolean": ("true or false", pa.types.is_boolean),
    "timestamp": ("a date, or a timestamp without time zone",
                  lambda kind: pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and not kind.tz)),
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """A table that stays in the warehouse: what the audit keeps of it, and its units, activities and months with rows."""

    received: Received
    held: pa.Table


def columns_of(connection: Any, relation: str) -> dict[str, pa.DataType]:
    """Columns of a table or view of the warehouse, and their types."""
    schema = plain_types(fetched(connection, f"select * from {relation} limit 0").schema)
    return dict(zip(schema.names, schema.types, strict=True))


def placed(connection: Any, table: str, relation: str) -> str:
    """Query of a table where it lies in the model's columns; where a code is not known the row is not placed, never lost."""
    found = columns_of(connection, relation)
    types = {name: kind for name, kind in stored_types(table).items() if name not in ("delivery", "row")}
    said = {
        name: f'cast("{name}" as {kind})' if name in found else f"cast(null as {kind})" for name, kind in types.items()
    }
    for name, known in (("unit", "units"), ("activity", "activities")):
        said[name] = f"case when {name} in (select {name} from {known}) then {name} else '{NOT_PLACED}' end"
    return "select " + ", ".join(f'{query} as "{name}"' for name, query in said.items()) + f" from {relation}"


def look(institution: Institution, known: Keys) -> dict[str, Standing]:
    """The tables of the model that are measured where they lie, once they are as they should be.

    Raises `WrongUse`: another engine, or a table that has to be delivered; a column that is missing or of another type; a
    key that is blank or stands twice; and as `warehouse.connected`.
    """
    found: dict[str, Standing] = {}
    for name, source in institution.sources.items():
        if source.in_place:
            where, table = institution.where("sources", name, "in_place"), source.facts[0].table if source.facts else ""
            beside = [one for one in institution.sources.values() if one is not source]
            others = [one for one in beside if table in {fact.table for fact in one.facts}]
            if institution.engine != "postgresql" or table not in NEEDED or source.facts[1:] or source.files or others:
                right = f"It takes engine: postgresql, files: [], and one fact, {' or '.join(NEEDED)}, that no other source fills."
                raise WrongUse(Problem(where, f"{source.in_place} cannot be measured where it lies.", right))
            with connected(VARIABLE, where) as connection:
                if problems := wrong_columns(connection, source.in_place, table, where):
                    raise WrongUse(*problems)
                found[table] = looked_at(connection, name, source, table, where, known)
    return found


def wrong_columns(connection: Any, relation: str, table: str, where: str) -> list[Problem]:
    """Columns that are missing or of another type."""
    types, there = stored_types(table), columns_of(connection, relation)
    right = f"It needs {', '.join(NEEDED[table])}."
    found = [
        Problem(where, f'{relation} has no column "{name}".', right) for name in NEEDED[table] if name not in there
    ]
    for name, kind in there.items():
        if name in types and types[name] in KINDS and not (rule := KINDS[types[name]])[1](kind):
            found.append(Problem(where, f'{relation}: "{name}" is {kind}.', f"It has to be {rule[0]}."))
    return found


def looked_at(connection: Any, name: str, source: Source, table: str, where: str, known: Keys) -> Standing:
    """What a table holds; a hash of all its rows, in any order, tells whether it changed."""
    relation = source.in_place
    counted = fetched(
        connection, 'select count(*) as rows, count("case") as named, count(distinct "case") as cases, count(received) as dated, '
        f"sum(hashtextextended(t::text, 0)::numeric)::text as content from {relation} t",
    ).to_pylist()[0]  # fmt: skip
    rows = counted["rows"]
    told = {
        "no case": rows - counted["named"], "the case of another row": counted["named"] - counted["cases"],
        "no day they were received": rows - counted["dated"],
    }  # fmt: skip
    problems = [
        Problem(where, f"{relation}: {n} rows have {what}.", "Leave them out, or mend them.")
        for what, n in told.items()
        if n
    ]
    if problems:
        raise WrongUse(*problems)
    held = fetched(
        connection, f"select unit, activity, cast(date_trunc('month', received) as timestamp) as received, count(*) as rows "
        f"from {relation} group by 1, 2, 3",
    )  # fmt: skip
    lost: Counter[tuple[str, str]] = Counter()
    codes = {"unit": known.units_by_code.keys(), "activity": known.activity_codes}
    for row in held.to_pylist():
        astray = {key: row[key] for key, listed in codes.items() if row[key] not in listed}
        lost.update({(key, "" if code in (None, NOT_PLACED) else code): row["rows"] for key, code in astray.items()})
    system = source.system or name
    gaps = tuple(
        Gap(name, relation, table, key, code, "unknown" if code else "blank", n, float(n), "count", known.near(key, system, code))
        for (key, code), n in sorted(lost.items())
    )  # fmt: skip
    months = tuple(sorted({(day.date(), "month") for day in held["received"].to_pylist()}))
    delivery = Delivery(
        name, relation, str(counted["content"]), periods=months, facts={table: held}, account=Account(rows, rows)
    )
    return Standing(audits.remember(delivery, gaps, {table: rows}, ""), held)
