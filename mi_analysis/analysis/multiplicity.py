"""Several questions, and how much an answer may claim: adjusted p, four verdicts, detectable differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import optimize, stats

from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.inference import t_interval

LEVEL = 0.05
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
    m, order = len(values), np.argsort(values, kind="stable")
    ranked = values[order]
    if method == "holm":
        stepped = np.maximum.accumulate(ranked * (m - np.arange(m)))
    else:
        stepped = np.minimum.accumulate((ranked * m / (np.arange(m) + 1))[::-1])[::-1]
    adjusted = np.empty(m)
    adjusted[order] = np.minimum(stepped, 1)
    return tuple(map(float, adjusted))


def four_way(estimate: float, se: float, df: float, margin: float | None) -> Verdict:
    """The verdict from the 95 % interval against zero and the 90 % one (two one-sided tests) against the margin.

    "small" is both: a difference is shown, and it is smaller than was set beforehand as relevant.
    """
    if margin is not None and not (np.isfinite(margin) and margin > 0):
        raise BadInput(f"The smallest relevant difference is {margin}; it must be a number over 0.")
    low, high = t_interval(estimate, se, df)
    shown = not low <= 0 <= high
    low, high = t_interval(estimate, se, df, 1 - 2 * LEVEL)
    within = margin is not None and -margin < low and high < margin
    return {(True, False): "difference", (True, True): "small", (False, True): "equivalent"}.get(
        (shown, within), "inconclusive"
    )  # type: ignore[return-value]


def detectable(se: float, df: float) -> float:
    """Difference that a study with this standard error shows in four of five tries; never "observed power"."""
    return float(se * (stats.t.ppf(1 - LEVEL / 2, df) + stats.t.ppf(POWER, df)))


@dataclass(frozen=True)
class GroupDifference:
    """Mean of the first group less the second, without assuming equal variances (Welch)."""

    difference: float
    se: float
    t: float
    df: float
    p: float
    interval: tuple[float, float]  # 95 %
    interval_90: tuple[float, float]
    p_lower: float | None  # one-sided: not below -margin
    p_upper: float | None  # one-sided: not above margin
    detectable: float
    verdict: Verdict

    @property
    def p_equivalence(self) -> float | None:
        """P of two one-sided tests: the larger of the two."""
        return None if self.p_lower is None or self.p_upper is None else max(self.p_lower, self.p_upper)


def compare_groups(first: Sequence[float], second: Sequence[float], margin: float | None = None) -> GroupDifference:
    """Difference of two independent groups against zero and against the smallest relevant difference.

    Raises
    ------
    BadInput
        Under two finite values in a group, or no variation in either.
    """
    groups = [np.asarray(group, float) for group in (first, second)]
    if any(len(group) < 2 or not np.isfinite(group).all() for group in groups):
        raise BadInput("Each group needs two or more values, all of them finite numbers.")
    parts = [group.var(ddof=1) / len(group) for group in groups]
    if not sum(parts):
        raise BadInput("No value differs from the others in its group; there is nothing to judge a difference by.")
    df = sum(parts) ** 2 / sum(part**2 / (len(group) - 1) for part, group in zip(parts, groups, strict=True))
    difference, se = float(groups[0].mean() - groups[1].mean()), float(np.sqrt(sum(parts)))
    return GroupDifference(
        difference=difference,
        se=se,
        t=difference / se,
        df=float(df),
        p=float(2 * stats.t.sf(abs(difference) / se, df)),
        interval=t_interval(difference, se, df),
        interval_90=t_interval(difference, se, df, 1 - 2 * LEVEL),
        p_lower=None if margin is None else float(stats.t.sf((difference + margin) / se, df)),
        p_upper=None if margin is None else float(stats.t.cdf((difference - margin) / se, df)),
        detectable=detectable(se, df),
        verdict=four_way(difference, se, df, margin),
    )


def power_of_groups(n: float, difference: float, sd: float = 1.0) -> float:
    """Chance that two groups of n show this true difference; for planning, before there are data."""
    df, centre = 2 * n - 2, abs(difference) / sd * np.sqrt(n / 2)
    limit = stats.t.ppf(1 - LEVEL / 2, df)
    if centre > limit + 30:  # where SciPy's noncentral t has no digits left
        return 1.0
    return float(stats.nct.sf(limit, df, centre) + np.nan_to_num(stats.nct.cdf(-limit, df, centre)))


def detectable_between_groups(n: float, sd: float = 1.0, power: float = POWER) -> float:
    """True difference that two groups of n would show with the given chance."""
    near = detectable(sd * np.sqrt(2 / n), 2 * n - 2)
    return float(optimize.brentq(lambda d: power_of_groups(n, d, sd) - power, near / 10, near * 10))


def group_size_needed(difference: float, sd: float = 1.0, power: float = POWER) -> float:
    """Size of each of two groups that shows a true difference with the given chance (not rounded up)."""
    return float(
        optimize.brentq(lambda n: power_of_groups(n, difference, sd) - power, 2, 1e3 + 1e3 * (sd / difference) ** 2)
    )
