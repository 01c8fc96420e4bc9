"""Reports are made each in its own job, put in place whole, recorded, and taken up again."""

import json
import os
import subprocess
import sys
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from mi_analysis.batch import run as batch
from mi_analysis.batch import worker
from mi_analysis.batch.record import Record, locked
from mi_analysis.batch.screen import Screen
from mi_analysis.parameters import WrongUse
from mi_analysis.reporting.wording import Words

RUN = """\
reports:
  - notebook: unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
"""
STAMP = """\
import json
from pathlib import Path
from IPython.display import HTML, display
about = json.loads((Path(source) / "slice.json").read_text())
stamp = {"version": 1, "kind": "stamp", "stamp": {name: about[name] for name in ("unit", "period")}}
display({"application/vnd.mi-analysis+json": stamp}, raw=True)
HTML(f"<p>{about['figure']} in {about['unit'] or 'all'}</p>")
"""
AGAIN = "mi run parameters/x/monthly.yaml --retry"


def made(project, text: str = RUN, executor=batch.processes, make=None, **options):
    """Run, with real notebooks in worker processes, or with ``make`` in their place."""
    if make is not None:
        executor = lambda workers: Immediate(make)  # noqa: E731
    screen = Screen(AGAIN)
    outcome = batch.run(
        project.plan(text), project.prepared, project.outputs, batch.Options(**options), screen, executor
    )
    newest = max((int(path.name) for path in (project.outputs / "2025-03").iterdir()), default=0)
    return outcome, Record.read(project.outputs / "2025-03" / str(newest))


class Immediate(Executor):
    """Runs a function in the worker's place, at once."""

    def __init__(self, make):
        self.make = make

    def submit(self, _, work):
        future = Future()
        try:
            future.set_result(self.make(work))
        except Exception as error:
            future.set_exception(error)
        return future


def written(work: worker.Work) -> worker.Result:
    """A report of one line, put in place as a worker does."""
    outputs = worker._put_in_place(work, {"html": f"{work.key} {work.expected['data']}".encode()})
    return worker.Result(work.key, "made", 1, 1, 1, outputs, headline={"deviation": -5000.0, "goal_degree": 97.0})


def failing(*units: str, cause: str = "KeyError in cell 3"):
    def make(work: worker.Work) -> worker.Result:
        if work.expected["unit"] in units:
            return worker.Result(work.key, "failed", 1, 1, 1, message="cell 3: KeyError: 'x'", cause=cause)
        return written(work)

    return make


@pytest.fixture(scope="module")
def real(tmp_path_factory, request):
    """One real run of two good notebooks and one that fails."""
    project = request.getfixturevalue("module_project")
    project.notebook("unit_report", STAMP, "import sys; print('mind', file=sys.stderr)")
    project.notebook("broken", "1 / 0", parameters='source: str = ""\nperiod: str = ""')
    text = RUN + "  - notebook: broken\n    matrix: { period: 2025-03 }\n"
    outcome, record = made(project, text)
    return SimpleNamespace(project=project, outcome=outcome, record=record, folder=record.folder)


def test_each_unit_gets_its_own_report(real):
    pages = [(real.folder / unit / "unit_report.html").read_text() for unit in ("07", "09")]

    assert "<p>7 in 07</p>" in pages[0]
    assert "<p>9 in 09</p>" in pages[1]
    assert 'name="mi-unit" content="07"' in pages[0]


@pytest.mark.skipif(os.name == "nt", reason="kernels are talked to through ports there")
def test_kernels_talk_through_sockets_of_their_own(real):
    assert worker._transport(Path("/a/k")) == {"transport": "ipc", "ip": "/a/k"}
    assert worker._transport(Path("/" + "x" * 100)) == {"transport": "tcp"}
    assert sorted(path.suffix for path in (real.project.root / "notebooks").iterdir()) == [".ipynb", ".ipynb"]


def test_a_report_that_fails_leaves_a_log_and_no_report(real):
    files = sorted(path.name for path in (real.folder / "institution").iterdir())

    assert files == ["broken.log"]
    assert "ZeroDivisionError" in (real.folder / "institution" / "broken.log").read_text()
    assert real.record.jobs["institution/broken"]["message"] == "cell 3: ZeroDivisionError: division by zero"
    assert real.outcome.exit_status == 1


