"""Organisation history and activity crosswalk, valid over time, with shares.

Source codes become units and activities of the model by rules a person wrote down; nothing is
joined by similarity. What finds no partner is "not placed" (``~``), stays in every total, and is told.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import get_close_matches
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeVar

import pyarrow as pa

from mi_analysis.model.findings import Finding
from mi_analysis.model.history import ring
from mi_analysis.model.schema import NOT_PLACED
from mi_analysis.model.values import fold
from mi_analysis.parameters import CodeRow, Institution

REST = "*"
"""Code of a row of unit_codes that takes what no other row of its system names; what it takes is told."""
BEGINNING, END = date.min, date.max
Row = TypeVar("Row")


@dataclass(frozen=True)
class Validity:
    """A row that holds from its first to its last day, both included."""

    valid_from: date
    valid_to: date

    def overlaps(self, first: date, last: date) -> bool:
        """Whether any day of a span is within."""
        return self.valid_from <= last and first <= self.valid_to


@dataclass(frozen=True)
class Unit(Validity):
    """A unit while it had one name, parent and level."""

    unit: str
    name: str
    parent: str
    level: str
    successors: tuple[tuple[str, float, bool], ...] = ()  # unit, share, estimated


@dataclass(frozen=True)
class Activity:
    """What the work is about: the key that joins the four domains."""

    activity: str
    name: str
    name_en: str
    parent: str
    purpose: str
    output: str
    output_en: str
    standard_hours: float | None


@dataclass(frozen=True)
class Code(Validity):
    """One row of the crosswalk (``to`` is an activity) or of the other names of units."""

    system: str
    code: str
    to: str
    share: float


@dataclass(frozen=True)
class Placement:
    """Where a source code belongs on a date: targets with shares, or why there is none."""

    targets: tuple[tuple[str, float], ...]
    reason: str = ""  # "", "blank", "unknown", "gap", "outside_validity", "rest"


@dataclass(frozen=True)
class Keys:
    """Everything that says what exists, and which code means it when."""

    units: tuple[Unit, ...]
    activities: tuple[Activity, ...]
    crosswalk: tuple[Code, ...]
    unit_codes: tuple[Code, ...]

    @cached_property
    def units_by_code(self) -> dict[str, list[Unit]]:
        """Rows of each unit, in the order given."""
        return grouped(self.units, lambda row: row.unit)

    @cached_property
    def parents(self) -> dict[str, list[str]]:
        """The units right above each unit, ever."""
        return {unit: [row.parent for row in rows if row.parent] for unit, rows in self.units_by_code.items()}

    @cached_property
    def successors(self) -> dict[str, list[str]]:
        """The units that took over from each unit."""
        return {unit: [to for row in rows for to, *_ in row.successors] for unit, rows in self.units_by_code.items()}

    @cached_property
    def root(self) -> str:
        """The unit that has none above it: the institution."""
        return next((unit.unit for unit in self.units if not unit.parent), NOT_PLACED)

    @cached_property
    def changes(self) -> list[date]:
        """Days on which anything begins or has ended, newest first; between two of them a code means one thing."""
        rows: tuple[Validity, ...] = (*self.units, *self.crosswalk, *self.unit_codes)
        ends = {row.valid_to + timedelta(1) for row in rows if row.valid_to != END}
        return sorted(({row.valid_from for row in rows} | ends) - {BEGINNING}, reverse=True)

    @cached_property
    def activity_codes(self) -> set[str]:
        """Codes of all activities."""
        return {row.activity for row in self.activities}

    @cached_property
    def _crosswalk(self) -> dict[tuple[str, str], list[Code]]:
        return grouped(self.crosswalk, lambda row: (row.system, fold(row.code)))

    @cached_property
    def _unit_codes(self) -> dict[tuple[str, str], list[Code]]:
        return grouped(self.unit_codes, lambda row: (row.system, fold(row.code)))

    def place_unit(self, system: str, code: str | None, first: date, last: date) -> Placement:
        """Unit of a source code in a period; a unit used outside its validity is placed and told."""
        if not code:
            return Placement(((NOT_PLACED, 1.0),), "blank")
        rows = self._unit_codes.get((system, fold(code)), []) + self._unit_codes.get(("*", fold(code)), [])
        rest = self._unit_codes.get((system, REST), [])
        if rest and not rows and code not in self.units_by_code:
            return Placement(((rest[0].to, 1.0),), "rest")
        valid = [row for row in rows if row.overlaps(last, last)] or [row for row in rows if row.overlaps(first, last)]
        if valid:
            code = valid[0].to
        elif rows and code not in self.units_by_code:
            return Placement(((NOT_PLACED, 1.0),), "gap")
        if code not in self.units_by_code:
            return Placement(((NOT_PLACED, 1.0),), "unknown")
        if any(unit.overlaps(first, last) for unit in self.units_by_code[code]):
            return Placement(((code, 1.0),))
        return Placement(((code, 1.0),), "outside_validity")

    def place_activity(self, system: str, code: str | None, first: date, last: date) -> Placement:
        """Activities of a source code in a period, with shares that sum to one."""
        if not code:
            return Placement(((NOT_PLACED, 1.0),), "blank")
        rows = self._crosswalk.get((system, fold(code)), []) + self._crosswalk.get(("*", fold(code)), [])
        if not rows:
            known = code in self.activity_codes
            return Placement(((code if known else NOT_PLACED, 1.0),), "" if known else "unknown")
        valid = [row for row in rows if row.overlaps(last, last)] or [row for row in rows if row.overlaps(first, last)]
        if not valid:
            return Placement(((NOT_PLACED, 1.0),), "gap")
        return Placement(tuple((row.to, row.share) for row in valid))

    def near(self, kind: str, system: str, code: str) -> str:
        """Nearest known name, proposed for a person to confirm; blank when nothing is near."""
        if kind == "unit":
            names = {fold(said): unit.unit for unit in self.units for said in (unit.name, unit.unit)}
        else:
            names = {fold(row.code): row.code for row in self.crosswalk if row.system in (system, "*")}
            names |= {fold(row.name): row.activity for row in self.activities}
        found = get_close_matches(fold(code), list(names), n=1, cutoff=0.75)
        return names[found[0]] if found else ""

    def restated(self) -> list[tuple[str, str, float, bool]]:
        """Rows (unit, unit today, share, estimated): every historic unit in today's structure."""
        today = {unit.unit for unit in self.units if unit.valid_to == END}
        rows = []
        for unit in sorted(self.units_by_code):
            for target, share, estimated in self._follow(unit, today, frozenset()):
                rows.append((unit, target, share, estimated))
        return [*rows, (NOT_PLACED, NOT_PLACED, 1.0, False)]

    def _follow(self, unit: str, today: set[str], seen: frozenset[str]) -> list[tuple[str, float, bool]]:
        last = max(self.units_by_code.get(unit, []), key=lambda row: row.valid_to, default=None)
        if last is None or unit in today or not last.successors or unit in seen:
            return [(unit, 1.0, False)]
        return [
            (target, share * part, estimated or also)
            for successor, share, estimated in last.successors
            for target, part, also in self._follow(successor, today, seen | {unit})
        ]


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by key, in the order met."""
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def day(value: str | date | None, otherwise: date) -> date:
    """A day from ISO text or a date, or ``otherwise`` where it is blank."""
    if value is None or value == "":
        return otherwise
    return value if isinstance(value, date) else date.fromisoformat(value)


def keys(institution: Institution, delivered: dict[str, list[tuple[str, pa.Table]]]) -> tuple[Keys, list[Finding]]:
    """Keys of an institution, from its file and from delivered reference tables.

    `delivered`: model table (units, activities, crosswalk, unit_codes) to the tables read for it.
    """
    rows = {name: [row for _, table in tables for row in table.to_pylist()] for name, tables in delivered.items()}
    unit_rows = [row.model_dump() for row in institution.units] + rows.get("units", [])
    crosswalk = codes(institution.crosswalk, rows.get("crosswalk", []), "activity")
    activities = {
        row["activity"]: Activity(
            row["activity"], row.get("name") or row["activity"], row.get("name_en") or row.get("name") or row["activity"],
            row.get("parent") or "", row.get("purpose") or "", row.get("output") or "", row.get("output_en") or "",
            row.get("standard_hours"),
        )
        for row in rows.get("activities", []) + [row.model_dump() for row in institution.activities]
    }  # fmt: skip
    found = Keys(
        units(unit_rows), tuple(activities.values()), crosswalk,
        codes(institution.unit_codes, rows.get("unit_codes", []), "unit"),
    )  # fmt: skip
    checked, findings = check(found)
    return checked, [*findings, *two_names(unit_rows), *without_code(checked, institution)]


def two_names(rows: list[dict]) -> Iterator[Finding]:
    """Units that are called two things in one validity: the first name is used."""
    named = grouped(rows, lambda row: (row["unit"], row.get("valid_from") or "", row.get("valid_to") or ""))
    for (unit, *_), same in named.items():
        names = list(dict.fromkeys(row["name"] for row in same))
        if len(names) > 1:
            yield Finding("keys.two_names", "warn", {"unit": unit, "names": ", ".join(names), "first": names[0]})


def without_code(found: Keys, institution: Institution) -> list[Finding]:
    """Activities that a system of hours or money has no code for, where it has codes at all."""
    above = {row.parent for row in found.activities}
    systems = {
        source.system or name
        for name, source in institution.sources.items()
        if any(fact.table in ("hours", "ledger") for fact in source.facts)
    }
    findings = []
    for system in sorted(systems & {row.system for row in found.crosswalk}):
        coded = {row.to for row in found.crosswalk if row.system in (system, "*")}
        lacking = sorted(found.activity_codes - coded - above)
        if lacking:
            findings.append(Finding("keys.no_code", "note", {"system": system, "activities": ", ".join(lacking)}))
    return findings


def units(rows: list[dict]) -> tuple[Unit, ...]:
    """Units with their successors gathered: a split stands in two rows of one validity."""
    whole = grouped(
        rows, lambda row: (row["unit"], day(row.get("valid_from"), BEGINNING), day(row.get("valid_to"), END))
    )
    return tuple(
        Unit(
            first, last, unit, group[0]["name"], group[0].get("parent") or "", group[0].get("level") or "",
            tuple(
                (row["successor"], 1.0 if row.get("share") is None else row["share"],
                 bool(row.get("estimated")) or (row.get("share") or 1.0) < 1.0)
                for row in group if row.get("successor")
            ),
        )
        for (unit, first, last), group in whole.items()
    )  # fmt: skip


def codes(written: Iterable[CodeRow], delivered: list[dict], target: str) -> tuple[Code, ...]:
    """Rows of a crosswalk, from the institution's file and from deliveries."""
    rows = [row.model_dump() | {"code": code} for row in written for code in row.codes]
    rows += [row | {"to": row[target]} for row in delivered]
    return tuple(
        Code(
            day(row.get("valid_from"), BEGINNING), day(row.get("valid_to"), END), row["system"], row["code"], row["to"],
            1.0 if row.get("share") is None else row["share"],
        )
        for row in rows
    )  # fmt: skip


