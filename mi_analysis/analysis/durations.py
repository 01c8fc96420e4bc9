"""How long things take when some are not finished: Kaplan-Meier with open cases, late entry, comparison of groups.

All of it rests on a life table: how many came under observation, were closed and were left open on each day of age.
Method: Kaplan and Meier (1958) with Greenwood's variance and log-log intervals; quantile = first day with S <= 1 - q;
restricted mean = area under S to a day; log-rank; Cox's proportional hazards with Efron's ties. As R's survival.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks

Array = npt.NDArray[np.float64]

QUANTILES = (0.25, 0.5, 0.75, 0.9)
COLUMNS = [
    *("group", "n", "closed", "open", "longest"),
    *(f"q{q * 100:.0f}{suffix}" for q in QUANTILES for suffix in ("", "_low", "_high")),
    *("mean_to", "mean_to_se", "mean_to_low", "mean_to_high", "closed_median", "closed_mean"),
]
COUNTS = ("entered", "closed", "open")
ALL = "*"
EMPTY = np.empty((0, 0))
FROM_THE_START = -1  # day on which a case is entered that was seen from its start
FEWEST_CLOSED = 5  # below it the number is shown, not the statistics
UNTOLD = 10.0  # log ratio, or its standard error, from which there is nothing to tell
FEW_AFTER = 0.05  # part of the closings that may come after a day on which none was left under observation
MOST_STEPS = 30
SURE = 1e-9  # S is a product of fractions; 0.5 counts as reached though it is a hair above


@dataclass(frozen=True)
class Durations:
    """Durations with open cases.

    `table`: one row per group, and last all of them ("*"): group, n, closed, open, longest (longest follow-up, days), per
    quantile q25 ... q90 with _low and _high (95 %; NaN: not reached, "more than" `longest`), mean_to (restricted mean to
    `horizon` days) with mean_to_se, mean_to_low and mean_to_high, closed_median and closed_mean (of closed cases alone: for contrast, too low).
    `curve`: group, day, at_risk, closed, open_share (S), se, low, high: one row per day with a closing.
    `comparison`: log-rank over the groups (chi2, df, p), or None; `hazards`: group, log_ratio, se, ratio, low, high of
    each group's closing rate against the first group (above 1: closes sooner).
    """

    table: pd.DataFrame
    curve: pd.DataFrame
    comparison: dict[str, float] | None
    hazards: pd.DataFrame
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def durations(cases: pd.DataFrame, *, by: str | None = None, horizon: float = 180) -> Durations:
    """Durations of one row per case: days (open: days so far), closed (1 or 0), the `by` column, and maybe entry.

    `entry`: days since the start at which the case came under observation, for cases that began before the data do.

    Raises `BadInput` for blanks, negative or infinite days, closed other than 0 and 1, or entry not before days.
    """
    return durations_of(life_table(cases, by=by), horizon=horizon)


def life_table(cases: pd.DataFrame, *, by: str | None = None) -> pd.DataFrame:
    """Cases as `durations` takes them, counted: group ("*" without `by`), day, and how many of each of `COUNTS`."""
    table = _read(cases, by)
    since = table["entry"].where(table["entry"] > 0, FROM_THE_START)
    ends = table.assign(day=table["days"], entered=0, closed=table["closed"], open=~table["closed"])
    begins = table.assign(day=since, entered=1, closed=0, open=0)
    both = pd.concat([begins, ends], ignore_index=True).astype(dict.fromkeys(COUNTS, int))
    return both.groupby(["group", "day"], as_index=False)[list(COUNTS)].sum()


def durations_of(table: pd.DataFrame, *, horizon: float = 180) -> Durations:
    """Durations of a life table, one row per group and day of age: group, day, entered, closed, open.

    A case counts from the day after `entered`: those seen from their start are entered on day -1. One group is all.
    """
    if not horizon > 0 or not np.isfinite(horizon):
        raise BadInput(f"horizon is {horizon}; it must be a number of days above 0.")
    groups = {str(name): part for name, part in table.groupby("group", sort=True)}
    whole = table.groupby("day", as_index=False)[list(COUNTS)].sum()
    groups = groups if list(groups) != [ALL] else {}
    parts = [*groups.items(), (ALL, whole)]
    enough = [name for name, part in groups.items() if part["closed"].sum() > 0]
    at_risk, closed = _risk_sets([groups[name] for name in enough]) if len(enough) > 1 else (EMPTY, EMPTY)
    curves = {name: _curve(part) for name, part in parts}
    rows = [_summary(name, part, curves[name], horizon) for name, part in parts]
    result = pd.DataFrame(rows).reindex(columns=COLUMNS)
    curve = pd.concat([one.assign(group=name) for name, one in curves.items()], ignore_index=True)
    comparison = _log_rank(at_risk, closed)
    late = bool((whole.loc[whole["entered"] > 0, "day"] > FROM_THE_START).any())
    return Durations(
        table=result,
        curve=curve,
        comparison=comparison,
        hazards=_hazards(enough, at_risk, closed),
        verdict=_verdict(comparison),
        warnings=tuple(_warnings(result, curve, horizon, set(groups) - set(enough))),
        method=Sentence("method.durations", {"horizon": horizon, "late_entry": late}),
    )


def open_share(made: Durations, group: str, days: Sequence[float]) -> pd.DataFrame:
    """Share still open on some days: day, open_share, se. NaN beyond the longest follow-up unless none are open."""
    curve = made.curve[made.curve["group"] == group]
    longest = made.table.set_index("group").loc[group, "longest"]
    rows = np.searchsorted(curve["day"], days, side="right")
    share = np.r_[1.0, curve["open_share"]][rows]
    known = (np.asarray(days) <= longest) | (share <= SURE)
    se = np.r_[0.0, curve["se"]][rows]
    return pd.DataFrame({"day": days, "open_share": np.where(known, share, np.nan), "se": np.where(known, se, np.nan)})


def mean_change(made: Durations, group: str, against: str) -> tuple[Sentence, ...]:
    """Whether one group's mean up to the horizon differs from another's, with interval; nothing where one has none.

    `est`, `lo` and `hi` are days more (`verdict.durations.later`, `unclear`) or fewer (`sooner`) than the other group.
    """
    rows = made.table.set_index("group").reindex([group, against])
    (now, before), (se_now, se_before) = rows["mean_to"], rows["mean_to_se"]
    est, half = now - before, stats.norm.isf(0.025) * np.hypot(se_now, se_before)
    if not half > 0:
        return ()
    low, high = est - half, est + half
    key = "later" if low > 0 else "sooner" if high < 0 else "unclear"
    values = {"est": est, "lo": low, "hi": high} if key != "sooner" else {"est": -est, "lo": -high, "hi": -low}
    about = {"now": now, "before": before, "horizon": made.method.values["horizon"]}
    return (Sentence(f"verdict.durations.{key}", {name: float(value) for name, value in (values | about).items()}),)


def _read(cases: pd.DataFrame, by: str | None) -> pd.DataFrame:
    late = ["entry"] if "entry" in cases else []
    needed = ["days", "closed", *late]
    if by and by not in cases:
        raise BadInput(f"The table lacks {by}; it has {', '.join(map(str, cases.columns))}.")
    table = no_blanks(checked(cases, finite=needed), [*needed, by] if by else needed)
    if early := int((table["days"] < 0).sum()):
        raise BadInput(f"{early} cases end before they begin; correct the dates or leave them out.")
    if not table["closed"].isin([0, 1]).all():
        raise BadInput("closed must be 1 (closed) or 0 (still open).")
    entry = table["entry"] if late else pd.Series(0.0, table.index)
    if late and ((entry < 0) | ((entry > 0) & (entry >= table["days"]))).any():
        raise BadInput("entry must be 0 or more and before days; a case seen after its end tells nothing.")
    group = table[by].astype(str) if by else pd.Series(ALL, table.index)
    return pd.DataFrame({"group": group, "days": table["days"], "closed": table["closed"] == 1, "entry": entry})


def _at_risk(table: pd.DataFrame, days: Array) -> Array:
    """How many were under observation and open when each of the days began."""
    before = np.searchsorted(table["day"], days, side="left")
    left = np.cumsum(table["entered"] - table["closed"] - table["open"])
    return np.r_[0, left][before].astype(float)


def _curve(table: pd.DataFrame) -> pd.DataFrame:
    """Kaplan-Meier estimate: one row per day with a closing."""
    events = table[table["closed"] > 0]
    day, closed = events["day"].to_numpy(float), events["closed"].to_numpy()
    at_risk = _at_risk(table, day).astype(int)
    share = np.cumprod(1 - closed / at_risk)
    left = np.where(at_risk > closed, at_risk - closed, np.nan)
    relative = np.sqrt(np.cumsum(closed / (at_risk * left)))  # se of log S; NaN once nobody is left
    with np.errstate(divide="ignore", invalid="ignore"):
        width = stats.norm.isf(0.025) * relative / np.log(share)
        low, high = share ** np.exp(-width), share ** np.exp(width)
    known = {"day": day, "at_risk": at_risk, "closed": closed, "open_share": share}
    return pd.DataFrame({**known, "se": share * relative, "low": low, "high": high})


def _first_day(days: pd.Series, share: pd.Series, level: float) -> float:
    """First day on which the share is down to the level, NaN when it never is."""
    down = np.flatnonzero(share.to_numpy() <= level + SURE)
    return float(days.iloc[down[0]]) if down.size else np.nan


def _mean_to(curve: pd.DataFrame, horizon: float) -> tuple[float, float]:
    """Area under the curve to the horizon, and its standard error."""
    curve = curve[curve["day"] <= horizon]
    edges = np.r_[0.0, curve["day"], horizon]
    pieces = np.diff(edges) * np.r_[1.0, curve["open_share"]]
    after = pieces[::-1].cumsum()[::-1][1:]  # area from each closing day on
    left = curve["at_risk"] - curve["closed"]
    terms = np.where(left > 0, after**2 * curve["closed"] / (curve["at_risk"] * left.where(left > 0, 1)), 0.0)
    return float(pieces.sum()), float(np.sqrt(terms.sum()))


def _summary(name: str, table: pd.DataFrame, curve: pd.DataFrame, horizon: float) -> dict[str, object]:
    n, closed, still_open = (int(table[column].sum()) for column in COUNTS)
    row: dict[str, object] = {"group": name, "n": n, "closed": closed, "open": still_open}
    row["longest"] = float(table.loc[table["closed"] + table["open"] > 0, "day"].max())
    if closed < FEWEST_CLOSED:
        return row
    for q in QUANTILES:
        for suffix, column in (("", "open_share"), ("_low", "low"), ("_high", "high")):
            row[f"q{q * 100:.0f}{suffix}"] = _first_day(curve["day"], curve[column].fillna(np.inf), 1 - q)
    mean, se = _mean_to(curve, horizon)
    half = stats.norm.isf(0.025) * se
    row |= {"mean_to": mean, "mean_to_se": se}
    row |= {"mean_to_low": max(0.0, mean - half), "mean_to_high": min(horizon, mean + half)}
    days = np.repeat(table["day"].to_numpy(float), table["closed"])
    return row | {"closed_median": float(np.median(days)), "closed_mean": float(days.mean())}


def _risk_sets(tables: Sequence[pd.DataFrame]) -> tuple[Array, Array]:
    """At risk and closed, a row per day with a closing in any of the groups and a column per group."""
    days = np.unique(np.concatenate([one.loc[one["closed"] > 0, "day"] for one in tables]))
    closed = [one.set_index("day")["closed"].reindex(days, fill_value=0) for one in tables]
    return np.column_stack([_at_risk(one, days) for one in tables]), np.column_stack(closed).astype(float)


def _log_rank(at_risk: Array, closed: Array) -> dict[str, float] | None:
    """Closings of each group less those expected if all closed alike, as one chi-square."""
    if not closed.size:
        return None
    n, d = at_risk.sum(axis=1), closed.sum(axis=1)
    share = at_risk / n[:, None]
    weight = np.where(n > 1, d * (n - d) / np.maximum(n - 1, 1), 0.0)
    variance = np.diag(weight @ share) - (share * weight[:, None]).T @ share
    away = (closed - d[:, None] * share).sum(axis=0)
    chi2 = float(away @ np.linalg.pinv(variance, hermitian=True) @ away)
    df = closed.shape[1] - 1
    return {"chi2": chi2, "df": df, "p": float(stats.chi2.sf(chi2, df))}


def _hazards(groups: Sequence[str], at_risk: Array, closed: Array) -> pd.DataFrame:
    """Cox model of the groups against the first one, by Newton's method; of those closed on one day, Efron's ties."""
    columns = ["group", "log_ratio", "se", "ratio", "low", "high"]
    if not closed.size:
        return pd.DataFrame(columns=columns)
    times = closed.sum(axis=1).astype(int)
    gone = np.concatenate([np.arange(n) / n for n in times])  # the part of a day's closings before each of them
    open_then = np.repeat(at_risk, times, axis=0) - gone[:, None] * np.repeat(closed, times, axis=0)
    log_ratio, information = np.zeros(len(groups) - 1), np.eye(len(groups) - 1)
    for _ in range(MOST_STEPS):
        rate = open_then * np.exp(np.r_[0.0, log_ratio])
        share = rate / rate.sum(axis=1, keepdims=True)
        information = (np.diag(share.sum(axis=0)) - share.T @ share)[1:, 1:]
        step = np.linalg.pinv(information, hermitian=True) @ (closed.sum(axis=0) - share.sum(axis=0))[1:]
        log_ratio = log_ratio + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    with np.errstate(divide="ignore", invalid="ignore"):
        se = np.sqrt(np.diag(np.linalg.pinv(information, hermitian=True)))
    told = (np.abs(log_ratio) < UNTOLD) & (se < UNTOLD) & (se > 0)
    log_ratio, se = np.where(told, log_ratio, np.nan), np.where(told, se, np.nan)  # wholly before another: no end
    width = stats.norm.isf(0.025) * se
    values = (groups[1:], log_ratio, se, np.exp(log_ratio), np.exp(log_ratio - width), np.exp(log_ratio + width))
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _verdict(comparison: dict[str, float] | None) -> tuple[Sentence, ...]:
    if comparison is None:
        return ()
    key = "overlap" if comparison["p"] >= 0.05 else "durations_differ"
    return (Sentence(f"verdict.compare.{key}", comparison),)


def _warnings(made: pd.DataFrame, curve: pd.DataFrame, horizon: float, not_compared: set[str]) -> list[Sentence]:
    noted = []
    still_open = curve.groupby("group")["open_share"].last()
    for row in made.to_dict("records"):
        said = {"group": row["group"], "longest": row["longest"]}
        if row["closed"] < FEWEST_CLOSED:
            values = {"group": row["group"], "n": row["closed"], "n_min": FEWEST_CLOSED}
            noted.append(Sentence("warning.durations.few_closed", values))
            continue
        if np.isnan(row["q50"]):
            noted.append(Sentence("warning.durations.median_not_reached", said))
        elif row["open"] and row["closed_median"] < row["q50"]:
            values = {"group": row["group"], "closed": row["closed_median"], "all": row["q50"]}
            noted.append(Sentence("warning.durations.closed_only", values))
        if row["longest"] < horizon and still_open[row["group"]] > SURE:
            noted.append(Sentence("warning.durations.beyond_follow_up", said | {"horizon": horizon}))
        own = curve[curve["group"] == row["group"]]
        emptied = (own["open_share"] <= SURE).cummax().shift(fill_value=False)
        if own.loc[emptied, "closed"].sum() > FEW_AFTER * row["closed"]:
            noted.append(Sentence("warning.durations.thin_start", said))  # late entry: nobody left before most came
    if not_compared:
        noted.append(Sentence("warning.durations.not_compared", {"groups": sorted(not_compared)}))
    return noted
