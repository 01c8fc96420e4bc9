"""Small hand-made models: a few facts as parquet, computed and read back."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mi_analysis.measures import compute
from mi_analysis.measures.compute import Frames
from mi_analysis.model.database import open_model
from mi_analysis.model.schema import STORED, stored_types
from mi_analysis.parameters import Folder, Institution, Labels

ARROW = {
    "varchar": pa.string(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "boolean": pa.bool_(),
    "bigint": pa.int64(),
}
KEYS = {
    "units": dict.fromkeys(("unit", "name", "parent", "level"), "varchar") | {"valid_from": "date", "valid_to": "date"},
    "activities": dict.fromkeys(("activity", "name", "purpose"), "varchar") | {"standard_hours": "double"},
    "unit_map": {"unit": "varchar", "to_unit": "varchar", "share": "double", "estimated": "boolean"},
}
Measured = Callable[..., Frames]


def institution(**settings: object) -> Institution:
    return Institution(name=Labels(da="Prøve", en="Sample"), deliveries=Folder(folder="none"), sources={}, **settings)


@pytest.fixture
def measured(tmp_path: Path) -> Measured:
    """Store facts as a model, compute, read back. Units default to those in the facts, under institution I."""

    def compute_and_read(as_of: str = "2025-03-31", settings: dict | None = None, **tables: list[dict]) -> Frames:
        units = tables.pop("units", None) or [
            {"unit": "I"},
            *(
                {"unit": unit, "parent": "I"}
                for unit in sorted(
                    {row["unit"] for rows in tables.values() for row in rows if row.get("unit")} - {"I", "~"}
                )
            ),
        ]
        codes = {row["unit"] for row in units} | {"~"}
        tables.setdefault("unit_map", [{"unit": unit, "to_unit": unit, "share": 1.0} for unit in sorted(codes)])
        tables = {"units": units, "activities": []} | tables
        for name, columns in {**{name: stored_types(name) for name in STORED}, **KEYS}.items():
            rows = [filled(name, row) for row in tables.pop(name, [])]
            unknown = {key for row in rows for key in row} - set(columns)
            assert not unknown
            table = pa.table(
                {column: pa.array([row.get(column) for row in rows], ARROW[kind]) for column, kind in columns.items()}
            )
            pq.write_table(table, tmp_path / f"{name}.parquet")
        assert not tables
        compute.build(open_model(tmp_path), institution(**(settings or {})), tmp_path, date.fromisoformat(as_of))
        return compute.frames(tmp_path)

    return compute_and_read


def filled(table: str, row: dict) -> dict:
    """A row with what goes without saying: a month's grain, dates from ISO text, the delivery's name."""
    columns = STORED.get(table, ()) or tuple(KEYS[table])
    usual = {
        "grain": "month",
        "delivery": table,
        "withheld": False,
        "rows": 1,
        "auto_rows": 0,
        "draft_hours": 0.0,
        "name": row.get("unit"),
    }
    made = {
        key: value for key, value in usual.items() if key in columns and table not in ("cases", "goals", "volumes")
    } | row
    if "period_start" in columns and "grain" in columns:
        made.setdefault("grain", "month")
    dates = {"period_start", "valid_from", "valid_to", "target_date", "result_date"}
    times = {"received", "informed", "closed", "deadline"} if table == "cases" else set()
    return {
        key: date.fromisoformat(value)
        if key in dates and value
        else datetime.fromisoformat(value)
        if key in times and value
        else value
        for key, value in made.items()
    }


@pytest.fixture
def cell() -> Callable[..., float]:
    """One value: measure, unit, period (ISO first day), and window, activity, grain where not the usual."""

    def value(
        frames: Frames,
        measure: str,
        unit: str,
        period: str,
        window: str = "month",
        activity: str = "*",
        grain: str = "month",
    ) -> float:
        found = rows_of(frames.values, unit, period, window, grain).query("activity == @activity")
        assert len(found) == 1, f"{len(found)} rows for {unit} {activity} {grain} {period} {window}"
        return float(found[measure].iloc[0])

    return value


@pytest.fixture
def state() -> Callable[..., str]:
    """``state:reason`` of a value, or "" where no state is stored."""

    def told(
        frames: Frames,
        measure: str,
        unit: str,
        period: str,
        window: str = "month",
        activity: str = "*",
        grain: str = "month",
    ) -> str:
        found = rows_of(frames.states, unit, period, window, grain).query(
            "activity == @activity and measure == @measure"
        )
        assert len(found) <= 1
        return ":".join(found[["state", "reason"]].iloc[0]) if len(found) else ""

    return told


@pytest.fixture
def rows() -> Callable[..., pd.DataFrame]:
    """Rows of a frame for one unit, period and window."""
    return rows_of


def rows_of(frame: pd.DataFrame, unit: str, period: str, window: str = "month", grain: str = "month") -> pd.DataFrame:
    return frame[
        (frame["unit"] == unit)
        & (frame["period_start"] == period)
        & (frame["window"] == window)
        & (frame["grain"] == grain)
    ]


@pytest.fixture
def quantile() -> Callable[[list[int], float], float]:
    """The database's own percentile, to compare with."""

    def of(days: list[int], probability: float) -> float:
        listed = ", ".join(f"({day})" for day in days)
        return duckdb.sql(
            f"select percentile_cont({probability}) within group (order by d) from (values {listed}) t(d)"
        ).fetchall()[0][0]

    return of
