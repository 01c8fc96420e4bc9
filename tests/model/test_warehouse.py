"""A PostgreSQL warehouse as deliveries and as engine: what is asked, what goes wrong, and that the secret stays where it is."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from mi_analysis.measures import compute
from mi_analysis.model import warehouse as warehouses
from mi_analysis.model.engines import Engine
from mi_analysis.parameters import WrongUse

pytestmark = pytest.mark.postgresql

SECRET = "hemmelig-42"
COLUMNS = {"unit": "unit", "activity": "activity", "date": "day", "amount": "amount"}
LEDGER = {"files": ["ledger.parquet"], "query": "select unit, activity, day, amount from stock.postings",
          "facts": [{"table": "ledger", "columns": COLUMNS}]}  # fmt: skip
ROWS = [("C1", "A", "2025-01-31", "100.25"), ("C1", "", "2025-01-31", "-7.5"), ("C2", "B", "2025-02-28", "1234567.89")]


def asks(**changed: object) -> dict:
    return {"ledger": LEDGER | changed}


@pytest.fixture
def sql(warehouse: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list]]:
    """Runs statements as the warehouse's owner does; the program finds it as a user with a secret."""
    from adbc_driver_postgresql import dbapi

    with dbapi.connect(warehouse, autocommit=True) as connection, connection.cursor() as cursor:

        def run(*statements: str) -> list:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

        listed = ", ".join(f"('{unit}', '{activity}', '{day}', {amount})" for unit, activity, day, amount in ROWS)
        run(
            "drop schema if exists stock cascade", "create schema stock",
            "do $$ begin if not exists (select from pg_roles where rolname = 'with_secret') then "
            f"create role with_secret login password '{SECRET}'; end if; end $$",
            "create table stock.postings (unit text, activity text, day date, amount numeric(12, 2))",
            f"insert into stock.postings values {listed}",
            "grant usage on schema stock to with_secret", "grant select on all tables in schema stock to with_secret",
        )  # fmt: skip
        monkeypatch.setenv("MI_WAREHOUSE", warehouse.replace("user=mi", f"user=with_secret&password={SECRET}"))
        yield run


