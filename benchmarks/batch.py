"""Many reports: CPU and wall seconds of six ways to run the same notebooks; memory of a run as it grows.

Run: ``python benchmarks/batch.py`` measures each way in turn, round after round, on two notebooks: our unit report and a
plain one of seaborn and statsmodels. CPU is what the system counts for a control group that holds a way's processes, those
that leave it too, so it needs Linux and the right to make one (root). A way whose package is missing is left out, and said.
``--ploomber PYTHON`` names the Python of an environment with ploomber and all that the notebooks need.
``python benchmarks/batch.py --units 30 300`` makes a whole run over that many invented units instead, in a folder of its
own. Last figures stand in ``benchmarks/README.md``.
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import psutil  # nothing heavier here: every worker process of a pool imports this file

ROOT = Path(__file__).resolve().parents[1]
CORES = 2
PLAIN = [
    "seed: int = 1",
    "import matplotlib.pyplot as plt\nimport numpy as np\nimport pandas as pd\nimport seaborn as sns\nimport statsmodels.formula.api as smf",
    "chance = np.random.default_rng(seed)\nn = 6000\nframe = pd.DataFrame({'unit': chance.integers(0, 12, n).astype(str), 'month': chance.integers(1, 13, n), 'hours': chance.gamma(4, 9, n)})\nframe['overtime'] = chance.gamma(2, 3, n)\nframe['closed'] = chance.poisson(frame['hours'] / 6)\nframe.describe()",
    "fig, ax = plt.subplots(figsize=(8, 4))\nsns.lineplot(frame, x='month', y='hours', hue='unit', errorbar=None, ax=ax);",
    "sns.heatmap(frame.pivot_table(index='unit', columns='month', values='closed'), annot=True, fmt='.1f');",
    "sns.histplot(frame, x='overtime', bins=40);",
    "sns.regplot(frame.sample(400, random_state=seed), x='hours', y='closed');",
    "smf.ols('closed ~ hours + overtime + C(month)', frame).fit(cov_type='cluster', cov_kwds={'groups': frame['unit'].astype(int)}).summary()",
    "smf.poisson('closed ~ hours + overtime', frame).fit(disp=0).summary()",
    "frame.groupby('unit')[['hours', 'closed']].agg(['mean', 'sum'])",
]


SMALL = [
    "source: str = ''\nunit: str = ''\nperiod: str = ''",
    "import mi_analysis as mi\ndesk = mi.desk(source, unit=unit, period=period)\ndesk",
    "desk.key_figures()[0].drop(columns='curve')",
]
GROW = """\
reports:
  - notebook: 02_unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
