"""Every vector of the domain's sections on numbers, dates, periods and text."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_analysis.model.columns import FEW, numbers
from mi_analysis.model.values import (
    Bad,
    NumberStyle,
    Period,
    fold,
    looks_like_minutes,
    mojibake,
    names_a_person,
    parse_date,
    parse_flag,
    parse_hours,
    parse_number,
    parse_period,
    tidy,
)

DANISH = NumberStyle()
NO_BREAK, NARROW = "\u00a0", "\u202f"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.234,56", 1234.56),
        ("1234,5", 1234.5),
        ("1.234", 1234.0),
        ("1.234,56-", -1234.56),
        ("-1.234,56", -1234.56),
        ("− 1.234,56", -1234.56),
        ("(1.234,56)", -1234.56),
        (f"1{NO_BREAK}234,56", 1234.56),
        (f"1{NARROW}234,56", 1234.56),
        ("325.600,00 kr.", 325_600.0),
        ("kr. 325.600", 325_600.0),
        ("325,6 t.kr.", 325_600.0),
        ("325,6 t. kr.", 325_600.0),
        ("2,5 mio. kr.", 2_500_000.0),
        ("12,3 pct.", 0.123),
        ("12,3 %", 0.123),
        ("330-", -330.0),
        ("0", 0.0),
    ],
)
def test_danish_numbers_are_read(text: str, value: float) -> None:
    assert parse_number(text, DANISH) == value


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("½", "not_a_number"),
        ("ca. 40", "not_a_number"),
        ("<5", "inequality"),
        (">100", "inequality"),
        ("1,234.56", "other_separators"),
        ("0.5", "other_separators"),
        ("01-02", "date_in_number"),
        ("1. feb", "date_in_number"),
        ("#DIVISION/0!", "excel_error"),
        ("-5-", "not_a_number"),
        ("(5", "not_a_number"),
        ("12 34", "not_a_number"),
        ("1.23.456,0", "not_a_number"),
        ("-", "not_a_number"),
        ("", "not_a_number"),
    ],
)
def test_what_is_no_number_has_a_named_reason(text: str, reason: str) -> None:
    found = parse_number(text, DANISH)

    assert isinstance(found, Bad)
    assert found.reason == reason


def test_per_cent_is_read_by_profile() -> None:
    assert parse_number("12,3 pct.", NumberStyle(percent="points")) == 12.3


def test_a_scale_in_the_cell_goes_before_the_scale_of_the_file() -> None:
    thousands = NumberStyle(scale=1000)

    assert parse_number("325,6", thousands) == 325_600
    assert parse_number("325,6 t.kr.", thousands) == 325_600
    assert parse_number("325.600,00 kr.", thousands) == 325_600


def test_english_numbers_are_read_by_their_own_profile() -> None:
    english = NumberStyle(decimal=".", thousands=",")

    assert [parse_number(text, english) for text in ("1,234.56", "$33065.38", "$-9.99")] == [1234.56, 33065.38, -9.99]
    assert parse_number("1.234,56", english) == Bad("other_separators", ".")


def test_a_lone_point_is_a_thousand_when_all_the_column_can_be_read_so() -> None:
    values, bad = numbers(pa.array(["1.234", "12.500", "900"]), DANISH)

    assert values.tolist() == [1234, 12500, 900]
    assert bad == {}


def test_a_lone_point_is_ambiguous_when_one_value_speaks_against_it() -> None:
    values, bad = numbers(pa.array(["1.234", "0.5", "7,25"]), DANISH)

    assert bad == {0: Bad("ambiguous_number"), 1: Bad("other_separators", ",")}
    assert np.isnan(values[:2]).all()
    assert values[2] == 7.25


def test_a_source_with_decimal_points_reads_a_lone_point_as_decimal() -> None:
    assert parse_number("1.234", NumberStyle(decimal=".", thousands=",")) == 1.234


styles = st.sampled_from([DANISH, NumberStyle(".", ","), NumberStyle(",", " "), NumberStyle(",", "", scale=1000.0)])
written = st.one_of(
    st.from_regex(r"\A-?[0-9]{1,3}([.,][0-9]{3}){0,2}([.,][0-9]{1,3})?-?\Z"),
    st.from_regex(r"\A[-−(]?[0-9]{1,6}[.,]?[0-9]{0,2}[-)]?( kr\.| %)?\Z"),
    st.text("0123456789.,- ½", max_size=8),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(written, min_size=1, max_size=40), styles)
def test_many_numbers_at_once_are_what_the_rule_for_one_says(texts: list[str], style: NumberStyle) -> None:
    padding = [f"{n}" for n in range(FEW + 1)]

    values, bad = numbers(pa.array([*texts, *padding]), style)

    few, few_bad = numbers(pa.array(texts), style)
    assert np.array_equal(values[: len(texts)], few, equal_nan=True)
    assert bad == few_bad
    assert values[len(texts) :].tolist() == [n * style.scale for n in range(FEW + 1)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7,40", 7.4),
        ("9:15", 9.25),
        ("7:24", 7.4),
        ("7,24", 7.24),
        ("7,5", 7.5),
        ("1,15-", -1.15),
        ("-0:30", -0.5),
        ("0:30-", -0.5),
    ],
)
def test_hours_are_decimal_or_clock(text: str, value: float) -> None:
    assert parse_hours(text, DANISH) == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("text", ["9:60", "-9:15-", "9:5", "kl. 9:15"])
def test_odd_clocks_are_refused(text: str) -> None:
    assert parse_hours(text, DANISH) == Bad("not_hours")


def test_hours_that_may_be_minutes_are_noticed() -> None:
    clock_like = [f"{hour},{minutes}" for hour in range(4) for minutes in ("05", "15", "30", "45", "50", "59")]

    assert looks_like_minutes(clock_like, ",")
    assert not looks_like_minutes([*clock_like, "7,75"], ",")
    assert not looks_like_minutes(["7,40"] * 30, ",")


@pytest.mark.parametrize(
    "text",
    ["03-04-2025", "3/4-2025", "3.4.2025", "03.04.25", "2025-04-03", "45750", "3. april 2025", "torsdag den 3. april 2025",
     "03-apr-25", "3 APR. 2025", "2025-04-03 00:00:00"],
)  # fmt: skip
def test_the_third_of_april_is_read_however_it_is_written(text: str) -> None:
    assert parse_date(text) == datetime(2025, 4, 3)


def test_time_of_day_is_kept() -> None:
    assert parse_date("2011-07-01 01:32:33") == datetime(2011, 7, 1, 1, 32, 33)
    assert parse_date("03-04-2025 14:05") == datetime(2025, 4, 3, 14, 5)
    assert parse_date("45750,5") == datetime(2025, 4, 3, 12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [("04/13/2025", "swapped_date"), ("30-02-2025", "no_such_date"), ("32-01-2025", "no_such_date"), ("i går", "not_a_date"),
     ("123", "not_a_date"), ("#I/T", "excel_error"), ("U31-12-24", "not_a_date")],
)  # fmt: skip
def test_what_is_no_date_has_a_named_reason(text: str, reason: str) -> None:
    assert parse_date(text) == Bad(reason)


def test_dates_with_the_month_first_are_read_where_declared() -> None:
    assert parse_date("01/31/21", "month_first") == datetime(2021, 1, 31)
    assert parse_date("31/01/21", "month_first") == Bad("swapped_date")
    assert parse_date("20210131", ["%Y%m%d"]) == datetime(2021, 1, 31)
    assert parse_date("2021-01-31", ["%Y%m%d"]) == Bad("not_a_date")


MARCH, FIRST_QUARTER = date(2025, 3, 1), date(2025, 1, 1)


@pytest.mark.parametrize(
    "text",
    [
        "2025M03",
        "202503",
        "2025-03",
        "03-2025",
        "03/2025",
        "marts 2025",
        "Marts 2025",
        "mar. 2025",
        "mar-25",
        "March 2025",
        "marts",
    ],
)
def test_march_is_read_however_it_is_written(text: str) -> None:
    assert parse_period(text, year=2025) == Period(MARCH, "month")


@pytest.mark.parametrize(
    "text", ["2025K1", "2025Q1", "2025-Q1", "1. kvt. 2025", "1. kvartal 2025", "K1 2025", "1. kvt."]
)
def test_the_first_quarter_is_read_however_it_is_written(text: str) -> None:
    assert parse_period(text, year=2025) == Period(FIRST_QUARTER, "quarter")


@pytest.mark.parametrize("text", ["ÅTD marts 2025", "jan.-mar. 2025", "1/1-31/3 2025", "januar - marts 2025"])
def test_the_year_to_date_is_told_from_a_month(text: str) -> None:
    assert parse_period(text) == Period(MARCH, "month", None, "ytd")


@pytest.mark.parametrize(
    ("text", "period"),
    [
        ("2025", Period(FIRST_QUARTER, "year")),
        ("U31-12-24", Period(date(2024, 12, 1), "month", None, "closing")),
        ("2025M13", Period(date(2025, 12, 1), "month", None, "supplementary")),
        ("13. periode", Period(date(2025, 12, 1), "month", None, "supplementary")),
        ("31-03-2025", Period(MARCH, "month", date(2025, 3, 31))),
        ("45750", Period(date(2025, 4, 1), "month", date(2025, 4, 3))),
    ],
)
def test_other_periods(text: str, period: Period) -> None:
    assert parse_period(text, year=2025) == period


@pytest.mark.parametrize(
    ("text", "reason"),
    [("2025U09", "unsupported_grain"), ("2025H1", "unsupported_grain"), ("marts", "period_without_year"), ("2025M14", "not_a_period"),
     ("I alt", "not_a_period"), ("03-13-2025", "swapped_date")],
)  # fmt: skip
def test_what_is_no_period_has_a_named_reason(text: str, reason: str) -> None:
    assert parse_period(text) == Bad(reason)


def test_flags_are_read_in_both_languages() -> None:
    assert [parse_flag(text) for text in ("SAND", "Ja", "j", "x", "Yes")] == [True] * 5
    assert [parse_flag(text) for text in ("FALSK", "Nej", "N", "0")] == [False] * 4
    assert parse_flag("måske") == Bad("not_a_flag")


def test_text_is_matched_without_blanks_case_and_kind_of_dash() -> None:
    assert fold(f" Tilsyn{NO_BREAK} –  virksomhed ") == fold("tilsyn - Virksomhed")
    assert fold("A\u030arhus") == fold("Århus")
    assert tidy(" Tilsyn – \t virksomhed ") == "Tilsyn – virksomhed"


def test_danish_letters_are_not_folded() -> None:
    assert len({fold(word) for word in ("Ålborg", "Aalborg", "Alborg", "øl", "ol", "ær", "ar")}) == 7


def test_text_in_the_wrong_encoding_is_seen() -> None:
    right = "Sygefravær på Østerbro, ‘Nord’ – 5 µg ved 20° i São Paulo"

    assert mojibake(right) == ""
    assert mojibake("Sygefravær på".encode().decode("cp1252")) == "utf-8"
    assert mojibake("Sygefravær".encode("cp850").decode("cp1252")) == "cp850"
    assert mojibake("Sygefravær".encode("cp1252").decode("cp850")) == "cp1252"
    assert mojibake("Sygefrav\ufffdr") == "?"


def test_headers_that_name_persons_are_known() -> None:
    persons = [
        "Navn",
        "Fornavn",
        "Sagsbehandler",
        "CPR-nr.",
        "Titel",
        "Medarbejdernr.",
        "Medarb.nr",
        "Employee name",
        "Fulde navn",
        "Lønnummer",
    ]
    others = [
        "Enhedsnavn",
        "DEPARTMENT_NAME",
        "Kontonavn",
        "Antal sagsbehandlere",
        "Ansvarlig enhed",
        "Årsværk",
        "Enhed, navn",
    ]

    assert [header for header in persons if not names_a_person(header)] == []
    assert [header for header in others if names_a_person(header)] == []
