"""Eksempelstyrelsen in today's structure and as it was: the same institution, and each unit as it was planted."""

from dataclasses import replace

import pandas as pd
import pytest

from mi_analysis.measures.own import check_measures
from mi_analysis.parameters import NewLevel, WrongUse, load_institution
from mi_analysis.reporting import figures
from mi_analysis.reporting.sentences import said
from mi_analysis.workbench import Desk, prepare
from mi_analysis.workbench.door import desk_on

SUMS = ("registered_hours", "actual", "overtime_hours", "sick_days", "closed", "received", "budget")
SPLIT = ("2310", "2320")


@pytest.fixture(scope="module")
def views(small_agency) -> dict[str, Desk]:
    """The institution's desk in both structures."""
    as_was = prepare("example", start=small_agency.root, audience="internal", structure="as_was")
    today = prepare("example", start=small_agency.root, audience="internal")
    return {
        name: desk_on(prepared, "2000", prepared.periods[-1])
        for name, prepared in (("today", today), ("as_was", as_was))
    }


def test_what_is_hidden_of_units_as_they_were_hides_nothing_of_those_of_today(small_agency):
    kept = small_agency.root / "outputs" / "example" / "kept" / "hidden.jsonl"
    before = kept.read_bytes()

    prepare("example", start=small_agency.root, structure="as_was")

    assert kept.read_bytes() == before
    assert kept.with_name("hidden_as_was.jsonl").stat().st_size > 0


def monthly(at: Desk, measure: str) -> pd.Series:
    """A measure of every unit and month, activities together."""
    rows = at.released.values.query("grain == 'month' and window == 'month' and activity == '*'")
    return rows.set_index(["unit", "period_start"])[measure].sort_index()


def test_the_institution_is_the_same_in_both_views(views):
    for name in (*SUMS, "case_days_median", "kept_due_pct", "hours_per_case", "open_cases", "fte"):
        one, other = (monthly(views[structure], name)["2000"] for structure in ("today", "as_was"))
        assert one.notna().any(), name
        pd.testing.assert_series_equal(one, other, check_exact=False, atol=0.001, rtol=1e-9)


@pytest.mark.parametrize("structure", ["today", "as_was"])
@pytest.mark.parametrize(
    ("measure", "table", "column"),
    [("registered_hours", "hours", "hours"), ("actual", "ledger", "amount"), ("closed", "cases", "closed")],
)
def test_each_units_series_is_the_planted_truth(views, small_agency, structure, measure, table, column):
    truth = getattr(small_agency.truth, table)
    months = monthly(views[structure], measure).index.get_level_values("period_start").unique()
    truth = truth[truth["period_start"].isin(months)]
    if table == "cases":  # where cases are delivered; an office counts its enquiries
        truth = truth[~truth["unit"].isin(["2440", "2441", "2442"])]
    if structure == "today":
        shares = small_agency.truth.successors
        parts = [
            truth[truth["unit"] == old].assign(unit=new, **{column: share * truth[column]})
            for old, successors in shares.items() for new, share in successors.items()
        ]  # fmt: skip
        truth = pd.concat([truth[~truth["unit"].isin(shares)], *parts])
    expected = truth.groupby(["unit", "period_start"])[column].sum()
    found = monthly(views[structure], measure).reindex(expected.index)

    assert set(SPLIT) < set(expected.index.get_level_values("unit"))
    assert ("2350" in expected.index.get_level_values("unit")) == (structure == "as_was")
    pd.testing.assert_series_equal(found, expected, check_names=False, atol=0.01, rtol=1e-6)


def test_a_unit_that_was_split_has_its_own_figures_only_as_it_was(views):
    december = pd.Timestamp("2024-12-01")

    assert views["as_was"].value("registered_hours", unit="2350", at=december)[1] == "value"
    assert views["today"].value("registered_hours", unit="2350", at=december) == (None, "missing")
    assert [views[name].value("registered_hours", unit="2310", at=december)[1] for name in views] == [
        "estimated",
        "value",
    ]


