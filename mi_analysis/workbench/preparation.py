"""From an institution's name to released figures: the deliveries, the model, the measures, the slice.

What a run and a desk both need before anything can be shown.
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pandas as pd

from mi_analysis import disclosure, register, synthetic
from mi_analysis.disclosure import Released
from mi_analysis.disclosure.kept import Kept
from mi_analysis.measures import compute
from mi_analysis.measures.own import catalogue_of, check_measures
from mi_analysis.model import audit as audits
from mi_analysis.model import build as model
from mi_analysis.model import database
from mi_analysis.model.audit import Audit, Received
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.model.values import end_of
from mi_analysis.parameters import (
    Audience,
    Institution,
    Problem,
    WrongUse,
    deliveries_folder,
    find_institution,
    load_institution,
    nearest,
    project_root,
)
from mi_analysis.workbench.lookup import COMMENT, fingerprint
from mi_analysis.workbench.questions import register_of
from mi_analysis.workbench.scorecard import judged, scorecard
from mi_analysis.workbench.standing import Study

if TYPE_CHECKING:
    from mi_analysis.workbench.door import Desk

COMMENTS = """select unit, measure, text, role, strftime(date, '%Y-%m-%d') as date, case grain
    when 'month' then strftime(period_start, '%Y-%m') when 'quarter' then strftime(period_start, '%Y-Q') || quarter(period_start)
    else strftime(period_start, '%Y') end as period
