"""Figures and tables of units beside each other and of the work ahead: funnel, mix of cases, plan, priority."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from mi_analysis.analysis.basis import Sentence
from mi_analysis.analysis.funnel import Funnel
from mi_analysis.analysis.mix import MixAdjusted, MixIndex
from mi_analysis.analysis.planning import StaffPlan
from mi_analysis.analysis.priority import Priority
from mi_analysis.reporting import plots
from mi_analysis.reporting.figures import captioned
from mi_analysis.reporting.plots import PALETTE, SOFT, THEME, NumberFormat
from mi_analysis.reporting.presentation import Figure, Table
from mi_analysis.reporting.tables import Column, table
from mi_analysis.reporting.uncertain import by_name, intervals
from mi_analysis.reporting.verdicts import decimals_for, p_value
from mi_analysis.reporting.wording import Words

Namer = Callable[[str], str]
UNITS = ("units", "unit_a", "unit_b", "activities", "group", "groups")
DAYS = ("longest", "horizon", "closed", "all")
SHARES = ("share", "shortage", "coverage")


def in_words(found: Sequence[Sentence], words: Words, name: Namer, kinds: Mapping[str, str] | None = None) -> list[str]:
    """Sentences of comparisons and plans; ``kinds`` says what is not a plain number: share, days."""
    return [
        words.text(one.key, **{key: _shown(key, value, words, name, kinds or {}) for key, value in one.values.items()})
        for one in found
    ]


def _shown(key: str, value: Any, words: Words, name: Namer, kinds: Mapping[str, str]) -> Any:
    if key in UNITS:
        return words.listed([name(one) for one in value]) if isinstance(value, list) else name(value)
    if kinds.get(key) == "days":
        return words.number(value, 1)
    if key in SHARES or kinds.get(key) == "share":
        return words.percent(100 * value)
    if key == "period" and isinstance(value, str):
        return words.period(value)
    if key == "p":
        return p_value(value, words)
    if key in DAYS:
        return words.number(value, 0 if float(value).is_integer() else 1)
    if isinstance(value, float):
        return words.number(value, max(1, decimals_for(value)) if abs(value) < 1000 else 0)
    return words.number(value) if isinstance(value, int) else value


def funnel(made: Funnel, measure: str, words: Words, name: Namer) -> Figure:
    """Units by how many cases they are judged on, with limits of 95 and 99.8 per cent; nothing is ranked."""
    axes: Axes = plots.new_axes((plots.FULL[0] * 0.75, 3.6))
    rows, curve = made.table, made.curve
    with mpl.rc_context(THEME):
        for level, style in (("95", (0, (1, 2))), ("998", "-")):
            for side in ("lower", "upper"):
                label = words.text(f"funnel.limits_{level}") if side == "lower" else f"_{level}"
                line = 100 * curve[f"{side}_{level}"].clip(0, 1)
                axes.plot(curve["denominator"], line, color=SOFT, linewidth=1, linestyle=style, label=label)
        look: Any = {"color": SOFT, "linewidth": 1, "linestyle": (0, (6, 3)), "label": words.text("funnel.centre")}
        axes.axhline(100 * made.centre, **look)
        far = rows["outside"] != 0
        for chosen, look, label in (
            (~far, {"color": PALETTE[0]}, "unit"),
            (far, {"color": PALETTE[1], "markersize": 6}, "outside"),
        ):
            shown = rows[chosen]
            told = words.text(f"funnel.{label}") if label == "unit" or len(shown) else "_"
            axes.plot(shown["denominator"], 100 * shown["rate"], "D" if label == "outside" else "o", label=told, **look)
        for row in rows[far].to_dict("records"):
            place = (row["denominator"], 100 * row["rate"])
            axes.annotate(name(row["unit"]), place, textcoords="offset points", xytext=(6, 4))
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(NumberFormat(words))
        axes.xaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axes.yaxis.set_major_formatter(NumberFormat(words))
        axes.set_title(words.measure(measure, "unit"), pad=8)
        axes.set_xlabel(words.text("funnel.size"))
        axes.figure.legend(loc="outside lower left", ncols=3)
    shown = rows.assign(
        name=[name(unit) for unit in rows["unit"]], rate=100 * rows["rate"], low=100 * rows["lower_998"].clip(0, 1),
        high=100 * rows["upper_998"].clip(0, 1), says=[words.text(f"funnel.says_{side + 1}") for side in rows["outside"]],
    )  # fmt: skip
    columns = [
        Column("name", words.text("column.unit")), Column("denominator", words.text("funnel.size"), kind="number"),
        Column("rate", words.measure(measure, "short"), kind="percent"), Column("low", words.text("answer.low"), kind="percent", reference=True),
        Column("high", words.text("answer.high"), kind="percent", reference=True), Column("says", words.text("column.says")),
    ]  # fmt: skip
    return captioned(
        "funnel", axes, shown, columns, words, {"measure": words.lower(words.measure(measure))}, kind="points"
    )


def mix(made: MixAdjusted, words: Words, name: Namer) -> Figure:
    """Hours per case of each unit relative to all on the same activities (100), with interval; crude beside, in the numbers."""
    rows = made.table.assign(
        name=[name(unit) for unit in made.table["unit"]], ratio=100 * made.table["ratio"], low=100 * made.table["low"],
        high=100 * made.table["high"], covered=100 * made.table["covered"],
    )  # fmt: skip
    rows = by_name(rows, words)
    axes = intervals(rows, "ratio", "low", "high", words, words.text("mix.axis"), line=100.0)
    columns = [Column("name", words.text("column.unit")), *_relative("crude", "adjusted", words)]
    return captioned("mix", axes, rows, columns, words, kind="intervals")


def _relative(one: str, other: str, words: Words) -> list[Column]:
    """Hours per case twice, and what they are relative to all units with its interval."""
    beside = [
        Column(name, words.text(f"mix.{name}"), kind="number", decimals=2, reference=True) for name in (one, other)
    ]
    ends = [
        Column(name, words.text(f"answer.{name}"), kind="number", decimals=0, reference=True)
        for name in ("low", "high")
    ]
    return [*beside, Column("ratio", words.text("mix.ratio"), kind="number", decimals=0), *ends]


def unit_mix(rows: pd.DataFrame, place: str, words: Words, activity: Namer) -> Figure | None:
    """Hours per case of one unit relative to all units (100), by activity and with everybody's mix of cases; None without rows."""
    if not len(rows):
        return None
    whole = words.text("mix.all_activities")
    data = rows.assign(name=[whole if code == "*" else activity(code) for code in rows["activity"]])
    axes = plots.new_axes((plots.HALF[0], 0.9 + 0.4 * max(len(data), 2)))
    intervals(data, "ratio", "low", "high", words, words.text("mix.index_axis"), line=100.0, ax=axes)
    axes.margins(y=0.2)
    columns = [Column("name", words.text("column.activity")), *_relative("own", "all", words)]
    last = rows.iloc[-1]
    side = "more" if last["low"] > 100 else "fewer" if last["high"] < 100 else ""
    key = f"verdict.compare.mix_{side}" if side else "verdict.compare.alike"
    says = "" if pd.isna(last["low"]) else words.text(key, units=place)
    return captioned("unit_mix", axes, data, columns, words, {"unit": place}, kind="intervals", says=says)


