"""Definitions, sections 2 to 5, on hand-made facts and on the samples' figures."""

import json
from pathlib import Path

import pytest

MARCH = "2025-03-01"
FTE = {"2110": 24.5, "2120": 21.2, "2130": 38.0, "2900": 16.3}
OVERTIME = [  # overarbejde_saldi_2025-03.csv: unit, overtime + extra, taken, paid, opening, closing, flex
    ("2110", 130.5, 64.0, 40.5, 310.0, 336.0, 128.4),
    ("2120", 36.0, 52.5, 0.0, 188.5, 172.0, -41.2),
    ("2130", 252.0, 80.0, 96.0, 845.5, 923.5, -112.6),
    ("2900", 77.5, 30.0, 0.0, 402.0, 449.5, 205.0),
]


@pytest.fixture
def expected(samples: Path) -> dict:
    return json.loads((samples / "expected.json").read_text(encoding="utf-8"))


def overtime_rows() -> list[dict]:
    return [
        {"unit": unit, "period_start": MARCH, "fte": FTE[unit], "overtime_hours": earned, "balance_taken": taken,
         "balance_paid": paid, "balance_opening": opening, "balance_closing": closing, "flex_balance": flex}
        for unit, earned, taken, paid, opening, closing, flex in OVERTIME
    ]  # fmt: skip


def sick(unit: str, days: float | None, fte: float | None, period: str = MARCH, **more: object) -> dict:
    hours = None if days is None else days * 7.4
    return {"unit": unit, "period_start": period, "absence_type": "sick", "absence_hours": hours, "fte": fte, **more}


def months(year: int, last: int = 12) -> list[str]:
    return [f"{year}-{month:02}-01" for month in range(1, last + 1)]


def test_section_2_average_of_monthly_levels_is_the_years_fte_never_their_sum(measured, cell) -> None:
    # A all year, B 0.8 from 1 July, C full time January to March: 1 + 0.4 + 0.25
    level = [1 + (0.8 if month > 6 else 0) + (1 if month <= 3 else 0) for month in range(1, 13)]
    frames = measured(
        "2025-12-31",
        staff=[{"unit": "K", "period_start": p, "fte": f} for p, f in zip(months(2025), level, strict=True)],
    )

    assert cell(frames, "fte", "K", "2025-12-01", "r12") == pytest.approx(1.65)
    assert cell(frames, "fte", "I", "2025-01-01", grain="year") == pytest.approx(1.65)
    assert cell(frames, "fte", "K", "2025-12-01") == pytest.approx(1.8)


def test_section_1_norm_hours_are_working_days_times_the_day_times_fte_where_none_are_delivered(measured, cell) -> None:
    facts = [{"unit": "K", "period_start": "2025-03-01", "fte": 2.0}, {"unit": "K", "period_start": "2025-04-01", "fte": 2.0},
             {"unit": "L", "period_start": "2025-04-01", "fte": 2.0, "norm_hours": 300.0}]  # fmt: skip
    frames = measured("2025-04-30", staff=facts)

    assert cell(frames, "norm_hours", "K", "2025-03-01") == pytest.approx(21 * 7.4 * 2)
    assert cell(frames, "norm_hours", "K", "2025-04-01") == pytest.approx(19 * 7.4 * 2)
    assert cell(frames, "norm_hours", "L", "2025-04-01") == 300
    assert cell(frames, "norm_hours", "K", "2025-04-01", "ytd") == pytest.approx(40 * 7.4 * 2)


def test_section_2_fte_worked_is_paid_hours_over_the_gross_year(measured, cell) -> None:
    facts = [
        {"unit": "K", "period_start": p, "fte": 1.0, "norm_hours": 160.0, "overtime_hours": 10.0} for p in months(2025)
    ]
    frames = measured("2025-12-31", staff=facts)

    assert cell(frames, "fte_worked", "K", "2025-12-01", "r12") == pytest.approx(12 * 170 / 1924)


def test_section_2_net_hours_per_fte_is_the_years_ladder_after_sickness(measured, cell) -> None:
    frames = measured(staff=[{"unit": "K", "period_start": MARCH, "fte": 1.0}])

    assert cell(frames, "net_hours_per_fte", "K", MARCH) == pytest.approx(1642.8 - 59.2)


def test_section_3_check_11_10_hours_are_1_5_days(measured, cell, expected) -> None:
    frames = measured(absence=[{"unit": "2110", "period_start": MARCH, "absence_type": "sick", "absence_hours": 11.10}])

    wanted = float(expected["tidsregistrering_2025-03.csv"]["sick_dagsvaerk_7_4"])
    assert cell(frames, "sick_days", "2110", MARCH) == pytest.approx(wanted)


