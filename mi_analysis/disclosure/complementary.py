"""Which further cells must be hidden, so that no hidden one can be found by adding and subtracting the rest.

Everything that is shown is a sum over units, activities and months of figures that cannot be negative. A hidden
cell is safe when the same sums are true of another world in which it is far from what it is: a *witness*. Cells
without a witness get the cheapest one, found by linear programming: what of the shown sums it would change is
hidden too (the incremental method of cell suppression: Kelly, Golden & Assad 1992; Fischetti & Salazar 2000).
"""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linprog
from scipy.sparse.linalg import lsqr

from mi_analysis.disclosure.kept import SUM
from mi_analysis.model.history import chain, known_parents
from mi_analysis.model.schema import ALL

TRIES = 3
"""Random worlds tried in vain before cells are looked at one by one."""
TOGETHER = 12
"""Units that are solved together; the rest of a large group is taken as known meanwhile, which is on the safe side."""
ABOVE = 3.0
"""How much more it costs to hide the figure of a unit that has others below it."""
SMALL = 1e-6


def complement(cells: pd.DataFrame, parents: Mapping[str, str], part: float, least: float) -> np.ndarray:
    """Shown cells that have to be hidden too (a mask over the cells).

    Parameters
    ----------
    cells
        A row per unit, activity, first and last month (numbered) with its value; ``hidden``; ``sensitive`` (hidden for
        what it is, not for what would follow from it); ``weight``: what hiding it costs, infinite where it was shown before.
    parents
        Unit -> the unit above it; "" above the institution.
    part, least
        Smallest interval that protects: as a part of the value, and in its unit where it is 0 or near it.
    """
    cells = cells.reset_index(drop=True)
    hidden, sensitive = cells["hidden"].to_numpy(bool).copy(), cells["sensitive"].to_numpy(bool)
    tree = _Tree(cells["unit"].unique(), parents)
    targets = set(cells["unit"][sensitive])
    waiting = _tops(cells, tree, sensitive, hidden)
    while waiting:
        top = max(waiting, key=lambda unit: (len(tree.chain(unit)), unit))
        waiting.remove(top)
        for units in _together(tree.children.get(top, []), tree, targets):
            above = tree.above(top)  # the institution itself is shown: where it has nothing at all, no part has
            if not _World(cells, tree, units, part, least).protect(hidden, sensitive, climb=above != ""):
                waiting.add(above)  # nothing below is enough
                break
    return hidden & ~cells["hidden"].to_numpy(bool)


def given_away(cells: pd.DataFrame, parents: Mapping[str, str]) -> np.ndarray:
    """Hidden cells that follow from what is shown and are no secret themselves: hiding them protects nobody."""
    cells = cells.reset_index(drop=True)
    hidden, sensitive = cells["hidden"].to_numpy(bool), cells["sensitive"].to_numpy(bool)
    tree = _Tree(cells["unit"].unique(), parents)
    known = np.zeros(len(cells), bool)
    for top in _tops(cells, tree, hidden, hidden):
        known |= _World(cells, tree, tree.children.get(top, []), 0, 1).given_away(hidden) & ~sensitive
    return known


class _Tree:
    """Units by the unit above them, with "" above all."""

    def __init__(self, units: Iterable[str], parents: Mapping[str, str]) -> None:
        self.parent = known_parents({unit: parents.get(unit, "") for unit in sorted(units)})
        self.children: dict[str, list[str]] = {}
        for unit, parent in self.parent.items():
            self.children.setdefault(parent, []).append(unit)

    def above(self, unit: str) -> str:
        return self.parent.get(unit, "")

    def chain(self, unit: str) -> tuple[str, ...]:
        return chain(unit, self.parent)

    def below(self, units: Iterable[str]) -> list[str]:
        """The units and all below them."""
        return [found for unit in units for found in (unit, *self.below(self.children.get(unit, [])))]


def _tops(cells: pd.DataFrame, tree: _Tree, wanted: np.ndarray, hidden: np.ndarray) -> set[str]:
    """The nearest unit above each wanted cell's of which nothing is hidden; "" where there is none."""
    open_units = set(cells["unit"][hidden])
    return {
        next((above for above in tree.chain(unit)[1:] if above not in open_units), "")
        for unit in set(cells["unit"][wanted])
    }