def test_the_kept_notebook_says_nothing_of_when_and_where_it_ran(real):
    text = (real.folder / "07" / "unit_report.ipynb").read_text()
    book = nbformat.reads(text, as_version=4)

    assert str(real.project.root) not in text
    assert "papermill" not in text
    assert 'source = "x"' in next(c.source for c in book.cells if "injected-parameters" in c.metadata.get("tags", []))
    assert [c.id for c in book.cells] == ["title", "parameters", "injected-parameters", "cell-0", "cell-1"]
    assert "mind" in (real.folder / "07" / "unit_report.log").read_text()


def test_the_record_tells_identity_time_memory_and_outputs(real):
    job = real.record.jobs["07/unit_report"]

    assert (job["state"], job["unit"], job["period"], job["made_in"]) == ("made", "07", "2025-03", 1)
    assert job["parameters"]["limit"] == {"value": 0.1, "origin": "default of the notebook"}
    assert [output["file"] for output in job["outputs"]] == ["07/unit_report.ipynb", "07/unit_report.html"]
    assert job["cpu_seconds"] > 0
    assert job["memory_mb"] > 10
    assert real.record.data["state"] == "incomplete"


def test_the_index_names_failures_first_and_leads_to_every_report(real):
    page = (real.folder / "index.html").read_text()

    assert page.index("institution/broken: cell 3: ZeroDivisionError: division by zero") < page.index(
        "07/unit_report.html"
    )
    assert f"Prøv igen: <code>{AGAIN}</code>" in page
    assert 'href="09/unit_report.html"' in page
    assert "3 rapporter: 2 lavet, 1 mislykket." in page
    assert 'url=2025-03/1/index.html"' in (real.project.outputs / "latest.html").read_text()


def test_the_same_input_gives_the_same_bytes(real):
    before = [output["sha256"] for output in real.record.jobs["07/unit_report"]["outputs"]]

    _, record = made(real.project, only={"unit": ["07"]}, force=True)

    assert record.version == 2
    book, page = record.jobs["07/unit_report"]["outputs"]
    assert book["sha256"] == before[0]
    assert "2, erstatter 1" in (record.folder / page["file"]).read_text()


@pytest.mark.parametrize(
    ("cell", "limit", "message"),
    [
        ("import time; time.sleep(60)", 2, "took longer than 2 s and was stopped."),
        ("while True: pass", 2, "took longer than 2 s and was stopped."),
        ("while True: print('x' * 1_000_000)", 60, "its outputs grew past 50 MB and it was stopped."),
        ("import os; os.chdir('/'); os.environ.clear(); 1 / 0", 60, "cell 3: ZeroDivisionError: division by zero"),
        ("import os; os._exit(1)", 60, "its process ended on the way: out of memory, or ended by the notebook."),
        ("import sys; sys.exit(0)", 60, "cell 4 was not run: the notebook ended itself before it."),
        ("about = 1", 60, "no cell shows the desk, so nothing tells whose figures these are. End a cell with desk."),
        ('source = str(Path(source).parent / "other")', 60, 'the report says unit "09", but was to be about "07".'),
    ],
)
def test_a_notebook_that_behaves_badly_is_contained_and_named(project, cell, limit, message, monkeypatch):
    monkeypatch.setattr(worker, "MOST_SAID", 50_000_000)
    before = Path.cwd(), dict(os.environ)
    shown = () if cell == "about = 1" else (STAMP,)
    path = project.notebook("n", f"from pathlib import Path\n{cell}", *shown)
    place = project.root / "place"
    for name, unit in (("own", "07"), ("other", "09")):
        (project.root / name).mkdir()
        project.prepared.slice(project.root / name, unit, "", "2025-03")
    about = {"language": "da", "title": "t", "subtitle": "", "stamp": {}, "own": True, "words": Words("da")}
    expected = {"unit": "07", "period": "2025-03"}
    work = worker.Work(
        "07/n",
        path,
        {"unit": "07"},
        str(project.root / "own"),
        "x",
        place,
        ("html",),
        expected,
        about,
        time_limit=limit,
    )

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        result = worker.make(work)
        spared = bystander.poll() is None
        bystander.communicate(b"\n")

    assert (result.state, result.message, spared) == ("failed", message, True)
    assert (Path.cwd(), os.environ | worker.ENVIRONMENT) == (before[0], before[1] | worker.ENVIRONMENT)
    assert [file.name for file in (place / "07").iterdir()] == ["n.log"]


def test_a_worker_loads_neither_what_draws_nor_what_nobody_asks_for():
    """Each takes a second or more of every process of every run."""
    script = "import sys, mi_analysis.batch.worker; print({'matplotlib', 'scipy', 'duckdb', 'rfc3987_syntax'} & {*sys.modules})"

    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert shown.stdout == "set()\n"


