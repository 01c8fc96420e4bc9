"""Control charts of one monthly series: the individuals chart with the four rules of NHS "Making data count".

Method: Shewhart's individuals (XmR) chart, centre = mean, limits = mean -/+ 2.66 x mean moving range; p and u charts
with Laney's correction (Laney 2002, Quality Engineering 14:531). Rules and names as in NHSRplotthedots, with two
differences: a missing month breaks runs and moving ranges; a segment under 12 points has trial limits and no signals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from mi_analysis.analysis.basis import BadInput, Sentence, checked
from mi_analysis.analysis.signals import RULES, said_of_level, signals

MOVING_RANGE_TO_LIMIT = 2.66  # 3 / 1.128, rounded as everyone rounds it
MOVING_RANGE_SCREEN = 3.267  # upper limit of a moving range, in mean moving ranges
FEWEST_POINTS = 12  # below it limits are trial limits
NEIGHBOURS_ALIKE = 0.3  # lag-1 autocorrelation from which limits are too narrow
SHARE_AT_BOUND = 0.05
SMALL_COUNT = 5  # mean count under which the chance of a count is skewed
SEASON_P = 0.01
SEASON_MONTHS = 36  # three of each calendar month before a season is taken out

Bounds = tuple[float | None, float | None]
GOOD_SIDE = {"higher": 1, "lower": -1, "neutral": 0}
VARIATION = {True: ("common_cause", "special_cause_improvement", "special_cause_concern")}
VARIATION[False] = ("common_cause", "special_cause_neutral_high", "special_cause_neutral_low")


@dataclass(frozen=True)
class Segment:
    """Months that share limits; `n` points have a value; under 12 the limits are trial limits."""

    start: date
    n: int
    trial: bool
    centre: float
    reason: str = ""


@dataclass(frozen=True)
class ControlChart:
    """A control chart.

    `table`: one row per month with period_start, value, centre, lower, upper (signals are judged by these),
    lower_drawn, upper_drawn (kept inside the bounds), the four rules (-1, 0, 1: side or direction), cause (the first
    rule that holds, "" for none), variation, segment. `variation` is the latest point's: common_cause,
    special_cause_improvement, _concern, _neutral_high, _neutral_low, or "" when signals cannot be assessed.
    `assurance`: consistent_pass, inconsistent, consistent_fail, or "" without target, direction or limits.
    """

    table: pd.DataFrame
    segments: tuple[Segment, ...]
    variation: str
    assurance: str
    target: float | None
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def control_chart(
    series: pd.DataFrame,
    *,
    direction: str,
    target: float | None = None,
    baseline: int | None = None,
    rebase_at: Sequence[tuple[date, str]] = (),
    screen: bool = True,
    kind: Literal["xmr", "p", "u"] = "xmr",
    bounds: Bounds = (None, None),
    seasonal: bool = False,
) -> ControlChart:
    """Chart of a series with one row per month (or quarter): period_start and value.

    `direction`: higher or lower is better, or neutral. For `kind` p (share) and u (rate), `value` is the count and
    `denominator` what it is counted in; use them for small counts. `baseline`: limits from the first so many points of
    each segment. `rebase_at`: (first month, stated cause) of each new segment. `screen`: moving ranges from 3.267 x
    their mean are left out once. `bounds`: what the measure cannot pass. `seasonal`: the chart is of values with their
    season taken out (`observed` keeps them).

    Raises `BadInput` for repeated months, infinite or rolling values, a rebase without cause or outside the series.
    """
    table, noted = _read(series, kind)
    if direction not in GOOD_SIDE:
        raise BadInput(f"direction is {direction!r}; it must be one of {', '.join(GOOD_SIDE)}.")
    if baseline is not None and baseline < FEWEST_POINTS:
        raise BadInput(f"baseline is {baseline}; it must be at least {FEWEST_POINTS} points.")
    bounds = (0.0, 1.0) if kind == "p" else bounds
    table, freedom = _season_taken_out(table, kind) if seasonal else (table, 1.0)
    table, segments = _limits(table, _starts(table, rebase_at), baseline, screen, kind, freedom)
    table = _flag(table, segments, GOOD_SIDE[direction])
    lower_drawn, upper_drawn = table["lower"].clip(lower=bounds[0]), table["upper"].clip(upper=bounds[1])
    table = table.assign(lower_drawn=lower_drawn, upper_drawn=upper_drawn)
    latest = table[table["value"].notna()].iloc[-1]
    assessed = not segments[-1].trial and np.isfinite(latest["lower"])
    return ControlChart(
        table=table.drop(columns=["month", "block", "sigma"]),
        segments=segments,
        variation=str(latest["variation"]) if assessed else "",
        assurance=_assurance(latest, target, GOOD_SIDE[direction]),
        target=target,
        verdict=_verdict(table, segments[-1], assessed),
        warnings=(*noted, *_warnings(table, segments, bounds, seasonal)),
        method=Sentence("method.spc", {"kind": kind, "screened": screen, "baseline": baseline, "seasonal": seasonal}),
    )


def _read(series: pd.DataFrame, kind: str) -> tuple[pd.DataFrame, list[Sentence]]:
    if kind not in ("xmr", "p", "u"):
        raise BadInput(f"kind is {kind!r}; it must be xmr, p or u.")
    if "window" in series and (series["window"] != "month").any():
        raise BadInput("The series holds rolling values; limits and signals are computed on each period's own value.")
    counted = kind != "xmr"
    numbers = ["value", "denominator"] if counted else ["value"]
    table = checked(series, ["period_start"], numbers)[["period_start", *numbers]]
    day = pd.to_datetime(table["period_start"])
    table = table.assign(period_start=day.dt.date, month=day.dt.year * 12 + day.dt.month)
    table = table.sort_values("month", ignore_index=True)
    repeated = int(table["month"].duplicated().sum())
    if repeated:
        raise BadInput(f"{repeated} rows repeat a month; there must be one row per month.")
    noted: list[Sentence] = []
    if counted:
        table, noted = _as_rate(table, kind)
    blank = table["value"].isna()
    if (~blank).sum() < 2:
        raise BadInput(f"The series has {(~blank).sum()} months with a value; a chart needs at least 2.")
    steps = np.diff(table["month"])
    left_out = np.r_[0, steps // steps.min(initial=12) - 1]
    missing = int(blank.sum() + left_out.sum())
    noted += [Sentence("warning.spc.gap", {"n": missing})] if missing else []
    return table.assign(block=np.cumsum((left_out > 0) | blank | blank.shift(fill_value=True))), noted


def _as_rate(table: pd.DataFrame, kind: str) -> tuple[pd.DataFrame, list[Sentence]]:
    count, base = table["value"], table["denominator"]
    if (count < 0).any() or (base < 0).any() or (kind == "p" and (count > base).any()):
        raise BadInput("Counts must lie between 0 and, for kind p, their denominator.")
    empty = int((base == 0).sum())
    table = table.assign(denominator=base.where(base > 0), value=count / base.where(base > 0))
    return table, [Sentence("warning.spc.no_denominator", {"n": empty})] if empty else []


def _season_taken_out(table: pd.DataFrame, kind: str) -> tuple[pd.DataFrame, float]:
    """Values less a season that is the same every year, and the factor limits widen by for having estimated it."""
    n = len(table)
    if kind != "xmr" or n < SEASON_MONTHS or table["value"].isna().any() or (np.diff(table["month"]) != 1).any():
        raise BadInput(f"A season can be taken out of {SEASON_MONTHS} or more unbroken months of kind xmr, not of {n}.")
    from statsmodels.tsa.seasonal import STL  # loading it takes longer than all else here

    season = STL(table["value"].to_numpy(), period=12, seasonal=2 * n + 1, seasonal_deg=0).fit().seasonal
    return table.assign(observed=table["value"], value=table["value"] - season), float(np.sqrt((n - 1) / (n - 12)))


def _starts(table: pd.DataFrame, rebase_at: Sequence[tuple[date, str]]) -> dict[int, str]:
    """Row number of each segment's first month, and why it begins there."""
    starts = {0: ""}
    for change in rebase_at:
        if not isinstance(change, tuple) or len(change) != 2 or not str(change[1]).strip():
            raise BadInput("A new level needs its first month and the cause, such as (date(2025, 1, 1), 'merger').")
        day = pd.Timestamp(change[0]).date()
        row = int((table["period_start"] < day).sum())
        if not 0 < row < len(table):
            raise BadInput(f"The new level starts {day}; it must lie inside the series, after its first month.")
        starts[row] = str(change[1])
    return dict(sorted(starts.items()))


