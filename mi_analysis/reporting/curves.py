"""A small line inside a table."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mi_analysis.reporting.presentation import escape
from mi_analysis.reporting.wording import Words, is_missing

CURVE_WIDTH, CURVE_HEIGHT, CURVE_MARGIN = 110, 26, 4


def curve(series: Mapping[Any, float] | pd.Series, words: Words, measure: str = "") -> str:
    """A small line with its latest point, and its first, last, lowest and highest as alternative text.

    Gaps in the series are gaps in the line; blank when there is no value at all.
    """
    points = list(series.items())
    known = [(i, float(value)) for i, (_, value) in enumerate(points) if not is_missing(value)]
    if not known:
        return ""
    values = [value for _, value in known]
    low, span = min(values), (max(values) - min(values)) or 1.0
    step = (CURVE_WIDTH - 2 * CURVE_MARGIN) / max(len(points) - 1, 1)
    height = CURVE_HEIGHT - 2 * CURVE_MARGIN
    places = {i: (CURVE_MARGIN + i * step, CURVE_MARGIN + height * (1 - (v - low) / span)) for i, v in known}
    path = "".join(f"{'L' if i - 1 in places else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in places.items())
    last_x, last_y = places[known[-1][0]]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CURVE_WIDTH} {CURVE_HEIGHT}">'
        f'<path d="{path}" fill="none" stroke="#12436D" stroke-width="1.6"/>'
        f'<circle cx="{last_x:.1f}" cy="{last_y:.1f}" r="2.6" fill="#F46A25"/></svg>'
    )
    data = base64.b64encode(svg.encode()).decode()
    alternative = escape(_curve_text(points, known, words, measure))
    size = f'width="{CURVE_WIDTH}" height="{CURVE_HEIGHT}"'
    return f'<img class="curve" alt="{alternative}" {size} src="data:image/svg+xml;base64,{data}">'


def _curve_text(
    points: Sequence[tuple[Any, float]], known: Sequence[tuple[int, float]], words: Words, measure: str
) -> str:
    def shown(value: float) -> str:
        return words.quantity(value, measure, unit=False) if measure else words.number(value, 1)

    def at(position: int) -> str:
        return words.period(points[position][0], words.grain, short=True)

    (first_at, first), (last_at, last), values = known[0], known[-1], [value for _, value in known]
    return words.text("describe.curve", first=shown(first), first_at=at(first_at), last=shown(last), last_at=at(last_at),
                      lowest=shown(min(values)), highest=shown(max(values)))  # fmt: skip
