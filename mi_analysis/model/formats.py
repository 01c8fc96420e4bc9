"""Files as tables of text: csv and tab files, xlsx, parquet. Nothing is read as a value here."""

import codecs
import csv
import datetime
import functools
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import islice
from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook

from mi_analysis.model.grid import TITLE_ROWS, Column, Grid, Unreadable, find_header, titles_of
from mi_analysis.model.values import fold
from mi_analysis.parameters import Source

csv.field_size_limit(2**31 - 1)  # a cell as long as it likes: what is in it is judged, not its length
SHEET_STEP = 10_000_000  # row 5 of the second sheet read is row 10,000,005
CHUNK = 65_536
HEAD = 1_000_000  # letters of a large text in which its header is looked for
DISTINCT = pa.dictionary(pa.int32(), pa.string())
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


MOST_TIMES, SMALL_UNPACKED = 200, 200_000_000

Wanted = Callable[[list[str]], set[int]]


def read_grid(content: bytes, name: str, source: Source, wanted: Wanted) -> Grid:
    """The table in a file's bytes.

    `wanted`: given the headers, the positions of the columns that are read.

    Raises `Unreadable`: the file is no table that the profile describes.
    """
    name = name.lower()
    if name.endswith(".gz"):
        content, name = _unpacked(content), name.removesuffix(".gz")
    if not content.strip():
        raise Unreadable("empty")
    if name.endswith(".parquet"):
        return _read_parquet(content, wanted, whole=source.duplicates == "drop_exact")
    if name.endswith((".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")):
        return _read_workbook(content, source, wanted)
    return _read_text(content, source)


def _unpacked(content: bytes) -> bytes:
    most = most_unpacked(content)
    try:
        with gzip.open(io.BytesIO(content)) as packed:
            text = packed.read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise Unreadable("unreadable_gz", bytes=len(content)) from error
    if len(text) > most:
        raise Unreadable("unpacks_too_far", bytes=len(content), most=most)
    return text


def most_unpacked(content: bytes) -> int:
    """Bytes that a packed file may hold: text packs 5 to 50 times, what is made to fill a memory a thousand times."""
    return max(SMALL_UNPACKED, MOST_TIMES * len(content))


# csv


def decode(content: bytes, encoding: str | None) -> str:
    """Text of bytes: by byte order mark, else as declared, else strict UTF-8, else Windows-1252."""
    marked = next((name for bom, name in BOMS.items() if content.startswith(bom)), None)
    tried = [marked or encoding] if marked or encoding else ["utf-8", "cp1252"]
    for attempt in tried:
        try:
            text = content.decode(str(attempt))
        except UnicodeDecodeError as error:
            place = content.count(b"\n", 0, error.start) + 1
            problem = Unreadable("wrong_encoding", encoding=attempt, row=place, byte=f"{content[error.start]:#04x}")
        else:
            if "\0" in text:
                raise Unreadable("wrong_encoding", encoding=attempt, row=1, byte="0x00")
            return text
    raise problem


def _records(text: str, source: Source) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each record; a quoted line break belongs to its record."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=source.delimiter, quotechar=source.quotechar, strict=True
    )
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable("broken_quotes", row=line, quote=source.quotechar) from error


def _read_text(content: bytes, source: Source) -> Grid:
    text = decode(content, source.encoding)
    quoted = source.quotechar in text
    start = text if quoted else text[: text.find("\n", HEAD) + 1 or None]  # without quotes a record is a line
    head = list(islice(_records(start, source), TITLE_ROWS + source.header_rows))
    rows = [cells for _, cells in head]
    top, first, headers = find_header(rows, source)
    if top >= 0:
        _check_delimiter(rows[top], source.delimiter)
    elif len(rows[0]) != len(headers):
        raise Unreadable("columns_count", found=len(rows[0]), expected=len(headers))
    try:
        body = _slow_body if quoted else _fast_body
        lines, columns, ragged = body(text, source, first, len(headers))
    except pa.ArrowInvalid:  # a line longer than a block of the fast reader
        lines, columns, ragged = _slow_body(text, source, first, len(headers))
    return Grid(titles_of(rows[: max(top, 0)]), headers, top + 1, lines, dict(enumerate(columns)), ragged)


def _check_delimiter(cells: list[str], delimiter: str) -> None:
    if len(cells) == 1:
        other = next((mark for mark in ";\t,|" if mark != delimiter and mark in cells[0]), None)
        if other:
            told, found = (mark.replace("\t", "tab") for mark in (delimiter, other))
            raise Unreadable("wrong_delimiter", delimiter=told, found=found)


