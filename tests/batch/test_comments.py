"""What has to be explained goes out in a workbook and comes back as a delivery."""

from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
import yaml

from mi_analysis.batch import comments
from mi_analysis.batch.record import Record
from mi_analysis.model import database
from mi_analysis.model.build import build
from mi_analysis.parameters import Institution
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.preparation import COMMENTS

PARAMETERS = Path(__file__).parents[2] / "parameters"
HEADERS = ("Enhed", "Enhedens navn", "Periode", "Kode", "Nøgletal eller mål", "Hvorfor", "Forklaring", "Rolle", "Dato")
DEVIATION = {"measure": "deviation", "figure": "Budgetafvigelse", "why": "Afvigelse over 500 t.kr."}
NOTHING = dict.fromkeys(("text", "role", "date"))
GIVEN = {"text": "En ny sag.", "role": "Kontorchef", "date": "2025-04-07"}
GOAL = {"measure": "1.1", "figure": '=cmd|"x"', "why": "Ikke opfyldt", **GIVEN}


@pytest.fixture
def version(tmp_path):
    jobs = {
        "09/unit_report": {"unit": "09", "period": "2025-03", "headline": {"explanations": [DEVIATION | NOTHING]}},
        "07/unit_report": {
            "unit": "07",
            "period": "2025-03",
            "headline": {"explanations": [DEVIATION | NOTHING, GOAL]},
        },
        "institution/all": {"unit": "", "period": "2025-03", "headline": {"explanations": [DEVIATION | NOTHING]}},
        "07/other": {"unit": "07", "period": "2025-03", "headline": {"explanations": [DEVIATION | NOTHING]}},
        "09/other": {"unit": "09", "period": "2025-03"},
    }
    folder = tmp_path / "version"
    folder.mkdir()
    return Record(folder, {"jobs": jobs, "version": 1})


def sheet(file):
    return list(openpyxl.load_workbook(BytesIO(file.read_bytes())).active.iter_rows())


def test_the_workbook_has_a_line_for_each_figure_of_each_unit_and_nothing_in_it_is_a_formula(version, project):
    comments.write(version, project.prepared, "2025-04-04")

    rows = sheet(version.folder / "comments.xlsx")

    deviation = ("2025-03", "deviation", "Budgetafvigelse", "Afvigelse over 500 t.kr.", None, None, None)
    assert [tuple(cell.value for cell in row) for row in rows] == [
        HEADERS,
        (None, None, *deviation),
        ("07", "Tilsyn Øst", "2025-03", "1.1", '=cmd|"x"', "Ikke opfyldt", *GIVEN.values()),
        ("07", "Tilsyn Øst", *deviation),
        ("09", "Tilsyn Vest", *deviation),
    ]
    assert {cell.data_type for row in rows for cell in row if cell.value} == {"s"}
    assert [row["unit"] for row in comments.missing(version)] == ["", "07", "09"]


def test_nothing_to_explain_leaves_no_workbook(version, project):
    version.data["jobs"] = {"09/other": version.jobs["09/other"]}

    comments.write(version, project.prepared, "")

    assert not (version.folder / "comments.xlsx").exists()


@pytest.fixture
def delivered(version, project, tmp_path):
    """Builds a model of the filled-in workbook, read as the example institution's parameters say."""
    folder = tmp_path / "deliveries" / "forklaringer"
    folder.mkdir(parents=True)
    comments.write(version, project.prepared, "2025-04-04")
    example = yaml.safe_load((PARAMETERS / "example" / "institution.yaml").read_text("utf-8"))
    units = [{"unit": "S", "name": "Styrelsen"}] + [
        {"unit": code, "name": code, "parent": "S"} for code in ("07", "09")
    ]
    institution = Institution.model_validate({
        "name": {"da": "X", "en": "X"}, "deliveries": {"folder": "d"}, "units": units,
        "activities": [{"activity": "A", "name": "A"}], "sources": {"comments": example["sources"]["comments"]},
    })  # fmt: skip

    def build_of(change, name="comments_2025-03.xlsx"):
        book = openpyxl.load_workbook(version.folder / "comments.xlsx")
        change(book.active)
        book.save(folder / name)
        audit = build(institution, "x", tmp_path / "deliveries", tmp_path / "model")
        with database.open_model(tmp_path / "model") as connection:
            return audit, connection.execute(COMMENTS).fetchall()

    return build_of


def test_what_is_filled_in_comes_back_with_role_and_date_and_the_rest_stays_missing(delivered):
    def fill(page):
        page["G4"], page["H4"], page["I4"] = "Ekstra kampagne.", "Kontorchef", "08-04-2025"

    audit, rows = delivered(fill)

    assert rows == [
        ("07", "1.1", "En ny sag.", "Kontorchef", "2025-04-07", "2025-03"),
        ("07", "deviation", "Ekstra kampagne.", "Kontorchef", "2025-04-08", "2025-03"),
    ]
    assert [finding.key for item in audit.received for finding in item.findings] == []


@pytest.mark.parametrize("period", ["2025-Q1", "2025"])
def test_an_explanation_of_a_quarter_or_a_year_comes_back_for_it(delivered, period):
    def fill(page):
        page["C4"], page["G4"] = period, "Ekstra kampagne."

    audit, rows = delivered(fill, f"comments_{period}.xlsx")

    assert [row[1:3] for row in rows if row[-1] == period] == [("deviation", "Ekstra kampagne.")], rows
    assert [finding.key for item in audit.received for finding in item.findings] == []


def test_of_two_explanations_of_a_figure_the_newest_counts(delivered):
    def fill(text, day):
        def change(page):
            page["G5"], page["I5"] = text, day

        return change

    delivered(fill("Den nye.", "2025-05-01"), "a.xlsx")

    _, rows = delivered(fill("Den gamle.", "2025-04-01"), "b.xlsx")

    assert [row[2] for row in rows if row[0] == "09"] == ["Den nye."]


def test_changed_columns_stop_the_workbook_with_the_name_of_the_column(delivered):
    def rename(page):
        page["G1"] = "Bemærkning"

    audit, rows = delivered(rename)

    (item,) = audit.received
    told = [sentence(f"finding.{one.key}", one.values, Words("da")) for one in item.findings]
    assert (item.stopped, rows) == (True, [])
    assert any("Forklaring" in text for text in told), told
