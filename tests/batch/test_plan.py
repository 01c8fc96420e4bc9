"""The product of notebooks, units, activities and periods, every value with its origin, every problem at once."""

import pytest

from mi_analysis.batch.plan import Facts, UnitFact, days, file_name
from mi_analysis.parameters import WrongUse
from mi_analysis.run_file import LastPeriods

RUN = """\
reports:
  - notebook: unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
"""
ACTIVITY = 'source: str = ""\nunit: str = ""\nactivity: str = ""\nperiod: str = ""'


def told(project, text: str) -> list[str]:
    with pytest.raises(WrongUse) as refused:
        project.plan(text)
    return [str(problem) for problem in refused.value.problems]


def test_a_matrix_over_units_takes_those_valid_in_the_period(project):
    project.notebook("unit_report")

    newest, first = project.plan(RUN), project.plan(RUN.replace("{ grain: month, last: 1 }", "2024-12"))

    assert [(job.key, job.period) for job in newest.jobs] == [
        ("07/unit_report", "2025-03"),
        ("09/unit_report", "2025-03"),
    ]
    assert [job.unit for job in first.jobs] == ["07", "09", "99"]
    assert all(job.no_data for job in first.jobs)


def test_the_matrix_is_always_the_product(project):
    project.notebook("n", parameters=ACTIVITY)

    plan = project.plan(
        "reports:\n  - notebook: n\n    matrix: {unit: ['07', '09'], activity: all, period: [2025-02, 2025-03]}\n"
    )

    assert [(job.period, job.key) for job in plan.jobs] == [
        (period, f"{unit}/n-{activity}")
        for period in ("2025-02", "2025-03")
        for unit in ("07", "09")
        for activity in ("tilsyn", "sag")
    ]


def test_every_value_has_an_origin_and_change_wins_over_defaults(project):
    project.notebook("unit_report")
    more = """\
defaults: { language: en, limit: "0.2" }
change:
  - { when: { unit: "07" }, set: { limit: "0.15" }, because: "New unit" }
"""

    first, second = project.plan(RUN + more).jobs

    assert first.parameters == {"unit": "07", "period": "2025-03", "limit": 0.15, "language": "en"}
    assert first.origin == {
        "unit": "matrix",
        "period": "matrix",
        "limit": "change (line 6): New unit",
        "language": "run",
    }
    assert (second.parameters["limit"], second.origin["limit"]) == (0.2, "defaults (line 4)")


def test_lines_that_match_nothing_this_time_are_notes(project):
    project.notebook("unit_report")
    more = """\
change:
  - { when: { unit: "99" }, set: { limit: "0.15" }, because: "Closed" }
leave_out:
  - { unit: "99", because: "Reports with 07" }
"""

    assert project.plan(RUN + more).notes == (
        "parameters/x/monthly.yaml line 7: leaves out nothing this time.",
        "parameters/x/monthly.yaml line 5: changes nothing this time.",
    )


def test_what_is_left_out_is_kept_with_the_reason(project):
    project.notebook("unit_report")

    plan = project.plan(RUN + 'leave_out:\n  - { unit: "09", because: "Reports with 07" }\n')

    assert [job.unit for job in plan.jobs] == ["07"]
    assert plan.left_out == (("09/unit_report", "Reports with 07"),)


