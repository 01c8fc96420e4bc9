"""Nothing leaves the measures but through `release`, and what it hides cannot be found from what it shows."""

import ast
import json
from collections.abc import Callable, Iterable
from dataclasses import fields
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mi_analysis import disclosure
from mi_analysis.disclosure import CELL, Released, release
from mi_analysis.disclosure.goals import holding_hidden_goals, released_goals
from mi_analysis.disclosure.primary import DOMINATED, GUARD_COLUMNS
from mi_analysis.measures import compute
from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.measures.compute import Frames
from mi_analysis.parameters import Privacy

JANUARY = pd.Timestamp("2025-01-01")
LENGTH = {"month": 1, "quarter": 3, "year": 12}
MEASURES = (
    "fte",
    "sick_days",
    "overtime_hours",
    "child_sick_days",
    "registered_hours",
    "actual_pay",
    "actual",
    "closed",
)
PRIVACY = Privacy()


def made(values: list[dict], guards: list[dict], states: Iterable[dict] = ()) -> Frames:
    """Frames of rows in which the total of a month in January 2025 goes without saying."""
    usual = {"activity": "*", "period_start": JANUARY, "grain": "month", "window": "month"}
    place = {name: value for name, value in usual.items() if name != "activity"}
    empty = dict.fromkeys(GUARD_COLUMNS, np.nan) | {"withheld": False}
    told = pd.DataFrame([usual | row for row in states], columns=[*CELL, "measure", "state", "reason"])
    one = pd.DataFrame({"unit": ["U"]})
    return Frames(
        pd.DataFrame([usual | row for row in values]),
        told,
        pd.DataFrame([empty | place | row for row in guards]),
        one,
        one,
    )


def of(audience: str = "internal", privacy: Privacy = PRIVACY, **guard: object) -> Released:
    """One unit with a figure of each kind, judged by one guard."""
    cell = {"unit": "U", **dict.fromkeys(MEASURES, 7.0)}
    return release(made([cell], [{"unit": "U", **guard}]), audience, privacy)


def hidden(released: Released) -> dict[str, str]:
    """Measure and reason of what is hidden, which is exactly what has no value."""
    rows = released.states[released.states["state"] == "hidden"]
    values = released.values[[name for name in MEASURES if name in released.values]]
    assert set(rows["measure"]) == {name for name in values if values[name].isna().any()}
    return dict(zip(rows["measure"], rows["reason"], strict=True))


STAFF = ("fte", "sick_days", "overtime_hours", "child_sick_days")

# Few persons


def test_inside_the_institution_five_persons_are_shown_and_four_are_not():
    assert hidden(of(persons=5, fte=4.2)) == {}
    assert hidden(of(persons=4, fte=4)) == dict.fromkeys(STAFF, "few_persons")
    assert hidden(of("unit_manager", persons=4, fte=4)) == dict.fromkeys(STAFF, "few_persons")


def test_in_public_ten_aarsvaerk_are_shown_and_fewer_or_unknown_are_not():
    assert hidden(of("public", persons=12, fte=10)) == {}
    assert hidden(of("public", persons=12, fte=9.99)) == dict.fromkeys(STAFF, "few_persons")
    assert hidden(of("public", persons=12)) == dict.fromkeys(STAFF, "few_persons")
    assert hidden(of("public", persons=4, fte=11)) == dict.fromkeys(STAFF, "few_persons")


def test_the_floor_of_three_persons_holds_whatever_is_configured():
    lowest = Privacy.model_construct(fte_public=0, persons_internal=1, dominance=1)

    assert hidden(of(privacy=lowest, persons=3)) == {}
    assert hidden(of(privacy=lowest, persons=2)) == dict.fromkeys(
        (*STAFF, "registered_hours", "actual_pay"), "few_persons"
    )
    with pytest.raises(ValueError, match="greater than or equal to 3"):
        Privacy(persons_internal=2)


def test_an_institution_may_ask_for_more_persons():
    assert hidden(of(privacy=Privacy(persons_internal=8), persons=7)) == dict.fromkeys(STAFF, "few_persons")


