"""The desk: tables add up to the deliveries, every cell has a state, and a slice gives the same numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mi_analysis import workbench
from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.model import database
from mi_analysis.parameters import Calendar, WrongUse
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench import Desk, desk

UNITS = [
    "2000",
    "2100",
    "2110",
    "2140",
    "2200",
    "2210",
    "2220",
    "2230",
    "2250",
    "2300",
    "2310",
    "2320",
    "2400",
    "2440",
    "2900",
    "2910",
]
MONTH, YEAR = "2025-12-01", "2025"


@pytest.fixture(scope="module")
def inspections(small_agency) -> Desk:
    """The desk of Tilsyn Nord in December 2025."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(small_agency.root)
        return desk("example", unit="2140")


@pytest.fixture(params=UNITS)
def each(request: pytest.FixtureRequest, inspections: Desk) -> Desk:
    """The desk of each unit, from the offices to the institution."""
    return replace(inspections, unit=request.param)


@pytest.fixture(scope="module")
def stored(small_agency) -> dict[tuple[str, str], dict[str, float]]:
    """Sums of the model's tables, by window and measure, of each unit of today and all above it."""
    folder = small_agency.prepared.folder / "model"
    received = "(select unit, activity, date_trunc('month', received) as period_start, 1 as value from cases)"
    cases = (
        "(select unit, activity, date_trunc('month', closed) as period_start, 1.0 as value from cases where closed is not null and not reopened "
        "union all select unit, activity, period_start, value from volumes where name = 'closed')"
    )
    sums = {
        "registered_hours": ("hours", "hours"), "actual": ("ledger", "amount"), "closed": (cases, "value"),
        "budget": ("(select * from budget where version = 'UO3' or version is null)", "amount"), "received_cases": (received, "value"),
    }  # fmt: skip
    periods = {"month": f"period_start = '{MONTH}'", "ytd": f"year(period_start) = {YEAR}"}
    found: dict[tuple[str, str], dict[str, float]] = {}
    with database.open_model(folder) as model:
        parents = dict(model.execute("select unit, arg_max(parent, valid_to) from units group by unit").fetchall())
        for window, when in periods.items():
            for measure, (table, value) in sums.items():
                query = f"select to_unit, sum({value} * share) from {table} t join unit_map m on t.unit = m.unit where {when} group by all"
                totals = found.setdefault((window, measure), dict.fromkeys(UNITS, 0.0))
                for unit, total in model.execute(query).fetchall():
                    place = unit if unit in parents else "2000"
                    while place:
                        totals[place] += total
                        place = parents[place]
    return found


def printed(sentences: list, language: str = "en") -> list[str]:
    """Sentences as a report prints them."""
    words = Words(language)
    return [sentence(one.key, one.values, words) for one in sentences]


# The coherent table


@pytest.mark.parametrize("window", ["month", "ytd"])
def test_the_coherent_table_of_each_unit_adds_up_to_its_total_and_to_what_was_delivered(each, stored, window):
    frame = each.coherent("en", window)
    states = frame.states
    rows, total = frame.iloc[:-1], frame.iloc[-1]

    assert total["activity"] == "Total"
    assert "Without activity" not in list(rows["activity"])[:-1]
    for measure in ("registered_hours", "actual", "closed", "activity_overtime_hours", "deviation"):
        if measure in frame and "hidden" not in {states.get((row, measure)) for row in range(len(frame))}:
            assert rows[measure].sum() == pytest.approx(total[measure], abs=0.01), measure
    for measure in ("registered_hours", "actual", "closed"):
        of_unit = stored[window, measure][each.unit]
        assert (total[measure] if measure in frame else 0) == pytest.approx(of_unit, abs=0.01), measure


def test_the_units_of_today_together_are_the_institution(inspections, stored):
    offices = [unit for unit in UNITS if unit[2:] != "00"]
    for measure in ("registered_hours", "actual", "budget", "closed"):
        at_offices = sum(inspections.value(measure, unit=unit, window="ytd")[0] or 0 for unit in [*offices, "~"])
        assert inspections.whole().value(measure, window="ytd")[0] == pytest.approx(at_offices, abs=0.01)


