"""What is released to an audience; everything after this room sees only released cells.

The primary rules of `definitions.md` section 14: too few persons, too few årsværk, one person with
more than half. A figure that is hidden has no value here, only the state ``hidden``.

A month that one person dominates is hidden with the same calendar month of every year, and with a
second one where it would be alone: so the last 12 months can be shown, and neither they nor their
differences from month to month give a hidden month away. Sums to date, of three months, and of a year
that is not known whole (the first one, or with a month missing) are hidden too where they hold such a month.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from mi_analysis.measures.catalogue import CATALOGUE, Measure
from mi_analysis.model.schema import ALL
from mi_analysis.parameters import Privacy

if TYPE_CHECKING:
    from mi_analysis.measures.compute import Frames  # a slice needs no data engine

Audience = Literal["public", "internal", "unit_manager"]
FLOOR = 3
"""Persons below which nothing about staff is shown, whatever the institution chose."""

CELL = ["unit", "activity", "period_start", "grain", "window"]
PLACE = ["unit", "period_start", "grain", "window"]
LOOKED_BY = ["unit", "grain", "window"]
TOLD = ["activity", "period_start", "measure", "state", "reason"]
DOMINATED = {
    "sick": "sick_days", "child_sick": "child_sick_days", "injury": "injury_days", "overtime": "overtime_hours",
}  # fmt: skip
"""What one person can dominate, and the measure that tells its months."""
TELLING = DOMINATED | {"attendance": "attendance_hours"}
"""The same, and what would give them away: attendance = norm - absence + overtime."""
STOCKS = {"balance_opening": "overtime_at_start", "balance_closing": "overtime_at_end"}
"""Measures of a day: hidden where that day bounds a hidden month."""
FLOORED = ("hours", "pay")
"""Guards that only the floor hides."""
GUARD_COLUMNS = ("persons", "fte", *(f"{domain}_largest_share" for domain in DOMINATED), "withheld")


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


def load(folder: Path, audience: Audience) -> Released:
    """Released frames as `Released.save` wrote them."""
    return Released(
        audience, *(pd.read_parquet(folder / f"{name}.parquet") for name in ("values", "states", "goals", "coverage"))
    )


def release(
    frames: "Frames",
    audience: Audience,
    privacy: Privacy,
    year_start: int = 1,
    goals_about_staff: Sequence[str] = (),
    catalogue: Mapping[str, Measure] = CATALOGUE,
) -> Released:
    """The only way from measures to the desk: hide what few persons stand behind.

    Parameters
    ----------
    frames
        Measures with the guards (persons, årsværk, largest shares) that decide; guards are not released.
    year_start
        First month of the fiscal year, from which sums to date run.
    goals_about_staff
        Goals whose results are figures about staff: hidden where sick leave or overtime of the same
        unit and period is, and with them the unit's weighted degree.
    catalogue
        Every measure of the institution by name, its own among them.
    """
    places = frames.guards[[*PLACE, *GUARD_COLUMNS]].reset_index(drop=True)
    found = pd.DataFrame(reasons(places, known_months(frames.values), audience, privacy, year_start))
    withheld = places["withheld"].fillna(False).astype(bool)
    judged = pd.concat([places[PLACE], found, withheld], axis=1)
    beside = frames.values[CELL].merge(judged, on=PLACE, how="left", validate="many_to_one")
    beside["withheld"] = beside["withheld"].eq(True)
    values = frames.values.copy()
    states = [frames.states]
    for measure, entry in catalogue.items():
        if not entry.guard or measure not in values:
            continue
        unjudged = "" if entry.guard in FLOORED else "few_persons"
        reason = beside[STOCKS.get(measure, entry.guard)].fillna(unjudged)
        cells = (reason != "") & (values[measure].notna() | beside["withheld"]).to_numpy()
        if cells.any():
            values.loc[cells, measure] = np.nan
            states.append(values.loc[cells, CELL].assign(measure=measure, state="hidden", reason=reason[cells]))
    goals, hidden = released_goals(frames.goals, judged, goals_about_staff)
    degrees = holding_hidden_goals(values, hidden)
    if degrees.any():
        values.loc[degrees, "goal_degree"] = np.nan
        states.append(values.loc[degrees, CELL].assign(measure="goal_degree", state="hidden", reason="few_persons"))
    told = pd.concat(states, ignore_index=True).drop_duplicates([*CELL, "measure"], keep="last")
    return Released(audience, values, told, goals, frames.coverage)


def holding_hidden_goals(values: pd.DataFrame, hidden: pd.DataFrame) -> np.ndarray:
    """Cells whose weighted degree would give a hidden goal away: its unit and activity, in its year and what reaches back."""
    month = values["period_start"].dt.year * 12 + values["period_start"].dt.month - 1
    reach = values["window"].map({"r12": 11, "r3": 2}).fillna(0).astype(int)
    found = np.zeros(len(values), bool)
    if hidden.empty:
        return found
    years = pd.to_datetime(hidden["period_start"]).dt.year
    for unit, activity, year in sorted({*zip(hidden["unit"], hidden["activity"], years, strict=True)}):
        own = (values["unit"] == unit) & values["activity"].isin([activity, ALL])
        found |= (own & (month >= year * 12) & (month - reach <= year * 12 + 11)).to_numpy()
    return found & values["goal_degree"].notna().to_numpy()


def released_goals(
    goals: pd.DataFrame, judged: pd.DataFrame, about_staff: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Goals with the results about staff that may be shown, and the rows that are hidden (status ``hidden``).

    The goal's own period is judged; one without a judgement is hidden.
    """
    if not about_staff or goals.empty:
        return goals, goals.head(0)
    own = judged[judged["window"] == "month"].assign(period_start=pd.to_datetime(judged["period_start"]))
    keys = goals[["unit", "grain"]].assign(period_start=pd.to_datetime(goals["period_start"]))
    beside = keys.merge(own, on=["unit", "period_start", "grain"], how="left")
    shown = ((beside["sick"] == "") & (beside["overtime"] == "")).to_numpy()
    rows = goals["goal"].isin(list(about_staff)).to_numpy() & ~shown & (goals["status"] != "not_assessed").to_numpy()
    kept = goals.copy()
    kept.loc[rows, ["result", "degree", "degree_capped"]] = np.nan
    kept.loc[rows, "result_date"] = None
    kept.loc[rows, "status"] = "hidden"
    return kept, goals[rows]


