"""Questions to the figures: whether an outcome goes together with an exposure, month by month within units.

A question is written in the register before it is answered, with the smallest relevant difference. It is answered from
released cells only, and says how many unit-periods are left out because they are hidden.
"""

import getpass
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import pandas as pd

from mi_analysis import register
from mi_analysis.analysis.answers import Answer, answer
from mi_analysis.analysis.association import Association, associate, shared_parts
from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.multiplicity import ONE_OF_MANY, lost_among_many
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.parameters import Problem, WrongUse
from mi_analysis.reporting import verdicts
from mi_analysis.reporting.presentation import message
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.charts import SHARES
from mi_analysis.workbench.frames import Frame, unknown
from mi_analysis.workbench.lookup import valid_at
from mi_analysis.workbench.report_tables import ReportTables

EACH = "each"
"""Instead of an activity's code: one fit over all activities, with effects for each."""
GOAL = "goal:"
"""Before a goal's number: its degree of fulfilment, not capped, in per cent."""
RELEASED_AS = {"overtime_fte": "fte", "sick_fte": "fte", "overtime_norm": "norm_hours", "sick_norm": "norm_hours"}
"""Components that are released under a measure's name."""
KEYS = ["unit", "activity", "period_start"]
NUMBERS = ["estimate", "lo", "hi", "margin", "p", "p_adjusted"]
ASKED = [
    "kind", "group", "number", "of", "question", "outcome", "exposure", "about", "since", "until", "lag", "asked_at", "times", "scale",
    *NUMBERS, "says",
]  # fmt: skip
"""Columns of `Questions.questions_asked`."""


@dataclass(frozen=True, eq=False, repr=False)
class Asked(Answer):
    """The answer to a question asked at a desk, which shows itself as its sentences, in the institution's language."""

    title: str = ""
    said: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([self.title, *self.said])

    def _repr_html_(self) -> str:
        return message(self.said, title=self.title).html