def test_the_total_of_the_institution_is_what_was_true(inspections, small_agency):
    truth, whole = small_agency.truth, inspections.whole()
    for name, frame, column in (
        ("registered_hours", truth.hours, "hours"),
        ("actual", truth.ledger, "amount"),
        ("closed", truth.cases, "closed"),
    ):
        true = frame[pd.to_datetime(frame["period_start"]).dt.year == 2025][column].sum()
        if name == "closed":
            rest = truth.volumes[
                (truth.volumes["name"] == "closed") & (pd.to_datetime(truth.volumes["period_start"]).dt.year == 2025)
            ]
            true += rest["value"].sum()
        assert whole.value(name, window="ytd")[0] == pytest.approx(true, abs=0.01), name


@pytest.mark.parametrize("unit", ["2140", "2440", "2910", "2000"])
def test_every_empty_cell_of_the_coherent_table_says_why(inspections, unit):
    frame = replace(inspections, unit=unit).coherent("en")
    states = frame.states
    for column in frame.columns.drop("activity"):
        for row in range(len(frame)):
            assert pd.notna(frame[column].iloc[row]) or (row, column) in states, (row, column)
    assert set(states.values()) <= {
        "hidden",
        "missing",
        "not_applicable",
        "incomplete",
        "not_assessed",
        "provisional",
        "estimated",
    }
    for place, state in states.items():
        assert state != "hidden" or pd.isna(frame[place[1]].iloc[place[0]])


def test_there_is_no_change_from_a_year_that_is_not_whole(inspections):
    frame = inspections.coherent("en")  # of 2024, December alone was delivered

    assert inspections.value("closed", window="ytd", at=inspections.last_year)[1] == "incomplete"
    assert [column for column in frame if column.endswith("_change")] == []
    monthly = inspections.coherent("en", "month")
    assert monthly["closed_change"].iloc[-1] == pytest.approx(100 * (43 / 47 - 1))
    assert not [one for one in printed(inspections.key_messages()) if "last year" in one]


def test_goals_without_weights_are_an_average_and_no_points(inspections):
    released = replace(inspections.released, goals=inspections.released.goals.assign(weight=np.nan))

    (said,) = [
        one for one in printed(replace(inspections, unit="2110", released=released).key_messages()) if "goals" in one
    ]

    assert said == "3 goals: 1 met, 2 partly met. Fulfilment is 95.2 per cent on average of the goals assessed (3)."


def test_labels_are_in_the_language_asked_for(inspections):
    assert list(inspections.coherent("da")["activity"])[-2:] == ["Uden aktivitet", "I alt"]
    assert inspections.coherent("da")["activity"].iloc[0] == "Tilsyn, planlagt"
    assert inspections.coherent("en")["activity"].iloc[0] == "Inspections, planned"


# Figures and their states


def test_a_figure_has_one_of_five_states_besides_its_value(inspections):
    secretariat = replace(inspections, unit="2910")

    assert inspections.value("closed") == (43, "value")
    assert secretariat.value("sick_days") == (None, "hidden")
    assert inspections.value("norm_hours", activity="A10") == (None, "not_applicable")
    assert inspections.value("injury_days") == (None, "missing")
    assert inspections.value("closed", window="ytd", at=inspections.last_year) == (47, "incomplete")
    assert inspections.value("closed", unit="2440", at=pd.Timestamp("2031-01-01")) == (None, "missing")


@pytest.mark.parametrize("unit", ["2110", "2440", "2910", "2000"])
def test_key_figures_are_released_values_with_their_states(inspections, unit):
    each = replace(inspections, unit=unit)
    frame, states = each.key_figures()

    assert 3 <= len(frame) <= 12
    for row, name in enumerate(frame["measure"]):
        if "month" in CATALOGUE[name].windows:
            for column, window, at in (
                ("month", "month", each.at),
                ("ytd", "ytd", each.at),
                ("ytd_last_year", "ytd", each.last_year),
            ):
                value, state = each.value(name, window=window, at=at)
                shown = frame[column].iloc[row]
                assert (value is None and pd.isna(shown)) or shown == value
                assert states.get((row, column), "value") == state
    assert all(len(curve) <= 24 for curve in frame["curve"])


def test_a_figure_is_held_against_its_budget_or_the_target_of_the_goal_named_for_it(inspections):
    frame, states = inspections.key_figures(["actual", "kept_due_pct", "sick_days_per_fte", "closed"])

    assert inspections.institution.targets == {"sick_days_per_fte": "2.2", "kept_due_pct": "1.1"}
    assert frame["target"].tolist()[:3] == [inspections.value("budget", window="ytd")[0], pytest.approx(85), 10]
    assert pd.isna(frame["target"].iloc[3])
    assert states[3, "target"] == "no_target"