def test_every_problem_is_told_at_once_with_line_and_nearest_name(project):
    project.notebook("unit_report")
    project.notebook("institution", parameters='source: str = ""\nperiod: str = ""')
    text = """\
reports:
  - notebook: unit_reprt
  - notebook: unit_report
    matrix: { unit: { level: kontro }, period: { grain: month, last: 1 } }
  - notebook: unit_report
    matrix: { unit: ["07", "70"], activity: all }
  - notebook: institution
    matrix: { unit: all }
defaults: { limt: "0.2", unit: "07" }
change:
  - { when: { unit: "07", unti: "1" }, set: { limit: "0,15", period: 2025-01 }, because: "x" }
leave_out:
  - { unit: "98", because: "x" }
"""

    assert told(project, text) == [
        'parameters/x/monthly.yaml line 2: there is no notebook "unit_reprt" in notebooks/. Nearest: unit_report.',
        'parameters/x/monthly.yaml line 4: the level "kontro" is not known. Nearest: kontor.',
        'parameters/x/monthly.yaml line 6: the unit "70" is not known. Known: 07, 09, 99, S.',
        'parameters/x/monthly.yaml line 6: unit_report takes no parameter "activity". '
        "It takes: source, unit, period, limit, language.",
        'parameters/x/monthly.yaml line 8: institution takes no parameter "unit". It takes: source, period.',
        'parameters/x/monthly.yaml line 9: no notebook takes the parameter "limt". Nearest: limit.',
        'parameters/x/monthly.yaml line 9: "unit" is not set here. Write it in the matrix.',
        'parameters/x/monthly.yaml line 11: "unti" is nothing a report has. Nearest: unit.',
        'parameters/x/monthly.yaml line 11: "period" is not set here. Write it in the matrix.',
        'parameters/x/monthly.yaml line 11: limit of unit_report takes a number; "0,15" is not. Write 0.15.',
        'parameters/x/monthly.yaml line 13: the unit "98" is not known. Known: 07, 09, 99, S.',
    ]


def test_two_reports_that_would_write_one_file_are_refused(project):
    project.notebook("unit_report")

    assert told(project, RUN + RUN.removeprefix("reports:\n")) == [
        "parameters/x/monthly.yaml line 4: 07/unit_report of 2025-03 is made twice, also by parameters/x/monthly.yaml line 2. "
        "Leave one out.",
        "parameters/x/monthly.yaml line 4: 09/unit_report of 2025-03 is made twice, also by parameters/x/monthly.yaml line 2. "
        "Leave one out.",
    ]


def test_units_that_differ_only_in_case_are_refused(project):
    project.notebook("unit_report")
    project.prepared.units.loc[1:2, "unit"] = ["a", "A"]

    assert told(project, RUN) == [
        'parameters/x/monthly.yaml line 2: "a" and "A" would share the folder A. Rename one of the codes.'
    ]


def test_no_whole_period_is_told_with_what_is_delivered(project):
    project.notebook("unit_report")

    assert told(project, RUN.replace("month", "year")) == [
        "parameters/x/monthly.yaml line 1: makes no report: there is no whole period of that kind. "
        "Delivered: 2025-01 to 2025-03."
    ]


def test_last_periods_are_the_last_whole_ones():
    facts = Facts((), (), ("2024-11", "2024-12", "2025-01", "2025-02", "2025-03", "2025-04"))

    assert facts.last_periods(LastPeriods(grain="month", last=2)) == ["2025-03", "2025-04"]
    assert facts.last_periods(LastPeriods(grain="quarter", last=2)) == ["2024-Q4", "2025-Q1"]
    assert facts.last_periods(LastPeriods(grain="year", last=1)) == ["2024"]


def test_a_unit_is_valid_where_it_overlaps_the_period():
    facts = Facts(
        (UnitFact("1", "", "0001-01-01", "2025-01-31"), UnitFact("~", "", "0001-01-01", "9999-12-31")), (), ()
    )

    assert facts.valid("2025-Q1") == ("1",)
    assert facts.valid("2025-02") == ()


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("2024-02", "2024-02-01", "2024-02-29"),
        ("2025-Q2", "2025-04-01", "2025-06-30"),
        ("2025", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_period_has_a_first_and_a_last_day(period, first, last):
    assert days(period) == (first, last)


@pytest.mark.parametrize("code", ["2110", "Public Works", "Tilsyn Øst", "1.10", "A&B (2)"])
def test_an_ordinary_code_is_its_own_file_name(code):
    assert file_name(code) == code


@pytest.mark.parametrize(
    "code", ["../../x", "CON", "com1.txt", "a.", "a/b", "a:b", "", ".", "x" * 300, "a\x00b", "a\nb"]
)
def test_any_code_becomes_one_safe_name(code):
    name = file_name(code)

    assert not set(name) & set('/\\:*?"<>|\n\x00')
    assert 0 < len(name.encode()) <= 255
    assert name.strip(" .") == name
    assert name.partition(".")[0].upper() not in ("CON", "COM1")
    assert name != code
    assert file_name(code + "/") != name
