"""One cross-section of trusts with all four domains, joined on the unit alone."""

import numpy as np
import pytest
import statsmodels.api as sm

from mi_analysis.workbench.door import desk_on

from .conftest import accounts_balance, made_by_run, totals

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def trusts(built):
    leaves = set(built("nhs_trusts").units.query("level == 'trust'")["unit"])
    rows = totals(built("nhs_trusts"))
    return rows[rows["unit"].isin(leaves)].set_index("unit")


def test_rows_and_amounts_balance(built) -> None:
    accounts_balance(built("nhs_trusts"))


def test_121_trusts_have_a_major_department_and_120_all_four_domains(trusts) -> None:
    major = trusts.dropna(subset=["within_4_hours_pct"])

    assert len(major) == 121
    assert (
        major[["sickness_pct", "cost_per_attendance", "attendances", "within_4_hours_pct"]].notna().all(axis=1).sum()
        == 120
    )
    assert round(major["within_4_hours_pct"].mean() / 100, 3) == 0.597


def test_cost_per_attendance_comes_out_as_the_data_says(trusts) -> None:
    cost = trusts.dropna(subset=["within_4_hours_pct"])["cost_per_attendance"].dropna()

    assert (len(cost), round(cost.mean()), round(cost.min()), round(cost.max())) == (120, 278, 133, 523)


def test_full_time_equivalents_are_not_counted_twice(trusts, stored) -> None:
    days = stored(
        "nhs_trusts", "select unit, sum(value) from {volumes} where name = 'fte_days_available' group by unit"
    )

    assert np.allclose([trusts.loc[unit, "fte"] for unit, _ in days], [value / 30.67 for _, value in days], rtol=1e-4)


def test_sickness_and_the_goal_show_no_clear_relation(trusts) -> None:
    rows = trusts.dropna(subset=["within_4_hours_pct", "sickness_pct"])
    fit = sm.OLS(rows["within_4_hours_pct"] / 100, sm.add_constant(rows["sickness_pct"])).fit(cov_type="HC1")

    assert len(rows) == 121
    assert abs(fit.params["sickness_pct"] + 0.0171) < 0.001
    assert fit.pvalues["sickness_pct"] > 0.05


def test_where_there_is_no_year_before_the_key_message_says_so_and_the_figures_stand(built) -> None:
    opened = desk_on(built("nhs_trusts"), "SW", "2026-03")

    assert [message.key for message in opened.key_messages()] == ["message.nothing_compared"]
    figures, states = opened.key_figures()
    assert figures["month"].notna().all()
    assert figures["ytd"].tolist() == figures["month"].tolist()  # the cross-section is the whole of its period
    assert {row for row, column in states if column == "ytd"} <= {row for row, column in states if column == "month"}


def test_an_own_measure_says_in_the_report_what_is_divided_by_what(built) -> None:
    words = desk_on(built("nhs_trusts"), "SW", "2026-03").words("en")

    assert [
        words.text(f"definition.{name}") for name in ("attendances", "cost_per_attendance", "within_4_hours_pct")
    ] == [
        "The institution's own: attendances, as delivered.",
        "The institution's own: emergency_cost divided by attendances_a_year, as delivered.",
        "The institution's own: 1 less over_4_hours_major divided by attendances (activity MAJOR), as delivered.",
    ]


def test_a_run_ends_with_reports_and_an_index(project, real_data, tmp_path, faults) -> None:
    assert made_by_run(project, tmp_path, "nhs_trusts/spring_2026.yaml", "SW") == {"2026-03/SW/02_unit_report": "made"}
    assert faults(tmp_path) == []
