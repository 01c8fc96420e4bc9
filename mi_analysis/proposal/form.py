"""How a sample is written, guessed from its own bytes by the rules that read a delivery, each guess with its reason.

Encoding by byte order mark and strict decoding, delimiter by equal widths, header by the first row of names over
rows of values, number style and date order by what reads without a bad cell. What cannot be decided is marked.
"""

import csv
import gzip
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook

from mi_analysis.model.columns import numbers
from mi_analysis.model.formats import BOMS, cell_text, decode, read_grid
from mi_analysis.model.grid import Grid, Unreadable, titles_of
from mi_analysis.model.values import Bad, NumberStyle, fold, parse_date, parse_number, parse_period
from mi_analysis.parameters import Source

LOOKED_AT = 300  # rows from which the form is guessed
DELIMITERS = {";": "semicolons", ",": "commas", "\t": "tabs", "|": "bars"}
STYLES = ((",", "."), (".", ","), (",", ""), (".", ""), (",", " "))
BLANKS = r"\.\.|-|n/?a|ikke opgjort|not available|null|none|\."
HIDDEN = r"\*+|x|for få.*|under [0-9]+|suppressed|c"
WORKBOOKS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
STYLE_OF_ISO = NumberStyle(".", "")
Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Guess:
    """A setting of the profile, with the reason for it; what is not sure has to be confirmed by a person."""

    name: str
    value: Any
    why: str
    sure: bool = True


@dataclass
class Sample:
    """One sample file as far as its form is understood."""

    file: str
    guesses: list[Guess] = field(default_factory=list)
    grid: Grid | None = None
    trouble: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        """The guesses as settings of a source."""
        return {guess.name: guess.value for guess in self.guesses}

    def guess(self, name: str, value: Any, why: str, sure: bool = True) -> None:
        """Note a setting and the reason for it."""
        self.guesses.append(Guess(name, value, why, sure))

    def source(self) -> Source:
        """A profile with the settings so far, and no facts."""
        return Source(files=[self.file], facts=[], **self.settings)

    def read(self, content: bytes) -> None:
        """Read the whole table by the settings so far."""
        self.grid = read_grid(content, self.file, self.source(), lambda headers: set(range(len(headers))))


def look_at(content: bytes, file: str) -> Sample:
    """Guess how a file is written; what it cannot be read for is in ``trouble``."""
    sample = Sample(file)
    try:
        if file.lower().endswith(".parquet"):
            sample.guess("decimal", ".", "parquet keeps numbers as numbers")
        elif file.lower().removesuffix(".gz").endswith(WORKBOOKS):
            _workbook(content, sample)
        else:
            _text(gzip.decompress(content) if file.lower().endswith(".gz") else content, sample)
        sample.read(content)
        _numbers_and_dates(sample)
        sample.read(content)
    except Unreadable as problem:
        sample.trouble = f"{problem.key.replace('_', ' ')} {', '.join(map(str, problem.values.values()))}".strip()
    except (OSError, EOFError, CalamineError, ValueError, csv.Error) as error:
        sample.trouble = f"cannot be opened ({type(error).__name__})"
    return sample


def _text(content: bytes, sample: Sample) -> None:
    marked = next((name for bom, name in BOMS.items() if content.startswith(bom)), "")
    text = decode(content, None)
    if marked:
        sample.guess("encoding", marked, "the file begins with its byte order mark")
    elif not content.isascii():  # else nothing is said, and the next file may be in either
        try:
            content.decode("utf-8")
            sample.guess("encoding", "utf-8", "reads as UTF-8 without an error")
        except UnicodeDecodeError:
            sample.guess("encoding", "cp1252", "not UTF-8; Windows-1252 reads every byte")
    lines = text.splitlines(keepends=True)[: LOOKED_AT * 2]
    tried = {mark: [*islice(csv.reader(io.StringIO("".join(lines)), delimiter=mark), LOOKED_AT)] for mark in DELIMITERS}
    widths = {mark: Counter(len(row) for row in rows if len(row) > 1) for mark, rows in tried.items()}
    score = {mark: max((n * (width > 1) for width, n in widths[mark].items()), default=0) for mark in DELIMITERS}
    best = max(score, key=lambda mark: (score[mark], max(widths[mark], default=0)))
    width = widths[best].most_common(1)[0][0] if widths[best] else 1
    why = f"{score[best]} of the first {len(tried[best])} lines have {width} cells by {DELIMITERS[best]}"
    sample.guess("delimiter", best, why, score[best] > 0)
    sample.guesses += header_of(tried[best])


def _workbook(content: bytes, sample: Sample) -> None:
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    sheets = {}
    for name in book.sheet_names:
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False, nrows=LOOKED_AT)
        sheets[name] = [[cell_text(cell, ",") for cell in row] for row in cells]
    best = max(sheets, key=lambda name: sum(sum(map(bool, row)) > 1 for row in sheets[name]))
    if len(sheets) > 1:
        sample.guess("sheets", [best], f"the fullest of {', '.join(sheets)}")
    sample.guesses += header_of(sheets[best])


def is_value(text: str) -> bool:
    """Whether a cell is a number or a date, and so no header."""
    read = (parse_number(text, STYLE_OF_ISO), parse_number(text, NumberStyle()), parse_date(text))
    return not all(isinstance(one, Bad) for one in read)


