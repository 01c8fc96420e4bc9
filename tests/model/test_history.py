"""Which units each unit stood under on each day, and what happened to units."""

from datetime import date

import pytest

from mi_analysis.model.history import Change, Stint, changes, standing, stints
from mi_analysis.model.keys import Unit

EVER, END = date.min, date.max
MOVE, SPLIT, MERGER = date(2024, 4, 1), date(2025, 1, 1), date(2025, 7, 1)


def unit(
    code: str, parent: str = "I", first: date = EVER, last: date = END, name: str = "", successors: tuple = ()
) -> Unit:
    return Unit(
        first,
        last,
        code,
        name or f"Unit {code}",
        parent,
        "",
        tuple((new, share, share < 1) for new, share in successors),
    )


@pytest.fixture
def organisation() -> list[Unit]:
    """M moves from P to Q; S is split into A and B; C and D become E; R gets another code, N another name."""
    return [
        unit("I", ""), unit("P"), unit("Q"),
        unit("M", "P", EVER, date(2024, 3, 31)), unit("M", "Q", MOVE),
        unit("S", "P", EVER, date(2024, 12, 31), successors=(("A", 0.6), ("B", 0.4))), unit("A", "P"), unit("B", "P", SPLIT),
        unit("C", "Q", EVER, date(2025, 6, 30), successors=(("E", 1.0),)), unit("D", "Q", EVER, date(2025, 6, 30), successors=(("E", 1.0),)),
        unit("E", "Q", MERGER),
        unit("R", "Q", EVER, date(2024, 12, 31), successors=(("T", 1.0),)), unit("T", "Q", SPLIT),
        unit("N", "Q", EVER, date(2024, 12, 31), "Old name"), unit("N", "Q", SPLIT, END, "New name"),
    ]  # fmt: skip


def test_a_unit_stands_under_its_parent_of_the_day_without_a_gap():
    rows = [("I", "", EVER), ("P", "I", EVER), ("Q", "I", EVER), ("M", "P", date(2023, 1, 1)), ("M", "Q", MOVE)]

    assert [one for one in stints(rows) if one.unit == "M"] == [
        Stint("M", ("M", "P", "I"), EVER, date(2024, 3, 31)),
        Stint("M", ("M", "Q", "I"), MOVE, END),
    ]
    assert [one for one in stints(rows) if one.unit == "P"] == [Stint("P", ("P", "I"), EVER, END)]


def test_a_unit_follows_when_the_one_above_it_moves():
    rows = [("I", "", EVER), ("Q", "I", EVER), ("P", "I", EVER), ("P", "Q", MOVE), ("M", "P", EVER)]

    assert [one.above for one in stints(rows) if one.unit == "M"] == [("M", "P", "I"), ("M", "P", "Q", "I")]


def test_a_ring_of_units_ends():
    assert stints([("A", "B", EVER), ("B", "A", EVER)])[0] == Stint("A", ("A", "B"), EVER, END)


@pytest.mark.parametrize("structure", ["today", "as_was"])
def test_a_unit_above_that_is_not_told_of_holds_nothing(structure):
    own, held = standing(structure, [("A", "X", EVER)], [("A", "A", 1.0), ("~", "~", 1.0)])

    assert sorted(own) == [("A", "A", 1.0), ("~", "~", 1.0)]
    assert held == {"A": [Stint("A", ("A",), EVER, END)], "~": [Stint("~", ("~",), EVER, END)]}


def test_of_today_a_unit_that_is_gone_stands_where_its_parts_do():
    units = [("I", "", EVER), ("P", "I", EVER), ("M", "Q", EVER), ("M", "P", MOVE)]
    own, held = standing("today", units, [("S", "M", 0.6), ("M", "M", 1.0)])

    assert own == [("S", "M", 0.6), ("M", "M", 1.0)]
    assert held == {"M": [Stint("M", ("M", "P", "I"), EVER, END)]}


def test_in_todays_structure_only_a_split_breaks_a_series(organisation):
    assert changes(organisation, "today") == [
        Change("M", MOVE, "moved", "Unit P", 1.0, False),
        Change("A", SPLIT, "split", "Unit S", 0.6, True),
        Change("B", SPLIT, "split", "Unit S", 0.4, True),
        Change("N", SPLIT, "renamed", "Old name", 1.0, False),
        Change("T", SPLIT, "replaced", "Unit R", 1.0, False),
        Change("E", MERGER, "merged", "Unit C, Unit D", 1.0, False),
    ]


def test_as_it_was_what_gains_or_loses_units_breaks_and_what_begins_does_not(organisation):
    breaking = [(change.unit, change.kind) for change in changes(organisation, "as_was") if change.breaks]

    assert breaking == [("P", "left"), ("Q", "joined"), ("A", "split")]
