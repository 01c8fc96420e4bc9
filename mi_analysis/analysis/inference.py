"""Least squares in panels: effects taken out, uncertainty by cluster, and the guard fit for shares.

Arrays in, frozen records out, solved by orthogonal factors. Shapes: N rows, P regressors, G clusters (units).
Sources: Cameron & Miller (2015) for CRV1; MacKinnon, Nielsen & Webb (2023) for CRV3 and the wild cluster
restricted bootstrap; Webb (2023) for its six-point weights; Driscoll & Kraay (1998); Papke & Wooldridge (1996).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy import linalg, stats

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Basis = tuple[Codes, Array]  # rows of one block, and an orthonormal basis of the effects taken out there

RANK_TOLERANCE = 1e-9  # what is left of a column, as a share of it, below which it counts as explained by others
ENUMERATED_UP_TO = 12  # units; all 2^G sign vectors are drawn up to here (MacKinnon & Webb 2018)
RANDOM_DRAWS = 9999


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """Coefficients with classical standard errors, for independent rows."""

    coef: Array
    se: Array
    residual_sd: float
    r2: float
    df: int


@dataclass(frozen=True, eq=False)
class PanelFit:
    """Least squares after effects were taken out, with covariances by cluster.

    ``q`` (N, P) and ``r`` (P, P) are the factors of the regressors that are left; ``left_out`` (G, P) holds
    the coefficients without each cluster (nan where the others do not identify them).
    """

    coef: Array
    crv1: Array
    crv3: Array
    left_out: Array
    residuals: Array
    y: Array
    q: Array
    r: Array
    cluster: Codes
    bases: tuple[Basis, ...]

    @property
    def clusters(self) -> int:
        """Number of clusters, G."""
        return len(self.left_out)

    def se(self, kind: str, position: int = 0) -> float:
        """Standard error of one coefficient; kind is ``crv1`` or ``crv3``."""
        return float(np.sqrt(getattr(self, kind)[position, position]))


@dataclass(frozen=True)
class Bootstrap:
    """Wild cluster restricted bootstrap: p at zero and the interval of values not rejected."""

    t: float
    p: float
    interval: tuple[float, float]
    draws: int
    weights: str  # "all_signs" | "webb"


class NotIdentified(ValueError):
    """The regressors that remain after the effects do not vary, or are collinear."""


def least_squares(y: Array, x: Array) -> LeastSquares:
    """Ordinary least squares by Householder factors of the scaled columns.

    Parameters
    ----------
    y, x : arrays (N,) and (N, P), with the constant as the first column of x.

    Raises `NotIdentified` when a column is a combination of the others, or there are no more rows than columns.
    """
    scale = np.linalg.norm(x, axis=0)
    rows, columns = x.shape
    if rows <= columns or not scale.all():
        raise NotIdentified("least squares needs more rows than columns and no column of zeros")
    q, r = linalg.qr(x / scale, mode="economic")
    if np.abs(np.diag(r)).min() < 1e-13:
        raise NotIdentified("a column is a combination of the others")
    residuals = y - q @ (q.T @ y)
    theta = q.T @ y + q.T @ residuals
    inverse = linalg.solve_triangular(r, np.eye(columns))
    variance = float(residuals @ residuals) / (rows - columns)
    total = float(((y - y.mean()) ** 2).sum())
    return LeastSquares(
        coef=inverse @ theta / scale,
        se=np.sqrt(variance * (inverse**2).sum(axis=1)) / scale,
        residual_sd=variance**0.5,
        r2=1 - variance * (rows - columns) / total if total else np.nan,
        df=rows - columns,
    )


def demean(columns: Array, codes: Codes) -> Array:
    """Columns (N, M) less their means within each code."""
    counts = np.bincount(codes)
    sums = np.stack([np.bincount(codes, column, len(counts)) for column in columns.T], axis=1)
    return columns - (sums / np.maximum(counts, 1)[:, None])[codes]


def take_out_effects(
    columns: Array, unit: Codes | None, period: Codes | None, block: Codes | None = None
) -> tuple[Array, tuple[Basis, ...]]:
    """Columns (N, M) less unit effects and period effects, separately in each block (an activity).

    With neither, a constant is taken out. Unit effects are means; what they leave of the period dummies is
    made orthonormal and returned, because leaving out a cluster has to undo it.
    """
    left = columns.astype(float)
    bases = []
    for b in np.unique(block) if block is not None else (0,):
        rows = np.flatnonzero(block == b) if block is not None else np.arange(len(columns))
        dummies = np.ones((len(rows), 1 if unit is None else 0))
        if period is not None:
            present, codes = np.unique(period[rows], return_inverse=True)
            dummies = np.eye(len(present))[codes]
        part = left[rows]
        if unit is not None:
            _, codes = np.unique(unit[rows], return_inverse=True)
            part, dummies = demean(part, codes), demean(dummies, codes) if dummies.size else dummies
        basis = dummy_basis(dummies)
        for _ in range(2):  # twice is enough (Giraud, Langou & Rozloznik 2005)
            part = part - basis @ (basis.T @ part)
        left[rows] = part
        bases.append((rows, basis))
    return left, tuple(bases)


def dummy_basis(dummies: Array) -> Array:
    """Orthonormal basis by the Gram matrix: quick, and safe for dummies, whose Gram matrix is well conditioned."""
    if not dummies.size:
        return dummies
    values, vectors = np.linalg.eigh(dummies.T @ dummies)
    kept = values > RANK_TOLERANCE * values[-1]
    return dummies @ (vectors[:, kept] / np.sqrt(values[kept]))


def orthonormal(columns: Array) -> Array:
    """Orthonormal basis of the columns' space; columns that others explain are left out."""
    if not columns.size:
        return np.empty((len(columns), 0))
    q, r, _ = linalg.qr(columns, mode="economic", pivoting=True)
    diagonal = np.abs(np.diag(r))
    return q[:, : int((diagonal > RANK_TOLERANCE * diagonal[0]).sum())]


