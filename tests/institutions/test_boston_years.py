"""Departments by year and districts by month: four period systems, false friends, many spellings, nothing spread."""

import csv
import gzip

import pytest

from mi_analysis.workbench import desk

from .conftest import accounts_balance, made_by_run, totals

pytestmark = pytest.mark.real_data


def test_rows_and_amounts_balance(built) -> None:
    accounts_balance(built("boston_departments"))
    accounts_balance(built("boston_police"))


@pytest.mark.parametrize(
    ("year", "millions"), [(2011, 73.8), (2021, 130.7), (2022, 141.5), (2023, 153.2), (2024, 176.7)]
)
def test_overtime_pay_of_all_departments_is_the_check_sum(stored, year: int, millions: float) -> None:
    paid = stored(
        "boston_departments", f"select sum(overtime_pay) from {{staff}} where period_start = date '{year}-01-01'"
    )

    assert round(paid[0][0] / 1e6, 1) == millions


def test_overtime_pay_of_police_and_public_works_is_the_check_sum(built) -> None:
    years = totals(built("boston_departments"), "year")
    year = years[years["period_start"] == "2024-01-01"].set_index("unit")["overtime_pay"]

    assert (round(year["BPD"] / 1e6, 2), round(year["PWD"] / 1e6, 2)) == (103.22, 7.01)


def test_the_budget_is_the_check_sum_of_each_fiscal_year(built) -> None:
    city = totals(built("boston_departments"), "year").query("unit == 'BOSTON'").set_index("period_start")

    assert [round(city.loc[f"{year}-07-01", "actual"]) for year in (2021, 2022)] == [3_838_631_716, 4_059_689_438]
    assert [round(city.loc[f"{year}-07-01", "budget"]) for year in (2023, 2024)] == [4_292_164_103, 4_636_924_670]


def test_the_school_buses_are_not_the_transportation_department(stored, real_data) -> None:
    with gzip.open(real_data / "boston-city" / "employee_earnings_2023.csv.gz", "rt", encoding="utf-8") as file:
        names = [row["DEPARTMENT_NAME"] for row in csv.DictReader(file)]
    people = stored(
        "boston_departments", "select sum(persons) from {staff} where unit = 'BTD' and period_start = date '2023-01-01'"
    )

    assert names.count("Transportation") > 0
    assert people[0][0] == names.count("Traffic Division") + names.count("Transportation-Parking Clerk")


def test_every_name_that_fell_to_the_rest_is_told(built) -> None:
    told = {
        gap.code for item in built("boston_departments").audit.received for gap in item.gaps if gap.reason == "rest"
    }

    assert {"BPS Transportation", "Boston Fire Department", "Planning Department", "ANML"} <= told
    assert not {"Transportation", "Traffic Division", "Public Works Department"} & told


def test_calendar_and_fiscal_year_stand_side_by_side_and_nothing_is_spread(built) -> None:
    folder = built("boston_departments").folder / "slice"
    built("boston_departments").slice(folder, "PWD", "", "2023")
    opened = desk(str(folder))
    figures, _ = opened.key_figures()
    years = figures.set_index("measure")["year_start"].dt.date.astype(str).to_dict()
    months = totals(built("boston_departments")).query("unit == 'PWD'")

    assert (years["overtime_pay"], years["actual"], years["received"]) == ("2023-01-01", "2022-07-01", "2023-01-01")
    assert months[["overtime_pay", "actual", "budget"]].isna().all().all()
    said = {sentence.key: sentence.values for sentence in opened.quality("en")}
    assert (said["message.fiscal_year"]["names"], said["message.fiscal_year"]["period"]) == (
        "Actual expenditure",
        "2022/23",
    )
    assert "sample of closed cases" in str(said["message.reservation"]["text"])


def test_hours_worked_and_hours_paid_of_court_overtime_are_told_apart(stored) -> None:
    worked = stored(
        "boston_police", "select delivery, sum(overtime_hours) from {staff} group by delivery order by delivery"
    )
    paid = stored("boston_police", "select sum(value) from {volumes} where name = 'court_hours_paid'")

    assert worked == [("court", 43_927.25), ("events", 225_455.0)]
    assert paid == [(110_928.75,)]


def test_78_per_cent_of_the_turns_have_a_district(built) -> None:
    received = built("boston_police").audit.received
    rest = sum(gap.rows for item in received for gap in item.gaps if gap.table == "staff" and gap.reason == "rest")

    assert round(1 - rest / sum(item.placed_rows.get("staff", 0) for item in received), 2) == 0.78


DISTRICTS = """
select count(*), corr(coalesce(h.hours, 0) + coalesce(c.paid, 0), i.incidents)
from (select unit, period_start, sum(value) as incidents from {volumes} where name = 'incidents' group by all) i
left join (select unit, period_start, sum(value) as paid from {volumes} where name = 'court_hours_paid' group by all) c using (unit, period_start)
left join (select unit, period_start, sum(overtime_hours) as hours from {staff} where delivery = 'events' group by all) h using (unit, period_start)
where i.unit not in ('~', 'A15', 'REST') and i.period_start < date '2022-11-01'
"""


def test_districts_and_months_meet_in_242_cells(stored) -> None:
    cells, correlation = stored("boston_police", DISTRICTS)[0]

    assert (cells, round(correlation, 2)) == (242, 0.66)


@pytest.mark.parametrize(
    ("run_file", "unit", "made"),
    [
        ("boston_departments/yearly.yaml", "PROP", {"2023/PROP/02_unit_report": "made", "2024/PROP/02_unit_report": "made"}),
        ("boston_police/monthly.yaml", "E18", {"2022-07/E18/02_unit_report": "made"}),
    ],
)  # fmt: skip
def test_a_run_ends_with_reports_and_an_index(
    project, real_data, tmp_path, faults, run_file: str, unit: str, made: dict
) -> None:
    assert made_by_run(project, tmp_path, run_file, unit) == made
    assert faults(tmp_path) == []