def refusal(build: Callable[[], object]) -> str:
    """What is said when a build is refused; never the secret, in no part of what was raised."""
    with pytest.raises(WrongUse) as told:
        build()
    assert SECRET not in repr(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__ or told.value.__context__ is None
    return str(told.value).removeprefix(": ")  # an institution that was not read from a file has no line to name


def below(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_answer_is_read_and_placed_as_a_file_would_be_and_kept_beside_the_files(sql, office):
    tiny = office(sources=asks())
    audit = tiny.build()
    assert tiny.table("ledger", "unit", "activity", "period_start", "amount") == [
        ("C1", "A", date(2025, 1, 1), 100.25), ("C1", "~", date(2025, 1, 1), -7.5), ("C2", "B", date(2025, 2, 1), 1234567.89),
    ]  # fmt: skip
    (received,) = audit.received
    assert (received.file, received.account.read, received.account.used) == ("ledger.parquet", 3, 3)
    assert received.account.amounts["ledger.amount"]["used"] == 1234660.64
    assert [*below(tiny.deliveries)] == ["ledger.parquet"]


def test_the_same_rows_in_another_order_are_the_same_delivery_and_a_changed_one_is_not(sql, office):
    tiny = office(sources=asks())
    first, kept = tiny.build(), below(tiny.deliveries)
    sql("update stock.postings set amount = amount where unit = 'C1'")
    assert tiny.build() == first
    assert below(tiny.deliveries) == kept
    sql("update stock.postings set amount = 1 where activity = 'A'")
    assert tiny.build().received[0].account.amounts["ledger.amount"]["used"] == 1234561.39


def test_a_column_that_becomes_text_in_danish_form_gives_the_same_figures(sql, office):
    tiny = office(sources=asks())
    tiny.build()
    before = tiny.table("ledger", "unit", "activity", "period_start", "amount")
    sql(
        "alter table stock.postings alter column amount type text using "
        "translate(to_char(amount, 'FM9,999,990.00'), ',.', '.,'), alter column day type text using to_char(day, 'DD-MM-YYYY')",
        "grant select on stock.postings to with_secret",
    )
    audit = tiny.build()
    assert tiny.table("ledger", "unit", "activity", "period_start", "amount") == before
    sql("insert into stock.postings values ('C2', 'B', '01-03-2025', 'ukendt')")
    assert tiny.build().received[0].account.quarantined == 1
    assert audit.received[0].account.quarantined == 0


def test_an_answer_without_rows_stops_its_delivery_and_no_other(sql, office):
    sql("delete from stock.postings")
    tiny = office(sources=asks() | {"time": {"files": ["time_*.csv"], "facts": [{"table": "hours", "columns": {"unit": "Unit", "activity": "Task", "period": "Month", "hours": "Hours"}}]}})  # fmt: skip
    tiny.deliver("time_1", "C1;A;2025-01;x;2;0")
    audit = tiny.build()
    assert [(item.file, item.stopped) for item in audit.received] == [("ledger.parquet", True), ("time_1.csv", False)]


REFUSED = {
    "select nothing from stock.postings": '(42703): column "nothing" does not exist. Name columns that it has.',
    "select * from stock.gone": '(42P01): relation "stock.gone" does not exist. Name a table or view that it has.',
    "select * from pg_authid": "(42501): permission denied for table pg_authid. Ask for the right to read it.",
    "selct 1": '(42601): syntax error at or near "selct". Nothing was written; mend that and run the same command again.',
    "select (case when i < 90000 then '1' else '0101701234x' end)::int from generate_series(1, 90000) i": "(values). Nothing was written; mend that and run the same command again.",
    "select '0101701234x'::int": "(22P02). Nothing was written; mend that and run the same command again.",
    "create table stock.x (y int)": "(25006): cannot execute CREATE TABLE in a read-only transaction. Nothing was written; mend that and run the same command again.",
}  # fmt: skip


@pytest.mark.parametrize("query", REFUSED)
def test_a_query_that_the_warehouse_refuses_is_told_by_its_source_and_writes_nothing(query, sql, office):
    tiny = office(sources=asks() | {"other": LEDGER | {"files": ["other.parquet"], "query": query}})
    assert refusal(tiny.build) == f"the warehouse cannot do what is asked {REFUSED[query]}"
    assert below(tiny.root) == {}


def test_a_connection_that_is_dropped_is_told_and_the_same_command_goes_on(sql, office):
    cut = "select pg_terminate_backend(pg_backend_pid())::text as unit"
    tiny = office(sources=asks(query=cut))
    dropped = "the warehouse dropped the connection. Nothing was written; the same command goes on once it answers."
    assert refusal(tiny.build) == f"{dropped}"
    assert below(tiny.root) == {}
    assert office(sources=asks()).build().received[0].account.used == 3


ADDRESSES = {
    "": "MI_WAREHOUSE, which says where the warehouse is, is not set. Set MI_WAREHOUSE to postgresql://user:secret@server:5432/database.",
    f"{{host}}&user=with_secret&password=not-{SECRET}": "the warehouse refuses the user or the secret. Set MI_WAREHOUSE to those that it knows.",
    f"{{host}}&user=nobody_here&password={SECRET}": "the warehouse refuses the user or the secret. Set MI_WAREHOUSE to those that it knows.",
    f"{{host}}&user=mi&dbname=gone&password={SECRET}": "the warehouse has no such database. Set MI_WAREHOUSE to one that it has.",
    f"postgresql://mi:{SECRET}@127.0.0.1:1/x": "the warehouse does not answer. See that it runs; the same command goes on afterwards.",
    f"postgresql://mi:{SECRET} @[server/x": "MI_WAREHOUSE is no address of a PostgreSQL database. Write postgresql://user:secret@server:5432/database, with %40 for @ and %20 for a space in the secret.",
    f"{SECRET}": "MI_WAREHOUSE is no address of a PostgreSQL database. Write postgresql://user:secret@server:5432/database, with %40 for @ and %20 for a space in the secret.",
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_warehouse_that_is_not_reached_is_told_without_its_secret(address, sql, office, warehouse, monkeypatch):
    monkeypatch.setenv("MI_WAREHOUSE", address.format(host=warehouse.removesuffix("&user=mi")))
    tiny = office(sources=asks())
    assert refusal(tiny.build) == f"{ADDRESSES[address]}"
    assert below(tiny.root) == {}


def test_a_source_may_name_another_variable(sql, office, monkeypatch):
    tiny = office(sources=asks(connection="OTHER_WAREHOUSE"))
    assert refusal(tiny.build).startswith("OTHER_WAREHOUSE, which says where the warehouse is")


def test_a_profile_that_keeps_its_answer_nowhere_and_a_time_without_a_local_day_are_told(sql, office):
    tiny = office(sources=asks(files=["ledger_*.csv"]))
    assert refusal(tiny.build) == (
        "ledger is asked by a query. "
        "Write files: [ledger.parquet]: the answer is kept there, below the folder of deliveries."
    )
    tiny = office(sources=asks(query="select unit, now() as day from stock.postings"))
    assert refusal(tiny.build) == (
        "day is a point in time without a local day. Write day at time zone 'Europe/Copenhagen' as day."
    )


def measuring(tiny, **changed: object) -> Callable[[], object]:
    """Builds the office with its measures computed by the warehouse."""
    institution = tiny.institution.model_copy(update={"engine": "postgresql", **changed})
    tiny.institution = institution
    return lambda: tiny.build(lambda con, new, as_of: compute.build(con, institution, new, as_of))


def test_the_engine_leaves_nothing_in_the_warehouse_and_the_secret_nowhere(sql, office, capfd):
    tiny = office(sources=asks())
    measuring(tiny)()
    with duckdb.connect() as local:
        (total,) = local.sql(f"select sum(actual) from '{tiny.model}/measures/values.parquet' where unit = 'I' and activity = '*' and grain = 'month' and \"window\" = 'month'").fetchall()[0]  # fmt: skip
    assert total == pytest.approx(1234660.64, abs=1e-6)
    assert [name for name, content in below(tiny.root).items() if SECRET.encode() in content] == []
    assert capfd.readouterr() == ("", "")
    assert made(sql) == 0


def made(sql) -> int:
    """Tables of the warehouse besides its own and the posting's."""
    listed = "'pg_catalog', 'information_schema', 'pg_toast'"
    return sql(f"select count(*) from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'v') and nspname not in ({listed})")[0][0] - 1  # fmt: skip


def test_a_warehouse_lost_while_it_measures_leaves_the_earlier_model_and_the_same_command_goes_on(
    sql, office, monkeypatch
):
    tiny = office(sources=asks())
    build = measuring(tiny)
    build()
    earlier = below(tiny.model)
    sql("update stock.postings set amount = 1 where unit = 'C1'")
    run = Engine.run

    def lost(self: Engine, script: str) -> None:
        if "create or replace temp table drivers" in script:
            sql("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mi-analysis'")
        run(self, script)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "run", lost)
        assert refusal(build) == (
            "institution.yaml: the warehouse dropped the connection. Nothing was written; the same command goes on once it answers."
        )
    assert below(tiny.model) == earlier
    assert [path.name for path in tiny.model.parent.iterdir()] == ["model"]
    assert made(sql) == 0
    build()
    assert below(tiny.model) != earlier


def test_what_the_address_leaves_open_is_said_for_it():
    asked = (
        "connect_timeout=10&keepalives_idle=30&keepalives_interval=10&keepalives_count=3&application_name=mi-analysis"
    )
    assert warehouses.with_line("postgresql://h/d") == f"postgresql://h/d?{asked}"
    assert warehouses.with_line("postgresql://h/d?connect_timeout=3") == (
        "postgresql://h/d?connect_timeout=3&" + asked.removeprefix("connect_timeout=10&")
    )
    assert warehouses.with_line("host=h") == "host=h " + asked.replace("&", " ")


CASES = {"log": {"files": [], "in_place": "stock.log", "facts": [{"table": "cases", "columns": {}}]}}
LOG = [
    ("1", "C1", "A", "2025-01-02 09:00", "2025-01-12 10:00"), ("2", "C1", "A", "2025-01-20 09:00", "2025-03-01 10:00"),
    ("3", "C1", "Ukendt", "2025-01-31 09:00", "2025-02-01 10:00"), ("4", "C2", "B", "2025-02-01 09:00", None),
    ("5", "C3", "B", "2025-02-02 09:00", "2025-02-03 10:00"), ("6", "C2", None, "2025-03-05 00:00", "2025-03-20 00:00"),
]  # fmt: skip


@pytest.fixture
def log(sql) -> Callable[..., list]:
    listed = ", ".join(str(tuple("" if cell is None else cell for cell in row)) for row in LOG).replace("''", "null")
    sql(
        "create table stock.log (\"case\" text, unit text, activity text, received timestamp, closed timestamp, kept boolean)",
        f'insert into stock.log ("case", unit, activity, received, closed) values {listed}',
        "grant select on stock.log to with_secret",
    )  # fmt: skip
    return sql


def test_cases_that_stay_in_the_warehouse_are_measured_as_delivered_ones_are(log, office):
    counts = {"counts": {"files": ["counts_*.csv"], "facts": [{"table": "volumes", "columns": {"unit": "Unit", "activity": "Task", "period": "Month", "name": "What", "value": "Count"}}]}}  # fmt: skip
    there = office(sources=CASES | counts)
    there.deliver("counts_1", "C1;A;2025-01;closed;900", "C2;A;2025-01;closed;7")
    stays = measuring(there)()
    assert there.table("cases", "unit") == []
    found, ages = frames_of(there)
    audit = stays.received[0]
    assert (audit.source, audit.file, audit.account.read, audit.account.used) == ("log", "stock.log", 6, 6)
    told = [(gap.key, gap.code, gap.reason, gap.rows, gap.near) for gap in audit.gaps]
    assert told == [
        ("activity", "", "blank", 1, ""),
        ("activity", "Ukendt", "unknown", 1, ""),
        ("unit", "C3", "unknown", 1, ""),
    ]
    left_out = "1 counts were delivered where there are cases too. The counts are taken from the cases."
    assert there.messages(stays) == {"": [f"warn: {left_out}"]}

    columns = {"case": "Case", "unit": "Unit", "activity": "Task", "received": "In", "closed": "Out"}
    delivered = {"files": ["cases_*.csv"], "facts": [{"table": "cases", "columns": columns}]}
    here = office(sources={"log": delivered} | counts)
    here.deliver("cases_1", *(";".join(cell or "" for cell in row) for row in LOG))
    here.build(lambda con, new, as_of: compute.build(con, here.institution, new, as_of))
    expected, expected_ages = frames_of(here)
    for one, other in zip([*vars(found).values(), ages], [*vars(expected).values(), expected_ages], strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=False, rtol=1e-9)
    assert len(ages) > 5


def frames_of(tiny):
    return compute.frames(tiny.model), compute.cases_by_age(tiny.model, tiny.institution, date(2025, 3, 31))


def test_a_table_that_stays_is_measured_again_when_a_row_changes_and_not_before(log, office):
    tiny = office(sources=CASES)
    build = measuring(tiny)
    first = build()
    log("update stock.log set unit = unit")
    assert build() == first
    log("update stock.log set closed = '2025-03-02' where \"case\" = '4'")
    assert build().identity != first.identity


WRONG = {
    "alter table stock.log rename closed to slut": ['stock.log has no column "closed". It needs case, unit, activity, received, closed.'],
    "alter table stock.log alter received type text, alter closed type timestamptz, alter kept type text": [
        'stock.log: "received" is string. It has to be a date, or a timestamp without time zone.',
        'stock.log: "closed" is timestamp[us, tz=UTC]. It has to be a date, or a timestamp without time zone.',
        'stock.log: "kept" is string. It has to be true or false.',
    ],
    "update stock.log set \"case\" = '1', received = case when activity = 'A' then received end": [
        "stock.log: 5 rows have the case of another row. Leave them out, or mend them.",
        "stock.log: 4 rows have no day they were received. Leave them out, or mend them.",
    ],
    "drop table stock.log": ['the warehouse cannot do what is asked (42P01): relation "stock.log" does not exist. Name a table or view that it has.'],
}  # fmt: skip


@pytest.mark.parametrize("change", WRONG)
def test_a_table_that_is_no_longer_as_it_has_to_be_is_told_whole_and_the_earlier_model_stands(change, log, office):
    tiny = office(sources=CASES)
    build = measuring(tiny)
    build()
    earlier = below(tiny.root)
    log(change)
    assert [line.removeprefix(": ") for line in refusal(build).splitlines()] == WRONG[change]
    assert below(tiny.root) == earlier


def test_what_cannot_stay_in_the_warehouse_is_told(log, office):
    right = "It takes engine: postgresql, files: [], and one fact, cases, that no other source fills."
    said = f"stock.log cannot be measured where it lies. {right}"
    assert refusal(office(sources=CASES).build) == said
    staff = {"log": CASES["log"] | {"facts": [{"table": "staff", "columns": {}}]}}
    assert refusal(measuring(office(sources=staff))) == said
    also = CASES | {"cases": {"files": ["cases_*.csv"], "facts": [{"table": "cases", "columns": {"case": "Case", "received": "In"}}]}}  # fmt: skip
    assert refusal(measuring(office(sources=also))) == said
