"""Which table of the model a sample is, and which of its columns: words in headers, tried against the cells.

A header proposes, the cells decide: a column counts only where nine of ten of its cells are values of the
column's kind, read by the same rules as a delivery. Nothing here is used when a delivery is read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from mi_analysis.model.columns import parse_column
from mi_analysis.model.grid import Column, Grid
from mi_analysis.model.rows import wide_places
from mi_analysis.model.schema import TABLES
from mi_analysis.model.values import fold, names_a_person
from mi_analysis.parameters import Source, Wide

FITS = 0.9  # share of the cells that must be values of the kind
UNIT = r"enhed|kontor|afdeling|afd|sted|organi[sz]ation(?:senhed)?|org(?:anisation)? ?(?:code|kode|unit)|department|department name|unit|office|omkostningssted"
ACTIVITY = r"aktivitet|opgave|alias|sagstype|activity|task|case type|reason|ydelse|opgave aktivitet"
PERIOD = r"periode|måned|kvartal|quarter|period|month|dato|date|år|year|tid"
PERSON = r"medarb(?:ejder)? ?(?:nr|nummer|id)?|ansat ?(?:nr|nummer)?|løn ?(?:nr|nummer)|employee(?: (?:id|no|number))?|person(?:nr|nummer)?|staff (?:no|id)"
VALID = {"valid_from": r"gyldig fra|valid from|fra dato|start", "valid_to": r"gyldig til|valid to|til dato|slut"}
HEADERS: dict[str, dict[str, str]] = {
    "crosswalk": {
        "activity": r"aktivitet|activity", "system": r"system|kildesystem|source system", "code": r"kildekode|kode|source code|code",
        **VALID, "share": r"andel|share",
    },
    "unit_codes": {"system": r"system|kildesystem", "code": r"kode|alias|code", "unit": r"enhed|unit", **VALID},
    "units": {
        "unit": r"enhedskode|enhed|kode|unit(?: code)?|org code", "name": r"enhedsnavn|kontornavn|afdelingsnavn|unit name|org name",
        "parent": r"overenhed|over enhed|parent(?: unit)?", "level": r"niveau|level", **VALID,
        "successor": r"efterf(?:ø|oe)lger|successor", "share": r"andel|share",
    },
    "cases": {
        "case": r"sagsnummer|sagsnr|sag|journal ?(?:nummer|nr)|case(?: (?:id|number|no))?|case enquiry id|enquiry id|ticket(?: id)?",
        "activity": r"sagstype|case type|reason|type|kind|kategori|category|aktivitet|activity|opgave|emne",
        "unit": r"ansvarlig enhed|responsible unit|team|area|district|" + UNIT,
        "received": r"modtaget(?: dato)?|indkommet|indgået|modtagelsesdato|received|open dt|opened|oprettet(?: dato)?|created|reported|registered",
        "informed": r"fuldt oplyst(?: dato)?|oplyst(?: dato)?|fully informed",
        "closed": r"afsluttet(?: dato)?|afgjort|afgørelsesdato|færdig(?:behandlet)?|closed(?: dt| date)?|lukket|solved|resolved|finished|completed",
        "deadline": r"sagsfrist|frist|deadline|target dt|due(?: date)?|svarfrist",
        "status": r"status|case status|sagsstatus|tilstand", "kept": r"ontime|on time|overholdt|rettidig|within deadline|inden for frist",
    },
    "goals": {
        "goal": r"mål nr|målnr|mål nummer|goal(?: (?:no|id|number))?|nr", "name": r"mål|goal name|tekst|beskrivelse", "unit": r"kontor|afdeling|ansvarlig enhed|office",
        "activity": r"opgave aktivitet|aktivitet|opgave|activity", "period": PERIOD, "direction": r"retning|skal være|direction",
        "target": r"måltal|målsætning|target", "result": r"resultat|opnået|nået|result", "weight": r"vægt|weight|point",
        "goal_unit": r"enhed|måleenhed|unit(?: of measure)?", "partly_limit": r"grænse for delvist opfyldt|delvist(?: opfyldt)?|partly limit",
        "baseline": r"baseline|udgangspunkt",
    },
    "ledger": {
        "date": r"bogføringsdato|bogført|bogf dato|posteringsdato|posting date|dato|date|bilagsdato", "account": r"finanskonto(?:nr)?|kontonr|konto|art|account(?: no)?",
        "purpose": r"fl formål|formål|purpose", "unit": UNIT, "activity": ACTIVITY, "amount": r"beløb|beløb i kr|amount|saldo",
    },
    "hours": {
        "person_key": PERSON, "unit": UNIT, "activity": ACTIVITY, "period": PERIOD, "hours": r"timer|timetal|antal timer|hours|registrerede timer",
        "overtime_hours": r"heraf over merarbejde|overarbejde|overtime(?: hours)?|(?:heraf )?overtid", "status": r"status|state|godkendelse",
    },
    "absence": {
        "unit": UNIT, "period": PERIOD, "person_key": PERSON, "absence_type": r"fraværstype|fraværsårsag|fraværsart|absence type|årsag",
        "absence_days": r"sygefravær dagsværk|fraværsdage|dagsværk|sygedage|fravær dage|absence days|days lost|fte days lost",
        "absence_hours": r"fraværstimer|sygetimer|absence hours|timer", "fte": r"årsværk|fte|ansatte årsværk|fte days available",
    },
    "staff": {
        "unit": UNIT, "period": PERIOD, "person_key": PERSON, "fte": r"årsværk|fte|workforce total fte", "persons": r"antal personer|antal ansatte|headcount|persons",
        "norm_hours": r"normtimer|normtid|norm hours", "overtime_hours": r"overarbejde timer|overarbejde|overtime hours|overtid",
        "extra_hours": r"merarbejde timer|merarbejde|extra hours", "balance_taken": r"afspadseret timer|afspadseret|time off in lieu",
        "balance_paid": r"udbetalt timer|udbetalt|paid out", "balance_opening": r"saldo primo timer|saldo primo|opening balance",
        "balance_closing": r"saldo ultimo timer|saldo ultimo|closing balance", "flex_balance": r"flekssaldo ultimo timer|flekssaldo(?: ultimo)?|flex balance",
        "pay": r"total earnings|løn i alt|bruttoløn|total pay|pay", "overtime_pay": r"overtime|overtime pay|overarbejdsbetaling", "injury_pay": r"injured|injury pay",
    },
    "budget": {
        "version": r"version|budgetversion", "unit": UNIT, "activity": ACTIVITY, "period": PERIOD, "account_group": r"art|kontogruppe|account group",
        "amount": r"beløb|budget|amount",
    },
    "volumes": {"unit": UNIT + r"|(?:\w+ )?\w+ code", "activity": ACTIVITY + r"|type", "period": PERIOD},
}  # fmt: skip
"""Words that a header may consist of, per table and column: whole headers, without punctuation."""
MUST = {
    "crosswalk": "activity system code", "unit_codes": "system code unit", "units": "unit name parent", "cases": "case received",
    "goals": "goal target", "ledger": "date account amount", "hours": "hours period person_key", "absence": "absence_days period unit",
    "staff": "unit", "budget": "unit", "volumes": "unit",
}  # fmt: skip
"""Columns without which a file is no such table; the tables are tried in this order."""
TEXTS: dict[str, dict[str, str]] = {
    "status": {
        "draft": r"kladde|draft|ikke godkendt|åben", "auto": r"auto.*", "approved": r"godkendt|approved|final|låst",
        "reopened": r"genåbnet|reopened", "closed": r"afsluttet|closed|lukket|afgjort", "open": r"under behandling|afventer.*|ny|åben|open|new|i gang",
    },
    "absence_type": {
        "sick": r"(?:egen )?syg.*|sick.*", "child_sick": r"barn.*syg.*|child.*", "injury": r"arbejdsskade.*|injur.*", "parental": r"barsel.*|parental.*",
        "care": r"omsorg.*|care.*", "holiday": r"ferie.*|holiday.*|særlige feriedage",
    },
    "direction": {
        "higher": r"højere|mindst|higher|op|stigende", "lower": r"lavere|højst|lower|ned|faldende", "milestone": r"milepæl|milestone", "band": r"interval|band",
    },
    "account_group": {"pay": r"løn.*|pay.*", "income": r".*indtægt.*|income.*"},
    "kept": {"yes": r"ontime|on time|ja|yes|rettidig|overholdt", "no": r"overdue|late|nej|no|for sent|ikke overholdt"},
}  # fmt: skip
"""Texts that stand for a token."""
REST = {"absence_type": "other", "account_group": "other", "status": ""}
"""What any other text of a column may stand for."""


def plain(header: str) -> str:
    """A header as words: lower case, without punctuation, the part after the last joined row."""
    return " ".join(re.findall(r"[^\W_]+", fold(header.rpartition(" / ")[2] or header)))


@dataclass
class Recognised:
    """A table that a sample may be: model column -> header, and where texts stand for tokens."""

    table: str
    columns: dict[str, str] = field(default_factory=dict)
    values: dict[str, dict[str, str]] = field(default_factory=dict)
    unsure: list[str] = field(default_factory=list)  # "column: text" that a person has to place


def recognise(grid: Grid, source: Source, wide: set[int], name: str) -> Recognised | None:
    """The first table whose columns the sample has; None when it is none.

    Parameters
    ----------
    wide
        Positions of columns that are periods.
    name
        File and sheet name: a wide file is a budget only where it says so.
    """
    says_budget = bool(re.search(r"budget|bevilling", fold(name)))
    for table, must in MUST.items():
        other = "ledger staff absence" if says_budget else "budget"
        if table in other.split() or (wide and table not in ("budget", "volumes")):
            continue
        found = _columns(table, grid, source, wide)
        names = set(found.columns)
        enough = set(must.split()) <= names
        if table == "volumes" and not wide:
            enough = enough and bool(counts(grid, source, found))
        if table == "staff":
            enough = enough and bool(names - {"unit", "period", "person_key"})
        if table == "budget" and not wide:
            enough = enough and {"period", "amount"} <= names
        if enough:
            return found
    return None


def _columns(table: str, grid: Grid, source: Source, wide: set[int]) -> Recognised:
    """Best header for each column of a table; each header once, but for an account and its group."""
    found, taken = Recognised(table), set[int]()
    for column, words in HEADERS[table].items():
        best: tuple[int, int] | None = None
        for place, header in enumerate(grid.headers):
            text = plain(header)
            if place in taken or place in wide or not (match := re.fullmatch(words, text)):
                continue
            rank = next(number for number, one in enumerate(_alternatives(words)) if re.fullmatch(one, match[0]))
            if (best is None or rank < best[0]) and _may_be(table, column, header, grid.columns[place], source, found):
                best = (rank, place)
        if best:
            taken.add(best[1])
            found.columns[column] = grid.headers[best[1]]
    return found


def _alternatives(words: str) -> list[str]:
    """Alternatives of a pattern that stand outside parentheses."""
    parts, depth = [""], 0
    for letter in words:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "|" and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def _may_be(table: str, column: str, header: str, cells: Column, source: Source, found: Recognised) -> bool:
    """Whether the cells are values of the column; fills in the texts of tokens."""
    if names_a_person(header) != (column == "person_key"):
        return False
    if cells.blank().all():
        return column not in MUST[table].split()
    kind = TABLES[table].columns[column]
    if kind.tokens or column == "kept":
        return mapped_texts(column, kind.tokens or ("yes", "no"), cells, found)
    return share_read(column, table, cells, source) >= FITS


def share_read(column: str, table: str, cells: Column, source: Source) -> float:
    """Share of the cells that are not blank which are values of the column's kind."""
    parsed = parse_column(column, TABLES[table].columns[column], cells, source, {}, 2000)
    filled = ~cells.blank()
    count = int(filled.sum())
    return 1.0 if not count else 1 - int(((parsed.bad > 0) & filled).sum()) / count