def test_persons_nobody_counted_are_at_least_the_aarsvaerk_rounded_up():
    assert hidden(of(fte=4.2)) == {}
    assert hidden(of(fte=4.0)) == dict.fromkeys(STAFF, "few_persons")
    assert hidden(of()) == dict.fromkeys(STAFF, "few_persons")  # neither known


def test_of_the_same_months_in_two_windows_the_one_in_which_persons_are_counted_decides():
    year = {"unit": "U", "grain": "year", "window": "month"}
    twelve = {"unit": "U", "grain": "month", "window": "r12", "period_start": pd.Timestamp("2025-12-01")}
    figures = {"sick_days": 7.0, "overtime_hours": 7.0}

    released = release(made([year | figures, twelve | figures], [year | {"persons": 9}, twelve]), "internal", PRIVACY)
    few = release(made([year | figures, twelve | figures], [year | {"persons": 4}, twelve]), "internal", PRIVACY)

    assert hidden(released) == {}
    assert few.values["sick_days"].isna().tolist() == [True, True]


def test_unknown_staff_hides_neither_hours_nor_money_nor_cases():
    assert not {"registered_hours", "actual_pay", "actual", "closed"} & set(hidden(of()))


def test_money_is_never_hidden_for_the_sake_of_staff_and_cases_only_where_one_person_closes_them():
    assert not {"actual", "closed"} & set(hidden(of(persons=2, fte=1, sick_largest_share=1.0, withheld=True)))
    assert {"actual", "closed"} & set(hidden(of(persons=1, fte=1))) == {"closed"}
    assert "closed" not in hidden(of())  # nobody counted: not known to be one


def test_where_pay_is_hidden_so_is_other_cost_which_would_give_it_back():
    cell = {"unit": "U", "actual": 9.0, "actual_pay": 7.0, "actual_other": 2.0}

    found = release(made([cell], [{"unit": "U", "persons": 2, "fte": 2}]), "internal", PRIVACY).values

    assert found[["actual", "actual_pay", "actual_other"]].notna().to_numpy().tolist() == [[True, False, False]]


def test_a_unit_that_no_guard_tells_of_is_hidden():
    frames = made([{"unit": "V", **dict.fromkeys(MEASURES, 7.0)}], [{"unit": "U", "persons": 9}])

    assert hidden(release(frames, "internal", PRIVACY)) == dict.fromkeys(STAFF, "few_persons")


# What the source withheld


def test_what_the_source_withheld_is_hidden_also_where_it_has_no_value():
    frames = made([{"unit": "U", "fte": np.nan, "sick_days": np.nan, "closed": 3.0}], [{"unit": "U", "persons": 50, "withheld": True}],
                  [{"unit": "U", "measure": "sick_days", "state": "missing", "reason": "withheld"}])  # fmt: skip
    found = release(frames, "internal", PRIVACY)

    assert hidden(found) == {"fte": "withheld", "sick_days": "withheld"}
    assert len(found.states) == 2  # the state before is replaced, not kept beside


# One person with more than half


def test_one_person_with_more_than_half_hides_that_and_nothing_else():
    assert hidden(of(persons=9, sick_largest_share=0.51)) == {"sick_days": "one_person"}
    assert hidden(of(persons=9, overtime_largest_share=0.51)) == {"overtime_hours": "one_person"}
    assert hidden(of(persons=9, child_sick_largest_share=1.0)) == {"child_sick_days": "one_person"}
    assert hidden(of(persons=9, sick_largest_share=0.5, overtime_largest_share=0.5)) == {}
    assert hidden(of(privacy=Privacy(dominance=0.3), persons=9, sick_largest_share=0.31)) == {"sick_days": "one_person"}


@pytest.mark.parametrize("domain", DOMINATED)
def test_every_measure_that_contains_what_is_dominated_is_guarded_by_it(domain):
    atom = {
        "sick": "sick_hours",
        "child_sick": "child_sick_hours",
        "injury": "injury_hours",
        "overtime": "overtime_hours",
        "spells": "sick_spells",
        "long_spells": "long_spells",
    }[domain]
    also = {"attendance", "balance_difference", "hours"} if domain in ("sick", "overtime") else set()  # hold all work
    also |= {"long_spells"} if domain == "spells" else set()  # hidden wherever spells are
    guards = {entry.guard for entry in CATALOGUE.values() if atom in entry.contains}

    assert guards <= {domain, *also}


