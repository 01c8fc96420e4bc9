"""A table of text between a file and its values: headers, columns, row numbers.

A column is held as its distinct texts and, per row, which of them it is, so that a text is parsed once
however often it stands in the file; columns of a parquet file stay typed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mi_analysis.model.values import fold, tidy
from mi_analysis.parameters import Source

TITLE_ROWS = 200  # as far down as a header is looked for
ALIKE = 0.8  # of a header and what it was thought to be
JOINED = " / "  # between the rows of a header: "2025 / jan."


class Unreadable(Exception):
    """A file that cannot be read as a table; holds the key of a finding and its values."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key, self.values = key, values


@dataclass(frozen=True)
class Column:
    """Distinct texts, and per row the position of its text; or an array that came typed."""

    texts: pa.StringArray
    codes: np.ndarray
    typed: pa.Array | None = None

    @classmethod
    def of(cls, array: pa.Array | pa.ChunkedArray) -> "Column":
        """Tidy text of an array; numbers and dates as text too."""
        array = array.unify_dictionaries().combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if pa.types.is_floating(array.type):
            whole = pc.cast(array, pa.int64(), safe=False)
            is_whole = pc.all(pc.equal(pc.cast(whole, array.type, safe=False), array)).as_py()
            array = whole if is_whole else array
        if not pa.types.is_dictionary(array.type):
            array = pc.fill_null(pc.cast(array, pa.string()), "").dictionary_encode()
        codes = pc.fill_null(array.indices, len(array.dictionary)).to_numpy(zero_copy_only=False)
        texts = pa.concat_arrays([pc.cast(array.dictionary, pa.string()), pa.array([""], pa.string())])
        return cls(_tidy_all(texts), codes.astype(np.int32))

    def as_text(self) -> "Column":
        """The column as text, however it came."""
        return self if self.typed is None else Column.of(self.typed)

    def folded(self) -> pa.StringArray:
        """`fold` of each distinct text."""
        return pc.utf8_lower(pc.replace_substring(self.texts, "–", "-"))

    def per_row(self, of_text: np.ndarray) -> np.ndarray:
        """What holds for each distinct text, row by row."""
        return of_text[self.codes]

    def blank(self) -> np.ndarray:
        """Which rows have no text or value."""
        if self.typed is not None:
            return self.typed.is_null(nan_is_null=True).to_numpy(zero_copy_only=False)
        return self.per_row(pc.equal(self.texts, "").to_numpy(zero_copy_only=False))

    def text_at(self, row: int) -> str:
        """The cell's text."""
        if self.typed is None:
            return self.texts[int(self.codes[row])].as_py()
        value = self.typed[row].as_py()
        return "" if value is None else str(value)

    def take(self, rows: np.ndarray) -> "Column":
        """Some of the rows, by position."""
        if self.typed is None:
            return Column(self.texts, self.codes[rows])
        return Column(self.texts, self.codes, self.typed.take(pa.array(rows)))

    def filled_down(self) -> "Column":
        """Blank cells take the text above them."""
        filled = np.maximum.accumulate(np.where(self.blank(), 0, np.arange(len(self.codes))))
        return Column(self.texts, self.codes[filled])


def _tidy_all(texts: pa.StringArray) -> pa.StringArray:
    """`tidy`, at once for the many texts that only need trimming."""
    trimmed = pc.utf8_trim_whitespace(texts)
    odd = pc.or_(pc.invert(pc.string_is_ascii(trimmed)), pc.match_substring_regex(trimmed, r"\s\s|[\t\r\n\v\f]"))
    if not pc.any(odd).as_py():
        return trimmed
    return pc.replace_with_mask(trimmed, odd, pa.array(map(tidy, trimmed.filter(odd).to_pylist()), pa.string()))


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Attributes
    ----------
    titles
        Texts of the rows above the header.
    rows
        1-based line (csv) or row of each row below the header.
    columns
        By position in ``headers``; of a parquet file only those wanted.
    ragged
        Number of cells of the rows that have more or fewer than the header, by position.
    """

    titles: list[str]
    headers: list[str]
    header_row: int
    rows: np.ndarray
    columns: dict[int, Column]
    ragged: dict[int, int] = field(default_factory=dict)

    def column(self, header: str) -> Column:
        """The column under a header."""
        return self.columns[self.headers.index(header)]

    def take(self, rows: np.ndarray) -> "Grid":
        """Some of the rows, by position."""
        place = {int(old): new for new, old in enumerate(rows)} if self.ragged else {}
        ragged = {place[row]: width for row, width in self.ragged.items() if row in place}
        columns = {position: column.take(rows) for position, column in self.columns.items()}
        return Grid(self.titles, self.headers, self.header_row, self.rows[rows], columns, ragged)


# Headers

Span = tuple[tuple[int, int], tuple[int, int]]
"""First and last cell of a range, by row and column."""


def positions(headers: list[str], spellings: str | list[str]) -> list[int]:
    """Columns with one of the spellings as header, or as its last row."""
    names = {fold(spelling) for spelling in ([spellings] if isinstance(spellings, str) else spellings)}
    exact = [place for place, header in enumerate(headers) if fold(header) in names]
    return exact or [place for place, header in enumerate(headers) if fold(header.rpartition(JOINED)[2]) in names]


def header_at(rows: list[list[str]], header: int | list[str]) -> int:
    """Position of the first header row; of names, the row that has most of them."""
    if isinstance(header, int):
        if header > len(rows):
            raise Unreadable("no_header_row", header=header, rows=len(rows))
        if not any(map(tidy, rows[header - 1])):
            raise Unreadable("blank_header", header=header)
        return header - 1
    names = set(map(fold, header))
    found = [len(names & set(map(fold, row))) for row in rows[:TITLE_ROWS]]
    if not found or not max(found):
        said = {"names": ", ".join(header), "rows": min(len(rows), TITLE_ROWS)}
        for number, row in enumerate(rows[:TITLE_ROWS], 1):
            for cell in row:
                if get_close_matches(fold(cell), names, 1, ALIKE):
                    raise Unreadable("header_near", near=tidy(cell), row=number, **said)
        raise Unreadable("header_not_found", **said)
    return found.index(max(found))


def find_header(rows: list[list[str]], source: Source, merged: Sequence[Span] = ()) -> tuple[int, int, list[str]]:
    """Position of the header's first row (-1: there is none) and of the first row below it, and the headers."""
    if source.header == 0:
        return -1, 0, source.names
    top = header_at(rows, source.header)
    first = top + source.header_rows
    inside = [
        ((start[0] - top, start[1]), (end[0] - top, end[1])) for start, end in merged if top <= start[0] and end[0] < first
    ]  # fmt: skip
    return top, first, join_headers(rows[top:first], inside)


def join_headers(rows: list[list[str]], merged: Sequence[Span]) -> list[str]:
    """Header rows as one: "first / second", merged cells repeated over the columns they cover."""
    width = max(map(len, rows))
    cells = [[*map(tidy, row), *[""] * (width - len(row))] for row in rows]
    for (top, left), (bottom, right) in merged:
        for row in range(top, bottom + 1):
            cells[row][left : right + 1] = [cells[top][left]] * len(cells[row][left : right + 1])
    if not merged:
        for upper in cells[:-1]:
            for place in range(1, width):
                upper[place] = upper[place] or upper[place - 1]
    return [JOINED.join(dict.fromkeys(part for part in parts if part)) for parts in zip(*cells, strict=True)]


def titles_of(rows: list[list[str]]) -> list[str]:
    """The text of each row, its cells joined."""
    return [tidy(" ".join(cell for cell in row if cell)) for row in rows]
