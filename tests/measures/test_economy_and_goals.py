"""Definitions, sections 9 to 11, on hand-made facts and on the samples' figures."""

import json
from pathlib import Path

import pytest

MARCH = "2025-03-01"
BUDGET = {  # budget_periodiseret_2025.xlsx, t.kr. by month
    ("2110", "A10", "other"): [760, 760, 780, 760, 790, 760, 640, 760, 780, 780, 770, 760],
    ("2120", "A10", "other"): [670, 670, 690, 670, 690, 670, 560, 670, 690, 690, 680, 670],
    ("2130", "A20", "other"): [1150, 1150, 1170, 1150, 1200, 1150, 980, 1150, 1170, 1170, 1160, 1150],
    ("2130", "A20", "income"): [-330, -330, -340, -330, -350, -330, -250, -330, -340, -340, -330, -330],
    ("2900", "A90", "other"): [520, 520, 540, 520, 530, 520, 470, 520, 530, 530, 530, 520],
}
LEDGER = [  # navision_finansposter_2025-03.csv without the closing entry
    ("2110", "A10", "pay", 742500.00), ("2120", "A10", "pay", 655300.50), ("2130", "A20", "pay", 1012000.00),
    ("2900", "A90", "pay", 498250.00), ("2110", "A10", "other", 12480.25), ("2900", None, "other", 8999.95),
    ("2130", "A20", "other", 186750.00), ("2130", "A20", "other", -186750.00), ("2130", "A20", "other", 168750.00),
    ("2130", "A20", "income", -325600.00), ("2120", "A10", "other", 9310.40), ("2110", "A10", "pay", 41275.75),
]  # fmt: skip


@pytest.fixture
def expected(samples: Path) -> dict:
    return json.loads((samples / "expected.json").read_text(encoding="utf-8"))


def budget(version: str = "GB", factor: float = 1.0, months: range = range(1, 13)) -> list[dict]:
    return [
        {"unit": u, "activity": a, "period_start": f"2025-{month:02}-01", "version": version, "account_group": g, "amount": factor * values[month - 1]}
        for (u, a, g), values in BUDGET.items() for month in months
    ]  # fmt: skip


def ledger(rows: list[tuple] = LEDGER, period: str = MARCH) -> list[dict]:
    return [{"unit": u, "activity": a, "period_start": period, "account_group": g, "amount": v} for u, a, g, v in rows]


def test_section_9_sample_ledger_by_unit_and_kind_of_money(measured, cell, expected) -> None:
    frames = measured(ledger=ledger())
    wanted = expected["navision_finansposter_2025-03.csv"]

    for unit, amount in wanted["sum_by_sted_excl_closing"].items():
        assert cell(frames, "actual", unit, MARCH) == pytest.approx(float(amount), abs=0.01)
    assert cell(frames, "actual", "I", MARCH) == pytest.approx(float(wanted["sum_excl_closing"]), abs=0.01)
    assert cell(frames, "actual_income", "I", MARCH) == pytest.approx(float(wanted["income_excl_closing"]), abs=0.01)
    costs = cell(frames, "actual_pay", "I", MARCH) + cell(frames, "actual_other", "I", MARCH)
    assert costs == pytest.approx(float(wanted["costs_excl_closing"]), abs=0.01)
    assert cell(frames, "actual", "2900", MARCH, activity="~") == pytest.approx(8999.95)


def test_section_9_check_year_to_date_uses_the_periodised_budget(measured, cell, expected) -> None:
    frames = measured(budget=budget(), ledger=ledger())
    wanted = expected["budget_periodiseret_2025.xlsx"]

    assert cell(frames, "budget", "I", MARCH, "ytd") == pytest.approx(wanted["ytd_march_tkr"])
    assert cell(frames, "budget", "I", MARCH, "ytd") != pytest.approx(wanted["straight_line_quarter_tkr"])
    assert cell(frames, "budget_year", "I", MARCH) == pytest.approx(wanted["year_total_tkr"])
    for unit, amount in wanted["ytd_march_tkr_by_sted"].items():
        assert cell(frames, "budget", unit, MARCH, "ytd") == pytest.approx(amount)


