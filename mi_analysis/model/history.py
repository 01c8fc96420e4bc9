"""The organisation over time: what each unit stood under, day by day, and what changed when."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from mi_analysis.model.schema import NOT_PLACED

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

    `rows`: unit, the unit above it (blank: none) and the first day of that.
    """
    held: dict[str, list[tuple[date, str]]] = {}
    for unit, parent, first in sorted(rows, key=lambda row: (row[0], row[2])):
        held.setdefault(unit, []).append((first, parent))
    spans: dict[str, list[tuple[date, tuple[str, ...]]]] = {unit: [] for unit in held}
    for day in sorted({first for steps in held.values() for first, _ in steps} | {date.min}):
        begun = {unit: [step for step in steps if step[0] <= day] or steps[:1] for unit, steps in held.items()}
        parents = known_parents({unit: steps[-1][1] for unit, steps in begun.items()})
        for unit, stood in spans.items():
            above = chain(unit, parents)
            if not stood or stood[-1][1] != above:
                stood.append((day, above))
    found = []
    for unit, stood in spans.items():
        ends = [first - ONE_DAY for first, _ in stood[1:]] + [date.max]
        found += [Stint(unit, above, first, last) for (first, above), last in zip(stood, ends, strict=True)]
    return found


def known_parents(parents: Mapping[str, str]) -> dict[str, str]:
    """The unit above each unit; blank where that is no unit."""
    return {unit: parent if parent in parents else "" for unit, parent in parents.items()}


def chain(unit: str, parents: Mapping[str, str]) -> tuple[str, ...]:
    """The unit and every unit above it."""
    found: list[str] = []
    while unit and unit not in found:
        found.append(unit)
        unit = parents.get(unit, "")
    return tuple(found)


Shares = list[tuple[str, str, float]]
"""Unit as delivered, unit of the structure of which it is a part, share."""


def standing(
    structure: str, units: Iterable[tuple[str, str, date]], mapped: Shares
) -> tuple[Shares, dict[str, list[Stint]]]:
    """What each unit is part of in a structure, and what those stand under.

    Parameters
    ----------
    structure
        ``today``: every unit as a part of today's, under what those stand under now, whatever the day; ``as_was``: every unit
        by itself, under what it stood under on each day.
    units
        Unit, the unit above it (blank: none) and the first day of that, the newest last.
    mapped
        Every unit in today's structure.
    """
    if structure == "as_was":
        held = {NOT_PLACED: [Stint(NOT_PLACED, (NOT_PLACED,), date.min, date.max)]}
        for one in stints(units):
            held.setdefault(one.unit, []).append(one)
        return [(unit, unit, 1.0) for unit in held], held
    parents = known_parents({unit: parent for unit, parent, _ in units})
    return mapped, {unit: [Stint(unit, chain(unit, parents), date.min, date.max)] for _, unit, _ in mapped}


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
