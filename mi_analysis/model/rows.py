"""The rows of one file: which are data, which fact each of them fills, which cells are bad."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mi_analysis.model.columns import Parsed, matching, parse_column
from mi_analysis.model.grid import JOINED, Column, Grid, positions
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import LARGEST_DAY, YEARS, Bad, Period, fold, parse_period
from mi_analysis.parameters import Fact, Source, Wide


def spellings_of(source: Source) -> Iterator[tuple[str, str | list[str]]]:
    """Every header that the profile reads, with its model column ('' for a filter)."""
    for fact in source.facts:
        yield from fact.columns.items()
        yield from (("", header) for header in {**fact.where, **fact.where_not})
    if source.wide and source.wide.columns != "periods":
        yield from ((source.wide.into, header) for header in source.wide.columns)


def wide_places(headers: list[str], source: Source) -> dict[int, str]:
    """Columns that become rows: position and the text that stands for the header."""
    if source.wide is None:
        return {}
    if source.wide.columns != "periods":
        return {place: header for header in source.wide.columns for place in positions(headers, header)[:1]}
    texts = {place: " ".join(reversed(header.split(JOINED))) for place, header in enumerate(headers)}
    year = YEARS.start if source.period else None  # which one, `period` says
    found = {
        place: period for place, text in texts.items() if isinstance(period := parse_period(text, year=year), Period)
    }
    finest = min((period.grain for period in found.values()), key=("month", "quarter", "year").index, default="")
    return {place: texts[place] for place, period in found.items() if period.grain == finest}


def into_columns(wide: Wide, header: str) -> dict[str, str]:
    """Model columns and texts that a header of a wide file stands for."""
    return wide.columns[header] if isinstance(wide.columns, dict) else {wide.into: header}


def said_by_headers(source: Source) -> dict[str, None]:
    """Model columns that the headers of a wide file fill."""
    wide = source.wide
    if wide is None:
        return {}
    return (
        dict.fromkeys(name for says in wide.columns.values() for name in says)
        if isinstance(wide.columns, dict)
        else {wide.into: None}
    )


def wanted(headers: list[str], source: Source) -> set[int]:
    """Positions of the columns that the profile reads."""
    named = [*(spellings for _, spellings in spellings_of(source)), *source.fill_down]
    return {place for spellings in named for place in positions(headers, spellings)[:1]} | set(
        wide_places(headers, source)
    )


def no_data(grid: Grid, source: Source) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which rows are blank, total lines, notes (one sentence in the first column, nothing else)."""
    count = len(grid.rows)
    filled, total, alone = np.zeros(count, np.int32), np.zeros(count, bool), np.zeros(count, bool)
    codes = {
        place for fact in source.facts for name, spellings in fact.columns.items() for place in positions(grid.headers, spellings)
        if TABLES[fact.table].columns[name].kind in ("code", "token", "period")
    }  # fmt: skip
    markers = pa.array(sorted(map(fold, source.total_markers)), pa.string())
    endings = [" " + fold(ending) for ending in source.total_endings]
    for place, column in sorted(grid.columns.items()):
        filled_here = ~column.blank()
        if column.typed is None:
            folded = pc.utf8_rtrim(column.folded(), ":")
            marked = pc.is_in(folded, markers).to_numpy(zero_copy_only=False)
            for ending in endings:
                marked = marked | pc.ends_with(folded, ending).to_numpy(zero_copy_only=False)
            if marked.any():
                total |= column.per_row(marked) & ((filled == 0) | (place in codes)) & filled_here
        filled += filled_here
        if place == 0 and column.typed is None:
            alone = column.per_row(pc.match_substring(column.texts, " ").to_numpy(zero_copy_only=False))
    blank = filled == 0
    return blank, total & ~blank, alone & (filled == 1) & ~total & (len(grid.columns) > 1)