def test_section_9_deviation_has_the_ledgers_sign_and_is_judged_against_the_size_of_the_budget(
    measured, cell, state
) -> None:
    rows = [("K", "A", "other", 110.0), ("L", "A", "income", -80.0), ("M", "A", "other", 5.0)]
    plans = [("K", "other", 100.0), ("L", "income", -100.0)]
    frames = measured(
        ledger=ledger(rows),
        budget=[{"unit": u, "activity": "A", "period_start": MARCH, "version": "GB", "account_group": g, "amount": v} for u, g, v in plans],
    )  # fmt: skip

    assert [cell(frames, "deviation", unit, MARCH) for unit in ("K", "L", "M")] == pytest.approx([10, 20, 5])
    assert [cell(frames, "deviation_pct", unit, MARCH) for unit in ("K", "L")] == pytest.approx([10, 20])
    assert state(frames, "deviation_pct", "M", MARCH) == "not_applicable:denominator"


def test_section_9_forecast_is_actual_to_date_and_the_remaining_periodised_budget(measured, cell) -> None:
    frames = measured(
        ledger=[row for month in ("2025-01-01", "2025-02-01", MARCH) for row in ledger([("2110", "A10", "other", 800.0)], month)],
        budget=budget(),
    )  # fmt: skip

    assert cell(frames, "forecast", "2110", MARCH, "ytd") == pytest.approx(2400 + 9100 - 2300)
    assert cell(frames, "consumption_pct", "2110", MARCH, "ytd") == pytest.approx(2400 / 9100 * 100)
    assert cell(frames, "deviation", "2110", MARCH, "ytd") == pytest.approx(100)


def test_section_9_forecast_by_share_needs_more_than_a_quarter_of_the_budget(measured, cell, state) -> None:
    months = [f"2025-{month:02}-01" for month in range(1, 5)]
    frames = measured(
        "2025-04-30",
        ledger=[row for month in months for row in ledger([("2110", "A10", "other", 800.0)], month)],
        budget=budget(),
    )

    assert cell(frames, "forecast_by_share", "2110", "2025-04-01", "ytd") == pytest.approx(3200 / (3060 / 9100))
    assert cell(frames, "forecast_by_share", "2110", MARCH, "ytd") == pytest.approx(2400 / (2300 / 9100))
    assert state(frames, "forecast_by_share", "2110", "2025-02-01", "ytd") == "not_applicable:share"


def test_section_9_the_own_forecast_is_the_newest_made_by_then_and_no_budget(measured, cell, state) -> None:
    year = {"unit": "2110", "activity": "A10", "period_start": "2025-01-01", "grain": "year", "account_group": "other"}
    own = [year | {"version": v, "amount": a} for v, a in (("forecast", 9000.0), ("Forecast 2025-03", 9500.0))]
    part = budget("forecast 2025-02", 1.0, range(2, 13))
    frames = measured(
        ledger=[row for month in QUARTER for row in ledger([("2110", "A10", "other", 800.0)], month)],
        budget=budget() + own + part,
    )

    assert cell(frames, "forecast_own", "2110", "2025-02-01", "ytd") == 9000
    assert cell(frames, "forecast_own", "I", MARCH, "ytd") == 9500
    assert cell(frames, "budget", "2110", MARCH, "ytd") == 2300
    assert cell(frames, "forecast", "2110", MARCH, "ytd") == pytest.approx(2400 + 9100 - 2300)
    assert state(frames, "forecast_own", "2120", MARCH, "ytd") == ""


def test_section_9_a_month_without_ledger_makes_the_deviation_and_forecasts_incomplete(measured, state) -> None:
    rows = [row for month in ("2025-01-01", MARCH) for row in ledger([("2110", "A10", "other", 800.0)], month)]
    frames = measured(ledger=rows, budget=budget())

    for name in ("deviation", "deviation_pct", "forecast", "forecast_by_share"):
        assert state(frames, name, "2110", MARCH, "ytd") == "incomplete:months"


def test_section_9_the_latest_version_that_covers_the_period_is_used_alone(measured, cell, state) -> None:
    june = budget("UO1", 2.0, range(4, 13))
    frames = measured("2025-06-30", budget=budget() + june, ledger=ledger(period="2025-06-01"))

    assert cell(frames, "budget", "2110", MARCH, "ytd") == pytest.approx(2300)
    assert cell(frames, "budget", "2110", "2025-06-01") == pytest.approx(2 * 760)
    assert cell(frames, "budget", "2110", "2025-06-01", "ytd") == pytest.approx(2 * (760 + 790 + 760))
    assert state(frames, "budget", "2110", "2025-06-01", "ytd") == "incomplete:months"


