"""Priority between tasks: which allocation of too few hours meets most weighted goals and deadlines (linear programme).

A task earns its goal's weight in proportion to the share of the target reached, and its deadlines' weight in proportion to
the cases with a deadline that are closed; statutory minima come first. Solved with HiGHS (Huangfu and Hall 2018).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks

NUMBERS = ["demand", "hours_per_case"]
OPTIONAL = ["floor", "target", "goal_weight", "due", "due_weight"]


@dataclass(frozen=True)
class Priority:
    """An allocation of hours.

    `table`, per activity: cases, hours, unmet (cases of the demand), goal_degree, due_degree (NaN without goal, deadlines),
    next_hour (points another hour here earns), cut_hour (points an hour taken from here costs; NaN when nothing can be cut),
    pay where a price is given. `points` of `possible`; `shadow_price`: points the next hour earns at its best use; `short`:
    hours lacking to meet all demand. `feasible` is False when the minima alone need more hours; then nothing is allocated.
    """

    table: pd.DataFrame
    points: float
    possible: float
    shadow_price: float
    short: float
    feasible: bool
    warnings: tuple[Sentence, ...]
    method: Sentence


def prioritise(tasks: pd.DataFrame, hours: float, *, pay_per_hour: float | None = None) -> Priority:
    """Allocate `hours` to tasks, one row each.

    Columns: activity, demand (cases), hours_per_case; and, each 0 if left out: floor (cases that must be closed), target and goal_weight (points for reaching it), due (cases with a deadline) and
    due_weight. Raises `BadInput` for blanks, negatives, weights without cases, or cases beyond the demand.
    """
    table = _read(tasks, hours)
    number, pace = len(table), table["hours_per_case"].to_numpy()
    worth = {name: _per_case(table[weight], table[cases]) for name, weight, cases in _EARNS}
    demand, floor = table["demand"].to_numpy(), table["floor"].to_numpy()
    short = max(0.0, float(pace @ demand) - hours)
    possible = float(table["goal_weight"].sum() + table["due_weight"].sum())
    method = Sentence("method.priority", {"hours": hours, "tasks": number})
    if pace @ floor > hours * (1 + 1e-12):
        lacking = Sentence("warning.priority.floor_exceeds", {"needed": float(pace @ floor), "hours": hours})
        empty = table[["activity"]].assign(cases=np.nan, hours=np.nan)
        return Priority(empty, np.nan, possible, np.nan, short, False, (lacking,), method)
    # Variables: cases closed, cases that count for the goal, cases that count for deadlines; each block one per task.
    eye, none = np.eye(number), np.zeros((number, number))
    limits = np.vstack([np.r_[pace, np.zeros(2 * number)], np.hstack([-eye, eye, none]), np.hstack([-eye, none, eye])])
    upper = np.r_[demand, table["target"], table["due"]]
    bounds = np.column_stack([np.r_[floor, np.zeros(2 * number)], upper])
    earned = np.r_[np.zeros(number), worth["goal"], worth["due"]]
    solved = linprog(-earned, A_ub=limits, b_ub=np.r_[hours, np.zeros(2 * number)], bounds=bounds, method="highs")
    if solved.status != 0:
        raise BadInput(f"The allocation has no solution ({solved.message}); check the sizes of demand and hours.")
    cases = solved.x[:number]
    table = _measured(table, cases, worth)
    if pay_per_hour is not None:
        table = table.assign(pay=table["hours"] * pay_per_hour)
    noted = (Sentence("warning.priority.short", {"hours": short}),) if short > 0 else ()
    price = max(0.0, -float(solved.ineqlin.marginals[0]))
    return Priority(table, -float(solved.fun), possible, price, short, True, noted, method)


_EARNS = (("goal", "goal_weight", "target"), ("due", "due_weight", "due"))


def _read(tasks: pd.DataFrame, hours: float) -> pd.DataFrame:
    given = [name for name in OPTIONAL if name in tasks]
    table = no_blanks(checked(tasks, ["activity"], [*NUMBERS, *given]), [*NUMBERS, *given])
    table = table.assign(**{name: 0.0 for name in OPTIONAL if name not in given})
    negative = (table[NUMBERS + OPTIONAL] < 0).any(axis=None)
    if negative or (table["hours_per_case"] == 0).any() or not 0 <= hours < np.inf:
        raise BadInput("Hours per case must be above 0, and hours, cases and weights not negative.")
    for _, weight, cases in _EARNS:
        if ((table[weight] > 0) & (table[cases] == 0)).any():
            raise BadInput(f"A task has a {weight} without {cases}; points are earned by the share of {cases} closed.")
    beyond = table.loc[table[["floor", "target", "due"]].max(axis=1) > table["demand"], "activity"].tolist()
    if beyond:
        raise BadInput(f"{', '.join(map(str, beyond))}: floor, target and due cannot be above the demand.")
    return table


def _per_case(weight: pd.Series, cases: pd.Series) -> np.ndarray:
    return (weight / cases.where(cases > 0)).fillna(0).to_numpy()


def _measured(table: pd.DataFrame, cases: np.ndarray, worth: dict[str, np.ndarray]) -> pd.DataFrame:
    """What each task gets, reaches, and would gain or lose by an hour."""
    pace, near = table["hours_per_case"], 1e-9 * (1 + table["demand"])
    room = cases < table["demand"] - near
    gain, loss = np.zeros(len(table)), np.zeros(len(table))
    degrees = {}
    for name, _, limit in _EARNS:
        gain += np.where(cases < table[limit] - near, worth[name], 0)
        loss += np.where(cases <= table[limit] + near, worth[name], 0)
        degrees[f"{name}_degree"] = (np.minimum(cases, table[limit]) / table[limit].where(table[limit] > 0)).to_numpy()
    return table[["activity"]].assign(
        cases=cases,
        hours=cases * pace,
        unmet=table["demand"] - cases,
        **degrees,
        next_hour=np.where(room, gain, 0) / pace,
        cut_hour=np.where(cases > table["floor"] + near, loss, np.nan) / pace,
    )
