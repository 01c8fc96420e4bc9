"""A later report does not unveil what an earlier one hid."""

import json
import os
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis.disclosure import release
from mi_analysis.disclosure.kept import Kept
from mi_analysis.disclosure.primary import GUARD_COLUMNS
from mi_analysis.measures.compute import Frames
from mi_analysis.parameters import Privacy

PARENTS = {"A": "S", "B": "S", "C": "S", "S": ""}
JANUARY = pd.Timestamp("2025-01-01")


def frames(persons: dict[str, int]) -> Frames:
    """Sick days and årsværk of a month, of units under S; as many days as persons."""
    place = {"period_start": JANUARY, "grain": "month", "window": "month"}
    every = persons | {"S": sum(persons.values())}
    values = [
        {"unit": unit, "activity": "*", **place, "sick_days": 1.0 * n, "fte": 1.0 * n} for unit, n in every.items()
    ]
    guards = [
        dict.fromkeys(GUARD_COLUMNS) | {"unit": unit, **place, "persons": n, "fte": 1.0 * n, "withheld": False}
        for unit, n in every.items()
    ]
    empty = pd.DataFrame(columns=["unit", "activity", "period_start", "grain", "window", "measure", "state", "reason"])
    one = pd.DataFrame({"unit": ["S"]})
    return Frames(pd.DataFrame(values), empty, pd.DataFrame(guards), one, one)


def hidden(
    persons: dict[str, int], kept: Kept | None, privacy: Privacy | None = None, audience: str = "internal"
) -> set[str]:
    """Units whose sick days are hidden."""
    parents = kept.parents if kept else PARENTS
    found = release(frames(persons), audience, privacy or Privacy(), parents=parents, kept=kept).values
    return set(found.loc[found["sick_days"].isna(), "unit"])


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "kept" / "hidden.jsonl", PARENTS, {})


def test_the_one_hidden_unit_of_a_sum_is_hidden_with_another():
    assert hidden({"A": 4, "B": 20, "C": 30}, None) in ({"A", "B"}, {"A", "C"})
    assert hidden({"A": 4, "B": 4, "C": 30}, None) == {"A", "B"}


def test_what_was_hidden_under_a_stricter_rule_stays_hidden(kept):
    assert hidden({"A": 6, "B": 20, "C": 30}, kept, Privacy(persons_internal=8)) in ({"A", "B"}, {"A", "C"})
    assert hidden({"A": 6, "B": 20, "C": 30}, None) == set()
    assert "A" in hidden({"A": 6, "B": 20, "C": 30}, kept)
    assert len(hidden({"A": 6, "B": 20, "C": 30}, kept)) == 2


def test_a_release_made_again_hides_the_same_and_adds_no_line(kept):
    first = hidden({"A": 4, "B": 20, "C": 30}, kept)
    lines = kept.file.read_bytes()

    assert hidden({"A": 4, "B": 20, "C": 30}, kept) == first
    assert kept.file.read_bytes() == lines


def test_lines_are_only_added_also_after_one_that_was_cut_short(kept):
    hidden({"A": 4, "B": 20, "C": 30}, kept)
    cut = kept.file.read_bytes()[:-20]
    kept.file.write_bytes(cut)
    hidden({"A": 4, "B": 4, "C": 4}, kept)

    assert kept.file.read_bytes().startswith(cut + b"\n")
    assert {json.loads(line)["unit"] for line in kept.file.read_text("utf-8").splitlines()[-3:]} <= {"A", "B", "C", "S"}


def test_every_line_is_written_whole_where_the_disk_takes_a_part_at_a_time(kept, tmp_path, monkeypatch):
    hidden({"A": 4, "B": 20, "C": 30}, kept)
    by_parts, write = Kept(tmp_path / "by_parts.jsonl", PARENTS, {}), os.write

    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:40]))
    hidden({"A": 4, "B": 20, "C": 30}, by_parts)

    assert by_parts.file.read_bytes() == kept.file.read_bytes()


def test_the_public_is_not_shown_what_the_institution_was_not(kept):
    persons = {"A": 12, "B": 20, "C": 30}
    inside = hidden(persons, kept, Privacy(persons_internal=15))

    assert "A" in inside
    assert hidden(persons, None, audience="public") == set()
    assert hidden(persons, kept, audience="public") == inside


def test_what_is_hidden_from_the_public_may_be_shown_inside(kept):
    assert "A" in hidden({"A": 7, "B": 20, "C": 30}, kept, audience="public")
    assert hidden({"A": 7, "B": 20, "C": 30}, kept) == set()


def test_a_merged_unit_does_not_give_away_the_one_that_was_hidden(kept):
    hidden({"A": 4, "B": 20, "C": 30}, kept)
    merged = Kept(kept.file, {"AB": "S", "C": "S", "S": ""}, {"A": ["AB"], "B": ["AB"]})

    assert hidden({"AB": 24, "C": 30}, Kept(kept.file.with_name("other.jsonl"), merged.parents, {})) == set()
    assert hidden({"AB": 24, "C": 30}, merged) == {"AB", "C"}


def test_a_unit_that_moves_takes_the_sums_of_both_units_above_it_along(tmp_path):
    before = {"A": "P", "B": "P", "C": "Q", "D": "Q", "P": "S", "Q": "S", "S": ""}
    rows = {"A": 4, "B": 20, "C": 30, "D": 40, "P": 24, "Q": 70}
    kept = Kept(tmp_path / "hidden.jsonl", before, {})
    assert not {"P", "Q"} & hidden_of(rows, kept)
    moved = Kept(kept.file, before | {"A": "Q"}, {})

    assert {"A", "P", "Q"} <= hidden_of(rows | {"P": 20, "Q": 74}, moved)


def hidden_of(persons: dict[str, int], kept: Kept) -> set[str]:
    """The same where units stand under others: S holds what has none below it."""
    made = frames(persons)
    own = sum(count for unit, count in persons.items() if unit not in ("P", "Q"))
    for frame, columns in ((made.values, ["sick_days", "fte"]), (made.guards, ["persons"])):
        frame.loc[frame["unit"] == "S", columns] = own
    found = release(made, "internal", Privacy(), parents=kept.parents, kept=kept).values
    return set(found.loc[found["sick_days"].isna(), "unit"])
