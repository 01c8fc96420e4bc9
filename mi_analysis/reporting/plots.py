"""Drawing: seaborn and matplotlib with the report's palette, letters and formats.

Every function takes a tidy table and an optional ``ax`` and returns the axes; no numbers at all is
drawn as a sentence. Titles belong to `mi_analysis.reporting.figures.figure`, not to the image.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure as Drawing
from matplotlib.ticker import Formatter, MaxNLocator

from mi_analysis.reporting.tables import Column, label
from mi_analysis.reporting.wording import Words, as_date, is_missing

PALETTE = ("#12436D", "#F46A25", "#28A197", "#801650", "#A285D1", "#594111")
"""At least 3.03:1 on white, and told apart with any colour vision (measured; see docs)."""
MARKERS = ("o", "s", "^", "D", "v", "P")
SHADES = ("#12436D", "#2F6391", "#5B8AB5", "#93B5D3", "#C5D8E8", "#E8EFF5")
"""Dark to light, for ordered parts; drawn with a dark edge."""
INK, SOFT, GRID = "#1D2733", "#5B6672", "#DDE3E9"

THIRD, HALF, FULL = (3.2, 2.2), (4.7, 2.6), (9.6, 3.3)
"""Inches; letters have one size on the page, so figures are not scaled to fit."""
MULTIPLES = 6
"""Small charts in a row."""
MANY_POINTS = 500
"""More points than this are drawn as pixels inside the SVG."""

THEME: dict[Any, Any] = {
    "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "font.size": 8.5, "svg.fonttype": "none", "svg.hashsalt": "mi-analysis",
    "axes.titlesize": 8.5, "axes.titlelocation": "left", "axes.titlecolor": SOFT, "axes.labelsize": 8.5, "axes.labelcolor": SOFT,
    "axes.edgecolor": SOFT, "axes.spines.top": False, "axes.spines.right": False, "axes.spines.left": False,
    "axes.grid": True, "axes.grid.axis": "y", "axes.axisbelow": True, "axes.prop_cycle": cycler(color=PALETTE),
    "grid.color": GRID, "grid.linewidth": 0.7, "lines.linewidth": 1.8, "lines.markersize": 4,
    "xtick.color": SOFT, "ytick.color": SOFT, "xtick.major.size": 0, "ytick.major.size": 0,
    "text.color": INK, "text.parse_math": False, "figure.facecolor": "white", "figure.constrained_layout.use": True,
    "legend.frameon": False, "legend.fontsize": 8.5, "legend.columnspacing": 1.3, "legend.handlelength": 1.6,
}  # fmt: skip


def new_axes(size: tuple[float, float] = HALF, rows: int = 1, columns: int = 1, **settings: Any) -> Any:
    """Axes (an array of them for several) on a drawing of their own, outside pyplot."""
    with mpl.rc_context(THEME):
        return Drawing(figsize=size, layout="constrained").subplots(rows, columns, **settings)


# Axes


class NumberFormat(Formatter):
    """Numbers of the language, with as many decimals as the distance between ticks needs."""

    def __init__(self, words: Words, scale: float = 1) -> None:
        self.words, self.scale = words, scale

    def __call__(self, value: float, position: int | None = None) -> str:
        """One tick's label."""
        return self.words.number(value / self.scale, 1)

    def format_ticks(self, values: Any) -> list[str]:
        """Labels of all ticks together."""
        ticks = np.asarray(values, dtype=float) / self.scale
        step = np.diff(ticks).min() if len(ticks) > 1 else 1.0
        decimals = next((d for d in range(4) if np.isclose(np.round(step, d), step, rtol=1e-6)), 4)
        return [self.words.number(tick, decimals) for tick in ticks]


def _stretch(days: Iterable[Any]) -> float:
    """How many months apart the periods are: bars of years are as much wider."""
    numbers = sorted({float(date2num(day)) for day in days})
    return max(1.0, min(np.diff(numbers), default=0.0) / 30.5)