def test_a_missing_budget_leaves_the_deviation_missing_not_zero(measured, cell) -> None:
    frames = measured(ledger=ledger())

    assert cell(frames, "budget", "2110", MARCH) != cell(frames, "budget", "2110", MARCH)
    assert cell(frames, "deviation", "2110", MARCH) != cell(frames, "deviation", "2110", MARCH)


def test_section_10_pay_is_spread_by_hours_within_the_unit_and_nothing_is_lost(measured, cell) -> None:
    months = ("2025-01-01", "2025-02-01", MARCH)
    money = [
        ("K", None, "pay", 1000.0),
        ("K", "A", "other", 50.0),
        ("K", "A", "income", -400.0),
        ("K", "B", "overhead", 70.0),
        ("L", None, "pay", 500.0),
    ]
    hours = [("K", "A", 30.0), ("K", "B", 9.0), ("K", "~", 1.0), ("L", "A", 10.0)]
    frames = measured(
        ledger=[row for month in months for row in ledger(money, month)],
        hours=[{"unit": u, "activity": a, "period_start": p, "hours": h} for p in months for u, a, h in hours],
        volumes=[{"unit": u, "activity": "A", "period_start": MARCH, "name": "closed", "value": v} for u, v in (("K", 24.0), ("L", 10.0))],
    )  # fmt: skip

    assert cell(frames, "allocated_cost", "K", MARCH, "r3", "A") == pytest.approx(3000 * 30 / 40 + 150)
    assert cell(frames, "unit_cost", "K", MARCH, "r3", "A") == pytest.approx((2250 + 150) / 24)
    assert cell(frames, "allocated_cost", "I", MARCH, "r3", "A") == pytest.approx(2400 + 1500)
    assert cell(frames, "allocated_cost", "I", MARCH, "r3") == pytest.approx(3000 + 1500 + 150, abs=0.01)
    parts = [cell(frames, "allocated_cost", "I", MARCH, "r3", activity) for activity in ("A", "B", "~")]
    assert sum(parts) == pytest.approx(cell(frames, "allocated_cost", "I", MARCH, "r3"), abs=0.01)
    assert cell(frames, "unit_cost", "K", "2025-01-01", grain="quarter", activity="A") == pytest.approx(100)
    assert cell(frames, "unit_cost", "K", MARCH, activity="A") != cell(frames, "unit_cost", "K", MARCH, activity="A")


def test_section_10_pay_without_hours_stays_in_the_total_and_has_no_unit_cost(measured, cell, state) -> None:
    months = ("2025-01-01", "2025-02-01", MARCH)
    frames = measured(
        ledger=[row for month in months for row in ledger([("K", "A", "pay", 100.0), ("L", "A", "pay", 10.0)], month)],
        hours=[
            {"unit": u, "activity": "A", "period_start": p, "hours": h}
            for p in months
            for u, h in (("K", -2.0), ("L", 5.0))
        ],
        volumes=[
            {"unit": u, "activity": "A", "period_start": p, "name": "closed", "value": 10.0}
            for p in months
            for u in ("K", "L")
        ],
    )

    assert cell(frames, "allocated_cost", "K", MARCH, "r3", "~") == 300
    assert cell(frames, "allocated_cost", "I", MARCH, "r3") == 330
    assert state(frames, "unit_cost", "K", MARCH, "r3", "A") == "not_applicable:driver"
    assert state(frames, "unit_cost", "I", MARCH, "r3", "A") == "incomplete:driver"
    assert cell(frames, "unit_cost", "L", MARCH, "r3", "A") == 1


LEVELS = ("allocated_cost", "allocated_cost_incl_indirect", "allocated_cost_full")
QUARTER = ("2025-01-01", "2025-02-01", MARCH)
SPREAD = [  # unit, activity, account group, FL-formål, amount a month
    ("K", None, "pay", None, 1000.01), ("K", "A", "other", "1", 50.0), ("K", "A", "income", "1", -400.0), ("K", "A", "indirect", "1", 30.0),
    ("K", None, "indirect", None, 77.77), ("K", None, "other", "90", 12.3), ("K", "B", "overhead", "9", 7.0),
    ("S", "Z", "pay", "9", 333.33), ("S", "Z", "other", "9", 11.11),
]  # fmt: skip


