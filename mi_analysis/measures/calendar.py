"""Working days, norm hours and the ladder from gross to net hours of one årsværk.

Sources: definitions, sections 1 and 2 (PAV 19.2.4.1; lov nr. 214 af 6. marts 2023 on store bededag).
"""

from collections.abc import Iterable
from datetime import date, timedelta
from functools import cache

from mi_analysis.parameters import Calendar, Capacity

LAST_PRAYER_DAY = 2023
"""Last year in which store bededag was a public holiday."""
GROSS_YEAR = 1924.0
"""Hours of a gross full-time year: 52 weeks of 37 hours."""


def easter(year: int) -> date:
    """Easter Sunday by the anonymous Gregorian computus (Meeus, Astronomical Algorithms, ch. 8)."""
    century, of_century = divmod(year, 100)
    skipped, left = divmod(century, 4)
    moon = (19 * (year % 19) + century - skipped - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * left + 2 * (of_century // 4) - moon - of_century % 4) % 7
    late = (year % 19 + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * late + 114, 31)
    return date(year, month, day + 1)


@cache
def public_holidays(year: int) -> frozenset[date]:
    """Danish public holidays of a year, those on Saturdays and Sundays too."""
    sunday = easter(year)
    movable = [-3, -2, 0, 1, 39, 49, 50] + ([26] if year <= LAST_PRAYER_DAY else [])
    fixed = {date(year, 1, 1), date(year, 12, 25), date(year, 12, 26)}
    return frozenset(fixed | {sunday + timedelta(days) for days in movable})


def weekday_holidays(year: int) -> int:
    """Public holidays of a year that fall on Monday to Friday (søgnehelligdage)."""
    return sum(day.weekday() < 5 for day in public_holidays(year))


def working_days(first: date, last: date, rules: Calendar) -> int | None:
    """Working days from first to last, both included; None where the country's holidays are not known.

    ``rules.extra_days_off`` holds days the institution gives off: ``12-24`` every year, ``2025-05-02`` once.
    """
    if rules.country != "DK":
        return None
    days = (first + timedelta(number) for number in range((last - first).days + 1))
    return sum(
        day.weekday() < 5
        and day not in public_holidays(day.year)
        and not {day.isoformat(), day.isoformat()[5:]} & set(rules.extra_days_off)
        for day in days
    )


def working_day(month: date, number: int, rules: Calendar) -> date | None:
    """The working day of that number in the month that begins on a day; None where holidays are not known."""
    day = month - timedelta(1)
    while number and rules.country == "DK":
        day += timedelta(1)
        number -= working_days(day, day, rules) or 0
    return day if rules.country == "DK" else None


def fte_employed(employments: Iterable[tuple[date, date, float]], first: date, last: date) -> float:
    """Contracted årsværk of a period: each employment's fraction times its part of the period's calendar days.

    `employments`: first day, last day and fraction of full time (1.0); without overtime and without leave without pay.
    """
    length = (last - first).days + 1
    days = ((max(first, begin), min(last, end), fraction) for begin, end, fraction in employments)
    return sum(fraction * max(0, (end - begin).days + 1) / length for begin, end, fraction in days)


def net_hours(year: int, capacity: Capacity, rules: Calendar) -> float:
    """What one årsværk of a year leaves for tasks, in hours: gross less days away, less the share that goes to other work.

    Sickness is expected, not measured; ``non_task_share`` is taken of what is left before it.
    """
    holidays = weekday_holidays(year) if rules.country == "DK" else 0
    away = (capacity.holiday_days, capacity.special_days, holidays, capacity.sick_days, capacity.other_days)
    at_work = sum([capacity.gross, *(-days * rules.hours_per_day for days in away)])
    return at_work * (1 - capacity.non_task_share)
