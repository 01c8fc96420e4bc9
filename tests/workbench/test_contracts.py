"""What suppliers are sent, and what is said of it when it comes back."""

import io
import re
from datetime import date, datetime
from pathlib import Path

import pytest
import xlsxwriter
import yaml
from python_calamine import CalamineWorkbook

from mi_analysis.cli import main
from mi_analysis.model.build import build
from mi_analysis.model.contract import owed, workbook_pattern
from mi_analysis.model.deliveries import check_profiles, read
from mi_analysis.model.keys import keys
from mi_analysis.parameters import Institution, WrongUse, load_institution
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words, languages
from mi_analysis.workbench import contracts, desk
from mi_analysis.workbench.scorecard import judged, scorecard

EN = Words("en")
GIVEN = {
    "name": {"da": "Lille", "en": "Tiny"},
    "language": "en",
    "deliveries": {"folder": "deliveries"},
    "units": [{"unit": "I", "name": "All"}, {"unit": "07", "name": "Office Seven", "parent": "I"}],
    "activities": [{"activity": "A", "name": "Inspections"}],
    "sources": {
        "time": {
            "files": ["time_*.csv"],
            "sheets": ["Hours"],
            "header": ["Office", "Month", "Hours"],
            "extracted_at": "Extracted ([0-9-]+)",
            "facts": [{
                "table": "hours", "values": {"status": {"Draft": "draft", "Final": "approved"}},
                "columns": {"person_key": "Staff no", "unit": "Office", "activity": "Task", "period": "Month", "hours": "Hours", "status": "State"},
            }],
            "contract": {"owner": "HR", "content": "All hours", "due_working_day": 5, "smallest_mapped_share": "0.5", "examples": {"Task": "A"}},
        },
        "cases": {
            "files": ["cases.csv"],
            "facts": [{"table": "cases", "columns": {"case": "Number", "unit": "Office", "received": "In", "closed": "Out"}}],
        },
    },
}  # fmt: skip
TIME = [
    ["P1", "07", "A", "2025-03", 7.5, "Final"],
    ["P2", "07", "A", "2025-03", 3, "Draft"],
    ["P3", "07", "A", "2025-03", 2, "Final"],
]
CASES = [["1", "07", date(2025, 3, 3), date(2025, 3, 9)], ["2", "07", date(2025, 3, 5), None]]


@pytest.fixture(scope="module")
def tiny() -> Institution:
    return Institution.model_validate(GIVEN)


@pytest.fixture
def templates(tiny, tmp_path) -> dict[str, Path]:
    return {one.source: one.template for one in contracts.write(tiny, keys(tiny, {})[0], tmp_path / "sent", 2025)}


def filled(template: Path, file: Path, rows: list[list], header: dict[str, str] | None = None, sheet: str = "") -> Path:
    """A copy of the template with rows in its first sheet: values as a person types them, headers as given."""
    book = CalamineWorkbook.from_filelike(io.BytesIO(template.read_bytes()))
    given = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    copy = xlsxwriter.Workbook(file)
    data, day = copy.add_worksheet(sheet or book.sheet_names[0]), copy.add_format({"num_format": "dd-mm-yyyy"})
    above = [[(header or {}).get(cell, cell) for cell in row] for row in given]
    if str(above[0][0]).startswith("Extracted"):
        above[0][0] += "2025-04-09"
    for number, row in enumerate([*above, *rows]):
        for place, cell in enumerate(row):
            if isinstance(cell, datetime | date):
                data.write_datetime(number, place, cell, day)
            elif str(cell).startswith("="):
                data.write_formula(number, place, cell, None, "#DIV/0!")
            elif cell is not None and cell != "":
                data.write(number, place, cell)
    for name in book.sheet_names[1:]:
        copy.add_worksheet(name)
    copy.close()
    return file