def check(found: Keys) -> tuple[Keys, list[Finding]]:
    """Find what would multiply or lose a row; such rows are taken out, and told."""
    findings: list[Finding] = []
    for unit, rows in found.units_by_code.items():
        findings += [
            Finding("keys.unit_overlap", "stop", {"unit": unit, "day": later.valid_from.isoformat()})
            for earlier, later in pairs(rows) if later.valid_from <= earlier.valid_to
        ]  # fmt: skip
        for row in rows:
            findings += bad_unit(found, row)
    if any(finding.severity == "stop" for finding in findings):
        whole = tuple(row if whole_successors(found, row) else replace(row, successors=()) for row in found.units)
        found = replace(found, units=first_of_overlapping(whole))
    kept: list[Code] = []
    for same in grouped(found.crosswalk, lambda row: (row.system, fold(row.code))).values():
        problem = bad_codes(found, same)
        findings += problem
        kept += [] if any(finding.severity == "stop" for finding in problem) else same
    findings += [
        Finding("keys.unknown_unit_code", "stop", {"system": code.system, "code": code.code, "unit": code.to})
        for code in found.unit_codes if code.to not in found.units_by_code
    ]  # fmt: skip
    unit_codes = tuple(row for row in found.unit_codes if row.to in found.units_by_code)
    for same in grouped(unit_codes, lambda row: (row.system, fold(row.code))).values():
        for earlier, later in pairs(same):
            if later.valid_from <= earlier.valid_to and later.to != earlier.to:
                where = {"system": later.system, "code": later.code, "day": later.valid_from.isoformat()}
                findings.append(
                    Finding("keys.unit_code_twice", "stop", where | {"unit": earlier.to, "other": later.to})
                )
                unit_codes = tuple(row for row in unit_codes if row not in same)
    return replace(found, crosswalk=tuple(kept), unit_codes=unit_codes), findings


