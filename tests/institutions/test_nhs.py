"""Emergency departments of England: untouched monthly files, two publications of one fact, beds."""

import pytest

from mi_analysis.workbench import desk, prepare
from mi_analysis.workbench.door import desk_on

from .conftest import accounts_balance, made_by_run, totals

pytestmark = pytest.mark.real_data


def test_rows_and_amounts_of_every_delivery_balance(built) -> None:
    accounts_balance(built("nhs"))


def test_the_total_line_of_every_monthly_file_is_checked_and_left_out(built) -> None:
    monthly = [item for item in built("nhs").audit.received if item.source == "monthly"]

    assert len(monthly) == 13
    assert {tuple(item.account.dropped.items()) for item in monthly} == {(("total", 1),)}
    assert {len(item.control_totals) for item in monthly} == {17}
    assert all(total.agrees for item in monthly for total in item.control_totals)


def test_two_publications_are_compared_and_one_counts(built, stored) -> None:
    found = next(one for one in built("nhs").audit.findings if one.key == "volumes.published_twice")

    assert (found.severity, found.values["cells"], found.values["agree"]) == ("warn", 5_844, 5_003)
    twice = stored("nhs", "select count(*) from (select unit, period_start, name from {volumes} where unit <> '~' and name = 'attendances' "
                          "group by all having count(distinct delivery) > 1)")  # fmt: skip
    assert twice == [(0,)]


def test_attendances_and_beds_meet_on_code_and_month(built, stored) -> None:
    both = (
        "select unit, period_start from {volumes} where unit <> '~' group by all "
        "having bool_or(name = 'attendances') and bool_or(name = 'beds_available')"
    )
    asked = f"select count(*), count(distinct unit), count(distinct period_start) from ({both})"

    assert stored("nhs", asked) == [(5_215, 132, 40)]
    assert [
        gap.code
        for item in built("nhs").audit.received
        if item.source == "beds"
        for gap in item.gaps
        if gap.reason == "unknown"
    ] == []


@pytest.mark.parametrize(
    ("old", "new", "month"),
    [("RTV", "RW4", "2021-04"), ("RW6", "RM3", "2021-09"), ("RVY", "RBN", "2023-06"), ("RA4", "RH5", "2023-03"), ("RBZ", "RH8", "2022-03"),
     ("RY9", "RAX", "2023-10"), ("RAP", "RAL", "2024-05")],
)  # fmt: skip
def test_trusts_that_others_took_over_are_carried_to_them(built, stored, old, new, month) -> None:
    told = stored(
        "nhs",
        f"select unit, sum(value) from {{volumes}} where name = 'attendances' and period_start = '{month}-01' and unit in ('{old}', '{new}') group by 1",
    )
    rows = totals(built("nhs"))
    rows = rows[rows["period_start"] == f"{month}-01"].set_index("unit")

    assert {unit for unit, _ in told} == {old, new}
    assert rows.loc[new, "attendances"] == sum(value for _, value in told)
    assert old not in rows.index or rows.loc[old, "attendances"] != rows.loc[old, "attendances"]  # nothing twice


def test_the_control_charts_of_england_begin_anew_where_clinics_join_and_trusts_go_on(built) -> None:
    def starts(unit):
        return [
            part.start for part in desk_on(built("nhs"), unit, "2025-06").control("attendances").segments if part.reason
        ]

    assert [f"{day:%Y-%m}" for day in starts("ENGLAND")] == ["2024-06"]
    assert starts("R0A") == []


def test_a_trust_that_did_not_report_the_goal_has_no_share_and_is_not_in_the_total(built) -> None:
    april = totals(built("nhs"))[totals(built("nhs"))["period_start"] == "2021-04-01"].set_index("unit")
    states = built("nhs").released.states

    assert april.loc["RC9", "attendances"] == 17_570
    assert april.loc["RC9", "within_4_hours_pct"] != april.loc["RC9", "within_4_hours_pct"]  # NaN
    england = states[
        (states["unit"] == "ENGLAND")
        & (states["period_start"] == "2021-04-01")
        & (states["measure"] == "within_4_hours_pct")
    ]
    assert set(england.query("activity == '*' and grain == 'month' and window == 'month'")["reason"]) == {"units"}


def test_a_type_of_department_that_is_told_in_one_of_three_months_shows_no_change_of_the_year(built) -> None:
    states = built("nhs").released.states
    row = states[(states["unit"] == "R0A") & (states["activity"] == "MAJOR") & (states["measure"] == "attendances")]
    june = row[(row["period_start"] == "2024-06-01") & (row["grain"] == "month") & (row["window"] == "ytd")]

    assert set(june["state"]) == {"incomplete"}


def test_a_run_ends_with_reports_and_an_index(project, real_data, tmp_path, faults) -> None:
    assert made_by_run(project, tmp_path, "nhs/monthly.yaml", "R0A", "RXA") == {
        "2025-06/R0A/02_unit_report": "made", "2025-06/RXA/02_unit_report": "no_data",
    }  # fmt: skip
    assert faults(tmp_path) == []


EARLIER = """name: {da: Skadestuer 2016-2019, en: A&E 2016-2019}
fiscal_year_start: 4
calendar: {country: none}
deliveries: {variable: MI_REAL_DATA, folder: nhs-ae-monthly}
reading: {delimiter: ",", decimal: ".", thousands: ","}
key_figures: [within_4_hours_pct]
measures:
  within_4_hours_pct:
    {numerator: {name: breaches}, denominator: {name: attendances}, complement: true, kind: ratio, unit: pct, labels: {da: Inden 4 timer, en: Within 4 hours}}
sources:
  tidy:
    files: ae_attendances_2016_04_2019_03.csv.gz
    facts: [{table: volumes, columns: {unit: org_code, activity: type, period: period}}]
    wide: {value: value, columns: {attendances: {name: attendances}, breaches: {name: breaches}}}
units: [{unit: ENGLAND, name: England}]
unit_codes: [{system: tidy, codes: "*", to: ENGLAND}]
activities: [{activity: "1", name: Major}, {activity: "2", name: Single}, {activity: other, name: Other}]
"""


def test_england_of_2016_to_2019_comes_out_as_the_data_says(real_data, tmp_path) -> None:
    folder = tmp_path / "parameters" / "earlier"
    folder.mkdir(parents=True)
    (folder / "institution.yaml").write_text(EARLIER, encoding="utf-8")
    prepared = prepare("earlier", start=tmp_path, audience="internal")
    england = totals(prepared).query("unit == 'ENGLAND'").set_index("period_start")["within_4_hours_pct"]

    assert (round(england["2016-04-01"], 2), round(england["2017-01-01"], 2)) == (90.04, 85.14)


def test_a_report_says_in_words_what_the_join_cannot_carry(built, project, monkeypatch, real_data) -> None:
    monkeypatch.chdir(project)
    opened = desk(str(built("nhs").folder), period="2025-06") if (built("nhs").folder / "slice.json").exists() else None
    folder = built("nhs").folder / "slice"
    built("nhs").slice(folder, "R0A", "", "2025-06")
    said = [sentence.values.get("text", "") for sentence in (opened or desk(str(folder))).quality("en")]

    assert any(text.startswith("From June 2024 to June 2025 England's figures include clinics") for text in said)
    assert not any(text.startswith("Fourteen trusts") for text in said)
