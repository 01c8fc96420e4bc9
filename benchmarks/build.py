"""The whole way, from parquet deliveries of time rows and cases to stored monthly measures, beside pandas and Polars.

Run: ``python benchmarks/build.py [--time 1000000] [--cases 1000000] [--rounds 3] [--memory-limit 4GB] [--engine duckdb] [--ways ours pandas polars]``.
40 offices under 8 centres, 20 activities, 36 months, a delivery of time rows and one of cases a month. Codes are placed
by a crosswalk, one row in 200 has an unknown code, persons are counted per unit, medians, P90 and ageing are made for
every level, activity and window. Each way is a process of its own; the ways take turns. CPU and memory are those of the
process: of a server or of Java nothing is counted. Rows, hours and cases have to be conserved, from the deliveries to the
measures, and what the other two make has to be what is stored here. They make less: eighteen measures where ours makes 71,
three windows of months where ours makes four of months, quarters and years, and they keep no quarantine, history or reasons.
Polars is no dependency of the project: ``--polars FOLDER`` says where it lies. Last figures stand in ``benchmarks/README.md``.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

OFFICES, CENTRES, ACTIVITIES, MONTHS = 40, 8, 20, 36
STATUS = {"Auto": "auto", "Godkendt": "approved"}
AGES = [-1, 30, 60, 90, 180, 365, 10**6]
BUCKETS = ["open_0_30", "open_31_60", "open_61_90", "open_91_180", "open_181_365", "open_over_365"]
KEYS = ["unit", "activity", "period_start", "window"]
FEWEST = 5  # closed cases behind a median


def month_start(number: int) -> date:
    """First day of a month, counted from the first one."""
    return date(2023 + number // 12, number % 12 + 1, 1)


def write_deliveries(folder: Path, time_rows: int, case_rows: int) -> None:
    """A file of time rows and one of cases for each month, with fixed pseudo-random content (hash of the row's number)."""
    office = f"'U' || case when i % 400 = 7 then 99 else hash(i) % {OFFICES} end"
    activity = f"'K' || case when i % 400 = 207 then 99 else ((hash(i) % {OFFICES}) * 7 + (hash(i + 7) % 6) * 5) % {ACTIVITIES} end"
    with duckdb.connect() as con:
        for month in range(MONTHS):
            start = month_start(month)
            day = (
                f"cast(date '{start}' + cast(hash(i + 2) % {(month_start(month + 1) - start).days} as integer) as date)"
            )
            closed = f"{day} + cast(-45 * ln(1 - (hash(i + 3) % 100000) / 100001.0) as integer)"
            rows, cases = (
                f"range({n * month // MONTHS}, {n * (month + 1) // MONTHS}) t(i)" for n in (time_rows, case_rows)
            )
            queries = {
                "time": f"select {office} || '-' || hash(i + 9) % 22 as person, {office} as office, {activity} as alias, {day} as day, "
                f"(hash(i + 4) % 740) / 100.0 as hours, case when i % 9 = 0 then 'Auto' else 'Godkendt' end as status from {rows}",
                "cases": f"select 'c' || i as number, {office} as office, {activity} as kind, cast({day} as timestamp) as received, "
                f"case when {closed} <= date '2025-12-31' then cast({closed} as timestamp) end as closed, "
                f"cast({day} + 60 as timestamp) as deadline from {cases}",
            }
            for name, query in queries.items():
                con.execute(f"copy ({query}) to '{folder}/{name}_{start:%Y-%m}.parquet'")


# --- ours ------------------------------------------------------------------------------------------------------------


def institution(memory_limit: str, engine: str) -> Any:
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
        "case": "number", "unit": "office", "activity": "kind", "received": "received", "closed": "closed", "deadline": "deadline",
    }  # fmt: skip
    parents = [{"unit": "R", "name": "R"}, *({"unit": f"C{c}", "name": f"C{c}", "parent": "R"} for c in range(CENTRES))]
    offices = [{"unit": f"U{u}", "name": f"U{u}", "parent": f"C{u % CENTRES}"} for u in range(OFFICES)]
    return Institution.model_validate({
        "name": {"da": "Måling", "en": "Benchmark"}, "deliveries": {"folder": "none"}, "units": parents + offices,
        "activities": [{"activity": f"A{a}", "name": f"A{a}"} for a in range(ACTIVITIES)],
        "crosswalk": [{"system": "*", "codes": [f"K{a}"], "to": f"A{a}"} for a in range(ACTIVITIES)],
        "sources": {
            "time": {"files": ["time_*.parquet"], "facts": [{"table": "hours", "columns": time, "values": {"status": STATUS}}]},
            "cases": {"files": ["cases_*.parquet"], "facts": [{"table": "cases", "columns": case}]},
        },
        "engine": engine, **({"memory_limit": memory_limit} if memory_limit else {}),
    })  # fmt: skip


