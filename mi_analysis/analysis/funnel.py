"""Funnel of units: which are further from all of them than their size explains.

Method: Spiegelhalter (2005), Statistics in Medicine 24:1185, with overdispersion as in NHS England's SHMI and the CQC:
phi = mean of squared z, extremes drawn in; tau2 by DerSimonian and Laird. Units are listed by size; nothing is ranked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks

Array = npt.NDArray[np.float64]

LEVELS = {"95": 1.959964, "998": 3.090232}
TAIL = 0.1  # share at each end that is drawn in, or left out, when phi is estimated
FEWEST_UNITS = 5  # below it overdispersion cannot be told from chance
FEW_FOR_PHI = 10
SMALL_N, SMALL_COUNT = 50, 5  # below either, a proportion has exact limits


def _root_error(x: Array, n: Array) -> Array:
    return 1 / (2 * np.sqrt(n))


@dataclass(frozen=True)
class Family:
    """On what scale a rate is judged: `scaled(x, n)`, `back(scaled)`, its standard error, how phi treats extremes."""

    scaled: Callable[[Array, Array], Array]
    back: Callable[[Array], Array]
    error: Callable[[Array, Array], Array] = _root_error  # of an observed x of n, for z
    expected_error: Callable[[Array, Array], Array] = _root_error  # at the centre, for limits
    extremes: Literal["winsorise", "truncate"] = "winsorise"


FAMILIES = {
    "proportion": Family(lambda x, n: np.arcsin(np.sqrt(x / n)), lambda s: np.sin(np.clip(s, 0, np.pi / 2)) ** 2),
    "standardised": Family(lambda x, n: np.sqrt(x / n), lambda s: np.maximum(s, 0) ** 2),
    "standardised_log": Family(
        lambda x, n: np.log(x / n),
        np.exp,
        error=lambda x, n: 1 / np.sqrt(n),
        expected_error=lambda x, n: 1 / np.sqrt(n),
        extremes="truncate",
    ),
    "counts": Family(
        lambda x, n: np.log((x + 0.5) / (n + 0.5)),
        np.exp,
        error=lambda x, n: np.sqrt(x / (x + 0.5) ** 2 + n / (n + 0.5) ** 2),
        expected_error=lambda x, n: np.sqrt(1 / x + 1 / n),
    ),
}
Kind = Literal["proportion", "standardised", "standardised_log", "counts"]


@dataclass(frozen=True)
class Funnel:
    """A funnel.

    `table`: one row per unit, largest first: unit, numerator, denominator, rate, z, p (two-sided: exact for shares and
    standardised ratios, else by z), p_adjusted (Benjamini-Hochberg), centre, lower_95, upper_95, lower_998, upper_998 as
    used, the same with _chance for chance alone, exact (True: exact limits), outside (-1, 0, 1 by the used 99.8 % limits),
    and for shares low and high (Wilson, 95 %). `curve`: the used limits by denominator, for drawing.
    `centre`, `phi`, `tau2`, `n_used` (units that phi is from); `adjusted`: limits widened since phi > 1.
    """

    table: pd.DataFrame
    curve: pd.DataFrame
    centre: float
    phi: float
    tau2: float
    n_used: int
    adjusted: bool
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def funnel(units: pd.DataFrame, *, kind: Kind = "proportion", leave_out: bool = False) -> Funnel:
    """Funnel of one row per unit: unit, numerator, denominator.

    `kind`: proportion (numerator of denominator), standardised (observed over expected, centre 1, root scale as the CQC),
    standardised_log (log scale, as SHMI), counts (ratio of two counts). `leave_out`: each unit is judged against the
    others only; by default it sits inside the centre itself.

    Raises `BadInput` for repeated units, blanks, negative or impossible counts, or fewer than two units with a denominator.
    """
    if kind not in FAMILIES:
        raise BadInput(f"kind is {kind!r}; it must be one of {', '.join(FAMILIES)}.")
    table, noted = _read(units, kind)
    family, x, n = FAMILIES[kind], table["numerator"].to_numpy(), table["denominator"].to_numpy()
    centre = _centre(x, n, kind, leave_out)
    if (centre <= 0).any():
        raise BadInput("The centre is 0: nothing was counted in the units compared with; choose another numerator.")
    z = (family.scaled(x, n) - family.scaled(*_on_scale(centre, n))) / family.error(x, n)
    enough = len(table) >= FEWEST_UNITS and np.isfinite(z).all()
    phi, tau2, n_used = _overdispersion(z, family.error(x, n), family.extremes) if enough else (np.nan, 0.0, 0)
    adjusted = bool(phi > 1 and tau2 > 0)
    if len(table) < FEW_FOR_PHI:
        noted.append(Sentence("warning.funnel.few_units", {"n": len(table), "n_min": FEW_FOR_PHI}))
    if adjusted:
        noted.append(Sentence("warning.funnel.overdispersed", {"phi": phi}))
    chance, exact = _chance_limits(centre, n, kind)
    used = _widened(centre, n, family, tau2) if adjusted else chance
    p = _p_values(x, n, centre, z, kind)
    by_chance = {f"{name}_chance": limits for name, limits in chance.items()}
    table = table.assign(rate=x / n, z=z, p=p, centre=centre, exact=exact & (not adjusted))
    table = table.assign(p_adjusted=stats.false_discovery_control(p), **used, **by_chance)
    if kind == "proportion":
        table = table.assign(**_wilson(x, n))
    above, below = (table["rate"] > table["upper_998"]), (table["rate"] < table["lower_998"])
    table = table.assign(outside=above.astype(int) - below)
    of_all = float(_centre(x, n, kind, False)[0])
    about = {"kind": kind, "adjusted": adjusted, "leave_out": leave_out, "units": len(table)}
    return Funnel(
        table=table,
        curve=_curve(of_all, n, kind, tau2 if adjusted else None),
        centre=of_all,
        phi=float(phi),
        tau2=float(tau2),
        n_used=n_used,
        adjusted=adjusted,
        verdict=_verdict(table),
        warnings=tuple(noted),
        method=Sentence("method.funnel", about),
    )


def _read(units: pd.DataFrame, kind: str) -> tuple[pd.DataFrame, list[Sentence]]:
    """Units with a denominator, largest first; the others are named."""
    table = no_blanks(checked(units, ["unit"], ["numerator", "denominator"]), ["numerator", "denominator"])
    table = table[["unit", "numerator", "denominator"]]
    x, n = table["numerator"], table["denominator"]
    if (x < 0).any() or (n < 0).any() or (kind == "proportion" and (x > n).any()):
        raise BadInput("Counts must not be negative, and of a proportion the numerator not above the denominator.")
    if kind != "standardised_log" and kind != "standardised" and ((x % 1 != 0) | (n % 1 != 0)).any():
        raise BadInput(f"kind {kind} takes whole counts; use standardised for observed over expected.")
    empty = table.loc[n == 0, "unit"].tolist()
    table = table[n > 0].sort_values(["denominator", "unit"], ascending=[False, True], ignore_index=True)
    if len(table) < 2:
        raise BadInput(f"{len(table)} units have a denominator; a funnel needs at least 2.")
    if kind == "standardised_log" and (table["numerator"] == 0).any():
        raise BadInput("A unit has 0 observed, which has no logarithm; use kind standardised.")
    return table, [Sentence("warning.funnel.no_denominator", {"units": empty})] if empty else []


def _centre(x: Array, n: Array, kind: str, leave_out: bool) -> Array:
    """Centre per unit, shape (n,): 1 for standardised ratios, else sum over sum."""
    if kind.startswith("standardised"):
        return np.ones(len(x))
    return (x.sum() - x) / (n.sum() - n) if leave_out else np.full(len(x), x.sum() / n.sum())


def _on_scale(centre: Array, n: Array) -> tuple[Array, Array]:
    """Numerator and denominator that put the centre on the scale without the half added to counts."""
    return centre * 1e12, np.full(len(n), 1e12)


def _overdispersion(z: Array, error: Array, extremes: str) -> tuple[float, float, int]:
    """phi, tau2 and the number of units they are from."""
    if extremes == "truncate":
        cut = int(TAIL * len(z))
        kept = np.argsort(z, kind="stable")[cut : len(z) - cut]
        z, error = z[kept], error[kept]
    else:
        z = np.clip(z, *np.quantile(z, [TAIL, 1 - TAIL]))
    phi, weight, units = float((z**2).mean()), 1 / error**2, len(z)
    tau2 = (units * phi - (units - 1)) / (weight.sum() - (weight**2).sum() / weight.sum())
    return phi, max(0.0, float(tau2)), units


def _widened(centre: Array, n: Array, family: Family, tau2: float) -> dict[str, Array]:
    """Limits on the family's scale, with variance between units (0: chance alone)."""
    middle = family.scaled(*_on_scale(centre, n))
    error = np.sqrt(family.expected_error(centre * n, n) ** 2 + tau2)
    edges = {(level, sign): family.back(middle + sign * z * error) for level, z in LEVELS.items() for sign in (-1, 1)}
    return {f"{'lower' if sign < 0 else 'upper'}_{level}": value for (level, sign), value in edges.items()}