def mapped_texts(column: str, tokens: tuple[str, ...], cells: Column, found: Recognised) -> bool:
    """Map a column's texts to tokens; at most 30 texts, and what is not known is marked for a person."""
    texts = [text for text in dict.fromkeys(cells.as_text().texts.to_pylist()) if text]
    pay = any(re.fullmatch(TEXTS["account_group"]["pay"], fold(text)) for text in texts)
    if len(texts) > 30 or (column == "account_group" and not pay):
        return False
    mapping, unsure = {}, []
    patterns = {token: words for token, words in TEXTS[column].items() if token in tokens}
    for text in texts:
        token = next((token for token, words in patterns.items() if re.fullmatch(words, fold(text))), None)
        if token is None and column == "direction":
            return False
        mapping[text] = token if token is not None else REST.get(column) or tokens[0]
        if token is None:
            unsure.append(f"{column}: {text}")
    if len(unsure) == len(texts):
        return False
    if column == "absence_type":
        mapping["*"] = "other"
    found.values[column], found.unsure = mapping, [*found.unsure, *unsure]
    return True


def counts(grid: Grid, source: Source, found: Recognised) -> list[str]:
    """Headers of number columns that no other column of the table takes: each may be a count of its own."""
    return [
        header for place, header in enumerate(grid.headers)
        if header and header not in found.columns.values() and is_number(grid.columns[place], source) and not names_a_person(header)
        and not re.search(r"share|andel|rate|pct|percent|pr |per ", plain(header))
    ]  # fmt: skip


def is_number(cells: Column, source: Source) -> bool:
    """Whether nearly all filled cells are numbers, and some is."""
    if cells.typed is not None:
        return str(cells.typed.type).startswith(("int", "double", "float", "decimal"))
    return not cells.blank().all() and share_read("value", "volumes", cells, source) >= FITS


def codes_in(cells: Column) -> dict[str, int]:
    """Texts of a column and how many rows each has; blanks left out."""
    column = cells.as_text()
    numbers = np.bincount(column.codes, minlength=len(column.texts))
    return {text: int(n) for text, n in zip(column.texts.to_pylist(), numbers, strict=True) if text and n}


def wide_headers(grid: Grid, year: str | None = "in the name") -> Iterator[int]:
    """Positions of headers that are periods; with ``year`` None only those that say their year."""
    places = wide_places(grid.headers, Source(files=["x"], facts=[], wide=Wide(), period=year))
    yield from places if len(places) >= 3 else ()