def test_section_3_check_8_4_days_on_222_possible_days_are_3_78_pct(measured, cell) -> None:
    frames = measured(
        absence=[sick("K", 8.4, None)],
        staff=[{"unit": "K", "period_start": MARCH, "fte": 1.0, "norm_hours": 222 * 7.4}],
    )

    assert round(cell(frames, "sick_pct", "K", MARCH), 2) == 3.78


def test_section_3_sample_sick_days_per_fte_is_sum_over_sum_of_the_units_known(measured, cell, state, expected) -> None:
    days = {"2110": 31.8, "2120": 14.1, "2130": 52.4, "2900": None}
    rows = [sick(unit, value, FTE[unit]) for unit, value in days.items()]
    rows += [sick(unit, None, None, withheld=True) for unit in ("2141", "2142")]
    frames = measured(absence=rows)
    wanted = expected["sygefravaer_enheder_2025M03.csv"]

    assert cell(frames, "sick_days", "I", MARCH) == pytest.approx(wanted["march_dagsvaerk_known_units"])
    assert cell(frames, "sick_days_per_fte", "I", MARCH) == pytest.approx(
        wanted["march_sick_days_per_aarsvaerk_known_units"], abs=5e-5
    )
    assert cell(frames, "sick_days_per_fte", "I", MARCH) != pytest.approx(wanted["wrong_mean_of_unit_ratios"], abs=1e-3)
    assert cell(frames, "sick_days_per_fte", "2110", MARCH) == pytest.approx(31.8 / 24.5)
    assert state(frames, "sick_days_per_fte", "I", MARCH) == "incomplete:units"
    assert state(frames, "sick_days", "2141", MARCH) == "missing:withheld"
    assert cell(frames, "sick_days", "2900", MARCH) != cell(frames, "sick_days", "2900", MARCH)  # missing, not 0


def test_section_3_rolling_12_months_is_all_days_over_the_average_fte(measured, cell, state) -> None:
    facts = [sick("K", 1.0, 10.0 if index < 6 else 20.0, period) for index, period in enumerate(months(2025))]
    frames = measured("2025-12-31", absence=facts)

    assert cell(frames, "sick_days_per_fte_12m", "K", "2025-12-01", "r12") == pytest.approx(12 / 15)
    assert cell(frames, "sick_days_per_fte", "K", "2025-12-01", "r12") == pytest.approx(12 / 15)
    assert cell(frames, "sick_days_per_fte", "K", "2025-12-01") == pytest.approx(1 / 20)
    assert state(frames, "sick_days_per_fte_12m", "K", "2025-12-01", "r12") == ""
    assert state(frames, "sick_days_per_fte_12m", "K", "2025-11-01", "r12") == "incomplete:months"


def test_section_3_kinds_of_absence_are_kept_apart(measured, cell) -> None:
    kinds = {"sick": 7.4, "child_sick": 14.8, "injury": 37.0, "holiday": 74.0}
    frames = measured(
        absence=[
            {"unit": "K", "period_start": MARCH, "absence_type": kind, "absence_hours": hours}
            for kind, hours in kinds.items()
        ]
    )

    assert [
        cell(frames, name, "K", MARCH) for name in ("sick_days", "child_sick_days", "injury_days")
    ] == pytest.approx([1, 2, 5])


def test_a_unit_with_hours_in_the_same_delivery_and_no_absence_row_has_zero_sick_days(measured, cell) -> None:
    frames = measured(
        absence=[sick("K", 2.0, None) | {"delivery": "time"}],
        hours=[
            {"unit": unit, "activity": "A", "period_start": MARCH, "hours": 100.0, "delivery": "time"}
            for unit in ("K", "L")
        ],
        staff=[{"unit": "M", "period_start": MARCH, "fte": 3.0}],
    )

    assert cell(frames, "sick_days", "L", MARCH) == 0
    assert cell(frames, "sick_days", "M", MARCH) != cell(frames, "sick_days", "M", MARCH)


def test_section_3_frequency_is_spells_that_ended_over_the_average_fte_and_long_ones_are_counted_beside(
    measured, cell, state
) -> None:
    told = [
        sick(unit, 1.0, 10.0, period, spells=spells, long_spells=long)
        for period in months(2025)
        for unit, spells, long in (("K", 2.0, 1.0), ("L", 3.0, 0.0), ("M", None, None))
    ]
    frames = measured("2025-12-31", absence=told)

    assert cell(frames, "sick_spells", "K", "2025-12-01", "r12") == 24
    assert cell(frames, "sick_spells_per_fte", "I", "2025-12-01", "r12") == pytest.approx(60 / 20)  # of those that tell
    assert cell(frames, "long_spells", "I", "2025-12-01", "r12") == 12
    assert cell(frames, "sick_days", "M", "2025-12-01") == pytest.approx(1)
    assert cell(frames, "sick_spells", "M", "2025-12-01") != cell(
        frames, "sick_spells", "M", "2025-12-01"
    )  # no spells told


