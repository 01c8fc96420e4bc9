"""Exact medians and other quantiles of whole days, for many overlapping windows of months at once.

A quantile cannot be added up from months, units or activities, so each window goes back to its cases.
SQL would hand every case to its percentile some seventy times (three levels, two totals, twelve
windows); here the cases of a cell are counted once per day and month, and windows are differences of
running counts. The result is the same as ``percentile_cont`` over the window's cases.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from mi_analysis.measures.structure import number
from mi_analysis.model.engines import Engine
from mi_analysis.model.schema import ALL
from mi_analysis.parameters import Institution


def windowed_quantiles(
    days: NDArray[np.integer],
    month: NDArray[np.integer],
    first: NDArray[np.integer],
    last: NDArray[np.integer],
    probabilities: tuple[float, ...],
    fewest: int,
) -> NDArray[np.float64]:
    """Quantiles of ``days`` within each window, linear between neighbours (Hyndman and Fan's type 7).

    Parameters
    ----------
    days
        Days of each case, shape (cases,), whole numbers from 0.
    month
        Month of each case, 0 or more, shape (cases,).
    first, last
        First and last month of each window, both included, shape (windows,); may lie outside the data.
    probabilities
        Such as ``(0.5, 0.9)``.
    fewest
        Windows with fewer cases get nan.

    Returns
    -------
    Shape (windows, probabilities).
    """
    months = int(month.max()) + 1
    values = np.flatnonzero(np.bincount(days))
    position = np.zeros(values[-1] + 1, dtype=np.intp)
    position[values] = np.arange(len(values))
    counts = np.bincount((month + 1) * len(values) + position[days], minlength=(months + 1) * len(values))
    # cases up to each month (row 0: none yet) that took at most each number of days
    upto = counts.reshape(months + 1, len(values)).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    within = upto[np.clip(last + 1, 0, months)] - upto[np.clip(first, 0, months)]
    size = within[:, -1]
    found = np.full((len(size), len(probabilities)), np.nan)
    enough = np.flatnonzero(size >= max(fewest, 1))
    within, size = within[enough], size[enough]
    for column, probability in enumerate(probabilities):
        place = probability * (size - 1)
        below = np.floor(place).astype(np.int32)
        lower, upper = (
            values[(within <= rank[:, None]).sum(axis=1)] for rank in (below, np.ceil(place).astype(np.int32))
        )
        found[enough, column] = lower + (place - below) * (upper - lower)
    return found


def within(months: NDArray[np.integer], first: int, last: int) -> NDArray[np.bool_]:
    """Which months lie in a span, both ends included."""
    return (months >= first) & (months <= last)


def add_quantiles(engine: Engine, institution: Institution, log_start: int) -> None:
    """Make quantiles: median and P90, gross and net, of every unit, activity and window.

    A case of a unit that was split cannot be shared: it counts where its parts are whole again.
    """
    windows = engine.local.execute(
        "select slot, first_month - ?, last_month - ? from windows", [log_start, log_start]
    ).fetchall()
    ranges, of_window = np.unique(
        np.array([row[1:] for row in windows], dtype=np.int64).reshape(-1, 2), axis=0, return_inverse=True
    )
    first, last = ranges.T
    cases = engine.columns(
        f"select unit, activity, array_agg(cast(closed_month - {log_start} as integer)) as month, array_agg(cast(days as integer)) as gross, "
        "array_agg(cast(case when net_days >= 0 then net_days else -1 end as integer)) as net "
        f"from case_log where days >= 0 and closed_month >= {log_start} group by unit, activity"
    )
    above = defaultdict(list)
    for unit, over, begins, ends in engine.local.execute(
        "select unit, above, valid_from, valid_to from reach where share > 0.999999"
    ).fetchall():
        above[unit].append((over, number(begins) + (begins.day > 1) - log_start, number(ends) - log_start))
    members: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for place, (unit, activity) in enumerate(zip(cases["unit"], cases["activity"], strict=True)):
        for over, begins, ends in above[unit]:
            members[over, activity].append((place, begins, ends))
            members[over, ALL].append((place, begins, ends))
    tables = []
    for (unit, activity), places in members.items():
        month, gross, net = (
            np.concatenate([np.asarray(cases[name][place]) for place, _, _ in places])
            for name in ("month", "gross", "net")
        )
        stood = np.concatenate(
            [within(np.asarray(cases["month"][place]), begins, ends) for place, begins, ends in places]
        )
        if not stood.any():
            continue
        month, gross, net = month[stood], gross[stood], net[stood]
        found = [windowed_quantiles(gross, month, first, last, (0.5, 0.9), institution.limits.fewest_closed)]
        known = net >= 0
        found.append(
            windowed_quantiles(net[known], month[known], first, last, (0.5, 0.9), institution.limits.fewest_closed)
            if known.any() else np.full((len(ranges), 2), np.nan)
        )  # fmt: skip
        each = np.hstack(found)[of_window]
        kept = np.flatnonzero(~np.isnan(each[:, 0]))  # the net days of a window are fewer than its gross days
        tables.append((unit, activity, kept, each[kept]))
    names = ("case_days_median", "case_days_p90", "case_days_net_median", "case_days_net_p90")
    lengths = [len(kept) for *_, kept, _ in tables]
    slots = np.array([slot for slot, *_ in windows], dtype=np.int32)
    columns = {
        "unit": np.repeat(np.array([unit for unit, *_ in tables], dtype=object), lengths),
        "activity": np.repeat(np.array([activity for _, activity, *_ in tables], dtype=object), lengths),
        "slot": slots[np.concatenate([kept for *_, kept, _ in tables])] if tables else slots[:0],
        **dict(zip(names, (np.vstack([found for *_, found in tables]) if tables else np.empty((0, 4))).T, strict=True)),
    }
    engine.local.register("quantiles", columns)
    engine.take("quantiles")
