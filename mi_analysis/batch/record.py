"""The record of a run, its versions, and the lock of its folder.

Layout: ``<run>/<period>/<version>/run.json``. A version is written until every report of it is made;
then it is complete and never written again. A finished report is never replaced: where one would have
to be, a new version begins, and what did not change is taken over by hard link (a copy elsewhere).

``run.json``, schema 1. Readable at any time: it is replaced whole, and what was finished since the
last replacement stands line by line in ``run.journal`` until the next.

======================  =========================================================================
schema                  1
institution, run        names; run_file is its sha256
period, version         of this folder; ``replaces`` is the version before, or null
state                   running | complete | incomplete (some report failed, or was not chosen) | interrupted
package, model          version and hash of the code; fingerprint of the institution's model
deliveries, settings    fingerprints of the files as received, and of the institution's file
language, audience      of the whole run; formats likewise
engine, workers         papermill engine, number of worker processes; executor: ``processes`` or an address
started_at, ended_at    ISO times; machine: python, system, cores
remarks                 findings on the deliveries: [{file, key, severity, values}]
jobs                    key (folder/name) -> job
job: state              ready | made | unchanged | no_data | failed | stopped | not_chosen
job: why                why it has that state
job: notebook, unit, activity, period, title
job: identity, parts    hash of parts; parts: notebook, parameters, data, package, run
job: parameters         name -> {value, origin}
job: made_in            version in which the report was made
job: seconds, cpu_seconds, memory_mb   of making it: wall, CPU of worker and kernel, largest memory of its kernel
job: outputs            [{file, bytes, sha256}], relative to the version's folder
job: message, cause     of a failure: a sentence; a short text that is equal for equal failures
job: headline           measure -> value, and ``message``: what the index shows
======================  =========================================================================
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mi_analysis import __version__
from mi_analysis.batch.plan import Job, Plan
from mi_analysis.parameters import Problem, WrongUse

SCHEMA = 1
FINISHED = ("made", "unchanged")
REFUSED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG, errno.ELOOP)
"""What a system says of a disk that is full, read-only, not one's own, or broken."""
SHARE_OF_TIME = 20  # rewriting the record may take a twentieth of the time


def now() -> str:
    """The time as the record writes it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def digest(value: object) -> str:
    """Hash of anything JSON can hold; equal content gives an equal hash."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).encode()).hexdigest()


@cache
def package_version() -> str:
    """Version and a hash of the package's own files, so that changed code is never taken for unchanged."""
    total = hashlib.sha256()
    root = Path(str(files("mi_analysis")))
    for file in sorted(root.rglob("*")):
        if file.suffix in (".py", ".sql", ".toml", ".css", ".j2", ".js"):
            total.update(file.relative_to(root).as_posix().encode() + file.read_bytes())
    return f"{__version__}+{total.hexdigest()[:8]}"


class Record:
    """``run.json`` of one version."""

    def __init__(self, folder: Path, data: dict[str, Any]) -> None:
        self.folder, self.data = folder, data
        self._saved_at, self._cost = 0.0, 0.0

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """The record of a version's folder, or None where there is none that can be read."""
        try:
            data = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if data.get("schema") != SCHEMA:
            what = f"was written by another version of this program (schema {data.get('schema')})."
            raise WrongUse(Problem(str(folder / "run.json"), what, "Use --out to write elsewhere."))
        with contextlib.suppress(OSError):
            for line in (folder / "run.journal").read_text(encoding="utf-8").splitlines():
                with contextlib.suppress(ValueError):
                    data["jobs"].update(json.loads(line))
        return cls(folder, data)

    @property
    def version(self) -> int:
        """Number of the version."""
        return int(self.data["version"])

    @property
    def jobs(self) -> dict[str, dict[str, Any]]:
        """Jobs by key."""
        return self.data["jobs"]

    def finished(self) -> dict[str, dict[str, Any]]:
        """Jobs whose report stands."""
        return {
            key: job for key, job in self.jobs.items()
            if job["state"] in FINISHED and all((self.folder / output["file"]).is_file() for output in job["outputs"])
        }  # fmt: skip

    def note(self, key: str, **values: Any) -> None:
        """Note a job; written at once to the journal, and to ``run.json`` when its turn has come."""
        self.jobs[key] = self.jobs.get(key, {}) | values
        with (self.folder / "run.journal").open("a", encoding="utf-8") as journal:
            journal.write(json.dumps({key: self.jobs[key]}, ensure_ascii=False) + "\n")
        if time.monotonic() - self._saved_at > SHARE_OF_TIME * self._cost:
            self.save()

    def save(self, **values: Any) -> None:
        """Replace ``run.json`` whole."""
        begun = time.monotonic()
        self.data.update(values)
        write_whole(self.folder / "run.json", json.dumps(self.data, ensure_ascii=False, indent=1))
        (self.folder / "run.journal").unlink(missing_ok=True)
        self._saved_at = time.monotonic()
        self._cost = self._saved_at - begun


