"""The institution file as frozen, checked records (`run_file` has the other); text until the declared type casts it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from mi_analysis.yaml_text import At, Date, FileRecord, Number, Pattern, Problem, Record, WrongUse, load, nearest

__all__ = ["Problem", "WrongUse", "nearest"]

Audience = Literal["public", "internal", "unit_manager"]
_WORDS = (Path(__file__).parent / "reporting" / "words").glob("*.toml")  # a file per language that reports can be in
Language: TypeAlias = Literal[tuple(sorted(file.stem for file in _WORDS))]  # type: ignore[valid-type]
Grain = Literal["month", "quarter", "year"]
GRAINS = {"month": 1, "quarter": 3, "year": 12}  # months of a period of each grain
Structure = Literal["today", "as_was"]
PROJECT = Path(__file__).absolute().parents[1]  # where the package stands, unless it was installed as a copy


def as_memory(value: str) -> str:
    """Refuse a size of memory that is not a number with its unit."""
    if not value or re.fullmatch(r"[1-9][0-9]*(\.[0-9]+)? ?[KMGT]i?B", value):
        return value
    raise PydanticCustomError("told", "is not a size of memory.", {"right": "Write 800MB or 4GB."})


MemorySize = Annotated[str, AfterValidator(as_memory)]


class Labels(Record):
    """A name in print, per language; a plain text counts for all."""

    da: str
    en: str

    def said(self, language: str) -> str:
        """The name in Danish; in English for readers of every other language."""
        return self.da if language == "da" else self.en


class Contract(Record):
    """What the supplier of a delivery owes."""

    owner: str = ""
    content: str = ""
    due_working_day: int | None = None  # working day of the month after the period
    smallest_mapped_share: Number = 0.95
    control_totals: dict[str, Number] = {}  # model column -> figure the owner states
    meanings: dict[str, str] = {}  # header -> what it means here, where the column's own meaning is not enough
    examples: dict[str, str] = {}  # header -> a cell as it should be written


class Wide(Record):
    """Columns that are periods ("periods": headers that read as one), or kinds (header -> {column: text}), become rows."""

    columns: list[str] | dict[str, dict[str, str]] | Literal["periods"] = "periods"
    into: str = "period"  # model column that takes the header, where no mapping says more
    value: str = "amount"  # model column that takes the cell


class Fact(Record):
    """Which model table a delivery's rows fill, and from which columns."""

    table: str
    columns: dict[str, str | list[str]]  # model column -> header in the file (a list: any of these spellings)
    where: dict[str, list[str]] = {}  # header -> texts; only such rows ("" is blank, "*" is not blank)
    where_not: dict[str, list[str]] = {}
    values: dict[str, dict[str, str]] = {}  # model column -> {text: token}; "18*" is a beginning, "*" the rest
    constants: dict[str, str] = {}  # model column -> text for every row
    factor: Number = 1  # what the fact's amounts and counts are multiplied by; -1: they are taken off
    persons: Literal["key", "rows", "none"] = "key"  # "rows": each row is one person, without a key