def _chance_limits(centre: Array, n: Array, kind: str) -> tuple[dict[str, Array], npt.NDArray[np.bool_]]:
    """Limits by chance alone, and where they are exact: always for standardised ratios, else for small shares."""
    limits = _widened(centre, n, FAMILIES[kind], 0.0)
    exact = np.full(len(n), kind.startswith("standardised"))
    if kind == "proportion":
        exact = exact | (n < SMALL_N) | (n * np.minimum(centre, 1 - centre) < SMALL_COUNT)
    by_count = _exact(centre, n, kind)
    return {name: np.where(exact, by_count[name], limits[name]) for name in limits}, exact


def _exact(centre: Array, n: Array, kind: str) -> dict[str, Array]:
    """Rates as far off as chance makes them: binomial quantiles for shares, else chi-square quantiles as FunnelPlotR."""
    x, limits = centre * n, dict[str, Array]()
    for level, z in LEVELS.items():
        tail = stats.norm.sf(z)
        if kind == "proportion":
            trials = np.round(n)
            limits[f"lower_{level}"] = stats.binom.ppf(tail, trials, centre) / trials
            limits[f"upper_{level}"] = stats.binom.isf(tail, trials, centre) / trials
        else:
            limits[f"lower_{level}"] = stats.chi2.ppf(tail, 2 * x) / (2 * n)
            limits[f"upper_{level}"] = stats.chi2.isf(tail, 2 * (x + 1)) / (2 * n)
    return limits


