"""Funnel limits against FunnelPlotR, and by what must be true of any funnel."""

import json
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.funnel import LEVELS, funnel

KINDS = {
    "PR": ("proportion", "on_time", "cases"),
    "SR_SHMI": ("standardised_log", "complaints", "expected_complaints"),
    "SR_CQC": ("standardised", "complaints", "expected_complaints"),
    "RC": ("counts", "complaints", "cases"),
}
USED = {"odll95": "lower_95", "odul95": "upper_95", "odll998": "lower_998", "odul998": "upper_998"}
CHANCE = {name.removeprefix("od"): f"{column}_chance" for name, column in USED.items()}
COLUMNS = {"rate": "rate", "z": "z", "p_exact_two_sided": "p", "lo": "low", "hi": "high"} | USED | CHANCE
# Reasons in tests/reference/README.md.
NOT_OFFERED = {
    *((kind, name) for kind in ("SR_CQC", "RC") for name in (*USED, "out_od998")),
    *(("RC", name) for name in (*CHANCE, "out_unadj998")),
    *(("exact", name) for name in ("lower_tail", "upper_tail", "normal_ll998", "normal_ul998")),
}


def case(folder):
    return json.loads((folder / "case.json").read_text("utf-8"))["expected"]


def counts(**columns):
    return pd.DataFrame({"unit": [f"U{i:02}" for i in range(len(columns["numerator"]))], **columns})


def funnels(folder):
    units = pd.read_csv(folder / "units.csv")
    return {
        name: funnel(units.rename(columns={x: "numerator", n: "denominator"}), kind=kind)
        for name, (kind, x, n) in KINDS.items()
    }


def reported(made, unit, name):
    row = made.table.set_index("unit").loc[unit]
    if name == "out_od998":
        return row["outside"] != 0
    if name == "out_unadj998":
        return not row["lower_998_chance"] <= row["rate"] <= row["upper_998_chance"]
    return row[COLUMNS[name]]


def test_every_reported_value_of_the_funnel_case_agrees(reference):
    made = funnels(reference / "funnel")
    summary = {"target": "centre", "phi": "phi", "tau2": "tau2", "n_used": "n_used"}
    compared = Counter()
    for expected in case(reference / "funnel"):
        kind, *_, name = parts = expected["name"].split(".")
        if (kind, name) in NOT_OFFERED:
            continue
        one = made.get(kind, made["PR"])
        got = getattr(one, summary[name]) if name in summary else reported(one, parts[-2], name)
        compared[kind] += 1
        if isinstance(expected["value"], str | bool):
            assert str(bool(got)) == str(expected["value"]), expected["name"]
        else:
            assert got == pytest.approx(expected["value"], rel=expected["rtol"], abs=expected["atol"]), expected["name"]

    assert compared == {"PR": 184, "SR_SHMI": 184, "SR_CQC": 109, "RC": 34, "exact": 15, "wilson": 30}


def test_adjusted_limits_are_the_ones_used_for_flags_when_phi_is_above_1(reference):
    made = funnels(reference / "funnel")["PR"]

    assert made.phi > 1
    assert made.adjusted
    flagged = (made.table["rate"] > made.table["upper_998"]) | (made.table["rate"] < made.table["lower_998"])
    assert ((made.table["outside"] != 0) == flagged).all()
    assert (made.table["upper_998"] > made.table["upper_998_chance"]).all()
    assert Sentence("warning.funnel.overdispersed", {"phi": made.phi}) in made.warnings


def test_nothing_is_ranked_and_units_stand_by_size(reference):
    for made in funnels(reference / "funnel").values():
        assert made.table["denominator"].is_monotonic_decreasing
        assert not [column for column in made.table if "rank" in column]


def test_exact_poisson_limits_are_those_of_funnelplotr(reference):
    expected = pd.read_csv(reference / "funnel_poisson_limits" / "units.csv")["expected"]
    made = funnel(counts(numerator=expected.to_list(), denominator=expected.to_list()), kind="standardised")

    table = made.table.sort_values("denominator", ignore_index=True)
    for value in case(reference / "funnel_poisson_limits"):
        name, row = value["name"].removesuffix("]").split("[")
        assert table[CHANCE[name]][int(row)] == pytest.approx(value["value"], abs=value["atol"])


@pytest.mark.parametrize("kind", ["proportion", "standardised", "standardised_log", "counts"])
def test_chance_alone_is_seldom_outside_the_998_limits(kind):
    rng = np.random.default_rng(8)
    outside = 0
    for _ in range(150):
        size = rng.integers(200, 900, 15)
        drawn = rng.binomial(size, 0.15) if kind == "proportion" else rng.poisson(size * 0.15)
        base = size * 0.15 if kind.startswith("standardised") else size
        outside += int((funnel(counts(numerator=drawn, denominator=base), kind=kind).table["outside"] != 0).sum())

    assert outside <= 0.008 * 150 * 15


