"""A run goes on when nobody reads what it says, and stops in good order when its terminal is closed."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from mi_analysis.batch.record import Record

pytestmark = pytest.mark.skipif(os.name == "nt", reason="terminals and pipes close in another way there")

RUNNER = """\
import signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import made_project
from test_run import RUN, STAMP, Immediate, written
from mi_analysis.batch import run, screen
from mi_analysis.cli.running import interruptible

def make(work):
    if {waits} and work.key == "09/unit_report":
        Path({root!r}, "waits").touch()
        signal.pause()
    return written(work)

project = made_project(Path({root!r}))
project.notebook("unit_report", STAMP)
with interruptible():
    shown = screen.Screen("again", as_json={json})
    outcome = run.run(project.plan(RUN), project.prepared, project.outputs, run.Options(), shown, lambda _: Immediate(make))
raise SystemExit(outcome.exit_status)
"""


def started(root: Path, waits: bool = False, json: bool = False, **options) -> subprocess.Popen[str]:
    script = RUNNER.format(tests=str(Path(__file__).parent), root=str(root), waits=waits, json=json)
    return subprocess.Popen([sys.executable, "-c", script], text=True, **options)


def record(root: Path) -> Record:
    return Record.read(root / "outputs" / "x" / "monthly" / "2025-03" / "1")


@pytest.mark.parametrize("json", [False, True], ids=["lines", "json"])
def test_a_run_whose_output_nobody_reads_makes_every_report_and_says_nothing_of_it(json, tmp_path):
    process = started(tmp_path, json=json, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()

    assert (process.stderr.read(), process.wait()) == ("", 0)
    assert [job["state"] for job in record(tmp_path).jobs.values()] == ["made", "made"]
    assert record(tmp_path).data["state"] == "complete"
    process.stderr.close()


def test_a_run_whose_terminal_is_closed_stops_in_good_order_and_is_taken_up_again(tmp_path):
    import fcntl
    import termios

    ours, its = os.openpty()
    terminal = {"stdin": its, "stdout": its, "stderr": its, "start_new_session": True}
    process = started(tmp_path, waits=True, **terminal, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
    os.close(its)
    while not (tmp_path / "waits").exists():
        assert process.poll() is None
        psutil.Process().cpu_percent(0.05)

    os.close(ours)

    assert process.wait() == 130
    assert [job["state"] for job in record(tmp_path).jobs.values()] == ["made", "ready"]
    assert record(tmp_path).data["state"] == "interrupted"
    assert started(tmp_path, stdout=subprocess.DEVNULL).wait() == 0
    assert record(tmp_path).data["state"] == "complete"
