"""Measures from a model of 1 million time rows and 1 million cases: CPU seconds and peak memory.

Run: ``python benchmarks/measures.py [rows]``. 40 offices under 8 centres, 20 activities (six per office),
36 months, all four domains: about what 900 persons register. The facts are written as parquet first; what
is measured is a process of its own, from those files to the stored frames. Last figures stand in
``benchmarks/README.md``.
"""

import json
import resource
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb

from mi_analysis.model.schema import STORED, stored_types

OFFICES, CENTRES, ACTIVITIES, MONTHS = 40, 8, 20, 36
AS_OF = date(2025, 12, 31)


def write_model(folder: Path, rows: int) -> None:
    """Facts with fixed pseudo-random content (hash of the row's number)."""
    con = duckdb.connect()
    office, activity = (
        f"'U' || hash(i) % {OFFICES}",
        f"'A' || ((hash(i) % {OFFICES}) * 7 + (hash(i + 7) % 6) * 5) % {ACTIVITIES}",
    )
    month = f"cast(date '2023-01-01' + to_months(cast(hash(i + 1) % {MONTHS} as integer)) as date)"
    every = f"(select 'U' || u as unit, cast(date '2023-01-01' + to_months(cast(m as integer)) as date) as period_start from range({OFFICES}) t(u), range({MONTHS}) s(m))"
    received = "date '2023-01-01' + cast(hash(i + 2) % 1090 as integer)"
    closed = f"{received} + cast(-45 * ln(1 - (hash(i + 3) % 100000) / 100001.0) as integer)"
    tables = {
        "hours": f"select 't' as delivery, {office} as unit, {activity} as activity, {month} as period_start, 'month' as grain, "
        f"(hash(i + 4) % 740) / 100.0 as hours, 0.0 as overtime_hours, 1 as rows, 0 as auto_rows, 0.0 as draft_hours from range({rows}) t(i)",
        "cases": f"select i as row, 'c' || i as \"case\", {office} as unit, {activity} as activity, cast({received} as timestamp) as received, "
        f"cast({received} + cast(hash(i + 5) % 20 as integer) as timestamp) as informed, "
        f"case when {closed} <= date '{AS_OF}' then cast({closed} as timestamp) end as closed, "
        f"cast({received} + 60 as timestamp) as deadline, false as reopened from range({rows}) t(i)",
        "staff": "select 's' as delivery, unit, period_start, 'month' as grain, 18.0 as fte, 40.0 as overtime_hours, 100.0 as balance_opening, "
        f"20.0 as balance_taken, 20.0 as balance_paid, 100.0 as balance_closing, false as withheld from {every}",
        "absence": f"select 's' as delivery, unit, period_start, 'month' as grain, 'sick' as absence_type, 100.0 as absence_hours, false as withheld from {every}",
        "ledger": f"select unit, 'A1' as activity, period_start, 'month' as grain, kind as account_group, 1e6 as amount from {every}, "
        "(select unnest(['pay', 'other']) as kind)",
        "budget": f"select unit, 'A1' as activity, period_start, 'month' as grain, 'GB' as version, 2e6 as amount from {every}",
        "persons": f"select unit, period_start, 'month' as grain, 'staff' as domain, 20.0 as persons, 0.2 as largest_person_share from {every}",
    }
    units = (
        [("R", "", "")]
        + [(f"C{c}", "R", "") for c in range(CENTRES)]
        + [(f"U{u}", f"C{u % CENTRES}", "") for u in range(OFFICES)]
    )
    listed = ", ".join(
        f"('{unit}', '{unit}', '{parent}', '', date '2000-01-01', cast(null as date))" for unit, parent, _ in units
    )
    mapped = ", ".join(f"('{unit}', '{unit}', 1.0::double, false)" for unit in [*(row[0] for row in units), "~"])
    for name in STORED:
        empty = ", ".join(f'null::{kind} as "{column}"' for column, kind in stored_types(name).items())
        con.execute(f"copy (select {empty} limit 0) to '{folder / (name + '.parquet')}'")
        if name in tables:
            con.execute(
                f"copy (select * from (select {empty} limit 0) union all by name {tables[name]}) to '{folder / (name + '.parquet')}'"
            )
    con.execute(
        f"copy (select * from (values {listed}) t(unit, name, parent, level, valid_from, valid_to)) to '{folder / 'units.parquet'}'"
    )
    con.execute(
        f"copy (select * from (values {mapped}) t(unit, to_unit, share, estimated)) to '{folder / 'unit_map.parquet'}'"
    )
    con.execute(
        f"copy (select 'A' || a as activity, 'A' || a as name, '1' as purpose, 1.0::double as standard_hours from range({ACTIVITIES}) t(a)) "
        f"to '{folder / 'activities.parquet'}'"
    )


def measure(folder: Path) -> None:
    """Compute and store the measures; print what it took."""
    from mi_analysis.measures import compute
    from mi_analysis.model.database import open_model
    from mi_analysis.parameters import Folder, Institution, Labels

    institution = Institution(name=Labels(da="Måling", en="Benchmark"), deliveries=Folder(folder="none"), sources={})
    compute.build(open_model(folder), institution, folder, AS_OF)
    used = resource.getrusage(resource.RUSAGE_SELF)
    rows = {
        file.stem: duckdb.read_parquet(str(file)).count("*").fetchall()[0][0]
        for file in sorted((folder / "measures").iterdir())
    }
    print(
        json.dumps(
            {"cpu_seconds": round(used.ru_utime + used.ru_stime, 1), "peak_mb": used.ru_maxrss // 1024, "rows": rows}
        )
    )


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), rows)
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[2])) if sys.argv[1:2] == ["--measure"] else main()