class Source(Record):
    """How one kind of delivery is read. Data, never code."""

    files: list[str]  # glob patterns below the deliveries folder
    facts: list[Fact]
    query: str = ""  # asked of a PostgreSQL warehouse at each build; the answer is kept as the file that `files` names
    in_place: str = ""  # a table or view of the warehouse in the model's columns and codes: measured where it lies
    connection: str = "MI_WAREHOUSE"  # variable of the environment that says where the warehouse is, with its secret
    system: str = ""  # whose codes these are; blank: the source's name
    domain: Literal["staff", "economy", "operations", "strategy", "reference"] | None = None
    encoding: Literal["utf-8", "utf-8-sig", "cp1252", "utf-16"] | None = None  # None: strict UTF-8, else cp1252
    delimiter: str = ";"
    quotechar: str = '"'
    sheets: list[str] = []  # none: the first sheet that has the header
    header: int | list[str] = 1  # row number, or names that the first header row contains
    header_rows: Annotated[int, Field(ge=1, le=3)] = 1
    names: list[str] = []  # headers of a file that has none (then header is 0)
    total_markers: list[str] = ["I alt", "Ialt", "Total", "Sum", "Subtotal", "Hovedtotal", "Saldo"]
    total_endings: list[str] = [" i alt"]
    decimal: Literal[",", "."] = ","
    thousands: Literal[".", ",", " ", ""] = "."
    percent: Literal["points", "fraction"] = "fraction"
    unit_scale: Number = 1
    sign: Literal["ledger", "income_positive", "natural"] = "ledger"
    dates: Literal["day_first", "month_first"] | list[str] = "day_first"  # a list: exact strptime formats
    na_tokens: list[str] = []
    suppressed_tokens: list[str] = []
    fill_down: list[str] = []
    wide: Wide | None = None
    duplicates: Literal["keep", "drop_exact", "error", "first", "last"] = "keep"  # first, last: one row per key
    yields_to: list[str] = []  # sources that count instead, where they have the same counts; compared and told
    period: str | None = None  # constant for the file, or a pattern with one group for the file's name
    period_kind: Literal["month", "ytd", "snapshot"] = "month"
    extracted_at: Pattern | None = None  # pattern with one group, searched in the title rows, then the file's name
    as_of: Pattern | None = None  # the same, for the day the figures stand at; blank: extracted_at
    optional: bool = False  # nothing is missed where no file is delivered
    fte_basis: Literal["level", "flow"] = "level"
    hours_basis: Literal["one_to_one", "with_supplement"] = "one_to_one"
    day_basis: Literal["working", "calendar"] = "working"
    contract: Contract = Contract()


class UnitRow(Record):
    unit: str
    name: str
    parent: str = ""
    level: str = ""
    valid_from: Date = ""
    valid_to: Date = ""
    successor: str = ""
    share: Number | None = None
    estimated: bool = False


class ActivityRow(Record):
    activity: str
    name: str
    name_en: str = ""
    parent: str = ""
    purpose: str = ""
    output: str = ""
    output_en: str = ""
    standard_hours: Number | None = None


class CodeRow(Record):
    """A row of the crosswalk, or of the other names of a unit; several codes may share a row."""

    system: str
    codes: list[str]
    to: str  # activity or unit
    valid_from: Date = ""
    valid_to: Date = ""
    share: Number = 1


class Part(Record):
    """What an own measure counts: a name among the counts, or a number column of another table of facts."""

    name: str
    table: Literal["volumes", "hours", "absence", "staff", "ledger"] = "volumes"
    where: dict[str, list[str]] = {}  # column of the table -> texts; only such rows
    kind: Literal["flow", "stock", "level"] | None = None  # None: the measure's; of a ratio, flow


class OwnMeasure(Record):
    """A measure of the institution's own: names of what is divided by what, never an expression."""

    numerator: Part
    denominator: Part | None = None
    complement: bool = False  # of a share: what is left of the whole
    kind: Literal["flow", "stock", "level", "ratio"]
    direction: Literal["higher", "lower", "neutral"] = "neutral"
    unit: Literal["count", "pct", "money", "hours", "days"] = "count"
    domain: Literal["staff", "economy", "operations", "strategy"] = "operations"
    labels: Labels
    short: Labels | None = None  # in narrow columns
    unit_name: Labels | None = None  # the unit of measure in print, where its word says too little
    decimals: int | None = None


class Reservation(Labels):
    """What a reader has to know before using the figures of some months; printed in every report about them."""

    valid_from: Date = ""
    valid_to: Date = ""


class NewLevel(Reservation):
    """Why a measure stands at another level from a month on: its control charts begin anew there, and say so."""

    measure: str
    unit: str = ""  # blank: every unit


class Privacy(Record):
    """Thresholds of disclosure control; the floor of 3 persons cannot be set lower."""

    fte_public: Annotated[Number, Field(ge=10)] = 10
    persons_internal: Annotated[int, Field(ge=3)] = 5
    dominance: Annotated[Number, Field(gt=0, le=0.5)] = 0.5


class Calendar(Record):
    country: Literal["DK", "none"] = "DK"
    extra_days_off: list[str] = []  # "12-24": every year, "2025-05-02": once
    hours_per_day: Number = 7.4


class Capacity(Record):
    """The ladder from gross to net hours of one årsværk (hours a year)."""

    gross: Number = 1924
    holiday_days: Number = 25
    special_days: Number = 5
    sick_days: Number = 8
    other_days: Number = 0
    non_task_share: Number = 0


