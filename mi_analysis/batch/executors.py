"""Where reports are made: in processes on this machine, or by the workers of a Dask cluster."""

import contextlib
import importlib
import queue
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

from mi_analysis.batch import worker
from mi_analysis.batch.record import package_version
from mi_analysis.batch.screen import cores
from mi_analysis.parameters import Problem, WrongUse

PROCESSES = "processes"
ANSWERS_WITHIN, PATIENCE = 15, 5  # seconds for a scheduler to answer, and then for its silence to be noticed


def processes(workers: int) -> Executor:
    """Worker processes on this machine; where it can fork, forked from one that has loaded what they all need."""
    context = get_context("forkserver" if "forkserver" in get_all_start_methods() else "spawn")
    context.set_forkserver_preload([worker.__name__])
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=worker.start)
    for _ in range(workers):
        pool.submit(worker.warm)  # all processes load what they need while the first report is made
    return pool


@contextlib.contextmanager
def opened(
    text: str, where: str, workers: int, folders: tuple[Path, ...]
) -> Iterator[tuple[Callable[[int], Executor], int]]:
    """What makes executors, and how many reports they make at a time.

    Parameters
    ----------
    text
        ``processes``, or the address of a Dask scheduler.
    where
        What to name when it is wrong.
    workers
        How many reports at a time; 0: a process per core, all workers of a cluster.
    folders
        Folders that every worker of a cluster has to see: outputs with the slices, notebooks.

    Raises
    ------
    WrongUse
        Not an executor; a scheduler that does not answer or has no workers; workers with another version of the
        package, or that do not see the folders.
    """
    if text == PROCESSES:
        yield processes, workers or cores()
        return
    if "://" not in text:
        right = "Write processes, or the address of a Dask scheduler: tcp://name:8786."
        raise WrongUse(Problem(where, f'"{text}" is no executor.', right))
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise WrongUse(Problem(where, "needs the package distributed.", "Install mi-analysis[dask].")) from None
    try:
        client = _within(partial(distributed.Client, text, timeout=ANSWERS_WITHIN, set_as_default=False))
    except (OSError, ValueError) as error:
        what = f"the Dask scheduler {text} does not answer ({type(error).__name__} within {ANSWERS_WITHIN} s)."
        raise WrongUse(Problem(where, what, "Start it, or write its address.")) from None
    with client:
        found = _checked(client, where, text, folders)
        yield lambda _: Cluster(client), workers or found


def _within(connect: Callable[[], Any]) -> Any:
    """What a call gives, or raises; an OSError when it is late: distributed waits for ever for who takes a call and says nothing."""
    answer: queue.SimpleQueue[tuple[Any, Exception | None]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answer.put((connect(), None))
        except Exception as error:
            answer.put((None, error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        found, error = answer.get(timeout=ANSWERS_WITHIN + PATIENCE)
    except queue.Empty:
        raise OSError from None
    if error:
        raise error
    return found


def _checked(client: Any, where: str, address: str, folders: tuple[Path, ...]) -> int:
    """Number of workers, each of which has this version of the package and sees the folders."""
    token = f".seen-{secrets.token_hex(4)}"
    problems = []
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / token).touch()
    try:
        answers = client.run(worker.can_make, [str(folder / token) for folder in folders], on_error="return")
    finally:
        for folder in folders:
            (folder / token).unlink()
    for name, answer in answers.items():
        if isinstance(answer, BaseException):
            what = f"the worker {name} cannot load the package ({type(answer).__name__}: {answer})."
            problems.append(Problem(where, what, f"Install mi-analysis {package_version()} there."))
        elif answer["package"] != package_version():
            what = f"the worker {name} has version {answer['package']}, this is {package_version()}."
            problems.append(Problem(where, what, "Install the same version there."))
        else:
            unseen = [str(Path(path).parent) for path in answer["unseen"]]
            problems += [
                Problem(where, f"the worker {name} does not see {folder}.", "Use storage that all see.")
                for folder in unseen
            ]
    if not answers:
        problems.append(Problem(where, f"the Dask scheduler {address} has no workers.", "Start them."))
    if problems:
        raise WrongUse(*problems)
    return len(answers)


class Cluster(Executor):
    """Workers of a Dask cluster; what a worker was at when it died is given to another."""

    def __init__(self, client: Any) -> None:
        self.executor = client.get_executor(pure=False)

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a worker run it."""
        return self.executor.submit(function, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go; what is being made is finished there, what waits is not begun."""
        self.executor.shutdown(wait=wait and not cancel_futures)