def ours(folder: Path, memory_limit: str, engine: str) -> Path:
    """Build the model with its measures."""
    from mi_analysis.measures import compute
    from mi_analysis.model.build import build

    given, model = institution(memory_limit, engine), folder / "out" / "model"
    build(given, "benchmark", folder, model, lambda con, new, as_of: compute.build(con, given, new, as_of))
    return model / "measures" / "values.parquet"


# --- the same with pandas --------------------------------------------------------------------------------------------


def with_pandas(folder: Path, *_: str) -> Path:
    """Read, check, place, count persons, measure, roll up, store: as an analyst who knows pandas well would."""
    above = {f"U{u}": [f"U{u}", f"C{u % CENTRES}", "R"] for u in range(OFFICES)} | {
        "U99": ["~", "~~", "R"]
    }  # known to none
    mapped = {f"K{a}": f"A{a}" for a in range(ACTIVITIES)}
    levels = [{office: path[level] for office, path in above.items()} for level in range(3)]
    hours, persons, unplaced = [], [], 0
    for file in sorted(folder.glob("time_*.parquet")):
        rows = pd.read_parquet(file)
        rows["period_start"] = pd.to_datetime(rows["day"]).dt.to_period("M").dt.to_timestamp()
        good = (
            rows["office"].isin(above)
            & rows["hours"].between(0, 24)
            & rows["status"].isin(STATUS)
            & rows["day"].notna()
        )
        unplaced += int((~good).sum())
        rows = rows[good]
        rows["activity"] = rows["alias"].map(mapped).fillna("~")
        rows["auto"] = rows["status"].eq("Auto")
        hours.append(
            rows.groupby(["office", "activity", "period_start"], as_index=False).agg(hours=("hours", "sum"), hour_rows=("hours", "size"), auto_rows=("auto", "sum"))
        )  # fmt: skip
        each = rows.groupby(["office", "person", "period_start"], as_index=False)["hours"].sum()
        for level in levels:
            of_unit = (
                each.assign(unit=each["office"].map(level))
                .groupby(["unit", "period_start", "person"], as_index=False)["hours"]
                .sum()
            )
            found = of_unit.groupby(["unit", "period_start"])["hours"].agg(persons="size", largest="max", total="sum")
            persons.append(found.assign(largest_share=found["largest"] / found["total"]).reset_index())
    cases = pd.concat([pd.read_parquet(file) for file in sorted(folder.glob("cases_*.parquet"))], ignore_index=True)
    cases = cases.drop_duplicates("number", keep="last")
    good = cases["office"].isin(above) & cases["received"].notna() & ~(cases["closed"] < cases["received"])
    cases = cases[good].drop(columns="number")
    cases["activity"] = cases["kind"].map(mapped).fillna("~")
    cases["days"] = (cases["closed"].dt.normalize() - cases["received"].dt.normalize()).dt.days
    for name in ("received", "closed"):
        cases[f"{name}_month"] = (cases[name].dt.year - 2023) * 12 + cases[name].dt.month - 1
    cells = pd.concat(hours, ignore_index=True)
    cells["month"] = (cells["period_start"].dt.year - 2023) * 12 + cells["period_start"].dt.month - 1
    flows = [
        cells.groupby(["office", "activity", "month"])[["hours", "hour_rows", "auto_rows"]].sum(),
        cases.groupby(["office", "activity", "received_month"]).size().rename_axis(["office", "activity", "month"]).rename("received"),
        cases[cases["closed"].notna()].groupby(["office", "activity", "closed_month"]).agg(closed=("days", "size"), case_days=("days", "sum")).rename_axis(["office", "activity", "month"]),
    ]  # fmt: skip
    flow = pd.concat(flows, axis=1).fillna(0).reset_index()
    parts = []
    spans = [("month", lambda m: m), ("ytd", lambda m: m - m % 12), ("r12", lambda m: max(m - 11, 0))]
    closed = cases[cases["closed"].notna()].sort_values("closed_month")
    for month in range(MONTHS):
        end = pd.Timestamp(month_start(month + 1)) - pd.Timedelta(days=1)
        still = cases[(cases["received_month"] <= month) & ~(cases["closed_month"] <= month)]
        age = (end - still["received"].dt.normalize()).dt.days
        stock = pd.get_dummies(pd.cut(age, AGES, labels=BUCKETS)).astype(int)
        stock = stock.assign(
            open_cases=1, open_age=age, overdue=(still["deadline"] < end).astype(int), office=still["office"], activity=still["activity"]
        ).groupby(["office", "activity"]).sum().reset_index()  # fmt: skip
        for window, first in spans:
            flowed = flow[flow["month"].between(first(month), month)]
            timed = closed.iloc[
                closed["closed_month"].searchsorted(first(month)) : closed["closed_month"].searchsorted(
                    month, side="right"
                )
            ]
            for level in levels:
                for total in (False, True):

                    def keyed(frame: pd.DataFrame, level: dict[str, str] = level, total: bool = total) -> pd.DataFrame:
                        return frame.assign(
                            unit=frame["office"].map(level), activity="*" if total else frame["activity"]
                        )

                    sums = (
                        keyed(flowed)
                        .groupby(["unit", "activity"])[
                            ["hours", "hour_rows", "auto_rows", "received", "closed", "case_days"]
                        ]
                        .sum()
                    )
                    at_end = (
                        keyed(stock)
                        .groupby(["unit", "activity"])[["open_cases", "open_age", "overdue", *BUCKETS]]
                        .sum()
                    )
                    days = keyed(timed[["office", "activity", "days"]]).groupby(["unit", "activity"])["days"]
                    spread = days.quantile([0.5, 0.9]).unstack().set_axis(["case_days_median", "case_days_p90"], axis=1)
                    one = pd.concat([sums, at_end, spread.where(days.size() >= FEWEST)], axis=1).reset_index()
                    parts.append(one.assign(period_start=pd.Timestamp(month_start(month)), window=window))
    out = pd.concat(parts, ignore_index=True).rename(columns={"hours": "registered_hours"})
    out["auto_share"] = out["auto_rows"] / out["hour_rows"] * 100
    out["clearance_pct"] = out["closed"] / out["received"] * 100
    out["hours_per_case"] = out["registered_hours"] / out["closed"]
    out["case_days_mean"] = (out["case_days"] / out["closed"]).where(out["closed"] >= FEWEST)
    out["mean_open_age"] = out["open_age"] / out["open_cases"]
    out = out.replace([float("inf"), float("-inf")], float("nan"))
    out.to_parquet(folder / "pandas.parquet")
    pd.concat(persons).to_parquet(folder / "pandas_persons.parquet")
    return folder / "pandas.parquet"


