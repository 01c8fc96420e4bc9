"""Rows find their unit and activity, or stay in the totals under "~"; persons are counted and gone."""

import json

import pandas as pd
import pytest

PERSON_FILE = (
    "C1;A;2025-01;M-0417;30;4", "C1;B;2025-01;M-0562;10;1", "C2;A;2025-01;M-0417;10;0", "C2;A;2025-01;M-0710;10;0",
    "C1;A;2025-02;M-0562;20;",
)  # fmt: skip


@pytest.fixture(scope="session")
def expected(samples) -> dict:
    return json.loads((samples / "expected.json").read_text(encoding="utf-8"))


def sums(frame: pd.DataFrame, by: str, value: str) -> dict:
    return {key: pytest.approx(total, abs=1e-9) for key, total in frame.groupby(by)[value].sum().items()}


def numbers(told: dict[str, str]) -> dict[str, float]:
    return {key: float(value) for key, value in told.items()}


# The samples against their right answers


def test_registered_hours_are_those_approved_or_automatic_by_activity_and_the_unknown_alias_is_without(
    sample_model, expected
):
    right = expected["tidsregistrering_2025-03.csv"]
    by_alias = numbers(right["hours_by_alias_approved_or_auto"])
    hours = sample_model.table("hours")

    found = hours.groupby("activity")["hours"].sum().to_dict()

    assert found == pytest.approx(
        {
            "A10": by_alias["101010001"],
            "A20": by_alias["202020001"],
            "A90": by_alias["900000001"],
            "~": float(right["unmapped_alias_hours"]),
        }
    )
    assert hours["auto_rows"].sum() == right["auto_rows"]
    assert hours["draft_hours"].sum() == pytest.approx(
        float(numbers(right["hours_by_alias"])["202020001"] - by_alias["202020001"])
    )


def test_sick_and_approved_hours_together_are_all_that_was_registered(sample_model, expected):
    right = expected["tidsregistrering_2025-03.csv"]
    absence = sample_model.table("absence").query("delivery == 'time'")

    assert absence.query("absence_type == 'sick'")["absence_hours"].sum() == pytest.approx(float(right["sick_hours"]))
    assert sample_model.table("hours")["hours"].sum() + absence["absence_hours"].sum() == pytest.approx(
        float(right["approved_or_auto_hours"])
    )


def test_the_ledger_is_placed_by_unit_and_what_has_no_activity_stays_in_its_units_total(sample_model, expected):
    right = expected["navision_finansposter_2025-03.csv"]
    ledger = sample_model.table("ledger")

    assert sums(ledger, "unit", "amount") == numbers(right["sum_by_sted_excl_closing"])
    assert ledger.query("purpose == '9'")["amount"].sum() == pytest.approx(float(right["gfo_sum_fl_formaal_9"]))
    assert ledger.query("activity == '~'")[["unit", "amount"]].values.tolist() == [["2900", 8999.95]]
    assert ledger.query("account_group == 'income'")["amount"].sum() == pytest.approx(
        float(right["income_excl_closing"])
    )


def test_the_budget_is_placed_by_unit_and_month_in_kroner(sample_model, expected):
    right = expected["budget_periodiseret_2025.xlsx"]
    budget = sample_model.table("budget")
    to_march = budget[budget["period_start"] < "2025-04-01"]

    assert sums(to_march, "unit", "amount") == {
        unit: 1000 * total for unit, total in right["ytd_march_tkr_by_sted"].items()
    }
    assert budget["amount"].sum() == pytest.approx(1000 * right["year_total_tkr"])


def test_overtime_and_balances_stand_on_the_unit(sample_model, expected):
    right = expected["overarbejde_saldi_2025-03.csv"]
    staff = sample_model.table("staff").set_index("unit")

    assert staff["overtime_hours"].to_dict() == pytest.approx(right["overtime_plus_extra_hours_by_unit"])
    assert (staff["overtime_hours"] / staff["fte"]).round(4).to_dict() == right["per_aarsvaerk_by_unit"]
    assert staff["flex_balance"].sum() == pytest.approx(right["flex_total"])
    assert staff["balance_closing"].to_dict() == {
        unit: row["reported_closing"] for unit, row in right["balance_identity"].items()
    }