def _limits(
    table: pd.DataFrame, starts: dict[int, str], baseline: int | None, screen: bool, kind: str, freedom: float
) -> tuple[pd.DataFrame, tuple[Segment, ...]]:
    ends = [*list(starts)[1:], len(table)]
    parts, segments = [], []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        part = table.iloc[start:end].assign(segment=number)
        basis = part[part["value"].notna()].head(baseline or len(part))
        centre, sigma = _centre(part, basis, kind)
        scaled = (basis["value"] - centre) / sigma[basis.index]
        half = MOVING_RANGE_TO_LIMIT * freedom * _mean_moving_range(scaled, basis["block"], screen)
        if kind != "xmr":
            half = np.fmax(3.0, half)  # Laney; never narrower than the counts' own chance
        if not half * sigma.max() > 1e-12 * max(1e-300, abs(centre)):
            half = np.nan  # no moving range, or a constant basis: no limits
        parts.append(part.assign(centre=centre, lower=centre - half * sigma, upper=centre + half * sigma, sigma=sigma))
        n = int(part["value"].notna().sum())
        segments.append(Segment(part["period_start"].iloc[0], n, n < FEWEST_POINTS, centre, starts[start]))
    return pd.concat(parts), tuple(segments)


def _centre(part: pd.DataFrame, basis: pd.DataFrame, kind: str) -> tuple[float, pd.Series]:
    """Centre, and one month's standard deviation by the counts alone (1 for kind xmr)."""
    if kind == "xmr":
        return float(basis["value"].mean()), pd.Series(1.0, part.index)
    centre = float((basis["value"] * basis["denominator"]).sum() / basis["denominator"].sum())
    variance = centre * (1 - centre) if kind == "p" else centre
    return centre, np.sqrt(max(variance, 0.0) / part["denominator"])


