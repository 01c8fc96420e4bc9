"""Units beside each other, work ahead, and what gives way: analyses of released counts and hours."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd

from mi_analysis.analysis.capacity import Ladder
from mi_analysis.analysis.durations import Durations, durations_of, mean_change
from mi_analysis.analysis.funnel import Funnel, funnel
from mi_analysis.analysis.mix import MixAdjusted, MixIndex, mix_adjusted, mix_index
from mi_analysis.analysis.planning import Scenario, StaffPlan, plan
from mi_analysis.analysis.priority import Priority, prioritise
from mi_analysis.measures.calendar import working_days
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.model.values import end_of
from mi_analysis.workbench.questions import IN_TIME
from mi_analysis.workbench.summaries import States, Summaries

COUNTED_IN = {"kept_closed_pct": "closed_due", "kept_due_pct": "due", "kept_received_pct": "received_judged"}
"""What each share within deadline is a share of."""
YEAR = 12
SUMMED = ("registered_hours", "actual", "budget", "received", "closed")
"""Measures whose units have to sum to the institution."""
HORIZON = 180.0  # days of a case that its mean counts at most
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


class Comparisons(Summaries):
    """What differs between units by more than size, mix and chance, and what next year's work takes."""

    def work(self, months: int = YEAR, activity: str = "", unit: str = "") -> pd.DataFrame:
        """unit, activity, period_start, cases (closed) and hours of the lowest units (or one), where both may be shown."""
        rows = self.released.values
        rows = rows[(rows["grain"] == "month") & (rows["window"] == "month") & (rows["period_start"] <= self.at)]
        rows = rows[rows["period_start"] > self.at - pd.DateOffset(months=months)]
        rows = rows[rows["unit"].isin([unit] if unit else self.leaves()) & ~rows["activity"].isin([ALL, NOT_PLACED])]
        rows = rows[rows["activity"] == activity] if activity else rows
        rows = rows[["unit", "activity", "period_start", "closed", "registered_hours"]].dropna(
            subset=["registered_hours"]
        )
        known = rows.rename(columns={"closed": "cases", "registered_hours": "hours"})
        known = known[(known["hours"] >= 0)]  # a correction of an earlier month
        counted = known.groupby(["unit", "activity"])["cases"].transform("sum") > 0
        return known[counted].fillna({"cases": 0.0}).reset_index(drop=True)

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

    def months_of_units(self, measure: str, months: int = 2 * YEAR) -> pd.DataFrame:
        """Unit (its name), period_start and the measure, of the lowest units in order of name."""
        order = sorted(self.leaves(), key=lambda unit: self.words().sort_key(self.unit_label(unit)))
        parts = [self.series(measure, months=months, unit=unit).assign(unit=self.unit_label(unit)) for unit in order]
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

    def in_time_funnel(self, activity: str = "") -> tuple[str, Funnel] | None:
        """Share within deadline of the lowest units over the last year, by how many cases it is of; None where there is none."""
        for measure in IN_TIME:
            rows = self.released.values
            rows = rows[(rows["grain"] == "month") & (rows["window"] == "r12") & (rows["period_start"] == self.at)]
            rows = rows[rows["unit"].isin(self.leaves()) & (rows["activity"] == (activity or ALL))]
            rows = rows.dropna(subset=[measure, COUNTED_IN[measure]])
            counts = np.round(rows[COUNTED_IN[measure]])  # of a split unit, shares of cases
            units = pd.DataFrame(
                {"unit": rows["unit"], "numerator": np.round(rows[measure] / 100 * counts), "denominator": counts}
            )
            if (units["denominator"] > 0).sum() > 1 and units["numerator"].sum() > 0:
                return measure, funnel(units)
        return None

    def case_mix(self, activity: str = "") -> MixAdjusted | None:
        """Hours per case of the lowest units over the last year, as they are and with everybody's mix of cases."""
        work = self.work(activity=activity)
        return mix_adjusted(work) if len(work["unit"].unique()) > 1 and (work["hours"] > 0).any() else None

    def mix_of_unit(self) -> pd.DataFrame:
        """Hours per case of the desk's unit over the last year beside all units on the same activities.

        All others are what is left of the institution's totals, so no other unit is told apart.

        Returns
        -------
        DataFrame
            A row per activity that both close cases on, last (activity ``*``) all of them with everybody's mix of cases:
            activity, own and all (hours per case), ratio (100 is as all), low and high (95 %).
        """
        own, whole = self.work(unit=self.unit), self.work(unit=self.root)
        if own.empty or whole.empty or self.unit == self.root:
            return pd.DataFrame(columns=["activity", "own", "all", "ratio", "low", "high"])
        key = ["activity", "period_start"]
        mine = whole[key].merge(own, on=key, how="left").fillna({"cases": 0.0, "hours": 0.0})
        left = {name: (whole[name] - mine[name]).clip(lower=0) for name in ("cases", "hours")}
        both = pd.concat([own, whole.assign(unit="", **left)], ignore_index=True)
        sums = both.groupby(["activity", "unit"])[["cases", "hours"]].sum()
        judged = (sums["cases"] >= self.institution.limits.fewest_closed) & (sums["hours"] > 0)
        enough = judged.groupby("activity").agg(["all", "size"])
        shared = list(enough.index[enough["all"] & (enough["size"] == 2)])
        rows = []
        for names in [[name] for name in shared] + [shared] * (len(shared) > 1):
            made = mix_adjusted(both[both["activity"].isin(names)])
            row = made.table.set_index("unit").loc[self.unit]
            alone = row["crude"] if len(names) == 1 else row["adjusted"]
            rows.append({
                "activity": names[0] if len(names) == 1 else ALL, "own": alone, "all": alone / row["ratio"],
                **{name: 100 * row[name] for name in ("ratio", "low", "high")},
            })  # fmt: skip
        return pd.DataFrame(rows, columns=["activity", "own", "all", "ratio", "low", "high"])

    def mix_change(self) -> MixIndex | None:
        """Productivity of the desk's unit in the last year against the year before, the mix of cases held still."""
        work = self.work(2 * YEAR, unit=self.unit)
        if work["period_start"].nunique() < 2 * YEAR:
            return None
        work = work.assign(
            period=np.where(work["period_start"] > self.last_year, self.period[:7], f"{self.last_year:%Y-%m}")
        )
        total = work.groupby(["period", "activity"], as_index=False)[["cases", "hours"]].sum()
        return mix_index(total, f"{self.last_year:%Y-%m}") if total["period"].nunique() == 2 else None

    def days_to_finish(self, activity: str = "", by: Literal["span", "unit"] = "span") -> Durations | None:
        """How long cases took over the last year, those still open counted; None without cases enough.

        By ``span`` the desk's unit, ``now`` against the year ``before``; by ``unit`` the lowest units beside each other.
        The mean is of at most `HORIZON` days of a case, or of as many as cases were followed in every group.
        """
        rows = self.ages()
        if rows.empty:
            return None
        chosen = (
            rows["unit"] == self.unit if by == "span" else rows["unit"].isin(self.leaves()) & (rows["span"] == "now")
        )
        rows = rows[chosen & (rows["activity"] == (activity or self.scope))].rename(columns={by: "group"})
        if rows.empty or (by == "span" and "now" not in set(rows["group"])):
            return None
        made = durations_of(rows, horizon=HORIZON)
        beyond = [one.values["group"] for one in made.warnings if one.key == "warning.durations.beyond_follow_up"]
        followed = made.table.loc[made.table["group"].isin(beyond), "longest"]
        made = durations_of(rows, horizon=max(1.0, float(followed.min()))) if beyond else made
        return replace(made, verdict=mean_change(made, "now", "before")) if by == "span" else made

    # --- ahead ---

    def ladder(self) -> Ladder:
        """From gross to net hours of one årsværk next year, by the institution's parameters and calendar."""
        own, year = self.institution.capacity, self.at.year + 1
        days = [
            working_days(day, end_of(day, "month"), self.institution.calendar)
            for day in (date(year, m, 1) for m in range(1, 13))
        ]
        weekdays = int(np.busday_count(f"{year}-01-01", f"{year + 1}-01-01"))
        holidays = weekdays - sum(day for day in days if day) if all(days) else 0
        return Ladder(
            float(own.gross), float(own.holiday_days), float(own.special_days), float(holidays), float(own.sick_days), float(own.other_days),
            float(own.non_task_share), float(self.institution.calendar.hours_per_day),
        )  # fmt: skip

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
