"""Figures that need an explanation, and the explanations that were given."""

from dataclasses import replace

import pandas as pd

from mi_analysis.reporting.tables import TONE_OF_STATUS
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.summaries import KEY_FIGURES, NO_SIGNAL, Summaries

UNMET = ("partly", "not_met")
"""Goals with one of these have to be explained."""
EXPLANATION = ["measure", "figure", "domain", "why"]


class Explanations(Summaries):
    """What a unit owes a word on: a deviation above the limit, an unmet goal, a signal in the newest month."""

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
            {"measure": name, "figure": words.measure(name), "domain": self.catalogue[name].domain,
             "why": why}
            for name, why in self._figures_to_explain(words)
        ]  # fmt: skip
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
        better = {"higher": "up", "lower": "down"}.get(self.catalogue[name].direction, "-")
        tone = "good" if signal.endswith(better) else "attention"
        return tone, words.lower(words.text(f"signal.{signal}"))

    def _figures_to_explain(self, words: Words) -> list[tuple[str, str]]:
        """Measures with why, in words."""
        limit, (deviation, _) = self.deviation_limit(), self.value("deviation", window="ytd")
        found = (
            [("deviation", words.text("explain.deviation", limit=words.money(limit)))]
            if abs(deviation or 0) > limit
            else []
        )
        for name in map(self.shown_instead, KEY_FIGURES):
            signal = self.signal(name) if "month" in self.catalogue[name].windows else "none"
            if signal not in NO_SIGNAL and name not in [one for one, _ in found]:
                why = words.lower(words.text(f"signal.{signal}"))
                found.append((name, words.text("explain.signal", signal=why)))
        return found
