"""Exploring: choices lead to released figures, each with what it is made of; what cannot be shown is said."""

from dataclasses import replace

import pytest

from mi_analysis.workbench import desk
from mi_analysis.workbench.exploring import explorer, shown


@pytest.fixture(scope="module")
def institution(small_agency):
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(small_agency.root)
        return desk("example", audience="internal").whole()


def test_a_ratio_is_shown_with_its_chart_its_parts_and_the_activities(institution):
    chart, months, activities = shown(institution, "hours_per_case", months=6, language="en")

    assert (chart.kind, chart.key) == ("figure", "control_hours_per_case")
    assert [column["name"] for column in months.columns] == [
        "period_start",
        "hours_per_case",
        "registered_hours",
        "closed",
    ]
    assert months.rows[0][0] == institution.at
    _, ratio, hours, closed = months.rows[0]
    assert ratio == pytest.approx(hours / closed)
    assert [row[0] for row in activities.rows][-1] == "Total"


def test_a_hidden_month_is_hidden_while_exploring(institution):
    small = replace(institution, unit="2910")

    parts = shown(small, "sick_days_per_fte", months=6, language="en")

    assert parts[0].alternative.endswith("fewer than two months can be shown, so there is no chart.")
    assert {row[1] for row in parts[1].rows} == {None}
    assert {state["state"] for state in parts[1].states if state["column"] == "sick_days_per_fte"} == {"hidden"}


def test_a_measure_of_units_is_not_spread_over_activities(institution):
    (said,) = shown(institution, "sick_days_per_fte", "A10", language="en")

    assert said.alternative == "Sick days per FTE is registered on units, not on activities."


def test_a_choice_changes_what_is_shown(institution):
    box = explorer(institution, "en")
    (unit, _), (measure, months) = (row.children for row in box.children[:2])
    first = box.children[2].value

    unit.value, measure.value, months.value = "2110", "open_cases", 12

    assert "Eksempelstyrelsen, closed cases by month" in first
    assert "Tilsyn Øst, open cases by month" in box.children[2].value
    assert {value for _, value in unit.options} >= {"2000", "2110"}
    assert [label for label, _ in measure.options] == sorted(
        dict(measure.options), key=institution.words("en").sort_key
    )
