"""Looking up released figures: one value, a series, a table by activity."""

import hashlib
import html
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from mi_analysis.disclosure import Looked, Released, listed
from mi_analysis.measures.catalogue import WINDOWS, Measure
from mi_analysis.measures.own import catalogue_of, texts
from mi_analysis.model.audit import Audit
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.parameters import GRAINS, Institution, Problem, WrongUse
from mi_analysis.reporting.presentation import JSON, VERSION, in_lab
from mi_analysis.reporting.wording import Words, catalogue
from mi_analysis.workbench.frames import Frame, unknown
from mi_analysis.workbench.periods import Periods

KEY = ["unit", "activity", "period_start", "grain", "window"]
KINDS = {"activity": "an activity", "by": "a way of counting"}
WHOLE = {"unit": "units", "activity": "activities"}
"""Where on a desk all names of a kind stand."""

COMMENT = ["unit", "period", "measure", "text", "role", "date"]
"""Columns of the explanations that units gave; the period as a report has it (2025-03, 2025-Q1, 2025)."""
CHANGE = ["unit", "day", "kind", "others", "share", "breaks"]
"""What happened to units (`model.history.Change`)."""
REGISTERED_LATE = ("sick", "spells", "long_spells", "child_sick", "injury", "overtime", "attendance")
"""Guards of the measures whose newest months rise afterwards (definitions, section 3)."""
NOT_SHARED = ("goal_degree", "goal_coverage", "net_hours_per_fte")
"""Measures that a split unit does not hand on by share."""


def words_of(institution: Institution, language: str) -> Words:
    """Words in a language, with the institution's currency and its own measures."""
    own = {name: measure for name, measure in catalogue_of(institution).items() if measure.is_own}
    named = texts(institution, language, catalogue(language))
    return Words(language, institution.currency, institution.money_scale, named, own)


