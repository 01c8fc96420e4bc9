import re

import pandas as pd

from mi_analysis.reporting.sentences import said
from mi_analysis.reporting.standard import (
    by_measure,
    down,
    explanations,
    goal_points,
    goals,
    key_figures,
    money_months,
    money_to_date,
    numbers,
    reconciled,
    steps,
    units_months,
    year_figures,
)
from mi_analysis.reporting.wording import Words

DA, EN = Words("da"), Words("en")


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_measures_stand_under_their_perspective_with_the_change_in_per_cent_or_points() -> None:
    frame = pd.DataFrame({
        "activity": ["Tilsyn", "I alt"], "closed": [10.0, 12.0], "closed_change": [5.0, -2.5],
        "kept_due_pct": [90.0, 88.0], "kept_due_pct_change": [1.5, -1.0], "actual": [1_000_000.0, 2_000_000.0],
    })  # fmt: skip

    shown = by_measure(frame, {}, "T", DA, key="t", first="activity")

    text = text_of(shown.html)
    assert re.findall(r'colgroup" colspan="(\d)">([^<]+)<', shown.html) == [("2", "Drift"), ("1", "Økonomi")]
    assert "10 +5,0 pct." in text
    assert "90,0 +1,5 pct.point" in text
    assert "Anm.: Lille skrift: ændring fra samme periode året før." in text


def test_a_column_that_is_hidden_throughout_is_named_under_the_table_and_not_printed() -> None:
    frame = pd.DataFrame({"activity": ["Tilsyn"], "closed": [10.0], "sick_days": [None]})

    shown = by_measure(frame, {(0, "sick_days"): "hidden"}, "T", DA, key="t", first="activity")

    assert [column["name"] for column in shown.columns] == ["activity", "closed"]
    assert text_of(shown.html).endswith("Anm.: Skjult af diskretionshensyn: sygedage.")


def test_a_measure_that_is_hidden_in_every_window_is_named_under_the_table() -> None:
    frame = pd.DataFrame(
        {"measure": ["fte", "sick_days"], "month": [12.0, None], "ytd": [12.5, None], "r12": [None, None]}
    )
    states = {(1, "month"): "hidden", (1, "ytd"): "hidden"}

    shown = down(frame, states, ["month", "ytd", "r12"], "T", EN, key="t")

    assert [row[0] for row in shown.rows] == ["fte"]
    assert [column["name"] for column in shown.columns] == ["measure", "month", "ytd"]
    assert text_of(shown.html).endswith("Note: Hidden to protect individuals: sick days.")


def test_a_report_of_quarters_speaks_of_quarters_and_one_of_years_of_years() -> None:
    days = pd.to_datetime(["2025-07-01", "2025-10-01"])
    figures = pd.DataFrame({"measure": ["closed"], "month": [758.0], "month_last_year": [792.0]})
    money = pd.DataFrame({"period_start": days, "actual": [2_400_000.0, 2_462_000.0], "budget": [2_300_000.0] * 2})

    heads = [column["label"] for column in key_figures(figures, "T", Words("da", grain="quarter")).columns]
    quarters = money_months(money, "Kontor", Words("da", grain="quarter"))
    years = money_months(
        money.assign(period_start=pd.to_datetime(["2024-01-01", "2025-01-01"])), "Kontor", Words("en", grain="year")
    )

    assert heads == ["Nøgletal", "Kvartal", "Sm. kvt. sidste år"]
    assert "Kvartal Forbrug t.kr. Budget t.kr. 3. kvt. 2025 2.400 2.300 4. kvt. 2025 2.462 2.300" in text_of(
        quarters.html
    )
    assert "Year Actual DKK thousand Budget DKK thousand 2024 2,400 2,300 2025 2,462 2,300" in text_of(years.html)
    assert "Måned" in text_of(money_months(money, "Kontor", DA).html)


def test_what_is_not_there_gives_no_table() -> None:
    assert goals(pd.DataFrame(), {}, DA) is None
    assert year_figures(pd.DataFrame({"measure": ["closed"], "year": [float("nan")]}), 2025, DA) is None


