"""Each thing that can be wrong with a file has a message in words of the file; a breach stops it whole."""

import gzip
import random
import re
import shutil
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from mi_analysis.model.deliveries import Delivery, check_profiles, read
from mi_analysis.model.findings import cumulative_finding, magnitude_finding, stated_findings
from mi_analysis.parameters import Fact, Source, WrongUse, load_institution
from mi_analysis.reporting.wording import Words

ENGLISH = Words("en")
HEADER = "Enhed;Aktivitet;Dato;Beløb"
COLUMNS: dict[str, str | list[str]] = {"unit": "Enhed", "activity": "Aktivitet", "date": "Dato", "amount": "Beløb"}
GOOD_ROW = "2110;1010;03-03-2025;1.000,00"


def source(**options: object) -> Source:
    return Source(files=["*"], facts=[Fact(table="ledger", columns=COLUMNS)]).model_copy(update=options)


def of(content: str | bytes, folder: Path, profile: Source | None = None, name: str = "poster.csv") -> Delivery:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return read(folder / name, "ledger", profile or source())


def messages(delivery: Delivery) -> list[str]:
    return [
        f"{finding.severity}: " + ENGLISH.text(f"finding.{finding.key}", **finding.values)
        for finding in delivery.findings
    ]


def left_out(delivery: Delivery) -> bool:
    """Nothing of a stopped delivery is used."""
    return delivery.stopped and delivery.facts == {}


# Files that are no files


def test_an_empty_file(tmp_path: Path) -> None:
    delivery = of("", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == ["stop: The file is empty. Deliver it again."]
    assert messages(of(gzip.compress(b"\n"), tmp_path, name="poster.csv.gz")) == messages(delivery)


@pytest.mark.parametrize("content", [HEADER, HEADER + "\n", HEADER + "\n\n;;;\n", HEADER + "\n\nI alt;;;0,00\n"])
def test_a_file_with_nothing_below_its_header(tmp_path: Path, content: str) -> None:
    delivery = of(content, tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: There is no row of data below the header in row 1. Deliver the file with its rows, or say that the period has none."
    ]


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    delivery = read(tmp_path / "poster.csv", "ledger", source())

    assert left_out(delivery)
    assert delivery.file == "poster.csv"
    assert messages(delivery) == [
        "stop: The file is gone: it was listed, but could not be found when it was read. Deliver it again."
    ]


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    assert messages(read(tmp_path, "ledger", source())) == [
        "stop: The file cannot be opened. Close it in other programs and check that it may be read."
    ]


def test_a_truncated_workbook(tmp_path: Path, samples: Path) -> None:
    whole = (samples / "budget_periodiseret_2025.xlsx").read_bytes()

    delivery = of(whole[:3000], tmp_path, name="budget.xlsx")

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The file of 3000 bytes cannot be opened as a workbook; it may have been cut off on its way. "
        "Fetch it again, or save it again as xlsx."
    ]


def test_a_truncated_packed_file_and_a_truncated_parquet_file(tmp_path: Path) -> None:
    packed = gzip.compress(f"{HEADER}\n{GOOD_ROW}\n".encode())[:-6]

    assert messages(of(packed, tmp_path, name="poster.csv.gz")) == [
        f"stop: The file of {len(packed)} bytes cannot be unpacked; it may have been cut off on its way. Fetch it again."
    ]
    assert messages(of(b"PAR1 and no more", tmp_path, name="poster.parquet")) == [
        "stop: The file of 16 bytes cannot be opened as parquet; it may have been cut off on its way. Fetch it again."
    ]


def test_a_blank_row_where_the_header_should_be(tmp_path: Path) -> None:
    """Fuzzing found it: a file without columns broke the fast reader."""
    delivery = of(f"\n{HEADER}\n{GOOD_ROW}\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: Row 1, where the header should be, is blank. Correct header in the source profile, or deliver the usual layout."
    ]