def panel_fit(
    y: Array,
    x: Array,
    cluster: Codes,
    unit: Codes | None = None,
    period: Codes | None = None,
    block: Codes | None = None,
) -> PanelFit:
    """Least squares of y (N,) on x (N, P) with effects, clustered.

    CRV1 has the factor G/(G-1) x (N-1)/(N-K); K counts regressors and period effects, and one for the
    unit effects, which are nested in the clusters. CRV3 is the jackknife (G-1)/G x sum of (b_-g - b)^2.

    Raises `NotIdentified` when the effects explain a regressor, or regressors are collinear.
    """
    columns, bases = take_out_effects(np.column_stack([y, x]), unit, period, block)
    y_left, x_left = columns[:, 0], columns[:, 1:]
    size = np.linalg.norm(x_left, axis=0)
    if (size <= RANK_TOLERANCE * np.linalg.norm(x - x.mean(axis=0), axis=0)).any():
        raise NotIdentified("the effects explain the exposure")
    q, r = linalg.qr(x_left / size, mode="economic")
    if np.abs(np.diag(r)).min() <= RANK_TOLERANCE:
        raise NotIdentified("regressors are collinear")
    theta = q.T @ y_left
    residuals = y_left - q @ theta
    inverse = linalg.solve_triangular(r, np.eye(len(r))) / size[:, None]
    clusters = int(cluster.max()) + 1
    scores = _sums(q * residuals[:, None], cluster, clusters)
    rows, counted = len(y), x.shape[1] + sum(basis.shape[1] for _, basis in bases) + (unit is not None)
    factor = clusters / (clusters - 1) * (rows - 1) / (rows - counted) if rows > counted and clusters > 1 else np.nan
    change = leave_out_change(q, residuals, cluster, bases, clusters)
    jackknife = change.T @ change * (clusters - 1) / clusters
    coef = inverse @ theta
    return PanelFit(
        coef=coef,
        crv1=factor * inverse @ (scores.T @ scores) @ inverse.T,
        crv3=inverse @ jackknife @ inverse.T,
        left_out=coef + change @ inverse.T,
        residuals=residuals,
        y=y_left,
        q=q,
        r=r * size,
        cluster=cluster,
        bases=bases,
    )