def test_a_hidden_figure_has_no_value_curve_or_signal(inspections):
    secretariat = replace(inspections, unit="2910")
    frame, states = secretariat.key_figures(["overtime_per_fte"])

    assert states[0, "month"] == states[0, "ytd"] == "hidden"
    assert frame[["month", "ytd"]].isna().all(axis=None)
    assert frame["curve"].iloc[0].isna().all()
    assert frame["signal"].iloc[0] == "hidden"
    assert secretariat.control("overtime_per_fte") is None
    long = secretariat.measures("sick_days", "fte", window="ytd")
    assert long["value"].isna().all()
    assert set(long["state"]) == {"hidden"}


def test_the_control_table_has_the_months_their_limits_and_the_rolling_year(inspections):
    table = inspections.control_table("kept_due_pct")

    assert list(table) == ["period_start", "kept_due_pct", "centre", "lower", "upper", "signal", "r12"]
    assert list(table["period_start"]) == list(pd.date_range("2024-12-01", MONTH, freq="MS"))
    assert table["kept_due_pct"].iloc[-1] == inspections.value("kept_due_pct")[0]
    assert table["r12"].iloc[-1] == inspections.value("kept_due_pct", window="r12")[0]
    assert (table["lower"] <= table["centre"]).all()
    assert (table["upper"] <= 100).all()


def test_the_control_table_of_quarters_holds_what_was_counted(inspections):
    quarters = replace(inspections, period="2025-Q4")

    table = quarters.control_table("closed")

    assert "counted" not in table
    assert table["closed"].tolist() == quarters.series("closed")["closed"].tolist()


def test_counts_in_a_control_table_are_taken_at_the_length_of_a_mean_month(inspections):
    table = inspections.control_table("closed").set_index("period_start")["closed"]
    days = {"2025-11-01": 20, "2025-12-01": 21}
    plain = inspections.series("closed").set_index("period_start")["closed"]

    ratio = table["2025-11-01"] / table["2025-12-01"]
    assert ratio == pytest.approx(plain["2025-11-01"] / days["2025-11-01"] / (plain["2025-12-01"] / days["2025-12-01"]))


def test_a_series_has_every_month_also_those_without_a_figure(inspections):
    series = replace(inspections, unit="2910").series("fte", "actual", months=6)

    assert list(series["period_start"]) == list(pd.date_range("2025-07-01", MONTH, freq="MS"))
    assert series["fte"].isna().all()
    assert series["actual"].notna().all()


def test_staff_figures_that_are_shown_are_those_of_the_deliveries(inspections, small_agency):
    frame, states = inspections.staff_table()
    true = small_agency.truth.staff.query("unit == '2140'").iloc[-1]
    fte = frame[frame["measure"] == "fte"].iloc[0]

    assert fte["month"] == pytest.approx(true["fte"], abs=0.01)
    assert {states[row, column] for row, column in states} <= {
        "hidden",
        "incomplete",
        "not_applicable",
        "missing",
        "provisional",
    }


# Goals and units


def test_short_and_long_spells_are_told_of_where_the_data_has_them_and_otherwise_that_they_cannot_be(inspections):
    without = replace(
        inspections,
        released=replace(
            inspections.released,
            values=inspections.released.values.assign(sick_spells=None),
            states=inspections.released.states[inspections.released.states["measure"] != "sick_spells"],
        ),
    )
    abroad = inspections.institution.model_copy(update={"calendar": Calendar(country="none")})

    assert inspections.staff_notes() == ["note.local", "note.long_spells"]
    assert without.staff_notes() == ["note.local", "note.no_spells"]
    assert replace(without, institution=abroad).staff_notes() == [
        "note.no_spells"
    ]  # no Danish statistics to compare with


def test_goals_without_a_unit_of_measure_are_printed_as_numbers(inspections):
    goals = inspections.released.goals.assign(goal_unit=float("nan"))
    frame, _ = replace(inspections, released=replace(inspections.released, goals=goals)).goal_table("en")

    assert frame["target"].tolist() == ["0.85", "1", "10"]