from comments order by all"""
"""What units wrote is for those inside: nobody has looked it through for persons."""

MODELS = {"today": "model", "as_was": "model_as_was"}
"""Folder of the model in each structure."""


@dataclass(frozen=True)
class Prepared:
    """An institution whose model stands and whose measures are released to one audience."""

    name: str
    institution: Institution
    folder: Path
    audit: Audit
    released: Released
    units: pd.DataFrame
    activities: pd.DataFrame
    quarantined: pd.DataFrame
    comments: pd.DataFrame
    changes: pd.DataFrame
    built: bool

    @property
    def owners(self) -> dict[str, str]:
        """Who owes each source."""
        return {name: source.contract.owner for name, source in self.institution.sources.items()}

    @property
    def contents(self) -> dict[str, list[str]]:
        """Which tables each source fills."""
        return {
            name: list(dict.fromkeys(fact.table for fact in source.facts))
            for name, source in self.institution.sources.items()
        }

    @property
    def periods(self) -> list[str]:
        """Months with figures, as ISO first days."""
        return list(self.audit.periods)

    @property
    def stopped(self) -> list[str]:
        """Files left out whole, and sources without a file."""
        return [item.file for item in self.audit.stopped] + list(self.audit.missing_sources)

    @property
    def fingerprint(self) -> str:
        """Identity of what was built."""
        return self.audit.identity

    @property
    def suppliers(self) -> pd.DataFrame:
        """The scorecard per supplier and month."""
        return scorecard(self.audit, self.owners, self.contents)

    def told(self) -> set[tuple[str, str]]:
        """Units and periods (2025-03, 2025-Q1, 2025) with a figure of their own, shown or hidden."""
        values, names = self.released.values, catalogue_of(self.institution)
        measures = [name for name in values if name in names and name != "net_hours_per_fte"]  # a norm is no figure
        rows = values.loc[values[measures].notna().any(axis=1), ["unit", "period_start", "grain"]]
        states = self.released.states
        rows = pd.concat(
            [rows, states.loc[states["state"] == "hidden", ["unit", "period_start", "grain"]]]
        ).drop_duplicates()
        texts = {"month": "{0:%Y-%m}", "quarter": "{0:%Y}-Q{1}", "year": "{0:%Y}"}
        days = [
            day if grain != "year" or day.month == 1 else day + pd.DateOffset(years=1)  # a fiscal year is told with the year it ends in
            for day, grain in zip(rows["period_start"], rows["grain"], strict=True)
        ]  # fmt: skip
        return {
            (unit, texts[grain].format(day, (day.month + 2) // 3))
            for unit, grain, day in zip(rows["unit"], rows["grain"], days, strict=True)
        }

    @cached_property
    def root(self) -> str:
        """Code of the institution itself."""
        return str(self.units.loc[self.units["parent"] == "", "unit"].iloc[0])

    def slice(self, folder: Path, unit: str, activity: str, period: str) -> str:
        """Write what a notebook about one unit may see, and return its fingerprint.

        A unit's slice holds its own rows, the institution's totals, and of the standing questions the institution's
        answer with the unit's own slope and points; without a unit it holds all. An activity's holds its rows and
        the totals of all activities.
        """
        audit, released, units, quarantined = self.audit, self.released, self.units, self.quarantined
        comments, changes = self.comments, self.changes
        if unit:
            own = [unit, self.root]
            comments = comments[comments["unit"].isin(own)]
            changes = changes.assign(**changes[["unit", "others"]].where(changes["unit"].isin(own), ""))
            released, units, quarantined = released.of_units(own), units[units["unit"].isin(own)], quarantined.head(0)
            moved = tuple(row for row in audit.restated if row.unit == unit)
            audit = replace(audit, received=self._received_of_a_unit, restated=moved)
        if activity:
            released = Released(
                released.audience, *(of_activity(frame, activity) for frame in released.frames().values())
            )
        ages = self.ages(period)
        ages = ages[ages["unit"].isin([unit, self.root])] if unit else ages
        ages = of_activity(ages, activity) if activity else ages
        folder.mkdir(parents=True, exist_ok=True)
        released.save(folder)
        for name, frame in (("units", units), ("activities", self.activities), ("quarantine", quarantined),
                            ("comments", comments), ("changes", changes), ("ages", ages)):  # fmt: skip
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        audit.write(folder / "audit.json")
        private = {"sources", "deliveries", "crosswalk", "unit_codes", "units"}
        about = {
            "name": self.name, "audience": self.released.audience, "unit": unit, "activity": activity, "period": period,
            "institution": self.institution.model_dump(mode="json", exclude=private), "identity": self.fingerprint, "owners": self.owners,
            "contents": self.contents,
        }  # fmt: skip
        (folder / "slice.json").write_text(json.dumps(about, ensure_ascii=False), encoding="utf-8")
        study = self.study(period)
        answered = (study.for_unit(unit) if unit else study).as_data()
        (folder / "answers.json").write_text(json.dumps(answered, ensure_ascii=False), encoding="utf-8")
        if not unit:  # a path is no part of what the slice holds: a name without a dot is not in its fingerprint
            (folder / "register").write_text(str(register_of(self.folder).absolute()), encoding="utf-8")
        return fingerprint(folder)

    @cached_property
    def _received_of_a_unit(self) -> tuple[Received, ...]:
        return tuple(replace(item, **without_others(item)) for item in self.audit.received)

    @cached_property
    def _studies(self) -> dict[str, Study]:
        return {}

    @cached_property
    def _ages(self) -> dict[str, pd.DataFrame]:
        return {}

    def month_of(self, period: str) -> str:
        """The last month with figures of a period (blank: of all), as ISO first day."""
        end = pd.Period(period[:7] or self.periods[-1][:7]).end_time
        return max((month for month in self.periods if pd.Timestamp(month) <= end), default=self.periods[-1])

    def ages(self, period: str) -> pd.DataFrame:
        """Released cases by age as they stood after a period (blank: the last month), computed once."""
        month = self.month_of(period)
        if month not in self._ages:
            end = min(end_of(date.fromisoformat(month), "month"), date.fromisoformat(self.audit.as_of or "9999-12-31"))
            model_folder = self.folder / MODELS[self.institution.structure]
            self._ages[month] = disclosure.released_ages(
                compute.cases_by_age(model_folder, self.institution, end),
                self.released,
                pd.Timestamp(month),
                self.institution.limits.fewest_closed,
            )
        return self._ages[month]

    def study(self, period: str) -> Study:
        """The standing questions as they stood after a period (blank: the last month), computed once."""
        month = self.month_of(period)
        if month not in self._studies:
            self._studies[month] = self.whole(month).studied()
        return self._studies[month]

    def whole(self, month: str) -> "Desk":
        """The desk of the institution."""
        from mi_analysis.workbench.door import desk_on  # the door opens this room

        return desk_on(self, self.root, month)

    def asked(self, periods: Iterable[str]) -> None:
        """Answer the standing questions for slices of these periods, and write all that were answered in the register."""
        for period in set(periods):
            self.study(period)
        for month, study in self._studies.items():
            self.whole(month).note(study)


def prepare(
    source: str,
    *,
    start: Path,
    deliveries: Path | None = None,
    audience: Audience = "unit_manager",
    out: Path | None = None,
    structure: str = "",
) -> Prepared:
    """Build the model where it is missing or a delivery is newer, and release its measures.

    Parameters
    ----------
    source
        Name of an institution below ``parameters/``, or its folder.
    start
        Folder from which names and relative paths are looked up, upwards.
    deliveries
        Folder with the files as received; without it ``MI_DELIVERIES`` or what the institution says.
    structure
        ``today`` or ``as_was``: in which organisation history is told; blank is what the institution says.
    """
    known = (("audience", audience, get_args(Audience)), ("structure", structure, ("", *MODELS)))
    if wrong := [
        Problem(kind, f"'{said}' is not known.", nearest(said, filter(None, words)))
        for kind, said, words in known
        if said not in words
    ]:
        raise WrongUse(*wrong)
    file = find_institution(source, start)
    root, name = project_root(file.parent), file.parent.name
    institution = load_institution(file)
    check_measures(institution)
    institution = institution.model_copy(update={"structure": structure}) if structure else institution
    lie = deliveries_folder(institution, root, deliveries)
    folder = (out or root / "outputs") / name
    if institution.deliveries.made_by == "synthetic" and not any(lie.glob("*")):
        with tempfile.TemporaryDirectory(dir=made_below(lie.parent)) as half_made:
            synthetic.make(Path(half_made) / "deliveries")
            shutil.copytree(Path(half_made) / "deliveries", lie, dirs_exist_ok=True)
    place = folder / MODELS[institution.structure]
    where = institution.where("memory_limit") or "institution.yaml"
    with one_at_a_time(folder), database.limited(institution.memory_limit, where, folder):
        return _prepared(name, institution, folder, place, lie, audience)


def _prepared(
    name: str, institution: Institution, folder: Path, place: Path, lie: Path, audience: Audience
) -> Prepared:
    standing = audits.read(place / "audit.json")
    audit = model.build(
        institution, name, lie, place,
        lambda connection, new, as_of: compute.build(connection, institution, new, as_of),
    )  # fmt: skip
    built, audit = standing != audit, judged(audit, institution)
    with database.open_model(place) as connection:
        units = connection.execute("select * from units order by valid_from, unit").df()
        activities = connection.execute("select * from activities order by activity").df()
        quarantined = connection.execute("select * from quarantine").df()
        changes = connection.execute("select * from unit_changes").df()
        comments = connection.execute(COMMENTS).df() if audience != "public" else pd.DataFrame(columns=COMMENT)
        moves = connection.execute("select unit, to_unit from unit_map where unit <> to_unit").fetchall()
    hidden = folder / "kept" / ("hidden.jsonl" if institution.structure == "today" else "hidden_as_was.jsonl")
    released = released_once(institution, place, audience, audit.identity, units_of_today(units, moves, hidden))
    audit = replace(audit, restated=disclosure.released_moves(audit.restated, released))
    return Prepared(
        name, institution, folder, audit, released, units, activities, quarantined, comments, changes, built
    )


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Let one process at a time make the model of an institution; others wait until it stands."""
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):  # where nothing can be written, nothing is made at the same time
            file = held.enter_context((made_below(folder) / ".lock").open("a"))
            register.lock(file.fileno())
        yield