def _together(units: list[str], tree: _Tree, targets: set[str]) -> Iterator[list[str]]:
    """Parts of a group, each with some of the units that have something to hide."""
    ordered = sorted(units, key=lambda unit: (not targets.intersection(tree.below([unit])), unit))
    parts = max(1, round(len(ordered) / TOGETHER))
    for part in range(parts):
        if targets.intersection(tree.below(ordered[part::parts])):
            yield ordered[part::parts]


class _World:
    """Figures of some units and all below them as sums of their finest parts, and what is known of these.

    Figures without a negative one among them are known not to be negative.

    Rows of ``sums`` are the different sums of the cells (``row`` of each cell), columns the finest parts: a unit without
    others below it, an activity, a period. Units above only tell what these sum to; their cells are never hidden here.
    """

    def __init__(self, cells: pd.DataFrame, tree: _Tree, units: list[str], part: float, least: float) -> None:
        inside = set(tree.below(units))
        outside = {above for unit in units for above in tree.chain(unit)[1:]}
        self.at = np.flatnonzero(cells["unit"].isin(inside | outside) & cells["value"].notna())
        own = cells.iloc[self.at]
        parts = _finest(own[own["unit"].isin(inside - set(tree.children))])
        self.x, self.part, self.least = parts["value"].to_numpy(float), part, least
        self.lower = -self.x if self.x.min(initial=0) >= 0 else np.full(len(self.x), -self._far())
        self.hideable = own["unit"].isin(inside).to_numpy() & np.isfinite(own["weight"].to_numpy())
        above = np.where(own["unit"].isin(tree.children), ABOVE, 1.0)
        cost = own["weight"].to_numpy() * above
        self.row, self.sums = _sums(own, parts, tree)
        self.cost = np.bincount(self.row, np.where(self.hideable, cost, 0), self.sums.shape[0])

    def protect(self, hidden: np.ndarray, sensitive: np.ndarray, climb: bool) -> bool:
        """Hide (in place) until every sensitive cell has a witness; False where that takes more than these units."""
        rows = np.unique(self.row[sensitive[self.at] & hidden[self.at] & self.hideable])
        rows = rows[np.diff(self.sums.indptr)[rows] > 0]
        self.need = np.maximum(self.part * np.abs(self.sums @ self.x), self.least)
        self.reach = np.zeros((2, self.sums.shape[0]))
        waiting = self._tried(rows, self._shown(hidden))
        while len(waiting):
            witness = self._witness(waiting[0], self._shown(hidden))
            if witness is None and climb:
                return False
            if witness is None:  # what was shown before tells it
                waiting = waiting[1:]
                continue
            changed = np.flatnonzero(np.abs(self.sums @ witness) > SMALL * max(1.0, self.need[waiting[0]]))
            hidden[self.at[np.isin(self.row, changed) & self.hideable]] = True
            waiting = waiting[self._open(waiting, witness)]
        return True

    def _open(self, rows: np.ndarray, witness: np.ndarray) -> np.ndarray:
        """Which sums the worlds found so far do not leave wide enough."""
        moved = self.sums @ witness
        self.reach = np.maximum(self.reach, [moved, -moved])
        return self.reach[:, rows].sum(0) < self.need[rows] * (1 - SMALL)

    def _shown(self, hidden: np.ndarray) -> np.ndarray:
        """Which sums are shown, as at least one cell that is the same sum."""
        return np.bincount(self.row, ~hidden[self.at], self.sums.shape[0]) > 0

    def _free(self, shown: np.ndarray) -> tuple[np.ndarray, sparse.csr_matrix]:
        """Parts that are not shown themselves, and what is shown of their sums."""
        single = shown & (np.diff(self.sums.indptr) == 1)
        free = np.ones(len(self.x), bool)
        free[self.sums[single].indices] = False
        known = self.sums[shown][:, free]
        return np.flatnonzero(free), known[np.diff(known.indptr) > 0]

    def _tried(self, rows: np.ndarray, shown: np.ndarray) -> np.ndarray:
        """Which sensitive sums have no witness yet in what is hidden already."""
        free, known = self._free(shown)
        aims = self.sums[rows][:, free].multiply(1 / self.need[rows][:, None]).tocsr()
        waiting, random = np.ones(len(rows), bool), np.random.default_rng(len(rows))
        bounds = np.column_stack([self.lower[free], np.full(len(free), self._far())])

        in_vain = 0
        while len(free) and waiting.any() and in_vain < TRIES:
            goal = aims.T @ np.where(waiting, random.choice([-1.0, 1.0], len(rows)), 0)
            found = linprog(-goal, A_eq=known, b_eq=np.zeros(known.shape[0]), bounds=bounds, method="highs")
            world = np.zeros(len(self.x))
            world[free] = found.x if found.status == 0 else 0
            still = waiting & self._open(rows, world)
            waiting, in_vain = still, 0 if (waiting & ~still).any() else in_vain + 1
        return rows[waiting]

    def _witness(self, row: int, shown: np.ndarray) -> np.ndarray | None:
        """The cheapest other world in which a sum is as far off as it has to be; None where units above tell it."""
        count, need = len(self.x), self.need[row]
        can_hide = shown & (self.cost > 0)
        fixed, soft = self.sums[shown & ~can_hide], self.sums[can_hide]
        change = sparse.identity(soft.shape[0])
        aim = sparse.csr_matrix(self.sums[[row]])
        equal = sparse.bmat([[soft, -change, change], [fixed, None, None], [aim, None, None]], format="csr")
        cost = np.concatenate([np.zeros(count), self.cost[can_hide], self.cost[can_hide]])
        lower = np.concatenate([self.lower, np.zeros(2 * soft.shape[0])])
        upper = np.concatenate([np.full(count, self._far()), np.full(2 * soft.shape[0], np.inf)])
        best = None
        for sign in (1.0, -1.0):
            right = np.zeros(equal.shape[0])
            right[-1] = sign * (need - self.reach[int(sign > 0), row])
            found = linprog(cost, A_eq=equal, b_eq=right, bounds=np.column_stack([lower, upper]), method="highs")
            if found.status == 0 and (best is None or found.fun < best.fun - SMALL):
                best = found
            if best is not None and best.fun < SMALL:
                break
        return None if best is None else best.x[:count]

    def _far(self) -> float:
        return 10 * max(float(np.abs(self.x).max(initial=0)), self.least)

    def given_away(self, hidden: np.ndarray) -> np.ndarray:
        """Hidden cells of these units that are the same in every world (over all cells)."""
        free, known = self._free(self._shown(hidden))
        told = np.zeros(len(hidden), bool)
        random, same = np.random.default_rng(len(free)), np.ones(self.sums.shape[0], bool)
        for _ in range(2):
            world = np.zeros(len(self.x))
            world[free] = draw = random.normal(size=len(free))
            if len(free) and known.shape[0]:
                world[free] -= lsqr(known, known @ draw, atol=1e-13, btol=1e-13, iter_lim=20 * len(free))[0]
            same &= np.abs(self.sums @ world) < SMALL
        told[self.at] = same[self.row] & hidden[self.at] & self.hideable
        return told