Body = tuple[np.ndarray, list[Column], dict[int, int]]


def _slow_body(text: str, source: Source, first: int, width: int) -> Body:
    """The body by Python's csv module: exact with quotes and line breaks in cells."""
    records = islice(_records(text, source), first, None)
    lines: list[int] = []
    chunks: list[list[pa.Array]] = []
    ragged: dict[int, int] = {}
    while chunk := list(islice(records, CHUNK)):
        for place, (_, cells) in enumerate(chunk):
            if len(cells) != width:
                _mend(cells, width, len(lines) + place, ragged)
        lines.extend(line for line, _ in chunk)
        chunks.append([pa.array(cells, pa.string()) for cells in zip(*(cells for _, cells in chunk), strict=True)])
    columns = [Column.of(pa.chunked_array([chunk[place] for chunk in chunks], pa.string())) for place in range(width)]
    return np.array(lines, np.int64), columns, ragged


def _mend(cells: list[str], width: int, row: int, ragged: dict[int, int]) -> None:
    """Bring a record to the header's width; remember it unless only blank cells made the difference."""
    while len(cells) > width and not cells[-1].strip():
        cells.pop()
    if len(cells) != width and cells:
        ragged[row] = len(cells)
    cells[width:] = []
    cells.extend([""] * (width - len(cells)))


def _fast_body(text: str, source: Source, first: int, width: int) -> Body:
    """The body of a file without quotes, where a record is a line: ten times as fast."""
    odd: list[tuple[int, list[str]]] = []

    def keep(row: pyarrow.csv.InvalidRow) -> str:
        odd.append((row.number, row.text.split(source.delimiter)))
        return "skip"

    names = [str(place) for place in range(width)]
    if not text.endswith("\n"):
        text += "\n"  # a file that ends with its header has no body
    table = pyarrow.csv.read_csv(
        io.BytesIO(text.encode()),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, skip_rows=first, column_names=names),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=source.delimiter, quote_char=False, ignore_empty_lines=False, invalid_row_handler=keep
        ),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, DISTINCT)),
    )
    lines = np.arange(first + 1, first + 1 + table.num_rows + len(odd), dtype=np.int64)
    ragged: dict[int, int] = {}
    if odd:
        lines = np.concatenate([np.setdiff1d(lines, [line for line, _ in odd]), [line for line, _ in odd]])
        for place, (_, cells) in enumerate(odd, start=table.num_rows):
            _mend(cells, width, place, ragged)
        added = pa.table({name: [cells[place] for _, cells in odd] for place, name in enumerate(names)})
        table = pa.concat_tables([table, added.cast(table.schema)])
        order = np.argsort(lines)
        lines, table = lines[order], table.take(pa.array(order))
        ragged = {int(np.flatnonzero(order == place)[0]): cells for place, cells in ragged.items()}
    return lines, [Column.of(table.column(name)) for name in names], ragged


# xlsx


BROKEN = (CalamineError, OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error, ElementTree.ParseError)
"""What reading a damaged workbook ends with."""


def _read_workbook(content: bytes, source: Source, wanted: Wanted) -> Grid:
    """Sheets as named, below each other; else the sheet with most of the columns that are read."""
    try:
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as package:
                if sum(part.file_size for part in package.infolist()) > (most := most_unpacked(content)):
                    raise Unreadable("unpacks_too_far", bytes=len(content), most=most)
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        errors = _error_cells(content) if zipfile.is_zipfile(io.BytesIO(content)) else {}
        sheets = {
            name: book.get_sheet_by_name(name) for name in source.sheets or book.sheet_names if name in book.sheet_names
        }
    except BROKEN as error:
        raise Unreadable("unreadable_workbook", bytes=len(content)) from error
    unknown = [sheet for sheet in source.sheets if sheet not in sheets]
    if unknown:
        raise Unreadable("no_sheet", sheet=unknown[0], sheets=", ".join(book.sheet_names))
    grids: list[Grid] = []
    for name, sheet in sheets.items():
        try:
            grids.append(_read_sheet(sheet, errors.get(name, {}), source))
        except Unreadable as problem:
            if source.sheets or (name == list(sheets)[-1] and not grids):
                raise problem
    return _stacked(grids) if source.sheets else max(grids, key=lambda grid: len(wanted(grid.headers)))


