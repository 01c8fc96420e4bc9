"""A run that is killed is taken up again; `tests/cli/test_killed_run.py` kills the whole of it, this one its records at every write."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_analysis.batch.record import Record, write_whole

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked and killed there")

RUNNER = """\
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import made_project
from test_run import RUN, STAMP, Immediate
from mi_analysis.batch import run, screen, worker

TEXT = RUN.replace("last: 1", "last: 3")
TOUCH = {{"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link"}}

def written(work):
    data = work.expected["data"].encode()
    outputs = worker._put_in_place(work, {{"html": b"page " + data, "ipynb": b"notebook " + data, "xlsx": b"book " + data}})
    return worker.Result(work.key, "made", 1, 1, 1, outputs, headline={{"deviation": -5000.0}})

def run_once(root, steps):
    root.mkdir(exist_ok=True)
    project, done = made_project(root), 0
    project.notebook("unit_report", STAMP)
    def step(event, values):
        nonlocal done
        if event in TOUCH and str(project.outputs) in str(values[0]) and (event != "open" or values[2] & os.O_CREAT):
            done += 1
            if done == steps:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(step)
    make = lambda _: Immediate(written)
    run.run(project.plan(TEXT), project.prepared, project.outputs, run.Options(workers=2), screen.Screen("again"), make)
    return done

if __name__ == "__main__":
    screen.Screen.say = lambda *_, **__: None
    for line in sys.stdin:
        root, steps = line.split()
        if (child := os.fork()) == 0:
            done = run_once(Path(root), int(steps))
            os.write(1, f"ended {{done}}\\n".encode())
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            os.write(1, b"killed\\n")
"""


@dataclass
class Runner:
    """Runs the plan of a project in a process of its own, over and over; imports once."""

    process: subprocess.Popen[str]

    def __call__(self, root: Path, steps: int = 0) -> str:
        self.process.stdin.write(f"{root} {steps}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def runner(tmp_path_factory) -> Iterator[Runner]:
    script = tmp_path_factory.mktemp("runner") / "runner.py"
    script.write_text(RUNNER.format(tests=str(Path(__file__).parent)))
    command = [sys.executable, str(script)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Runner(process)
        process.stdin.close()


def outputs_of(root: Path) -> Path:
    return root / "outputs" / "x" / "monthly"


def everything(outputs: Path) -> dict[str, bytes]:
    """All that stands there, but for what holds times: the record and the logs."""
    files = (
        file for file in outputs.rglob("*") if file.is_file() and file.suffix != ".log" and file.name != "run.json"
    )
    return {str(file.relative_to(outputs)): file.read_bytes() for file in files if file.name != ".lock"}


def states(outputs: Path) -> list[tuple[str, str]]:
    return [
        (folder.parent.name, Record.read(folder).data["state"]) for folder in sorted(outputs.glob("2025-0?/[0-9]*"))
    ]


ENDS = [("2025-01", "complete"), ("2025-02", "complete"), ("2025-03", "complete")]


@pytest.mark.parametrize(
    "moments", [pytest.param(10, id="10 moments"), pytest.param(1_000, id="every moment", marks=pytest.mark.long)]
)
def test_a_run_killed_before_anything_it_writes_is_taken_up_again(moments, runner, finished, tmp_path):
    """Each moment is one file or folder about to be opened, renamed, removed."""
    count = int(runner(tmp_path / "undisturbed").removeprefix("ended "))
    whole = everything(outputs_of(tmp_path / "undisturbed"))
    assert len(whole) == 6 * 3 + 3 + 1

    for moment in sorted({1 + count * n // moments for n in range(moments)}):
        outputs = outputs_of(tmp_path / str(moment))
        assert runner(tmp_path / str(moment), moment) == "killed"
        before = finished(outputs)
        standing = {
            name: content for name, content in everything(outputs).items() if name in whole and "report" in name
        }
        assert standing.items() <= whole.items()  # each of them whole, recorded or not

        assert runner(tmp_path / str(moment)).startswith("ended")
        after = finished(outputs)
        assert {file: after[file] for file in before} == before
        assert everything(outputs) == whole
        assert states(outputs) == ENDS
        assert not list(outputs.rglob("*.new"))
        shutil.rmtree(tmp_path / str(moment))


def test_a_file_that_is_replaced_is_the_old_one_until_it_is_the_new_one(tmp_path, monkeypatch):
    file = tmp_path / "run.json"
    write_whole(file, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for step in ("write_bytes", "replace"):
        with monkeypatch.context() as patched:
            patched.setattr(Path, step, full)
            with pytest.raises(OSError, match="No space left"):
                write_whole(file, "new")
        assert file.read_text() == "old"
    write_whole(file, "new")
    assert file.read_text() == "new"