defaults: { formats: [html, xlsx] }
"""


# --- the ways: each gets jobs (notebook, parameters, folder to run in) and a folder to write to -----------------------


def one_by_papermill(job: dict[str, Any], out: str) -> None:
    """Papermill as it comes."""
    import papermill

    papermill.execute_notebook(job["notebook"], f"{out}/{job['key']}.ipynb", job["parameters"], cwd=job["folder"], progress_bar=False)  # fmt: skip


def loop(jobs: list[dict[str, Any]], out: str) -> None:
    """One after the other."""
    for job in jobs:
        one_by_papermill(job, out)


def pool(jobs: list[dict[str, Any]], out: str) -> None:
    """In as many processes as cores."""
    with ProcessPoolExecutor(CORES, mp_context=get_context("spawn")) as workers:
        list(workers.map(one_by_papermill, jobs, [out] * len(jobs)))


def nbconvert(jobs: list[dict[str, Any]], out: str) -> None:
    """The command, once a report, as many at a time as cores; the parameters are put in beforehand."""
    import nbformat
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    def one(job: dict[str, Any]) -> None:
        book = parameterize_notebook(load_notebook_node(job["notebook"]), job["parameters"])
        nbformat.write(book, place := Path(out) / f"{job['key']}.in.ipynb")
        command = [
            sys.executable,
            "-m",
            "nbconvert",
            "--to",
            "notebook",
            "--execute",
            str(place),
            "--log-level",
            "ERROR",
        ]
        options = [f"--ExecutePreprocessor.{name}" for name in ("timeout=600", "kernel_name=python3")]
        subprocess.run([*command, *options, "--output", f"{job['key']}.ipynb"], check=True, cwd=job["folder"])

    with ThreadPoolExecutor(CORES) as at_a_time:
        list(at_a_time.map(one, jobs))


def ploomber(jobs: list[dict[str, Any]], out: str) -> None:
    """A pipeline of independent notebooks, as many at a time as cores."""
    from ploomber import DAG
    from ploomber.executors import Parallel
    from ploomber.products import File
    from ploomber.tasks import NotebookRunner

    dag = DAG(executor=Parallel(processes=CORES))
    for job in jobs:
        source, product_ = Path(job["notebook"]), File(f"{out}/{job['key']}.ipynb")
        NotebookRunner(source, product_, dag, name=job["key"], params=job["parameters"], kernelspec_name="python3",
                       papermill_params={"cwd": job["folder"]}, static_analysis="disable")  # fmt: skip
    dag.build()


def batch(jobs: list[dict[str, Any]], out: str) -> None:
    """The worker processes of `mi run`: executed, checked, page and workbook made, put in place; a foreign notebook executed."""
    from mi_analysis.batch import executors, worker
    from mi_analysis.reporting.wording import Words

    about = {
        "language": "da",
        "title": "t",
        "subtitle": "",
        "stamp": {},
        "own": True,
        "created": "",
        "words": Words("da"),
    }
    with executors.processes(CORES) as workers:
        if "source" not in jobs[0]["parameters"]:
            list(workers.map(one_by_mi, jobs, [out] * len(jobs)))
            return
        works = []
        for job in jobs:
            given = dict(job["parameters"])
            source, formats = given.pop("source"), ("html", "xlsx")
            works.append(worker.Work(job["key"], Path(job["notebook"]), given, source, "x", Path(out) / "1", formats, {}, about))  # fmt: skip
        failed = [result.message for result in workers.map(worker.make, works) if result.state != "made"]
    if failed:
        raise SystemExit(f"{len(failed)} failed: {failed[0]}")


def one_by_mi(job: dict[str, Any], out: str) -> None:
    """Papermill with the engine `mi`, as `papermill --engine mi` runs it."""
    import papermill

    import mi_analysis.batch.worker  # noqa: F401  names the engine, installed or not

    target = f"{out}/{job['key']}.ipynb"
    papermill.execute_notebook(job["notebook"], target, job["parameters"], engine_name="mi", cwd=job["folder"], progress_bar=False)  # fmt: skip


def limit(jobs: list[dict[str, Any]], out: str) -> None:
    """The cells alone in bare forked children of a process that has imported what they import; nothing is kept."""
    import importlib

    from mi_analysis.batch.notebook import imports  # isort: skip  # first: it spares nbformat a second of imports
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    book, shell = load_notebook_node(jobs[0]["notebook"]), InteractiveShell.instance()
    for name in imports(book):
        module, _, attribute = name.partition(":")
        if not hasattr(importlib.import_module(module), attribute or "__name__"):
            importlib.import_module(f"{module}.{attribute}")
    running = 0
    for job in jobs:
        if running == CORES:
            running -= 1
            _ended()
        if os.fork() == 0:
            os.chdir(job["folder"])
            for cell in parameterize_notebook(book, job["parameters"]).cells:
                if cell.cell_type == "code":
                    with capture_output():
                        shell.run_cell(cell.source).raise_error()
            os._exit(0)
        running += 1
    for _ in range(running):
        _ended()


def _ended() -> None:
    if os.wait()[1]:
        raise SystemExit("a child failed")


WAYS: dict[str, Callable[[list[dict[str, Any]], str], None]] = {
    "papermill pool": pool, "batch": batch, "limit": limit, "papermill loop": loop, "nbconvert --execute": nbconvert,
    "ploomber": ploomber,
}  # fmt: skip


# --- measured --------------------------------------------------------------------------------------------------------


class Group:
    """A control group: the CPU seconds of all that is started in it, also of what leaves its parents."""

    def __init__(self) -> None:
        base = Path("/sys/fs/cgroup")
        self.old = (base / "cpuacct").is_dir()
        self.folder = (base / "cpuacct" if self.old else base) / f"mi-{os.getpid()}"
        try:
            self.folder.mkdir()
        except OSError as error:
            raise SystemExit(f"No control group can be made here ({error}), so CPU cannot be counted.") from None

    def enter(self) -> None:
        """Called by a child before it becomes the program."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def seconds(self) -> float:
        """CPU seconds so far."""
        if self.old:
            return int((self.folder / "cpuacct.usage").read_text()) / 1e9
        return int((self.folder / "cpu.stat").read_text().split()[1]) / 1e6

    def emptied(self) -> None:
        """Wait until the last process is gone: one that waits for another report ends by itself."""
        while (self.folder / "cgroup.procs").read_text().strip():
            time.sleep(0.2)