def test_the_goal_table_has_every_goal_of_the_unit_in_print(inspections, small_agency):
    frame, states = inspections.goal_table("en")
    goals = inspections.goals()

    assert list(frame) == ["name", "target", "result", "degree", "weight", "points", "status"]
    assert frame["name"].tolist() == [
        "1.1 Andel afgjort inden for fristen",
        "1.2 Tilsyn gennemført efter plan",
        "2.2 Sygefravær, dage pr. årsværk",
    ]
    assert frame["target"].tolist() == ["85.0 per cent", "100.0 per cent", "10 dage"]
    assert frame["degree"].tolist() == pytest.approx((100 * goals["degree"]).tolist(), nan_ok=True)
    assert frame["status"].tolist() == ["met", "partly", "hidden"]  # the year's sick leave is
    assert states == {(2, "result"): "hidden", (2, "degree"): "hidden"}
    assert frame["points"].tolist() == pytest.approx(
        (frame["weight"] * frame["degree"].clip(upper=100) / 100).tolist(), nan_ok=True
    )
    true = small_agency.truth.goals.query("unit == '2140' and goal == '1.1'").iloc[-1]
    assert goals.set_index("goal").loc["1.1", "result"] == pytest.approx(float(true["result"]), abs=0.001)


@pytest.mark.parametrize(("period", "periods"), [("2025-Q4", 4), ("2025", 1)])
def test_what_is_told_by_month_stands_at_the_end_of_a_quarter_and_of_a_year(inspections, period, periods):
    longer = replace(inspections, period=period)

    assert longer.leaves() == inspections.leaves()
    for told in (Desk.goals, Desk.work, Desk.suppliers):
        pd.testing.assert_frame_equal(told(longer), told(inspections))
    funnels = [place.whole().in_time_funnel() for place in (longer, inspections)]
    pd.testing.assert_frame_equal(*(found.table for _, found in funnels))
    assert (longer.hidden_hours(), longer.organisation()) == (inspections.hidden_hours(), inspections.organisation())
    assert (longer.budget_outlook(), longer.periods_of_year()) == (None, periods)


def test_a_goal_that_is_not_assessed_is_not_zero(inspections):
    whole = replace(inspections.whole(), period="2025-06-01")
    frame, states = whole.goal_table("en")
    row = frame.index[frame["name"].str.startswith("3.1")][0]

    assert (states[row, "degree"], states[row, "result"]) == ("not_assessed", "not_assessed")
    assert np.isnan(frame["degree"].iloc[row])


def test_the_table_of_units_stands_in_the_order_of_names_with_the_institution_last(inspections):
    frame, states = inspections.whole().units_table(["closed", "deviation_pct", "overtime_per_fte"])
    names = {inspections.unit_label(unit): unit for unit in UNITS}

    assert frame["unit"].tolist() == [
        "Ansøgninger Vest", "Ansøgninger Øst", "Klager Vest", "Klager Øst", "Ledelsessekretariat", "Særlige tilladelser", "Tilladelser",
        "Tilsyn Nord", "Tilsyn Øst", "Vejledning og Support", "Eksempelstyrelsen",
    ]  # fmt: skip
    for row, name in enumerate(frame["unit"]):
        for measure in ("closed", "deviation_pct", "overtime_per_fte"):
            value, state = inspections.value(measure, unit=names[name], window="ytd")
            assert (value is None and pd.isna(frame[measure].iloc[row])) or frame[measure].iloc[row] == value
            assert states.get((row, measure), "value") == state


def test_the_largest_deviations_stand_first_either_way(inspections):
    frame = inspections.largest_deviations().head(5)

    assert len(frame) == 5
    assert frame["deviation"].abs().is_monotonic_decreasing
    assert (frame["actual"] - frame["budget"]).tolist() == pytest.approx(frame["deviation"].tolist())


# The accounts


def test_the_accounts_count_rows_and_amounts_of_every_delivery(inspections, small_agency):
    cards, amounts = inspections.deliveries(), inspections.amounts()

    assert len(cards) == len(small_agency.prepared.audit.received)
    assert (cards["read"] == cards["used"] + cards["quarantined"] + cards["dropped"]).all()
    assert (amounts["difference"].abs() < 0.01).all()
    assert set(inspections.sources()["status"]) == {"used"}
    assert inspections.control_totals()["agrees"].all()
    first = printed(inspections.quality("en"))[0]
    assert (
        f"{Words('en').number(cards['used'].sum())} of {Words('en').number(cards['read'].sum())} rows are used" in first
    )


def test_what_a_stopped_delivery_holds_is_not_counted_as_used(inspections):
    first, *rest = inspections.audit.received
    ledger = next(item for item in rest if item.source == "ledger")
    broken = replace(
        inspections,
        audit=replace(inspections.audit, received=(first, ledger, replace(ledger, stopped=True, file="copy.csv"))),
    )

    said = printed(broken.quality("en"))

    assert f"{Words('en').number(first.account.used + ledger.account.used)} of" in said[0]
    assert [one for one in said if "copy.csv" in one]


