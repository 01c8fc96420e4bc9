"""What could make an association misleading: each guard looks at one thing and warns, or is silent."""

from dataclasses import dataclass

import numpy as np
from scipy import stats

from mi_analysis.analysis.basis import Sentence
from mi_analysis.analysis.inference import (
    Array,
    Bootstrap,
    NotIdentified,
    PanelFit,
    demean,
    fractional_logit,
    one_regressor,
    t_interval,
    t_p_value,
)
from mi_analysis.analysis.panel import Panel

GUARD_LEVEL = 0.05
UNIT_MONTHS_NEEDED, UNITS_NEEDED = 24, 6  # definitions.md, section 13
SHARE_AT_CEILING = 0.05
NEIGHBOURS_ALIKE = 0.3  # lag-1 autocorrelation from which n overstates what is known
EXPLAINED = 1 - 1e-6  # share of the variation after effects that no pair of real measures reaches


@dataclass(frozen=True)
class Effect:
    """An estimate with standard error and 95 % interval, in the outcome's units per unit of exposure."""

    estimate: float
    se: float
    interval: tuple[float, float]
    p: float


def effect(estimate: float | Array, se: float | Array, df: float) -> Effect:
    """An estimate judged by Student's t."""
    estimate, se = float(estimate), float(se)
    return Effect(estimate, se, t_interval(estimate, se, df), t_p_value(estimate, se, df))


def too_little(n: int, units: int) -> Sentence | None:
    """Whether there are too few unit-months or units to say anything, and how many would do."""
    if n >= UNIT_MONTHS_NEEDED and units >= UNITS_NEEDED:
        return None
    lacking = (n, UNIT_MONTHS_NEEDED, "unit_months") if n < UNIT_MONTHS_NEEDED else (units, UNITS_NEEDED, "units")
    values: dict[str, object] = dict(zip(("n", "n_min", "of"), lacking, strict=True))
    return Sentence("verdict.assoc.insufficient", values)


def sensitive_to_one_unit(panel: Panel, fit: PanelFit, clear: bool) -> Sentence | None:
    """Whether one unit carries more of the uncertainty than chance gives (Cochran's C), or a clear sign hangs on it."""
    change = fit.left_out[:, 0] - fit.coef[0]
    g, largest = fit.clusters, int(np.argmax(np.abs(change)))
    share = change[largest] ** 2 / max(float(change @ change), np.finfo(float).tiny)
    too_much = share > stats.beta.isf(GUARD_LEVEL / g, 0.5, (g - 1) / 2) and abs(change[largest]) > fit.se("crv3") / 2
    without = float(fit.left_out[largest, 0])
    if not too_much and not (clear and without * fit.coef[0] < 0):
        return None
    values = {"what": panel.units[largest], "est": float(fit.coef[0]), "est2": without}
    return Sentence("verdict.assoc.sensitive", values)


def effective_units(fit: PanelFit) -> float:
    """Units that would carry as much of the exposure's variation if they all carried the same (inverse Herfindahl)."""
    exposure, _, _ = one_regressor(fit)
    share = np.bincount(fit.cluster, exposure**2) / float(exposure @ exposure)
    return float(1 / (share @ share))


def few_carry(units: int, effective: float) -> bool:
    """Whether so few units carry the exposure's variation that their number overstates what is known."""
    return effective < units / 2


def carried_by_few(units: int, effective: float | None) -> Sentence | None:
    """Few units carry the exposure's variation; the interval allows for it."""
    if effective is None or not few_carry(units, effective):
        return None
    return Sentence("warning.assoc.carried_by_few", {"effective": effective, "k": units})


def curvature(panel: Panel) -> Sentence | None:
    """Whether a bend is clear, and where it turns when both ends slope oppositely inside the data (Lind & Mehlum 2010)."""
    exposure = panel.x[:, 0]
    centre, spread = exposure.mean(), np.ptp(exposure)
    scaled = (exposure - centre) / spread
    try:
        fit = panel.fit(np.column_stack([scaled, scaled**2, panel.x[:, 1:]]))
    except NotIdentified:
        return None
    df = fit.clusters - 1
    linear, square = fit.coef[:2]
    if not t_p_value(square, fit.se("crv3", 1), df) < GUARD_LEVEL:
        return None
    covariance = fit.crv3[:2, :2]
    ends = [np.array([1.0, 2 * at]) for at in (scaled.min(), scaled.max())]
    slopes = [float(end @ fit.coef[:2]) for end in ends]
    t = [slope / np.sqrt(end @ covariance @ end) for slope, end in zip(slopes, ends, strict=True)]
    turning = -linear / (2 * square)
    by_delta = np.array([-1 / (2 * square), linear / (2 * square**2)])
    low, high = t_interval(turning, float(np.sqrt(by_delta @ covariance @ by_delta)), df)
    clear = t[0] * t[1] < 0 and min(map(abs, t)) > stats.t.ppf(1 - GUARD_LEVEL, df)
    values: dict[str, object] = {"slope_low": slopes[0] / spread, "slope_high": slopes[1] / spread}
    if clear and scaled.min() < low < high < scaled.max():
        at, low, high = (float((centre + spread * v) * panel.step) for v in (turning, low, high))
        return Sentence("warning.assoc.turning_point", {**values, "at": at, "lo": low, "hi": high})
    return Sentence("warning.assoc.curvature", values)


