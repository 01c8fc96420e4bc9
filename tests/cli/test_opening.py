"""A report opens as the notebook it was made from, with its own parameters and figures."""

import json
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from mi_analysis.batch.record import SCHEMA, package_version
from mi_analysis.cli import main

KEY = "2110/02_unit_report"
CODE = "import mi_analysis as mi\ndesk = mi.desk(source, unit=unit, period=period)\nprint(desk.stamp['data'])"


@pytest.fixture
def report(small_agency, tmp_path, monkeypatch):
    """A version with one report, as a run leaves it, in a project whose deliveries are those it was made from."""
    root = tmp_path / "project"
    shutil.copytree(small_agency.root, root)
    version = root / "outputs" / "example" / "example" / "2023-06" / "1"  # a run file may bear the institution's name
    (version / "2110").mkdir(parents=True)
    data = small_agency.prepared.slice(tmp_path / "slice", "2110", "", "2023-06")
    job = {"state": "made", "unit": "2110", "activity": "", "period": "2023-06", "parts": {"data": data}, "outputs": []}
    record = {"schema": SCHEMA, "institution": "example", "run": "example", "period": "2023-06", "version": 1,
              "audience": "unit_manager", "package": package_version(), "jobs": {KEY: job}}  # fmt: skip
    (version / "run.json").write_text(json.dumps(record))
    book = nbformat.v4.new_notebook()
    given = '# Parameters\nunit = "2110"\nperiod = "2023-06"\nsource = "example"\n'
    book.cells = [
        nbformat.v4.new_code_cell(given, metadata={"tags": ["injected-parameters"]}),
        nbformat.v4.new_code_cell(CODE),
    ]
    nbformat.write(book, version / f"{KEY}.ipynb")
    monkeypatch.chdir(root)
    return version, data


def opened(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        main(["open", *map(str, arguments)])
    shown = capsys.readouterr()
    return ended.value.code, shown.out + shown.err


def test_a_report_opens_with_its_own_parameters_and_figures(report, capsys):
    version, data = report

    status, said = opened(capsys, version / f"{KEY}.html", "--no-lab")

    place = version.parents[2] / "opened" / "example-2023-06-1-2110-02_unit_report"
    notebook = place / "02_unit_report.ipynb"
    assert status == 0
    assert said.splitlines() == [
        f"{KEY} of 2023-06, version 1, made for unit_manager.",
        "The figures are those of the report.",
        f"Notebook: {notebook}",
    ]
    book = nbformat.read(notebook, as_version=4)
    NotebookClient(book, resources={"metadata": {"path": str(place)}}).execute()
    assert book.cells[1].outputs[0].text.strip() == data[:12]


def test_what_has_changed_since_the_report_was_made_is_said(report, capsys):
    version, _ = report
    record = json.loads((version / "run.json").read_text())
    record["package"], record["jobs"][KEY]["parts"]["data"] = "0.0.9+0", "other"
    (version / "run.json").write_text(json.dumps(record))

    _, said = opened(capsys, version / f"{KEY}.ipynb", "--no-lab")

    assert (
        "The deliveries or the program have changed since: run again, it can give other figures than the report."
        in said
    )
    assert f"The report was made with 0.0.9+0; this is {package_version()}." in said


def test_what_is_no_report_is_told_with_the_nearest(report, capsys, tmp_path):
    version, _ = report
    wrong, outside = version / "2110" / "02_unit_reprot.html", tmp_path / "x.html"

    assert opened(capsys, wrong) == (2, f"{wrong}: is no report that was made. Nearest: {KEY}.\n")
    assert opened(capsys, version / "2110") == (
        2, f"{version / '2110'}: is no report that was made. Name one of those in it: {KEY}.\n",
    )  # fmt: skip
    assert opened(capsys, outside) == (
        2,
        f"{outside}: stands in no folder of a run. Name a report below outputs/, for instance "
        "outputs/example/monthly/2025-12/1/2110/02_unit_report.html.\n",
    )
