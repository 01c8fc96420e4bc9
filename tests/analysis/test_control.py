"""Control charts against NHSRplotthedots, and by what must be true of any chart."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.control import control_chart
from mi_analysis.analysis.signals import run_chart_limits, run_chart_shows_change, signals

CASES = ["spc_neutral", "spc_six_vs_seven_trend", "spc_outlier_not_screened", "spc_rebased"]
NHS_CASES = ["spc_nhs_RR1", "spc_nhs_RR1_noscreen", "spc_nhs_RR1_fix12"]  # open data that the project does not pass on
DIRECTION = {"increase": "higher", "decrease": "lower", "neutral": "neutral"}
CAUSE = {
    ("beyond_limit", 1): "Above UCL",
    ("beyond_limit", -1): "Below LCL",
    ("trend", 1): "7 Point Trend (Increasing)",
    ("trend", -1): "7 Point Trend (Decreasing)",
    ("two_of_three", 1): "2 in 3 Above CL",
    ("two_of_three", -1): "2 in 3 Below CL",
    ("shift", 1): "7 Points Above CL",
    ("shift", -1): "7 Points Below CL",
}


CALM = 4  # a seed whose noise has no signal


def months(values, start="2020-01"):
    return pd.DataFrame({"period_start": pd.date_range(start, periods=len(values), freq="MS"), "value": values})


def noise(n, seed=1):
    return np.random.default_rng(seed).normal(50, 5, n)


def series_of(folder, file="series.csv"):
    table = pd.read_csv(folder / file)
    return pd.DataFrame({"period_start": pd.to_datetime(table["month"]), "value": table["value"]})


def options_of(case, series):
    options = json.loads(case["task"].split("Options for this case: ")[1].split("}")[0] + "}")
    target = [float(part.split(";")[0]) for part in case["task"].split("Target ")[1:]]
    rebase = [options["rebase_at_point"]] if "rebase_at_point" in options else []
    return {
        "direction": DIRECTION[options["improvement"]],
        "screen": options["screen_outliers"],
        "baseline": options.get("fix_after_n_points"),
        "rebase_at": [(series["period_start"][at - 1].date(), "known change") for at in rebase],
        "target": target[0] if target else None,
    }


def answers(chart):
    """The chart's numbers under the names of the reference cases."""
    got = {"assurance.target": chart.target, "assurance.value": chart.assurance}
    flagged = chart.table[chart.table["cause"] != ""]
    got["n_flagged"] = len(flagged)
    for number, segment in enumerate(chart.segments):
        rows = chart.table[chart.table["segment"] == number]
        first = rows.iloc[0]
        got |= {f"segments[{number}].{name}": first[column] for name, column in LIMITS.items()}
        got[f"segments[{number}].first_point"] = rows.index[0] + 1
        assert first["period_start"] == segment.start
    for at, row in flagged.iterrows():
        got[f"point_{at + 1:02}.cause"] = CAUSE[row["cause"], row[row["cause"]]]
        got[f"point_{at + 1:02}.type"] = row["variation"]
    return got


LIMITS = {"mean": "centre", "lpl": "lower", "upl": "upper"}


def agree(folder):
    case = json.loads((folder / "case.json").read_text("utf-8"))
    series = series_of(folder)
    got = answers(control_chart(series, **options_of(case, series)))
    for expected in case["expected"]:
        if isinstance(expected["value"], str):
            assert got[expected["name"]] == expected["value"], expected["name"]
        else:
            tolerance = {"rel": expected["rtol"], "abs": expected["atol"]}
            assert got[expected["name"]] == pytest.approx(expected["value"], **tolerance), expected["name"]
    return len(case["expected"])


@pytest.mark.parametrize("name", CASES)
def test_limits_signals_and_assurance_are_those_of_nhsrplotthedots(name, reference):
    assert agree(reference / name) >= 11


@pytest.mark.shared
@pytest.mark.parametrize("name", NHS_CASES)
def test_so_are_those_of_the_accident_and_emergency_series_of_27_months(name, shared):
    folder = next(path for path in (shared / name, shared / "data" / "reference" / name) if path.exists())

    assert agree(folder) >= 37
    assert len(series_of(folder)) == 27


