import io
from datetime import date, datetime

import openpyxl
import pandas as pd
from nbformat.v4 import new_code_cell, new_notebook, new_output
from openpyxl import Workbook

from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words
from mi_analysis.reporting.workbook import workbook

DA = Words("da")
HOSTILE = ["=cmd|' /C calc'!A0", "https://evil.example", "+1", "<b>", "x" * 40_000, "a\u202eb\x00"]


def made(*tables: object) -> bytes:
    outputs = [new_output("display_data", data=shown._repr_mimebundle_()) for shown in tables]  # type: ignore[attr-defined]
    notebook = new_notebook(cells=[new_code_cell("x", outputs=outputs)])
    return workbook(notebook, DA, title="Øst", created=date(2025, 4, 4), stamp={"unit": "Øst", "period": "marts 2025"})


def read(content: bytes) -> Workbook:
    return openpyxl.load_workbook(io.BytesIO(content))


def budget() -> object:
    frame = pd.DataFrame(
        {"unit": ["a", "b"], "actual": [2_882_100.25, None], "due": ["2025-03-31", None], "status": ["met", "late"]}
    )
    columns = ["unit", measure_column("actual", DA), Column("due", kind="date"), Column("status", kind="status")]
    return table(frame, columns, "Budget: [1]/2*", DA, states={(1, "actual"): "hidden"})


def test_every_table_is_a_sheet_with_real_numbers_dates_and_states_in_words() -> None:
    book = read(made(budget()))
    sheet = book["1 Budget   1  2"]
    rows = [[cell.value for cell in row] for row in sheet.iter_rows(min_row=3)]

    assert book.sheetnames == ["Om arket", "1 Budget   1  2"]
    assert rows == [
        ["Enhed", "Forbrug (kr.)", "Frist", "Status"],
        ["a", 2_882_100.25, datetime(2025, 3, 31), "Opfyldt"],
        ["b", "Skjult af diskretionshensyn", "Ikke leveret", "Leveret for sent"],
    ]
    assert (sheet["B4"].number_format, sheet["C4"].number_format) == ("#,##0", "dd-mm-yyyy")
    assert (sheet.freeze_panes, sheet.auto_filter.ref) == ("B4", "A3:D5")


def test_no_formula_and_no_link_comes_out_of_data() -> None:
    frame = pd.DataFrame({"unit": HOSTILE, "number": range(len(HOSTILE))})
    sheet = read(made(table(frame, ["unit", Column("number", kind="number")], "=1+1", DA))).worksheets[1]
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]

    assert {cell.data_type for cell in cells} == {"s", "n"}
    assert [cell.hyperlink for cell in cells if cell.hyperlink] == []
    assert sheet["A4"].value == HOSTILE[0]
    assert sheet["A9"].value == "ab"


def test_tables_of_one_name_get_sheets_of_their_own() -> None:
    assert read(made(budget(), budget())).sheetnames[1:] == ["1 Budget   1  2", "2 Budget   1  2"]


def test_the_first_sheet_says_what_the_workbook_is() -> None:
    rows = [[cell.value for cell in row] for row in read(made(budget())).worksheets[0].iter_rows(min_row=3)]

    assert rows == [
        ["Enhed", "Øst"],
        ["Periode", "marts 2025"],
        ["", ""],
        ["Ark", "Titel"],
        ["1 Budget   1  2", "Budget: [1]/2*"],
    ]


def test_the_same_input_gives_the_same_bytes_and_the_date_is_the_extraction() -> None:
    assert made(budget()) == made(budget())
    assert read(made(budget())).properties.created == datetime(2025, 4, 4)


def test_what_is_provisional_or_estimated_is_a_number_with_its_sign_and_a_mark_is_a_column() -> None:
    frame = pd.DataFrame(
        {"unit": ["Øst", "Vest"], "sick_days": [12.25, 3.0], "sick_days_mark": [("attention", "over"), None]}
    )
    states = {(0, "sick_days"): "provisional", (1, "sick_days"): "estimated"}

    sheet = read(
        made(table(frame, ["unit", measure_column("sick_days", DA, mark="sick_days_mark")], "T", DA, states=states))
    )["1 T"]

    assert [[cell.value for cell in row] for row in sheet.iter_rows(min_row=2)] == [
        ["† = foreløbig; ≈ = skønnet: enheden er udskilt af en anden", None, None],
        ["Enhed", "Sygedage (dage)", "Sygedage, mærke"],
        ["Øst", 12.25, "over"],
        ["Vest", 3, ""],
    ]
    assert (sheet["B4"].number_format, sheet["B5"].number_format) == ('#,##0.0"†"', '#,##0.0"≈"')
