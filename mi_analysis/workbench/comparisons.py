"""Cases, and whether units differ, or one has changed, by more than size, mix and chance: of released counts and hours."""

from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from mi_analysis.analysis.durations import Durations, durations_of, mean_change
from mi_analysis.analysis.funnel import Funnel, funnel
from mi_analysis.analysis.mix import MixAdjusted, MixIndex, mix_adjusted, mix_index
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.workbench.frames import Frame
from mi_analysis.workbench.lookup import KEY
from mi_analysis.workbench.report_tables import ReportTables
from mi_analysis.workbench.standing import IN_TIME

COUNTED_IN = {"kept_closed_pct": "closed_due", "kept_due_pct": "due", "kept_received_pct": "received_judged"}
"""What each share within deadline is a share of."""
YEAR = 12
CASES = (
    "received", "closed", "open_cases", "due", "kept_due_pct", "kept_closed_pct", "kept_received_pct", "case_days_median",
    "case_days_p90", "mean_open_age",
)  # fmt: skip
"""What `Comparisons.cases` tells of a month, as far as it is delivered."""
HORIZON = 180.0  # days of a case that its mean counts at most


class Comparisons(ReportTables):
    """Analyses of a unit against all others, of the lowest units against each other, and of a year against the one before."""

    def work(self, months: int = YEAR, activity: str = "", unit: str = "") -> pd.DataFrame:
        """unit, activity, period_start, cases (closed) and hours of the lowest units (or one), where both may be shown."""
        rows = self._monthly(self.released.values)
        rows = rows[rows["period_start"] > self.last_month - pd.DateOffset(months=months)]
        rows = rows[rows["unit"].isin([unit] if unit else self.leaves()) & ~rows["activity"].isin([ALL, NOT_PLACED])]
        rows = rows[rows["activity"] == activity] if activity else rows
        rows = rows[["unit", "activity", "period_start", "closed", "registered_hours"]]
        known = rows.rename(columns={"closed": "cases", "registered_hours": "hours"})
        known = known[known["hours"] >= 0]  # none, or a correction of an earlier month
        counted = known.groupby(["unit", "activity"])["cases"].transform("sum") > 0
        return known[counted].fillna({"cases": 0.0}).reset_index(drop=True)

    def in_time_funnel(self, activity: str = "") -> tuple[str, Funnel] | None:
        """Share within deadline of the lowest units over the last year, by how many cases it is of; None where there is none."""
        for measure in IN_TIME:
            rows = self._monthly(self.released.values, "r12")
            rows = rows[(rows["period_start"] == self.last_month) & (rows["activity"] == (activity or ALL))]
            rows = rows[rows["unit"].isin(self.leaves())]
            rows = rows.dropna(subset=[measure, COUNTED_IN[measure]])
            counts = np.round(rows[COUNTED_IN[measure]])  # of a split unit, shares of cases
            kept = np.round(rows[measure] / 100 * counts)
            units = pd.DataFrame({"unit": rows["unit"], "numerator": kept, "denominator": counts})
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
        year_before = self.last_month - pd.DateOffset(years=1)
        before, now = f"{year_before:%Y-%m}", f"{self.last_month:%Y-%m}"
        work = work.assign(period=np.where(work["period_start"] > year_before, now, before))
        total = work.groupby(["period", "activity"], as_index=False)[["cases", "hours"]].sum()
        return mix_index(total, before) if total["period"].nunique() == 2 else None

    def cases(
        self, activity: str = "", *, by: Literal["month", "age"] = "month", unit: str | None = None, months: int | None = None
    ) -> Frame:  # fmt: skip
        """What may be told of cases: counted by month, or by their age. No desk holds a single case.

        Parameters
        ----------
        activity
            A code, ``~`` for cases without activity, ``*`` for the total of all; blank: the desk's, else each in rows of its own.
        by
            ``month``: received, closed, open at the end, within deadline, days they took. ``age``: of the last year (span
            ``now``) and the one before, how many came under observation, were closed and left open at each day of age.
        months
            The last so many; without it all.

        Returns
        -------
        Frame
            unit, activity, period_start and a column per measure that is delivered, states in ``.states``; or unit,
            activity, span, day, entered, closed, open, where enough were closed and nothing of them is hidden.
        """
        chosen = activity or self.activity
        self._known(by=(by, ("month", "age")), activity=(chosen or ALL, self._activities))
        codes = [chosen] if chosen else [code for code in self._activities if code != ALL]
        words, code = self.words(), str(unit or self.unit)
        if by == "age":
            self._look(unit=code)
            ages = self.ages()
            ages = ages[(ages["unit"] == code) & ages["activity"].isin(codes)] if len(ages) else ages
            return self._framed(ages.reset_index(drop=True), words.text("frame.ages"), 0, code)
        names = [name for name in CASES if name in self.released.values and self.released.values[name].notna().any()]
        long = self._long(names, code, None, months=months)
        long = long[long["activity"].isin(codes)]
        told = long[~long["state"].isin(["missing", "not_applicable"])]
        rows = told[KEY[:3]].drop_duplicates().sort_values(KEY[1:3])
        wide, states = (
            long.pivot(index=KEY[:3], columns="measure", values=what).reindex(
                pd.MultiIndex.from_frame(rows), columns=names
            )
            for what in ("value", "state")
        )
        beside = {
            (row, name): str(state) for name in names for row, state in enumerate(states[name]) if state != "value"
        }
        hidden = sum(state == "hidden" for state in beside.values())
        wide = wide.reset_index().rename_axis(columns=None)
        return self._framed(wide, words.text("frame.cases"), hidden, code, states=beside)

    def days_to_finish(self, activity: str = "", by: Literal["span", "unit"] = "span") -> Durations | None:
        """How long cases took over the last year, those still open counted; None without cases enough.

        By ``span`` the desk's unit, ``now`` against the year ``before``; by ``unit`` the lowest units beside each other.
        The mean is of at most `HORIZON` days of a case, or of as many as cases were followed in every group.
        """
        rows = self.ages()
        if rows.empty:
            return None
        chosen = rows["unit"] == self.unit
        if by == "unit":
            chosen = rows["unit"].isin(self.leaves()) & (rows["span"] == "now")
        rows = rows[chosen & (rows["activity"] == (activity or self.scope))].rename(columns={by: "group"})
        if rows.empty or (by == "span" and "now" not in set(rows["group"])):
            return None
        made = durations_of(rows, horizon=HORIZON)
        beyond = [one.values["group"] for one in made.warnings if one.key == "warning.durations.beyond_follow_up"]
        followed = made.table.loc[made.table["group"].isin(beyond), "longest"]
        made = durations_of(rows, horizon=max(1.0, float(followed.min()))) if beyond else made
        return replace(made, verdict=mean_change(made, "now", "before")) if by == "span" else made