def of_activity(frame: pd.DataFrame, activity: str) -> pd.DataFrame:
    """The rows of an activity, and those of the totals it is part of."""
    return frame[frame["activity"].isin([activity, ALL, NOT_PLACED])] if "activity" in frame else frame


def units_of_today(units: pd.DataFrame, moves: list[tuple[str, str]], file: Path) -> Kept:
    """The memory of what was hidden, with the newest place of each unit and what took over from those that are gone."""
    by_age = units.sort_values("valid_to", kind="stable")
    parents = dict(zip(by_age["unit"], by_age["parent"].fillna(""), strict=True))
    parents[NOT_PLACED] = next((unit for unit, above in parents.items() if not above), "")  # as the measures add it up
    successors: dict[str, set[str]] = {}
    for gone, unit in moves:
        successors.setdefault(gone, set()).add(unit)
    return Kept(file, parents, successors)


def released_once(institution: Institution, place: Path, audience: Audience, identity: str, kept: Kept) -> Released:
    """What is released of a model; it lies beside the model until that, the rules or what was hidden before changes."""
    folder = place / "released" / audience

    def rests_on() -> str:
        total = hashlib.sha256(f"{identity} {institution.model_dump_json()}".encode())
        for file in (*sorted(Path(disclosure.__file__).parent.glob("*.py")), kept.file):
            total.update(file.read_bytes() if file.exists() else b"")
        return total.hexdigest()

    stamp = folder / "rests_on.txt"
    if not stamp.exists() or stamp.read_text("utf-8") != rests_on():
        released = disclosure.release(
            compute.frames(place), audience, institution.privacy, institution.fiscal_year_start,
            institution.goals_about_staff, catalogue_of(institution), kept.parents, kept,
        )  # fmt: skip
        with database.replaced(folder) as new:
            released.save(new)
            (new / stamp.name).write_text(rests_on(), "utf-8")
    return disclosure.load(folder, audience)


def without_others(item: Received) -> dict[str, Any]:
    """Gaps and control totals of a delivery as counts: their codes, labels and figures may be other units'."""
    gaps = tuple(replace(gap, code="", near="", value=0.0) for gap in item.gaps)
    totals = tuple(replace(total, label="", stated=0.0, computed=0.0, difference=0.0) for total in item.control_totals)
    return {"gaps": gaps, "control_totals": totals}


def made_below(folder: Path) -> Path:
    """The folder, made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder
