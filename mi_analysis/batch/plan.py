"""What would run: notebooks x units x activities x periods, every value with where it comes from.

papermill runs defaults where a name is misspelt and checks no types; the plan is strict on its behalf.
Every problem is told at once, with its line and the nearest right name, before anything runs.
"""

import calendar
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from mi_analysis.batch.notebook import Notebook, cast, read_notebook
from mi_analysis.parameters import GRAINS, Problem, WrongUse, nearest
from mi_analysis.run_file import LastPeriods, Reports, RunFile, UnitsOfLevel
from mi_analysis.yaml_text import At

DIMENSIONS = ("unit", "activity", "period")
GIVEN = ("source", *DIMENSIONS, "audience", "language")
"""Parameters the run itself gives, to notebooks that take them; a run file cannot set them one by one."""
INTERNAL = ("~", "*", "")
ALWAYS = "always"
"""Folder of reports that have no period."""


@dataclass(frozen=True)
class UnitFact:
    """A unit as it stood from one day to another (ISO, both included)."""

    unit: str
    level: str
    first: str
    last: str


@dataclass(frozen=True)
class Facts:
    """What an institution has: units over time, activities, months delivered (2025-03, oldest first), who has figures when."""

    units: tuple[UnitFact, ...]
    activities: tuple[str, ...]
    months: tuple[str, ...]
    told: frozenset[tuple[str, str]] | None = None  # units with figures, and the period; None: not looked for

    @classmethod
    def of(cls, prepared: Any) -> "Facts":
        """What `workbench.preparation.prepare` found: frames ``units`` and ``activities``, months in ``periods``."""
        columns = (prepared.units[name].astype(str) for name in ("unit", "level", "valid_from", "valid_to"))
        units = (
            UnitFact(unit, level, _day(first, "0001-01-01"), _day(last, "9999-12-31"))
            for unit, level, first, last in zip(*columns, strict=True)
        )
        activities = (str(code) for code in prepared.activities["activity"])
        months = tuple(sorted(period[:7] for period in prepared.periods))
        return cls(tuple(units), tuple(activities), months, frozenset(prepared.told()))

    @cached_property
    def known(self) -> dict[str, tuple[str, ...]]:
        """Codes ever known, by dimension."""
        units = tuple(dict.fromkeys(fact.unit for fact in self.units if fact.unit not in INTERNAL))
        return {"unit": units, "activity": tuple(code for code in self.activities if code not in INTERNAL)}

    def valid(self, period: str, level: str | None = None) -> tuple[str, ...]:
        """Units that are valid on some day of the period; without a period, on the newest."""
        first, last = days(period or (self.months[-1] if self.months else "9999"))
        units = (u for u in self.units if u.first <= last and u.last >= first and u.unit not in INTERNAL)
        return tuple(dict.fromkeys(u.unit for u in units if level in (None, u.level)))

    def last_periods(self, wanted: LastPeriods) -> list[str]:
        """The last delivered months, or the last quarters or years whose last month is delivered."""
        whole = [month for month in self.months if int(month[5:]) % GRAINS[wanted.grain] == 0]
        names = {"month": "{0}", "quarter": "{1}-Q{2}", "year": "{1}"}
        named = [names[wanted.grain].format(month, month[:4], int(month[5:]) // 3) for month in whole]
        return named[-wanted.last :]

    def delivered(self, period: str) -> bool:
        """Whether some month of the period has figures."""
        first, last = days(period)
        return any(first <= f"{month}-01" <= last for month in self.months)

    def tells_of(self, unit: str, period: str) -> bool:
        """Whether a unit has figures in the period, shown or hidden; of the institution, whether any month has."""
        if not unit or self.told is None:
            return self.delivered(period)
        return (unit, period) in self.told


def _day(text: str, blank: str) -> str:
    return text[:10] if re.match(r"\d{4}-\d\d-\d\d", text) else blank


def days(period: str) -> tuple[str, str]:
    """First and last day of 2025-03, 2025-Q1 or 2025, as ISO text."""
    year = int(period[:4])
    months = {4: (1, 12), 7: (0, 0)}[len(period)]
    if period[5:6] == "Q":
        months = (int(period[6]) * 3 - 2, int(period[6]) * 3)
    elif len(period) == 7:
        months = (int(period[5:]), int(period[5:]))
    return f"{year}-{months[0]:02}-01", f"{year}-{months[1]:02}-{calendar.monthrange(year, months[1])[1]:02}"


@dataclass(frozen=True)
class Job:
    """One notebook with one set of resolved parameters, and where its report goes.

    ``parameters`` are what papermill is given, without ``source``; ``origin`` says where each comes from.
    """

    notebook: Notebook
    unit: str
    activity: str
    period: str
    folder: str
    stem: str
    where: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    origin: Mapping[str, str] = field(default_factory=dict)
    no_data: bool = False

    @property
    def key(self) -> str:
        """Place below the version's folder, without an ending; the same from month to month."""
        return f"{self.folder}/{self.stem}"

    @property
    def edition(self) -> str:
        """Folder of the period."""
        return self.period or ALWAYS

    def dimension(self, name: str) -> str:
        """Notebook, unit, activity or period of the job."""
        return self.notebook.name if name == "notebook" else str(getattr(self, name))


@dataclass(frozen=True)
class Plan:
    """Every report of a run, resolved; notes are lines of the run file that matched nothing this time."""

    institution: str
    run: str
    run_file: RunFile
    jobs: tuple[Job, ...]
    notes: tuple[str, ...] = ()
    left_out: tuple[tuple[str, str], ...] = ()  # key, because


def make_plan(run_file: RunFile, institution: str, run: str, facts: Facts, notebooks: Path) -> Plan:
    """Resolve a run file.

    Raises
    ------
    WrongUse
        With every problem: notebooks, names, types, codes never known, reports that would write one file.
    """
    known, problems = _read_notebooks(run_file, notebooks)
    problems += _unknown_codes(run_file, facts, list(known))
    jobs: list[Job] = []
    notes: list[str] = []
    for number, reports in enumerate(run_file.reports):
        if book := known.get(reports.notebook.removesuffix(".ipynb")):
            problems += _not_taken(run_file, number, reports, book)
            jobs += _product(run_file, number, reports, book, facts, notes)
    jobs, left_out = _left_out(run_file, jobs, notes)
    jobs, more = _with_parameters(run_file, jobs, list(known.values()), notes)
    problems += [*more, *_collisions(jobs)]
    if not jobs and not problems:
        what = "makes no report: there is no whole period of that kind." if not left_out else "leaves out every report."
        problems.append(Problem(run_file.where("reports"), what, _delivered_text(facts)))
    if problems:
        line = re.compile(r" line (\d+)$")
        by_line = {problem: int(found[1]) if (found := line.search(problem.where)) else 0 for problem in problems}
        raise WrongUse(*sorted(by_line, key=lambda problem: by_line[problem]))
    return Plan(institution, run, run_file, tuple(jobs), tuple(notes), tuple(left_out))


def _delivered_text(facts: Facts) -> str:
    return f"Delivered: {facts.months[0]} to {facts.months[-1]}." if facts.months else "No month is delivered."


def _read_notebooks(run_file: RunFile, folder: Path) -> tuple[dict[str, Notebook], list[Problem]]:
    found: dict[str, Notebook] = {}
    problems = []
    for number, reports in enumerate(run_file.reports):
        read = read_notebook(reports.notebook, folder, run_file.where("reports", number, "notebook"))
        if isinstance(read, Problem):
            problems.append(read)
        else:
            found[read.name] = read
    return found, problems


# --- the product ---------------------------------------------------------------------------------------------------


def _unknown_codes(run_file: RunFile, facts: Facts, notebooks: list[str]) -> list[Problem]:
    """Codes in the matrix, change and leave_out that the institution never had."""
    known = {**facts.known, "notebook": notebooks, "level": [unit.level for unit in facts.units if unit.level]}
    written: list[tuple[At, str, str]] = []
    for number, reports in enumerate(run_file.reports):
        matrix = reports.matrix
        at: At = ("reports", number, "matrix")
        if isinstance(matrix.unit, UnitsOfLevel):
            written.append(((*at, "unit", "level"), "level", matrix.unit.level))
        for name, codes in (("unit", matrix.unit), ("activity", matrix.activity)):
            written += [((*at, name, n), name, code) for n, code in enumerate(codes if isinstance(codes, list) else ())]
    for number, change in enumerate(run_file.change):
        for name, codes in change.when.items():
            written += [(("change", number, "when", name, n), name, code) for n, code in enumerate(codes)]
    for number, line in enumerate(run_file.leave_out):
        for name in ("notebook", *DIMENSIONS):
            codes = getattr(line, name)
            written += [(("leave_out", number, name, n), name, code) for n, code in enumerate(codes)]
    problems = []
    for at, name, code in written:
        if name not in known and name != "period":
            right = nearest(name, ("notebook", *DIMENSIONS))
            problems.append(Problem(run_file.where(*at), f'"{name}" is nothing a report has.', right))
        elif name != "period" and code not in known[name]:
            right = nearest(code, sorted(set(known[name])))
            problems.append(Problem(run_file.where(*at), f'the {name} "{code}" is not known.', right))
    return problems


def _not_taken(run_file: RunFile, number: int, reports: Reports, book: Notebook) -> Iterator[Problem]:
    for name in DIMENSIONS:
        if getattr(reports.matrix, name) is not None and name not in book.parameters:
            where = run_file.where("reports", number, "matrix", name)
            yield Problem(
                where, f'{book.name} takes no parameter "{name}".', f"It takes: {', '.join(book.parameters)}."
            )


def _product(
    run_file: RunFile, number: int, reports: Reports, book: Notebook, facts: Facts, notes: list[str]
) -> Iterator[Job]:
    matrix, where = reports.matrix, run_file.where("reports", number)
    periods = facts.last_periods(matrix.period) if isinstance(matrix.period, LastPeriods) else matrix.period or [""]
    activities = list(facts.known["activity"]) if matrix.activity == "all" else matrix.activity or [""]
    for period in periods:
        units: Iterable[str] = [""]
        if matrix.unit is not None:
            units = facts.valid(period, matrix.unit.level if isinstance(matrix.unit, UnitsOfLevel) else None)
        if isinstance(matrix.unit, list):
            gone = [unit for unit in matrix.unit if unit not in units and unit in facts.known["unit"]]
            notes += [f"{where}: the unit {unit} is not valid in {period or 'the newest month'}." for unit in gone]
            units = [unit for unit in matrix.unit if unit in units]
        for unit, activity in product(units, activities):
            yield Job(
                book, unit, activity, period, _folder(unit, activity, facts), _stem(book, unit, activity), where,
                no_data=bool(period) and not facts.tells_of(unit, period),
            )  # fmt: skip


def _folder(unit: str, activity: str, facts: Facts) -> str:
    if unit:
        return file_name(unit)
    taken = {file_name(code).casefold() for code in facts.known["unit"]}
    name = file_name(activity) if activity else "institution"
    return f"activity-{name}" if activity and name.casefold() in taken else name


def _stem(book: Notebook, unit: str, activity: str) -> str:
    return f"{book.name}-{file_name(activity)}" if unit and activity else book.name


RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
LONGEST = 60


def file_name(code: str) -> str:
    """A code as a name of a file or folder on every system; what had to be changed gets a piece of its hash.

    Letters of any language, digits, space, ``-``, ``_``, ``.``, ``,``, ``&`` and parentheses are kept.
    """
    code = unicodedata.normalize("NFC", code)
    safe = "".join(letter if letter.isalnum() or letter in " -_.,&()" else "_" for letter in code).strip(" .")
    safe = safe[:LONGEST].strip(" .")
    if safe == code and safe and not RESERVED.fullmatch(safe):
        return safe
    safe = f"_{safe}" if not safe or RESERVED.fullmatch(safe) else safe
    return f"{safe}-{hashlib.sha256(code.encode()).hexdigest()[:6]}"


def _collisions(jobs: list[Job]) -> Iterator[Problem]:
    """Reports that would write the same file, also on systems where ``a`` and ``A`` are one name."""
    first: dict[tuple[str, str], Job] = {}
    owners: dict[str, tuple[str, str]] = {}
    for job in jobs:
        other = first.setdefault((job.edition, job.key.casefold()), job)
        owner = owners.setdefault(job.folder.casefold(), (job.unit, job.unit or job.activity))
        if owner != (job.unit, job.unit or job.activity):
            what = f'"{owner[1] or "institution"}" and "{job.unit or job.activity or "institution"}"'
            yield Problem(job.where, f"{what} would share the folder {job.folder}.", "Rename one of the codes.")
        elif other is not job:
            what = f"{job.key} of {job.edition} is made twice, also by {other.where}."
            yield Problem(job.where, what, "Leave one out.")


# --- leave_out, defaults, change -----------------------------------------------------------------------------------


def _matches(job: Job, when: Mapping[str, list[str]]) -> bool:
    return all(job.dimension(name) in values for name, values in when.items() if name in ("notebook", *DIMENSIONS))


def _left_out(run_file: RunFile, jobs: list[Job], notes: list[str]) -> tuple[list[Job], list[tuple[str, str]]]:
    out: dict[tuple[str, str], str] = {}
    for number, line in enumerate(run_file.leave_out):
        when = {name: getattr(line, name) for name in ("notebook", *DIMENSIONS) if getattr(line, name)}
        hit = [(job.edition, job.key) for job in jobs if when and _matches(job, when)]
        out.update(dict.fromkeys(hit, line.because))
        if not hit:
            notes.append(f"{run_file.where('leave_out', number)}: leaves out nothing this time.")
    return [job for job in jobs if (job.edition, job.key) not in out], [(key, why) for (_, key), why in out.items()]


def _with_parameters(
    run_file: RunFile, jobs: list[Job], books: list[Notebook], notes: list[str]
) -> tuple[list[Job], list[Problem]]:
    """Give each job its values: default of the notebook, then defaults, matrix, change lines in their order."""
    problems = list(_wrong_names(run_file, books))
    done = []
    hits = [0] * len(run_file.change)
    for job in jobs:
        takes = job.notebook.parameters
        values: dict[str, Any] = {name: parameter.default for name, parameter in takes.items() if name != "source"}
        origin = dict.fromkeys(values, "default of the notebook")
        given: list[tuple[At, str, str]] = [
            (("defaults", name), name, f"defaults (line {run_file.line('defaults', name)})")
            for name in run_file.defaults
        ]
        for number, change in enumerate(run_file.change):
            if _matches(job, change.when):
                hits[number] += 1
                text = f"change (line {run_file.line('change', number)}): {change.because}"
                given += [(("change", number, "set", name), name, text) for name in change.set]
        for at, name, text in given:
            if name in values and name not in GIVEN:
                written = run_file.defaults[name] if at[0] == "defaults" else run_file.change[int(at[1])].set[name]
                try:
                    values[name], origin[name] = cast(written, takes[name].kind), text
                except ValueError as error:
                    what = f"{name} of {job.notebook.name} takes {error.args[0]}"
                    problems.append(Problem(run_file.where(*at), what, error.args[1]))
        run_gives = {"audience": run_file.audience, "language": run_file.language}
        for name, value in {**run_gives, **{name: job.dimension(name) for name in DIMENSIONS}}.items():
            if name in values and value:
                values[name], origin[name] = value, "matrix" if name in DIMENSIONS else "run"
        done.append(replace(job, parameters=values, origin=origin))
    unused = [number for number, count in enumerate(hits) if not count]
    notes += [f"{run_file.where('change', number)}: changes nothing this time." for number in unused]
    return done, problems


def _wrong_names(run_file: RunFile, books: list[Notebook]) -> Iterator[Problem]:
    """Names in defaults and change that no notebook takes, or that the run itself gives."""
    taken = list(dict.fromkeys(name for book in books for name in book.parameters))
    lines: list[At] = [("defaults", name) for name in run_file.defaults]
    lines += [("change", number, "set", name) for number, change in enumerate(run_file.change) for name in change.set]
    for at in lines:
        name = str(at[-1])
        if name in GIVEN:
            right = "Write it in the matrix." if name in DIMENSIONS else "Write it once, under defaults."
            yield Problem(run_file.where(*at), f'"{name}" is not set here.', right if name != "source" else "")
        elif books and name not in taken:
            right = nearest(name, [name for name in taken if name not in GIVEN])
            yield Problem(run_file.where(*at), f'no notebook takes the parameter "{name}".', right)