def test_spells_of_fewer_persons_than_the_limit_are_judged_as_one_persons(measured) -> None:
    persons = [
        {"unit": "K", "period_start": MARCH, "domain": domain, "persons": persons, "largest_person_share": share, "value": value}
        for domain, persons, share, value in (("staff", 40.0, None, None), ("spells", 5.0, 0.3, 6.0), ("long_spells", 4.0, 0.25, 4.0))
    ]  # fmt: skip
    guards = measured(absence=[sick("K", 1.0, 30.0, spells=6.0, long_spells=4.0)], persons=persons).guards
    row = guards[(guards["unit"] == "K") & (guards["grain"] == "month") & (guards["window"] == "month")].iloc[0]

    assert (row["spells_largest_share"], row["long_spells_largest_share"]) == (0.3, 1.0)


def test_section_4_check_overtime_per_fte_of_units_and_institution(measured, cell, expected) -> None:
    frames = measured(staff=overtime_rows())
    wanted = expected["overarbejde_saldi_2025-03.csv"]

    for unit, value in wanted["per_aarsvaerk_by_unit"].items():
        assert cell(frames, "overtime_per_fte", unit, MARCH) == pytest.approx(value, abs=5e-5)
    assert round(cell(frames, "overtime_per_fte", "2130", MARCH), 2) == 6.63
    assert cell(frames, "overtime_per_fte", "I", MARCH) == pytest.approx(wanted["institution_per_aarsvaerk"])
    assert cell(frames, "overtime_pct", "2130", MARCH) == pytest.approx(252 / (38 * 21 * 7.4) * 100)


def test_section_4_check_the_balance_identity_is_broken_by_two_hours_in_2130_only(measured, cell, expected) -> None:
    frames = measured(staff=overtime_rows())

    for unit, wanted in expected["overarbejde_saldi_2025-03.csv"]["balance_identity"].items():
        assert cell(frames, "balance_difference", unit, MARCH) == pytest.approx(wanted["difference"])
    assert cell(frames, "flex_balance", "I", MARCH) == pytest.approx(
        expected["overarbejde_saldi_2025-03.csv"]["flex_total"]
    )


def test_section_4_balances_are_never_summed_over_months(measured, cell) -> None:
    facts = [
        {"unit": "K", "period_start": f"2025-0{month}-01", "fte": 1.0, "overtime_hours": 10.0, "balance_taken": 4.0, "balance_paid": 1.0,
         "balance_opening": 5.0 * month, "balance_closing": 5.0 * month + 5}
        for month in (1, 2, 3)
    ]  # fmt: skip
    frames = measured(staff=facts)

    assert cell(frames, "balance_opening", "K", MARCH, "ytd") == 5
    assert cell(frames, "balance_closing", "K", MARCH, "ytd") == 20
    assert cell(frames, "overtime_hours", "K", MARCH, "ytd") == 30
    assert cell(frames, "balance_difference", "K", MARCH, "ytd") == 0


def test_overtime_of_a_unit_that_did_not_deliver_is_missing_and_its_parent_incomplete(measured, cell, state) -> None:
    facts = [
        {"unit": unit, "period_start": p, "fte": 10.0, "overtime_hours": 20.0}
        for unit in ("K", "L")
        for p in ("2025-02-01", MARCH)
    ]
    frames = measured(staff=[row for row in facts if (row["unit"], row["period_start"]) != ("L", MARCH)])

    assert cell(frames, "overtime_hours", "L", MARCH) != cell(frames, "overtime_hours", "L", MARCH)
    assert cell(frames, "overtime_hours", "I", MARCH) == 20
    assert cell(frames, "overtime_per_fte", "I", MARCH) == 2
    assert state(frames, "overtime_hours", "I", MARCH) == "incomplete:units"
    assert state(frames, "overtime_hours", "I", "2025-02-01") == ""


def test_a_unit_is_not_expected_before_its_first_figure_nor_after_its_last_day(measured, state) -> None:
    facts = [{"unit": "K", "period_start": p, "fte": 10.0} for p in months(2025, 4)]
    facts += [
        {"unit": "new", "period_start": "2025-04-01", "fte": 1.0},
        {"unit": "old", "period_start": "2025-01-01", "fte": 1.0},
    ]
    units = [
        {"unit": "I"},
        *({"unit": unit, "parent": "I"} for unit in ("K", "new")),
        {"unit": "old", "parent": "I", "valid_to": "2025-02-28"},
    ]
    frames = measured("2025-04-30", staff=facts, units=units)

    assert [state(frames, "fte", "I", p) for p in months(2025, 4)] == ["", "incomplete:units", "", ""]


