"""Deliveries become facts, with every row accounted for; the samples come out as their answer key says."""

import csv
import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_analysis.model.deliveries import Delivery, Finding, read
from mi_analysis.model.schema import TABLES
from mi_analysis.parameters import Fact, Institution, Source, Wide, load_institution

CENT = 0.01  # what amounts may differ by: rows and amounts are conserved to a hundredth


@pytest.fixture(scope="session")
def institution(samples: Path) -> Institution:
    return load_institution(samples / "institution.yaml")


@pytest.fixture(scope="session")
def expected(samples: Path) -> dict:
    return json.loads((samples / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def sample(samples: Path, institution: Institution) -> Callable[[str], Delivery]:
    def read_sample(name: str) -> Delivery:
        source = institution.sources[name]
        (file,) = (file for pattern in source.files for file in samples.glob(pattern))
        return read(file, name, source)

    return read_sample


def frame(delivery: Delivery, table: str) -> pd.DataFrame:
    return delivery.facts[table].to_pandas()


def delivered(folder: Path, text: str, source: Source, name: str = "file.csv") -> Delivery:
    (folder / name).write_text(text, encoding="utf-8")
    return read(folder / name, "source", source)


def ledger(**options: object) -> Source:
    columns = {"unit": "Sted", "activity": "Aktivitet", "date": "Dato", "amount": "Beløb"}
    return Source(files=["*.csv"], facts=[Fact(table="ledger", columns=columns)], **options)  # type: ignore[arg-type]


LEDGER_HEADER = "Sted;Aktivitet;Dato;Beløb\n"


# The samples


def test_every_sample_is_read_without_a_breach(institution: Institution, sample: Callable[[str], Delivery]) -> None:
    read_all = {name: sample(name) for name in institution.sources}

    assert [name for name, delivery in read_all.items() if delivery.stopped] == []
    assert {name: delivery.findings for name, delivery in read_all.items() if delivery.findings} == {
        "cases": (Finding("delivery.quarantined", "warn", {"rows": 1, "cells": 1}),)
    }


def test_the_ledger_comes_out_as_its_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("ledger"), expected["navision_finansposter_2025-03.csv"]
    rows = frame(delivery, "ledger")

    assert len(rows) == right["data_rows_excl_closing"]
    assert delivery.account.dropped == {"blank": 1, "total": 1, "closing_date": 1}
    assert [(total.row, total.stated, total.agrees) for total in delivery.control_totals] == [(16, 6724466.85, True)]
    assert rows["amount"].sum() == pytest.approx(float(right["sum_excl_closing"]), abs=CENT)
    assert rows.groupby("unit")["amount"].sum().round(2).to_dict() == {
        unit: float(amount) for unit, amount in right["sum_by_sted_excl_closing"].items()
    }
    assert rows["activity"].isna().sum() == right["rows_without_activity"]
    assert rows.loc[rows["purpose"] == "9", "amount"].sum() == pytest.approx(
        float(right["gfo_sum_fl_formaal_9"]), abs=CENT
    )
    assert rows.loc[rows["account_group"] == "income", "amount"].sum() == pytest.approx(
        float(right["income_excl_closing"])
    )
    assert set(rows["activity"].dropna()) == {"1010", "1020", "9010"}
    assert rows["date"].min() == date(2025, 3, 3)


def test_the_budget_comes_out_as_its_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("budget"), expected["budget_periodiseret_2025.xlsx"]
    rows = frame(delivery, "budget")
    march = rows[rows["period_start"] <= date(2025, 3, 1)]

    assert rows["row"].min() == right["first_data_row"]
    assert delivery.account.used == right["data_rows"]
    assert delivery.account.dropped == {"blank": 1, "total": right["subtotal_rows"] + right["total_rows"], "note": 1}
    assert len(rows) == right["data_rows"] * 12
    assert rows["amount"].sum() == right["year_total_tkr"] * 1000
    assert march["amount"].sum() == right["ytd_march_tkr"] * 1000
    assert march.groupby("unit")["amount"].sum().to_dict() == {
        unit: amount * 1000 for unit, amount in right["ytd_march_tkr_by_sted"].items()
    }
    assert len(delivery.control_totals) == 24
    assert all(total.agrees for total in delivery.control_totals)
    assert delivery.extracted_at == date(2025, 1, 14)


def test_the_hours_come_out_as_their_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("time"), expected["tidsregistrering_2025-03.csv"]
    hours, absence = frame(delivery, "hours"), frame(delivery, "absence")
    counted = hours[hours["status"] != "draft"]
    sick = absence.loc[absence["absence_type"] == "sick", "absence_hours"].sum()

    assert delivery.account.read == delivery.account.used == right["data_rows"]
    assert hours["hours"].sum() + absence["absence_hours"].sum() == pytest.approx(float(right["total_hours"]))
    assert counted["hours"].sum() + absence["absence_hours"].sum() == pytest.approx(
        float(right["approved_or_auto_hours"])
    )
    assert sick == pytest.approx(float(right["sick_hours"]))
    assert sick / 7.4 == pytest.approx(float(right["sick_dagsvaerk_7_4"]))
    assert (hours["status"] == "auto").sum() == right["auto_rows"]
    for rows, key in ((hours, "hours_by_alias"), (counted, "hours_by_alias_approved_or_auto")):
        assert rows.groupby("activity")["hours"].sum().round(2).to_dict() == {
            alias: float(value) for alias, value in right[key].items()
        }
    assert set(hours["period_start"]) == {date(2025, 3, 1)}


def test_the_sick_leave_comes_out_as_its_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("sick_leave"), expected["sygefravaer_enheder_2025M03.csv"]
    rows = frame(delivery, "absence")
    missing = rows["absence_days"].isna() & ~rows["withheld"]
    march = rows[(rows["period_start"] == date(2025, 3, 1)) & rows["absence_days"].notna()]

    assert len(rows) == right["data_rows"]
    assert rows["withheld"].sum() == right["suppressed_rows"]
    assert missing.sum() == right["missing_rows"]
    assert march["absence_days"].sum() == pytest.approx(right["march_dagsvaerk_known_units"])
    assert march["fte"].sum() == pytest.approx(right["march_aarsvaerk_known_units"])


def test_the_overtime_comes_out_as_its_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("overtime"), expected["overarbejde_saldi_2025-03.csv"]
    rows = frame(delivery, "staff").set_index("unit")

    assert rows["row"].min() == right["header_line"] + 1
    assert len(rows) == right["data_rows"]
    assert (rows["overtime_hours"] + rows["extra_hours"]).to_dict() == right["overtime_plus_extra_hours_by_unit"]
    assert rows["flex_balance"].sum() == pytest.approx(right["flex_total"])
    assert rows["balance_closing"].to_dict() == {
        unit: identity["reported_closing"] for unit, identity in right["balance_identity"].items()
    }
    assert len(delivery.control_totals) == 8
    assert all(total.agrees for total in delivery.control_totals)
    assert delivery.extracted_at == delivery.as_of == date(2025, 4, 4)


def test_the_cases_come_out_as_their_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("cases"), expected["sager_2025.csv"]
    rows = frame(delivery, "cases")

    assert delivery.account.read == right["raw_rows"]
    assert delivery.account.dropped == {"duplicate": 1}
    assert delivery.quarantine.to_pylist() == [
        {
            "delivery": "sager_2025.csv",
            "row": 13,
            "column": "Afsluttet dato",
            "text": "05-02-2025",
            "reason": "closed_before_received",
        }
    ]
    assert len(rows) + len(right["invalid_rows"]) == right["unique_cases"]
    assert set(rows["activity"]) == {"Tilsyn - virksomhed", "Tilsyn - opfølgning", "Klage", "Ansøgning", "Support"}
    closed = rows[rows["closed"].between("2025-03-01", "2025-03-31") & (rows["status"] != "reopened")]
    assert sorted((closed["closed"] - closed["received"]).dt.days) == right["gross_days"]
    assert (rows["status"] == "reopened").sum() == 1


def test_unicode_text_gives_the_same_cases_as_the_csv(sample: Callable[[str], Delivery], expected: dict) -> None:
    rows, unicode_rows = frame(sample("cases"), "cases"), frame(sample("cases_unicode"), "cases")

    assert len(unicode_rows) == expected["sager_2025_unicode.txt"]["data_rows"]
    pd.testing.assert_frame_equal(unicode_rows, rows.head(4))


def test_the_goals_come_out_as_their_answer_key_says(sample: Callable[[str], Delivery], expected: dict) -> None:
    delivery, right = sample("goals"), expected["maal_resultatplan_2025.xlsx"]
    rows = frame(delivery, "goals").set_index("goal")
    degree = (rows["result"] / rows["target"]).where(rows["direction"] == "higher", rows["target"] / rows["result"])

    assert rows.index.tolist() == ["1.1", "1.2", "2.1", "2.2", "3.1"]
    assert delivery.account.dropped == {"blank": 1, "total": 1, "note": 1}
    assert degree.dropna().round(6).to_dict() == right["degree_uncapped"]
    assert rows.loc["3.1", "state"] == "not_assessed"
    assert rows.loc["3.1", "target_date"] == date(2025, 12, 31)
    assert rows["weight"].sum() == 100
    assert delivery.periods == ((date(2025, 1, 1), "year"),)
    assert delivery.as_of == date(2025, 12, 31)


def test_the_reference_tables_come_out_as_their_answer_key_says(
    sample: Callable[[str], Delivery], expected: dict
) -> None:
    units, crosswalk = frame(sample("organisation"), "units"), frame(sample("crosswalk"), "crosswalk")

    assert len(units) == expected["organisation_historik.csv"]["rows"]
    assert units[units["unit"] == "2150"]["share"].tolist() == [0.6, 0.4]
    assert len(crosswalk) == expected["aktivitet_krydstabel.csv"]["rows"]
    assert crosswalk["valid_to"].notna().sum() == 5


def test_a_category_that_ends_like_a_total_is_data_where_the_profile_says_so(
    sample: Callable[[str], Delivery], expected: dict
) -> None:
    delivery = sample("benchmark")
    rows = frame(delivery, "volumes")

    assert len(rows) == expected["statistikbank_benchmark.csv"]["rows"]
    assert [(start.isoformat(), grain) for start, grain in delivery.periods] == [
        ("2024-01-01", "year"), ("2024-10-01", "quarter"), ("2025-01-01", "month"), ("2025-02-01", "month"), ("2025-03-01", "month"),
    ]  # fmt: skip
    assert rows["value"].isna().sum() == 1


# Rows and amounts are conserved


def conserved(delivery: Delivery) -> bool:
    account = delivery.account
    rows = account.read == account.used + account.quarantined + sum(account.dropped.values())
    amounts = all(
        abs(a["read"] - a["used"] - a["quarantined"] - a["dropped"]) <= CENT for a in account.amounts.values()
    )
    used = all(
        abs((pa.compute.sum(delivery.facts[table][column]).as_py() or 0) - account.amounts[f"{table}.{column}"]["used"])
        <= CENT
        for table, column in (key.split(".") for key in account.amounts)
        if table in delivery.facts
    )
    return rows and amounts and used


def test_rows_and_amounts_of_the_samples_are_conserved(
    institution: Institution, sample: Callable[[str], Delivery]
) -> None:
    assert [name for name in institution.sources if not conserved(sample(name))] == []


units_typed = st.sampled_from(["2110", "2120", " 2130 ", "", "I alt", "Tilsyn i alt", "Note: alt er foreløbigt"])
dates_typed = st.sampled_from(["03-03-2025", "2025-03-04", "U31-12-24", "30-02-2025", "", "marts 2025"])
amounts_typed = st.one_of(
    st.decimals(-99999, 99999, places=2).map(lambda value: f"{value:.2f}".replace(".", ",")),
    st.sampled_from(["1.234,50-", "(10,00)", "ca. 40", "", "..", "For få", "#I/T", "kr. 5", '"7;5"', "1.234"]),
)
lines = st.tuples(units_typed, st.sampled_from(["1010", "", '"a ""b"""']), dates_typed, amounts_typed).map(";".join)
dirty = st.lists(
    st.one_of(lines, st.sampled_from(["", ";;;", "2110;1010", "2110;1010;03-03-2025;1,00;for meget"])), max_size=25
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    dirty,
    st.sampled_from(["keep", "drop_exact", "error"]),
    st.sampled_from(["ledger", "income_positive"]),
    st.booleans(),
)
def test_no_row_and_no_amount_is_lost_however_dirty_the_file(
    tmp_path: Path, rows: list[str], duplicates: str, sign: str, filtered: bool
) -> None:
    source = ledger(duplicates=duplicates, sign=sign, na_tokens=[".."], suppressed_tokens=["For få"])
    if filtered:
        fact = source.facts[0].model_copy(update={"where": {"Sted": ["21*"]}})
        source = source.model_copy(update={"facts": [fact]})

    delivery = delivered(tmp_path, LEDGER_HEADER + "\n".join(rows) + "\n", source)

    if delivery.account.read:
        assert conserved(delivery)
        assert delivery.account.read >= len(rows)
        put_aside = set(delivery.quarantine.column("row").to_pylist())
        assert len(put_aside) == delivery.account.quarantined
        if not delivery.stopped:
            assert len(set(delivery.facts["ledger"].column("row").to_pylist())) == delivery.account.used


@pytest.mark.parametrize(("dates", "day"), [("month_first", date(2025, 3, 4)), ("day_first", date(2025, 4, 3))])
def test_the_day_a_file_was_extracted_is_read_as_its_other_dates_are(tmp_path: Path, dates: str, day: date) -> None:
    text = "Extracted 03/04/2025;;;\nSted;Aktivitet;Dato;Beløb\n2110;A10;02/02/2025;100,00\n"

    assert delivered(tmp_path, text, ledger(dates=dates, header=2, extracted_at=r"Extracted (\S+)")).extracted_at == day


def test_the_order_of_the_rows_does_not_matter(tmp_path: Path) -> None:
    rows = [f"21{n % 3}0;;0{1 + n % 9}-03-2025;{n},50" for n in range(30)] + ["2110;;03-03-2025;ca. 5"]
    shuffled = random.Random(1).sample(rows, len(rows))

    one, other = (delivered(tmp_path, LEDGER_HEADER + "\n".join(order), ledger()) for order in (rows, shuffled))

    assert one.account == other.account
    key = ["unit", "date", "amount"]
    pd.testing.assert_frame_equal(
        frame(one, "ledger")[key].sort_values(key, ignore_index=True),
        frame(other, "ledger")[key].sort_values(key, ignore_index=True),
    )


# Reading what files can be


def test_a_file_with_quotes_and_line_breaks_keeps_its_line_numbers(tmp_path: Path) -> None:
    text = LEDGER_HEADER + '2110;"a\nb ""c""";03-03-2025;1,00\n2120;;04-03-2025;x\n2130;;05-03-2025;3,00\n'

    delivery = delivered(tmp_path, text, ledger())

    assert delivery.facts["ledger"].column("row").to_pylist() == [2, 5]
    assert delivery.quarantine.to_pylist() == [
        {"delivery": "file.csv", "row": 4, "column": "Beløb", "text": "x", "reason": "not_a_number"}
    ]
    assert delivery.facts["ledger"].column("activity").to_pylist() == ['a b "c"', None]


def test_a_ragged_row_is_put_aside_and_told(tmp_path: Path) -> None:
    body = ["2110;1010;03-03-2025;1,00", "2120;1010", "2130;1010;03-03-2025;2,00;;", "2140;1010;03-03-2025;2,00;x"]
    plain = delivered(tmp_path, LEDGER_HEADER + "\n".join(body), ledger())
    quoted = delivered(tmp_path, LEDGER_HEADER + "\n".join([*body, '2150;"";03-03-2025;0']), ledger())

    told = [
        {"delivery": "file.csv", "row": 3, "column": "", "text": "", "reason": "ragged: 2/4"},
        {"delivery": "file.csv", "row": 5, "column": "", "text": "", "reason": "ragged: 5/4"},
    ]
    assert [row for row in plain.quarantine.to_pylist() if not row["column"]] == told
    assert [row for row in quoted.quarantine.to_pylist() if not row["column"]] == told
    assert plain.facts["ledger"].column("row").to_pylist() == [2, 4]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("packed", [False, True])
def test_encodings_are_found_and_packed_files_unpacked(tmp_path: Path, encoding: str, packed: bool) -> None:
    content = "Sted;Beløb;Dato;Aktivitet\nØst – €;1.000,50;03-03-2025;\n".encode(encoding)
    file = tmp_path / ("file.csv.gz" if packed else "file.csv")
    file.write_bytes(gzip.compress(content) if packed else content)

    rows = read(file, "source", ledger()).facts["ledger"].to_pylist()

    assert [(row["unit"], row["amount"], row["row"]) for row in rows] == [("Øst - €", 1000.5, 2)]


def test_a_csv_a_workbook_and_a_parquet_file_give_the_same_facts(tmp_path: Path) -> None:
    source = Source(
        files=["*"],
        facts=[Fact(table="hours", columns={"unit": "Enhed", "period": "Dato", "hours": "Timer", "status": "Status"},
                    values={"status": {"Godkendt": "approved"}})],
    )  # fmt: skip
    days = [date(2025, 3, 3), date(2025, 3, 31)]
    header = ["Enhed", "Dato", "Timer", "Status"]
    text = "\n".join([";".join(header), "0211;03-03-2025;7:24;Godkendt", "2120;31-03-2025;;Godkendt"])
    csv_facts = delivered(tmp_path, text, source)
    book = xlsxwriter.Workbook(tmp_path / "file.xlsx")
    sheet = book.add_worksheet("Ark1")
    sheet.write_row(0, 0, header)
    sheet.write_row(1, 0, ["0211", "", "", "Godkendt"])
    sheet.write_row(2, 0, [2120, "", "", "Godkendt"])
    for row, day in enumerate(days, start=1):
        sheet.write_datetime(row, 1, datetime.combine(day, time()), book.add_format({"num_format": "dd-mm-yyyy"}))
    sheet.write_datetime(1, 2, timedelta(hours=7, minutes=24), book.add_format({"num_format": "h:mm"}))
    book.close()
    typed = {"Enhed": ["0211", "2120"], "Dato": days, "Timer": [7.4, None], "Status": ["Godkendt"] * 2}
    pyarrow.parquet.write_table(pa.table(typed), tmp_path / "file.parquet")

    workbook, parquet = (read(tmp_path / name, "source", source) for name in ("file.xlsx", "file.parquet"))

    row = {
        "unit": "0211",
        "period_start": date(2025, 3, 1),
        "grain": "month",
        "hours": 7.4,
        "status": "approved",
        "withheld": False,
    }
    assert csv_facts.facts["hours"].to_pylist() == workbook.facts["hours"].to_pylist() == [{"row": 2} | row]
    assert parquet.facts["hours"].to_pylist() == [{"row": 1} | row]
    assert [
        delivery.quarantine.to_pylist()[0] | {"delivery": "", "row": 0} for delivery in (csv_facts, workbook, parquet)
    ] == [{"delivery": "", "row": 0, "column": "Timer", "text": "", "reason": "missing"}] * 3


def test_an_error_in_a_workbook_is_put_aside_and_not_taken_as_blank(tmp_path: Path) -> None:
    source = Source(
        files=["*"], facts=[Fact(table="staff", columns={"unit": "Enhed", "period": "Periode", "fte": "Årsværk"})]
    )
    book = xlsxwriter.Workbook(tmp_path / "file.xlsx")
    book.add_worksheet("Forside")
    sheet = book.add_worksheet("Data")
    sheet.write_row(0, 0, ["Enhed", "Periode", "Årsværk"])
    sheet.write_row(1, 0, ["2110", "2025M03"])
    sheet.write_formula(1, 2, "=1/0", None, "#DIV/0!")
    sheet.write_row(2, 0, ["2120", "2025M03", 21.25])
    book.close()

    delivery = read(tmp_path / "file.xlsx", "source", source.model_copy(update={"header": ["Enhed"]}))

    assert delivery.facts["staff"].column("fte").to_pylist() == [21.25]
    assert delivery.quarantine.to_pylist() == [
        {"delivery": "file.xlsx", "row": 2, "column": "Årsværk", "text": "#DIV/0!", "reason": "excel_error"}
    ]


def test_several_sheets_are_read_below_each_other(tmp_path: Path) -> None:
    book = xlsxwriter.Workbook(tmp_path / "file.xlsx")
    for name, unit in (("K1", "2110"), ("K2", "2120")):
        book.add_worksheet(name).write_column(0, 0, ["Enhed", unit])
        book.get_worksheet_by_name(name).write_column(0, 1, ["Årsværk", 1.5])
    book.close()
    source = Source(
        files=["*"],
        sheets=["K1", "K2"],
        period="2025M03",
        facts=[Fact(table="staff", columns={"unit": "Enhed", "fte": "Årsværk"})],
    )

    rows = read(tmp_path / "file.xlsx", "source", source).facts["staff"].to_pylist()

    assert [(row["unit"], row["row"], row["period_start"]) for row in rows] == [
        ("2110", 2, date(2025, 3, 1)),
        ("2120", 10_000_002, date(2025, 3, 1)),
    ]


def test_kinds_across_become_rows_and_blank_cells_none(tmp_path: Path) -> None:
    source = Source(
        files=["*"], period="[0-9]{4}M[0-9]{2}".join("()"), wide=Wide(columns=["Syg", "Barn syg"], into="absence_type", value="absence_hours"),
        facts=[Fact(table="absence", columns={"unit": "Enhed"}, values={"absence_type": {"Syg": "sick", "Barn syg": "child_sick"}})],
    )  # fmt: skip

    delivery = delivered(tmp_path, "Enhed;Syg;Barn syg\n2110;7,4;\n2120;3;1:30\n", source, "fravær 2025M03.csv")

    rows = frame(delivery, "absence").sort_values(["unit", "absence_type"])
    assert rows[["unit", "absence_type", "absence_hours"]].to_numpy().tolist() == [
        ["2110", "sick", 7.4], ["2120", "child_sick", 1.5], ["2120", "sick", 3.0],
    ]  # fmt: skip
    assert set(rows["period_start"]) == {date(2025, 3, 1)}
    assert conserved(delivery)


def test_months_across_without_a_year_are_of_the_year_that_the_file_says(tmp_path: Path) -> None:
    source = Source(
        files=["*"], period="Budget ([0-9]{4})", wide=Wide(columns="periods", into="period", value="amount"),
        facts=[Fact(table="budget", columns={"unit": "Enhed"})],
    )  # fmt: skip

    text = "Enhed;Januar;februar;Året\n2110;7;8;15\n"
    rows = frame(delivered(tmp_path, text, source, "Budget 2025.csv"), "budget")
    unsaid = delivered(tmp_path, text, source.model_copy(update={"period": None}))

    assert rows[["period_start", "amount"]].to_numpy().tolist() == [[date(2025, 1, 1), 7.0], [date(2025, 2, 1), 8.0]]
    assert [(found.key, found.severity) for found in unsaid.findings] == [("delivery.no_wide_columns", "stop")]


def test_a_column_may_have_any_of_several_names(tmp_path: Path) -> None:
    columns: dict[str, str | list[str]] = {
        "unit": ["Department Name", "DEPARTMENT_NAME"],
        "pay": ["TOTAL GROSS", "TOTAL_ GROSS"],
    }
    fact = Fact(table="staff", columns=columns, persons="rows")
    source = Source(files=["*"], facts=[fact], delimiter=",", decimal=".", thousands=",", period="([0-9]{4})")

    rows = (
        delivered(tmp_path, 'DEPARTMENT_NAME,TOTAL_ GROSS\nParks,"$145,775.26"\n', source, "pay_2022.csv")
        .facts["staff"]
        .to_pylist()
    )

    assert [(row["unit"], row["pay"], row["period_start"], row["grain"]) for row in rows] == [
        ("Parks", 145775.26, date(2022, 1, 1), "year")
    ]


def test_texts_become_tokens_by_beginning_by_rest_or_not_at_all(tmp_path: Path) -> None:
    fact = ledger().facts[0]
    values = {"account_group": {"18*": "pay", "181001": "overhead", "11*": "income"}}
    columns = fact.columns | {"account_group": "Konto"}
    source = ledger().model_copy(update={"facts": [fact.model_copy(update={"values": values, "columns": columns})]})
    rows = [f"2110;;03-03-2025;1;{account}" for account in ("181001", "182000", "110000", "220000", "")]

    delivery = delivered(tmp_path, "Sted;Aktivitet;Dato;Beløb;Konto\n" + "\n".join(rows), source)

    assert delivery.facts["ledger"].column("account_group").to_pylist() == ["overhead", "pay", "income", None]
    assert delivery.quarantine.to_pylist() == [
        {
            "delivery": "file.csv",
            "row": 5,
            "column": "Konto",
            "text": "220000",
            "reason": "unknown_text: 18*, 181001, 11*",
        }
    ]


def test_more_than_a_day_on_a_day_is_put_aside_but_not_in_a_month(tmp_path: Path) -> None:
    source = Source(
        files=["*"], facts=[Fact(table="hours", columns={"unit": "Enhed", "period": "Periode", "hours": "Timer"})]
    )

    delivery = delivered(
        tmp_path, "Enhed;Periode;Timer\n2110;03-03-2025;25\n2110;2025M03;150\n2110;03-03-2025;24:00\n", source
    )

    assert delivery.facts["hours"].column("hours").to_pylist() == [150, 24]
    assert [(row["row"], row["reason"]) for row in delivery.quarantine.to_pylist()] == [(2, "over_24_hours")]


@pytest.mark.parametrize(("sign", "amounts"), [("ledger", [5, -7]), ("income_positive", [-5, 7]), ("natural", [5, 7])])
def test_costs_are_positive_and_income_negative_whatever_the_source_does(
    tmp_path: Path, sign: str, amounts: list[float]
) -> None:
    fact = ledger().facts[0]
    more = {
        "columns": fact.columns | {"account_group": "Art"},
        "values": {"account_group": {"Løn": "pay", "Gebyr": "income"}},
    }
    source = ledger(sign=sign).model_copy(update={"facts": [fact.model_copy(update=more)]})

    delivery = delivered(
        tmp_path, "Sted;Aktivitet;Dato;Beløb;Art\n2110;;03-03-2025;5;Løn\n2110;;03-03-2025;-7;Gebyr\n", source
    )

    assert delivery.facts["ledger"].column("amount").to_pylist() == amounts


def test_rows_that_share_a_key_are_put_aside_where_keys_may_not_repeat(tmp_path: Path) -> None:
    source = Source(
        files=["*"],
        duplicates="error",
        facts=[Fact(table="cases", columns={"case": "Sag", "unit": "Enhed", "received": "Modtaget"})],
    )

    delivery = delivered(tmp_path, "Sag;Enhed;Modtaget\nA;1;01-03-2025\nB;1;01-03-2025\nA;2;02-03-2025\n", source)

    assert delivery.facts["cases"].column("case").to_pylist() == ["B"]
    assert [(row["row"], row["column"], row["text"], row["reason"]) for row in delivery.quarantine.to_pylist()] == [
        (2, "Sag", "A", "repeated_key"), (4, "Sag", "A", "repeated_key"),
    ]  # fmt: skip


def test_a_case_closed_on_the_day_it_came_is_right_though_the_day_has_no_time(tmp_path: Path) -> None:
    source = Source(
        files=["*"],
        facts=[Fact(table="cases", columns={"case": "Sag", "unit": "Enhed", "received": "Ind", "closed": "Ud"})],
    )
    body = "A;1;03-03-2025 14:00;03-03-2025\nB;1;03-03-2025 14:00;03-03-2025 13:00\nC;1;03-03-2025;02-03-2025\n"

    delivery = delivered(tmp_path, "Sag;Enhed;Ind;Ud\n" + body, source)

    assert delivery.facts["cases"].column("case").to_pylist() == ["A"]
    assert {row["reason"] for row in delivery.quarantine.to_pylist()} == {"closed_before_received"}


def test_goals_are_numbers_shares_dates_or_not_assessed(tmp_path: Path) -> None:
    columns = {"goal": "Mål", "direction": "Retning", "target": "Måltal", "result": "Resultat"}
    source = Source(
        files=["*"], period="2025", na_tokens=["Ikke opgjort"], facts=[Fact(table="goals", columns=columns)]
    )
    body = ["1.10;higher;≥ 95 %;93 pct.", "2;lower;maks. 45 dage;39,0", "3;milestone;31-12-2025;15. oktober 2025",
            "4;yes_no;Ja;Nej", "5;higher;10;Ikke opgjort", "6;higher;10;", "7;higher;10;næsten"]  # fmt: skip

    delivery = delivered(tmp_path, "Mål;Retning;Måltal;Resultat\n" + "\n".join(body), source)

    rows = frame(delivery, "goals").set_index("goal")
    assert rows["target"].astype(object).where(rows["target"].notna(), None).tolist() == [0.95, 45, None, 1, 10, 10]
    assert rows.loc[["1.10", "2", "4"], "result"].tolist() == [0.93, 39, 0]
    assert rows["goal_unit"].dropna().to_dict() == {"1.10": "pct."}  # printed as it is written
    assert rows.loc["3", ["target_date", "result_date"]].tolist() == [date(2025, 12, 31), date(2025, 10, 15)]
    assert rows.loc[["5", "6"], "state"].tolist() == ["not_assessed", "missing"]
    assert [(row["column"], row["text"], row["reason"]) for row in delivery.quarantine.to_pylist()] == [
        ("Resultat", "næsten", "not_a_number")
    ]


def test_year_to_date_becomes_months_and_is_told(tmp_path: Path) -> None:
    source = ledger(period_kind="ytd").model_copy(
        update={"facts": [Fact(table="ledger", columns={"unit": "Sted", "date": "Måned", "amount": "Beløb"})]}
    )
    body = [
        "2110;ÅTD januar 2025;100",
        "2110;ÅTD februar 2025;250",
        "2110;ÅTD marts 2025;240",
        "2120;ÅTD marts 2025;30",
    ]

    delivery = delivered(tmp_path, "Sted;Måned;Beløb\n" + "\n".join(body), source)

    assert delivery.facts["ledger"].column("amount").to_pylist() == [100, 150, -10, 30]
    assert delivery.account.amounts["ledger.amount"]["used"] == 620
    assert delivery.findings == (
        Finding("delivery.ytd_differenced", "note", {"columns": "amount"}),
        Finding("delivery.ytd_falling", "warn", {"column": "amount", "rows": 1, "row": 4}),
    )


def test_a_large_file_is_read_as_a_small_one(tmp_path: Path) -> None:
    """Above 500 distinct texts, numbers and dates are read at once: the result may not depend on it."""
    days = [date(2025, 1, 1) + timedelta(days=n % 365) for n in range(1200)]
    rows = [
        f"21{n % 9}0;A{n};{day:%d-%m-%Y};{n * 1037 % 99991},{n % 100:02d}{'-' if n % 7 == 0 else ''}"
        for n, day in enumerate(days)
    ]
    whole = delivered(tmp_path, LEDGER_HEADER + "\n".join(rows), ledger())
    parts = [delivered(tmp_path, LEDGER_HEADER + "\n".join(rows[n : n + 100]), ledger()) for n in range(0, 1200, 100)]

    together = pd.concat([frame(part, "ledger") for part in parts], ignore_index=True)

    pd.testing.assert_frame_equal(frame(whole, "ledger").drop(columns="row"), together.drop(columns="row"))
    assert together["date"].tolist() == days


def test_columns_that_are_not_read_reach_nothing(tmp_path: Path) -> None:
    text = "Sted;Aktivitet;Dato;Beløb;Navn;Bemærkning\n2110;;03-03-2025;x;Hans Hansen;010190-1234\n2120;;03-03-2025;1;Ib;\n"

    delivery = delivered(tmp_path, text, ledger())

    everything = (
        str(delivery.facts["ledger"].to_pylist()) + str(delivery.quarantine.to_pylist()) + str(delivery.findings)
    )
    assert "Hans" not in everything
    assert "010190" not in everything
    assert delivery.facts["ledger"].column_names == [
        "row",
        "unit",
        "activity",
        "period_start",
        "grain",
        "amount",
        "date",
        "withheld",
    ]


def test_quarantine_keeps_no_person_key(tmp_path: Path) -> None:
    columns = {"unit": "Enhed", "period": "Dato", "person_key": "Medarbejdernr.", "hours": "Timer"}
    source = Source(files=["*"], facts=[Fact(table="hours", columns=columns)])

    delivery = delivered(
        tmp_path, "Medarbejdernr.;Enhed;Dato;Timer\nM-1;2110;03-03-2025;mange\nM-2;2110;03-03-2025;1\n", source
    )

    assert delivery.facts["hours"].column("person_key").to_pylist() == ["M-2"]
    assert [set(row) for row in delivery.quarantine.to_pylist()] == [{"delivery", "row", "column", "text", "reason"}]
    assert "M-1" not in str(delivery.quarantine.to_pylist())


def test_every_column_kind_of_the_schema_can_be_read(tmp_path: Path) -> None:
    typed = {"code": "1", "text": "1", "number": "1", "amount": "1", "hours": "1", "days": "1", "share": "1", "date": "01-03-2025",
             "time": "01-03-2025", "period": "2025M03", "flag": "ja"}  # fmt: skip
    for name, table in TABLES.items():
        cells = {
            key: column.tokens[0] if column.kind == "token" else typed[column.kind]
            for key, column in table.columns.items()
        }
        headers = {key: f"K {key}" for key in cells}
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=";").writerows([list(headers.values()), list(cells.values())])
        source = Source(files=["*"], facts=[Fact(table=name, columns=dict(headers))])

        delivery = delivered(tmp_path, buffer.getvalue(), source)

        assert (name, delivery.findings) == (name, ())
        assert Counter(delivery.facts[name].column_names).most_common(1)[0][1] == 1
        assert delivery.facts[name].num_rows == 1
