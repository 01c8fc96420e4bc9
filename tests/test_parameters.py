"""What a person writes is read as text, cast by declared type, and every problem is told at once."""

from pathlib import Path

import pytest

from mi_analysis import parameters, yaml_text
from mi_analysis.parameters import WrongUse, deliveries_folder, find_institution, load_institution
from mi_analysis.run_file import LastPeriods, UnitsOfLevel, load_run

INSTITUTION = """\
name: {da: Eksempelstyrelsen, en: The Example Agency}
deliveries: {folder: deliveries}
sources:
  tid:
    files: tid_*.csv
    facts:
      - table: hours
        columns: {unit: Enhed, hours: [Timer, Antal timer]}
"""


def written(folder: Path, text: str, name: str = "institution.yaml") -> Path:
    path = folder / "parameters" / "x" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def problems(path: Path, load=load_institution) -> list[str]:
    with pytest.raises(WrongUse) as told:
        load(path)
    return [str(problem) for problem in told.value.problems]


def test_texts_stay_as_they_are_written(tmp_path):
    units = "units:\n  - {unit: 007, name: no, parent: ''}\n  - {unit: 1e3, name: 2025-01-01, parent: 007}\n"

    institution = load_institution(written(tmp_path, INSTITUTION + units))

    assert [(row.unit, row.name) for row in institution.units] == [("007", "no"), ("1e3", "2025-01-01")]


def test_the_declared_type_casts(tmp_path):
    more = """\
money_scale: 1000
fiscal_year_start: 7
limits: {coverage_warn: 0.9}
units:
  - {unit: "1", name: Øst, estimated: yes, share: }
    """.replace("    \n", "")

    institution = load_institution(written(tmp_path, INSTITUTION + more))

    assert institution.money_scale == 1000
    assert institution.fiscal_year_start == 7
    assert institution.limits.coverage_warn == 0.9
    assert institution.units[0].estimated is True
    assert institution.units[0].share is None


def test_one_text_counts_as_a_list_and_as_a_label_in_both_languages(tmp_path):
    institution = load_institution(
        written(tmp_path, INSTITUTION.replace("{da: Eksempelstyrelsen, en: The Example Agency}", "Styrelsen"))
    )

    assert institution.sources["tid"].files == ["tid_*.csv"]
    assert institution.name.en == "Styrelsen"


def test_a_field_of_several_types_takes_the_one_that_is_written(tmp_path):
    source = "    header: {}\n    dates: {}\n    wide: {{columns: {}}}\n"

    def read(*values):
        return load_institution(written(tmp_path, INSTITUTION + source.format(*values))).sources["tid"]

    by_number, by_text = read(3, "month_first", "periods"), read("Enhed", "'%d%m%y'", "[Jan, Feb]")

    assert (by_number.header, by_number.dates, by_number.wide.columns) == (3, "month_first", "periods")
    assert (by_text.header, by_text.dates, by_text.wide.columns) == (["Enhed"], ["%d%m%y"], ["Jan", "Feb"])


def test_an_anchor_is_used_as_if_written_out(tmp_path):
    units = "units:\n  - &first {unit: '1', name: A}\n  - *first\n"

    institution = load_institution(written(tmp_path, INSTITUTION + units))

    assert institution.units[0] == institution.units[1]


