"""Text -> value, or the named reason why it is none. Pure rules: no files, no guessing.

A rule takes one cell's text and gives a value or a `Bad`; nothing is coerced to missing. What cannot
be decided from one cell (is ``1.234`` a thousand?) is decided for the whole column, in `columns`.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from mi_analysis.parameters import GRAINS

EXCEL_ERRORS = frozenset(
    {"#i/t", "#division/0!", "#værdi!", "#reference!", "#navn?", "#nul!", "#num!"}
    | {"#n/a", "#div/0!", "#value!", "#ref!", "#name?", "#null!"}
)
FLAGS = {
    **dict.fromkeys(("sand", "ja", "j", "x", "true", "yes", "y", "1"), True),
    **dict.fromkeys(("falsk", "nej", "n", "false", "no", "0"), False),
}
MONTHS = {
    name: month
    for month, names in enumerate(
        (
            "januar jan january", "februar feb february", "marts mar march", "april apr", "maj may", "juni jun june",
            "juli jul july", "august aug", "september sep sept", "oktober okt october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = rf"(?P<month>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
_YEAR = r"(?P<year>[0-9]{4}|[0-9]{2})"
FIRST_SERIAL, LAST_SERIAL = 20_000, 80_000  # Excel days from 1954 to 2119: five digits
EXCEL_EPOCH = datetime(1899, 12, 30)  # the 1900 system, with its 29 February 1900
LARGEST_DAY = 24.0  # hours


@dataclass(frozen=True)
class Bad:
    """Why a text is no value; ``reason`` is a key below ``finding.cell`` in the words."""

    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


# Text


def tidy(text: str) -> str:
    """Trimmed, every run of blanks (no-break ones too) one blank, å one letter (NFC)."""
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())


def plain_code(text: str) -> str:
    """A tidy code; dashes are hyphens, zeros and case stay."""
    return tidy(text).replace("–", "-").replace("—", "-")


def fold(text: str) -> str:
    """What two texts have in common that mean the same: for matching, never for print.

    Case and kind of dash do not matter; æ, ø, å and aa do.
    """
    return plain_code(text).lower().replace("ß", "ss")


_MOJIBAKE = {  # what the text looks like -> what the bytes are
    "utf-8": re.compile("Ã[¦¸¥†˜…]|Ã\u0085|Ã\u0086|Ã\u0098|â€[“”™œ]"),
    "cp850": re.compile(r"(?<=\w)[‘›†](?=\w)"),
    "cp1252": re.compile(r"(?<=[^\W\d])[µ°Õ](?=[^\W\d])"),
    "?": re.compile("\ufffd"),
}


def mojibake(text: str) -> str:
    """Name of the encoding the text should have been read as; blank when it reads well."""
    if text.isascii():
        return ""
    return next((encoding for encoding, pattern in _MOJIBAKE.items() if pattern.search(text)), "")


# Persons

_DAY_MONTH = r"(?:0[1-9]|[12][0-9]|3[01]|6[1-9]|[78][0-9]|9[01])(?:0[1-9]|1[0-2])"
PERSON_NUMBER = rf"(?:^|[^0-9]){_DAY_MONTH}[0-9]{{2}}-[0-9]{{4}}(?:$|[^0-9])"
"""A Danish personal number: day 01-31, or 61-91 in replacement numbers, and month."""
TEN_DIGITS = rf"(?:^|[^0-9]){_DAY_MONTH}[0-9]{{6}}(?:$|[^0-9])"
TEN_DIGITS_SHARE = 0.25  # about 4 % of random ten-digit keys pass the date test
_PERSON_WORD = re.compile(  # a whole word of a header: "Antal sagsbehandlere" names nobody
    "(?:for|efter|mellem)navne?|(?:sagsbehandler|medarb(?:ejder)?|ansat|cpr)(?:navn|id|nr|nummer)?|(?:løn|person)(?:nr|nummer)|sagstitel|"
    "stillingsbetegnelse|initialer|employee|caseworker|officer|(?:first|last)name|surname|ssn"
)
_NAME_WORDS = frozenset(
    {"navn", "navne", "fuldt", "fulde", "name", "full", "first", "last", "person", "titel", "title"}
)


def names_a_person(header: str) -> bool:
    """Whether a header names a person: such a column can only be a person key."""
    words = re.findall(r"[^\W_]+", fold(header))
    return any(map(_PERSON_WORD.fullmatch, words)) or (bool(words) and set(words) <= _NAME_WORDS)


# Numbers


@dataclass(frozen=True)
class NumberStyle:
    """How a source writes numbers.

    Attributes
    ----------
    scale
        Factor of a number that does not carry its own (``t.kr.``).
    percent
        ``12,3 %`` is 0.123 (``fraction``) or 12.3 (``points``).
    lone_group
        Whether ``1.234`` is a thousand; False when other values of the column speak against it.
    """

    decimal: str = ","
    thousands: str = "."
    percent: Literal["points", "fraction"] = "fraction"
    scale: float = 1
    lone_group: bool = True


_MINUS = "[-−]"
_NUMBER = re.compile(
    r"(?P<open>\()?(?P<m1>[-−] ?)?(?P<cur>(?:kr\.?|dkk|eur|usd|[$€]) ?)?(?P<m2>[-−] ?)?"
    r"(?P<digits>[0-9][0-9., ]*?)(?P<m3> ?[-−])?"
    r"(?: ?(?:(?P<pct>%|pct\.?|procent)|(?P<scale>t\.?|mio\.?|mia\.?) ?(?:kr\.?|dkk)|(?P<big>mio\.|mia\.)|(?P<kr>kr\.?|dkk)))?"
    r"(?P<m4>(?<![-−])[-−])?(?P<close>\))?",
    re.IGNORECASE,
)
MOST_DIGITS = 15
"""Before the decimal sign; a longer one is no amount but a number of something, and a float would not hold it."""
_POWERS = {"t": 3, "mio": 6, "mia": 9}
_DATE_LIKE = re.compile(
    rf"[0-9]{{1,2}}([-/.])[0-9]{{1,2}}(?:\1[0-9]{{2,4}})?|(?:[0-9]{{1,2}}[-. ]+)?{_MONTH}(?:[- ]?{_YEAR})?", re.I
)


def _digits(text: str, style: NumberStyle) -> tuple[str, bool] | None:
    """The digits of a number as Python writes them, and whether only grouping tells its size."""
    whole, point, fraction = text.partition(style.decimal)
    if point and not fraction.isdigit():
        return None
    groups = re.split(f"[{re.escape(style.thousands)} ]", whole)
    grouped = len(groups) > 1
    if grouped and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        return None
    if len({char for char in whole if not char.isdigit()}) > 1 or not all(group.isdigit() for group in groups):
        return None
    return "".join(groups) + (f".{fraction}" if fraction else ""), grouped and not fraction and " " not in whole


def parse_number(text: str, style: NumberStyle) -> float | Bad:
    """A number with sign, thousands, currency, scale or per cent; ``1.234,56-`` is -1234.56."""
    text = tidy(text)
    match = _NUMBER.fullmatch(text)
    if not match:
        return _why_not(text)
    signs = sum(bool(match[name]) for name in ("m1", "m2", "m3", "m4", "open"))
    if signs > 1 or bool(match["open"]) != bool(match["close"]):
        return _why_not(text)
    found = _digits(match["digits"].rstrip(), style)
    if found is None:
        other = replace(style, decimal="." if style.decimal == "," else ",", thousands=style.decimal)
        return Bad("other_separators", style.decimal) if _digits(match["digits"].rstrip(), other) else _why_not(text)
    digits, lone = found
    if len(digits.partition(".")[0].lstrip("0")) > MOST_DIGITS:
        return Bad("not_a_number")
    if lone and not style.lone_group:
        return Bad("ambiguous_number")
    scale = match["scale"] or match["big"]
    money = scale or match["cur"] or match["kr"]
    power = _POWERS[scale.lower().rstrip(".")] if scale else -2 if match["pct"] and style.percent == "fraction" else 0
    value = float(f"{digits}e{power}") * (1 if money or match["pct"] else style.scale)
    return -value if signs else value


def _why_not(text: str) -> Bad:
    if fold(text) in EXCEL_ERRORS:
        return Bad("excel_error")
    if _DATE_LIKE.fullmatch(text):
        return Bad("date_in_number")
    return Bad("inequality" if text.startswith(("<", ">", "≤", "≥")) else "not_a_number")


_CLOCK = re.compile(rf"(?P<m1>{_MINUS} ?)?(?P<h>[0-9]+):(?P<m>[0-5][0-9])(?::(?P<s>[0-5][0-9]))?(?P<m2> ?{_MINUS})?")


def parse_hours(text: str, style: NumberStyle) -> float | Bad:
    """Decimal hours or h:mm: ``9:15`` is 9.25, ``7,5`` is 7 h 30 min."""
    match = _CLOCK.fullmatch(tidy(text))
    if not match:
        return Bad("not_hours") if ":" in text else parse_number(text, style)
    if match["m1"] and match["m2"]:
        return Bad("not_hours")
    value = int(match["h"]) + int(match["m"]) / 60 + int(match["s"] or 0) / 3600
    return -value if match["m1"] or match["m2"] else value


def looks_like_minutes(texts: Iterable[str], decimal: str) -> bool:
    """Whether decimal hours may be hours and minutes: many two-digit fractions, none above 59."""
    fractions = [text.rstrip("-− ").rpartition(decimal)[2] for text in texts if decimal in text]
    two = [fraction for fraction in fractions if len(fraction) == 2 and fraction.isdigit() and fraction != "00"]
    return len(two) >= 20 and len(set(two)) >= 6 and max(two) <= "59"


def show(value: float, decimal: str = ",") -> str:
    """A number as the source writes it, with two decimals."""
    text = f"{value:,.2f}"
    return text.translate(str.maketrans(",.", ".,")) if decimal == "," else text


# Dates and periods

_ISO = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
    r"(?:[ T](?P<h>[0-9]{1,2}):(?P<m>[0-9]{2})(?::(?P<s>[0-9]{2})(?:\.[0-9]+)?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_NUMERIC = re.compile(
    rf"(?P<first>[0-9]{{1,2}})[-/.] ?(?P<second>[0-9]{{1,2}})[-/.] ?{_YEAR}"
    r"(?: (?:kl\. )?(?P<h>[0-9]{1,2})[:.](?P<m>[0-9]{2})(?:[:.](?P<s>[0-9]{2}))?)?"
)
_LONG = re.compile(rf"(?:[^\W\d]+,? (?:(?:den|d\.) )?)?(?P<day>[0-9]{{1,2}})\.?[ -]?{_MONTH},?[ -]{_YEAR}", re.I)
_ENGLISH = re.compile(rf"{_MONTH} (?P<day>[0-9]{{1,2}}),? (?P<year>[0-9]{{4}})", re.I)
DateOrder = Literal["day_first", "month_first"] | list[str]


def parse_date(text: str, order: DateOrder = "day_first") -> datetime | Bad:
    """A date, with its time of day where one is written, on the clock of its offset; a list of formats is exact."""
    text = tidy(text)
    if not isinstance(order, str):
        return next((found for form in order if (found := _strptime(text, form))), Bad("not_a_date"))
    if match := _ISO.fullmatch(text) or _LONG.fullmatch(text) or _ENGLISH.fullmatch(text):
        return _calendar(match.groupdict())
    if match := _NUMERIC.fullmatch(text):
        day, month = (match["first"], match["second"]) if order == "day_first" else (match["second"], match["first"])
        swapped = int(day) <= 12 < int(month) <= 31
        return Bad("swapped_date") if swapped else _calendar(match.groupdict() | {"day": day, "month": month})
    if re.fullmatch(r"[0-9]{5}(?:[.,][0-9]+)?", text) and FIRST_SERIAL <= int(text[:5]) <= LAST_SERIAL:
        return EXCEL_EPOCH + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400))
    return Bad("excel_error" if fold(text) in EXCEL_ERRORS else "not_a_date")


def _strptime(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form).replace(tzinfo=None)
    except ValueError:
        return None


def _calendar(parts: dict[str, str | None]) -> datetime | Bad:
    year, month = str(parts["year"]), str(parts["month"]).lower()
    try:
        day, hour, minute, second = (int(parts.get(name) or 0) for name in ("day", "h", "m", "s"))
        full_year = int(year) + (2000 if len(year) == 2 else 0)
        return datetime(full_year, MONTHS.get(month) or int(month), day, hour, minute, second)
    except ValueError:
        return Bad("no_such_date")


class Period(NamedTuple):
    """First day and length of a period; ``day`` where a single day was written.

    ``kind`` is ``ytd`` (the year so far, up to this month), ``closing`` (a year-end closing date),
    ``supplementary`` (a 13th period, placed in December) or blank.
    """

    start: date
    grain: Literal["month", "quarter", "year"]
    day: date | None = None
    kind: str = ""


def end_of(start: date, grain: str) -> date:
    """Last day of the month, quarter or year that begins on a day."""
    year, month = divmod(start.year * 12 + start.month - 1 + GRAINS[grain], 12)
    return date(year, month + 1, 1) - timedelta(1)


YEARS = range(1900, 2200)
"""In which anything is reported; 9999 is how systems write that there is no end."""
_RANGE_MONTH = rf"(?:{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
_PERIODS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern))
    for kind, pattern in (
        ("month", r"(?P<year>[0-9]{4})m(?P<number>0?[1-9]|1[0-3])"),
        ("month", r"(?P<year>(?:19|20)[0-9]{2})-?(?P<number>0[1-9]|1[0-3])"),
        ("month", r"(?P<number>0?[1-9]|1[0-3])[-/](?P<year>[0-9]{4})"),
        ("month", rf"{_MONTH}(?:[ -]?{_YEAR})?"),
        ("month", r"(?P<number>13)\. periode(?: (?P<year>[0-9]{4}))?"),
        ("quarter", r"(?P<year>[0-9]{4})[- ]?[kq](?P<number>[1-4])"),
        ("quarter", r"[kq](?P<number>[1-4])(?: (?P<year>[0-9]{4}))?"),
        ("quarter", r"(?P<number>[1-4])\. ?(?:kvt\.?|kvartal|quarter)(?: (?P<year>[0-9]{4}))?"),
        ("year", r"(?P<year>(?:19|20)[0-9]{2})"),
        ("span", r"(?P<year>[0-9]{4})-(?P<number>0[1-9]|1[0-2])/(?P<last_year>[0-9]{4})-(?P<last>0[1-9]|1[0-2])"),
        ("ytd", rf"(?:åtd|ytd|år til dato) {_MONTH} {_YEAR}"),
        ("ytd", rf"{_RANGE_MONTH} ?- ?{_MONTH} {_YEAR}"),
        ("ytd", rf"1[/.]1\.? ?- ?[0-9]{{1,2}}[/.](?P<number>[0-9]{{1,2}})[ -]{_YEAR}"),
        ("closing", r"u[0-9]{1,2}-(?P<number>[0-9]{1,2})-(?P<year>[0-9]{4}|[0-9]{2})"),
        ("unsupported", r"[0-9]{4}(?:u[0-9]{1,2}|h[12])"),
    )
)


def parse_period(text: str, order: DateOrder = "day_first", year: int | None = None) -> Period | Bad:
    """A month, quarter or year, or the month of a date.

    `year`: the year of a period that is written without one (``Marts`` under a title with the year).
    """
    folded = fold(text)
    for kind, pattern in _PERIODS:
        if match := pattern.fullmatch(folded):
            return _period(kind, {key: value for key, value in match.groupdict().items() if value}, year)
    day = parse_date(text, order)
    if isinstance(day, Bad):
        return Bad("not_a_period") if day.reason == "not_a_date" else day
    if day.year not in YEARS:
        return Bad("not_a_period")
    return Period(day.date().replace(day=1), "month", day.date())


def _period(kind: str, parts: dict[str, str], year: int | None) -> Period | Bad:
    if kind == "unsupported":
        return Bad("unsupported_grain")
    if kind == "span" and int(parts["year"]) in YEARS:  # a year that begins in any month, as 2022-07/2023-06
        first = date(int(parts["year"]), int(parts["number"]), 1)
        months = (int(parts["last_year"]) - first.year) * 12 + int(parts["last"]) - first.month + 1
        return Period(first, "year") if months == 12 else Bad("unsupported_grain")
    if "year" in parts:
        year = int(parts["year"]) + (2000 if len(parts["year"]) == 2 else 0)
    if year is None:
        return Bad("period_without_year")
    if year not in YEARS:
        return Bad("not_a_period")
    number = MONTHS[parts["month"]] if "month" in parts else int(parts.get("number", 1))
    if kind in ("quarter", "year"):
        return Period(date(year, number * 3 - 2 if kind == "quarter" else 1, 1), kind)  # type: ignore[arg-type]
    special = "supplementary" if number == 13 else "" if kind == "month" else kind
    return Period(date(year, min(number, 12), 1), "month", None, special) if 1 <= number <= 13 else Bad("not_a_period")


def parse_flag(text: str) -> bool | Bad:
    """Yes or no, as Danish and English systems write it."""
    return FLAGS.get(fold(text), Bad("not_a_flag"))