# --- the same with Polars --------------------------------------------------------------------------------------------


def with_polars(folder: Path, *_: str) -> Path:
    """The same work in lazy frames, streamed where Polars can."""
    import polars as pl

    path = pl.LazyFrame([
        *({"office": f"U{u}", "unit": unit} for u in range(OFFICES) for unit in (f"U{u}", f"C{u % CENTRES}", "R")),
        {"office": "U99", "unit": "R"},  # known to none
    ])  # fmt: skip
    mapped = pl.LazyFrame([{"code": f"K{a}", "activity": f"A{a}"} for a in range(ACTIVITIES)])
    offices = [f"U{u}" for u in (*range(OFFICES), 99)]
    window_rows = [
        {"month": inner, "end": month, "window": window}
        for month in range(MONTHS)
        for window, first in (("month", month), ("ytd", month - month % 12), ("r12", max(month - 11, 0)))
        for inner in range(first, month + 1)
    ]
    windows = pl.LazyFrame(window_rows)

    def month_of(name: str) -> Any:
        return ((pl.col(name).dt.year() - 2023) * 12 + pl.col(name).dt.month() - 1).cast(pl.Int64)

    def with_activity(frame: Any, code: str) -> Any:
        return frame.join(mapped, left_on=code, right_on="code", how="left").with_columns(
            pl.col("activity").fill_null("~")
        )

    def levelled(frame: Any) -> Any:
        """Every row at each level and in the total of activities."""
        placed = frame.join(path, on="office").drop("office")
        return pl.concat([placed, placed.with_columns(activity=pl.lit("*"))])

    time = pl.scan_parquet(folder / "time_*.parquet").filter(
        pl.col("office").is_in(offices) & pl.col("hours").is_between(0, 24) & pl.col("status").is_in(list(STATUS)) & pl.col("day").is_not_null()
    ).with_columns(month=month_of("day"))  # fmt: skip
    hours = with_activity(time, "alias").group_by("office", "activity", "month").agg(
        pl.col("hours").sum().alias("registered_hours"), pl.len().alias("hour_rows"), (pl.col("status") == "Auto").sum().alias("auto_rows")
    ).collect(engine="streaming").lazy()  # fmt: skip
    each = time.group_by("office", "person", "month").agg(pl.col("hours").sum()).collect(engine="streaming").lazy()
    people = each.join(path, on="office").group_by("unit", "month", "person").agg(pl.col("hours").sum())
    people.group_by("unit", "month").agg(
        pl.len().alias("persons"), (pl.col("hours").max() / pl.col("hours").sum()).alias("largest_share")
    ).collect().write_parquet(folder / "polars_persons.parquet")  # fmt: skip
    cases = pl.scan_parquet(folder / "cases_*.parquet").unique("number", keep="last").filter(
        pl.col("office").is_in(offices) & pl.col("received").is_not_null() & ~(pl.col("closed") < pl.col("received")).fill_null(False)
    )  # fmt: skip
    cases = with_activity(cases, "kind").select(
        "office", "activity", "deadline", received=pl.col("received").dt.date(), received_month=month_of("received"),
        closed_month=month_of("closed"), days=(pl.col("closed").dt.date() - pl.col("received").dt.date()).dt.total_days(),
    ).collect().lazy()  # fmt: skip
    keys = ["unit", "activity", "end", "window"]
    flows = pl.concat([
        hours,
        cases.group_by("office", "activity", pl.col("received_month").alias("month")).agg(pl.len().alias("received")),
        cases.filter(pl.col("closed_month").is_not_null()).group_by("office", "activity", pl.col("closed_month").alias("month")).agg(
            pl.len().alias("closed"), pl.col("days").sum().alias("case_days")
        ),
    ], how="diagonal_relaxed")  # fmt: skip
    flow = (
        levelled(flows.group_by("office", "activity", "month").agg(pl.all().sum()))
        .join(windows, on="month")
        .drop("month")
        .group_by(keys)
        .agg(pl.all().sum())
    )
    at_end = []
    for month in range(MONTHS):
        day = month_start(month + 1)
        age = (pl.lit(day) - pl.col("received")).dt.total_days() - 1
        still = cases.filter(
            (pl.col("received_month") <= month) & (pl.col("closed_month").is_null() | (pl.col("closed_month") > month))
        )
        at_end.append(still.with_columns(age=age).group_by("office", "activity").agg(
            pl.len().alias("open_cases"), pl.col("age").sum().alias("open_age"),
            (pl.col("deadline").dt.date() < pl.lit(day).dt.offset_by("-1d")).sum().alias("overdue"),
            *(((pl.col("age") > low) & (pl.col("age") <= high)).sum().alias(name) for name, low, high in zip(BUCKETS, AGES, AGES[1:], strict=False)),
        ).with_columns(end=pl.lit(month, pl.Int64)))  # fmt: skip
    stock = levelled(pl.concat(pl.collect_all(at_end)).lazy()).group_by("unit", "activity", "end").agg(pl.all().sum())
    spread = []
    closed = (
        cases.filter(pl.col("closed_month").is_not_null())
        .select("office", "activity", "days", "closed_month")
        .sort("closed_month")
        .collect()
    )
    for month in range(MONTHS):  # a window at a time: all at once would be every case some seventy times
        for window, first in (("month", month), ("ytd", month - month % 12), ("r12", max(month - 11, 0))):
            part = levelled(closed.lazy().filter(pl.col("closed_month").is_between(first, month)).drop("closed_month"))
            spread.append(part.group_by("unit", "activity").agg(
                pl.len().alias("many"), pl.col("days").quantile(0.5, "linear").alias("case_days_median"),
                pl.col("days").quantile(0.9, "linear").alias("case_days_p90"),
            ).filter(pl.col("many") >= FEWEST).drop("many").with_columns(end=pl.lit(month, pl.Int64), window=pl.lit(window)).collect())  # fmt: skip
    out = flow.join(stock, on=["unit", "activity", "end"], how="left").join(pl.concat(spread).lazy(), on=keys, how="left").with_columns(
        auto_share=pl.when(pl.col("hour_rows") > 0).then(pl.col("auto_rows") / pl.col("hour_rows") * 100), clearance_pct=pl.when(pl.col("received") > 0).then(pl.col("closed") / pl.col("received") * 100),
        hours_per_case=pl.when(pl.col("closed") > 0).then(pl.col("registered_hours") / pl.col("closed")), mean_open_age=pl.when(pl.col("open_cases") > 0).then(pl.col("open_age") / pl.col("open_cases")),
        case_days_mean=pl.when(pl.col("closed") >= FEWEST).then(pl.col("case_days") / pl.col("closed")),
        period_start=pl.col("end").replace_strict({m: month_start(m) for m in range(MONTHS)}, return_dtype=pl.Date).cast(pl.Datetime),
    ).drop("end")  # fmt: skip
    out.collect().write_parquet(folder / "polars.parquet")
    return folder / "polars.parquet"


