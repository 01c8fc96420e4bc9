"""Planning: demand x hours per case -> hours -> årsværk by the capacity ladder, as a distribution.

Paths of cases and hours per case are drawn month by month from their own past (see series.py), the same months' surprises
for all activities, multiplied and summed along the path: a sum of monthly quantiles would be wrong.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from mi_analysis.analysis.basis import BadInput, Sentence, worked
from mi_analysis.analysis.capacity import Ladder
from mi_analysis.analysis.series import SEASON_MONTHS, fit, paths

Array = npt.NDArray[np.float64]

FEWEST_MONTHS = 12
BACKTEST_MONTHS = 36  # two years to learn from, one to be tested on
SMALL_COUNT = 5  # monthly count from which the logarithm is used, else the root
QUANTILES = {"p10": 0.1, "p50": 0.5, "p90": 0.9}


@dataclass(frozen=True)
class Scenario:
    """What is changed: factors on demand and hours per case by activity ("*": all), sick days, and a backlog.

    `backlog`: open cases to be closed beyond demand, by activity, spread over the first `backlog_months`.
    """

    demand: Mapping[str, float] = field(default_factory=dict)
    hours_per_case: Mapping[str, float] = field(default_factory=dict)
    sick_days: float = 0.0  # more (or fewer) a year
    backlog: Mapping[str, float] = field(default_factory=dict)
    backlog_months: int = 12


@dataclass(frozen=True)
class Backtest:
    """How earlier plans would have fared: rolling origins, each forecasting a year.

    `coverage_months`: share of months inside their 80 % interval; `mase`: error of the median over that of "as the same
    month last year" (below 1 is better); `origins`: how many of the years were wholly seen.
    """

    coverage_months: float
    mase: float
    origins: int


@dataclass(frozen=True)
class StaffPlan:
    """Hours and staff that the work needs.

    `table`: activity (and "*" for all), then cases, hours, fte each with _mean, _p10, _p50, _p90; and pay_ for "*" where a
    pay is given. `months`: period_start and hours of all activities. `shortage`: probability that `staffed` do not
    suffice (NaN without).
    """

    table: pd.DataFrame
    months: pd.DataFrame
    net_hours: float
    staffed: float | None
    shortage: float
    ladder: pd.DataFrame
    backtest: Backtest | None
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def plan(
    history: pd.DataFrame,
    ladder: Ladder,
    *,
    start: date | None = None,
    months: int = 12,
    scenario: Scenario | None = None,
    staffed: float | None = None,
    pay: float | None = None,
    draws: int = 4000,
    seed: int = 1,
) -> StaffPlan:
    """Plan from history with one row per activity and month: activity, period_start, cases, hours.

    From `start` (default: the month after the last) over `months`. `pay`: money per årsværk a year. Months missing for an
    activity are missing, not zero. Raises `BadInput` for repeated keys, negative values, under 12 months, a start inside
    the history, or a scenario naming unknown activities.
    """
    scenario = scenario or Scenario()
    past, noted = _read(history)
    gap = _month_number(start) - past.end - 1 if start else 0
    if gap < 0 or not 1 <= months <= 60:
        raise BadInput("start must lie after the history, and months be 1 to 60.")
    unknown = {*scenario.demand, *scenario.hours_per_case, *scenario.backlog} - {*past.activities, "*"}
    if unknown or scenario.backlog_months < 1 or "*" in scenario.backlog:
        raise BadInput(
            f"The scenario names {', '.join(sorted(unknown)) or '*'}; known are {', '.join(past.activities)}."
        )
    rng = np.random.default_rng(seed)
    cases, pace = _simulate(past, gap + months, draws, rng)
    cases, pace = cases[..., gap:], pace[..., gap:]
    for number, name in enumerate(past.activities):
        cases[number] *= scenario.demand.get(name, scenario.demand.get("*", 1.0))
        pace[number] *= scenario.hours_per_case.get(name, scenario.hours_per_case.get("*", 1.0))
        within = min(scenario.backlog_months, months)
        cases[number, :, :within] += scenario.backlog.get(name, 0.0) / scenario.backlog_months
    sick = np.maximum(rng.normal(ladder.sick_days + scenario.sick_days, ladder.sick_days_sd, draws), 0)
    net = np.array([ladder.net(days) for days in sick]) * months / 12
    hours = cases * pace
    fte = hours.sum(axis=(0, 2)) / net
    backtest = _backtest(past, seed) if past.n >= BACKTEST_MONTHS else None
    if backtest is None:
        noted.append(Sentence("warning.plan.not_backtested", {"n": past.n, "n_min": BACKTEST_MONTHS}))
    elif backtest.mase > 1:
        noted.append(Sentence("warning.plan.no_better_than_last_year", {"mase": backtest.mase}))
    shortage = np.nan if staffed is None else float((fte > staffed).mean())
    low, middle, high = (float(value) for value in np.quantile(fte, list(QUANTILES.values())))
    values = {"fte": middle, "lo": low, "hi": high, "staffed": staffed, "shortage": shortage}
    said = "need" if staffed is None else "staffed" if shortage else "suffices"
    about = {"dependence": "joint_months", "draws": draws, "seasonal": past.seasonal, "n": past.n}
    return StaffPlan(
        table=_table(past.activities, cases, hours, net, pay, months),
        months=_by_month(hours.sum(axis=0), past.end + 1 + gap),
        net_hours=float(np.mean(net)) * 12 / months,
        staffed=staffed,
        shortage=shortage,
        ladder=ladder.table(),
        backtest=backtest,
        verdict=(Sentence(f"verdict.plan.{said}", values),),
        warnings=tuple(noted),
        method=Sentence("method.plan", about),
    )


@dataclass(frozen=True)
class _Past:
    """History on a common grid of consecutive months: cases and hours of shape (activities, n), NaN where missing."""

    activities: list[str]
    cases: Array
    hours: Array
    end: int  # month number of the last month

    @property
    def n(self) -> int:
        return self.cases.shape[1]

    @property
    def seasonal(self) -> bool:
        return self.n >= SEASON_MONTHS

    def until(self, n: int) -> "_Past":
        return _Past(self.activities, self.cases[:, :n], self.hours[:, :n], self.end - self.n + n)


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _read(history: pd.DataFrame) -> tuple[_Past, list[Sentence]]:
    table = worked(history, ["activity", "period_start"])
    day = pd.to_datetime(table["period_start"])
    table = table.assign(activity=table["activity"].astype(str), month=day.dt.year * 12 + day.dt.month - 1)
    grid = range(int(table["month"].min()), int(table["month"].max()) + 1)
    wide = {
        name: table.pivot_table(index="activity", columns="month", values=name, dropna=False).reindex(columns=grid)
        for name in ("cases", "hours")
    }
    past = _Past(list(wide["cases"].index), wide["cases"].to_numpy(), wide["hours"].to_numpy(), grid[-1])
    if past.n < FEWEST_MONTHS:
        raise BadInput(
            f"The history has {past.n} months; a plan needs at least {FEWEST_MONTHS}, and 24 to know the season."
        )
    noted = [] if past.seasonal else [Sentence("warning.plan.no_season", {"n": past.n, "n_min": SEASON_MONTHS})]
    missing = int((np.isnan(past.cases) | np.isnan(past.hours)).sum())
    return past, noted + ([Sentence("warning.plan.missing_months", {"n": missing})] if missing else [])


def _simulate(past: _Past, ahead: int, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Cases and hours per case, each (activities, draws, ahead)."""
    picked = rng.integers(0, past.n, (draws, past.n + ahead))
    first = (past.end - past.n + 1) % 12
    cases, pace = [], []
    for name, seen, hours in zip(past.activities, past.cases, past.hours, strict=True):
        both = (seen > 0) & (hours > 0)
        if both.sum() < FEWEST_MONTHS // 2:
            raise BadInput(
                f"{name} has {int(both.sum())} months with cases and hours; at least {FEWEST_MONTHS // 2} are needed."
            )
        rooted = np.nanmin(seen) < SMALL_COUNT
        drawn = paths(fit(np.sqrt(seen) if rooted else np.log(seen), first, past.seasonal), picked, ahead, rng)
        cases.append(np.maximum(drawn, 0) ** 2 if rooted else np.exp(drawn))
        ratio = np.log(np.divide(hours, seen, out=np.full(past.n, np.nan), where=both))
        idle = np.nansum(hours) / hours[both].sum()  # hours of months that closed nothing belong to the cases too
        pace.append(np.exp(paths(fit(ratio, first, False), picked, ahead, rng)) * idle)
    return np.array(cases), np.array(pace)


