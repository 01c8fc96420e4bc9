"""Every sentence, label, number and date in print.

One catalogue per language lies in ``words/<language>.toml``; adding a language is adding one file.
Numbers and dates go through Babel with explicit patterns, so no system locale is needed.
Formatting follows ``definitions.md``, section 15.
"""

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from babel.dates import format_date
from babel.numbers import format_decimal

from mi_analysis.measures.catalogue import CATALOGUE, Measure

Day = date | str
"""A date, a timestamp, or ISO text (``2025``, ``2025-03``, ``2025-03-31``)."""
MINUS = "\N{MINUS SIGN}"
MONEY_DECIMALS = {1: 0, 1_000: 0, 1_000_000: 1}
"""Decimals of money printed in units, thousands and millions."""


def languages() -> list[str]:
    """Languages that have a catalogue."""
    return sorted(file.name.removesuffix(".toml") for file in files(__package__).joinpath("words").iterdir())


@cache
def catalogue(language: str) -> dict[str, str]:
    """All texts of one language, by dotted key."""
    if language not in languages():
        raise ValueError(f"No words for the language '{language}'; there are {', '.join(languages())}.")
    text = files(__package__).joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
    return dict(_flat(tomllib.loads(text)))


def _flat(table: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, str(value)


def is_missing(value: Any) -> bool:
    """None, NaN or NaT."""
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def as_date(value: Day) -> date:
    """The first day that a `Day` says."""
    if isinstance(value, str):
        return date.fromisoformat(value + "0000-01-01"[len(value) :])
    return value.date() if isinstance(value, datetime) else value


def grain_of(period: Day) -> str:
    """Month, quarter or year, as ``2025-03``, ``2025-Q1`` and ``2025`` say."""
    text = period if isinstance(period, str) else ""
    return "quarter" if text[5:6] == "Q" else "year" if len(text) == 4 else "month"


def first_of_quarter(period: str) -> str:
    """``2025-Q2`` as ``2025-04``; other texts as they are."""
    return f"{period[:4]}-{int(period[6]) * 3 - 2:02}" if period[5:6] == "Q" else period


@dataclass(frozen=True)
class Words:
    """The words and formats of one language, currency and money scale.

    Attributes
    ----------
    money_scale
        1, 1,000 or 1,000,000: what money is printed in. Values given are always whole units.
    extra
        Texts beyond the catalogue, by dotted key: labels of the institution's own measures
        (``measure.<name>.label``, ``.short``, ``.unit``).
    own
        Those measures by name.
    grain
        What the periods of a report are; a text with that ending (``column.month__quarter``) is said instead of its own.
    """

    language: str = "da"
    currency: str = "DKK"
    money_scale: int = 1000
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    own: Mapping[str, Measure] = field(default_factory=dict, hash=False)
    grain: str = "month"

    def __post_init__(self) -> None:
        catalogue(self.language)

    def has(self, key: str) -> bool:
        """Whether there is a text of that key."""
        return key in self.extra or key in catalogue(self.language)

    def text(self, key: str, **values: object) -> str:
        """The text of a key with its placeholders filled.

        Raises
        ------
        KeyError
            An unknown key (with the nearest known) or a value that the text needs and did not get.
        """
        if not self.has(key):
            near = difflib.get_close_matches(key, catalogue(self.language), 1)
            raise KeyError(f"No text '{key}' in {self.language}" + (f"; nearest is '{near[0]}'." if near else "."))
        template = self._template(key)
        text = template.format_map(values) if "{" in template else template
        opens = key.startswith("verdict.") and template.startswith("{")
        text = re.sub(r"\.\.(?=\s|$)", ".", text)  # a text that ends with an abbreviation, at the end of a sentence
        return text[:1].upper() + text[1:] if opens else text

    def _template(self, key: str) -> str:
        texts = catalogue(self.language)
        return self.extra.get(key) or texts.get(f"{key}__{self.grain}") or texts.get(key, "")

    def lower(self, text: str) -> str:
        """Lower case as inside a sentence; abbreviations (ÅTD) stay."""
        return text if text[1:2].isupper() else text[:1].lower() + text[1:]

    def listed(self, texts: Sequence[str]) -> str:
        """Names in a row: "a, b og c"."""
        *most, last = texts
        return f"{', '.join(most)} {self.text('document.and')} {last}" if most else last

    # Numbers

    def number(self, value: float | None, decimals: int = 0, *, signed: bool = False) -> str:
        """``1.234,5``; half is rounded away from zero; minus is U+2212; missing is a dash."""
        if value is None or is_missing(value):
            return self.text("symbol.missing")
        rounded = Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP) + 0
        pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
        text = format_decimal(abs(rounded), pattern, locale=self.text("format.locale"))
        return (MINUS if rounded < 0 else "+" if signed and rounded > 0 else "") + text

    def percent(self, value: float | None, decimals: int = 1, *, signed: bool = False) -> str:
        """``12,3 pct.``; the value is in per cent, not a fraction."""
        return self._with_unit("quantity.pct", self.number(value, decimals, signed=signed), value)

    def points(self, value: float | None, decimals: int = 1, *, signed: bool = True) -> str:
        """A difference of percentages, in percentage points."""
        return self._with_unit("quantity.pp", self.number(value, decimals, signed=signed), value)

    def hours(self, value: float | None, decimals: int = 1) -> str:
        """``1.234,5 timer``."""
        return self._counted("hour", value, decimals)

    def days(self, value: float | None, decimals: int = 0) -> str:
        """``38 dage``."""
        return self._counted("day", value, decimals)

    def _counted(self, unit: str, value: float | None, decimals: int) -> str:
        number = self.number(value, decimals)
        return self._with_unit(f"quantity.{unit if number == '1' else unit + 's'}", number, value)

    def _with_unit(self, key: str, number: str, value: float | None) -> str:
        return number if is_missing(value) else self.text(key, value=number)

    def money(self, value: float | None, scale: int | None = None, *, signed: bool = False) -> str:
        """``1.235 t.kr.`` or ``DKK 1,235 thousand`` from whole currency units."""
        scale = scale or self.money_scale
        number = self.money_number(value, scale, signed=signed)
        return number if is_missing(value) else self._money(number, scale)

    def money_number(self, value: float | None, scale: int | None = None, *, signed: bool = False) -> str:
        """As `money`, without the unit: for a column whose header names it."""
        scale = scale or self.money_scale
        amount = None if value is None or is_missing(value) else float(value) / scale
        return self.number(amount, MONEY_DECIMALS[scale], signed=signed)

    def money_unit(self, scale: int | None = None) -> str:
        """``t.kr.``, ``DKK thousand``: for headers and axes."""
        return " ".join(self._money("", scale or self.money_scale).split())

    def _money(self, number: str, scale: int) -> str:
        key = f"money.{self.currency}_{scale}"
        return self.text(key if self.has(key) else f"money.other_{scale}", value=number, currency=self.currency)

    def deviation_word(self, value: float | None, *, income: bool = False) -> str:
        """The word of a deviation in ledger sign (positive is worse): Merforbrug, Mindreindtægt ...

        Blank where the deviation prints as zero.
        """
        number = self.money_number(value)
        if is_missing(value) or not re.search("[1-9]", number):
            return ""
        worse = not number.startswith(MINUS)
        key = ("less_income" if worse else "more_income") if income else ("overspend" if worse else "underspend")
        return self.text(f"fin.{key}")

    def signed_money(self, value: float | None, *, income: bool = False) -> str:
        """``Merforbrug 83 t.kr.``: the word carries the sign."""
        word = self.deviation_word(value, income=income)
        return f"{word} {self.money(abs(float(value)))}" if word and value is not None else self.money(value)

    # Measures

    def measure(self, name: str, form: str = "label") -> str:
        """A measure's ``label``, ``short`` label, or ``unit`` phrase."""
        return self.text(f"measure.{name}.{form}", money=self.money_unit(), currency=self.money_unit(1))

    def is_money(self, name: str) -> bool:
        """Whether the measure is printed in the money scale (unit costs are not)."""
        return "{money}" in self._template(f"measure.{name}.unit")

    def decimals(self, name: str) -> int:
        """Decimals a measure is printed with."""
        known = self.known(name)
        return known.decimals if known else 1

    def known(self, name: str) -> Measure | None:
        """The measure of that name: the institution's own or the catalogue's."""
        return self.own.get(name) or CATALOGUE.get(name)

    def quantity(self, value: float | None, name: str, *, unit: bool = True, signed: bool = False) -> str:
        """A value of a measure, with its unit phrase: ``5,2 dage pr. årsværk``, ``8.380 t.kr.``."""
        if self.is_money(name):
            return (self.money if unit else self.money_number)(value, signed=signed)
        number = self.number(value, self.decimals(name), signed=signed)
        return f"{number} {self.measure(name, 'unit')}" if unit and not is_missing(value) else number

    # Time

    def date(self, value: Day | None, *, table: bool = False) -> str:
        """``31. marts 2025``; in Danish tables ``31-03-2025``."""
        if value is None or is_missing(value):
            return self.text("symbol.missing")
        pattern = self.text("format.table_date" if table else "format.date")
        return format_date(as_date(value), pattern, locale=self.text("format.locale"))

    def month(self, value: Day, *, short: bool = False) -> str:
        """Name of a month, without the year."""
        return self.text(f"{'month_short' if short else 'month'}.{as_date(value):%m}")

    def period(self, value: Day, grain: str = "", window: str = "", *, short: bool = False) -> str:
        """``marts 2025``, ``1. kvt. 2025``, ``ÅTD marts 2025``, ``2025``; ``2022/23`` is a year from another month.

        Parameters
        ----------
        grain
            ``month``, ``quarter`` or ``year``; blank is what the text says (``2025``, ``2025-Q1``), else the month.
        window
            ``ytd``, ``r3`` or ``r12``; blank or ``month`` for the period itself.
        """
        grain = grain or grain_of(value)
        day = as_date(first_of_quarter(value) if grain == "quarter" and isinstance(value, str) else value)
        year = f"{day.year}/{(day.year + 1) % 100:02}" if grain == "year" and day.month > 1 else day.year
        parts = {"month": self.month(day, short=short), "quarter": (day.month + 2) // 3, "year": year}
        period = self.text(f"period.{grain}", **parts)
        if grain == "year":
            return period
        return self.text(f"period.{window}", period=period) if window in ("ytd", "r3", "r12") else period

    # Order

    def sort_key(self, text: str) -> tuple[tuple[int, int, str], ...]:
        """Order of names: the language's last letters last (aa as å), numbers by size, case ignored."""
        letters, last = unicodedata.normalize("NFC", text).casefold(), self.text("format.letters_last")
        for position, letter in enumerate(last):
            other = {"æ": "ä", "ø": "ö", "å": "aa"}.get(letter, letter)
            letters = letters.replace(other, letter).replace(letter, chr(0xE000 + position))
        plain = "".join(c for c in unicodedata.normalize("NFD", letters) if not unicodedata.combining(c))
        parts = re.split(r"([0-9]+)", plain)
        return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