def test_a_small_file_made_to_fill_the_memory_is_not_opened(tmp_path: Path, samples: Path, monkeypatch) -> None:
    monkeypatch.setattr("mi_analysis.model.formats.SMALL_UNPACKED", 1_000_000)
    packed = gzip.compress(f"{HEADER}\n".encode() + b" " * 3_000_000)
    book = tmp_path / "bomb.xlsx"
    shutil.copy(samples / "budget_periodiseret_2025.xlsx", book)
    with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/worksheets/sheet9.xml", " " * 30_000_000)

    for content, name in ((packed, "poster.csv.gz"), (book.read_bytes(), "budget.xlsx")):
        delivery = of(content, tmp_path, name=name)
        most = max(1_000_000, 200 * len(content))
        assert left_out(delivery)
        assert messages(delivery) == [
            f"stop: The file of {len(content)} bytes unpacks to more than {most} bytes, many times what tables do. "
            "It is not opened. Ask for it unpacked, or in parts."
        ]


# Encodings


def test_a_wrong_encoding(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD_ROW}\nØst;;03-03-2025;1\n"

    delivery = of(content.encode("cp1252"), tmp_path, source(encoding="utf-8"))

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The text is not utf-8: row 1 holds the byte 0xf8, which is no character there. "
        "Save the file as UTF-8, or correct encoding in the source profile."
    ]


