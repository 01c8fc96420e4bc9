"""Slopes of many units, each drawn towards all of them by as much as its own data leave open.

Sources: DerSimonian & Laird (1986); Paule & Mandel (1982); Viechtbauer (2005) for REML; Knapp & Hartung
(2003); Laird & Ware (1982) for the mixed model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import optimize, stats

from mi_analysis.analysis.association import Association
from mi_analysis.analysis.basis import BadInput, checked, no_blanks
from mi_analysis.analysis.inference import Array, NotIdentified, default_lag, least_squares, t_interval, t_p_value
from mi_analysis.analysis.panel import calendar_numbers

FEWEST_PERIODS = 6  # for a slope of a unit's own
OPTIMISERS = ("L-BFGS-B", "Powell", "BFGS")
SAME_LIKELIHOOD = 0.01  # log-likelihoods further apart than this mean that an optimiser stopped early

Method = Literal["reml", "dl", "pm"]


@dataclass(frozen=True, eq=False)
class Pooled:
    """Estimates under a common distribution.

    ``se`` takes the variance between units as known; ``interval`` and ``p`` are Knapp & Hartung's, which do
    not. ``prediction`` is where 95 % of units' true values lie. ``table``: unit, own, own_se, own_lo, own_hi,
    pooled, pooled_se, lo, hi, weight (of the unit's own data).
    """

    method: str
    mean: float
    se: float
    se_adjusted: float
    interval: tuple[float, float]
    p: float
    tau2: float
    q: float
    q_p: float
    i2: float  # per cent of the variation that is between units
    prediction: tuple[float, float]
    table: pd.DataFrame


def pool_estimates(
    units: Sequence[object], estimates: Sequence[float], se: Sequence[float], method: Method = "reml"
) -> Pooled:
    """Random-effects mean of independent estimates, and each drawn towards it (empirical Bayes).

    Raises
    ------
    BadInput
        Under three estimates, or a standard error that is no number over zero.
    """
    b, v = np.asarray(estimates, float), np.asarray(se, float) ** 2
    if len(b) < 3 or not (np.isfinite(b).all() and np.isfinite(v).all() and (v > 0).all()):
        raise BadInput("Pooling needs three or more estimates, each a number with a standard error over 0.")
    k, tau2 = len(b), between_variance(b, v, method)
    weight = 1 / (v + tau2)
    mean, se_mean = float(weight @ b / weight.sum()), float(weight.sum() ** -0.5)
    adjusted = float(np.sqrt(weight @ (b - mean) ** 2 / ((k - 1) * weight.sum())))
    q = _heterogeneity(b, v, 0.0)
    typical = (k - 1) * (1 / v).sum() / ((1 / v).sum() ** 2 - (1 / v**2).sum())
    own = tau2 / (tau2 + v)
    pooled, pooled_se = mean + own * (b - mean), np.sqrt(own * v + (1 - own) ** 2 * se_mean**2)
    half = float(stats.norm.ppf(0.975))
    table = pd.DataFrame(
        {"unit": list(units), "own": b, "own_se": np.sqrt(v), "pooled": pooled, "pooled_se": pooled_se, "weight": own}
    )
    table = table.assign(
        own_lo=b - half * np.sqrt(v),
        own_hi=b + half * np.sqrt(v),
        lo=pooled - half * pooled_se,
        hi=pooled + half * pooled_se,
    )
    spread = half * float(np.sqrt(tau2 + se_mean**2))
    return Pooled(
        method=method,
        mean=mean,
        se=se_mean,
        se_adjusted=adjusted,
        interval=t_interval(mean, adjusted, k - 1),
        p=t_p_value(mean, adjusted, k - 1),
        tau2=tau2,
        q=q,
        q_p=float(stats.chi2.sf(q, k - 1)),
        i2=100 * tau2 / (tau2 + float(typical)),
        prediction=(mean - spread, mean + spread),
        table=table,
    )


def between_variance(b: Array, v: Array, method: Method) -> float:
    """Variance between units: restricted likelihood, DerSimonian & Laird, or Paule & Mandel; never under 0."""
    w, k = 1 / v, len(b)
    if method == "dl":
        return max(0.0, float((_heterogeneity(b, v, 0.0) - (k - 1)) / (w.sum() - (w**2).sum() / w.sum())))
    upper = 100 * float(np.var(b) + v.max())
    if method == "pm":
        if _heterogeneity(b, v, 0.0) <= k - 1:
            return 0.0
        return float(optimize.brentq(lambda tau2: _heterogeneity(b, v, tau2) - (k - 1), 0, upper, xtol=1e-14))

    def score(tau2: float) -> float:
        w = 1 / (v + tau2)
        mean = w @ b / w.sum()
        return float((w**2) @ (b - mean) ** 2 - w.sum() + (w**2).sum() / w.sum())

    return 0.0 if score(0) <= 0 else float(optimize.brentq(score, 0, upper, xtol=1e-14))


def _heterogeneity(b: Array, v: Array, tau2: float) -> float:
    w = 1 / (v + tau2)
    return float(w @ (b - w @ b / w.sum()) ** 2)


def pool_slopes(association: Association, *, unit: str = "unit", period: str = "period_start") -> Pooled:
    """Each unit's slope in an association, own (HAC errors) and pooled.

    The slopes are taken after unit and period effects, so that the headline is their mean weighted by each
    unit's variation in exposure. Units with under six periods, or a constant exposure, have no row.

    Raises
    ------
    BadInput
        When the association has no estimate, or fewer than three units have a slope.
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
    score = np.bincount(calendar, x * (y - slope * x))
    lag, meat = default_lag(len(score)), float(score @ score)
    for step in range(1, min(lag, len(score) - 1) + 1):
        meat += 2 * (1 - step / (lag + 1)) * float(score[step:] @ score[:-step])
    return slope, float(np.sqrt(max(meat, 0) * len(y) / (len(y) - 2)) / size)


@dataclass(frozen=True, eq=False)
class MixedSlopes:
    """A line per unit around a common line: intercepts and slopes vary together and normally.

    Standard errors take the variances as known. ``table``: unit, intercept, slope (both pooled), slope_se, lo, hi, own_intercept, own_slope.
    """

    reml: bool
    intercept: float
    slope: float
    intercept_se: float
    slope_se: float
    sd_intercept: float
    sd_slope: float
    correlation: float
    sd_residual: float
    loglik: float
    table: pd.DataFrame


def mixed_slopes(
    frame: pd.DataFrame, outcome: str, along: str, *, unit: str = "unit", reml: bool = True
) -> MixedSlopes:
    """Slopes of ``outcome`` along ``along`` (time) per unit, partially pooled in a linear mixed model.

    The likelihood is that of the units' own lines, so it costs the same however long they are. Where the
    optimisers disagree (NotIdentified), pool the own slopes with ``pool_estimates`` instead.

    Raises
    ------
    BadInput
        Fewer than three units, a unit with under three rows, or ``along`` the same in all rows of a unit.
    """
    table = no_blanks(checked(frame, keys=[unit, along], finite=[outcome, along]), [outcome])
    groups = dict(iter(table.groupby(unit, sort=True)))
    if len(groups) < 3 or any(len(rows) < 3 for rows in groups.values()):
        raise BadInput(f"Slopes need three or more units, each with three or more values of {along}.")
    centre, width, height = float(table[along].mean()), float(table[along].std()), float(table[outcome].std())
    if not height > 0:
        raise BadInput(f"{outcome} is the same everywhere; there are no slopes to tell apart.")
    lines = [
        _own_line(rows[along].to_numpy(), rows[outcome].to_numpy(), centre, width, height) for rows in groups.values()
    ]
    between, residual, loglik = _variances(lines, reml)
    back = np.array([[1, -centre / width], [0, 1 / width]]) * height  # lines in the columns' own units
    precision = [np.linalg.inv(between + residual * line.inverse) for line in lines]
    variance = np.linalg.inv(sum(precision))
    common = variance @ sum(weight @ line.coef for weight, line in zip(precision, lines, strict=True))
    rows = []
    for name, line, weight in zip(groups, lines, precision, strict=True):
        share = between @ weight
        rest = np.eye(2) - share
        intercept, slope = back @ (common + share @ (line.coef - common))
        slope_se = float(np.sqrt((back @ (rest @ between + rest @ variance @ rest.T) @ back.T)[1, 1]))
        rows.append((name, intercept, slope, slope_se, *t_interval(slope, slope_se, np.inf), *(back @ line.coef)))
    spread = back @ between @ back.T
    sd, errors, mean = np.sqrt(np.diag(spread)), np.sqrt(np.diag(back @ variance @ back.T)), back @ common
    n = len(table) - 2 * reml
    return MixedSlopes(
        reml=reml,
        intercept=float(mean[0]),
        slope=float(mean[1]),
        intercept_se=float(errors[0]),
        slope_se=float(errors[1]),
        sd_intercept=float(sd[0]),
        sd_slope=float(sd[1]),
        correlation=float(spread[0, 1] / (sd[0] * sd[1])),
        sd_residual=float(np.sqrt(residual)) * height,
        loglik=loglik - n * float(np.log(height * np.sqrt(2 * np.pi))) - reml * float(np.log(width)),
        table=pd.DataFrame(
            rows, columns=["unit", "intercept", "slope", "slope_se", "lo", "hi", "own_intercept", "own_slope"]
        ),
    )


@dataclass(frozen=True, eq=False)
class _Line:
    """A unit's own least squares line, which with its residual sum of squares is all that the likelihood needs."""

    coef: Array
    inverse: Array  # of X'X
    squares: float
    n: int


def _own_line(along: Array, outcome: Array, centre: float, width: float, height: float) -> _Line:
    x = np.column_stack([np.ones(len(along)), (along - centre) / width])
    fit = least_squares(outcome / height, x)
    return _Line(fit.coef, np.linalg.inv(x.T @ x), fit.residual_sd**2 * fit.df, len(x))


def _variances(lines: Sequence[_Line], reml: bool) -> tuple[Array, float, float]:
    """Covariance of the units' lines, residual variance and log-likelihood (less constants).

    Raises
    ------
    NotIdentified
        When the optimisers end in different places, so that none is to be trusted.
    """

    def unpack(theta: Array) -> tuple[Array, float]:
        a, c, d, e = np.clip(theta, -12, 12)
        root = np.array([[np.exp(a), 0.0], [c, np.exp(d)]])
        return root @ root.T, float(np.exp(2 * e))

    def deviance(theta: Array) -> float:
        between, residual = unpack(theta)
        total = np.array([between + residual * line.inverse for line in lines])
        precision, coef = np.linalg.inv(total), np.array([line.coef for line in lines])
        information = precision.sum(axis=0)
        off = coef - np.linalg.solve(information, np.einsum("gij,gj->i", precision, coef))
        own = sum((line.n - 2) * np.log(residual) + line.squares / residual - _log_det(line.inverse) for line in lines)
        fixed = _log_det(information) if reml else 0.0
        return float(own + _log_det(total).sum() + np.einsum("gi,gij,gj->", off, precision, off) + fixed)

    coef = np.array([line.coef for line in lines])
    residual = sum(line.squares for line in lines) / sum(line.n - 2 for line in lines)
    start = np.array([np.log(coef[:, 0].std()), 0.0, np.log(coef[:, 1].std()), np.log(residual) / 2])
    fits = [optimize.minimize(deviance, start, method=name) for name in OPTIMISERS]
    best = min(fits, key=lambda fit: fit.fun)
    if max(fit.fun for fit in fits) - best.fun > 2 * SAME_LIKELIHOOD:
        raise NotIdentified("the optimisers end in different places")
    return *unpack(best.x), -best.fun / 2


def _log_det(matrix: Array) -> Array:
    return np.linalg.slogdet(matrix)[1]
