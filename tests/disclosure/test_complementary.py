"""An attack with linear programming on everything a release shows: no hidden figure can be found, nor nearly."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.optimize import linprog

from mi_analysis.disclosure import Released, release
from mi_analysis.disclosure.primary import GUARD_COLUMNS
from mi_analysis.measures import compute
from mi_analysis.measures.compute import Frames
from mi_analysis.parameters import Privacy
from mi_analysis.workbench import prepare

WIDTH = 0.5
"""What docs/privacy.md states: an interval of at least half the hidden figure, and of one day, hour or case."""
LEAST = {"fte": 0.5}
LENGTH = {"month": 1, "quarter": 3, "year": 12}
STAFF = ("sick_days", "overtime_hours", "child_sick_days", "attendance_hours", "fte", "norm_hours")


def spans(rows: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """First and last month (numbered) of each row; the fiscal year begins in January."""
    length = rows["grain"].map(LENGTH)
    last = rows["period_start"].dt.year * 12 + rows["period_start"].dt.month - 2 + length
    back = (length - 1).where(rows["window"] == "month", rows["window"].map({"r3": 2, "r12": 11}))
    return last - back.where(rows["window"] != "ytd", last % 12).astype(int), last


@dataclass
class Attack:
    """What a reader of every report knows of one measure, and how near it brings each hidden month.

    The reader knows every figure that is shown, who belongs to whom, which months were delivered, and that nothing is
    below zero. ``months`` are the figures of the units without others below, by unit, activity and month.
    """

    months: pd.Series
    sums: sparse.csr_matrix
    hidden: pd.DataFrame

    @classmethod
    def on(cls, true: pd.DataFrame, shown: pd.DataFrame, parents: Mapping[str, str], measure: str) -> "Attack":
        first, last = spans(true)
        cells = true[["unit", "activity", "grain", "window"]].assign(first=first, last=last, value=true[measure])
        cells["seen"] = shown[measure].notna().to_numpy()
        if not (cells.loc[cells["activity"] != "*", "value"].notna()).any():
            cells = cells[cells["activity"] == "*"]
        cells = cells[cells["value"].notna()]
        split = cells[cells["activity"] != "*"]["unit"].unique()
        finest = cells[
            (cells["grain"] == "month") & (cells["window"] == "month") & ~cells["unit"].isin(set(parents.values()))
        ]
        finest = finest[(finest["activity"] != "*") | ~finest["unit"].isin(split)]
        months = finest.set_index(["unit", "activity", "first"])["value"]
        below: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for number, (unit, activity, month) in enumerate(months.index):
            while unit:
                for part in {activity, "*"}:
                    below.setdefault((unit, part), []).append((month, number))
                unit = parents.get(unit, "")
        parts = [
            [number for month, number in below.get((unit, activity), ()) if begin <= month <= end]
            for unit, activity, begin, end in cells[["unit", "activity", "first", "last"]].itertuples(index=False)
        ]
        every = sparse.csr_matrix(
            (np.ones(sum(map(len, parts))), np.concatenate(parts), np.cumsum([0, *map(len, parts)])),
            (len(parts), len(months)),
        )
        if measure == "fte":  # over several months it is their mean
            cells["value"] *= [len({months.index[number][2] for number in part}) for part in parts]
        assert (
            np.abs(every @ months.to_numpy() - cells["value"]).max() < 1e-6
        )  # the figures do add up as the reader thinks
        return cls(months, every[cells["seen"].to_numpy()], cells.assign(parts=parts)[~cells["seen"]])

    def unknown(self) -> tuple[np.ndarray, sparse.csr_matrix, np.ndarray]:
        """Months not shown themselves, and what is shown of their sums."""
        single = np.diff(self.sums.indptr) == 1
        free = np.ones(len(self.months), bool)
        free[self.sums[single].indices] = False
        rest = self.sums[:, free]
        told = rest[np.diff(rest.indptr) > 0]
        kept = {
            tuple(told.indices[a:b]): row for row, (a, b) in enumerate(zip(told.indptr, told.indptr[1:], strict=False))
        }
        told = told[sorted(kept.values())]
        return np.flatnonzero(free), told, told @ self.months.to_numpy()[free]

    def exact(self) -> pd.DataFrame:
        """Hidden cells of any unit and window that follow from what is shown."""
        free, told, _ = self.unknown()
        random = np.random.default_rng(0).normal(size=(len(free), 3))
        dense = told.toarray()
        moved = np.zeros((len(self.months), 3))
        moved[free] = random - np.linalg.lstsq(dense, dense @ random, rcond=1e-10)[0] if len(dense) else random
        same = [bool(np.abs(moved[part].sum(0)).max(initial=0) < 1e-6) for part in self.hidden["parts"]]
        return self.hidden[same]

    def intervals(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Lower and upper bound of cells, over every world in which what is shown is true."""
        free, told, right = self.unknown()
        place = {number: column for column, number in enumerate(free)}
        found = []
        for parts in cells["parts"]:
            goal = np.zeros(len(free))
            for number in parts:
                if number in place:
                    goal[place[number]] = 1
            known = self.months.to_numpy()[[number for number in parts if number not in place]].sum()
            ends = [linprog(sign * goal, A_eq=told, b_eq=right, method="highs") for sign in (1, -1)]
            assert {end.status for end in ends} <= {0, 3}
            found.append(
                [
                    known + (sign * end.fun if end.status == 0 else np.inf)
                    for sign, end in zip((1, -1), ends, strict=True)
                ]
            )
        return cells.assign(**dict(zip(("lower", "upper"), np.array(found).reshape(-1, 2).T, strict=True)))


