"""The allocation is the best there is, and its prices are what an hour more or less does."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.priority import prioritise


def tasks(**columns):
    given = {
        "activity": ["inspection", "case", "hearing"],
        "demand": [100, 200, 40],
        "hours_per_case": [5.0, 2.0, 10.0],
        "floor": [10, 20, 4],
        "target": [80, 200, 40],
        "goal_weight": [40.0, 30.0, 30.0],
        "due": [50, 100, 20],
        "due_weight": [10.0, 20.0, 10.0],
    }
    return pd.DataFrame(given | columns)


def test_with_hours_enough_everything_is_met_and_the_next_hour_is_worth_nothing():
    made = prioritise(tasks(), 2000)

    assert made.points == pytest.approx(made.possible) == 140
    assert (made.shadow_price, made.short, made.warnings) == (0, 0, ())
    assert made.table[["goal_degree", "due_degree"]].to_numpy() == pytest.approx(1)


@pytest.mark.parametrize("hours", [200, 400, 700, 1000])
def test_the_allocation_keeps_the_hours_and_the_minima_and_beats_others(hours):
    table = tasks()
    made = prioritise(table, hours)

    assert made.table["hours"].sum() <= hours + 1e-6
    assert (made.table["cases"] >= table["floor"] - 1e-9).all()
    assert made.warnings == (Sentence("warning.priority.short", {"hours": 1300.0 - hours}),)
    rng = np.random.default_rng(1)
    for _ in range(200):
        share = rng.dirichlet([1, 1, 1]) * (hours - (table["floor"] * table["hours_per_case"]).sum())
        cases = np.minimum(table["floor"] + share / table["hours_per_case"], table["demand"])
        goal = (table["goal_weight"] * np.minimum(cases / table["target"], 1)).sum()
        due = (table["due_weight"] * np.minimum(cases / table["due"], 1)).sum()
        assert goal + due <= made.points + 1e-9


@pytest.mark.parametrize("hours", [200, 400, 700, 1000])
def test_the_shadow_price_is_what_one_more_hour_earns_and_the_best_next_hour(hours):
    made, more = prioritise(tasks(), hours), prioritise(tasks(), hours + 1)

    assert made.shadow_price == pytest.approx(more.points - made.points)
    assert made.table["next_hour"].max() == pytest.approx(made.shadow_price)
    assert made.table["cut_hour"].min() >= made.shadow_price - 1e-9


def test_a_cut_costs_what_the_points_fall_by():
    made, less = prioritise(tasks(), 700), prioritise(tasks(), 699)

    assert made.points - less.points == pytest.approx(made.table["cut_hour"].min())


def test_money_is_hours_times_their_price():
    table = prioritise(tasks(), 700, pay_per_hour=400).table

    assert table["pay"].to_numpy() == pytest.approx(400 * table["hours"].to_numpy())


def test_minima_that_need_more_hours_than_there_are_are_told_and_nothing_is_allocated():
    made = prioritise(tasks(), 100)

    assert not made.feasible
    assert made.warnings == (Sentence("warning.priority.floor_exceeds", {"needed": 130.0, "hours": 100}),)
    assert made.table["cases"].isna().all()


def test_badly_scaled_tasks_are_solved_too():
    small, large = prioritise(tasks(), 700), prioritise(tasks(hours_per_case=[5e6, 2e6, 1e7]), 7e8)

    assert large.table["cases"].to_numpy() == pytest.approx(small.table["cases"].to_numpy())


@pytest.mark.parametrize(("table", "hours", "message"), [
    (tasks(hours_per_case=[0, 1, 1]), 100, "Hours per case must be above 0, and hours, cases and weights not negative."),
    (tasks(), -1, "Hours per case must be above 0, and hours, cases and weights not negative."),
    (tasks(), np.inf, "Hours per case must be above 0, and hours, cases and weights not negative."),
    (tasks(target=[0, 200, 40]), 100,
     "A task has a goal_weight without target; points are earned by the share of target closed."),
    (tasks(floor=[400, 20, 4]), 100, "inspection: floor, target and due cannot be above the demand."),
    (tasks(activity="a"), 100, "2 rows repeat a key; there must be one row per activity."),
    (tasks(demand=[np.nan, 1, 1]), 100, "1 rows have a blank demand; leave the rows out and say so."),
])  # fmt: skip
def test_bad_input_is_refused_with_what_would_be_right(table, hours, message):
    with pytest.raises(BadInput) as caught:
        prioritise(table, hours)

    assert str(caught.value) == message
