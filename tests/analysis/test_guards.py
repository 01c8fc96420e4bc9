"""Every guard by a panel made to wake it."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.association import associate
from mi_analysis.analysis.inference import fractional_logit


def keys(found):
    return {sentence.key for sentence in found.warnings}


def warned(found, key):
    return dict(found.warnings)[key]


def test_an_opposite_sign_between_units_is_warned_of(simulate):
    frame = simulate.related(-1.0)
    frame["goal"] += frame.groupby("unit")["overtime"].transform("mean") * 5
    found = associate(frame, "goal", "overtime")

    assert warned(found, "verdict.assoc.opposite_levels") == {"est": found.estimate, "est2": found.between.estimate}
    assert found.contextual.estimate == pytest.approx(5, abs=1)


def test_one_unit_that_carries_the_result_is_named(simulate):
    frame = simulate.unrelated(units=12)
    odd = frame["unit"] == "107"
    frame.loc[odd, "overtime"] += 20 * np.sin(np.arange(24))
    frame.loc[odd, "goal"] += 20 * np.sin(np.arange(24))
    found = associate(frame, "goal", "overtime")
    told = warned(found, "verdict.assoc.sensitive")

    assert told == {"what": "107", "est": found.estimate, "est2": found.without_unit["107"]}
    assert found.verdict.key == "verdict.assoc.unclear"


def test_few_units_that_carry_the_exposure_count_for_fewer_and_widen_the_interval(simulate):
    frame = simulate.related(-2.0)
    even = associate(frame, "goal", "overtime")
    frame.loc[frame["unit"].isin(["100", "101"]), "overtime"] *= 10
    found = associate(frame, "goal", "overtime")
    low, high = found.interval

    assert "warning.assoc.carried_by_few" not in keys(even)
    assert 6 < even.effective_units < 12
    assert even.method[1]["df"] == 11
    assert 1.5 < found.effective_units < 3
    assert warned(found, "warning.assoc.carried_by_few") == {"effective": found.effective_units, "k": 12}
    assert found.method[1]["df"] == max(found.effective_units - 1, 1)
    assert (high - low) / found.se["crv3"] > 5


def test_a_bend_is_warned_of_with_its_turning_point(simulate):
    frame = simulate.related(0.0)
    middle = frame["overtime"].mean()
    bent = frame.assign(goal=frame["goal"] - 0.5 * (frame["overtime"] - middle - 1) ** 2)
    told = warned(associate(bent, "goal", "overtime"), "warning.assoc.turning_point")

    assert told["lo"] < middle + 1 < told["hi"]
    assert told["slope_low"] > 0 > told["slope_high"]


def test_a_bend_without_turning_point_is_warned_of_as_such(simulate):
    frame = simulate.related(0.0)
    low = frame["overtime"].min()
    told = warned(
        associate(frame.assign(goal=frame["goal"] + 0.3 * (frame["overtime"] - low + 3) ** 2), "goal", "overtime"),
        "warning.assoc.curvature",
    )

    assert 0 < told["slope_low"] < told["slope_high"]


def test_next_months_exposure_warns_of_the_reverse_direction(simulate):
    rng = np.random.default_rng(4)
    pressure, noise = rng.normal(size=(12, 25)), rng.normal(size=(12, 24))
    found = associate(simulate.frame_of(pressure[:, 1:] + 0.2 * noise, pressure[:, :24]), "goal", "overtime")

    assert found.lead.estimate == pytest.approx(1, abs=0.1)
    assert warned(found, "verdict.assoc.reverse")["est"] == found.lead.estimate
    assert "warning.assoc.lag" not in keys(found)


def test_last_months_exposure_is_told_and_a_gap_is_not_a_step(simulate):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(12, 24))
    y = np.concatenate([np.zeros((12, 1)), x[:, :-1]], axis=1) + 0.2 * rng.normal(size=(12, 24))
    frame = simulate.frame_of(y, x)
    found = associate(frame, "goal", "overtime")
    gaps = associate(frame[frame["period_start"].dt.month % 3 != 0], "goal", "overtime")

    assert "warning.assoc.lag" in keys(found)
    assert "verdict.assoc.reverse" not in keys(found)
    assert gaps.lag is None


def test_shares_at_the_ceiling_are_told_with_a_fit_that_knows_the_bounds(simulate):
    frame = simulate.related(-1.0)
    frame["goal"] = np.clip(frame["goal"] + 18, 0, 100)
    found = associate(frame, "goal", "overtime", bounds=(0, 100))
    told = warned(found, "verdict.assoc.ceiling")

    assert told["share"] == found.share_at_ceiling == (frame["goal"] == 100).mean() > 0.05
    assert told["est"] == found.fractional.estimate < 0


def test_the_fit_that_knows_the_bounds_is_the_fractional_logit_with_unit_means_and_months(simulate):
    frame = simulate.related(-1.0)
    frame["goal"] = np.clip(frame["goal"] + 18, 0, 100)
    found = associate(frame, "goal", "overtime", bounds=(0, 100))
    means = frame.groupby("unit")["overtime"].transform("mean")
    months = pd.get_dummies(frame["period_start"], drop_first=True, dtype=float)
    by_hand = fractional_logit(
        frame["goal"].to_numpy() / 100,
        np.column_stack([frame["overtime"], means, months]),
        pd.factorize(frame["unit"])[0],
    )

    assert found.fractional.estimate == pytest.approx(100 * by_hand.effect[0])


def test_outcomes_over_the_bound_count_as_at_the_ceiling_and_have_no_such_fit(simulate):
    found = associate(simulate.related(-1.0), "goal", "overtime", bounds=(0, 70))

    assert found.share_at_ceiling > 0.05
    assert found.fractional is None
    assert set(warned(found, "verdict.assoc.ceiling")) == {"share"}


def test_months_that_resemble_their_neighbours_are_told(simulate):
    found = associate(simulate.unrelated(units=20, months=48), "goal", "overtime")

    assert found.neighbours_r == pytest.approx(0.6, abs=0.1)
    assert warned(found, "warning.assoc.autocorrelation") == {"r": found.neighbours_r}


def test_independent_months_are_not(simulate):
    rng = np.random.default_rng(6)
    found = associate(simulate.frame_of(rng.normal(size=(12, 24)), rng.normal(size=(12, 24))), "goal", "overtime")

    assert "warning.assoc.autocorrelation" not in keys(found)


def test_an_outcome_calculated_from_the_exposure_is_told(simulate):
    frame = simulate.related()
    found = associate(frame.assign(goal=100 - 2 * frame["overtime"]), "goal", "overtime")

    assert found.estimate == pytest.approx(-2)
    assert "warning.assoc.exact" in keys(found)


def test_common_shocks_have_their_own_standard_error_from_24_months_on(simulate):
    assert "driscoll_kraay" in associate(simulate.unrelated(months=24), "goal", "overtime").se
    assert "driscoll_kraay" not in associate(simulate.unrelated(months=23), "goal", "overtime").se
