"""Whether an outcome goes together with an exposure in a panel of units and periods, and how sure one can be.

Headline: unit and period effects, so lasting differences between units and shocks common to all (season) say
nothing. Beside it the pooled and the between-unit slope, which answer other questions. An association only:
nothing here can tell what leads to what.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import linalg, stats

from mi_analysis.analysis import guards
from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.guards import Effect, effect
from mi_analysis.analysis.inference import (
    RANK_TOLERANCE,
    Bootstrap,
    NotIdentified,
    PanelFit,
    demean,
    driscoll_kraay,
    least_squares,
    one_regressor,
    panel_fit,
    t_interval,
    take_out_effects,
    wild_bootstrap,
)
from mi_analysis.analysis.multiplicity import LEVEL, ONE_OF_MANY, Verdict, detectable, four_way, lost_among_many
from mi_analysis.analysis.panel import Panel, constant, read_panel, scale_warnings
from mi_analysis.measures.catalogue import Measure

MANY_UNITS, ENOUGH_UNITS = 50, 30  # CRV1 from the first, CRV3 alone from the second, CRV3 and bootstrap below
PERIODS_FOR_COMMON_SHOCKS = 24  # Driscoll & Kraay's errors are for long series


@dataclass(frozen=True, eq=False)
class Association:
    """An association with all that one has to know before repeating it.

    Numbers are in the outcome's units per step of exposure; where both share a part (``scale`` is "log") they
    are per cent per per cent. What could not be computed is None. ``table`` has the points used: unit, period,
    (activity,) outcome, exposure, and both after effects (``outcome_left``, ``exposure_left``).
    """

    outcome: str
    exposure: str
    verdict: Sentence
    warnings: tuple[Sentence, ...]
    method: Sentence
    scale: str  # "level" | "log"
    n: int
    k: int
    period: tuple[object, object]
    table: pd.DataFrame
    left_out: Mapping[str, int]
    step: float = 1.0
    margin: float | None = None
    estimate: float | None = None
    se: Mapping[str, float] = field(default_factory=dict)  # crv1, crv3, driscoll_kraay
    interval: tuple[float, float] | None = None
    interval_90: tuple[float, float] | None = None
    p: float | None = None
    detectable: float | None = None
    effective_units: float | None = None
    bootstrap: Bootstrap | None = None
    pooled: Effect | None = None
    between: Effect | None = None
    contextual: Effect | None = None  # between less within (Mundlak 1978)
    lag: Effect | None = None
    lead: Effect | None = None
    share_at_ceiling: float = 0.0
    fractional: Effect | None = None
    neighbours_r: float | None = None
    restriction_p: float | None = None
    without_unit: Mapping[object, float] = field(default_factory=dict)


def associate(
    frame: pd.DataFrame,
    outcome: str,
    exposure: str,
    *,
    unit: str = "unit",
    period: str = "period_start",
    activity: str | None = None,
    step: float = 1.0,
    margin: float | None = None,
    bounds: tuple[float, float] | None = None,
    parts: Mapping[str, Measure] | None = None,
    left_out: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Association:
    """Association of ``outcome`` with ``exposure``.

    Parameters
    ----------
    frame : one row per unit and period (and activity, when named: then effects are unit x activity and
        activity x period, and units are still the clusters). Blank numbers are left out and counted.
    step : change of the exposure that the estimate is given for (one hour, 1,000 kroner).
    margin : smallest relevant difference, in the outcome's units per step of exposure, set before the answer.
    bounds : lowest and highest possible outcome, for the guard on shares at the ceiling.
    parts : what the two measures are made of. Where they share a part the fit is on logarithms of the parts,
        whose columns ``frame`` must have.
    left_out : rows the caller left out beforehand, by reason (hidden cells).

    Raises `BadInput`: wrong table, key or numbers. Too little data, or data that do not vary, is a verdict and no error.
    """
    four_way(0, 1, 1, margin)  # a wrong margin is told before the answer
    if not (np.isfinite(step) and step > 0):
        raise BadInput(f"The step of {exposure} is {step}; it must be a number over 0.")
    design = without_repeats(design_for(outcome, exposure, parts), frame)
    logs = bool(design.shared)
    panel = read_panel(frame, design.y, design.x, unit, period, activity, logs, design.over, 1.0 if logs else step)
    columns = [name for name in (unit, activity, period, outcome, exposure) if name in panel.table]
    asked = Association(
        outcome=outcome,
        exposure=exposure,
        verdict=Sentence("verdict.assoc.unclear", {}),
        warnings=(*_shared_warnings(design.shared, margin), *scale_warnings(panel, [design.y, *design.x])),
        method=Sentence("method.assoc.activities" if activity else "method.assoc.panel", {}),
        scale="log" if logs else "level",
        n=len(panel),
        k=len(panel.units),
        period=(panel.table[period].min(), panel.table[period].max()) if len(panel) else (None, None),
        table=panel.table[columns],
        left_out={**(left_out or {}), **panel.left_out},
        step=panel.step,
        margin=None if logs else margin,
    )
    lacking = guards.too_little(asked.n, asked.k)
    if lacking and asked.n < guards.UNIT_MONTHS_NEEDED:
        return _judged(asked, lacking)
    for name in (design.y, design.x[0]):
        if constant(panel.table[name].to_numpy(float)):
            return _judged(asked, lacking or Sentence("verdict.assoc.constant", {"measure": name}))
    panel, design = without_explained(panel, design)
    try:
        fit = panel.fit()
    except NotIdentified:
        return _judged(asked, lacking or Sentence("verdict.assoc.common_only", {"measure": exposure}))
    left_x, left_y, _ = one_regressor(fit)
    asked = replace(
        asked,
        table=asked.table.assign(outcome_left=left_y, exposure_left=left_x * panel.step),
        estimate=float(fit.coef[0]),
        without_unit=dict(zip(panel.units, map(float, fit.left_out[:, 0]), strict=True)),
        method=_method(asked, inference_for(asked.k), asked.k - 1),
    )
    if lacking:  # an estimate and its leave-one-out table, no p
        return _judged(asked, lacking)
    if not np.isfinite(fit.crv3[0, 0]):
        alone = panel.units[int(np.argmax(np.isnan(fit.left_out[:, 0])))]
        return _judged(asked, Sentence("verdict.assoc.one_unit_only", {"measure": exposure, "what": alone}))
    asked, found = _inferred(asked, panel, fit, seed)
    return _guarded(replace(asked, restriction_p=_ratio_form_p(fit, design)), panel, fit, found, bounds)


def per_activity(
    frame: pd.DataFrame, outcome: str, exposure: str, *, activity: str = "activity", **options: object
) -> dict[object, Association]:
    """One association per activity, on unit x period; the fits are one family in the register."""
    return {
        name: associate(part, outcome, exposure, **options)  # type: ignore[arg-type]
        for name, part in frame.groupby(activity, sort=True)
    }


def in_family(association: Association, p_adjusted: float, asked: int) -> Association:
    """The same association judged as one of several questions: a claim needs the adjusted p below the level."""
    if not lost_among_many(association.verdict.key, p_adjusted):
        return association
    return _judged(association, Sentence(ONE_OF_MANY, {"p_adjusted": p_adjusted, "asked": asked}))


def inference_for(units: int, effective: float | None = None) -> str:
    """Which standard error and what beside it, by the number of units."""
    if units < guards.UNITS_NEEDED:
        return "leave_one_out"
    even = effective is None or not guards.few_carry(units, effective)
    return "crv1" if units >= MANY_UNITS and even else "crv3" if units >= ENOUGH_UNITS else "crv3_bootstrap"


def headline(fit: PanelFit) -> tuple[Effect, float]:
    """The first coefficient judged as `inference_for` says by t(G-1), and the degrees of freedom.

    Where few units carry the exposure's variation the effective number of units takes the place of G: two of
    60 units that dominate give CRV1 with t(59) 22 % false alarms at 5 %, CRV3 12 %, and this under 2 %.
    """
    units, effective = fit.clusters, guards.effective_units(fit)
    kind = "crv1" if inference_for(units, effective) == "crv1" else "crv3"
    df = max(effective - 1, 1.0) if guards.few_carry(units, effective) else units - 1.0
    return effect(fit.coef[0], fit.se(kind), df), df


def shared_parts(outcome: str, exposure: str, parts: Mapping[str, Measure] | None) -> tuple[str, ...]:
    """Names that both measures are made of or contain."""
    if not parts or outcome not in parts or exposure not in parts:
        return ()
    one, other = (
        {name for name in (m.numerator, m.denominator, *m.contains) if name} for m in (parts[outcome], parts[exposure])
    )
    return tuple(sorted(one & other))


@dataclass(frozen=True)
class Design:
    """Columns that are fitted. With shared parts: log(y / over) on the logarithms of x, the exposure's numerator first."""

    y: str
    x: tuple[str, ...]
    over: str | None = None
    shared: tuple[str, ...] = ()
    ratio: tuple[int, ...] = ()  # signs of x if only the exposure's ratio mattered; empty where that cannot be said


