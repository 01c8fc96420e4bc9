"""What is released to an audience; everything after this room sees only released cells.

`primary` says what is hidden for its own sake, `complementary` what else must be hidden so that it cannot be found, and
`kept` remembers both from report to report. A figure that is hidden has no value here, only the state ``hidden``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from mi_analysis.disclosure.goals import holding_hidden_goals, released_goals
from mi_analysis.disclosure.kept import Kept
from mi_analysis.disclosure.primary import GUARD_COLUMNS, PLACE
from mi_analysis.measures.catalogue import CATALOGUE, Measure
from mi_analysis.model.schema import ALL
from mi_analysis.parameters import Audience, Privacy

if TYPE_CHECKING:
    from mi_analysis.measures.compute import Frames  # a slice needs no data engine
    from mi_analysis.model.audit import Restated

CELL = ["unit", "activity", "period_start", "grain", "window"]
LOOKED_BY = ["unit", "grain", "window"]
MOVED = {
    "hours": ("registered_hours",), "absence": ("sick_days", "child_sick_days", "injury_days"), "staff": ("fte",),
    "overtime": ("overtime_hours",), "ledger": ("actual_pay",), "volumes": ("closed", "received"),
    "cases": ("received",), "closings": ("closed",),
}  # fmt: skip
"""Totals of a month that may move (`model.audit.Restated`), and the measures that they would tell."""
TOLD = ["activity", "period_start", "measure", "state", "reason"]


@dataclass(frozen=True)
class Released:
    """Frames that may be shown to one audience.

    Attributes
    ----------
    values
        One row per unit x activity x period_start x grain x window; a column per measure.
    states
        Sparse: the cells above with the measure, its state and the reason. No row and no value: missing.
    goals
        One row per goal x unit x period.
    coverage
        Months delivered per domain.
    """

    audience: Audience
    values: pd.DataFrame
    states: pd.DataFrame
    goals: pd.DataFrame
    coverage: pd.DataFrame

    @cached_property
    def _found(self) -> dict[tuple[str, str, str], "Looked"]:
        return {}

    @cached_property
    def _places(self) -> list[dict[Any, Any]]:
        """Row numbers in `values` and `states` by unit, grain and window."""
        return [dict(frame.groupby(LOOKED_BY).indices) for frame in (self.values, self.states)]

    def look(self, unit: str, grain: str, window: str) -> "Looked":
        """The figures of a unit in periods of one kind, ready to be looked up."""
        key = (unit, grain, window)
        if key not in self._found:
            frames = (self.values, self.states)
            rows = (frame.take(places.get(key, [])) for frame, places in zip(frames, self._places, strict=True))
            self._found[key] = Looked(*rows)
        return self._found[key]

    @cached_property
    def _of_unit(self) -> dict[str, dict[Any, Any]]:
        return {name: dict(frame.groupby("unit").indices) for name, frame in self.frames().items()}

    def of_units(self, units: list[str]) -> "Released":
        """The same, with only these units' rows."""
        rows = {
            name: [found[unit] for unit in dict.fromkeys(units) if unit in found]
            for name, found in self._of_unit.items()
        }
        taken = {name: np.sort(np.concatenate([np.array([], int), *parts])) for name, parts in rows.items()}
        return Released(self.audience, *(frame.take(taken[name]) for name, frame in self.frames().items()))

    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames by name."""
        return {"values": self.values, "states": self.states, "goals": self.goals, "coverage": self.coverage}

    def save(self, folder: Path) -> None:
        """Write every frame as parquet into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in self.frames().items():
            frame.reset_index(drop=True).to_parquet(folder / f"{name}.parquet", index=False)


@dataclass(frozen=True)
class Looked:
    """Rows of `Released.values` and `Released.states` of one unit, grain and window."""

    values: pd.DataFrame
    states: pd.DataFrame

    @cached_property
    def told(self) -> dict[tuple, tuple[str, str]]:
        """State and reason by activity, period_start and measure."""
        *keys, states, reasons = (listed(self.states[name]) for name in TOLD)
        return dict(zip(zip(*keys, strict=True), zip(states, reasons, strict=True), strict=True))

    @cached_property
    def rows(self) -> dict[tuple[str, pd.Timestamp], int]:
        """Row number by activity and period_start."""
        keys = zip(*(listed(self.values[name]) for name in TOLD[:2]), strict=True)
        return {key: row for row, key in enumerate(keys)}

    @cached_property
    def _columns(self) -> dict[str, np.ndarray]:
        return {}

    def figure(self, activity: str, start: pd.Timestamp, measure: str) -> float | None:
        """A value; None where there is none."""
        if measure not in self._columns:
            self._columns[measure] = self.values[measure].to_numpy(float)
        row = self.rows.get((activity, start))
        value = None if row is None else float(self._columns[measure][row])
        return value if value == value else None


def listed(column: pd.Series) -> list[Any]:
    """A column's values; each different one is made once."""
    codes, different = pd.factorize(column, use_na_sentinel=False)
    return list(different.to_numpy(object)[codes])


