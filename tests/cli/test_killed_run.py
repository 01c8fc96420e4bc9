"""`mi run` killed at any moment, from the first delivery to the last report, is taken up again by the same command."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis.batch.record import Record

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked and killed there")

RUNNER = """\
import contextlib, os, runpy, signal, sys, threading, time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from mi_analysis import analysis, cli
from mi_analysis.batch import compare, executors, run, screen, worker
from mi_analysis.disclosure import hiding
from mi_analysis.model import build
from mi_analysis.workbench import desk, preparation

made_tiny = runpy.run_path({conftest!r})["made_tiny"]
executors.processes = lambda workers: ProcessPoolExecutor(
    workers, mp_context=get_context("fork"), initializer=worker.start)

def run_once(root, moment, delay):
    tiny, done, before = made_tiny(root) if not root.exists() else Tiny(root), 0, None
    tiny.run_file.write_text(tiny.run_file.read_text().replace("last: 1", "last: 2"))
    def step(event, values):
        nonlocal done, before
        if (event == "open" or event.startswith("os.")) and values and str(root) in str(values[0]):
            place = event, os.path.dirname(str(values[0]))  # what is done in one folder in a row is one moment
            done, before = done + (place != before), place
            if done == moment:
                if not delay:
                    os.kill(os.getpid(), signal.SIGKILL)
                threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
    sys.addaudithook(step)
    with contextlib.suppress(SystemExit):
        cli.cli.main(["run", str(tiny.run_file), "--workers", "2"], standalone_mode=False)
    return done

Tiny = made_tiny.__globals__["Tiny"]
screen.Screen.say = lambda *_, **__: None
for line in sys.stdin:
    root, moment, delay = line.split()
    if (child := os.fork()) == 0:
        os.setsid()
        done = run_once(Path(root), int(moment), float(delay))
        os.write(1, f"ended {{done}}\\n".encode())
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        with contextlib.suppress(ProcessLookupError):  # until its workers have seen that it is gone
            while True:
                os.killpg(child, 0)
                time.sleep(0.01)
        os.write(1, b"killed\\n")
"""

DELAYS = (0, 0.01, 0, 0.03, 0, 0.09)
"""Seconds from a moment to the kill, which so falls within what the data engine does, too."""


@dataclass
class Runner:
    """Runs the project in a process of its own, over and over; imports once."""

    process: subprocess.Popen[str]

    def __call__(self, root: Path, moment: int = 0, delay: float = 0) -> str:
        self.process.stdin.write(f"{root} {moment} {delay}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Iterator[Runner]:
    script = tmp_path_factory.mktemp("runner") / "runner.py"
    script.write_text(RUNNER.format(conftest=str(Path(__file__).with_name("conftest.py"))))
    command = [sys.executable, str(script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        yield Runner(process)
        process.stdin.close()


def everything(root: Path) -> dict[str, object]:
    """All that stands there byte for byte, but for times and numbers of processes (the record, the logs, the lock).

    Of the model's tables the rows: their order is the data engine's.
    """
    files = (file for file in root.rglob("*") if not file.is_dir() and file.suffix != ".log")
    return {
        str(file.relative_to(root)): sorted(pd.read_parquet(file).to_csv(index=False).splitlines())
        if file.suffix == ".parquet"
        else file.read_bytes()
        for file in files
        if file.name not in ("run.json", ".lock")
    }


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="a pool of forks that breaks may wait for ever on newer Python")
@pytest.mark.thorough
@pytest.mark.parametrize("moments", [5, pytest.param(50, marks=pytest.mark.long)])
def test_a_run_killed_at_any_moment_is_taken_up_again(moments, runner, finished, tmp_path):
    """Moments are spread over all that the run opens, makes, renames and removes: deliveries, model, release, reports."""
    count = int(runner(tmp_path / "undisturbed").removeprefix("ended "))
    whole, stages = everything(tmp_path / "undisturbed"), set()
    assert sum(name.endswith(".html") for name in whole) == 6 + 2 + 1

    for n in range(moments):
        moment = 1 + round((count - 6) * (n + 0.5) / moments)
        root = tmp_path / str(moment)
        assert runner(root, moment, DELAYS[n % len(DELAYS)] if n < moments * 0.7 else 0) == "killed", moment
        before = finished(root / "outputs" / "tiny" / "monthly")
        stages.add((len(before), (root / "outputs" / "tiny" / "model" / "audit.json").exists()))
        assert runner(root).startswith("ended")

        after = finished(root / "outputs" / "tiny" / "monthly")
        assert {file: after[file] for file in before} == before
        now = everything(root)
        assert [name for name in now.keys() | whole.keys() if now.get(name) != whole.get(name)] == [], moment
        states = [
            Record.read(root / f"outputs/tiny/monthly/{month}/1").data["state"] for month in ("2025-02", "2025-03")
        ]
        assert states == ["complete", "complete"]
        shutil.rmtree(root)
    assert {built for _, built in stages} == {False, True}  # before and after the model stood
    assert max(done for done, _ in stages) > 0
