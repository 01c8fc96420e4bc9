"""The file of hypotheses asked: who asked what, when, and what came out. Lines are only ever added.

A question is written before its answer is known, with the smallest relevant difference. What was stated
first stands: asking again does not make a question planned, nor move its margin. Every question counts when
p-values are adjusted, also those that failed, were never answered, or stand on a damaged line.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from mi_analysis.analysis.multiplicity import adjust

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]
    import msvcrt

Kind = Literal["planned", "exploratory"]
EXPLORATORY = "exploratory"  # the one family of all that was not planned


@dataclass(frozen=True)
class Hypothesis:
    """A question and its latest answer. ``p`` is None while unanswered, and when the analysis failed."""

    id: str
    asked_at: str
    who: str
    outcome: str
    exposure: str
    filters: Mapping[str, Any]
    kind: Kind
    family: str
    margin: float | None
    question: str = ""
    times_asked: int = 1
    restated: bool = False  # a later asking gave another margin, kind or family, which does not count
    answered_at: str = ""
    p: float | None = None
    estimate: float | None = None
    lo: float | None = None
    hi: float | None = None
    scale: str = ""  # level or log
    verdict: str = ""
    failed: str = ""

    @property
    def group(self) -> str:
        """What a question is counted among: the quarter it was first asked in (``2026-Q4``); of a planned one its family."""
        return self.family if self.kind == "planned" else f"{self.asked_at[:4]}-Q{(int(self.asked_at[5:7]) + 2) // 3}"


@dataclass(frozen=True)
class Register:
    """All hypotheses by id, in the order first asked, and the numbers of lines that cannot be read."""

    hypotheses: Mapping[str, Hypothesis] = field(default_factory=dict)
    damaged: tuple[int, ...] = ()

    def family(self, name: str) -> tuple[Hypothesis, ...]:
        """Hypotheses of one family; all exploratory ones are one family."""
        return tuple(h for h in self.hypotheses.values() if h.family == name)

    def numbered(self) -> dict[str, tuple[str, int, int]]:
        """Group, number in it, and how many it has, by id."""
        groups: dict[str, list[str]] = {}
        for one in self.hypotheses.values():
            groups.setdefault(f"{one.kind} {one.group}", []).append(one.id)
        return {
            name: (self.hypotheses[name].group, number, len(members))
            for members in groups.values()
            for number, name in enumerate(members, 1)
        }

    def adjusted(self, name: str) -> dict[str, float]:
        """Adjusted p by id: Holm in a planned family, Benjamini & Hochberg over all exploratory questions."""
        members, exploratory = self.family(name), name == EXPLORATORY
        unknown = [None] * len(self.damaged)  # a damaged line may have been any question
        p = adjust([*(h.p for h in members), *unknown], "bh" if exploratory else "holm")
        return dict(zip((h.id for h in members), p, strict=False))


def ask(
    file: Path,
    *,
    who: str,
    outcome: str,
    exposure: str,
    filters: Mapping[str, Any],
    kind: Kind,
    family: str = "",
    margin: float | None = None,
    question: str = "",
) -> str:
    """Write down a question before it is answered.

    Parameters
    ----------
    filters : everything that chose the data (units, activity, period ...); another filter is another question.
    family : name of the planned family; exploratory questions are all one family.

    Returns
    -------
    str
        The question's id, the same each time the same question is asked.
    """
    if kind == "planned" and family in ("", EXPLORATORY):
        raise ValueError(f"A planned question needs the name of its family; it is '{family}'.")
    if kind not in ("planned", "exploratory"):
        raise ValueError(f"A question is planned or exploratory; it is '{kind}'.")
    about = {"outcome": outcome, "exposure": exposure, "filters": dict(filters)}
    identity = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:16]
    family = family if kind == "planned" else EXPLORATORY
    stated = {"kind": kind, "family": family, "margin": margin}
    _add(file, {"event": "asked", "id": identity, "at": _now(), "who": who, **about, **stated, "question": question})
    return identity


def answer(
    file: Path,
    identity: str,
    *,
    p: float | None = None,
    estimate: float | None = None,
    interval: tuple[float | None, float | None] | None = None,
    scale: str = "",
    verdict: str = "",
    failed: str = "",
) -> None:
    """Write down what came out; ``failed`` says why there is no answer.

    Raises
    ------
    KeyError
        When the question was not asked first.
    """
    if identity not in read(file).hypotheses:
        raise KeyError(f"No question {identity} in {file.name}; ask before answering.")
    numbers = zip(("p", "estimate", "lo", "hi"), (p, estimate, *(interval or (None, None))), strict=True)
    told = {name: None if value is None or math.isnan(value) else float(value) for name, value in numbers}
    found = told | {"scale": scale, "verdict": verdict, "failed": failed}
    _add(file, {"event": "answered", "id": identity, "at": _now(), **found})


def read(file: Path) -> Register:
    """The register as it stands; an absent file is an empty one."""
    hypotheses: dict[str, Hypothesis] = {}
    damaged = []
    lines = file.read_bytes().split(b"\n") if file.exists() else []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            _take(hypotheses, json.loads(line))
        except (ValueError, KeyError, TypeError):
            damaged.append(number)
    return Register(hypotheses, tuple(damaged))


def _take(hypotheses: dict[str, Hypothesis], event: dict[str, Any]) -> None:
    """Bring the hypotheses up to one more line."""
    kind, identity, at = event.pop("event"), event.pop("id"), event.pop("at")
    known = hypotheses.get(identity)
    if kind == "asked" and known is None:
        hypotheses[identity] = Hypothesis(identity, at, **event)
    elif kind == "asked" and known is not None:
        first = (known.kind, known.family, known.margin)
        other = (event["kind"], event["family"], event["margin"]) != first
        hypotheses[identity] = replace(known, times_asked=known.times_asked + 1, restated=known.restated or other)
    elif kind == "answered" and known is not None:
        hypotheses[identity] = replace(known, answered_at=at, **event)
    else:
        raise KeyError(identity)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _add(file: Path, event: Mapping[str, Any]) -> None:
    """Add one whole line under a lock, so that writers at the same time neither mix nor lose lines."""
    line = json.dumps(event, ensure_ascii=False, allow_nan=False, default=str).encode() + b"\n"
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
    try:
        lock(descriptor)
        if os.lseek(descriptor, 0, os.SEEK_END):
            os.lseek(descriptor, -1, os.SEEK_END)
            if os.read(descriptor, 1) != b"\n":  # a writer that was cut off
                line = b"\n" + line
        while line:
            line = line[os.write(descriptor, line) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)  # lets the lock go


def lock(descriptor: int) -> None:
    """Hold a file, waiting for who holds it; the system lets go when it is closed, or its process ends."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    else:
        os.lseek(descriptor, 0, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