@pytest.mark.parametrize(("file", "screen", "key"), [
    ("series.csv", True, "series"),
    ("series_outlier.csv", True, "series_outlier_screened"),
    ("series_outlier.csv", False, "series_outlier_unscreened"),
])  # fmt: skip
def test_limits_are_those_printed_in_the_tests_of_nhsrplotthedots(file, screen, key, reference):
    folder: Path = reference / "spc_published_normal20"
    first = control_chart(series_of(folder, file), direction="neutral", screen=screen).table.iloc[0]

    expected = {e["name"]: e for e in json.loads((folder / "case.json").read_text("utf-8"))["expected"]}
    for name, column in LIMITS.items():
        assert first[column] == pytest.approx(expected[f"{key}.{name}"]["value"], abs=1e-6)


@pytest.mark.parametrize(("values", "rule", "flagged"), [
    ([], "shift", []),
    ([1] * 6, "shift", []),
    ([1] * 7, "shift", [0, 1, 2, 3, 4, 5, 6]),
    ([-1] * 8, "shift", [0, 1, 2, 3, 4, 5, 6, 7]),
    ([1, 1, 1, 0, 1, 1, 1], "shift", []),
    ([1, 2, 3, 4, 5, 6], "trend", []),
    ([1, 2, 3, 4, 5, 6, 7], "trend", [0, 1, 2, 3, 4, 5, 6]),
    ([1, 2, 3, 4, 4, 5, 6, 7], "trend", []),
    ([1, 7, 7], "two_of_three", [1, 2]),
    ([7, 1, 7], "two_of_three", [0, 2]),
    ([7, -1, 7], "two_of_three", []),
    ([7, 11, 1], "two_of_three", []),
    ([10, 0, -10], "beyond_limit", []),
    ([10.1, 0, -10.1], "beyond_limit", [0, 2]),
])  # fmt: skip
def test_each_rule_flags_what_it_says_and_nothing_else(values, rule, flagged):
    found = signals(np.array(values, dtype=float), 0.0, -10.0, 10.0)[rule]

    assert np.flatnonzero(found).tolist() == flagged


def test_limits_are_wider_without_screening_and_the_mean_is_the_same():
    values = noise(24)
    values[10] += 60
    screened, unscreened = (control_chart(months(values), direction="neutral", screen=s).table for s in (True, False))

    assert (unscreened["upper"] > screened["upper"]).all()
    assert (unscreened["centre"] == screened["centre"]).all()


def test_the_order_of_rows_and_the_table_given_do_not_change():
    series = months(noise(24))
    shuffled = series.sample(frac=1, random_state=1)
    before = shuffled.copy()

    pd.testing.assert_frame_equal(
        control_chart(shuffled, direction="neutral").table, control_chart(series, direction="neutral").table
    )
    pd.testing.assert_frame_equal(shuffled, before)


@pytest.mark.parametrize("blank", [True, False])
def test_a_missing_month_breaks_a_run_and_takes_no_moving_range(blank):
    series = months([9.0, 11.0] * 6 + [8.0, 8.5, 9.0, 9.5, 10.0, 10.5, 11.0, 11.5, 9.0, 10.0])
    series.loc[15, "value"] = np.nan
    chart = control_chart(series if blank else series.dropna(), direction="neutral")

    whole = control_chart(series.assign(value=series["value"].fillna(9.5)), direction="neutral")
    assert (whole.table["trend"] != 0).any()
    assert not (chart.table["trend"] != 0).any()
    assert Sentence("warning.spc.gap", {"n": 1}) in chart.warnings
    ranges = series["value"].diff().abs().dropna()
    assert chart.table["upper"].iloc[0] - chart.table["centre"].iloc[0] == pytest.approx(2.66 * ranges.mean())


def test_a_stable_series_is_said_to_be_stable_with_its_level():
    chart = control_chart(months(noise(24, seed=CALM)), direction="lower", target=80)

    last = chart.table.iloc[-1]
    level = {
        "period": (date(2020, 1, 1), date(2021, 12, 1)),
        "month": date(2021, 12, 1),
        "value": last["value"],
        "centre": last["centre"],
        "lcl": last["lower"],
        "ucl": last["upper"],
    }
    assert chart.verdict == (Sentence("verdict.spc.stable", level),)
    assert (chart.variation, chart.assurance) == ("common_cause", "consistent_pass")


def test_a_latest_month_outside_the_limits_is_named():
    values = noise(24, seed=CALM)
    values[-1] = 90
    chart = control_chart(months(values), direction="lower")

    key, level = chart.verdict[0]
    assert key == "verdict.spc.point"
    assert level["month"] == date(2021, 12, 1)
    assert chart.variation == "special_cause_concern"


