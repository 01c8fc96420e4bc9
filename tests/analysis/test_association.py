"""Associations by simulation with a known truth, and by relations between results."""

import re

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.association import associate, headline, in_family, inference_for, per_activity
from mi_analysis.analysis.inference import panel_fit, t_p_value, wild_bootstrap
from mi_analysis.reporting.wording import catalogue, languages

from .conftest import said

SHORT_RUNS, LONG_RUNS = 400, 4000


def p_at_truth(simulate, rng, units, months, effect, spread=1.0):
    """P of the default's headline at the true value."""
    unit, month = np.repeat(np.arange(units), months), np.tile(np.arange(months), units)
    x = (simulate.persistent(rng, units, months) * spread).ravel()
    y = simulate.persistent(rng, units, months).ravel() + effect * x
    fit = panel_fit(y, x[:, None], unit, unit, month)
    found, df = headline(fit)
    return t_p_value(found.estimate - effect, found.se, df)


def rejected(simulate, units, runs, effect=0.0, months=24, spread=1.0):
    rng = np.random.default_rng(20_000 + units + (1_000 if effect else 0))
    return float(np.mean([p_at_truth(simulate, rng, units, months, effect, spread) < 0.05 for _ in range(runs)]))


@pytest.mark.parametrize("units", [6, 8, 12, 40])
def test_the_default_finds_what_is_not_there_about_as_rarely_as_it_says(simulate, units):
    assert 0.02 <= rejected(simulate, units, SHORT_RUNS) <= 0.09