def mix_sentences(made: MixAdjusted, words: Words, name: Namer) -> list[str]:
    """Which units use more and fewer hours than all, the mix held still; or that chance may be all there is to it."""
    said = []
    for key, rows in (("more", made.table["low"] > 1), ("fewer", made.table["high"] < 1)):
        if rows.any():
            names = sorted((name(unit) for unit in made.table.loc[rows, "unit"]), key=words.sort_key)
            said.append(words.text(f"verdict.compare.mix_{key}", units=words.listed(names)))
    said = said or ([words.text("verdict.compare.overlap")] if made.table["low"].notna().all() else [])
    return [*said, *in_words([one for one in made.warnings if one.key != "warning.mix.left_out"], words, name)]


def mix_index(made: MixIndex, words: Words) -> Table:
    """Productivity of the last year against the year before: crude, and with the mix of cases held still."""
    row = made.table.iloc[-1]
    names = ("crude_cases_per_hour_index", "mix_effect", "productivity_fisher", "productivity_tornqvist", "turnover")
    rows = pd.DataFrame(
        {"label": [words.text(f"mix.{name}") for name in names], "value": [100 * row[name] for name in names]}
    )
    columns = [
        Column("label", words.text("column.measure")),
        Column("value", words.text("mix.index"), kind="number", decimals=1),
    ]
    first, last = (words.period(one["period"]) for one in (made.table.iloc[0], row))
    title = words.text("caption.mix_index", first=first, last=last)
    return table(rows, columns, title, words, key="mix_index")


def plan_months(made: StaffPlan, words: Words, place: str) -> Figure:
    """Hours a month ahead: the middle course, and where eight in ten lie."""
    data, axes = made.months, plots.new_axes(plots.HALF)
    with mpl.rc_context(THEME):
        days = list(data["period_start"])
        axes.fill_between(days, data["hours_p10"], data["hours_p90"], color=PALETTE[0], alpha=0.18, linewidth=0)
    labels, unit = {"hours_p50": words.text("plan.middle")}, words.text("unit.hours")
    axes = plots.series(data, "period_start", "hours_p50", words, labels=labels, unit=unit, ax=axes)
    columns = [Column("period_start", words.text("time.month"), kind="month"), *(
        Column(f"hours_{q}", words.text(f"plan.{q}"), kind="number", reference=q != "p50") for q in ("p10", "p50", "p90")
    )]  # fmt: skip
    return captioned("plan_months", axes, data, columns, words, {"place": place})


