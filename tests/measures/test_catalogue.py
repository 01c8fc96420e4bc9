"""The catalogue says what the documents say, and names only what is computed."""

import re
from pathlib import Path

import pytest

from mi_analysis.measures import compute
from mi_analysis.measures.catalogue import CATALOGUE, COMPONENTS, WINDOWS

AGREED = [
    "norm_hours",
    "fte",
    "fte_worked",
    "net_hours_per_fte",
    "sick_days",
    "sick_days_per_fte",
    "sick_days_per_fte_12m",
    "sick_pct",
    "child_sick_days",
    "injury_days",
    "overtime_hours",
    "overtime_per_fte",
    "overtime_pct",
    "balance_opening",
    "balance_taken",
    "balance_paid",
    "balance_closing",
    "balance_difference",
    "flex_balance",
    "overtime_pay",
    "injury_pay",
    "overtime_pay_share",
    "registered_hours",
    "activity_overtime_hours",
    "auto_share",
    "draft_hours",
    "attendance_hours",
    "registration_coverage",
    "direct_share",
    "hours_per_case",
    "cases_per_fte",
    "weighted_output",
    "productivity_index",
    "received",
    "closed",
    "reopened",
    "open_cases",
    "clearance_pct",
    "stock_in_months",
    "planned",
    "progress_pct",
    "mean_open_age",
    "open_0_30",
    "open_31_60",
    "open_61_90",
    "open_91_180",
    "open_181_365",
    "open_over_365",
    "overdue",
    "case_days_median",
    "case_days_p90",
    "case_days_mean",
    "case_days_net_median",
    "case_days_net_p90",
    "kept_closed_pct",
    "kept_due_pct",
    "kept_received_pct",
    "actual",
    "actual_pay",
    "actual_other",
    "actual_income",
    "budget",
    "budget_year",
    "deviation",
    "deviation_pct",
    "consumption_pct",
    "forecast",
    "unit_cost",
    "goal_degree",
    "goal_coverage",
]
RIGHT_KINDS = {"flow", "stock", "level", "ratio", "distribution"}


def documented(project: Path) -> dict[str, list[str]]:
    """Cells of each row of docs/measures.md by measure, and the section it stands in."""
    section, rows = "", {}
    for line in (project / "docs" / "measures.md").read_text(encoding="utf-8").splitlines():
        if found := re.fullmatch(r"## .* \(definitions, section (.+)\)", line):
            section = found[1]
        elif section and (found := re.match(r"\| `(\w+)` \|", line)):
            rows[found[1]] = [section, *(cell.strip() for cell in line.split("|")[2:-1])]
    return rows


def test_every_measure_stands_in_the_documents_with_formula_unit_direction_and_section(project: Path) -> None:
    rows = documented(project)

    assert list(rows) == list(CATALOGUE)
    for name, measure in CATALOGUE.items():
        section, formula, kind, unit, direction, flags, guard, contains = rows[name]
        assert section == measure.source, name
        assert formula.startswith(" / ".join(measure.components)), name
        assert (kind, unit, direction, guard) == (measure.kind, measure.unit, measure.direction, measure.guard), name
        assert flags.startswith("U") != measure.per_activity, name
        assert contains == ", ".join(measure.contains), name


def test_every_reason_of_a_state_stands_in_the_documents(project: Path) -> None:
    text = (project / "docs" / "measures.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| (\w+(?:, \w+)*) \| `(\w+)` \| \w.* \|$", text, re.MULTILINE)
    told = {f"{state}:{reason}" for states, reason in documented for state in states.split(", ")}

    given = {"not_applicable:activity", "not_applicable:window", "provisional:late", "estimated:split"}
    gates = {f"not_applicable:{gate}" for measure in CATALOGUE.values() for gate in measure.gates}
    assert told == {*compute.TOLD, *given, *gates}


def test_the_agreed_measures_are_there() -> None:
    assert set(AGREED) <= set(CATALOGUE)


def test_every_record_uses_known_words() -> None:
    for name, measure in CATALOGUE.items():
        assert name == measure.name
        assert set(measure.components) <= set(COMPONENTS)
        assert measure.kind in RIGHT_KINDS
        assert measure.direction in {"higher", "lower", "neutral"}
        assert measure.guard in {
            "",
            "staff",
            "sick",
            "child_sick",
            "spells",
            "long_spells",
            "injury",
            "overtime",
            "attendance",
            "hours",
            "pay",
        }
        assert set(measure.windows) <= set(WINDOWS)
        assert measure.denominator or measure.kind != "ratio"


def test_measures_that_share_a_part_say_so() -> None:
    def shared(one: str, other: str) -> set[str]:
        return set(CATALOGUE[one].contains) & set(CATALOGUE[other].contains)

    assert "overtime_hours" in shared("registered_hours", "overtime_hours")
    assert shared("overtime_per_fte", "sick_days_per_fte") == {"fte"}
    assert "closed" in shared("hours_per_case", "unit_cost")
    assert not shared("overtime_hours", "case_days_median")


@pytest.mark.parametrize(
    ("name", "activity", "window", "grain", "reason"),
    [
        ("fte", "A", "month", "month", "activity"), ("fte", "*", "month", "month", ""),
        ("unit_cost", "A", "month", "month", "window"), ("unit_cost", "A", "month", "quarter", ""),
        ("sick_days_per_fte_12m", "*", "ytd", "month", "window"), ("forecast", "*", "ytd", "month", ""),
    ],
)  # fmt: skip
def test_a_measure_says_where_it_does_not_exist(name: str, activity: str, window: str, grain: str, reason: str) -> None:
    assert CATALOGUE[name].inapplicable(activity, window, grain) == reason