def _months(ax: Axes, dates: pd.Series, words: Words) -> Any:
    """Short month names, the year under January and under the first; of years, the years."""
    days = sorted({as_date(day) for day in dates})
    if _stretch(days) > 11:
        return ax.set_xticks([float(date2num(day)) for day in days], [words.period(day, "year") for day in days])
    step = next(step for step in (1, 2, 3, 6, 12, 24, 60, 120) if len(days) / step <= 1.7 * _width(ax))
    shown = [
        day for day in days if (day.month - 1) % min(step, 12) == 0 and (step <= 12 or day.year % (step // 12) == 0)
    ]
    shown = shown or days[:1]
    ax.set_xticks([float(date2num(day)) for day in shown], [_tick(day, day == shown[0], words) for day in shown])


def _tick(day: date, first: bool, words: Words) -> str:
    return words.month(day, short=True) + (f"\n{day.year}" if first or day.month == 1 else "")


def _scale(y: str, words: Words) -> tuple[str, float]:
    """Unit phrase and scale of a measure's axis."""
    if not words.has(f"measure.{y}.unit"):
        return "", 1
    return words.measure(y, "unit"), words.money_scale if words.is_money(y) else 1


def _finish(ax: Axes, y: str, unit: str, words: Words, *, from_zero: bool = False, legend: int = 0) -> Axes:
    """Unit over the axis, numbers of the language, legend above the plot."""
    phrase, scale = _scale(y, words)
    ax.set_title(unit or phrase, pad=8)
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(NumberFormat(words, scale))
    ax.set(xlabel="", ylabel="")
    if from_zero:
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))
    if legend > 1:
        handles, labels = ax.get_legend_handles_labels()
        order = -1 if ax.lines and ax.containers else 1  # bars before what they are held against
        columns = min(legend, 2 if _width(ax) <= THIRD[0] else 4 if len(labels) == 4 else 3)
        ax.figure.legend(handles[::order], labels[::order], loc="outside lower left", ncols=columns)
    return ax


def _empty(ax: Axes, words: Words) -> Axes:
    ax.set_axis_off()
    ax.text(0.5, 0.5, words.text("document.no_numbers"), ha="center", va="center", transform=ax.transAxes, color=SOFT)
    return ax


def _days(values: pd.Series) -> Any:
    return [as_date(value) for value in values]


def _width(ax: Axes) -> float:
    drawing: Any = ax.figure
    return float(drawing.get_size_inches()[0])


def _is_empty(data: pd.DataFrame, names: Sequence[str]) -> bool:
    return data.empty or not data[list(names)].notna().to_numpy().any()


def _named(name: str, words: Words) -> str:
    return label(Column(name), words)


# Drawing


def series(
    data: pd.DataFrame, x: str, y: str | Sequence[str], words: Words, *, labels: Mapping[str, str] | None = None,
    against: str = "", unit: str = "", ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """Lines over months: one or more columns of one unit, each with its latest number; gaps stay gaps.

    ``against`` (a budget) is drawn last, as what the others are held against.
    """
    names = [y] if isinstance(y, str) else list(y)
    ax = new_axes() if ax is None else ax
    if _is_empty(data, names):
        return _empty(ax, words)
    with mpl.rc_context(THEME):
        for i, name in enumerate(names):
            told = (labels or {}).get(name) or _named(name, words)
            ax.plot(_days(data[x]), data[name], color=PALETTE[i % 6], marker=MARKERS[i % 6], label=told)
            _latest(ax, data, x, name, words, PALETTE[i % 6])
        if against:
            ax.fill_between(_days(data[x]), data[against].astype(float), color=SHADES[5], linewidth=0)
            look: Any = {"color": SOFT, "linewidth": 1.2, "linestyle": (0, (4, 3)), "label": _named(against, words)}
            ax.plot(_days(data[x]), data[against], **look)
        _months(ax, data[x], words)
        return _finish(ax, names[0], unit, words, from_zero=True, legend=len(names) + bool(against))


def control(data: pd.DataFrame, x: str, y: str, words: Words, *, target: float | None = None) -> Axes:
    """A control chart: values, centre line, limits, and a ring around points with a signal.

    ``centre``, ``lower`` and ``upper`` are columns (they may change over time), ``signal`` is true or a signal's key.
    What is not there is not drawn.
    """
    ax: Axes = new_axes()
    if _is_empty(data, [y]):
        return _empty(ax, words)
    with mpl.rc_context(THEME):
        days = _days(data[x])
        ax.plot(days, data[y], color=PALETTE[0], marker="o", zorder=3)
        _latest(ax, data, x, y, words, PALETTE[0])
        if known := [name for name in ("lower", "upper", "centre") if name in data]:
            at, edges = _steps(days, data[known].astype(float))
            if "lower" in known and "upper" in known:
                ax.fill_between(at, edges["lower"], edges["upper"], color="#EEF2F6", linewidth=0)
                ax.plot(at, edges[["lower", "upper"]], color=SOFT, linewidth=0.9, linestyle=(0, (1, 2)),
                        label=[words.text("spc.limits"), "_upper"])  # fmt: skip
            if "centre" in known:
                ax.plot(at, edges["centre"], color=SOFT, linewidth=1, label=words.text("spc.centre"))
        flagged = data[_signals(data)]
        if len(flagged):
            ax.plot(_days(flagged[x]), flagged[y], "o", label=words.text("column.signal"), markersize=9, markerfacecolor="none",
                    markeredgewidth=1.6, color=PALETTE[1], zorder=4)  # fmt: skip
        if target is not None and not is_missing(target):
            ax.axhline(target, color=PALETTE[3], linestyle=(0, (4, 3)), linewidth=1.2, label=words.text("goal.target"))
        for day in (day for day, anew in zip(days, data.get("new_level", []), strict=False) if anew):
            ax.axvline(day, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)))
        _months(ax, data[x], words)
        return _finish(ax, y, "", words, legend=4)