def _p_values(x: Array, n: Array, centre: Array, z: Array, kind: str) -> Array:
    """Two-sided p of chance alone: exact where there is an exact test."""
    if kind == "proportion":
        return np.array([stats.binomtest(int(a), int(b), c).pvalue for a, b, c in zip(x, n, centre, strict=True)])
    if kind.startswith("standardised"):
        return np.minimum(1, 2 * np.minimum(stats.poisson.cdf(x, n), stats.poisson.sf(x - 1, n)))
    return 2 * stats.norm.sf(np.abs(z))


def _wilson(x: Array, n: Array) -> dict[str, Array]:
    z2, rate = LEVELS["95"] ** 2, x / n
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (rate * (1 - rate) / n + z2 / (4 * n**2))) / (1 + z2 / n)
    return {"low": middle - half, "high": middle + half}


def _curve(centre: float, n: Array, kind: Kind, tau2: float | None) -> pd.DataFrame:
    """The used limits at 100 denominators from the smallest to the largest unit."""
    grid = np.geomspace(n.min(), n.max(), 100)
    middle = np.full(100, centre)
    limits = _chance_limits(middle, grid, kind)[0] if tau2 is None else _widened(middle, grid, FAMILIES[kind], tau2)
    return pd.DataFrame({"denominator": grid, "centre": middle, **limits})


def _verdict(table: pd.DataFrame) -> tuple[Sentence, ...]:
    outside = table[table["outside"] != 0]
    if outside.empty:
        return (Sentence("verdict.compare.overlap", {}),)
    sides = {
        side: outside.loc[outside["outside"] == sign, "unit"].tolist() for side, sign in (("above", 1), ("below", -1))
    }
    centre = float(table["centre"].iloc[0])
    told = {side: {"units": units, "centre": centre} for side, units in sides.items() if units}
    return tuple(Sentence(f"verdict.compare.{side}", values) for side, values in told.items())
