"""Questions asked at the desk: registered before they are answered, of released cells only, true of Eksempelstyrelsen."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from mi_analysis import register
from mi_analysis.analysis.answers import OTHER_UNIT
from mi_analysis.model.schema import ALL
from mi_analysis.parameters import StandingQuestions, WrongUse
from mi_analysis.reporting import uncertain, verdicts
from mi_analysis.workbench import Desk, desk
from mi_analysis.workbench.door import desk_on

LAST = "2025-12-01"
ASKED = ("kept_closed_pct", "overtime_per_fte")


@pytest.fixture(scope="module")
def study(prepared):
    return prepared.study("2025-12")


@pytest.fixture
def institution(prepared, tmp_path) -> Desk:
    """The institution's desk, with a register of its own."""
    return replace(desk_on(prepared, prepared.root, LAST), kept=tmp_path / "hypotheses.jsonl")


def in_time(study):
    return next(one for one in study.goals if one.outcome == "kept_closed_pct")


def test_every_offices_sentence_on_overtime_and_deadlines_agrees_with_the_truth_or_cannot_tell(study, truth):
    answer = in_time(study)
    said = {unit: answer.own(unit) for unit in (*truth.related, *truth.unrelated)}
    clear = {unit for unit, one in said.items() if one and one.key != "verdict.own.unclear"}
    covered = [
        unit
        for unit, one in said.items()
        if one and (one.values["lo"] <= (truth.slope if unit in truth.related else 0) <= one.values["hi"])
    ]

    assert clear <= set(truth.related)
    assert len(clear) >= 3
    assert {said[unit].key for unit in clear} == {"verdict.own.clear_neg"}
    assert len(covered) >= 0.8 * len(said)


def test_the_institutions_answer_agrees_with_the_truth_and_warns_that_offices_differ_the_other_way(study, truth):
    answer = in_time(study)
    mean = truth.slope * len(truth.related) / len(truth.related + truth.unrelated)

    assert answer.numbers["lo"] <= mean <= answer.numbers["hi"]
    assert answer.verdict.key in ("verdict.assoc.unclear", "verdict.assoc.one_of_many", "verdict.assoc.clear_neg")
    assert "verdict.assoc.opposite_levels" in {one.key for one in answer.warnings}
    assert answer.numbers["between"] > 0 > answer.numbers["estimate"]


def test_hours_per_case_on_overtime_is_fitted_on_the_parts_and_says_nothing_untrue(study, truth):
    by_activity = {one.activity: one for one in study.productivity}
    related, _ = truth.hours_per_case_slope

    assert set(by_activity) == {"A10", "A15", "A20", "A25", "A30", "A40", "A50", "each"}
    assert {one.scale for one in study.productivity} == {"log"}
    assert all(one.warnings[0].key == "verdict.assoc.shared_part" for one in study.productivity)
    assert [name for name, one in by_activity.items() if one.claims and name not in (related, "each")] == []
    assert by_activity[related].numbers["estimate"] > 3 * abs(by_activity["A15"].numbers["estimate"])


def test_goals_that_are_assessed_less_often_than_monthly_are_listed_and_not_fitted(study):
    assert [one.outcome for one in study.goals] == ["kept_closed_pct", "progress_pct", "goal:1.1", "goal:1.3"]
    assert study.rare[["goal", "grain"]].to_numpy().tolist() == [
        ["1.2", "quarter"],
        ["2.1", "quarter"],
        ["2.2", "year"],
        ["3.1", "year"],
    ]


def test_hidden_months_are_not_in_the_fit_and_are_counted(study, institution):
    states = institution.released.states
    hidden = states[
        (states["measure"] == "overtime_per_fte") & (states["state"] == "hidden") & (states["activity"] == ALL)
    ]
    hidden = hidden[
        (hidden["grain"] == "month") & (hidden["window"] == "month") & hidden["unit"].isin(institution.leaves())
    ]
    fitted = pd.MultiIndex.from_frame(in_time(study).points[["unit", "period_start"]])
    months = pd.MultiIndex.from_arrays([hidden["unit"], hidden["period_start"].astype(str).str[:10]])

    assert in_time(study).left_out["hidden"] == len(hidden)
    assert len(fitted.intersection(months)) == 0


