"""Questions to the figures: whether an outcome goes together with an exposure, month by month within units.

A question is written in the register before it is answered, with the smallest relevant difference. It is answered from
released cells only, and says how many unit-periods are left out because they are hidden.
"""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mi_analysis import register
from mi_analysis.analysis.answers import Answer, answer, answers
from mi_analysis.analysis.association import Association, associate, per_activity, shared_parts
from mi_analysis.analysis.basis import BadInput
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.parameters import Problem, WrongUse, nearest
from mi_analysis.workbench.figures import SHARES, valid_at
from mi_analysis.workbench.summaries import Summaries

EACH = "each"
"""Instead of an activity's code: one fit over all activities, with effects for each."""
GOAL = "goal:"
"""Before a goal's number: its degree of fulfilment, not capped, in per cent."""
RELEASED_AS = {"overtime_fte": "fte", "sick_fte": "fte", "overtime_norm": "norm_hours", "sick_norm": "norm_hours"}
"""Components that are released under a measure's name."""
EXPOSURES = ("overtime_per_fte", "sick_days_per_fte")
"""What the standing questions are about: the first that is delivered."""
IN_TIME = ("kept_closed_pct", "kept_due_pct", "kept_received_pct")
"""Share within deadline: of the month's own closings first, since they are that month's work."""
KEYS = ["unit", "activity", "period_start"]


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
        goals, productivity = (
            tuple(one.for_unit(unit) for one in family) for family in (self.goals, self.productivity)
        )
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


