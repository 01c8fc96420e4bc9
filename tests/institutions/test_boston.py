"""The city's real case log of July-December 2011 and its earnings, by configuration alone."""

import json

import duckdb
import pytest

from mi_analysis.cli import main
from mi_analysis.workbench import prepare

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def boston(project, real_data, tmp_path_factory):
    return prepare("boston", start=project, audience="internal", out=tmp_path_factory.mktemp("boston"))


def month(boston, unit, period, measure):
    values = boston.released.values
    chosen = (
        (values["unit"] == unit)
        & (values["activity"] == "*")
        & (values["grain"] == "month")
        & (values["window"] == "month")
    )
    return float(values.loc[chosen & (values["period_start"] == period), measure].iloc[0])


def test_every_one_of_the_58251_cases_is_accounted_for(boston):
    cases = next(item for item in boston.audit.received if item.source == "cases")

    assert (cases.account.read, cases.account.used, cases.account.quarantined, cases.account.dropped) == (
        58_251,
        58_251,
        0,
        {},
    )
    received = (
        boston.released.values.query("activity == '*' and grain == 'month' and window == 'month'")
        .groupby("unit")["received"]
        .sum()
    )
    assert received["BOSTON"] == 58_251
    assert received.drop("BOSTON").sum() == 58_251
    assert received["~"] == 1  # "No Q" is no department


@pytest.mark.parametrize(("period", "opened", "kept"), [("2011-07-01", 6_188, 93.7), ("2011-12-01", 5_410, 90.1)])
def test_public_works_comes_out_as_the_data_says(boston, period, opened, kept):
    assert month(boston, "PWD", period, "received") == opened
    assert round(month(boston, "PWD", period, "kept_received_pct"), 1) == kept


def test_overtime_pay_of_all_departments_is_the_check_sum(boston):
    with duckdb.connect() as connection:
        stored = boston.folder / "model" / "staff.parquet"
        total = connection.execute(f"select sum(overtime_pay), sum(persons) from '{stored}'").fetchall()[0]

    assert round(total[0] / 1e6, 1) == 73.8
    assert total[1] == 20_509


def test_pay_of_the_year_is_not_spread_over_months(boston):
    values = boston.released.values.query("unit == 'PWD' and activity == '*'")

    assert values.query("grain == 'month'")["overtime_pay"].isna().all()
    assert round(values.query("grain == 'year' and window == 'month'")["overtime_pay"].iloc[0]) == 2_936_046


def test_injury_pay_that_one_person_got_is_hidden(boston):
    states = boston.released.states.query("unit == 'DISB' and measure == 'injury_pay' and state == 'hidden'")

    assert set(states["reason"]) == {"one_person"}
    assert boston.released.values.query("unit == 'DISB'")["injury_pay"].isna().all()


@pytest.fixture(scope="module")
def version(project, real_data, tmp_path_factory):
    """Folder of a run of two departments, which ended well."""
    out, file = tmp_path_factory.mktemp("run"), project / "parameters" / "boston" / "h2_2011.yaml"

    with pytest.raises(SystemExit) as ended:
        main(["run", str(file), "--only", "unit=PWD,BHA", "--out", str(out)])

    assert ended.value.code == 0
    return out / "boston" / "h2_2011" / "2011-12" / "1"


def test_its_pages_are_read_by_everyone_and_are_valid(version, look, html_errors):
    pages = [version / "index.html", version / "PWD" / "02_unit_report.html"]

    assert [(seen.violations, seen.requests, seen.narrow) for seen in map(look, pages)] == [([], [], 320)] * 2
    assert html_errors(*pages) == []


def test_a_run_ends_with_reports_and_an_index(version):
    assert (version / "index.html").exists()
    states = {
        key.split("/")[0]: job["state"] for key, job in json.loads((version / "run.json").read_text(encoding="utf-8"))["jobs"].items()
        if job["state"] == "made"
    }  # fmt: skip
    assert states == {"PWD": "made", "BHA": "made"}
    assert (version / "PWD" / "02_unit_report.html").exists()


def test_without_its_data_one_sentence_says_what_to_fetch(project, monkeypatch, capsys):
    monkeypatch.delenv("MI_REAL_DATA")

    with pytest.raises(SystemExit) as ended:
        main(["check", "boston"])

    assert ended.value.code == 2
    assert capsys.readouterr().err.strip() == (
        'parameters/boston/institution.yaml line 8: the deliveries are not here. Fetch "311 service requests 2011" and '
        '"employee earnings report 2011" from Analyze Boston (data.boston.gov) as service_requests_311_2011_h2.csv.gz and '
        "employee_earnings_2011.csv.gz into a folder boston-city. Set MI_REAL_DATA to the folder that has boston-city in it."
    )
