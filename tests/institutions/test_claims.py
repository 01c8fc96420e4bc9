"""Real figures that cannot carry a claim get none, and the notebooks of the analyses run on them."""

import papermill
import pytest

from mi_analysis.analysis.answers import CLAIMS
from mi_analysis.reporting import export, verdicts
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.door import desk_on

pytestmark = pytest.mark.real_data


EN = Words("en")
NOTEBOOKS = {"03": "03_overtime_and_goals", "04": "04_activity_report", "05": "05_unit_comparison"}


@pytest.fixture
def whole(built):
    """The desk of a real institution at its last month."""

    def opened(name):
        made = built(name)
        return desk_on(made, made.root, made.periods[-1])

    return opened


@pytest.fixture
def messages(project, built, tmp_path):
    """Messages by key, as printed in English, of a notebook on a real institution, and what they were made from."""

    def shown(name, notebook, unit=""):
        made = built(name)
        made.slice(tmp_path / "slice", unit, "", made.periods[-1])
        given = {"source": str(tmp_path / "slice"), "language": "en"}
        executed = papermill.execute_notebook(
            project / "notebooks" / f"{NOTEBOOKS[notebook]}.ipynb", None, given, kernel_name="python3", progress_bar=False, execution_timeout=300, cwd=tmp_path
        )  # fmt: skip
        return {one["key"]: one for one in export.outputs(executed) if one.get("kind") == "message"}

    return shown


def test_one_month_of_trusts_cannot_tell_whether_the_four_hour_goal_goes_with_sickness(whole):
    (answer,) = whole("nhs_trusts").studied().goals

    assert (answer.outcome, answer.exposure) == ("within_4_hours_pct", "sickness_pct")
    assert answer.verdict.key == "verdict.assoc.common_only"
    assert not answer.claims
    assert answer.verdict.key not in CLAIMS


def test_six_months_of_a_city_without_overtime_by_month_are_asked_nothing(whole):
    study = whole("boston").studied()

    assert (study.goals, study.productivity) == ((), ())


def test_full_beds_and_the_four_hour_goal_are_told_as_an_association_of_the_size_it_has_with_every_reservation(
    whole,
):
    desk = whole("nhs")
    (answer,) = desk.studied().goals
    said = verdicts.spoken(answer, desk.words("en"), desk.unit_label)

    assert (answer.outcome, answer.exposure) == ("within_4_hours_pct", "bed_occupancy_pct")
    assert answer.verdict.key == "verdict.assoc.clear_neg"
    assert -0.3 < answer.numbers["lo"] < answer.numbers["estimate"] < answer.numbers["hi"] < 0
    assert said[1] == "This is an association; the figures cannot tell whether one leads to the other."
    assert {"warning.assoc.autocorrelation", "warning.assoc.carried_by_few"} <= {one.key for one in answer.warnings}


@pytest.mark.parametrize("name", ["boston", "permits"])
def test_how_long_cases_take_in_a_real_log_is_told_with_open_cases_and_the_year_before_only_where_there_is_one(
    built, name
):
    made = built(name)
    desk = desk_on(made, made.root, made.periods[-1]).about()
    pace = desk.days_to_finish().table.set_index("group")

    assert "before" not in pace.index
    assert pace.loc["now", "open"] == desk.value("open_cases")[0]
    assert pace.loc["now", "q50_low"] <= pace.loc["now", "q50"] <= pace.loc["now", "q50_high"]


@pytest.mark.parametrize(
    ("name", "notebook"),
    [
        ("nhs_trusts", "03"),
        ("boston", "04"),
        *(
            pytest.param(name, notebook, marks=pytest.mark.long)
            for name in ("nhs", "nhs_trusts", "boston", "boston_police", "permits") for notebook in NOTEBOOKS
        ),
    ],
)  # fmt: skip
def test_the_notebooks_of_the_analyses_run_on_real_figures_and_each_claim_has_its_reservation(messages, name, notebook):
    shown = messages(name, notebook)
    claims = [one for one in shown.values() if any(said["key"] in CLAIMS for said in one["verdict"])]

    assert shown
    assert [one["key"] for one in claims if EN.text(verdicts.RESERVATION) not in one["alternative"]] == []
    assert not claims or name == "nhs"
