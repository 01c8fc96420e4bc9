"""Capacity: what one årsværk leaves for tasks, and hours from assumptions where there is no history."""

from dataclasses import dataclass

import pandas as pd

from mi_analysis.analysis.basis import BadInput

STEPS = ("gross", "holiday_days", "special_days", "public_holidays", "sick_days", "other_days", "non_task_share")


@dataclass(frozen=True)
class Ladder:
    """From gross to net hours of one årsværk in a year. `sick_days_sd`: how sick days vary between years.

    Days are working days a year; `non_task_share` is the share of the hours at work that goes to other than tasks.
    """

    gross: float = 1924.0
    holiday_days: float = 25.0
    special_days: float = 5.0
    public_holidays: float = 8.0
    sick_days: float = 8.0
    other_days: float = 0.0
    non_task_share: float = 0.0
    hours_per_day: float = 7.4
    sick_days_sd: float = 0.0

    def __post_init__(self) -> None:
        net = self.net()
        if not 0 < net <= self.gross or not 0 <= self.non_task_share < 1 or self.sick_days_sd < 0:
            raise BadInput(f"The ladder leaves {net:.1f} of {self.gross:.1f} hours; net hours must be above 0.")

    def net(self, sick_days: float | None = None) -> float:
        """Net hours a year, at another number of sick days if given."""
        sick = self.sick_days if sick_days is None else sick_days
        days = self.holiday_days + self.special_days + self.public_holidays + sick + self.other_days
        return (self.gross - days * self.hours_per_day) * (1 - self.non_task_share)

    def table(self) -> pd.DataFrame:
        """The ladder as printed: step, hours (what the step takes), left (hours left after it)."""
        left, rows = self.gross, [("gross", self.gross, self.gross)]
        for step in STEPS[1:]:
            amount = getattr(self, step)
            taken = left * amount if step == "non_task_share" else amount * self.hours_per_day
            left -= taken
            rows.append((step, -taken, left))
        return pd.DataFrame(rows, columns=["step", "hours", "left"])
