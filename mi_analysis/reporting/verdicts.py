"""What an analysis found, in words: a claim always with its reservation, the numbers behind it, and what it does not show.

Every sentence template of verdicts and warnings is a claim or a reservation (`is_reservation`). No claim names a cause.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from mi_analysis.analysis.answers import OTHER_UNIT, Answer
from mi_analysis.analysis.basis import Sentence
from mi_analysis.reporting.wording import Words, as_date

GOAL = "goal:"
RESERVATION = "verdict.assoc.reservation"
RESERVED = (
    "reservation", "shared_part", "opposite_levels", "unclear", "sensitive", "insufficient", "reverse", "ceiling", "denominator",
    "constant", "common_only", "one_unit_only", "one_of_many",
)  # fmt: skip
RESERVATIONS = frozenset({
    *(f"verdict.assoc.{name}" for name in RESERVED), "verdict.own.unclear", "verdict.ecological", "verdict.hidden", "verdict.spc.too_short",
    "verdict.spc.rebased", "verdict.compare.overlap", "verdict.budget.comment", "verdict.dq.reservation", "verdict.dq.auto_time",
    "verdict.trend.unclear", "verdict.durations.unclear", "verdict.durations.reservation",
})  # fmt: skip
"""Verdicts that hold something back; all other verdicts are claims. Every warning is a reservation."""
LASTING = (
    "case_days_median", "case_days_p90", "case_days_mean", "case_days_net_median", "case_days_net_p90", "mean_open_age",
)  # fmt: skip
"""Measures that are shorter or longer, not lower or higher."""
NUMBERS = ("est", "est2", "lo", "hi", "margin", "slope_low", "slope_high")
P_VALUES = ("p", "p_adjusted")
WHOLE = ("n", "n_min", "k", "missing", "expected", "asked")
BESIDE_THIS_MONTH = "warning.assoc.lag"
"""Is about this month's exposure, which a question about an earlier month's does not ask of."""
Namer = Callable[[str], str]


def is_reservation(key: str) -> bool:
    """Whether a template of a verdict or warning holds something back; else it is a claim."""
    return key.startswith("warning.") or key in RESERVATIONS


def spoken(answer: Answer, words: Words, name: Namer = str) -> list[str]:
    """The verdict in words, its reservation right after it, then every warning; ``name`` gives a unit's name."""
    warnings = [one for one in answer.warnings if not (answer.lag and one.key == BESIDE_THIS_MONTH)]
    return [in_words(one, answer, words, name) for one in (*reserved(answer.verdict), *warnings)]


def answered(answer: Answer, words: Words, name: Namer = str) -> list[str]:
    """`spoken`, and of a question asked by itself how many it is one of, and where it stands in the register."""
    many = [one_of(answer, words)] if answer.numbers["asked"] > 1 and "p_adjusted" in answer.numbers else []
    place = [words.text("register.place", place=place_of(answer.place, words))] if answer.place else []
    return [*spoken(answer, words, name), *many, *place]


def place_of(place: tuple[str, int, int], words: Words) -> str:
    """``7 af 12 i 4. kvt. 2026``; of a planned question in its family."""
    group, number, count = place
    family, _, month = group.partition(" ")
    if group[4:6] == "-Q":
        group = words.period(group)
    elif words.has(f"register.{family}"):
        group = words.text(f"register.{family}", period=words.period(month))
    return words.text("register.number", n=words.number(number), of=words.number(count), group=group)


def spoken_of_unit(answer: Answer, unit: str, words: Words, name: Namer = str) -> list[str]:
    """What may be said of one unit beside the institution; nothing where it has no slope of its own."""
    own = answer.own(unit)
    return [in_words(one, answer, words, name) for one in reserved(own)] if own else []


def reserved(verdict: Sentence) -> tuple[Sentence, ...]:
    """A verdict with what has to stand right after it: no claim of an association is shown alone."""
    return (verdict,) if is_reservation(verdict.key) else (verdict, Sentence(RESERVATION, {}))


