"""Trend and two units: against R and statsmodels, and on data with a known answer."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.productivity import compare_units, trend

TREND = 0.05  # a year, on the log scale


def panel(units=12, months=36, slope=TREND, seed=1, shared=0.0):
    """Poisson cases with lasting unit differences, a season, and shocks that all units share (autocorrelation 0.6)."""
    rng = np.random.default_rng(seed)
    shock = np.zeros(months)
    for month in range(1, months):
        shock[month] = 0.6 * shock[month - 1] + rng.normal(0, shared)
    table = pd.MultiIndex.from_product(
        [[f"U{i:03}" for i in range(units)], pd.date_range("2021-01-01", periods=months, freq="MS")],
        names=["unit", "period_start"],
    ).to_frame(index=False)
    month = np.tile(np.arange(months), units)
    rate = 0.3 * np.exp(np.repeat(rng.normal(0, 0.5, units), months) + slope * month / 12 + shock[month])
    hours = rng.uniform(50, 150, len(table))
    return table.assign(hours=hours, cases=rng.poisson(hours * rate * np.exp(0.2 * np.sin(month * np.pi / 6))))


def test_the_trend_is_that_of_a_poisson_fit_with_a_constant_per_unit():
    table = panel()
    made = trend(table)

    day = table["period_start"].dt
    whole = table.assign(year=day.year + (day.month - 1) / 12, month=day.month)
    family = sm.families.Poisson()
    fit = smf.glm("cases ~ C(unit) + year + C(month)", whole, family=family, exposure=whole["hours"]).fit()
    assert made.estimate == pytest.approx(100 * np.expm1(fit.params["year"]), rel=1e-8)


def test_what_is_left_without_each_unit_is_near_the_refit():
    table = panel(units=7)
    made = trend(table)

    for row in made.left_out.itertuples():
        assert row.estimate == pytest.approx(trend(table[table["unit"] != row.unit]).estimate, abs=0.15)


def test_a_planted_trend_is_found_and_told_with_its_interval():
    made = trend(panel(units=20))

    ((key, values),) = made.verdict
    assert key == "verdict.trend.up"
    assert made.low < 100 * np.expm1(TREND) < made.high
    assert (values["est"], values["lo"], values["hi"]) == (made.estimate, made.low, made.high)
    assert (values["n"], values["k"]) == (720, 20)
    assert made.method == Sentence("method.trend", {"seasonal": True, "units": 20})


@pytest.mark.parametrize("shared", [0.0, 0.1])
def test_without_a_trend_few_are_found_also_when_all_units_share_shocks(shared):
    found = sum(trend(panel(15, 36, 0.0, seed, shared)).p < 0.05 for seed in range(60))

    assert found <= 8


def test_shocks_that_all_units_share_are_warned_of():
    keys = [said.key for said in trend(panel(15, 36, 0.0, 1, shared=0.1)).warnings]

    assert keys == ["warning.trend.shared_shocks"]


def test_months_with_no_cases_count_and_months_with_no_hours_are_kept_out_and_told():
    table = panel()
    table.loc[[0, 40], "cases"] = 0
    table.loc[[3, 50, 60], "hours"] = 0.0
    table.loc[[5], "cases"] = np.nan
    made = trend(table)

    assert made.n == len(table) - 4
    assert made.warnings == (Sentence("warning.trend.kept_out", {"blank": 1, "no_hours": 3, "no_cases": 0}),)


def test_below_six_units_there_is_no_interval_and_no_verdict():
    made = trend(panel(units=5))

    assert np.isnan([made.low, made.high, made.p]).all()
    assert made.verdict == ()
    assert len(made.left_out) == 5
    assert Sentence("warning.trend.few_units", {"n": 5, "n_min": 6}) in made.warnings


def test_units_that_do_not_change_at_all_have_no_trend():
    made = trend(panel().assign(hours=100.0, cases=30.0))

    assert made.estimate == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("table", "message"), [
    (panel(months=2), "The units have 2 months with hours; a trend needs at least 12."),
    (pd.concat([panel(), panel().head(1)]), "1 rows repeat a key; there must be one row per unit x period_start."),
    (panel().assign(hours=-1.0), "Cases and hours must not be negative; a correction belongs in the period it corrects."),
    (panel().assign(hours=0.0), "No unit has both cases and hours; there is no rate to follow."),
    (panel().assign(cases=np.inf), "cases has 432 infinite values; a ratio over zero is blank, never infinite."),
    (panel(1, 12).assign(unit=[f"U{i}" for i in range(12)]),
     "Time does not vary within the units; a trend needs several months of each unit."),
])  # fmt: skip
def test_a_trend_of_bad_input_is_refused_with_what_would_be_right(table, message):
    with pytest.raises(BadInput) as caught:
        trend(table)

    assert str(caught.value) == message


def test_the_exact_comparison_agrees_with_r(reference):
    made = compare_units(pd.read_csv(reference / "rate_ratio" / "units.csv"), "A", "B")

    got = {"rate_ratio": made.ratio, "p_exact": made.p, "ci[0]": made.low, "ci[1]": made.high}
    expected = json.loads((reference / "rate_ratio" / "case.json").read_text("utf-8"))["expected"]
    assert got == {e["name"]: pytest.approx(e["value"], rel=e["rtol"], abs=e["atol"]) for e in expected}


def test_the_exact_comparison_is_said_to_be_a_lower_bound_on_uncertainty(reference):
    made = compare_units(pd.read_csv(reference / "rate_ratio" / "units.csv"), "A", "B")

    assert made.warnings == (Sentence("warning.rate.lower_bound", {}),)
    assert made.verdict[0].key == "verdict.compare.overlap"


def test_months_that_vary_more_than_chance_widen_the_interval_as_a_quasi_poisson_fit_does():
    rng = np.random.default_rng(2)
    table = panel(2, 24, 0.0).assign(cases=rng.negative_binomial(3, 0.1, 48))
    made = compare_units(table, "U000", "U001")

    design = sm.add_constant((table["unit"] == "U000").astype(float))
    fit = sm.GLM(table["cases"], design, family=sm.families.Poisson(), exposure=table["hours"]).fit(scale="X2")
    exact, wide = made.table.to_dict("records")
    assert made.phi == pytest.approx(fit.scale)
    assert np.log(made.ratio) == pytest.approx(fit.params["unit"])
    assert wide["high"] / wide["low"] > exact["high"] / exact["low"]
    assert (made.low, made.high) == (wide["low"], wide["high"])
    assert np.log(made.high / made.low) == pytest.approx(2 * 2.0128956 * fit.bse["unit"])
    assert made.warnings == ()


def test_the_other_way_round_is_the_inverse():
    units = pd.DataFrame({"unit": ["A", "B"], "cases": [96, 130], "hours": [640, 700.5]})
    one, other = compare_units(units, "A", "B"), compare_units(units, "B", "A")

    assert one.ratio == pytest.approx(1 / other.ratio)
    assert (one.low, one.p) == (pytest.approx(1 / other.high), pytest.approx(other.p))


def test_no_case_in_one_unit_has_an_open_interval():
    made = compare_units(pd.DataFrame({"unit": ["A", "B"], "cases": [12, 0], "hours": [100, 100]}), "A", "B")

    assert made.ratio == made.high == np.inf
    assert made.low > 1


UNITS = pd.DataFrame({"unit": ["A", "B"], "cases": [10.0, 12], "hours": [100.0, 90]})


@pytest.mark.parametrize(("table", "other", "message"), [
    (UNITS, "C", "Two different units of the table are needed; C is not one."),
    (UNITS, "A", "Two different units of the table are needed; A is not one."),
    (UNITS.assign(hours=[0.0, 90]), "B",
     "Each unit needs hours above 0 and whole cases of 0 or more, and one of them a case."),
    (UNITS.assign(cases=0.0), "B",
     "Each unit needs hours above 0 and whole cases of 0 or more, and one of them a case."),
    (UNITS.assign(cases=[np.nan, 4]), "B", "1 rows have a blank cases; leave the rows out and say so."),
])  # fmt: skip
def test_a_comparison_of_bad_input_is_refused_with_what_would_be_right(table, other, message):
    with pytest.raises(BadInput) as caught:
        compare_units(table, "A", other)

    assert str(caught.value) == message