def test_sick_leave_that_the_source_withheld_is_told_from_what_it_does_not_have(sample_model, expected):
    right = expected["sygefravaer_enheder_2025M03.csv"]
    sick = sample_model.table("absence").query("delivery == 'sick_leave'")
    march = sick[(sick["period_start"] == "2025-03-01") & sick["absence_hours"].notna()]

    assert len(sick) == right["data_rows"]
    assert int(sick["withheld"].sum()) == right["suppressed_rows"]
    assert int((sick["absence_hours"].isna() & ~sick["withheld"]).sum()) == right["missing_rows"]
    assert march["absence_hours"].sum() / 7.4 == pytest.approx(right["march_dagsvaerk_known_units"])
    assert march["fte"].sum() == pytest.approx(right["march_aarsvaerk_known_units"])


def test_cases_stand_once_with_their_activity_and_the_impossible_one_is_set_aside(sample_model, expected):
    right = expected["sager_2025.csv"]
    cases = sample_model.table("cases")

    assert len(cases) == right["unique_cases"] - len(right["invalid_rows"])
    assert cases["case"].is_unique
    assert not cases["case"].isin(right["invalid_rows"]).any()
    assert sorted(cases["activity"].unique()) == ["A10", "A20", "A30", "A40"]
    assert cases.loc[cases["reopened"], "case"].tolist() == ["2025-0062"]
    assert sample_model.table("quarantine").values.tolist() == [
        ["sager_2025.csv", 13, "Afsluttet dato", "05-02-2025", "closed_before_received"]
    ]


def test_a_goal_without_a_unit_is_the_institutions_and_keeps_its_number_as_text(sample_model):
    goals = sample_model.table("goals")

    assert goals["unit"].unique().tolist() == ["2000"]
    assert goals.set_index("goal")["activity"].to_dict() == {
        "1.1": "A10",
        "1.2": "A20",
        "2.1": "A30",
        "2.2": "~",
        "3.1": "A20",
    }


def test_what_found_no_partner_is_told_in_rows_and_value_with_a_near_name(sample_model):
    gaps = {
        (gap.file, gap.table, gap.key, gap.code): (gap.reason, gap.rows, gap.value, gap.measure, gap.near)
        for item in sample_model.audit.received
        for gap in item.gaps
    }

    assert gaps == {
        ("navision_finansposter_2025-03.csv", "ledger", "activity", ""): ("blank", 1, 8999.95, "money", ""),
        ("tidsregistrering_2025-03.csv", "hours", "activity", "202020009"): ("unknown", 1, 7.4, "hours", "202020001"),
        ("maal_resultatplan_2025.xlsx", "goals", "activity", "2.2"): ("unknown", 1, 0, "count", ""),
        ("statistikbank_benchmark.csv", "volumes", "unit", "Eksempelområde i alt"): ("unknown", 5, 12.31, "count", ""),
        ("statistikbank_benchmark.csv", "volumes", "activity", ""): ("blank", 5, 12.31, "count", ""),
    }


def test_activities_that_a_system_of_hours_or_money_has_no_code_for_are_told(sample_model, in_words):
    assert in_words(sample_model.audit.findings) == [
        "note: mtime has no code for A30, A40: what is done on them there is without activity.",
        "note: 4 rows of cases are replaced by a later delivery about the same cases.",
    ]


def test_the_share_with_an_activity_counts_rows_that_could_have_one(sample_model, in_words):
    share = {item.source: item.mapped_share() for item in sample_model.audit.received if item.placed_rows}

    assert share == {
        "ledger": pytest.approx(11 / 12), "budget": 1, "time": pytest.approx(10 / 11), "sick_leave": None, "overtime": None, "cases": 1,
        "cases_unicode": 1, "goals": pytest.approx(4 / 5), "benchmark": 0,
    }  # fmt: skip
    assert in_words(sample_model.received("time")[0].findings) == [
        "warn: 90.9 per cent of the rows have a known activity; at least 95.0 per cent were agreed."
    ]


