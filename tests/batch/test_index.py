"""The page that leads to every report: complete without its script, easier to use with it."""

import html
import io
import re
from pathlib import Path

import nbformat
import openpyxl
import pandas as pd
import pytest

from mi_analysis.batch import index, worker
from mi_analysis.batch.about import report_name
from mi_analysis.batch.record import Record, write_whole
from mi_analysis.reporting import export
from mi_analysis.reporting.tables import Column, table
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.scorecard import COLUMNS

RUN = """\
reports:
  - notebook: unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
"""
AGAIN = "mi run parameters/x/monthly.yaml --retry"


def job(unit, state="made", **headline):
    key = f"{unit or 'institution'}/unit_report"
    outputs = [{"file": f"{key}.html", "bytes": 1, "sha256": ""}] if state in ("made", "unchanged") else []
    entry = {"state": state, "notebook": "unit_report", "title": "Unit report", "unit": unit, "activity": "",
             "period": "2025-03", "outputs": outputs, "message": "cell 3: KeyError: 'x'", "headline": headline}  # fmt: skip
    return key, entry


def record(project, *jobs, period="2025-03", version=1):
    folder = project.outputs / period / str(version)
    for _, entry in jobs:
        for output in entry["outputs"]:
            (folder / output["file"]).parent.mkdir(parents=True, exist_ok=True)
            (folder / output["file"]).write_text("")
    folder.mkdir(parents=True, exist_ok=True)
    data = {"schema": 1, "period": period, "version": version, "replaces": version - 1 or None, "model": "m" * 64,
            "package": "0.1", "language": "da", "audience": "internal", "again": AGAIN, "remarks": [], "left_out": [],
            "state": "complete", "jobs": dict(jobs)}  # fmt: skip
    entry = Record(folder, data)
    entry.save()
    return entry


@pytest.fixture
def page(project):
    """Writes the index of some jobs and returns its file."""
    project.notebook("unit_report")

    def page(*jobs, **settings):
        version = record(project, *jobs, **settings)
        index.write(version, project.plan(RUN), project.prepared)
        return version.folder / "index.html"

    return page


def text_of(file):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", file.read_text().partition("</style>")[2])).split())


STATES = [
    job("07", deviation=-5000.0, goal_degree=97.0),
    job("09", "failed"),
    job("", "no_data"),
    job("S", "unchanged"),
]


def test_the_total_is_the_sum_of_the_states_and_each_row_has_its_state_in_words(page):
    text = text_of(page(*STATES))

    assert "4 rapporter: 1 lavet, 1 mislykket, 1 ingen data, 1 uændret." in text
    assert [text.count(f"{symbol} {state}") for symbol, state in
            (("●", "Lavet"), ("■", "Mislykket"), ("–", "Ingen data"), ("●", "Uændret"))] == [1, 1, 1, 1]  # fmt: skip


def test_what_failed_stands_first_with_the_message_and_the_command_to_try_again(page):
    text = text_of(page(*STATES))

    failed = f"09/unit_report: cell 3: KeyError: 'x' Log Prøv igen: {AGAIN}"
    assert failed in text
    assert text.index(failed) < text.index("Hele institutionen")


def test_a_row_leads_to_the_reports_of_earlier_periods(page):
    page(job("07"), period="2025-01", version=2)
    page(job("07", "failed"), job("09"), period="2025-02")

    written = page(job("07"), job("09")).read_text()

    links = re.findall(r'href="(../../[^"]+)" aria-label="([^"]+)"', written)
    assert links == [
        ("../../2025-01/2/07/unit_report.html", "januar 2025, Tilsyn Øst (07)"),
        ("../../2025-02/1/09/unit_report.html", "februar 2025, Tilsyn Vest (09)"),
    ]


def test_a_later_edition_says_how_many_figures_moved(page):
    text = text_of(page(job("07", moved=12), job("09", moved=0), version=2))

    assert "Udgaven erstatter 1: 12 tal er ændret, i 1 rapporter." in text


def test_a_report_with_an_image_without_description_is_marked(page):
    assert "▲ Figur uden beskrivelse" in text_of(page(job("07", undescribed=1)))
    assert "Figur uden beskrivelse" not in text_of(page(job("07")))


def test_an_explanation_with_a_code_that_nobody_asked_about_is_told(page, project):
    owed = [
        {
            "measure": "deviation",
            "figure": "Budgetafvigelse",
            "why": "Afvigelse",
            "text": "En sag.",
            "role": "",
            "date": "",
        }
    ]
    rows = [("07", "2025-03", "deviation"), ("07", "2025-03", "defiation"), ("S", "2025-03", "actual"),
            ("07", "2025-02", "fte"), ("09", "2025-03", "not_reported")]  # fmt: skip
    project.prepared.comments = pd.DataFrame(rows, columns=["unit", "period", "measure"])

    text = text_of(page(job("07", explanations=owed), job("09", "failed"), job("", figure=1)))

    assert (
        "Forklaringer, der ikke hører til et tal, der skal forklares, og derfor ikke er trykt: "
        "Hele institutionen: actual; Tilsyn Øst (07): defiation." in text
    )


