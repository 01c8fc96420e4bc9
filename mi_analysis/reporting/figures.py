"""Figures in print: an image with title, alternative text made from the data, and its numbers.

`figure` takes axes (of `mi_analysis.reporting.plots`, or an analyst's own) and the data drawn. The
image is SVG, or PNG where the SVG is large and PNG smaller. The same data gives the same bytes.
"""

import base64
import contextlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure as Drawing

from mi_analysis.reporting.plots import THEME, control
from mi_analysis.reporting.presentation import Figure, clean, escape
from mi_analysis.reporting.tables import (
    NO_NUMBER,
    TIMES,
    Column,
    States,
    cell_text,
    label,
    measure_column,
    table,
    tone_of_signal,
    with_symbol,
)
from mi_analysis.reporting.wording import Words, is_missing

LARGE_SVG, LARGEST_SVG = 30_000, 150_000
"""Bytes; PNG is tried for a larger image, and always taken for a still larger one."""
PIXELS_PER_INCH = 144
LETTERS = "'Segoe UI', system-ui, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"
"""Of an image: laid out in DejaVu Sans, which comes with matplotlib and is wide, shown in the page's own, which are narrower."""
WIDE = 6.0
"""Inches; a wider figure scrolls on a phone, so that its letters can be read."""
MOST_ROWS = 500
"""Rows of numbers under a figure; the workbook has them all."""
DESCRIBED = 3
"""Highest and lowest are told for at most so many columns."""


def figure(
    axes: Axes | Drawing | np.ndarray,
    title: str,
    alternative: str,
    data: pd.DataFrame,
    columns: Sequence[Column | str],
    words: Words,
    *,
    kind: str = "line",
    key: str = "figure",
    states: States = None,
    blank: str = "missing",
    says: str | tuple[str, str] = "",
    note: str = "",
    unit: str = "",
) -> Figure:
    """A figure for a report.

    Parameters
    ----------
    alternative
        One sentence: what the figure shows. What the data say (highest, lowest, latest, signal) is
        added by `describe`.
    data, columns
        The numbers drawn, as for a table (`states` and `blank` too); columns of limits and targets have ``reference`` set.
    kind
        ``line``, ``control``, ``bars``, ``stacked``, ``flow``, ``points``, ``steps``, ``intervals`` or ``multiples``.
    says
        What to see, as a sentence under the title; a pair is (tone, sentence) and gets the symbol of its tone.

    Raises
    ------
    ValueError
        Without title, alternative sentence or columns.
    """
    if not title.strip() or not alternative.strip() or not columns:
        raise ValueError(f"Figure '{title}' needs a title, an alternative text and the columns of its numbers.")
    cols = [Column(c) if isinstance(c, str) else c for c in columns]
    numbers = table(data, cols, title, words, states=states, blank=blank)
    printed = numbers
    if len(data) > MOST_ROWS:
        cut = words.text("note.rows_shown", n=words.number(MOST_ROWS), m=words.number(len(data)))
        printed = table(data.head(MOST_ROWS), cols, title, words, states=states, blank=blank, note=cut)
    shown = data[[column.name for column in cols]].reset_index(drop=True)
    for state in numbers.states:
        if state["state"] in NO_NUMBER:
            shown[state["column"]] = shown[state["column"]].astype(object)
            shown.loc[state["row"], state["column"]] = None
    text = f"{clean(alternative).strip()} {describe(kind, shown, cols, words)}"
    drawing = axes if isinstance(axes, Drawing) else np.ravel(np.asarray(axes))[0].figure
    html = _html(drawing, title, text, printed.html, says, note, words)
    return Figure(key, title, text, html, numbers.columns, numbers.rows, numbers.states, unit_of_measure=unit)


def captioned(
    name: str, axes: Axes, data: pd.DataFrame, columns: Sequence[Column | str], words: Words, about: Mapping[str, str] | None = None,
    **settings: Any,
) -> Figure:  # fmt: skip
    """`figure` with the words ``caption.<name>`` and ``alternative.<name>``, whose places ``about`` fills; ``name`` is its key."""
    title, alternative = (words.text(f"{kind}.{name}", **(about or {})) for kind in ("caption", "alternative"))
    return figure(axes, title, alternative, data, columns, words, **{"key": name} | settings)


