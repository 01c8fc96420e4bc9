"""How one level becomes another: the balance of overtime, hours from the norm to the tasks, money until the year's end."""

import pandas as pd

from mi_analysis.workbench.summaries import Summaries

LONGEST_FIRST = ("ytd", "r12", "month")
BALANCE = ("balance_opening", "overtime_hours", "balance_taken", "balance_paid", "balance_closing")
HOURS = ("norm_hours", "overtime_hours", "attendance_hours", "registered_hours", "direct_share")
FORECASTS = ("forecast", "forecast_by_share", "forecast_own")
SMALLEST = 0.05
"""Hours; a difference below this is none."""


class Steps(Summaries):
    """Steps of hours; each frame has step (a key of the words), value and ``stands``: a level, not a change."""

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
        end = self.at + pd.DateOffset(months=12 - self.months_of_year())
        return pd.DataFrame(
            {"period_start": [self.at, end], "forecast_low": [now, min(ends)], "forecast_high": [now, max(ends)]}
        )

    def _all_of(self, names: tuple[str, ...]) -> tuple[str, dict[str, float]]:
        for window in LONGEST_FIRST:
            values = {name: self.value(name, window=window) for name in names}
            if all(value is not None and state != "incomplete" for value, state in values.values()):
                return window, {name: float(value) for name, (value, _) in values.items() if value is not None}
        return "", {}


def steps(rows: list[tuple[str, float, bool]]) -> pd.DataFrame:
    """The frame of some steps."""
    return pd.DataFrame(rows, columns=["step", "value", "stands"])