def test_spells_are_hidden_with_the_sick_leave_and_long_ones_with_the_spells():
    for share, gone in (
        ("sick", {"sick_spells", "long_spells"}), ("spells", {"sick_spells", "long_spells"}), ("long_spells", {"long_spells"}),
    ):  # fmt: skip
        frames = made(
            [{"unit": "U", "sick_spells": 7.0, "long_spells": 3.0}],
            [{"unit": "U", "persons": 40, f"{share}_largest_share": 0.9}],
        )
        states = release(frames, "internal", Privacy()).states

        assert set(states.loc[states["state"] == "hidden", "measure"]) == gone


def test_attendance_is_hidden_with_either_of_its_parts():
    frames = made(
        [{"unit": "U", "attendance_hours": 7.0}], [{"unit": "U", "persons": 9, "overtime_largest_share": 0.9}]
    )

    assert np.isnan(release(frames, "internal", PRIVACY).values["attendance_hours"].iloc[0])


# No hidden month can be found


def spans(rows: pd.DataFrame, year_start: int = 1) -> list[tuple[int, int]]:
    """First and last month (numbered) of each row's window."""
    found = []
    for row in rows.itertuples():
        last = row.period_start.year * 12 + row.period_start.month - 2 + LENGTH[row.grain]
        back = {"month": LENGTH[row.grain] - 1, "r3": 2, "r12": 11, "ytd": (last - year_start + 1) % 12}[row.window]
        found.append((last - back, last))
    return found


def months_found(shown: pd.DataFrame, true: pd.Series, measure: str, year_start: int = 1) -> list[int]:
    """Hidden months of a unit whose figure follows from the sums that are shown.

    ``true`` has the unit's months (numbered) with a figure; in any other month it is known to be nothing.
    """
    rows = shown[shown[measure].notna()]
    sums = np.array(
        [[first <= month <= last for month in true.index] for first, last in spans(rows, year_start)], float
    )
    seen = {
        first
        for (first, last), grain, window in zip(spans(rows), rows["grain"], rows["window"], strict=True)
        if (grain, window) == ("month", "month")
    }
    rank = np.linalg.matrix_rank(sums) if len(sums) else 0
    singles = (
        (month, np.array([[month == other for other in true.index]], float))
        for month in true.index
        if month not in seen
    )
    return [
        month for month, single in singles if len(sums) and np.linalg.matrix_rank(np.vstack([sums, single])) == rank
    ]


def year_by_year(
    months: list[pd.Timestamp], dominated: Callable[[pd.Timestamp], bool], year_start: int, lacking: tuple = ()
) -> Frames:
    """A unit's sick days in every grain and window, one person having most of some months."""
    numbered = [day.year * 12 + day.month - 1 for day in months]
    figures = {month: float(place + 1) for place, month in enumerate(numbered) if month not in lacking}
    large = {month for month, day in zip(numbered, months, strict=True) if dominated(day)}
    places = [
        {"period_start": day, "grain": "month", "window": window}
        for day in months
        for window in ("month", "r3", "ytd", "r12")
    ]
    places += [
        {"period_start": day, "grain": grain, "window": window}
        for grain, length in (("quarter", 3), ("year", 12)) for day in months if (day.month - 1) % length == 0
        for window in ("month", "r3", "ytd", "r12")
    ]  # fmt: skip
    frame = pd.DataFrame(places)
    values, guards = [], []
    for place, (first, last) in zip(places, spans(frame, year_start), strict=True):
        own = [month for month in range(first, last + 1) if month in figures]
        whole = place["window"] == "r12" or place["grain"] == "year"
        share = (
            0.3 if whole and len(own) > 1 else max((0.9 if month in large else 0.1 for month in own), default=np.nan)
        )
        values.append({"unit": "U", "sick_days": sum(figures[month] for month in own) if own else np.nan} | place)
        guards.append({"unit": "U", "persons": 20, "fte": 20, "sick_largest_share": share} | place)
    return made(values, guards)