def test_pay_of_a_year_exists_at_the_year_and_is_not_applicable_for_a_month(measured, cell, state) -> None:
    frames = measured(
        "2025-12-31",
        staff=[{"unit": "K", "period_start": "2025-01-01", "grain": "year", "pay": 1000.0, "overtime_pay": 150.0, "injury_pay": 30.0}],
        volumes=[{"unit": "K", "activity": "A", "period_start": p, "name": "closed", "value": 1.0} for p in months(2025)],
    )  # fmt: skip

    assert cell(frames, "overtime_pay_share", "K", "2025-01-01", grain="year") == pytest.approx(15)
    assert cell(frames, "injury_pay", "I", "2025-01-01", grain="year") == 30
    assert cell(frames, "closed", "K", "2025-01-01", grain="year") == 12
    assert cell(frames, "overtime_pay", "K", "2025-12-01", "r12") != cell(
        frames, "overtime_pay", "K", "2025-12-01", "r12"
    )
    assert state(frames, "overtime_pay", "K", "2025-12-01", "r12") == "not_applicable:grain"
    assert state(frames, "overtime_pay", "K", "2025-10-01", grain="quarter") == "not_applicable:grain"


def test_section_5_coverage_direct_share_and_automatic_rows(measured, cell) -> None:
    frames = measured(
        settings={"overhead_activities": ["A80"]},
        activities=[{"activity": "A10", "purpose": "1"}, {"activity": "A80", "purpose": "1"}, {"activity": "A90", "purpose": "9"}],
        staff=[{"unit": "K", "period_start": MARCH, "fte": 1.0, "norm_hours": 150.0, "overtime_hours": 10.0}],
        absence=[{"unit": "K", "period_start": MARCH, "absence_type": kind, "absence_hours": hours} for kind, hours in (("sick", 20.0), ("holiday", 40.0))],
        hours=[
            {"unit": "K", "activity": "A10", "period_start": MARCH, "hours": 60.0, "overtime_hours": 10.0, "rows": 8, "auto_rows": 2},
            {"unit": "K", "activity": "A80", "period_start": MARCH, "hours": 15.0, "rows": 1},
            {"unit": "K", "activity": "A90", "period_start": MARCH, "hours": 10.0, "rows": 1},
            {"unit": "K", "activity": "~", "period_start": MARCH, "hours": 5.0, "rows": 2, "auto_rows": 1, "draft_hours": 3.0},
        ],
    )  # fmt: skip

    assert cell(frames, "attendance_hours", "K", MARCH) == 150 - 60 + 10
    assert cell(frames, "registration_coverage", "K", MARCH) == pytest.approx(90)
    assert cell(frames, "direct_share", "K", MARCH) == pytest.approx(60 / 90 * 100)
    assert cell(frames, "auto_share", "K", MARCH) == pytest.approx(3 / 12 * 100)
    assert cell(frames, "activity_overtime_hours", "K", MARCH, activity="A10") == 10
    assert cell(frames, "draft_hours", "K", MARCH) == 3


def test_guards_take_the_fewest_persons_and_the_largest_share_of_a_window(measured, rows) -> None:
    persons = [
        {"unit": "K", "period_start": f"2025-0{month}-01", "domain": domain, "persons": persons, "largest_person_share": share}
        for month, persons, share in ((1, 9.0, 0.2), (2, 4.0, 0.6), (3, 8.0, 0.3)) for domain in ("staff", "sick")
    ]  # fmt: skip
    staff = [{"unit": "K", "period_start": f"2025-0{month}-01", "fte": 8.0 + month} for month in (1, 2, 3)]
    frames = measured(persons=persons, staff=staff)
    columns = ["persons", "fte", "sick_largest_share"]

    assert rows(frames.guards, "K", MARCH)[columns].iloc[0].tolist() == [8, 11, 0.3]
    assert rows(frames.guards, "K", MARCH, "ytd")[columns].iloc[0].tolist() == [4, 9, 0.6]
    assert not frames.guards["withheld"].any()


def test_a_model_without_any_fact_has_empty_frames(measured) -> None:
    frames = measured("0001-01-01", units=[{"unit": "I"}])

    assert frames.values.empty
    assert frames.states.empty
    assert {"unit", "activity", "period_start", "grain", "window"} < set(frames.values.columns)
