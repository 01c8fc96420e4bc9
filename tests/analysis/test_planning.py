"""A plan's figures follow from each other, and its intervals hold."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.capacity import Ladder
from mi_analysis.analysis.planning import Scenario, plan

LADDER = Ladder()
PACE = {"A": 2.0, "B": 8.0, "C": 20.0}
LEVEL = {"A": 200, "B": 60, "C": 20}


def history(months=48, seed=1, moving=False, start="2020-01-01"):
    """Cases with a season and shocks in common (autocorrelation 0.6) or levels that move; hours per case vary by 8 %."""
    rng = np.random.default_rng(seed)
    shared, parts = np.zeros(months), []
    for month in range(1, months):
        shared[month] = 0.6 * shared[month - 1] + rng.normal(0, 0.06)
    for number, activity in enumerate(PACE):
        level = np.cumsum(rng.normal(0, 0.02, months)) if moving else shared
        season = 0.2 * np.sin(np.arange(months) * np.pi / 6 + number)
        cases = rng.poisson(LEVEL[activity] * np.exp(level + season))
        hours = cases * PACE[activity] * rng.lognormal(0, 0.08, months)
        day = pd.date_range(start, periods=months, freq="MS")
        parts.append(pd.DataFrame({"activity": activity, "period_start": day, "cases": cases, "hours": hours}))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def made():
    return plan(history(), LADDER, staffed=9.0, pay=600_000.0)


def test_means_add_up_over_activities_and_months(made):
    parts, whole = made.table.iloc[:-1], made.table.iloc[-1]

    assert whole["activity"] == "*"
    for name in ("cases_mean", "hours_mean", "fte_mean"):
        assert parts[name].sum() == pytest.approx(whole[name])
    assert made.months["hours_mean"].sum() == pytest.approx(whole["hours_mean"])
    assert made.months["period_start"].tolist()[0] == date(2024, 1, 1)


def test_staff_is_hours_over_net_hours_and_pay_is_staff_times_its_price(made):
    whole = made.table.iloc[-1]

    assert made.net_hours == pytest.approx(LADDER.net())
    assert whole["fte_p50"] == pytest.approx(whole["hours_p50"] / LADDER.net())
    assert whole["pay_p90"] == pytest.approx(whole["fte_p90"] * 600_000)


def test_the_plan_is_near_the_truth_and_narrower_than_the_sum_of_its_parts(made):
    whole, parts = made.table.iloc[-1], made.table.iloc[:-1]
    truth = 12 * sum(PACE[a] * LEVEL[a] for a in PACE)

    assert whole["hours_p10"] < truth * 1.05
    assert whole["hours_p90"] > truth * 0.95
    assert whole["hours_p90"] - whole["hours_p10"] < (parts["hours_p90"] - parts["hours_p10"]).sum()


def test_the_dependence_between_activities_is_stated(made):
    assert made.method == Sentence(
        "method.plan", {"dependence": "joint_months", "draws": 4000, "seasonal": True, "n": 48}
    )


def test_activities_that_move_together_have_a_wider_sum_than_activities_on_their_own():
    joint = history()
    apart = joint.assign(period_start=joint["period_start"])
    for number, activity in enumerate(PACE):
        rows = apart["activity"] == activity
        apart.loc[rows, ["cases", "hours"]] = history(seed=10 + number).loc[rows, ["cases", "hours"]].to_numpy()

    def ratio(table):
        widths = plan(table, LADDER, draws=2000).table.pipe(lambda t: t["hours_p90"] - t["hours_p10"])
        return widths.iloc[-1] / np.sqrt((widths.iloc[:-1] ** 2).sum())

    assert ratio(joint) > ratio(apart)


def test_staffing_is_judged_by_the_share_of_paths_it_suffices_for(made):
    ((key, values),) = made.verdict
    whole = made.table.iloc[-1]

    assert key == "verdict.plan.staffed"
    expected = [whole["fte_p50"], whole["fte_p10"], whole["fte_p90"], 9.0, made.shortage]
    assert [values[name] for name in ("fte", "lo", "hi", "staffed", "shortage")] == pytest.approx(expected)
    assert plan(history(), LADDER, staffed=whole["fte_p90"]).shortage == pytest.approx(0.1, abs=0.001)
    assert plan(history(), LADDER, staffed=1000.0).verdict[0].key == "verdict.plan.suffices"


def test_scenarios_move_the_plan_as_they_say():
    base = plan(history(), LADDER).table.iloc[-1]
    more = plan(history(), LADDER, scenario=Scenario(demand={"*": 1.1})).table.iloc[-1]
    slower = plan(history(), LADDER, scenario=Scenario(hours_per_case={"*": 1.1})).table.iloc[-1]
    sick = plan(history(), LADDER, scenario=Scenario(sick_days=1)).table.iloc[-1]
    backlog = plan(history(), LADDER, scenario=Scenario(backlog={"C": 60}, backlog_months=6)).table.iloc[-1]

    assert more["hours_p50"] == pytest.approx(1.1 * base["hours_p50"])
    assert slower["hours_p50"] == pytest.approx(1.1 * base["hours_p50"])
    assert sick["fte_p50"] == pytest.approx(base["fte_p50"] * LADDER.net() / (LADDER.net() - 7.4))
    assert backlog["cases_mean"] == pytest.approx(base["cases_mean"] + 60)
    assert backlog["hours_mean"] - base["hours_mean"] == pytest.approx(60 * PACE["C"], rel=0.1)


def test_uncertain_sick_leave_widens_the_need_for_staff():
    sure, unsure = (plan(history(), Ladder(sick_days_sd=sd)).table.iloc[-1] for sd in (0.0, 12.0))

    assert unsure["fte_p90"] - unsure["fte_p10"] > sure["fte_p90"] - sure["fte_p10"]
    assert unsure["hours_p90"] == pytest.approx(sure["hours_p90"], rel=0.02)


def test_the_backtest_shows_how_earlier_plans_would_have_fared(made):
    assert made.backtest.origins == 5
    assert 0.6 <= made.backtest.coverage_months <= 0.95
    assert made.backtest.mase < 1.1
    assert plan(history(30), LADDER).backtest is None


def test_the_same_seed_gives_the_same_plan_and_the_order_of_rows_does_not_matter(made):
    again = plan(history().sample(frac=1, random_state=1), LADDER, staffed=9.0, pay=600_000.0)

    pd.testing.assert_frame_equal(again.table, made.table)


def test_a_later_start_leaves_out_the_months_before_it():
    later = plan(history(), LADDER, start=date(2024, 7, 1), months=6)

    assert later.months["period_start"].tolist()[0] == date(2024, 7, 1)
    assert len(later.months) == 6
    assert later.table.iloc[-1]["fte_p50"] == pytest.approx(later.table.iloc[-1]["hours_p50"] / (LADDER.net() / 2))


def test_under_two_years_no_season_is_known_and_that_is_told():
    made = plan(history(18), LADDER, draws=300)

    assert Sentence("warning.plan.no_season", {"n": 18, "n_min": 24}) in made.warnings
    assert Sentence("warning.plan.not_backtested", {"n": 18, "n_min": 36}) in made.warnings


def test_missing_months_are_missing_and_not_zero():
    table = history()
    whole = plan(table, LADDER, draws=1000).table.iloc[-1]["hours_p50"]
    made = plan(table.drop(index=[5, 60]), LADDER, draws=1000)

    assert made.table.iloc[-1]["hours_p50"] == pytest.approx(whole, rel=0.05)
    assert Sentence("warning.plan.missing_months", {"n": 2}) in made.warnings


def test_few_cases_and_months_without_any_are_planned_too():
    table = history().assign(cases=lambda t: t["cases"] // 15, hours=lambda t: t["hours"] / 15)
    made = plan(table, LADDER, draws=1000).table.iloc[-1]

    assert made["hours_p10"] < table["hours"].sum() / 4 < made["hours_p90"]


@pytest.mark.long
def test_80_per_cent_intervals_cover_75_to_85_per_cent():
    inside = []
    for seed in range(300):
        for months in (30, 48):
            for moving in (False, True):
                table = history(months + 12, seed, moving)
                known = table["period_start"] < table["period_start"].min() + pd.DateOffset(months=months)
                whole = plan(table[known], LADDER, draws=500).table.iloc[-1]
                inside.append(whole["hours_p10"] <= table.loc[~known, "hours"].sum() <= whole["hours_p90"])

    assert 0.75 <= np.mean(inside) <= 0.85


@pytest.mark.parametrize(("table", "options", "message"), [
    (history(2), {}, "The history has 2 months; a plan needs at least 12, and 24 to know the season."),
    (pd.concat([history(), history().head(1)]), {},
     "1 rows repeat a key; there must be one row per activity x period_start."),
    (history().assign(cases=-1), {},
     "Cases and hours must not be negative; a correction belongs in the period it corrects."),
    (history().assign(cases=np.inf), {}, "cases has 144 infinite values; a ratio over zero is blank, never infinite."),
    (history().assign(cases=np.nan), {},
     "A has 0 months with cases and hours; at least 6 are needed."),
    (history().assign(hours=0), {},
     "A has 0 months with cases and hours; at least 6 are needed."),
    (history(), {"scenario": Scenario(demand={"D": 2})}, "The scenario names D; known are A, B, C."),
    (history(), {"start": date(2023, 1, 1)},
     "start must lie after the history, and months be 1 to 60."),
])  # fmt: skip
def test_bad_input_is_refused_with_what_would_be_right(table, options, message):
    with pytest.raises(BadInput) as caught:
        plan(table, LADDER, **options)

    assert str(caught.value) == message
