"""The door for notebooks: the desk, the same on an institution and on a slice of it.

Everything a desk gives is released (`disclosure`), tidy, and only looked up here, never computed.
"""

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pandas as pd

from mi_analysis import disclosure
from mi_analysis.model import audit as audits
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.parameters import Audience, Institution, Problem, WrongUse
from mi_analysis.reporting.wording import first_of_quarter, grain_of
from mi_analysis.workbench.accounts import Accounts
from mi_analysis.workbench.activity import OfActivity
from mi_analysis.workbench.frames import NoSuchName, unknown
from mi_analysis.workbench.lookup import fingerprint
from mi_analysis.workbench.planning import Planning
from mi_analysis.workbench.questions import register_of
from mi_analysis.workbench.standing import Standing

if TYPE_CHECKING:
    from mi_analysis.workbench.preparation import Prepared

USED_MOST = ("coherent", "measures", "cases", "goals", "ask")


class Desk(OfActivity, Standing, Planning, Accounts):
    """Released figures about a unit (or the institution) as they stood after a period."""

    def __getattr__(self, name: str) -> NoReturn:
        """Answer a name that a desk does not have with the nearest."""
        if name.startswith("_"):  # what Python and notebooks look for
            raise AttributeError(name)
        known = [*USED_MOST, *(one for one in dir(self) if not one.startswith("_") and one not in USED_MOST)]
        raise NoSuchName(unknown("desk", name, "on a desk", known, "dir(desk)"))

    def whole(self) -> "Desk":
        """The same desk on the institution."""
        return replace(self, unit=self.root)

    def about(self, activity: str = "") -> "Desk":
        """The same desk on an activity; blank is the desk's own, or the one with most hours (else cases, own measures) to date."""
        if chosen := str(activity or self.activity):
            known = list(self.activities["activity"])
            if chosen not in known:
                raise WrongUse(unknown("activity", chosen, f"an activity of {self.name}", known, "desk.activities"))
            return replace(self, activity=chosen)
        by = ["registered_hours", "closed", *self.own()]
        frame = self.table(by, "ytd")[0].drop(index=[ALL, NOT_PLACED], errors="ignore")
        ranked = [*self.activities["activity"][::-1], *frame.fillna(0).sort_values(by).index]
        if not ranked:
            raise WrongUse(Problem("activity", f"{self.name} has no activities.", "Open another report of it."))
        return replace(self, activity=str(ranked[-1]))


def desk(
    source: str = "example",
    *,
    unit: str = "",
    period: str = "",
    activity: str = "",
    audience: Audience = "unit_manager",
    structure: str = "",
) -> Desk:
    """Open an institution, its folder, or a slice that a run prepared.

    Parameters
    ----------
    unit
        Code of a unit; blank is the first one (of a slice: the slice's own).
    period
        ``2025-03``, ``2025-Q1`` or ``2025``; blank is the last month with figures.
    structure
        ``today`` or ``as_was`` (history as the organisation was); blank is what the institution says.
    """
    folder = Path(source)
    if (folder / "slice.json").exists():
        return opened_slice(folder)
    from mi_analysis.workbench.preparation import prepare  # a slice needs no data engine

    prepared = prepare(source, start=Path.cwd(), audience=audience, structure=structure)
    if prepared.built:
        print(f"Model of {prepared.institution.name.en} built from {len(prepared.audit.received)} deliveries.")
    unit, period, activity = (
        str(unit) or first_leaf(prepared.units),
        str(period),
        str(activity),
    )  # papermill's -p makes a number of 2110
    known = list(prepared.units["unit"].unique())
    if unit not in known:
        named = prepared.units.loc[prepared.units["name"].str.casefold() == unit.casefold(), "unit"]
        if len(named):
            raise WrongUse(Problem("unit", f"'{unit}' is the name of a unit.", f"Write its code: {named.iloc[-1]}."))
        raise WrongUse(unknown("unit", unit, f"a unit of {prepared.name}", known, "desk.units"))
    found = desk_on(prepared, unit, month_asked(prepared, period))
    return found.about(activity) if activity else found


def month_asked(prepared: "Prepared", period: str) -> str:
    """First day of a month with figures, or a quarter or year with figures as written; blank is the last month."""
    written = re.fullmatch(r"|[0-9]{4}(-Q[1-4]|-[0-9]{2}(-01)?)?", period)
    if written and (grain := grain_of(period)) != "month" and period:
        values = prepared.released.values
        if pd.Timestamp(first_of_quarter(period)) in set(values.loc[values["grain"] == grain, "period_start"]):
            return period
    month = f"{period}-01" if len(period) == 7 else period or prepared.periods[-1]
    if month not in prepared.periods:
        first, last = prepared.periods[0][:7], prepared.periods[-1][:7]
        right = f"There are figures from {first} to {last}."
        right = right if written else f"Write it as {last}, {last[:4]}-Q4 or {last[:4]}. {right}"
        raise WrongUse(Problem("period", f"'{period}' {'has no figures' if written else 'is no period'}.", right))
    return month


def desk_on(prepared: "Prepared", unit: str, month: str, activity: str = "") -> Desk:
    """The desk of a unit of an institution whose model stands; ``month`` is an ISO first day."""
    return Desk(
        prepared.name, prepared.institution, prepared.released, prepared.audit, prepared.units, prepared.activities, unit, month, activity,
        {"data": prepared.fingerprint[:12]}, prepared.owners, prepared.contents, prepared.quarantined, register_of(prepared.folder),
        comments=prepared.comments, changes=prepared.changes, ages=partial(prepared.ages, month),
    )  # fmt: skip


def first_leaf(units: pd.DataFrame) -> str:
    """The first unit that has none below it."""
    parents = set(units["parent"])
    return str(next(unit for unit in units["unit"] if unit not in parents))


def opened_slice(folder: Path) -> Desk:
    """The desk of a slice that `Prepared.slice` wrote."""
    about = json.loads((folder / "slice.json").read_text(encoding="utf-8"))
    institution = Institution.model_validate(about["institution"] | {"sources": {}, "deliveries": {"folder": ""}})
    units = pd.read_parquet(folder / "units.parquet")
    audit = audits.read(folder / "audit.json")
    register = folder / "register"
    if audit is None:
        raise WrongUse(Problem(folder.name, "is not a slice that this version understands.", "Run the batch again."))
    return Desk(
        about["name"], institution, disclosure.load(folder, about["audience"]), audit, units, pd.read_parquet(folder / "activities.parquet"),
        about["unit"] or str(units.loc[units["parent"] == "", "unit"].iloc[0]), about["period"], about["activity"],
        {"data": fingerprint(folder)[:12]}, about["owners"], about["contents"], pd.read_parquet(folder / "quarantine.parquet"),
        Path(register.read_text(encoding="utf-8")) if register.exists() else None,
        json.loads((folder / "answers.json").read_text(encoding="utf-8")),
        comments=pd.read_parquet(folder / "comments.parquet"), changes=pd.read_parquet(folder / "changes.parquet"),
        ages=partial(pd.read_parquet, folder / "ages.parquet"),
    )  # fmt: skip
