"""Reports are made by processes here or by a Dask cluster, whose workers are asked first whether they can."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from mi_analysis.batch import executors
from mi_analysis.batch import run as batch
from mi_analysis.batch.executors import opened
from mi_analysis.batch.record import Record, package_version
from mi_analysis.batch.screen import Screen
from mi_analysis.parameters import WrongUse

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="the processes are ended as elsewhere"),
    pytest.mark.filterwarnings("default"),  # of another package's threads and sockets
]


RUN = """\
reports:
  - notebook: unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 3 } }
"""
CELL = """\
import json
from pathlib import Path
from IPython.display import HTML, display
about = json.loads((Path(source) / "slice.json").read_text())
stamp = {"version": 1, "kind": "stamp", "stamp": {name: about[name] for name in ("unit", "period")}}
display({"application/vnd.mi-analysis+json": stamp}, raw=True)
HTML(f"<p>{about['figure']} in {about['unit']}</p>")
"""


@dataclass
class DaskCluster:
    address: str
    folder: Path
    workers: list[subprocess.Popen]

    def add(self, **environment: str) -> None:
        command = [sys.executable, "-m", "distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny"]
        self.workers.append(
            subprocess.Popen(
                [*command, "--no-dashboard"],
                cwd=self.folder,
                env=os.environ | environment,
                stderr=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        )

    def wait_for(self, workers: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=120)


@pytest.fixture
def cluster(tmp_path) -> Iterator[DaskCluster]:
    """A scheduler, and the workers that a test adds, each a process of its own."""
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen(
        [*command, "--no-dashboard", "--scheduler-file", str(file)], cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    from distributed import Client

    try:
        while not file.exists():
            assert scheduler.poll() is None
            psutil.Process().cpu_percent(0.1)
        with Client(scheduler_file=str(file), set_as_default=False) as client:
            address = client.scheduler.address
        made = DaskCluster(address, tmp_path, [])
        yield made
    finally:
        for process in (*made.workers, scheduler):
            process.kill()
            process.wait()


class Killing(Screen):
    """Kills a worker of the cluster when the second report is finished."""

    def __init__(self, victim: subprocess.Popen) -> None:
        super().__init__("mi run again")
        self.victim = victim

    def finished(self, *told) -> None:
        super().finished(*told)
        if self.done == 2:
            self.victim.send_signal(signal.SIGKILL)


def test_a_cluster_makes_every_report_though_a_worker_is_killed_half_way(project, cluster, capsys):
    project.notebook("unit_report", CELL)
    for _ in range(3):
        cluster.add()
    cluster.wait_for(3)
    folders = (project.outputs, project.root / "notebooks")

    with opened(cluster.address, "--executor", 0, folders) as (pool, workers):
        options = batch.Options(workers=workers, executor=cluster.address)
        outcome = batch.run(
            project.plan(RUN), project.prepared, project.outputs, options, Killing(cluster.workers[1]), pool
        )

    record = Record.read(project.outputs / "2025-03" / "1")
    assert (workers, outcome.counts, outcome.exit_status) == (3, {"made": 6}, 0)
    assert (record.data["state"], record.data["executor"]) == ("complete", cluster.address)
    for period in ("2025-01", "2025-02", "2025-03"):
        for unit, figure in project.prepared.figures.items():
            assert (
                f"<p>{figure} in {unit}</p>" in (project.outputs / period / "1" / unit / "unit_report.html").read_text()
            )
    assert not list(project.outputs.rglob("*.new")) + list(project.outputs.rglob(".seen*"))


def test_a_worker_with_another_version_is_named(project, cluster, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(
        Path(batch.__file__).parents[1], other / "mi_analysis", ignore=shutil.ignore_patterns("__pycache__")
    )
    (other / "mi_analysis" / "__init__.py").write_text('__version__ = "0.0.1"')
    cluster.add(PYTHONPATH=str(other))
    cluster.wait_for(1)

    with pytest.raises(WrongUse) as told, opened(cluster.address, "--executor", 0, (tmp_path / "out",)):
        pass

    message = str(told.value)
    assert message.startswith(f"--executor: the worker {cluster.address.rpartition(':')[0]}:")
    assert " has version 0.0.1+" in message
    assert message.endswith(f", this is {package_version()}. Install the same version there.")


def test_a_worker_that_does_not_see_the_folders_or_cannot_load_the_package_is_named(tmp_path):
    """As the cluster answers: one worker is elsewhere, one lacks the package."""

    def run(function, paths, on_error):
        elsewhere = function([f"/elsewhere{path}" for path in paths])
        unseen = [path.removeprefix("/elsewhere") for path in elsewhere["unseen"]]
        return {
            "tcp://a:1": elsewhere | {"unseen": unseen},
            "tcp://b:2": ImportError("no mi_analysis"),
            "tcp://c:3": function(paths),
        }

    folders = (tmp_path / "outputs", tmp_path / "notebooks")
    with pytest.raises(WrongUse) as told:
        executors._checked(SimpleNamespace(run=run), "--executor", "tcp://s:8786", folders)

    assert str(told.value).splitlines() == [
        *(f"--executor: the worker tcp://a:1 does not see {folder}. Use storage that all see." for folder in folders),
        f"--executor: the worker tcp://b:2 cannot load the package (ImportError: no mi_analysis). Install mi-analysis {package_version()} there.",
    ]
    assert [list(folder.iterdir()) for folder in folders] == [[], []]


def test_a_scheduler_that_takes_the_call_and_says_nothing_is_named(monkeypatch):
    monkeypatch.setattr(executors, "ANSWERS_WITHIN", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(WrongUse) as told, opened(address, "--executor", 0, ()):
            pass

    assert str(told.value) == (
        f"--executor: the Dask scheduler {address} does not answer (OSError within 1 s). Start it, or write its address."
    )


def test_a_scheduler_without_workers_is_named(cluster, tmp_path):
    with pytest.raises(WrongUse) as told, opened(cluster.address, "x: executor", 0, (tmp_path / "out",)):
        pass

    assert str(told.value) == f"x: executor: the Dask scheduler {cluster.address} has no workers. Start them."
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("tcp://127.0.0.1:9", "--executor: the Dask scheduler tcp://127.0.0.1:9 does not answer (OSError within 1 s). Start it, or write its address."),
        ("procesess", '--executor: "procesess" is no executor. Write processes, or the address of a Dask scheduler: tcp://name:8786.'),
        ("ftp://a:1", "--executor: the Dask scheduler ftp://a:1 does not answer (ValueError within 1 s). Start it, or write its address."),
    ],
)  # fmt: skip
def test_what_is_no_executor_is_named(text, told, monkeypatch):
    monkeypatch.setattr("mi_analysis.batch.executors.ANSWERS_WITHIN", 1)

    with pytest.raises(WrongUse) as raised, opened(text, "--executor", 0, ()):
        pass

    assert str(raised.value) == told


def test_processes_are_as_many_as_cores_unless_said(monkeypatch):
    monkeypatch.setattr("mi_analysis.batch.executors.cores", lambda: 5)

    with opened("processes", "", 0, ()) as (_, all_of_them), opened("processes", "", 3, ()) as (_, said):
        assert (all_of_them, said) == (5, 3)