def told(institution: Institution, tmp_path: Path) -> tuple[list[str], list[tuple[str, str, str]]]:
    """Findings and put-aside cells of the one delivery, in words."""
    audit = judged(build(institution, "tiny", tmp_path / "deliveries", tmp_path / "model"), institution)
    item = next(item for item in audit.received)
    words = [f"{one.severity}: {sentence(f'finding.{one.key}', one.values, EN)}" for one in item.findings]
    gaps = [f"{gap.key} {gap.code}: {EN.text(f'gap.{gap.reason}')}, near {gap.near or 'none'}" for gap in item.gaps]
    from mi_analysis.model.database import open_model

    with open_model(tmp_path / "model") as connection:
        rows = connection.execute('select "column", text, reason from quarantine order by all').fetchall()
    return [*words, *gaps], [
        (column, text, EN.text(f"finding.cell.{reason.partition(': ')[0]}", detail=reason.partition(": ")[2]))
        for column, text, reason in rows
    ]


def test_a_template_filled_in_is_read_and_judged_by_its_due_day(tiny, templates, tmp_path):
    filled(templates["time"], tmp_path / "deliveries" / "time_2025-03.xlsx", TIME)

    words, aside = told(tiny, tmp_path)

    assert templates["time"].name == "time_yyyy-mm.xlsx"
    assert words == ["warn: Extracted on 9 April 2025: 2 working days after the agreed day, 7 April 2025."]
    assert aside == []


