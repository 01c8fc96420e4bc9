"""Deliveries become one coherent model: read, place, count persons, store, compare, swap in."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import pyarrow as pa

from mi_analysis.model import audit as audits
from mi_analysis.model import database, facts, warehouse
from mi_analysis.model.audit import Audit, Received
from mi_analysis.model.conflicts import set_aside
from mi_analysis.model.contract import workbook_pattern
from mi_analysis.model.deliveries import check_profiles, read
from mi_analysis.model.findings import Finding
from mi_analysis.model.history import changes
from mi_analysis.model.in_place import Standing, look
from mi_analysis.model.keys import END, Activity, Keys, keys
from mi_analysis.model.schema import REFERENCE_TABLES, STORED, stored_types
from mi_analysis.model.values import end_of
from mi_analysis.parameters import Institution, Source

FACTS = tuple(table for table in STORED if table not in ("persons", "quarantine"))
REPORTED = ("hours", "absence", "staff", "ledger", "cases", "volumes")
"""Tables whose months are periods that can be reported (a budget or a goal lies ahead)."""
Measure = Callable[[duckdb.DuckDBPyConnection, Path, date], None]


def build(institution: Institution, name: str, deliveries: Path, folder: Path, measure: Measure | None = None) -> Audit:
    """Build the model of an institution, or return the audit of the one that stands when nothing changed.

    Parameters
    ----------
    deliveries
        Folder with the files as received.
    folder
        Where the model lies; written whole beside it and swapped in, so a build that fails or is
        killed leaves the earlier model untouched.
    measure
        Called with a connection, the new folder and the day the figures stand at before the swap.
    """
    check_profiles(institution)
    limits = institution.memory_limit, institution.where("memory_limit") or "institution.yaml"
    with database.limited(*limits, deliveries):
        warehouse.fetch(institution, deliveries)
    database.recover(folder)
    files = list_files(institution, deliveries)
    known, key_findings, references = read_keys(institution, files)
    with database.limited(*limits, folder):
        staying = look(institution, known)
    references += [table.received for table in staying.values()]
    before = audits.read(folder / "audit.json")
    wanted = [
        (source, file, fingerprint(file)) for source, file in files if not is_reference(institution.sources[source])
    ]
    rules = digest(known, institution.calendar, institution.structure, institution.limits.long_spell_days, code())
    given = digest(
        institution.model_dump_json(exclude={"memory_limit"}),
        rules,
        key_findings,
        [(item.file, item.fingerprint) for item in references],
    )
    if before and before.identity == digest(given, [(file.name, content) for _, file, content in wanted]):
        return before
    with database.limited(*limits, folder), database.replaced(folder) as new:
        received = [*references]
        connection = database.connect()
        facts.add_above(connection, known, institution.structure)
        for source, file, content in wanted:
            part = part_name(source, institution.sources[source], file, content, rules)
            place, standing = new / "parts" / part, folder / "parts" / part
            if standing.exists() and remembered(standing).fingerprint == content:
                shutil.copytree(standing, place, copy_function=database.put_beside)
            else:
                read_part(connection, institution, known, source, file, place, part)
            received.append(remembered(place))
        connection.close()
        identity = digest(
            given, [(item.file, item.fingerprint) for item in received[len(references) :]]
        )  # as it was read
        received = set_aside(institution, received, new / "parts")
        audit = assemble(institution, name, known, received, key_findings, identity, new, folder, before, staying)
        if measure:
            connection = database.open_model(new)
            measure(connection, new, month_end(audit.periods[-1]) if audit.periods else date.min)
            connection.close()
        audit.write(new / "audit.json")
    return audit


def list_files(institution: Institution, deliveries: Path) -> list[tuple[str, Path]]:
    """Sources with their files, in the order of names; text may come as a workbook, of the same name."""
    found = []
    for name, source in institution.sources.items():
        patterns = {form for pattern in source.files for form in (pattern, workbook_pattern(pattern))}
        files = {
            file for pattern in patterns for file in deliveries.glob(pattern) if file.is_symlink() or file.is_file()
        }
        found += [(name, file) for file in sorted(files)]
    return found


def is_reference(source: Source) -> bool:
    """Whether a source only says what exists."""
    return all(fact.table in REFERENCE_TABLES for fact in source.facts)


def digest(*parts: object) -> str:
    """Hash of values as Python writes them."""
    return hashlib.sha256("\n".join(map(repr, parts)).encode()).hexdigest()


@cache
def code() -> str:
    """Hash of what reads and measures: another version of it builds the model anew."""
    rooms = [Path(__file__).parent, Path(__file__).parent.parent / "measures"]
    files = sorted(file for room in rooms for ending in ("*.py", "*.sql") for file in room.rglob(ending))
    return digest(*(file.read_bytes() for file in files))


def fingerprint(file: Path) -> str:
    """Hash of a file's bytes; blank where it cannot be opened, or is a link (reading it says so)."""
    if file.is_symlink():
        return ""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError:
        return ""


