"""A first `institution.yaml` from a folder of sample deliveries: what each file is, with the reason beside each guess.

What a person has to confirm is marked ``CONFIRM``. Near names are proposed as other names of a unit or activity, never
joined silently: a person takes the line away where it is wrong.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np

from mi_analysis.model.rows import repeated
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import Period, fold, parse_period
from mi_analysis.proposal.form import Guess, Sample, look_at
from mi_analysis.proposal.names import CONFIRM, DOMAIN, Proposed, key_lines, quoted, systems
from mi_analysis.proposal.recognition import Recognised, codes_in, counts, mapped_texts, plain, recognise, wide_headers

MONTHS_IN_NAMES = (
    r"(20[0-9]{2}-?(?:0[1-9]|1[0-2]|M(?:0[1-9]|1[0-2])))",
    r"([A-Za-z]{3,9}-20[0-9]{2})",
    r"(20[0-9]{2})",
)


@dataclass(frozen=True)
class Draft:
    """The text of an `institution.yaml`, what needs a person, and files nothing was made of."""

    text: str
    sources: int
    to_confirm: int
    left_out: tuple[str, ...]


def draft(folder: Path, shown: str, name: str) -> Draft:
    """Propose an institution from every file in a folder.

    Parameters
    ----------
    shown
        The folder as it is to stand in the file.
    """
    files = sorted(file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
    left_out, sources = [], list[Proposed]()
    for file in files:
        sample = look_at(file.read_bytes(), file.relative_to(folder).as_posix())
        wide = set(wide_headers(sample.grid)) if sample.grid is not None else set()
        found = recognise(sample.grid, sample.source(), wide, file.name) if sample.grid is not None else None
        if found is None or sample.grid is None:
            left_out.append(f"{sample.file}: {sample.trouble or 'no table of the model has these columns'}")
            continue
        same = next((one for one in sources if _alike(one, sample, found, wide)), None)
        if same:
            same.files.append(sample.file)
            if sample.settings.get("encoding") != same.sample.settings.get("encoding"):
                same.guesses = [guess for guess in same.guesses if guess.name != "encoding"]
            _collect(same, sample)
            continue
        made = Proposed("", [sample.file], sample, found, list(sample.guesses))
        sources.append(made)
        _collect(made, sample)
    for one in sources:
        one.name = _source_name(one, [other.name for other in sources])
        one.facts = [*_facts(one)]
        one.guesses.insert(0, _files(one, sources))
    text = "\n".join(_lines(sources, shown, name)) + "\n"
    return Draft(text, len(sources), text.count(CONFIRM), tuple(left_out))


def _alike(one: Proposed, sample: Sample, found: Recognised, wide: set[int]) -> bool:
    """Whether a sample is a delivery of a source: the same columns (one may have more), written in the same way.

    UTF-8 and Windows-1252 are one: the reader tells them apart in each file.
    """
    same = (one.found.table, one.found.columns) == (found.table, found.columns)
    if sample.grid is None or not same:
        return False
    if wide and one.sample.grid is not None and one.sample.grid.headers != sample.grid.headers:  # each year's months
        return False
    ways = [(each.file.rpartition(".")[2], each.settings.get("encoding") == "utf-16", each.settings.get("delimiter"), each.settings.get("decimal"))
            for each in (one.sample, sample)]  # fmt: skip
    held, other = ({fold(header) for header in grid.headers if header} for grid in (one.grid, sample.grid))
    return ways[0] == ways[1] and (held <= other or other <= held)


def _collect(one: Proposed, sample: Sample) -> None:
    """Codes of units and activities in a sample, and names beside them."""
    assert sample.grid is not None
    for kind, codes in (("unit", one.units), ("activity", one.activities)):
        header = one.found.columns.get(kind)
        if header in sample.grid.headers:
            for code, rows in codes_in(sample.grid.column(header)).items():
                codes[code] = codes.get(code, 0) + rows
    header, beside = one.found.columns.get("unit"), _name_beside(one.found, sample)
    if header and beside:
        unit, label = (sample.grid.column(text).as_text() for text in (header, beside))
        for row in range(min(len(unit.codes), 5_000)):
            one.names.setdefault(unit.text_at(row), label.text_at(row))


def _name_beside(found: Recognised, sample: Sample) -> str:
    """The column that names the unit: the one after it that says name."""
    headers = sample.grid.headers if sample.grid is not None else []
    words = r"enhedsnavn|stednavn|org name|unit name|kontornavn|afdelingsnavn|navn|name"
    others = (header for header in headers if header not in found.columns.values())
    return next((header for header in others if re.fullmatch(words, plain(header))), "")


def _source_name(one: Proposed, taken: Sequence[str]) -> str:
    table = {"hours": "time", "volumes": "counts"}.get(one.found.table, one.found.table)
    return table if table not in taken else f"{table}_{sum(name.startswith(table) for name in taken) + 1}"


def pattern_of(files: Sequence[str]) -> str:
    """A file pattern that the samples and their successors meet: digits and months become ``*``."""
    folder, slash, first = files[0].rpartition("/")
    stems = [file.rpartition("/")[2] for file in files]
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*stems, strict=False))
    common = "".join(letters[0] for letters in alike)
    stem, dot, ending = first.partition(".")
    digits = r"[0-9]+(?:[-_.MQK]?[0-9]+)*"
    stem = re.sub(digits, "*", stem) if len(files) == 1 else re.sub("[0-9].*", "", common) + "*"
    return folder + slash + stem + dot + ending


def _files(one: Proposed, sources: Sequence[Proposed]) -> Guess:
    """Pattern of a source's files; the samples themselves where it would take another source's too."""
    pattern = pattern_of(one.files)
    others = [file for other in sources if other is not one for file in other.files if fnmatch(file, pattern)]
    if others:
        return Guess("files", one.files, f"no pattern of digits tells these from {others[0]}", False)
    return Guess("files", [pattern], "what changes from month to month is *")


# --- what a source fills -------------------------------------------------------------------------------------------


def _facts(one: Proposed) -> Iterator[dict[str, Any]]:
    """The facts of a source; settings that go with them are added to its guesses."""
    found, grid = one.found, one.grid
    columns = dict(found.columns)
    wide = [grid.headers[place] for place in wide_headers(grid)]
    constants: dict[str, str] = {}
    if wide and found.table in ("budget", "volumes"):
        value = "amount" if found.table == "budget" else "value"
        columns.pop("period", None)
        how = {"columns": "periods", "into": "period", "value": value}
        one.guesses.append(Guess("wide", how, f"{len(wide)} headers are periods"))
        if not [*wide_headers(grid, None)]:  # months without a year
            one.guesses.append(_period_of_name(one.files))
    elif "period" in TABLES[found.table].columns and "period" not in columns:
        one.guesses.append(_period_of_name(one.files))
    if found.table == "budget" and "version" not in columns:
        constants["version"] = "GB"
    if found.table == "goals" and "direction" not in columns:
        constants["direction"] = "higher"
    unit = grid.column(columns["unit"]) if "unit" in columns else None
    blank = unit.blank() if unit is not None and found.table in ("budget", "volumes") else np.ones(1, bool)
    if 0 < blank.mean() < 0.95 and not blank[0]:
        why = f"{blank.mean():.0%} of the cells are blank under a filled one"
        one.guesses.append(Guess("fill_down", [columns["unit"]], why))
    if found.table == "cases" and (twins := int(repeated(grid).sum())):
        one.guesses.append(Guess("duplicates", "drop_exact", f"{twins} rows repeat another in every column"))
    fact: dict[str, Any] = {"table": found.table, "columns": columns, "values": found.values, "constants": constants}
    accounts = columns.get("account") if found.table == "ledger" else None
    codes = codes_in(grid.column(accounts)) if accounts else {"": 0}
    if all(re.fullmatch(r"[12][0-9]{5}", code) for code in codes):
        columns["account_group"] = columns["account"]
        found.values["account_group"] = {"11*": "income", "18*": "pay", "*": "other"}
        found.unsure.append("account_group: which accounts are income and pay")
    if found.table == "staff" and "person_key" not in columns:
        per = "one row per person" if len(one.units) * 3 < len(grid.rows) and "pay" in columns else ""
        fact["persons"] = "rows" if per else "none"
    absent = re.compile("fraværstype|fraværsart|absence type")
    kind = next((header for header in grid.headers if absent.fullmatch(plain(header))), "")
    if found.table == "hours" and kind:
        yield fact | {"where": {kind: [""]}}
        texts = Recognised("absence")
        tokens = TABLES["absence"].columns["absence_type"].tokens
        mapped_texts("absence_type", tokens, grid.column(kind), texts)
        taken = {name: columns[name] for name in ("unit", "period", "person_key") if name in columns}
        one.found.unsure += texts.unsure
        yield {
            "table": "absence", "columns": taken | {"absence_type": kind, "absence_hours": columns["hours"]},
            "where": {kind: ["*"]}, "values": texts.values,
        }  # fmt: skip
    elif found.table == "volumes" and not wide:
        for header in counts(grid, one.sample.source(), found):
            yield fact | {"columns": columns | {"value": header}, "constants": {"name": _count_name(header)}}
    else:
        if found.table == "absence" and "absence_type" not in columns:
            constants["absence_type"] = "sick"
        yield fact


def _count_name(header: str) -> str:
    words = plain(header)
    for name, pattern in (("received", r"modtaget|received|attendances|nye"), ("closed", r"besvaret|afsluttet|closed|færdig"),
                          ("stock", r"ubesvaret|ultimo|verserende|open|stock"), ("planned", r"planlagt|planned")):  # fmt: skip
        if re.fullmatch(pattern, words):
            return name
    return words.replace(" ", "_")


def _period_of_name(files: Sequence[str]) -> Guess:
    """The period out of the files' names; else the year to be written."""
    for pattern in MONTHS_IN_NAMES:
        texts = [match[1] for file in files if (match := re.search(pattern, file.rpartition("/")[2]))]
        if len(texts) == len(files) and all(isinstance(parse_period(text), Period) for text in texts):
            return Guess("period", pattern, f"no column is a period; the name says {texts[0]}", len(files) > 1)
    return Guess("period", "2025", "no column and no name says the period: write it", False)


