"""Random and damaged input: every parser gives a value that stands in the text, or says why not; none ever breaks."""

import math
import random
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pytest

from mi_analysis.model.deliveries import read
from mi_analysis.model.values import (
    Bad,
    NumberStyle,
    Period,
    parse_date,
    parse_flag,
    parse_hours,
    parse_number,
    parse_period,
)
from mi_analysis.parameters import Fact, Source, WrongUse, load_institution

COUNTS = (2_000, pytest.param(100_000, marks=pytest.mark.long))
PIECES = (
    *"0123456789", *"0123456789", "00", "12", "31", "2025", "25", "202503", "1.000", "9" * 90, "0000", *" .,;:/-−–()'\"", "\u00a0", "\u202f", "\u200e",
    "kr.", "kr", "DKK", "t.kr.", "mio.", "mio. kr.", "%", "pct.", "E5", "e", "+", "<", "≥", "m", "k", "q", "u", "U31", "h1", "å", "ÅTD", "ytd",
    "jan", "marts", "May", "december", "kvt.", "kvartal", "1. ", "kl.", "T", "Z", "+02:00", "#N/A", "#REF!", "ja", "nej", "true", "x", "²", "٣", "\x00", "😀",
)  # fmt: skip


def texts(count: int):
    """Strings of what numbers, dates and periods are made of, and now and then any letter there is."""
    chance = random.Random(count)
    for _ in range(count):
        parts = chance.choices(PIECES, k=chance.randint(0, 8))
        if chance.random() < 0.2:  # a date, perhaps damaged
            day = chance.choice(
                [
                    "{0}-{1}-{2}",
                    "{2:04}-{1:02}-{0:02}",
                    "{0}/{1}/{2}",
                    "{0}. marts {2:04}",
                    "{2:04}K{1}",
                    "{1:02}-{2:04}",
                    "{2:04}",
                    "U31-{1}-{2:04}",
                    "{2:04}M{1:02}",
                    "{2:04}{1:02}{0:02}",
                    "1.1-{0}.{1}.{2}",
                ]
            )
            parts = [
                day.format(chance.randint(0, 32), chance.randint(0, 14), chance.choice([0, 1, 25, 1899, 2025, 9999])),
                *parts[: chance.choice([0, 0, 1, 3])],
            ]
        if chance.random() < 0.1:
            parts.append(chr(chance.randrange(0xD800)))
        yield "".join(parts)


def numbers_in(text: str) -> list[int]:
    return [int(found) for found in re.findall(r"[0-9]+", text)]


def significant(text: str) -> str:
    return re.sub("[^0-9]", "", text).strip("0")


@pytest.mark.parametrize("count", COUNTS)
def test_a_number_has_the_digits_of_its_text_or_is_none(count):
    found = 0
    for text in texts(count):
        for style in (NumberStyle(), NumberStyle(".", ","), NumberStyle(percent="points")):
            value = parse_number(text, style)
            assert isinstance(value, Bad) or math.isfinite(value), text
            if not isinstance(value, Bad) and len(significant(text)) <= 15:
                assert significant(f"{Decimal(repr(value)):f}") == significant(text), text
                assert (value < 0) == (bool(re.search(r"[-−(]", text)) and value != 0), text
                found += 1
            hours = parse_hours(text, style)
            assert isinstance(hours, Bad) or math.isfinite(hours), text
    assert found > count / 10


def test_a_number_too_long_for_an_amount_is_none():
    """The first was infinite, the second another number; fuzzing found that months of the year 0 broke the reading."""
    assert parse_number("9" * 400, NumberStyle()) == Bad("not_a_number")
    assert parse_number("9007199254740993", NumberStyle()) == Bad("not_a_number")
    assert parse_number("000.999.999.999.999.999,25", NumberStyle()) == 999_999_999_999_999.25
    assert (
        parse_period("1.1-31.00.2025")
        == parse_period("U31-0-2025")
        == parse_period("0000M05")
        == parse_period("9999K4")
        == parse_period("31-12-9999")
        == Bad("not_a_period")
    )


@pytest.mark.parametrize("count", COUNTS)
def test_a_number_that_is_written_is_read_again(count):
    chance = random.Random(count)
    for _ in range(count):
        cents = chance.randrange(-(10 ** chance.randint(1, 13)), 10 ** chance.randint(1, 13))
        decimal, thousands = chance.choice([(",", "."), (".", ","), (",", " "), (",", "\u00a0")])
        whole, part = divmod(abs(cents), 100)
        text = f"{whole:,}".replace(",", thousands if chance.random() < 0.7 else "") + f"{decimal}{part:02d}"
        text = (f"-{text}", f"{text}-", f"({text})", f"\u2212{text}")[chance.randrange(4)] if cents < 0 else text
        money = chance.choice(["", "", " kr.", " DKK"]) if not text.endswith((")", "-")) else ""
        assert parse_number(text + money, NumberStyle(decimal, thousands.strip() or ".")) == cents / 100, text