def test_a_small_unit_gets_exact_limits_and_a_large_one_does_not():
    made = funnel(counts(numerator=[800, 790, 0], denominator=[1000, 1000, 5]))

    assert made.table["exact"].tolist() == [False, False, True]
    small = made.table.iloc[2]
    assert (small["lower_998"], small["upper_998"]) == (0.2, 1.0)
    assert small["outside"] == -1
    assert small["p"] == pytest.approx((1 - 1590 / 2005) ** 5)


def test_a_unit_can_be_judged_against_the_others_only():
    units = counts(numerator=[500, 50, 50, 50, 50], denominator=[1000, 500, 500, 500, 500])
    inside, apart = funnel(units), funnel(units, leave_out=True)

    assert apart.table["centre"].iloc[0] == pytest.approx(0.1)
    assert inside.table["centre"].iloc[0] == pytest.approx(700 / 3000)
    assert abs(apart.table["z"].iloc[0]) > abs(inside.table["z"].iloc[0])


def test_equal_units_are_said_to_differ_by_chance_only():
    made = funnel(counts(numerator=[80] * 12, denominator=[100] * 12))

    assert made.verdict == (Sentence("verdict.compare.overlap", {}),)
    assert made.warnings == ()
    assert not made.adjusted


def test_a_unit_outside_is_named_on_its_side():
    made = funnel(counts(numerator=[80] * 11 + [40], denominator=[100] * 12))

    assert made.verdict == (Sentence("verdict.compare.below", {"units": ["U11"], "centre": 920 / 1200}),)


def test_few_units_give_a_reservation_and_under_5_no_widening():
    made = funnel(counts(numerator=[80, 20, 50], denominator=[100, 100, 100]))

    assert not made.adjusted
    assert made.warnings == (Sentence("warning.funnel.few_units", {"n": 3, "n_min": 10}),)


def test_a_unit_without_a_denominator_is_left_out_by_name():
    made = funnel(counts(numerator=[80] * 11 + [0], denominator=[100] * 11 + [0]))

    assert made.warnings == (Sentence("warning.funnel.no_denominator", {"units": ["U11"]}),)
    assert len(made.table) == 11


def test_limits_of_the_curve_close_in_on_the_centre_and_meet_the_table():
    made = funnel(counts(numerator=np.arange(40, 160, 10), denominator=np.arange(100, 220, 10)))

    assert made.curve["upper_998"].is_monotonic_decreasing
    for level in LEVELS:
        assert made.curve[f"upper_{level}"].iloc[0] == pytest.approx(made.table[f"upper_{level}"].iloc[-1])


COUNTED = {"numerator": [8.0, 9.0, 7.0], "denominator": [10.0, 12.0, 11.0]}


@pytest.mark.parametrize(("units", "kind", "message"), [
    (counts(**COUNTED), "rate",
     "kind is 'rate'; it must be one of proportion, standardised, standardised_log, counts."),
    (counts(**COUNTED).assign(unit="A"), "proportion", "2 rows repeat a key; there must be one row per unit."),
    (counts(numerator=[8, np.nan, 7], denominator=[10, 12, 11]), "proportion",
     "1 rows have a blank numerator; leave the rows out and say so."),
    (counts(numerator=[8, np.inf, 7], denominator=[10, 12, 11]), "proportion",
     "numerator has 1 infinite values; a ratio over zero is blank, never infinite."),
    (counts(numerator=[8, 19, 7], denominator=[10, 12, 11]), "proportion",
     "Counts must not be negative, and of a proportion the numerator not above the denominator."),
    (counts(numerator=[8.5, 9, 7], denominator=[10, 12, 11]), "proportion",
     "kind proportion takes whole counts; use standardised for observed over expected."),
    (counts(numerator=[8, 0, 0], denominator=[10, 0, 0]), "proportion",
     "1 units have a denominator; a funnel needs at least 2."),
    (counts(numerator=[0, 0], denominator=[10, 10]), "counts",
     "The centre is 0: nothing was counted in the units compared with; choose another numerator."),
    (counts(numerator=[0, 4], denominator=[10, 10]), "standardised_log",
     "A unit has 0 observed, which has no logarithm; use kind standardised."),
])  # fmt: skip
def test_bad_input_is_named_with_what_would_be_right(units, kind, message):
    with pytest.raises(BadInput) as caught:
        funnel(units, kind=kind)

    assert str(caught.value) == message