def test_findings_gaps_and_quarantine_stand_in_words_of_both_languages(inspections):
    for language in ("da", "en"):
        findings = inspections.findings(language)
        assert set(findings["severity"]) <= {"stopped", "warned", "noted"}
        assert len(inspections.quarantine(language)) == 4
    assert findings["finding"].str.contains("rows were put aside because of").sum() == 2
    assert inspections.quarantine("en")["reason"].unique().tolist() == ["is before the case was received"]
    gaps = inspections.gaps("en")
    assert gaps[gaps["measure"] == "currency units"][["key", "code", "reason", "measure", "rows"]].values.tolist() == [
        ["Activity", "(blank)", "The code is blank", "currency units", 42]
    ]
    assert inspections.restated("en").empty


# The door


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (
            {"unit": "2141x"},
            "unit: '2141x' is not a unit of example. Nearest: 2441. Others: 2140, 2110, 2910, 2442, 2440 and 13 more, in desk.units.",
        ),
        ({"period": "2030-01"}, "period: '2030-01' has no figures. There are figures from 2024-12 to 2025-12."),
        (
            {"period": "2025-Q9"},
            "period: '2025-Q9' is no period. Write it as 2025-12, 2025-Q4 or 2025. There are figures from 2024-12 to 2025-12.",
        ),
        (
            {"period": "../x"},
            "period: '../x' is no period. Write it as 2025-12, 2025-Q4 or 2025. There are figures from 2024-12 to 2025-12.",
        ),
        ({"unit": "tilsyn nord"}, "unit: 'tilsyn nord' is the name of a unit. Write its code: 2140."),
        (
            {"audience": "managers", "structure": "old"},
            "audience: 'managers' is not known. Nearest: unit_manager.\nstructure: 'old' is not known. Known: today, as_was.",
        ),
        (
            {"activity": "A11"},
            "activity: 'A11' is not an activity of example. Nearest: A15. Others: A10, A20, A25, A30, A40, A50, A60, A70, A90.",
        ),
        ({"source": "exampel"}, 'institution: "exampel" is not known. Nearest: example.'),
    ],
)
def test_a_wrong_name_is_answered_with_the_nearest(small_agency, monkeypatch, asked, answer):
    monkeypatch.chdir(small_agency.root)
    with pytest.raises(WrongUse) as told:
        desk(**({"source": "example"} | asked))
    assert str(told.value) == answer


def test_a_wrong_measure_is_answered_with_the_nearest_wherever_it_is_asked_for(inspections):
    asked = "sick_dys"
    for ask in (
        inspections.measures, inspections.value, inspections.has, inspections.series, inspections.control, inspections.control_table,
        inspections.signal, lambda name: inspections.by_activity([name]), lambda name: inspections.key_figures([name]),
        lambda name: inspections.staff_table([name]), lambda name: inspections.units_table([name]), lambda name: inspections.table([name]),
    ):  # fmt: skip
        with pytest.raises(WrongUse) as told:
            ask(asked)
        assert str(told.value).startswith(
            "measure: 'sick_dys' is not in the catalogue. Nearest: sick_days. Others: child_sick_days, "
        )


def test_a_code_that_papermill_made_a_number_of_is_still_the_unit(small_agency, monkeypatch):
    monkeypatch.chdir(small_agency.root)

    assert desk("example", unit=2110).unit == "2110"
    with pytest.raises(WrongUse) as told:
        desk("example", unit=211)
    assert str(told.value).startswith("unit: '211' is not a unit of example. Nearest: 2110. Others: ")


def test_a_desk_opens_by_name_and_by_folder_and_says_so_only_when_it_builds(
    small_agency, inspections, monkeypatch, capsys
):
    monkeypatch.chdir(small_agency.root)
    first = desk("parameters/example", period="2025-03")

    assert capsys.readouterr().out == ""
    assert (first.unit, first.period) == ("2110", "2025-03-01")  # the first office; only figures up to the period
    assert first.measures("closed")["period_start"].max() == pd.Timestamp("2025-03-01")
    assert first.released.values.equals(inspections.released.values)
    assert repr(inspections).startswith("Desk on The Example Agency: unit 2140 (Tilsyn Nord), 2025-12, ")


# What a frame says of itself


