"""Make every report of a plan: one canary, then the rest, each contained in its own job.

A report that fails leaves the others alone. A notebook that fails `SAME_FAILURES` times in the same
way before any of its reports is made is not started again in this run; other notebooks go on.
"""

import contextlib
import platform
import shutil
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import asdict, dataclass, field
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import psutil

from mi_analysis.batch import about, comments, index, record, worker
from mi_analysis.batch.executors import PROCESSES, processes
from mi_analysis.batch.plan import Plan
from mi_analysis.batch.record import Edition, Record, Task, locked, package_version
from mi_analysis.batch.screen import Outcome, Screen, cores
from mi_analysis.parameters import Problem, WrongUse
from mi_analysis.reporting import pdf
from mi_analysis.workbench.accounts import remarks

SAME_FAILURES = 3


@dataclass(frozen=True)
class Options:
    """How to run: which reports, with what, for how long at most (seconds for one report)."""

    only: dict[str, list[str]] = field(default_factory=dict)
    retry: bool = False
    force: bool = False
    workers: int = 0  # 0: as many as there are cores
    engine: str = "mi"
    time_limit: int = 900
    executor: str = PROCESSES


class Slices:
    """Slices of a prepared institution, one for each unit, activity and period that is asked for."""

    def __init__(self, prepared: Any, folder: Path) -> None:
        self.prepared, self.folder = prepared, folder
        self.made: dict[tuple[str, str, str], tuple[Path, str]] = {}

    def __call__(self, unit: str, activity: str, period: str) -> tuple[Path, str]:
        """Folder of a slice and its fingerprint."""
        key = (unit, activity, period)
        if key not in self.made:
            folder = self.folder / f"{len(self.made):05}"
            folder.mkdir(parents=True)
            self.made[key] = (folder, self.prepared.slice(folder, unit, activity, period))
        return self.made[key]


def run(
    plan: Plan, prepared: Any, outputs: Path, options: Options, screen: Screen, executor: Callable[[int], Executor] = processes
) -> Outcome:  # fmt: skip
    """Bring the outputs of a run up to date with its plan.

    Parameters
    ----------
    prepared
        The institution's model and its slices (`workbench.preparation.Prepared`).
    outputs
        Folder of the run: ``outputs/<institution>/<run>``.

    Raises
    ------
    WrongUse
        Another run writes there, the folder cannot be written to, or PDF is asked for and cannot be made here.
    """
    if "pdf" in plan.run_file.formats and (lack := pdf.missing()):
        raise WrongUse(Problem(plan.run_file.where("defaults", "formats"), f"PDF {lack}", pdf.INSTALL))
    with locked(outputs):
        work = outputs / ".work"
        if work.is_symlink():
            work.unlink()
        shutil.rmtree(work, ignore_errors=True)
        make_slice = Slices(prepared, work)
        try:
            only, retry, force = options.only, options.retry, options.force
            model = prepared.fingerprint
            editions = record.settle(plan, outputs, model, make_slice, only=only, retry=retry, force=force)
            prepared.asked(task.job.period for edition in editions for task in edition.tasks if reads_slice(task))
            return _Run(plan, prepared, options, screen, make_slice, executor).bring(editions, outputs)
        except OSError as error:
            error.filename = error.filename or str(outputs)  # a write that fails does not say where
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)