class Questions(ReportTables):
    """Associations between released figures."""

    def ask(
        self, outcome: str, exposure: str, *, activity: str = ALL, units: Sequence[str] = (), level: str = "", since: str = "",
        lag: int = 0, margin: float | None = None, planned: str = "", question: str = "", who: str = "",
    ) -> Asked:  # fmt: skip
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
        units = [units] if isinstance(units, str) else units
        chosen = self._chosen(units, level)
        margin = self.institution.smallest_relevant.get(outcome) if margin is None else margin
        for name, value in (("lag", lag), ("margin", margin)):
            if value is not None and not (isinstance(value, Real) and 0 <= value < float("inf")):
                raise WrongUse(Problem(name, f"is {value}.", "Write a number from 0 up."))
        if since and not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", since):
            raise WrongUse(Problem("since", f"'{since}' is not a month.", "Write one such as 2024-01."))
        self._outcome_known(outcome, exposure, activity)
        filters = {
            "units": list(units) or level or "lowest level", "activity": activity, "since": since, "until": f"{self.last_month:%Y-%m}", "lag": lag,
            "audience": "public" if self.released.audience == "public" else "internal",  # a unit's manager sees the same
        }  # fmt: skip
        kind: register.Kind = "planned" if planned else "exploratory"
        identity = register.ask(
            self.kept, who=who or someone(), outcome=outcome, exposure=exposure, filters=filters, kind=kind, family=planned,
            margin=margin, question=question,
        )  # fmt: skip
        stated = register.read(self.kept).hypotheses[identity]
        try:
            found_as = self._associate(outcome, exposure, activity, chosen, since, lag, stated.margin)
        except (BadInput, WrongUse) as error:
            register.answer(self.kept, identity, failed=str(error))
            raise error if isinstance(error, WrongUse) else WrongUse(Problem("ask", str(error))) from error
        register.answer(
            self.kept, identity, p=found_as.p, estimate=found_as.estimate, interval=found_as.interval, scale=found_as.scale,
            verdict=found_as.verdict.key,
        )  # fmt: skip
        asked = register.read(self.kept)
        adjusted = asked.adjusted(stated.family)
        among = len(asked.family(stated.family)) + len(asked.damaged)
        found = answer(
            found_as, adjusted[identity], among, kind=stated.kind, family=stated.family, activity=activity, lag=lag, outcome_name=self._name(outcome),
            place=asked.numbered()[identity] if stated.kind == "exploratory" else None,
        )  # fmt: skip
        words = self.words()
        title = question or words.text("answer.question", **verdicts.terms(found, words))
        return Asked(**vars(found), title=title, said=tuple(verdicts.answered(found, words, self.unit_label)))

    def questions_asked(self, language: str = "") -> Frame:
        """The register, newest question first: a row per question, as it is to be judged now, among all asked since.

        Returns
        -------
        Frame
            kind (planned or exploratory), group (quarter first asked in, or planned family), number and of (in the group),
            question, outcome, exposure, about (activity and units in words), since, until, lag, asked_at, times, scale,
            estimate, lo, hi, margin (smallest relevant difference), p, p_adjusted, says (key of the verdict; "" if none came).
        """
        kept, words = register.read(self.kept) if self.kept else register.Register(), self.words(language)
        adjusted = {
            name: p
            for family in {one.family for one in kept.hypotheses.values()}
            for name, p in kept.adjusted(family).items()
        }
        rows = []
        numbered = kept.numbered()
        for one in reversed(list(kept.hypotheses.values())):
            (group, number, of), p = numbered[one.id], None if one.p is None else adjusted[one.id]
            many = p is not None and lost_among_many(one.verdict, p)
            rows.append({
                **vars(one), "group": group, "number": number, "of": of, "about": self._about(one.filters, words),
                **{key: one.filters.get(key, "") for key in ("since", "until")}, "lag": one.filters.get("lag", 0),
                "times": one.times_asked, "p_adjusted": p, "says": ONE_OF_MANY if many else one.verdict,
            })  # fmt: skip
        frame = pd.DataFrame(rows, columns=ASKED).astype(dict.fromkeys(NUMBERS, float))
        what = words.text("register.asked", damaged=words.number(len(kept.damaged)))
        return Frame(frame, words.text("frame.rows", n=words.number(len(frame)), what=what))

    def _about(self, filters: Mapping[str, Any], words: Words) -> str:
        """Activity and units that a question is about, in words; blank is the lowest units as a whole."""
        activity, units = filters.get("activity", ALL), filters.get("units", "")
        named = [
            words.lower(words.text("answer.each"))
            if activity == EACH
            else self.activity_label(activity, words.language)
        ]
        units = [] if units == "lowest level" else [units] if isinstance(units, str) else map(self.unit_label, units)
        return ", ".join([*(named if activity != ALL else []), *units])

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
        there = self.released.values
        if lacking := [name for columns in both for name, column in columns.items() if column not in there]:
            alone = f"{', '.join(lacking)} is not released by itself, so that the parts cannot be fitted."
            what = f"both contain {', '.join(shared)}, and {alone}"
            raise WrongUse(Problem(f"{outcome}, {exposure}", what, "Choose measures that count different things."))
        return both[0], both[1]

    def _side(self, measure: str, parts: Mapping[str, str], activity: str, units: Sequence[str]) -> pd.DataFrame:
        """unit, activity, period_start, the measure, its parts and its state, up to the desk's month."""

        def chosen(rows: pd.DataFrame) -> pd.DataFrame:
            rows = self._monthly(rows)
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
        rows = rows[(rows["goal"] == outcome.removeprefix(GOAL)) & (rows["grain"] == "month")]
        rows = rows[rows["unit"].isin(list(units))]
        rows = rows[pd.to_datetime(rows["period_start"]) <= self.last_month]
        weight = rows["weight"].fillna(1).where(rows["degree"].notna())
        rows = rows.assign(weight=weight, points=100 * rows["degree"] * weight, hidden=rows["status"] == "hidden")
        sums = rows.groupby(["unit", "period_start"], as_index=False)[["points", "weight"]].sum()
        hidden = rows.groupby(["unit", "period_start"])["hidden"].any().to_numpy()
        sums[outcome] = sums["points"] / sums["weight"].where(sums["weight"] > 0)
        state = (
            pd.Series(None, sums.index, dtype=object).mask(sums[outcome].isna(), "not_assessed").mask(hidden, "hidden")
        )
        return sums.assign(activity=ALL, state=state)[[*KEYS, outcome, "state"]]

    # --- names ---

    def _any(self, measure: str) -> bool:
        """Whether any month of any unit has a value that may be shown."""
        rows = self._monthly(self.released.values)
        return measure in rows and bool(rows[measure].notna().any())

    def _chosen(self, units: Sequence[str], level: str) -> list[str]:
        valid = self.units[valid_at(self.units, self.last_month)]
        known, levels = sorted(valid["unit"].unique()), sorted(valid["level"].dropna().unique())
        wrong = [unknown("unit", unit, "a unit", known, "desk.units") for unit in units if unit not in known]
        if level and level not in levels:
            wrong.append(unknown("level", level, "a level", levels))
        if wrong:
            raise WrongUse(*wrong)
        return list(units) or (list(valid.loc[valid["level"] == level, "unit"].unique()) if level else self.leaves())

    def _outcome_known(self, outcome: str, exposure: str, activity: str) -> None:
        goals, of_goal = sorted(self.released.goals["goal"].unique()), outcome.startswith(GOAL)
        codes = [ALL, EACH, *self.activities["activity"]]
        wrong = self.not_measures([exposure] if of_goal else [outcome, exposure])
        if of_goal and outcome.removeprefix(GOAL) not in goals:
            wrong.append(unknown("outcome", outcome, "a goal", [GOAL + one for one in goals], "desk.goals()"))
        if activity not in codes:
            wrong.append(unknown("activity", activity, "an activity", codes, "desk.activities"))
        if outcome == exposure:
            wrong.append(Problem("exposure", f"'{exposure}' is the outcome itself.", "Choose another measure."))
        if wrong:
            raise WrongUse(*wrong)
        if activity != ALL and not of_goal and not self.catalogue[outcome].per_activity:
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