def design_for(outcome: str, exposure: str, parts: Mapping[str, Measure] | None) -> Design:
    """What is fitted: the measures, or where they share a part, the logarithms of their parts, unrestricted."""
    shared = shared_parts(outcome, exposure, parts)
    if not shared or not parts:
        return Design(outcome, (exposure,))
    y, x = parts[outcome], parts[exposure]
    if y.numerator == x.numerator:
        raise BadInput(
            f"{outcome} and {exposure} have the same numerator, {y.numerator}; choose measures that count different things."
        )
    named = dict.fromkeys(name for name in (x.numerator, x.denominator, y.denominator) if name)
    columns = tuple(name for name in named if name != y.numerator)
    signs = tuple((name == x.numerator) - (name == x.denominator) for name in columns)
    return Design(y.numerator, columns, y.denominator or None, shared, () if y.numerator == x.denominator else signs)


def without_repeats(design: Design, frame: pd.DataFrame) -> Design:
    """The design without columns that repeat another one under a second name, such as FTE from two deliveries."""
    if not design.shared or not {design.y, *design.x} <= set(frame.columns):
        return design
    rows = frame[list(design.x)].dropna()
    signs: dict[str, int] = {}
    for name, sign in zip(design.x, design.ratio or (0,) * len(design.x), strict=True):
        same = next((kept for kept in signs if np.array_equal(rows[kept], rows[name])), name)
        signs[same] = signs.get(same, 0) + sign
    return replace(design, x=tuple(signs), ratio=tuple(signs.values()) if design.ratio else ())