def measure(way: str, jobs: list[dict[str, Any]], group: Group, python: str) -> tuple[float, float]:
    """CPU and wall seconds per report."""
    with tempfile.TemporaryDirectory() as out:
        told = Path(out) / "jobs.json"
        told.write_text(json.dumps(jobs), encoding="utf-8")
        environment = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        environment |= {"PYTHONPATH": str(ROOT), "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        before, begun = group.seconds, time.monotonic()
        command = [python, __file__, "--way", way, "--jobs", str(told), "--to", out]
        subprocess.run(command, check=True, env=environment, preexec_fn=group.enter, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
        wall = time.monotonic() - begun
        group.emptied()
        return (group.seconds - before) / len(jobs), wall / len(jobs)


def unit_jobs(folder: Path, reports: int) -> list[dict[str, Any]]:
    """Our unit report: slices of Eksempelstyrelsen's units, newest months first."""
    from mi_analysis.workbench import prepare
    from mi_analysis.workbench.door import desk_on

    prepared = prepare("example", start=ROOT, out=folder)
    leaves = desk_on(prepared, prepared.root, prepared.periods[-1]).leaves()
    jobs = []
    for number, (month, unit) in enumerate(product(reversed(prepared.periods), leaves)):
        if number == reports:
            break
        prepared.slice(place := folder / "slices" / f"{number:03}", unit, "", month[:7])
        given = {"source": str(place), "unit": unit, "period": month[:7]}
        notebook = ROOT / "notebooks" / "02_unit_report.ipynb"
        jobs.append(
            {"key": f"r{number:03}", "notebook": str(notebook), "parameters": given, "folder": str(notebook.parent)}
        )
    return jobs


def written(cells: list[str], path: Path) -> None:
    """A notebook of these cells, the first of them its parameters."""
    import nbformat

    book = nbformat.v4.new_notebook(metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}})  # fmt: skip
    book.cells = [nbformat.v4.new_code_cell(text) for text in cells]
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, path)


def plain_jobs(folder: Path, reports: int) -> list[dict[str, Any]]:
    """The plain notebook, with a seed each."""
    written(PLAIN, folder / "plain.ipynb")
    return [
        {"key": f"r{n:03}", "notebook": str(folder / "plain.ipynb"), "parameters": {"seed": n}, "folder": str(folder)} for n in range(reports)
    ]  # fmt: skip


def compare(ways: list[str], reports: int, rounds: int, pythons: dict[str, str]) -> None:
    """Every way in turn on both notebooks; medians, and ratios of the same round."""
    group = Group()
    try:
        with tempfile.TemporaryDirectory() as text:
            folder = Path(text)
            for name, jobs in (("unit report", unit_jobs(folder, reports)), ("plain", plain_jobs(folder, reports))):
                found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
                for number in range(rounds):
                    for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                        try:
                            found[way].append(measure(way, jobs, group, pythons.get(way, sys.executable)))
                        except subprocess.CalledProcessError as error:
                            told = (error.stderr or b"").decode().strip().splitlines()
                            print(f"{way}: left out ({told[-1] if told else error})", flush=True)
                            continue
                        print(f"{name}, round {number + 1}, {way}: CPU {found[way][-1][0]:.2f}, wall {found[way][-1][1]:.2f} s a report", flush=True)  # fmt: skip
                for way, pairs in found.items():
                    if pairs:
                        cpu, wall = (statistics.median(one) for one in zip(*pairs, strict=True))
                        print(f"{name}, {way}: median CPU {cpu:.2f}, wall {wall:.2f} s a report", flush=True)
                for over, kind in (("papermill pool", 0), ("limit", 0), ("papermill loop", 1)):
                    ratios = [
                        a[kind] / b[kind] for a, b in zip(found.get(over, []), found.get("batch", []), strict=False)
                    ]
                    if ratios:
                        print(f"{name}, {over} over batch, {('CPU', 'wall')[kind]}: {statistics.median(ratios):.2f}")
    finally:
        group.folder.rmdir()


# --- memory ----------------------------------------------------------------------------------------------------------