class Limits(Record):
    """Parameters that definitions leave to the institution."""

    coverage_warn: Number = 0.95
    coverage_refuse: Number = 0.80
    deviation_share: Number = 0.05
    deviation_amount: Number = 100_000
    fewest_closed: int = 5
    long_spell_days: Annotated[int, Field(ge=1)] = 28  # more calendar days are a long spell
    provisional_months: Annotated[int, Field(ge=0)] = 1  # newest months: sick leave and overtime are registered late


class Folder(Record):
    """Where deliveries lie."""

    folder: str  # below the project, or below the folder that `variable` names
    variable: str = ""
    fetch: str = ""  # sentence: what to fetch and from where, when it is not there
    made_by: Literal["", "synthetic"] = ""  # the project makes these deliveries itself


class StandingQuestions(Record):
    """What is asked every month; blank: overtime (else sick leave), and share within deadline, progress, goals, hours per case."""

    exposure: str = ""
    outcomes: list[str] = []


class Institution(FileRecord):
    """Everything `parameters/<institution>/institution.yaml` says."""

    name: Labels
    deliveries: Folder
    sources: dict[str, Source]
    units: list[UnitRow] = []
    activities: list[ActivityRow] = []
    crosswalk: list[CodeRow] = []
    unit_codes: list[CodeRow] = []
    language: Language = "da"
    currency: str = "DKK"
    money_scale: Literal[1, 1000, 1_000_000] = 1000  # money is printed in this
    fiscal_year_start: Annotated[int, Field(ge=1, le=12)] = 1
    standing_questions: StandingQuestions = StandingQuestions()
    smallest_relevant: dict[str, Number] = {}  # outcome -> difference that would matter, per step of the exposure
    structure: Structure = "today"  # history restated to today's units, or as it was
    goals_about_staff: list[str] = []  # numbers of goals that tell of sick leave or overtime: hidden where those are
    measures: dict[str, OwnMeasure] = {}
    key_figures: Annotated[list[str], Field(max_length=12)] = []  # on page one, in this order; none: the usual ones
    targets: dict[str, str] = {}  # measure -> number of the goal whose target it is held against
    reservations: list[Reservation] = []
    new_levels: list[NewLevel] = []
    overhead_activities: list[str] = []  # activities that are not professional work (direct share)
    privacy: Privacy = Privacy()
    calendar: Calendar = Calendar()
    capacity: Capacity = Capacity()
    limits: Limits = Limits()
    engine: Literal["duckdb", "postgresql", "spark"] = "duckdb"  # where the measures are computed
    memory_limit: MemorySize = ""  # of the data engine, such as 4GB; blank: half of what the machine has
    executor: str = "processes"


def read_alike(tree: dict[str, Any], lines: dict[At, int]) -> None:
    """What ``reading`` says counts for every source that does not say it itself."""
    common, sources = tree.pop("reading", {}), tree.get("sources", {})
    for name, source in sources.items() if isinstance(common, dict) and isinstance(sources, dict) else ():
        for key in common.keys() - source.keys() if isinstance(source, dict) else ():
            source[key], lines["sources", name, key] = common[key], lines["reading", key]


def load_institution(path: Path) -> Institution:
    """Read ``institution.yaml`` (or the folder it stands in); what ``reading`` says counts for every source.

    Raises
    ------
    WrongUse
        With every problem of the file: unknown names, wrong types, parents that do not exist, circles, shares.
    """
    file = path / "institution.yaml" if path.is_dir() else path
    institution = load(file, Institution, read_alike)
    if problems := [*_reference_problems(institution), *_share_problems(institution)]:
        raise WrongUse(*problems)
    return institution


def project_root(start: Path) -> Path:
    """Nearest folder from ``start`` upwards that has ``parameters/``; from elsewhere, the project the package stands in."""
    for folder in (start.absolute(), *start.absolute().parents, PROJECT):
        if (folder / "parameters").is_dir():
            return folder
    raise WrongUse(
        Problem(str(start), "is not in a project.", "Go to a folder that has parameters/ in it or above it.")
    )


