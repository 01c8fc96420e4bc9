"""Units and activities of a proposed institution, and near names of them, as lines of its file."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from mi_analysis.model.grid import Grid
from mi_analysis.model.values import fold
from mi_analysis.proposal.form import Guess, Sample
from mi_analysis.proposal.recognition import Recognised, codes_in, plain

CONFIRM = "CONFIRM: "
DOMAIN = {
    **dict.fromkeys(("units", "crosswalk", "unit_codes"), "reference"), **dict.fromkeys(("hours", "absence", "staff"), "staff"),
    **dict.fromkeys(("ledger", "budget"), "economy"), **dict.fromkeys(("cases", "volumes"), "operations"), "goals": "strategy",
}  # fmt: skip
OTHER_THAN_TEXT = ("yes", "no", "true", "false", "null", "on", "off", "y", "n")  # to some readers of YAML
MOST_CODES = 400  # of units or activities that are written out


@dataclass
class Proposed:
    """One source: its files, how they are written, what they are."""

    name: str
    files: list[str]
    sample: Sample
    found: Recognised
    guesses: list[Guess]
    facts: list[dict[str, Any]] = field(default_factory=list)
    units: dict[str, int] = field(default_factory=dict)
    activities: dict[str, int] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # unit code -> name that stands beside it

    @property
    def grid(self) -> Grid:
        """The first sample as a table: only what could be read is proposed."""
        assert self.sample.grid is not None
        return self.sample.grid


def quoted(value: Any) -> str:
    """A value as YAML: plain where that is safe, else in quotes; lists and mappings in one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)}: {quoted(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(quoted, value)) + "]"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    safe = re.fullmatch(r"[^\W\d][\w /.-]*\w|[^\W\d]", text) and text.lower() not in OTHER_THAN_TEXT
    return text if safe else json.dumps(text, ensure_ascii=False)


def plain_key(code: str) -> str:
    """What two spellings of a code have in common: digits without separators and closing zeros, else its words."""
    digits = re.sub(r"[-. /]", "", code)
    if digits.isdigit():
        return digits.rstrip("0") or digits
    drop = {"kontor", "kontoret", "for", "og", "and", "the", "of", "department", "dept", "division", "office"}
    return " ".join(word for word in plain(code).split() if word not in drop)


def near_names(codes: Mapping[str, int], known: Mapping[str, str]) -> dict[str, str]:
    """Codes that are not known, each with the known one it is near; exact codes are left out."""
    keys = {plain_key(code): code for code in known}
    keys |= {plain_key(label): code for code, label in known.items() if label}
    near = {code: get_close_matches(plain_key(code), list(keys), 1, 0.8) for code in codes if code not in known}
    return {code: keys[found[0]] for code, found in near.items() if found}


def key_lines(sources: Sequence[Proposed], kind: str, name: str) -> Iterator[str]:
    """Lines of ``units`` or ``activities``, and of other names for them."""
    table, other = ("units", "unit_codes") if kind == "unit" else ("activities", "crosswalk")
    facts = [one for one in sources if DOMAIN[one.found.table] != "reference"]
    delivered = next((one for one in sources if one.found.table == table), None)
    codes = {one.name: one.units if kind == "unit" else one.activities for one in facts}
    mapped = next((one for one in sources if one.found.table == other), None)
    labels: dict[str, str] = {}
    for one in sources:
        labels |= {code: label for code, label in one.names.items() if label} if kind == "unit" else {}
    if delivered:
        known = {code: delivered.names.get(code, "") for code in delivered.units}
        yield from _parents(delivered, name)
    elif kind == "activity" and mapped:
        known = {code: _label_of(mapped, code) for code in mapped.activities}
        yield "activities:  # the codes that the crosswalk leads to"
        yield from (
            f"  - {{ activity: {quoted(code)}, name: {quoted(label or code)} }}" for code, label in known.items()
        )
    else:
        widest = max(codes.values(), key=lambda held: (sum(code in labels for code in held), len(held)), default={})
        known = {code: labels.get(code, code) for code in list(widest)[:MOST_CODES]}
        for held in codes.values():
            near = near_names(held, known)
            known |= {code: labels.get(code, code) for code in held if code not in near and len(known) < MOST_CODES}
        root = ", parent: ALL" if kind == "unit" else ""
        yield f"{table}:  # every code that stands in the samples; {CONFIRM}names and structure"
        if kind == "unit":
            yield f"  - {{ unit: ALL, name: {quoted(name)}, level: institution }}"
        yield from (
            f"  - {{ {kind}: {quoted(code)}, name: {quoted(label or code)}{root} }}" for code, label in known.items()
        )
    taken = set(_codes_of(mapped)) if mapped else set()
    lines, of_system = [], systems(sources)
    for one in facts:
        system = of_system.get(one.name, (one.name, 1.0))[0]
        unknown = {code: rows for code, rows in codes[one.name].items() if fold(code) not in taken}
        for code, target in near_names(unknown, known).items():
            line = f"  - {{ system: {quoted(system)}, codes: {quoted(code)}, to: {quoted(target)} }}"
            lines.append(f"{line}  # {CONFIRM}near {labels.get(target) or known[target] or target}")
    if lines:
        yield f"\n{other}:  # near names: take a line away where it is wrong"
        yield from lines


def _label_of(mapped: Proposed, code: str) -> str:
    grid = mapped.grid
    words = r"aktivitetsnavn|activity name|navn|name"
    label = next((header for header in grid.headers if re.fullmatch(words, plain(header))), "")
    if not label:
        return ""
    at, names = (grid.column(header).as_text() for header in (mapped.found.columns["activity"], label))
    return next(names.text_at(row) for row in range(len(at.codes)) if at.text_at(row) == code)


def _codes_of(mapped: Proposed) -> Iterator[str]:
    yield from (fold(code) for code in codes_in(mapped.grid.column(mapped.found.columns["code"])))


def _parents(delivered: Proposed, name: str) -> Iterator[str]:
    """Units above those delivered that are not delivered themselves."""
    codes = codes_in(delivered.grid.column(delivered.found.columns["parent"]))
    above = [code for code in codes if code not in delivered.units]
    if not above:
        return
    yield f"units:  # above those in the samples; {CONFIRM}their names"
    zeros = {code: len(code) - len(code.rstrip("0")) for code in above}
    top = max(above, key=lambda code: zeros[code])
    yield f"  - {{ unit: {quoted(top)}, name: {quoted(name)}, level: institution }}"
    yield from (
        f"  - {{ unit: {quoted(code)}, name: {quoted(code)}, parent: {quoted(top)} }}" for code in above if code != top
    )


def systems(sources: Sequence[Proposed]) -> dict[str, tuple[str, float]]:
    """For each source the system of the delivered codes that most of its own codes belong to, and how many of them."""
    mapped = [one for one in sources if one.found.table in ("crosswalk", "unit_codes")]
    found: dict[str, tuple[str, float]] = {}
    for one in sources:
        for table in mapped if DOMAIN[one.found.table] != "reference" else ():
            held = set(map(fold, one.activities if table.found.table == "crosswalk" else one.units))
            if not held:
                continue
            system, code = (table.grid.column(table.found.columns[name]).as_text() for name in ("system", "code"))
            by_system: dict[str, set[str]] = {}
            for row in range(len(code.codes)):
                by_system.setdefault(system.text_at(row), set()).add(fold(code.text_at(row)))
            best = max(by_system, key=lambda name: len(by_system[name] & held))
            share = len(by_system[best] & held) / len(held)
            if share > found.get(one.name, ("", 0.0))[1]:
                found[one.name] = (best, share)
    return found
