"""History in today's structure and as the organisation was: the same totals, each month under its own units."""

import pytest

JANUARY, MARCH = "2025-01-01", "2025-03-01"
UNITS = [
    {"unit": "I"}, {"unit": "P", "parent": "I"}, {"unit": "Q", "parent": "I"},
    {"unit": "M", "parent": "P", "valid_to": "2025-02-28"}, {"unit": "M", "parent": "Q", "valid_from": "2025-03-01"},
    {"unit": "K", "parent": "P"},
    {"unit": "S", "parent": "Q", "valid_to": "2025-01-31"}, {"unit": "A", "parent": "Q"}, {"unit": "B", "parent": "Q", "valid_from": "2025-02-01"},
]  # fmt: skip
MAP = [("S", "A", 0.6), ("S", "B", 0.4), *((unit, unit, 1.0) for unit in "IPQMKAB")]
HOURS = [
    (unit, month, hours)
    for unit, by_month in {
        "M": (10, 20, 30),
        "K": (1, 2, 3),
        "S": (100, None, None),
        "A": (5, 70, 80),
        "B": (None, 40, 50),
    }.items()
    for month, hours in zip((JANUARY, "2025-02-01", MARCH), by_month, strict=True)
    if hours is not None
]


@pytest.fixture
def views(measured):
    """Frames by structure."""

    def both(**tables):
        tables = {name: [dict(row) for row in rows] for name, rows in tables.items()}
        return {
            structure: measured(
                settings={"structure": structure}, units=[dict(row) for row in UNITS],
                unit_map=[{"unit": u, "to_unit": t, "share": s, "estimated": s < 1} for u, t, s in MAP],
                **{name: [dict(row) for row in rows] for name, rows in tables.items()},
            )
            for structure in ("today", "as_was")
        }  # fmt: skip

    return both


def test_section_12_a_month_stands_under_the_units_of_its_own_day(views, cell) -> None:
    found = views(hours=[{"unit": u, "activity": "X", "period_start": m, "hours": float(h)} for u, m, h in HOURS])

    assert [cell(found["as_was"], "registered_hours", unit, JANUARY) for unit in "PQMSAI"] == [11, 105, 10, 100, 5, 116]
    assert [cell(found["as_was"], "registered_hours", unit, MARCH) for unit in "PQMAB"] == [3, 160, 30, 80, 50]
    assert cell(found["as_was"], "registered_hours", "Q", MARCH, "r3") == 105 + 110 + 160
    assert [cell(found["today"], "registered_hours", unit, JANUARY) for unit in "PQMABI"] == [1, 115, 10, 65, 40, 116]
    assert list(found["as_was"].coverage["estimated"].unique()) == [False]
    for month in (JANUARY, "2025-02-01", MARCH):
        assert cell(found["today"], "registered_hours", "I", month) == cell(
            found["as_was"], "registered_hours", "I", month
        )


def test_section_12_medians_are_made_from_the_cases_of_the_units_of_the_day(views, cell) -> None:
    days = {"M": 10, "K": 20, "A": 30}
    cases = [
        {"case": f"{unit}{at}{close}", "unit": unit, "activity": "X", "received": "2025-01-01", "closed": close}
        for unit, at in ((unit, at) for unit in days for at in range(5))
        for close in (f"2025-01-{1 + days[unit]:02}", f"2025-03-{1 + days[unit]:02}")
    ]
    found = views(cases=cases)

    assert cell(found["as_was"], "case_days_median", "P", JANUARY) == 15
    assert cell(found["as_was"], "case_days_median", "Q", JANUARY) == 30
    assert cell(found["today"], "case_days_median", "P", JANUARY) == 20
    assert cell(found["today"], "case_days_median", "Q", JANUARY) == 20
    for structure in found:
        assert cell(found[structure], "case_days_median", "I", MARCH) == 59 + 20


def test_section_10_costs_of_a_unit_that_moved_are_conserved_in_both_views(views, cell) -> None:
    money = [{"unit": u, "period_start": m, "account_group": "pay", "amount": 10.01 * h} for u, m, h in HOURS]
    hours = [{"unit": u, "activity": a, "period_start": m, "hours": h / 2} for u, m, h in HOURS for a in ("X", "Y")]
    found = views(ledger=money, hours=hours)

    for structure, frames in found.items():
        parts = [cell(frames, "allocated_cost", "I", MARCH, "r3", activity) for activity in ("X", "Y")]
        assert sum(parts) == pytest.approx(10.01 * sum(h for *_, h in HOURS), abs=0.01), structure
        centres = [cell(frames, "allocated_cost", unit, MARCH, "r3") for unit in "PQ"]
        assert sum(centres) == pytest.approx(sum(parts), abs=0.01), structure
    assert cell(found["as_was"], "allocated_cost", "P", MARCH, "r3") == pytest.approx(10.01 * (10 + 20 + 6))
    assert cell(found["today"], "allocated_cost", "P", MARCH, "r3") == pytest.approx(10.01 * 6)
