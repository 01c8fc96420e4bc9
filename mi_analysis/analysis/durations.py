"""How long things take when some are not finished: Kaplan-Meier with open cases, late entry, comparison of groups.

Method: Kaplan and Meier (1958) with Greenwood's variance and log-log intervals; quantile = first day with S <= 1 - q;
restricted mean = area under S to a day; log-rank; Cox's proportional hazards with Efron's ties. As R's survival.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy import stats
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks

Array = npt.NDArray[np.float64]

QUANTILES = (0.25, 0.5, 0.75, 0.9)
COLUMNS = [
    *("group", "n", "closed", "open", "longest"),
    *(f"q{q * 100:.0f}{suffix}" for q in QUANTILES for suffix in ("", "_low", "_high")),
    *("mean_to", "mean_to_se", "closed_median", "closed_mean"),
]
FEWEST_CLOSED = 5  # below it the number is shown, not the statistics
UNTOLD = 10.0  # standard error of a log ratio from which there is nothing to tell
SURE = 1e-9  # S is a product of fractions; 0.5 counts as reached though it is a hair above


@dataclass(frozen=True)
class Durations:
    """Durations with open cases.

    `table`: one row per group, and last all of them ("*"): group, n, closed, open, longest (longest follow-up, days), per
    quantile q25 ... q90 with _low and _high (95 %; NaN: not reached, "more than" `longest`), mean_to (restricted mean to
    `horizon` days) and mean_to_se, closed_median and closed_mean (of closed cases alone: for contrast, too low).
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
    table = _read(cases, by, horizon)
    groups = {str(name): part for name, part in table.groupby("group", sort=True)} if by else {}
    summaries = [_summary(name, part, horizon) for name, part in (*groups.items(), ("*", table))]
    enough = {name: part for name, part in groups.items() if part["closed"].sum() > 0}
    compared = table[table["group"].isin(enough)] if len(enough) > 1 else table.head(0)
    result = pd.DataFrame(summaries).reindex(columns=COLUMNS)
    curve = pd.concat([_curve(p).assign(group=g) for g, p in (*groups.items(), ("*", table))], ignore_index=True)
    comparison = _log_rank(compared)
    return Durations(
        table=result,
        curve=curve,
        comparison=comparison,
        hazards=_hazards(compared),
        verdict=_verdict(comparison),
        warnings=tuple(_warnings(result, curve, horizon, set(groups) - set(enough))),
        method=Sentence("method.durations", {"horizon": horizon, "late_entry": bool((table["entry"] > 0).any())}),
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


def flow_gaps(flow: pd.DataFrame, tolerance: float = 0.5) -> pd.DataFrame:
    """Rows where opening + received + reopened - closed is not closing, with `difference` (closing less computed)."""
    columns = ["opening", "received", "reopened", "closed", "closing"]
    table = checked(flow, finite=columns)
    computed = table["opening"] + table["received"] + table["reopened"].fillna(0) - table["closed"]
    table = table.assign(difference=table["closing"] - computed)
    return table[table["difference"].abs() > tolerance]


def _read(cases: pd.DataFrame, by: str | None, horizon: float) -> pd.DataFrame:
    if not horizon > 0 or not np.isfinite(horizon):
        raise BadInput(f"horizon is {horizon}; it must be a number of days above 0.")
    late = ["entry"] if "entry" in cases else []
    needed = ["days", "closed", *late]
    if by and by not in cases:
        raise BadInput(f"The table lacks {by}; it has {', '.join(map(str, cases.columns))}.")
    table = no_blanks(checked(cases, finite=needed), [*needed, by] if by else needed)
    if (table["days"] < 0).any():
        raise BadInput(
            f"{int((table['days'] < 0).sum())} cases end before they begin; correct the dates or leave them out."
        )
    if not table["closed"].isin([0, 1]).all():
        raise BadInput("closed must be 1 (closed) or 0 (still open).")
    entry = table["entry"] if late else pd.Series(0.0, table.index)
    if late and ((entry < 0) | (entry >= table["days"])).any():
        raise BadInput("entry must be 0 or more and before days; a case seen after its end tells nothing.")
    group = table[by].astype(str) if by else pd.Series("*", table.index)
    return pd.DataFrame({"group": group, "days": table["days"], "closed": table["closed"] == 1, "entry": entry})


def _curve(cases: pd.DataFrame) -> pd.DataFrame:
    """Kaplan-Meier estimate: one row per day with a closing."""
    day, closed = np.unique(cases.loc[cases["closed"], "days"], return_counts=True)
    ended = len(cases) - np.searchsorted(np.sort(cases["days"]), day, side="left")
    late = np.sort(cases.loc[cases["entry"] > 0, "entry"])
    at_risk = ended - (len(late) - np.searchsorted(late, day, side="left"))
    share = np.cumprod(1 - closed / at_risk)
    left = np.where(at_risk > closed, at_risk - closed, np.nan)
    relative = np.sqrt(np.cumsum(closed / (at_risk * left)))  # se of log S; NaN once nobody is left
    with np.errstate(divide="ignore", invalid="ignore"):
        width = stats.norm.isf(0.025) * relative / np.log(share)
        low, high = share ** np.exp(-width), share ** np.exp(width)
    return pd.DataFrame(
        {
            "day": day,
            "at_risk": at_risk,
            "closed": closed,
            "open_share": share,
            "se": share * relative,
            "low": low,
            "high": high,
        }
    )


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


def _summary(name: str, cases: pd.DataFrame, horizon: float) -> dict[str, object]:
    closed = cases.loc[cases["closed"], "days"]
    row: dict[str, object] = {"group": name, "n": len(cases), "closed": len(closed), "open": len(cases) - len(closed)}
    row["longest"] = float(cases["days"].max())
    if len(closed) < FEWEST_CLOSED:
        return row
    curve = _curve(cases)
    for q in QUANTILES:
        for suffix, column in (("", "open_share"), ("_low", "low"), ("_high", "high")):
            row[f"q{q * 100:.0f}{suffix}"] = _first_day(curve["day"], curve[column].fillna(np.inf), 1 - q)
    row["mean_to"], row["mean_to_se"] = _mean_to(curve, horizon)
    return row | {"closed_median": float(closed.median()), "closed_mean": float(closed.mean())}


def _log_rank(cases: pd.DataFrame) -> dict[str, float] | None:
    if cases.empty:
        return None
    late = cases["entry"].to_numpy() if (cases["entry"] > 0).any() else None
    chi2, p = sm.duration.survdiff(cases["days"], cases["closed"].astype(int), cases["group"], entry=late)
    return {"chi2": float(chi2), "df": cases["group"].nunique() - 1, "p": float(p)}


def _hazards(cases: pd.DataFrame) -> pd.DataFrame:
    """Cox model of the groups against the first one."""
    columns = ["group", "log_ratio", "se", "ratio", "low", "high"]
    if cases.empty:
        return pd.DataFrame(columns=columns)
    design = pd.get_dummies(cases["group"], drop_first=True, dtype=float)
    late = cases["entry"].to_numpy() if (cases["entry"] > 0).any() else None
    model = sm.PHReg(cases["days"], design, status=cases["closed"].astype(int), entry=late, ties="efron")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = model.fit(disp=0)
    told = fit.bse < UNTOLD  # a group that closes wholly before another has no finite ratio, and the fit no end
    log_ratio, se = np.where(told, fit.params, np.nan), np.where(told, fit.bse, np.nan)
    width = stats.norm.isf(0.025) * se
    values = (design.columns, log_ratio, se, np.exp(log_ratio), np.exp(log_ratio - width), np.exp(log_ratio + width))
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def _verdict(comparison: dict[str, float] | None) -> tuple[Sentence, ...]:
    if comparison is None:
        return ()
    return (
        Sentence(
            "verdict.compare.overlap" if comparison["p"] >= 0.05 else "verdict.compare.durations_differ", comparison
        ),
    )


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
        if (curve.loc[curve["group"] == row["group"], "open_share"].iloc[:-1] <= SURE).any():
            noted.append(Sentence("warning.durations.thin_start", said))  # late entry: nobody left before most came
    if not_compared:
        noted.append(Sentence("warning.durations.not_compared", {"groups": sorted(not_compared)}))
    return noted
