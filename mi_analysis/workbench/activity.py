"""What a report says of one activity across the four domains, for a unit or the institution."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from mi_analysis.analysis.basis import Sentence
from mi_analysis.reporting.tables import NO_SIGNAL
from mi_analysis.reporting.verdicts import span
from mi_analysis.workbench.frames import States
from mi_analysis.workbench.messages import Messages
from mi_analysis.workbench.units import OfUnits

ACTIVITY_FIGURES = (
    "registered_hours", "activity_overtime_hours", "actual", "deviation", "received", "closed", "open_cases",
    "case_days_median", "kept_due_pct", "hours_per_case", "productivity_index",
)  # fmt: skip
"""Hours, money, cases, time: the key figures of one activity."""
CHANGING = (
    "registered_hours", "actual", "received", "closed", "open_cases", "case_days_median", "kept_due_pct", "hours_per_case",
)  # fmt: skip
LEVELS = (
    "allocated_cost", "allocated_cost_incl_indirect", "allocated_cost_full", "unit_cost", "unit_cost_incl_indirect", "unit_cost_full",
)  # fmt: skip
CONTRIBUTIONS = (
    "registered_hours", "activity_overtime_hours", "actual", "deviation", "unit_cost", "closed", "open_cases", "hours_per_case",
    "case_days_median", "kept_due_pct", "goal_degree",
)  # fmt: skip


class OfActivity(Messages, OfUnits):
    """Frames and sentences on the desk's activity (see `Desk.about`)."""

    def activity_figures(self) -> tuple[pd.DataFrame, States]:
        """`key_figures` of the activity."""
        names = (*ACTIVITY_FIGURES, *self._own_figures())
        return self.key_figures([name for name in names if self.has(name, self.window_of(name))])

    def contributions(self) -> tuple[pd.DataFrame, States]:
        """A row per unit that has something of the activity this year, then the institution (see `units_table`)."""
        return self.units_table((*CONTRIBUTIONS, *self._own_figures()))

    def _own_figures(self) -> list[str]:
        """The institution's own key figures that exist for an activity."""
        return [name for name in self.own() if self.catalogue[name].per_activity]

    def cost_levels(self) -> tuple[pd.DataFrame, States]:
        """Allocated cost and unit cost at levels A, B and C: three months, year to date, rolling twelve months."""
        return self.staff_table([name for name in LEVELS if self.has(name, "ytd")], ("r3", "ytd", "r12"))

    def activity_changes(self, language: str = "da") -> list[Sentence]:
        """Whether it is changing: the trend of cases per hour, the figures with a signal, then those without."""
        names = [name for name in (*CHANGING, *self._own_figures()) if self.value(name)[0] is not None]
        calm = [name for name in names if self.signal(name) in NO_SIGNAL]
        moving = [name for name in names if name not in calm]
        found = [*self.productivity_trend(language), *(self._changes(moving) if moving else ())]
        if calm:
            words = self.words(language)
            listed = words.listed([words.lower(words.measure(name)) for name in calm])
            found.append(Sentence("message.no_signals", {"names": listed}))
        return found

    def productivity_trend(self, language: str = "da") -> Sequence[Sentence]:
        """The trend of cases per hour common to the units, where there are enough of them (see `analysis.productivity`)."""
        from mi_analysis.analysis.basis import BadInput
        from mi_analysis.analysis.productivity import trend  # loads what most reports do not need

        series = [
            self.series("closed", "registered_hours", unit=unit, months=36).assign(unit=unit)
            for unit in self.leaves()
            if self.value("closed", unit=unit, window="r12")[0]
        ]
        if not series:
            return ()
        panel = pd.concat(series).rename(columns={"closed": "cases", "registered_hours": "hours"})
        corrections = (panel["hours"] < 0) | (panel["cases"] < 0)  # they tell of other months
        panel.loc[corrections, ["hours", "cases"]] = None
        try:
            found = trend(panel)
        except BadInput:  # too few months, or nothing to follow
            return ()
        words = self.words(language)
        verdict: list[tuple[str, dict[str, Any]]] = [(key, dict(values)) for key, values in found.verdict]
        return [
            Sentence(
                key, values
                | {name: words.percent(values[name]) for name in ("est", "lo", "hi")}
                | {"period": span([f"{day:%Y-%m}" for day in values["period"]], words)},
            )
            for key, values in verdict
        ]  # fmt: skip
