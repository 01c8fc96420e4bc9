"""Slopes of many units, each drawn towards all of them by as much as its own data leave open.

Sources: Viechtbauer (2005) for REML; Knapp & Hartung (2003).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mi_analysis.analysis.association import Association
from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.inference import Array, bartlett, t_interval, t_p_value
from mi_analysis.analysis.panel import calendar_numbers

FEWEST_PERIODS = 6  # for a slope of a unit's own


@dataclass(frozen=True, eq=False)
class Pooled:
    """Estimates under a common distribution.

    ``se`` takes the variance between units as known; ``interval`` and ``p`` are Knapp & Hartung's, which do
    not. ``table``: unit, own, own_se, own_lo, own_hi, pooled, pooled_se, lo, hi, weight (of the unit's own data).
    """

    mean: float
    se: float
    se_adjusted: float
    interval: tuple[float, float]
    p: float
    tau2: float  # variance between units
    table: pd.DataFrame


def pool_estimates(units: Sequence[object], estimates: Sequence[float], errors: Sequence[float]) -> Pooled:
    """Random-effects mean of independent estimates, and each drawn towards it (empirical Bayes).

    Raises `BadInput`: under three estimates, or a standard error that is no number over zero.
    """
    b, v = np.asarray(estimates, float), np.asarray(errors, float) ** 2
    if len(b) < 3 or not (np.isfinite(b).all() and np.isfinite(v).all() and (v > 0).all()):
        raise BadInput("Pooling needs three or more estimates, each a number with a standard error over 0.")
    k, tau2 = len(b), between_variance(b, v)
    weight = 1 / (v + tau2)
    mean, se_mean = float(weight @ b / weight.sum()), float(weight.sum() ** -0.5)
    adjusted = float(np.sqrt(weight @ (b - mean) ** 2 / ((k - 1) * weight.sum())))
    own = tau2 / (tau2 + v)
    pooled, pooled_se = mean + own * (b - mean), np.sqrt(own * v + (1 - own) ** 2 * se_mean**2)
    half, se = float(stats.norm.ppf(0.975)), np.sqrt(v)
    table = pd.DataFrame({
        "unit": list(units), "own": b, "own_se": se, "own_lo": b - half * se, "own_hi": b + half * se, "pooled": pooled,
        "pooled_se": pooled_se, "lo": pooled - half * pooled_se, "hi": pooled + half * pooled_se, "weight": own,
    })  # fmt: skip
    interval, p = t_interval(mean, adjusted, k - 1), t_p_value(mean, adjusted, k - 1)
    return Pooled(mean=mean, se=se_mean, se_adjusted=adjusted, interval=interval, p=p, tau2=tau2, table=table)


def between_variance(b: Array, v: Array) -> float:
    """Variance between units by restricted likelihood; never under 0."""

    def score(tau2: float) -> float:
        w = 1 / (v + tau2)
        mean = w @ b / w.sum()
        return float((w**2) @ (b - mean) ** 2 - w.sum() + (w**2).sum() / w.sum())

    upper = 100 * float(np.var(b) + v.max())
    return 0.0 if score(0) <= 0 else float(optimize.brentq(score, 0, upper, xtol=1e-14))


def pool_slopes(association: Association, *, unit: str = "unit", period: str = "period_start") -> Pooled:
    """Each unit's slope in an association, own (HAC errors) and pooled.

    The slopes are taken after unit and period effects, so that the headline is their mean weighted by each
    unit's variation in exposure. Units with under six periods, or a constant exposure, have no row.

    Raises `BadInput` when the association has no estimate, or fewer than three units have a slope.
    """
    if association.estimate is None:
        raise BadInput("The association has no estimate, so there are no slopes to pool.")
    rows = association.table
    x, y = rows["exposure_left"].to_numpy() / association.step, rows["outcome_left"].to_numpy()
    calendar = calendar_numbers(rows[period])
    found = []
    for name, at in rows.groupby(unit, sort=True).indices.items():
        if len(at) >= FEWEST_PERIODS and x[at] @ x[at] > 1e-12 * (x @ x):
            found.append((name, *_hac_slope(y[at], x[at], calendar[at] - calendar[at].min())))
    if len(found) < 3:
        raise BadInput(f"{len(found)} units have a slope of their own; pooling needs three.")
    names, slopes, errors = zip(*found, strict=True)
    return pool_estimates(names, slopes, errors)


def _hac_slope(y: Array, x: Array, calendar: Array) -> tuple[float, float]:
    """Slope through the origin with Newey & West's error (by calendar), times T/(T-2)."""
    size = float(x @ x)
    slope = float(x @ y) / size
    scores = np.bincount(calendar, x * (y - slope * x)).astype(float)
    meat = float(bartlett(scores[:, None])[0, 0])
    return slope, float(np.sqrt(max(meat, 0) * len(y) / (len(y) - 2)) / size)