def spread(measured, hours: list[tuple]):
    money = [
        {"unit": u, "activity": a, "account_group": g, "purpose": p, "amount": v, "period_start": m}
        for m in QUARTER for u, a, g, p, v in SPREAD
    ]  # fmt: skip
    return measured(
        ledger=money,
        hours=[{"unit": u, "activity": a, "period_start": m, "hours": h} for m in QUARTER for u, a, h in hours],
        volumes=[{"unit": "K", "activity": "A", "period_start": MARCH, "name": "closed", "value": 9.0}],
        activities=[{"activity": a, "name": a, "purpose": p} for a, p in (("A", "1"), ("B", "2"), ("Z", "9"))],
    )


def test_section_10_each_level_adds_its_own_costs_and_loses_nothing(measured, cell) -> None:
    frames = spread(
        measured,
        [("K", "A", 30.0), ("K", "B", 9.0), ("K", "~", 1.0), ("K", "Z", 10.0), ("S", "Z", 7.0), ("S", "B", 3.0)],
    )
    direct, indirect = 3 * (1000.01 + 50 + 333.33 + 11.11), 3 * (30 + 77.77)
    overhead = 3 * (12.3 + 7.0)
    on_overhead = 3 * (1000.01 + 77.77) * 10 / 50 + 3 * 333.33 * 7 / 10 + 3 * 11.11

    totals = [cell(frames, level, "I", MARCH, "r3") for level in LEVELS]
    parts = [
        sum(cell(frames, level, "I", MARCH, "r3", activity) for activity in ("A", "B", "Z", "~")) for level in LEVELS
    ]

    assert totals == pytest.approx([direct, direct + indirect, direct + indirect + overhead], abs=0.01)
    assert parts == pytest.approx(totals, abs=0.01)
    assert sum(cell(frames, LEVELS[2], unit, MARCH, "r3") for unit in ("K", "S")) == pytest.approx(totals[2], abs=0.01)
    assert cell(frames, LEVELS[0], "K", MARCH, "r3") == pytest.approx(3 * 1050.01, abs=0.01)
    assert cell(frames, LEVELS[1], "K", MARCH, "r3", "A") == pytest.approx(3 * ((1000.01 + 77.77) * 30 / 50 + 50 + 30))
    assert cell(frames, LEVELS[1], "I", MARCH, "r3", "Z") == pytest.approx(on_overhead)
    assert cell(frames, LEVELS[2], "I", MARCH, "r3", "Z") == 0
    assert cell(frames, LEVELS[2], "S", MARCH, "r3", "B") == pytest.approx(
        3 * 333.33 * 3 / 10 + (overhead + on_overhead) * 3 / 43
    )
    for level, cost in zip(("unit_cost", "unit_cost_incl_indirect", "unit_cost_full"), LEVELS, strict=True):
        assert cell(frames, level, "K", MARCH, "r3", "A") == pytest.approx(
            cell(frames, cost, "K", MARCH, "r3", "A") / 9
        )


def test_section_10_what_no_hours_can_carry_stays_where_it_stands_and_is_told(measured, cell, state) -> None:
    frames = spread(measured, [("S", "Z", 7.0)])

    assert cell(frames, LEVELS[1], "K", MARCH, "r3", "~") == pytest.approx(3 * (1000.01 + 77.77))
    assert cell(frames, LEVELS[2], "I", MARCH, "r3", "Z") == pytest.approx(3 * 344.44)
    assert cell(frames, LEVELS[2], "K", MARCH, "r3", "~") == pytest.approx(3 * (1000.01 + 77.77 + 12.3 + 7.0))
    assert cell(frames, LEVELS[2], "I", MARCH, "r3") == pytest.approx(
        3 * sum(v for *_, g, _, v in SPREAD if g != "income"), abs=0.01
    )
    assert state(frames, "unit_cost_full", "K", MARCH, "r3", "A") == "not_applicable:driver"
    assert state(frames, "unit_cost_full", "S", MARCH, "r3", "*") == "not_applicable:overhead"