def test_an_earlier_month_outside_the_limits_is_named_too_and_the_latest_is_ordinary():
    values = noise(24, seed=CALM)
    values[5] = 90
    chart = control_chart(months(values), direction="lower")

    key, level = chart.verdict[0]
    assert key == "verdict.spc.point"
    assert level["month"] == date(2020, 6, 1)
    assert chart.variation == "common_cause"


def test_a_shift_tells_how_long_on_which_side_and_from_when():
    chart = control_chart(months([50, 52, 48] * 5 + [55] * 8), direction="higher", baseline=15)

    shift = {"run": 8, "side": "above", "centre": 50.0, "start": date(2021, 4, 1)}
    assert Sentence("verdict.spc.shift", shift) in chart.verdict


def test_seven_rising_months_are_told_as_such():
    chart = control_chart(months([50, 56, 44, 52, 47, 45, 55] * 2 + [47, 48, 49, 50, 51, 52, 53]), direction="neutral")

    assert chart.verdict == (Sentence("verdict.spc.trend", {"run": 7, "way": "rising"}),)


def test_under_12_months_there_are_trial_limits_and_no_signals():
    chart = control_chart(months([*noise(10), 500.0]), direction="neutral")

    assert chart.verdict == (Sentence("verdict.spc.too_short", {"n": 11, "n_min": 12}),)
    assert Sentence("warning.spc.trial_limits", {"start": date(2020, 1, 1), "n": 11, "n_min": 12}) in chart.warnings
    assert chart.table["upper"].notna().all()
    assert (chart.table["cause"] == "").all()
    assert chart.variation == ""


def test_a_new_level_is_told_with_its_cause():
    chart = control_chart(
        months([*noise(12), *(noise(12, 2) + 30)]),
        direction="neutral",
        rebase_at=[(date(2021, 1, 1), "merger")],
    )

    assert chart.verdict[-1] == Sentence("verdict.spc.rebased", {"start": date(2021, 1, 1), "reason": "merger"})
    assert [segment.start for segment in chart.segments] == [date(2020, 1, 1), date(2021, 1, 1)]


def test_a_constant_series_has_no_limits_and_no_verdict():
    chart = control_chart(months([100.0] * 24), direction="neutral", target=90)

    assert chart.warnings == (Sentence("warning.spc.constant", {"value": 100.0}),)
    assert chart.table[["lower", "upper"]].isna().all(axis=None)
    assert (chart.verdict, chart.variation, chart.assurance) == ((), "", "")


def test_two_months_are_drawn_and_said_to_be_too_few():
    chart = control_chart(months([1.5, 2.5]), direction="neutral")

    assert chart.verdict == (Sentence("verdict.spc.too_short", {"n": 2, "n_min": 12}),)


def test_a_rolling_mean_of_noise_would_alarm_and_the_chart_warns_of_likeness():
    rolling = pd.Series(noise(60)).rolling(12).mean().dropna()

    keys = [said.key for said in control_chart(months(rolling.to_numpy()), direction="neutral").warnings]
    assert "warning.spc.autocorrelation" in keys


def test_limits_are_drawn_inside_the_bounds_and_signals_judged_outside_them():
    chart = control_chart(months(np.minimum(noise(24) + 45, 100)), direction="higher", bounds=(0, 100))

    assert (chart.table["upper_drawn"] == 100).all()
    assert (chart.table["upper"] > 100).all()
    assert "warning.spc.near_bound" in [said.key for said in chart.warnings]


def test_a_season_is_warned_of_and_can_be_taken_out():
    values = noise(48) + 20 * np.sin(np.arange(48) * np.pi / 6)
    plain = control_chart(months(values), direction="neutral")
    adjusted = control_chart(months(values), direction="neutral", seasonal=True)

    assert "warning.spc.season" in [said.key for said in plain.warnings]
    assert adjusted.table["observed"].to_numpy() == pytest.approx(values)
    assert adjusted.table["value"].std() < 0.5 * plain.table["value"].std()


def test_taking_out_a_season_that_is_not_there_does_not_raise_the_alarms():
    charts = {
        seasonal: [
            control_chart(months(noise(48, seed)), direction="neutral", seasonal=seasonal).variation != "common_cause"
            for seed in range(60)
        ]
        for seasonal in (False, True)
    }

    assert sum(charts[True]) <= sum(charts[False]) + 4


