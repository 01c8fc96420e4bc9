"""The four rules of NHS "Making data count" on unbroken values, and what they allow one to say of the present level."""

import numpy as np
import pandas as pd

from mi_analysis.analysis.basis import BadInput, Sentence

RUN = 7  # points in a trend or on one side
FEWEST_OFF_MEDIAN = 12
RULES = ("beyond_limit", "trend", "two_of_three", "shift")  # in order of precedence


def signals(
    y: np.ndarray, centre: float, lower: np.ndarray | float, upper: np.ndarray | float
) -> dict[str, np.ndarray]:
    """Per rule, for values and limits of shape (n,): -1 (low, falling), 0 or 1 (high, rising) at each point.

    A point in a rising and a falling trend (the turn) counts as rising.
    """
    side, step = np.sign(y - centre), np.sign(np.diff(y))
    beyond = np.where(y > upper, 1, np.where(y < lower, -1, 0))
    near = (beyond == 0) & ((y > centre + (upper - centre) * 2 / 3) | (y < centre - (centre - lower) * 2 / 3))
    return {
        "beyond_limit": beyond,
        "trend": _signed(*(_points_of(_in_runs(step == sign, RUN - 1)) for sign in (1, -1))),
        "two_of_three": _signed(*(_two_of_three(near, side == sign) for sign in (1, -1))),
        "shift": _signed(*(_in_runs(side == sign, RUN) for sign in (1, -1))),
    }


def _signed(up: np.ndarray, down: np.ndarray) -> np.ndarray:
    return np.where(up, 1, np.where(down, -1, 0))


def _in_runs(holds: np.ndarray, length: int) -> np.ndarray:
    """True for each of `length` or more consecutive True."""
    edges = np.flatnonzero(np.diff(np.r_[False, holds, False].astype(int)))
    inside = np.zeros(len(holds), dtype=bool)
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        inside[first:after] = after - first >= length
    return inside


def _points_of(steps: np.ndarray) -> np.ndarray:
    return np.r_[steps, False] | np.r_[False, steps]


def _two_of_three(near: np.ndarray, same_side: np.ndarray) -> np.ndarray:
    flagged = np.zeros(len(near), dtype=bool)
    for first in range(len(near) - 2):
        three = slice(first, first + 3)
        if same_side[three].all() and near[three].sum() >= 2:
            flagged[three] |= near[three]
    return flagged


def said_of_level(rows: pd.DataFrame) -> tuple[Sentence, ...]:
    """Verdict on one segment's months with values: signs at the latest month, else earlier ones, else stable."""
    latest = rows.iloc[-1]
    found = [_SAY[rule](rows) for rule in ("beyond_limit", "shift", "trend") if latest[rule]]
    if not found and latest["two_of_three"]:
        found = [Sentence("verdict.spc.near", {**level_at(rows, -1), "side": _side(latest["two_of_three"])})]
    return tuple(found) or (_earlier(rows),)


def level_at(rows: pd.DataFrame, at: int) -> dict[str, object]:
    """One month's value beside the level and the drawn limits it is judged by."""
    point = rows.iloc[at]
    return {
        "period": (rows["period_start"].iloc[0], rows["period_start"].iloc[-1]),
        "month": point["period_start"],
        "value": float(point["value"]),
        "centre": float(point["centre"]),
        "lcl": float(point["lower_drawn"]),
        "ucl": float(point["upper_drawn"]),
    }


def _side(sign: int) -> str:
    return "above" if sign > 0 else "below"


def _shift(rows: pd.DataFrame) -> Sentence:
    sign = rows["shift"].iloc[-1]
    run = _last_run(rows, np.sign(rows["value"] - rows["centre"]) == sign)
    centre = float(rows["centre"].iloc[-1])
    return Sentence("verdict.spc.shift", {"run": len(run), "side": _side(sign), "centre": centre, "start": run.iloc[0]})


def _trend(rows: pd.DataFrame) -> Sentence:
    sign = rows["trend"].iloc[-1]
    steps = _last_run(rows, np.sign(rows["value"].groupby(rows["block"]).diff()) == sign)
    return Sentence("verdict.spc.trend", {"run": len(steps) + 1, "way": "rising" if sign > 0 else "falling"})


def _last_run(rows: pd.DataFrame, holds: pd.Series) -> pd.Series:
    """Months of the unbroken run that ends with the latest month."""
    unbroken = (holds & (rows["block"] == rows["block"].iloc[-1])).to_numpy()
    length = int(np.logical_and.accumulate(unbroken[::-1]).sum())
    return rows["period_start"].iloc[len(rows) - length :]


def _earlier(rows: pd.DataFrame) -> Sentence:
    outside, flagged = np.flatnonzero(rows["beyond_limit"]), np.flatnonzero(rows["cause"] != "")
    if outside.size:
        return Sentence("verdict.spc.point", level_at(rows, int(outside[-1])))
    if flagged.size:
        last = rows["period_start"].iloc[flagged[-1]]
        return Sentence("verdict.spc.earlier", {**level_at(rows, -1), "n": int(flagged.size), "last": last})
    return Sentence("verdict.spc.stable", level_at(rows, -1))


_SAY = {
    "beyond_limit": lambda rows: Sentence("verdict.spc.point", level_at(rows, -1)),
    "shift": _shift,
    "trend": _trend,
}


def run_chart_limits(n: int) -> tuple[int, int]:
    """Longest run and fewest crossings of the median that chance gives to ``n`` points not on it (n >= 12).

    Method: Anhoej and Olesen 2014, PLoS ONE 9(11): e113825. An optional second opinion beside the control chart.
    """
    from scipy.stats import binom

    return round(np.log2(n) + 3), int(binom.ppf(0.05, n - 1, 0.5))


def run_chart_shows_change(values: np.ndarray) -> bool:
    """Whether a run about the median is too long, or the median is crossed too seldom, to be chance.

    Raises `BadInput` where fewer than 12 points lie off the median.
    """
    side = np.sign(values - np.median(values))
    side = side[side != 0]
    if len(side) < FEWEST_OFF_MEDIAN:
        raise BadInput(f"{len(side)} points lie off the median; a run chart needs at least {FEWEST_OFF_MEDIAN}.")
    turns = np.flatnonzero(np.diff(side))
    longest = int(np.diff(np.r_[-1, turns, len(side) - 1]).max())
    most, fewest = run_chart_limits(len(side))
    return longest > most or len(turns) < fewest
