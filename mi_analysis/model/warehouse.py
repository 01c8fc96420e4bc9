"""A PostgreSQL warehouse: the measures' engine, and queries that are deliveries.

Where it is and its secret stand in a variable of the environment, and are never part of what is said or written.
"""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet

from mi_analysis.model import database
from mi_analysis.model.engines import BYTEWISE, DAYS_FROM, Engine, Words
from mi_analysis.parameters import Institution, Problem, WrongUse

VARIABLE = "MI_WAREHOUSE"
WORDS: Words = {
    DAYS_FROM: r"(\2 - \1)", BYTEWISE: r'(\1 collate "C")', r"\bas double\b": "as double precision",
    r"\bcreate or replace temp table (\w+)": r"drop table if exists pg_temp.\1; create temp table \1",
}  # fmt: skip
LINE = {
    "connect_timeout": 10, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "application_name": "mi-analysis",
}  # fmt: skip
"""A server that is silent, or a line that is cut, is noticed within a minute."""


class PostgreSQL(Engine):
    """All that is made here is temporary, in one transaction, and gone with the connection."""

    words = WORDS

    def __init__(self, local: duckdb.DuckDBPyConnection, connection: Any) -> None:
        super().__init__(local)
        self.connection = connection
        self.execute("set jit = off")  # compiling wide expressions takes longer than they do

    def execute(self, statement: str) -> None:  # noqa: D102
        with self.connection.cursor() as cursor:
            cursor.execute(statement)
            if made := re.match(r"create temp table (\w+)", statement):
                cursor.execute(f"analyze {made[1]}")  # else every join is planned as one of a few rows

    def arrow(self, query: str) -> pa.Table:  # noqa: D102
        return fetched(self.connection, query)

    def take(self, *names: str) -> None:  # noqa: D102
        with self.connection.cursor() as cursor:
            for name in names:
                cursor.execute(f"drop table if exists pg_temp.{name}")
                cursor.adbc_ingest(name, self.local.table(name).to_arrow_reader(), mode="create", temporary=True)
                cursor.execute(f"analyze {name}")


def fetched(connection: Any, query: str) -> pa.Table:
    """Rows of a query."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        reader = cursor.fetch_record_batch()
        schema = plain_types(reader.schema)
        return pa.Table.from_batches([plain(batch, schema) for batch in reader], schema)


def plain_types(schema: pa.Schema) -> pa.Schema:
    """Types as parquet knows them: exact numbers, which come as text, are floating ones; what else is the warehouse's own is text."""
    own = {field.name: field.type for field in schema if isinstance(field.type, pa.OpaqueType)}
    named = {name: pa.float64() if kind.type_name == "numeric" else kind.storage_type for name, kind in own.items()}
    return pa.schema([(field.name, named.get(field.name, field.type)) for field in schema])


def plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Rows with the types of `plain_types`."""
    columns = [
        getattr(column, "storage", column).cast(kind) for column, kind in zip(batch.columns, schema.types, strict=True)
    ]
    return pa.record_batch(columns, schema)


def fetch(institution: Institution, deliveries: Path) -> None:
    """Ask the queries that are deliveries, and keep each answer as the file that its source names; all, or none.

    The rows are put in order, so that the same answer is the same file and is not read again.

    Raises `WrongUse`: the file is no name of a parquet file, or cannot be written; a column is a point in time without a
    local day; and as `connected`.
    """
    asked = {name: source for name, source in institution.sources.items() if source.query}
    if not asked:
        return
    for name, source in asked.items():
        if len(source.files) != 1 or not re.fullmatch(r"[^*?\[\]]+\.parquet", source.files[0]):
            right = f"Write files: [{name}.parquet]: the answer is kept there, below the folder of deliveries."
            raise WrongUse(Problem(institution.where("sources", name, "files"), f"{name} is asked by a query.", right))
    if not os.access(deliveries, os.W_OK):
        what = "cannot be written, and the answers of queries are kept there."
        raise WrongUse(Problem(str(deliveries), what, "Give the right to, or name another folder."))
    with tempfile.TemporaryDirectory(prefix=".fetched-", dir=deliveries) as half, database.connect() as local:
        local.execute("set threads = 1")  # the same rows, the same bytes
        for name, source in asked.items():
            where = institution.where("sources", name, "query")
            with connected(source.connection, where) as connection, connection.cursor() as cursor:
                cursor.execute("set transaction read only")
                cursor.execute(source.query)
                reader = cursor.fetch_record_batch()
                schema = plain_types(reader.schema)
                for field in schema:
                    if pa.types.is_timestamp(field.type) and field.type.tz:
                        right = f"Write {field.name} at time zone 'Europe/Copenhagen' as {field.name}."
                        raise WrongUse(Problem(where, f"{field.name} is a point in time without a local day.", right))
                with pyarrow.parquet.ParquetWriter(Path(half) / "rows", schema) as rows:
                    for batch in reader:
                        rows.write_batch(plain(batch, schema))
            query = f"select * from read_parquet({database.quoted(Path(half) / 'rows')}) order by all"
            database.write(local, query, Path(half) / "all" / source.files[0])
        for source in asked.values():
            (deliveries / source.files[0]).parent.mkdir(parents=True, exist_ok=True)
            (Path(half) / "all" / source.files[0]).replace(deliveries / source.files[0])


@contextmanager
def connected(variable: str, where: str) -> Iterator[Any]:
    """A connection to the warehouse that a variable of the environment names, in one transaction that is taken back.

    Raises `WrongUse`: the driver is missing; the variable is not set or no address; the warehouse refuses, does not answer,
    lacks what is asked for, or drops the connection. Says what the server says, unless it may tell values or the secret.
    """
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        right = "Install mi-analysis[postgresql]."
        raise WrongUse(Problem(where, "needs the package adbc-driver-postgresql.", right)) from None
    address = os.environ.get(variable, "")
    if not address:
        right = f"Set {variable} to postgresql://user:secret@server:5432/database."
        raise WrongUse(Problem(where, f"{variable}, which says where the warehouse is, is not set.", right))
    try:
        connection = dbapi.connect(with_line(address))
    except dbapi.Error as error:
        raise WrongUse(Problem(where, *refused(str(error), variable))) from None
    try:
        with connection:
            yield connection
    except (dbapi.Error, OSError) as error:
        if isinstance(error, OSError) and "[libpq]" not in str(error):  # what goes wrong among an answer's rows is one
            raise
        raise WrongUse(Problem(where, *failed(str(error), getattr(error, "sqlstate", None) or ""))) from None


def with_line(address: str) -> str:
    """The address with what `LINE` asks for, where it does not say that itself."""
    asked = {name: value for name, value in LINE.items() if name not in address}
    if "://" in address:
        return address + ("&" if "?" in address else "?") + "&".join(f"{name}={value}" for name, value in asked.items())
    return " ".join([address, *(f"{name}={value}" for name, value in asked.items())])


def refused(said: str, variable: str) -> tuple[str, str]:
    """What is wrong with a connection that was not made, and what would be right."""
    if re.search(r"authentication failed|no password supplied|role .* does not exist|pg_hba", said):
        return "the warehouse refuses the user or the secret.", f"Set {variable} to those that it knows."
    if re.search(r"database .* does not exist", said):
        return "the warehouse has no such database.", f"Set {variable} to one that it has."
    if re.search("connection to server|could not translate host|timeout expired", said):
        return "the warehouse does not answer.", "See that it runs; the same command goes on afterwards."
    right = "Write postgresql://user:secret@server:5432/database, with %40 for @ and %20 for a space in the secret."
    return f"{variable} is no address of a PostgreSQL database.", right


def failed(text: str, code: str) -> tuple[str, str]:
    """What is wrong with a statement, and what would be right; what may hold a value of a row is not told."""
    said = re.search(r"ERROR:\s+(.*)", text)
    if code.startswith(("08", "57P")) or not (code or said):
        return "the warehouse dropped the connection.", "Nothing was written; the same command goes on once it answers."
    told = f" ({code}): {said[1].strip()}" if said and code and not code.startswith("22") else f" ({code or 'values'})"
    right = {
        "42P01": "Name a table or view that it has.", "42703": "Name columns that it has.", "42501": "Ask for the right to read it.",
    }.get(code, "Nothing was written; mend that and run the same command again.")  # fmt: skip
    return f"the warehouse cannot do what is asked{told}.", right