def without_explained(panel: Panel, design: Design) -> tuple[Panel, Design]:
    """Both without parts that the effects explain, such as FTE that never changes: they have nothing left to say."""
    left, _ = take_out_effects(panel.x, panel.series, panel.period, panel.block)
    size = np.linalg.norm(panel.x - panel.x.mean(axis=0), axis=0)
    says = np.linalg.norm(left, axis=0) > RANK_TOLERANCE * size
    says[0] = True  # the exposure itself: that it says nothing is an answer
    kept = [np.array(values)[says] for values in (design.x, design.ratio or design.x)]
    ratio = tuple(map(int, kept[1])) if design.ratio else ()
    return replace(panel, x=panel.x[:, says]), replace(design, x=tuple(kept[0]), ratio=ratio)


def _shared_warnings(shared: tuple[str, ...], margin: float | None) -> list[Sentence]:
    noted = [Sentence("verdict.assoc.shared_part", {"part": shared})] if shared else []
    if shared and margin is not None:
        noted.append(Sentence("warning.assoc.margin_in_other_units", {"margin": margin}))
    return noted


def _method(asked: Association, inference: str, df: float) -> Sentence:
    return Sentence(asked.method.key, {"inference": inference, "df": df, "scale": asked.scale})


def _judged(asked: Association, verdict: Sentence) -> Association:
    """The record with a verdict, whose values every sentence may use."""
    low, high = asked.interval or (None, None)
    known = {
        "est": asked.estimate, "lo": low, "hi": high, "n": asked.n, "k": asked.k, "margin": asked.margin,
        "x": asked.exposure, "y": asked.outcome, "period": asked.period, "scale": asked.scale,
    }  # fmt: skip
    key, own = verdict
    return replace(asked, verdict=Sentence(key, {**known, **own}))


def _inferred(asked: Association, panel: Panel, fit: PanelFit, seed: int) -> tuple[Association, Effect]:
    """Uncertainty by the number of units, the verdict, and the slopes that answer other questions."""
    found, df = headline(fit)
    effective = guards.effective_units(fit)
    interval_90 = t_interval(found.estimate, found.se, df, 1 - 2 * LEVEL)
    errors = {kind: fit.se(kind) for kind in ("crv1", "crv3")}
    if len(np.unique(panel.period)) >= PERIODS_FOR_COMMON_SHOCKS:
        errors["driscoll_kraay"] = float(np.sqrt(driscoll_kraay(fit, panel.period)[0, 0]))
    pooled, between, contextual = other_levels(panel)
    asked = replace(
        asked,
        se=errors,
        interval=found.interval,
        interval_90=interval_90,
        p=found.p,
        detectable=detectable(found.se, df),
        bootstrap=wild_bootstrap(fit, 0, seed) if fit.clusters < ENOUGH_UNITS else None,
        pooled=pooled,
        between=between,
        contextual=contextual,
        effective_units=effective,
        method=_method(asked, inference_for(asked.k, effective), df),
    )
    verdict = four_way(found.estimate, found.se, df, asked.margin)
    return _judged(asked, _sentence(verdict, found.estimate, interval_90)), found


