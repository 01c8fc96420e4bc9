"""Panels with known answers, from R's fixest, clubSandwich and plm."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.association import associate
from mi_analysis.analysis.inference import (
    driscoll_kraay,
    least_squares,
    panel_fit,
    t_interval,
    t_p_value,
    wild_bootstrap,
)
from mi_analysis.analysis.panel import read_panel

# Reasons in tests/reference/README.md.
FEW_UNITS_NOT_OFFERED = {
    "pooled_se_iid", "twfe_se_iid", "twfe_se_hc1", "twfe_se_crv1_all_dummies_counted", "twfe_se_twoway_unit_month",
    "twfe_se_dk_default", "twfe_se_CR1_clubSandwich", "twfe_se_CR1S_clubSandwich", "twfe_se_CR2_clubSandwich",
    "CR2_satterthwaite_df", "CR2_satterthwaite_p", "twfe_se_CR3_clubSandwich", "twfe_se_jackknife_mean_centred",
    "wcr_rademacher_p_two_sided_abs_gt",
}  # fmt: skip
NAMES = ("lpcap", "lpc", "lemp", "unemp")
PRODUC_NOT_OFFERED = {
    *(
        f"{kind}.{name}"
        for kind in ("within_se_classical", "se_twoway", "random", "se_CR2", "se_CR3")
        for name in NAMES
    ),
    *("random.(Intercept)", "hausman.chisq", "hausman.df", "hausman.p"),
}


@pytest.fixture
def few_units(reference):
    return pd.read_csv(reference / "panel_few_units" / "panel.csv")


@pytest.fixture
def simpson(reference):
    return pd.read_csv(reference / "honesty_simpson" / "panel.csv")


def test_every_reported_value_of_a_panel_with_six_units_agrees(few_units, agrees):
    found = associate(few_units, "goal_pct", "overtime_pct", period="month")
    panel = read_panel(few_units, "goal_pct", ["overtime_pct"], "unit", "month")
    within_unit = panel_fit(panel.y, panel.x, panel.unit, panel.unit)
    t = found.estimate / found.se["crv1"]
    low, high = t_interval(found.estimate, found.se["crv1"], 5)

    agrees(
        "panel_few_units",
        {
            "nobs": found.n,
            "n_units": found.k,
            "n_months": found.table["month"].nunique(),
            "pooled_b": found.pooled.estimate,
            "pooled_se_cl": found.pooled.se,
            "between_b": found.between.estimate,
            "between_se": found.between.se,
            "within_unit_b": within_unit.coef[0],
            "within_unit_se_crv1": within_unit.se("crv1"),
            "twfe_b": found.estimate,
            "twfe_se_crv1_fixest_default": found.se["crv1"],
            "twfe_p_crv1": t_p_value(found.estimate, found.se["crv1"], 5),
            "twfe_ci_crv1[0]": low,
            "twfe_ci_crv1[1]": high,
            "twfe_se_crv1_no_ssc": found.estimate / found.bootstrap.t,
            "twfe_se_dk_noSSC": driscoll_kraay(panel.fit(), panel.period)[0, 0] ** 0.5,
            "dk_lag": 2,
            **{f"loo.{unit}": estimate for unit, estimate in found.without_unit.items()},
            "twfe_se_crv3_MNW": found.se["crv3"],
            "twfe_p_crv3": found.p,
            "twfe_ci_crv3[0]": found.interval[0],
            "twfe_ci_crv3[1]": found.interval[1],
            "wcr_rademacher_enumerated_t_noSSC": found.bootstrap.t,
            "wcr_rademacher_p_two_sided_abs_ge": found.bootstrap.p,
        },
        FEW_UNITS_NOT_OFFERED,
    )
    assert abs(t) > abs(found.estimate / found.se["crv3"])


def test_the_default_lag_of_eighteen_months_is_the_reference_cases(few_units):
    panel = read_panel(few_units, "goal_pct", ["overtime_pct"], "unit", "month")
    fit = panel.fit()

    assert driscoll_kraay(fit, panel.period) == pytest.approx(driscoll_kraay(fit, panel.period, lag=2))
    assert driscoll_kraay(fit, panel.period) != pytest.approx(driscoll_kraay(fit, panel.period, lag=3))


def test_the_headline_is_the_estimate_with_unit_and_month_effects(few_units):
    found = associate(few_units, "goal_pct", "overtime_pct", period="month")

    assert found.estimate == pytest.approx(-0.458975179657407)
    assert found.verdict[1]["est"] == found.estimate
    assert found.pooled.estimate == pytest.approx(-2.17646293176917)


def test_under_thirty_units_the_interval_is_the_jackknifes_and_a_bootstrap_p_stands_beside(few_units):
    found = associate(few_units, "goal_pct", "overtime_pct", period="month")

    assert found.method == ("method.assoc.panel", {"inference": "crv3_bootstrap", "df": 5, "scale": "level"})
    assert found.interval == pytest.approx(t_interval(found.estimate, found.se["crv3"], 5))
    assert (found.bootstrap.draws, found.bootstrap.weights) == (64, "all_signs")


def test_nothing_is_called_established_when_the_jackknife_p_is_over_five_per_cent(few_units):
    found = associate(few_units, "goal_pct", "overtime_pct", period="month")

    assert found.p > 0.05
    assert found.verdict.key == "verdict.assoc.unclear"


def test_every_reported_value_of_the_states_panel_agrees(reference, agrees):
    frame = pd.read_csv(reference / "produc" / "panel.csv")
    panel = read_panel(frame, "lgsp", NAMES, "state", "year")
    within = panel_fit(panel.y, panel.x, panel.unit, panel.unit)
    both = panel.fit()
    means = panel.table.groupby("state")[["lgsp", *NAMES]].mean().to_numpy()
    between = least_squares(means[:, 0], np.column_stack([np.ones(48), means[:, 1:]]))
    shocks = driscoll_kraay(within, panel.period, lag=3)
    got = {f"between.{name}": value for name, value in zip(("(Intercept)", *NAMES), between.coef, strict=True)}
    for i, name in enumerate(NAMES):
        got |= {
            f"within.{name}": within.coef[i],
            f"se_crv1.{name}": within.se("crv1", i),
            f"twfe.{name}": both.coef[i],
            f"twfe_se_crv1.{name}": both.se("crv1", i),
            f"se_DK_lag3_noSSC.{name}": shocks[i, i] ** 0.5,
        }

    agrees("produc", got, PRODUC_NOT_OFFERED)


def test_the_jackknife_is_club_sandwichs_times_the_root_of_g_less_one_over_g(reference):
    frame = pd.read_csv(reference / "produc" / "panel.csv")
    panel = read_panel(frame, "lgsp", NAMES, "state", "year")
    within = panel_fit(panel.y, panel.x, panel.unit, panel.unit)

    assert within.se("crv3") == pytest.approx(0.064698854370599 * (47 / 48) ** 0.5, rel=1e-6)


def test_every_value_of_the_reversed_panel_agrees(simpson, agrees):
    found = associate(simpson, "goal_pct", "overtime_pct", period="month")
    panel = read_panel(simpson, "goal_pct", ["overtime_pct"], "unit", "month")
    units_only = panel_fit(panel.y, panel.x, panel.unit, panel.unit)
    without = found.without_unit.values()

    agrees(
        "honesty_simpson",
        {
            "pooled_b": found.pooled.estimate,
            "between_b": found.between.estimate,
            "unit_fe.b": units_only.coef[0],
            "unit_fe.se_crv1": units_only.se("crv1"),
            "unit_fe.p_crv1": t_p_value(units_only.coef[0], units_only.se("crv1"), 9),
            "unit_fe.se_crv3": units_only.se("crv3"),
            "twfe.b": found.estimate,
            "twfe.se_crv1": found.se["crv1"],
            "twfe.p_crv1": t_p_value(found.estimate, found.se["crv1"], 9),
            "twfe.se_crv3": found.se["crv3"],
            "twfe.p_crv3": found.p,
            "twfe.ci95_crv3[0]": found.interval[0],
            "twfe.ci95_crv3[1]": found.interval[1],
            "twfe.ci90_crv3[0]": found.interval_90[0],
            "twfe.ci90_crv3[1]": found.interval_90[1],
            "twfe.loo_min": min(without),
            "twfe.loo_max": max(without),
            "twfe.G": found.k,
            "twfe.n": found.n,
        },
        {"pooled_se_iid"},
    )


def test_a_reversed_sign_between_units_is_warned_of(simpson):
    found = associate(simpson, "goal_pct", "overtime_pct", period="month")
    warned = dict(found.warnings)["verdict.assoc.opposite_levels"]

    assert warned == {"est": found.estimate, "est2": found.between.estimate}
    assert found.verdict.key == "verdict.assoc.clear_neg"


def test_the_bootstrap_without_identity_draws_is_one_pair_of_draws_lower(few_units):
    panel = read_panel(few_units, "goal_pct", ["overtime_pct"], "unit", "month")

    assert wild_bootstrap(panel.fit()).p - 2 / 64 == pytest.approx(0.0625)