def test_a_units_slice_tells_the_institutions_answer_and_its_own_but_no_other_units_rows(prepared, tmp_path, study):
    prepared.slice(tmp_path / "s", "2110", "", "2025-12")
    text = (tmp_path / "s" / "answers.json").read_text(encoding="utf-8")
    own = desk(str(tmp_path / "s")).overtime_and_goals()
    others = [unit for unit in prepared.units["unit"].unique() if unit != "2110"]

    assert [unit for unit in others if f'"{unit}"' in text] == []
    assert in_time(own).numbers == in_time(study).numbers
    assert in_time(own).own("2110") == in_time(study).own("2110")
    assert set(in_time(own).points["unit"]) == {"2110"}
    assert not (tmp_path / "s" / "register").exists()
    with pytest.raises(WrongUse, match="cannot be registered"):
        desk(str(tmp_path / "s")).ask(*ASKED)


def test_the_desk_of_a_unit_and_its_slice_say_the_same(prepared, tmp_path):
    prepared.slice(tmp_path / "s", "2310", "", "2025-12")
    live = replace(desk_on(prepared, "2310", LAST), kept=tmp_path / "r.jsonl").overtime_and_goals()

    assert json.dumps(live.as_data()) == json.dumps(desk(str(tmp_path / "s")).overtime_and_goals().as_data())


def test_a_slice_of_the_institution_can_ask_and_its_fingerprint_knows_no_path(prepared, tmp_path):
    moved = replace(prepared, folder=tmp_path / "elsewhere")
    shutil.copytree(prepared.folder / "model", moved.folder / "model")

    assert prepared.slice(tmp_path / "a", "", "", "2025-12") == moved.slice(tmp_path / "b", "", "", "2025-12")
    assert desk(str(tmp_path / "b")).kept == tmp_path / "elsewhere" / "kept" / "hypotheses.jsonl"


def test_the_standing_questions_are_planned_in_two_families_and_registered_once_a_run(prepared, institution, study):
    institution.note(study)
    institution.note(study)
    kept = register.read(institution.kept)
    families = {one.family: len(kept.family(one.family)) for one in kept.hypotheses.values()}

    assert families == {"goals 2025-12": 4, "productivity 2025-12": 8}
    assert {one.times_asked for one in kept.hypotheses.values()} == {2}
    adjusted = [one.numbers["p_adjusted"] for one in study.goals if "p" in one.numbers]
    assert sorted(adjusted) == pytest.approx(
        sorted(p for p in kept.adjusted("goals 2025-12").values() if p < 1 or p in adjusted)[: len(adjusted)]
    )


def test_a_question_is_written_before_it_is_answered_with_margin_and_filter(institution):
    answer = institution.ask(*ASKED, margin=1, since="2024-01", question="Does it?", who="an analyst")
    asked, answered = map(json.loads, institution.kept.read_text(encoding="utf-8").splitlines())

    assert (asked["event"], answered["event"]) == ("asked", "answered")
    assert asked["margin"] == 1
    assert asked["filters"] == {
        "units": "lowest level",
        "activity": "*",
        "since": "2024-01",
        "until": "2025-12",
        "lag": 0,
        "audience": "internal",
    }
    assert (answered["p"], answered["verdict"]) == (answer.numbers["p"], answer.verdict.key)
    assert answer.period == ("2024-01", "2025-12")


def test_every_exploratory_question_ever_asked_counts_in_the_next_answer_and_a_failed_one_too(institution):
    first = institution.ask(*ASKED)
    institution.ask("kept_closed_pct", "sick_days_per_fte")
    with pytest.raises(WrongUse):
        institution.ask("hours_per_case", "registered_hours")
    again = institution.ask(*ASKED)
    planned = institution.ask("progress_pct", "overtime_per_fte", planned="spring")

    assert first.numbers["p_adjusted"] == first.numbers["p"]
    assert (again.numbers["asked"], planned.numbers["asked"]) == (3, 1)
    assert again.numbers["p_adjusted"] > again.numbers["p"]
    assert planned.kind == "planned"


def test_a_question_is_numbered_in_its_quarter_and_says_itself_in_words(institution):
    first = institution.ask(*ASKED)
    second = institution.ask("kept_closed_pct", "sick_days_per_fte", question="Does it?")
    quarter = register.read(institution.kept).hypotheses.popitem()[1].group

    assert (first.place, second.place) == ((quarter, 1, 1), (quarter, 2, 2))
    assert institution.ask(*ASKED).place == (quarter, 1, 2)
    assert institution.ask(*ASKED, planned="spring", lag=1).place is None
    lines = repr(second).splitlines()
    assert (lines[0], lines[-1]) == ("Does it?", f"Det er tjek 2 af 2 i {quarter[-1]}. kvt. {quarter[:4]}.")
    assert lines[1:] == verdicts.answered(second, institution.words(), institution.unit_label)
    assert "<h3>Does it?</h3>" in second._repr_html_()