def write_whole(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old or the new one, never a part."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content.encode() if isinstance(content, str) else content)
    new.replace(path)


# --- what has to be made -------------------------------------------------------------------------------------------


@dataclass
class Task:
    """A job and what is to be done about it."""

    job: Job
    state: str
    why: str
    parts: dict[str, str]

    @property
    def identity(self) -> str:
        """Hash of everything the report is made from."""
        return digest(self.parts)


@dataclass
class Edition:
    """The version of a period that a run writes, or would write."""

    period: str
    folder: Path
    version: int
    before: Record | None
    tasks: list[Task]
    fresh: bool  # the version begins now
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def up_to_date(self) -> bool:
        """Nothing to do: the newest version is complete and stays."""
        return not self.fresh and self.before is not None and self.before.data["state"] == "complete"

    @property
    def place(self) -> Path:
        """Folder of the version."""
        return self.folder / str(self.version)


Slice = Callable[[str, str, str], tuple[Path, str]]
"""Unit, activity and period -> folder of the slice and its fingerprint."""


def settle(
    plan: Plan, outputs: Path, model: str, make_slice: Slice, *, only: dict[str, list[str]], retry: bool, force: bool
) -> list[Edition]:
    """Compare a plan with what stands: what is ready to be made, what is unchanged, and which version it goes into.

    Parameters
    ----------
    outputs
        Folder of the run: ``outputs/<institution>/<run>``.
    model
        Fingerprint of the institution's model; where it, the code and the run are as before, slices are too.
    """
    by_period: dict[str, list[Job]] = {}
    for job in plan.jobs:
        by_period.setdefault(job.edition, []).append(job)
    run = plan.run_file
    common = digest([plan.institution, plan.run, run.language, run.audience, run.formats])
    editions = []
    for period, jobs in by_period.items():
        before = newest(outputs / period)
        finished = before.finished() if before else {}
        same = before is not None and (before.data["model"], before.data["package"]) == (model, package_version())
        tasks = []
        for job in jobs:
            chosen = all(job.dimension(name) in values for name, values in only.items())
            entry = finished.get(job.key)
            parts = {"notebook": job.notebook.sha256, "parameters": digest(job.parameters), "data": "",
                     "package": package_version(), "run": common}  # fmt: skip
            task = Task(job, "no_data", "nothing is delivered for the period", parts)
            if not job.no_data and not chosen:
                kept = ("unchanged", "not chosen; kept as it was")
                task.state, task.why = kept if entry else ("not_chosen", "not chosen")
            elif not job.no_data:
                if same and entry and entry["parts"]["run"] == common and entry["unit"] == job.unit:
                    parts["data"] = entry["parts"]["data"]
                elif entry and "source" in job.notebook.parameters:  # nothing to compare with: cut when its turn comes
                    parts["data"] = make_slice(job.unit, job.activity, job.period)[1]
                old = before.jobs.get(job.key) if before else None
                task.state, task.why = _state(task, entry, old, retry, force)
            tasks.append(task)
        editions.append(_edition(period, outputs / period, before, finished, tasks))
    return editions


def _state(
    task: Task, entry: dict[str, Any] | None, old: dict[str, Any] | None, retry: bool, force: bool
) -> tuple[str, str]:
    if entry is None:
        return "ready", "failed before" if old and old["state"] in ("failed", "stopped") else "new"
    changed = [name for name, value in task.parts.items() if entry["parts"].get(name) != value]
    if retry or (not changed and not force):
        return "unchanged", "is made" if retry else f"nothing changed since version {entry['made_in']}"
    return "ready", f"changed: {', '.join(changed)}" if changed else "forced"


def _edition(
    period: str, folder: Path, before: Record | None, finished: dict[str, dict[str, Any]], tasks: list[Task]
) -> Edition:
    if before is None:
        return Edition(period, folder, 1, None, tasks, fresh=True)
    keys = {task.job.key for task in tasks}
    replaces = any(task.state == "ready" and task.job.key in finished for task in tasks) or not set(finished) <= keys
    if before.data["state"] == "complete":
        stays = not replaces and keys == set(before.jobs) and all(task.state != "ready" for task in tasks)
    else:
        stays = not replaces
    return Edition(period, folder, before.version + (not stays), before, tasks, fresh=not stays)


def newest(folder: Path) -> Record | None:
    """Record of the highest version in the folder of a period."""
    numbers = [int(path.name) for path in folder.glob("*") if path.is_dir() and path.name.isdigit()]
    return Record.read(folder / str(max(numbers))) if numbers else None


def begin(edition: Edition, data: dict[str, Any]) -> Record:
    """Open the version: make its folder, or go on in the one that is not complete, and take over what is unchanged."""
    old = edition.before.finished() if edition.before else {}
    jobs = {}
    for task in edition.tasks:
        job = task.job
        if task.state == "unchanged":
            state = "unchanged" if edition.fresh else old[job.key]["state"]
            jobs[job.key] = old[job.key] | {"state": state, "why": task.why}
        else:
            values = {name: {"value": value, "origin": job.origin[name]} for name, value in job.parameters.items()}
            jobs[job.key] = {
                "state": task.state, "why": task.why, "notebook": job.notebook.name, "title": job.notebook.title,
                "unit": job.unit, "activity": job.activity, "period": job.period, "identity": task.identity,
                "parts": task.parts, "parameters": values, "outputs": [],
            }  # fmt: skip
    data = {"schema": SCHEMA, **data, "period": edition.period, "version": edition.version, "state": "running",
            "replaces": edition.version - 1 or None, "started_at": now(), "ended_at": None, "jobs": jobs}  # fmt: skip
    if edition.fresh:
        new = edition.folder / f".{edition.version}.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        for entry in jobs.values():
            for output in entry["outputs"]:
                _link(edition.before.folder / output["file"], new / output["file"])  # type: ignore[union-attr]
        Record(new, data).save()
        new.rename(edition.place)
    record = Record(edition.place, data)
    record.save()
    return record


def _link(old: Path, new: Path) -> None:
    new.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(old, new)
    except OSError:
        shutil.copy2(old, new)


# --- one run at a time ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder of a run; the system lets go of it when the process ends, however it ends.

    Raises
    ------
    WrongUse
        Another run holds it, or it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+", encoding="utf-8")
    except OSError as error:
        problem = Problem(str(folder), "cannot be written to.", f"The system says: {error.strerror}. Use --out.")
        raise WrongUse(problem) from None
    with file:
        try:
            _lock(file.fileno())
        except OSError:
            file.seek(0)
            what = f"another run is writing here ({file.read().strip() or 'just begun'})."
            raise WrongUse(Problem(str(folder), what, "Wait for it, or write elsewhere with --out.")) from None
        file.truncate(0)
        file.write(f"since {now()[11:16]}, process {os.getpid()}")
        file.flush()
        yield


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a byte that nobody reads
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