def sample_goals() -> list[dict]:
    rows = [
        ("1.1", "A10", "higher", 0.95, 0.93, 30.0, 0.9), ("1.2", "A20", "lower", 45.0, 39.0, 25.0, 0.8),
        ("2.1", "A30", "higher", 120.0, 131.0, 15.0, 0.9), ("2.2", "~", "lower", 7.5, 9.0, 10.0, 0.8),
    ]  # fmt: skip
    goals = [
        {"goal": g, "unit": "I", "activity": a, "period_start": "2025-01-01", "grain": "year", "direction": d, "target": t, "result": r,
         "weight": w, "partly_limit": p} for g, a, d, t, r, w, p in rows
    ]  # fmt: skip
    milestone = {"goal": "3.1", "unit": "I", "activity": "A20", "period_start": "2025-01-01", "grain": "year", "direction": "milestone",
                 "target_date": "2025-12-31", "weight": 20.0, "state": "not_assessed"}  # fmt: skip
    return [*goals, milestone]


def test_section_11_check_weighted_degree_coverage_and_status_of_the_sample(measured, cell, expected) -> None:
    frames = measured("2025-12-31", goals=sample_goals(), units=[{"unit": "I"}])
    wanted = expected["maal_resultatplan_2025.xlsx"]
    goals = frames.goals.set_index("goal")
    words = {"met": "opfyldt", "partly": "delvist opfyldt", "not_assessed": "ikke opgjort", "not_met": "ikke opfyldt"}

    for goal, degree in wanted["degree_uncapped"].items():
        assert goals.loc[goal, "degree"] == pytest.approx(degree, abs=5e-7)
    assert {goal: words[status] for goal, status in goals["status"].items()} == wanted["status"]
    assert cell(frames, "goal_degree", "I", "2025-01-01", grain="year") == pytest.approx(
        100 * wanted["weighted_degree_assessed"], abs=5e-5
    )
    assert round(cell(frames, "goal_degree", "I", "2025-01-01", grain="year"), 2) == 97.13
    assert cell(frames, "goal_coverage", "I", "2025-01-01", grain="year") == pytest.approx(wanted["assessed_weight"])
    assert cell(frames, "goal_degree", "I", "2025-01-01", grain="year", activity="A20") == pytest.approx(100)


def one_goal(**row: object) -> list[dict]:
    return [{"goal": "1", "unit": "K", "activity": "~", "period_start": MARCH, "weight": 1.0, **row}]


JUDGED = [  # goal, degree, capped degree, status
    ({"direction": "higher", "target": 100.0, "result": 99.6, "partly_limit": 0.9}, 0.996, 0.996, "partly"),
    ({"direction": "higher", "target": 100.0, "result": 80.0, "partly_limit": 0.9}, 0.8, 0.8, "not_met"),
    ({"direction": "higher", "target": 100.0, "result": 80.0}, 0.8, 0.8, "not_met"),
    (
        {"direction": "higher", "target": 10.0, "result": 8.0, "baseline": 4.0, "partly_limit": 0.5},
        4 / 6,
        4 / 6,
        "partly",
    ),
    ({"direction": "lower", "target": 30.0, "result": 45.0, "baseline": 60.0}, 0.5, 0.5, "not_met"),
    ({"direction": "lower", "target": 30.0, "result": 45.0}, 30 / 45, 30 / 45, "not_met"),
    ({"direction": "lower", "target": 5.0, "result": 0.0}, None, 1, "met"),
    ({"direction": "lower", "target": 0.0, "result": 3.0}, None, 0, "not_met"),
    ({"direction": "lower", "target": 0.0, "result": 0.0}, None, 1, "met"),
    ({"direction": "band", "target": 30.0, "baseline": 20.0, "result": 25.0}, 1, 1, "met"),
    ({"direction": "band", "target": 30.0, "baseline": 20.0, "result": 40.0}, 0.75, 0.75, "not_met"),
    ({"direction": "band", "target": 30.0, "baseline": 20.0, "result": 10.0, "partly_limit": 0.5}, 0.5, 0.5, "partly"),
    ({"direction": "milestone", "target_date": "2025-03-31", "result_date": "2025-03-31"}, 1, 1, "met"),
    ({"direction": "milestone", "target_date": "2025-03-31", "result_date": "2025-04-01"}, 0, 0, "not_met"),
    ({"direction": "yes_no", "result": 1.0}, 1, 1, "met"),
    ({"direction": "yes_no", "result": 0.0}, 0, 0, "not_met"),
    ({"direction": "share_of_milestones", "target": 1.0, "result": 0.75, "partly_limit": 0.5}, 0.75, 0.75, "partly"),
    ({"direction": "higher", "target": 100.0}, None, None, "not_assessed"),
]


