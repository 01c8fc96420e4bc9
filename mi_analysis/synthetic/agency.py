"""The world behind Eksempelstyrelsen's deliveries: its offices, posts, months and shocks."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mi_analysis.measures.calendar import public_holidays

OFFICES = pd.read_csv(Path(__file__).with_name("offices.csv"), sep=";", dtype={"unit": str})
"""Posts, overtime per årsværk, share within deadline, whether it moves with overtime, hours per case relative to the
standard, mix of hours. The first ten carry the planted truths, the last three are gone in the last month."""
STREAM = 8
"""Second part of the seed: a draw in which, at the default seed, nothing unplanted stands out by chance."""
LAST = np.datetime64("2025-12", "M")
MONTH = np.timedelta64(1, "M")
SPLIT, MERGED = np.datetime64("2025-01", "M"), np.datetime64("2025-07", "M")
SUCCESSORS = {"2350": {"2310": 0.6, "2320": 0.4}, "2441": {"2440": 1.0}, "2442": {"2440": 1.0}}
OVERLOAD = np.datetime64("2024-07", "M")
ACT = ["A10", "A15", "A20", "A25", "A30", "A40", "A50", "A60", "A70", "A90"]
DEADLINE = np.array([90, 60, 30, 120, 90, 0, 0, 0, 0, 0])  # days; 0: none
SEASON_SIMPLE = np.array([0.9, 1.0, 1.25, 1.35, 1.25, 1.0, 0.8, 0.85, 0.95, 0.9, 0.9, 0.85])


Weeks = list[list[np.ndarray]]
"""Working days of each week of each month."""


def working_days(months: np.ndarray) -> list[np.ndarray]:
    """The working days (datetime64[D]) of each month."""
    off = [np.datetime64(day) for year in {int(str(m)[:4]) for m in months} for day in sorted(public_holidays(year))]
    every = [np.arange(m, m + MONTH, dtype="datetime64[D]") for m in months]
    return [days[np.is_busday(days, holidays=off)] for days in every]


class Agency:
    """The world behind the deliveries: offices, posts and months. Arrays are offices x (activities x) months."""

    def __init__(self, seed: int, units: int, months: int) -> None:
        if not 10 <= units <= len(OFFICES) - len(SUCCESSORS) or not 13 <= months <= 72:
            raise ValueError(f"Eksempelstyrelsen has 10-{len(OFFICES) - len(SUCCESSORS)} offices and 13-72 months.")
        self.rng = np.random.default_rng((seed, STREAM))
        rows = pd.concat([OFFICES[:units], OFFICES[-len(SUCCESSORS) :]])
        self.code, self.names = list(rows["unit"]), dict(zip(rows["unit"], rows["name"], strict=True))
        self.place = {code: i for i, code in enumerate(self.code)}
        self.base, self.within, self.factor = (rows[c].to_numpy(float) for c in ("overtime", "within", "factor"))
        self.related = (rows["related"] == "x").to_numpy()
        mixes = [dict(re.findall(r"(A\d+):(\d+)", mix)) for mix in rows["mix"]]
        self.mix = np.array([[float(mix.get(a, 0)) for a in ACT] for mix in mixes]) / 100
        self.months = np.arange(LAST - (months - 1) * MONTH, LAST + MONTH)
        self.days = working_days(self.months)
        self.calendar, self.year = self.months.astype(int) % 12, self.months.astype(int) // 12 + 1970
        self.growth = np.maximum(0, (self.months - OVERLOAD).astype(int) + 1) * (np.array(self.code) == "2140")[:, None]
        self._staff(list(rows["posts"]))

    def _staff(self, posts: list[int]) -> None:
        """Which office each post belongs to in each month: persons follow their task when it moves."""
        start = np.repeat(np.arange(len(posts)), posts)
        nth = np.arange(len(start)) - np.repeat(np.cumsum([0, *posts[:-1]]), posts)
        self.home = np.repeat(start[:, None], len(self.months), axis=1)
        for old, shares in SUCCESSORS.items():
            of, first = posts[self.place[old]], 0.0
            for new, share in shares.items():
                moves = (start == self.place[old]) & (nth >= first * of) & (nth < (first + share) * of)
                self.home[np.ix_(moves, self.months >= (SPLIT if old == "2350" else MERGED))] = self.place[new]
                first += share
        self.part = self.rng.choice([1.0, 1.0, 1.0, 1.0, 0.8], len(start))
        self.fte, self.persons = self.sum(self.part[:, None]), self.sum(np.ones((len(start), 1)))
        leaves = np.where(self.rng.random(len(start)) < 0.2, self.rng.integers(0, len(self.months), len(start)), 999)
        self.person = np.arange(1, len(start) + 1)[:, None] + 1000 * (np.arange(len(self.months)) >= leaves[:, None])

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Add posts x months (x weeks) to offices x months."""
        total = np.zeros((len(self.code), len(self.months)))
        flat = np.broadcast_to(values if values.ndim < 3 else values.sum(2), self.home.shape)
        np.add.at(total, (self.home, np.arange(len(self.months))[None]), flat)
        return np.round(total, 6)

    def year_mean(self, values: np.ndarray) -> np.ndarray:
        """Each month's value replaced by the mean of its year."""
        years = [self.year == year for year in np.unique(self.year)]
        return np.sum([values[..., of].mean(-1, keepdims=True) * of for of in years], axis=0)

    def shocks(self, sd: float, shape: tuple[int, ...], rho: float = 0.6) -> np.ndarray:
        """Autocorrelated shocks; the last axis is months."""
        e = self.rng.normal(0, sd, shape)
        for t in range(1, shape[-1]):
            e[..., t] = rho * e[..., t - 1] + np.sqrt(1 - rho**2) * e[..., t]
        return e

    def draw_activity(self, p: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Activity of each row, so that each office's rows of a month follow its mix as closely as they can."""
        share = self.mix[:, None] * np.where(np.array(ACT) == "A20", SEASON_SIMPLE[self.calendar][:, None], 1)
        group = self.home[p, t] * len(self.months) + t
        sizes = np.bincount(group, minlength=self.fte.size)
        rank = np.empty(len(p))
        order = np.lexsort((self.rng.random(len(p)), group))
        rank[order] = np.arange(len(p)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        bins = (np.cumsum(share, 2) / share.sum(2, keepdims=True)).reshape(-1, len(ACT))[group]
        place = (rank + self.rng.random(len(sizes))[group]) / sizes[group]
        return np.minimum((place[:, None] > bins).sum(1), len(ACT) - 1)

    def rows(self, p: np.ndarray, t: np.ndarray, c: np.ndarray, weeks: Weeks, **columns: object) -> pd.DataFrame:
        """Rows of time registration of posts ``p`` in months ``t`` and weeks ``c``."""
        first = np.array([[week[0] for week in month] for month in weeks])[t, c]
        unit, start = np.array(self.code)[self.home[p, t]], self._stamps()[t]
        return pd.DataFrame(
            {"person": self.person[p, t], "unit": unit, "period_start": start, "first": first, **columns}
        )

    def _stamps(self) -> np.ndarray:
        return self.months.astype("datetime64[s]")

    def grid(self, values: pd.Series, activities: list[str] | None = None) -> np.ndarray:
        """A series indexed by unit (, activity) and period_start as an array; what is not there is 0."""
        keys: list[Any] = [self.code, *([activities] if activities else []), self._stamps()]
        every = values.reindex(pd.MultiIndex.from_product(keys), fill_value=0)
        return every.to_numpy(float).reshape([len(k) for k in keys])

    def long(self, activities: list[str] | None = None, **values: np.ndarray) -> pd.DataFrame:
        """Arrays as a tidy frame, without offices that were not there and rows of zeros."""
        shape = next(iter(values.values())).shape
        at = np.indices(shape).reshape(len(shape), -1)
        keys = {"unit": np.array(self.code)[at[0]], "period_start": self._stamps()[at[-1]]}
        frame = pd.DataFrame(keys | {name: np.asarray(array, float).ravel() for name, array in values.items()})
        if activities:
            frame.insert(1, "activity", np.array(activities)[at[1]])
        there = self.fte[at[0], at[-1]] > 0 if activities is None else frame[list(values)].ne(0).any(axis=1).to_numpy()
        return frame[there].reset_index(drop=True)
