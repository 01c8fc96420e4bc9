"""What a run says while it goes, and last: counts, failures, the command to try again, the index."""

import contextlib
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

ORDER = ("made", "unchanged", "no_data", "not_chosen", "failed", "stopped", "ready")
SPOKEN = {"no_data": "without data", "not_chosen": "not chosen", "ready": "not made"}


@dataclass
class Outcome:
    """How a run ended. ``failures``: key, message, log."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[str, str, Path]] = field(default_factory=list)
    indexes: list[Path] = field(default_factory=list)
    reservations: bool = False
    interrupted: bool = False

    @property
    def exit_status(self) -> int:
        """0 fine, 1 some reports failed, 4 made with reservations, 130 stopped."""
        failed = self.counts["failed"] + self.counts["stopped"]
        return 130 if self.interrupted else 1 if failed else 4 if self.reservations else 0


def relative(path: Path) -> str:
    """A path as short as it can be written from here."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class _Console(Console):
    def on_broken_pipe(self) -> None:  # rich would end the run
        raise OSError


class Screen:
    """One line that moves on a terminal; a line per finished report elsewhere; or one JSON object per line.

    Parameters
    ----------
    again
        The command that makes what is missing.
    """

    def __init__(self, again: str, as_json: bool = False) -> None:
        self.again, self.as_json = again, as_json
        self.console = _Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self.begun = time.monotonic()
        self.total = self.done = self.workers = 0
        self.bar: Progress | None = None
        self.row: Any = None

    def say(self, line: str, **event: Any) -> None:
        """A line of text, or the event as JSON."""
        with self._while_read():
            if self.as_json:
                if event:
                    print(json.dumps(event, ensure_ascii=False, default=str), flush=True)
            elif line:
                (self.bar.console if self.bar else self.console).print(line, markup=False)

    @contextlib.contextmanager
    def _while_read(self) -> Iterator[None]:
        """Once nobody reads any more, the rest is said to nobody; the record and the index tell."""
        try:
            yield
        except OSError:
            with contextlib.suppress(OSError):  # also for what Python itself writes at its end
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def busy(self, text: str) -> AbstractContextManager[Any]:
        """Show on a terminal that something is going on."""
        shown = self.console.is_terminal and not self.as_json
        return self.console.status(text) if shown else nullcontext()

    def begin(self, total: int, workers: int, notes: tuple[str, ...]) -> None:
        """Say how much there is to do."""
        self.total, self.workers, self.begun = total, workers, time.monotonic()
        for note in notes:
            self.say(f"Note: {note}", event="note", text=note)
        self.say("", event="begin", reports=total, workers=workers)
        if total and not self.as_json and self.console.is_terminal:
            columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
            self.bar = Progress(*columns, console=self.console, transient=True)
            with self._while_read():
                self.bar.start()
            self.row = self.bar.add_task("", total=total)

    def finished(self, key: str, period: str, state: str, seconds: float, message: str) -> None:
        """Say that a report is done; failures are named at once."""
        self.done += 1
        left = (time.monotonic() - self.begun) / self.done * (self.total - self.done)
        why = f": {message}" if message else ""
        text = f"{self.done}/{self.total} {state} {period} {key} ({seconds:.1f} s){why}"
        event = {"period": period, "report": key, "state": state, "seconds": seconds, "message": message}
        if self.bar is None or message:
            self.say(text, event="report", **event, left_seconds=round(left))
        if self.bar:
            self.bar.update(self.row, completed=self.done, description=f"{spoken_time(left)} left  {key}")

    def end(self, outcome: Outcome) -> None:
        """Last on the screen, whatever happened."""
        if self.bar:
            with self._while_read():
                self.bar.stop()
            self.bar = None
        told = [state for state in ORDER if outcome.counts[state]]
        counts = ", ".join(f"{outcome.counts[state]} {SPOKEN.get(state, state)}" for state in told)
        took = time.monotonic() - self.begun
        self.say(f"{'Stopped. ' if outcome.interrupted else ''}Reports: {counts or 'none'}. Took {spoken_time(took)}.")
        if outcome.failures:
            self.say("Failed:")
            width = max(len(key) for key, _, _ in outcome.failures)
            for key, message, log in outcome.failures:
                self.say(f"  {key:<{width}}  {message}  ({relative(log)})")
        again = bool(outcome.failures or outcome.counts["ready"])
        if again:
            self.say(f"Try again: {self.again}")
        for index in outcome.indexes:
            self.say(f"Index: {relative(index)}")
        failures = [{"report": key, "message": message, "log": str(log)} for key, message, log in outcome.failures]
        self.say(
            "", event="end", counts=dict(outcome.counts), failures=failures, again=self.again if again else None,
            index=[str(index) for index in outcome.indexes], exit_status=outcome.exit_status,
        )  # fmt: skip


def spoken_time(seconds: float) -> str:
    """Seconds as a person says them."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
