"""Which cells of each kind of figure are hidden, and why: the primary rules, what was hidden before, and what follows.

A kind is hidden as a whole: where sick days are, so is every measure that is made of them. Its cells are sums, told
apart by unit, activity, first and last month (numbered), whatever period and window they are printed for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mi_analysis.disclosure import primary
from mi_analysis.disclosure.complementary import complement, given_away
from mi_analysis.disclosure.kept import SUM
from mi_analysis.disclosure.primary import PLACE
from mi_analysis.measures.catalogue import Measure
from mi_analysis.model.schema import ALL
from mi_analysis.parameters import Privacy

PROTECTION = 0.5
"""A hidden figure cannot be bounded to an interval narrower than this part of it (the first measure of its kind)."""
BY_ACTIVITY = " by activity"
WHOLE_YEAR = 3.0
"""How much more it costs to hide a sum over twelve months: it is what is read of a small unit."""


@dataclass(frozen=True)
class Kind:
    """Figures that are hidden together.

    Attributes
    ----------
    measures
        Those that add up over units, activities and months; of a stock those of its days.
    least
        Smallest interval that protects them, in their unit of measure.
    split
        Those that are told of each activity, too.
    counted
        Of these a sum over units is hidden in the months where exactly one part is; else in every month, if that is so in one.
    beside
        Kinds where this one is hidden too, as it would give them away.
    stock_of
        Kind of which a month hides the figures of its last day.
    """

    measures: tuple[str, ...]
    least: float = 1.0
    split: tuple[str, ...] = ()
    counted: bool = True
    beside: tuple[str, ...] = ()
    stock_of: str = ""


KINDS = {
    "sick": Kind(("sick_days",)),
    "spells": Kind(("sick_spells",), beside=("sick",)),
    "long_spells": Kind(("long_spells",), beside=("spells",)),
    "child_sick": Kind(("child_sick_days",)),
    "injury": Kind(("injury_days", "injury_pay")),
    "overtime": Kind(("overtime_hours", "overtime_pay"), split=("activity_overtime_hours",), counted=False),
    "time_off": Kind(("balance_taken", "balance_paid"), beside=("overtime",)),
    "attendance": Kind(("attendance_hours",), beside=("sick", "overtime")),
    "staff": Kind(("fte", "norm_hours"), 0.5),
    "hours": Kind(("registered_hours",), split=("registered_hours",)),
    "pay": Kind(("actual_pay", "actual_other"), split=("actual_pay", "actual_other", "allocated_cost")),
    "production": Kind(("closed", "received"), split=("closed", "received")),
    "balance": Kind(("balance_closing", "balance_opening"), stock_of="time_off"),
    "flex": Kind(("flex_balance",), stock_of="staff"),
    "open": Kind(("open_cases",), split=("open_cases",), stock_of="production"),
}

OF_COMPONENTS = {
    **dict.fromkeys(("fte", "sick_fte", "spell_fte", "overtime_fte", "norm_hours", "sick_norm", "overtime_norm", "paid_hours"), "staff"),
    **dict.fromkeys(("registered_hours", "attended_hours", "indexed_hours"), "hours"),
    **dict.fromkeys(("open_cases", "open_age"), "open"),
}  # fmt: skip
"""What a ratio is made of: shown with its other part, the ratio would give it."""
OWN = {
    "balance_opening": "balance", "balance_closing": "balance", "flex_balance": "flex",  # of a day: windows that end there are alike
    "balance_taken": "time_off", "balance_paid": "time_off", "balance_difference": "time_off",
}  # fmt: skip
"""Measures that are hidden a little more than their guard says."""


def guards_of(entry: Measure) -> list[str]:
    """Every kind of figure that hides a measure."""
    found = [OWN.get(entry.name, entry.guard), "pay" if entry.name == "actual_other" else ""]  # cost less it is pay
    found += [OF_COMPONENTS.get(part, "") for part in entry.components if entry.denominator]
    if entry.domain == "operations" or "closed" in entry.contains:
        found += ["open" if entry.kind == "stock" else "production"]
    split = [kind + BY_ACTIVITY for kind in found if entry.per_activity and kind in KINDS and KINDS[kind].split]
    return list(dict.fromkeys(filter(None, found + split)))


class Hidden:
    """Hidden cells of each kind: reason and whether it is for its own sake, by `SUM` ("*" where no activity is told)."""

    def __init__(
        self, values: pd.DataFrame, places: pd.DataFrame, privacy: Privacy, public: bool, year_start: int,
        parents: Mapping[str, str], earlier: Mapping[str, pd.Series] | None = None,
    ) -> None:  # fmt: skip
        found, sensitive = primary.reasons(places, primary.known_months(values), public, privacy, year_start)
        judged = places[PLACE].assign(**found | {f"{kind} sensitive": alone for kind, alone in sensitive.items()})
        judged["counted"] = places[["persons", "fte"]].notna().any(axis=1) | places["withheld"].eq(True)
        first, last = primary.months_of(values, year_start)
        self.cells = values.assign(first=first, last=last).reset_index(drop=True)
        self.judged = self.cells[PLACE].merge(judged, on=PLACE, how="left", validate="many_to_one")
        self.of: dict[str, pd.DataFrame] = {}
        before = earlier or {}
        for kind in KINDS:
            self.of[kind] = self._with_earlier(self._primary(kind), before.get(kind))
            self._complement(kind, parents)
            if KINDS[kind].split:
                split = kind + BY_ACTIVITY
                self.of[split] = self._with_earlier(self._by_activity(kind, parents), before.get(split))

    def keys(self, kind: str, measure: str = "") -> pd.DataFrame:
        """`SUM` of every row of the values as cells of a kind."""
        keys = self.cells[SUM].copy()
        if not kind.endswith(BY_ACTIVITY):
            keys["activity"] = ALL
        if KINDS[kind.removesuffix(BY_ACTIVITY)].stock_of:
            keys["first"] = keys["last"] = keys["first"] - 1 if measure == "balance_opening" else keys["last"]
        return keys

    def reason(self, kind: str, measure: str) -> np.ndarray:
        """Why each row of the values is hidden for the sake of a kind; "" where it is not."""
        keys = pd.MultiIndex.from_frame(self.keys(kind, measure))
        return self.of[kind]["reason"].reindex(keys).fillna("").to_numpy(object)

    def _primary(self, kind: str) -> pd.DataFrame:
        about = KINDS[kind]
        rows = self.cells["activity"] == ALL
        if about.stock_of:
            rows &= self.cells["window"] == "month"
        keys = self.keys(kind)[rows]
        if about.stock_of:
            own = self.of[about.stock_of].reindex(pd.MultiIndex.from_frame(self.keys(about.stock_of)[rows]))
            keys["reason"], keys["sensitive"] = own["reason"].fillna("").to_numpy(), own["reason"].notna().to_numpy()
            before = keys.assign(first=self.cells["first"] - 1, last=self.cells["first"] - 1)
            begins = ~pd.MultiIndex.from_frame(before[SUM]).isin(pd.MultiIndex.from_frame(keys[SUM]))
            keys = pd.concat([keys, before[begins]], ignore_index=True)  # the day before the first month
        else:
            judged = self.judged.loc[rows].reindex(columns=[kind, f"{kind} sensitive"]).astype(object)
            unjudged = kind == "staff" or kind in primary.TELLING
            keys["reason"] = judged[kind].fillna("few_persons" if unjudged else "")
            keys["sensitive"] = judged[f"{kind} sensitive"].fillna(unjudged).astype(bool)
            # of the same sum in several periods, those decide in which persons are counted
            counted = self.judged.loc[rows, "counted"].eq(True)
            keys = keys[counted | ~counted.groupby([keys[name] for name in SUM]).transform("any")]
        for name in about.beside:
            other = self.of[name].reindex(pd.MultiIndex.from_frame(keys[SUM]))
            keys["reason"] = keys["reason"].where(keys["reason"] != "", other["reason"].fillna("").to_numpy())
            keys["sensitive"] |= other["sensitive"].eq(True).to_numpy()
        keys["shown"] = keys["reason"] == ""
        told = keys.sort_values("shown").groupby(SUM).agg(
            reason=("reason", "first"), sensitive=("sensitive", "any"), shown=("shown", "any")
        )  # fmt: skip
        return told.loc[~told["shown"] | told["sensitive"], ["reason", "sensitive"]]

    def _with_earlier(self, own: pd.DataFrame, earlier: pd.Series | None) -> pd.DataFrame:
        """What is hidden, and what an earlier report hid: it stays so."""
        if earlier is None or not len(earlier):
            return own
        frame = pd.DataFrame({"reason": "complementary", "sensitive": earlier})
        return pd.concat([own, frame[~frame.index.isin(own.index)]])

    def _sums(self, kind: str, measure: str, parents: Mapping[str, str]) -> pd.DataFrame:
        """The different sums of a measure that have a figure, as `complementary.complement` takes them."""
        rows = self.cells[measure].notna() & (self.cells["activity"] == ALL)
        keys = self.keys(kind, measure)[rows].assign(value=self.cells.loc[rows, measure])
        sums = keys.groupby(SUM, as_index=False).agg(value=("value", "first"), weight=("value", "size"))
        own = self.of[kind].reindex(pd.MultiIndex.from_frame(sums[SUM]))
        sums["hidden"], sums["sensitive"] = own["reason"].notna().to_numpy(), own["sensitive"].eq(True).to_numpy()
        sums["weight"] = sums["weight"] * np.where(sums["last"] - sums["first"] == 11, WHOLE_YEAR, 1.0)
        for rated in ("sick", "overtime") if kind == "staff" else ():  # shown per årsværk, they go with it
            sums["weight"] += ~pd.MultiIndex.from_frame(sums[SUM]).isin(self.of[rated].index)
        return sums

    def _complement(self, kind: str, parents: Mapping[str, str]) -> None:
        """Hide what would give a hidden cell away, and show what is hidden in vain."""
        measures = [name for name in KINDS[kind].measures if name in self.cells and self.of[kind]["sensitive"].any()]
        for measure in measures:
            sums = self._sums(kind, measure, parents)
            part = PROTECTION if measure == measures[0] and kind != "time_off" else 0.0
            also = sums.loc[complement(sums, parents, part, KINDS[kind].least), SUM]
            more = pd.DataFrame({"reason": "complementary", "sensitive": False}, pd.MultiIndex.from_frame(also))
            self.of[kind] = pd.concat([self.of[kind], more])
        vain: set[tuple] = set()
        for measure in measures:
            sums = self._sums(kind, measure, parents)
            known = given_away(sums, parents)
            told = set(map(tuple, sums.loc[known, SUM].to_numpy()))
            vain = (
                told
                if measure == measures[0]
                else vain - set(map(tuple, sums.loc[sums["hidden"] & ~known, SUM].to_numpy()))
            )
        for name in KINDS[kind].beside:
            vain -= set(self.of[name].index)  # those of its own places
        self.of[kind] = self.of[kind][~self.of[kind].index.isin(list(vain))]

    def _by_activity(self, kind: str, parents: Mapping[str, str]) -> pd.DataFrame:
        """Figures by activity that are hidden: all of a unit that is, and sums above it (see `Kind`).

        Of a unit's activities no single one is hidden then: the total less the others would be that one.
        """
        told_by = self.cells.reindex(columns=list(KINDS[kind].split)).fillna(0).ne(0).any(axis=1)
        rows = self.keys(kind + BY_ACTIVITY, KINDS[kind].split[0])[told_by].drop_duplicates()
        own = pd.MultiIndex.from_frame(rows.assign(activity=ALL)).isin(self.of[kind].index)
        hidden, told = set(map(tuple, rows[own].to_numpy())), set(map(tuple, rows[rows["activity"] != ALL].to_numpy()))
        below: dict[str, list[str]] = {}
        for unit in sorted(set(rows["unit"])):
            below.setdefault(parents.get(unit, ""), []).append(unit)
        for above in _deepest_first(below):
            spans: dict[tuple[int, int], dict[str, set[str]]] = {}
            holding = {(parents.get(unit, ""), *cell) for unit, *cell in hidden}  # a sum of parts that are told is told
            for unit, activity, first, last in hidden:
                told_below = unit in below and (unit, activity, first, last) not in holding
                covered = activity == ALL or (above, ALL, first, last) in hidden
                if unit in below[above] and not (covered or told_below):
                    spans.setdefault((first, last), {}).setdefault(activity, set()).add(unit)
            unsafe = {span: _alone(parts) for span, parts in spans.items()}
            if not KINDS[kind].counted:  # in every span, so that no difference of sums tells one
                unsafe = dict.fromkeys(spans, set().union(*unsafe.values()))
            hidden |= {(above, activity, *span) for span, names in unsafe.items() for activity in names} & told
        index = pd.MultiIndex.from_tuples(sorted(hidden), names=SUM) if hidden else self.of[kind].index[:0]
        return pd.DataFrame({"reason": "complementary", "sensitive": False}, index)


def _alone(parts: Mapping[str, set[str]]) -> set[str]:
    """Activities of which one unit's part alone is hidden, and never one activity: one more that has something hidden."""
    alone = sorted(activity for activity, units in parts.items() if len(units) == 1)
    if len(alone) == 1:
        alone += sorted(set(parts) - set(alone), key=lambda activity: (len(parts[activity]), activity))[:1]
    return set(alone)


def _deepest_first(below: Mapping[str, list[str]]) -> list[str]:
    """Units with others below them, each after all that are below it."""
    order: list[str] = []

    def visit(unit: str) -> None:
        for child in below.get(unit, ()):
            if child in below:
                visit(child)
        if unit:
            order.append(unit)

    visit("")
    return order