def test_a_blank_of_a_plain_table_is_not_applicable_and_not_undelivered() -> None:
    frame = pd.DataFrame({"file": ["a.csv"], "read": [1234], "mapped": [None]})

    shown = numbers(frame, {"file": ""}, ("read", "mapped"), "T", DA, key="t", mapped="percent")

    assert shown.states == ({"row": 0, "column": "mapped", "state": "not_applicable"},)
    assert "1.234" in text_of(shown.html)


def test_sentences_carry_their_tone_and_what_follows_from_them() -> None:
    over = ("verdict.budget.over", {"amount": 200_000, "pct": 12.0, "tone": "attention",
                                    "also": [("verdict.budget.comment", {"limit_amount": 100_000})]})  # fmt: skip
    goal = (
        "message.goals",
        {"n": 3, "counts": {"met": 2, "partly": 1}, "degree": 99.4, "weight": 80.0, "tone": "good"},
    )

    assert said([over, goal], DA) == [
        ("attention", "Merforbrug på 200 t.kr. (12,0 pct.) ÅTD i forhold til det periodiserede budget. "
                      "Der skal gives en afvigelsesforklaring, fordi afvigelsen overstiger 100 t.kr."),
        ("good", "3 mål: 2 opfyldt, 1 delvist opfyldt. Den vægtede målopfyldelse er 99,4 pct., beregnet på de 80 point, der er opgjort."),
    ]  # fmt: skip


def test_a_change_says_the_unit_once() -> None:
    told = {"before": 40.0, "change": 0.2, "signal": "none"}
    values = [
        {"measure": name, "value": 48.0, **told}
        for name in ("open_cases", "case_days_median", "overtime_per_fte", "actual")
    ]

    assert [one for _, one in said([("message.change", row) for row in values], DA)] == [
        "Verserende sager: 48 ÅTD mod 40 i samme periode året før (+20,0 pct.). Seneste måned: ingen signaler.",
        "Sagsbehandlingstid, median: 48,0 dage ÅTD mod 40,0 i samme periode året før (+20,0 pct.). Seneste måned: ingen signaler.",
        "Over-/merarbejdstimer pr. årsværk: 48,00 ÅTD mod 40,00 i samme periode året før (+20,0 pct.). Seneste måned: ingen signaler.",
        "Realiseret forbrug: 0 t.kr. ÅTD mod 0 t.kr. i samme periode året før (+20,0 pct.). Seneste måned: ingen signaler.",
    ]


def test_a_missing_explanation_is_printed_as_missing_and_a_given_one_with_role_and_date() -> None:
    rows = [
        ("deviation", "Budgetafvigelse", "economy", "Afvigelse over 500 t.kr.", None, None, None),
        ("1.1", "1.1 Frist", "strategy", "Ikke opfyldt", "En kampagne.", "Kontorchef", "2026-01-14"),
    ]
    frame = pd.DataFrame(rows, columns=["measure", "figure", "domain", "why", "text", "role", "date"])

    money, strategy = (explanations(frame, Words("da"), domain) for domain in ("economy", "strategy"))

    assert text_of(money.html).endswith("Budgetafvigelse Afvigelse over 500 t.kr. ▲ Afvigelsesforklaring mangler")
    assert [column["label"] for column in money.columns][-1] == "Forklaring, mærke"
    assert "<td>En kampagne.</td><td>Kontorchef</td><td>14-01-2026</td>" in strategy.html
    assert [said["values"]["measure"] for said in strategy.verdict] == ["1.1"]
    assert explanations(frame, Words("da"), "staff") is None


def test_the_band_of_forecasts_ends_where_they_do_and_is_told_and_printed() -> None:
    days = pd.date_range("2025-01-01", periods=9, freq="MS")
    series = pd.DataFrame({"period_start": days, "actual": 1e6, "budget": 1e6})
    ends = {"forecast_low": [1e6, 11e6], "forecast_high": [1e6, 13e6]}
    outlook = pd.DataFrame({"period_start": [days[-1], pd.Timestamp("2025-12-01")], **ends})

    shown = money_to_date(series, "Øst", DA, outlook)

    assert "prognoserne for årets udgang ligger fra 11.000 t.kr. til 13.000 t.kr." in shown.alternative
    assert shown.rows[-1] == (pd.Timestamp("2025-12-01"), None, None, 11e6, 13e6)
    assert [column["label"] for column in shown.columns][3:] == ["Laveste prognose", "Højeste prognose"]
    assert len(money_to_date(series, "Øst", DA, outlook.head(0)).columns) == 3


def test_a_target_stands_beside_the_figures_that_have_one_and_the_others_are_blank_to_the_eye() -> None:
    frame = pd.DataFrame({"measure": ["actual", "closed"], "month": [1e6, 50.0], "target": [2e6, None]})

    shown = key_figures(frame, "T", DA, states={(1, "target"): "no_target"})

    assert text_of(shown.html) == (
        "T Nøgletal Måned Måltal Realiseret forbrug t.kr. 1.000 2.000 Afsluttede sager 50"
        " Anm.: Måltallet er budgettet ÅTD for forbruget, ellers årets måltal."
    )
    assert '<td class="n ref"><span class="state" role="img" aria-label="Intet måltal"></span></td>' in shown.html


def test_points_of_goals_are_told_of_those_assessed_with_a_weight() -> None:
    frame = pd.DataFrame(
        {"name": ["1.1 Frist", "1.2 Plan", "2.1 Nyt"], "points": [38.25, 20.0, None], "weight": [40.0, 20.0, 20.0]}
    )

    shown = goal_points(frame, "Øst", DA)

    assert '<p class="says">58,3 af 60 point er nået.</p>' in shown.html
    assert shown.rows == (("1.1 Frist", 38.25, 40.0), ("1.2 Plan", 20.0, 20.0))
    assert goal_points(frame.tail(1), "Øst", DA) is None


def test_units_are_summed_beside_the_institution_and_a_hidden_unit_hides_the_sum() -> None:
    frame = pd.DataFrame({"measure": ["actual", "registered_hours"], "units": [2e6, 10.0], "not_placed": [0.0, 1.0],
                          "total": [2e6, 12.0], "difference": [0.0, 1.0]})  # fmt: skip

    shown = reconciled(frame, {(1, "units"): "hidden", (1, "difference"): "hidden"}, "2025", DA)

    assert "Realiseret forbrug t.kr. 2.000 0 2.000 0 Registrerede timer · 1,0 12,0 ·" in text_of(shown.html)
    assert reconciled(frame.head(0), {}, "2025", DA) is None


def test_small_lines_are_drawn_for_several_units_only() -> None:
    days = pd.date_range("2025-01-01", periods=3, freq="MS")
    rows = [(unit, day, 80.0 + n) for n, unit in enumerate(("Øst", "Vest")) for day in days]
    data = pd.DataFrame(rows, columns=["unit", "period_start", "kept_due_pct"])

    assert "2 små linjediagrammer med 6 punkter" in units_months(data, "kept_due_pct", DA).alternative
    assert units_months(data.head(3), "kept_due_pct", DA) is None


def test_steps_are_told_in_order_with_their_numbers() -> None:
    rows = [("opening", 400.0, True), ("earned", 100.0, False), ("taken", -150.0, False), ("closing", 350.0, True)]
    frame = pd.DataFrame(rows, columns=["step", "value", "stands"])

    shown = steps(frame, "steps_balance", "2025", "Øst", DA)

    told = "Trindiagram med 4 trin: Primo 400,0, Optjent 100,0, Afspadseret −150,0, Ultimo 350,0."
    assert shown.alternative.endswith(told)
    assert shown.rows[1] == ("Optjent", 100.0)
    assert steps(frame.head(0), "steps_balance", "2025", "Øst", DA) is None
