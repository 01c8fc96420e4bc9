"""Deliveries become one model: kept accounts, nothing read twice, nothing half-written, every breach told."""

import hashlib
import shutil
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis.model import audit as audits
from mi_analysis.model import build as building
from mi_analysis.model import database
from mi_analysis.model.audit import Restated
from mi_analysis.parameters import WrongUse
from mi_analysis.workbench import prepare

MONTHS = [f"2025-{month:02d}" for month in range(1, 13)]
CELL = ["unit", "activity", "period_start"]


def content(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of its bytes."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read."""
    names: list[str] = []
    real = building.read
    monkeypatch.setattr(building, "read", lambda file, *rest: names.append(file.name) or real(file, *rest))
    return names


# Rows and amounts are conserved

STORED_AMOUNTS = {
    "hours.hours": "select sum(hours) + sum(draft_hours) from hours",
    "staff.fte": "select sum(fte) from staff",
    "staff.balance_closing": "select sum(balance_closing) from staff",
    "staff.balance_taken": "select sum(balance_taken) from staff",
    "staff.flex_balance": "select sum(flex_balance) from staff",
    "ledger.amount": "select sum(amount) from ledger",
    "budget.amount": "select sum(amount) from budget",
    "volumes.value": "select sum(value) from volumes",
}
"""What is stored of a conserved column."""


@pytest.fixture(params=["samples", "agency"])
def whole(request: pytest.FixtureRequest) -> tuple[Path, audits.Audit]:
    """A model folder and its audit."""
    if request.param == "samples":
        built = request.getfixturevalue("sample_model")
        return built.folder, built.audit
    prepared = request.getfixturevalue("small_agency").prepared
    return prepared.folder / "model", prepared.audit


def test_every_row_that_was_read_is_used_put_aside_or_dropped_by_a_rule(whole):
    _, audit = whole
    for item in audit.received:
        account = item.account
        assert account.read == account.used + account.quarantined + sum(account.dropped.values()), item.file
        for column, sums in account.amounts.items():
            parts = sums["used"] + sums["quarantined"] + sums["dropped"]
            assert sums["read"] == pytest.approx(parts, abs=0.01), (item.file, column)


def test_amounts_of_every_delivery_stand_in_its_stored_part_and_in_the_model(whole):
    folder, audit = whole
    totals = dict.fromkeys(STORED_AMOUNTS, 0.0)
    for item in audit.received:
        with database.open_model(folder / "parts" / item.part) as part:
            for column in item.account.amounts.keys() & STORED_AMOUNTS if item.part else ():
                stored = part.execute(STORED_AMOUNTS[column]).fetchall()[0][0] or 0
                assert stored == pytest.approx(item.account.amounts[column]["used"], abs=0.01), (item.file, column)
                totals[column] += stored
    with database.open_model(folder) as model:
        for column, total in totals.items():
            assert (model.execute(STORED_AMOUNTS[column]).fetchall()[0][0] or 0) == pytest.approx(total, abs=0.01)


def test_every_row_used_is_placed_once_and_cases_are_stored_or_replaced(whole):
    folder, audit = whole
    replaced = sum(found.values["rows"] for found in audit.findings if found.key == "cases.replaced")
    cases = [item for item in audit.received if "cases" in item.placed_rows]
    with database.open_model(folder) as model:
        stored = dict(model.execute("select delivery, count(*) from ledger group by all").fetchall())
        assert model.execute("select count(*) from cases").fetchall()[0][0] + replaced == sum(
            item.account.used for item in cases
        )
    assert stored["ledger"] >= sum(
        item.placed_rows["ledger"] for item in audit.received if "ledger" in item.placed_rows
    )
    for item in audit.received:
        if item.placed_rows and item.source not in ("budget", "enquiries"):  # one row of these fills several
            assert sum(item.placed_rows.values()) == item.account.used, item.file


def agrees(stored: pd.DataFrame, true: pd.DataFrame, by: list[str], value: str) -> None:
    """Equal to 0.01 cell by cell; a cell that is nowhere is 0."""
    sums = [
        frame.assign(period_start=pd.to_datetime(frame["period_start"])).groupby(by)[value].sum()
        for frame in (stored, true)
    ]
    both = pd.concat(sums, axis=1, keys=["stored", "true"]).fillna(0.0)
    assert len(both) > 20
    assert (both["stored"] - both["true"]).abs().max() < 0.01


def test_the_model_of_the_example_agency_is_its_truth(small_agency):
    truth = small_agency.truth
    with database.open_model(small_agency.prepared.folder / "model") as model:
        stored = {
            name: model.sql(f"select * from {name}").df()
            for name in ("hours", "ledger", "budget", "staff", "absence", "volumes")
        }
        log = model.sql("select *, date_trunc('month', received) as period_start from cases").df()
    agrees(stored["hours"], truth.hours, CELL, "hours")
    agrees(stored["hours"], truth.hours, CELL, "overtime_hours")
    agrees(stored["budget"], truth.budget, [*CELL, "account_group", "version"], "amount")
    agrees(stored["ledger"], truth.ledger, [*CELL, "account_group"], "amount")
    agrees(stored["staff"], truth.staff, ["unit", "period_start"], "overtime_hours")
    agrees(
        stored["absence"].query("absence_type == 'sick'"),
        truth.staff.assign(absence_hours=truth.staff["sick_hours"]),
        CELL[::2],
        "absence_hours",
    )
    for column, true in (("spells", "sick_spells"), ("long_spells", "long_spells")):
        sick = stored["absence"].query("absence_type == 'sick'")
        agrees(sick, truth.staff.assign(**{column: truth.staff[true]}), CELL[::2], column)
    first = truth.cases["period_start"].min()
    agrees(log[log["period_start"] >= first].assign(received=1.0), truth.cases, CELL, "received")
    closed = log[log["closed"].notna() & ~log["reopened"]]
    agrees(
        closed.assign(period_start=closed["closed"].dt.to_period("M").dt.start_time, closed=1.0),
        truth.cases,
        CELL,
        "closed",
    )
    assert len(log) == len(truth.log)


# Nothing is read twice


def test_unchanged_deliveries_are_not_read_again(office, reads):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.deliver("ledger_1", "C1;A;2025-01-05;100")
    first = tiny.build()
    before = content(tiny.model)
    assert reads == ["time_1.csv", "ledger_1.csv"]
    reads.clear()

    assert tiny.build() == first
    assert reads == []
    assert content(tiny.model) == before


def test_only_the_delivery_that_changed_is_read_again(office, reads):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.deliver("time_2", "C1;A;2025-02;p;10;")
    tiny.build()
    reads.clear()
    tiny.deliver("time_2", "C1;A;2025-02;p;11;")

    audit = tiny.build()

    assert reads == ["time_2.csv"]
    assert tiny.table("hours", "period_start::varchar", "hours") == [("2025-01-01", 10), ("2025-02-01", 11)]
    assert sorted(item.part for item in audit.received) == sorted(
        part.name for part in (tiny.model / "parts").iterdir()
    )


def test_a_file_with_a_new_name_is_told_by_it_everywhere(office):
    tiny = office()
    old = tiny.deliver("time_1", "C1;A;2025-01;p;10;", "C1;Z;2025-01;p;many;", "C1;Z;2025-01;p;1;")
    tiny.build()
    old.rename(old.with_name("time_january.csv"))

    audit = tiny.build()

    assert [(item.file, [gap.file for gap in item.gaps]) for item in audit.received] == [
        ("time_january.csv", ["time_january.csv"])
    ]
    assert tiny.table("quarantine", "delivery", "text") == [("time_january.csv", "many")]


def test_a_changed_profile_reads_only_its_own_source_again(office, reads):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;1.000;")
    tiny.deliver("ledger_1", "C1;A;2025-01-05;100")
    tiny.build()
    reads.clear()
    time = tiny.institution.sources["time"].model_copy(update={"decimal": ".", "thousands": ","})
    tiny.institution = tiny.institution.model_copy(update={"sources": tiny.institution.sources | {"time": time}})

    tiny.build()

    assert reads == ["time_1.csv"]
    assert tiny.table("hours", "hours") == [(1,)]


def test_another_version_of_the_program_builds_anew(office, reads, monkeypatch):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    reads.clear()
    monkeypatch.setattr(building, "code", lambda: "another")

    tiny.build()

    assert reads == ["time_1.csv"]


def test_a_changed_crosswalk_places_all_again(office, reads):
    tiny = office()
    tiny.deliver("time_1", "C1;500;2025-01;p;10;")
    tiny.build()
    assert tiny.table("hours", "activity") == [("~",)]
    reads.clear()
    tiny.institution = office(crosswalk=[{"system": "time", "codes": ["500"], "to": "B"}]).institution

    tiny.build()

    assert reads == ["time_1.csv"]
    assert tiny.table("hours", "activity") == [("B",)]


REFERENCE = {
    "files": ["units.csv"],
    "facts": [{"table": "units", "columns": {"unit": "Unit", "name": "Name", "parent": "Parent"}}],
}


def test_a_reference_delivery_that_changes_nothing_is_still_told_as_it_is(office):
    tiny = office(units=[], sources={"units": REFERENCE})
    file = tiny.deliveries / "units.csv"
    file.write_text("Unit;Name;Parent\nI;Institution;\nC;Centre;I\n")
    first = tiny.build().received[0]
    file.write_text("Unit;Name;Parent;Note\nI;Institution;;\nC;Centre;I;moved\n")

    second = tiny.build().received[0]

    assert second.fingerprint == hashlib.sha256(file.read_bytes()).hexdigest() != first.fingerprint


# Nothing half-written


def stop_here(*_: object) -> None:
    raise RuntimeError("cut off")


def test_a_build_that_fails_while_reading_leaves_the_earlier_model(office, monkeypatch):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    before = content(tiny.model)
    tiny.deliver("time_2", "C1;A;2025-02;p;11;")
    monkeypatch.setattr(building, "assemble", stop_here)

    with pytest.raises(RuntimeError, match="cut off"):
        tiny.build()

    assert content(tiny.model) == before
    assert [file.name for file in tiny.model.parent.iterdir()] == ["model"]


def test_a_build_that_fails_while_measuring_leaves_the_earlier_model(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    before = content(tiny.model)
    tiny.deliver("time_2", "C1;A;2025-02;p;11;")

    with pytest.raises(RuntimeError, match="cut off"):
        tiny.build(measure=stop_here)

    assert content(tiny.model) == before
    tiny.build()
    assert len(tiny.table("hours", "hours")) == 2


def test_the_first_build_that_fails_leaves_nothing(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")

    with pytest.raises(RuntimeError, match="cut off"):
        tiny.build(measure=stop_here)

    assert list(tiny.model.parent.iterdir()) == []


def test_a_kill_between_the_two_renames_is_undone(office, reads):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    audit = tiny.build()
    before = content(tiny.model)
    shutil.copytree(
        tiny.model, tiny.model.with_name("model.new-abc")
    )  # as a kill leaves it: the old moved, the new not yet
    tiny.model.rename(tiny.model.with_name("model.before"))

    assert tiny.build() == audit

    assert content(tiny.model) == before
    assert reads == ["time_1.csv"]  # the earlier model is back, not another one built
    assert [file.name for file in tiny.model.parent.iterdir()] == ["model"]


def test_a_kill_after_the_swap_keeps_the_new_model(tmp_path):
    for name, text in (("model", "new"), ("model.before", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table").write_text(text)

    database.recover(tmp_path / "model")

    assert (tmp_path / "model" / "table").read_text() == "new"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_an_audit_that_this_version_does_not_understand_is_built_anew(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    audit = tiny.build()
    (tiny.model / "audit.json").write_text('{"institution": "tiny"}')

    assert tiny.build() == audit
    assert audits.read(tiny.model / "audit.json") == audit


def test_the_same_deliveries_give_the_same_model(office, tmp_path):
    tables = []
    for _ in range(2):
        tiny = office()
        tiny.deliver("time_1", "C2;A;2025-01;p;10;", "C1;B;2025-01;q;1;", "C1;A;2025-01;q;3;1")
        tiny.build()
        tables.append(
            [
                (tiny.model / "audit.json").read_bytes(),
                *(tiny.table(name, "*") for name in ("hours", "persons", "units")),
            ]
        )
        shutil.rmtree(tiny.model)
    assert tables[0] == tables[1]


@pytest.mark.thorough
def test_a_whole_agency_built_anew_is_the_same_byte_for_byte(small_agency, tmp_path):
    """Model, measures and what is released: else a figure in the balance would be hidden one day and shown the next."""
    deliveries = small_agency.root / "outputs" / "example" / "deliveries"

    def built(out):
        prepare("example", start=small_agency.root, deliveries=deliveries, out=out)
        return {file.relative_to(out): file.read_bytes() for file in sorted(out.rglob("*")) if file.is_file()}

    once, twice = built(tmp_path / "once"), built(tmp_path / "twice")

    assert len(once) > 100
    assert [str(file) for file in once.keys() | twice.keys() if once.get(file) != twice.get(file)] == []


def test_a_folder_with_odd_characters_in_its_name_is_a_folder(office):
    tiny = office()
    tiny.root = tiny.root / "o'hara's [2025] {x}"
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.build()
    tiny.deliver("time_1", "C1;A;2025-01;p;12;")

    assert tiny.build().restated == (Restated("hours", "C1", "2025-01-01", 10, 12, "hours"),)


def test_figures_stand_at_the_end_of_the_last_month_when_measured(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.deliver("counts_1", "C1;A;2025-02;received;7", *(f"C1;A;{month};planned;5" for month in MONTHS))
    seen = []

    audit = tiny.build(measure=lambda connection, folder, day: seen.append((day, (folder / "hours.parquet").exists())))

    assert audit.periods == ("2025-01-01", "2025-02-01")  # what is planned lies ahead
    assert audit.as_of == "2025-02-28"
    assert seen == [(date(2025, 2, 28), True)]


def test_where_only_cases_are_delivered_months_are_those_they_were_received_in(office):
    tiny = office()
    tiny.deliver("cases_1", "1;C1;A;2025-01-03;2025-03-01", "2;C1;A;2025-02-03;")

    assert tiny.build().periods == ("2025-01-01", "2025-02-01")


def test_a_build_without_any_delivery_says_what_is_not_delivered(office):
    tiny = office()
    audit = tiny.build(measure=lambda connection, folder, day: None)

    assert audit.missing_sources == ("time", "ledger", "counts", "cases")
    assert (audit.usable, audit.periods, audit.as_of) == (False, (), None)
    assert tiny.table("hours", "*") == []


# What changed since the last build


def test_totals_of_reported_months_that_moved_are_listed(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;", "C2;A;2025-01;p;4;")
    tiny.deliver("time_2", "C1;A;2025-02;p;8;")
    tiny.deliver("cases_1", "1;C1;A;2025-01-03;")
    assert tiny.build().restated == ()
    tiny.deliver("time_1", "C1;A;2025-01;p;12,5;", "C2;B;2025-01;p;4;")
    tiny.deliver("time_3", "C1;A;2025-03;p;8;")
    tiny.deliver("cases_1", "1;C1;A;2025-01-03;", "2;C2;A;2025-01-04;")

    assert tiny.build().restated == (
        Restated("hours", "C1", "2025-01-01", 10, 12.5, "hours"),  # not C2, whose total stands; not March, which is new
        Restated("cases", "C2", "2025-01-01", None, 1, "count"),
    )
    assert tiny.build().restated[0].after == 12.5  # nothing new: the same audit stands


def test_a_case_closed_late_and_overtime_registered_late_restate_the_months_they_belong_to(tmp_path):
    audit = audits.restated(
        *before_and_after(
            tmp_path,
            staff=[("K", "2025-01-01", 5.0, 10.0), ("K", "2025-01-01", 5.0, 14.0)],
            cases=[("K", "2025-01-03", None, False), ("K", "2025-01-03", "2025-01-30", False)],
        ),
        ("staff", "cases"), "2025-01-01",
    )  # fmt: skip

    assert audit == (
        Restated("overtime", "K", "2025-01-01", 10, 14, "hours"),
        Restated("closings", "K", "2025-01-01", None, 1, "count"),
    )


def before_and_after(folder, staff, cases):
    """A connection with the newer of two rows as views, and a folder with the older."""
    connection = database.connect()
    for at, (name, row, columns) in enumerate(
        (name, row, columns)
        for name, rows, columns in (
            ("staff", staff, "unit varchar, period_start date, fte double, overtime_hours double"),
            ("cases", cases, "unit varchar, received timestamp, closed timestamp, reopened boolean"),
        )
        for row in rows
    ):
        connection.execute(f"create or replace table {name} ({columns})")
        connection.execute(f"insert into {name} values (?, ?, ?, ?)", row)
        if at % 2 == 0:
            database.write(connection, f"select * from {name}", folder / f"{name}.parquet")
    return connection, folder


# Several deliveries of a source


def test_the_same_bytes_twice_count_once_and_the_second_is_whole_when_the_first_is_withdrawn(office):
    tiny = office()
    first = tiny.deliver("time_1", "C1;A;2025-01;p;10;", "C1;A;2025-01;p;many;")
    tiny.deliver("time_copy", "C1;A;2025-01;p;10;", "C1;A;2025-01;p;many;")

    audit = tiny.build()

    assert (
        tiny.messages(audit)["time_copy.csv"][-1]
        == "warn: The file is the same as time_1.csv, byte for byte. It is left out."
    )
    assert [item.file for item in audit.stopped] == ["time_copy.csv"]
    assert tiny.table("hours", "hours") == [(10,)]
    assert tiny.table("quarantine", "delivery", "row", "text") == [
        ("time_1.csv", 3, "many"),
        ("time_copy.csv", 3, "many"),
    ]
    first.unlink()
    assert [(item.file, item.stopped) for item in tiny.build().received] == [("time_copy.csv", False)]
    assert tiny.table("hours", "hours") == [(10,)]


def test_two_deliveries_of_the_same_cells_without_dates_are_both_left_out_until_one_is_withdrawn(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;", "C2;A;2025-01;p;1;")
    tiny.deliver("time_2", "C1;A;2025-01;p;11;", "C2;A;2025-01;p;1;")

    audit = tiny.build()

    said = "stop: 2 cells of hours stand in {} too, and it cannot be told which file is newest. Withdraw one of them."
    assert tiny.messages(audit) == {
        "time_1.csv": [said.format("time_2.csv")],
        "time_2.csv": [said.format("time_1.csv")],
    }
    assert tiny.table("hours", "*") == []
    assert audit.usable is False
    (tiny.deliveries / "time_1.csv").unlink()
    assert tiny.build().stopped == ()
    assert tiny.table("hours", "unit", "hours") == [("C1", 11), ("C2", 1)]


def test_the_delivery_that_was_extracted_later_counts(office):
    tiny = office()
    tiny.deliver("ledger_extracted_2025-02-05", "C1;A;2025-01-05;100", "C1;A;2025-01-06;50")
    tiny.deliver("ledger_extracted_2025-03-05", "C1;A;2025-01-05;100", "C1;A;2025-01-06;60")

    audit = tiny.build()

    assert tiny.messages(audit) == {
        "ledger_extracted_2025-02-05.csv": [
            "warn: 1 cells of ledger stand in ledger_extracted_2025-03-05.csv too, which was extracted later. This file is left out."
        ]
    }
    assert tiny.table("ledger", "amount") == [(60,), (100,)]


def test_a_late_posting_that_looks_like_another_does_not_leave_a_ledger_out(office):
    tiny = office()
    tiny.deliver("ledger_extracted_2025-02-05", *(f"C1;A;2025-01-05;{amount}" for amount in (100, 200, 300, 400)))
    tiny.deliver(
        "ledger_extracted_2025-03-05",
        "C1;A;2025-01-30;100",
        "C1;A;2025-01-31;7",
        "C1;A;2025-01-31;8",
        "C1;A;2025-02-05;200",
    )

    assert tiny.messages(tiny.build()) == {}
    assert sum(amount for (amount,) in tiny.table("ledger", "amount")) == 1315


def test_two_offices_may_deliver_the_same_month_in_files_of_their_own(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.deliver("time_2", "C2;A;2025-01;q;10;")

    assert tiny.messages(tiny.build()) == {}
    assert tiny.table("hours", "unit", "hours") == [("C1", 10), ("C2", 10)]


def test_the_newest_delivery_that_tells_of_a_case_counts(office):
    tiny = office()
    tiny.deliver("cases_b_extracted_2025-02-05", "1;C1;A;2025-01-03;", "2;C1;A;2025-01-03;")
    tiny.deliver("cases_a_extracted_2025-03-05", "1;C1;A;2025-01-03;2025-02-20")

    audit = tiny.build()

    assert tiny.messages(audit) == {
        "": ["note: 1 rows of cases are replaced by a later delivery about the same cases."]
    }
    assert tiny.table("cases", '"case"', "closed::varchar") == [("1", "2025-02-20 00:00:00"), ("2", None)]


def test_counts_where_there_are_cases_too_are_taken_from_the_cases(office):
    tiny = office()
    tiny.deliver("cases_1", "1;C1;A;2025-01-03;")
    tiny.deliver(
        "counts_1",
        "C1;A;2025-01;received;9",
        "C1;A;2025-01;planned;8",
        "C1;B;2025-01;received;7",
        "C2;A;2025-01;closed;6",
    )

    audit = tiny.build()

    assert tiny.messages(audit) == {
        "": ["warn: 1 counts were delivered where there are cases too. The counts are taken from the cases."]
    }
    assert tiny.table("volumes", "value") == [(6,), (7,), (8,)]


def test_kroner_for_thousands_in_one_file_of_several_stops_that_file(office):
    tiny = office()
    for month, scale in zip(MONTHS[:4], (1, 1, 1000, 1), strict=True):
        tiny.deliver(f"ledger_{month}", f"C1;A;{month}-05;{(500 + int(month[-2:])) * scale}")

    audit = tiny.build()

    assert tiny.messages(audit) == {
        "ledger_2025-03.csv": [
            "stop: 'amount' is some 1,000 times what it used to be: 503.000,00 against 501,50. "
            "If it is now in kroner and not in thousands, correct unit_scale in the source profile."
        ]
    }
    assert tiny.table("ledger", "amount") == [(501,), (502,), (504,)]


def test_a_cumulative_export_taken_as_monthly_is_seen_across_monthly_files(office):
    tiny = office()
    for number, month in enumerate(MONTHS[:6], 1):
        tiny.deliver(
            f"counts_{month}", *(f"{unit};A;{month};closed;{number * size}" for unit, size in (("C1", 10), ("C2", 21)))
        )

    audit = tiny.build()

    said = (
        "stop: 'value' looks like the year to date taken as months: in 2025 it rises every month, from 31,00 in January to 186,00 in month 6. "
        "If it is cumulative, write period_kind: ytd in the source profile."
    )
    assert tiny.messages(audit) == {f"counts_{month}.csv": [said] for month in MONTHS[:6]}
    assert tiny.table("volumes", "*") == []


def test_a_control_total_that_the_owner_states_is_compared(office):
    sources = {"time": {"files": ["time_*.csv"], "contract": {"control_totals": {"hours": "50"}}, "facts": [
        {"table": "hours", "columns": {"unit": "Unit", "activity": "Task", "period": "Month", "hours": "Hours"}}]}}  # fmt: skip
    tiny = office(sources=sources)
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    tiny.deliver("time_2", "C1;A;2025-02;p;30;")

    audit = tiny.build()

    said = "stop: The rows add up to 40,00 for 'hours', but the owner states 50,00 (difference 10,00). Have the delivery or the figure corrected."
    assert tiny.messages(audit) == {"time_1.csv": [said], "time_2.csv": [said]}
    assert tiny.table("hours", "*") == []
    tiny.deliver("time_3", "C1;A;2025-03;p;10;")
    assert tiny.messages(tiny.build()) == {}
    assert len(tiny.table("hours", "*")) == 3


VANISHED = "stop: The file is gone: it was listed, but could not be found when it was read. Deliver it again."


@pytest.mark.parametrize("step", ["read_keys", "fingerprint", "part_name"])
def test_files_that_vanish_after_they_were_listed_are_told_and_read_when_they_are_back(office, monkeypatch, step):
    tiny = office()
    late = {"time_2": "C1;A;2025-02;p;11;", "time_3": "C1;A;2025-03;p;11;"}
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    for name, row in late.items():
        tiny.deliver(name, row)
    real, calls = getattr(building, step), []

    def and_gone(*given: object) -> object:
        result = real(*given)
        calls.append(given)
        if step == "read_keys" or len(calls) == 3:  # the last of three files has been hashed, or is about to be read
            for name in late:
                (tiny.deliveries / f"{name}.csv").unlink(missing_ok=True)
        return result

    with monkeypatch.context() as patched:
        patched.setattr(building, step, and_gone)
        audit = tiny.build()

    told = tiny.messages(audit)
    assert told["time_3.csv"] == [VANISHED]
    assert set(told) <= {"time_2.csv", "time_3.csv"}
    assert tiny.table("hours", "hours")[0] == (10,)
    for name, row in late.items():
        tiny.deliver(name, row)
    assert tiny.build().stopped == ()
    assert tiny.table("hours", "hours") == [(10,), (11,), (11,)]


def test_a_stopped_delivery_leaves_the_rest_reportable(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")
    (tiny.deliveries / "ledger_1.csv").write_bytes(b"")

    audit = tiny.build()

    assert tiny.messages(audit) == {"ledger_1.csv": ["stop: The file is empty. Deliver it again."]}
    assert audit.usable
    assert [item.file for item in audit.stopped] == ["ledger_1.csv"]
    assert audit.missing_sources == ("counts", "cases")


def test_profiles_that_name_what_the_model_does_not_have_stop_before_anything_is_read(office, reads):
    tiny = office(sources={"time": {"files": ["time_*.csv"], "facts": [{"table": "hors", "columns": {}}]}})
    tiny.deliver("time_1", "C1;A;2025-01;p;10;")

    with pytest.raises(WrongUse, match='table: "hors" is no table of the model'):
        tiny.build()
    assert reads == []
    assert not tiny.model.exists()
