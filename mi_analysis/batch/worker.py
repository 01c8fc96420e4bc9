"""One report, made in a worker process: execute, check whose it is, export, put in place.

What a notebook did is judged from its executed copy alone. A report is put in place only when all of
it is there; what fails leaves a log and nothing else.
"""

import mi_analysis.reporting.quick_start  # noqa: F401  # isort: skip

import contextlib
import hashlib
import logging
import os
import re
import shutil
import signal
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from multiprocessing import connection, parent_process
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.engines import papermill_engines
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from mi_analysis.batch import warm_engine
from mi_analysis.batch.record import REFUSED, now, package_version, write_whole
from mi_analysis.reporting import export, pdf, workbook
from mi_analysis.reporting.tables import NO_SIGNAL

ONE_THREAD = tuple(f"{library}_NUM_THREADS" for library in ("OMP", "OPENBLAS", "MKL", "NUMEXPR"))
ENVIRONMENT = dict.fromkeys((*ONE_THREAD, "VECLIB_MAXIMUM_THREADS"), "1") | {
    "PYTHONHASHSEED": "0",
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}
HEADLINE = ("goal_degree", "deviation")
"""Measures that the index shows for each report."""
KERNEL = "python3"
LONGEST_MESSAGE, LONGEST_SAID = 300, 20_000
LONGEST_SOCKET = 95  # bytes of the path; systems allow 104 to 108 with the number that is added
SAMPLE_SECONDS = 0.25  # how often the memory of a report is looked at
MOST_SAID = 500_000_000  # bytes this process may grow by while a notebook is run: its outputs are held here
OWN = "papermill"
"""Name of papermill's own engine."""
papermill_engines.register("mi", warm_engine.Engine)
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Work:
    """Everything a worker needs for one report; plain values, so that it can be sent anywhere."""

    key: str
    notebook: Path
    parameters: dict[str, Any]
    source: str  # what the notebook gets; blank where it takes none
    institution: str  # what stands in its place in the kept notebook
    place: Path  # folder of the version
    formats: tuple[str, ...]
    expected: dict[str, str]  # unit, period, data: what the report must say it was made from
    about: dict[str, Any]  # see `about.about_report`
    engine: str = "mi"
    time_limit: int = 600


@dataclass(frozen=True)
class Result:
    """What came of it; ``cause`` is equal for failures of the same kind."""

    key: str
    state: str  # made | failed
    seconds: float
    cpu_seconds: float
    memory_mb: float
    outputs: list[dict[str, Any]] = field(default_factory=list)
    message: str = ""
    cause: str = ""
    headline: dict[str, Any] = field(default_factory=dict)


class NotMade(Exception):
    """A report that must not be kept: message and cause."""


def start() -> None:
    """Prepare a worker process: one thread for linear algebra, no interrupts, never outlives the run."""
    for name, level in (("papermill", logging.WARNING), ("weasyprint", logging.ERROR)):
        logging.getLogger(name).setLevel(level)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def warm() -> None:
    """Do nothing: a process that is asked to has loaded this module."""


def can_make(paths: list[str]) -> dict[str, Any]:
    """Version of the package here, and which of the files are not seen."""
    return {"package": package_version(), "unseen": [path for path in paths if not Path(path).exists()]}


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def make(work: Work) -> Result:
    """Make one report. Never raises: what goes wrong is in the result, in full in the log."""
    begun, used, lines = time.monotonic(), _Used(), [f"{now()} {work.key} from {work.notebook.name}"]
    os.environ.update(ENVIRONMENT)
    outputs: list[dict[str, Any]] = []
    headline: dict[str, Any] = {}
    message = cause = ""
    with _one_at_a_time, used, _captured(lines):
        try:
            executed = _execute(work)
            _check(executed, work)
            lines += _scrub(executed, work)
            headline = headlines(executed) | _noted(executed, work)
            outputs = _put_in_place(work, _exported(executed, work, headline.get("moved")))
        except Exception as error:
            message, cause = explain(error, work.time_limit)
            if used.said_too_much:
                message, cause = f"its outputs grew past {MOST_SAID // 1_000_000} MB and it was stopped.", "output"
            lines += [message, plain_text(traceback.format_exc())]
    seconds = round(time.monotonic() - begun, 2)
    lines.append(f"{now()} {'failed' if message else 'made'} in {seconds} s, CPU {used.cpu} s, memory {used.memory} MB")
    log = work.place / f"{work.key}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    write_whole(log, "\n".join(lines) + "\n")
    state = "failed" if message else "made"
    return Result(work.key, state, seconds, used.cpu, used.memory, outputs, message, cause, headline)


@contextlib.contextmanager
def _captured(lines: list[str]) -> Iterator[None]:
    """Keep what the kernel and its libraries write past Python off the screen, and put its end in the log."""
    with tempfile.TemporaryFile() as said:
        own = [(number, os.dup(number)) for number in (1, 2)]
        for number, _ in own:
            os.dup2(said.fileno(), number)
        try:
            yield
        finally:
            for number, kept in own:
                os.dup2(kept, number)
                os.close(kept)
            said.seek(max(0, said.seek(0, os.SEEK_END) - LONGEST_SAID))
            lines += plain_text(said.read().decode(errors="replace")).splitlines()


