"""Figures and tables of what has uncertainty: associations as points and slopes, units beside each other, plans.

Numbers come from an analysis' record; nothing is computed here but where a line is drawn.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mi_analysis.analysis.answers import CLAIMS, Answer
from mi_analysis.reporting import plots, verdicts
from mi_analysis.reporting.figures import captioned, figure
from mi_analysis.reporting.plots import INK, PALETTE, SOFT, THEME
from mi_analysis.reporting.presentation import Figure, Table, message
from mi_analysis.reporting.tables import Column, table
from mi_analysis.reporting.wording import Words


def together(answer: Answer, words: Words, place: str, unit: str = "") -> Figure | None:
    """Outcome against exposure, a point per unit and month, with the estimated line and its band.

    Of the institution: both as differences from what is usual for unit and month, which is what is fitted. Of one
    unit: its own figures, and the line of its pooled slope. None without points.
    """
    named = verdicts.terms(answer, words)
    whole = not unit
    points = answer.points if whole else answer.points[answer.points["unit"] == unit]
    x, y = ("exposure_left", "outcome_left") if whole else ("exposure", "outcome")
    points = points.dropna(subset=[x, y])
    if len(points) < 3 or (answer.scale == "log" and not whole):
        return None
    slope = _slope(answer, unit)
    fit = _line(points[x], points[y], *slope) if slope else None
    about = {"x": named["x"], "y": named["y"], "place": place}
    data = points.rename(columns={x: "x", y: "y"})
    x_unit = _unit_of(answer.exposure, answer, words)
    labels = [
        words.text("answer.differs" if whole else "answer.axis", what=named["x"], unit=x_unit),
        words.text("answer.usual", unit=named["unit"]) if whole else _unit_of(answer.outcome, answer, words),
    ]
    axes = plots.points(data, "x", "y", words, fit=fit, units=(labels[0], labels[1]), ax=plots.new_axes(plots.HALF))
    columns = [Column("period_start", words.text("time.month"), kind="month"), *(
        Column(name, label, kind="number", decimals=2) for name, label in zip(("x", "y"), labels, strict=True)
    )]  # fmt: skip
    title = words.text("caption.together", **about)
    key = f"together_{answer.outcome.replace(':', '_').replace('.', '_')}"
    says = words.text("alternative.together_whole" if whole else "alternative.together", **about)
    shown = data.sort_values("period_start")[["period_start", "x", "y"]]
    return figure(axes, title, says, shown, columns, words, kind="points", key=key)


def _slope(answer: Answer, unit: str) -> tuple[float, float, float] | None:
    """Slope per unit of exposure, low and high."""
    step = answer.numbers.get("step", 1.0)
    rows = answer.slopes[answer.slopes["unit"] == unit].to_dict("records")
    row, names = (rows[0], ("pooled", "lo", "hi")) if rows else (dict(answer.numbers), ("estimate", "lo", "hi"))
    if (unit and not rows) or not set(names) <= set(row):
        return None
    slope, low, high = (float(row[name]) / step for name in names)
    return slope, low, high


def _line(x: pd.Series, y: pd.Series, slope: float, low: float, high: float) -> pd.DataFrame:
    """The line through the points' middle, and the band that the interval of its slope makes."""
    at = np.linspace(float(x.min()), float(x.max()), 21)
    away, middle = at - float(x.mean()), float(y.mean())
    ends = np.sort([middle + low * away, middle + high * away], axis=0)
    return pd.DataFrame({"x": at, "fit": middle + slope * away, "lower": ends[0], "upper": ends[1]})


def _unit_of(measure: str, answer: Answer, words: Words) -> str:
    if measure.startswith(verdicts.GOAL):
        return words.text("quantity.pct", value="").strip()
    if answer.scale == "log":
        return words.text("answer.log")
    return words.money_unit() if words.is_money(measure) else words.measure(measure, "unit")


def slopes(answer: Answer, words: Words, names: Sequence[str]) -> Figure | None:
    """Each unit's slope after pooling, with interval, in order of name; ``names`` as the rows of ``answer.slopes``."""
    if answer.slopes.empty:
        return None
    named = verdicts.terms(answer, words)
    rows = by_name(answer.slopes.assign(name=list(names)), words)
    label = words.text("answer.estimate", **named)
    axes = intervals(rows, "pooled", "lo", "hi", words, label, line=0.0)
    columns = [Column("name", words.text("column.unit")), *(
        Column(name, words.text(f"answer.{text}"), kind="number", decimals=2, reference=name != "pooled")
        for name, text in (("pooled", "pooled_slope"), ("lo", "low"), ("hi", "high"))
    )]  # fmt: skip
    about, note = {"x": named["x"], "y": named["y"]}, words.text(verdicts.RESERVATION)
    return captioned("slopes", axes, rows, columns, words, about, kind="intervals", unit=named["unit"], note=note)


