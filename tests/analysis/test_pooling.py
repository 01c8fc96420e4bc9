"""Pooling against metafor, and by relations."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.association import associate
from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.pooling import pool_estimates, pool_slopes


@pytest.fixture
def slopes(reference):
    return pd.read_csv(reference / "pooling_meta_slopes" / "estimates.csv")


def test_every_reported_value_of_pooled_estimates_agrees(slopes, agrees):
    found = pool_estimates(slopes["unit"], slopes["slope"], slopes["se"])
    got = {
        "REML.mu": found.mean,
        "REML.se": found.se,
        "REML.tau2": found.tau2,
        **{f"REML.eb.{row.unit}": row.pooled for row in found.table.itertuples()},
        "KNHA_REML.mu": found.mean,
        "KNHA_REML.se": found.se_adjusted,
        "KNHA_REML.p": found.p,
        "KNHA_REML.lo": found.interval[0],
        "KNHA_REML.hi": found.interval[1],
    }

    parts = ("mu", "se", "tau2", "Q", "Qp", "I2", "pi_lo", "pi_hi", *(f"eb.{unit}" for unit in slopes["unit"]))
    others = {f"{method}.{part}" for method in ("DL", "PM") for part in parts} | {"FE.mu", "FE.se"}
    others |= {f"REML.{part}" for part in ("Q", "Qp", "I2", "pi_lo", "pi_hi")}

    agrees("pooling_meta_slopes", got, others)  # see tests/reference/README.md


def test_unit_slopes_are_drawn_towards_the_common_one(slopes):
    found = pool_estimates(slopes["unit"], slopes["slope"], slopes["se"])

    assert found.table["pooled"].std() < found.table["own"].std()
    assert ((found.table["pooled"] - found.mean).abs() < (found.table["own"] - found.mean).abs()).all()


def test_units_that_agree_are_drawn_wholly_to_their_mean():
    found = pool_estimates("abcd", [1.0, 1.1, 0.9, 1.0], [1.0, 1.0, 1.0, 1.0])

    assert found.tau2 == 0
    assert found.table["pooled"].tolist() == pytest.approx([1.0] * 4)


def test_the_less_a_unit_tells_the_more_it_is_drawn():
    found = pool_estimates("abcd", [-3.0, 3.0, -3.0, 3.0], [0.5, 0.5, 2.0, 2.0]).table.set_index("unit")

    assert found.loc["a", "weight"] > found.loc["c", "weight"]
    assert abs(found.loc["a", "pooled"]) > abs(found.loc["c", "pooled"])


@pytest.mark.parametrize("se", [[1.0, 1.0, 0.0], [1.0, 1.0, np.nan], [1.0, 1.0, np.inf]])
def test_a_standard_error_that_is_none_is_refused(se):
    with pytest.raises(BadInput) as told:
        pool_estimates("abc", [1.0, 2.0, 3.0], se)

    assert str(told.value) == "Pooling needs three or more estimates, each a number with a standard error over 0."


def panel(slopes, months=36, seed=1):
    rng = np.random.default_rng(seed)
    units = [f"{100 + i}" for i in range(len(slopes))]
    frame = pd.DataFrame(
        {
            "unit": np.repeat(units, months),
            "period_start": np.tile(pd.date_range("2023-01-01", periods=months, freq="MS"), len(units)),
            "overtime": rng.normal(10, 3, len(units) * months),
        }
    )
    noise = rng.normal(0, 2, len(frame))
    return frame.assign(goal=90 + np.repeat(slopes, months) * frame["overtime"] + noise)


def test_units_with_and_without_a_relation_are_told_apart_or_left_open():
    truth = np.array([-1.0] * 6 + [0.0] * 14)
    found = pool_slopes(associate(panel(truth), "goal", "overtime")).table

    assert (found["hi"][:6] < 0).all()
    assert ((found["lo"] < truth) & (truth < found["hi"])).mean() > 0.85


def test_the_headline_is_the_mean_of_the_units_own_slopes_weighted_by_their_variation():
    association = associate(panel(np.linspace(-1, 1, 8)), "goal", "overtime")
    found = pool_slopes(association).table.set_index("unit")
    weight = association.table.groupby("unit")["exposure_left"].apply(lambda x: (x**2).sum())

    assert (found["own"] * weight).sum() / weight.sum() == pytest.approx(association.estimate, rel=1e-9)


def test_a_larger_step_gives_slopes_for_the_larger_step():
    frame = panel(np.linspace(-1, 1, 8))
    one, ten = (pool_slopes(associate(frame, "goal", "overtime", step=step)).table for step in (1, 10))

    assert ten["pooled"].to_numpy() == pytest.approx(10 * one["pooled"].to_numpy(), rel=1e-6)


def test_an_association_without_estimate_cannot_be_pooled():
    refused = associate(panel([0.0] * 3, months=4), "goal", "overtime")

    with pytest.raises(BadInput) as told:
        pool_slopes(refused)

    assert str(told.value) == "The association has no estimate, so there are no slopes to pool."