def test_a_frame_says_what_it_holds_what_is_hidden_and_how_fresh(inspections):
    secretariat = replace(inspections, unit="2910")
    danish = inspections.measures("closed", "fte", months=3)

    assert repr(danish).splitlines()[0] == (
        "6 rækker: Afsluttede sager og Årsværk · 2140 Tilsyn Nord · oktober 2025–december 2025 · "
        "0 tal skjult (målgruppe: enhedens leder) · opgjort 13. januar 2026"
    )
    assert (
        secretariat.measures("sick_days", months=2).about.split(" · ")[3] == "2 tal skjult (målgruppe: enhedens leder)"
    )
    assert inspections.coherent("en").about.split(" · ")[:3] == [
        "6 rows: The coherent overview by activity, YTD December 2025", "2140 Tilsyn Nord",
        "7 figures hidden (audience: the unit's manager)",
    ]  # fmt: skip
    assert inspections.goals().about.split(" · ")[3] == "1 tal skjult (målgruppe: enhedens leder)"
    assert danish._repr_html_().startswith('<p class="lead">6 rækker: ')


def test_what_is_made_of_a_frame_is_a_plain_one_of_which_the_line_would_not_be_true(inspections):
    frame = inspections.measures("closed")

    assert type(frame[frame["value"] > 40]) is type(frame.head()) is type(frame.copy()) is pd.DataFrame
    assert list(frame) == ["unit", "activity", "period_start", "measure", "value", "state", "reason"]


# Cases


def test_cases_by_month_are_the_released_counts_of_each_activity_and_add_up_to_the_total(inspections):
    frame, total = inspections.cases(), inspections.cases("*")

    assert list(frame)[:5] == ["unit", "activity", "period_start", "received", "closed"]
    assert {"open_cases", "kept_due_pct", "case_days_median", "case_days_p90"} <= set(frame)
    for name in ("received", "closed", "open_cases"):
        assert frame.groupby("period_start")[name].sum().tolist() == total[name].tolist()
    row = frame[(frame["activity"] == "A10") & (frame["period_start"] == MONTH)].iloc[0]
    for name in frame.columns[3:]:
        value, _ = inspections.value(name, activity="A10")
        assert (value is None and pd.isna(row[name])) or row[name] == value, name


def test_every_empty_cell_of_cases_says_why_and_a_hidden_one_has_no_number(inspections):
    frame = inspections.whole().cases()
    names = list(frame.columns[3:])
    empty = {(row, name) for name in names for row in np.flatnonzero(frame[name].isna())}

    assert empty <= set(frame.states)
    assert [cell for cell, state in frame.states.items() if state == "hidden" and cell not in empty] == []


def test_cases_by_age_are_those_that_may_be_shown_of_the_unit_and_its_activities(inspections):
    frame = inspections.cases(by="age")
    every = inspections.ages()
    own = every[(every["unit"] == "2140") & (every["activity"] != "*")]

    assert list(frame) == ["unit", "activity", "span", "day", "entered", "closed", "open"]
    assert len(frame) == len(own) > 100
    assert frame["closed"].sum() == own["closed"].sum()
    assert set(inspections.cases("A10", by="age")["activity"]) == {"A10"}


def test_what_no_desk_has_is_answered_with_the_nearest_and_a_list(inspections):
    def said(ask) -> str:
        with pytest.raises(WrongUse) as told:
            ask()
        return str(told.value)

    activities = "Others: *, ~, A10, A20, A25, A30, A40, A50, A60, A70, A90."
    for ask in (
        lambda: inspections.measures("closed", activity="A1O"), lambda: inspections.value("closed", activity="A1O"),
        lambda: inspections.series("closed", activity="A1O"), lambda: inspections.cases("A1O"),
    ):  # fmt: skip
        assert said(ask) == f"activity: 'A1O' is not an activity. Nearest: A15. {activities}"
    for ask in (
        lambda: inspections.measures("closed", unit="211"), lambda: inspections.value("closed", unit="211"),
        lambda: inspections.cases(unit="211"), lambda: inspections.cases(unit="211", by="age"), lambda: inspections.goals(unit="211"),
    ):  # fmt: skip
        assert said(ask).startswith("unit: '211' is not a unit. Nearest: 2110. Others: ")
    assert (
        said(lambda: inspections.value("closed", window="r11"))
        == "window: 'r11' is not a window. Nearest: r12. Others: month, r3, ytd."
    )
    assert (
        said(lambda: inspections.measures("closed", grain="week"))
        == "grain: 'week' is not a grain. Known: month, quarter, year."
    )
    assert said(lambda: inspections.cases(by="day")) == "by: 'day' is not a way of counting. Known: month, age."
    assert said(lambda: inspections.measures("closed", months=-1)) == "months: is -1. Write a number from 1 up."
    assert said(lambda: inspections.mesures("closed")).startswith(
        "desk: 'mesures' is not on a desk. Nearest: measures. Others: "
    )
    assert not hasattr(inspections, "mesures")
    with pytest.raises(WrongUse) as told:
        inspections.value("closed", unit="211")
    assert told.value._render_traceback_() == [str(told.value)]