def _read_sheet(sheet: CalamineSheet, errors: dict[tuple[int, int], str], source: Source) -> Grid:
    cells = sheet.to_python(skip_empty_area=False)
    for (row, place), text in errors.items():
        cells[row][place] = text
    rows = [[cell_text(cell, source.decimal) for cell in row] for row in cells[: TITLE_ROWS + source.header_rows]]
    top, first, headers = find_header(rows, source, sheet.merged_cell_ranges or [])
    body = [*zip(*cells[first:], strict=True)] or [()] * len(headers)
    columns = [Column.of(pa.array(_texts_of(cells, source.decimal), pa.string())) for cells in body[: len(headers)]]
    lines = np.arange(first + 1, 1 + len(cells), dtype=np.int64)
    return Grid(titles_of(rows[: max(top, 0)]), headers, top + 1, lines, dict(enumerate(columns)))


def _texts_of(cells: Sequence[object], decimal: str) -> Sequence[str]:
    """The cells of a column as texts; a value that stands in many of them is written once."""
    kinds = set(map(type, cells))
    if len(kinds & {bool, int, float}) > 1:  # True == 1 == 1.0, but they are not written alike
        return [cell_text(cell, decimal) for cell in cells]
    known = {cell: cell_text(cell, decimal) for cell in set(cells)}
    return [known[cell] for cell in cells]


def cell_text(value: object, decimal: str) -> str:
    """A cell as a person would have typed it, with every digit."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "SAND" if value else "FALSK"
    if isinstance(value, int | float):
        return f"{Decimal(repr(value)):f}".removesuffix(".0").replace(".", decimal)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ", "seconds").removesuffix(" 00:00:00")
    if isinstance(value, datetime.time):
        value = datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
    if isinstance(value, datetime.timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02d}" + (f":{seconds:02d}" if seconds else "")
    return str(value)


def _error_cells(content: bytes) -> dict[str, dict[tuple[int, int], str]]:
    """Cells that hold an Excel error, by sheet; the reader gives them as blank."""
    found: dict[str, dict[tuple[int, int], str]] = {}
    links = "xl/_rels/workbook.xml.rels"
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        if links not in package.namelist():
            return found
        targets = {
            link.get("Id"): "xl/" + str(link.get("Target")).removeprefix("/xl/")
            for link in ElementTree.fromstring(package.read(links))
        }
        for sheet in ElementTree.fromstring(package.read("xl/workbook.xml")).iterfind(".//{*}sheet"):
            xml = package.read(targets[next(value for key, value in sheet.items() if key.endswith("}id"))])
            for cell in ERROR_CELL.finditer(xml) if b't="e"' in xml else ():
                letters, row = re.search(rb'\br="([A-Z]+)([0-9]+)"', cell[1]).groups()  # type: ignore[union-attr]
                place = functools.reduce(lambda number, letter: number * 26 + letter - 64, letters, 0)
                found.setdefault(str(sheet.get("name")), {})[int(row) - 1, place - 1] = cell[2].decode()
    return found


ERROR_CELL = re.compile(rb'<c ([^>]*\bt="e"[^>]*)>.*?<v>([^<]*)</v>')


def _stacked(grids: list[Grid]) -> Grid:
    """Sheets below each other; all must have the headers of the first."""
    first = grids[0]
    if len(grids) == 1:
        return first
    for grid in grids[1:]:
        if list(map(fold, grid.headers)) != list(map(fold, first.headers)):
            raise Unreadable("sheets_differ", headers=", ".join(grid.headers), expected=", ".join(first.headers))
    held = {place: [grid.columns[place] for grid in grids] for place in first.columns}
    columns = {
        place: Column.of(pa.concat_arrays([one.texts.take(pa.array(one.codes)) for one in same]))
        for place, same in held.items()
    }
    rows = np.concatenate([grid.rows + step * SHEET_STEP for step, grid in enumerate(grids)])
    return Grid(first.titles, first.headers, first.header_row, rows, columns)


# parquet


def _read_parquet(content: bytes, wanted: Wanted, whole: bool) -> Grid:
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(content))
        headers = file.schema_arrow.names
        places = [*range(len(headers))] if whole else sorted(wanted(headers))
        table = file.read(columns=[headers[place] for place in places])
    except (pa.ArrowException, OSError) as error:
        raise Unreadable("unreadable_parquet", bytes=len(content)) from error
    columns = {place: _typed(table.column(headers[place]).combine_chunks()) for place in places}
    return Grid([], headers, 1, np.arange(1, table.num_rows + 1, dtype=np.int64), columns)


def _typed(array: pa.Array) -> Column:
    """Numbers, dates and flags stay typed; all else is text."""
    kind = array.type
    if pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    elif not (pa.types.is_primitive(kind) and not pa.types.is_time(kind) and not pa.types.is_duration(kind)):
        return Column.of(array)
    return Column(pa.array([], pa.string()), np.zeros(len(array), np.int32), array)