def pairs(rows: list) -> list[tuple]:
    """Neighbours in the order of their first day."""
    ordered = sorted(rows, key=lambda row: row.valid_from)
    return list(pairwise(ordered))


def first_of_overlapping(rows: tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Units without the rows that begin before the one before has ended."""
    kept: list[Unit] = []
    for group in grouped(rows, lambda row: row.unit).values():
        last = BEGINNING
        for row in sorted(group, key=lambda row: row.valid_from):
            if not kept or kept[-1].unit != row.unit or row.valid_from > last:
                kept.append(row)
                last = row.valid_to
    return tuple(kept)


def whole_successors(found: Keys, row: Unit) -> bool:
    """Whether all of a unit goes on, once, in units that are there."""
    known = all(successor in found.units_by_code for successor, _, _ in row.successors)
    shared = abs(sum(share for _, share, _ in row.successors) - 1) <= 1e-9
    return not row.successors or (known and shared and not ring(row.unit, found.successors))


def bad_unit(found: Keys, row: Unit) -> list[Finding]:
    """What is wrong with one unit: parent, rings of parents and of successors, successors and their shares."""
    findings = []
    if row.parent and row.parent not in found.units_by_code:
        findings.append(Finding("keys.unknown_parent", "warn", {"unit": row.unit, "parent": row.parent}))
    for key, onward in (("keys.cycle", found.parents), ("keys.successor_ring", found.successors)):
        if way := ring(row.unit, onward):
            findings.append(Finding(key, "stop", {"unit": row.unit, "chain": " < ".join(way)}))
    for successor, _, _ in row.successors:
        if successor not in found.units_by_code:
            findings.append(Finding("keys.unknown_successor", "stop", {"unit": row.unit, "successor": successor}))
    total = sum(share for _, share, _ in row.successors)
    if row.successors and abs(total - 1) > 1e-9:
        findings.append(Finding("keys.successor_shares", "stop", {"unit": row.unit, "total": round(total, 6)}))
    return findings


def bad_codes(found: Keys, rows: list[Code]) -> list[Finding]:
    """Problems of one source code: unknown activity, shares that do not sum to one on a day, gaps."""
    where: dict[str, object] = {"system": rows[0].system, "code": rows[0].code}
    findings = [
        Finding("keys.unknown_activity", "stop", where | {"activity": row.to})
        for row in rows if row.to not in found.activity_codes
    ]  # fmt: skip
    days = sorted({row.valid_from for row in rows})
    for first in days:
        total = sum(row.share for row in rows if row.overlaps(first, first))
        if abs(total - 1) > 1e-9:
            says = {"day": first.isoformat(), "total": round(total, 6)}
            findings.append(Finding("keys.shares", "stop", where | says))
    for earlier, later in pairs(rows):
        if earlier.valid_to != END and (later.valid_from - earlier.valid_to).days > 1:
            says = {"last": earlier.valid_to.isoformat(), "next": later.valid_from.isoformat()}
            findings.append(Finding("keys.gap", "warn", where | says))
    return findings
