"""The few verbs the model needs of a data engine: DuckDB by default.

Everything else says what it wants in SQL or Arrow; only this file knows how a connection is made,
where a table lies, and how one is written.
"""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date
from pathlib import Path

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from mi_analysis.model.schema import quoted
from mi_analysis.parameters import Problem, WrongUse

_memory: ContextVar[str] = ContextVar("memory", default="")


def connect() -> duckdb.DuckDBPyConnection:
    """Open an engine in memory; what does not fit within `limited` is spilled to the system's folder for such."""
    connection = duckdb.connect()
    connection.execute("set preserve_insertion_order = true")
    connection.execute("set timezone = 'UTC'")
    connection.execute("set temp_directory = ?", [str(Path(tempfile.gettempdir()) / f"mi-spilled-{os.getpid()}")])
    connection.execute("set memory_limit = ?", [_memory.get() or half_of_the_machine()])
    return connection


ROWS_A_THREAD = 4_000_000
"""With fewer, sharing the work costs more than it gives: an eighth of the CPU of a million rows."""


def share_work(connection: duckdb.DuckDBPyConnection, rows: int) -> None:
    """Work on as many threads as so many rows are worth, at most as many as the machine has cores."""
    connection.execute(f"set threads = {min(os.cpu_count() or 1, 1 + rows // ROWS_A_THREAD)}")


def half_of_the_machine() -> str:
    """Half of the memory the machine has, as a limit."""
    return f"{psutil.virtual_memory().total // 2 // 2**20}MiB"


@contextmanager
def limited(memory_limit: str, where: str, folder: Path) -> Iterator[None]:
    """Engines opened within take at most ``memory_limit`` (``2GB``; blank: half of the machine).

    Raises `WrongUse`: the limit is too small even with spilling (``where`` it stands), or the disk of ``folder`` is full.
    """
    token = _memory.set(memory_limit)
    kept = "What stood there still stands, and the same command goes on once there is room."
    try:
        yield
    except duckdb.OutOfMemoryException:
        limit = memory_limit or half_of_the_machine()
        raise WrongUse(
            Problem(
                where,
                f"memory_limit: {limit} is not enough for these deliveries.",
                f"Give more, such as memory_limit: 8GB. {kept}",
            )
        ) from None
    except (OSError, duckdb.IOException) as error:
        if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
            raise WrongUse(Problem(str(folder), "the disk is full.", f"Free some. {kept}")) from None
        raise
    finally:
        _memory.reset(token)


def put_beside(standing: str, place: str) -> None:
    """The same file at another place: one file with two names where the disk can, else a copy. It is never changed."""
    try:
        os.link(standing, place)
    except OSError:
        shutil.copyfile(standing, place)


def add_parquet(connection: duckdb.DuckDBPyConnection, name: str, files: list[Path]) -> None:
    """Make ``name`` a view over parquet files of equal columns."""
    listed = ", ".join(quoted(file) for file in files)
    connection.execute(
        f'create or replace view "{name}" as select * from read_parquet([{listed}], union_by_name = true)'
    )


def add_table(
    connection: duckdb.DuckDBPyConnection, name: str, columns: str, rows: Iterable[Iterable[object]]
) -> None:  # fmt: skip
    """Make a table of few rows; ``columns`` are SQL names and types, in the order of the values."""
    connection.execute(f"create or replace temp table {name} ({columns})")
    values = ", ".join(f"({', '.join(map(literal, row))})" for row in rows)
    if values:  # as text: an Arrow table of Python values would load pandas first
        connection.execute(f"insert into {name} values {values}")


def literal(value: object) -> str:
    """SQL literal of a text, number, date or missing value."""
    if value is None:
        return "null"
    return quoted(value) if isinstance(value, str | date) else repr(value)


def write(connection: duckdb.DuckDBPyConnection, query: str, file: Path, options: str = "") -> None:
    """Write the rows of a query as one parquet file; its folder is made. ``options`` are the engine's own."""
    file.parent.mkdir(parents=True, exist_ok=True)
    connection.execute(f"copy ({query}) to {quoted(file)} (format parquet, compression snappy{options})")


def arrow(connection: duckdb.DuckDBPyConnection, query: str) -> pa.Table:
    """Rows of a query as an Arrow table."""
    return connection.sql(query).to_arrow_table()


def open_model(folder: Path) -> duckdb.DuckDBPyConnection:
    """Connection with a view per table of the model stored in ``folder``."""
    connection, files = connect(), sorted(folder.glob("*.parquet"))
    share_work(connection, sum(pq.read_metadata(file).num_rows for file in files))
    for file in files:
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


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A new folder to write, put in the place of ``folder`` once it is whole; what goes wrong leaves what stands there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    recover(folder)
    new = Path(tempfile.mkdtemp(prefix=folder.name + ".new-", dir=folder.parent))
    try:
        yield new
        swap_in(new, folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