def test_every_problem_is_told_at_once_with_line_and_nearest_name(tmp_path):
    text = (
        INSTITUTION
        + """\
    encodin: utf-8
    encoding: utf8
    extracted_at: udtrukket
units:
  - {unit: "1", name: Øst, share: "0,10", valid_from: 31-12-2024}
  - {name: Vest, parent: "3", estimated: maybe}
limits: {deviation_amount: 100.000, coverage_warn: høj}
privacy: {persons_internal: 2}
money_scale: 100
fiscal_year_start: juli
name: Igen
calendar: 7.4
"""
    )

    told = problems(written(tmp_path, text))

    assert told == [
        'parameters/x/institution.yaml line 1: "name" stands twice, on lines 1 and 19. Keep one.',
        'parameters/x/institution.yaml line 9: the name "encodin" is not known here. Nearest: encoding.',
        'parameters/x/institution.yaml line 10: encoding: "utf8" is not known. Nearest: utf-8.',
        'parameters/x/institution.yaml line 11: extracted_at: "udtrukket" is not a pattern with one group. '
        r"Put the part to take in parentheses, once: report_(\d{6})\.csv.",
        'parameters/x/institution.yaml line 13: valid_from: "31-12-2024" is not a date. Write 2024-12-31.',
        'parameters/x/institution.yaml line 13: share: "0,10" is not a number. Write 0.10.',
        "parameters/x/institution.yaml line 14: unit is missing.",
        'parameters/x/institution.yaml line 14: estimated: "maybe" is neither yes nor no. Write yes or no.',
        'parameters/x/institution.yaml line 15: coverage_warn: "høj" is not a number.',
        'parameters/x/institution.yaml line 15: deviation_amount: "100.000" is not a number. Write 100000.',
        'parameters/x/institution.yaml line 16: persons_internal: "2" is out of bounds. Write at least 3.',
        'parameters/x/institution.yaml line 17: money_scale: "100" is not known. Nearest: 1000.',
        'parameters/x/institution.yaml line 18: fiscal_year_start: "juli" is not a whole number.',
        'parameters/x/institution.yaml line 20: calendar takes names with values; "7.4" stands there. '
        "Names: country, extra_days_off, hours_per_day.",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "parameters/x/institution.yaml: is empty. Begin with a name and a colon."),
        ("- a\n- b\n", "parameters/x/institution.yaml: holds no names with values. Begin with a name and a colon."),
        (
            "name: x\n  more: y\n",
            "parameters/x/institution.yaml line 2: cannot be read as YAML. Check the indentation, "
            'and put quotes round texts with ": " or " #" in them.',
        ),
        ("name:\n\tda: x\n", "parameters/x/institution.yaml line 2: cannot be read as YAML. Use spaces, not tabs."),
        (
            "name: !!python/object:os.system x\n",
            'parameters/x/institution.yaml line 1: the tag "!!python/object:os.system" cannot be used. Leave it out.',
        ),
        (
            "name: x\n? [a, b]\n: y\n",
            "parameters/x/institution.yaml: a list or a mapping stands where a name belongs, on line 2. Write a name there.",
        ),
        (
            "name: " + "[" * 300_000,
            "parameters/x/institution.yaml: is nested more than 40 levels deep. Write it flatter.",
        ),
        ("name: &a {da: *a}\n", "parameters/x/institution.yaml line 1: holds itself. Write the values out."),
    ],
)
def test_what_is_no_yaml_of_ours_is_named(tmp_path, text, message):
    assert message in problems(written(tmp_path, text))


def test_few_lines_that_stand_for_endlessly_many_values_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_text, "MOST_VALUES", 1_000)
    ten = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"
    of_ten = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 5)]

    told = problems(written(tmp_path, "\n".join([ten, *of_ten])))

    assert "parameters/x/institution.yaml line 1: holds itself. Write the values out." in told


def test_a_file_of_another_encoding_is_named_with_its_line(tmp_path):
    path = written(tmp_path, "")
    path.write_bytes("name: x\n# Økonomi\n".encode("cp1252"))

    assert problems(path) == ["parameters/x/institution.yaml line 2: is not UTF-8 text. Save the file as UTF-8."]


def test_a_missing_run_file_is_told_with_the_nearest(tmp_path):
    written(tmp_path, "", "monthly.yaml")

    told = problems(tmp_path / "parameters" / "x" / "montly.yaml", load_run)

    assert told == ["parameters/x/montly.yaml: is not there. Nearest: monthly.yaml."]