def leave_out_change(q: Array, residuals: Array, cluster: Codes, bases: tuple[Basis, ...], clusters: int) -> Array:
    """Change (G, P) of the coefficients on q when each cluster is left out and the effects are fitted again.

    Exact, by the leverage block H of the effects in the cluster's rows: moments without the cluster are the
    whole ones less q_g' (I - H)^+ q_g. Months that only this cluster has are null directions and fall away.
    """
    moments = np.zeros((clusters, q.shape[1], q.shape[1]))
    cross = np.zeros((clusters, q.shape[1]))
    for rows, basis in bases:
        factors: dict[bytes, tuple[Array, Array]] = {}  # clusters with the same periods have the same leverage
        order = np.argsort(cluster[rows], kind="stable")
        groups, starts = np.unique(cluster[rows][order], return_index=True)
        for g, at in zip(groups, np.split(order, starts[1:]), strict=True):
            inside = rows[at]
            key = basis[at].round(12).tobytes() + b"|%d" % len(at)
            if key not in factors:
                values, vectors = np.linalg.eigh(np.eye(len(at)) - basis[at] @ basis[at].T)
                factors[key] = vectors, np.divide(1, values, out=np.zeros_like(values), where=values > RANK_TOLERANCE)
            vectors, weights = factors[key]
            rotated = vectors.T @ q[inside]
            moments[g] += (rotated * weights[:, None]).T @ rotated
            cross[g] += (rotated * weights[:, None]).T @ (vectors.T @ residuals[inside])
    change = np.full_like(cross, np.nan)
    for g in range(clusters):
        remaining = np.eye(q.shape[1]) - moments[g]
        if np.linalg.eigvalsh(remaining)[0] > RANK_TOLERANCE:
            change[g] = -np.linalg.solve(remaining, cross[g])
    return change


def driscoll_kraay(fit: PanelFit, calendar: Codes, lag: int | None = None) -> Array:
    """Covariance (P, P) robust to shocks that units share, without a small-sample factor.

    ``calendar`` (N,) is the number of the period, so a missing month is a gap and not a shift.
    """
    meat = bartlett(_sums(fit.q * fit.residuals[:, None], calendar, int(calendar.max()) + 1), lag)
    return np.linalg.solve(fit.r, np.linalg.solve(fit.r, meat).T)


def bartlett(scores: Array, lag: int | None = None) -> Array:
    """Products (P, P) of scores (T, P) and of those up to a lag apart, by Bartlett's weights (Newey & West 1987, 1994)."""
    lag = int(4 * (len(scores) / 100) ** (2 / 9)) if lag is None else lag
    meat = scores.T @ scores
    for step in range(1, min(lag, len(scores) - 1) + 1):
        shifted = scores[step:].T @ scores[:-step]
        meat = meat + (1 - step / (lag + 1)) * (shifted + shifted.T)
    return meat


def wild_bootstrap(fit: PanelFit, position: int = 0, seed: int = 0, level: float = 0.95) -> Bootstrap:
    """Wild cluster restricted bootstrap of one coefficient; p counts |t*| >= |t|, the identity draw included.

    The interval holds the values that the same draws do not reject.
    """
    x, y, bases = one_regressor(fit, position)
    estimate = float(x @ y / (x @ x))
    residuals = y - estimate * x  # the null is varied as a distance from the estimate
    size, score = _sums(x * x, fit.cluster, fit.clusters), _sums(x * residuals, fit.cluster, fit.clusters)
    through_y, through_x = np.zeros((2, fit.clusters, fit.clusters))
    for rows, basis in bases:
        leverage = _sums(basis * x[rows, None], fit.cluster[rows], fit.clusters)
        through_y += leverage @ _sums(basis * residuals[rows, None], fit.cluster[rows], fit.clusters).T
        through_x += leverage @ leverage.T
    signs = _weights(fit.clusters, seed)
    sum_y, sum_x = signs @ score, signs @ size
    score_y = signs * score - signs @ through_y.T - np.outer(sum_y / size.sum(), size)
    score_x = signs * size - signs @ through_x.T - np.outer(sum_x / size.sum(), size)
    square, twice, constant = (score_x**2).sum(1), 2 * (score_x * score_y).sum(1), (score_y**2).sum(1)

    def t_values(distance: float) -> Array:
        spread = np.sqrt(np.maximum(constant - distance * twice + distance**2 * square, 0))
        change = sum_y - distance * sum_x
        return np.divide(change, spread, out=np.zeros_like(change), where=spread > 0)

    def p_value(distance: float) -> float:
        t = np.abs(t_values(distance))
        return float((t >= t[0] * (1 - 1e-9)).mean())

    low, high = (estimate + _edge(p_value, side * fit.se("crv3", position), 1 - level) for side in (-1, 1))
    weights = "all_signs" if fit.clusters <= ENUMERATED_UP_TO else "webb"
    return Bootstrap(float(t_values(-estimate)[0]), p_value(-estimate), (low, high), len(signs), weights)