def part_name(source: str, profile: Source, file: Path, content: str, rules: str) -> str:
    """Name of the stored part of a delivery: the same file, profile and rules give the same part."""
    return f"{source}-{digest(file.name, content, profile, rules)[:16]}"


def remembered(part: Path) -> Received:
    """What the audit keeps of a delivery that has been read."""
    return audits.stored(Received).validate_json((part / "received.json").read_bytes())


def read_keys(institution: Institution, files: list[tuple[str, Path]]) -> tuple[Keys, list[Finding], list[Received]]:
    """Units, activities and codes, what is wrong with them, and the deliveries they came from."""
    delivered: dict[str, list[tuple[str, pa.Table]]] = {}
    received = []
    for source, file in files:
        profile = institution.sources[source]
        if is_reference(profile):
            delivery = read(file, source, profile)
            received.append(audits.remember(delivery, (), {}, ""))
            for table, rows in delivery.facts.items():
                if not delivery.stopped:
                    delivered.setdefault(table, []).append((source, rows))
    return (*keys(institution, delivered), received)


def read_part(
    connection: duckdb.DuckDBPyConnection,
    institution: Institution,
    known: Keys,
    source: str,
    file: Path,
    folder: Path,
    part: str,
) -> None:
    """Read one delivery, place its rows, count and forget its persons, store what is left in ``folder``."""
    profile, long = institution.sources[source], institution.limits.long_spell_days
    system = profile.system or source
    delivery = read(file, source, profile)
    folder.mkdir(parents=True)
    database.share_work(connection, sum(fact.num_rows for fact in delivery.facts.values()))
    if delivery.quarantine.num_rows:
        connection.register("quarantine", delivery.quarantine)
        database.write(connection, "select * from quarantine", folder / "quarantine.parquet")
    gaps: list[audits.Gap] = []
    rows: dict[str, int] = {}
    notes: list[Finding] = []
    counted = False
    for table, fact in ({} if delivery.stopped else delivery.facts).items():
        if table not in REFERENCE_TABLES and fact.num_rows:
            facts.place(connection, fact, table, system, known)
            gaps += audits.gaps(connection, delivery, table, known, system)
            rows[table] = fact.num_rows
            notes += facts.findings(profile, table)
            database.write(connection, facts.stored_rows(table, source, profile, long), folder / f"{table}.parquet")
            counted |= facts.count_persons(connection, table, profile, long)
    if counted:
        database.write(connection, facts.COUNTED, folder / "persons.parquet")
    facts.forget(connection)
    item = audits.remember(delivery, tuple(gaps), rows, part)
    smallest = profile.contract.smallest_mapped_share
    for key, said in (("unit", "placed_share"), ("activity", "mapped_share")):
        if (share := item.mapped_share(key)) is not None and share < smallest:
            notes.append(Finding(f"delivery.{said}", "warn", {"share": 100 * share, "smallest": 100 * smallest}))
    item = replace(item, findings=(*item.findings, *notes))
    (folder / "received.json").write_text(json.dumps(asdict(item), default=str), encoding="utf-8")