class _Run:
    def __init__(
        self, plan: Plan, prepared: Any, options: Options, screen: Screen, make_slice: Slices, executor: Callable[[int], Executor]
    ) -> None:  # fmt: skip
        self.plan, self.prepared, self.options, self.screen = plan, prepared, options, screen
        self.make_slice, self.executor = make_slice, executor
        self.workers = options.workers or cores()
        self.records: dict[str, Record] = {}
        stops = any(remark["severity"] == "stop" for remark in remarks(prepared.audit))
        self.outcome = Outcome(reservations=bool(prepared.stopped) or stops)
        self.failed: dict[str, Counter[str]] = {}
        self.made: set[str] = set()

    def bring(self, editions: list[Edition], outputs: Path) -> Outcome:
        for edition in editions:
            if edition.before and edition.up_to_date:
                self.records[edition.period] = edition.before
                (edition.place / "run.journal").unlink(missing_ok=True)  # a kill before the very last step
            else:
                self.records[edition.period] = record.begin(edition, self._about())
        ready = deque(task for edition in editions for task in edition.tasks if task.state == "ready")
        self.screen.begin(len(ready), self.workers, self.plan.notes)
        try:
            self._make(ready)
        except KeyboardInterrupt:
            self.outcome.interrupted = True
        for edition in editions:
            self._close(edition)
        index.write_latest(outputs, self.plan)
        self.screen.end(self.outcome)
        return self.outcome

    def _about(self) -> dict[str, Any]:
        run = self.plan.run_file
        return {
            "institution": self.plan.institution, "run": self.plan.run, "run_file": record.digest(run.model_dump()),
            "package": package_version(), "model": self.prepared.fingerprint, "language": run.language,
            "audience": run.audience, "structure": self.prepared.institution.structure, "formats": run.formats, "engine": self.options.engine, "executor": self.options.executor,
            "workers": self.workers, "again": self.screen.again, "notes": list(self.plan.notes), "left_out": list(self.plan.left_out),
            "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": cores()},
            "deliveries": record.digest(sorted((item.file, item.fingerprint) for item in self.prepared.audit.received)),
            "settings": record.digest(self.prepared.institution.model_dump(mode="json")),
            "remarks": [remark for remark in remarks(self.prepared.audit) if remark["severity"] != "note"],
        }  # fmt: skip

    # --- one after the other, as many at a time as there are workers ---

    def _make(self, ready: deque[Task]) -> None:
        """Hand out the reports; the first one alone."""
        if not ready:
            return
        before = set(active_children())
        pool = self.executor(self.workers)
        running: dict[Future[worker.Result], Task] = {}
        alone = True
        try:
            while ready or running:
                while ready and len(running) < (1 if alone else self.workers):
                    task = ready.popleft()
                    if not self._hopeless(task):
                        running[pool.submit(worker.make, self._work(task))] = task
                if ready and reads_slice(ready[0]):  # while the others are being made
                    self._slice(ready[0])
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                alone = alone and not done
                for future in done:
                    task = running.pop(future)
                    try:
                        self._finished(task, future.result())
                    except BrokenExecutor:
                        ended = worker.Result(task.job.key, "failed", 0, 0, 0, message=ENDED, cause="worker")
                        self._finished(task, ended)
                        for other in running.values():
                            ready.appendleft(other)
                        running.clear()
                        pool.shutdown(wait=False, cancel_futures=True)
                        pool = self.executor(self.workers)
                        break
                    except Exception as error:  # a worker says what goes wrong; this is the way there and back
                        message, cause = worker.explain(error, self.options.time_limit)
                        result = worker.Result(task.job.key, "failed", 0, 0, 0, message=message, cause=cause)
                        self._finished(task, result)
            pool.shutdown()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            end_processes([child.pid for child in active_children() if child not in before])
            raise

    def _work(self, task: Task) -> worker.Work:
        job, run = task.job, self.plan.run_file
        source = ""
        if reads_slice(task):
            source = str(self._slice(task))
        entry = self.records[job.edition]
        expected = {"unit": job.unit, "period": job.period, "data": task.parts["data"]}
        said = about.about_report(self.plan, job, self.prepared, entry, task.parts["data"])
        return worker.Work(
            job.key, job.notebook.path, dict(job.parameters), source, self.plan.institution, entry.folder,
            tuple(run.formats), {name: value for name, value in expected.items() if value}, said,
            self.options.engine, self.options.time_limit,
        )  # fmt: skip

    def _slice(self, task: Task) -> Path:
        """The slice that a report reads; it becomes part of the report's identity."""
        folder, task.parts["data"] = self.make_slice(task.job.unit, task.job.activity, task.job.period)
        return folder

    def _finished(self, task: Task, result: worker.Result) -> None:
        job, entry = task.job, self.records[task.job.edition]
        if result.state == "made":
            self.made.add(job.notebook.name)
        else:
            self.failed.setdefault(job.notebook.name, Counter())[result.cause] += 1
        values = {name: value for name, value in asdict(result).items() if name != "key"}
        made = {"made_in": entry.version} if result.state == "made" else {}
        entry.note(job.key, **values, identity=task.identity, parts=task.parts, **made)
        task.state = result.state
        self.screen.finished(job.key, job.edition, result.state, result.seconds, result.message)

    def _hopeless(self, task: Task) -> bool:
        """Whether the notebook has only failed, and always in the same way; then the task is stopped."""
        name = task.job.notebook.name
        cause, count = (self.failed.get(name) or Counter({"": 0})).most_common(1)[0]
        if name in self.made or count < SAME_FAILURES:
            return False
        task.state = "stopped"
        message = f"not started: {name} failed {count} times in the same way ({cause})."
        self.records[task.job.edition].note(task.job.key, state="stopped", message=message)
        self.screen.finished(task.job.key, task.job.edition, "stopped", 0, message)
        return True

    # --- close ---

    def _close(self, edition: Edition) -> None:
        """End the version's record, write its index, count."""
        entry = self.records[edition.period]
        if not edition.up_to_date:
            states = {job["state"] for job in entry.jobs.values()}
            open_states = {"failed", "stopped", "ready", "not_chosen"}
            state = "interrupted" if self.outcome.interrupted else "incomplete" if states & open_states else "complete"
            entry.data |= {"state": state, "ended_at": record.now()}
            comments.write(entry, self.prepared, about.extracted(self.prepared))
            index.write(entry, self.plan, self.prepared)
            entry.save()  # last: what is complete has its index
        for task in edition.tasks:
            self.outcome.counts[task.state] += 1
            job = entry.jobs.get(task.job.key, {})
            if task.state in ("failed", "stopped"):
                log = entry.folder / f"{task.job.key}.log"
                self.outcome.failures.append((task.job.key, job.get("message", ""), log))
        self.outcome.indexes.append(entry.folder / "index.html")


def reads_slice(task: Task) -> bool:
    """Whether a report is to be made of a slice of the institution's model."""
    return task.state == "ready" and "source" in task.job.notebook.parameters


ENDED = "the process that made it ended: out of memory, or ended from outside."


def end_processes(pids: list[int | None]) -> None:
    """End worker processes and the kernels below them."""
    for pid in pids:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            for one in (*process.children(recursive=True), process):
                with contextlib.suppress(psutil.Error):
                    one.kill()
