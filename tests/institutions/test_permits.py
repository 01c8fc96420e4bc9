"""An event log becomes its cases: one row per case, open cases and deadlines kept."""

import pytest

from .conftest import accounts_balance, made_by_run, totals

pytestmark = pytest.mark.real_data


def test_8577_events_are_1434_cases(built) -> None:
    accounts_balance(built("permits"))
    account = built("permits").audit.received[0].account

    assert (account.read, account.used, account.quarantined, account.dropped) == (8_577, 1_434, 0, {"duplicate": 7_143})


def test_cases_without_an_end_stay_open(built, stored) -> None:
    assert stored("permits", "select count(*), count(*) filter (closed is null) from {cases}") == [(1_434, 105)]
    last = totals(built("permits")).query("unit == 'PERMITS'").set_index("period_start")

    assert last.loc["2012-01-01", "open_cases"] == 105
    assert last["received"].sum() == 1_434
    assert last.loc["2011-08-01", "received"] == 31


def test_days_are_read_on_the_clock_of_their_offset(stored) -> None:
    rows = stored("permits", "select received, deadline from {cases} where \"case\" = 'case-10011'")

    assert [str(value) for value in rows[0]] == ["2011-10-11 13:42:22", "2011-12-06 13:41:31"]


def test_a_run_ends_with_reports_and_an_index(project, real_data, tmp_path, faults) -> None:
    assert made_by_run(project, tmp_path, "permits/monthly.yaml", "GENERAL") == {
        "2011-12/GENERAL/02_unit_report": "made"
    }
    assert faults(tmp_path) == []
