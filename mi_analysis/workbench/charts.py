"""Control charts of released figures: a measure's months with their limits, and what the newest one shows."""

from functools import cached_property

import pandas as pd

from mi_analysis.analysis.control import ControlChart, control_chart
from mi_analysis.measures.calendar import working_days
from mi_analysis.model.values import end_of
from mi_analysis.workbench.lookup import Lookup

SIGNED = (
    "deviation", "deviation_pct", "flex_balance", "balance_difference", "balance_opening", "balance_closing", "actual",
    "actual_income",
)  # fmt: skip
SHARES = ("kept_closed_pct", "kept_due_pct", "kept_received_pct", "direct_share", "auto_share")
"""Measures that cannot pass 100 per cent."""

REORGANISED = "reorganisation"


class Charts(Lookup):
    """Months of a measure as a control chart."""

    @cached_property
    def _charts(self) -> dict[tuple[str, int, str], ControlChart | None]:
        return {}

    def control(self, measure: str, months: int = 36, activity: str = "") -> ControlChart | None:
        """Control chart of a measure's monthly values; None where there are fewer than two.

        What is counted over a month is taken per working day, at the length of a mean month.
        """
        if (measure, months, activity) not in self._charts:
            self._charts[measure, months, activity] = self._chart(measure, months, activity)
        return self._charts[measure, months, activity]

    def _chart(self, measure: str, months: int, activity: str) -> ControlChart | None:
        values = self.series(measure, months=months, activity=activity).rename(columns={measure: "value"})
        if values["value"].notna().sum() < 2:
            return None
        if self._per_working_day(measure):
            days = values["period_start"].map(
                lambda first: working_days(first.date(), end_of(first.date(), "month"), self.institution.calendar)
            )
            values["value"] *= 1 if days.isna().any() else days.mean() / days
        bounds = (None if measure in SIGNED else 0.0, 100.0 if measure in SHARES else None)
        known = values.loc[values["value"].notna(), "period_start"]
        levels = [(day.date(), why) for day, why in self._breaks(measure) if known.min() < day <= known.max()]
        return control_chart(values, direction=self.catalogue[measure].direction, bounds=bounds, rebase_at=levels)

    def _per_working_day(self, measure: str) -> bool:
        return self.catalogue[measure].kind == "flow" and self.grain == "month"

    def _breaks(self, measure: str) -> list[tuple[pd.Timestamp, str]]:
        """Months from which a series of the unit tells of something else than before, each with the key of its cause."""
        stated = [
            (pd.Timestamp(level.valid_from).replace(day=1), f"new_level.{at}") for at, level in enumerate(self.institution.new_levels)
            if level.measure == measure and level.unit in ("", self.unit)
        ]  # fmt: skip
        if self.catalogue[measure].kind == "distribution" and self.institution.structure == "today":
            return sorted(stated)  # made from cases that are whole
        rows = self.changes[(self.changes["unit"] == self.unit) & self.changes["breaks"].astype(bool)]
        return sorted({(pd.Timestamp(day).replace(day=1), REORGANISED) for day in rows["day"]} | set(stated))

    def signal(self, measure: str) -> str:
        """Key of the word for what the newest month of a measure shows: none, shift_down, too_short ..."""
        value, state = self.value(measure)
        if state == "hidden":
            return "hidden"
        chart = self.control(measure) if value is not None else None
        if chart is None or not chart.variation:
            return "too_short"
        return signal_keys(chart.table[chart.table["value"].notna()])[-1]

    def control_table(self, measure: str, months: int = 24, activity: str = "") -> pd.DataFrame:
        """Months of a measure for a control chart: period_start, the measure, centre, lower, upper, signal, r12; of a monthly flow, ``counted``."""
        chart = self.control(measure, activity=activity)
        rolling = self.series(measure, months=months, window="r12", activity=activity)
        values = self.series(measure, months=months, activity=activity)
        if chart is None:
            return values.assign(signal="none")
        limits = chart.table.assign(
            period_start=pd.to_datetime(chart.table["period_start"]), signal=signal_keys(chart.table),
            lower=chart.table["lower_drawn"], upper=chart.table["upper_drawn"],
        )  # fmt: skip
        if self._per_working_day(measure):  # limits are of the month's own length only in the chart's own values
            counted = values.rename(columns={measure: "counted"})
            values = limits.rename(columns={"value": measure})[["period_start", measure]].tail(months)
            values = values.merge(counted, on="period_start", how="left")
        told = limits[["period_start", "centre", "lower", "upper", "signal"]]
        shown = values.merge(told, on="period_start", how="left")
        if anew := {pd.Timestamp(part.start): part.reason for part in chart.segments if part.reason}:
            shown["new_level"] = shown["period_start"].map(anew).fillna("")
        return shown.merge(rolling.rename(columns={measure: "r12"}), on="period_start", how="left")


def signal_keys(table: pd.DataFrame) -> list[str]:
    """Word key of each point's signal, from a control chart's table."""
    rules = {cause: table[cause].to_numpy() for cause in set(table["cause"]) if cause}
    return [
        f"{cause}_{'up' if rules[cause][row] > 0 else 'down'}" if cause else "none"
        for row, cause in enumerate(table["cause"])
    ]
