"""The command: exit status, messages without tracebacks, help that fits a screen and needs nothing heavy."""

import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import Executor, Future
from datetime import date
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from mi_analysis import cli
from mi_analysis.batch.worker import Result, Work
from mi_analysis.parameters import Institution
from mi_analysis.workbench import preparation

RUN = (
    "reports:\n  - notebook: unit_report\n    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }\n"
)
CELL = 'source: str = ""\nunit: str = ""\nperiod: str = ""'
ACCOUNT = SimpleNamespace(read=10, used=8, quarantined=1, dropped={"total": 1})
SCORES = {
    "supplier": "HR", "month": "2025-03-01", "files": 1, "status": "late", "days_late": 2.0, "read": 1000, "quarantined": 1, "stopped": 0,
    "mapped": 75.0, "reconciled": None, "restated": 0.0,
}  # fmt: skip
GAP = SimpleNamespace(
    source="tid",
    table="hours",
    key="activity",
    code="X1",
    reason="unknown",
    rows=2,
    value=14.8,
    measure="hours",
    near="X2",
)


class Immediate(Executor):
    """Makes every report at once, but for those of a unit that fails."""

    def __init__(self, workers: int, fails: str = "") -> None:
        self.fails = fails

    def submit(self, _, work: Work):
        future = Future()
        failed = work.expected["unit"] == self.fails
        message = "cell 3: KeyError: 'x'" if failed else ""
        future.set_result(Result(work.key, "failed" if failed else "made", 1, 1, 1, [], message, message))
        return future


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose deliveries are read already."""
    notebooks, parameters = tmp_path / "notebooks", tmp_path / "parameters" / "x"
    notebooks.mkdir()
    parameters.mkdir(parents=True)
    book = nbformat.v4.new_notebook()
    book.cells = [nbformat.v4.new_code_cell(CELL, metadata={"tags": ["parameters"]})]
    nbformat.write(book, notebooks / "unit_report.ipynb")
    (parameters / "monthly.yaml").write_text(RUN)
    units = pd.DataFrame(
        [("S", "Styrelsen", "", "", "0001-01-01", "9999-12-31")]
        + [(code, f"Enhed {code}", "S", "kontor", "0001-01-01", "9999-12-31") for code in ("07", "09")],
        columns=["unit", "name", "parent", "level", "valid_from", "valid_to"],
    )
    received = SimpleNamespace(
        source="tid",
        file="tid.csv",
        fingerprint="0",
        account=ACCOUNT,
        mapped_share=lambda: 0.75,
        stopped=False,
        findings=(),
        gaps=(GAP,),
        control_totals=(),
        activity_rows=8,
        extracted_at=None,
    )
    audit = SimpleNamespace(as_of="2025-03-31", received=(received,), usable=True, missing_sources=(), findings=[])
    prepared = SimpleNamespace(
        folder=tmp_path / "outputs" / "x", units=units, activities=pd.DataFrame(columns=["activity", "name"]),
        periods=["2025-03-01"], suppliers=pd.DataFrame([SCORES]), root="S", comments=pd.DataFrame(columns=["unit", "period", "measure"]), fingerprint="f" * 64, stopped=[], audit=audit, findings=[],
        slice=lambda folder, unit, activity, period: unit,
        asked=lambda _: None, told=lambda: {(code, "2025-03") for code in ("07", "09")},
        institution=Institution.model_validate({"name": {"da": "E", "en": "E"}, "deliveries": {"folder": "d"}, "sources": {}}),
    )  # fmt: skip
    monkeypatch.setattr(preparation, "prepare", lambda *_, **__: prepared)
    monkeypatch.setattr("mi_analysis.batch.executors.processes", Immediate)
    monkeypatch.chdir(tmp_path)
    return prepared


def mi(capsys, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(arguments))
    said = capsys.readouterr()
    return ended.value.code, re.sub(r"Took \d+ s", "Took 0 s", said.out), said.err


def finding(severity: str) -> SimpleNamespace:
    return SimpleNamespace(key="not.in.words", severity=severity, values={"column": "Timer"})


def test_a_run_ends_with_counts_and_the_index(project, capsys):
    status, out, err = mi(capsys, "run", "parameters/x/monthly.yaml")

    lines = out.splitlines()
    assert (status, err) == (0, "")
    assert lines[:2] == ["1/2 made 2025-03 07/unit_report (1.0 s)", "2/2 made 2025-03 09/unit_report (1.0 s)"]
    assert lines[2:] == ["Reports: 2 made. Took 0 s.", "Index: outputs/x/monthly/2025-03/1/index.html"]


def test_failures_are_told_with_the_command_to_try_again(project, capsys, monkeypatch):
    monkeypatch.setattr("mi_analysis.batch.executors.processes", partial(Immediate, fails="09"))

    status, out, _ = mi(capsys, "run", "parameters/x/monthly.yaml", "--only", "unit=07,09")

    assert status == 1
    assert out.splitlines()[2:] == [
        "Reports: 1 made, 1 failed. Took 0 s.",
        "Failed:",
        "  09/unit_report  cell 3: KeyError: 'x'  (outputs/x/monthly/2025-03/1/09/unit_report.log)",
        "Try again: mi run parameters/x/monthly.yaml --retry --only unit=07,09",
        "Index: outputs/x/monthly/2025-03/1/index.html",
    ]


def test_json_gives_one_event_a_line(project, capsys):
    _, out, _ = mi(capsys, "run", "parameters/x/monthly.yaml", "--json")

    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events] == ["begin", "report", "report", "end"]
    assert events[-1]["counts"] == {"made": 2}
    assert events[-1]["exit_status"] == 0


def test_a_breach_gives_reservations_and_strict_starts_nothing(project, capsys):
    project.audit.findings.append(finding("stop"))

    assert mi(capsys, "run", "parameters/x/monthly.yaml")[0] == 4
    status, _, err = mi(capsys, "run", "parameters/x/monthly.yaml", "--strict", "--force")
    assert (status, err) == (3, "not.in.words: column Timer\nNothing was started.\n")


def test_without_a_usable_delivery_nothing_is_started(project, capsys):
    project.audit.usable = False

    status, out, err = mi(capsys, "run", "parameters/x/monthly.yaml")

    assert (status, out, err) == (3, "", "No delivery could be used.\nNothing was started.\n")
    assert not project.folder.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "parameters/x/montly.yaml"], "parameters/x/montly.yaml: is not there. Nearest: monthly.yaml.\n"),
        (
            ["run", "parameters/x/monthly.yaml", "--only", "unit=70"],
            '--only unit=70: no report has the unit "70". Known: 07, 09.\n',
        ),
        (
            ["run", "parameters/x/monthly.yaml", "--only", "07"],
            '--only 07: "07" is nothing a report has. Write unit=07.\n',
        ),
        (["run", "parameters/x"], "parameters/x: is no run file. In it: parameters/x/monthly.yaml.\n"),
        (["run", "x"], "x: is no run file. In it: parameters/x/monthly.yaml.\n"),
        (
            ["plan", "parameters/x/monthly.yaml", "--only", "enhed=07"],
            '--only enhed=07: "enhed" is nothing a report has. Write unit=07.\n',
        ),
    ],
)
def test_wrong_use_ends_with_2_and_one_line_per_problem(project, capsys, arguments, message):
    status, out, err = mi(capsys, *arguments)

    assert (status, out, err) == (2, "", message)


def test_a_misspelt_option_is_told_with_the_right_one(capsys):
    status, _, err = mi(capsys, "run", "x.yaml", "--forse")

    assert status == 2
    assert "No such option '--forse'." in err.replace("No such option: --forse", "No such option '--forse'.")
    assert err.endswith("\nExample:  mi run parameters/example/monthly.yaml --only unit=2110\n")


def test_a_verb_without_its_argument_shows_the_verbs_example(capsys):
    status, _, err = mi(capsys, "check")

    assert (status, err.splitlines()[-3:]) == (
        2,
        [
            "Error: Missing argument 'INSTITUTION'.",
            "Example:  mi check example",
            "          mi check example --contract",
        ],
    )


def test_what_nobody_foresaw_shows_no_traceback(project, capsys, monkeypatch):
    def broken(*_, **__):
        raise ValueError("odd")

    monkeypatch.setattr(preparation, "prepare", broken)

    status, out, err = mi(capsys, "check", "x")

    log = Path("outputs/mi-error.log").absolute()
    assert (status, out) == (1, "")
    assert err == f"Something unforeseen: ValueError: odd. Details are in {log}.\n"
    assert "Traceback" in log.read_text()


def test_an_interrupt_before_the_reports_ends_with_130(project, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(preparation, "prepare", interrupted)

    assert mi(capsys, "run", "parameters/x/monthly.yaml") == (
        130,
        "",
        "\nStopped. The same command goes on where it was.\n",
    )


def test_a_plan_tells_states_and_where_values_come_from_and_makes_nothing(project, capsys):
    status, out, _ = mi(capsys, "plan", "parameters/x/monthly.yaml")

    assert status == 0
    assert out.splitlines() == [
        "2025-03: version 1 would be written",
        "  ready  07/unit_report  new",
        "  ready  09/unit_report  new",
        "",
        "Values of unit_report:",
        "  unit: from the matrix",
        "  period: from the matrix",
    ]
    assert not project.folder.exists()


def test_check_prints_the_account_of_every_delivery(project, capsys):
    aside = [("tid.csv", "Timer", "not_a_number", text, row) for text, row in (("otte", 9), ("syv", 7))]
    project.quarantined = pd.DataFrame(aside, columns=["delivery", "column", "reason", "text", "row"])
    project.audit.findings.append(finding("warn"))

    status, out, _ = mi(capsys, "check", "x")

    assert status == 0
    assert out.splitlines() == [
        "E: 1 deliveries, as of 2025-03-31",
        "Delivery  File     Read  Used  Aside  Dropped  With activity",
        "tid       tid.csv    10     8      1        1          75.0%",
        "",
        "Suppliers, 2025-03:",
        "  Supplier  Files  Against the due day     Rows   Aside  Stopped  With activity  Control totals  Months changed",
        "  HR            1  late by 2 working days  1,000      1        0          75.0%                               0",
        "",
        "Findings:",
        "  warn: not.in.words: column Timer",
        "",
        "Codes without a partner:",
        "  tid  hours  activity X1  The code is unknown  2 rows  14.80 hours  near: X2",
        "",
        "Put aside:",
        '  tid.csv  Timer  is not a number  2  such as "syv" in row 7',
    ]


def test_a_question_is_answered_in_words_with_the_numbers_behind_and_what_they_do_not_show(
    small_agency, capsys, monkeypatch
):
    monkeypatch.chdir(small_agency.root)

    status, out, err = mi(
        capsys, "ask", "example", "kept_closed_pct", "overtime_per_fte", "--margin", "1", "--language", "en"
    )

    kept = small_agency.root / "outputs" / "example" / "kept" / "hypotheses.jsonl"
    assert (status, err) == (0, "")
    assert "overtime and share of cases closed within deadline" in out.splitlines()[0]
    assert [out.count(f"\n{title}:\n") for title in ("The numbers behind it", "What the figures do not show")] == [1, 1]
    assert "Smallest relevant difference, set beforehand" in out
    assert out.endswith(f"The question stands in the register of hypotheses. ({kept})\n")
    assert json.loads(kept.read_text(encoding="utf-8").splitlines()[0])["margin"] == 1


def test_without_a_question_every_question_asked_is_listed_and_written_as_a_page(
    small_agency, capsys, monkeypatch, tmp_path
):
    monkeypatch.chdir(small_agency.root)
    shutil.copytree(small_agency.root / "outputs", tmp_path / "outputs", ignore=shutil.ignore_patterns("kept"))
    given = ("--out", str(tmp_path / "outputs"), "--language", "en")
    for exposure in ("overtime_per_fte", "sick_days_per_fte"):
        mi(capsys, "ask", "example", "kept_closed_pct", exposure, *given)

    status, out, err = mi(capsys, "ask", "example", *given)

    page = tmp_path / "outputs" / "example" / "kept" / "hypotheses.html"
    now = date.today()
    quarter = f"Q{(now.month + 2) // 3} {now.year}"
    assert (status, err) == (0, "")
    assert [line.split("  ")[0] for line in out.splitlines()[:2]] == [f"2 of 2 in {quarter}", f"1 of 2 in {quarter}"]
    assert out.splitlines()[-1] == f"2 rows: questions asked of the figures, newest first ({page})"
    assert "Register of questions to the figures" in page.read_text(encoding="utf-8")
    assert mi(capsys, "ask", "example", "kept_closed_pct", *given)[0] == 2


def test_an_unknown_measure_is_answered_with_the_nearest_name_and_asks_nothing(small_agency, capsys, monkeypatch):
    monkeypatch.chdir(small_agency.root)

    found = mi(capsys, "ask", "example", "kept_closd_pct", "overtime_per_fte", "--out", "elsewhere")

    assert found[:2] == (2, "")
    assert found[2].startswith(
        "measure: 'kept_closd_pct' is not in the catalogue. Nearest: kept_closed_pct. Others: kept_due_pct, "
    )
    assert not Path("elsewhere/example/kept/hypotheses.jsonl").exists()


@pytest.mark.parametrize("verb", [[], *([verb] for verb in cli.cli.commands)])
def test_help_fits_a_screen_and_has_an_example(capsys, monkeypatch, verb):
    monkeypatch.setenv("COLUMNS", "80")

    status, out, _ = mi(capsys, *verb, "--help")

    lines = out.splitlines()
    assert status == 0
    assert (len(lines) <= 28, max(map(len, lines)) <= 80) == (True, True)
    assert "Example:  mi " in out
    assert "..." not in out.replace("[ARGS]...", "").replace("CODE,...", "")


def test_the_verbs_are_listed_in_the_order_they_are_used(capsys):
    out = mi(capsys, "--help")[1]

    assert re.findall(r"^  (\w+)  +[A-Z]", out, re.MULTILINE)[-8:] == [
        "new", "check", "plan", "run", "ask", "open", "diff", "export",
    ]  # fmt: skip
    assert {*cli.cli.commands} == {"new", "check", "plan", "run", "ask", "open", "diff", "export"}


def test_help_loads_nothing_heavy():
    code = """
import contextlib, io, sys
from mi_analysis import cli
for verb in ([], *([verb] for verb in cli.cli.commands)):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        cli.main([*verb, "--help"])
heavy = ("numpy", "pandas", "pyarrow", "pydantic", "yaml", "duckdb", "nbformat", "papermill", "matplotlib", "scipy", "statsmodels")
print([name for name in heavy if name in sys.modules])
"""

    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert said.stdout == "[]\n"
