"""Capacity: what one årsværk leaves for tasks, and hours from assumptions where there is no history."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mi_analysis.analysis.basis import BadInput, Sentence, checked, no_blanks

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


@dataclass(frozen=True)
class AssumedHours:
    """Hours from assumed means and coefficients of variation, in closed form.

    `mean`; `sd_independent` (activities vary on their own) and `sd_together` (all move as one: the upper bound); `fte`:
    mean over net hours. `table`: activity, mean, sd.
    """

    mean: float
    sd_independent: float
    sd_together: float
    fte: float
    table: pd.DataFrame
    method: Sentence


def assumed_hours(activities: pd.DataFrame, net_hours: float) -> AssumedHours:
    """Hours where there is no history: activity, cases_mean, cases_cv, hours_per_case_mean, hours_per_case_cv.

    Cases and hours per case of an activity are taken to vary independently. Raises `BadInput` for blanks or negatives.
    """
    numbers = ["cases_mean", "cases_cv", "hours_per_case_mean", "hours_per_case_cv"]
    table = no_blanks(checked(activities, ["activity"], numbers), numbers)
    if (table[numbers] < 0).any(axis=None) or not net_hours > 0:
        raise BadInput("Means and coefficients of variation must not be negative, and net hours be above 0.")
    mean = table["cases_mean"] * table["hours_per_case_mean"]
    sd = mean * np.sqrt((1 + table["cases_cv"] ** 2) * (1 + table["hours_per_case_cv"] ** 2) - 1)
    return AssumedHours(
        mean=float(mean.sum()),
        sd_independent=float(np.sqrt((sd**2).sum())),
        sd_together=float(sd.sum()),
        fte=float(mean.sum() / net_hours),
        table=table[["activity"]].assign(mean=mean, sd=sd),
        method=Sentence("method.assumed_hours", {"dependence": ["independent", "together"]}),
    )
