import re

import pandas as pd
import pytest

from mi_analysis.reporting.standard import key_figures
from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words

DA = Words("da")
HOSTILE = [
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "\"quoted\" & 'single'",
    "x" * 200,
    "\u202eright to left\u200f",
]


def cells(html: str) -> list[str]:
    return [re.sub("<[^>]+>", "", cell) for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", html)]


def accounts() -> pd.DataFrame:
    return pd.DataFrame(
        {"account": ["Løn", "Indtægter", "I alt"], "deviation": [4e5, 2.5e5, 6.5e5], "is_income": [False, True, False]}
    )


def test_a_table_has_caption_scoped_headers_and_right_aligned_danish_numbers() -> None:
    html = table(accounts(), ["account", measure_column("deviation", DA)], "Afvigelser", DA, total_row=True).html

    assert "<caption>Afvigelser</caption>" in html
    assert '<th scope="col" class="n">Afvigelse <span class="unit">t.kr.</span></th>' in html
    assert html.count('scope="row"') == 3
    assert '<td class="n">+400 <span class="word">merforbrug</span></td>' in html
    assert html.count('<tr class="total">') == 1


def test_a_deviation_of_income_has_the_words_of_income() -> None:
    columns = ["account", measure_column("deviation", DA, income="is_income")]

    assert cells(table(accounts(), columns, "Afvigelser", DA).html)[5] == "+250 mindreindtægt"


def test_each_state_has_its_own_sign_words_for_a_reader_and_a_line_below() -> None:
    states = ["hidden", "missing", "not_applicable", "not_assessed", "incomplete", "provisional", "estimated"]
    frame = pd.DataFrame({"unit": list("abcdefg"), "closed": [7.0, None, 7.0, 7.0, 7.0, 8.0, 9.0]})
    shown = table(
        frame,
        ["unit", Column("closed", kind="number")],
        "T",
        DA,
        states={(i, "closed"): s for i, s in enumerate(states)},
    )

    assert cells(shown.html)[3::2] == ["·", "–", "i.r.", "i.o.", "7*", "8†", "9≈"]
    assert '<span class="state" role="img" aria-label="Skjult af diskretionshensyn">·</span>' in shown.html
    assert (
        '<p class="note">– = ikke leveret; · = skjult af diskretionshensyn; i.r. = ikke relevant; i.o. = ikke opgjort;'
        " * = ufuldstændig; † = foreløbig; ≈ = skønnet: enheden er udskilt af en anden</p>"
    ) in shown.html
    assert shown.rows == (("a", None), ("b", None), ("c", None), ("d", None), ("e", 7.0), ("f", 8.0), ("g", 9.0))
    assert [state["state"] for state in shown.states] == states


def test_zero_is_a_number_and_a_blank_without_a_state_is_not_delivered() -> None:
    shown = table(
        pd.DataFrame({"unit": ["a", "b"], "closed": [0.0, None]}), ["unit", Column("closed", kind="number")], "T", DA
    )

    assert cells(shown.html)[3::2] == ["0", "–"]
    assert shown.states == ({"row": 1, "column": "closed", "state": "missing"},)


def test_states_are_matched_by_label_not_by_place() -> None:
    frame = pd.DataFrame({"unit": ["a", "b"], "closed": [1.0, 2.0]}, index=["A", "B"])
    states = {("B", "closed"): "hidden"}

    assert table(frame, ["unit", Column("closed", kind="number")], "T", DA, states=states).rows == (
        ("a", 1.0),
        ("b", None),
    )


def test_a_hidden_number_is_nowhere_in_what_a_table_gives() -> None:
    frame = pd.DataFrame({"unit": ["a"], "closed": [98765.0], "closed_change": [43.21]})
    column = Column("closed", kind="number", change="closed_change", change_kind="percent")
    states = {(0, "closed"): "hidden", (0, "closed_change"): "hidden"}
    given = str(table(frame, ["unit", column], "T", DA, states=states)._repr_mimebundle_())

    assert not re.search("98.?765|43[.,]2", given)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_from_data_are_only_ever_text(name: str) -> None:
    shown = table(
        pd.DataFrame({"unit": [name], name: [1.0]}), ["unit", Column(name, name, kind="number")], name, DA
    ).html

    assert "<script" not in shown
    assert not re.search("[\u202a-\u202e\u200e\u200f]", shown)
    assert len(re.findall(r'aria-label="[^"]*" class="scroll"', shown)) == 1


def test_a_change_stands_small_under_its_value_and_as_a_column_of_its_own() -> None:
    frame = pd.DataFrame({"unit": ["a"], "kept_due_pct": [88.4], "before": [-2.04]})
    shown = table(frame, ["unit", measure_column("kept_due_pct", DA, change="before", change_kind="points")], "T", DA)

    assert '<td class="n">88,4 <span class="change">−2,0 pct.point</span></td>' in shown.html
    assert [column["label"] for column in shown.columns] == ["Enhed", "Inden frist", "Inden frist, ændring"]
    assert shown.rows == (("a", 88.4, -2.04),)


def test_neighbouring_columns_of_a_group_share_a_header() -> None:
    frame = pd.DataFrame({"activity": ["a"], "closed": [1.0], "received": [2.0], "actual": [3e6]})
    columns = [
        "activity",
        *(
            measure_column(n, DA, group=g)
            for n, g in (("closed", "Sager"), ("received", "Sager"), ("actual", "Økonomi"))
        ),
    ]
    html = table(frame, columns, "T", DA).html

    assert (
        '<td colspan="1"></td><th scope="colgroup" colspan="2">Sager</th><th scope="colgroup" colspan="1">Økonomi</th>'
        in html
    )


def test_key_figures_print_each_in_its_own_unit_with_a_described_curve() -> None:
    curve = pd.Series([4.0, None, 6.3], index=pd.to_datetime(["2025-01-01", "2025-02-01", "2025-03-01"]))
    frame = pd.DataFrame({"measure": ["actual", "sick_days_per_fte"], "month": [2_882_100.0, 1.04], "curve": [curve, curve],
                          "signal": ["none", "trend_up"]})  # fmt: skip
    html = key_figures(frame, "Nøgletal", DA).html

    assert cells(html)[4:] == [
        "Realiseret forbrug t.kr.",
        "2.882",
        "",
        "Ingen signaler",
        "Sygedage pr. årsværk",
        "1,0",
        "",
        "▲ Stigende",
    ]
    assert '<span class="quiet">Ingen signaler</span>' in html
    assert 'alt="Fra 4,0 (jan. 2025) til 6,3 (mar. 2025), lavest 4,0, højest 6,3."' in html


def test_a_table_without_rows_says_so_and_one_of_400_is_whole() -> None:
    assert "Ingen rækker" in table(pd.DataFrame({"unit": []}), ["unit"], "T", DA).html
    assert table(pd.DataFrame({"unit": range(400)}), ["unit"], "T", DA).html.count("<tr>") == 401


def test_a_table_names_every_column_it_lacks() -> None:
    with pytest.raises(ValueError, match="lacks") as error:
        table(pd.DataFrame({"unit": ["a"]}), ["unit", "closed", Column("hours", change="last")], "Sager", DA)

    assert str(error.value) == (
        "Table 'Sager' needs a title and columns the frame has; it lacks ['closed', 'hours', 'last'], the frame has unit."
    )


def test_a_mark_is_a_symbol_with_a_word_under_the_value() -> None:
    frame = pd.DataFrame(
        {"unit": ["Øst", "Vest"], "closed": [1.0, 2.0], "closed_mark": [("attention", "lavere niveau"), None]}
    )

    html = table(
        frame, [Column("unit"), Column("closed", kind="number", mark="closed_mark")], "Sager", Words("da")
    ).html

    marked = '1 <span class="word"><span class="mark attention" aria-hidden="true">▲</span> lavere niveau</span></td>'
    assert marked in html
    assert '<td class="n">2</td>' in html
