"""The tables of the model: their grain, columns, kinds of value and units.

The schema is data. The reading step takes from it how each column's text is parsed, the audit
which columns are conserved amounts, the docs test what has to be documented.
"""

from dataclasses import dataclass

NOT_PLACED = "~"
"""The unit of a row whose unit code is unknown, and the activity of a row without a known activity.

Such rows stay in every total; reports print "Ikke placeret" and "Uden aktivitet".
"""
ALL = "*"
"""The activity (or unit) of a total line."""


@dataclass(frozen=True)
class Column:
    """One column of a model table.

    Attributes
    ----------
    kind
        How text becomes a value: ``code`` (text, zeros kept), ``text``, ``token`` (one of
        ``tokens``), ``number``, ``amount`` (money; scale and sign of the source apply), ``hours``
        (decimal or h:mm), ``days``, ``share`` (0-1 or per cent, by profile), ``date``, ``time``
        (date with time of day), ``period`` (becomes ``period_start`` and ``grain``), ``flag``.
    required
        A blank cell is a rejected cell. Other blanks are missing values.
    conserved
        Summed in the account of the delivery: read = used + quarantined + dropped, to 0.01.
    """

    kind: str
    about: str
    required: bool = False
    conserved: bool = False
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the model; ``key`` is its grain."""

    about: str
    key: tuple[str, ...]
    columns: dict[str, Column]


_UNIT = Column("code", "organisational unit, as text; a blank or unknown one is not placed, never lost")
_ACTIVITY = Column("code", "activity, as text; blank is 'Uden aktivitet'")
_PERIOD = Column("period", "month, quarter or year the fact belongs to", required=True)
_PERSON = Column("code", "pseudonym of a person: counted at the reading step, then gone")

ABSENCE_TYPES = ("sick", "child_sick", "injury", "parental", "care", "holiday", "other")
ACCOUNT_GROUPS = ("pay", "other", "income", "indirect", "overhead")
DIRECTIONS = ("higher", "lower", "band", "milestone", "yes_no", "share_of_milestones")


def _table(about: str, key: str, **columns: Column) -> Table:
    return Table(about, tuple(key.split()), columns)


TABLES: dict[str, Table] = {
    "units": _table(
        "Organisation with history: a row per unit and validity (a unit split in two has two rows).",
        "unit valid_from successor",
        unit=Column("code", "unit", required=True),
        name=Column("text", "name in print", required=True),
        parent=Column("code", "unit above; blank for the institution"),
        level=Column("code", "name of the level (styrelse, center, kontor)"),
        valid_from=Column("date", "first day"),
        valid_to=Column("date", "last day; blank while it lives"),
        successor=Column("code", "unit that took over"),
        share=Column("share", "part that the successor took over; blank is all"),
        estimated=Column("flag", "the share is an estimate"),
    ),
    "activities": _table(
        "The common key of the four domains.",
        "activity",
        activity=Column("code", "activity", required=True),
        name=Column("text", "name in print", required=True),
        parent=Column("code", "activity above"),
        purpose=Column("code", "FL-formål; values starting with 9 are general overhead"),
        output=Column("text", "word for one finished piece of work (tilsyn, sag)"),
        standard_hours=Column("hours", "hours one finished piece should take"),
    ),
    "crosswalk": _table(
        "Source code of an activity per system, valid over time, with shares.",
        "system code activity valid_from",
        system=Column("code", "source system", required=True),
        code=Column("code", "code in that system", required=True),
        activity=Column("code", "activity of the model", required=True),
        valid_from=Column("date", "first day"),
        valid_to=Column("date", "last day; blank while it lives"),
        share=Column("share", "part of the code's value; sums to 1 per code and date"),
    ),
    "unit_codes": _table(
        "Other names of a unit per system, valid over time.",
        "system code valid_from",
        system=Column("code", "source system; * for all", required=True),
        code=Column("code", "code or name in that system", required=True),
        unit=Column("code", "unit of the model", required=True),
        valid_from=Column("date", "first day"),
        valid_to=Column("date", "last day; blank while it lives"),
    ),
    "hours": _table(
        "Registered hours, added up per unit, activity and period.",
        "unit activity period",
        unit=_UNIT,
        activity=_ACTIVITY,
        period=_PERIOD,
        person_key=_PERSON,
        hours=Column("hours", "registered hours", required=True, conserved=True),
        overtime_hours=Column("hours", "of them overtime, 1:1", conserved=True),
        status=Column(
            "token",
            "auto rows were filled with the norm; drafts are counted but not used",
            tokens=("approved", "auto", "draft"),
        ),
    ),
    "absence": _table(
        "Hours of absence per unit, period and type.",
        "unit period absence_type",
        unit=_UNIT,
        period=_PERIOD,
        person_key=_PERSON,
        absence_type=Column("token", "kind of absence", required=True, tokens=ABSENCE_TYPES),
        absence_hours=Column("hours", "hours of absence", conserved=True),
        absence_days=Column("days", "the same in days of 7.4 hours", conserved=True),
        spell_start=Column("date", "first day of the whole spell, whichever month it was in"),
        spell_end=Column("date", "last day of the whole spell; blank while it lasts"),
        fte=Column("number", "årsværk the source divides by"),
    ),
    "staff": _table(
        "Staff figures that belong to the unit, not to an activity.",
        "unit period",
        unit=_UNIT,
        period=_PERIOD,
        person_key=_PERSON,
        fte=Column("number", "årsværk, by the source's fte_basis", conserved=True),
        persons=Column("number", "persons behind the row, where no person key is delivered"),
        norm_hours=Column("hours", "norm hours", conserved=True),
        overtime_hours=Column("hours", "overarbejde + merarbejde 1:1", conserved=True),
        extra_hours=Column("hours", "merarbejde where it stands in a column of its own", conserved=True),
        balance_opening=Column("hours", "overtime balance at the start", conserved=True),
        balance_taken=Column("hours", "time off in lieu", conserved=True),
        balance_paid=Column("hours", "hours paid out", conserved=True),
        balance_expired=Column("hours", "hours expired or converted", conserved=True),
        balance_closing=Column("hours", "overtime balance at the end", conserved=True),
        flex_balance=Column("hours", "flex balance at the end, signed", conserved=True),
        pay=Column("amount", "pay in all, from payroll", conserved=True),
        overtime_pay=Column("amount", "overtime paid out", conserved=True),
        injury_pay=Column("amount", "pay during injury leave", conserved=True),
    ),
    "ledger": _table(
        "Postings; costs positive, income negative.",
        "delivery row",
        unit=_UNIT,
        activity=_ACTIVITY,
        date=Column("period", "posting date or month; closing dates (U31-12-24) are set aside", required=True),
        account=Column("code", "account, as text"),
        account_group=Column("token", "what kind of money", tokens=ACCOUNT_GROUPS),
        purpose=Column("code", "FL-formål"),
        amount=Column("amount", "amount in the currency's unit", required=True, conserved=True),
    ),
    "budget": _table(
        "Periodised budget per version.",
        "unit activity period version account_group",
        unit=_UNIT,
        activity=_ACTIVITY,
        period=_PERIOD,
        version=Column("code", "GB, UO1, UO2, UO3"),
        account_group=Column("token", "what kind of money", tokens=ACCOUNT_GROUPS),
        amount=Column("amount", "amount in the currency's unit", required=True, conserved=True),
    ),
    "cases": _table(
        "The case log: one row per case, no caseworker.",
        "case",
        case=Column("code", "case number", required=True),
        unit=_UNIT,
        activity=_ACTIVITY,
        received=Column("time", "received", required=True),
        informed=Column("time", "fully informed (fuldt oplyst)"),
        closed=Column("time", "closed; blank while open"),
        deadline=Column("time", "deadline"),
        status=Column(
            "token", "reopened cases are open whatever their closing date says", tokens=("open", "closed", "reopened")
        ),
        kept=Column("flag", "the source's own word for 'within deadline'"),
    ),
    "volumes": _table(
        "Counts as delivered; built from cases where there are cases.",
        "unit activity period name",
        unit=_UNIT,
        activity=_ACTIVITY,
        period=_PERIOD,
        name=Column("code", "received, closed, planned, stock, caseworkers, or any other count", required=True),
        value=Column("number", "the count", required=True, conserved=True),
    ),
    "goals": _table(
        "Goals and results per period.",
        "goal unit period",
        goal=Column("code", "number of the goal, as text (1.10 is not 1.1)", required=True),
        name=Column("text", "the goal in words"),
        unit=Column("code", "unit; blank is the institution"),
        activity=_ACTIVITY,
        period=_PERIOD,
        direction=Column("token", "how a result is judged", required=True, tokens=DIRECTIONS),
        target=Column("text", "target: a number, a share or a date, judged by the goal's direction"),
        result=Column("text", "result; 'Ikke opgjort' is not assessed, never 0"),
        baseline=Column("number", "where it started; degree is then (r - b) / (t - b)"),
        weight=Column("number", "points"),
        partly_limit=Column("share", "degree from which a goal is partly met"),
        goal_unit=Column("text", "unit of measure in print; `pct.` (also %, procent, per cent) is a share"),
    ),
    "comments": _table(
        "Explanations that a unit wrote.",
        "unit period measure",
        unit=_UNIT,
        period=_PERIOD,
        measure=Column("code", "measure or goal", required=True),
        text=Column("text", "the explanation"),
        role=Column("text", "who wrote it, by role"),
        date=Column("date", "when"),
    ),
}

REFERENCE_TABLES = ("units", "activities", "crosswalk", "unit_codes")
"""Tables that say what exists; they stand in institution.yaml or are delivered."""

STORED: dict[str, tuple[str, ...]] = {
    table: tuple(columns.split())
    for table, columns in {
        "hours": "delivery unit activity period_start grain hours overtime_hours auto_hours draft_hours auto_rows rows "
        "persons largest_person_share",
        "absence": "delivery unit period_start grain absence_type absence_hours spells long_spells fte withheld persons "
        "largest_person_share",
        "staff": "delivery unit period_start grain fte norm_hours overtime_hours balance_opening balance_taken "
        "balance_paid balance_expired balance_closing flex_balance pay overtime_pay injury_pay withheld persons "
        "largest_person_share",
        "persons": "unit period_start grain domain persons largest_person_share value",
        "ledger": "delivery row unit activity period_start grain account account_group purpose amount",
        "budget": "delivery unit activity period_start grain version account_group amount",
        "cases": "delivery row case unit activity received informed closed deadline reopened kept",
        "volumes": "delivery unit activity period_start grain name value",
        "goals": "delivery row goal name unit activity period_start grain direction target result target_date result_date "
        "state baseline weight partly_limit goal_unit",
        "comments": "delivery unit period_start grain measure text role date",
        "quarantine": "delivery row column text reason",
    }.items()
}
"""Columns of the tables as stored: keys placed, persons counted and gone."""

_DATABASE_TYPES = {
    **dict.fromkeys(("code", "text", "token"), "varchar"),
    **dict.fromkeys(("number", "amount", "hours", "days", "share"), "double"),
    "date": "date",
    "time": "timestamp",
    "flag": "boolean",
}
_STORED_TYPES = {
    "period_start": "date", "grain": "varchar", "delivery": "varchar", "domain": "varchar", "column": "varchar", "reason": "varchar",
    "state": "varchar", "target": "double", "result": "double", "target_date": "date", "result_date": "date",
    "withheld": "boolean", "reopened": "boolean", "row": "bigint", "rows": "bigint", "auto_rows": "bigint",
}  # fmt: skip


def quoted(text: object) -> str:
    """A text as SQL takes it."""
    return "'" + str(text).replace("'", "''") + "'"


def stored_types(table: str) -> dict[str, str]:
    """Database type of each stored column; what is neither declared nor named above is a number."""
    declared = (
        {name: _DATABASE_TYPES.get(column.kind, "") for name, column in TABLES[table].columns.items()}
        if table in TABLES
        else {}
    )
    return {
        name: _STORED_TYPES.get(name) or declared.get(name) or ("varchar" if name in ("unit", "text") else "double")
        for name in STORED[table]
    }
