"""Goals that tell of staff, and the weighted degrees they would be found from."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from mi_analysis.model.schema import ALL


def holding_hidden_goals(
    values: pd.DataFrame, hidden: pd.DataFrame, parents: Mapping[str, str], with_goals: set[str]
) -> np.ndarray:
    """Cells whose weighted degree would give a hidden goal away: its unit and activity, in its year and what reaches back.

    A unit without goals of its own (not in ``with_goals``) stands with those below it, so its degree tells of them too.
    """
    month = values["period_start"].dt.year * 12 + values["period_start"].dt.month - 1
    reach = values["window"].map({"r12": 11, "r3": 2}).fillna(0).astype(int)
    found = np.zeros(len(values), bool)
    if hidden.empty:
        return found
    years = pd.to_datetime(hidden["period_start"]).dt.year
    told_of: dict[tuple[str, str, int], set[str]] = {}
    for unit, activity, year in sorted({*zip(hidden["unit"], hidden["activity"], years, strict=True)}):
        above, chain = unit, set[str]()
        while above and above not in chain:
            for part in {activity, ALL} if above == unit or above not in with_goals else ():
                told_of.setdefault((above, part, year), set()).add(unit)
            chain.add(above)
            above = parents.get(above, "")
    for (unit, activity, year), units in sorted(told_of.items()):
        if len(units) == 1 or unit in units:  # of several units it tells only what they are together
            own = (values["unit"] == unit) & (values["activity"] == activity)
            found |= (own & (month >= year * 12) & (month - reach <= year * 12 + 11)).to_numpy()
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