def test_another_file_named_as_run_file_is_one_problem_with_the_run_files_beside_it(tmp_path):
    written(tmp_path, "", "monthly.yaml")
    folder = written(tmp_path, "name: X", "institution.yaml").parent
    notebook = tmp_path / "02_unit_report.ipynb"
    notebook.write_text("{}")

    assert problems(folder / "institution.yaml", load_run) == [
        "parameters/x/institution.yaml: is no run file. Beside it: monthly.yaml."
    ]
    assert problems(notebook, load_run) == [
        "02_unit_report.ipynb: is no run file. Run files lie in the institution's folder below parameters/."
    ]


def test_a_run_file_named_without_its_folder_is_found_for_the_asker(tmp_path, monkeypatch):
    written(tmp_path, "reports: []", "monthly.yaml")
    monkeypatch.chdir(tmp_path)

    assert problems(Path("monthly.yaml"), load_run) == [
        "monthly.yaml: is not there. Perhaps: parameters/x/monthly.yaml."
    ]


def test_a_run_file_asked_for_from_another_folder_says_where_that_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert problems(Path("parameters/x/monthly.yaml"), load_run) == [
        f"parameters/x/monthly.yaml: is not there. {tmp_path} has no folder parameters/x: go to the project's folder."
    ]


def test_parents_successors_circles_and_shares_are_checked(tmp_path):
    text = (
        INSTITUTION
        + """\
units:
  - {unit: "1", name: A, parent: "2"}
  - {unit: "2", name: B, parent: "1"}
  - {unit: "3", name: C, parent: "20", valid_to: 2024-12-31, successor: "1", share: 0.5}
activities:
  - {activity: tilsyn, name: Tilsyn}
crosswalk:
  - {system: tid, codes: [T1, T2], to: tilsyn, share: 0.6}
  - {system: tid, codes: T2, to: tilsin, share: 0.4}
"""
    )

    assert problems(written(tmp_path, text)) == [
        'parameters/x/institution.yaml line 12: parent: "20" is not known. Nearest: 2.',
        'parameters/x/institution.yaml line 17: to: "tilsin" is not known. Nearest: tilsyn.',
        "parameters/x/institution.yaml line 10: the parents go in a circle: 1 > 2 > 1.",
        'parameters/x/institution.yaml line 16: the shares of "tid T1" sum to 0.6. They must sum to 1.',
        'parameters/x/institution.yaml line 12: the shares of "3" sum to 0.5. They must sum to 1.',
    ]


def test_a_run_file_is_read_as_designed(tmp_path):
    run = load_run(
        written(
            tmp_path,
            """\
reports:
  - notebook: 02_unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
  - notebook: 08_institution_report
    matrix: { unit: all, period: [2025-03, 2025-Q1, 2025] }
defaults: { language: en, audience: unit_manager, formats: [html, xlsx], deviation_limit: "0.10" }
change:
  - { when: { unit: "07" }, set: { deviation_limit: "0.15" }, because: "New unit, agreed with the director" }
leave_out:
  - { unit: "99", because: "Reports with 07" }
""",
            "monthly.yaml",
        )
    )

    assert run.reports[0].matrix.unit == UnitsOfLevel(level="kontor")
    assert run.reports[0].matrix.period == LastPeriods(grain="month", last=1)
    assert run.reports[1].matrix.unit == "all"
    assert run.reports[1].matrix.period == ["2025-03", "2025-Q1", "2025"]
    assert (run.language, run.audience, run.formats) == ("en", "unit_manager", ["html", "xlsx"])
    assert run.defaults == {"deviation_limit": "0.10"}
    assert run.change[0].when == {"unit": ["07"]}
    assert run.leave_out[0].unit == ["99"]
    assert run.where("change", 0, "set", "deviation_limit") == "parameters/x/monthly.yaml line 8"