AGREED = "Extracted on 9 April 2025: 2 working days after the agreed day, 7 April 2025."
ASIDE = "warn: 1 rows were put aside because of 1 cells that could not be read."
WRONG = {
    "a header renamed": (
        {"header": {"Hours": "Hour"}}, TIME,
        ["stop: The column 'Hours' is missing from the header in row 2; 'Hour' is the nearest. If it was renamed, add the new name in "
         "the source profile. The columns are Staff no, Office, Task, Month, Hour, State."], [],
    ),
    "a header deleted": (
        {"header": {"State": ""}}, TIME,
        ["stop: The column 'State' is missing from the header in row 2. The columns are Staff no, Office, Task, Month, Hours."], [],
    ),
    "the sheet renamed": (
        {"sheet": "Sheet1"}, TIME,
        ["stop: There is no sheet 'Hours'; the sheets are Sheet1, Guide, Codes. Correct sheets in the source profile."], [],
    ),
    "nothing filled in": (
        {}, [],
        ["stop: There is no row of data below the header in row 2. Deliver the file with its rows, or say that the period has none."], [],
    ),
    "words for a number": (
        {}, [*TIME, ["P4", "07", "A", "2025-03", "seven", "Final"]],
        [ASIDE], [("Hours", "seven", "is not a number")],
    ),
    "a spreadsheet error": (
        {}, [*TIME, ["P4", "07", "A", "2025-03", "=1/0", "Final"]],
        [ASIDE], [("Hours", "#DIV/0!", "is an error in the spreadsheet")],
    ),
    "a month that is none": (
        {}, [*TIME, ["P4", "07", "A", "March", 1, "Final"]],
        [ASIDE], [("Month", "March", "is a period without a year")],
    ),
    "a required cell left blank": (
        {}, [*TIME, ["P4", "07", "A", "2025-03", "", "Final"]],
        [ASIDE], [("Hours", "", "is blank, but must be filled")],
    ),
    "another word than the drop-down's": (
        {}, [*TIME, ["P4", "07", "A", "2025-03", 1, "Done"]],
        [ASIDE], [("State", "Done", "is none of Draft, Final")],
    ),
    "a code that nobody knows": (
        {}, [*TIME, ["P4", "08", "B", "2025-03", 1, "Final"]],
        ["unit 08: The code is unknown, near none", "activity B: The code is unknown, near none"], [],
    ),
    "a personal number for a pseudonym": (
        {}, [["010190-1234", "07", "A", "2025-03", 1, "Final"]],
        ["stop: The column 'Staff no' holds personal numbers in 1 rows. Nothing of the delivery was kept. Have it delivered without them."], [],
    ),
    "a total line that is not the sum": (
        {}, [*TIME, ["I alt", "", "", "", 100, ""]],
        ["stop: The total line 'I alt' in row 6 says 100,00 for 'Hours', but the rows add up to 12,50 (difference 87,50). "
         "Deliver the file again."], [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_template_filled_in_wrongly_comes_back_with_the_right_words(tiny, templates, tmp_path, case):
    changed, rows, expected, cells = WRONG[case]
    filled(templates["time"], tmp_path / "deliveries" / "time_2025-03.xlsx", rows, **changed)

    words, aside = told(tiny, tmp_path)

    assert [line for line in words if AGREED not in line] == expected
    assert aside == cells


def test_mi_check_tells_each_wrong_workbook_apart_and_what_would_be_right(templates, tmp_path, capsys, monkeypatch):
    (tmp_path / "parameters" / "tiny").mkdir(parents=True)
    (tmp_path / "parameters" / "tiny" / "institution.yaml").write_text(yaml.safe_dump(GIVEN), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    findings, aside = [], []
    for number, (changed, rows, expected, cells) in enumerate(WRONG.values(), start=1):
        month = f"2025-{number:02}"
        name = f"time_{month}.xlsx"
        own = [[month if cell == "2025-03" else cell for cell in row] for row in rows]
        filled(templates["time"], tmp_path / "deliveries" / name, own, **changed)
        told = [line.partition(": ") for line in expected if line.startswith(("stop: ", "warn: "))]
        findings += [f"  {severity}: {name}: {text}" for severity, _, text in told]
        aside += [[name, column, reason, "1", f'such as "{text}" in row 6'] for column, text, reason in cells]

    with pytest.raises(SystemExit) as ended:
        main(["check", "tiny"])
    sections = dict(part.split(":\n", 1) for part in capsys.readouterr().out.split("\n\n") if ":\n" in part)

    assert ended.value.code == 4
    shown = [line for line in sections["Findings"].splitlines() if ": time_" in line and "Extracted on" not in line]
    assert sorted(shown) == sorted(findings)
    assert [re.split(" {2,}", line.strip()) for line in sections["Put aside"].splitlines()] == aside
    assert [re.split(" {2,}", line.strip()) for line in sections["Codes without a partner"].splitlines()] == [
        ["time", "hours", "activity B", "The code is unknown", "1 rows", "1.00 hours"],
        ["time", "hours", "unit 08", "The code is unknown", "1 rows", "1.00 hours"],
    ]


def test_dates_that_cannot_be_are_put_aside_with_their_reason(tiny, templates, tmp_path):
    rows = [*CASES, ["3", "07", date(2025, 3, 9), date(2025, 3, 1)], ["4", "07", "31-02-2025", None]]
    filled(templates["cases"], tmp_path / "deliveries" / "cases.xlsx", rows)

    words, aside = told(tiny, tmp_path)

    assert words[0] == "warn: 2 rows were put aside because of 2 cells that could not be read."
    assert aside == [
        ("In", "31-02-2025", "is a date that does not exist"),
        ("Out", "2025-03-01", "is before the case was received"),
    ]


@pytest.mark.parametrize("where", ["tests/samples", "parameters/example", "parameters/boston"])
def test_every_template_is_found_by_its_own_profile_and_read_as_a_delivery_without_rows(project, tmp_path, where):
    institution = load_institution(project / where)

    made = contracts.write(institution, keys(institution, {})[0], tmp_path, 2025)

    for one in made:
        source = institution.sources[one.source]
        found = read(one.template, one.source, source)
        assert [finding.key for finding in found.findings] == ["delivery.header_only"], one.source
        assert any(one.template.match(workbook_pattern(pattern).rpartition("/")[2]) for pattern in source.files)
        assert all(
            column.header in one.page.read_text("utf-8").replace("&#39;", "'").replace("&amp;", "&")
            for column in owed(source)
        )


def test_the_template_has_drop_downs_for_choices_and_codes_and_checks_for_numbers_and_dates(tiny, templates):
    import zipfile

    with zipfile.ZipFile(templates["time"]) as package:
        sheet = package.read("xl/worksheets/sheet1.xml").decode()
        texts = package.read("xl/sharedStrings.xml").decode()

    assert sheet.count("<dataValidation ") == 6
    assert sheet.count('type="list"') == 3  # office, task, state
    assert sheet.count('type="decimal"') == 1
    assert "This is not one of the agreed texts." in sheet
    assert all(f">{text}<" in texts for text in ("Draft", "Final", "07", "Office Seven", "Inspections"))


def test_the_page_says_what_is_owed_when_and_how(tiny, tmp_path):
    page = contracts.write(tiny, keys(tiny, {})[0], tmp_path / "sent", 2025)[0].page.read_text("utf-8")

    for text in (
        "What HR delivers",
        "All hours",
        "Due: working day 5 of the month after the period.",
        "Form: text with columns separated by “;”, character set utf-8, decimal mark “,”, named time_*.csv; or the workbook that follows, "
        "saved under a name like time_yyyy-mm.xlsx.",
        "At least 50 per cent of the rows have an activity that is known.",
        "No names, no CPR numbers, no free text. Columns that are not listed are not read.",
        "A pseudonym that is the same every month: never a name, never a CPR number",
        "Draft, Final",
    ):
        assert text in page


def test_every_column_of_the_model_has_a_meaning_in_every_language():
    from mi_analysis.model.schema import TABLES

    columns = {name for table in TABLES.values() for name in table.columns}

    assert [
        (language, name)
        for language in languages()
        for name in columns
        if not Words(language).has(f"contract.meaning.{name}")
    ] == []


def test_a_contract_about_a_column_that_is_not_read_is_refused():
    changed = GIVEN["sources"]["cases"] | {"contract": {"examples": {"Offise": "07"}}}

    with pytest.raises(WrongUse) as error:
        check_profiles(Institution.model_validate(GIVEN | {"sources": {"cases": changed}}))

    assert str(error.value).endswith('examples: "Offise" is no column that is read. Nearest: Office.')


def test_a_slice_tells_of_the_month_it_is_about_as_its_institution_does(small_agency, tmp_path):
    newest = small_agency.prepared.periods[-1]
    small_agency.prepared.slice(tmp_path / "slice", "", "", newest[:7])

    found = desk(str(tmp_path / "slice")).suppliers()

    assert found["month"].iloc[0] == newest
    assert len(set(found["month"])) == 3


def test_the_scorecard_tells_late_missing_and_put_aside_per_supplier_and_month(tiny, templates, tmp_path):
    owners, contents = {"time": "HR", "cases": "Centre"}, {"time": ["hours"], "cases": ["cases"]}
    filled(
        templates["time"],
        tmp_path / "deliveries" / "time_2025-02.xlsx",
        [[*row[:3], "2025-02", *row[4:]] for row in TIME],
    )
    filled(
        templates["time"],
        tmp_path / "deliveries" / "time_2025-03.xlsx",
        [*TIME, ["P4", "07", "", "2025-03", "x", "Final"]],
    )

    audit = judged(build(tiny, "tiny", tmp_path / "deliveries", tmp_path / "model"), tiny)
    rows = scorecard(audit, owners, contents).set_index(["month", "supplier"])

    assert [*rows.index] == [("2025-03-01", "Centre"), ("2025-03-01", "HR"), ("2025-02-01", "HR")]
    assert [*rows["status"]] == ["missing", "late", "late"]
    assert [*rows["days_late"].iloc[1:]] == [2, 23]
    assert ([*rows["read"]], [*rows["quarantined"]]) == ([0, 4, 3], [0, 1, 0])
    assert [*rows["mapped"].iloc[1:]] == [100, 100]