WAYS: dict[str, Callable[..., Path]] = {"ours": ours, "pandas": with_pandas, "polars": with_polars}


# --- measured and compared -------------------------------------------------------------------------------------------


def measure(way: str, folder: Path, memory_limit: str, engine: str) -> None:
    """Go one way; print what it took."""
    WAYS[way](folder, memory_limit, engine)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu_seconds": round(used.ru_utime + used.ru_stime, 1), "peak_mb": used.ru_maxrss // 1024}))


def conserved(folder: Path) -> None:
    """Every row and hour delivered is placed or quarantined, and no other is there."""
    model = folder / "out" / "model"
    with duckdb.connect() as con:
        for name, table in (("time", "hours"), ("cases", "cases")):
            rows = con.execute(f"select count(*) from read_parquet('{folder}/{name}_*.parquet')").fetchall()[0][0]
            kept = con.execute(
                f"select {'sum(rows)' if table == 'hours' else 'count(*)'} from read_parquet('{model}/{table}.parquet')"
            ).fetchall()[0][0]
            aside = con.execute(
                f"select count(*) from read_parquet('{model}/quarantine.parquet') where delivery like '{name}-%'"
            ).fetchall()[0][0]
            print(f"{name}: {rows} rows delivered = {kept} in the model + {aside} set aside")
            if rows != kept + aside:
                raise SystemExit(f"{rows - kept - aside} rows of {name} are nowhere.")
        delivered = con.execute(
            "select sum(hours), (select count(*) from read_parquet($cases)), (select count(closed) from read_parquet($cases)) from read_parquet($time)",
            {"time": f"{folder}/time_*.parquet", "cases": f"{folder}/cases_*.parquet"},
        ).fetchall()[0]
        measured = con.execute(
            f"select sum(registered_hours), sum(received), sum(closed) from read_parquet('{model}/measures/values.parquet') "
            "where unit = 'R' and activity = '*' and grain = 'month' and \"window\" = 'month'"
        ).fetchall()[0]
        for name, given, found in zip(("hours", "cases received", "cases closed"), delivered, measured, strict=True):
            print(f"{name}: {given:.2f} delivered, {found:.2f} measured of the whole, all months")
            if abs(given - found) > 1e-9 * given:
                raise SystemExit(f"{name} are lost or made.")


