"""Definitions, sections 6 to 8, on hand-made cases and on the sample case log."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis.measures import compute
from mi_analysis.parameters import Folder, Institution, Labels

MARCH = "2025-03-01"
SAMPLE = [  # sager_2025.csv without the repeated row and without 2025-0044 (closed before received)
    ("2024-1187", "A10", "2110", "2024-11-12", "2024-11-12", "2025-03-14", "2025-02-12", False),
    ("2024-1240", "A30", "2120", "2024-12-02", "2024-12-20", None, "2025-03-02", False),
    ("2025-0003", "A20", "2130", "2025-01-02", "2025-01-15", "2025-02-28", "2025-03-02", False),
    ("2025-0011", "A20", "2130", "2025-01-06", "2025-01-06", "2025-03-03", "2025-03-06", False),
    ("2025-0012", "A20", "2130", "2025-01-06", "2025-01-31", "2025-03-10", "2025-03-06", False),
    ("2025-0019", "A10", "2110", "2025-01-09", "2025-01-09", "2025-03-12", "2025-04-09", False),
    ("2025-0027", "A20", "2130", "2025-01-13", None, None, "2025-03-13", False),
    ("2025-0031", "A40", "2141", "2025-03-03", "2025-03-03", "2025-03-03", None, False),
    ("2025-0033", "A40", "2141", "2025-03-05", "2025-03-05", "2025-03-06", None, False),
    ("2025-0040", "A20", "2130", "2025-02-03", "2025-02-10", "2025-03-20", "2025-04-03", False),
    ("2025-0051", "A10", "2120", "2025-02-17", "2025-02-17", None, "2025-05-17", False),
    ("2025-0060", "A20", "2130", "2025-02-24", "2025-02-24", "2025-03-31", "2025-04-24", False),
    ("2025-0062", "A20", "2130", "2025-02-26", "2025-02-27", "2025-03-31", "2025-04-26", True),
    ("2025-0075", "A20", "2130", "2025-03-18", None, None, "2025-05-18", False),
]
COLUMNS = ("case", "activity", "unit", "received", "informed", "closed", "deadline", "reopened")


def sample_cases() -> list[dict]:
    return [dict(zip(COLUMNS, row, strict=True)) for row in SAMPLE]


def sample_institution() -> Institution:
    return Institution(name=Labels(da="Prøve", en="Sample"), deliveries=Folder(folder="none"), sources={})


def case(unit: str, received: str, closed: str | None, activity: str = "A", **more: object) -> dict:
    return {
        "case": f"{unit}-{received}-{closed}-{len(more)}",
        "unit": unit,
        "activity": activity,
        "received": received,
        "closed": closed,
        **more,
    }


@pytest.fixture
def expected(samples: Path) -> dict:
    return json.loads((samples / "expected.json").read_text(encoding="utf-8"))["sager_2025.csv"]


def test_section_7_and_8_sample_flow_stock_and_times(measured, cell, expected) -> None:
    frames = measured(cases=sample_cases())
    of_march = {
        name: cell(frames, name, "I", MARCH) for name in ("received", "closed", "open_cases", "reopened", "overdue")
    }

    assert of_march["received"] == expected["received_march"]
    assert of_march["closed"] == expected["closed_march"]
    assert of_march["open_cases"] == expected["open_31_march"]
    assert cell(frames, "open_cases", "I", "2025-02-01") == expected["opening_stock_march"]
    assert (
        cell(frames, "open_cases", "I", "2025-02-01") + of_march["received"] - of_march["closed"]
        == of_march["open_cases"]
        == 5
    )
    assert of_march["reopened"] == 1
    assert of_march["overdue"] == len(expected["open_overdue"])
    assert cell(frames, "case_days_median", "I", MARCH) == expected["gross_median"] == 50.5
    assert cell(frames, "case_days_mean", "I", MARCH) == expected["gross_mean"]
    assert cell(frames, "case_days_net_median", "I", MARCH) == expected["net_median"] == 38


def test_section_8_sample_service_target_on_both_bases(measured, cell, expected) -> None:
    frames = measured(cases=sample_cases())
    closed, due = expected["service_target_closed_basis"], expected["service_target_due_basis"]

    assert cell(frames, "kept_closed_pct", "I", MARCH) == pytest.approx(closed["met"] / closed["with_deadline"] * 100)
    assert cell(frames, "kept_due_pct", "I", MARCH) == pytest.approx(due["met"] / due["due_in_march"] * 100)


def test_section_7_sample_ages_of_open_cases(measured, cell, expected) -> None:
    frames = measured(cases=sample_cases())
    ages = list(expected["open_age_days"].values())
    bands = {"open_0_30": 1, "open_31_60": 2, "open_61_90": 1, "open_91_180": 1, "open_181_365": 0, "open_over_365": 0}

    assert cell(frames, "mean_open_age", "I", MARCH) == pytest.approx(sum(ages) / len(ages))
    assert {name: cell(frames, name, "I", MARCH) for name in bands} == bands
    assert cell(frames, "mean_open_age", "2120", MARCH, activity="A30") == 119


def test_section_7_age_at_a_past_month_end_is_that_of_the_cases_open_then(measured, cell) -> None:
    frames = measured(
        cases=[
            case("K", "2025-01-10", "2025-03-05"),
            case("K", "2025-02-01", "2025-02-01"),
            case("K", "2025-02-20", None),
        ]
    )

    assert cell(frames, "open_cases", "K", "2025-02-01") == 2
    assert cell(frames, "mean_open_age", "K", "2025-02-01") == pytest.approx((49 + 8) / 2)
    assert cell(frames, "open_cases", "K", MARCH) == 1


def test_a_case_closed_on_the_last_day_of_a_month_is_not_open_at_its_end(measured, cell) -> None:
    frames = measured(cases=[case("K", "2025-02-10", "2025-02-28"), case("K", "2025-02-11", "2025-03-01")])

    assert cell(frames, "open_cases", "K", "2025-02-01") == 1


def test_section_7_clearance_and_stock_in_months(measured, cell) -> None:
    closings = [
        case("K", "2025-01-01", f"2025-{month:02}-1{day}")
        for month, count in ((1, 3), (2, 2), (3, 1))
        for day in range(count)
    ]
    frames = measured(cases=[*closings, *(case("K", f"2025-03-0{day}", None) for day in range(1, 5))])

    assert cell(frames, "clearance_pct", "K", MARCH) == pytest.approx(25)
    assert cell(frames, "stock_in_months", "K", MARCH) == pytest.approx(4 / (6 / 3))


def test_cases_received_before_the_logs_first_closing_stand_in_the_opening_stock(measured, cell, state) -> None:
    frames = measured(
        cases=[
            case("K", "2019-05-01", None),
            case("K", "2025-02-03", "2025-02-05"),
            case("K", "2025-02-03", "2025-03-05"),
        ]
    )

    assert frames.values.query("grain == 'month'")["period_start"].min() == pd.Timestamp("2025-02-01")
    assert cell(frames, "open_cases", "K", "2025-02-01") == 2
    assert cell(frames, "received", "K", "2025-02-01") == 2
    assert state(frames, "received", "K", MARCH, "ytd") == "incomplete:months"


def test_section_8_fewer_than_5_closed_cases_give_the_number_but_no_statistic(measured, cell, state) -> None:
    frames = measured(cases=[case("K", "2025-03-01", f"2025-03-0{day}") for day in range(1, 5)])

    assert cell(frames, "closed", "K", MARCH) == 4
    for name in ("case_days_median", "case_days_p90", "case_days_mean", "case_days_net_median"):
        assert cell(frames, name, "K", MARCH) != cell(frames, name, "K", MARCH)
        assert state(frames, name, "K", MARCH) == "not_applicable:few"


def test_section_8_a_median_of_a_window_goes_back_to_its_cases(measured, cell, quantile) -> None:
    days = {1: [1, 2, 3, 4, 5], 2: [10, 20, 30, 40, 50, 60], 3: [7, 7, 7, 7, 100]}
    cases = [
        case(unit, (pd.Timestamp(2025, month, 20) - pd.Timedelta(days=day)).isoformat(), f"2025-0{month}-20", activity=f"A{place % 2}")
        for month, listed in days.items() for place, day in enumerate(listed) for unit in ("K", "L")
    ]  # fmt: skip
    frames = measured(cases=cases)
    together = [day for listed in days.values() for day in listed]

    assert cell(frames, "case_days_median", "K", MARCH, "ytd") == pytest.approx(quantile(together, 0.5))
    assert cell(frames, "case_days_p90", "I", MARCH, "r3") == pytest.approx(quantile(together * 2, 0.9))
    assert cell(frames, "case_days_median", "I", "2025-02-01", activity="A1") == pytest.approx(
        quantile([20, 40, 60] * 2, 0.5)
    )
    assert cell(frames, "case_days_median", "K", "2025-01-01", grain="quarter") == pytest.approx(
        quantile(together, 0.5)
    )


def test_a_deadline_without_a_time_of_day_lasts_the_whole_day(measured, cell) -> None:
    frames = measured(cases=[
        case("K", "2025-03-01", "2025-03-05T15:00:00", deadline="2025-03-05"),
        case("L", "2025-03-01", "2025-03-05T15:00:00", deadline="2025-03-05T14:59:00"),
    ])  # fmt: skip

    assert cell(frames, "kept_closed_pct", "K", MARCH) == 100
    assert cell(frames, "kept_closed_pct", "L", MARCH) == 0


def test_cases_without_a_deadline_are_never_counted_as_met(measured, cell, state) -> None:
    frames = measured(
        cases=[case("K", "2025-03-01", "2025-03-05"), case("L", "2025-03-01", "2025-03-05", "B", deadline="2025-03-09")]
    )

    assert cell(frames, "kept_closed_pct", "I", MARCH) == 100
    assert state(frames, "kept_closed_pct", "K", MARCH) == "not_applicable:denominator"
    assert state(frames, "kept_received_pct", "K", MARCH) == "not_applicable:denominator"


def test_the_sources_own_flag_decides_among_the_received(measured, cell) -> None:
    kept = [True, True, False, None]  # without a flag the dates decide: open, so not kept
    frames = measured(
        cases=[
            case("K", f"2025-03-0{day}", None if flag is None else "2025-03-20", kept=flag)
            for day, flag in enumerate(kept, 1)
        ]
    )

    assert cell(frames, "kept_received_pct", "K", MARCH) == pytest.approx(50)


def test_section_0_check_hours_per_case_is_sum_over_sum(measured, cell) -> None:
    volumes = [
        {"unit": u, "activity": "A", "period_start": MARCH, "name": "closed", "value": v}
        for u, v in (("K", 120.0), ("L", 30.0))
    ]
    hours = [{"unit": u, "activity": "A", "period_start": MARCH, "hours": v} for u, v in (("K", 300.0), ("L", 150.0))]
    frames = measured(volumes=volumes, hours=hours)

    assert cell(frames, "hours_per_case", "K", MARCH) == 2.5
    assert cell(frames, "hours_per_case", "L", MARCH) == 5
    assert cell(frames, "hours_per_case", "I", MARCH, activity="A") == 3
    assert cell(frames, "hours_per_case", "I", MARCH) == 3


def test_section_6_check_productivity_index(measured, cell) -> None:
    frames = measured(
        activities=[{"activity": "A", "standard_hours": 2.0}, {"activity": "B", "standard_hours": 20.0}, {"activity": "C", "standard_hours": 1.0}],
        volumes=[{"unit": "K", "activity": a, "period_start": MARCH, "name": "closed", "value": v} for a, v in (("A", 100.0), ("B", 10.0), ("C", 50.0))],
        hours=[{"unit": "K", "activity": a, "period_start": MARCH, "hours": v} for a, v in (("A", 180.0), ("B", 200.0), ("X", 99.0))],
    )  # fmt: skip

    assert cell(frames, "productivity_index", "K", MARCH) == pytest.approx(400 / 380 * 100)
    assert round(cell(frames, "productivity_index", "I", MARCH), 2) == 105.26
    assert cell(frames, "weighted_output", "K", MARCH) == 450  # C closed without hours: output, not productivity


def test_section_6_closings_without_hours_and_hours_without_closings_are_not_productivity(measured, state) -> None:
    frames = measured(
        volumes=[{"unit": "K", "activity": "A", "period_start": MARCH, "name": "closed", "value": 5.0}],
        hours=[{"unit": "K", "activity": "B", "period_start": MARCH, "hours": 50.0}],
    )

    assert state(frames, "hours_per_case", "K", MARCH, activity="A") == "not_applicable:hours"
    assert state(frames, "hours_per_case", "K", MARCH, activity="B") == "not_applicable:denominator"


def test_section_5_productivity_is_not_published_below_a_coverage_of_80_per_cent(measured, cell, state) -> None:
    def with_hours(hours: float):
        return measured(
            staff=[{"unit": "K", "period_start": MARCH, "fte": 1.0, "norm_hours": 100.0, "overtime_hours": 0.0}],
            absence=[{"unit": "K", "period_start": MARCH, "absence_type": "sick", "absence_hours": 0.0}],
            hours=[{"unit": "K", "activity": "A", "period_start": MARCH, "hours": hours}],
            volumes=[{"unit": "K", "activity": "A", "period_start": MARCH, "name": "closed", "value": 10.0}],
        )

    below, at = with_hours(79.9), with_hours(80.0)

    assert state(below, "hours_per_case", "K", MARCH, activity="A") == "not_applicable:coverage"
    assert cell(below, "hours_per_case", "K", MARCH, activity="A") != cell(
        below, "hours_per_case", "K", MARCH, activity="A"
    )
    assert cell(at, "hours_per_case", "K", MARCH, activity="A") == 8


def test_section_6_progress_is_closed_against_planned_to_date(measured, cell) -> None:
    planned = [
        {"unit": "K", "activity": "A", "period_start": p, "name": "planned", "value": 10.0}
        for p in ("2025-01-01", "2025-02-01", MARCH, "2025-04-01")
    ]
    closed = [
        {"unit": "K", "activity": "A", "period_start": p, "name": "closed", "value": 6.0}
        for p in ("2025-01-01", "2025-02-01", MARCH)
    ]
    unplanned = [
        {"unit": u, "activity": a, "period_start": MARCH, "name": "closed", "value": 1000.0}
        for u, a in (("K", "B"), ("L", "A"))
    ]
    frames = measured(volumes=planned + closed + unplanned)

    assert cell(frames, "progress_pct", "K", MARCH, "ytd", "A") == pytest.approx(60)
    assert cell(frames, "progress_pct", "I", MARCH, "ytd") == pytest.approx(
        60
    )  # what nobody planned is no progress on the plan
    assert cell(frames, "closed", "I", MARCH, "ytd") == 2018


def test_no_row_in_a_delivered_month_is_zero_and_an_undelivered_month_is_missing(measured, cell, state, rows) -> None:
    hours = [
        {"unit": "K", "activity": "A", "period_start": "2025-01-01", "hours": 10.0},
        {"unit": "L", "activity": "A", "period_start": MARCH, "hours": 5.0},
    ]
    frames = measured(hours=hours)

    assert cell(frames, "registered_hours", "K", MARCH) == 0
    assert cell(frames, "registered_hours", "K", "2025-02-01") != cell(frames, "registered_hours", "K", "2025-02-01")
    assert cell(frames, "registered_hours", "K", MARCH, "ytd") == 10
    assert state(frames, "registered_hours", "K", MARCH, "ytd") == "incomplete:months"
    coverage = rows(frames.coverage, "K", MARCH, "ytd").iloc[0]
    assert (coverage["delivered_hours"], coverage["expected"]) == (2, 3)


def test_section_12_a_split_unit_is_apportioned_and_has_no_median_of_its_own(measured, cell, rows) -> None:
    cases = [case("2150", "2025-02-01", f"2025-03-{day:02}") for day in range(1, 11)]
    units = [
        {"unit": "I"},
        {"unit": "2110", "parent": "I"},
        {"unit": "2120", "parent": "I"},
        {"unit": "2150", "parent": "I", "valid_to": "2025-03-31"},
    ]
    mapped = [(u, u, 1.0) for u in ("I", "2110", "2120", "~")] + [("2150", "2110", 0.6), ("2150", "2120", 0.4)]
    frames = measured(
        cases=cases, units=units, unit_map=[{"unit": u, "to_unit": t, "share": s, "estimated": s < 1} for u, t, s in mapped],
        hours=[{"unit": "2150", "activity": "A", "period_start": MARCH, "hours": 100.0}],
    )  # fmt: skip

    assert [cell(frames, "closed", unit, MARCH) for unit in ("2110", "2120", "I")] == pytest.approx([6, 4, 10])
    assert [cell(frames, "registered_hours", unit, MARCH) for unit in ("2110", "2120", "I")] == pytest.approx(
        [60, 40, 100]
    )
    assert cell(frames, "case_days_median", "2110", MARCH) != cell(frames, "case_days_median", "2110", MARCH)
    assert cell(frames, "case_days_median", "I", MARCH) == 32.5
    assert [bool(rows(frames.coverage, unit, MARCH)["estimated"].iloc[0]) for unit in ("2110", "2120", "I")] == [
        True,
        True,
        False,
    ]
    assert "2150" not in set(frames.values["unit"])


def test_section_12_merged_units_are_summed_in_todays_structure(measured, cell) -> None:
    mapped = [(u, u) for u in ("I", "2140", "~")] + [("2141", "2140"), ("2142", "2140")]
    frames = measured(
        units=[{"unit": "I"}, {"unit": "2140", "parent": "I"}, {"unit": "2141", "parent": "I", "valid_to": "2025-03-31"}, {"unit": "2142", "parent": "I", "valid_to": "2025-03-31"}],
        unit_map=[{"unit": u, "to_unit": t, "share": 1.0} for u, t in mapped],
        hours=[{"unit": u, "activity": "A", "period_start": MARCH, "hours": h} for u, h in (("2141", 10.0), ("2142", 20.0))],
    )  # fmt: skip

    assert cell(frames, "registered_hours", "2140", MARCH) == 30


def test_what_is_not_placed_stays_in_the_institutions_total(measured, cell) -> None:
    frames = measured(
        hours=[
            {"unit": "~", "activity": "~", "period_start": MARCH, "hours": 7.4},
            {"unit": "K", "activity": "A", "period_start": MARCH, "hours": 2.6},
        ]
    )

    assert cell(frames, "registered_hours", "I", MARCH) == pytest.approx(10)
    assert cell(frames, "registered_hours", "~", MARCH) == pytest.approx(7.4)


def test_months_roll_up_to_quarters_and_years(measured, cell) -> None:
    hours = [
        {"unit": "K", "activity": "A", "period_start": f"2025-{month:02}-01", "hours": float(month)}
        for month in range(1, 13)
    ]
    frames = measured("2025-12-31", hours=hours)

    assert cell(frames, "registered_hours", "K", "2025-04-01", grain="quarter") == 15
    assert cell(frames, "registered_hours", "K", "2025-01-01", grain="year") == 78
    assert cell(frames, "registered_hours", "K", "2025-12-01", "r3") == 33


def test_a_fiscal_year_may_begin_in_another_month(measured, cell) -> None:
    hours = [
        {"unit": "K", "activity": "A", "period_start": f"2025-{month:02}-01", "hours": 1.0} for month in range(1, 10)
    ]
    frames = measured("2025-09-30", settings={"fiscal_year_start": 7}, hours=hours)

    assert cell(frames, "registered_hours", "K", "2025-06-01", "ytd") == 6
    assert cell(frames, "registered_hours", "K", "2025-09-01", "ytd") == 3


def test_cases_by_age_hold_who_came_under_observation_who_closed_and_who_is_open(measured, tmp_path) -> None:
    measured(
        as_of="2025-03-31",
        cases=[
            case("U", "2023-12-20", "2024-01-05"),  # closes before the year: in neither
            case("U", "2024-03-31", "2024-04-01"),  # open at the end of the day before the year: seen from age 0
            case("U", "2024-03-01", "2025-03-01"),  # seen from age 30, the age on the day before the year
            case("U", "2025-01-01", "2025-01-01"),  # closed the day it came
            case("U", "2025-03-01", "2025-04-02"),  # closes after the year: open for 30 days
            case("V", "2025-03-21", "2025-03-25", activity="B", reopened=True),  # open whatever its closing date says
            case("V", "2025-03-21", "2025-03-20"),  # closed before it came: no duration
        ],
    )
    found = compute.cases_by_age(tmp_path, sample_institution(), date(2025, 3, 31))
    rows = found[found["span"] == "now"].set_index(["unit", "activity", "day"])[["entered", "closed", "open"]]

    assert rows.loc[("U", "A")].T.to_dict("list") == {
        -1: [2, 0, 0], 0: [1, 1, 0], 1: [0, 1, 0], 30: [1, 0, 1], 365: [0, 1, 0],
    }  # fmt: skip
    assert rows.loc[("V", "B")].T.to_dict("list") == {-1: [1, 0, 0], 10: [0, 0, 1]}
    assert rows.loc[("I", "*")].sum().tolist() == [5, 3, 2]
    assert set(found["span"]) == {"now"}  # the log's first closing is in January 2024: the year before is not whole


def test_the_year_before_is_told_where_the_log_reaches_over_all_of_it(measured, tmp_path) -> None:
    measured(as_of="2025-03-31", cases=[case("U", "2023-04-01", "2023-04-03"), case("U", "2024-03-30", "2024-06-01")])
    found = compute.cases_by_age(tmp_path, sample_institution(), date(2025, 3, 31)).query(
        "unit == 'U' and activity == 'A'"
    )

    assert found[found["span"] == "before"][["day", "entered", "closed", "open"]].to_numpy().tolist() == [
        [-1, 2, 0, 0], [1, 0, 0, 1], [2, 0, 1, 0],
    ]  # fmt: skip
    assert found[found["span"] == "now"][["day", "entered", "closed", "open"]].to_numpy().tolist() == [
        [1, 1, 0, 0], [63, 0, 1, 0],
    ]  # fmt: skip


def test_without_cases_nothing_is_counted_by_age(measured, tmp_path) -> None:
    measured(cases=[])

    assert compute.cases_by_age(tmp_path, sample_institution(), date(2025, 3, 31)).empty