# --- the text ------------------------------------------------------------------------------------------------------


def _lines(sources: Sequence[Proposed], shown: str, name: str) -> Iterator[str]:
    """The file, line by line."""
    yield f"# Proposed from the samples in {shown}. Each line says why; search for {CONFIRM.strip()} and decide."
    yield f"name: {{ da: {quoted(name)}, en: {quoted(name)} }}  # {CONFIRM}the name in print"
    yield f"deliveries: {{ folder: {quoted(shown)} }}"
    yield "\nsources:"
    of_system = systems(sources)
    for one in sources:
        found = one.found
        read = ", ".join(found.columns)
        yield f"  {one.name}:  # {len(one.files)} sample{'s' * (len(one.files) > 1)}: {', '.join(one.files[:3])}{', ...' * (len(one.files) > 3)}"
        yield f"    domain: {DOMAIN[found.table]}  # table {found.table}: it has {read}"
        if one.name in of_system:
            system, share = of_system[one.name]
            yield f"    system: {quoted(system)}  # {share:.0%} of its codes are {system}'s"
        for guess in one.guesses:
            yield f"    {guess.name}: {quoted(guess.value)}  # {'' if guess.sure else CONFIRM}{guess.why}"
        yield "    facts:"
        for fact in one.facts:
            yield f"      - table: {fact['table']}"
            if fact.get("persons"):
                why = f"{CONFIRM}each row is one person" if fact["persons"] == "rows" else "no column is a person"
                yield f"        persons: {fact['persons']}  # {why}"
            yield "        columns:"
            for column, header in fact["columns"].items():
                yield f"          {column}: {quoted(header)}"
            for part in ("where", "constants"):
                if fact.get(part):
                    doubt = "what it counts" if "name" in fact[part] else "it holds for every row"
                    unsure = f"  # {CONFIRM}{doubt}" if part == "constants" else ""
                    yield f"        {part}: {quoted(fact[part])}{unsure}"
            if fact.get("values"):
                yield "        values:"
                for column, mapping in fact["values"].items():
                    doubtful = [text for text in found.unsure if text.startswith(f"{column}: ")]
                    unsure = f"  # {CONFIRM}{'; '.join(doubtful)[:120]}" if doubtful else ""
                    yield f"          {column}: {quoted(mapping)}{unsure}"
        none = "activity" in TABLES[found.table].columns and "activity" not in found.columns
        least, why = (", smallest_mapped_share: 0", "no column is an activity; ") if none else ("", "")
        yield f'    contract: {{ owner: "", content: ""{least} }}  # {CONFIRM}{why}who delivers it; due_working_day when it is due\n'
    for kind in ("unit", "activity"):
        yield from key_lines(sources, kind, name)
        yield ""