def control_figure(
    data: pd.DataFrame, measure: str, words: Words, place: str, *, target: float | None = None
) -> Figure:
    """A measure's control chart as a figure.

    Parameters
    ----------
    data
        period_start, the measure, and where there are limits centre, lower, upper and signal; ``counted`` is what was
        counted where the measure is per working day, ``r12`` the rolling line for reading; both in the table only.
    place
        What the chart is about: the unit's name.
    """
    limits = [
        Column(name, kind="number", decimals=words.decimals(measure), reference=True)
        for name in ("centre", "lower", "upper", "target")
    ]
    data = data if target is None else data.assign(target=target)
    columns = [
        Column("period_start", kind=words.grain),
        measure_column(measure, words),
        replace(measure_column(measure, words, label=words.text("column.counted"), reference=True), name="counted"),
        *limits,
    ]
    rolling = measure_column(measure, words, label=words.text("time.rolling_12"), reference=True)
    columns += [Column("signal", kind="signal"), replace(rolling, name="r12")]
    notes = _new_levels(data, words) if "new_level" in data else []
    notes += [words.text("note.working_days")] if "counted" in data else []
    return figure(
        control(data, "period_start", measure, words, target=target), words.measure(measure),
        words.text("alternative.control", measure=words.lower(words.measure(measure)), place=place), data,
        [column for column in columns if column.name in data], words, kind="control", key=f"control_{measure}",
        says=_newest(data, measure, words), note=" ".join(notes),
        unit=words.measure(measure, "unit"),
    )  # fmt: skip


def _new_levels(data: pd.DataFrame, words: Words) -> list[str]:
    """From when, and why, limits begin anew; ``new_level`` holds the key of the cause, blank where there is none."""
    rows = [
        (words.period(day, words.grain), why)
        for day, why in zip(data["period_start"], data["new_level"], strict=True)
        if why
    ]
    moved = [day for day, why in rows if why == "reorganisation"]
    said = [words.text("note.new_level", days=words.listed(moved))] if moved else []
    stated = [(day, words.text(why)) for day, why in rows if why != "reorganisation"]
    return said + [words.text("verdict.spc.rebased", start=day, reason=why) for day, why in stated]


def _newest(data: pd.DataFrame, measure: str, words: Words) -> str | tuple[str, str]:
    """The newest figure and its signal, in words."""
    known = data[data[measure].notna()]
    if not len(known):
        return ""
    row = known.iloc[-1]
    signal = "none" if is_missing(row["signal"]) else str(row["signal"])
    told = words.text("figure.newest", at=words.period(row["period_start"], words.grain), value=words.quantity(row.get("counted", row[measure]), measure),
                      signal=words.lower(words.text(f"signal.{signal}")))  # fmt: skip
    return tone_of_signal(signal, words.known(measure)), told[:1].upper() + told[1:]


def _html(
    drawing: Drawing, title: str, text: str, numbers: str, says: str | tuple[str, str], note: str, words: Words
) -> str:
    width, height = (round(96 * inches) for inches in drawing.get_size_inches())
    picture = f'<img alt="{escape(text)}" width="{width}" height="{height}" src="{image(drawing)}">'
    css = ' class="wide"' if width > 96 * WIDE else ""
    if css:
        picture = f'<div aria-label="{escape(title)}" class="scroll" role="region" tabindex="0">{picture}</div>'
    tone, sentence = ("", says) if isinstance(says, str) else says
    over = f'<p class="says">{with_symbol(tone, sentence, words)}</p>' if sentence else ""
    under = f'<p class="note">{escape(words.text("report.note"))}: {escape(note)}</p>' if note else ""
    return (
        f"<figure{css}><figcaption>{escape(title)}</figcaption>{over}{picture}{under}"
        f"<details><summary>{escape(words.text('document.numbers'))}"
        f'<span class="hint">: {escape(title)}</span></summary>{numbers}</details></figure>'
    )


