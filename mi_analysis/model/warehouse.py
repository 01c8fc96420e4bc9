"""A PostgreSQL warehouse: the measures' engine, and queries that are deliveries.

Where it is and its secret stand in a variable of the environment, and are never part of what is said or written.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import duckdb
import pyarrow as pa

from mi_analysis.model.engines import BYTEWISE, DAYS_FROM, Engine, Words
from mi_analysis.parameters import Problem, WrongUse

VARIABLE = "MI_WAREHOUSE"
WORDS: Words = {
    DAYS_FROM: r"(\2 - \1)", BYTEWISE: r'(\1 collate "C")', r"\bas double\b": "as double precision",
    r"\bcreate or replace temp table (\w+)": r"drop table if exists pg_temp.\1; create temp table \1",
}  # fmt: skip
LINE = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "application_name": "mi-analysis",
}
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
    """Rows of a query; exact numbers, which come as text, as floating ones."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        table = cursor.fetch_arrow_table()
    for place, field in enumerate(table.schema):
        if isinstance(field.type, pa.OpaqueType) and field.type.type_name == "numeric":
            texts = pa.chunked_array([part.storage for part in table.column(place).chunks], pa.string())
            table = table.set_column(place, field.name, texts.cast(pa.float64()))
    return table


@contextmanager
def connected(variable: str, where: str) -> Iterator[Any]:
    """A connection to the warehouse that a variable of the environment names, in one transaction that is taken back.

    Raises
    ------
    WrongUse
        The driver is missing; the variable is not set or no address; the warehouse refuses, does not answer, lacks
        what is asked for, or drops the connection. Says what the server says, unless it may tell values or the secret.
    """
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError:
        raise WrongUse(
            Problem(where, "needs the package adbc-driver-postgresql.", "Install mi-analysis[postgresql].")
        ) from None
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
    except dbapi.Error as error:
        raise WrongUse(Problem(where, *failed(error))) from None


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
    if "connection to server" in said or "could not translate host" in said or "timeout" in said:
        return "the warehouse does not answer.", "See that it runs; the same command goes on afterwards."
    right = "Write postgresql://user:secret@server:5432/database, with %40 for @ and %20 for a space in the secret."
    return f"{variable} is no address of a PostgreSQL database.", right


def failed(error: Any) -> tuple[str, str]:
    """What is wrong with a statement, and what would be right; values of rows are not told."""
    code, said = error.sqlstate or "", re.search(r"ERROR:\s+(.*)", str(error))
    if code.startswith(("08", "57P")) or not (code or said):
        return "the warehouse dropped the connection.", "Nothing was written; the same command goes on once it answers."
    told = "" if code.startswith("22") or not said else f": {said[1].strip()}"
    right = {
        "42P01": "Name a table or view that it has.", "42703": "Name columns that it has.", "42501": "Ask for the right to read it.",
    }.get(code, "Nothing was written; mend that and run the same command again.")  # fmt: skip
    return f"the warehouse cannot do what is asked ({code}){told}.", right