def compared(stored: Path, other: Path) -> None:
    """What the other way made is what is stored, or the run ends here."""
    with duckdb.connect() as con:
        names = [row[0] for row in con.execute(f"describe select * from '{other}'").fetchall()]
        known = {row[0] for row in con.execute(f"describe select * from '{stored}'").fetchall()}
        shared = [name for name in names if name in known and name not in KEYS]
        differ = ", ".join(
            f'count(*) filter (coalesce(a."{n}", 0) is distinct from coalesce(b."{n}", 0) and not coalesce(abs(a."{n}" - b."{n}") <= 1e-9 * abs(a."{n}") + 1e-9, false)) as "{n}"'
            for n in shared
        )
        joined = f"(select * from '{stored}' where grain = 'month' and unit <> '~') a join (select * replace (cast(period_start as date) as period_start) from '{other}') b using (unit, activity, period_start, \"window\")"
        found = con.execute(f"select count(*) as rows, {differ} from {joined}").fetchdf().iloc[0]
        wrong = {name: int(found[name]) for name in shared if found[name]}
        print(
            f"{other.stem}: {int(found['rows'])} rows x {len(shared)} measures {'are equal' if not wrong else f'differ: {wrong}'}"
        )
        if wrong:
            raise SystemExit(1)


def main() -> None:
    """The ways in turn; medians, and the ratio to ours."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--time", type=int, default=1_000_000)
    asked.add_argument("--cases", type=int, default=1_000_000)
    asked.add_argument("--rounds", type=int, default=1)
    asked.add_argument("--memory-limit", default="")
    asked.add_argument("--engine", default="duckdb", help="duckdb, postgresql (MI_WAREHOUSE says where) or spark")
    asked.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked.add_argument("--polars", default="", metavar="FOLDER")
    given = asked.parse_args()
    sys.path.append(given.polars)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        write_deliveries(folder, given.time, given.cases)
        found: dict[str, list[dict[str, float]]] = {way: [] for way in given.ways}
        for _ in range(given.rounds):
            for way in given.ways:
                subprocess.run(["rm", "-rf", str(folder / "out")], check=True) if way == "ours" else None
                command = [
                    sys.executable,
                    __file__,
                    "--measure",
                    way,
                    text,
                    given.memory_limit,
                    given.engine,
                    given.polars,
                ]
                told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                found[way].append(json.loads(told.splitlines()[-1]))
                print(way, found[way][-1], flush=True)
        for way, taken in found.items():
            cpu, peak = (statistics.median(one[name] for one in taken) for name in ("cpu_seconds", "peak_mb"))
            print(f"{given.time:,} + {given.cases:,}, {way}: CPU {cpu:.1f} s, peak {peak:.0f} MB")
        if "ours" in found:
            conserved(folder)
            for way in set(found) - {"ours"}:
                compared(folder / "out" / "model" / "measures" / "values.parquet", folder / f"{way}.parquet")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        sys.path.append(sys.argv[6])
        measure(sys.argv[2], Path(sys.argv[3]), sys.argv[4], sys.argv[5])
    else:
        main()
