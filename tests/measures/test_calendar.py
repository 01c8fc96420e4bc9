"""Definitions, section 1 (working calendar and norm hours) and the ladder of section 2."""

from datetime import date

import pytest

from mi_analysis.measures.calendar import (
    GROSS_YEAR,
    easter,
    fte_employed,
    net_hours,
    public_holidays,
    weekday_holidays,
    working_days,
)
from mi_analysis.model.values import end_of
from mi_analysis.parameters import Calendar, Capacity

RULES = Calendar()
TABLE = {
    2023: ([22, 20, 23, 17, 20, 22, 21, 23, 21, 22, 22, 19], 252, 1864.8),
    2024: ([22, 21, 19, 21, 21, 20, 23, 22, 21, 23, 21, 20], 254, 1879.6),
    2025: ([22, 20, 21, 19, 21, 20, 23, 21, 22, 23, 20, 21], 253, 1872.2),
    2026: ([21, 20, 22, 19, 19, 22, 23, 21, 22, 22, 21, 22], 254, 1879.6),
    2027: ([20, 20, 20, 22, 19, 22, 22, 22, 22, 21, 22, 23], 255, 1887.0),
    2028: ([21, 21, 23, 17, 22, 21, 21, 23, 21, 22, 22, 19], 253, 1872.2),
}


def days_of_month(year: int, month: int, rules: Calendar = RULES) -> int | None:
    first = date(year, month, 1)
    return working_days(first, end_of(first, "month"), rules)


@pytest.mark.parametrize("year", TABLE)
def test_section_1_working_days_of_each_month_are_those_of_the_table(year: int) -> None:
    months, days, hours = TABLE[year]

    assert [days_of_month(year, month) for month in range(1, 13)] == months
    assert sum(months) == days
    assert days * 7.4 == pytest.approx(hours)


def test_section_1_april_2012_has_18_working_days_and_133_2_hours() -> None:
    assert days_of_month(2012, 4) == 18
    assert 18 * RULES.hours_per_day == pytest.approx(133.2)


def test_section_1_store_bededag_is_off_in_2023_and_worked_in_2024() -> None:
    assert working_days(date(2023, 5, 5), date(2023, 5, 5), RULES) == 0
    assert working_days(date(2024, 4, 26), date(2024, 4, 26), RULES) == 1


def test_easter_moves_between_march_and_april() -> None:
    assert [easter(year) for year in (2000, 2008, 2024, 2025, 2038)] == [
        date(2000, 4, 23), date(2008, 3, 23), date(2024, 3, 31), date(2025, 4, 20), date(2038, 4, 25),
    ]  # fmt: skip


def test_1_may_constitution_day_and_christmas_eve_are_no_public_holidays() -> None:
    assert not {date(2025, 5, 1), date(2025, 6, 5), date(2025, 12, 24), date(2025, 12, 31)} & public_holidays(2025)


def test_extra_days_off_count_every_year_or_once() -> None:
    rules = Calendar(extra_days_off=["12-24", "2025-12-31"])

    assert days_of_month(2025, 12, rules) == 21 - 2
    assert days_of_month(2026, 12, rules) == 22 - 1


def test_an_extra_day_off_on_a_weekend_takes_no_working_day() -> None:
    assert days_of_month(2025, 5, Calendar(extra_days_off=["05-03"])) == days_of_month(2025, 5)


def test_working_days_are_unknown_where_the_holidays_are() -> None:
    assert days_of_month(2025, 1, Calendar(country="none")) is None


def test_section_2_net_hours_before_sickness_are_1642_8_with_8_holidays_and_1657_6_with_6() -> None:
    no_sickness = Capacity(sick_days=0)

    assert [weekday_holidays(year) for year in (2023, 2024, 2025, 2027)] == [8, 8, 8, 6]
    assert net_hours(2025, no_sickness, RULES) == pytest.approx(1642.8)
    assert net_hours(2027, no_sickness, RULES) == pytest.approx(1657.6)


def test_section_2_sickness_and_the_share_of_other_work_are_taken_off() -> None:
    assert Capacity().gross == GROSS_YEAR == 52 * 37
    assert net_hours(2025, Capacity(non_task_share=0.1), RULES) == pytest.approx(0.9 * (1642.8 - 59.2))


def test_section_2_contracted_fte_of_a_year_counts_days_and_fractions() -> None:
    year = (date(2025, 1, 1), date(2025, 12, 31))
    employments = [(*year, 1.0), (date(2025, 7, 1), date(2026, 6, 30), 0.8), (date(2024, 5, 1), date(2025, 3, 31), 1.0)]

    assert round(fte_employed(employments, *year), 5) == 1.64986
    assert fte_employed([(date(2024, 1, 1), date(2024, 12, 31), 1.0)], *year) == 0
