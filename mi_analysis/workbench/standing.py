"""The standing questions of an institution: planned, answered once a run for all units, judged as two families."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import pandas as pd

from mi_analysis import register
from mi_analysis.analysis.answers import Answer, answers
from mi_analysis.analysis.association import associate, per_activity
from mi_analysis.model.schema import ALL
from mi_analysis.workbench.questions import EACH, GOAL, Questions, someone

EXPOSURES = ("overtime_per_fte", "sick_days_per_fte")
"""What the standing questions are about: the first that is delivered."""
IN_TIME = ("kept_closed_pct", "kept_due_pct", "kept_received_pct")
"""Share within deadline: of the month's own closings first, since they are that month's work."""


@dataclass(frozen=True)
class Study:
    """The standing questions: goal fulfilment (share in time, progress, goals assessed monthly), and hours per case.

    ``rare``: goal, name, grain and number assessed of the goals that are assessed less often than monthly, which are
    not fitted.
    """

    goals: tuple[Answer, ...] = ()
    productivity: tuple[Answer, ...] = ()
    rare: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["goal", "name", "grain", "assessed"]))

    def for_unit(self, unit: str) -> "Study":
        """The same without other units' rows."""
        goals, productivity = (tuple(a.for_unit(unit) for a in family) for family in (self.goals, self.productivity))
        return Study(goals, productivity, self.rare)

    def as_data(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        families = {name: [one.as_data() for one in getattr(self, name)] for name in ("goals", "productivity")}
        return families | {"rare": self.rare.to_dict("list")}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Study":
        """The study that `as_data` gave."""
        goals, productivity = (tuple(map(Answer.from_data, data[name])) for name in ("goals", "productivity"))
        return cls(goals, productivity, pd.DataFrame(data["rare"], columns=["goal", "name", "grain", "assessed"]))


class Standing(Questions):
    """The standing questions asked and answered."""

    def overtime_and_goals(self) -> Study:
        """The standing questions of the institution, planned and judged as two families; of a unit: its own rows only."""
        study = Study.from_data(self.handed) if self.handed is not None else self._study
        return study if self.unit == self.root else study.for_unit(self.unit)

    @cached_property
    def _study(self) -> Study:
        whole = replace(self, unit=self.root)
        study = whole.studied()
        if self.kept is not None:
            whole.note(study)
        return study

    def studied(self) -> Study:
        """The standing questions answered, not yet registered; none where no exposure is delivered."""
        standing = self.institution.standing_questions
        exposures = (standing.exposure,) if standing.exposure else EXPOSURES
        for name in (*filter(None, [standing.exposure]), *standing.outcomes):
            self.measure_named(name)
        exposure = next((name for name in exposures if self._any(name)), "")
        if not exposure:
            return Study()
        leaves, goals = self.leaves(), self.released.goals
        in_time = next((name for name in IN_TIME if self._any(name)), "")
        monthly = sorted(goals.loc[(goals["grain"] == "month") & goals["unit"].isin(leaves), "goal"].unique())
        outcomes = standing.outcomes or [in_time, "progress_pct", *(GOAL + goal for goal in monthly)]
        outcomes = [name for name in outcomes if name and (name.startswith(GOAL) or self._any(name))]
        fitted = {}
        for name in outcomes:
            if self._panel(name, exposure, ALL, leaves, "", 0)[0].empty:  # hidden, or never in the same month
                continue
            margin = self.institution.smallest_relevant.get(name)
            fitted[name] = self._associate(name, exposure, ALL, leaves, "", 0, margin)
        about = {"family": f"goals {self.last_month:%Y-%m}"}
        answered = [replace(one, outcome_name=self._name(one.outcome)) for one in answers(fitted, **about)]
        return Study(tuple(answered), self._productivity(exposure, leaves), self._rare(monthly))

    def _productivity(self, exposure: str, units: Sequence[str]) -> tuple[Answer, ...]:
        """Hours per case: one fit per activity, then one over activities."""
        if not self._any("hours_per_case"):
            return ()
        frame, left_out = self._panel("hours_per_case", exposure, EACH, units, "", 0)
        if frame.empty:
            return ()
        options: dict[str, Any] = {"parts": self.catalogue, "step": self.catalogue[exposure].step}
        fitted = {str(name): one for name, one in per_activity(frame, "hours_per_case", exposure, **options).items()}
        fitted[EACH] = associate(frame, "hours_per_case", exposure, activity="activity", left_out=left_out, **options)
        family = answers(fitted, family=f"productivity {self.last_month:%Y-%m}")
        return tuple(replace(one, activity=name) for name, one in zip(fitted, family, strict=True))

    def _rare(self, monthly: Sequence[str]) -> pd.DataFrame:
        goals = self.released.goals
        rows = goals[~goals["goal"].isin(monthly) & goals["grain"].isin(["quarter", "year"])]
        found = rows.groupby(["goal", "grain"], as_index=False).agg(
            name=("name", "first"), assessed=("degree", "count")
        )
        return found[["goal", "name", "grain", "assessed"]]

    def note(self, study: Study) -> None:
        """Write the standing questions and what came out in the register."""
        if self.kept is None:
            return
        for one in (*study.goals, *study.productivity):
            filters = {
                "units": "lowest level",
                "activity": one.activity,
                "until": f"{self.last_month:%Y-%m}",
                "audience": self.released.audience,
            }
            identity = register.ask(
                self.kept, who=someone(), outcome=one.outcome, exposure=one.exposure, filters=filters, kind="planned", family=one.family,
                margin=self.institution.smallest_relevant.get(one.outcome),
            )  # fmt: skip
            p, estimate, lo, hi = (one.numbers.get(name) for name in ("p", "estimate", "lo", "hi"))
            register.answer(
                self.kept, identity, p=p, estimate=estimate, interval=(lo, hi), scale=one.scale, verdict=one.verdict.key
            )