CALENDAR = list(pd.date_range("2023-01-01", "2025-12-01", freq="MS"))


@pytest.mark.parametrize("year_start", [1, 4, 7])
@pytest.mark.parametrize(
    "dominated",
    [
        lambda day: day == pd.Timestamp("2024-06-01"), lambda day: day == pd.Timestamp("2023-12-01"), lambda day: day.month in (1, 7),
        lambda day: (day.year, day.month) in {(2023, 2), (2025, 11)}, lambda day: day == pd.Timestamp("2025-12-01"),
    ],
    ids=["one", "december", "twice a year", "two years apart", "the newest"],
)  # fmt: skip
@pytest.mark.parametrize(
    "lacking", [(), (2024 * 12 + 5,), (2023 * 12 + 8, 2023 * 12 + 9)], ids=["whole", "a month lacks", "two lack"]
)
def test_a_month_that_one_person_dominates_cannot_be_found_from_any_sum(dominated, lacking, year_start):
    frames = year_by_year(CALENDAR, dominated, year_start, lacking)
    shown = release(frames, "internal", PRIVACY, year_start).values
    monthly = shown[(shown["grain"] == "month") & (shown["window"] == "month")].set_index("period_start")["sick_days"]
    numbered = pd.Series(1, [day.year * 12 + day.month - 1 for day in CALENDAR])
    true = numbered[~numbered.index.isin(lacking)]

    assert monthly[[day for day in CALENDAR if dominated(day)]].isna().all()
    assert monthly.notna().sum() >= 12
    assert months_found(shown, true, "sick_days", year_start) == []


def test_the_last_twelve_months_are_shown_where_every_one_of_them_is_known():
    frames = year_by_year(CALENDAR, lambda day: day == pd.Timestamp("2024-06-01"), 1)
    shown = release(frames, "internal", PRIVACY).values
    rolling = shown[(shown["grain"] == "month") & (shown["window"] == "r12")].set_index("period_start")["sick_days"]
    years = shown[(shown["grain"] == "year") & (shown["window"] == "month")]["sick_days"]

    assert rolling["2023-12":].notna().all()
    assert list(rolling.index[rolling.isna()]) == [pd.Timestamp("2023-06-01")]  # June's, with what is shown of the year
    assert years.notna().all()


def test_where_only_quarters_are_delivered_a_dominated_quarter_cannot_be_found():
    months = [day for day in CALENDAR if day.month % 3 == 1]
    rows = [{"period_start": day, "grain": "quarter", "window": "month"} for day in months]
    rows += [
        {"period_start": pd.Timestamp(f"{year}-01-01"), "grain": "year", "window": "month"}
        for year in (2023, 2024, 2025)
    ]
    values = [{"unit": "U", "sick_days": 3.0} | row for row in rows]
    guards = [
        {
            "unit": "U",
            "persons": 20,
            "sick_largest_share": 0.9 if row["period_start"] == pd.Timestamp("2024-04-01") else 0.1,
        }
        | row
        for row in rows
    ]
    shown = release(made(values, guards), "internal", PRIVACY).values

    assert shown[shown["sick_days"].isna()]["period_start"].dt.month.tolist() == [4, 4, 4, 1, 1, 1]


def test_a_balance_is_hidden_on_the_days_that_bound_a_hidden_month():
    frames = year_by_year(CALENDAR[:24], lambda day: day == pd.Timestamp("2024-06-01"), 1)
    frames.guards["overtime_largest_share"] = frames.guards["sick_largest_share"]
    for name in ("overtime_hours", "balance_opening", "balance_closing"):
        frames.values[name] = frames.values["sick_days"]
    shown = release(frames, "internal", PRIVACY).values
    june, july = ((shown["period_start"] == f"2024-{month}-01") & (shown["grain"] == "month") for month in ("06", "07"))

    assert shown.loc[june, "balance_closing"].isna().all()  # in every window, since it is the same figure
    assert shown.loc[july & (shown["window"] == "month"), "balance_opening"].isna().all()
    assert shown.loc[june & (shown["window"] == "r12"), "overtime_hours"].notna().all()


