"""An activity's desk: its own figures across the four domains, the units' parts of it, and the same from a slice."""

from dataclasses import replace

import pytest

from mi_analysis.analysis import productivity
from mi_analysis.parameters import WrongUse
from mi_analysis.reporting.sentences import said
from mi_analysis.workbench import Desk, desk
from mi_analysis.workbench.activity import LEVELS


@pytest.fixture(scope="module")
def inspections(small_agency) -> Desk:
    """The whole agency on planned inspections."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(small_agency.root)
        return desk("example", audience="internal").whole().about("A10")


def test_every_figure_of_an_activitys_desk_is_the_activitys(inspections):
    whole = replace(inspections, activity="")
    asked = {name: whole.value(name, window="ytd", activity="A10") for name in ("registered_hours", "actual", "closed")}

    assert {name: inspections.value(name, window="ytd") for name in asked} == asked
    assert inspections.value("closed")[0] != inspections.value("closed", activity="*")[0]
    assert inspections.series("closed", months=1)["closed"].tolist() == [whole.value("closed", activity="A10")[0]]
    assert inspections.value("fte") == (None, "not_applicable")
    assert list(inspections.activity_figures()[0]["measure"]) == [
        "registered_hours", "activity_overtime_hours", "actual", "deviation", "received", "closed", "open_cases",
        "case_days_median", "kept_due_pct", "hours_per_case", "productivity_index",
    ]  # fmt: skip


def test_units_contributions_add_up_to_the_activitys_total(inspections):
    frame, _ = inspections.contributions()
    units, total = frame.iloc[:-1], frame.iloc[-1]

    assert list(units["unit"]) == ["Særlige tilladelser", "Tilsyn Nord", "Tilsyn Øst"]
    for name in ("registered_hours", "actual", "closed", "open_cases"):
        assert units[name].sum() == pytest.approx(total[name], abs=0.01), name
    assert total["hours_per_case"] == pytest.approx(total["registered_hours"] / total["closed"])


def test_cost_levels_rise_and_each_names_its_level(inspections):
    frame, _ = inspections.cost_levels()
    costs = frame.set_index("measure")["ytd"]

    assert tuple(costs.index) == LEVELS
    assert costs["allocated_cost"] <= costs["allocated_cost_incl_indirect"] < costs["allocated_cost_full"]
    for language, word in (("da", "niveau"), ("en", "level")):
        names = [inspections.words(language).measure(name) for name in LEVELS]
        assert [f"{word} {letter}" in name for letter, name in zip("ABCABC", names, strict=True)] == [True] * 6


def test_what_changes_is_told_and_so_is_what_does_not(inspections):
    found = inspections.activity_changes("en")
    told = [one.values["measure"] for one in found if "measure" in one.values]
    calm = next(one.values["names"] for one in found if one.key == "message.no_signals")

    assert told == [name for name in told if inspections.signal(name) not in ("none", "too_short", "hidden")]
    assert ("Registered hours".lower() in calm) == (
        inspections.signal("registered_hours") in ("none", "too_short", "hidden")
    )


def test_the_trend_of_cases_per_hour_needs_six_units_and_is_told_in_words(inspections, monkeypatch):
    assert inspections.productivity_trend("en") == []

    monkeypatch.setattr(productivity, "FEWEST_UNITS", 3)
    (found,) = inspections.productivity_trend("en")

    text = said([found], inspections.words("en"))[0][1]

    assert found.key == "verdict.trend.unclear"
    assert text == (
        "The figures for December 2024–December 2025 do not show whether cases closed per hour rose or fell: the estimate is "
        "−4.5 per cent a year (95 per cent confidence interval: −23.4 per cent to 19.0 per cent)."
    )


def test_goals_of_an_activity_are_those_of_its_units(inspections):
    goals = inspections.goals_of_units("en")

    assert set(goals["unit"]) <= {"Tilsyn Nord", "Tilsyn Øst", "Særlige tilladelser"}
    assert list(goals["degree"]) == sorted(goals["degree"])


def test_an_activity_that_is_not_known_is_answered_with_the_nearest(inspections):
    with pytest.raises(WrongUse) as refused:
        inspections.about("A11")

    assert (
        str(refused.value.problems[0])
        == "activity: 'A11' is not an activity of example. Nearest: A15. Others: A10, A20, A25, A30, A40, A50, A60, A70, A90."
    )


def test_without_a_choice_it_is_the_activity_with_most_hours(inspections):
    hours = inspections.table(["registered_hours"], "ytd")[0]["registered_hours"].drop(["*", "~"])

    assert replace(inspections, activity="").about().activity == hours.idxmax()


def test_an_activitys_slice_holds_its_rows_and_gives_the_same_figures(inspections, small_agency, tmp_path):
    small_agency.prepared.slice(tmp_path, "", "A10", inspections.period)
    sliced = desk(str(tmp_path))

    assert sliced.activity == "A10"
    assert set(sliced.released.values["activity"]) == {"A10", "*", "~"}
    assert sliced.value("closed", window="ytd") == inspections.value("closed", window="ytd")
    assert (
        sliced.contributions()[0]["registered_hours"].tolist()
        == inspections.contributions()[0]["registered_hours"].tolist()
    )


def test_without_hours_or_closed_cases_it_is_the_one_with_most_of_the_institutions_own(inspections):
    released = inspections.released.values.assign(registered_hours=None, closed=None)
    empty = replace(inspections, activity="", released=replace(inspections.released, values=released))

    assert empty.about().activity == "A10"  # nothing to go by: the first
    with pytest.raises(WrongUse, match=r"^activity: example has no activities\. Open another report of it\.$"):
        replace(empty, activities=empty.activities.head(0)).about()
