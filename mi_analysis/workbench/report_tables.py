"""The tables of a report: key figures, the coherent table, goals, staff, and how one level becomes another."""

from collections.abc import Sequence

import pandas as pd

from mi_analysis.analysis.basis import Sentence
from mi_analysis.measures.catalogue import Measure
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.charts import Charts
from mi_analysis.workbench.frames import Frame, States, with_states
from mi_analysis.workbench.lookup import valid_at

COHERENT = (
    "registered_hours", "activity_overtime_hours", "actual", "deviation", "unit_cost", "closed", "hours_per_case",
    "case_days_median", "kept_due_pct", "goal_degree",
)  # fmt: skip
"""Columns of the coherent table: staff, economy, operations and strategy on one line per activity."""

KEY_FIGURES = (
    "actual", "deviation", "sick_days_per_fte", "overtime_per_fte", "overtime_pay", "received", "closed", "open_cases",
    "case_days_median", "kept_due_pct", "hours_per_case", "productivity_index",
)  # fmt: skip
"""At most twelve on page one (reports-expected); what a unit does not have is left out."""
NO_CHANGE = ("deviation",)
"""A change of a signed sum is no per cent of anything."""
ONLY_WHERE_SET = ("goal_degree", "goal_coverage", "productivity_index", "weighted_output", "planned", "progress_pct")
"""Of these an activity without goal, standard time or plan is not delivered late: it has none."""
OF_ONE_ACTIVITY = ("hours_per_case", "unit_cost", "cases_per_fte")
"""Hours and cases without activity are not each other's."""
STAFF_FIGURES = (
    "fte", "norm_hours", "sick_days", "sick_days_per_fte", "sick_pct", "sick_spells", "sick_spells_per_fte", "long_spells", "child_sick_days",
    "injury_days", "overtime_hours", "overtime_per_fte",
    "overtime_pct", "balance_opening", "balance_taken", "balance_paid", "balance_closing", "balance_difference", "flex_balance",
    "attendance_hours", "registered_hours", "registration_coverage", "direct_share", "auto_share",
)  # fmt: skip
INSTEAD = {"sick_days_per_fte": "sick_days_per_fte_12m"}
"""Where no single month can be shown, the last twelve months can."""
LONGEST_FIRST = ("ytd", "r12", "month")
BALANCE = ("balance_opening", "overtime_hours", "balance_taken", "balance_paid", "balance_closing")
HOURS = ("norm_hours", "overtime_hours", "attendance_hours", "registered_hours", "direct_share")
FORECASTS = ("forecast", "forecast_by_share", "forecast_own")
SMALLEST = 0.05
"""Hours; a difference below this is none."""


