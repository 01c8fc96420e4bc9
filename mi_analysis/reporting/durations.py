"""How long cases take, those still open counted: the share finished by days, units beside each other, and what may be said."""

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from mi_analysis.analysis.basis import Sentence
from mi_analysis.analysis.durations import Durations, open_share
from mi_analysis.reporting import plots
from mi_analysis.reporting.comparisons import Namer, in_words
from mi_analysis.reporting.figures import captioned
from mi_analysis.reporting.plots import PALETTE, THEME, NumberFormat
from mi_analysis.reporting.presentation import Figure
from mi_analysis.reporting.tables import Column
from mi_analysis.reporting.uncertain import by_name, intervals
from mi_analysis.reporting.verdicts import is_reservation
from mi_analysis.reporting.wording import Words

GROUPS_TOLD = ("now", "*")
GRAVE = tuple(
    f"warning.durations.{name}" for name in ("few_closed", "median_not_reached", "thin_start", "not_compared")
)
SHOWN_DAYS = (1, 3, 7, 14, 21, 30, 45, 60, 90, 120, 180, 270, 365, 545, 730)
"""Days that the numbers behind a curve are given for."""


def finished(made: Durations, words: Words, place: str) -> Figure:
    """The share of cases finished by days since they were received, open ones counted: now with its band, and before."""
    axes: Axes = plots.new_axes(plots.HALF)
    groups = [group for group in ("now", "before") if group in set(made.table["group"])]
    curves = {group: made.curve[made.curve["group"] == group] for group in groups}
    nearly = curves["now"].loc[curves["now"]["open_share"] <= 0.05, "day"]  # to where nearly all are finished, or seen
    end = min(SHOWN_DAYS[-1], max(SHOWN_DAYS[2], nearly.min() if len(nearly) else curves["now"]["day"].max()))
    at = [float(day) for day in SHOWN_DAYS if day <= end]
    shown = pd.DataFrame({"day": [words.days(day) for day in at]})
    with mpl.rc_context(THEME):
        for place_in, (group, whole) in enumerate(curves.items()):
            curve = whole[whole["day"] <= end]
            lines = {name: [0.0, *(100 * (1 - curve[name]))] for name in ("open_share", "low", "high")}
            days, lines = [0.0, *curve["day"], end], {name: [*line, line[-1]] for name, line in lines.items()}
            look: Any = {"color": PALETTE[place_in], "linestyle": ("-", (0, (4, 2)))[place_in]}
            axes.plot(days, lines["open_share"], label=words.text(f"durations.{group}"), drawstyle="steps-post", **look)
            if group == "now":
                band: Any = {"color": PALETTE[0], "alpha": 0.15, "linewidth": 0, "step": "post"}
                axes.fill_between(days, lines["high"], lines["low"], **band)
            shown[group] = 100 * (1 - open_share(made, group, at)["open_share"])
        axes.set_ylim(0, 102)
        axes.xaxis.set_major_formatter(NumberFormat(words))
        axes.yaxis.set_major_formatter(NumberFormat(words))
        axes.set_title(words.text("durations.finished"), pad=8)
        axes.set_xlabel(words.text("durations.since"))
        axes.figure.legend(loc="outside lower left", ncols=2)
    columns = [Column("day", words.text("durations.since")), *(
        Column(group, words.text(f"durations.{group}"), kind="percent") for group in curves
    )]  # fmt: skip
    note = "" if "before" in curves else words.text("durations.young")
    return captioned("finished", axes, shown, columns, words, {"place": place}, note=note)


def finished_in_words(made: Durations, words: Words) -> list[str]:
    """When half and nine in ten are finished, whether that has changed, and what to be careful of."""
    now: Any = made.table.set_index("group").loc["now"]
    shown = {name: words.days(float(now[name])) for name in ("q50", "q90", "longest")}
    said = []
    if pd.notna(now["q50_high"]):
        ends = {name: words.number(float(now[f"q50_{end}"])) for name, end in (("lo", "low"), ("hi", "high"))}
        said.append(words.text("durations.half", days=shown["q50"], **ends))
        key = "durations.most" if pd.notna(now["q90"]) else "durations.most_more"
        said.append(words.text(key, days=shown["q90"], longest=shown["longest"]))
    return [*said, *_judged(made, words, lambda group: words.text(f"durations.{group}"))]


def finished_by_unit(made: Durations, words: Words, name: Namer) -> Figure:
    """Each unit's mean days until a case is finished, with interval, in order of name; median and open cases in the numbers."""
    rows = made.table[made.table["group"] != "*"].dropna(subset=["mean_to"])
    rows = by_name(rows.assign(name=[name(unit) for unit in rows["group"]]), words)
    whole = float(made.table.iloc[-1]["mean_to"])
    horizon = words.number(float(made.method.values["horizon"]))  # type: ignore[arg-type]
    label = words.text("durations.mean_to", horizon=horizon)
    axes = intervals(rows, "mean_to", "mean_to_low", "mean_to_high", words, label, line=whole)
    columns = [Column("name", words.text("column.unit")), *(
        Column(column, words.text(f"durations.{column}", horizon=horizon), kind="number", decimals=decimals, reference=column != "mean_to")
        for column, decimals in (("n", 0), ("open", 0), ("mean_to", 1), ("mean_to_low", 1), ("mean_to_high", 1), ("q50", 0), ("q90", 0))
    )]  # fmt: skip
    note = words.text("durations.note")
    return captioned(
        "finished_by_unit", axes, rows, columns, words, kind="intervals", blank="not_applicable", note=note
    )


def finished_by_unit_in_words(made: Durations, words: Words, name: Namer) -> list[str]:
    """Whether units differ in how soon cases are finished by more than chance, and what to be careful of."""
    return _judged(made, words, lambda group: words.text("durations.all") if group == "*" else name(group))


def made_from(made: Durations) -> list[Mapping[str, Any]]:
    """What sentences were made from, for the record of a message."""
    return [one._asdict() for one in made.verdict]


def _judged(made: Durations, words: Words, name: Namer) -> list[str]:
    """The verdict, its reservation right after a claim, and warnings: of the year before and of each unit only the grave ones."""
    found = [one for one in made.warnings if one.values.get("group") in GROUPS_TOLD or one.key in GRAVE]
    found = [one for one in found if len(made.table) == 1 or one.values.get("group") != "*"]
    claims = any(not is_reservation(one.key) for one in made.verdict)
    reserved = [Sentence("verdict.durations.reservation", {})] if claims else []
    lines = in_words(
        [*made.verdict, *reserved, *found], words, name, dict.fromkeys(("est", "lo", "hi", "now", "before"), "days")
    )
    return [text.replace("= <", "<") for text in lines]
