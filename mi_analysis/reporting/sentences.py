"""A verdict or warning in words: the template of its key, its raw values as the language writes them."""

from collections.abc import Iterable, Mapping
from typing import Any

from mi_analysis.reporting.wording import Words

MONEY = ("amount",)
PER_CENT = ("pct", "degree", "share", "smallest")
DAYS = ("due", "extracted")
WHOLE = ("n", "n_min", "rows", "cells", "total", "agree", "met", "partly", "not_met", "na", "run", "k", "m")
COUNTED = ("met", "partly", "not_met", "not_assessed")


def sentence(key: str, values: Mapping[str, Any], words: Words) -> str:
    """One sentence in print.

    Parameters
    ----------
    values
        Raw values by placeholder. With ``measure`` among them, ``value``, ``before``, ``centre``,
        ``lcl`` and ``ucl`` are that measure's, with its unit where the sentence has not said it yet; ``change`` is a
        share of what was before.
    """
    shown = {name: _shown(name, value, values, words, key.startswith("finding.")) for name, value in values.items()}
    return words.text(key, **shown | {_plain(name): text for name, text in shown.items()})


def _plain(name: str) -> str:
    """The placeholder that a name with a kind stands for: ``value_amount`` fills ``value``, ``rows_read`` ``read``."""
    return name.removesuffix("_amount").removesuffix("_points").removeprefix("rows_")


def said(found: Iterable[tuple[str, Mapping[str, Any]]], words: Words) -> list[tuple[str, str]]:
    """Sentences in print, each with its tone; what follows from one (``also``: a key and values) stands right after it."""
    lines = []
    for key, values in found:
        parts = [(key, values), *values.get("also", ())]
        lines.append((str(values.get("tone", "plain")), " ".join(sentence(name, own, words) for name, own in parts)))
    return lines


def _shown(name: str, value: Any, values: Mapping[str, Any], words: Words, finding: bool) -> Any:
    measure = values.get("measure", "")
    if name == "measure":
        return words.measure(value)
    if name == "signal":
        return words.lower(words.text(f"signal.{value}"))
    if name in MONEY or name.endswith("_amount"):
        return words.money(value)
    if name in DAYS:
        return words.date(value)
    if name in PER_CENT:
        return words.percent(value)
    if name == "change_points":
        return words.points(value)
    if name == "counts":
        return ", ".join(
            f"{value[key]} {words.lower(words.text(f'status.{key}'))}" for key in COUNTED if value.get(key)
        )
    if name == "change":
        return words.percent(value * 100, signed=True)
    if name == "weight":
        return words.number(value)
    if measure and name in ("value", "before", "centre", "lcl", "ucl"):
        unit = words.measure(measure, "unit")
        plain = not words.is_money(measure) and unit != words.text("quantity.pct", value="").strip()
        said = "value" in values and (name == "before" or unit.casefold() in words.measure(measure).casefold())
        return words.quantity(value, measure, unit=not (plain and said))
    if (name in WHOLE or name.startswith("rows_")) and isinstance(value, int):
        return words.number(value)
    if name == "date" and not finding:
        return words.date(value)
    if name in ("month", "start", "last") and not finding:  # a finding says what the file says
        return words.period(value, "" if isinstance(value, str) else words.grain)
    return value
