"""Source codes become units and activities by rules a person wrote; the rest is told, never lost."""

from datetime import date

import pytest

from mi_analysis.model.keys import Placement, keys
from mi_analysis.model.schema import NOT_PLACED
from mi_analysis.parameters import Institution
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words

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


def test_a_unit_written_in_other_letters_is_proposed_and_never_joined():
    known, _ = keys(institution(units=[{"unit": "SYD", "name": "Kontor Syd"}]), {})

    assert known.place_unit("time", "Syd", *MARCH) == Placement(((NOT_PLACED, 1.0),), "unknown")
    assert known.near("unit", "time", "Syd") == "SYD"


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


def printed(**changed):
    """Findings as they are printed."""
    found = keys(institution(**changed), {})[1]
    return [sentence(f"finding.{one.key}", one.values, Words("en")) for one in found]


def of_klager(*rows):
    """The units, with these rows for the unit that closed."""
    return [
        *(row for row in UNITS if row["unit"] != "2150"),
        *({"unit": "2150", "name": "Klager", "parent": "2000", "valid_to": "2024-12-31", **row} for row in rows),
    ]


@pytest.mark.parametrize(
    ("successors", "message"),
    [
        ([{"successor": "2110"}, {"successor": "2120"}], "The shares of the unit 2150 sum to 2.0 and must sum to 1. The unit is not carried on in others."),
        ([{"successor": "2110", "share": "0.7"}, {"successor": "2120", "share": "0.4"}], "The shares of the unit 2150 sum to 1.1 and must sum to 1. The unit is not carried on in others."),
        ([{"successor": "2199"}], "The unit 2150 is to go on in 2199, which is not there. The unit is not carried on in others."),
    ],
)  # fmt: skip
def test_a_unit_whose_successors_are_not_whole_stands_by_itself_and_no_row_is_multiplied(successors, message):
    found, _ = keys(institution(units=of_klager(*successors)), {})

    assert printed(units=of_klager(*successors)) == [message]
    assert [row for row in found.restated() if row[0] == "2150"] == [("2150", "2150", 1.0, False)]


def test_a_ring_of_units_is_told_in_whole_words():
    ring = [{"unit": "1", "name": "a", "parent": "2"}, {"unit": "2", "name": "b", "parent": "1"}]

    assert printed(units=ring, unit_codes=[]) == [
        "The units go in a ring: 1 < 2 < 1. Mend the unit above.",
        "The units go in a ring: 2 < 1 < 2. Mend the unit above.",
    ]


def test_units_that_take_over_from_each_other_in_a_ring_stand_by_themselves_and_are_told():
    closed = {"parent": "0", "valid_to": "2024-12-31"}
    units = [
        {"unit": "0", "name": "top"}, {"unit": "1", "name": "a", "successor": "2", **closed},
        {"unit": "2", "name": "b", "successor": "1", **closed}, {"unit": "3", "name": "c", "successor": "1", **closed},
    ]  # fmt: skip
    found, _ = keys(institution(units=units, unit_codes=[]), {})

    assert printed(units=units, unit_codes=[]) == [
        "The units take over from each other in a ring: 1 < 2 < 1. None of them is carried on in others.",
        "The units take over from each other in a ring: 2 < 1 < 2. None of them is carried on in others.",
    ]
    assert [row[:3] for row in found.restated()] == [
        ("0", "0", 1.0), ("1", "1", 1.0), ("2", "2", 1.0), ("3", "1", 1.0), (NOT_PLACED, NOT_PLACED, 1.0),
    ]  # fmt: skip


def test_two_units_under_one_code_in_one_month_are_told_and_the_code_is_not_used():
    twice = [
        {"system": "hr", "codes": ["21-10-00"], "to": "2110", "valid_to": "2025-03-20"},
        {"system": "hr", "codes": ["21-10-00"], "to": "2120", "valid_from": "2025-03-10"},
    ]
    found, _ = keys(institution(unit_codes=twice), {})

    assert printed(unit_codes=twice) == [
        "The code 21-10-00 in hr points from 2025-03-10 to both the unit 2110 and the unit 2120. The code is not used."
    ]
    assert found.place_unit("hr", "21-10-00", *MARCH) == Placement(((NOT_PLACED, 1.0),), "unknown")


def test_two_names_of_one_unit_in_one_month_are_told_and_the_first_is_used():
    renamed = [*UNITS, {"unit": "2110", "name": "Tilsyn Nordøst", "parent": "2000", "valid_from": "2025-03-10"}]
    found, _ = keys(institution(units=renamed), {})

    assert printed(units=renamed) == [
        "The unit 2110 has two periods of validity that overlap from 2025-03-10. The first is used; mend the history of the organisation."
    ]
    assert [row.name for row in found.units if row.unit == "2110"] == ["Tilsyn Øst"]


def test_a_code_that_changes_meaning_means_on_each_day_what_it_meant_then():
    unit = [
        {"system": "hr", "codes": ["X"], "to": "2110", "valid_to": "2025-03-15"},
        {"system": "hr", "codes": ["X"], "to": "2120", "valid_from": "2025-03-16"},
    ]
    activity = [
        {"system": "time", "codes": ["500"], "to": "A10", "valid_to": "2025-03-15"},
        {"system": "time", "codes": ["500"], "to": "A40", "valid_from": "2025-03-16"},
    ]
    found, findings = keys(institution(unit_codes=unit, crosswalk=activity), {})
    february, april = (date(2025, 2, 1), date(2025, 2, 28)), (date(2025, 4, 1), date(2025, 4, 30))

    assert findings == []
    for month, where in ((february, ("2110", "A10")), (MARCH, ("2120", "A40")), (april, ("2120", "A40"))):
        assert found.place_unit("hr", "X", *month).targets == ((where[0], 1.0),)
        assert found.place_activity("time", "500", *month).targets == ((where[1], 1.0),)


def test_a_code_that_means_two_things_on_one_day_maps_nothing():
    both = [
        {"system": "time", "codes": ["500"], "to": "A10", "valid_to": "2025-03-31"},
        {"system": "time", "codes": ["500"], "to": "A40", "valid_from": "2025-03-01"},
    ]
    found, _ = keys(institution(crosswalk=both), {})

    assert printed(crosswalk=both) == [
        "The shares of the code 500 in time sum to 2 from 2025-03-01 and must sum to 1. The code is not used."
    ]
    assert found.place_activity("time", "500", *MARCH).targets == ((NOT_PLACED, 1.0),)


def test_the_institution_is_the_unit_with_none_above_it(known):
    assert known.root == "2000"