def test_a_share_is_judged_by_its_counts_and_by_its_own_variation():
    rng = np.random.default_rng(5)
    base = np.full(36, 400)
    chance = months(rng.binomial(400, 0.8, 36)).assign(denominator=base)
    restless = months(rng.binomial(400, np.clip(0.8 + rng.normal(0, 0.08, 36), 0, 1))).assign(denominator=base)
    calm, wide = (control_chart(t, direction="higher", kind="p").table for t in (chance, restless))

    expected = chance["value"].sum() / base.sum()
    assert calm["centre"].iloc[0] == pytest.approx(expected)
    assert calm["upper"].iloc[0] - expected >= 3 * np.sqrt(expected * (1 - expected) / 400) - 1e-12
    assert wide["upper"].iloc[0] - wide["centre"].iloc[0] > 2 * (calm["upper"].iloc[0] - expected)


def test_limits_of_a_rate_follow_its_denominator_and_a_zero_denominator_is_a_gap():
    table = months([4, 5, 3, 6, 2, 4, 5, 3, 8, 9, 7, 8, 1]).assign(denominator=[100.0] * 8 + [200.0] * 4 + [0.0])
    chart = control_chart(table, direction="neutral", kind="u")

    assert chart.table["upper"].iloc[0] > chart.table["upper"].iloc[9]
    assert chart.table["value"].isna().iloc[-1]
    assert Sentence("warning.spc.no_denominator", {"n": 1}) in chart.warnings


@pytest.mark.parametrize(("change", "options", "message"), [
    (lambda t: pd.concat([t, t.head(1)]), {}, "1 rows repeat a key; there must be one row per period_start."),
    (lambda t: t.replace(t["value"][3], np.inf), {},
     "value has 1 infinite values; a ratio over zero is blank, never infinite."),
    (lambda t: t.drop(columns="value"), {}, "The table lacks value; it has period_start."),
    (lambda t: t.head(0), {}, "The table has no rows; at least one is needed."),
    (lambda t: t.head(1), {}, "The series has 1 months with a value; a chart needs at least 2."),
    (lambda t: t.assign(value="x"), {}, "value holds something that is not a number; every value must be one, or blank."),
    (lambda t: t.assign(window="r12"), {},
     "The series holds rolling values; limits and signals are computed on each period's own value."),
    (lambda t: t, {"direction": "up"},
     "direction is 'up'; it must be one of higher, lower, neutral."),
    (lambda t: t, {"kind": "c"}, "kind is 'c'; it must be xmr, p or u."),
    (lambda t: t, {"baseline": 5}, "baseline is 5; it must be at least 12 points."),
    (lambda t: t, {"rebase_at": [(date(2020, 5, 1), " ")]},
     "A new level needs its first month and the cause, such as (date(2025, 1, 1), 'merger')."),
    (lambda t: t, {"rebase_at": [(date(2031, 5, 1), "merger")]},
     "The new level starts 2031-05-01; it must lie inside the series, after its first month."),
    (lambda t: t, {"seasonal": True}, "A season can be taken out of 36 or more unbroken months of kind xmr, not of 24."),
    (lambda t: t.assign(denominator=10.0), {"kind": "p"},
     "Counts must lie between 0 and, for kind p, their denominator."),
])  # fmt: skip
def test_bad_input_is_named_with_what_would_be_right(change, options, message):
    with pytest.raises(BadInput) as caught:
        control_chart(change(months(noise(24))), **{"direction": "neutral"} | options)

    assert str(caught.value) == message


def test_section_13_a_run_chart_of_24_points_signals_past_a_run_of_8_or_under_8_crossings():
    assert run_chart_limits(24) == (8, 8)


def test_a_run_chart_tells_a_lasting_change_from_alternation():
    alternating = np.tile([1.0, 2.0], 12)
    changed = np.r_[np.tile([1.0, 1.5], 6), np.tile([3.0, 3.5], 6)]

    assert not run_chart_shows_change(alternating)
    assert run_chart_shows_change(changed)


def test_a_run_chart_of_few_points_is_refused():
    with pytest.raises(BadInput) as told:
        run_chart_shows_change(np.array([1.0, 2.0, 3.0]))

    assert str(told.value) == "2 points lie off the median; a run chart needs at least 12."