def in_words(found: Sentence, answer: Answer, words: Words, name: Namer = str) -> str:
    """One sentence about an answer, with numbers in the outcome's own unit."""
    key = _with_lasting(found.key, answer)
    values: dict[str, Any] = dict(found.values)
    if key.endswith(("clear_neg", "shorter")):  # "lower by 2 (1 to 3)": the word carries the sign
        values |= {"lo": -float(values["hi"]), "hi": -float(values["lo"])}
    decimals = decimals_for(*(values.get(bound) for bound in NUMBERS))
    shown = {n: _shown(n, value, answer, words, name, decimals) for n, value in values.items()}
    if "of" in values:  # too few of what
        shown["n"] = words.text(f"answer.{values['of']}", n=shown["n"])
    measure = label(str(values.get("measure", "")), words)
    text = words.text(key, **shown | terms(answer, words) | {"measure": measure})
    return (text[:1].upper() + text[1:]).replace("= <", "<")  # p = < 0,001


def _with_lasting(key: str, answer: Answer) -> str:
    if answer.outcome in LASTING and key.endswith(("clear_neg", "clear_pos")):
        return key.replace("clear_neg", "shorter").replace("clear_pos", "longer")
    return key


def terms(answer: Answer, words: Words) -> dict[str, str]:
    """What sentences call exposure, outcome, step, unit and period."""
    return {
        "x": earlier(label(answer.exposure, words), answer.lag, words), "y": label(answer.outcome, words, answer.outcome_name),
        "x_step": step_of(answer.exposure, answer.scale, answer.numbers.get("step", 1.0), words),
        "unit": unit_of(answer.outcome, answer.scale, words), "period": span(answer.period, words),
    }  # fmt: skip


def earlier(exposure: str, lag: int, words: Words) -> str:
    """What an exposure is called that comes some months first."""
    return words.text(f"answer.{'month' if lag == 1 else 'months'}_before", x=exposure, n=lag) if lag else exposure


def label(measure: str, words: Words, name: str = "") -> str:
    """A measure or goal (with its ``name``) inside a sentence: lower case, indefinite."""
    if measure.startswith(GOAL):
        goal = measure.removeprefix(GOAL)
        return words.text("plain.goal", goal=f"{goal} ({name})" if name else goal)
    if not measure or words.has(f"plain.{measure}"):
        return words.text(f"plain.{measure}") if measure else ""
    return words.lower(words.measure(measure)) if words.has(f"measure.{measure}.label") else measure


def step_of(exposure: str, scale: str, size: float, words: Words) -> str:
    """The change of an exposure that an estimate is given for; of a logarithm in per cent."""
    entry = words.known(exposure)
    kind = "log" if scale == "log" else entry.unit if entry else ""
    if size == 1 and words.has(f"step.{kind}"):
        return words.text(f"step.{kind}")
    if words.is_money(exposure):
        return words.money(size, 1)
    phrase = words.measure(exposure, "unit") if words.has(f"measure.{exposure}.unit") else ""
    return f"{words.number(size, 0 if size == round(size) else 1)} {phrase}".strip()


def unit_of(outcome: str, scale: str, words: Words) -> str:
    """The unit of a difference in an outcome."""
    if scale == "log":
        return words.text("quantity.pct", value="").strip()
    entry = words.known(outcome)
    if outcome.startswith(GOAL) or (entry and entry.unit == "pct"):
        return words.text("quantity.pp", value="").strip()
    return words.money_unit(1) if words.is_money(outcome) else words.measure(outcome, "unit")


def span(period: Sequence[str], words: Words) -> str:
    """``2023–2025`` for whole years, else ``marts 2023–maj 2025``."""
    if not all(period):
        return words.text("symbol.missing")
    first, last = map(as_date, period)
    if first == last:
        return words.period(first)
    if (first.month, last.month) == (1, 12):
        return (
            str(first.year) if first.year == last.year else words.text("answer.span", first=first.year, last=last.year)
        )
    return words.text("answer.span", first=words.period(first), last=words.period(last))


def decimals_for(*values: Any) -> int:
    """Decimals that give the largest of the numbers two digits, at most four."""
    sizes = [abs(float(v)) for v in values if isinstance(v, (int, float)) and math.isfinite(v) and v]
    return min(4, max(0, 1 - math.floor(math.log10(max(sizes))))) if sizes else 1


