"""Where the measures' SQL runs: DuckDB, PostgreSQL or Spark, by the same text.

The model is read from parquet and the frames are written by DuckDB whichever engine it is; an engine runs the
statements in between, and leaves nothing behind.
"""

import logging
import os
import re
import shutil
import signal
import subprocess
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from mi_analysis.parameters import Institution, Problem, WrongUse

FACTS = ("hours", "absence", "staff", "ledger", "budget", "cases", "volumes", "goals", "persons")
"""Tables of the model that may be large and that the measures read."""
USED = (*FACTS, "units", "activities")

Words = Mapping[str, str]
"""Pattern in the shared text -> what an engine says instead."""

INNER = r"((?:[^(),]|\([^()]*\))+)"
DAYS_FROM, BYTEWISE = rf"\bdays_from\({INNER}, {INNER}\)", rf"\bbytewise\({INNER}\)"
"""Days from a date to another; the order of texts by their bytes, whatever a database's language is."""
DUCKDB: Words = {DAYS_FROM: r"(\2 - \1)", BYTEWISE: r"\1"}
SPARK: Words = {DAYS_FROM: r"datediff(\2, \1)", BYTEWISE: r"\1"}
COMMENT, STATEMENT = re.compile(r"('[^']*')|--[^\n]*"), re.compile(r"(?:'[^']*'|[^';])+")


class Engine(ABC):
    """What the measures ask of a data engine.

    Attributes
    ----------
    local
        The DuckDB that holds the model's tables and writes the frames.
    """

    words: Words

    def __init__(self, local: duckdb.DuckDBPyConnection) -> None:
        self.local = local

    @abstractmethod
    def execute(self, statement: str) -> None:
        """Run one statement in the engine's words."""

    @abstractmethod
    def arrow(self, query: str) -> pa.Table:
        """Rows of a query in the engine's words."""

    @abstractmethod
    def take(self, *names: str) -> None:
        """Make tables of the local DuckDB known to the engine, under the same names."""

    def give(self, *names: str) -> None:
        """Make tables of the engine known to the local DuckDB, under the same names."""
        for name in names:
            self.local.register(name, self.arrow(f"select * from {name}"))

    def run(self, script: str) -> None:
        """Run statements that make tables of queries, or drop them."""
        for statement in statements(script, self.words):
            self.execute(statement)

    def table(self, query: str) -> pa.Table:
        """Rows of a query."""
        return self.arrow(*statements(query, self.words))

    def rows(self, query: str) -> list[tuple]:
        """Rows of a query, few."""
        table = self.table(query)
        return [*zip(*(column.to_pylist() for column in table.columns), strict=True)]

    def columns(self, query: str) -> dict[str, np.ndarray]:
        """Columns of a query, by name; a list in a cell is an array."""
        table = self.table(query)
        return {name: table[name].to_numpy() for name in table.column_names}


def statements(script: str, words: Words) -> list[str]:
    """Statements of the shared text as an engine says them, without comments; literals are left as they are."""
    pieces = re.split(r"('[^']*')", COMMENT.sub(lambda found: found[1] or "", script))
    for pattern, said in words.items():
        pieces[::2] = [re.sub(pattern, said, piece) for piece in pieces[::2]]
    return [found.strip() for found in STATEMENT.findall("".join(pieces)) if found.strip()]


@contextmanager
def engine_of(
    institution: Institution, local: duckdb.DuckDBPyConnection, model: Path, moved: bool = True
) -> Iterator[Engine]:
    """The engine that an institution names, with the tables of ``local`` that the measures read.

    Parameters
    ----------
    model
        Folder with the model's tables as parquet, which Spark reads itself.
    moved
        Whether it is worth moving facts to the engine; if not, it is DuckDB unless some lie in the engine.

    Raises `WrongUse`: the engine is not installed, not reached, or lost on the way.
    """
    where = institution.where("engine") or "institution.yaml"
    in_place = {source.facts[0].table: source.in_place for source in institution.sources.values() if source.in_place}
    if institution.engine == "postgresql" and (moved or in_place):
        from mi_analysis.model import warehouse
        from mi_analysis.model.in_place import placed

        with warehouse.connected(warehouse.VARIABLE, where) as connection:
            engine = warehouse.PostgreSQL(local, connection)
            engine.take(*(name for name in USED if name not in in_place))
            for table, relation in in_place.items():
                engine.execute(f"create temp view {table} as {placed(connection, table, relation)}")
            yield engine
    elif institution.engine == "spark" and moved:
        with spark_session(where, local) as session:
            spark = Spark(local, session)
            spark.read(model, *FACTS)
            spark.take(*set(USED).difference(FACTS))
            yield spark
    else:
        yield DuckDB(local)


