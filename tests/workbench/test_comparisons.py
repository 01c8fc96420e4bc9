"""Units beside each other and the work ahead, on Eksempelstyrelsen: what was planted comes out, and sums hold."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from mi_analysis.model.schema import ALL
from mi_analysis.reporting import comparisons, durations
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench import Desk, desk
from mi_analysis.workbench.door import desk_on


@pytest.fixture(scope="module")
def institution(prepared) -> Desk:
    return desk_on(prepared, prepared.root, "2025-12-01")


@pytest.fixture(scope="module")
def ahead(institution):
    return institution.work_ahead()


def test_crude_and_mix_adjusted_hours_per_case_part_ways_where_the_trap_is(institution, truth):
    table = institution.case_mix().table.set_index("unit")
    quick_looking, quick = truth.mix_trap

    assert table.loc[quick_looking, "crude"] < table.loc[quick, "crude"]
    assert table.loc[quick_looking, "adjusted"] > table.loc[quick, "adjusted"]
    assert table.loc[[quick_looking, quick], "ratio"].to_list() == pytest.approx([1.10, 0.90], abs=0.03)
    assert table.loc[quick, "high"] < 1 < table.loc[quick_looking, "low"]


@pytest.mark.parametrize("words", [Words("da"), Words("en")])
def test_the_sentences_name_both_units_of_the_trap_on_the_right_side_and_the_changed_order(institution, truth, words):
    more, fewer, *rest = comparisons.mix_sentences(institution.case_mix(), words, institution.unit_label)
    quick_looking, quick = map(institution.unit_label, truth.mix_trap)

    assert [quick_looking in more, quick in more, quick_looking in fewer, quick in fewer] == [True, False, False, True]
    assert rest == [words.text("warning.mix.order_changes")]


def test_a_unit_beside_all_is_what_the_comparison_of_all_units_says_of_it(institution, truth):
    table = institution.case_mix().table.set_index("unit")

    for unit in truth.mix_trap:
        own = replace(institution, unit=unit).mix_of_unit()
        whole = own.iloc[-1]

        assert whole["activity"] == ALL
        assert (100 * table.loc[unit, ["ratio", "low", "high"]]).to_list() == pytest.approx(
            whole[["ratio", "low", "high"]].to_list(), rel=0.01
        )
        assert (own["ratio"] / 100 * own["all"]).to_list() == pytest.approx(own["own"].to_list())
    assert institution.mix_of_unit().empty


def test_a_unit_beside_all_says_which_side_its_interval_lies_on(institution, truth):
    said = []
    for unit in truth.mix_trap:
        rows = replace(institution, unit=unit).mix_of_unit()
        said.append(comparisons.unit_mix(rows, "Enheden", Words("da"), institution.activity_label).html)

    assert "Enheden bruger flere timer pr. sag end alle enheder under ét" in said[0]
    assert "Enheden bruger færre timer pr. sag end alle enheder under ét" in said[1]
    assert comparisons.unit_mix(institution.mix_of_unit(), "", Words("da"), str) is None


def test_units_sum_to_the_institution(institution):
    frame, states = institution.reconciled()

    assert list(frame["measure"]) == ["registered_hours", "actual", "budget", "received", "closed"]
    assert frame.loc[~frame.index.isin([row for row, _ in states]), "difference"].abs().max() == 0
    assert frame.loc[1, "total"] == institution.value("actual", window="ytd")[0]


def test_months_of_units_stand_in_order_of_name(institution):
    frame = institution.months_of_units("kept_due_pct")

    names = list(dict.fromkeys(frame["unit"]))
    assert names == sorted(names, key=Words("da").sort_key)
    assert set(frame.groupby("unit")["period_start"].nunique()) == {24}


def test_counts_of_the_mix_are_the_units_own(institution):
    rows = institution.work()
    year = rows.groupby("unit")[["cases", "hours"]].sum()
    stated = institution.case_mix().table.set_index("unit")[["cases", "hours"]]

    pd.testing.assert_frame_equal(stated, year.loc[stated.index], check_names=False, check_index_type=False)
    assert rows["period_start"].nunique() == 12


def test_one_activity_compares_the_units_that_have_it(institution):
    mix = institution.case_mix("A20").table

    assert set(mix["unit"]) == {"2210", "2220", "2230", "2240"}
    assert mix["crude"].to_list() == pytest.approx(mix["adjusted"].to_list())


def test_the_funnel_counts_the_cases_that_the_share_is_of(institution):
    measure, made = institution.in_time_funnel()
    rows = made.table.set_index("unit")
    share, _ = institution.value(measure, unit="2210", window="r12")
    counted, _ = institution.value("closed_due", unit="2210", window="r12")

    assert measure == "kept_closed_pct"
    assert rows.loc["2210", "denominator"] == counted
    assert 100 * rows.loc["2210", "rate"] == pytest.approx(share)
    assert set(rows.index) == {
        u for u in institution.leaves() if institution.value("closed_due", unit=u, window="r12")[0]
    }


def test_units_that_differ_more_than_chance_have_wider_limits_and_are_not_ranked(institution):
    _, made = institution.in_time_funnel()
    said = comparisons.in_words(
        [*made.verdict, *made.warnings], Words("en"), institution.unit_label, {"centre": "share"}
    )

    assert made.adjusted
    assert said[0] == "The difference between the units may be due to chance; they are therefore not ranked."
    assert said[1].startswith("The units differ by more than chance in general (")
    assert comparisons.funnel(made, "kept_closed_pct", Words("da"), institution.unit_label).rows


def test_productivity_with_the_mix_held_still_times_the_mix_is_the_crude_index(institution):
    row = institution.mix_change().table.iloc[-1]
    values = institution.work(24, unit=institution.root)
    late = values["period_start"] > institution.last_year
    crude = [values.loc[rows, "cases"].sum() / values.loc[rows, "hours"].sum() for rows in (late, ~late)]

    assert row["crude_cases_per_hour_index"] == pytest.approx(crude[0] / crude[1])
    assert row["crude_cases_per_hour_index"] == pytest.approx(
        row["productivity_fisher"] * row["mix_effect"] * row["turnover"]
    )


def test_the_plan_needs_about_what_the_last_year_took(institution, ahead):
    table = ahead.plan.table.set_index("activity")
    worked = institution.work(unit=institution.root).groupby("activity")["hours"].sum()

    assert table.loc["*", "hours_p50"] == pytest.approx(worked.sum(), rel=0.1)
    assert set(table.index) == {*worked.index, "*"}
    assert ahead.staffed == pytest.approx(ahead.fte - ahead.uncounted_hours / ahead.plan.net_hours)


def test_net_hours_follow_the_institutions_parameters_and_next_years_calendar(institution):
    ladder = institution.ladder()

    assert ladder.public_holidays == 7  # 2026: 261 weekdays, 254 working days
    assert ladder.net() == pytest.approx((1924 - (25 + 5 + 7 + 8 + 2) * 7.4) * 0.9)


def test_each_scenario_changes_what_it_says(ahead):
    rows = ahead.scenarios.set_index("scenario")
    base = rows.loc["base", "fte_p50"]

    assert rows.loc["demand", "fte_p50"] == pytest.approx(1.1 * base, rel=0.01)
    assert 0 < rows.loc["sick", "more"] < 0.02 * base
    assert rows.loc["backlog", "more"] > 0
    assert rows.loc["base", "more"] == 0


def test_a_units_plan_with_too_few_hours_gives_way_where_no_goal_is(prepared):
    unit = desk_on(prepared, "2140", "2025-12-01")
    found = unit.work_ahead()
    table = unit.priority(found, {"A10": 40}, cut=0.2).table.set_index("activity")

    assert table.loc["A10", "goal_degree"] == pytest.approx(1)
    assert table.loc["A15", "unmet"] > 0
    assert pd.isna(table.loc["A15", "goal_degree"])


def test_without_counted_cases_there_is_no_plan(prepared):
    assert desk_on(prepared, "2920", "2025-12-01").work_ahead() is None


def test_hidden_hours_are_counted_and_not_in_the_comparison(institution):
    states = institution.released.states
    hidden = replace(institution.released, states=pd.concat([states, pd.DataFrame([
        {"unit": "2110", "activity": ALL, "period_start": institution.at, "grain": "month", "window": "month", "measure": "registered_hours",
         "state": "hidden", "reason": "few_persons"}])]))  # fmt: skip

    assert replace(institution, released=hidden).hidden_hours() == institution.hidden_hours() + 1


@pytest.mark.parametrize("words", [Words("da"), Words("en")])
def test_plan_scenarios_and_priority_can_be_printed(institution, ahead, words):
    name = institution.activity_label
    first = institution.priority(ahead)
    shown = [
        comparisons.plan_table(ahead.plan, words, name), comparisons.ladder(ahead.plan, words), comparisons.plan_months(ahead.plan, words, "x"),
        comparisons.scenarios(ahead.scenarios, words, sick_days="2", demand="10", backlog="50", months="12"),
        comparisons.priority(first, words, name), comparisons.mix_index(institution.mix_change(), words),
        comparisons.mix(institution.case_mix(), words, institution.unit_label),
    ]  # fmt: skip
    said = [
        *comparisons.ahead(ahead.plan, ahead.uncounted_hours, ahead.fte, ahead.staffed, words, ["A60"]),
        *comparisons.priority_answer(first, words),
    ]

    assert [one.key for one in shown] == ["plan", "ladder", "plan_months", "scenarios", "priority", "mix_index", "mix"]
    assert [text for text in said if "{" in text or "nan" in text or "None" in text] == []


@pytest.mark.parametrize("activity", ["", "A10", "A30"])
def test_days_to_finish_count_the_cases_that_were_closed_and_are_open(institution, activity):
    made = institution.days_to_finish(activity).table.set_index("group")
    logged = {
        one: institution.value(one, activity=activity, window=span)[0]
        for one, span in (("closed", "r12"), ("open_cases", "month"))
    }
    counted = {
        one: institution.value(one, activity="A40", window=span)[0]
        for one, span in (("closed", "r12"), ("open_cases", "month"))
    }
    if not activity:  # guidance is delivered as counts, without cases
        logged = {one: logged[one] - counted[one] for one in logged}

    assert made.loc["now", "closed"] == pytest.approx(logged["closed"], abs=2)
    assert made.loc["now", "open"] == logged["open_cases"]
    assert made.loc["now", "q50"] >= made.loc["now", "closed_median"]


def test_units_are_beside_each_other_and_differ_where_they_were_made_to(institution):
    made = institution.days_to_finish("A20", by="unit")

    assert list(made.table["group"]) == ["2210", "2220", "2230", "2240", "*"]
    assert made.verdict[0].key == "verdict.compare.durations_differ"
    assert made.table["mean_to"].between(made.table["mean_to_low"], made.table["mean_to_high"]).all()


@pytest.mark.parametrize("words", [Words("da"), Words("en")])
def test_what_is_said_of_days_to_finish_has_its_reservation_after_each_claim(institution, words):
    over_time, beside = institution.days_to_finish("A10"), institution.days_to_finish("A10", by="unit")
    said = durations.finished_in_words(over_time, words)
    of_units = durations.finished_by_unit_in_words(beside, words, institution.unit_label)
    reservation = words.text("verdict.durations.reservation")
    drawn = [
        durations.finished(over_time, words, "x"),
        durations.finished_by_unit(beside, words, institution.unit_label),
    ]

    assert over_time.verdict[0].key == "verdict.durations.later"
    assert said[3] == of_units[1] == reservation
    assert [text for text in said + of_units if re.search(r"[{}]|\bnan\b|= <", text)] == []
    assert [figure.key for figure in drawn] == ["finished", "finished_by_unit"]
    assert "()" not in drawn[0].alternative


def test_a_slice_has_the_same_days_to_finish_and_no_other_units(prepared, tmp_path):
    prepared.slice(tmp_path / "s", "2110", "", "2025-12")
    sliced, live = desk(str(tmp_path / "s")), desk_on(prepared, "2110", "2025-12-01")

    pd.testing.assert_frame_equal(sliced.days_to_finish().table, live.days_to_finish().table)
    assert set(sliced.ages()["unit"]) == {"2110", prepared.root}


def test_an_earlier_month_is_told_as_it_stood_then(prepared):
    then = desk_on(prepared, prepared.root, "2025-06-01").days_to_finish("A30").table.set_index("group")

    assert (
        then.loc["now", "open"] == desk_on(prepared, prepared.root, "2025-06-01").value("open_cases", activity="A30")[0]
    )


def test_a_unit_without_cases_has_no_days_to_finish(prepared):
    assert desk_on(prepared, "2920", "2025-12-01").days_to_finish() is None
