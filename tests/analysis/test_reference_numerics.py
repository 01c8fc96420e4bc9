"""NIST's certified values for designs that lose digits, and R's fractional logit."""

import json

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.inference import NotIdentified, fractional_logit, least_squares

# Reasons in tests/reference/README.md.
FRACTIONAL_NOT_OFFERED = {
    *(f"{kind}.{name}" for kind in ("se_quasi", "weighted_coef", "weighted_se_quasi") for name in ("(Intercept)", "overtime_pct", "sick_pct")),
    *("dispersion", "weighted_dispersion", "n_ols_pred_above_1"),
}  # fmt: skip


def test_longley_keeps_its_certified_digits(reference, agrees):
    data = pd.read_csv(reference / "nist_longley" / "data.csv")
    fit = least_squares(data["TOTEMP"].to_numpy(), np.column_stack([np.ones(len(data)), data.drop(columns="TOTEMP")]))

    agrees(
        "nist_longley",
        {f"coef[{i}]": v for i, v in enumerate(fit.coef)}
        | {f"se[{i}]": v for i, v in enumerate(fit.se)}
        | {"resid_sd": fit.residual_sd, "r2": fit.r2},
    )


def test_wampler_keeps_its_certified_digits(reference, agrees):
    data = pd.read_csv(reference / "nist_wampler2" / "data.csv")
    fit = least_squares(data["y"].to_numpy(), np.vander(data["x"].to_numpy(float), 6, increasing=True))

    agrees("nist_wampler2", {f"coef[{i}]": v for i, v in enumerate(fit.coef)} | {"resid_sd": fit.residual_sd})


@pytest.fixture
def shares(reference):
    return pd.read_csv(reference / "fractional" / "data.csv")


def fit_of(data, cluster):
    return fractional_logit(data["goal_share"].to_numpy(), data[["overtime_pct", "sick_pct"]].to_numpy(), cluster)


def test_every_reported_value_of_the_fractional_case_agrees(shares, agrees):
    unit, rows = pd.factorize(shares["unit"])[0], np.arange(len(shares))
    fit, by_row = fit_of(shares, unit), fit_of(shares, rows)
    units, n = unit.max() + 1, len(rows)
    plain = np.sqrt((units - 1) / units)  # takes the factor G/(G-1) out again
    hc0 = np.sqrt((n - 1) / n)  # each row its own cluster
    line = least_squares(
        shares["goal_share"].to_numpy(), np.column_stack([np.ones(n), shares[["overtime_pct", "sick_pct"]]])
    )
    got = {"share_exactly_one": (shares["goal_share"] == 1).mean(), "ols_slope_overtime": line.coef[1]}
    for i, name in enumerate(("(Intercept)", "overtime_pct", "sick_pct")):
        got |= {
            f"coef.{name}": fit.coef[i],
            f"se_hc0.{name}": by_row.se[i] * hc0,
            f"se_cluster_unit_noadj.{name}": fit.se[i] * plain,
            f"se_cluster_unit_Gadj.{name}": fit.se[i],
        }
    for i, name in enumerate(("overtime_pct", "sick_pct")):
        got |= {f"ame.{name}": fit.effect[i], f"ame_se_delta_hc0.{name}": by_row.effect_se[i] * hc0}

    agrees("fractional", got, FRACTIONAL_NOT_OFFERED)


def test_an_effect_on_a_share_is_in_the_shares_own_units_and_does_not_change_with_the_exposures_scale(shares):
    unit = pd.factorize(shares["unit"])[0]
    scaled = shares.assign(overtime_pct=shares["overtime_pct"] * 1e15)

    assert fit_of(scaled, unit).effect[0] * 1e15 == pytest.approx(fit_of(shares, unit).effect[0], rel=1e-9)


def test_standard_errors_of_shares_are_clustered_and_not_the_binomial_ones(shares, reference):
    expected = json.loads((reference / "fractional" / "case.json").read_text("utf-8"))["expected"]
    binomial = next(v["value"] for v in expected if v["name"] == "se_quasi.overtime_pct")

    assert fit_of(shares, pd.factorize(shares["unit"])[0]).se[1] > 1.5 * binomial


def test_shares_that_are_all_one_give_no_fit():
    with pytest.raises(NotIdentified, match=r"^the "):
        fractional_logit(np.ones(40), np.linspace(0, 1, 40)[:, None], np.repeat(np.arange(8), 5))


def test_a_repeated_column_gives_no_fit():
    x = np.linspace(0, 1, 9)

    with pytest.raises(NotIdentified, match=r"^a column is a combination of the others$"):
        least_squares(x**2, np.column_stack([np.ones(9), x, 3 * x]))