def image(drawing: Drawing) -> str:
    """The drawing as a data address: SVG, or PNG where the SVG is large and PNG smaller."""
    kind, content = "svg+xml", _svg(drawing)
    if len(content) > LARGE_SVG:
        png = io.BytesIO()
        with _as_drawn():
            drawing.savefig(png, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
        if len(content) > min(LARGEST_SVG, len(png.getvalue())):
            kind, content = "png", png.getvalue()
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _svg(drawing: Drawing) -> bytes:
    """As `savefig` makes it, which draws twice: first to find the layout, though drawing does that itself."""
    drawing.set_dpi(PIXELS_PER_INCH)
    target, unsaid = io.BytesIO(), dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with _as_drawn():
        FigureCanvasSVG(drawing).print_svg(target, metadata=unsaid)
    drawing.set_dpi(PIXELS_PER_INCH)
    return _joined(_slim(target.getvalue().decode())).encode()


def _slim(svg: str) -> str:
    """The same image in half the letters. Only markup is touched: numbers in the texts stay as they are written."""
    kept: list[bool] = []  # of the groups that are open, those that say something

    def slim(found: re.Match[str]) -> str:
        tag = "" if found[0] == "</g>" and not kept.pop() else _slim_tag(found[0])
        if re.match(r"<g\b(?!.*/>)", tag):
            kept.append(tag != "<g>")
        return "" if tag in ("<g>", "<g/>") else tag

    svg = re.sub(r"\s*\n\s*", " ", re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)).replace("> <", "><")
    svg = re.sub(r"<[^>]*>", slim, svg[svg.index("<svg") :])
    return svg.replace("<style>*{", f"<style>text{{font:8.5px {LETTERS}}}*{{", 1)


def _slim_tag(tag: str) -> str:
    tag = re.sub(r'^<g id="[^"]*"|^<style type="text/css"', lambda found: found[0].partition(" ")[0], tag)
    tag = re.sub(r"font-size: 8.5px; |font-family: [^;\"]*(; )?", "", tag).replace(' style=""', "")
    tag = re.sub(r' transform="rotate\(-0 [^)]*\)"', "", tag)
    return re.sub(r"-?\d+\.\d{3,}", lambda number: _short(float(number[0])), tag)


def _joined(svg: str) -> str:
    """Markers as paths, and what follows each other in one look as one path: a fourth of the elements, each dear in PDF.

    Letters in between (numbers of an axis between its lines) do not matter. What is seen through stays by itself.
    """
    marks = dict(re.findall(r'<path id="([^"]*)" d="([^"]*)"', svg))

    def placed(found: re.Match[str]) -> str:
        return f'<path d="{_moved(marks[found[1]], float(found[2]), float(found[3]))}"{found[4]}/>'

    svg = re.sub(
        r'<g( clip-path="[^"]*")>((?:<use [^>]*/>)+)</g>', lambda g: g[2].replace(" style=", f"{g[1]} style="), svg
    )
    svg = re.sub(r'<use xlink:href="#([^"]*)" x="([^"]*)" y="([^"]*)"([^>]*)/>', placed, svg)
    pieces, look = [""], ""
    place = 0
    for tag in re.findall("<[^>]*>[^<]*", re.sub(r'<defs>(<path id="[^>]*/>)+</defs>', "", svg)):
        path = re.fullmatch(r'<path d="([^"]*)"(.*)/>', tag)
        if path and path[2] == look and not re.search(r"opacity: 0\.", look):
            pieces[place] = pieces[place].replace(f'"{look}', f'{path[1]}"{look}')
            continue
        pieces.append(tag)
        if path:
            look, place = path[2], len(pieces) - 1
        elif not re.match("</?text", tag):
            look = ""
    return "".join(pieces)


def _moved(path: str, x: float, y: float) -> str:
    """A marker's path at its place; a circle, which matplotlib draws as eight curves, as two arcs."""
    circle = re.match(r"M 0 ([\d.]+) C", path) if path.count("C") == 8 else None
    if circle:
        r = float(circle[1])
        return f"M {_short(x - r)} {_short(y)} a {r:g} {r:g} 0 1 0 {2 * r:g} 0 a {r:g} {r:g} 0 1 0 {-2 * r:g} 0 z "
    return re.sub(r"(-?[\d.]+) (-?[\d.]+)", lambda at: f"{_short(float(at[1]) + x)} {_short(float(at[2]) + y)}", path)


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")