@dataclass
class Part:
    """One fact of the profile (of a wide file: one of its columns) over the data rows."""

    table: str
    parsed: dict[str, Parsed]
    headers: dict[str, str]
    cells: dict[str, Column]
    taken: np.ndarray

    def is_kind(self, kind: str) -> np.ndarray:
        """Rows whose period is of a kind."""
        kinds = [parsed.kind == kind for parsed in self.parsed.values() if parsed.kind is not None]
        return kinds[0] & self.taken if kinds else np.zeros(len(self.taken), bool)

    def without_number(self) -> Iterator[tuple[str, bool]]:
        """Number columns, and whether a cell that is not blank gave no number."""
        for name, values in self.numbers():
            yield name, bool((np.isnan(values) & ~self.cells[name].blank()).any())

    def numbers(self) -> Iterator[tuple[str, np.ndarray]]:
        """Conserved columns and their values, NaN where there is none."""
        for name, column in TABLES[self.table].columns.items():
            if column.conserved and name in self.parsed:
                yield name, pc.fill_null(self.parsed[name].arrays[name], np.nan).to_numpy(zero_copy_only=False)


def parts_of(data: Grid, source: Source, period: str, year: int | None) -> Iterator[Part]:
    """Each fact of the profile over the data rows, parsed.

    `period`, `year`: the period that holds for the whole file, as text, and its year.
    """
    count = len(data.rows)
    wide = wide_places(data.headers, source)
    for fact in source.facts:
        columns = TABLES[fact.table].columns
        headers = {
            name: data.headers[positions(data.headers, spellings)[0]] for name, spellings in fact.columns.items()
        }
        cells = {name: data.columns[data.headers.index(header)] for name, header in headers.items()}
        constants = dict(fact.constants)
        if "period" in columns and "period" not in cells | said_by_headers(source):
            constants.setdefault("period", period)
        cells |= {name: _constant(value, count) for name, value in constants.items()}
        taken = _taken(fact, data)

        def parse(cells: Mapping[str, Column], fact: Fact = fact) -> dict[str, Parsed]:
            return {
                name: parse_column(name, TABLES[fact.table].columns[name], column, source, fact.values.get(name, {}), year)
                for name, column in cells.items()
            }  # fmt: skip

        parsed = parse(cells)
        if not source.wide:
            yield _finished(Part(fact.table, parsed, headers, cells, taken), source, fact.factor)
            continue
        all_blank = np.logical_and.reduce([data.columns[place].blank() for place in wide])
        for place, into in wide.items():
            says = into_columns(source.wide, into)
            own = {name: _constant(text, count) for name, text in says.items()} | {
                source.wide.value: data.columns[place]
            }
            here = taken & (~data.columns[place].blank() | all_blank)
            named = headers | {source.wide.value: data.headers[place]}
            yield _finished(Part(fact.table, parsed | parse(own), named, cells | own, here), source, fact.factor)


def _constant(text: str, count: int) -> Column:
    return Column(pa.array([text], pa.string()), np.zeros(count, np.int32))


def _taken(fact: Fact, data: Grid) -> np.ndarray:
    """Rows that the fact's filters let through."""
    taken = np.ones(len(data.rows), bool)
    for wanted, filters in ((True, fact.where), (False, fact.where_not)):
        for header, patterns in filters.items():
            column = data.columns[positions(data.headers, header)[0]].as_text()
            met = np.array([found is not None for found in matching(column.texts, patterns)], bool)
            taken &= column.per_row(met) == wanted
    return taken