def _spread(values: Array, name: str) -> dict[str, float]:
    """Mean and quantiles over draws of shape (draws,)."""
    return {f"{name}_mean": float(values.mean())} | {
        f"{name}_{q}": float(np.quantile(values, at)) for q, at in QUANTILES.items()
    }


def _table(
    activities: list[str], cases: Array, hours: Array, net: Array, pay: float | None, months: int
) -> pd.DataFrame:
    rows = []
    of_all = [*cases, cases.sum(axis=0)], [*hours, hours.sum(axis=0)]
    for name, *drawn in zip([*activities, "*"], *of_all, strict=True):
        closed, spent = (paths.sum(axis=1) for paths in drawn)
        spread = _spread(closed, "cases") | _spread(spent, "hours") | _spread(spent / net, "fte")
        priced = {} if pay is None else _spread(spent / net * pay * months / 12, "pay")
        rows.append({"activity": name, **spread, **priced})
    return pd.DataFrame(rows)


def _by_month(hours: Array, first: int) -> pd.DataFrame:
    starts = [date((first + k) // 12, (first + k) % 12 + 1, 1) for k in range(hours.shape[1])]
    return pd.DataFrame([{"period_start": day} | _spread(hours[:, k], "hours") for k, day in enumerate(starts)])


def _backtest(past: _Past, seed: int, ahead: int = 12, draws: int = 400) -> Backtest:
    """Hours of all activities, forecast from every third month that leaves two years before and one after."""
    actual = np.where(np.isnan(past.cases) | np.isnan(past.hours), np.nan, past.hours).sum(axis=0)
    inside, errors, origins = [], [], 0
    scale = np.nanmean(np.abs(actual[12:] - actual[:-12]))
    for origin in range(SEASON_MONTHS, past.n - ahead + 1, 3):
        cases, pace = _simulate(past.until(origin), ahead, draws, np.random.default_rng(seed))
        drawn, came = (cases * pace).sum(axis=0), actual[origin : origin + ahead]
        low, middle, high = np.quantile(drawn, list(QUANTILES.values()), axis=0)
        seen = ~np.isnan(came)
        inside += ((came >= low) & (came <= high))[seen].tolist()
        errors += np.abs(came - middle)[seen].tolist()
        origins += int(seen.all())
    mase = float(np.mean(errors) / scale) if errors and scale > 0 else np.nan
    return Backtest(float(np.mean(inside)) if inside else np.nan, mase, origins)
