"""Source codes become units and activities by rules a person wrote; the rest is told, never lost."""

from datetime import date

import pytest

from mi_analysis.model.keys import Placement, keys
from mi_analysis.model.schema import NOT_PLACED
from mi_analysis.parameters import Institution

UNITS = [
    {"unit": "2000", "name": "Styrelsen"},
    {"unit": "2110", "name": "Tilsyn Øst", "parent": "2000"},
    {"unit": "2120", "name": "Tilsyn Vest", "parent": "2000"},
    {"unit": "2141", "name": "Support", "parent": "2000", "valid_to": "2025-06-30", "successor": "2140", "share": "1"},
    {
        "unit": "2142",
        "name": "Vejledning",
        "parent": "2000",
        "valid_to": "2025-06-30",
        "successor": "2140",
        "share": "1",
    },
    {"unit": "2140", "name": "Vejledning og Support", "parent": "2000", "valid_from": "2025-07-01"},
    {"unit": "2150", "name": "Klager", "parent": "2000", "valid_to": "2024-12-31", "successor": "2110", "share": "0.6"},
    {"unit": "2150", "name": "Klager", "parent": "2000", "valid_to": "2024-12-31", "successor": "2120", "share": "0.4"},
]
ACTIVITIES = [{"activity": "A10", "name": "Tilsyn"}, {"activity": "A40", "name": "Support"}]
CROSSWALK = [
    {"system": "navision", "codes": ["1040"], "to": "A40", "valid_to": "2024-12-31"},
    {"system": "navision", "codes": ["1045"], "to": "A40", "valid_from": "2025-01-01"},
    {"system": "esdh", "codes": ["Tilsyn - virksomhed"], "to": "A10"},
    {"system": "time", "codes": ["500"], "to": "A10", "share": "0.25"},
    {"system": "time", "codes": ["500"], "to": "A40", "share": "0.75"},
]


def institution(**changed):
    given = {
        "units": UNITS,
        "activities": ACTIVITIES,
        "crosswalk": CROSSWALK,
        "unit_codes": [{"system": "hr", "codes": ["21-10-00"], "to": "2110"}],
    }
    rest = {"name": {"da": "E", "en": "E"}, "deliveries": {"folder": "x"}, "sources": {}}
    return Institution.model_validate(rest | given | changed)


@pytest.fixture
def known():
    found, findings = keys(institution(), {})
    assert findings == []
    return found


def told(**changed):
    return [(finding.key, finding.severity, finding.values) for finding in keys(institution(**changed), {})[1]]


MARCH = (date(2025, 3, 1), date(2025, 3, 31))


def test_a_unit_is_found_by_its_own_code_and_by_its_code_in_another_system(known):
    assert known.place_unit("finance", "2110", *MARCH) == Placement((("2110", 1.0),))
    assert known.place_unit("hr", "21-10-00", *MARCH) == Placement((("2110", 1.0),))


def test_a_code_of_another_system_does_not_count(known):
    assert known.place_unit("finance", "21-10-00", *MARCH) == Placement(((NOT_PLACED, 1.0),), "unknown")


def test_a_closed_unit_is_placed_and_told_since_systems_switch_at_different_dates(known):
    august = (date(2025, 8, 1), date(2025, 8, 31))

    assert known.place_unit("finance", "2141", *august) == Placement((("2141", 1.0),), "outside_validity")


def test_a_code_counts_only_while_it_is_valid(known):
    assert known.place_activity("navision", "1045", *MARCH) == Placement((("A40", 1.0),))
    assert known.place_activity("navision", "1040", *MARCH) == Placement(((NOT_PLACED, 1.0),), "gap")


def test_a_code_shared_by_two_activities_keeps_its_whole_value(known):
    placement = known.place_activity("time", "500", *MARCH)

    assert placement == Placement((("A10", 0.25), ("A40", 0.75)))
    assert sum(share for _, share in placement.targets) == 1


@pytest.mark.parametrize("spelling", ["Tilsyn - virksomhed", "tilsyn – virksomhed ", "Tilsyn\u00a0-  virksomhed"])
def test_spellings_that_differ_in_blanks_dashes_and_case_are_one_code(known, spelling):
    assert known.place_activity("esdh", spelling, *MARCH).targets == (("A10", 1.0),)


def test_a_similar_name_is_proposed_and_never_joined(known):
    assert known.place_activity("esdh", "Tilsyn - virksomheder", *MARCH) == Placement(((NOT_PLACED, 1.0),), "unknown")
    assert known.near("activity", "esdh", "Tilsyn - virksomheder") == "Tilsyn - virksomhed"


def test_history_is_restated_to_todays_structure_with_shares(known):
    assert known.restated() == [
        ("2000", "2000", 1.0, False),
        ("2110", "2110", 1.0, False),
        ("2120", "2120", 1.0, False),
        ("2140", "2140", 1.0, False),
        ("2141", "2140", 1.0, False),
        ("2142", "2140", 1.0, False),
        ("2150", "2110", 0.6, True),
        ("2150", "2120", 0.4, True),
        (NOT_PLACED, NOT_PLACED, 1.0, False),
    ]


def test_overlapping_units_stop_before_a_row_is_multiplied():
    twice = [*UNITS, {"unit": "2110", "name": "Tilsyn Øst", "parent": "2120", "valid_from": "2024-01-01"}]

    assert told(units=twice) == [("keys.unit_overlap", "stop", {"unit": "2110", "day": "2024-01-01"})]


def test_shares_that_do_not_sum_to_one_are_told_with_their_day():
    short = [{"system": "time", "codes": ["500"], "to": "A10", "share": "0.25"}]

    assert told(crosswalk=short) == [
        ("keys.shares", "stop", {"system": "time", "code": "500", "day": "0001-01-01", "total": 0.25})
    ]


def test_a_code_with_wrong_shares_maps_nothing_rather_than_half():
    found, _ = keys(institution(crosswalk=[{"system": "time", "codes": ["500"], "to": "A10", "share": "0.25"}]), {})

    assert found.place_activity("time", "500", *MARCH).targets == ((NOT_PLACED, 1.0),)


def test_a_gap_in_a_codes_validity_is_told():
    gap = [
        {"system": "navision", "codes": ["1040"], "to": "A40", "valid_to": "2024-06-30"},
        {"system": "navision", "codes": ["1040"], "to": "A10", "valid_from": "2025-01-01"},
    ]

    assert told(crosswalk=gap) == [
        ("keys.gap", "warn", {"system": "navision", "code": "1040", "last": "2024-06-30", "next": "2025-01-01"})
    ]


def test_a_hierarchy_that_runs_in_a_ring_is_told():
    ring = [{"unit": "1", "name": "a", "parent": "2"}, {"unit": "2", "name": "b", "parent": "1"}]

    assert ("keys.cycle", "stop", {"unit": "1", "chain": "1 < 2 < 1"}) in told(units=ring, unit_codes=[])


def test_successor_shares_that_do_not_sum_to_one_are_told():
    short = [row for row in UNITS if row.get("share") != "0.4"]

    assert told(units=short) == [("keys.successor_shares", "stop", {"unit": "2150", "total": 0.6})]


def test_the_way_up_ends_at_the_institution(known):
    assert known.ancestors("2110") == ["2110", "2000"]
    assert known.root == "2000"
