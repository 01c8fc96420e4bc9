"""One monthly series: paths it may take.

y = calendar month + level + e, where the level moves by alpha e and returns to its mean at the rate 1 - phi
(Hyndman et al. 2008, ch. 3 and 5), and a drift that is kept small by a prior. alpha and phi are not picked but weighted
over a grid by their restricted likelihood, and coefficients are drawn too: taken as known, intervals come out too narrow.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mi_analysis.analysis.basis import BadInput

Array = npt.NDArray[np.float64]

SEASON_MONTHS = 24  # below it no calendar months are fitted
GRID = np.array([(a, f) for f in (1.0, 0.9, 0.6) for a in np.linspace(0, 1, 11) if a or f == 1])  # alpha, phi
DRIFT_A_YEAR = 0.02  # prior standard deviation, on the log scale
STEADY = 0.5  # prior share of a level that does not move
NEGLIGIBLE = 1e-3  # share of the largest weight below which a point of the grid is left out


@dataclass(frozen=True)
class Model:
    """A series of n months ready to be drawn from: F points of the grid, k columns."""

    grid: Array  # (F, 2): alpha, phi
    weights: Array  # (F,)
    beta: Array  # (F, k)
    residuals: Array  # (F, n), nan where nothing was seen
    hat: Array  # (F, k, n + 1): turns residuals, and the drift's prior, into columns
    end: Array  # (F, k + 1): last level of the values and of each column
    sd: Array  # (F,)
    df: int
    seasonal: bool
    first: int  # calendar month of the first value, from 0


def fit(values: Array, first: int, seasonal: bool) -> Model:
    """Fit to values (n,) of consecutive months, NaN where missing, on a scale where effects add up (log or root).

    Raises `BadInput` for fewer months with a value than the model needs.
    """
    seen, n = np.isfinite(values), len(values)
    seasonal = seasonal and len(set((first + np.flatnonzero(seen)) % 12)) == 12
    x = _design(np.arange(n), first, seasonal, n)
    k, count = x.shape[1], int(seen.sum())
    if count < k + 2:
        raise BadInput(f"The series has {count} months with a value; at least {k + 2} are needed.")
    away, end = _filtered(np.column_stack([np.where(seen, values, 0.0), x]), seen)
    y, columns = away[..., :1], away[..., 1:]
    q = np.linalg.qr(columns[..., 1:])[0]
    rest = ((y - q @ (q.swapaxes(1, 2) @ y)) ** 2).sum(axis=(1, 2))  # without the drift
    rest = np.maximum(rest, 1e-18 * count * (1 + float(np.square(values[seen]).mean())))  # a constant series
    df = count - k + 1
    sd = np.sqrt(rest / df)
    prior = np.zeros((len(GRID), 1, k))
    prior[:, 0, 0] = sd / DRIFT_A_YEAR
    q, r = np.linalg.qr(np.concatenate([columns, prior], axis=1))
    inverse = np.linalg.solve(r, q.swapaxes(1, 2))
    beta = inverse @ np.concatenate([y, np.zeros((len(GRID), 1, 1))], axis=1)
    log_weights = -df / 2 * np.log(rest) - np.log(np.abs(np.diagonal(r, axis1=1, axis2=2))).sum(axis=1)
    log_weights += np.where(GRID[:, 0] == 0, np.log(STEADY), np.log((1 - STEADY) / (len(GRID) - 1)))
    weights = np.exp(log_weights - log_weights.max())
    kept = weights > NEGLIGIBLE
    residuals = np.full((len(GRID), n), np.nan)
    residuals[:, seen] = (y - columns @ beta)[..., 0]
    hat = np.zeros((len(GRID), k, n + 1))
    hat[..., np.r_[np.flatnonzero(seen), n]] = inverse
    weights = weights[kept] / weights[kept].sum()
    parts = (GRID[kept], weights, beta[kept, :, 0], residuals[kept], hat[kept], end[kept], sd[kept])
    return Model(*parts, df=df, seasonal=seasonal, first=first)


def _design(months: npt.NDArray[np.int64], first: int, seasonal: bool, n: int) -> Array:
    """Columns: drift a year (0 at the last month seen), mean, and eleven calendar months."""
    calendar = (first + months) % 12
    season = [(calendar == month) - 1 / 12 for month in range(1, 12)] if seasonal else []
    return np.column_stack([(months - (n - 1)) / 12, np.ones(len(months)), *season]).astype(float)


def _filtered(both: Array, seen: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
    """Each column (n, c) less its level so far, for the months seen: (F, seen, c), and the last levels (F, c)."""
    alpha, phi = GRID[:, :1], GRID[:, 1:]
    level, away = np.zeros((len(GRID), both.shape[1])), []
    for row, known in zip(both, seen, strict=True):
        level = phi * level
        if known:
            away.append(row - level)
            level = level + alpha * away[-1]
    return np.stack(away, axis=1), level


def paths(model: Model, picked: npt.NDArray[np.int64], ahead: int, rng: np.random.Generator) -> Array:
    """Paths (draws, ahead) of the next months.

    `picked` (draws, n + ahead): which month's surprise happens again at each month; series that share `picked` keep the
    dependence they had month by month.
    """
    draws, n = picked.shape[0], model.residuals.shape[1]
    chosen = rng.choice(len(model.grid), size=draws, p=model.weights)
    future = _design(np.arange(n, n + ahead), model.first, model.seasonal, n)
    result = np.empty((draws, ahead))
    for at in np.unique(chosen):
        rows, (alpha, phi), seen = chosen == at, model.grid[at], model.residuals[at]
        filled = np.where(np.isfinite(seen), seen, rng.choice(seen[np.isfinite(seen)], n))
        filled = filled * (model.sd[at] / max(float(np.sqrt((filled**2).mean())), 1e-300))
        surprise = filled[picked[rows]] * np.sqrt(model.df / rng.chisquare(model.df, rows.sum()))[:, None]
        prior = rng.normal(0, model.sd[at], (int(rows.sum()), 1))
        beta = model.beta[at] + np.hstack([surprise[:, :n], prior]) @ model.hat[at].T
        level = model.end[at, 0] - beta @ model.end[at, 1:]
        steps = beta @ future.T
        for month, news in enumerate(surprise[:, n:].T):
            level = phi * level
            steps[:, month] += level + news
            level = level + alpha * news
        result[rows] = steps
    return result