@pytest.fixture(scope="session")
def measures(small_agency) -> Frames:
    return compute.frames(small_agency.prepared.folder / "model")


@pytest.mark.parametrize("measure", ["sick_days", "child_sick_days", "overtime_hours", "attendance_hours"])
@pytest.mark.parametrize("audience", ["internal", pytest.param("public", marks=pytest.mark.thorough)])
def test_no_hidden_month_of_the_example_agency_can_be_found(small_agency, measures, audience, measure):
    released = release(measures, audience, small_agency.prepared.institution.privacy).values
    shown, true = (frame[frame["activity"] == "*"] for frame in (released, measures.values))
    true = true[(true["grain"] == "month") & (true["window"] == "month") & true[measure].notna()]
    some = 0
    for unit, rows in true.groupby("unit"):
        months = pd.Series(1, rows["period_start"].dt.year * 12 + rows["period_start"].dt.month - 1)
        assert months_found(shown[shown["unit"] == unit], months, measure) == [], unit
        some += int(shown[(shown["unit"] == unit)][measure].isna().any())
    assert some > 3


# What is released, and what is not


def test_guards_are_not_released():
    assert {field.name for field in fields(Released)} == {"audience", "values", "states", "goals", "coverage"}


def test_no_guard_stands_in_a_released_frame(small_agency):
    for name, frame in small_agency.prepared.released.frames().items():
        columns = set(frame.columns)
        assert not columns & ({*GUARD_COLUMNS, "largest_person_share", "person", "person_key"} - {"fte"}), name


def test_every_hidden_figure_of_the_example_agency_has_no_value_and_a_reason(small_agency):
    released = small_agency.prepared.released
    told = released.states[released.states["state"] == "hidden"]
    long = released.values.melt(CELL, list(told["measure"].unique()), "measure", "value")
    both = told.merge(long, on=[*CELL, "measure"], validate="one_to_one")

    assert len(both) == len(told) > 1000
    assert both["value"].isna().all()
    assert set(told["reason"]) == {"few_persons", "one_person", "complementary"}
    assert not released.states.duplicated([*CELL, "measure"]).any()


def test_staff_of_the_unit_of_four_persons_is_hidden_in_every_period(small_agency):
    values = small_agency.prepared.released.values
    rows = values[values["unit"] == small_agency.truth.four_persons]
    guarded = [name for name, entry in CATALOGUE.items() if entry.guard and entry.guard not in ("hours", "pay")]

    assert len(rows) > 50
    assert rows[guarded].isna().all(axis=None)
    assert rows["actual"].notna().any()


def test_hidden_stays_hidden_through_saving_and_loading(small_agency, tmp_path):
    released = small_agency.prepared.released
    released.save(tmp_path)
    loaded = disclosure.load(tmp_path, released.audience)

    for name, frame in released.frames().items():
        pd.testing.assert_frame_equal(loaded.frames()[name], frame.reset_index(drop=True), check_dtype=False)
    assert loaded.audience == released.audience