Known = dict[str, set[tuple[str, int]]]
"""Units and numbered months (year * 12 + month - 1) with a figure, per domain that one person can dominate."""


def known_months(values: pd.DataFrame) -> Known:
    """Months that sums over a year hold a figure of."""
    rows = values[(values["activity"] == ALL) & (values["grain"] == "month") & (values["window"] == "month")]
    months = rows["period_start"].dt.year * 12 + rows["period_start"].dt.month - 1
    return {
        domain: set(zip(rows["unit"][rows[name].notna()], months[rows[name].notna()], strict=True))
        for domain, name in TELLING.items()
        if name in rows
    }


def reasons(
    places: pd.DataFrame, known: Known, audience: Audience, privacy: Privacy, year_start: int
) -> dict[str, np.ndarray]:
    """Per kind of guard, why each unit, period and window is hidden; blank where it is not.

    Persons that are nowhere counted are at least the årsværk rounded up, since no one fills more
    than one; with neither known the cell is hidden.
    """
    fte = places["fte"].to_numpy(float, na_value=np.nan)
    persons = places["persons"].to_numpy(float, na_value=np.nan)
    at_least = np.where(np.isnan(persons), np.ceil(fte - 1e-9), persons)
    few = np.isnan(at_least) | (at_least < max(FLOOR, privacy.persons_internal))
    if audience == "public":
        few |= np.isnan(fte) | (fte < privacy.fte_public)
    withheld = places["withheld"].fillna(False).to_numpy(bool)
    staff = np.where(withheld, "withheld", np.where(few, "few_persons", ""))
    found = {"staff": staff}
    spans = months_of(places, year_start)
    large = {
        name: places[f"{name}_largest_share"].to_numpy(float, na_value=np.nan) > privacy.dominance for name in DOMINATED
    }
    large["attendance"] = large["sick"] | large["overtime"]
    for domain, dominated in large.items():
        beside = beside_dominated(places, spans, dominated, known.get(domain, set()))
        for name, hidden in beside.items():
            found[domain + name] = np.where((staff == "") & (dominated | hidden), "one_person", staff)
    for domain in ("sick", "overtime"):
        found["attendance"] = np.where(found["attendance"] == "", found[domain], found["attendance"])
    under_floor = np.where(at_least < FLOOR, "few_persons", "")  # unknown staff does not hide money and cases
    return found | dict.fromkeys(FLOORED, under_floor)


def months_of(places: pd.DataFrame, year_start: int) -> np.ndarray:
    """First and last month (numbered) of each period and window, as two rows."""
    length = places["grain"].map({"month": 1, "quarter": 3, "year": 12}).to_numpy()
    month = (places["period_start"].dt.year * 12 + places["period_start"].dt.month - 1).to_numpy()
    last = month + length - 1
    window = places["window"]
    back = np.select(
        [window == "ytd", window == "r3", window == "r12"], [(last + 1 - year_start) % 12, 2, 11], length - 1
    )
    return np.array([last - back, last])


def beside_dominated(
    places: pd.DataFrame, spans: np.ndarray, dominated: np.ndarray, known: set[tuple[str, int]]
) -> dict[str, np.ndarray]:
    """Places that would give a dominated month away (see the head of this file).

    Returns
    -------
    dict
        "" for what is summed over the months, "_at_start" and "_at_end" for what stands at their ends.
    """
    single = (places["window"] == "month").to_numpy()
    monthly = single & (places["grain"] == "month").to_numpy()
    quarterly = single & (places["grain"] == "quarter").to_numpy()
    yearly = ((places["window"] == "r12") | (places["grain"] == "year")).to_numpy()
    hidden = {name: np.zeros(len(places), bool) for name in ("", "_at_start", "_at_end")}
    for unit, rows in places.groupby("unit").indices.items():
        own = {month for name, month in known if name == unit}
        told = (monthly if own else quarterly)[rows] & dominated[rows]
        months = {month % 12 for row in rows[told] for month in range(spans[0, row], spans[1, row] + 1)}
        if len(months) == 1:
            months |= {(month + 1) % 12 for month in months}
        for row in rows if months else ():
            span = range(spans[0, row], spans[1, row] + 1)
            whole = yearly[row] and len(span) == 12 and own.issuperset(span)
            hidden[""][row] = not whole and any(month % 12 in months for month in span)
            hidden["_at_start"][row] = (span[0] - 1) % 12 in months
            hidden["_at_end"][row] = span[-1] % 12 in months
    return hidden