def _sentence(verdict: Verdict, estimate: float, interval_90: tuple[float, float]) -> Sentence:
    """The glossary's key; "clear" has the size without sign, because the sentence says lower or higher."""
    if verdict == "difference":
        return Sentence(f"verdict.assoc.clear_{'neg' if estimate < 0 else 'pos'}", {"est": abs(estimate)})
    if verdict == "equivalent":
        return Sentence("verdict.assoc.equivalent", dict(zip(("lo", "hi"), interval_90, strict=True)))
    return Sentence("verdict.assoc.small" if verdict == "small" else "verdict.assoc.unclear", {})


def other_levels(panel: Panel) -> tuple[Effect, Effect | None, Effect | None]:
    """Slope over all rows, slope between unit means, and the between slope less the within slope (Mundlak)."""
    pooled = panel_fit(panel.y, panel.x, panel.unit, period=panel.block)
    df = pooled.clusters - 1
    columns = np.column_stack([panel.y, panel.x])
    centred = columns if panel.block is None else demean(columns, panel.block)
    means = centred - demean(centred, panel.unit)
    first = np.unique(panel.unit, return_index=True)[1]
    between = contextual = None
    try:
        line = least_squares(means[first, 0], np.column_stack([np.ones(len(first)), means[first, 1:]]))
        between = effect(line.coef[1], line.se[1], line.df)
        both = np.column_stack([panel.x, means[:, 1:]])
        mundlak, at = panel_fit(panel.y, both, panel.unit, None, panel.period, panel.block), panel.x.shape[1]
        contextual = effect(mundlak.coef[at], mundlak.se("crv3", at), df)
    except NotIdentified:
        pass
    return effect(pooled.coef[0], pooled.se("crv1"), df), between, contextual


def _ratio_form_p(fit: PanelFit, design: Design) -> float | None:
    """P (F, CRV3) that the parts move as the exposure's ratio alone would have them; None where nothing is restricted."""
    if len(design.ratio) < 2:
        return None
    others = linalg.null_space(np.array([design.ratio], float))
    off, covariance = others.T @ fit.coef, others.T @ fit.crv3 @ others
    wald = float(off @ np.linalg.pinv(covariance) @ off) / len(off)
    return float(stats.f.sf(wald, len(off), fit.clusters - 1))


def _guarded(
    asked: Association, panel: Panel, fit: PanelFit, found: Effect, bounds: tuple[float, float] | None
) -> Association:
    """Every guard in turn."""
    clear, months = found.p < LEVEL, len(np.unique(panel.period))
    lag, lead = guards.earlier_and_later(panel)
    share = guards.share_at_ceiling(panel.y, bounds) if asked.scale == "level" else 0.0
    by_logit = guards.fractional(panel, bounds) if bounds and share > guards.SHARE_AT_CEILING else None
    r = guards.alike_neighbours(panel, fit)
    noted = (
        guards.opposite_levels(found, asked.pooled, asked.between),
        guards.sensitive_to_one_unit(panel, fit, clear),
        guards.carried_by_few(asked.k, asked.effective_units),
        guards.curvature(panel),
        guards.reverse(lead),
        guards.later(lag),
        guards.ceiling(share, by_logit),
        guards.autocorrelation(r),
        guards.missing_periods(panel),
        guards.common_shocks(found, asked.se.get("driscoll_kraay"), months - 1),
        guards.bootstrap_disagrees(found, asked.bootstrap),
        guards.computed_from_each_other(fit),
        guards.ratio_form(asked.restriction_p),
    )
    return replace(
        asked,
        warnings=(*asked.warnings, *(sentence for sentence in noted if sentence)),
        lag=lag,
        lead=lead,
        share_at_ceiling=share,
        fractional=by_logit,
        neighbours_r=r,
    )
