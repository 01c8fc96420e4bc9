"""Next year's work: the hours and staff it needs, and what gives way where there are too few."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from mi_analysis.analysis.capacity import Ladder
from mi_analysis.analysis.planning import Scenario, StaffPlan, plan
from mi_analysis.analysis.priority import Priority, prioritise
from mi_analysis.measures.calendar import working_days
from mi_analysis.model.schema import NOT_PLACED
from mi_analysis.model.values import end_of
from mi_analysis.workbench.comparisons import YEAR, Comparisons

FEWEST_MONTHS = 6  # with cases and hours, for an activity to be planned (analysis.planning)


@dataclass(frozen=True)
class WorkAhead:
    """A plan of the next year for a unit or the institution, and what it rests on.

    ``uncounted_hours``: a year's hours on activities that nothing is counted on (overhead is in the ladder instead);
    ``fte``: staff, mean of the last year; ``staffed``: what is left of it for counted work. Activities that have too few
    months to be planned are ``left_out``.
    """

    plan: StaffPlan
    scenarios: pd.DataFrame
    uncounted_hours: float
    fte: float | None
    staffed: float | None
    left_out: tuple[str, ...]


class Planning(Comparisons):
    """Plans of counted work and of the hours that are left for it."""

    def ladder(self) -> Ladder:
        """From gross to net hours of one årsværk next year, by the institution's parameters and calendar."""
        own, year = self.institution.capacity, self.at.year + 1
        days = [
            working_days(day, end_of(day, "month"), self.institution.calendar)
            for day in (date(year, m, 1) for m in range(1, 13))
        ]
        weekdays = int(np.busday_count(f"{year}-01-01", f"{year + 1}-01-01"))
        holidays = weekdays - sum(day for day in days if day) if all(days) else 0
        at_work = {"public_holidays": float(holidays), "hours_per_day": float(self.institution.calendar.hours_per_day)}
        return Ladder(**own.model_dump(), **at_work)

    def work_ahead(
        self, *, sick_days: float = 2.0, demand: float = 1.1, backlog_share: float = 0.5, backlog_months: int = 12
    ) -> WorkAhead | None:
        """Hours and staff that next year's work needs, with scenarios; None where no activity has cases and hours enough.

        Parameters
        ----------
        sick_days, demand
            Of the scenarios: more sick days a year, and demand times this.
        backlog_share, backlog_months
            The share of today's open cases that the scenario closes, and within how many months.
        """
        history = self.work(10 * YEAR, unit=self.unit)[["activity", "period_start", "cases", "hours"]]
        both = history[(history["cases"] > 0) & (history["hours"] > 0)].groupby("activity").size()
        planned = list(both.index[both >= FEWEST_MONTHS])
        left_out = tuple(sorted(set(history["activity"]) - set(planned)))
        history = history[history["activity"].isin(planned)]
        if history.empty or history["period_start"].nunique() < YEAR:
            return None
        ladder, fte = self.ladder(), self.value("fte", window="r12")[0]
        uncounted = self._uncounted(planned)
        staffed = max(0.0, fte - uncounted / ladder.net()) if fte else None
        pay, _ = self.value("actual_pay", window="r12")
        price = pay / fte if pay and fte else None
        open_cases = {name: self.value("open_cases", activity=name)[0] or 0.0 for name in planned}
        ratios = {name: self._ratio(name) for name in planned}
        changes = {
            "base": Scenario(), "keep_up": Scenario(demand=ratios), "sick": Scenario(sick_days=sick_days),
            "demand": Scenario(demand={"*": demand}),
            "backlog": Scenario(backlog={name: backlog_share * n for name, n in open_cases.items()}, backlog_months=backlog_months),
        }  # fmt: skip
        plans = {
            name: plan(history, ladder, scenario=one, staffed=staffed, pay=price, draws=1000)
            for name, one in changes.items()
        }
        rows = []
        for name, one in plans.items():
            total = one.table.iloc[-1]
            rows.append({
                "scenario": name, **{f"fte_{q}": float(total[f"fte_{q}"]) for q in ("p10", "p50", "p90")},
                "more": float(total["fte_p50"] - plans["base"].table.iloc[-1]["fte_p50"]), "shortage": 100 * one.shortage,
                "pay": float(total["pay_p50"]) if price else np.nan,
            })  # fmt: skip
        return WorkAhead(plans["base"], pd.DataFrame(rows), uncounted, fte, staffed, left_out)

    def _ratio(self, activity: str) -> float:
        """Cases received for each closed over the last year; 1 where that is not known."""
        received, closed = (self.value(name, activity=activity, window="r12")[0] for name in ("received", "closed"))
        return received / closed if received and closed else 1.0

    def _uncounted(self, planned: list[str]) -> float:
        """Hours of the last year on activities that are not planned by cases, overhead aside."""
        names = set(self.activities["activity"]) - set(planned) - set(self.institution.overhead_activities)
        return sum(
            self.value("registered_hours", activity=name, window="r12")[0] or 0.0
            for name in (*sorted(names), NOT_PLACED)
        )

    def priority(
        self, ahead: WorkAhead, weights: Mapping[str, float] | None = None, cut: float = 0.1
    ) -> Priority | None:
        """Which allocation of too few hours meets most weighted goals; None without weights.

        Parameters
        ----------
        weights
            Points by activity; without them the weights of this year's goals about each activity.
        cut
            The hours are this share fewer than the work needs, or what the staff has where that is less.
        """
        rows = ahead.plan.table.iloc[:-1]
        points = self._goal_weights() if weights is None else dict(weights)
        points = {name: value for name, value in points.items() if name in set(rows["activity"])}
        if not points:
            return None
        weight = rows["activity"].map(points).fillna(0.0)
        tasks = pd.DataFrame({
            "activity": rows["activity"], "demand": rows["cases_p50"], "hours_per_case": rows["hours_p50"] / rows["cases_p50"],
            "target": rows["cases_p50"].where(weight > 0, 0.0), "goal_weight": weight,
        })  # fmt: skip
        hours = (1 - cut) * float(rows["hours_p50"].sum())
        return prioritise(tasks, hours if ahead.staffed is None else min(hours, ahead.staffed * ahead.plan.net_hours))

    def _goal_weights(self) -> dict[str, float]:
        """Weights of this year's goals about an activity, of the desk's unit, or of all units where it is the institution."""
        goals = self.released.goals
        units = self.leaves() if self.unit == self.root else [self.unit]
        rows = goals[goals["unit"].isin(units) & (pd.to_datetime(goals["period_start"]).dt.year == self.at.year)]
        rows = rows.dropna(subset=["weight"])[rows["activity"].fillna("") != ""]
        newest = rows.sort_values("period_start").groupby(["goal", "unit", "activity"], as_index=False).last()
        total = newest.groupby("activity")["weight"].sum()
        return {str(name): float(weight) for name, weight in total[total > 0].items()}
