"""What every analysis shares: the key of a sentence, the named error, and the check of a table at the door."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd


class BadInput(ValueError):
    """Input that no honest number can be made of; the message says what is wrong and what would be right."""


class Sentence(NamedTuple):
    """A verdict, warning or method: its key in the words of both languages, and raw values for its placeholders."""

    key: str
    values: Mapping[str, object]


def checked(table: pd.DataFrame, keys: Sequence[str] = (), finite: Sequence[str] = ()) -> pd.DataFrame:
    """Copy of `table`, numbered afresh, with `finite` columns as float64.

    Raises `BadInput` for a missing column, an empty table, a blank or repeated key, text among the numbers,
    or an infinite number. Blank numbers (NaN) are let through: the caller says what they mean.
    """
    missing = [name for name in (*keys, *finite) if name not in table.columns]
    if missing:
        raise BadInput(f"The table lacks {', '.join(missing)}; it has {', '.join(map(str, table.columns))}.")
    if table.empty:
        raise BadInput("The table has no rows; at least one is needed.")
    table = table.reset_index(drop=True)
    for name in keys:
        if table[name].isna().any():
            raise BadInput(f"{int(table[name].isna().sum())} rows have a blank {name}; every row needs one.")
    repeated = int(table.duplicated(list(keys)).sum()) if keys else 0
    if repeated:
        raise BadInput(f"{repeated} rows repeat a key; there must be one row per {' x '.join(keys)}.")
    for name in finite:
        try:
            table[name] = table[name].astype("float64")
        except (TypeError, ValueError):
            raise BadInput(f"{name} holds something that is not a number; every value must be one, or blank.") from None
        infinite = int(np.isinf(table[name]).sum())
        if infinite:
            raise BadInput(f"{name} has {infinite} infinite values; a ratio over zero is blank, never infinite.")
    return table


def worked(table: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """`checked` rows of cases and hours, neither of them below 0."""
    table = checked(table, keys, ["cases", "hours"])
    if (table[["cases", "hours"]] < 0).any(axis=None):
        raise BadInput("Cases and hours must not be negative; a correction belongs in the period it corrects.")
    return table


def no_blanks(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """`table` itself; raises `BadInput` when one of `columns` has a blank."""
    for name in columns:
        if table[name].isna().any():
            raise BadInput(f"{int(table[name].isna().sum())} rows have a blank {name}; leave the rows out and say so.")
    return table