def _in_per_cent(part: Part, source: Source) -> None:
    """Goals in per cent become shares with the unit ``pct.``; without a unit of measure the target's text tells them."""
    target = part.cells["target"].as_text()
    written = target.per_row(pc.match_substring_regex(target.texts, "%|pct").to_numpy(zero_copy_only=False))
    nothing = Parsed({"goal_unit": pa.nulls(len(written), pa.string())}, np.zeros(len(written), np.int32), [])
    unit = part.parsed.get("goal_unit", nothing)
    told, spellings = unit.arrays["goal_unit"], r"^\s*(%|pct\.?|procent|per ?cent)\s*$"
    per_cent = pc.fill_null(pc.match_substring_regex(told, spellings, ignore_case=True), False)
    if unit is nothing:
        per_cent = pa.array(written)
    part.parsed["goal_unit"] = replace(unit, arrays={"goal_unit": pc.if_else(per_cent, "pct.", told)})
    for name in ("target", "result", "baseline") if source.percent == "points" else ():
        if parsed := part.parsed.get(name):
            shares = pc.if_else(per_cent, pc.multiply(parsed.arrays[name], 0.01), parsed.arrays[name])
            part.parsed[name] = replace(parsed, arrays=parsed.arrays | {name: shares})


def _finished(part: Part, source: Source, factor: float) -> Part:
    """Factor and signs of amounts, and the rules between cells of a row."""
    for name, _ in part.numbers() if factor != 1 else ():
        parsed = part.parsed[name]
        part.parsed[name] = replace(parsed, arrays={name: pc.multiply(parsed.arrays[name], factor)})
    for name, parsed in part.parsed.items():
        if TABLES[part.table].columns[name].kind == "amount" and source.sign != "ledger":
            group = part.parsed.get("account_group") if source.sign == "natural" else None
            turned = pc.negate(parsed.arrays[name])
            if source.sign == "natural":
                known = pc.equal(group.arrays["account_group"], "income") if group else pa.scalar(False)
                turned = pc.if_else(pc.fill_null(known, False), turned, parsed.arrays[name])
            part.parsed[name] = replace(parsed, arrays={name: turned})
    if part.table == "goals" and "target" in part.parsed:
        _in_per_cent(part, source)
    days = next((parsed.arrays["day"] for parsed in part.parsed.values() if "grain" in parsed.arrays), None)
    if days is not None and part.table in ("hours", "absence"):
        for name, values in part.numbers():
            too_many = (np.abs(values) > LARGEST_DAY) & days.is_valid().to_numpy(zero_copy_only=False)
            if TABLES[part.table].columns[name].kind == "hours":
                _reject(part, name, too_many, "over_24_hours")
    if {"received", "closed"} <= part.parsed.keys():
        received, closed = part.parsed["received"].arrays["received"], part.parsed["closed"].arrays["closed"]
        dateless = pc.equal(closed, pc.floor_temporal(closed, unit="day"))
        start = pc.if_else(dateless, pc.floor_temporal(received, unit="day"), received)
        _reject(part, "closed", _earlier(closed, start), "closed_before_received")
    if {"spell_start", "spell_end"} <= part.parsed.keys():
        begins, ends = (part.parsed[name].arrays[name] for name in ("spell_start", "spell_end"))
        _reject(part, "spell_end", _earlier(ends, begins), "spell_ends_before")
    return part


def _earlier(one: pa.Array, other: pa.Array) -> np.ndarray:
    return pc.fill_null(pc.less(one, other), False).to_numpy(zero_copy_only=False)


def _reject(part: Part, name: str, rows: np.ndarray, reason: str) -> None:
    if rows.any():
        parsed = part.parsed[name]
        bad = np.where(rows & (parsed.bad == 0), len(parsed.reasons) + 1, parsed.bad)
        part.parsed[name] = replace(parsed, bad=bad, reasons=[*parsed.reasons, reason])


def repeated(data: Grid) -> np.ndarray:
    """Rows that repeat an earlier row in every column."""
    table = pa.table({str(place): pa.array(column.as_text().codes) for place, column in data.columns.items()})
    return _later(table)