# --- execute and check ---------------------------------------------------------------------------------------------


def _execute(work: Work) -> nbformat.NotebookNode:
    ends = time.monotonic() + work.time_limit
    given = work.parameters | ({"source": work.source} if work.source else {})
    with tempfile.TemporaryDirectory(prefix="mi-") as sockets:
        return papermill.execute_notebook(
            nbformat.read(work.notebook, as_version=4),
            None,
            given,
            engine_name=None if work.engine == OWN else work.engine,
            kernel_name=KERNEL,
            language="python",  # what else it may be was refused when it was read; a notebook need not say
            request_save_on_cell_execute=False,
            progress_bar=False,
            cwd=work.notebook.parent,
            config=Config({"KernelManager": _transport(Path(sockets) / "k")}),
            timeout_func=lambda cell: max(1, int(ends - time.monotonic())),
        )


def _transport(socket: Path) -> dict[str, str]:
    """How the kernel is talked to: sockets in a folder of its own, else ports on this machine.

    Two kernels can be given the same port between its choice and its use; a folder is never shared.
    """
    usable = os.name != "nt" and len(os.fsencode(socket)) < LONGEST_SOCKET
    return {"transport": "ipc", "ip": str(socket)} if usable else {"transport": "tcp"}


def _check(executed: nbformat.NotebookNode, work: Work) -> None:
    """Every cell was run, and what the notebook opened is what it was given."""
    written = (cell for cell in executed.cells if "injected-parameters" not in cell.metadata.get("tags", []))
    for number, cell in enumerate(written, 1):
        if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
            raise NotMade(f"cell {number} was not run: the notebook ended itself before it.", f"not run {number}")
    stamps = [found["stamp"] for found in export.outputs(executed) if "stamp" in found]
    if work.source and not stamps:
        raise NotMade(
            "no cell shows the desk, so nothing tells whose figures these are. End a cell with desk.", "no stamp"
        )
    for name, value in work.expected.items():
        for stamp in stamps:
            if name in stamp and not str(value).startswith(str(stamp[name])):
                what = f'the report says {name} "{stamp[name]}", but was to be about "{value}".'
                raise NotMade(what, f"other {name}")


def headlines(executed: nbformat.NotebookNode) -> dict[str, Any]:
    """What the index shows of a report: its key messages, signals, and figures of its key-figure or coherent table.

    Of the key figures the year to date, else the month; of the coherent table its last row, the total.
    """
    found: dict[str, Any] = {}
    for payload in export.outputs(executed):
        names = [column["name"] for column in payload.get("columns", [])]
        rows = [dict(zip(names, row, strict=True)) for row in payload.get("rows", [])]
        owed = [said["values"] for said in payload.get("verdict", []) if said["key"] == "explanation"]
        if owed:
            found["explanations"] = found.get("explanations", []) + owed
        if payload.get("key") == "key_messages":
            found.setdefault("message", payload.get("alternative", ""))
        elif payload.get("key") == "key_figures":
            own = {row["measure"]: row.get("ytd", row.get("month")) for row in rows if row.get("measure") in HEADLINE}
            telling = [row for row in rows if (row.get("signal") or "none") not in NO_SIGNAL]
            signals = [[row["measure"], row["signal"]] for row in telling]
            found = own | {"signals": signals} | found
        elif payload.get("key") == "coherent" and rows:
            found = {name: rows[-1][name] for name in HEADLINE if rows[-1].get(name) is not None} | found
    return found


def _noted(executed: nbformat.NotebookNode, work: Work) -> dict[str, Any]:
    """Images without a description, and how many figures are not what they were in the version before."""
    noted: dict[str, Any] = {}
    if bare := export.undescribed(executed):
        noted["undescribed"] = len(bare)
    before = work.place.with_name(str(int(work.place.name) - 1)) / f"{work.key}.ipynb"
    if before.is_file():
        noted["moved"] = export.moved(export.outputs(nbformat.read(before, as_version=4)), export.outputs(executed))
    return noted


def explain(error: Exception, time_limit: int) -> tuple[str, str]:
    """A failure as one sentence, and its cause."""
    if isinstance(error, NotMade):
        return error.args[0], error.args[1]
    if isinstance(error, CellTimeoutError):
        return f"took longer than {time_limit} s and was stopped.", "timeout"
    if isinstance(error, DeadKernelError):
        return "its process ended on the way: out of memory, or ended by the notebook.", "dead kernel"
    if isinstance(error, PapermillExecutionError):
        text = plain_text(error.evalue).strip().splitlines()
        said = f"{error.ename}: {text[0]}" if text else error.ename
        cell = f"cell {error.cell_index or 1}"  # as written: the cell with the run's values is not counted
        return f"{cell}: {said[:LONGEST_MESSAGE]}", f"{error.ename} in {cell}"
    if isinstance(error, OSError) and error.errno in REFUSED:
        return f"its files could not be written. The system says: {error.strerror}.", str(error.strerror)
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:LONGEST_MESSAGE], type(error).__name__