def test_utf_16_without_its_mark(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n{GOOD_ROW}\n".encode("utf-16-le"), tmp_path)

    assert messages(delivery) == [
        "stop: The text is not utf-8: row 1 holds the byte 0xf8, which is no character there. "
        "Save the file as UTF-8, or correct encoding in the source profile."
    ] or messages(delivery)[0].startswith("stop: The text is not ")
    assert left_out(delivery)


def test_mojibake_in_a_cell_that_is_read(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD_ROW}\nTilsyn Ã˜st;;03-03-2025;1\n"

    delivery = of(content, tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The text is read in the wrong encoding: 'Tilsyn Ã˜st' in row 3, column 'Enhed'. "
        "The file seems to be utf-8. Save it as UTF-8, or correct encoding in the source profile."
    ]


def test_a_dos_file_read_as_windows(tmp_path: Path) -> None:
    content = "Enhed;Aktivitet;Dato;Bel\nAns;Sygefrav\u00e6r;03-03-2025;1\n".encode("cp850")

    assert messages(
        of(content, tmp_path, source(facts=[Fact(table="ledger", columns=COLUMNS | {"amount": "Bel"})]))
    ) == [
        "stop: The text is read in the wrong encoding: 'Sygefrav‘r' in row 2, column 'Aktivitet'. "
        "The file seems to be cp850. Save it as UTF-8, or correct encoding in the source profile."
    ]


# Headers


def test_a_renamed_column(tmp_path: Path) -> None:
    delivery = of(f"Enhed;Aktivitet;Dato;Beløb i kr.\n{GOOD_ROW}\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The column 'Beløb' is missing from the header in row 1; 'Beløb i kr.' is the nearest. If it was renamed, "
        "add the new name in the source profile. The columns are Enhed, Aktivitet, Dato, Beløb i kr."
    ]


def test_all_missing_columns_are_told_at_once(tmp_path: Path) -> None:
    delivery = of("Titel på rapport\nEnhed;Kommentar\n2110;x\n", tmp_path, source(header=["Enhed", "Dato"]))

    assert left_out(delivery)
    assert messages(delivery) == [
        f"stop: The column '{column}' is missing from the header in row 2. The columns are Enhed, Kommentar."
        for column in ("Aktivitet", "Dato", "Beløb")
    ]


def test_a_file_whose_header_is_gone(tmp_path: Path) -> None:
    assert messages(of("2110;x\n2120;y\n", tmp_path, source(header=["Enhed", "Dato"]))) == [
        "stop: No header was found: none of Enhed, Dato stands in the first 2 rows. "
        "Correct header in the source profile, or deliver the usual layout."
    ]
    assert messages(of("Poster;;\n2110;x;\nEnhed nr.;Beløb i;x\n", tmp_path, source(header=["Enhednr", "Dato"]))) == [
        "stop: No header was found: none of Enhednr, Dato stands in the first 3 rows; 'Enhed nr.' in row 3 is the nearest. "
        "Correct header in the source profile, or deliver the usual layout."
    ]
    assert messages(of("2110;x\n", tmp_path, source(header=4))) == [
        "stop: The header should be in row 4, but there are 1 rows. Correct header in the source profile."
    ]


def test_a_column_that_stands_twice(tmp_path: Path) -> None:
    assert messages(of(f"{HEADER};Beløb\n{GOOD_ROW};2\n", tmp_path)) == [
        "stop: The column 'Beløb' stands 2 times in the header in row 1. "
        "Write the whole header in the source profile, or have one of them renamed."
    ]


def test_another_delimiter(tmp_path: Path) -> None:
    content = f"{HEADER}\n{GOOD_ROW}\n".replace(";", "\t")

    assert messages(of(content, tmp_path)) == [
        "stop: The columns are not separated by ; but, it seems, by tab. Correct delimiter in the source profile."
    ]


def test_quotes_that_do_not_match(tmp_path: Path) -> None:
    assert messages(of(f'{HEADER}\n{GOOD_ROW}\n"Øst;1010;03-03-2025;1\n{GOOD_ROW}\n', tmp_path)) == [
        'stop: The quotation marks do not match from row 3 on: a cell opened with " is not closed before its separator. '
        "Double the marks inside the cell."
    ]


def test_a_sheet_that_is_not_there(tmp_path: Path, samples: Path) -> None:
    content = (samples / "budget_periodiseret_2025.xlsx").read_bytes()

    assert messages(of(content, tmp_path, source(sheets=["Budget 2025"]), "budget.xlsx")) == [
        "stop: There is no sheet 'Budget 2025'; the sheets are Forside, Budget. Correct sheets in the source profile."
    ]


def test_a_file_without_header_that_lacks_a_column(tmp_path: Path) -> None:
    assert messages(of("2110;1010;03-03-2025\n", tmp_path, source(header=0, names=list(COLUMNS.values())))) == [
        "stop: There are 3 columns, and 4 were agreed. Deliver the agreed columns in the agreed order."
    ]


def test_another_order_of_columns_makes_no_difference(tmp_path: Path) -> None:
    usual = of(f"{HEADER}\n{GOOD_ROW}\n", tmp_path)
    other = of("Beløb;Dato;Enhed;Aktivitet\n1.000,00;03-03-2025;2110;1010\n", tmp_path)

    assert other.findings == ()
    assert other.facts == usual.facts


# Cells


def test_a_us_date_among_danish_ones(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n{GOOD_ROW}\n2110;1010;03/14/2025;1\n2110;1010;12-31-2025;1\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery)[0] == (
        "stop: A date with the month first stands among dates with the day first: '03/14/2025' in row 3, column 'Dato' "
        "(2 in all). Deliver dates as 31-12-2025 or 2025-12-31."
    )


def test_bad_cells_are_put_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n{GOOD_ROW}\n2110;1010;32-03-2025;ca. 5\n2110;;;1,234.56\n", tmp_path)

    assert messages(delivery) == ["warn: 2 rows were put aside because of 4 cells that could not be read."]
    assert delivery.facts["ledger"].column("row").to_pylist() == [2]
    assert [
        f"Row {row['row']}, {row['column']}: '{row['text']}' " + ENGLISH.text(f"finding.cell.{reason}", detail=detail)
        for row in delivery.quarantine.to_pylist()
        for reason, _, detail in [row["reason"].partition(": ")]
    ] == [
        "Row 3, Beløb: 'ca. 5' is not a number",
        "Row 3, Dato: '32-03-2025' is a date that does not exist",
        "Row 4, Beløb: '1,234.56' is not written with ',' as decimal mark",
        "Row 4, Dato: '' is blank, but must be filled",
    ]


def test_a_file_of_which_nothing_can_be_used(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n2110;1010;03-03-2025;x\n2110;1010;03-03-2025;y\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == ["stop: No row could be used: of 2 rows of data, 2 were put aside."]


def test_a_total_line_that_does_not_agree(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n{GOOD_ROW}\n{GOOD_ROW}\nI alt;;;2.500,00\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The total line 'I alt' in row 4 says 2.500,00 for 'Beløb', but the rows add up to 2.000,00 "
        "(difference 500,00). Deliver the file again."
    ]


def test_a_total_line_over_cells_that_could_not_be_read_only_warns(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n{GOOD_ROW}\n2120;;03-03-2025;ca. 5\nI alt;;;1.005,00\n", tmp_path)

    assert not delivery.stopped
    assert messages(delivery) == [
        "warn: The total line 'I alt' in row 4 says 1.005,00 for 'Beløb', but the rows that could be read add up to 1.000,00 "
        "(difference 5,00). Cells without a number in the column may explain it.",
        "warn: 1 rows were put aside because of 1 cells that could not be read.",
    ]


def test_subtotals_are_reconciled_with_their_own_rows(tmp_path: Path) -> None:
    body = [
        "A;;03-03-2025;1", "A;;03-03-2025;2", "A i alt;;;3", "B;;03-03-2025;4", "C;;03-03-2025;5", "C i alt;;;5", "Subtotal;;;9", "I alt;;;12",
    ]  # fmt: skip

    delivery = of("\n".join([HEADER, *body]), tmp_path)

    assert [(total.label, total.computed, total.agrees) for total in delivery.control_totals] == [
        ("A i alt", 3, True), ("C i alt", 5, True), ("Subtotal", 9, True), ("I alt", 12, True),
    ]  # fmt: skip


# Persons


def test_a_persons_number_stops_the_delivery_and_is_shown_nowhere(tmp_path: Path) -> None:
    body = [GOOD_ROW, "2110;010190-1234;03-03-2025;1", "2110;sag 610190-1234 m.fl.;03-03-2025;1"]

    delivery = of("\n".join([HEADER, *body]), tmp_path)

    assert left_out(delivery)
    assert delivery.quarantine.num_rows == 0
    assert messages(delivery) == [
        "stop: The column 'Aktivitet' holds personal numbers in 2 rows. Nothing of the delivery was kept. "
        "Have it delivered without them."
    ]
    assert "0190" not in str(delivery)


def test_case_numbers_are_no_persons_numbers(tmp_path: Path) -> None:
    rows = [
        f"2110;{number};03-03-2025;1"
        for number in ("202503-1234", "001390-1234", "320190-1234", "1010190-1234", "010190-12345")
    ]

    assert of("\n".join([HEADER, *rows]), tmp_path).findings == ()


@pytest.mark.parametrize(("persons", "stopped"), [(25, False), (26, True)])
def test_ten_digits_are_persons_only_when_more_than_a_quarter_can_be_dates(
    tmp_path: Path, persons: int, stopped: bool
) -> None:
    numbers = [f"0101{900000 + n}" for n in range(persons)] + [f"9913{n:06d}" for n in range(100 - persons)]

    delivery = of("\n".join([HEADER, *(f"2110;{number};03-03-2025;1" for number in numbers)]), tmp_path)

    assert delivery.stopped is stopped
    assert messages(delivery) == [
        f"stop: The column 'Aktivitet' holds personal numbers in {persons} rows. Nothing of the delivery was kept. "
        "Have it delivered without them."
    ] * stopped  # fmt: skip


def test_persons_numbers_are_seen_in_a_person_key_and_in_a_typed_column(tmp_path: Path) -> None:
    fact = Fact(
        table="hours", columns={"unit": "Enhed", "period": "Periode", "person_key": "CPR-nr.", "hours": "Timer"}
    )
    pa.parquet.write_table(
        pa.table({"Enhed": ["1"], "Periode": ["2025M03"], "CPR-nr.": [3112901234], "Timer": [7.4]}),
        tmp_path / "timer.parquet",
    )
    told = [
        "stop: The column 'CPR-nr.' holds personal numbers in 1 rows. Nothing of the delivery was kept. Have it delivered without them."
    ]

    typed = read(tmp_path / "timer.parquet", "time", source(facts=[fact]))
    text = of("Enhed;Periode;CPR-nr.;Timer\n1;2025M03;010190-1234;7,4\n", tmp_path, source(facts=[fact]))

    assert messages(typed) == messages(text) == told


def test_a_column_that_names_a_person_can_only_be_a_person_key(tmp_path: Path) -> None:
    fact = Fact(table="ledger", columns=COLUMNS | {"activity": "Sagsbehandler"}, where={"Fulde navn": ["*"]})

    delivery = of(
        "Enhed;Sagsbehandler;Dato;Beløb;Fulde navn\n2110;Hans;03-03-2025;1;Hans Hansen\n",
        tmp_path,
        source(facts=[fact]),
    )

    assert left_out(delivery)
    assert messages(delivery) == [
        f"stop: The column '{column}' names persons and can only be read as person_key. Take it out of the source profile."
        for column in ("Sagsbehandler", "Fulde navn")
    ]


def test_a_list_of_activities_may_call_their_names_names(tmp_path: Path) -> None:
    def listed(table: str, header: str) -> Delivery:
        fact = Fact(table=table, columns={table.removesuffix("s").replace("ie", "y"): "Kode", "name": header})
        return of(f"Kode;{header}\nA1;Tilsyn\n", tmp_path, source(facts=[fact]))

    assert listed("activities", "Navn").facts["activities"].column("name").to_pylist() == ["Tilsyn"]
    assert messages(listed("units", "Name")) == []
    assert left_out(listed("activities", "Fulde navn"))
    assert left_out(listed("activities", "Medarbejder"))


def test_a_file_without_header_shows_no_persons_number_in_its_message(tmp_path: Path) -> None:
    delivery = of("2110;010190-1234;5\n2120;010190-1235;6\n", tmp_path)

    assert "The columns are 2110, …, 5." in messages(delivery)[0]
    assert "0190" not in str(delivery)


# Periods and sizes


def monthly(months: list[float], units: int = 6) -> str:
    rows = [
        f"21{unit}0;;01-{month:02d}-2025;{amount * (unit + 1):.2f}".replace(".", ",")
        for month, amount in enumerate(months, 1)
        for unit in range(units)
    ]
    return "\n".join([HEADER, *rows])


def test_a_cumulative_export_taken_as_monthly(tmp_path: Path) -> None:
    delivery = of(monthly([100, 210, 290, 410]), tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: 'amount' looks like the year to date taken as months: in 2025 it rises every month, from 2.100,00 in January "
        "to 8.610,00 in month 4. If it is cumulative, write period_kind: ytd in the source profile."
    ]


def test_with_few_series_and_months_a_cumulative_look_only_warns(tmp_path: Path) -> None:
    delivery = of(monthly([100, 210, 290, 410], units=1), tmp_path)

    assert not delivery.stopped
    assert [finding.severity for finding in delivery.findings] == ["warn"]


@pytest.mark.parametrize(
    "months", [[100, 110, 95, 105], [100, 101, 102, 103, 104, 105], [100, 210, 290], [-100, 50, 80, 400]]
)
def test_months_that_merely_grow_are_no_cumulative_export(tmp_path: Path, months: list[float]) -> None:
    assert of(monthly(months), tmp_path).findings == ()


def test_stock_may_grow_as_it_likes() -> None:
    months = [date(2025, month, 1) for month in range(1, 9)]
    rows = {
        "unit": ["1"] * 8,
        "period_start": months,
        "grain": ["month"] * 8,
        "name": ["stock"] * 8,
        "value": [100.0 * n for n in range(1, 9)],
    }

    assert cumulative_finding("volumes", pa.table(rows)) is None
    assert cumulative_finding("volumes", pa.table(rows | {"name": ["received"] * 8})) is not None


def test_a_year_to_date_label_in_a_monthly_source(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n2110;;ÅTD marts 2025;1\n", tmp_path)

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: 'ÅTD marts 2025' in row 2, column 'Dato' is the year to date, but the source is read as monthly (1 in all). "
        "Write period_kind: ytd in the source profile."
    ]


def test_year_to_date_figures_that_begin_within_the_year(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n2110;;ÅTD marts 2025;1\n", tmp_path, source(period_kind="ytd"))

    assert left_out(delivery)
    assert messages(delivery) == [
        "stop: The figures are the year to date, but those of 2025 begin with 2025-03. "
        "Deliver the year from January, so that each month can be found."
    ]


def test_a_thirteenth_period_is_told(tmp_path: Path) -> None:
    delivery = of(f"{HEADER}\n2110;;2025M13;1\n", tmp_path)

    assert messages(delivery) == [
        "note: 1 rows stand in a 13th period ('2025M13' in row 2) and are counted in December."
    ]
    assert delivery.facts["ledger"].column("period_start").to_pylist() == [date(2025, 12, 1)]


def test_a_file_whose_period_is_found_nowhere(tmp_path: Path) -> None:
    fact = Fact(table="staff", columns={"unit": "Enhed", "fte": "Årsværk"})

    delivery = of(
        "Enhed;Årsværk\n2110;1\n", tmp_path, source(facts=[fact], period="([0-9]{4}M[0-9]{2})"), "personale.csv"
    )

    assert messages(delivery)[0] == (
        "stop: The period of the file was found neither in a column, nor above the header, nor in the file's name. "
        "Correct period in the source profile."
    )


def test_hours_that_may_be_minutes_are_warned_of(tmp_path: Path) -> None:
    fact = Fact(table="hours", columns={"unit": "Enhed", "period": "Periode", "hours": "Timer"})
    hours = [f"{hour},{minutes}" for hour in range(4) for minutes in ("05", "15", "30", "45", "50", "59")]

    delivery = of(
        "\n".join(["Enhed;Periode;Timer", *(f"2110;2025M03;{text}" for text in hours)]), tmp_path, source(facts=[fact])
    )

    assert messages(delivery) == [
        "warn: The hours in 'Timer' look like hours and minutes written with a decimal mark: no fraction is above 59. "
        "7,30 is read as 7.3 hours; if it means 7 hours 30 minutes, have it delivered as 7:30."
    ]


def test_a_sum_that_is_not_what_the_owner_states() -> None:
    used = {"ledger.amount": 2_823_266.85, "hours.hours": 85.55}
    found = list(stated_findings({"amount": 2_823_266.85, "hours.hours": 90}, used, 12))

    assert [ENGLISH.text(f"finding.{finding.key}", **finding.values) for finding in found] == [
        "The rows add up to 85,55 for 'hours.hours', but the owner states 90,00 (difference 4,45). "
        "Have the delivery or the figure corrected."
    ]


def test_profiles_that_name_what_the_model_does_not_have_are_refused_with_their_lines(tmp_path: Path) -> None:
    text = """name: { da: Prøve, en: Trial }
deliveries: { folder: . }
sources:
  time:
    files: ["*.csv"]
    wide: { into: perod, value: hours }
    facts:
      - table: hours
        columns: { unit: Enhed, housr: Timer }
        values: { status: { Godkendt: aproved } }
  ledger:
    files: ["*.csv"]
    facts:
      - { table: leger, columns: { unit: Sted } }
"""
    file = tmp_path / "institution.yaml"
    file.write_text(text, encoding="utf-8")

    with pytest.raises(WrongUse) as refused:
        check_profiles(load_institution(file))

    assert [
        str(problem).removeprefix(str(file)).split("institution.yaml ")[-1] for problem in refused.value.problems
    ] == [
        'line 9: columns: "housr" is no column of hours. Nearest: hours.',
        'line 6: wide: "perod" is no column of hours. Nearest: period.',
        'line 10: status: "aproved" is not known. Nearest: approved.',
        'line 14: table: "leger" is no table of the model. Nearest: ledger.',
    ]


def test_a_profile_without_a_column_that_no_row_can_do_without_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "institution.yaml"
    file.write_text(
        """name: { da: Prøve, en: Trial }
deliveries: { folder: . }
sources:
  budget:
    files: ["*.csv"]
    wide: { into: period, value: amount }
    facts: [{ table: budget, columns: { unit: Sted } }]
  cases:
    files: ["*.csv"]
    facts:
      - table: cases
        columns: { unit: Sted }
""",
        encoding="utf-8",
    )

    with pytest.raises(WrongUse) as refused:
        check_profiles(load_institution(file))

    assert [str(problem).split("institution.yaml ")[-1] for problem in refused.value.problems] == [
        "line 12: columns: no row of cases can do without case, received. "
        "Say which column holds it, or write it under constants."
    ]


def test_damaged_samples_are_told_and_never_break_the_reading(tmp_path: Path, samples: Path) -> None:
    institution, chance = load_institution(samples / "institution.yaml"), random.Random(7)
    for name, profile in institution.sources.items():
        (file,) = (file for pattern in profile.files for file in samples.glob(pattern))
        for turn in range(8):
            content = bytearray(file.read_bytes())
            place, length = chance.randrange(len(content)), chance.randint(1, 60)
            content[place : place + length] = [
                b"",
                chance.randbytes(length),
                content[:length],
                content[place:place] * 2,
            ][turn % 4]
            (tmp_path / file.name).write_bytes(content)

            delivery = read(tmp_path / file.name, name, profile)

            account = delivery.account
            assert account.read == account.used + account.quarantined + sum(account.dropped.values())
            assert all(messages(delivery))


def test_kroner_for_thousands_and_thousands_for_kroner() -> None:
    usual = {"ledger.amount": 2_800.0, "hours.hours": 500.0}
    found = [
        magnitude_finding(usual, {"ledger.amount": amount, "hours.hours": 480.0})
        for amount in (2_900_000.0, 3.1, 9_000.0)
    ]

    assert [finding and (finding.severity, ENGLISH.text(f"finding.{finding.key}", **finding.values)) for finding in found] == [
        ("stop", "'amount' is some 1,000 times what it used to be: 2.900.000,00 against 2.800,00. "
         "If it is now in kroner and not in thousands, correct unit_scale in the source profile."),
        ("stop", "'amount' is some thousandth of what it used to be: 3,10 against 2.800,00. "
         "If it is now in thousands of kroner, correct unit_scale in the source profile."),
        None,
    ]  # fmt: skip


LAUGHS = (
    '<!DOCTYPE l [<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)) + "]>"
)


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_entities_that_would_fill_the_memory_are_not_expanded(tmp_path: Path, samples: Path, part: str) -> None:
    """A thousand million times "ha" in 1 kB of a workbook's own text, and an entity that would be another file."""
    secret = tmp_path / "secret.txt"
    secret.write_text("31337")
    laughs = LAUGHS.replace("]>", f'<!ENTITY file SYSTEM "{secret.as_uri()}">]>')
    with zipfile.ZipFile(samples / "budget_periodiseret_2025.xlsx") as whole:
        texts = {name: whole.read(name) for name in whole.namelist()}
    text = re.sub(r"^<\?xml.*?\?>", "", texts[part].decode()).replace("</t>", "&l9;&file;</t>")
    texts[part] = f"{laughs}{text}".replace('name="Budget"', 'name="Budget&l9;&file;"').encode()
    assert texts[part].count(b"&l9;&file;") > 0
    file = tmp_path / "budget.xlsx"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for name, text in texts.items():
            book.writestr(name, text)
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    delivery = of(file.read_bytes(), tmp_path, name="budget.xlsx")

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
    assert "31337" not in repr(delivery)
    assert "haha" not in repr(delivery)
    assert left_out(delivery)