@pytest.mark.parametrize("units", [10, 20, 60])
def test_two_units_that_carry_the_exposure_do_not_give_more_false_alarms(simulate, units):
    spread = np.where(np.arange(units) < 2, 10.0, 1.0)[:, None]
    found = rejected(simulate, units, SHORT_RUNS // 2, spread=spread)

    assert found <= 0.07


@pytest.mark.long
@pytest.mark.parametrize("units", [6, 8, 12, 30, 40, 60])
def test_the_default_holds_its_nominal_rate(simulate, units):
    assert 0.03 <= rejected(simulate, units, LONG_RUNS) <= 0.07


@pytest.mark.long
@pytest.mark.parametrize("units", [6, 8, 12, 30, 40, 60])
def test_a_true_effect_is_covered_as_often_as_the_interval_says(simulate, units):
    assert 0.93 <= 1 - rejected(simulate, units, LONG_RUNS, effect=0.5) <= 0.97


def test_the_simulated_default_is_the_one_that_is_reported(simulate):
    frame = simulate.unrelated(units=9)
    unit, month = np.repeat(np.arange(9), 24), np.tile(np.arange(24), 9)
    fit = panel_fit(frame["goal"].to_numpy(), frame[["overtime"]].to_numpy(), unit, unit, month)

    assert associate(frame, "goal", "overtime").p == pytest.approx(headline(fit)[0].p, rel=1e-9)


@pytest.mark.parametrize(("slope", "key"), [(-2.0, "clear_neg"), (2.0, "clear_pos"), (0.0, "unclear")])
def test_the_verdict_follows_the_interval(simulate, slope, key):
    found = associate(simulate.related(slope), "goal", "overtime")
    low, high = found.interval

    assert found.verdict.key == f"verdict.assoc.{key}"
    assert low < slope < high
    assert said(found)["est"] == (found.estimate if slope == 0 else abs(found.estimate))
    assert (said(found)["n"], said(found)["k"]) == (288, 12)
    assert said(found)["period"] == (pd.Timestamp("2023-01-01"), pd.Timestamp("2024-12-01"))


def test_a_margin_gives_equivalent_and_small(simulate):
    equivalent = associate(simulate.unrelated(units=40), "goal", "overtime", margin=1.0)
    small = associate(simulate.related(0.5, units=40), "goal", "overtime", margin=1.0)

    assert equivalent.verdict.key == "verdict.assoc.equivalent"
    assert (said(equivalent)["lo"], said(equivalent)["hi"]) == equivalent.interval_90
    assert small.verdict.key == "verdict.assoc.small"
    assert said(small)["margin"] == 1.0


def test_what_could_have_been_seen_follows_the_standard_error(simulate):
    found = associate(simulate.unrelated(), "goal", "overtime")

    assert found.detectable == pytest.approx(found.se["crv3"] * (2.2009851601 + 0.8755299), rel=1e-6)


@pytest.mark.parametrize(
    ("units", "inference"),
    [
        (2, "leave_one_out"),
        (5, "leave_one_out"),
        (6, "crv3_bootstrap"),
        (29, "crv3_bootstrap"),
        (30, "crv3"),
        (49, "crv3"),
        (50, "crv1"),
    ],
)
def test_inference_goes_by_the_number_of_units(units, inference):
    assert inference_for(units) == inference


@pytest.mark.parametrize("units", [29, 30, 50])
def test_the_jackknife_is_always_shown_and_the_bootstrap_under_thirty_units(simulate, units):
    found = associate(simulate.unrelated(units=units), "goal", "overtime")
    used = found.se["crv1" if units == 50 else "crv3"]

    assert (found.bootstrap is not None) == (units < 30)
    assert found.se["crv3"] > 0
    assert found.p == pytest.approx(t_p_value(found.estimate, used, units - 1))


def test_the_jackknife_equals_leaving_each_unit_out_and_fitting_again(simulate):
    frame = simulate.related(units=8).drop(index=[3, 50, 51, 100])
    frame = pd.concat([frame, frame[frame["unit"] == "100"].iloc[[0]].assign(period_start=pd.Timestamp("2025-06-01"))])
    found = associate(frame, "goal", "overtime")

    for unit, estimate in found.without_unit.items():
        rest = associate(frame[frame["unit"] != unit], "goal", "overtime")

        assert estimate == pytest.approx(rest.estimate, rel=1e-9)


def test_order_of_rows_and_names_of_units_do_not_matter(simulate):
    frame = simulate.related()
    found = associate(frame, "goal", "overtime")
    other = associate(
        frame.sample(frac=1, random_state=1).assign(unit=lambda f: "Kontor " + f["unit"]), "goal", "overtime"
    )

    assert (other.estimate, other.p) == (pytest.approx(found.estimate), pytest.approx(found.p))
    assert other.bootstrap.p == found.bootstrap.p


def test_the_frame_is_left_as_it_was(simulate):
    frame = simulate.related()
    before = frame.copy()
    associate(frame, "goal", "overtime")

    pd.testing.assert_frame_equal(frame, before)


def test_the_same_seed_gives_the_same_bootstrap_and_every_sign_is_drawn_up_to_twelve_units(simulate):
    frame = simulate.unrelated(units=20)
    one, same, other = (associate(frame, "goal", "overtime", seed=seed).bootstrap for seed in (1, 1, 2))

    assert one == same
    assert one != other
    assert (one.draws, one.weights) == (10_000, "webb")
    assert associate(simulate.unrelated(), "goal", "overtime").bootstrap.draws == 2**12


def test_values_at_the_ends_of_the_bootstrap_interval_are_just_not_rejected(simulate):
    frame = simulate.related(units=12)
    found = associate(frame, "goal", "overtime")
    for end, inside in zip(found.bootstrap.interval, (1e-3, -1e-3), strict=True):
        at_end = associate(frame.assign(goal=frame["goal"] - (end + inside) * frame["overtime"]), "goal", "overtime")

        assert at_end.bootstrap.p == pytest.approx(0.05, abs=0.01)


def test_a_bootstrap_beside_other_regressors_agrees_with_the_same_columns_taken_out_by_hand(simulate):
    frame = simulate.related(units=9)
    unit, month = np.repeat(np.arange(9), 24), np.tile(np.arange(24), 9)
    other = simulate.persistent(np.random.default_rng(5), 9, 24).ravel()
    y, x = frame["goal"].to_numpy(), frame["overtime"].to_numpy()
    both = panel_fit(y, np.column_stack([x, other]), unit, unit, month)
    swapped = panel_fit(y, np.column_stack([other, x]), unit, unit, month)

    assert wild_bootstrap(both, 0).p == wild_bootstrap(swapped, 1).p
    assert wild_bootstrap(both, 0).t == pytest.approx(wild_bootstrap(swapped, 1).t)


def test_a_step_of_ten_gives_ten_times_the_estimate_and_the_same_p(simulate):
    frame = simulate.related()
    one, ten = associate(frame, "goal", "overtime"), associate(frame, "goal", "overtime", step=10)

    assert ten.estimate == pytest.approx(10 * one.estimate)
    assert ten.p == pytest.approx(one.p)
    pd.testing.assert_frame_equal(ten.table, one.table)


def test_the_points_shown_are_the_points_fitted(simulate):
    found = associate(simulate.related(), "goal", "overtime")
    x, y = found.table["exposure_left"], found.table["outcome_left"]

    assert list(found.table) == ["unit", "period_start", "goal", "overtime", "outcome_left", "exposure_left"]
    assert len(found.table) == found.n
    assert (x @ y) / (x @ x) == pytest.approx(found.estimate)


def by_activity(simulate, slopes, seed=7, units=10, months=24):
    rng = np.random.default_rng(seed)
    x = simulate.persistent(rng, units, months)
    return pd.concat(
        [
            simulate.frame_of(slope * x + 20 * i + simulate.persistent(rng, units, months), x).assign(activity=f"A{i}")
            for i, slope in enumerate(slopes)
        ]
    )


def test_each_activity_has_its_own_association(simulate):
    found = per_activity(by_activity(simulate, [-1.0, 0.0, 1.0]), "goal", "overtime")

    assert list(found) == ["A0", "A1", "A2"]
    assert [one.verdict.key.rpartition("_")[2] for one in found.values()][::2] == ["neg", "pos"]
    assert all(one.n == 240 for one in found.values())


def test_one_association_over_activities_has_effects_per_activity_and_units_as_clusters(simulate):
    frame = by_activity(simulate, [-1.0, -1.0, -1.0])
    found = associate(frame, "goal", "overtime", activity="activity")
    unit, month, activity = (pd.factorize(frame[name])[0] for name in ("unit", "period_start", "activity"))
    dummies = [pd.get_dummies(codes).to_numpy(float) for codes in (activity * 100 + unit, activity * 100 + month)]
    design = np.column_stack([frame["overtime"], *dummies])
    by_hand = np.linalg.lstsq(design, frame["goal"].to_numpy())[0][0]

    assert found.estimate == pytest.approx(by_hand)
    assert (found.n, found.k) == (720, 10)
    assert found.method.key == "method.assoc.activities"
    without = associate(frame[frame["unit"] != "104"], "goal", "overtime", activity="activity")
    assert found.without_unit["104"] == pytest.approx(without.estimate)


def test_one_activity_gives_the_same_as_none(simulate):
    frame = by_activity(simulate, [-1.0])
    found, plain = (associate(frame, "goal", "overtime", activity=activity) for activity in ("activity", None))

    assert found.estimate == pytest.approx(plain.estimate)
    assert found.se["crv3"] == pytest.approx(plain.se["crv3"])
    assert found.between.estimate == pytest.approx(plain.between.estimate)


def test_a_claim_among_many_questions_needs_the_adjusted_p(simulate):
    found = associate(simulate.related(), "goal", "overtime")
    kept, lost = in_family(found, 0.04, 5), in_family(found, 0.2, 20)

    assert kept == found
    assert lost.verdict.key == "verdict.assoc.one_of_many"
    assert (said(lost)["p_adjusted"], said(lost)["asked"]) == (0.2, 20)
    assert said(lost)["est"] == found.estimate


def test_no_claim_is_made_into_one_by_its_family(simulate):
    found = associate(simulate.unrelated(), "goal", "overtime")

    assert in_family(found, 0.001, 1) is found


def test_every_sentence_has_words_in_every_language(project):
    sources = [
        (project / "mi_analysis" / "analysis" / f"{name}.py").read_text("utf-8")
        for name in ("association", "guards", "multiplicity", "panel")
    ]
    keys = {key for source in sources for key in re.findall(r'"((?:verdict|warning|method)\.assoc\.\w+)"', source)}

    assert len(keys) == 30
    for language in languages():
        assert sorted(keys - set(catalogue(language))) == []