def test_nothing_is_written_when_nothing_changed(project):
    project.notebook("unit_report")
    made(project, make=written)
    before = sorted(path for path in project.outputs.rglob("*"))
    project.prepared.sliced.clear()

    outcome, record = made(project, make=written)

    assert outcome.counts == {"unchanged": 2}
    assert record.version == 1
    assert sorted(path for path in project.outputs.rglob("*")) == before
    assert project.prepared.sliced == []


def test_a_changed_report_begins_a_new_version_and_the_others_are_taken_over(project):
    project.notebook("unit_report")
    _, first = made(project, make=written)
    project.prepared.figures["07"] = 8

    outcome, second = made(project, make=written)

    assert (first.version, second.version, second.data["replaces"]) == (1, 2, 1)
    assert outcome.counts == {"made": 1, "unchanged": 1}
    assert second.jobs["07/unit_report"]["why"] == "changed: data"
    assert second.jobs["09/unit_report"]["made_in"] == 1
    assert (second.folder / "09/unit_report.html").samefile(first.folder / "09/unit_report.html")
    assert second.data["state"] == "complete"


def test_a_failed_report_is_made_in_the_same_version_when_taken_up_again(project):
    project.notebook("unit_report")
    outcome, first = made(project, make=failing("09"))
    kept = (first.folder / "07/unit_report.html").stat()

    again, second = made(project, make=written, retry=True)

    assert (outcome.exit_status, again.exit_status) == (1, 0)
    assert (second.version, second.data["state"]) == (1, "complete")
    assert again.counts == {"unchanged": 1, "made": 1}
    assert (first.folder / "07/unit_report.html").stat().st_mtime_ns == kept.st_mtime_ns


def test_retry_keeps_finished_reports_even_when_data_changed(project):
    project.notebook("unit_report")
    made(project, make=failing("09"))
    project.prepared.figures |= {"07": 70, "09": 90}

    outcome, record = made(project, make=written, retry=True)

    assert (outcome.counts, record.version) == ({"unchanged": 1, "made": 1}, 1)


def test_a_finished_report_is_never_replaced_in_its_version(project):
    project.notebook("unit_report")
    made(project, make=failing("09"))
    project.prepared.figures |= {"07": 70}

    _, record = made(project, make=written)

    assert record.version == 2


def test_only_makes_what_is_chosen_and_keeps_the_rest(project):
    project.notebook("unit_report")
    made(project, make=written)
    project.prepared.figures |= {"07": 70, "09": 90}

    outcome, record = made(project, make=written, only={"unit": ["07"]})

    assert outcome.counts == {"made": 1, "unchanged": 1}
    assert record.jobs["09/unit_report"]["why"] == "not chosen; kept as it was"


def test_a_notebook_that_always_fails_the_same_way_is_not_started_again(project):
    project.notebook("unit_report")
    text = RUN.replace("{ grain: month, last: 1 }", "{ grain: month, last: 3 }")
    tried = []

    def make(work):
        tried.append(work.key)
        return worker.Result(work.key, "failed", 1, 1, 1, message="cell 3: KeyError: 'x'", cause="KeyError in cell 3")

    outcome, record = made(project, text, make=make)

    assert len(tried) == 3
    assert outcome.counts == {"failed": 3, "stopped": 3}
    message = "not started: unit_report failed 3 times in the same way (KeyError in cell 3)."
    assert record.jobs["09/unit_report"]["message"] == message


def test_the_first_report_is_made_alone(project):
    project.notebook("unit_report")
    text = RUN.replace("{ grain: month, last: 1 }", "{ grain: month, last: 3 }")
    at_work, most = [], []

    def make(work):
        at_work.append(work.key)
        most.append(len(at_work))
        result = written(work)
        at_work.remove(work.key)
        return result

    class Threads(ThreadPoolExecutor):
        def submit(self, _, work):
            return super().submit(make, work)

    made(project, text, executor=Threads, workers=1)

    assert most == [1] * 6


def test_slices_are_cut_one_ahead_of_the_reports_and_questions_registered_before_the_first(project):
    project.notebook("unit_report")
    text = RUN.replace("{ grain: month, last: 1 }", "{ grain: month, last: 3 }")
    cut = []

    def make(work):
        cut.append(len(project.prepared.sliced))
        return written(work)

    made(project, text, make=make)
    made(project, text, make=make)

    assert cut == [1, 2, 3, 4, 5, 6]
    assert project.prepared.asked_of == [(["2025-01", "2025-02", "2025-03"], 0), ([], 6)]