def find_institution(source: str, start: Path) -> Path:
    """The ``institution.yaml`` that a name, a folder or a file means, looked up from the nearest project folder."""
    root = project_root(Path(source) if Path(source).is_absolute() else start)  # a whole path is right from anywhere
    for place in (root / "parameters" / source, root / source, start / source):
        for file in (place / "institution.yaml", place):
            if file.name == "institution.yaml" and file.is_file():
                return file
    known = sorted(file.parent.name for file in (root / "parameters").glob("*/institution.yaml"))
    raise WrongUse(Problem("institution", f'"{source}" is not known.', nearest(source, known)))


def deliveries_folder(institution: Institution, root: Path, chosen: Path | None = None) -> Path:
    """Where the deliveries lie: ``chosen`` (--deliveries), else MI_DELIVERIES, else what the institution says.

    Raises
    ------
    WrongUse
        The folder is not there; says what to fetch and which variable to set.
    """
    says, named = institution.deliveries, chosen or os.environ.get("MI_DELIVERIES")
    if named:
        place, right = Path(named), "--deliveries and MI_DELIVERIES name a folder."
    elif says.variable:
        right = f"{says.fetch} Set {says.variable} to the folder that has {says.folder} in it.".strip()
        if not (base := os.environ.get(says.variable, "")):
            raise WrongUse(Problem(institution.where("deliveries"), "the deliveries are not here.", right))
        place = Path(base) / says.folder
    else:
        place, right = root / says.folder, says.fetch or "Put the deliveries there, or use --deliveries."
    if not place.is_dir() and (named or says.made_by != "synthetic"):
        raise WrongUse(Problem(str(place), "the folder of deliveries is not there.", right))
    return place


REFERENCES = (  # list, its field, and the list and field where the code must stand
    ("units", "parent", "units", "unit"),
    ("units", "successor", "units", "unit"),
    ("unit_codes", "to", "units", "unit"),
    ("activities", "parent", "activities", "activity"),
    ("crosswalk", "to", "activities", "activity"),
)


def _reference_problems(institution: Institution) -> Iterator[Problem]:
    """Codes that stand nowhere, unless deliveries fill that list too, and circles of parents."""
    delivered = {fact.table for source in institution.sources.values() for fact in source.facts}
    for table, field, target, code_field in REFERENCES:
        known = {getattr(row, code_field) for row in getattr(institution, target)}
        for number, row in enumerate(getattr(institution, table) if known and target not in delivered else ()):
            if (code := getattr(row, field)) and code not in known:
                where = institution.where(table, number, field)
                yield Problem(where, f'{field}: "{code}" is not known.', nearest(code, sorted(known)))
    yield from _circles(institution, "units", [(row.unit, row.parent) for row in institution.units])
    yield from _circles(institution, "activities", [(row.activity, row.parent) for row in institution.activities])


def _circles(institution: Institution, table: str, pairs: list[tuple[str, str]]) -> Iterator[Problem]:
    """Codes that are above themselves; each circle is told once."""
    above, told = dict(pairs), set[str]()
    for number, (code, _) in enumerate(pairs):
        chain = [code]
        while (parent := above.get(chain[-1], "")) and parent not in chain:
            chain.append(parent)
        if parent and parent == code and code not in told:
            told.update(chain)
            circle = f"the parents go in a circle: {' > '.join([*chain, code])}."
            yield Problem(institution.where(table, number, "parent"), circle)


def _share_problems(institution: Institution) -> Iterator[Problem]:
    """Shares of one code, or of one unit that closed, must sum to 1 on every day they are valid."""
    parts: dict[str, list[tuple[str, str, float, str]]] = {}
    for number, code in enumerate(institution.crosswalk):
        for name in code.codes:
            part = (code.valid_from, code.valid_to or "9999", code.share, institution.where("crosswalk", number))
            parts.setdefault(f"{code.system} {name}", []).append(part)
    for number, unit in enumerate(institution.units):
        if unit.successor:
            last, share = unit.valid_to or "9999", 1 if unit.share is None else unit.share
            parts.setdefault(unit.unit, []).append((unit.valid_from, last, share, institution.where("units", number)))
    for name, same in parts.items():
        for day in sorted({first for first, *_ in same}):
            valid = [(share, where) for first, last, share, where in same if first <= day <= last]
            if abs((total := sum(share for share, _ in valid)) - 1) > 1e-6:
                what = f'the shares of "{name}"{day and " from " + day} sum to {total:g}.'
                yield Problem(valid[0][1], what, "They must sum to 1.")
                break