def one_regressor(fit: PanelFit, position: int = 0) -> tuple[Array, Array, tuple[Basis, ...]]:
    """One regressor and y after the other regressors, which join what was taken out."""
    x = fit.q @ fit.r
    others = orthonormal(np.delete(x, position, axis=1))
    if not others.size:
        return x[:, 0], fit.y, fit.bases
    column = x[:, position] - others @ (others.T @ x[:, position])
    return column, fit.y - others @ (others.T @ fit.y), (*fit.bases, (np.arange(len(x)), others))


def _sums(columns: Array, codes: Codes, groups: int) -> Array:
    """Sums by code: (N,) to (G,), (N, M) to (G, M)."""
    total = np.zeros((groups, *columns.shape[1:]))
    np.add.at(total, codes, columns)
    return total


def _weights(clusters: int, seed: int) -> Array:
    """Draws (D, G); the first one leaves the data as they are."""
    if clusters <= ENUMERATED_UP_TO:
        return np.array(list(product((1.0, -1.0), repeat=clusters)))
    six = np.sqrt([0.5, 1.0, 1.5])
    drawn = np.random.default_rng(seed).choice(np.concatenate([-six, six]), size=(RANDOM_DRAWS, clusters))
    return np.vstack([np.ones(clusters), drawn])


def _edge(p_value: Callable[[float], float], step: float, alpha: float) -> float:
    """Distance at which p falls to alpha in the direction of the step; infinite when it never does."""
    inner, outer = 0.0, 2 * step
    for _ in range(12):
        if p_value(outer) < alpha:
            break
        inner, outer = outer, 2 * outer
    else:
        return float(np.copysign(np.inf, step))
    for _ in range(30):
        middle = (inner + outer) / 2
        inner, outer = (middle, outer) if p_value(middle) >= alpha else (inner, middle)
    return (inner + outer) / 2


@dataclass(frozen=True, eq=False)
class ShareFit:
    """Fractional logit: coefficients with the constant first, and average effects in the share's own units."""

    coef: Array
    se: Array
    effect: Array
    effect_se: Array


def fractional_logit(share: Array, x: Array, cluster: Codes) -> ShareFit:
    """Bernoulli quasi-likelihood with logit link for a share in [0, 1]; errors clustered with G/(G-1).

    ``x`` (N, P) has no constant. ``effect`` (P,) is the average of p(1-p)b, its error by the delta method.

    Raises `NotIdentified` when the fit does not settle: all shares at an end, or a regressor that separates them.
    """
    scale = np.maximum(np.abs(x).max(axis=0), np.finfo(float).tiny)
    design = np.column_stack([np.ones(len(x)), x / scale])
    coef = np.zeros(design.shape[1])
    for _ in range(50):
        mean = 1 / (1 + np.exp(-np.clip(design @ coef, -500, 500)))
        weight = mean * (1 - mean)
        information = (design * weight[:, None]).T @ design
        try:
            step = np.linalg.solve(information, design.T @ (share - mean))
        except np.linalg.LinAlgError as error:
            raise NotIdentified("the shares do not vary enough for a logit") from error
        coef = coef + step
        if np.abs(step).max() < 1e-10 * max(1.0, np.abs(coef).max()):
            break
    else:
        raise NotIdentified("the logit does not settle")
    scores = _sums(design * (share - mean)[:, None], cluster, int(cluster.max()) + 1)
    inverse = np.linalg.inv(information)
    covariance = inverse @ scores.T @ scores @ inverse * len(scores) / (len(scores) - 1)
    slopes = (weight * (1 - 2 * mean)) @ design / len(x)  # derivative of the mean weight
    jacobian = np.outer(coef[1:], slopes)
    jacobian[:, 1:] += np.eye(len(coef) - 1) * weight.mean()
    widths = np.concatenate([[1.0], scale])
    effect_se = np.sqrt(np.diag(jacobian @ covariance @ jacobian.T))
    return ShareFit(
        coef / widths, np.sqrt(np.diag(covariance)) / widths, coef[1:] * weight.mean() / scale, effect_se / scale
    )


def t_interval(estimate: float, se: float, df: float, level: float = 0.95) -> tuple[float, float]:
    """Two-sided interval by Student's t."""
    half = float(stats.t.ppf((1 + level) / 2, df)) * se
    return estimate - half, estimate + half


def t_p_value(estimate: float, se: float, df: float) -> float:
    """Two-sided p by Student's t."""
    return float(2 * stats.t.sf(abs(estimate / se), df)) if se > 0 else float(np.nan)
