"""Mix of cases: the change, or the difference between units, that remains when the mix is held still.

Index numbers as in the ILO/IMF Producer Price Index Manual (2004), chapters 15-17: hours per case are the prices, cases
the quantities. Units by direct standardisation; variance of a ratio over months by linearisation (Cochran 1977, ch. 6).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from mi_analysis.analysis.basis import BadInput, Sentence, no_blanks, worked

MONTHS_FOR_SPREAD = 6


@dataclass(frozen=True)
class MixIndex:
    """Index numbers over activities; the base period is 1.

    `table`, per period: unitcost_ and output_ laspeyres, paasche, fisher, tornqvist; hours_index; productivity_fisher
    and _tornqvist (output over hours); crude_cases_per_hour_index; mix_effect; turnover (activities not in both periods);
    chained_fisher and drift (chained over direct). crude = productivity_fisher x mix_effect x turnover.
    `unmatched`: period, activity, reason (new, vanished, without_cases, without_hours), cases, hours.
    """

    table: pd.DataFrame
    unmatched: pd.DataFrame
    warnings: tuple[Sentence, ...]
    method: Sentence


@dataclass(frozen=True)
class MixAdjusted:
    """Hours per case of units as they are, and with everybody's mix of cases.

    `table`, per unit: cases, hours, crude, adjusted, ratio (to all units on the same activities; 1 = as all), low and high
    of the ratio (95 %; NaN without months), covered (share of all cases that are of the unit's activities).
    `reference`: hours per case of all units together.
    """

    table: pd.DataFrame
    reference: float
    verdict: tuple[Sentence, ...]
    warnings: tuple[Sentence, ...]
    method: Sentence


def mix_index(activities: pd.DataFrame, base: object = None) -> MixIndex:
    """Index of rows with period, activity, cases and hours, against the `base` period (the first one).

    Only activities with cases and hours in both periods are compared; the others are listed, with the reason, and make
    `turnover`. Raises `BadInput` for repeated keys, negative values, one period only, or nothing to compare.
    """
    table = no_blanks(worked(activities, ["period", "activity"]), ["cases", "hours"])
    periods = sorted(table["period"].unique())
    base = periods[0] if base is None else base
    if base not in periods or len(periods) < 2:
        raise BadInput(
            f"At least two periods are needed, one of them the base; there are {', '.join(map(str, periods))}."
        )
    parts: dict[object, pd.DataFrame] = {
        name: part.set_index("activity")[["cases", "hours"]] for name, part in table.groupby("period")
    }
    rows = [_index(parts[base], parts[period]) for period in periods]
    links = [
        _index(parts[a], parts[b])["productivity_fisher"] for a, b in zip([periods[0], *periods], periods, strict=False)
    ]
    chained = np.cumprod(links)
    result = pd.DataFrame(rows).assign(period=periods, chained_fisher=chained / chained[periods.index(base)])
    result["drift"] = result["chained_fisher"] / result["productivity_fisher"]
    left_out = [_unmatched(parts[base], parts[period]).assign(period=period) for period in periods]
    unmatched = pd.concat(left_out, ignore_index=True)
    noted = []
    for period, lost in unmatched.groupby("period"):
        share = float(lost["hours"].sum() / parts[period]["hours"].sum())
        values = {"period": period, "activities": lost["activity"].tolist(), "share": share}
        noted.append(Sentence("warning.mix.unmatched", values))
    return MixIndex(result, unmatched, tuple(noted), Sentence("method.mix_index", {"base": base}))


def _index(base: pd.DataFrame, now: pd.DataFrame) -> dict[str, float]:
    """Index numbers of one period against another, over the activities in both."""
    both = base.merge(now, left_index=True, right_index=True, suffixes=("_0", "_1"))
    both = both[(both > 0).all(axis=1)]
    if both.empty:
        raise BadInput("No activity has cases and hours in both periods; there is nothing to compare.")
    q0, v0, q1, v1 = (both[name].to_numpy() for name in ("cases_0", "hours_0", "cases_1", "hours_1"))
    p0, p1, hours = v0 / q0, v1 / q1, v1.sum() / v0.sum()
    weight = (v0 / v0.sum() + v1 / v1.sum()) / 2
    unit_cost = {"laspeyres": (p1 @ q0) / v0.sum(), "paasche": v1.sum() / (p0 @ q1)}
    output = {"laspeyres": (p0 @ q1) / v0.sum(), "paasche": v1.sum() / (p1 @ q0)}
    for index, change in ((unit_cost, p1 / p0), (output, q1 / q0)):
        index["fisher"] = np.sqrt(index["laspeyres"] * index["paasche"])
        index["tornqvist"] = np.exp(weight @ np.log(change))
    matched = q1.sum() / v1.sum() / (q0.sum() / v0.sum())
    crude = now["cases"].sum() / now["hours"].sum() / (base["cases"].sum() / base["hours"].sum())
    productivity = output["fisher"] / hours
    return {
        **{f"unitcost_{name}": float(value) for name, value in unit_cost.items()},
        **{f"output_{name}": float(value) for name, value in output.items()},
        "hours_index": float(hours),
        "productivity_fisher": float(productivity),
        "productivity_tornqvist": float(output["tornqvist"] / hours),
        "crude_cases_per_hour_index": float(crude),
        "mix_effect": float(matched / productivity),
        "turnover": float(crude / matched),
    }


def _unmatched(base: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Activities that cannot be compared, with what they held in the later period (vanished: in the base)."""
    both = base.merge(now, how="outer", left_index=True, right_index=True, suffixes=("_0", "_1")).fillna(0)
    there = {when: (both[[f"cases_{when}", f"hours_{when}"]] > 0).any(axis=1) for when in (0, 1)}
    reason = np.select(
        [there[1] & ~there[0], there[0] & ~there[1], (both[["cases_0", "cases_1"]] == 0).any(axis=1)],
        ["new", "vanished", "without_cases"],
        "without_hours",
    )
    held = {name: both[f"{name}_1"].where(reason != "vanished", both[f"{name}_0"]) for name in ("cases", "hours")}
    both = both.assign(reason=reason, **held)
    left_out = (both[["cases_0", "hours_0", "cases_1", "hours_1"]] == 0).any(axis=1) & (there[0] | there[1])
    return both.loc[left_out, ["reason", "cases", "hours"]].rename_axis("activity").reset_index()


def mix_adjusted(table: pd.DataFrame) -> MixAdjusted:
    """Units with everybody's mix: rows of unit, activity, cases, hours; with period_start per month, then with intervals.

    A unit's hours per case are weighted by all units' cases on the activities that the unit closes cases on, and set
    beside all units' hours per case with the same weights. Raises `BadInput` as `mix_index`, and for one unit only.
    """
    keys = ["unit", "activity", *(["period_start"] if "period_start" in table else [])]
    table = no_blanks(worked(table, keys), ["cases", "hours"])
    cells = table.groupby(["unit", "activity"])[["cases", "hours"]].sum().reset_index()
    if cells["unit"].nunique() < 2:
        raise BadInput("There is one unit only; the comparison needs at least two.")
    used = cells[(cells["cases"] > 0) & (cells["hours"] > 0)]
    if used.empty:
        raise BadInput("No unit has both cases and hours on an activity; there is nothing to compare.")
    everybody = used.groupby("activity")[["cases", "hours"]].sum()
    reference = float(everybody["hours"].sum() / everybody["cases"].sum())
    variance, months = _variance(table) if len(keys) > 2 else (None, 0)
    rows = [_adjusted(str(unit), part, everybody, reference, variance, months) for unit, part in used.groupby("unit")]
    result = pd.DataFrame(rows)
    noted = [] if variance is not None else [Sentence("warning.mix.no_interval", {"n_min": MONTHS_FOR_SPREAD})]
    dropped = cells.drop(used.index)
    if len(dropped):
        pairs = list(zip(dropped["unit"], dropped["activity"], strict=True))
        noted.append(Sentence("warning.mix.left_out", {"cells": pairs, "hours": float(dropped["hours"].sum())}))
    if not result["crude"].rank().equals(result["adjusted"].rank()):
        noted.append(Sentence("warning.mix.order_changes", {}))
    method = Sentence("method.mix_adjusted", {"months": months})
    return MixAdjusted(result, reference, _verdict(result, reference), tuple(noted), method)


def _variance(table: pd.DataFrame) -> tuple[pd.Series | None, int]:
    """Variance of each unit's hours per case on each activity, over its months; None where months are too few."""
    months = table["period_start"].nunique()
    if months < MONTHS_FOR_SPREAD:
        return None, months
    total = table.groupby(["unit", "activity"])[["cases", "hours"]].transform("sum")
    expected = table["cases"] * total["hours"] / total["cases"].where(total["cases"] > 0)
    away = (table["hours"] - expected) / total["cases"]
    return (away**2).groupby([table["unit"], table["activity"]]).sum() * months / (months - 1), months


def _adjusted(
    unit: str, part: pd.DataFrame, everybody: pd.DataFrame, reference: float, variance: pd.Series | None, months: int
) -> dict[str, object]:
    part = part.set_index("activity")
    weight = everybody.loc[part.index, "cases"] / everybody.loc[part.index, "cases"].sum()
    same = float((weight * everybody["hours"] / everybody["cases"]).sum())
    ratio = float((weight * part["hours"] / part["cases"]).sum()) / same
    half = np.nan
    if variance is not None:
        own = variance.loc[part["unit"].iloc[0]].reindex(part.index)
        half = float(stats.t.isf(0.025, months - 1) * np.sqrt((weight**2 * own).sum()) / same)
    cases, hours = float(part["cases"].sum()), float(part["hours"].sum())
    covered = float(everybody.loc[part.index, "cases"].sum() / everybody["cases"].sum())
    return {
        "unit": unit, "cases": cases, "hours": hours, "crude": hours / cases, "adjusted": ratio * reference,
        "ratio": ratio, "low": ratio - half, "high": ratio + half, "covered": covered,
    }  # fmt: skip


def _verdict(table: pd.DataFrame, reference: float) -> tuple[Sentence, ...]:
    """The units whose interval leaves out the others' level; without intervals nothing is said."""
    apart = table[(table["low"] > 1) | (table["high"] < 1)]
    if len(apart):
        rows = zip(apart["unit"], apart["adjusted"], strict=True)
        return tuple(Sentence("verdict.compare.mix", {"unit_a": u, "value": v, "ref": reference}) for u, v in rows)
    return (Sentence("verdict.compare.overlap", {}),) if table["low"].notna().all() else ()