def by_name(rows: pd.DataFrame, words: Words) -> pd.DataFrame:
    """Rows in the order of their ``name``."""
    return rows.sort_values("name", key=lambda names: names.map(words.sort_key), ignore_index=True)


def intervals(
    data: pd.DataFrame, value: str, low: str, high: str, words: Words, label: str, *, line: float, ax: Axes | None = None
) -> Axes:  # fmt: skip
    """A row per ``name``: the estimate as a point, its interval as a bar; a line to compare with."""
    axes: Axes = plots.new_axes((plots.FULL[0] * 0.75, 1.0 + 0.24 * max(len(data), 2))) if ax is None else ax
    with mpl.rc_context(THEME):
        place = np.arange(len(data))[::-1]
        known = data[[low, high]].notna().all(axis=1).to_numpy()
        axes.hlines(place[known], data.loc[known, low], data.loc[known, high], color=PALETTE[0], linewidth=1.6)
        axes.plot(data[value], place, "o", color=PALETTE[0], markersize=5)
        axes.axvline(line, color=SOFT, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yticks(place, data["name"], color=INK)
        axes.set_ylim(-0.6, len(data) - 0.4)
        axes.grid(axis="x")
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(label)
        axes.xaxis.set_major_formatter(plots.NumberFormat(words))
    return axes


def several(answers: Sequence[Answer], labels: Sequence[str], words: Words, title: str, key: str) -> Table | None:
    """Answers of one family under each other: estimate, interval, adjusted p, how much they rest on, and what may be said."""
    rows = []
    for one, label in zip(answers, labels, strict=True):
        numbers = one.numbers
        decimals = verdicts.decimals_for(*(numbers.get(name) for name in ("estimate", "lo", "hi")))
        told = "lo" in numbers
        rows.append({
            "label": label[:1].upper() + label[1:],
            "estimate": f"{words.number(numbers['estimate'], decimals)} {verdicts.unit_of(one.outcome, one.scale, words)}" if told else words.text("document.dash"),
            "interval": words.text("answer.from_to", lo=words.number(numbers["lo"], decimals), hi=words.number(numbers["hi"], decimals))
            if told else words.text("document.dash"),
            "p": verdicts.p_value(numbers["p_adjusted"], words) if told else words.text("document.dash"),
            "n": numbers["n"], "k": numbers["k"], "says": words.text(f"says.{one.verdict.key.rpartition('.')[2]}"),
        })  # fmt: skip
    columns = [
        Column("label", words.text("column.question")), Column("estimate", words.text("reg.estimate")), Column("interval", words.text("reg.ci")),
        Column("p", words.text("column.p_adjusted")), Column("n", words.text("answer.n"), kind="number"),
        Column("k", words.text("answer.k"), kind="number"), Column("says", words.text("column.says")),
    ]  # fmt: skip
    note = words.text(verdicts.RESERVATION) if any(one.claims for one in answers) else ""
    return table(pd.DataFrame(rows), columns, title, words, key=key, note=note) if rows else None


def behind(answer: Answer, words: Words) -> Table:
    """The numbers behind an answer as a table."""
    columns = [Column("label", words.text("column.measure")), Column("value", words.text("column.value"))]
    return table(verdicts.behind(answer, words), columns, words.text("answer.numbers"), words, key="behind")


def own_slopes(answers: Sequence[Answer], unit: str, words: Words) -> Table | None:
    """A unit's slopes as its own figures alone give them, beside the pooled ones: for the annex, without a verdict."""
    rows = []
    for one in answers:
        for row in one.slopes[one.slopes["unit"] == unit].to_dict("records"):
            bounds = {name: float(row[name]) for name in ("own", "own_lo", "own_hi", "pooled", "lo", "hi")}
            named = verdicts.terms(one, words)
            rows.append({"label": words.text("answer.slope_of", **named), **bounds})
    columns = [Column("label", words.text("column.measure"))]
    for name, group in (("own", "own_slope"), ("pooled", "pooled_slope")):
        ends = ("own_lo", "own_hi") if name == "own" else ("lo", "hi")
        columns += [
            Column(column, words.text(text), kind="number", decimals=2, group=words.text(f"answer.{group}"))
            for column, text in ((name, "reg.estimate"), (ends[0], "answer.low"), (ends[1], "answer.high"))
        ]
    title = words.text("caption.own_slopes")
    return table(pd.DataFrame(rows), columns, title, words, key="own_slopes") if rows else None


def register(asked: pd.DataFrame, words: Words, kind: str = "exploratory") -> Table | None:
    """The questions of a kind as they are to be judged now (`Desk.questions_asked`), newest first; None where there are none."""
    asked = asked[asked["kind"] == kind]
    rows = [
        {
            "number": verdicts.place_of((row["group"], row["number"], row["of"]), words), "label": _asked(row, words),
            "asked_at": row["asked_at"][:10], "estimate": _estimated(row, words), "margin": _difference(row, words, "margin"),
            **{name: _dash(words) if np.isnan(row[name]) else verdicts.p_value(row[name], words) for name in ("p", "p_adjusted")},
            "says": words.text(f"says.{row['says'].rpartition('.')[2] or 'failed'}"),
        }
        for row in asked.to_dict("records")
    ]  # fmt: skip
    labels = {"number": "column.check", "label": "column.question", "asked_at": "column.asked_at", "estimate": "reg.estimate",
              "margin": "column.relevant", "p": "column.p_alone", "p_adjusted": "column.p_adjusted", "says": "column.says"}  # fmt: skip
    columns = [
        Column(name, words.text(key), kind="date" if name == "asked_at" else "text") for name, key in labels.items()
    ]
    note = words.text(verdicts.RESERVATION) if asked["says"].isin(CLAIMS).any() else ""
    title = words.text(f"caption.register_{kind}")
    return table(pd.DataFrame(rows), columns, title, words, key=f"register_{kind}", note=note) if rows else None


def register_page(asked: pd.DataFrame, words: Words, institution: str, damaged: int) -> str:
    """The register as a page: what is counted among what, then the exploratory and the planned questions."""
    from mi_analysis.reporting.export import page  # loads what no notebook needs

    lines = [words.text("register.exploratory"), words.text("register.planned"), words.text("register.again")]
    lines += [words.text("register.damaged", n=words.number(damaged))] if damaged else []
    shown = [found.html for kind in ("exploratory", "planned") if (found := register(asked, words, kind))]
    body = message(lines, key="register").html + "".join(shown or [message(words.text("register.none")).html])
    return page(words.text("register.title"), body, language=words.language, stamp={"institution": institution})


def _asked(row: Mapping[Any, Any], words: Words) -> str:
    """A question in one cell: in its own words, then what was held against what, of whom and when."""
    exposure = verdicts.earlier(verdicts.label(row["exposure"], words), row["lag"], words)
    pair = words.text("answer.pair", y=verdicts.label(row["outcome"], words), x=exposure)
    until = f"{row['until']}-01" if row["until"] else ""
    span = verdicts.span((f"{row['since']}-01", until), words) if row["since"] and until else words.text(
        "register.until", last=words.period(until)) if until else ""  # fmt: skip
    times = words.text("register.times", n=words.number(row["times"])) if row["times"] > 1 else ""
    own = f"{row['question']} · " if row["question"] else ""
    return own + ", ".join(filter(None, (pair[:1].upper() + pair[1:], row["about"], span, times)))


def _estimated(row: Mapping[Any, Any], words: Words) -> str:
    """Estimate and interval in the outcome's unit, per step of the exposure."""
    ends = [row[name] for name in ("estimate", "lo", "hi")]
    if np.isnan(row["estimate"]):
        return _dash(words)
    decimals = verdicts.decimals_for(*ends)
    size, low, high = (words.number(value, decimals) for value in ends)
    interval = "" if np.isnan(row["lo"]) else f" ({words.text('answer.from_to', lo=low, hi=high)})"
    if not row["scale"]:
        return f"{size}{interval}"
    entry = words.known(row["exposure"])
    per = verdicts.step_of(
        row["exposure"], row["scale"], entry.step if entry and row["scale"] == "level" else 1.0, words
    )
    return words.text("register.per", size=_difference(row, words, "estimate", decimals), x_step=per) + interval


def _difference(row: Mapping[Any, Any], words: Words, name: str, decimals: int | None = None) -> str:
    if np.isnan(row[name]):
        return _dash(words)
    decimals = verdicts.decimals_for(row[name]) if decimals is None else decimals
    return f"{words.number(row[name], decimals)} {verdicts.unit_of(row['outcome'], row['scale'], words)}".strip()


def _dash(words: Words) -> str:
    return words.text("document.dash")