def test_the_register_holds_each_question_as_it_is_to_be_judged_now(institution):
    clear = register.ask(
        institution.kept, who="x", outcome="goal:1.1", exposure="overtime_per_fte", filters={"units": "kontor", "activity": "A10"},
        kind="exploratory", margin=2.0,
    )  # fmt: skip
    register.answer(
        institution.kept,
        clear,
        p=0.04,
        estimate=-1.5,
        interval=(-2.9, -0.1),
        scale="level",
        verdict="verdict.assoc.clear_neg",
    )
    alone = institution.questions_asked("en").iloc[0]
    answered = institution.ask(*ASKED, margin=1, since="2024-01", lag=1, units=["2110", "2310"])
    planned = institution.ask("progress_pct", "overtime_per_fte", planned="spring")
    frame = institution.questions_asked("en").set_index(["outcome"])

    assert (alone["says"], alone["about"]) == ("verdict.assoc.clear_neg", "Inspections, planned, kontor")
    assert frame.loc["goal:1.1", "says"] == "verdict.assoc.one_of_many"  # one of two now, and one without p counts
    assert frame.loc["goal:1.1", ["p_adjusted", "estimate", "lo", "hi", "margin"]].tolist() == [
        0.08,
        -1.5,
        -2.9,
        -0.1,
        2,
    ]
    own = frame.loc["kept_closed_pct"]
    assert own[["number", "of", "lag", "since", "until", "about"]].tolist() == [
        2,
        2,
        1,
        "2024-01",
        "2025-12",
        "Tilsyn Øst, Klager Øst",
    ]
    assert own["says"] == answered.verdict.key
    assert frame.loc["progress_pct", ["kind", "group", "number", "of"]].tolist() == ["planned", "spring", 1, 1]
    assert frame.loc["progress_pct", "p_adjusted"] == pytest.approx(planned.numbers["p"])
    assert repr(institution.questions_asked("en")).startswith("3 rows: questions asked of the figures, newest first\n")


def test_the_page_of_the_register_shows_number_question_estimate_both_p_and_what_can_be_said(institution):
    institution.note(institution.overtime_and_goals())
    institution.ask(*ASKED, margin=1, since="2024-01", question="Does it?")
    institution.ask(*ASKED, lag=1)
    quarter = register.read(institution.kept).hypotheses.popitem()[1].group
    for language, number, until in (
        ("en", f"2 of 2 in Q{quarter[-1]} {quarter[:4]}", "overtime the month before, to December 2025"),
        ("da", f"2 af 2 i {quarter[-1]}. kvt. {quarter[:4]}", "over-/merarbejde måneden før, til december 2025"),
    ):
        words = institution.words(language)
        exploratory, planned = (
            uncertain.register(institution.questions_asked(language), words, kind)
            for kind in ("exploratory", "planned")
        )
        page = uncertain.register_page(institution.questions_asked(language), words, "X", 1)

        first, second = exploratory.rows
        assert first[0] == number
        assert first[1].endswith(until)
        assert second[1].startswith("Does it? · ")
        assert (
            words.text(
                "register.per", size=words.text("quantity.pp", value=""), x_step=words.text("step.hours_per_fte")
            ).strip()
            in first[3]
        )
        assert len(planned.rows) == 12
        assert {row[0].split(" ", 4)[-1] for row in planned.rows} >= {
            words.text("register.goals", period=words.period("2025-12"))
        }
        assert all(
            words.text(f"register.{key}", n="1") in page for key in ("exploratory", "planned", "again", "damaged")
        )
        assert not re.search(r"\bnan\b|\bNone\b|register\.", page)
    empty = uncertain.register_page(institution.questions_asked().head(0), words, "X", 0)
    assert words.text("register.none") in empty


def test_a_margin_cannot_be_moved_after_the_answer(institution):
    institution.ask(*ASKED, margin=1)

    assert institution.ask(*ASKED, margin=5).numbers["margin"] == 1


def test_the_same_question_to_the_same_figures_is_one_whoever_reads_the_answer(institution):
    manager = replace(institution, released=replace(institution.released, audience="unit_manager"))

    assert institution.ask(*ASKED).place == manager.ask(*ASKED).place