@pytest.mark.parametrize("count", COUNTS)
def test_a_date_or_period_stands_in_its_text_or_is_none(count):
    days = periods = 0
    for text in texts(count):
        for order in ("day_first", "month_first"):
            day = parse_date(text, order)
            assert isinstance(day, Bad | datetime), text
            if isinstance(day, datetime) and not re.fullmatch(r"\s*[0-9]{5,8}([.,][0-9]+)?\s*", text):
                assert {day.year, day.year % 100} & set(numbers_in(text)) or str(day.year) in text, text
                days += 1
            period = parse_period(text, order, 2025)
            assert isinstance(period, Bad | Period), text
            if isinstance(period, Period):
                assert period.start.day == 1, text
                assert 1900 <= period.start.year < 2200, text
                periods += 1
        assert isinstance(parse_flag(text), Bad | bool), text
    assert days > 0
    assert periods > count / 100


GOOD = "Enhed;Aktivitet;Dato;Beløb\n" + "".join(
    f"21{n % 5}0;10{n};{n % 28 + 1:02d}-03-2025;{n}.000,5{n % 10}\n" for n in range(12)
)
LEDGER = Source(
    files=["*"],
    facts=[Fact(table="ledger", columns={"unit": "Enhed", "activity": "Aktivitet", "date": "Dato", "amount": "Beløb"})],
)


def damaged(content: bytes, chance: random.Random) -> bytes:
    """The content with some bytes changed, cut out, doubled or moved."""
    for _ in range(chance.randint(1, 6)):
        at, length = chance.randrange(len(content) + 1), chance.randint(0, 12)
        piece = chance.choice(
            [b"", b";", b"\n", b'"', b"\r", b"\x00", b"\xff", b"\t", b"\xef\xbb\xbf", bytes([chance.randrange(256)]), content[at : at + 30] * 2,
             chance.choice(PIECES).encode("utf-8", "replace")]
        )  # fmt: skip
        content = content[:at] + piece + content[at + length :]
    return content


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_file_is_read_with_its_account_or_stopped_with_words(count, tmp_path):
    chance, file, used = random.Random(count), tmp_path / "poster.csv", 0
    for _ in range(count):
        content = damaged(GOOD.encode(), chance)
        file.write_bytes(content)
        delivery = read(file, "ledger", LEDGER)
        account = delivery.account
        assert account.read == account.used + account.quarantined + sum(account.dropped.values()) or delivery.stopped, (
            content
        )
        assert not delivery.stopped or [found for found in delivery.findings if found.severity == "stop"], content
        used += account.used
    assert used > count  # damage rarely costs more than its own rows


INSTITUTION = """\
name: {da: Eksempelstyrelsen, en: The Example Agency}
deliveries: {folder: deliveries}
privacy: {persons_internal: 5}
sources:
  tid:
    files: tid_*.csv
    facts:
      - table: hours
        columns: {unit: Enhed, hours: [Timer, Antal timer]}
        where: {Status: [Godkendt]}
"""
YAML_PIECES = ("{", "}", "[", "]", ": ", "- ", "\n", "  ", "&a ", "*a", "!!python/name:os.system ", "|", ">", "#", "'", '"', "~", "1e999", "no", "2025-02-30", "%YAML", "---", "\t", "?", "<<: *a", "=1+1")  # fmt: skip


@pytest.mark.parametrize("count", COUNTS)
def test_a_damaged_configuration_is_taken_or_told_problem_by_problem(count, tmp_path):
    chance, file, told = random.Random(count), tmp_path / "parameters" / "x" / "institution.yaml", 0
    file.parent.mkdir(parents=True)
    for _ in range(count):
        text = damaged(INSTITUTION.encode(), chance)
        for _ in range(chance.randint(0, 3)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(YAML_PIECES).encode() + text[at:]
        file.write_bytes(text)
        problems = problems_of(file)
        assert all(problem.startswith("parameters/x/institution.yaml") for problem in problems), text
        told += bool(problems)
    assert told > count / 2


def problems_of(file: Path) -> list[str]:
    try:
        load_institution(file)
    except WrongUse as wrong:
        return list(map(str, wrong.problems)) or ["nothing is said"]
    return []
