"""Productivity on one kind of task: the trend of cases per hour, and two units beside each other.

Sources: Poisson pseudo maximum likelihood with unit effects, Wooldridge (1999); its cluster jackknife, linearised,
MacKinnon, Nielsen and Webb (2023); conditional test of two rates, Przyborowski and Wilenski (1940).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks, worked

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

FEWEST_UNITS = 6  # below it no p and no interval: only what is left without each unit
FEWEST_MONTHS = 12
SEASON_MONTHS = 24  # from two of each calendar month on, the season is taken out
MONTHS_FOR_SPREAD = 6
CLEARLY_LARGER = 1.2
MONTHS_TO_A_TURN = 6  # months with shocks in common tell about as much as one of six on its own


@dataclass(frozen=True)
class Trend:
    """Change of cases per hour, in per cent a year, common to the units.

    `low`, `high`, `p`: from errors clustered by unit (CRV3, t(units - 1)), or from shocks that all units share
    (autocorrelated months) where those are clearly larger; NaN below six units. `left_out`: unit, estimate without it.
    `n` unit-months used; `table`: the rows used.
    """

    estimate: float
    low: float
    high: float
    p: float
    n: int
    units: int
    left_out: pd.DataFrame
    table: pd.DataFrame
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


@dataclass(frozen=True)
class RateComparison:
    """Cases per hour of one unit over those of another.

    `table`: method (exact, overdispersed), low, high, p. `ratio` with `low`, `high`, `p` as headline: overdispersed
    where there are months and they vary more than chance, else exact. `phi`: variance over chance (NaN without months).
    """

    ratio: float
    low: float
    high: float
    p: float
    phi: float
    table: pd.DataFrame
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def trend(panel: pd.DataFrame) -> Trend:
    """Trend of cases per hour: one row per unit and month, with unit, period_start, cases, hours.

    A unit's level is its own; zero cases count; months without hours are kept out and told. Calendar months are taken out
    from two years on. Raises `BadInput` for repeated keys, negative or infinite values, or under 12 months.
    """
    table, noted = _used(panel)
    codes, units = pd.factorize(table["unit"])
    day = pd.to_datetime(table["period_start"])
    year = (day.dt.year + (day.dt.month - 1) / 12).to_numpy()
    months = day.nunique()
    if months < FEWEST_MONTHS:
        raise BadInput(f"The units have {months} months with hours; a trend needs at least {FEWEST_MONTHS}.")
    seasonal = bool(months >= SEASON_MONTHS and day.dt.month.groupby(day.dt.month).count().min() >= 2)
    season = pd.get_dummies(day.dt.month, drop_first=True).to_numpy(float)
    x = np.column_stack([year - year.mean(), *(season.T if seasonal else ())])
    cases, hours = table["cases"].to_numpy(), table["hours"].to_numpy()
    beta, rows, information = _poisson_within(cases, hours, x, codes)
    scores = np.add.reduceat(rows, _first_rows(codes))
    without = np.array([beta[0] - one[0] for one in _left_out_change(scores, information)])
    count = len(units)
    estimate, low, high, p = _per_cent(beta[0]), np.nan, np.nan, np.nan
    if count >= FEWEST_UNITS:
        by_unit = float(np.sqrt((count - 1) / count * ((without - beta[0]) ** 2).sum()))
        shared = _shared_error(rows, information.sum(axis=0), pd.factorize(day, sort=True)[0])
        se, df = by_unit, count - 1
        if shared > CLEARLY_LARGER * by_unit:  # then months are what there are few of
            se, df = shared, min(df, max(2, months // MONTHS_TO_A_TURN - 2))
            noted.append(Sentence("warning.trend.shared_shocks", {"times": shared / by_unit if by_unit else np.inf}))
        width = stats.t.isf(0.025, df) * se
        low, high = _per_cent(beta[0] - width), _per_cent(beta[0] + width)
        p = float(2 * stats.t.sf(abs(beta[0]) / se, df)) if se > 0 else np.nan
    else:
        noted.append(Sentence("warning.trend.few_units", {"n": count, "n_min": FEWEST_UNITS}))
    key = "unclear" if not (low > 0 or high < 0) else "up" if low > 0 else "down"
    size = estimate if key == "unclear" else abs(estimate)
    period = (table["period_start"].min(), table["period_start"].max())
    values = {"est": size, "lo": low, "hi": high, "n": len(table), "k": count, "period": period}
    return Trend(
        estimate=estimate,
        low=low,
        high=high,
        p=p,
        n=len(table),
        units=count,
        left_out=pd.DataFrame({"unit": units, "estimate": [_per_cent(b) for b in without]} if count > 1 else {}),
        table=table,
        verdict=(Sentence(f"verdict.trend.{key}", values),) if count >= FEWEST_UNITS else (),
        warnings=tuple(noted),
        method=Sentence("method.trend", {"seasonal": seasonal, "units": count}),
    )


def _per_cent(log_change: float) -> float:
    return float(100 * np.expm1(log_change))


def _used(panel: pd.DataFrame) -> tuple[pd.DataFrame, list[Sentence]]:
    """Rows that tell about a rate, and what was kept out."""
    table = worked(panel, ["unit", "period_start"])
    blank = table["cases"].isna() | table["hours"].isna()
    no_hours = ~blank & (table["hours"] == 0)
    none_closed = table[~blank & ~no_hours].groupby("unit")["cases"].sum().pipe(lambda total: total.index[total == 0])
    without = table["unit"].isin(none_closed) & ~blank & ~no_hours
    reasons = {"blank": int(blank.sum()), "no_hours": int(no_hours.sum()), "no_cases": int(without.sum())}
    table = table[~blank & ~no_hours & ~without].sort_values(["unit", "period_start"], ignore_index=True)
    if table.empty:
        raise BadInput("No unit has both cases and hours; there is no rate to follow.")
    return table, [Sentence("warning.trend.kept_out", reasons)] if any(reasons.values()) else []


def _first_rows(codes: Codes) -> Codes:
    return np.flatnonzero(np.diff(codes, prepend=-1))  # rows stand by unit


def _shared_error(rows: Array, whole: Array, month: Codes) -> float:
    """Standard error of the first coefficient from scores (N, P) that are alike within a month and follow each other.

    Sums by month as one series with first-order autocorrelation, its small-sample bias corrected (Kendall 1954).
    """
    by_month = np.array([rows[month == m].sum(axis=0) for m in range(month.max() + 1)]) @ np.linalg.inv(whole)[0]
    n, total = len(by_month), float(by_month @ by_month)
    r = float(by_month[1:] @ by_month[:-1]) / total if total > 0 else 0.0
    r = float(np.clip(r + (1 + 3 * r) / n, 0, 0.95))
    return float(np.sqrt(total * n / max(n - rows.shape[1] - 1, 1) * (1 + r) / (1 - r)))


def _poisson_within(cases: Array, hours: Array, x: Array, codes: Codes) -> tuple[Array, Array, Array]:
    """Poisson fit with unit effects and exposure: coefficients (P,), scores (N, P), and information (G, P, P) by unit.

    The unit effects are conditioned out, which gives the same coefficients as fitting one constant per unit.
    """
    first = _first_rows(codes)
    total, beta = np.add.reduceat(cases, first), np.zeros(x.shape[1])
    for _ in range(50):
        weight = hours * np.exp(x @ beta)
        share = weight / np.add.reduceat(weight, first)[codes]
        away = x - np.add.reduceat(share[:, None] * x, first)[codes]
        expected = total[codes] * share
        scores = (cases - expected)[:, None] * away
        information = np.add.reduceat(expected[:, None, None] * away[:, :, None] * away[:, None, :], first)
        whole = information.sum(axis=0)
        if np.linalg.cond(whole) > 1e12:
            raise BadInput("Time does not vary within the units; a trend needs several months of each unit.")
        step = np.linalg.solve(whole, scores.sum(axis=0))
        beta = beta + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-10:
            return beta, scores, information
    raise BadInput("The trend does not settle; the series has too few months with cases.")


def _left_out_change(scores: Array, information: Array) -> list[Array]:
    """What each unit moves the coefficients by, to first order; NaN where the others do not identify them."""
    whole = information.sum(axis=0)
    return [
        np.linalg.solve(whole - own, score) if np.linalg.cond(whole - own) < 1e12 else np.full(len(score), np.nan)
        for score, own in zip(scores, information, strict=True)
    ]


def compare_units(table: pd.DataFrame, unit: str, other: str) -> RateComparison:
    """Cases per hour of `unit` over those of `other`, from rows of unit, cases, hours (and period_start, then per month).

    Exact: conditional on the sum of cases, Clopper-Pearson. Overdispersed: quasi-Poisson with Pearson's phi over months.
    Raises `BadInput` for a unit that is not there, no hours, or no cases in both.
    """
    keys = ["unit", "period_start"] if "period_start" in table else ["unit"]
    table = no_blanks(checked(table, keys, ["cases", "hours"]), ["cases", "hours"])
    lost = [name for name in (unit, other) if not (table["unit"] == name).any()]
    if lost or unit == other:
        raise BadInput(f"Two different units of the table are needed; {', '.join(lost) or unit} is not one.")
    table = table[table["unit"].isin([unit, other])]
    total = table.groupby("unit")[["cases", "hours"]].sum()
    (a, hours_a), (b, hours_b) = (map(float, total.loc[name]) for name in (unit, other))
    if (table[["cases", "hours"]] < 0).any(axis=None) or min(hours_a, hours_b) == 0 or a + b == 0 or a % 1 or b % 1:
        raise BadInput("Each unit needs hours above 0 and whole cases of 0 or more, and one of them a case.")
    test = stats.binomtest(int(a), int(a + b), hours_a / (hours_a + hours_b))
    low, high = (share / (1 - share) * hours_b / hours_a if share < 1 else np.inf for share in test.proportion_ci())
    ratio = a / hours_a / (b / hours_b) if b else np.inf
    rows = [("exact", low, high, float(test.pvalue))]
    phi, months = _phi(table, total)
    if phi > 1 and a and b:
        se = np.sqrt(phi * (1 / a + 1 / b))
        width = np.exp(stats.t.isf(0.025, months - 2) * se)
        p = 2 * stats.t.sf(abs(np.log(ratio)) / se, months - 2)
        rows.append(("overdispersed", ratio / width, ratio * width, float(p)))
    name, low, high, p = rows[-1]
    values = {"unit_a": unit, "unit_b": other, "ratio": ratio, "lo": low, "hi": high}
    return RateComparison(
        ratio=ratio,
        low=low,
        high=high,
        p=p,
        phi=phi,
        table=pd.DataFrame(rows, columns=["method", "low", "high", "p"]),
        verdict=(Sentence("verdict.compare.overlap" if low <= 1 <= high else "verdict.compare.rates_differ", values),),
        warnings=(Sentence("warning.rate.lower_bound", {}),) if name == "exact" else (),
        method=Sentence(f"method.rate.{name}", {"phi": phi, "months": months}),
    )


def _phi(table: pd.DataFrame, total: pd.DataFrame) -> tuple[float, int]:
    """Pearson's dispersion over unit-months with hours, and their number; NaN without enough months."""
    table = table[table["hours"] > 0]
    if "period_start" not in table or table.groupby("unit").size().min() < MONTHS_FOR_SPREAD:
        return np.nan, 0
    expected = table["hours"] * table["unit"].map(total["cases"] / total["hours"])
    seen = expected > 0
    return float((((table["cases"] - expected) ** 2)[seen] / expected[seen]).sum() / (len(table) - 2)), len(table)
