"""What the institution's report says of its units: all of them in one table, what deviates, goals, and sums that agree."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.workbench.summaries import INSTEAD, States, Summaries

UNIT_FIGURES = (
    "sick_days_per_fte", "overtime_per_fte", "deviation_pct", "closed", "clearance_pct", "hours_per_case", "case_days_median",
    "kept_due_pct", "goal_degree",
)  # fmt: skip
SUMMED = ("registered_hours", "actual", "budget", "received", "closed")
"""Measures whose units have to sum to the institution."""


class OfUnits(Summaries):
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

        leaves = [unit for unit in self.leaves() if told(unit)]
        rows: list[dict[str, object]] = []
        states: States = {}
        for unit in [*sorted(leaves, key=lambda unit: self.words().sort_key(self.unit_label(unit))), self.root]:
            cells = {name: self.value(name, unit=unit, window=windows[name]) for name in names}
            states |= {(len(rows), name): state for name, (_, state) in cells.items() if state != "value"}
            shown = {name: value for name, (value, _) in cells.items()}
            rows.append({"unit": self.unit_label(unit), **shown, "code": unit})
        return pd.DataFrame(rows, columns=["unit", *names, "code"]), states

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
        rows, states = list[dict[str, object]](), States()
        for name in (name for name in SUMMED if self.has(name, "ytd")):
            parts = [self.value(name, unit=unit, window="ytd") for unit in self.leaves()]
            units = sum(value or 0.0 for value, _ in parts)
            loose, total = (self.value(name, unit=unit, window="ytd")[0] or 0.0 for unit in (NOT_PLACED, self.root))
            if any(state == "hidden" for _, state in parts):
                states |= {(len(rows), column): "hidden" for column in ("units", "difference")}
            difference = round(total - units - loose, 2) + 0.0
            rows.append(
                {"measure": name, "units": units, "not_placed": loose, "total": total, "difference": difference}
            )
        return pd.DataFrame(rows, columns=["measure", "units", "not_placed", "total", "difference"]), states

    def months_of_units(self, measure: str) -> pd.DataFrame:
        """Unit (its name), period_start and the measure, of the lowest units in order of name."""
        order = sorted(self.leaves(), key=lambda unit: self.words().sort_key(self.unit_label(unit)))
        parts = [self.series(measure, unit=unit).assign(unit=self.unit_label(unit)) for unit in order]
        shown = [part for part in parts if part[measure].notna().any()]
        return pd.concat(shown) if shown else pd.DataFrame(columns=["unit", "period_start", measure])

    def hidden_hours(self) -> int:
        """Unit-months of the last year whose hours are hidden, of the lowest units."""
        states = self.released.states
        rows = states[
            (states["measure"] == "registered_hours") & (states["state"] == "hidden") & (states["activity"] == ALL)
        ]
        rows = rows[(rows["grain"] == "month") & (rows["window"] == "month") & (rows["period_start"] > self.last_year)]
        return int((rows["unit"].isin(self.leaves()) & (rows["period_start"] <= self.at)).sum())
