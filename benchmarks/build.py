"""The whole way: parquet deliveries of 1 million time rows and 1 million cases to stored monthly measures.

Run: ``python benchmarks/build.py [rows]``. 40 offices under 8 centres, 20 activities, 36 months; persons are
counted, codes placed by a crosswalk, parts stored, medians and ageing included. The deliveries are written
first; what is measured is a process of its own. Last figures stand in ``benchmarks/README.md``.
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

OFFICES, CENTRES, ACTIVITIES, MONTHS = 40, 8, 20, 36


def write_deliveries(folder: Path, rows: int) -> None:
    """One file of time rows and one of cases, with fixed pseudo-random content (hash of the row's number)."""
    office = f"'U' || hash(i) % {OFFICES}"
    activity = f"'K' || ((hash(i) % {OFFICES}) * 7 + (hash(i + 7) % 6) * 5) % {ACTIVITIES}"
    received = "date '2023-01-01' + cast(hash(i + 2) % 1090 as integer)"
    closed = f"{received} + cast(-45 * ln(1 - (hash(i + 3) % 100000) / 100001.0) as integer)"
    queries = {
        "time": f"select {office} || '-' || hash(i + 9) % 22 as person, {office} as office, {activity} as alias, {received} as day, "
        f"(hash(i + 4) % 740) / 100.0 as hours, case when i % 9 = 0 then 'Auto' else 'Godkendt' end as status from range({rows}) t(i)",
        "cases": f"select 'c' || i as number, {office} as office, {activity} as kind, cast({received} as timestamp) as received, "
        f"case when {closed} <= date '2025-12-31' then cast({closed} as timestamp) end as closed, "
        f"cast({received} + 60 as timestamp) as deadline from range({rows}) t(i)",
    }
    for name, query in queries.items():
        duckdb.execute(f"copy ({query}) to '{folder / name}.parquet'")


def institution() -> object:
    """Profiles and keys of the deliveries."""
    from mi_analysis.parameters import Institution

    time = {
        "unit": "office",
        "activity": "alias",
        "period": "day",
        "hours": "hours",
        "status": "status",
        "person_key": "person",
    }
    case = {
        "case": "number",
        "unit": "office",
        "activity": "kind",
        "received": "received",
        "closed": "closed",
        "deadline": "deadline",
    }
    parents = [{"unit": "R", "name": "R"}, *({"unit": f"C{c}", "name": f"C{c}", "parent": "R"} for c in range(CENTRES))]
    offices = [{"unit": f"U{u}", "name": f"U{u}", "parent": f"C{u % CENTRES}"} for u in range(OFFICES)]
    status = {"Auto": "auto", "Godkendt": "approved"}
    return Institution.model_validate({
        "name": {"da": "Måling", "en": "Benchmark"}, "deliveries": {"folder": "none"}, "units": parents + offices,
        "activities": [{"activity": f"A{a}", "name": f"A{a}"} for a in range(ACTIVITIES)],
        "crosswalk": [{"system": "*", "codes": [f"K{a}"], "to": f"A{a}"} for a in range(ACTIVITIES)],
        "sources": {
            "time": {"files": ["time.parquet"], "facts": [{"table": "hours", "columns": time, "values": {"status": status}}]},
            "cases": {"files": ["cases.parquet"], "facts": [{"table": "cases", "columns": case}]},
        },
    })  # fmt: skip


def measure(folder: Path) -> None:
    """Build the model with its measures; print what it took."""
    from mi_analysis.measures import compute
    from mi_analysis.model.build import build

    given = institution()
    audit = build(
        given, "benchmark", folder, folder / "out" / "model",
        lambda connection, new, as_of: compute.build(connection, given, new, as_of),
    )  # fmt: skip
    used = resource.getrusage(resource.RUSAGE_SELF)
    took = {"cpu_seconds": round(used.ru_utime + used.ru_stime, 1), "peak_mb": used.ru_maxrss // 1024}
    print(json.dumps(took | {item.source: item.account.used for item in audit.received}))


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        write_deliveries(Path(folder), rows)
        subprocess.run([sys.executable, __file__, "--measure", folder], check=True)


if __name__ == "__main__":
    measure(Path(sys.argv[2])) if sys.argv[1:2] == ["--measure"] else main()