def _latest(ax: Axes, data: pd.DataFrame, x: str, y: str, words: Words, colour: str) -> None:
    """The newest number, written beside its point."""
    known = data[data[y].notna()]
    if len(known) > 1 and words.known(y):
        day, value = as_date(known[x].iloc[-1]), float(known[y].iloc[-1])
        place: Any = (date2num(day), value)
        told = known.get("counted", known[y]).iloc[-1]
        ax.annotate(words.quantity(told, y, unit=False), place, (6, 0), textcoords="offset points", va="center",
                    color=colour, fontweight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip


def _steps(days: list[date], levels: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """Corners of levels that last from day to day and change midway between two."""
    at = np.asarray(date2num(days), dtype=float)
    new = np.flatnonzero(levels.ne(levels.shift()).any(axis=1).to_numpy())[1:]
    rows = np.concatenate([[0], np.column_stack([new - 1, new]).ravel(), [len(at) - 1]]).astype(int)
    return np.concatenate([at[:1], np.repeat((at[new] + at[new - 1]) / 2, 2), at[-1:]]), levels.iloc[rows]


def _signals(data: pd.DataFrame) -> pd.Series:
    """Where the signal is true, or its key is neither blank nor ``none``."""
    if "signal" not in data:
        return pd.Series(False, index=data.index)
    return data["signal"].map(lambda value: not is_missing(value) and value not in ("", "none", False)).astype(bool)


def bars(data: pd.DataFrame, x: str, y: str, words: Words, *, against: str = "", ax: Axes | None = None) -> Axes:
    """Bars by month, with what they are held against (a budget, a plan) as a short line over each."""
    names = [y, against] if against else [y]
    ax = new_axes() if ax is None else ax
    if _is_empty(data, names):
        return _empty(ax, words)
    with mpl.rc_context(THEME):
        days = _days(data[x])
        ax.bar(days, data[y].astype(float), width=20 * _stretch(days), color=PALETTE[0], label=_named(y, words))
        if against:
            look: Any = {"marker": "_", "markersize": 13, "markeredgewidth": 2.6, "color": PALETTE[1]}
            ax.plot(days, data[against], linestyle="none", label=_named(against, words), **look)
        _months(ax, data[x], words)
        return _finish(ax, y, "", words, from_zero=True, legend=len(names))


def flow(data: pd.DataFrame, x: str, words: Words, size: tuple[float, float] = (4.7, 3.6)) -> Axes:
    """Cases in (``received``) and out (``closed``) as bars, ``open_cases`` as a line in a panel below.

    Returns the upper axes.
    """
    if _is_empty(data, ["received", "closed", "open_cases"]):
        return _empty(new_axes(size), words)
    upper, under = new_axes(size, 2, 1, sharex=True, height_ratios=[3, 2])
    with mpl.rc_context(THEME):
        days = np.array([date2num(day) for day in _days(data[x])])
        half = 5.5 * _stretch(_days(data[x]))
        for i, (name, shift) in enumerate([("received", -half), ("closed", half)]):
            upper.bar(days + shift, data[name].astype(float), 2 * half, color=PALETTE[i], label=_named(name, words))
        under.plot(days, data["open_cases"].astype(float), color=PALETTE[3], marker="^")
        _months(under, data[x], words)
        _finish(under, "open_cases", _axis_title("open_cases", words), words, from_zero=True)
        upper.tick_params(labelbottom=False)
        return _finish(upper, "received", "", words, from_zero=True, legend=2)


def stacked(data: pd.DataFrame, x: str, parts: Sequence[str], words: Words) -> Axes:
    """Ordered parts of a whole by month (age of open cases), light to dark from first to last; at most 6."""
    ax: Axes = new_axes()
    if _is_empty(data, parts):
        return _empty(ax, words)
    with mpl.rc_context(THEME):
        days, under = _days(data[x]), np.zeros(len(data))
        for part, shade in zip(parts, SHADES[: len(parts)][::-1], strict=True):
            height = data[part].fillna(0).to_numpy(float)
            look: Any = {"color": shade, "edgecolor": INK, "linewidth": 0.4}
            ax.bar(days, height, 22 * _stretch(days), under, label=_named(part, words), **look)
            under = under + height
        _months(ax, data[x], words)
        return _finish(ax, parts[0], "", words, from_zero=True, legend=len(parts))


def points(
    data: pd.DataFrame, x: str, y: str, words: Words, *, fit: pd.DataFrame | None = None,
    units: tuple[str, str] = ("", ""), ax: Axes | None = None,
) -> Axes:  # fmt: skip
    """A scatter of two measures, with a fitted line and its band where one is given.

    ``fit`` has the columns ``x``, ``fit``, ``lower`` and ``upper``.
    """
    ax = new_axes() if ax is None else ax
    known = data.dropna(subset=[x, y])
    if known.empty:
        return _empty(ax, words)
    with mpl.rc_context(THEME):
        sns.scatterplot(known, x=x, y=y, ax=ax, alpha=0.75, s=22, linewidth=0, rasterized=len(known) > MANY_POINTS,
                        color=PALETTE[0], legend=False)  # fmt: skip
        if fit is not None and len(fit):
            ax.fill_between(fit["x"], fit["lower"], fit["upper"], color=PALETTE[1], alpha=0.18, linewidth=0)
            ax.plot(fit["x"], fit["fit"], color=PALETTE[1])
        _finish(ax, y, units[1] or _axis_title(y, words), words)
        ax.set_xlabel(units[0] or _axis_title(x, words))
        ax.xaxis.set_major_formatter(NumberFormat(words, _scale(x, words)[1]))
        return ax


def _axis_title(name: str, words: Words) -> str:
    phrase = _scale(name, words)[0]
    title = words.measure(name) if words.has(f"measure.{name}.label") else name
    return f"{title}, {phrase}" if phrase.casefold() not in title.casefold() else title


def multiples(data: pd.DataFrame, x: str, y: str, by: str, words: Words) -> np.ndarray:
    """A small line chart per value of ``by``, all on the same axes, in the order met; returns the axes."""
    names = list(dict.fromkeys(data.dropna(subset=[y])[by]))
    if not names:
        return np.array([_empty(new_axes(), words)])
    rows = -(-len(names) // MULTIPLES)
    axes = new_axes((9.6, 0.5 + 1.35 * rows), rows, MULTIPLES, sharex=True, sharey=True, squeeze=False).ravel()
    with mpl.rc_context(THEME):
        days = sorted({as_date(day) for day in data[x]})
        ends = list(dict.fromkeys((days[0], days[-1])))
        for ax, name in zip(axes, names, strict=False):
            own = data[data[by] == name]
            ax.plot(_days(own[x]), own[y], color=PALETTE[0], linewidth=1.4)
            _finish(ax, y, "", words)
            ax.set_title(_shortened(str(name), 120 // MULTIPLES), color=INK)
            ax.yaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 2.5, 5, 10]))
            ax.set_xticks([float(date2num(day)) for day in ends], [words.period(day, short=True) for day in ends])
            for text, side in zip(ax.get_xticklabels(), ("left", "right"), strict=False):
                text.set_horizontalalignment(side)
        for ax in axes[len(names) :]:
            ax.set_axis_off()
    return axes


def steps(data: pd.DataFrame, words: Words) -> Axes:
    """A level that becomes another: a bar per ``step``, from the ground where it ``stands``, else from the one before; each with its number."""
    values, stands = data["value"].to_numpy(float), data["stands"].to_numpy(bool)
    ax: Axes = new_axes((HALF[0], 0.5 + 0.33 * len(data)))
    with mpl.rc_context(THEME):
        ax.grid(False)
        level, starts = 0.0, []
        for value, is_level in zip(values, stands, strict=True):
            starts.append(0.0 if is_level else level)
            level = value if is_level else level + value
        places, ends = np.arange(len(data)), np.maximum(starts, np.array(starts) + values)
        colours = np.array(PALETTE)[np.where(stands, 0, np.where(values >= 0, 2, 1))]
        ax.barh(places, values, left=starts, height=0.62, color=colours)
        room = 0.015 * max(np.abs(ends).max(), 1)
        for place, value, end, is_level in zip(places, values, ends, stands, strict=True):
            told = words.number(value, 1, signed=not is_level)
            ax.text(float(end + room), float(place), told, va="center", color=SOFT)
        ax.set_yticks(places, list(data["step"]))
        ax.set_xticks([])
        ax.set_xlim(right=max(ends.max(), 1) * 1.2)
        ax.spines["bottom"].set_visible(False)
        ax.axvline(0, color=SOFT, linewidth=0.8)
        ax.invert_yaxis()
    return ax


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