def test_all_names_that_are_wrong_in_a_question_are_told_together(institution):
    with pytest.raises(WrongUse) as refused:
        institution.ask("kept_closd_pct", "overtim_per_fte", activity="A11")

    assert [str(problem).split(" Others")[0] for problem in refused.value.problems] == [
        "measure: 'kept_closd_pct' is not in the catalogue. Nearest: kept_closed_pct.",
        "measure: 'overtim_per_fte' is not in the catalogue. Nearest: overtime_per_fte.",
        "activity: 'A11' is not an activity. Nearest: A15.",
    ]


def test_a_lag_takes_the_exposure_of_an_earlier_month(institution):
    now, before = institution.ask(*ASKED), institution.ask(*ASKED, lag=1)
    exposures = {(unit, month): x for unit, month, x in now.points[["unit", "period_start", "exposure"]].to_numpy()}
    pairs = [
        (x, exposures.get((unit, str(pd.Timestamp(month) - pd.DateOffset(months=1))[:10])))
        for unit, month, x in before.points[["unit", "period_start", "exposure"]].to_numpy()
    ]

    assert before.numbers["estimate"] != now.numbers["estimate"]
    assert " over-/merarbejde måneden før" in before.said[0]
    assert [line for line in before.said if line.startswith("Sidste måneds")] == []
    assert " over-/merarbejde 3 måneder før" in institution.ask(*ASKED, lag=3).said[0]
    assert [pair for pair in pairs if pair[1] is not None and pair[0] != pair[1]] == []


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        (lambda d: d.ask("kept_closd_pct", "overtime_per_fte"), "measure: 'kept_closd_pct' is not in the catalogue. Nearest: kept_closed_pct."),
        (lambda d: d.ask("goal:9", "overtime_per_fte"), "outcome: 'goal:9' is not a goal."),
        (lambda d: d.ask(*ASKED, units=["2111"]), "unit: '2111' is not a unit."),
        (lambda d: d.ask(*ASKED, level="kontorer"), "level: 'kontorer' is not a level. Nearest: kontor."),
        (lambda d: d.ask("sick_pct", "overtime_per_fte", activity="A10"), "activity: 'sick_pct' exists for units only. Leave the activity out."),
        (lambda d: d.ask(*ASKED, margin=-1), "margin: is -1. Write a number from 0 up."),
        (lambda d: d.ask(*ASKED, lag=-1), "lag: is -1. Write a number from 0 up."),
        (lambda d: d.ask("kept_closed_pct", "clearance_pct"), "both contain closed, and closed_kept is not released by itself"),
        (lambda d: d.ask(*ASKED, since="2024-13"), "since: '2024-13' is not a month. Write one such as 2024-01."),
        (lambda d: d.ask(*ASKED, since="2026-01"), "No month of any unit has both measures"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_says_what_would_be_right(institution, asks: Callable, said: str):
    with pytest.raises(WrongUse) as error:
        asks(institution)

    assert said in str(error.value)


def test_too_few_units_or_months_are_a_verdict_and_no_error(institution):
    one, short = institution.ask(*ASKED, units=["2110"]), institution.ask(*ASKED, since="2025-12")

    assert (one.verdict.key, short.verdict.key) == ("verdict.assoc.insufficient",) * 2
    assert "p" not in one.numbers
    assert verdicts.spoken(one, institution.words("en"))[0].startswith(
        "There are too few observations (1 units; at least 6"
    )


def test_centres_can_be_asked_about_and_a_goals_degree_too(institution):
    centres = institution.ask("case_days_median", "overtime_per_fte", level="center")
    goal = institution.ask("goal:1.1", "overtime_per_fte")

    assert centres.numbers["k"] <= 5
    assert goal.outcome_name == "Andel afgjort inden for fristen"
    assert goal.points["outcome"].max() > 100


def test_an_institution_says_itself_what_is_asked_every_month(institution):
    standing = StandingQuestions(exposure="sick_days_per_fte", outcomes=["kept_due_pct"])
    asking = replace(
        institution, institution=institution.institution.model_copy(update={"standing_questions": standing})
    )
    wrong = institution.institution.model_copy(
        update={"standing_questions": StandingQuestions(outcomes=["kept_du_pct"])}
    )

    assert [(one.outcome, one.exposure) for one in asking.studied().goals] == [("kept_due_pct", "sick_days_per_fte")]
    with pytest.raises(WrongUse, match="kept_due_pct"):
        replace(institution, institution=wrong).studied()


def test_names_of_other_units_in_a_warning_are_not_handed_on(study):
    units = [one.values.get("what", OTHER_UNIT) for answer in study.for_unit("2110").goals for one in answer.warnings]

    assert set(units) <= {OTHER_UNIT, "2110"}