def _mean_moving_range(values: pd.Series, block: pd.Series, screen: bool) -> float:
    ranges = values.groupby(block).diff().abs()
    return float((ranges[ranges < MOVING_RANGE_SCREEN * ranges.mean()] if screen else ranges).mean())


def _flag(table: pd.DataFrame, segments: tuple[Segment, ...], good: int) -> pd.DataFrame:
    """Table with the four rules, the first cause and the kind of variation; nothing is flagged by trial limits."""
    table = table.assign(**dict.fromkeys(RULES, 0))
    trial = table["segment"].map(lambda number: segments[number].trial)
    for _, rows in table[~trial & table["value"].notna() & table["lower"].notna()].groupby(["segment", "block"]):
        y, lower, upper = (rows[name].to_numpy() for name in ("value", "lower", "upper"))
        by_rule = signals(y, rows["centre"].iloc[0], lower, upper)
        table.loc[rows.index, list(RULES)] = np.column_stack([*by_rule.values()])
    found = table[list(RULES)].to_numpy()
    first = (found != 0).argmax(axis=1)
    sign = found[np.arange(len(found)), first]
    kinds = np.array(VARIATION[bool(good)])[sign * (good or 1)]
    cause = np.where(sign != 0, np.array(RULES)[first], "")
    return table.assign(cause=cause, variation=np.where(table["value"].notna(), kinds, ""))


