"""The few verbs the model needs of a data engine: DuckDB by default.

Everything else says what it wants in SQL or Arrow; only this file knows how a connection is made,
where a table lies, and how one is written.
"""

import shutil
from pathlib import Path

import duckdb
import pyarrow as pa


def connect(memory_limit: str = "") -> duckdb.DuckDBPyConnection:
    """Open an engine in memory; ``memory_limit`` such as ``2GB`` (blank: the engine's own)."""
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = true")
    connection.execute("set timezone = 'UTC'")
    if memory_limit:
        connection.execute("set memory_limit = ?", [memory_limit])
    return connection


def quoted(text: str | Path) -> str:
    """SQL literal of a text."""
    return "'" + str(text).replace("'", "''") + "'"


def add_parquet(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> None:
    """Make ``name`` a view over parquet files of equal columns."""
    listed = ", ".join(quoted(file) for file in files)
    connection.execute(
        f'create or replace view "{name}" as select * from read_parquet([{listed}], union_by_name = true)'
    )


def add_arrow(connection: duckdb.DuckDBPyConnection, name: str, table: pa.Table) -> None:
    """Make ``name`` a view over an Arrow table."""
    connection.register(name, table)


def write(connection: duckdb.DuckDBPyConnection, query: str, file: Path, options: str = "") -> None:
    """Write the rows of a query as one parquet file; its folder is made. ``options`` are the engine's own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({query}) to {quoted(file)} (format parquet, compression snappy{options})")


def arrow(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """Rows of a query as an Arrow table."""
    return connection.sql(query).to_arrow_table()


def open_model(folder: Path) -> duckdb.DuckDBPyConnection:
    """Connection with a view per table of the model stored in ``folder``."""
    connection = connect()
    for file in sorted(folder.glob("*.parquet")):
        add_parquet(connection, file.stem, [file])
    return connection


def swap_in(new: Path, folder: Path) -> None:
    """Put a wholly written folder in the place of the one before.

    A kill between the two renames leaves ``<folder>.before``, which `recover` puts back.
    """
    before = folder.with_name(folder.name + ".before")
    shutil.rmtree(before, ignore_errors=True)
    if folder.exists():
        folder.rename(before)
    new.rename(folder)
    shutil.rmtree(before, ignore_errors=True)


def recover(folder: Path) -> None:
    """Undo a swap that was cut off, and remove what half-made writes left."""
    before = folder.with_name(folder.name + ".before")
    if before.exists() and not folder.exists():
        before.rename(folder)
    shutil.rmtree(before, ignore_errors=True)
    for left in folder.parent.glob(folder.name + ".new-*"):
        shutil.rmtree(left, ignore_errors=True)