@pytest.fixture(scope="session")
def unit_slice(small_agency, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("slice")
    small_agency.prepared.slice(folder, "2140", "", "2025-12-01")
    return folder


def test_a_units_slice_holds_rows_of_the_unit_and_of_the_institution_only(small_agency, unit_slice):
    others = set(small_agency.prepared.units["unit"]) - {"2140", "2000"}
    for file in unit_slice.glob("*.parquet"):
        frame = pd.read_parquet(file)
        if "unit" in frame:
            own, full = {"2140", "2000"}, file.stem not in ("comments", "changes")  # others' changes bear no code
            assert set(frame["unit"]) == own if full else set(frame["unit"]) <= own | {""}, file.name
            assert not frame.drop(columns=["parent"], errors="ignore").astype(str).isin(others).any(axis=None), (
                file.name
            )
    about = (unit_slice / "slice.json").read_text("utf-8") + (unit_slice / "audit.json").read_text("utf-8")
    names = set(small_agency.prepared.units.query("unit in @others")["name"]) - set(
        small_agency.prepared.owners.values()
    )
    names -= {"Klager", "Vejledning", "Support", "Stab"}  # words of the tasks too
    assert [name for name in names if name in about] == []
    assert len(pd.read_parquet(unit_slice / "quarantine.parquet")) == 0


def test_a_slice_hides_what_the_institutions_frames_hide(small_agency, unit_slice):
    whole = small_agency.prepared.released.states
    part = disclosure.load(unit_slice, "unit_manager").states

    pd.testing.assert_frame_equal(
        part, whole[whole["unit"].isin(["2140", "2000"])].reset_index(drop=True), check_dtype=False
    )
    assert (part["state"] == "hidden").any()


def test_a_slice_says_nothing_of_how_sources_are_read(unit_slice):
    about = json.loads((unit_slice / "slice.json").read_text("utf-8"))

    assert not {"sources", "deliveries", "crosswalk", "unit_codes", "units"} & set(about["institution"])


# The only way


def imported(source: str) -> set[str]:
    """Every module, and every name of a module, that Python text imports."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


UNRELEASED = (
    "mi_analysis.measures.compute",
    "mi_analysis.model.database",
    "mi_analysis.model.build",
    "mi_analysis.model.facts",
)


def test_only_the_preparation_of_a_desk_touches_measures_that_are_not_released(project):
    package = project / "mi_analysis"
    later = [file for file in package.rglob("*.py") if file.relative_to(package).parts[0] not in ("model", "measures")]
    touching = {
        file.relative_to(package).as_posix(): sorted(imported(file.read_text("utf-8")) & set(UNRELEASED))
        for file in later
    }

    assert {name: found for name, found in touching.items() if "mi_analysis.measures.compute" in found} == {
        "disclosure/__init__.py": ["mi_analysis.measures.compute"],  # for its type only
        "workbench/preparation.py": [
            "mi_analysis.measures.compute",
            "mi_analysis.model.build",
            "mi_analysis.model.database",
        ],
    }
    assert {name for name, found in touching.items() if found} <= {
        "disclosure/__init__.py",
        "workbench/preparation.py",
        "workbench/exporting.py",  # to put a folder in place and quote a path; what it writes is tested with it
        "cli/checking.py",
    }


def test_the_preparation_releases_the_measures_in_the_same_breath_as_it_reads_them(project):
    tree = ast.parse((project / "mi_analysis" / "workbench" / "preparation.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    reads = [node for node in calls if node.func.attr == "frames" and ast.unparse(node.func) == "compute.frames"]
    releases = [node for node in calls if ast.unparse(node.func) == "disclosure.release"]

    assert len(reads) == 1
    assert [node.args[0] for node in releases] == reads
    counts = [node for node in calls if ast.unparse(node.func) == "compute.cases_by_age"]
    assert [node.args[0] for node in calls if ast.unparse(node.func) == "disclosure.released_ages"] == counts != []


def test_no_notebook_opens_what_is_not_released(project):
    for file in sorted((project / "notebooks").glob("*.ipynb")):
        for cell in json.loads(file.read_text("utf-8"))["cells"]:
            if cell["cell_type"] == "code":
                lines = [line for line in "".join(cell["source"]).splitlines() if not line.startswith(("%", "!"))]
                names = imported("\n".join(lines))
                assert not [name for name in names if name.startswith((*UNRELEASED, "duckdb", "pyarrow"))], file.name


def judged(**reasons: str) -> pd.DataFrame:
    row = {
        "unit": "K",
        "period_start": pd.Timestamp("2025-01-01"),
        "grain": "year",
        "window": "month",
        "sick": "",
        "overtime": "",
    }
    return pd.DataFrame([row | reasons])


def goal_rows() -> pd.DataFrame:
    common = {
        "unit": "K",
        "activity": "~",
        "period_start": date(2025, 1, 1),
        "grain": "year",
        "result_date": None,
        "weight": 20.0,
    }
    figures = {"result": 12.0, "degree": 0.8, "degree_capped": 0.8, "status": "partly"}
    return pd.DataFrame([common | figures | {"goal": number} for number in ("1.1", "2.2")])


@pytest.mark.parametrize("reasons", [{"sick": "few_persons"}, {"overtime": "one_person"}, {"unit": "another"}])
def test_a_goal_about_staff_is_hidden_where_the_staff_is(reasons: dict[str, str]) -> None:
    kept, hidden = released_goals(goal_rows(), judged(**reasons), ["2.2"])

    assert kept["status"].tolist() == ["partly", "hidden"]
    assert kept[["result", "degree", "degree_capped"]].notna().all(axis=1).tolist() == [True, False]
    assert hidden["goal"].tolist() == ["2.2"]


def test_a_goal_about_staff_is_shown_where_sick_leave_is() -> None:
    kept, hidden = released_goals(goal_rows(), judged(), ["2.2"])

    assert kept["status"].tolist() == ["partly", "partly"]
    assert hidden.empty


def degrees(*cells: tuple[str, str]) -> pd.DataFrame:
    rows = [{"period_start": pd.Timestamp(day), "window": window} for day, window in cells]
    return pd.DataFrame(rows).assign(unit="K", activity="*", grain="month", goal_degree=90.0)


def test_the_weighted_degree_that_holds_a_hidden_goal_is_hidden_in_its_year_and_in_what_reaches_back_to_it() -> None:
    values = degrees(
        ("2024-12-01", "ytd"), ("2025-03-01", "month"), ("2025-12-01", "ytd"), ("2026-02-01", "r3"), ("2026-03-01", "r3"),
        ("2026-11-01", "r12"), ("2026-12-01", "r12"),
    )  # fmt: skip

    found = holding_hidden_goals(values, goal_rows().tail(1), {}, {"K"})

    assert found.tolist() == [False, True, True, True, False, True, False]


@pytest.mark.parametrize(("start", "grain"), [(date(2024, 8, 1), "month"), (date(2023, 7, 1), "year")])
def test_a_hidden_goal_is_not_told_by_the_year_to_date_or_year_that_began_in_another_month(start, grain) -> None:
    values = degrees(("2024-06-01", "ytd"), ("2024-12-01", "r12"), ("2025-02-01", "ytd"), ("2025-08-01", "ytd"))
    hidden = goal_rows().tail(1).assign(period_start=start, grain=grain)

    found = holding_hidden_goals(values, hidden, {}, {"K"}, year_start=7)

    assert found.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    ("hidden_at", "window", "shown"),
    [
        ("2025-12", "month", {("A", "before")}),
        ("2025-03", "month", {("A", "before")}),
        ("2024-06", "r12", {("A", "now")}),
        ("2023-06", "month", {("A", "now"), ("A", "before")}),
    ],
)
def test_cases_by_age_are_released_where_enough_are_closed_and_no_production_is_hidden(hidden_at, window, shown):
    ages = pd.DataFrame({"unit": ["A", "A", "A", "B"], "activity": "*", "span": ["now", "now", "before", "now"],
                         "day": [-1, 4, 4, 9], "entered": [6, 0, 6, 4], "closed": [0, 5, 5, 4], "open": 0})  # fmt: skip
    told = {"unit": "A", "activity": "*", "period_start": pd.Timestamp(hidden_at), "grain": "month", "window": window,
            "measure": "closed", "state": "hidden", "reason": "few_persons"}  # fmt: skip
    nothing = pd.DataFrame()
    released = Released("internal", nothing, pd.DataFrame([told]), nothing, nothing)

    found = disclosure.released_ages(ages, released, pd.Timestamp("2025-12-01"), 5)

    assert set(zip(found["unit"], found["span"], strict=True)) == shown


def test_no_release_of_the_example_agency_shows_a_degree_that_holds_a_hidden_goal(small_agency) -> None:
    released = small_agency.prepared.released
    hidden = released.goals[released.goals["status"] == "hidden"]
    of_year = released.values[(released.values["grain"] == "year") & (released.values["window"] == "month")]
    beside = of_year.merge(
        hidden[["unit", "period_start"]].astype({"period_start": "datetime64[ns]"}), on=["unit", "period_start"]
    )

    assert sorted(hidden["unit"]) == ["2140", "2250", "2910"]
    assert (beside["activity"] == "*").sum() == 3
    assert beside.loc[beside["activity"].isin(["*", "~"]), "goal_degree"].isna().all()