class ReportTables(Charts):
    """Frames ready to be printed, each with the states of its cells."""

    def coherent(self, language: str = "", window: str = "ytd") -> Frame:
        """The coherent table: the four domains on one line per activity, with the change since last year.

        "Uden aktivitet" and the total stand last; the total equals the unit's own figures. A measure
        that the unit has nowhere is left out. The frame is that of `by_activity`, its states in ``.states``.
        """
        words = self.words(language)
        names = [name for name in (*COHERENT, *self.own()) if self.catalogue[name].per_activity]
        frame, states = self.by_activity(names, words.language, window, changes=True)
        what = words.text("caption.coherent", period=words.period(self.period, window=self.window(window)))
        hidden = sum(state == "hidden" for state in states.values())
        return self._framed(frame, what, hidden, states=states, language=words.language)

    def by_activity(
        self, names: Sequence[str], language: str = "da", window: str = "ytd", *, changes: bool = False
    ) -> tuple[pd.DataFrame, States]:
        """Measures by activity of the desk's unit, activities with nothing at all left out.

        Returns
        -------
        frame, states
            Column activity (its label), the measures, with ``changes`` also ``<measure>_change`` since
            the year before: per cent, points for what is per cent itself; states by row and column.
        """
        names = [name for name in names if self.has(name, window)]
        values, found = self.table(names, window)
        before, then = self.table(names, window, years=1)
        frame = values.copy()
        for name in names:
            loose = (values.index == NOT_PLACED) & (name in OF_ONE_ACTIVITY)
            loose |= (values.index != ALL) & values[name].isna() & (name in ONLY_WHERE_SET)
            values.loc[loose, name], found.loc[loose, name] = None, "not_applicable"
            frame[name] = values[name]
            whole = before[name].where(then[name] != "incomplete").reindex(values.index)  # months lack: no change
            change = changed(values[name].where(found[name] != "incomplete"), whole, self.catalogue[name])
            if changes and name not in NO_CHANGE and change.notna().any():
                frame[f"{name}_change"] = change
        frame.insert(0, "activity", [self.activity_label(code, language) for code in values.index])
        states = {
            (row, name): str(state) for name in names for row, state in enumerate(found[name]) if state != "value"
        }
        for name in [f"{name}_change" for name in names if f"{name}_change" in frame]:
            states |= {(row, name): "not_applicable" for row, gone in enumerate(frame[name].isna()) if gone}
        return frame.reset_index(drop=True), states

    def key_figures(self, names: Sequence[str] = ()) -> tuple[pd.DataFrame, States]:
        """A row per measure that the unit has: month, same month last year, year to date, the same last year.

        Returns
        -------
        frame, states
            Columns measure, month, month_last_year, ytd, ytd_last_year, target; of a year, or only delivered for
            whole years, year_start, year and year_last_year instead; curve (the last 24 months), signal.
        """
        rows: list[dict[str, object]] = []
        for name in names or [self.shown_instead(name) for name in self.institution.key_figures or KEY_FIGURES]:
            cells: dict[str, tuple[float | None, str]] = {}
            year = {}
            if self.grain != "year":
                for column, window in (("month", self.window_of(name)), ("ytd", "ytd")):
                    cells[column] = self.value(name, window=window, at=self.at)
                    cells[f"{column}_last_year"] = self.value(name, window=window, at=self.last_year)
            _, reason = self._look().told.get((self.scope, self.at, name), ("", ""))
            if self.grain == "year" or (cells["month"][0] is None and reason == "grain"):
                for column, back in (("year", 0), ("year_last_year", 1)):
                    cells[column] = self.value(name, at=self.at_of(name, grain="year", years=back), grain="year")
                year = {"year_start": self.at_of(name, grain="year")}
            nothing = all(state in ("missing", "not_applicable") for _, state in cells.values())
            entry = self.catalogue[name]
            if nothing or (entry.domain == "operations" and not entry.is_own and not self.has_cases):
                continue
            curve = self.series(name, window=self.window_of(name)).set_index("period_start")[name]
            signal = self.signal(name) if "month" in entry.windows else "rolling"
            rows.append(
                {"measure": name, **year, **cells, "target": self.target(name), "curve": curve, "signal": signal}
            )
        columns = [
            "measure", "month", "month_last_year", "ytd", "ytd_last_year", "target", "year_start", "year", "year_last_year", "curve", "signal",
        ]  # fmt: skip
        frame, states = with_states(rows, columns)
        states |= {(row, "year"): "not_applicable" for row in frame.index[frame["year_start"].isna()]}
        states |= {(row, "target"): "no_target" for row in frame.index[frame["target"].isna()]}
        return frame, states

    def target(self, measure: str) -> float | None:
        """What a measure is held against: expenditure its budget to date, others the year's target of the goal named for it."""
        if measure == "actual":
            return self.value("budget", window="ytd")[0]
        goals = self.goals()
        found = goals[goals["goal"] == self.institution.targets.get(measure, "")].dropna(subset=["target"])
        if not len(found):
            return None
        as_share = str(found["goal_unit"].iloc[-1]).startswith("pct")
        return (100 if as_share else 1) * float(found["target"].iloc[-1])

    def goals(self, *, unit: str | None = None) -> Frame:
        """Goals of the unit: the newest row of each goal up to the period, with degree (a fraction) and status."""
        rows = self.released.goals
        rows = rows[rows["activity"] == self.activity] if self.activity else rows
        self._known(unit=(str(unit or self.unit), list(self.units["unit"])))
        rows = rows[(rows["unit"] == str(unit or self.unit)) & (pd.to_datetime(rows["period_start"]) <= self.ends)]
        rows = rows[pd.to_datetime(rows["period_start"]).dt.year == self.at.year]
        newest = rows.sort_values("period_start").groupby("goal", as_index=False).last()
        hidden, words = int((newest["status"] == "hidden").sum()), self.words()
        return self._framed(newest, words.lower(words.text("heading.goals")), hidden, unit)

    def goal_table(self, language: str = "da") -> tuple[pd.DataFrame, States]:
        """Goals as they are printed: name, target and result in their own unit, degree in per cent, weight, points, status."""
        goals, words = self.goals().reset_index(drop=True), self.words(language)
        shown = pd.DataFrame({
            "name": goals["goal"] + " " + goals["name"].fillna(""),
            **{name: [in_goal_unit(row, name, words) for row in goals.to_dict("records")] for name in ("target", "result")},
            "degree": 100 * goals["degree"], "weight": goals["weight"], "points": goals["weight"] * goals["degree_capped"], "status": goals["status"],
        })  # fmt: skip
        unsaid = shown["status"][shown["status"].isin(["not_assessed", "hidden"])]
        states = {(row, column): status for row, status in unsaid.items() for column in ("result", "degree")}
        return shown, states | {(row, "weight"): "not_applicable" for row in shown.index[shown["weight"].isna()]}

    def staff_table(
        self, names: Sequence[str] = (), windows: Sequence[str] = ("month", "ytd", "r12")
    ) -> tuple[pd.DataFrame, States]:
        """Staff (or other) measures of the unit, a row each, a column per window; what it does not have is left out."""
        shown = [name for name in names or STAFF_FIGURES if self.has(name, self.window_of(name))]
        rows = [{"measure": name, **{window: self.value(name, window=window) for window in windows}} for name in shown]
        return with_states(rows, ["measure", *windows])

    def staff_notes(self) -> list[str]:
        """Keys of what has to be said of the staff figures: whose statistics they are not, and what the data cannot tell."""
        notes = ["note.local"] if self.institution.calendar.country == "DK" else []
        if self.has("sick_days"):
            notes.append("note.long_spells" if self.has("sick_spells") else "note.no_spells")
        return notes

    def budget_outlook(self) -> Sentence | None:
        """The year's end if the rest of the budget is spent as planned; beside it by the share so far, and the unit's own."""
        forecast, _ = self.value("forecast", window="ytd")
        budget, _ = self.value("budget_year", window="ytd")
        if forecast is None or budget is None or not self.months_left:
            return None
        also = []
        by_share, _ = self.value("forecast_by_share", window="ytd")
        planned, _ = self.value("budget", window="ytd")
        if by_share is not None and planned is not None:
            passed = {"value_amount": by_share, "share": 100 * planned / budget}
            also.append(Sentence("verdict.budget.forecast_by_share", passed))
        if (own := self.value("forecast_own", window="ytd")[0]) is not None:
            also.append(Sentence("verdict.budget.forecast_own", {"value_amount": own}))
        return Sentence("verdict.budget.forecast", {"value_amount": forecast, "budget_amount": budget, "also": also})

    # --- how one level becomes another: step (a key of the words), value and ``stands``: a level, not a change ---

    def balance_steps(self) -> tuple[str, pd.DataFrame]:
        """Window, and the balance of overtime: opening, earned, taken, paid, what the system cannot explain, closing.

        Over the longest window in which no part is hidden; empty where there is none.
        """
        window, found = self._all_of(BALANCE)
        if not found:
            return window, steps([])
        opening, earned, taken, paid, closing = (found[name] for name in BALANCE)
        rest = closing - (opening + earned - taken - paid)
        return window, steps([
            ("opening", opening, True), ("earned", earned, False), ("taken", -taken, False), ("paid", -paid, False),
            *([("difference", rest, False)] if abs(rest) >= SMALLEST else []), ("closing", closing, True),
        ])  # fmt: skip

    def hours_steps(self) -> tuple[str, pd.DataFrame]:
        """Window, and the ladder from norm hours over attendance and registered hours to hours on core tasks."""
        window, found = self._all_of(HOURS)
        if not found:
            return window, steps([])
        norm, overtime, attendance, registered, share = (found[name] for name in HOURS)
        direct = registered * share / 100
        return window, steps([
            ("norm", norm, True), ("overtime", overtime, False), ("absence", attendance - norm - overtime, False),
            ("attendance", attendance, True), ("unregistered", registered - attendance, False),
            ("registered", registered, True), ("other_work", direct - registered, False), ("direct", direct, True),
        ])  # fmt: skip

    def outlook(self) -> pd.DataFrame:
        """From this month's expenditure to where the forecasts put the year's end: period_start, forecast_low, forecast_high.

        Empty where the year has ended or nothing can be forecast.
        """
        ends = [value for name in FORECASTS if (value := self.value(name, window="ytd")[0]) is not None]
        now, _ = self.value("actual", window="ytd")
        if self.budget_outlook() is None or now is None or not ends:
            return pd.DataFrame(columns=["period_start", "forecast_low", "forecast_high"])
        end = self.at + pd.DateOffset(months=self.months_left)
        return pd.DataFrame(
            {"period_start": [self.at, end], "forecast_low": [now, min(ends)], "forecast_high": [now, max(ends)]}
        )

    def _all_of(self, names: tuple[str, ...]) -> tuple[str, dict[str, float]]:
        for window in LONGEST_FIRST:
            values = {name: self.value(name, window=window) for name in names}
            if all(value is not None and state != "incomplete" for value, state in values.values()):
                return window, {name: float(value) for name, (value, _) in values.items() if value is not None}
        return "", {}

    # --- what is shown, and of which units ---

    def window_of(self, name: str, wanted: str = "month") -> str:
        """The window wanted where the measure has it, else its longest."""
        elsewhere = self.measure_named(name).inapplicable(self.scope, wanted) == "window"
        return self.catalogue[name].windows[-1] if elsewhere else wanted

    def shown_instead(self, name: str) -> str:
        """The measure itself, or where it cannot be shown for this month and the year to date, what is shown instead."""
        other = INSTEAD.get(name, "")
        hidden = all(self.value(name, window=window)[1] == "hidden" for window in ("month", "ytd"))
        return other if other and hidden and self.value(other, window=self.window_of(other))[0] is not None else name

    def leaves(self) -> list[str]:
        """Units valid in the last month of the period that have none below them."""
        valid = self.units[valid_at(self.units, self.last_month)]
        return [unit for unit in valid["unit"].unique() if unit not in set(valid["parent"])]


def changed(now: pd.Series, before: pd.Series, measure: Measure) -> pd.Series:
    """Change of a measure: points of what is per cent, else per cent of what was before (where that is above 0)."""
    if measure.unit == "pct":
        return now - before
    return 100 * (now / before.where(before > 0) - 1)


def in_goal_unit(row: dict, name: str, words: Words) -> str | None:
    """A goal's target or result as text: a date, a percentage of a share, or a number with its unit."""
    day, number, unit = row.get(f"{name}_date"), row.get(name), row.get("goal_unit")
    unit = "" if pd.isna(unit) else unit
    if day is not None and not pd.isna(day):
        return words.date(day, table=True)
    if number is None or pd.isna(number):
        return None
    if unit.startswith("pct"):
        return words.percent(100 * number)
    decimals = 0 if float(number).is_integer() else 1 if abs(number) >= 1 else 2
    return f"{words.number(number, decimals)} {unit}".strip()


def steps(rows: list[tuple[str, float, bool]]) -> pd.DataFrame:
    """The frame of some steps."""
    return pd.DataFrame(rows, columns=["step", "value", "stands"])