def plan_table(made: StaffPlan, words: Words, activity: Namer) -> Table:
    """Cases, hours and staff of the next year by activity; quantiles of a sum are not sums of quantiles."""
    rows = made.table.assign(
        label=[words.text("total.sum") if code == "*" else activity(code) for code in made.table["activity"]]
    )
    columns = [
        Column("label", words.text("column.activity")),
        Column("cases_p50", words.text("plan.cases"), kind="number"),
    ]
    columns += [*_quantiles("hours", words, 0), *_quantiles("fte", words, 1)]
    title, note = words.text("caption.plan"), words.text("plan.note")
    return table(rows, columns, title, words, key="plan", total_row=True, note=note)


def _quantiles(what: str, words: Words, decimals: int) -> list[Column]:
    group = words.text(f"plan.{what}")
    names = {f"{what}_{q}": words.text(f"plan.{q}") for q in ("p10", "p50", "p90")}
    return [Column(name, label, kind="number", decimals=decimals, group=group) for name, label in names.items()]


def ladder(made: StaffPlan, words: Words) -> Table:
    """From gross to net hours of one FTE, step by step."""
    rows = made.ladder.assign(label=[words.text(f"ladder.{step}") for step in made.ladder["step"]])
    columns = [Column("label", words.text("ladder.step")), Column("hours", words.text("ladder.hours"), kind="number", decimals=1, signed=True),
               Column("left", words.text("ladder.left"), kind="number", decimals=1)]  # fmt: skip
    return table(rows, columns, words.text("caption.ladder"), words, key="ladder")


def scenarios(rows: pd.DataFrame, words: Words, **about: str) -> Table:
    """Staff needed under each scenario, how much more than the base, and how often the staff there is would not suffice."""
    shown = rows.assign(label=[words.text(f"scenario.{name}", **about) for name in rows["scenario"]])
    columns = [Column("label", words.text("scenario.title")), *_quantiles("fte", words, 1)]
    columns.append(Column("more", words.text("scenario.more"), kind="number", decimals=1, signed=True))
    if rows["shortage"].notna().any():
        columns.append(Column("shortage", words.text("scenario.shortage"), kind="percent"))
    if rows["pay"].notna().any():
        columns.append(Column("pay", words.text("scenario.pay"), kind="money", unit=words.money_unit()))
    return table(shown, columns, words.text("caption.scenarios"), words, key="scenarios")


def priority(made: Priority, words: Words, activity: Namer) -> Table:
    """What each task gets of too few hours, what gives way, and what an hour more or less is worth (points per 100 hours)."""
    rows = made.table.assign(
        label=[activity(code) for code in made.table["activity"]], degree=100 * made.table["goal_degree"],
        next_100=100 * made.table["next_hour"], cut_100=100 * made.table["cut_hour"],
    )  # fmt: skip
    columns = [
        Column("label", words.text("column.activity")), Column("hours", words.text("column.hours"), kind="number"),
        Column("cases", words.text("plan.cases"), kind="number"), Column("unmet", words.text("priority.unmet"), kind="number"),
        Column("degree", words.text("priority.degree"), kind="percent"), Column("next_100", words.text("priority.next"), kind="number", decimals=2),
        Column("cut_100", words.text("priority.cut"), kind="number", decimals=2),
    ]  # fmt: skip
    title, note = words.text("caption.priority"), words.text("priority.note")
    return table(rows, columns, title, words, key="priority", blank="not_applicable", note=note)


def ahead(
    made: StaffPlan, uncounted: float, fte: float | None, staffed: float | None, words: Words, left_out: Sequence[str]
) -> list[str]:
    """What the plan says, what it takes beside, how it would have done before, and its warnings."""
    said = in_words(made.verdict, words, str)
    if fte and staffed is not None:
        left = {"fte": words.number(fte, 1), "staffed": words.number(staffed, 1)}
        said.append(words.text("plan.uncounted", hours=words.number(uncounted), **left))
    if made.backtest:
        tried = {"origins": made.backtest.origins, "coverage": words.percent(100 * made.backtest.coverage_months)}
        said.append(words.text("plan.backtest", **tried))
    said += in_words(made.warnings, words, str)
    return said + ([words.text("plan.left_out", names=words.listed(left_out))] if left_out else [])


def priority_answer(made: Priority, words: Words) -> list[str]:
    """How many points the hours reach, what is lacking, and what the next hours are worth."""
    if not made.feasible:
        return in_words(made.warnings, words, str)
    hours = words.number(float(made.table["hours"].sum()))
    points = {"points": words.number(made.points, 1), "possible": words.number(made.possible)}
    points |= {"worth": words.number(100 * made.shadow_price, 2), "short": words.number(made.short)}
    return [words.text("priority.answer", hours=hours, **points)]
