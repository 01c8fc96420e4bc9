"""A panel ready to fit: one row per unit (and activity) and period, in calendar order, every row left out counted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mi_analysis.analysis.basis import BadInput, Sentence, checked
from mi_analysis.analysis.inference import Array, Codes, Flags, PanelFit, panel_fit

LARGEST, SMALLEST = 1e12, 1e-9  # beyond these a measure is in the wrong unit
FEWEST_DIGITS = 1e-9  # variation, as a share of the level, below which double precision leaves under seven digits


@dataclass(frozen=True, eq=False)
class Panel:
    """Arrays of N rows sorted by series and period.

    ``x`` (N, P) has the exposure first; ``unit`` is the cluster; ``series`` is unit, or unit x activity;
    ``period`` counts the smallest step of the calendar, so a missing month is a number passed over;
    ``block`` is the activity, or None. ``table`` has the same rows, as they came; the exposure in ``x`` is
    counted in steps of ``step``.
    """

    table: pd.DataFrame
    y: Array
    x: Array
    unit: Codes
    units: tuple[object, ...]
    series: Codes
    period: Codes
    block: Codes | None
    left_out: Mapping[str, int]
    step: float = 1.0

    def __len__(self) -> int:
        return len(self.y)

    def fit(self, x: Array | None = None, rows: Flags | None = None) -> PanelFit:
        """Unit and period effects (per activity, where there are activities), clustered by unit."""
        keep = np.ones(len(self), bool) if rows is None else rows
        columns = (self.x if x is None else x)[keep]
        cluster = np.unique(self.unit[keep], return_inverse=True)[1]
        block = None if self.block is None else self.block[keep]
        return panel_fit(self.y[keep], columns, cluster, self.series[keep], self.period[keep], block)

    def shifted(self, values: Array, steps: int) -> Array:
        """Each row's value of the same series ``steps`` calendar steps later; nan where there is none."""
        key = self.series * (2 * int(self.period.max()) + 2) + self.period
        position = np.minimum(np.searchsorted(key, key + steps), len(key) - 1)
        return np.where(key[position] == key + steps, values[position], np.nan)


def read_panel(
    frame: pd.DataFrame,
    y: str,
    x: Sequence[str],
    unit: str,
    period: str,
    activity: str | None = None,
    logs: bool = False,
    over: str | None = None,
    step: float = 1.0,
) -> Panel:
    """Check the key and the numbers, leave out what cannot be used, and sort; with ``logs``, log(y / over) on log(x).

    Raises `BadInput`: missing column, repeated or blank key, text or infinity among the numbers, periods that are no dates.
    """
    keys = [unit, activity, period] if activity else [unit, period]
    table = checked(frame, keys=keys, finite=[y, *x])
    numbers = table[[y, *x]]
    known = numbers.notna().all(axis=1).to_numpy()
    usable = known & (numbers > 0).all(axis=1).to_numpy() if logs else known
    calendar = calendar_numbers(table[period])
    series: Codes = table.groupby(keys[:-1], sort=True).ngroup().to_numpy().astype(np.int64)
    blocks = pd.factorize(table[activity], sort=True)[0] if activity else np.zeros(len(table))
    block: Codes = blocks.astype(np.int64)
    kept = not_alone(usable, series, calendar, block)
    kept = kept if kept.any() else usable  # one unit, or one period: what there is, to be told that it is too little
    counts = {
        "missing": int((~known).sum()),
        "not_positive": int((known & ~usable).sum()),
        "alone": int((usable & ~kept).sum()),
    }
    order = np.lexsort((calendar, series))
    order = order[kept[order]]
    table = table.iloc[order].reset_index(drop=True)
    values = table[[y, *x]].to_numpy(float)
    values = np.log(values) if logs else values
    codes, units = pd.factorize(table[unit], sort=True)
    start = calendar[order].min() if len(order) else 0
    return Panel(
        table=table,
        y=values[:, 0] - (np.log(table[over].to_numpy(float)) if over else 0),
        x=values[:, 1:] / np.array([step, *([1.0] * (len(x) - 1))]),
        unit=codes.astype(np.int64),
        units=tuple(units),
        series=np.unique(series[order], return_inverse=True)[1],
        period=calendar[order] - start,
        block=block[order] if activity else None,
        left_out={reason: n for reason, n in counts.items() if n},
        step=step,
    )


def calendar_numbers(period: pd.Series) -> Codes:
    """Periods as whole numbers one step apart, whatever their grain: dates, "2026-01", or years."""
    if pd.api.types.is_integer_dtype(period):
        number = period.to_numpy(np.int64)
    else:
        try:
            date = pd.to_datetime(period, format="ISO8601" if pd.api.types.is_string_dtype(period) else None).dt
        except (TypeError, ValueError):
            raise BadInput(f"{period.name} holds something that is no date, such as 2026-01 or 2026-01-01.") from None
        number = (date.year * 12 + date.month).to_numpy(np.int64)
    present = np.unique(number)
    step = int(np.gcd.reduce(np.diff(present))) if len(present) > 1 else 1
    return (number - present[0]) // step


def not_alone(usable: Flags, series: Codes, period: Codes, block: Codes) -> Flags:
    """Rows whose unit has another period and whose period another unit: the others say nothing and only add to n."""
    kept, month = usable.copy(), block * (period.max() + 1) + period
    while True:
        lonely = kept & (
            (np.bincount(series[kept], minlength=series.max() + 1)[series] < 2)
            | (np.bincount(month[kept], minlength=month.max() + 1)[month] < 2)
        )
        if not lonely.any():
            return kept
        kept &= ~lonely


def scale_warnings(panel: Panel, names: Sequence[str]) -> list[Sentence]:
    """Measures whose size leaves too few digits, or is in the wrong unit."""
    noted = []
    for name in names:
        values = panel.table[name].to_numpy(float)
        largest, variation = float(np.abs(values).max(initial=0)), float(np.ptp(values)) if len(values) else 0.0
        if largest > LARGEST or 0 < largest < SMALLEST or variation < FEWEST_DIGITS * largest:
            noted.append(Sentence("warning.assoc.scale", {"measure": name, "largest": largest}))
    return noted


def constant(values: Array) -> bool:
    """Whether all values are the same, but for rounding."""
    return bool(np.ptp(values) <= 1e-12 * np.abs(values).max()) if len(values) else True