def beside_the_one(parts: list[Part], taken: np.ndarray, which: str) -> np.ndarray:
    """Rows whose key stands in an earlier (``first``) or later (``last``) row, too: an event log becomes its cases."""
    twin = np.zeros(len(taken), bool)
    for part in parts:
        keys = [part.parsed[name].arrays[name] for name in TABLES[part.table].key if name in part.parsed]
        rows = np.flatnonzero(part.taken & taken)
        rows = rows if which == "first" else rows[::-1]
        table = pa.table({str(at): key.take(pa.array(rows)) for at, key in enumerate(keys)})
        twin[rows] |= _later(table)
    return twin


def _later(table: pa.Table) -> np.ndarray:
    """Rows equal to an earlier one."""
    names = table.column_names
    first = table.append_column("at", pa.array(np.arange(table.num_rows))).group_by(names).aggregate([("at", "min")])
    later = np.ones(table.num_rows, bool)
    later[first.column("at_min").to_numpy()] = False
    return later


Cell = tuple[int, str, str, str]  # row, column, text, reason


WORDS = re.compile(r"[^\W\d_][\w'.-]+(?: +[^\W\d_][\w'.-]+)+")
"""Two words or more where a value belongs: it may be a person's name, and is not told on."""

LONGEST_TOLD = 200
"""Letters of a cell that is put aside."""


def bad_cells(parts: list[Part], data: Grid, kept: np.ndarray) -> list[Cell]:
    """Every bad cell of the rows kept so far, once; a ragged row is bad whatever its cells say."""
    cells: dict[tuple[int, str], Cell] = {}
    for place, width in data.ragged.items():
        if kept[place]:
            row = int(data.rows[place])
            cells[row, ""] = (row, "", "", str(Bad("ragged", f"{width}/{len(data.headers)}")))
    for part in parts:
        for name, parsed in part.parsed.items():
            for place in np.flatnonzero((parsed.bad > 0) & part.taken & kept).tolist():
                row, header = int(data.rows[place]), part.headers.get(name, name)
                text = "" if name == "person_key" else WORDS.sub("…", part.cells[name].text_at(place)[:LONGEST_TOLD])
                cells.setdefault((row, header), (row, header, text, parsed.reasons[parsed.bad[place] - 1]))
    return [cells[key] for key in sorted(cells)]


def repeated_keys(parts: list[Part], data: Grid, good: np.ndarray) -> list[Cell]:
    """Rows that share their key with another row of the file."""
    found: list[Cell] = []
    for table, fact in facts_of(parts, data, good, days=True).items():
        key = [name for name in ("period_start", "day", "person_key", *TABLES[table].key) if name in fact.column_names]
        counts = fact.group_by(key).aggregate([("row", "count"), ("row", "list")])
        name = next((name for name in TABLES[table].key if name in key), key[0])
        header = next(part.headers.get(name, name) for part in parts if part.table == table)
        for group in counts.filter(pc.greater(counts.column("row_count"), 1)).to_pylist():
            found += [(row, header, str(group[name]), "repeated_key") for row in sorted(set(group["row_list"]))]
    return found


def facts_of(parts: list[Part], data: Grid, good: np.ndarray, days: bool = False) -> dict[str, pa.Table]:
    """The fact tables of the good rows."""
    tables: dict[str, list[pa.Table]] = {}
    for part in parts:
        chosen = part.taken & good
        columns: dict[str, pa.Array] = {"row": pa.array(data.rows)}
        for parsed in part.parsed.values():
            columns |= parsed.arrays
        if "day" in columns and not days:
            day = columns.pop("day")
            columns |= {"date": day} if part.table == "ledger" else {}
        withheld = [parsed.withheld for parsed in part.parsed.values() if parsed.withheld is not None]
        columns["withheld"] = pa.array(np.logical_or.reduce(withheld) if withheld else np.zeros(len(good), bool))
        fact = pa.table(columns)
        tables.setdefault(part.table, []).append(fact if chosen.all() else fact.filter(pa.array(chosen)))
    return {table: pa.concat_tables(facts, promote_options="default") for table, facts in tables.items()}