def test_numbers_that_changed_went_or_came_are_counted_once_each(project):
    def table(key, *rows):
        return {"key": key, "columns": [{"name": "measure"}, {"name": "month"}, {"name": "signal"}], "rows": list(rows)}

    before = [table("a", ["closed", 5, "none"], ["open", 7, "none"], ["open", 8, "none"]), table("b", ["gone", 1, ""])]
    after = [
        table("a", ["closed", 6, "none"], ["open", 7, "shift_up"], ["open", None, "none"]),
        table("c", ["new", 2, ""]),
    ]

    assert export.moved(before, after) == 4
    assert export.moved(before, before) == 0


def executed(value):
    columns = [{"name": "measure"}, {"name": "month"}]
    payload = {"kind": "table", "key": "t", "title": "T", "columns": columns, "rows": [["closed", value]]}
    shown = nbformat.v4.new_output("display_data", data={export.JSON: payload, "text/html": "<p>1</p>"})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", execution_count=1, outputs=[shown])])


def test_the_report_itself_says_what_it_replaces_and_how_many_figures_moved(project, tmp_path):
    stamp = {"edition": "2, erstatter 1"}
    about = {
        "language": "da",
        "title": "Øst",
        "subtitle": "marts 2025",
        "stamp": stamp,
        "own": True,
        "words": Words("da"),
    }
    work = worker.Work("07/unit_report", project.root, {}, "", "x", tmp_path / "2", ("html",), {}, about)
    (tmp_path / "1" / "07").mkdir(parents=True)
    write_whole(tmp_path / "1" / "07" / "unit_report.ipynb", nbformat.writes(executed(1.0)))

    noted = worker._noted(executed(2.0), work)
    made = worker._exported(executed(2.0), work, noted["moved"])["html"].decode()

    assert '<p class="subtitle">marts 2025 · Udgave 2, erstatter 1: 1 tal er ændret</p>' in made


@pytest.mark.parametrize(("period", "month"), [("2024", "december 2024"), ("2025-Q1", "marts 2025")])
def test_the_suppliers_are_those_at_the_end_of_the_period(page, project, period, month):
    known = dict.fromkeys(COLUMNS, 0) | {"supplier": "HR", "status": "late", "reconciled": "agrees"}
    months = ("2024-12-01", "2025-03-01", "2025-04-01")
    project.prepared.suppliers = pd.DataFrame([known | {"month": day} for day in months])

    text = text_of(page(job("07"), period=period))

    assert re.findall(r"leverandørerne leveret, (\w+ 2\d+)", text)[:1] == [month]


def test_a_measure_of_the_institutions_own_has_its_name_in_the_workbook(project, tmp_path):
    words = Words("da", extra={f"measure.beds.{form}": text for form, text in (("label", "Senge"), ("unit", "stk."))})
    columns = [Column("measure", kind="measure"), Column("n", kind="number")]
    shown = table(pd.DataFrame({"measure": ["beds"], "n": [3]}), columns, "Antal", words)._repr_mimebundle_()
    output = nbformat.v4.new_output("display_data", data=shown)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", execution_count=1, outputs=[output])])
    about = {"language": "da", "title": "Øst", "subtitle": "", "stamp": {}, "own": True, "words": words, "created": ""}
    work = worker.Work("07/unit_report", project.root, {}, "", "x", tmp_path / "1", ("xlsx",), {}, about)

    made = openpyxl.load_workbook(io.BytesIO(worker._exported(book, work, None)["xlsx"])).worksheets[1]

    assert [cell.value for cell in made[4]] == ["Senge", 3]


@pytest.mark.browser
def test_rows_are_found_and_sorted_by_keyboard(page, browser):
    file = page(job("07", deviation=-5000.0), job("09", "failed", deviation=250_000.0), job("99", "failed"))
    tab = browser.new_page()
    tab.goto(file.as_uri())
    column = "() => [...document.querySelectorAll('table.sorts tbody tr')].filter(r => !r.hidden).map(r => r.cells[0].textContent)"

    tab.get_by_role("searchbox").focus()
    tab.keyboard.type("mislykket")
    assert tab.evaluate(column) == ["Tilsyn Vest (09)", "Nedlagt (99)"]
    assert tab.get_by_role("status").text_content() == "2 af 3 rækker vises"

    tab.get_by_role("searchbox").fill("")
    head = tab.get_by_role("button", name="Budgetafvigelse")
    head.focus()
    tab.keyboard.press("Enter")
    assert tab.evaluate(column) == ["Tilsyn Øst (07)", "Tilsyn Vest (09)", "Nedlagt (99)"]
    tab.keyboard.press("Space")
    assert tab.evaluate(column) == ["Tilsyn Vest (09)", "Tilsyn Øst (07)", "Nedlagt (99)"]
    assert tab.locator("th[aria-sort]").get_attribute("aria-sort") == "descending"
    tab.close()


def test_the_index_is_read_by_everyone_and_is_valid(page, look, html_errors):
    file = page(*STATES)

    seen = look(file)

    assert (seen.violations, seen.requests, seen.narrow) == ([], [], 320)
    assert html_errors(file) == []


def test_every_notebook_of_the_project_has_a_name_in_print():
    names = [file.stem for file in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb")]

    unnamed = [
        (name, words.language)
        for words in (Words("da"), Words("en"))
        for name in names
        if not report_name(name, "", words)
    ]

    assert unnamed == []
