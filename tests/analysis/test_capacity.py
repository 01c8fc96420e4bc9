"""The ladder and the closed form, against definitions and R."""

import json

import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.capacity import Ladder, assumed_hours


def test_the_ladder_is_that_of_the_definitions():
    ladder = Ladder(sick_days=0)

    assert ladder.net() == pytest.approx(1642.8)  # 222 days
    assert Ladder(sick_days=0, public_holidays=6).net() == pytest.approx(1657.6)
    assert Ladder(sick_days=8).net() == pytest.approx(1642.8 - 59.2)


def test_each_step_of_the_ladder_is_told_and_they_add_up():
    ladder = Ladder(non_task_share=0.1, other_days=2)
    table = ladder.table()

    assert table["left"].iloc[-1] == pytest.approx(ladder.net())
    assert table["hours"].sum() == pytest.approx(ladder.net())
    assert table["step"].tolist()[0] == "gross"


def test_a_ladder_that_leaves_nothing_is_refused():
    with pytest.raises(BadInput) as caught:
        Ladder(holiday_days=400)

    assert str(caught.value) == "The ladder leaves -1191.4 of 1924.0 hours; net hours must be above 0."


def test_hours_from_assumptions_agree_with_the_closed_form(reference):
    made = assumed_hours(pd.read_csv(reference / "staff_plan" / "activities.csv"), 1480)

    got = {"mean": made.mean, "sd_independent": made.sd_independent, "sd_perfectly_correlated": made.sd_together}
    expected = json.loads((reference / "staff_plan" / "case.json").read_text("utf-8"))["expected"]
    assert got == {e["name"]: pytest.approx(e["value"], rel=e["rtol"], abs=e["atol"]) for e in expected}
    assert made.fte == pytest.approx(3760 / 1480)


def test_the_assumed_dependence_between_activities_is_stated(reference):
    made = assumed_hours(pd.read_csv(reference / "staff_plan" / "activities.csv"), 1480)

    assert made.method.values["dependence"] == ["independent", "together"]
    assert made.sd_independent < made.sd_together


def test_assumptions_below_zero_are_refused(reference):
    table = pd.read_csv(reference / "staff_plan" / "activities.csv")
    with pytest.raises(BadInput) as caught:
        assumed_hours(table.assign(cases_cv=-0.1), 1480)

    assert str(caught.value) == "Means and coefficients of variation must not be negative, and net hours be above 0."