def plain_text(text: str) -> str:
    """Text without the codes that colour a terminal."""
    return re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text)


# --- keep ----------------------------------------------------------------------------------------------------------


def _scrub(executed: nbformat.NotebookNode, work: Work) -> list[str]:
    """Take when, where and on what it ran out of the kept notebook; returns what it said on stderr, for the log."""
    said = []
    for name in ("papermill", "widgets"):
        executed.metadata.pop(name, None)
    executed.metadata.get("language_info", {}).pop("version", None)
    executed.metadata["kernelspec"] = {"name": KERNEL, "language": "python", "display_name": "Python 3"}
    for cell in executed.cells:
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.id = "injected-parameters"
            if work.source:
                cell.source = cell.source.replace(repr(work.source), repr(work.institution)).replace(
                    f'"{work.source}"', f'"{work.institution}"'
                )
        if cell.cell_type == "code":
            errors = [output for output in cell.outputs if output.get("name") == "stderr"]
            said += [output.text.rstrip() for output in errors]
            cell.outputs = [output for output in cell.outputs if output not in errors]
    return said


def _exported(executed: nbformat.NotebookNode, work: Work, moved: int | None) -> dict[str, bytes]:
    """The files of a report by ending; all made of the executed notebook alone."""
    about, words = work.about, work.about["words"]
    if moved is not None:
        edition = words.text("index.edition_moved", edition=about["stamp"]["edition"], n=words.number(moved))
        about = about | {"subtitle": f"{about['subtitle']} · {words.text('stamp.edition')} {edition}"}
    contents = {"ipynb": (nbformat.writes(executed) + "\n").encode()}
    names = ("language", "title", "subtitle", "stamp", "own")
    page = export.html(executed, **{name: about[name] for name in names})
    if "html" in work.formats:
        contents["html"] = page.encode()
    if "pdf" in work.formats:
        contents["pdf"] = pdf.pdf(page)
    if "xlsx" in work.formats:
        day = date.fromisoformat(about["created"] or "2000-01-01")
        book = workbook.workbook(executed, words, title=about["title"], created=day, stamp=about["stamp"])
        contents["xlsx"] = book
    return contents


def _put_in_place(work: Work, contents: dict[str, bytes]) -> list[dict[str, Any]]:
    """Write all files beside their places, then rename them, the page that is read last."""
    folder = (work.place / work.key).parent
    folder.mkdir(parents=True, exist_ok=True)
    stem = Path(work.key).name
    half_done = folder / f".{stem}.new"
    shutil.rmtree(half_done, ignore_errors=True)
    half_done.mkdir()
    for ending, content in contents.items():
        (half_done / f"{stem}.{ending}").write_bytes(content)
    outputs = []
    for ending in sorted(contents, key=lambda ending: ending == "html"):
        (half_done / f"{stem}.{ending}").replace(folder / f"{stem}.{ending}")
        content = contents[ending]
        sha256 = hashlib.sha256(content).hexdigest()
        outputs.append({"file": f"{work.key}.{ending}", "bytes": len(content), "sha256": sha256})
    half_done.rmdir()
    return outputs


class _Used:
    """CPU seconds and the largest memory of a report's processes; ends a kernel that says more than can be kept."""

    def __enter__(self) -> "_Used":
        self.cpu, self.memory, self.said_too_much = 0.0, 0.0, False
        self._me, self._ended = psutil.Process(), threading.Event()
        self._others = set(self._me.children(recursive=True))
        warm_engine.kernels.clear()
        self._before, self._size = self._seconds(), self._me.memory_info().rss
        self._watch = threading.Thread(target=self._sample, daemon=True)
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._watch.join()
        self.cpu = round(self._seconds() - self._before, 2)
        self.memory = max(self.memory, *(round(bytes_ / 1e6, 1) for _, bytes_ in warm_engine.kernels.values()), 0)

    def _seconds(self) -> float:
        return sum(self._me.cpu_times()[:4]) + sum(cpu for cpu, _ in warm_engine.kernels.values())

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            total = 0
            for one in self._kernels():
                with contextlib.suppress(psutil.Error):
                    total += one.memory_info().rss
            self.memory = max(self.memory, round(total / 1e6, 1))
            if self._me.memory_info().rss - self._size > MOST_SAID:
                self.said_too_much = True
                for one in self._kernels():
                    with contextlib.suppress(psutil.Error):
                        one.kill()

    def _kernels(self) -> list[psutil.Process]:
        """Kernels at work and what they started: children that this process did not have, or forked by another."""
        found = [one for one in self._me.children(recursive=True) if one not in self._others]
        for number, (_, memory) in list(warm_engine.kernels.items()):
            with contextlib.suppress(psutil.Error):
                one = psutil.Process(number)
                found += [one, *one.children(recursive=True)]
                warm_engine.kernels[number] = sum(one.cpu_times()[:4]), max(memory, one.memory_info().rss)
        return found