def released_ages(ages: pd.DataFrame, released: Released, month: pd.Timestamp, fewest: int) -> pd.DataFrame:
    """Cases by age (`measures.compute.cases_by_age`) of the units, activities and years that may be shown.

    Where at least ``fewest`` were closed (of fewer only their number is a figure: definitions, section 8), and in no month
    of the year to ``month``, or of the year before, production or open cases are hidden.
    """
    states = released.states
    told = states["measure"].isin(["received", "closed", "open_cases"]) & states["window"].isin(["month", "r12"])
    hidden = states[
        told & (states["state"] == "hidden") & (states["grain"] == "month") & (states["period_start"] <= month)
    ]
    last = hidden["period_start"]
    spans = {"now": last > month - pd.DateOffset(months=12), "before": last <= month - pd.DateOffset(months=12)}
    spans["before"] &= last > month - pd.DateOffset(months=24)
    closed = ages.groupby(["unit", "activity", "span"])["closed"].transform("sum")
    keys = {(unit, activity, span) for span, rows in spans.items() for unit, activity in zip(
        hidden.loc[rows, "unit"], hidden.loc[rows, "activity"], strict=True)}  # fmt: skip
    shown = [key not in keys for key in zip(ages["unit"], ages["activity"], ages["span"], strict=True)]
    return ages[(closed >= fewest) & np.array(shown, bool)].reset_index(drop=True)


def released_moves(moves: "Sequence[Restated]", released: Released) -> "tuple[Restated, ...]":
    """Figures of reported months that moved, without those of cells that are hidden, or of units that no longer are."""
    values, states = released.values, released.states
    whole = values[(values["activity"] == ALL) & (values["grain"] == "month") & (values["window"] == "month")]
    known = set(zip(whole["unit"], whole["period_start"], strict=True))
    hidden = states[(states["state"] == "hidden") & (states["grain"] == "month") & (states["window"] == "month")]
    told = set(zip(hidden["unit"], hidden["period_start"], hidden["measure"], strict=True))
    found = []
    for move in moves:
        place = (move.unit, pd.Timestamp(move.period))
        open_cell = place in known and not any((*place, measure) in told for measure in MOVED[move.table])
        found.append(move if open_cell else replace(move, before=None, after=None, hidden=True))
    return tuple(found)


def load(folder: Path, audience: Audience) -> Released:
    """Released frames as `Released.save` wrote them; a column is one piece, so that taking rows costs what is taken."""
    tables = (pq.read_table(folder / f"{name}.parquet") for name in ("values", "states", "goals", "coverage"))
    return Released(audience, *(table.combine_chunks().to_pandas() for table in tables))


def release(
    frames: "Frames",
    audience: Audience,
    privacy: Privacy,
    year_start: int = 1,
    goals_about_staff: Sequence[str] = (),
    catalogue: Mapping[str, Measure] = CATALOGUE,
    parents: Mapping[str, str] | None = None,
    kept: Kept | None = None,
) -> Released:
    """The only way from measures to the desk: hide what few persons stand behind, and what would give it away.

    Parameters
    ----------
    frames
        Measures with the guards (persons, årsværk, largest shares) that decide; guards are not released.
    year_start
        First month of the fiscal year, from which sums to date run.
    goals_about_staff
        Goals whose results are figures about staff: hidden where sick leave or overtime of the same
        unit and period is, and with them the weighted degrees they would be found from.
    catalogue
        Every measure of the institution by name, its own among them.
    parents
        The unit above each unit: its figures less those of its other units are this one's.
    kept
        What earlier reports hid, which stays hidden; what is hidden now is added to it.
    """
    from mi_analysis.disclosure.hiding import Hidden, guards_of  # with scipy, which a slice does not need

    places = frames.guards[[*PLACE, *GUARD_COLUMNS]].reset_index(drop=True)
    public = audience == "public"
    earlier = kept.read(public) if kept else {}
    hidden = Hidden(frames.values, places, privacy, public, year_start, parents or {}, earlier)
    if kept:
        kept.add(public, hidden.of, earlier)
    withheld = (
        frames.values[PLACE].merge(places[[*PLACE, "withheld"]], on=PLACE, how="left")["withheld"].eq(True).to_numpy()
    )
    values, states = frames.values.copy(), [frames.states]
    for measure, entry in catalogue.items():
        reason = np.full(len(values), "", object)
        for kind in guards_of(entry) if measure in values else ():
            reason = np.where(reason == "", hidden.reason(kind, measure), reason)
        cells = (reason != "") & (values[measure].notna().to_numpy() | withheld) if measure in values else reason != ""
        if cells.any():
            values.loc[cells, measure] = np.nan
            states.append(values.loc[cells, CELL].assign(measure=measure, state="hidden", reason=reason[cells]))
    shown = values[CELL].assign(
        sick=hidden.reason("sick", "sick_days"), overtime=hidden.reason("overtime", "overtime_hours")
    )
    goals, lost = released_goals(frames.goals, shown[shown["activity"] == ALL], goals_about_staff)
    degrees = holding_hidden_goals(values, lost, parents or {}, set(frames.goals["unit"]), year_start)
    if degrees.any():
        values.loc[degrees, "goal_degree"] = np.nan
        states.append(values.loc[degrees, CELL].assign(measure="goal_degree", state="hidden", reason="few_persons"))
    told = pd.concat(states, ignore_index=True).drop_duplicates([*CELL, "measure"], keep="last")
    return Released(audience, values, told, goals, frames.coverage)