@contextlib.contextmanager
def _as_drawn() -> Iterator[None]:
    with mpl.rc_context(THEME), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names in other alphabets
        yield


# Alternative text


def describe(kind: str, data: pd.DataFrame, columns: Sequence[Column], words: Words) -> str:
    """What the numbers say, in sentences: how many, highest, lowest, latest, signals.

    The leading columns that are not numbers say where a value stands; ``reference`` columns are
    left out. ``data`` holds null where a number is not shown.
    """
    values = [column for column in columns if column.numeric and not column.reference]
    where = [column for column in columns if column.kind not in ("signal", "curve") and not column.numeric]
    known = data[[column.name for column in values]].notna()
    filled = data[known.any(axis=1)]
    if filled.empty:
        return words.text("describe.none")
    parts = [words.text(f"describe.{kind}", points=len(filled), series=_series(kind, filled, values, where))]
    if kind == "steps":
        rows = filled.to_dict("records")
        parts += [
            ", ".join(
                f"{_place(row, where, words)} {_shown(row[c.name], c, row, words)}" for row in rows for c in values
            )
            + "."
        ]
    elif kind == "stacked":
        parts.append(_latest_parts(filled, values, where, words))
    else:
        parts += [text for column in values[:DESCRIBED] for text in _of_column(filled, column, where, words)]
    parts += _signal_text(data, columns, where, words)
    left_out = int((~known).to_numpy().sum())
    return " ".join(parts + ([words.text("describe.left_out", n=left_out)] if left_out else []))


def _series(kind: str, data: pd.DataFrame, values: Sequence[Column], where: Sequence[Column]) -> int:
    return data[where[0].name].nunique() if kind == "multiples" else len(values)


def _place(row: Mapping[Any, Any], where: Sequence[Column], words: Words) -> str:
    return ", ".join(cell_text(row[column.name], column, row, words) for column in where)


def _shown(value: Any, column: Column, row: Mapping[Any, Any], words: Words) -> str:
    return f"{cell_text(value, column, row, words)} {column.unit}".strip()


def _of_column(data: pd.DataFrame, column: Column, where: Sequence[Column], words: Words) -> Iterator[str]:
    rows = data[data[column.name].notna()].to_dict("records")
    if not rows:
        return
    low, high = (pick(rows, key=lambda row: row[column.name]) for pick in (min, max))
    if len(rows) == 1:
        yield words.text(
            "describe.one", value=_shown(low[column.name], column, low, words), at=_place(low, where, words)
        )
        return
    ends = {"highest": _shown(high[column.name], column, high, words), "highest_at": _place(high, where, words),
            "lowest": _shown(low[column.name], column, low, words), "lowest_at": _place(low, where, words)}  # fmt: skip
    yield words.text("describe.high_low", label=label(column, words), **ends)
    if where and where[0].kind in TIMES:
        last = max(rows, key=lambda row: str(row[where[0].name]))
        yield words.text(
            "describe.latest", value=_shown(last[column.name], column, last, words), at=_place(last, where, words)
        )


def _latest_parts(data: pd.DataFrame, values: Sequence[Column], where: Sequence[Column], words: Words) -> str:
    row = data.to_dict("records")[-1]
    parts = [f"{label(column, words)} {_shown(row[column.name], column, row, words)}" for column in values]
    return words.text("describe.latest", value=", ".join(parts), at=_place(row, where, words))


def _signal_text(data: pd.DataFrame, columns: Sequence[Column], where: Sequence[Column], words: Words) -> list[str]:
    column = next((column for column in columns if column.kind == "signal"), None)
    if column is None:
        return []
    rows = [row for row in data.to_dict("records") if not is_missing(row[column.name]) and row[column.name] != "none"]
    places = [f"{_place(row, where, words)} ({words.lower(words.text(f'signal.{row[column.name]}'))})" for row in rows]
    return [words.text("describe.signal", at=", ".join(places)) if places else words.text("describe.no_signal")]