# Placing


def test_an_unknown_unit_is_told_with_its_nearest_name_and_stays_in_every_total(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;10;", "Ofice Two;A;2025-01;p;5;", ";B;2025-01;p;2;")

    audit = tiny.build()

    assert tiny.table("hours", "unit", "activity", "hours") == [("C1", "A", 10), ("~", "A", 5), ("~", "B", 2)]
    assert [(gap.key, gap.code, gap.reason, gap.rows, gap.value, gap.near) for gap in audit.received[0].gaps] == [
        ("unit", "", "blank", 1, 2, ""), ("unit", "Ofice Two", "unknown", 1, 5, "C2"),
    ]  # fmt: skip


def test_a_shared_code_splits_the_value_and_counts_its_row_once(office):
    shared = [
        {"system": "time", "codes": ["500"], "to": "A", "share": "0.25"},
        {"system": "time", "codes": ["500"], "to": "B", "share": "0.75"},
    ]
    tiny = office(crosswalk=shared)
    tiny.deliver("time_1", "C1;500;2025-01;p;10;2")

    audit = tiny.build()

    assert tiny.table("hours", "activity", "hours", "overtime_hours", "persons") == [
        ("A", 2.5, 0.5, 1),
        ("B", 7.5, 1.5, 1),
    ]
    assert audit.received[0].placed_rows == {"hours": 1}
    assert audit.received[0].mapped_share() == 1
    assert tiny.table("persons", "unit", "domain", "persons", "largest_person_share") == [
        (unit, domain, 1, 1) for unit in ("C", "C1", "I") for domain in ("hours", "overtime", "staff")
    ]


def test_a_case_of_a_shared_code_is_not_cut_in_two(office):
    shared = [
        {"system": "cases", "codes": ["500"], "to": "A", "share": "0.5"},
        {"system": "cases", "codes": ["500"], "to": "B", "share": "0.5"},
    ]
    tiny = office(crosswalk=shared)
    tiny.deliver("cases_1", "1;C1;500;2025-01-03;", "2;C1;A;2025-01-03;2025-01-05")

    audit = tiny.build()

    assert tiny.table("cases", '"case"', "unit", "activity") == [("1", "C1", "~"), ("2", "C1", "A")]
    assert [(gap.code, gap.reason, gap.rows) for gap in audit.received[0].gaps] == [("500", "split", 1)]


def test_a_unit_that_closed_keeps_its_late_postings_and_they_are_told(office):
    units = [
        {"unit": "I", "name": "The institution"},
        {"unit": "Old", "name": "Old", "parent": "I", "valid_to": "2024-12-31", "successor": "New"},
        {"unit": "New", "name": "New", "parent": "I", "valid_from": "2025-01-01"},
    ]
    tiny = office(units=units)
    tiny.deliver("ledger_1", "Old;A;2024-12-30;100", "Old;A;2025-01-02;50", "New;A;2025-01-02;7")

    audit = tiny.build()

    assert tiny.table("ledger", "unit", "period_start::varchar", "amount") == [
        ("New", "2025-01-01", 7), ("Old", "2024-12-01", 100), ("Old", "2025-01-01", 50),
    ]  # fmt: skip
    assert [(gap.code, gap.reason, gap.rows, gap.value) for gap in audit.received[0].gaps] == [
        ("Old", "outside_validity", 1, 50)
    ]
    assert tiny.table("unit_map", "unit", "to_unit", "share") == [
        ("I", "I", 1),
        ("New", "New", 1),
        ("Old", "New", 1),
        ("~", "~", 1),
    ]


def test_sources_are_made_one_way_of_counting_and_it_is_told(office, in_words):
    columns = {"unit": "Unit", "period": "Month"}
    sources = {
        "absence": {"files": ["time_*.csv"], "day_basis": "calendar", "facts": [
            {"table": "absence", "columns": columns | {"absence_days": "Hours"}, "constants": {"absence_type": "sick"}}]},
        "staff": {"files": ["time_*.csv"], "hours_basis": "with_supplement", "fte_basis": "flow", "facts": [
            {"table": "staff", "columns": columns | {"fte": "Hours", "overtime_hours": "Overtime"}, "persons": "none"}]},
    }  # fmt: skip
    tiny = office(sources=sources)
    tiny.deliver("time_1", "C1;;2025-01;;7;3")

    audit = tiny.build()

    assert tiny.table("absence", "absence_hours")[0][0] == pytest.approx(7 * 7.4 * 5 / 7)
    assert tiny.table("staff", "fte", "overtime_hours") == [(84, 2)]
    assert [in_words(item.findings) for item in audit.received] == [
        ["note: Absence counted in calendar days was made working days (times 0.714)."],
        ["note: Overtime hours with supplement were made 1:1 (times 0.667)."],
    ]


# Persons


def test_persons_and_the_largest_part_are_those_of_the_unit_and_of_every_unit_above(office):
    tiny = office()
    tiny.deliver("time_1", *PERSON_FILE)
    tiny.build()

    found = {
        row[:3]: row[3:]
        for row in tiny.table(
            "persons", "unit", "domain", "strftime(period_start, '%m')", "persons", "largest_person_share"
        )
    }

    assert found["C1", "hours", "01"] == (2, 0.75)
    assert found["C2", "hours", "01"] == (2, 0.5)
    assert (
        found["C", "hours", "01"] == found["I", "hours", "01"] == (3, pytest.approx(40 / 60))
    )  # M-0417 in both offices is one person
    assert found["C1", "overtime", "01"] == found["C", "overtime", "01"] == (2, 0.8)
    assert found["C1", "hours", "02"] == found["I", "hours", "02"] == (1, 1)
    assert ("C2", "overtime", "01") not in found
    assert found["C2", "staff", "01"][0] == 2


def test_persons_of_several_files_of_a_month_are_a_lower_bound(office):
    tiny = office()
    tiny.deliver("time_1", "C1;A;2025-01;p;30;", "C1;A;2025-01;q;10;")
    tiny.deliver("time_2", "C2;A;2025-01;q;10;", "C2;A;2025-01;r;10;", "C2;B;2025-01;s;20;")
    tiny.build()

    found = {
        (unit, domain): rest
        for unit, domain, *rest in tiny.table("persons", "unit", "domain", "persons", "largest_person_share")
    }

    assert found["C", "hours"] == [3, 0.75]  # four stand behind it: fewer and a larger part hide more, not less


def test_without_a_key_each_row_is_a_person_or_nobody_is_counted(office):
    table = {"table": "staff", "columns": {"unit": "Unit", "period": "Month", "overtime_hours": "Overtime"}}
    for mode, persons in (
        ("rows", [("C1", "overtime", 2, 0.75), ("C1", "staff", 3, pytest.approx(1 / 3))]),
        ("none", []),
    ):
        tiny = office(sources={"time": {"files": ["time_*.csv"], "facts": [table | {"persons": mode}]}})
        tiny.deliver("time_1", "C1;;2025-01;;;3", "C1;;2025-01;;;1", "C1;;2025-01;;;0")
        tiny.build()

        assert [
            row for row in tiny.table("persons", "unit", "domain", "persons", "largest_person_share") if row[0] == "C1"
        ] == persons


SPELLS = {
    "files": ["sick_*.csv"],
    "facts": [{
        "table": "absence", "constants": {"absence_type": "sick"},
        "columns": {"unit": "Unit", "period": "Month", "person_key": "Who", "absence_hours": "Hours", "spell_start": "From", "spell_end": "To"},
    }],
}  # fmt: skip


def test_a_spell_is_counted_once_in_the_month_it_ended_and_is_long_by_its_whole_length(office):
    tiny = office(sources={"sick": SPELLS})
    header = "Unit;Month;Who;Hours;From;To"
    february = [
        "C1;2025-02;p;7,4;10-02-2025;",
        "C1;2025-02;q;7,4;03-02-2025;03-02-2025",
        "C1;2025-02;q;7,4;17-02-2025;18-02-2025",
    ]
    march = [
        "C1;2025-03;p;37;10-02-2025;10-03-2025",
        "C1;2025-03;p;7,4;10-02-2025;10-03-2025",
        "C2;2025-03;r;7,4;20-02-2025;19-03-2025",
    ]
    for name, rows in (("1", february), ("2", march)):
        (tiny.deliveries / f"sick_{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    tiny.build()

    assert tiny.table("absence", "unit", "strftime(period_start, '%m')", "spells", "long_spells") == [
        ("C1", "02", 2, 0), ("C1", "03", 1, 1), ("C2", "03", 1, 0),  # 29 days are more than 28, 28 are not
    ]  # fmt: skip
    persons = tiny.table("persons", "unit", "strftime(period_start, '%m')", "domain", "persons", "value")
    assert [row for row in persons if row[0] == "I" and "spell" in row[2]] == [
        ("I", "02", "spells", 1, 2), ("I", "03", "long_spells", 1, 1), ("I", "03", "spells", 2, 2),
    ]  # fmt: skip


def test_where_some_rows_tell_no_spell_none_are_counted_and_an_end_before_the_beginning_is_put_aside(office):
    tiny = office(sources={"sick": SPELLS})
    rows = ["C1;2025-02;p;7,4;10-02-2025;11-02-2025", "C1;2025-02;q;7,4;;", "C2;2025-02;r;7,4;10-02-2025;09-02-2025"]
    (tiny.deliveries / "sick_1.csv").write_text(
        "\n".join(["Unit;Month;Who;Hours;From;To", *rows]) + "\n", encoding="utf-8"
    )
    audit = tiny.build()

    assert tiny.table("absence", "unit", "spells") == [("C1", None)]
    assert tiny.table("quarantine", '"column"', "text", "reason") == [("To", "09-02-2025", "spell_ends_before")]
    assert tiny.messages(audit) == {
        "sick_1.csv": ["warn: 1 rows were put aside because of 1 cells that could not be read."]
    }


def test_no_person_stands_in_any_byte_of_the_model(office):
    tiny = office()
    tiny.deliver("time_1", *PERSON_FILE, "C1;A;2025-01;M-0417;many;", "C1;A;;M-0417;3;", "C1;A;2025-01;M-0417;1;")
    tiny.build()
    files = [file for file in tiny.root.joinpath("outputs").rglob("*") if file.is_file()]

    assert len(tiny.table("quarantine", "row")) == 2
    assert {"received.json", "audit.json", "persons.parquet", "hours.parquet", "quarantine.parquet"} <= {
        file.name for file in files
    }
    for file in files:
        shown = pd.read_parquet(file).to_csv() if file.suffix == ".parquet" else file.read_text("utf-8")
        for person in ("M-0417", "M-0562", "M-0710", "0417"):
            assert person not in shown, file.name


def test_no_person_of_the_samples_or_of_the_example_agency_stands_in_the_model(sample_model, small_agency):
    for folder in (sample_model.folder, small_agency.prepared.folder / "model"):
        read = 0
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            # Read as text, never as bytes: three letters are soon found in a million compressed numbers.
            if file.suffix == ".parquet":
                frame = pd.read_parquet(file)
                assert not {"person", "person_key"} & set(frame.columns), file.name
                texts = [
                    str(value) for column in frame.select_dtypes(exclude="number") for value in frame[column].unique()
                ]
            else:
                texts = [file.read_text("utf-8")]
            assert not [text for text in texts if "M-0" in text], file.name
            read += 1
        assert read > 10