# A slice


@pytest.fixture(scope="module")
def cut(small_agency, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cut")
    small_agency.prepared.slice(folder, "2140", "", MONTH)
    return folder


def test_a_slice_gives_the_same_numbers_as_the_institution(inspections, cut):
    part = desk(str(cut))

    assert (part.unit, part.period, part.root, part.unit_name) == ("2140", MONTH, "2000", "Tilsyn Nord")
    for ask in (lambda one: one.goal_table("en"), lambda one: one.staff_table()):
        (here, states), (there, same_states) = ask(part), ask(inspections)
        pd.testing.assert_frame_equal(here, there, check_dtype=False)
        assert states == same_states
    for ask in (
        lambda one: one.coherent("en"), lambda one: one.coherent("da", "month"), lambda one: one.whole().coherent("en"),
        lambda one: one.cases(), lambda one: one.cases(by="age"), lambda one: one.goals(),
    ):  # fmt: skip
        here, there = ask(part), ask(inspections)
        pd.testing.assert_frame_equal(here, there, check_dtype=False)
        assert (here.about, here.states) == (there.about, there.states)
    pd.testing.assert_frame_equal(
        part.key_figures()[0].drop(columns="curve"), inspections.key_figures()[0].drop(columns="curve")
    )
    pd.testing.assert_frame_equal(part.control_table("closed"), inspections.control_table("closed"))
    pd.testing.assert_frame_equal(part.sources(), inspections.sources(), check_dtype=False)
    assert printed(part.quality("en")) == printed(inspections.quality("en"))
    assert printed(part.key_messages()) == printed(inspections.key_messages())


def test_a_slice_needs_no_data_engine(inspections, cut, monkeypatch):
    monkeypatch.setattr(database, "connect", None)
    monkeypatch.setattr(workbench.preparation, "prepare", None)

    assert desk(str(cut)).value("closed") == inspections.value("closed")


def test_the_same_slice_has_the_same_fingerprint_and_another_unit_another(small_agency, tmp_path):
    prints = [
        small_agency.prepared.slice(tmp_path / name, unit, "", MONTH)
        for name, unit in (("a", "2140"), ("b", "2140"), ("c", "2110"))
    ]

    assert prints[0] == prints[1] != prints[2]


def test_a_slice_of_another_version_says_what_to_do(cut, tmp_path):
    for file in cut.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "audit.json").write_text("{}")

    with pytest.raises(WrongUse, match=r"is not a slice that this version understands\. Run the batch again\."):
        desk(str(tmp_path))


def test_the_newest_months_of_sick_leave_and_overtime_are_provisional_and_shares_of_a_split_unit_estimated(
    small_agency,
):
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(small_agency.root)
        complaints = desk("example", unit="2310", audience="internal")
    newest, before, split = complaints.at, complaints.at - pd.DateOffset(months=1), complaints.last_year

    assert [complaints.value("overtime_hours", at=at)[1] for at in (newest, before)] == ["provisional", "value"]
    assert complaints.value("closed", at=newest)[1] == "value"
    assert [complaints.value(name, at=split)[1] for name in ("actual", "hours_per_case", "case_days_median")] == [
        "estimated",
        "estimated",
        "value",
    ]
    assert complaints.value("actual", at=split, unit="2300")[1] == "value"


# Explanations


def explained(place: Desk, measure: str, period: str = MONTH[:7], **given: str | None) -> Desk:
    said = {"text": "En kampagne.", "role": "Kontorchef", "date": "2026-01-14"} | given
    row = {"unit": place.unit, "period": period, "measure": measure, **said}
    return replace(place, comments=pd.DataFrame([row]))