def test_a_failed_report_is_recorded_with_the_data_it_was_made_from(project):
    project.notebook("unit_report")
    _, record = made(project, make=failing("09"))

    assert record.jobs["09/unit_report"]["state"] == "failed"
    assert record.jobs["09/unit_report"]["parts"]["data"] == project.prepared.slice(project.root, "09", "", "2025-03")


def test_an_interrupted_run_ends_with_130_and_goes_on_where_it_was(project):
    project.notebook("unit_report")

    def stopped(work):
        if work.expected["unit"] == "09":
            raise KeyboardInterrupt
        return written(work)

    class Stopping(Immediate):
        def submit(self, _, work):
            future = Future()
            future.set_result(self.make(work))
            return future

    outcome, record = made(project, executor=lambda workers: Stopping(stopped))
    assert (outcome.exit_status, record.data["state"]) == (130, "interrupted")
    assert record.jobs["09/unit_report"]["state"] == "ready"

    again, record = made(project, make=written)
    assert (again.counts, record.version, record.data["state"]) == ({"unchanged": 1, "made": 1}, 1, "complete")


def test_a_record_left_by_a_killed_run_tells_what_was_finished(project):
    project.notebook("unit_report")
    _, record = made(project, make=failing("09"))
    entry = record.jobs["07/unit_report"]
    record.save(state="running", jobs={**record.jobs, "07/unit_report": entry | {"state": "ready"}})
    (record.folder / "run.journal").write_text(json.dumps({"07/unit_report": entry}) + '\n{"09/un', encoding="utf-8")

    outcome, after = made(project, make=written)

    assert outcome.counts == {"unchanged": 1, "made": 1}
    assert not (after.folder / "run.journal").exists()


def test_a_worker_that_dies_fails_its_report_and_the_rest_goes_on(project):
    project.notebook("unit_report")

    def make(work):
        if work.expected["unit"] == "07":
            raise batch.BrokenExecutor
        return written(work)

    outcome, record = made(project, make=make)

    assert outcome.counts == {"failed": 1, "made": 1}
    assert (
        record.jobs["07/unit_report"]["message"]
        == "the process that made it ended: out of memory, or ended from outside."
    )


def test_two_runs_into_one_folder_are_refused(project):
    project.notebook("unit_report")
    with locked(project.outputs), pytest.raises(WrongUse) as told:
        made(project, make=written)

    since = (project.outputs / ".lock").read_text()
    assert str(told.value) == (
        f"{project.outputs}: another run is writing here ({since}). Wait for it, or write elsewhere with --out."
    )
    assert f"process {os.getpid()}" in since


def test_a_folder_that_cannot_be_written_to_is_named(project):
    project.notebook("unit_report")
    project.outputs.parent.mkdir(parents=True)
    project.outputs.write_text("a file in its place")

    with pytest.raises(WrongUse) as told:
        made(project, make=written)

    assert str(told.value) == f"{project.outputs}: cannot be written to. The system says: File exists. Use --out."


def test_a_period_without_deliveries_is_noted_and_made_nothing_of(project):
    project.notebook("unit_report")
    text = RUN.replace("{ grain: month, last: 1 }", "[2024-06, 2025-03]")

    outcome, _ = made(project, text, make=written)

    assert outcome.counts == {"no_data": 3, "made": 2}


def test_headline_figures_and_remarks_stand_in_the_index(project):
    project.notebook("unit_report")
    finding = SimpleNamespace(key="not.in.words", severity="stop", values={"file": "tid.csv"})
    project.prepared.findings.append(finding)

    outcome, record = made(project, make=written)
    page = (record.folder / "index.html").read_text()

    assert "Mindreforbrug 5 t.kr." in page
    assert "not.in.words: file tid.csv" in page
    assert outcome.exit_status == 4


def test_without_pango_a_run_that_asks_for_pdf_starts_nothing_and_says_how_to_install_it(project, monkeypatch):
    lack = "needs the library Pango (1.44 or newer), which is not on this machine."
    monkeypatch.setattr(batch.pdf, "missing", lambda: lack)
    project.notebook("unit_report", STAMP)

    with pytest.raises(WrongUse) as told:
        made(project, RUN + "defaults: { formats: [html, pdf] }\n", make=written)

    assert [(one.where, one.what, one.right) for one in told.value.problems] == [
        ("parameters/x/monthly.yaml line 4", f"PDF {lack}", batch.pdf.INSTALL)
    ]
    assert "apt-get install libpango-1.0-0" in batch.pdf.INSTALL
    assert not project.outputs.exists()