def sensitive(cells: pd.DataFrame, guards: pd.DataFrame, measure: str, privacy: Privacy) -> pd.DataFrame:
    """Hidden months for whose sake the rules are there: few persons, or one with more than half."""
    domain = {"sick_days": "sick", "child_sick_days": "child_sick", "overtime_hours": "overtime"}.get(measure)
    first, last = spans(guards)
    own = guards.assign(first=first, last=last)[["unit", "grain", "window", "first", "last", *GUARD_COLUMNS]]
    beside = cells.reset_index().merge(own, on=["unit", "grain", "window", "first", "last"]).set_index("index")
    few = beside["persons"].fillna(np.ceil(beside["fte"])) < privacy.persons_internal
    large = beside[f"{domain}_largest_share"] > privacy.dominance if domain else False
    return cells.loc[beside.index[(few | large) & (beside["grain"] == "month") & (beside["window"] == "month")]]


def too_near(attack: Attack, cells: pd.DataFrame, measure: str) -> list[tuple]:
    """Cells whose interval is narrower than is stated."""
    found = attack.intervals(cells)
    need = np.maximum(WIDTH * found["value"], LEAST.get(measure, 1.0))
    narrow = found[found["upper"] - found["lower"] < need - 1e-4]
    return [
        tuple(row) for row in narrow[["unit", "activity", "first", "value", "lower", "upper"]].itertuples(index=False)
    ]


# Eksempelstyrelsen


@pytest.fixture(scope="session")
def agency(small_agency) -> tuple[Frames, Released, dict[str, str]]:
    units = small_agency.prepared.units.sort_values("valid_to")
    parents = dict(zip(units["unit"], units["parent"].fillna(""), strict=True)) | {"~": "2000"}
    return compute.frames(small_agency.prepared.folder / "model"), small_agency.prepared.released, parents


@pytest.mark.parametrize("measure", STAFF)
def test_nothing_hidden_of_the_example_agency_follows_from_what_is_shown(agency, measure):
    frames, released, parents = agency
    attack = Attack.on(frames.values, released.values, parents, measure)

    found = attack.exact().merge(nothing_at_all(frames.values, measure), how="left", indicator=True)

    assert len(attack.hidden) > 20
    assert found.loc[found["_merge"] == "left_only", ["unit", "first", "last"]].to_numpy().tolist() == []
    assert (found["value"] == 0).all()


def test_nothing_hidden_from_the_public_follows_from_what_it_is_shown(small_agency, agency, tmp_path):
    root = tmp_path / "project"
    shutil.copytree(small_agency.root, root)
    frames, _, parents = agency
    shown = prepare("example", start=root, audience="public").released

    for measure in STAFF:
        attack = Attack.on(frames.values, shown.values, parents, measure)
        found = attack.exact().merge(nothing_at_all(frames.values, measure), how="left", indicator=True)
        assert len(attack.hidden) > 300, measure
        assert found[found["_merge"] == "left_only"].empty, measure