def test_every_unmet_goal_and_every_signal_has_to_be_explained(each):
    owed = each.explanations("da")

    goals = each.goals()
    unmet = set(goals.loc[goals["status"].isin(["partly", "not_met"]), "goal"])
    key_figures, _ = each.key_figures()
    signals = set(key_figures.loc[~key_figures["signal"].isin(["none", "too_short", "hidden", "rolling"]), "measure"])
    (deviation, _), limit = each.value("deviation", window="ytd"), each.deviation_limit()
    assert set(owed["measure"]) == unmet | signals | ({"deviation"} if abs(deviation) > limit else set())
    assert owed["measure"].is_unique
    assert owed["text"].isna().all()


def test_an_explanation_stands_by_its_figure_of_the_period_only(inspections):
    goal = inspections.explanations()["measure"].iloc[-1]

    given = explained(inspections, goal).explanations().set_index("measure")
    other = explained(inspections, goal, "2025-11").explanations()

    assert list(given.loc[goal, ["text", "role", "date"]]) == ["En kampagne.", "Kontorchef", "2026-01-14"]
    assert given["text"].notna().sum() == 1
    assert other["text"].isna().all()


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({}, "Forklaring fra Kontorchef, 14. januar 2026: En kampagne."),
        ({"role": None}, "Forklaring: En kampagne."),
    ],
)
def test_an_explained_deviation_is_told_with_its_explanation_instead_of_the_demand(inspections, given, end):
    limits = inspections.institution.limits.model_copy(update={"deviation_share": 0, "deviation_amount": 0})
    strict = replace(inspections, institution=inspections.institution.model_copy(update={"limits": limits}))

    def budget(place):
        key, values = place.key_messages()[0]
        return " ".join(sentence(name, own, Words("da")) for name, own in [(key, values), *values["also"]])

    assert budget(strict).endswith("Der skal gives en afvigelsesforklaring, fordi afvigelsen overstiger 0 t.kr.")
    assert budget(explained(strict, "deviation", **given)).endswith(end)


def test_what_units_write_is_not_for_the_public(inspections):
    public = replace(inspections, released=replace(inspections.released, audience="public"))

    assert public.explanations().empty


# Steps


def test_the_steps_of_overtime_and_of_hours_end_at_the_levels_that_the_deliveries_say(each):
    for _, frame in (each.balance_steps(), each.hours_steps()):
        level = 0.0
        for _, value, stands in frame.itertuples(index=False):
            assert not stands or level == pytest.approx(value) or level == 0.0
            level = value if stands else level + value


def test_hidden_parts_hide_the_steps(inspections):
    hidden = inspections.released.values.assign(balance_paid=np.nan, attendance_hours=np.nan)
    place = replace(inspections, released=replace(inspections.released, values=hidden))

    assert [len(frame) for _, frame in (place.balance_steps(), place.hours_steps())] == [0, 0]
    assert len(inspections.whole().balance_steps()[1]) >= 5


def test_units_are_marked_where_a_word_is_called_for(inspections):
    frame, _ = inspections.units_table(["deviation_pct", "goal_degree", "closed"])

    marked = inspections.marked(frame).set_index("code")

    for code, row in marked.iterrows():
        place = replace(inspections, unit=code)
        signal = place.signal("closed")
        silent = signal in ("none", "too_short", "hidden")
        assert (row["closed_mark"] is None) == silent
        assert silent or row["closed_mark"][1] == Words("da").text(f"signal.{signal}").lower()
        large = abs(place.value("deviation", window="ytd")[0]) > place.deviation_limit()
        assert (row["deviation_pct_mark"] is not None) == large
    worst = {("bad", "ikke opfyldt"), ("attention", "delvist opfyldt"), ("good", "opfyldt"), None}
    assert set(marked["goal_degree_mark"]) <= worst
    assert marked["goal_degree_mark"].notna().any()


def test_the_outlook_goes_from_the_month_to_where_the_forecasts_put_the_end_of_the_year(inspections):
    autumn = replace(inspections, period="2025-09-01")
    ends = [autumn.value(name, window="ytd")[0] for name in ("forecast", "forecast_by_share", "forecast_own")]
    known = [value for value in ends if value is not None]

    outlook = autumn.outlook()

    now = autumn.value("actual", window="ytd")[0]
    assert outlook.to_dict("list") == {
        "period_start": [pd.Timestamp("2025-09-01"), pd.Timestamp("2025-12-01")],
        "forecast_low": [now, min(known)],
        "forecast_high": [now, max(known)],
    }
    assert inspections.outlook().empty  # the year has ended
