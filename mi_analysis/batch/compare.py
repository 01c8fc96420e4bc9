"""Which figures moved between two versions, or two runs, and what moved them.

Made of the executed notebooks and the two records alone. A figure that is hidden in one and shown in the other moved by
hiding; the others by what differs between the records: deliveries (data), notebook or package (code), the institution's
file, parameters or the run (parameters).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from mi_analysis.batch.record import Record, newest
from mi_analysis.parameters import Problem, WrongUse, nearest
from mi_analysis.reporting import export

CAUSES = {"data": ("deliveries",), "code": ("notebook", "package"), "parameters": ("settings", "parameters", "run")}
"""What of two records differs, by the word for it."""
HIDING = "hiding"


@dataclass(frozen=True)
class Moved:
    """One figure that is not what it was; None is not printed (missing, hidden, or not there)."""

    report: str
    where: str  # the table's or figure's title
    row: str
    column: str
    before: float | None
    after: float | None
    causes: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Reports in both, only in one, and every figure that moved."""

    both: tuple[str, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    moved: tuple[Moved, ...]


def version_in(folder: Path) -> Record:
    """The record of a version's folder, or of the newest version in a period's folder.

    Raises
    ------
    WrongUse
        Neither; says what to name.
    """
    found = Record.read(folder) or (newest(folder) if folder.is_dir() else None)
    if not folder.exists() and folder.parent.is_dir():
        beside = [other.name for other in folder.parent.iterdir() if other.is_dir()]
        raise WrongUse(Problem(str(folder), "is not there.", nearest(folder.name, sorted(beside))))
    if found is None:
        right = "Name a version, for instance outputs/example/monthly/2025-12/1, or the period's folder for its newest."
        raise WrongUse(Problem(str(folder), "holds no version of a run.", right))
    return found


def compare(before: Record, after: Record) -> Comparison:
    """Compare the reports that stand in both versions, figure by figure."""
    one, other = before.finished(), after.finished()
    both = tuple(key for key in one if key in other)
    moved = [figure for key in both for figure in _moved(key, before, after, one[key], other[key])]
    return Comparison(both, tuple(one.keys() - other.keys()), tuple(other.keys() - one.keys()), tuple(moved))


def _moved(
    key: str, before: Record, after: Record, job: Mapping[str, Any], later: Mapping[str, Any]
) -> Iterator[Moved]:
    one, other = (
        export.printed(export.outputs(nbformat.read(record.folder / f"{key}.ipynb", as_version=4)))
        for record in (before, after)
    )
    causes = changed(before.data | job["parts"], after.data | later["parts"])
    for cell in [*one, *(cell for cell in other if cell not in one)]:
        was, now = one.get(cell, export.NOTHING), other.get(cell, export.NOTHING)
        if was.value != now.value:
            hidden = (was.state == "hidden") != (now.state == "hidden")
            told = was if was.title else now
            yield Moved(key, told.title, cell[1], told.label, was.value, now.value, (HIDING,) if hidden else causes)


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[str, ...]:
    """Words for what differs between two jobs with the records of their versions."""
    return tuple(word for word, names in CAUSES.items() if any(before.get(name) != after.get(name) for name in names))
