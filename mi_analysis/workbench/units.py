"""What the institution's report says of its units: all of them in one table, what deviates, goals, and sums that agree."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.workbench.frames import States, with_states
from mi_analysis.workbench.report_tables import INSTEAD, ReportTables

UNIT_FIGURES = (
    "sick_days_per_fte", "overtime_per_fte", "deviation_pct", "closed", "clearance_pct", "hours_per_case", "case_days_median",
    "kept_due_pct", "goal_degree",
)  # fmt: skip
SUMMED = ("registered_hours", "actual", "budget", "received", "closed")
"""Measures whose units have to sum to the institution."""


class OfUnits(ReportTables):
    """Frames with a row per unit of the lowest level."""

    def units_table(self, names: Sequence[str] = ()) -> tuple[pd.DataFrame, States]:
        """Units of the lowest level, in order of name, then the institution: a column per measure, year to date; last its code."""
        windows = {
            name: self.window_of(name, "ytd")
            for name in names or map(self.in_units_table, (*UNIT_FIGURES, *self.own()))
        }
        names = [name for name, window in windows.items() if self.has(name, window)]

        def told(unit: str) -> bool:
            cells = [self.value(name, unit=unit, window=windows[name]) for name in names]
            return any((value or state == "hidden") if self.activity else state != "missing" for value, state in cells)

        leaves = [unit for unit in self.leaves_by_name() if told(unit)]
        rows = [
            {"unit": self.unit_label(unit), "code": unit}
            | {name: self.value(name, unit=unit, window=windows[name]) for name in names}
            for unit in [*leaves, self.root]
        ]
        return with_states(rows, ["unit", *names, "code"])

    def leaves_by_name(self) -> list[str]:
        """Units of the lowest level in order of name."""
        key = self.words().sort_key
        return sorted(self.leaves(), key=lambda unit: key(self.unit_label(unit)))

    def in_units_table(self, name: str) -> str:
        """The measure that the table of units has in this one's place: months of a small unit are often hidden."""
        other = INSTEAD.get(name, "")
        return other if other and self.has(other, self.window_of(other)) else name

    def largest_deviations(self) -> pd.DataFrame:
        """The ten units with the largest deviation from budget to date, largest first, either way."""
        names = ("budget", "actual", "deviation", "deviation_pct")
        rows = [
            {"unit": self.unit_label(unit), **{name: self.value(name, unit=unit, window="ytd")[0] for name in names}}
            for unit in self.leaves()
        ]  # fmt: skip
        frame = pd.DataFrame(rows, columns=["unit", *names]).dropna(subset=["deviation"])
        return frame.loc[frame["deviation"].abs().sort_values(ascending=False).index].head(10).reset_index(drop=True)

    def goals_of_units(self, language: str = "da") -> pd.DataFrame:
        """Goals of the units: unit, name, target, result, degree, weight, status; the lowest degree first."""
        rows = [
            replace(self, unit=unit).goal_table(language)[0].assign(unit=self.unit_label(unit))
            for unit in self.leaves()
        ]
        frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["unit", "status", "degree"])
        return frame.sort_values("degree", ignore_index=True)

    def goals_behind(self, language: str = "da") -> pd.DataFrame:
        """Of `goals_of_units` those that are not met."""
        frame = self.goals_of_units(language)
        return frame[frame["status"].isin(["partly", "not_met"])].reset_index(drop=True)

    def reconciled(self) -> tuple[pd.DataFrame, States]:
        """What the lowest units, and what has no unit, sum to beside the institution's own total, year to date.

        Returns
        -------
        frame, states
            Columns measure, units, not_placed, total, difference; a sum with a hidden unit in it is hidden.
        """
        rows = list[dict[str, object]]()
        for name in (name for name in SUMMED if self.has(name, "ytd")):
            parts = [self.value(name, unit=unit, window="ytd") for unit in self.leaves()]
            units = sum(value or 0.0 for value, _ in parts)
            loose, total = (self.value(name, unit=unit, window="ytd")[0] or 0.0 for unit in (NOT_PLACED, self.root))
            state = "hidden" if any(state == "hidden" for _, state in parts) else "value"
            difference = round(total - units - loose, 2) + 0.0
            sums = {"units": (units, state), "not_placed": loose, "total": total, "difference": (difference, state)}
            rows.append({"measure": name, **sums})
        return with_states(rows, ["measure", "units", "not_placed", "total", "difference"])

    def months_of_units(self, measure: str) -> pd.DataFrame:
        """Unit (its name), period_start and the measure, of the lowest units in order of name."""
        parts = [self.series(measure, unit=unit).assign(unit=self.unit_label(unit)) for unit in self.leaves_by_name()]
        shown = [part for part in parts if part[measure].notna().any()]
        return pd.concat(shown) if shown else pd.DataFrame(columns=["unit", "period_start", measure])

    def hidden_hours(self) -> int:
        """Unit-months of the last year whose hours are hidden, of the lowest units."""
        rows = self._monthly(self.released.states)
        rows = rows[(rows["measure"] == "registered_hours") & (rows["state"] == "hidden") & (rows["activity"] == ALL)]
        rows = rows[rows["period_start"] > self.last_month - pd.DateOffset(years=1)]
        return int(rows["unit"].isin(self.leaves()).sum())
