"""Several questions, and how much an answer may claim: adjusted p, four verdicts, detectable differences."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy import stats

from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.inference import t_interval

LEVEL = 0.05
ONE_OF_MANY = "verdict.assoc.one_of_many"
DIFFERENCES = ("verdict.assoc.clear_neg", "verdict.assoc.clear_pos", "verdict.assoc.small")
"""Verdicts that claim a difference."""
POWER = 0.80  # with which a difference counts as detectable

Verdict = Literal["difference", "equivalent", "small", "inconclusive"]


def adjust(p: Sequence[float | None], method: Literal["holm", "bh"]) -> tuple[float, ...]:
    """Adjusted p-values in the order given.

    Holm keeps the chance of one false claim in the family below the level (planned questions); Benjamini &
    Hochberg the expected share of false claims (exploratory ones). A question without an answer (None or nan)
    counts in the family as p = 1.
    """
    values = np.array([1.0 if v is None or np.isnan(v) else v for v in p], float)
    if ((values < 0) | (values > 1)).any():
        raise BadInput("A p-value lies between 0 and 1.")
    if method == "bh":
        return tuple(map(float, stats.false_discovery_control(values)))
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)), 1)
    return tuple(map(float, adjusted))


def lost_among_many(verdict: str, p_adjusted: float) -> bool:
    """Whether a verdict claims a difference that the number of questions takes away."""
    return verdict in DIFFERENCES and p_adjusted > LEVEL


def four_way(estimate: float, se: float, df: float, margin: float | None) -> Verdict:
    """The verdict from the 95 % interval against zero and the 90 % one (two one-sided tests) against the margin.

    "small" is both: a difference is shown, and it is smaller than was set beforehand as relevant.
    """
    if margin is not None and not (np.isfinite(margin) and margin > 0):
        raise BadInput(f"The smallest relevant difference is {margin}; it must be a number over 0.")
    low, high = t_interval(estimate, se, df)
    shown = not low <= 0 <= high
    low, high = t_interval(estimate, se, df, 1 - 2 * LEVEL)
    if margin is not None and -margin < low and high < margin:
        return "small" if shown else "equivalent"
    return "difference" if shown else "inconclusive"


def detectable(se: float, df: float) -> float:
    """Difference that a study with this standard error shows in four of five tries; never "observed power"."""
    return float(se * (stats.t.ppf(1 - LEVEL / 2, df) + stats.t.ppf(POWER, df)))
