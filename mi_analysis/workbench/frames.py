"""What a desk hands over: tidy frames that say what they hold, and an answer to a name that is not known."""

from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from html import escape
from typing import Any, ClassVar

import pandas as pd

from mi_analysis.parameters import Problem, WrongUse, nearest

LISTED, NEAR = 12, 5
"""So many names are told at most, all of them; of more than that so many, the nearest."""


class Frame(pd.DataFrame):
    """A tidy frame with a line above it: what it holds, what is hidden, how fresh.

    What is made of it (a selection, a sum) is a plain frame, since the line would not be true of that.

    Attributes
    ----------
    about
        The line.
    states
        State of each cell of a wide frame that is no plain value, by row number and column.
    """

    _metadata: ClassVar[list[str]] = ["about", "states"]

    def __init__(self, data: Any = None, about: str = "", states: Mapping[tuple[int, str], str] | None = None) -> None:
        super().__init__(data)  # type: ignore[call-arg]
        self.about = about
        self.states = dict(states or {})

    def __repr__(self) -> str:
        return f"{self.about}\n{super().__repr__()}"

    def _repr_html_(self) -> str:
        return f'<p class="lead">{escape(self.about)}</p>{super()._repr_html_()}'  # type: ignore[misc]


States = dict[tuple[int, str], str]
"""State of a printed cell that is no plain value, by row number and column."""


def with_states(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> tuple[pd.DataFrame, States]:
    """A frame of rows in which a figure stands as (value, state), as a desk looks it up; and the states beside it."""
    cells = [
        (at, name, *(cell if isinstance(cell, tuple) else (cell, "value")))
        for at, row in enumerate(rows)
        for name, cell in row.items()
    ]
    plain: list[dict[str, object]] = [{} for _ in rows]
    for at, name, value, _ in cells:
        plain[at][name] = value
    return pd.DataFrame(plain, columns=list(columns)), {
        (at, name): state for at, name, _, state in cells if state != "value"
    }


class NoSuchName(WrongUse, AttributeError):
    """What was asked of a desk by a name that it does not have."""


def unknown(where: str, said: str, kind: str, known: Collection[str], whole: str = "") -> Problem:
    """That a name is not ``kind`` ("a unit"): the nearest, all others where they are few, else the next near and where all are."""
    said, names = str(said), list(known)
    first = nearest(said, names, 0)
    others = [name for name in names if f"Nearest: {name}." != first]
    few = len(others) <= LISTED
    listed = ", ".join(others if few else get_close_matches(said, others, NEAR, 0))
    more = "" if few else f" and {len(others) - NEAR} more, in {whole}"
    lines = [first, f"{'Others' if first else 'Known'}: {listed}{more}." if others else ""]
    return Problem(where, f"'{said}' is not {kind}.", " ".join(filter(None, lines)))
