"""What a notebook shows: a frozen object with title, alternative text and numbers.

Shown in a notebook, a presentation writes one output with two forms: ``text/html`` (what is read,
in JupyterLab and in the report) and ``application/vnd.mi-analysis+json`` (what workbook, index and
comparison are made of)::

    {version: 1, kind: "figure" | "table" | "message", key, title, alternative, unit_of_measure,
     columns: [{name, label, kind, unit, decimals}], rows: [[...]],
     states: [{row, column, state}], verdict: [{key, values}]}

``kind: "grid"`` holds ``items``: presentations side by side. Money in rows is in whole currency
units, dates are ISO text, a cell that prints no number is null and has a state.

Layout: `grid` puts presentations in cards beside each other (two columns on a desk, one on a
phone); `heading` begins a section, on a new sheet of paper where ``page`` is set.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from mi_analysis.reporting.wording import Words, is_missing

JSON = "application/vnd.mi-analysis+json"
VERSION = 1
WIDTHS = ("full", "half", "third", "two-thirds")

_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]")


def clean(value: object) -> str:
    """Text without control characters and without marks that turn the reading direction."""
    return _INVISIBLE.sub("", str(value))


def escape(value: object) -> str:
    """Text from data, safe as HTML content and as a quoted attribute."""
    return html.escape(clean(value))


def with_symbol(tone: str, text: str, words: Words | None) -> str:
    """Text as HTML after the symbol of its tone; blank and plain have none."""
    if tone in ("", "plain") or words is None:
        return escape(text)
    mark = escape(words.text(f"symbol.{tone}"))
    return f'<span class="mark {tone}" aria-hidden="true">{mark}</span> {escape(text)}'


def plain_value(value: object) -> Any:
    """A cell as JSON takes it."""
    if isinstance(value, pd.Series):
        value = value.to_dict()
    if isinstance(value, Mapping):
        return {str(plain_value(key)): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain_value(item) for item in value]
    if is_missing(value):
        return None
    if isinstance(value, (date, datetime)):
        return value.isoformat()[:10]
    return value.item() if isinstance(value, np.generic) else value


@dataclass(frozen=True)
class Presentation:
    """Title, alternative text and numbers, and the HTML that shows them."""

    kind: ClassVar[str] = ""
    key: str
    title: str
    alternative: str
    html: str = field(repr=False)
    columns: tuple[Mapping[str, Any], ...] = ()
    rows: tuple[tuple[Any, ...], ...] = field(default=(), repr=False)
    states: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    verdict: tuple[Mapping[str, Any], ...] = ()
    unit_of_measure: str = ""

    def payload(self) -> dict[str, Any]:
        """The output that workbook, index and comparison read."""
        names = ("key", "title", "alternative", "unit_of_measure")
        parts = {name: [plain_value(item) for item in getattr(self, name)] for name in ("columns", "rows", "states")}
        own = {name: getattr(self, name) for name in names}
        return {"version": VERSION, "kind": self.kind, **own, **parts, "verdict": plain_value(self.verdict)}

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        text = f"{self.title}. {self.alternative}" if self.alternative else self.title
        return {"text/html": self.html, JSON: self.payload(), "text/plain": text}


class Figure(Presentation):
    """An image with its alternative text and the numbers behind it."""

    kind = "figure"


class Table(Presentation):
    """A table with caption, headers and states in words."""

    kind = "table"


class Message(Presentation):
    """One or more sentences made from results."""

    kind = "message"


@dataclass(frozen=True)
class Grid:
    """Presentations side by side."""

    items: tuple[Presentation, ...]
    html: str = field(repr=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        payload = {"version": VERSION, "kind": "grid", "items": [item.payload() for item in self.items]}
        return {"text/html": self.html, JSON: payload, "text/plain": "\n".join(item.title for item in self.items)}


@dataclass(frozen=True)
class Heading:
    """A heading; it carries no numbers."""

    title: str
    html: str = field(repr=False)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        return {"text/html": self.html, "text/plain": self.title}


def grid(*items: Presentation | None, widths: Iterable[str] = ()) -> Grid:
    """Cards side by side; ``widths`` is one of `WIDTHS` per item (blank: all half). None is left out."""
    given = list(widths) or ["half"] * len(items)
    if len(given) != len(items) or not set(given) <= set(WIDTHS):
        raise ValueError(f"widths must be one per item, each of {', '.join(WIDTHS)}; got {', '.join(given)}.")
    shown = [(item, width) for item, width in zip(items, given, strict=True) if item is not None]
    cards = "".join(f'<div class="card {width}">{item.html}</div>' for item, width in shown)
    return Grid(tuple(item for item, _ in shown), f'<div class="grid">{cards}</div>')


def in_lab(html: str) -> str:
    """HTML with how presentations look in JupyterLab; a page drops it, since it has a style of its own."""
    style = Path(__file__).with_name("template").joinpath("lab.css").read_text(encoding="utf-8")
    return f"<style>{style}</style>{html}"


def heading(title: str, *, level: int = 2, lead: str = "", page: bool = False) -> Heading:
    """A heading of level 2 to 4, with a sentence under it; ``page`` begins a new sheet in print."""
    if level not in (2, 3, 4):
        raise ValueError(f"A heading in a report has level 2, 3 or 4; got {level}.")
    begins = ' class="page"' if page else ""
    text = f'<p class="lead">{escape(lead)}</p>' if lead else ""
    return Heading(title, f"<h{level}{begins}>{escape(title)}</h{level}>{text}")


def message(
    sentences: str | Iterable[str | tuple[str, str]],
    *,
    title: str = "",
    key: str = "message",
    verdict: Iterable[Mapping[str, Any]] = (),
    words: Words | None = None,
    level: int = 3,
) -> Message:
    """Sentences in a box: key messages, a verdict with its reservations, a comment.

    Parameters
    ----------
    sentences
        A text, or several; a pair is (tone, text) and gets the symbol of its tone (needs ``words``).
    verdict
        What the sentences were made from: mappings with ``key`` and ``values``.
    """
    pairs = [("", s) if isinstance(s, str) else s for s in ([sentences] if isinstance(sentences, str) else sentences)]
    lines = [with_symbol(own, text, words) for own, text in pairs]
    body = f"<p>{lines[0]}</p>" if len(lines) == 1 else "<ul>" + "".join(f"<li>{x}</li>" for x in lines) + "</ul>"
    top = f"<h{level}>{escape(title)}</h{level}>" if title else ""
    text = " ".join(clean(text) for _, text in pairs)
    shown = f'<div class="message plain">{top}{body if lines else ""}</div>'
    return Message(key, title or text, text, shown, verdict=tuple(verdict))