def _finest(cells: pd.DataFrame) -> pd.DataFrame:
    """The shortest periods of each unit and activity that do not overlap; totals only where no activity is told."""
    split = cells.groupby("unit")["activity"].transform("nunique") > 1
    chosen = cells[~split | (cells["activity"] != ALL)]
    chosen = chosen.assign(length=chosen["last"] - chosen["first"]).sort_values(["unit", "activity", "length", "first"])
    months: set[tuple[str, str, int]] = set()
    kept: list[bool] = []
    for unit, activity, first, last in zip(*(chosen[name].tolist() for name in SUM), strict=True):
        covered = {(unit, activity, month) for month in range(first, last + 1)}
        kept.append(not covered & months)
        months |= covered if kept[-1] else set()
    return chosen[kept]


def _sums(cells: pd.DataFrame, parts: pd.DataFrame, tree: _Tree) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Which sum each cell is, and the different sums as zeros and ones over the parts."""
    by_place: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    for number, (own, part, first, last) in enumerate(zip(*(parts[name].tolist() for name in SUM), strict=True)):
        for unit in tree.chain(own):
            for activity in {part, ALL}:
                by_place.setdefault((unit, activity), []).append((first, last, number))
    found: dict[tuple[int, ...], int] = {}
    row = [
        found.setdefault(
            tuple(number for first, last, number in by_place.get(place, ()) if begin <= first and last <= end), len(found)
        )
        for place, begin, end in zip(
            zip(cells["unit"], cells["activity"], strict=True), cells["first"], cells["last"], strict=True
        )
    ]  # fmt: skip
    sizes = [len(sums) for sums in found]
    columns = np.fromiter((number for sums in found for number in sums), int, sum(sizes))
    pointers = np.concatenate([[0], np.cumsum(sizes)]).astype(int)
    return np.array(row, int), sparse.csr_matrix((np.ones(len(columns)), columns, pointers), (len(found), len(parts)))