def test_the_report_says_which_history_it_tells_and_what_happened_to_the_unit(views):
    def told(structure: str, unit: str) -> list[str]:
        at = replace(views[structure], unit=unit)
        return [text for _, text in said(at.organisation("en"), at.words("en"))]

    assert told("today", "2310") == [
        "History is restated to today's organisation.",
        "1 January 2025: Klager, tværgående was split, and the unit took over 60.0 per cent of its figures; that is an estimate "
        "in months before that day.",
    ]
    assert told("as_was", "2310") == [
        "History is shown as the organisation was.",
        "1 January 2025: The unit took over 60.0 per cent of Klager, tværgående, which was split.",
    ]
    assert told("today", "2440")[1:] == [
        "1 July 2025: Support, Vejledning were merged into the unit; figures before that day are their sum."
    ]
    assert told("today", "2110") == ["History is restated to today's organisation."]


def test_a_series_that_breaks_has_a_new_level_with_its_cause(views):
    at = replace(views["today"], unit="2320")
    chart = at.control("registered_hours")
    table = at.control_table("registered_hours")
    drawn = figures.control_figure(table, "registered_hours", at.words("en"), at.unit_name)

    assert chart is not None
    assert [(part.start.isoformat(), part.reason) for part in chart.segments] == [
        ("2024-12-01", ""),
        ("2025-01-01", "reorganisation"),
    ]
    assert list(table.loc[table["new_level"] != "", "period_start"]) == [pd.Timestamp("2025-01-01")]
    assert "New level from January 2025 after a reorganisation." in drawn.html
    assert [part.reason for part in replace(at, unit="2110").control("registered_hours").segments] == [""]


def test_an_institution_states_a_new_level_with_its_cause_and_the_report_prints_it(views, tmp_path):
    stated = NewLevel(
        measure="registered_hours", unit="2110", valid_from="2025-06-01", da="nyt tidssystem", en="a new time system"
    )
    institution = views["today"].institution.model_copy(update={"new_levels": [stated]})
    at = replace(views["today"], institution=institution, unit="2110")
    parts = at.control("registered_hours").segments
    notes = [
        figures.control_figure(at.control_table("registered_hours"), "registered_hours", at.words(language), "x").html
        for language in ("da", "en")
    ]

    assert [(part.start.isoformat(), part.reason) for part in parts][1:] == [("2025-06-01", "new_level.0")]
    assert "Det sædvanlige niveau er genberegnet fra juni 2025 på grund af nyt tidssystem." in notes[0]
    assert "The usual level was recalculated from June 2025 because of a new time system." in notes[1]
    assert len(replace(at, unit="2000").control("registered_hours").segments) == 1
    assert len(at.control("closed").segments) == 1


def test_a_new_level_without_a_cause_or_of_no_measure_is_refused(project):
    institution = load_institution(project / "parameters" / "example")
    levels = [
        NewLevel(measure="sick_dys", valid_from="2025-01-01", da="a", en="b"),
        NewLevel(measure="closed", valid_from="2025-01-01", da=" ", en="b"),
    ]

    with pytest.raises(WrongUse) as refused:
        check_measures(institution.model_copy(update={"new_levels": levels}))

    assert [(one.what, one.right) for one in refused.value.problems] == [
        ('"sick_dys" is no measure.', "Nearest: sick_days."),
        (
            "the new level of closed lacks its month or its cause.",
            "Write valid_from, and the cause as da and en: levels are never moved without one.",
        ),
    ]


def test_a_slice_tells_the_same_of_its_organisation(views, small_agency, tmp_path):
    from mi_analysis.workbench import desk

    prepared = prepare("example", start=small_agency.root, audience="internal", structure="as_was")
    prepared.slice(tmp_path, "2310", "", prepared.periods[-1])
    sliced = desk(str(tmp_path))

    assert sliced.organisation("da") == replace(views["as_was"], unit="2310").organisation("da")
    assert sliced.institution.structure == "as_was"