@dataclass(frozen=True)
class Lookup(Periods):
    """Released figures about a unit (or the institution) as they stood after a period.

    Frames are tidy pandas frames; `catalogue` tells each measure's unit and direction. On a desk with an
    ``activity`` every figure that is not asked for otherwise is that activity's.
    """

    name: str
    institution: Institution
    released: Released
    audit: Audit
    units: pd.DataFrame
    activities: pd.DataFrame
    unit: str
    period: str
    activity: str = ""
    stamp: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    contents: dict[str, list[str]] = field(default_factory=dict)
    quarantined: pd.DataFrame = field(default_factory=pd.DataFrame)
    kept: Path | None = None
    """The register of questions asked; a unit's slice has none."""
    handed: Mapping[str, Any] | None = None
    """Results of the whole institution that a run computed once, as far as this reader may see them."""
    comments: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=COMMENT))
    changes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CHANGE))
    ages: Callable[[], pd.DataFrame] = pd.DataFrame
    """Released cases by age, read when they are asked for."""

    def __repr__(self) -> str:
        return (
            f"Desk on {self.institution.name.en}: unit {self.unit} ({self.unit_name}), {self.period[:7]}, "
            f"{self._hidden():,} of the unit's figures of 12 months hidden for {self.released.audience}, as of {self.audit.as_of}"
        )

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        """What the desk is about: shown in a notebook, and the stamp that tells a report's own unit and data."""
        about = f"{self.activity_label(self.activity)} · " if self.activity else ""
        told = self._told(self._hidden(), self.words(), "hidden_of_unit")
        parts = (f"{self.unit} · {self.unit_name} · {about}{self.period[:7]}", *told, self.stamp["data"])
        stamp = {"unit": self.unit, "period": self.period[:7], "data": self.stamp["data"]}
        payload = {"version": VERSION, "kind": "desk", "key": "desk", "stamp": stamp}
        return {
            "text/html": in_lab(f'<p class="desk">{html.escape(" · ".join(parts))}</p>'),
            JSON: payload,
            "text/plain": repr(self),
        }

    def hidden(self) -> pd.DataFrame:
        """How many of the unit's monthly figures of the last year are hidden, per measure."""
        rows = self.released.states
        rows = rows[(rows["unit"] == self.unit) & (rows["state"] == "hidden")]
        rows = rows[(rows["window"] == "month") & (rows["grain"] == self.grain)]
        rows = rows[(rows["period_start"] <= self.at) & (rows["period_start"] > self.last_year)]
        return rows.groupby("measure", as_index=False).size().rename(columns={"size": "hidden"})

    def _hidden(self) -> int:
        return int(self.hidden()["hidden"].sum())

    def _told(self, hidden: int, words: Words, key: str = "hidden") -> tuple[str, str]:
        audience = words.lower(words.text(f"audience.{self.released.audience}"))
        told = words.text(f"frame.{key}", n=words.number(hidden), audience=audience)
        return told, words.text("frame.as_of", date=words.date(self.audit.as_of))

    def words(self, language: str = "") -> Words:
        """Labels, numbers and dates in print, in a language and in the institution's currency."""
        return replace(words_of(self.institution, language or self.institution.language), grain=self.grain)

    @cached_property
    def catalogue(self) -> dict[str, Measure]:
        """Every measure of the institution by name, its own among them."""
        return catalogue_of(self.institution)

    def measure_named(self, name: str) -> Measure:
        """The record of a measure; a wrong name is answered with the nearest."""
        if wrong := self.not_measures([name]):
            raise WrongUse(*wrong)
        return self.catalogue[name]

    def not_measures(self, names: Sequence[str]) -> list[Problem]:
        """What is wrong with the names that are no measures, all of them."""
        known, whole = self.catalogue, "docs/measures.md"
        wrong = [] if names else [Problem("measures", "names none.", "Name one or more, such as closed.")]
        return wrong + [
            unknown("measure", one, "in the catalogue", known, whole) for one in map(str, names) if one not in known
        ]

    def own(self, domain: str = "") -> list[str]:
        """The institution's own measures among its key figures, of one perspective or all."""
        shown = [self.catalogue[name] for name in self.institution.key_figures]
        return [measure.name for measure in shown if measure.is_own and domain in ("", measure.domain)]

    def _look(self, grain: str = "", window: str = "month", unit: str | None = None) -> Looked:
        grain, unit = grain or self.grain, str(unit or self.unit)
        looked = self.released.look(unit, grain, self.window(window, grain))
        if not len(looked.values):
            units = [*self.units["unit"].unique(), NOT_PLACED]
            self._known(unit=(unit, units), grain=(grain, list(GRAINS)), window=(window, list(WINDOWS)))
        return looked

    def _known(self, **given: tuple[str, Collection[str]]) -> None:
        """Answer all names that are not among the known ones of their kind."""
        if wrong := [
            unknown(kind, name, KINDS.get(kind, f"a {kind}"), known, f"desk.{WHOLE.get(kind, kind)}")
            for kind, (name, known) in given.items()
            if name not in known
        ]:
            raise WrongUse(*wrong)

    @cached_property
    def _activities(self) -> dict[str, None]:
        """Codes that a figure may be asked for."""
        return dict.fromkeys([ALL, NOT_PLACED, *self.activities["activity"]])

    @cached_property
    def _settled(self) -> pd.Timestamp:
        """The newest month whose sick leave and overtime are no longer provisional."""
        return pd.Timestamp(self.audit.periods[-1]) - pd.DateOffset(months=self.institution.limits.provisional_months)

    @cached_property
    def _estimated(self) -> set[tuple]:
        """Units, periods and windows with months in which the unit has a share of one that was split."""
        rows = self.released.coverage
        rows = rows[rows["estimated"].astype(bool)]
        return set(zip(*(rows[name] for name in ("unit", "period_start", "grain", "window")), strict=True))

    @property
    def scope(self) -> str:
        """The desk's activity, or the total of all."""
        return self.activity or ALL

    @property
    def root(self) -> str:
        """Code of the institution itself."""
        return str(self.units.loc[self.units["parent"] == "", "unit"].iloc[0])

    @property
    def unit_name(self) -> str:
        """Name of the desk's unit."""
        return self.unit_label(self.unit)

    def unit_label(self, unit: str) -> str:
        """Newest name of a unit."""
        rows = self.units.loc[self.units["unit"] == unit].sort_values("valid_from")
        return str(rows["name"].iloc[-1]) if len(rows) else unit

    def activity_label(self, activity: str, language: str = "da") -> str:
        """Name of an activity; of the total, and of what has none."""
        if activity in (ALL, NOT_PLACED):
            return self.words(language).text("total.sum" if activity == ALL else "dim.no_activity")
        rows = self.activities.loc[self.activities["activity"] == activity]
        return str(rows["name" if language == "da" else "name_en"].iloc[0]) if len(rows) else activity

    def measures(
        self, *names: str, unit: str | None = None, activity: str | None = "", window: str = "month", months: int | None = None,
        grain: str = "",
    ) -> Frame:  # fmt: skip
        """Measures over time, long.

        Returns
        -------
        Frame
            unit, activity, period_start, measure, value, state; up to the desk's period, oldest first.
            ``state`` is "value", "missing", "hidden", "not_applicable", "not_assessed", or of a value
            "incomplete", "provisional" (registered late) or "estimated" (of a unit that was split).
        """
        long = self._long(names, unit, activity, window, months, grain)
        hidden, words = int((long["state"] == "hidden").sum()), self.words()
        return self._framed(long, words.listed([words.measure(name) for name in names]), hidden, unit, grain)

    def _framed(
        self, frame: pd.DataFrame, what: str, hidden: int, unit: str | None = None, grain: str = "",
        states: Mapping[tuple[int, str], str] | None = None, language: str = "",
    ) -> Frame:  # fmt: skip
        """A frame with its line; ``hidden`` is how many of its figures are."""
        words, unit = self.words(language), str(unit or self.unit)
        days = list(frame["period_start"]) if "period_start" in frame else []
        ends = dict.fromkeys(words.period(day, grain or self.grain) for day in (min(days), max(days))) if days else []
        parts = [
            words.text("frame.rows", n=words.number(len(frame)), what=what), f"{unit} {self.unit_label(unit)}", "–".join(ends),
            *self._told(hidden, words),
        ]  # fmt: skip
        return Frame(frame, " · ".join(filter(None, parts)), states)

    def _long(
        self, names: Sequence[str], unit: str | None = None, activity: str | None = "", window: str = "month", months: int | None = None,
        grain: str = "",
    ) -> pd.DataFrame:  # fmt: skip
        if wrong := self.not_measures(names):
            raise WrongUse(*wrong)
        grain = grain or self.grain
        looked = self._look(grain, window, unit)
        chosen = self._up_to(looked.values, activity, months, grain)
        long = chosen.melt(KEY, list(names), "measure", "value").sort_values(
            ["measure", "activity", "period_start"], ignore_index=True
        )
        if grain == "year":  # each measure in its own years
            own = [
                start.month == self.at_of(name, unit, grain).month
                for name, start in zip(long["measure"], long["period_start"], strict=True)
            ]
            long = long[own].reset_index(drop=True)
        cells = zip(
            *(listed(long[name]) for name in ("activity", "period_start", "measure")), long["value"], strict=True
        )
        place = (unit or self.unit, grain, self.window(window, grain))
        found = [self._state(looked, place, *cell) for cell in cells]
        long[["state", "reason"]] = pd.DataFrame(found, columns=["state", "reason"], index=long.index)
        return long.drop(columns=["grain", "window"])

    def _up_to(self, rows: pd.DataFrame, activity: str | None, months: int | None, grain: str) -> pd.DataFrame:
        chosen = rows["period_start"] <= self.at
        if months is not None and not (isinstance(months, Real) and months >= 0):
            raise WrongUse(Problem("months", f"is {months}.", "Write a number from 1 up."))
        if activity is not None:
            self._known(activity=(activity or self.scope, self._activities))
            chosen &= rows["activity"] == (activity or self.scope)
        if months:
            chosen &= rows["period_start"] > self.at - pd.DateOffset(months=months * GRAINS[grain])
        return rows[chosen]

    def _monthly(self, rows: pd.DataFrame, window: str = "month") -> pd.DataFrame:
        """Those of released values or states that are about months, up to the last of the desk's period."""
        rows = rows[(rows["grain"] == "month") & (rows["window"] == window)]
        return rows[rows["period_start"] <= self.last_month]

    def _state(
        self, looked: Looked, place: tuple[str, str, str], activity: str, start: pd.Timestamp, measure: str, value: float | None
    ) -> tuple[str, str]:  # fmt: skip
        """State and reason of a cell with its measure; without a record it is a value, missing, or cannot be."""
        if told := looked.told.get((activity, start, measure)):
            return told
        unit, grain, window = place
        if value is not None and not pd.isna(value):
            entry = self.catalogue[measure]
            if window == grain == "month" and entry.guard in REGISTERED_LATE and start > self._settled:
                return "provisional", "late"
            shared = entry.kind != "distribution" and measure not in NOT_SHARED
            return (
                ("estimated", "split") if shared and (unit, start, grain, window) in self._estimated else ("value", "")
            )
        reason = self.catalogue[measure].inapplicable(activity, window, grain)
        return ("not_applicable", reason) if reason else ("missing", "")

    def value(
        self, measure: str, *, unit: str | None = None, activity: str = "", window: str = "month", at: pd.Timestamp | None = None,
        grain: str = "",
    ) -> tuple[float | None, str]:  # fmt: skip
        """One figure and its state."""
        self.measure_named(measure)
        if activity:
            self._known(activity=(activity, self._activities))
        grain = grain or self.grain
        at, looked = at or self.at_of(measure, unit, grain), self._look(grain, window, unit)
        value = looked.figure(activity or self.scope, at, measure)
        place = (unit or self.unit, grain, self.window(window, grain))
        return value, self._state(looked, place, activity or self.scope, at, measure, value)[0]

    def table(
        self, names: list[str], window: str = "month", at: pd.Timestamp | None = None, grain: str = "", years: int = 0
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Measures by activity of the desk's unit, "Uden aktivitet" and the total last; and each cell's state."""
        for name in names:
            self.measure_named(name)
        grain = grain or self.grain
        rows = self._look(grain, window).values.set_index("activity")
        order = {NOT_PLACED: 1, ALL: 2}
        days = {name: at or self.at_of(name, grain=grain, years=years) for name in names}
        values = pd.DataFrame({name: rows.loc[rows["period_start"] == day, name] for name, day in days.items()})
        values = values.loc[sorted(values.index, key=lambda code: (order.get(code, 0), code))]
        values = values[values.notna().any(axis=1) | (values.index == ALL)]
        states = pd.DataFrame(
            [[self.value(name, activity=activity, window=window, at=days[name], grain=grain)[1] for name in names] for activity in values.index],
            index=values.index, columns=names,
        )  # fmt: skip
        return values, states

    @cached_property
    def has_cases(self) -> bool:
        """Whether any case came in, was closed or was open in the last year; a staff function has none."""
        rows = self._long(["received", "closed", "open_cases"], months=12)
        return bool((rows["value"].fillna(0) != 0).any())

    def drawn(self, *measures: str, months: int = 24) -> list[str]:
        """Those of the measures of which at least two months can be shown."""
        return [
            name for name in measures if self.has(name) and self.series(name, months=months)[name].notna().sum() > 1
        ]

    def has(self, measure: str, window: str = "month") -> bool:
        """Whether the unit has anything of a measure in the last year: a value, or one that is hidden."""
        entry = self.measure_named(measure)
        if entry.domain == "operations" and not entry.is_own and not self.has_cases:
            return False
        if entry.inapplicable(self.scope, window) == "window":
            window = entry.windows[-1]
        looked = self._look("", window)
        rows = looked.values if not self.activity else looked.values[looked.values["activity"] == self.activity]
        recent = (rows["period_start"] <= self.at) & (rows["period_start"] > self.last_year)
        hidden = looked.told.get((self.scope, self.at, measure), ("",))[0] == "hidden"
        return hidden or bool((rows[measure].notna() & recent).any())

    def series(
        self, *names: str, months: int = 24, activity: str = "", window: str = "month", unit: str | None = None
    ) -> pd.DataFrame:
        """Measures over the last months, a column per measure: period_start first, oldest month on top."""
        if self.grain == "year":  # years of the calendar and of the budget, each where it begins
            long = self._long(names, unit, activity, window, months)
            wide = long.pivot(index="period_start", columns="measure", values="value").reindex(columns=list(names))
            return wide.dropna(how="all").reset_index().rename_axis(columns=None)
        for name in names:
            self.measure_named(name)
        rows = self._up_to(self._look("", window, unit).values, activity, months, self.grain)
        wide = rows.set_index("period_start")[list(names)].sort_index()
        starts = "MS" if self.grain == "month" else "QS"
        every = pd.date_range(wide.index.min(), self.at, freq=starts, name="period_start") if len(wide) else wide.index
        return wide.reindex(every).reset_index().rename_axis(columns=None)


def valid_at(units: pd.DataFrame, at: pd.Timestamp) -> pd.Series:
    """Which rows of units are valid on a day."""
    return (units["valid_from"].map(str) <= at.date().isoformat()) & (
        units["valid_to"].map(str) >= at.date().isoformat()
    )


def fingerprint(folder: Path) -> str:
    """Hash of what a slice holds; equal content gives an equal hash."""
    total = hashlib.sha256()
    for file in sorted(folder.glob("*.*")):
        total.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
