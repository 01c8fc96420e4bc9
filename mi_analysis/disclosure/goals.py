"""Goals that tell of staff, and the weighted degrees they would be found from."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mi_analysis.disclosure.primary import months_of
from mi_analysis.model.history import chain
from mi_analysis.model.schema import ALL


def holding_hidden_goals(
    values: pd.DataFrame, hidden: pd.DataFrame, parents: Mapping[str, str], with_goals: set[str], year_start: int = 1
) -> np.ndarray:
    """Cells whose weighted degree would give a hidden goal away: its unit and activity, in all that holds a month of its year.

    A unit without goals of its own (not in ``with_goals``) stands with those below it, so its degree tells of them too.
    """
    found = np.zeros(len(values), bool)
    if hidden.empty:
        return found
    first, last = months_of(values, year_start)
    days = pd.to_datetime(hidden["period_start"])
    begins, ends = months_of(hidden.assign(period_start=days, window="month"), year_start) // 12
    told_of: dict[tuple[str, str, int, int], set[str]] = {}
    for unit, activity, *years in zip(hidden["unit"], hidden["activity"], begins, ends, strict=True):
        for above in chain(unit, parents):
            for part in {activity, ALL} if above == unit or above not in with_goals else ():
                told_of.setdefault((above, part, *years), set()).add(unit)
    for (unit, activity, begin, end), units in told_of.items():
        if len(units) == 1 or unit in units:  # of several units it tells only what they are together
            own = (values["unit"] == unit) & (values["activity"] == activity)
            found |= own.to_numpy() & (last >= begin * 12) & (first <= end * 12 + 11)
    return found & values["goal_degree"].notna().to_numpy()


def released_goals(
    goals: pd.DataFrame, judged: pd.DataFrame, about_staff: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Goals with the results about staff that may be shown, and the rows that are hidden (status ``hidden``).

    The goal's own period is judged; one without a judgement is hidden.
    """
    if not about_staff or goals.empty:
        return goals, goals.head(0)
    own = judged[judged["window"] == "month"].assign(period_start=pd.to_datetime(judged["period_start"]))
    keys = goals[["unit", "grain"]].assign(period_start=pd.to_datetime(goals["period_start"]))
    beside = keys.merge(own, on=["unit", "period_start", "grain"], how="left")
    shown = ((beside["sick"] == "") & (beside["overtime"] == "")).to_numpy()
    rows = goals["goal"].isin(list(about_staff)).to_numpy() & ~shown & (goals["status"] != "not_assessed").to_numpy()
    kept = goals.copy()
    kept.loc[rows, ["result", "degree", "degree_capped"]] = np.nan
    kept.loc[rows, "result_date"] = None
    kept.loc[rows, "status"] = "hidden"
    return kept, goals[rows]
