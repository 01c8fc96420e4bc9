"""Real figures that cannot carry a claim get none."""

import pytest

from mi_analysis.analysis.answers import CLAIMS
from mi_analysis.workbench import prepare
from mi_analysis.workbench.door import desk_on

pytestmark = pytest.mark.real_data


@pytest.fixture
def standing(project, real_data, tmp_path):
    def answered(name):
        made = prepare(name, start=project, audience="internal", out=tmp_path)
        return desk_on(made, made.root, made.periods[-1]).studied()

    return answered


def test_one_month_of_trusts_cannot_tell_whether_the_four_hour_goal_goes_with_sickness(standing):
    (answer,) = standing("nhs_trusts").goals

    assert (answer.outcome, answer.exposure) == ("within_4_hours_pct", "sickness_pct")
    assert answer.verdict.key == "verdict.assoc.common_only"
    assert not answer.claims
    assert answer.verdict.key not in CLAIMS


def test_six_months_of_a_city_without_overtime_by_month_are_asked_nothing(standing):
    study = standing("boston")

    assert (study.goals, study.productivity) == ((), ())
