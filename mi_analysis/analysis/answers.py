"""An answer as it is handed on: an association judged as one of several questions, with each unit's own slope.

A unit's report shows the institution's estimate, its own slope after pooling, and its own points; `for_unit` keeps
only those. `as_data` and `from_data` carry an answer as plain values, so that a run computes it once for all reports.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pandas as pd

from mi_analysis.analysis.association import Association, in_family
from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.multiplicity import adjust
from mi_analysis.analysis.pooling import pool_slopes

CLAIMS = ("verdict.assoc.clear_neg", "verdict.assoc.clear_pos", "verdict.assoc.small", "verdict.assoc.equivalent")
NAMING_UNITS = ("what", "units")
"""Values of a sentence that name units."""
OTHER_UNIT = "*"
"""Stands for a unit whose name this reader does not get."""
SLOPES = ["unit", "own", "own_lo", "own_hi", "pooled", "lo", "hi"]
POINTS = ["unit", "period_start", "outcome", "exposure", "outcome_left", "exposure_left"]


@dataclass(frozen=True, eq=False)
class Answer:
    """One question's answer.

    Attributes
    ----------
    activity
        Code, "*" for units as a whole, "each" for one fit over all activities.
    numbers
        Estimates, intervals and p by name, as far as there are any: estimate, lo, hi, p, p_adjusted, asked, n, k,
        detectable, pooled, between, fractional, df, step, margin.
    lag
        Months by which the exposure comes first.
    place
        Where an exploratory question stands in the register: the quarter (``2026-Q4``), its number there, and of how many.
    slopes
        A row per unit with a slope: own (HAC) and pooled, each with its interval; per step of exposure.
    points
        unit, period_start, outcome, exposure: the rows that were fitted; outcome_left and exposure_left after unit and
        month effects (blank without an estimate).
    left_out
        Unit-periods that are not in it, by reason (hidden among them).
    """

    outcome: str
    exposure: str
    verdict: Sentence
    warnings: tuple[Sentence, ...]
    method: Sentence
    activity: str = "*"
    scale: str = "level"
    period: tuple[str, str] = ("", "")
    kind: Literal["planned", "exploratory"] = "planned"
    family: str = ""
    outcome_name: str = ""
    lag: int = 0
    numbers: Mapping[str, float] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    place: tuple[str, int, int] | None = None
    slopes: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=SLOPES))
    points: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=POINTS))

    @property
    def claims(self) -> bool:
        """Whether the verdict says that there is, or is not, an association."""
        return self.verdict.key in CLAIMS

    def own(self, unit: str) -> Sentence | None:
        """What may be said of one unit after pooling; None where it has no slope of its own."""
        rows = self.slopes[self.slopes["unit"] == unit]
        if rows.empty:
            return None
        row = rows.iloc[0]
        size, low, high = (float(row[name]) for name in ("pooled", "lo", "hi"))
        key = "clear_neg" if high < 0 else "clear_pos" if low > 0 else "unclear"
        values = {"what": unit, "est": size if key == "unclear" else abs(size), "lo": low, "hi": high}
        return Sentence(f"verdict.own.{key}", {**self.verdict.values, **values})

    def for_unit(self, unit: str) -> "Answer":
        """The same without any other unit's rows, slope or name."""
        return replace(
            self,
            verdict=_without_names(self.verdict, unit),
            warnings=tuple(_without_names(one, unit) for one in self.warnings),
            slopes=self.slopes[self.slopes["unit"] == unit].reset_index(drop=True),
            points=self.points[self.points["unit"] == unit].reset_index(drop=True),
        )

    def as_data(self) -> dict[str, Any]:
        """Plain values, as JSON takes them."""
        frames = {name: getattr(self, name).to_dict("list") for name in ("slopes", "points")}
        return {**vars(self), **frames, "warnings": list(self.warnings)}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> "Answer":
        """The answer that `as_data` gave."""
        sentences = {name: _read(data[name]) for name in ("verdict", "method")}
        frames = {"slopes": SLOPES, "points": POINTS}
        made = {name: pd.DataFrame(data[name], columns=columns) for name, columns in frames.items()}
        warnings = tuple(map(_read, data["warnings"]))
        return cls(**{**data, **sentences, **made, "warnings": warnings, "period": tuple(data["period"])})


def _read(written: tuple[str, Mapping[str, object]]) -> Sentence:
    key, values = written
    return Sentence(key, {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def _without_names(sentence: Sentence, unit: str) -> Sentence:
    def kept(value: object) -> object:
        if isinstance(value, (list, tuple)):
            return tuple(value) if set(value) <= {unit} else ()
        return value if value == unit else OTHER_UNIT

    values = {name: kept(value) if name in NAMING_UNITS else value for name, value in sentence.values.items()}
    return Sentence(sentence.key, values)


def answer(association: Association, p_adjusted: float | None, asked: int, **about: Any) -> Answer:
    """An association judged as one of ``asked`` questions, as it is handed on; ``about`` are the answer's own fields."""
    judged = association if p_adjusted is None else in_family(association, p_adjusted, asked)
    low, high = judged.interval or (None, None)
    numbers: dict[str, Any] = {
        "estimate": judged.estimate, "lo": low, "hi": high, "p": judged.p, "p_adjusted": p_adjusted if judged.p is not None else None,
        "asked": asked, "n": judged.n, "k": judged.k, "detectable": judged.detectable, "step": judged.step, "margin": judged.margin,
        "pooled": judged.pooled and judged.pooled.estimate, "between": judged.between and judged.between.estimate,
        "fractional": judged.fractional and judged.fractional.estimate,
    }  # fmt: skip
    points = judged.table.rename(columns={judged.outcome: "outcome", judged.exposure: "exposure"})
    return Answer(
        judged.outcome, judged.exposure, _plain(judged.verdict), tuple(map(_plain, judged.warnings)), _plain(judged.method),
        scale=judged.scale, period=_months(judged.period), numbers={k: float(v) for k, v in numbers.items() if v is not None},
        left_out={name: int(count) for name, count in judged.left_out.items() if count}, slopes=_slopes(judged),
        points=points.assign(period_start=points["period_start"].astype(str).str[:10]).reindex(columns=POINTS).reset_index(drop=True),
        **about,
    )  # fmt: skip


def answers(fitted: Mapping[str, Association], **about: Any) -> tuple[Answer, ...]:
    """A planned family, by activity or outcome in the order given: Holm over all of them, failed ones included."""
    p = adjust([one.p for one in fitted.values()], "holm")
    return tuple(answer(one, q, len(fitted), **about) for one, q in zip(fitted.values(), p, strict=True))


def _slopes(association: Association) -> pd.DataFrame:
    try:
        return pool_slopes(association).table[SLOPES]
    except BadInput:  # no estimate, or under three units with a slope
        return pd.DataFrame(columns=SLOPES)


def _plain(sentence: Sentence) -> Sentence:
    """A sentence whose values JSON can hold."""
    values = {
        name: _months(v) if name == "period" and isinstance(v, tuple) else v for name, v in sentence.values.items()
    }
    return Sentence(sentence.key, {name: v.item() if hasattr(v, "item") else v for name, v in values.items()})


def _months(period: tuple[object, object]) -> tuple[str, str]:
    first, last = (str(day)[:7] if day is not None else "" for day in period)
    return first, last