def assemble(
    institution: Institution, name: str, known: Keys, received: list[Received], key_findings: list[Finding],
    identity: str, new: Path, folder: Path, before: Audit | None, staying: dict[str, Standing],
) -> Audit:  # fmt: skip
    """Put the parts together as the tables of the model, and say what changed since the last build."""
    connection = database.connect()
    database.share_work(connection, sum(sum(item.placed_rows.values()) for item in received))
    used = sorted(
        (item for item in received if item.part and not item.stopped),
        key=lambda item: (item.extracted_at or "", item.file),
    )
    counts: dict[str, int] = {}
    published_twice: list[Finding] = []
    for table in (*FACTS, "persons", "quarantine"):
        items = used if table != "quarantine" else [item for item in received if item.part]
        files = [file for item in items if (file := new / "parts" / item.part / f"{table}.parquet").exists()]
        add_table(connection, table, files)
        counts[table] = count(connection, table)
        as_it_is = table not in ASSEMBLED or (
            table == "cases" and count(connection, table, 'distinct "case"') == counts[table]
        )
        if as_it_is and len(files) == 1:
            shutil.copyfile(files[0], new / f"{table}.parquet")
        else:
            query = f"select * exclude (turn) from {table}" if as_it_is else ASSEMBLED[table]
            if table == "volumes":
                query += "".join(yielding(institution))
                published_twice = [*twice_published(connection, institution)]
            database.write(connection, query, new / f"{table}.parquet")
        database.add_parquet(connection, table, [new / f"{table}.parquet"])
        if table in staying:  # of its rows, where and when they are is enough here
            connection.execute(f"drop view {table}")
            connection.register(table, staying[table].held)
    findings = [*key_findings, *published_twice]
    if "cases" not in staying and counts["cases"] > count(connection, "cases"):
        findings.append(Finding("cases.replaced", "note", {"rows": counts["cases"] - count(connection, "cases")}))
    yielded = sum(int(str(found.values["rows"])) for found in published_twice)
    if beside := counts["volumes"] - count(connection, "volumes") - yielded:
        findings.append(Finding("volumes.beside_cases", "warn", {"rows": beside}))
    for table, (columns, rows) in key_tables(known, institution.structure).items():
        database.add_table(connection, table, columns, rows)
        database.write(connection, f"select * from {table}", new / f"{table}.parquet")
    compared = tuple(table for table in REPORTED if table not in staying)
    moved = audits.restated(connection, folder, compared, before.periods[-1]) if before and before.periods else ()
    delivered = {item.source for item in received}
    stated = [day for item in used if (day := item.as_of or item.extracted_at)]
    periods = reported_periods(connection)
    owed = [source for source, profile in institution.sources.items() if not profile.optional]
    missing = tuple(source for source in owed if source not in delivered)
    return Audit(
        name, identity, max(stated, default=month_end(periods[-1]).isoformat() if periods else None), tuple(received),
        tuple(findings), moved, missing, periods,
    )  # fmt: skip


ASSEMBLED = {
    # the newest delivery that tells of a case tells the truth about it
    "cases": 'select * exclude (turn) from cases qualify row_number() over (partition by "case" order by turn desc, row desc) = 1',
    "volumes": "select * exclude (turn) from volumes v where (name not in ('received', 'closed', 'closed_in_time', 'stock') "
    "or not exists (select 1 from cases c where c.unit = v.unit and c.activity = v.activity))",
    # so does the newest explanation of a figure, also where an earlier workbook lies beside a later one
    "comments": "select * exclude (turn) from comments where trim(text) <> '' qualify row_number() over "
    "(partition by unit, period_start, grain, measure order by date desc nulls last, turn desc) = 1",
    "persons": "select unit, period_start, grain, domain, max(persons) as persons, max(largest_person_share) as largest_person_share, sum(value) as value "
    "from persons group by all order by all",
    "quarantine": "select * exclude (turn) from quarantine order by turn, row",
}  # fmt: skip


SAME_COUNT = (
    "o.unit = v.unit and o.unit <> '~' and o.period_start = v.period_start and o.grain = v.grain and o.name = v.name"
)
"""Where two publications count the same."""


