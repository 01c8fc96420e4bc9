"""Each notebook runs from top to bottom on the example agency and gives a whole report, in both languages."""

import gzip
import html
import os
import re
from datetime import date
from io import BytesIO
from pathlib import Path

import nbformat
import papermill
import pytest
from openpyxl import load_workbook
from papermill.cli import papermill as papermill_command
from papermill.engines import papermill_engines

from mi_analysis import synthetic
from mi_analysis.batch import warm_engine
from mi_analysis.reporting import export, pdf, workbook
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench import prepare

NOTEBOOKS = sorted(file.stem for file in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
LANGUAGES = dict.fromkeys(("02_unit_report", "03_overtime_and_goals", "04_activity_report", "06_planning"), "en")
"""Language each is run in, where it is not Danish; the two catalogues have the same keys, which another test holds."""
OF_DAYS = ("verdict.durations.sooner", "verdict.durations.later", "verdict.compare.durations_differ")
AUDIENCES = {"02_unit_report": "unit_manager", "08_institution_report": "public"}
"""Audience each is made for, where it is not those inside; what is shown to whom is tested with disclosure."""


def words_of(page: str) -> str:
    """What a reader sees of a page, without style and markup."""
    body = re.sub(r"<style.*?</style>", " ", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", body))


@pytest.fixture(scope="session")
def example(project, tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    synthetic.make(folder / "deliveries", units=10, months=25)
    return prepare(
        "example", start=project, deliveries=folder / "deliveries", audience="internal", out=folder / "outputs"
    )


@pytest.fixture(scope="session", params=NOTEBOOKS)
def executed(request, project, example, tmp_path_factory):
    """A notebook's name and its copy executed by papermill's own command, on the slice that a run would give it."""
    folder = tmp_path_factory.mktemp(request.param)
    unit = "2110" if request.param == "02_unit_report" else ""
    made, audience = example.folder.parent, AUDIENCES.get(request.param, "internal")
    released = prepare("example", start=project, deliveries=made.parent / "deliveries", audience=audience, out=made)
    data = released.slice(folder / "slice", unit, "", released.periods[-1])
    given = {"source": str(folder / "slice"), "unit": unit, "language": LANGUAGES.get(request.param, "da")}
    book, done = project / "notebooks" / f"{request.param}.ipynb", folder / "executed.ipynb"
    taken = papermill.inspect_notebook(str(book))
    parameters = [word for name in sorted(given) if name in taken for word in ("-p", name, given[name])]
    settings = ["-k", "python3", "--no-progress-bar", "--execution-timeout", "300", "--cwd", str(project / "notebooks")]
    papermill_engines.register("mi", warm_engine.Engine)
    command = [str(book), str(done), *parameters, "--engine", "mi", *settings]
    papermill_command.main(command, standalone_mode=False)
    return request.param, nbformat.read(done, 4), data


def run_again(project, notebook, tmp_path):
    """Executes a notebook anew with the parameters it had."""
    given = notebook.metadata.papermill.parameters
    name = Path(notebook.metadata.papermill.input_path).stem
    return papermill.execute_notebook(
        project / "notebooks" / f"{name}.ipynb",
        None,
        dict(given),
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=300,
        cwd=tmp_path,
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.thorough
def test_a_forked_kernel_gives_the_same_cells_as_papermills_own(executed, project, plain, request):
    name, forked, _ = executed
    if name != "02_unit_report" and not request.config.getoption("--long"):
        pytest.skip("long (run with --long)")

    stock = papermill.execute_notebook(
        project / "notebooks" / f"{name}.ipynb", None, dict(forked.metadata.papermill.parameters),
        kernel_name="python3", progress_bar=False, execution_timeout=300, cwd=project / "notebooks",
    )  # fmt: skip

    assert plain(forked) == plain(nbformat.reads(nbformat.writes(stock), 4))


@pytest.fixture(scope="session")
def page(executed, tmp_path_factory):
    """The report of the executed notebook, in a file."""
    name, notebook, data = executed
    stamp = {
        "institution": "Eksempelstyrelsen",
        "report": name,
        "audience": AUDIENCES.get(name, "internal"),
        "data": data[:12],
    }
    file = tmp_path_factory.mktemp("pages") / f"{name}.html"
    file.write_text(
        export.html(notebook, language=LANGUAGES.get(name, "da"), title=name, stamp=stamp), encoding="utf-8"
    )
    return file


def test_a_notebook_gives_a_whole_report(page):
    page = page.read_text(encoding="utf-8")

    assert page.count("<h1") == 1
    assert re.findall(r"<img(?![^>]*\salt=\"[^\"]+\")", page) == []
    assert not re.search(r"(src|href)=\"(?!#|data:)", page)
    assert "Traceback" not in page
    assert "Warning" not in words_of(page)


def test_a_report_is_read_by_everyone(executed, page, look):
    seen = look(page)

    assert (seen.violations, seen.requests, seen.narrow) == ([], [], 320)


def test_a_report_is_valid_html(page, html_errors):
    assert html_errors(page) == []


@pytest.mark.pango
def test_a_report_as_pdf_keeps_the_rules_of_pdf_ua(page):
    from page import ValidationProfile, validate_pdf_bytes

    written = pdf.pdf(page.read_text(encoding="utf-8"))

    found = validate_pdf_bytes(written, profile=ValidationProfile.PDF_UA_1)
    assert ([failure.message for failure in found.failures], found.is_compliant) == ([], True)


def test_a_report_is_small(page):
    content = page.read_bytes()

    assert len(content) < 400_000
    assert len(gzip.compress(content)) < 90_000


@pytest.mark.parametrize("executed", ["02_unit_report"], indirect=True)
def test_two_runs_give_the_same_bytes_as_page_and_as_workbook(executed, project, tmp_path):
    _, notebook, _ = executed
    settings = {"title": "Tilsyn Øst", "stamp": {"unit": "2110"}}

    again = run_again(project, notebook, tmp_path)

    pages = [export.html(run, language="en", **settings) for run in (notebook, again)]
    books = [workbook.workbook(run, Words("en"), created=date(2026, 1, 13), **settings) for run in (notebook, again)]
    assert pages[0] == pages[1]
    assert books[0] == books[1]


def test_a_report_carries_the_stamp_of_its_data(executed):
    name, notebook, data = executed

    stamps = [output["stamp"] for output in export.outputs(notebook) if "stamp" in output]

    assert len(stamps) == 1
    assert data.startswith(stamps[0]["data"])
    assert stamps[0]["unit"] == ("2110" if name == "02_unit_report" else stamps[0]["unit"])


def test_no_key_is_printed_where_words_belong(executed):
    name, notebook, _ = executed

    text = words_of(export.html(notebook, language=LANGUAGES.get(name, "da"), title=name, stamp={}))

    raw = re.findall(r"\b(?:finding|measure|verdict|caption|column|state)\.[a-z_]+", text)
    assert raw == []
    assert not re.search(r"\{[a-z_]+\}|\bnan\b|\bNone\b|\bNaT\b", text)


def test_every_table_of_a_report_is_in_its_workbook(executed, example):
    name, notebook, _ = executed
    tables = [
        output
        for output in export.outputs(notebook)
        if output.get("kind") in ("table", "figure") and output.get("rows")
    ]

    book = load_workbook(
        BytesIO(workbook.workbook(notebook, Words(LANGUAGES.get(name, "da")), title=name, created=date(2026, 1, 13)))
    )

    assert len(book.sheetnames) >= len({table["key"] for table in tables})


def test_a_clear_association_is_never_shown_without_its_reservation(executed):
    from mi_analysis.analysis.answers import CLAIMS
    from mi_analysis.reporting.wording import Words

    name, notebook, _ = executed
    words = Words(LANGUAGES.get(name, "da"))
    reservation, of_days = (words.text(f"verdict.{kind}.reservation") for kind in ("assoc", "durations"))
    messages = [output for output in export.outputs(notebook) if output.get("verdict")]

    alone = [
        output["key"]
        for output in messages
        if any(one["key"] in CLAIMS for one in output["verdict"]) and reservation not in output["alternative"]
    ]
    assert alone == []
    claims = [output for output in messages if output["verdict"][0]["key"] in OF_DAYS]
    assert [output["key"] for output in claims if of_days not in output["alternative"]] == []
    assert claims or name != "04_activity_report"
    asking = (
        "02_unit_report",
        "03_overtime_and_goals",
        "04_activity_report",
        "07_hypothesis_check",
        "08_institution_report",
    )
    assert messages or name not in asking
