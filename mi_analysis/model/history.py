"""The organisation over time: what each unit stood under, day by day, and what changed when."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from mi_analysis.model.keys import Unit

ONE_DAY = timedelta(1)


class Stint(NamedTuple):
    """The days on which a unit stood under the same units; ``above`` begins with the unit itself."""

    unit: str
    above: tuple[str, ...]
    first: date
    last: date


def stints(rows: Iterable[tuple[str, str, date]]) -> list[Stint]:
    """Stints of every unit, without a gap: before its first day as on that day, and after its last day as then.

    Systems switch on different days, so figures of a unit outside its validity still find its place.

    Parameters
    ----------
    rows
        Unit, the unit above it (blank: none) and the first day of that.
    """
    held: dict[str, list[tuple[date, str]]] = {}
    for unit, parent, first in sorted(rows, key=lambda row: (row[0], row[2])):
        held.setdefault(unit, []).append((first, parent))
    days = sorted({first for steps in held.values() for first, _ in steps} | {date.min})
    found = []
    for unit in held:
        spans: list[tuple[date, tuple[str, ...]]] = []
        for day in days:
            above = _above(unit, day, held)
            if not spans or spans[-1][1] != above:
                spans.append((day, above))
        ends = [first - ONE_DAY for first, _ in spans[1:]] + [date.max]
        found += [Stint(unit, above, first, last) for (first, above), last in zip(spans, ends, strict=True)]
    return found


def _above(unit: str, day: date, held: dict[str, list[tuple[date, str]]]) -> tuple[str, ...]:
    chain: list[str] = []
    while unit and unit not in chain:
        chain.append(unit)
        steps = held.get(unit, [])
        begun = [parent for first, parent in steps if first <= day]
        unit = begun[-1] if begun else steps[0][1] if steps else ""
    return tuple(chain)


def ring(unit: str, onward: Mapping[str, Sequence[str]]) -> list[str]:
    """The way from a unit back to itself; empty where there is none."""
    ways, seen = [[unit]], set[str]()
    while ways:
        way = ways.pop()
        for target in onward.get(way[-1], ()):
            if target == unit:
                return [*way, unit]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []


class Change(NamedTuple):
    """One thing that happened to a unit.

    Attributes
    ----------
    kind
        split (it took over a part of ``others``), merged (it took over all of them), replaced (it is another code for
        the same), moved (from ``others``), renamed (from ``others``), joined and left (it had units put under it, or taken).
    breaks
        Whether its series before and after tell of different things.
    """

    unit: str
    day: date
    kind: str
    others: str
    share: float
    breaks: bool


def changes(units: Sequence["Unit"], structure: str) -> list[Change]:
    """What happened to units of which there are figures in a structure (``today`` or ``as_was``)."""
    names = {row.unit: row.name for row in sorted(units, key=lambda row: row.valid_from)}
    found = [*_taken_over(units, names, structure == "as_was"), *_moved(units, names, structure == "as_was")]
    return sorted(found, key=lambda change: (change.day, change.unit))


def _taken_over(units: Sequence["Unit"], names: dict[str, str], as_was: bool) -> Iterator[Change]:
    began = {row.unit: min(other.valid_from for other in units if other.unit == row.unit) for row in units}
    whole: dict[tuple[str, date], list[str]] = {}
    for row in units:
        day = row.valid_to + ONE_DAY if row.successors else row.valid_to
        for unit, share, _ in row.successors:
            grown = as_was and began.get(unit, day) < day
            if len(row.successors) > 1:
                yield Change(unit, day, "split", names[row.unit], share, grown or not as_was)
            else:
                whole.setdefault((unit, day), []).append(row.unit)
    for (unit, day), olds in whole.items():
        grown = as_was and began.get(unit, day) < day
        kind = "replaced" if len(olds) == 1 and began.get(unit) == day else "merged"
        yield Change(unit, day, kind, ", ".join(names[old] for old in olds), 1.0, grown)


def _moved(units: Sequence["Unit"], names: dict[str, str], as_was: bool) -> Iterator[Change]:
    ordered = sorted(units, key=lambda row: (row.unit, row.valid_from))
    for before, after in pairwise(ordered):
        if before.unit != after.unit:
            continue
        if before.name != after.name:
            yield Change(after.unit, after.valid_from, "renamed", before.name, 1.0, False)
        if before.parent != after.parent:
            yield Change(after.unit, after.valid_from, "moved", names.get(before.parent, before.parent), 1.0, False)
            for parent, kind in ((before.parent, "left"), (after.parent, "joined")):
                if as_was and parent:
                    yield Change(parent, after.valid_from, kind, after.name, 1.0, True)