def yielding(institution: Institution) -> Iterator[str]:
    """Conditions that leave out the counts of a source where those that it yields to have them."""
    for name, source in institution.sources.items():
        for other in source.yields_to:
            exists = f"select 1 from volumes o where o.delivery = '{other}' and {SAME_COUNT}"
            yield f" and not (v.delivery = '{name}' and exists ({exists}))"


def twice_published(connection: duckdb.DuckDBPyConnection, institution: Institution) -> Iterator[Finding]:
    """How the counts of a source agree with those of the sources it yields to, all activities together."""
    total = "select unit, period_start, grain, name, sum(value) as value, count(*) as rows from volumes where delivery = '{}' group by all"
    for name, source in institution.sources.items():
        for other in source.yields_to:
            counted = connection.execute(
                "select count(*), sum(v.rows), count(*) filter (abs(v.value - o.value) < 0.5), max(abs(v.value - o.value)) "
                f"from ({total.format(name)}) v join ({total.format(other)}) o on {SAME_COUNT}"
            ).fetchall()[0]
            values = dict(zip(("cells", "rows", "agree", "largest"), counted, strict=True))
            if values["cells"]:
                severity = "note" if values["agree"] == values["cells"] else "warn"
                yield Finding("volumes.published_twice", severity, {"source": name, "other": other, **values})


def add_table(connection: duckdb.DuckDBPyConnection, table: str, files: list[Path]) -> None:
    """View over the parts of a table in their order (``turn``), with its columns also when there is no part."""
    empty = ", ".join(f'null::{kind} as "{column}"' for column, kind in stored_types(table).items())
    parts = [f"select *, {turn} as turn from read_parquet({database.quoted(file)})" for turn, file in enumerate(files)]
    query = " union all by name ".join([f"(select {empty}, 0 as turn limit 0)", *parts])
    connection.execute(f"create or replace view {table} as {query}")


def count(connection: duckdb.DuckDBPyConnection, table: str, what: str = "*") -> int:
    """Rows of a table, or its distinct values of a column."""
    return int(connection.execute(f"select count({what}) from {table}").fetchall()[0][0])


PLANNED_LATER = {"volumes": " and name <> 'planned'"}
"""What of a reported table lies ahead."""


def reported_periods(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    """Months (ISO first days) with figures; of cases alone, the months received in; of years alone, their last months."""
    flows = " union ".join(
        f"select period_start from {table} where grain = 'month'{PLANNED_LATER.get(table, '')}"
        for table in REPORTED if table != "cases"
    )  # fmt: skip
    longer = flows.replace("select period_start", "select (period_start + interval 1 year - interval 1 month)::date")
    ends = longer.replace("grain = 'month'", "grain = 'year'")  # of what is delivered for whole years, the last months
    for query in (flows, "select date_trunc('month', received)::date from cases", ends):
        rows = connection.execute(f"select distinct * from ({query}) order by 1").fetchall()
        if rows:
            return tuple(row[0].isoformat() for row in rows)
    return ()


def month_end(period: str) -> date:
    """Last day of the month that begins on an ISO day."""
    return end_of(date.fromisoformat(period), "month")


def key_tables(known: Keys, structure: str) -> dict[str, tuple[str, Sequence[Iterable[object]]]]:
    """Columns and rows of units, activities, what happened to units, and the map from each historic unit to today's structure."""
    units = [
        (row.unit, row.name, row.parent, row.level, row.valid_from, row.valid_to, row.valid_to != END) for row in known.units
    ]  # fmt: skip
    number = "standard_hours"
    activities = [f"{name} {'double' if name == number else 'varchar'}" for name in Activity.__dataclass_fields__]
    return {
        "units": (
            "unit varchar, name varchar, parent varchar, level varchar, valid_from date, valid_to date, ends boolean", units,
        ),
        "activities": (", ".join(activities), [vars(row).values() for row in known.activities]),
        "unit_changes": (
            "unit varchar, day date, kind varchar, others varchar, share double, breaks boolean", changes(known.units, structure),
        ),
        "unit_map": ("unit varchar, to_unit varchar, share double, estimated boolean", known.restated()),
    }  # fmt: skip
