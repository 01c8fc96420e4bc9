"""Counts that are published twice, revised, renamed, or written in another way: told in words, and none counted twice."""

import copy

import pytest

from mi_analysis.model.deliveries import check_profiles
from mi_analysis.parameters import WrongUse

from .conftest import SOURCES, UNITS

COUNTS = {
    "files": ["counts_*.csv"],
    "facts": [{"table": "volumes", "columns": {"unit": "Unit", "activity": "Task", "period": "Month", "name": "What", "value": "Count"}}],
}  # fmt: skip
OTHER = {
    "files": ["other_*.csv"], "yields_to": ["counts"],
    "facts": [{"table": "volumes", "columns": {"unit": "Unit", "period": "Month", "name": "What", "value": "Count"}}],
}  # fmt: skip


def write(office, name: str, *rows: str) -> None:
    (office.deliveries / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def test_of_two_publications_the_agreed_one_counts_and_the_comparison_is_told(office) -> None:
    tiny = office(sources={"counts": COUNTS, "other": OTHER})
    tiny.deliver("counts_1", "C1;A;2025-01;visits;60", "C1;B;2025-01;visits;40", "C2;A;2025-01;visits;10")
    write(
        tiny,
        "other_1",
        "Unit;Month;What;Count",
        "C1;2025-01;visits;100",
        "C2;2025-01;visits;13",
        "C1;2024-12;visits;90",
    )

    audit = tiny.build()

    assert tiny.messages(audit)[""] == [
        "warn: 2 counts stand in both other and counts: 1 are the same, in the others they differ by up to 3.0. counts counts."
    ]
    assert tiny.table("volumes", "unit", "period_start::varchar", "value") == [
        ("C1", "2024-12-01", 90), ("C1", "2025-01-01", 40), ("C1", "2025-01-01", 60), ("C2", "2025-01-01", 10),
    ]  # fmt: skip


def test_a_source_can_only_yield_to_another_source(office) -> None:
    tiny = office(sources={"counts": COUNTS, "other": OTHER | {"yields_to": ["count"]}})

    with pytest.raises(WrongUse) as told:
        check_profiles(tiny.institution)

    assert [(problem.what, problem.right) for problem in told.value.problems] == [
        ('yields_to: "count" is no other source.', "Nearest: counts.")
    ]


def test_a_revised_file_beside_its_first_version_leaves_both_out_until_one_is_withdrawn(office) -> None:
    tiny = office(sources={"counts": COUNTS})
    tiny.deliver("counts_2025-01", "C1;A;2025-01;visits;60")
    tiny.deliver("counts_2025-01-revised", "C1;A;2025-01;visits;64")

    audit = tiny.build()

    said = "stop: 1 cells of volumes stand in {} too, and it cannot be told which file is newest. Withdraw one of them."
    assert tiny.messages(audit) == {
        "counts_2025-01.csv": [said.format("counts_2025-01-revised.csv")], "counts_2025-01-revised.csv": [said.format("counts_2025-01.csv")],
    }  # fmt: skip
    (tiny.deliveries / "counts_2025-01.csv").unlink()
    assert tiny.messages(tiny.build()) == {}
    assert tiny.table("volumes", "value") == [(64,)]


def test_a_total_line_that_disagrees_with_its_column_stops_the_counts(office) -> None:
    tiny = office(sources={"counts": COUNTS})
    tiny.deliver("counts_1", "C1;A;2025-01;visits;60", "C2;A;2025-01;visits;40", "TOTAL;Total ;;;101")

    assert tiny.messages(tiny.build()) == {
        "counts_1.csv": [
            "stop: The total line 'TOTAL' in row 4 says 101,00 for 'Count', but the rows add up to 100,00 (difference 1,00). Deliver the file again."
        ]
    }
    assert tiny.table("volumes", "value") == []


def test_two_names_for_one_code_in_one_month_are_told_and_the_first_is_used(office) -> None:
    register = {
        "files": ["units_*.csv"],
        "facts": [{"table": "units", "columns": {"unit": "Code", "name": "Office", "parent": "Above"}}],
    }
    tiny = office(units=UNITS[:2], sources={"counts": COUNTS, "units": register})
    write(tiny, "units_1", "Code;Office;Above", "C1;Office One;C", "C1;Office Uno;C")
    tiny.deliver("counts_1", "C1;A;2025-01;visits;60")

    audit = tiny.build()

    assert tiny.messages(audit)[""] == [
        "warn: The unit C1 has two names at one time: Office One, Office Uno. Office One is used; deliver one, or say from which day each holds."
    ]
    assert ("C1", "Office One") in tiny.table("units", "unit", "name")
    assert tiny.table("volumes", "unit", "value") == [("C1", 60)]


def test_a_code_that_changes_meaning_is_placed_by_its_day_and_is_nothing_between(office) -> None:
    codes = [
        {"system": "counts", "codes": ["T"], "to": "C1", "valid_to": "2024-12-31"}, {"system": "counts", "codes": ["T"], "to": "C2", "valid_from": "2025-02-01"},
    ]  # fmt: skip
    tiny = office(sources={"counts": COUNTS}, unit_codes=codes)
    tiny.deliver("counts_1", "T;A;2024-12;visits;1", "T;A;2025-01;visits;2", "T;A;2025-02;visits;4")

    audit = tiny.build()

    assert tiny.table("volumes", "unit", "value") == [("C1", 1), ("C2", 4), ("~", 2)]
    assert [(gap.code, gap.reason, gap.rows) for gap in audit.received[0].gaps] == [("T", "gap", 1)]


def test_what_no_row_names_falls_to_the_rest_and_is_told_with_the_nearest_name(office) -> None:
    codes = [{"system": "counts", "codes": ["*"], "to": "C2"}]
    tiny = office(sources={"counts": COUNTS}, unit_codes=codes)
    tiny.deliver("counts_1", "Ofice One;A;2025-01;visits;1", "C1;A;2025-01;visits;2")

    audit = tiny.build()

    assert tiny.table("volumes", "unit", "value") == [("C1", 2), ("C2", 1)]
    assert [(gap.code, gap.reason, gap.near) for gap in audit.received[0].gaps] == [("Ofice One", "rest", "C1")]


GOALS = {
    "files": ["goals_*.csv"],
    "facts": [{"table": "goals", "columns": {"goal": "Goal", "period": "Month", "direction": "Way", "target": "Target", "result": "Result"}}],
}  # fmt: skip


def test_a_percentage_beside_a_fraction_is_warned_of(office) -> None:
    tiny = office(sources={"goals": GOALS})
    write(
        tiny,
        "goals_1",
        "Goal;Month;Way;Target;Result",
        "1.1;2025-01;higher;95;0,93",
        "1.2;2025-01;higher;0,95;93 %",
        "1.3;2025-01;lower;30;24",
    )

    assert tiny.messages(tiny.build()) == {
        "goals_1.csv": [
            "warn: 1 goals have a percentage beside a fraction, such as goal 1.1: target 95.0, result 0.93. "
            "Write both in the same way, or say percent: points in the source profile."
        ]
    }


@pytest.mark.parametrize(
    ("percent", "rows", "stored"),
    [
        ("points", ("85;80;pct.", "3,5;4;%", "12 %;11;Procent", "30;24;dage"), [(0.85, 0.8, "pct."), (0.035, 0.04, "pct."), (0.12, 0.11, "pct."), (30, 24, "dage")]),
        ("fraction", ("85 %;0,8;pct", "0,85;80 %;PCT."), [(0.85, 0.8, "pct."), (0.85, 0.8, "pct.")]),
    ],
)  # fmt: skip
def test_goals_in_per_cent_are_stored_as_shares_however_they_are_written(office, percent, rows, stored) -> None:
    fact = {"table": "goals", "columns": GOALS["facts"][0]["columns"] | {"goal_unit": "Unit"}}
    tiny = office(sources={"goals": GOALS | {"percent": percent, "facts": [fact]}})
    lines = (f"1.{n};2025-01;higher;{row}" for n, row in enumerate(rows, 1))
    write(tiny, "goals_1", "Goal;Month;Way;Target;Result;Unit", *lines)

    assert tiny.messages(tiny.build()) == {}
    found = tiny.table("goals", "goal", "target", "result", "goal_unit")
    assert [row[3] for row in found] == [unit for _, _, unit in stored]
    assert [row[1:3] for row in found] == [pytest.approx((target, result)) for target, result, _ in stored]


def test_goals_in_per_cent_that_are_no_shares_are_warned_of(office) -> None:
    fact = {"table": "goals", "columns": GOALS["facts"][0]["columns"] | {"goal_unit": "Unit"}}
    tiny = office(sources={"goals": GOALS | {"facts": [fact]}})
    write(
        tiny,
        "goals_1",
        "Goal;Month;Way;Target;Result;Unit",
        "1.1;2025-01;higher;85;80;pct.",
        "1.2;2025-01;lower;30;24;dage",
    )

    assert tiny.messages(tiny.build()) == {
        "goals_1.csv": [
            "warn: 1 goals in per cent are written as whole numbers, such as goal 1.1: target 85.0, result 80.0. "
            "Say percent: points in the source profile, so that 85 is read as 85 per cent."
        ]
    }


def test_headers_that_stand_for_several_columns_become_rows_and_blank_ones_none(office) -> None:
    wide = {
        "value": "value",
        "columns": {"Eye": {"name": "visits", "activity": "A"}, "Ear": {"name": "visits", "activity": "B"}},
    }
    source = {
        "files": ["wide_*.csv"],
        "facts": [{"table": "volumes", "columns": {"unit": "Unit", "period": "Month"}, "factor": 12}],
        "wide": wide,
    }
    tiny = office(sources={"wide": source})
    write(tiny, "wide_1", "Unit;Month;Eye;Ear", "C1;2025-01;3;4", "C2;2025-01;;5")

    audit = tiny.build()

    assert tiny.table("volumes", "unit", "activity", "name", "value") == [
        ("C1", "A", "visits", 36),
        ("C1", "B", "visits", 48),
        ("C2", "B", "visits", 60),
    ]
    assert audit.received[0].account.amounts == {
        "volumes.value": {"read": 144, "used": 144, "quarantined": 0, "dropped": 0}
    }


@pytest.mark.parametrize(("which", "closed"), [("first", "2025-01-05"), ("last", "2025-01-09")])
def test_an_event_log_becomes_its_cases_by_the_first_or_last_row_of_each(office, which: str, closed: str) -> None:
    sources = copy.deepcopy({"cases": SOURCES["cases"]})
    tiny = office(sources={"cases": sources["cases"] | {"duplicates": which}})
    tiny.deliver("cases_1", "1;C1;A;2025-01-01;2025-01-05", "1;C1;A;2025-01-01;2025-01-09", "2;C1;A;2025-01-02;")

    audit = tiny.build()

    assert tiny.table("cases", '"case"', "closed::date::varchar") == [("1", closed), ("2", None)]
    assert audit.received[0].account.dropped == {"duplicate": 1}