class DuckDB(Engine):
    """The default: the local DuckDB is the engine, so nothing has to be moved."""

    words = DUCKDB

    def execute(self, statement: str) -> None:  # noqa: D102
        self.local.execute(statement)

    def arrow(self, query: str) -> pa.Table:  # noqa: D102
        return self.local.sql(query).to_arrow_table()

    def rows(self, query: str) -> list[tuple]:  # noqa: D102
        return self.local.execute(*statements(query, self.words)).fetchall()

    def columns(self, query: str) -> dict[str, Any]:  # noqa: D102
        return self.local.execute(*statements(query, self.words)).fetchnumpy()

    def take(self, *names: str) -> None:
        """Nothing: they are there."""

    def give(self, *names: str) -> None:
        """Nothing: they are there."""


class Spark(Engine):
    """Apache Spark; each table is computed once, where it is made, and forgotten with the session."""

    words = SPARK

    def __init__(self, local: duckdb.DuckDBPyConnection, session: Any) -> None:
        super().__init__(local)
        self.session = session

    def execute(self, statement: str) -> None:  # noqa: D102
        head = re.match(r"create or replace temp table (\w+) as\s|drop table (\w+)", statement)
        if head and head[1]:
            self.session.sql(statement[head.end() :]).localCheckpoint().createOrReplaceTempView(head[1])
        elif head:
            self.session.catalog.dropTempView(head[2])
        else:
            self.session.sql(statement)

    def arrow(self, query: str) -> pa.Table:  # noqa: D102
        return self.session.sql(query).toArrow()

    def take(self, *names: str) -> None:  # noqa: D102
        for name in names:
            table = self.local.table(name).to_arrow_table()
            self.session.createDataFrame(table).createOrReplaceTempView(name)

    def read(self, folder: Path, *names: str) -> None:
        """Tables as the parquet files of ``folder``, which every worker has to see."""
        for name in names:
            path = re.sub(r"([\\{}\[\]*?])", r"\\\1", str((folder / f"{name}.parquet").absolute()))
            self.session.read.parquet(path).createOrReplaceTempView(name)


MASTER = "MI_SPARK"
"""The variable that names Spark's master; without it, this machine."""
FEW_ROWS = 2_000_000
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
SETTINGS = {
    "spark.app.name": "mi-analysis", "spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false",
    "spark.sql.session.timeZone": "UTC", "spark.driver.maxResultSize": "0",
    "spark.sql.ansi.enabled": "true", "spark.sql.ansi.doubleQuotedIdentifiers": "true", "spark.sql.parser.escapedStringLiterals": "true",
}  # fmt: skip
SMALL = {
    "spark.sql.shuffle.partitions": "1", "spark.default.parallelism": "1", "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}  # fmt: skip
"""With few rows compiling and dividing cost more than they give: a quarter of the CPU without."""


@contextmanager
def spark_session(where: str, local: duckdb.DuckDBPyConnection) -> Iterator[Any]:
    """A session for one build, without a word on the screen.

    Raises `WrongUse`: pyspark or Java is missing, the master does not answer, or Spark ended on the way.
    """
    master = os.environ.get(MASTER, "local[*]")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas newer than pyspark knows: frames go as Arrow, without pandas
            from pyspark import SparkConf, SparkContext
            from pyspark.java_gateway import launch_gateway
            from pyspark.sql import SparkSession
    except ImportError:
        raise WrongUse(Problem(where, "needs the package pyspark.", "Install mi-analysis[spark].")) from None
    home = os.environ.get("JAVA_HOME")
    if not (Path(home, "bin", "java").exists() if home else shutil.which("java")):
        raise WrongUse(Problem(where, "Spark needs Java, and there is none.", "Install Java 17 or newer.")) from None
    rows = sum(local.table(name).count("*").fetchall()[0][0] for name in FACTS)
    conf = SparkConf().setMaster(master).setAll([*(SETTINGS | (SMALL if rows < FEW_ROWS else {})).items()])
    logging.getLogger("SQLQueryContextLogger").setLevel(logging.CRITICAL + 1)  # writes every error out whole, in JSON
    session, interrupt = None, signal.getsignal(signal.SIGINT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gateway = launch_gateway(conf, QUIET)
            session = SparkSession(SparkContext(conf=conf, gateway=gateway))
        yield session
    except Exception as error:
        if type(error).__module__.split(".")[0] not in ("py4j", "pyspark") and not isinstance(error, ConnectionError):
            raise
        said = re.search(r"(?:Exception|Error): (.+)", str(error)) or re.match(r"\s*(.*)", str(error))
        what = f"Spark ({master}) did not get through: {said[1].strip()[:200] if said else ''}"
        right = "Nothing was written; the same command goes on once Spark answers and sees the outputs."
        raise WrongUse(Problem(where, what, right)) from None
    finally:
        if session:
            session.stop()
            gateway.shutdown()
            gateway.proc.communicate()  # it ends when its input does, and half a gigabyte with it
            SparkContext._gateway = SparkContext._jvm = None  # else the next session would ask the one that is gone
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, interrupt)  # Spark's own asks a session that has ended