def earlier_and_later(panel: Panel) -> tuple[Effect | None, Effect | None]:
    """Effects of last period's and of next period's exposure, beside this period's, by calendar; None when untestable."""
    exposure = panel.x[:, 0]
    before, after = panel.shifted(exposure, -1), panel.shifted(exposure, 1)
    rows = np.isfinite(before) & np.isfinite(after)
    if too_little(int(rows.sum()), len(np.unique(panel.unit[rows]))):
        return None, None
    try:
        fit = panel.fit(np.column_stack([panel.x, before, after]), rows)
    except NotIdentified:
        return None, None
    last = panel.x.shape[1]
    lag, lead = (effect(fit.coef[at], fit.se("crv3", at), fit.clusters - 1) for at in (last, last + 1))
    return lag, lead


def reverse(lead: Effect | None) -> Sentence | None:
    """Next period's exposure goes with this period's outcome: the reverse direction is possible."""
    return Sentence("verdict.assoc.reverse", _size(lead)) if lead and lead.p < GUARD_LEVEL else None


def later(lag: Effect | None) -> Sentence | None:
    """Last period's exposure goes with this period's outcome, beside this period's."""
    return Sentence("warning.assoc.lag", _size(lag)) if lag and lag.p < GUARD_LEVEL else None


def _size(found: Effect) -> dict[str, object]:
    return {"est": found.estimate, "lo": found.interval[0], "hi": found.interval[1]}


def ceiling(share: float, by_logit: Effect | None) -> Sentence | None:
    """Many outcomes cannot go higher; beside it the effect by a fit that knows the bounds."""
    if share <= SHARE_AT_CEILING:
        return None
    return Sentence("verdict.assoc.ceiling", {"share": share, **(_size(by_logit) if by_logit else {})})


def share_at_ceiling(outcome: Array, bounds: tuple[float, float] | None) -> float:
    """Share of outcomes at or over the upper bound."""
    return float((outcome >= bounds[1]).mean()) if bounds else 0.0


def fractional(panel: Panel, bounds: tuple[float, float]) -> Effect | None:
    """Average effect by fractional logit with period effects and unit means (Papke & Wooldridge 2008), in the outcome's units.

    None when an outcome lies outside the bounds or the fit does not settle.
    """
    low, high = bounds
    if panel.y.min() < low or panel.y.max() > high:
        return None
    exposure = panel.x[:, :1]
    means = exposure - demean(exposure, panel.series)
    effects = panel.period if panel.block is None else panel.block * (panel.period.max() + 1) + panel.period
    dummies = np.eye(len(np.unique(effects)))[np.unique(effects, return_inverse=True)[1]][:, 1:]
    try:
        fit = fractional_logit((panel.y - low) / (high - low), np.column_stack([exposure, means, dummies]), panel.unit)
    except NotIdentified:
        return None
    return effect(fit.effect[0] * (high - low), fit.effect_se[0] * (high - low), len(panel.units) - 1)


def alike_neighbours(panel: Panel, fit: PanelFit) -> float:
    """Correlation of what is left in one period and the next, within series; nan when no two periods follow."""
    left = fit.residuals
    after = panel.shifted(left, 1)
    pairs = np.isfinite(after)
    size = np.sqrt((left[pairs] ** 2).sum() * (after[pairs] ** 2).sum())
    return float(left[pairs] @ after[pairs] / size) if size > 0 else float("nan")


def autocorrelation(r: float) -> Sentence | None:
    """Months that resemble their neighbours hold less than their number says."""
    return Sentence("warning.assoc.autocorrelation", {"r": r}) if abs(r) > NEIGHBOURS_ALIKE else None


def missing_periods(panel: Panel) -> Sentence | None:
    """Unit-periods inside the window that are not in the fit."""
    series, periods = int(panel.series.max()) + 1, int(panel.period.max()) + 1
    missing = series * periods - len(panel)
    counts = np.bincount(panel.series)
    short = np.unique(panel.unit[np.isin(panel.series, np.flatnonzero(counts < periods))])
    units = sorted((panel.units[unit] for unit in short), key=str)
    values = {"missing": missing, "expected": series * periods, "units": tuple(units)}
    return Sentence("warning.assoc.missing_periods", values) if missing else None


def common_shocks(headline: Effect, se: float | None, df: float) -> Sentence | None:
    """A clear result that does not hold when shocks shared by the units are allowed for (Driscoll & Kraay)."""
    p = t_p_value(headline.estimate, se, df) if se else 0.0
    return Sentence("warning.assoc.common_shocks", {"p": p}) if headline.p < GUARD_LEVEL <= p else None


def bootstrap_disagrees(headline: Effect, bootstrap: Bootstrap | None) -> Sentence | None:
    """A clear result that the wild cluster bootstrap does not confirm."""
    p = bootstrap.p if bootstrap else 0.0
    return Sentence("warning.assoc.bootstrap", {"p": p}) if headline.p < GUARD_LEVEL < p else None


def ratio_form(p: float | None) -> Sentence | None:
    """The parts do not move as the ratio of the exposure would have them, so the ratio alone would mislead."""
    return Sentence("warning.assoc.ratio_form", {"p": p}) if p is not None and p < GUARD_LEVEL else None


def opposite_levels(headline: Effect, pooled: Effect | None, between: Effect | None) -> Sentence | None:
    """Between units, or all together, the sign is another than within units; one of the two is clear."""
    for key, other in (("verdict.assoc.opposite_levels", between), ("warning.assoc.opposite_pooled", pooled)):
        if other and other.estimate * headline.estimate < 0 and min(other.p, headline.p) < GUARD_LEVEL:
            return Sentence(key, {"est": headline.estimate, "est2": other.estimate})
    return None


def computed_from_each_other(fit: PanelFit) -> Sentence | None:
    """A fit without error: one measure is calculated from the other."""
    total = float(fit.y @ fit.y)
    explained = 1 - float(fit.residuals @ fit.residuals) / total if total else 0.0
    return Sentence("warning.assoc.exact", {"explained": explained}) if explained > EXPLAINED else None