def _assurance(latest: pd.Series, target: float | None, good: int) -> str:
    """Will the target be met by chance alone? By the limits at the latest point, also trial limits."""
    if target is None or not good or not np.isfinite(latest["lower"]):
        return ""
    side = int(target < latest["lower"]) - int(target > latest["upper"])
    return {1: "consistent_pass", 0: "inconsistent", -1: "consistent_fail"}[side * good]


def _verdict(table: pd.DataFrame, now: Segment, assessed: bool) -> tuple[Sentence, ...]:
    """What may be said of the present level, then why it was recalculated. Of a constant series: only the warning."""
    rebased = (Sentence("verdict.spc.rebased", {"start": now.start, "reason": now.reason}),) if now.reason else ()
    if now.trial:
        return (Sentence("verdict.spc.too_short", {"n": now.n, "n_min": FEWEST_POINTS}), *rebased)
    if not assessed:
        return rebased
    return (*said_of_level(table[(table["period_start"] >= now.start) & table["value"].notna()]), *rebased)


def _warnings(table: pd.DataFrame, segments: tuple[Segment, ...], bounds: Bounds, seasonal: bool) -> list[Sentence]:
    rows = table[table["value"].notna()]
    short = ({"start": part.start, "n": part.n, "n_min": FEWEST_POINTS} for part in segments if part.trial)
    noted = [Sentence("warning.spc.trial_limits", values) for values in short]
    if rows["lower"].isna().any():
        noted.append(Sentence("warning.spc.constant", {"value": float(rows["centre"].iloc[-1])}))
    noted += _alike(rows) + ([] if seasonal else _seasonal(rows)) + _at_bound(rows, bounds)
    whole = (rows["value"] >= 0).all() and (rows["value"] % 1 == 0).all()
    if (rows["sigma"] == 1).all() and whole and 0 < rows["value"].mean() < SMALL_COUNT:
        noted.append(Sentence("warning.spc.small_counts", {"mean": float(rows["value"].mean())}))
    return noted


def _at_bound(rows: pd.DataFrame, bounds: Bounds) -> list[Sentence]:
    """Values at, or limits past, what the measure can be: chance is not the same on both sides there."""
    noted = []
    for bound, limit, sign in zip(bounds, rows[["lower", "upper"]].iloc[-1], (-1, 1), strict=True):
        share = float((rows["value"] == bound).mean())
        if bound is not None and (share > SHARE_AT_BOUND or sign * limit > sign * bound):
            noted.append(Sentence("warning.spc.near_bound", {"bound": bound, "share": share}))
    return noted


def _alike(rows: pd.DataFrame) -> list[Sentence]:
    """Neighbouring months alike, about each segment's mean: Ljung-Box at lag 1 over pairs of adjacent months."""
    away = rows["value"] - rows["value"].groupby(rows["segment"]).transform("mean")
    n, total = len(away), float((away**2).sum())
    if n < FEWEST_POINTS or not total > 0:
        return []
    r = float((away * away.groupby([rows["block"], rows["segment"]]).shift()).sum() / total)
    from scipy import stats  # loading it takes longer than a chart

    if r > NEIGHBOURS_ALIKE and stats.chi2.sf(n * (n + 2) * r**2 / (n - 1), 1) < 0.05:
        return [Sentence("warning.spc.autocorrelation", {"r": r})]
    return []


def _seasonal(rows: pd.DataFrame) -> list[Sentence]:
    """Calendar months differ (Kruskal-Wallis on values less a straight line), from two of each month on."""
    calendar = rows["month"] % 12
    if calendar.value_counts().reindex(range(12), fill_value=0).min() < 2:
        return []
    time = rows["month"] - rows["month"].mean()
    away = rows["value"] - np.polyval(np.polyfit(time, rows["value"], 1), time)
    if away.abs().max() <= 1e-9 * rows["value"].abs().max():
        return []  # a straight line
    from scipy import stats

    p = float(stats.kruskal(*(part for _, part in away.groupby(calendar))).pvalue)
    return [Sentence("warning.spc.season", {"p": p})] if p < SEASON_P else []
