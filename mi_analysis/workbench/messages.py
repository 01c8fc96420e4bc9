"""What a report says in sentences: the key messages, and the figures that need an explanation, with those given."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from mi_analysis.analysis.basis import Sentence
from mi_analysis.measures.catalogue import Measure
from mi_analysis.reporting.tables import NO_SIGNAL, TONE_OF_STATUS, tone_of_signal
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.report_tables import KEY_FIGURES, ReportTables

MESSAGE_FIGURES = (
    "overtime_per_fte", "sick_days_per_fte", "closed", "open_cases", "case_days_median", "kept_due_pct", "hours_per_case",
)  # fmt: skip
UNMET = ("partly", "not_met")
"""Goals with one of these have to be explained."""
EXPLANATION = ["measure", "figure", "domain", "why"]


class Messages(ReportTables):
    """Sentences on a unit, and what it owes a word on: a deviation above the limit, an unmet goal, a signal."""

    def key_messages(self) -> list[Sentence]:
        """The three things to know: budget, goals, and the clearest change since last year.

        Each has the values of its sentence, its ``tone``, and in ``also`` what follows from it.
        """
        changes = self._changes() or self._recent()
        found = [found for found in (self._budget_message(), self._goal_message(), *changes) if found][:3]
        return found or ([Sentence("message.nothing_compared", {})] if len(self.key_figures()[0]) else [])

    def _budget_message(self) -> Sentence | None:
        deviation, state = self.value("deviation", window="ytd")
        share, _ = self.value("deviation_pct", window="ytd")
        if deviation is None or share is None:
            return None
        limit = self.deviation_limit()
        comment = abs(deviation) > limit
        also = [self.explained("deviation") or Sentence("verdict.budget.comment", {"limit_amount": limit})] * comment
        also += [Sentence("message.incomplete", {})] if state == "incomplete" else []
        key = "verdict.budget.over" if deviation > 0 else "verdict.budget.under"
        tone = "attention" if comment else "plain"
        return Sentence(key, {"amount": abs(deviation), "pct": abs(share), "tone": tone, "also": also})

    def _goal_message(self) -> Sentence | None:
        goals = self.goals()
        degree, _ = self.value("goal_degree", window="ytd")
        if not len(goals) or degree is None:
            return None
        counts = {str(status): int(n) for status, n in goals["status"].value_counts().items()}
        tone = "bad" if "not_met" in counts else "attention" if "partly" in counts else "good"
        values = {"n": len(goals), "counts": counts, "degree": degree, "tone": tone}
        weights = goals.loc[goals["status"] != "not_assessed", "weight"]
        values["weight"] = float(weights.fillna(1).sum())
        key = "message.goals" if len(goals) > 1 else "message.goal"
        return Sentence(key if weights.notna().any() else f"{key}_alike", values)

    def _changes(self, names: Sequence[str] = ()) -> list[Sentence]:
        """Signals of the key figures first, then the largest relative changes of the year to date."""
        found = []
        for name in names or self.institution.key_figures or MESSAGE_FIGURES:
            now, state = self.value(name, window="ytd")
            before, then = self.value(name, window="ytd", at=self.at_of(name, years=1))
            if now is None or not before or "incomplete" in (state, then):
                continue
            signal = "none" if self.grain == "year" else self.signal(name)
            key = "message.change_stock" if self.catalogue[name].kind == "stock" else "message.change"
            key = "message.change_year" if self.grain == "year" else key
            found.append(
                (signal in NO_SIGNAL, -abs(now / before - 1), changing(key, self.catalogue[name], now, before, signal))
            )
        return [sentence for *_, sentence in sorted(found, key=lambda item: item[:2])]

    def _recent(self) -> list[Sentence]:
        """Without a year before: cases in and out to date, and the newest month against the year to date."""
        flow = {name: self.value(name, window="ytd")[0] for name in ("received", "closed", "open_cases")}
        found = [Sentence("message.flow", {f"rows_{name}": int(n) for name, n in flow.items() if n is not None})]
        found = found if self.has_cases and None not in flow.values() else []
        for name in ("kept_due_pct", "case_days_median", "hours_per_case"):
            (now, _), (before, _) = self.value(name), self.value(name, window="ytd")
            if now is not None and before:
                found.append(changing("message.month", self.catalogue[name], now, before, self.signal(name)))
        return found

    # --- explanations ---

    def deviation_limit(self) -> float:
        """Deviation from budget to date above which an explanation is required, either way."""
        limits, (budget, _) = self.institution.limits, self.value("budget", window="ytd")
        return max(limits.deviation_share * abs(budget or 0), limits.deviation_amount)

    def given(self) -> pd.DataFrame:
        """Explanations that the unit gave for the period: measure (or goal), text, role, date."""
        own = self.comments[(self.comments["unit"] == self.unit) & (self.comments["period"] == self.period[:7])]
        return own[["measure", "text", "role", "date"]]

    def explained(self, measure: str) -> Sentence | None:
        """The explanation given for a figure, as a sentence."""
        rows = self.given()
        rows = rows[rows["measure"] == measure]
        if not len(rows):
            return None
        one = {str(name): value for name, value in rows.iloc[-1].dropna().items()}
        return Sentence("message.explained" if {"role", "date"} <= set(one) else "message.explained_only", one)

    def explanations(self, language: str = "da") -> pd.DataFrame:
        """A row per figure that needs an explanation, with the newest one given for the period.

        Returns
        -------
        DataFrame
            Columns measure (a measure's name or a goal's number), figure (in words), domain, why (in
            words), text (null: missing), role, date. Only released figures are asked about.
        """
        words = self.words(language)
        rows = [
            {"measure": name, "figure": words.measure(name), "domain": self.catalogue[name].domain, "why": why}
            for name, why in self._figures_to_explain(words)
        ]
        goals = self.goals()
        unmet = goals[goals["status"].isin(UNMET)]
        rows += [
            {"measure": goal["goal"], "figure": f"{goal['goal']} {goal['name'] or ''}".strip(), "domain": "strategy",
             "why": words.text(f"status.{goal['status']}")}
            for goal in unmet.to_dict("records")
        ]  # fmt: skip
        if self.released.audience == "public":
            rows = []  # what units write is not for the public, so nothing is said to be missing either
        return pd.DataFrame(rows, columns=EXPLANATION).merge(self.given(), on="measure", how="left")

    def marked(self, units: pd.DataFrame, language: str = "da") -> pd.DataFrame:
        """The frame of `units_table` with a column ``<measure>_mark`` each: tone and word, null where nothing is to be said."""
        words, names = self.words(language), [name for name in units.columns if name in self.catalogue]
        places = [replace(self, unit=code) for code in units["code"]]
        marks = {f"{name}_mark": [place._mark(name, words) for place in places] for name in names}
        return units.assign(**{name: pd.Series(found, dtype=object) for name, found in marks.items()})

    def _mark(self, name: str, words: Words) -> tuple[str, str] | None:
        if name == "deviation_pct":
            deviation, _ = self.value("deviation", window="ytd")
            large = abs(deviation or 0) > self.deviation_limit()
            return ("attention", words.lower(words.deviation_word(deviation))) if large else None
        if name == "goal_degree":
            found = set(self.goals()["status"])
            worst = next((status for status in ("not_met", "partly", "met") if status in found), "")
            return (TONE_OF_STATUS[worst], words.lower(words.text(f"status.{worst}"))) if worst else None
        signal = self.signal(name) if "month" in self.catalogue[name].windows else "none"
        if signal in NO_SIGNAL:
            return None
        tone = tone_of_signal(signal, self.catalogue[name])
        return "attention" if tone == "plain" else tone, words.lower(words.text(f"signal.{signal}"))

    def _figures_to_explain(self, words: Words) -> list[tuple[str, str]]:
        """Measures with why, in words."""
        limit, (deviation, _) = self.deviation_limit(), self.value("deviation", window="ytd")
        found: dict[str, str] = {}
        if abs(deviation or 0) > limit:
            found["deviation"] = words.text("explain.deviation", limit=words.money(limit))
        for name in map(self.shown_instead, KEY_FIGURES):
            signal = self.signal(name) if "month" in self.catalogue[name].windows else "none"
            if signal not in NO_SIGNAL:
                why = words.lower(words.text(f"signal.{signal}"))
                found.setdefault(name, words.text("explain.signal", signal=why))
        return list(found.items())


def changing(key: str, measure: Measure, now: float, before: float, signal: str) -> Sentence:
    """A sentence on a change; it has a tone where the newest month has a signal and a direction is better."""
    change = {"change_points": now - before} if measure.unit == "pct" else {"change": now / before - 1}
    about = {"measure": measure.name, "value": now, "before": before, "signal": signal}
    return Sentence(key, about | change | {"tone": tone_of_signal(signal, measure)})