def header_of(rows: Rows) -> Iterator[Guess]:
    """Where the header stands: the first full row of names, with a sparser row of names over it."""
    filled = [sum(bool(cell.strip()) for cell in row) for row in rows]
    usual = Counter(n for n in filled if n > 1).most_common(1)
    enough = max(2, 0.8 * min(usual[0][0], max(filled))) if usual else 2
    for place, row in enumerate(rows[:60]):
        if filled[place] < enough:
            continue
        cells = [cell.strip() for cell in row if cell.strip()]
        names = [cell for cell in cells if not is_value(cell) and isinstance(parse_period(cell, year=2000), Bad)]
        odd = [cell for cell in cells if is_value(cell) and isinstance(parse_period(cell), Bad)]
        if not names or odd:
            columns = [f"column {number}" for number in range(1, len(row) + 1)]
            yield Guess("header", 0, "the first full row holds values, not names", False)
            yield Guess("names", columns, "give each column its name", False)
            return
        above = [cell.strip() for cell in rows[place - 1] if cell.strip()] if place else []
        two = len(above) > 1 and not any(is_value(cell) and isinstance(parse_period(cell), Bad) for cell in above)
        top = place - two
        if top or two:
            shown = [cell for cell in dict.fromkeys(above if two else names) if isinstance(parse_period(cell), Bad)][:3]
            why = f"the header stands in row {top + 1}, under {top} rows of titles, and is found by these names"
            yield Guess("header", shown, why)
        if two:
            yield Guess("header_rows", 2, "a row of groups stands over the names")
        titles = titles_of([list(row) for row in rows[:top]])
        if any(re.search(r"t\.\s?kr|tusind|1\.?000 kr", title.lower()) for title in titles):
            yield Guess("unit_scale", 1000, "a title says t.kr.")
        for title in titles:
            if match := re.match(r"(.*?(?:udtrukket|extracted|dannet)[: ]+)[0-9]{2,4}-", title, re.IGNORECASE):
                pattern = re.escape(match[1]).replace(r"\ ", " ") + "([0-9-]+)"
                yield Guess("extracted_at", pattern, f'a title says "{title[:50]}"')
                break
        return


def _numbers_and_dates(sample: Sample) -> None:
    """Decimal mark and thousands mark, order of dates, and words for what is missing or withheld."""
    assert sample.grid is not None
    texts = [column.as_text().texts for column in sample.grid.columns.values() if column.typed is None]
    listed = [[text for text in column.to_pylist() if text][: LOOKED_AT * 10] for column in texts]
    said = {text for column in listed for text in column if re.fullmatch(f"{BLANKS}|{HIDDEN}", fold(text))}
    many = [pa.array(kept, pa.string()) for column in listed if (kept := [text for text in column if text not in said])]
    beside = [
        {text for text in column if text in said} for column in listed if any(text not in said for text in column)
    ]
    bad = {style: [_bad_share(column, style) for column in many] for style in STYLES}
    numeric = [place for place in range(len(many)) if min(shares[place] for shares in bad.values()) <= 0.1]
    loss = {style: sum(bad[style][place] for place in numeric) for style in STYLES}
    best = min(loss, key=lambda style: loss[style])
    english = sample.settings.get("delimiter") == ","
    tied = [style for style in STYLES[:2] if loss[style] <= loss[best] + 1e-9]
    marks = any(re.search(r"\d[.,]\d", text) for place in numeric for text in many[place].to_pylist())
    if len(tied) == 2:
        best = STYLES[1] if english else STYLES[0]
    if "decimal" not in sample.settings and numeric:
        sure = not (len(tied) == 2 and marks) or "delimiter" not in sample.settings
        read = f"{len(numeric)} columns of numbers read so without a bad cell"
        why = f"fewest bad cells in {len(numeric)} columns of numbers" if loss[best] else read
        sample.guess("decimal", best[0], why if marks else "no number has a mark; as is usual with such a file", sure)
        sample.guess("thousands", best[1], "with the decimal mark", sure)
    words = {text for place in numeric for text in beside[place]}
    for name, pattern, what in (("na_tokens", BLANKS, "no figure"), ("suppressed_tokens", HIDDEN, "a withheld figure")):
        found = sorted(text for text in words if re.fullmatch(pattern, fold(text)))
        if found:
            sample.guess(name, found, f"stands among numbers, as {what} would", name == "na_tokens")
    orders = {order: sum(_bad_dates(column, order) for column in many) for order in ("day_first", "month_first")}
    if orders["month_first"] < orders["day_first"]:
        sample.guess("dates", "month_first", f"{orders['day_first']} dates cannot be read with the day first")


def _bad_share(texts: Any, style: tuple[str, str]) -> float:
    values, _ = numbers(texts, NumberStyle(*style))
    return float(np.isnan(values).mean())


def _bad_dates(texts: Any, order: str) -> int:
    """Cells of a column of dates that cannot be read in an order; 0 where the column holds no dates."""
    listed = texts.to_pylist()
    found = [parse_date(text, order) for text in listed if re.match(r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2}", text)]  # type: ignore[arg-type]
    return sum(isinstance(one, Bad) for one in found) if len(found) > 0.9 * len(listed) else 0