def _shown(key: str, value: Any, answer: Answer, words: Words, name: Namer, decimals: int) -> Any:
    if value is None:
        return words.text("symbol.missing")
    if key in P_VALUES:
        return p_value(value, words)
    if key in NUMBERS:
        return words.number(value, decimals)
    if key == "share":
        return words.percent(100 * value)
    if key in WHOLE or (key == "df" and float(value) == round(value)):
        return words.number(value)
    if key == "part":
        return words.listed([part(one, words) for one in value])
    if key == "units":
        named = [name(one) for one in value]
        return words.listed(named) if 0 < len(named) <= 6 else words.text("answer.several")
    if key == "what":
        return words.text("answer.another_unit") if value == OTHER_UNIT else name(value)
    if key == "inference":
        return words.text(f"method.assoc.{value}")
    return words.number(value, decimals_for(value)) if isinstance(value, float) else value


def part(name: str, words: Words) -> str:
    """What two measures both contain."""
    return words.lower(words.measure(name)) if words.has(f"measure.{name}.label") else words.text(f"part.{name}")


def p_value(value: float, words: Words) -> str:
    """``0,03``; below a thousandth ``< 0,001``."""
    return f"< {words.number(0.001, 3)}" if value < 0.001 else words.number(value, 3 if value < 0.1 else 2)


def behind(answer: Answer, words: Words) -> pd.DataFrame:
    """The numbers behind an answer, as printed: columns label and value."""
    numbers, named = answer.numbers, terms(answer, words)
    decimals = decimals_for(*(numbers.get(n) for n in ("estimate", "lo", "hi")))

    def size(key: str) -> str:
        return words.number(numbers[key], decimals)

    rows = [(words.text("answer.estimate", **named), size("estimate"))] if "estimate" in numbers else []
    if "lo" in numbers:
        rows.append((words.text("answer.interval"), words.text("answer.from_to", lo=size("lo"), hi=size("hi"))))
    if "p" in numbers:
        rows.append((words.text("answer.p"), p_value(numbers["p"], words)))
        if numbers["asked"] > 1:
            adjusted = words.text("answer.p_adjusted", asked=words.number(numbers["asked"]))
            rows.append((adjusted, p_value(numbers["p_adjusted"], words)))
    rows += [(words.text(f"answer.{n}"), words.number(numbers[n])) for n in ("n", "k") if n in numbers]
    rows.append((words.text("answer.period"), named["period"]))
    comparisons = ("margin", "detectable", "pooled", "between", "fractional")
    rows += [(words.text(f"answer.{n}"), f"{size(n)} {named['unit']}") for n in comparisons if n in numbers]
    counts = [
        words.text("answer.counted", n=words.number(n), reason=words.text(f"left_out.{why}"))
        for why, n in answer.left_out.items()
    ]
    rows.append((words.text("answer.left_out"), "; ".join(counts) or words.text("answer.none")))
    rows.append((words.text("answer.kind"), words.text(f"answer.{answer.kind}")))
    if answer.method.values:
        rows.append((words.text("answer.method"), in_words(answer.method, answer, words)))
    return pd.DataFrame(rows, columns=["label", "value"])


def not_shown(answer: Answer, words: Words) -> list[str]:
    """What the figures do not show, whatever they show."""
    hidden = [words.text("verdict.hidden")] if answer.left_out.get("hidden") else []
    reverse = Sentence("verdict.assoc.reverse", {})
    either_way = [] if any(one.key == reverse.key for one in answer.warnings) else [in_words(reverse, answer, words)]
    told = [] if not is_reservation(answer.verdict.key) else [words.text(RESERVATION)]
    return [*told, *either_way, words.text("verdict.ecological"), *hidden]


def one_of(answer: Answer, words: Words) -> str:
    """How many questions the answer is one of."""
    numbers = answer.numbers
    text = words.text(
        "answer.one_of", asked=words.number(numbers["asked"]), p_adjusted=p_value(numbers["p_adjusted"], words)
    )
    return text.replace("= <", "<")


def less_often(rare: pd.DataFrame, words: Words) -> str:
    """Which goals are not fitted, and why; blank where there are none."""
    if rare.empty:
        return ""
    names = [f"{row['goal']} {row['name'] or ''}".strip() for row in rare.to_dict("records")]
    return words.text("answer.rare", goals=words.listed(names))


def made_from(answers: Iterable[Answer]) -> list[Mapping[str, Any]]:
    """What sentences were made from, for the record of a message: mappings with key and values."""
    return [{"key": one.verdict.key, "values": {**one.verdict.values, **one.numbers}} for one in answers]