def nothing_at_all(true: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Sums of which the whole institution has nothing, so that no part of it has: the promise does not reach them."""
    first, last = spans(true)
    rows = true.assign(first=first, last=last)[
        (true["unit"] == "2000") & (true["activity"] == "*") & (true[measure] == 0)
    ]
    return rows[["first", "last"]].drop_duplicates()


def test_no_activity_of_an_office_with_hidden_overtime_follows_from_what_is_shown(agency):
    frames, released, parents = agency
    attack = Attack.on(frames.values, released.values, parents, "activity_overtime_hours")
    offices = ~attack.hidden["unit"].isin(set(parents.values()))
    found = attack.exact()

    assert (offices & (attack.hidden["activity"] != "*")).sum() > 500
    assert found[~found["unit"].isin(set(parents.values()))].empty


@pytest.mark.parametrize("measure", [*STAFF[:3], "fte"])
def test_no_month_of_few_persons_in_the_example_agency_can_be_bounded_closer_than_is_stated(
    small_agency, agency, measure
):
    frames, released, parents = agency
    attack = Attack.on(frames.values, released.values, parents, measure)
    cells = sensitive(attack.hidden, frames.guards, measure, small_agency.prepared.institution.privacy)
    nothing = nothing_at_all(frames.values, measure)
    cells = cells[~cells["first"].isin(nothing.loc[nothing["first"] == nothing["last"], "first"])]

    assert len(cells) > 10
    assert too_near(attack, cells, measure) == []


# Random institutions


def institution(seed: int) -> tuple[Frames, dict[str, str]]:
    """Two or three centres with two to five offices each over 15 months, some offices small, some months one person's."""
    random = np.random.default_rng(seed)
    parents = {"S": ""} | {f"C{n}": "S" for n in range(random.integers(2, 4))}
    offices = {f"{centre}-{n}": centre for centre in list(parents)[1:] for n in range(random.integers(2, 6))}
    parents |= offices
    months = pd.date_range("2024-10-01", periods=15, freq="MS")
    number = months.year * 12 + months.month - 1
    persons = {unit: int(random.choice([4, 7, 9, 12, 16], p=[0.1, 0.3, 0.3, 0.2, 0.1])) for unit in offices}
    drawn = {
        unit: random.poisson(0.35, (count, 15)) * random.integers(1, 9, (count, 15)) for unit, count in persons.items()
    }
    under = {unit: [name for name in offices if unit in (name, offices[name], "S")] for unit in parents}
    places = [
        {"period_start": day, "grain": grain, "window": window}
        for grain, length in LENGTH.items() for day in months if (day.month - 1) % length == 0
        for window in ("month", "r3", "ytd", "r12")
    ]  # fmt: skip
    first, last = spans(pd.DataFrame(places))
    values, guards = [], []
    for unit, names in under.items():
        days = np.concatenate([drawn[name] for name in names]).astype(float)
        count = sum(persons[name] for name in names)
        largest = days.max(0) / np.maximum(days.sum(0), 1e-9)
        for place, begin, end in zip(places, first, last, strict=True):
            own = (number >= begin) & (number <= end)
            weights = days.sum(0)[own]
            mean = float(weights @ largest[own] / weights.sum()) if weights.sum() else np.nan
            yearly = place["window"] == "r12" or place["grain"] == "year"
            share = mean if yearly else largest[own].max(initial=0)
            key = {"unit": unit} | place
            values.append(
                {"activity": "*"} | key | {"sick_days": weights.sum() if own.any() else np.nan, "fte": 1.0 * count}
            )
            guards.append(
                dict.fromkeys(GUARD_COLUMNS)
                | key
                | {"persons": count, "fte": count, "sick_largest_share": share, "withheld": False}
            )
    empty = pd.DataFrame(columns=["unit", "activity", "period_start", "grain", "window", "measure", "state", "reason"])
    one = pd.DataFrame({"unit": ["S"]})
    return Frames(
        pd.DataFrame(values), empty, pd.DataFrame(guards).astype({"sick_largest_share": float}), one, one
    ), parents


def attacked(seed: int) -> tuple[int, list, list]:
    """How many sums of sick days a random institution hides, those that follow from the rest, and those nearly found."""
    frames, parents = institution(seed)
    released = release(frames, "internal", Privacy(), parents=parents)
    attack = Attack.on(frames.values, released.values, parents, "sick_days")
    exact = attack.exact()[["unit", "first", "last"]].to_numpy().tolist()
    cells = sensitive(attack.hidden, frames.guards, "sick_days", Privacy())
    return len(attack.hidden), exact, too_near(attack, cells, "sick_days")


@pytest.mark.parametrize(
    "seed", [*range(4), *(pytest.param(n, marks=pytest.mark.thorough) for n in range(4, 10)), 34]
)  # in 34 more than the least interval is needed: half of the figure
def test_nothing_hidden_of_a_random_institution_can_be_found(seed):
    hidden, exact, near = attacked(seed)

    assert hidden > 0
    assert (exact, near) == ([], [])


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10, 200))
def test_nothing_hidden_of_many_random_institutions_can_be_found(seed):
    assert attacked(seed)[1:] == ([], [])


def test_the_attack_finds_what_only_the_primary_rules_hide(agency, monkeypatch):
    """The attack is one that works: without the complement it finds hidden months."""
    from mi_analysis.disclosure import hiding

    monkeypatch.setattr(hiding.Hidden, "_complement", lambda self, kind, parents: None)
    frames, parents = institution(0)
    released = release(frames, "internal", Privacy(), parents=parents)

    assert len(Attack.on(frames.values, released.values, parents, "sick_days").exact()) > 0