class Questions(Summaries):
    """Associations between released figures."""

    def ask(
        self, outcome: str, exposure: str, *, activity: str = ALL, units: Sequence[str] = (), level: str = "", since: str = "",
        lag: int = 0, margin: float | None = None, planned: str = "", question: str = "", who: str = "",
    ) -> Answer:  # fmt: skip
        """Ask whether ``outcome`` goes together with ``exposure``; the question is registered, then answered.

        Parameters
        ----------
        outcome, exposure
            Measures; ``goal:1.1`` is a goal's degree of fulfilment.
        activity
            A code; ``*`` is units as a whole, ``each`` one fit over all activities.
        units, level
            Which units; without either, those of the lowest level.
        since
            First month (``2024-01``); the last is the desk's.
        lag
            Months by which the exposure comes first.
        margin
            Smallest relevant difference in the outcome's unit; without it what the institution's parameters say.
        planned
            Name of the planned family; blank: exploratory, judged among all exploratory questions ever asked.

        Raises
        ------
        WrongUse
            An unknown name, or figures that no honest answer can be made of (registered as failed).
        """
        if self.kept is None:
            raise WrongUse(Problem("ask", "cannot be registered from a unit's slice.", "Open the institution itself."))
        chosen = self._chosen(units, level)
        margin = self.institution.smallest_relevant.get(outcome) if margin is None else margin
        for name, least in (("lag", 0), ("margin", 0)):
            if (value := {"lag": lag, "margin": margin}[name]) is not None and not 0 <= value < float("inf"):
                raise WrongUse(Problem(name, f"is {value}.", f"Write a number from {least} up."))
        self._outcome_known(outcome, activity)
        self.measure_named(exposure)
        filters = {
            "units": list(units) or level or "lowest level", "activity": activity, "since": since, "until": self.period[:7], "lag": lag,
            "audience": self.released.audience,
        }  # fmt: skip
        kind: register.Kind = "planned" if planned else "exploratory"
        identity = register.ask(
            self.kept, who=who or someone(), outcome=outcome, exposure=exposure, filters=filters, kind=kind, family=planned,
            margin=margin, question=question,
        )  # fmt: skip
        stated = register.read(self.kept).hypotheses[identity]
        try:
            found = self._associate(outcome, exposure, activity, chosen, since, lag, stated.margin)
        except (BadInput, WrongUse) as error:
            register.answer(self.kept, identity, failed=str(error))
            raise error if isinstance(error, WrongUse) else WrongUse(Problem("ask", str(error))) from error
        register.answer(self.kept, identity, p=found.p, estimate=found.estimate, verdict=found.verdict.key)
        asked = register.read(self.kept)
        adjusted = asked.adjusted(stated.family)
        among = len(asked.family(stated.family)) + len(asked.damaged)
        about = {
            "kind": stated.kind,
            "family": stated.family,
            "activity": activity,
            "outcome_name": self._name(outcome),
        }
        return answer(found, adjusted[identity], among, **about)

    def questions_asked(self) -> pd.DataFrame:
        """The exploratory questions so far: outcome, exposure, asked_at, p, p_adjusted, says (a verdict, "" if none came)."""
        kept = register.read(self.kept) if self.kept else register.Register()
        adjusted = kept.adjusted(register.EXPLORATORY)
        rows = [
            (
                one.outcome,
                one.exposure,
                one.asked_at[:10],
                one.p,
                adjusted[one.id] if one.p is not None else None,
                one.verdict,
            )
            for one in kept.family(register.EXPLORATORY)
        ]
        frame = pd.DataFrame(rows, columns=["outcome", "exposure", "asked_at", "p", "p_adjusted", "says"])
        return frame.astype({"p": float, "p_adjusted": float})

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
        about = {"family": f"goals {self.period[:7]}"}
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
        family = answers(fitted, family=f"productivity {self.period[:7]}")
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
                "until": self.period[:7],
                "audience": self.released.audience,
            }
            identity = register.ask(
                self.kept, who=someone(), outcome=one.outcome, exposure=one.exposure, filters=filters, kind="planned", family=one.family,
                margin=self.institution.smallest_relevant.get(one.outcome),
            )  # fmt: skip
            p, estimate = (one.numbers.get(name) for name in ("p", "estimate"))
            register.answer(self.kept, identity, p=p, estimate=estimate, verdict=one.verdict.key)

    # --- the panel ---

    def _associate(
        self, outcome: str, exposure: str, activity: str, units: Sequence[str], since: str, lag: int, margin: float | None
    ) -> Association:  # fmt: skip
        frame, left_out = self._panel(outcome, exposure, activity, units, since, lag)
        if frame.empty:
            raise BadInput("No month of any unit has both measures; choose other units, months or measures.")
        step = self.catalogue[exposure].step
        bounds = (0.0, 100.0) if outcome in SHARES else None
        blocks = "activity" if activity == EACH else None
        return associate(
            frame, outcome, exposure, activity=blocks, step=step, margin=margin or None, bounds=bounds, parts=self.catalogue, left_out=left_out
        )  # fmt: skip

    def _panel(
        self, outcome: str, exposure: str, activity: str, units: Sequence[str], since: str, lag: int
    ) -> tuple[pd.DataFrame, dict[str, int]]:
        """Rows of outcome, exposure and the parts they share, and the rows left out because they are hidden or cannot be."""
        parts = self._parts(outcome, exposure)
        own = self._goal(outcome, units) if outcome.startswith(GOAL) else self._side(outcome, parts[0], activity, units)
        there = activity if activity != ALL and self.catalogue[exposure].per_activity else ALL
        other = self._side(exposure, parts[1], there, units)
        other["period_start"] = other["period_start"] + pd.DateOffset(months=lag)
        keys = KEYS if there == activity else ["unit", "period_start"]
        other = other.drop(columns=[name for name in ("activity",) if name not in keys])
        other = other[[name for name in other if name in (*keys, "state") or name not in own]]
        frame = own.merge(other, on=keys, how="left", suffixes=("", "_other"))
        states = frame[["state", "state_other"]]
        frame = frame[frame["period_start"] >= (pd.Timestamp(since) if since else pd.Timestamp.min)]
        states = states.loc[frame.index]
        hidden = (states == "hidden").any(axis=1)
        cannot = ~hidden & states.isin(["not_applicable", "not_assessed"]).any(axis=1)
        counts = {"hidden": int(hidden.sum()), "not_applicable": int(cannot.sum())}
        frame = frame[~hidden & ~cannot].drop(columns=["state", "state_other"])
        return frame.reset_index(drop=True), {name: count for name, count in counts.items() if count}

    def _parts(self, outcome: str, exposure: str) -> tuple[dict[str, str], dict[str, str]]:
        """Columns for the parts of the two, by component; empty where they share none."""
        shared = () if outcome.startswith(GOAL) else shared_parts(outcome, exposure, self.catalogue)
        if not shared:
            return {}, {}
        both = [
            {name: RELEASED_AS.get(name, name) for name in self.catalogue[one].components}
            for one in (outcome, exposure)
        ]
        lacking = [
            name for columns in both for name, released in columns.items() if released not in self.released.values
        ]
        if lacking:
            raise WrongUse(
                Problem(
                    f"{outcome}, {exposure}",
                    f"both contain {', '.join(shared)}, and {', '.join(lacking)} is not released by itself, so that the parts cannot be fitted.",
                    "Choose measures that count different things.",
                )
            )
        return both[0], both[1]

    def _side(self, measure: str, parts: Mapping[str, str], activity: str, units: Sequence[str]) -> pd.DataFrame:
        """unit, activity, period_start, the measure, its parts and its state, up to the desk's month."""

        def chosen(rows: pd.DataFrame) -> pd.DataFrame:
            rows = rows[(rows["grain"] == "month") & (rows["window"] == "month") & (rows["period_start"] <= self.at)]
            rows = rows[rows["unit"].isin(list(units))]
            alone = rows["activity"] == activity
            return rows[~rows["activity"].isin([ALL, NOT_PLACED]) if activity == EACH else alone]

        if measure not in self.released.values:
            raise BadInput(f"{measure} has not been delivered.")
        rows = chosen(self.released.values)
        frame = rows[[*KEYS, measure]].assign(**{part: rows[column] for part, column in parts.items()})
        frame.loc[frame[measure].isna(), list(parts)] = None  # a ratio that is withheld is not rebuilt from its parts
        states = self.released.states
        told = chosen(states[states["measure"] == measure])
        return frame.merge(told[[*KEYS, "state"]], on=KEYS, how="left")

    def _goal(self, outcome: str, units: Sequence[str]) -> pd.DataFrame:
        """A goal's degree per unit and month; of units that were merged, the mean by weight."""
        rows = self.released.goals
        rows = rows[
            (rows["goal"] == outcome.removeprefix(GOAL)) & (rows["grain"] == "month") & rows["unit"].isin(list(units))
        ]
        rows = rows[pd.to_datetime(rows["period_start"]) <= self.at]
        weight = rows["weight"].fillna(1).where(rows["degree"].notna())
        rows = rows.assign(weight=weight, points=100 * rows["degree"] * weight, hidden=rows["status"] == "hidden")
        sums = rows.groupby(["unit", "period_start"], as_index=False)[["points", "weight"]].sum()
        hidden = rows.groupby(["unit", "period_start"])["hidden"].any().to_numpy()
        sums[outcome] = sums["points"] / sums["weight"].where(sums["weight"] > 0)
        state = (
            pd.Series(None, index=sums.index, dtype=object)
            .mask(sums[outcome].isna(), "not_assessed")
            .mask(hidden, "hidden")
        )
        return sums.assign(activity=ALL, state=state)[[*KEYS, outcome, "state"]]

    # --- names ---

    def _any(self, measure: str) -> bool:
        """Whether any month of any unit has a value that may be shown."""
        rows = self.released.values
        rows = rows[(rows["window"] == "month") & (rows["grain"] == "month") & (rows["period_start"] <= self.at)]
        return measure in rows and bool(rows[measure].notna().any())

    def _chosen(self, units: Sequence[str], level: str) -> list[str]:
        valid = self.units[valid_at(self.units, self.at)]
        known, levels = sorted(valid["unit"].unique()), sorted(valid["level"].dropna().unique())
        wrong = [
            Problem("unit", f"'{unit}' is not a unit.", nearest(unit, known)) for unit in units if unit not in known
        ]
        if level and level not in levels:
            wrong.append(Problem("level", f"'{level}' is not a level.", nearest(level, levels)))
        if wrong:
            raise WrongUse(*wrong)
        return list(units) or (list(valid.loc[valid["level"] == level, "unit"].unique()) if level else self.leaves())

    def _outcome_known(self, outcome: str, activity: str) -> None:
        if outcome.startswith(GOAL):
            known = sorted(self.released.goals["goal"].unique())
            if outcome.removeprefix(GOAL) not in known:
                raise WrongUse(
                    Problem("outcome", f"'{outcome}' is not a goal.", nearest(outcome, [GOAL + one for one in known]))
                )
            return
        self.measure_named(outcome)
        codes = [ALL, EACH, *self.activities["activity"]]
        if activity not in codes:
            raise WrongUse(Problem("activity", f"'{activity}' is not an activity.", nearest(activity, codes)))
        if activity != ALL and not self.catalogue[outcome].per_activity:
            raise WrongUse(Problem("activity", f"'{outcome}' exists for units only.", "Leave the activity out."))

    def _name(self, outcome: str) -> str:
        """Name of a goal; blank for a measure, whose words are known."""
        rows = self.released.goals
        rows = rows[rows["goal"] == outcome.removeprefix(GOAL)] if outcome.startswith(GOAL) else rows.head(0)
        return str(rows["name"].iloc[-1]) if len(rows) else ""


def someone() -> str:
    """Who is asking: the account's name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # an account without a name, as in a container
        return "unknown"


def register_of(folder: Path) -> Path:
    """The file of questions asked of an institution, below its outputs."""
    return folder / "kept" / "hypotheses.jsonl"