def grow(units: int, small: bool, group: Group) -> None:
    """A run over so many units, each a copy of one of Eksempelstyrelsen's: time, and memory of its processes."""
    from mi_analysis.batch import executors, run
    from mi_analysis.batch.plan import Facts, make_plan
    from mi_analysis.batch.screen import Screen
    from mi_analysis.run_file import load_run
    from mi_analysis.workbench import prepare

    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        prepared = copies(prepare("example", start=ROOT, out=folder), units)
        (folder / "notebooks").mkdir()
        if small:
            written(SMALL, folder / "notebooks" / "02_unit_report.ipynb")
        else:
            shutil.copy(ROOT / "notebooks" / "02_unit_report.ipynb", folder / "notebooks")
        (folder / "grow.yaml").write_text(GROW, encoding="utf-8")
        plan = make_plan(load_run(folder / "grow.yaml"), "grown", "grow", Facts.of(prepared), folder / "notebooks")
        peaks: dict[str, float] = {}
        ended = threading.Event()
        watch = threading.Thread(target=_sample, args=(peaks, ended))
        before, begun, counted = psutil.Process().memory_info().rss / 1e6, time.monotonic(), group.seconds
        watch.start()
        options, screen = run.Options(workers=CORES), Screen("again")
        screen.console.quiet = True
        outcome = run.run(plan, prepared, folder / "outputs", options, screen, executors.processes)
        took = time.monotonic() - begun
        after = psutil.Process().memory_info().rss / 1e6
        ended.set()
        watch.join()
        used = (group.seconds - counted) / units
        jobs = json.loads((outcome.indexes[0].parent / "run.json").read_text(encoding="utf-8"))["jobs"].values()
        cpu = sum(job["cpu_seconds"] for job in jobs) / len(jobs)
        kernel = max(job["memory_mb"] for job in jobs)
        sizes = f"index {outcome.indexes[0].stat().st_size / 1000:.0f} kB"
        memory = ", ".join(f"{kind} {peak:.0f}" for kind, peak in peaks.items())
        print(
            f"{units} units: {dict(outcome.counts)}, {took:.0f} s, {60 * units / took:.0f} reports a minute, "
            f"CPU s a report: {cpu:.2f} as the record counts it, {used:.2f} of all processes, "
            f"peak MB: {memory}, kernel {kernel:.0f}; parent before {before:.0f}, after {after:.0f}; {sizes}",
            flush=True,
        )


def copies(prepared: Any, units: int) -> Any:
    """The institution with so many copies of its first office in place of its units; the last 13 months, a few activities."""
    import pandas as pd  # here: what stands above is imported by every worker process of a pool

    from mi_analysis import disclosure
    from mi_analysis.workbench.door import first_leaf

    office, root, start = first_leaf(prepared.units), prepared.root, prepared.periods[-13]
    codes = [f"{number:05}" for number in range(1, units + 1)]

    def grown(frame: Any) -> Any:
        if "activity" in frame:
            frame = frame[frame["activity"].isin(["", "*", "~", "A10", "A20"])]
        if "grain" in frame:
            frame = frame[(frame["grain"] == "month") & (frame["period_start"] >= start)]
        own = frame[frame["unit"] == office]
        return pd.concat([frame[frame["unit"] == root], *(own.assign(unit=code) for code in codes)])

    audience, frames = prepared.released.audience, prepared.released.frames().values()
    with tempfile.TemporaryDirectory() as stored:
        disclosure.Released(audience, *map(grown, frames)).save(Path(stored))
        released = disclosure.load(Path(stored), audience)  # as what is released of a model is read
    units = prepared.units
    above, below = (units[units["unit"] == one].head(1) for one in (root, office))
    below = below.loc[below.index.repeat(len(codes))].assign(
        unit=codes, parent=root, name=[f"Kontor {code}" for code in codes]
    )
    return replace(prepared, released=released, units=pd.concat([above, below], ignore_index=True), name="grown")


def _sample(peaks: dict[str, float], ended: threading.Event) -> None:
    me = psutil.Process()
    while not ended.wait(0.5):
        for one in (me, *me.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                kind = "parent" if one == me else "worker" if "forkserver" in " ".join(one.cmdline()) else "other"
                peaks[kind] = max(peaks.get(kind, 0), one.memory_info().rss / 1e6)


if __name__ == "__main__":
    asked = argparse.ArgumentParser()
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--reports", type=int, default=24)
    asked.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    asked.add_argument("--units", nargs="+", type=int)
    asked.add_argument("--small", action="store_true", help="with --units: a notebook of three cells")
    asked.add_argument("--ploomber", default=sys.executable, metavar="PYTHON")
    asked.add_argument("--way", help=argparse.SUPPRESS)
    asked.add_argument("--jobs", help=argparse.SUPPRESS)
    asked.add_argument("--to", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.way:
        WAYS[given.way](json.loads(Path(given.jobs).read_text(encoding="utf-8")), given.to)
    elif given.units:
        (measured := Group()).enter()
        for units in given.units:
            grow(units, given.small, measured)
    else:
        compare(given.ways, given.reports, given.rounds, {"ploomber": given.ploomber})
