"""A level that becomes another, step by step: bars that stand are levels, bars between them are changes."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from mi_analysis.reporting.figures import figure
from mi_analysis.reporting.plots import PALETTE, SOFT, THEME, new_axes
from mi_analysis.reporting.presentation import Figure
from mi_analysis.reporting.tables import Column
from mi_analysis.reporting.wording import Words

WIDTH, LINE = 4.7, 0.33
"""Inches: of the image, and of each step."""


def steps_figure(frame: pd.DataFrame, title: str, alternative: str, words: Words, *, key: str) -> Figure | None:
    """Steps of hours as a figure; None where there are none.

    Parameters
    ----------
    frame
        ``step`` (key of the words ``steps.<key>``), ``value`` (signed) and ``stands`` (a level, not a change).
    """
    if not len(frame):
        return None
    data = frame.assign(step=[words.text(f"steps.{step}") for step in frame["step"]])
    columns = [
        Column("step", words.text("column.step")),
        Column("value", words.text("column.hours"), kind="number", decimals=1),
    ]
    return figure(drawn(data, words), title, alternative, data, columns, words, kind="steps", key=key)


def drawn(data: pd.DataFrame, words: Words) -> Axes:
    """Horizontal bars, each with its number; a change has its sign."""
    with mpl.rc_context(THEME):
        ax: Axes = new_axes((WIDTH, 0.5 + LINE * len(data)))
        ax.grid(False)
        values, stands = data["value"].to_numpy(float), data["stands"].to_numpy(bool)
        level, starts = 0.0, []
        for value, level_itself in zip(values, stands, strict=True):
            starts.append(0.0 if level_itself else level)
            level = value if level_itself else level + value
        places = np.arange(len(data))
        colours = [PALETTE[0] if level_itself else PALETTE[2] if value >= 0 else PALETTE[1]
                   for value, level_itself in zip(values, stands, strict=True)]  # fmt: skip
        ax.barh(places, values, left=starts, height=0.62, color=colours)
        ends = np.maximum(starts, np.array(starts) + values)
        room = max(np.abs(ends).max(), 1) * 0.015
        for place, value, end, level_itself in zip(places, values, ends, stands, strict=True):
            ax.text(
                float(end + room),
                float(place),
                words.number(value, 1, signed=not level_itself),
                va="center",
                color=SOFT,
            )
        ax.set_yticks(places, list(data["step"]))
        ax.set_xticks([])
        ax.set_xlim(right=max(ends.max(), 1) * 1.2)
        ax.spines["bottom"].set_visible(False)
        ax.axvline(0, color=SOFT, linewidth=0.8)
        ax.invert_yaxis()
    return ax