def test_section_11_each_kind_of_goal_is_judged_on_the_unrounded_degree(measured) -> None:
    rows = [goal | {"goal": str(place)} for place, (row, *_) in enumerate(JUDGED) for goal in one_goal(**row)]
    goals = measured(goals=rows).goals.set_index("goal")

    for place, (row, degree, capped, status) in enumerate(JUDGED):
        found = goals.loc[str(place)]
        for name, wanted in (("degree", degree), ("degree_capped", capped)):
            assert found[name] == pytest.approx(float("nan") if wanted is None else wanted, nan_ok=True), row
        assert found["status"] == status, row


def test_section_11_a_window_takes_each_goals_latest_assessed_period(measured, cell, state) -> None:
    results = [("2025-01-01", 50.0), ("2025-02-01", 80.0), (MARCH, None)]
    rows = [
        row | {"period_start": p} for p, r in results for row in one_goal(direction="higher", target=100.0, result=r)
    ]
    frames = measured(goals=rows)

    assert cell(frames, "goal_degree", "K", MARCH, "ytd") == pytest.approx(80)
    assert state(frames, "goal_degree", "K", MARCH) == "not_assessed:goals"
    assert cell(frames, "goal_degree", "I", MARCH, "ytd") == pytest.approx(80)  # has no goals of its own


def test_a_quarters_goal_stands_in_the_months_year_to_date_once_the_quarter_has_ended(measured, cell) -> None:
    goals = [
        row | {"period_start": "2025-01-01", "grain": "quarter"}
        for row in one_goal(direction="higher", target=10.0, result=9.0)
    ]
    hours = [{"unit": "K", "activity": "A", "period_start": p, "hours": 1.0} for p in ("2025-02-01", MARCH)]
    frames = measured(goals=goals, hours=hours)

    assert cell(frames, "goal_degree", "K", MARCH, "ytd") == pytest.approx(90)
    assert cell(frames, "goal_degree", "K", MARCH) != cell(frames, "goal_degree", "K", MARCH)
    assert cell(frames, "goal_degree", "K", "2025-02-01", "ytd") != cell(
        frames, "goal_degree", "K", "2025-02-01", "ytd"
    )


def test_activities_with_those_without_add_up_to_the_total_in_every_cell(measured) -> None:
    money = ledger() + ledger([("2110", "A20", "pay", 33.33), ("2120", None, "other", 0.01)], "2025-02-01")
    hours = [
        {"unit": u, "activity": a, "period_start": p, "hours": h} for p in ("2025-01-01", "2025-02-01", MARCH)
        for u, a, h in (("2110", "A10", 41.15), ("2110", "~", 7.4), ("2130", "A20", 6.25), ("~", "A10", 0.1))
    ]  # fmt: skip
    cases = [
        {"case": f"{unit}{activity}{day}", "unit": unit, "activity": activity, "received": f"2025-01-{day:02}", "closed": f"2025-0{1 + day % 3}-28"}
        for unit in ("2110", "2120") for activity in ("A10", None) for day in range(1, 12)
    ]  # fmt: skip
    frames = measured(ledger=money, hours=hours, cases=cases)
    names = ["registered_hours", "actual", "actual_pay", "allocated_cost", "received", "closed", "open_cases"]
    keys = ["unit", "period_start", "grain", "window"]
    parts = frames.values.query("activity != '*'").groupby(keys)[names].sum()
    totals = frames.values.query("activity == '*'").set_index(keys)[names].fillna(0)

    assert (parts.reindex(totals.index).fillna(0) - totals).abs().max().max() < 0.01
    assert totals["registered_hours"].max() > 0
    assert totals["allocated_cost"].max() > 0