def test_problems_of_a_run_file_are_told_at_once(tmp_path):
    text = """\
reports:
  - notebok: 02_unit_report
    matrix: { period: [2025-13], unit: { levle: kontor } }
defaults: { language: dk, audience: unit_managr }
change:
  - { when: { unit: "07" }, set: { x: "1" } }
"""

    assert problems(written(tmp_path, text, "monthly.yaml"), load_run) == [
        "parameters/x/monthly.yaml line 2: notebook is missing.",
        'parameters/x/monthly.yaml line 2: the name "notebok" is not known here. Nearest: notebook.',
        "parameters/x/monthly.yaml line 3: level is missing.",
        'parameters/x/monthly.yaml line 3: the name "levle" is not known here. Nearest: level.',
        'parameters/x/monthly.yaml line 3: period: "2025-13" is not a period. Write 2025-03, 2025-Q1 or 2025.',
        'parameters/x/monthly.yaml line 4: language: "dk" is not known. Known: da, en.',
        'parameters/x/monthly.yaml line 4: audience: "unit_managr" is not known. Nearest: unit_manager.',
        "parameters/x/monthly.yaml line 6: because is missing.",
    ]


def test_an_institution_is_found_by_name_folder_or_file_from_below_the_project(tmp_path):
    path = written(tmp_path, INSTITUTION)
    below = tmp_path / "notebooks"
    below.mkdir()

    assert find_institution("x", below) == path
    assert find_institution("parameters/x", below) == path
    assert find_institution(str(path), below) == path
    with pytest.raises(WrongUse, match=r'^institution: "y" is not known\. Known: x\.$'):
        find_institution("y", below)


def test_from_outside_any_project_the_package_s_own_is_meant(tmp_path, monkeypatch, project):
    assert find_institution("example", tmp_path) == project / "parameters" / "example" / "institution.yaml"

    monkeypatch.setattr(parameters, "PROJECT", tmp_path)
    with pytest.raises(WrongUse) as told:
        find_institution("example", tmp_path)

    assert str(told.value) == f"{tmp_path}: is not in a project. Go to a folder that has parameters/ in it or above it."


def test_deliveries_lie_where_the_command_the_variable_or_the_file_says(tmp_path, monkeypatch):
    monkeypatch.delenv("MI_DELIVERIES", raising=False)
    institution = load_institution(written(tmp_path, INSTITUTION))
    own, other, third = tmp_path / "deliveries", tmp_path / "other", tmp_path / "third"
    for folder in (own, other, third):
        folder.mkdir()

    assert deliveries_folder(institution, tmp_path) == own
    monkeypatch.setenv("MI_DELIVERIES", str(other))
    assert deliveries_folder(institution, tmp_path) == other
    assert deliveries_folder(institution, tmp_path, third) == third


def test_deliveries_that_are_not_there_are_told_with_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.delenv("MI_DELIVERIES", raising=False)
    monkeypatch.delenv("MI_TEST_DATA", raising=False)
    folder = "{folder: city, variable: MI_TEST_DATA, fetch: Fetch the case log of 2011 from the city.}"
    institution = load_institution(written(tmp_path, INSTITUTION.replace("{folder: deliveries}", folder)))

    with pytest.raises(WrongUse) as told:
        deliveries_folder(institution, tmp_path)

    assert str(told.value) == (
        "parameters/x/institution.yaml line 2: the deliveries are not here. "
        "Fetch the case log of 2011 from the city. Set MI_TEST_DATA to the folder that has city in it."
    )


def test_deliveries_that_the_project_makes_itself_need_not_be_there(tmp_path, monkeypatch):
    monkeypatch.delenv("MI_DELIVERIES", raising=False)
    made = INSTITUTION.replace("{folder: deliveries}", "{folder: outputs/x, made_by: synthetic}")

    assert deliveries_folder(load_institution(written(tmp_path, made)), tmp_path) == tmp_path / "outputs" / "x"
