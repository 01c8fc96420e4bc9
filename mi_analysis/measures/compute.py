"""Runs the measures: model tables in, one wide table of measures per unit, activity, period and window out.

The steps stand in ``sql/`` in their order; this module makes the tables they start from (months, windows,
today's structure), the quantiles, and each measure's expression from the catalogue.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from mi_analysis.measures import calendar, own
from mi_analysis.measures.catalogue import COMPONENTS, LAST_THREE, WINDOWS, Component, Measure
from mi_analysis.measures.quantiles import add_quantiles
from mi_analysis.measures.structure import add_periods, add_structure, first_day, number
from mi_analysis.model import database
from mi_analysis.model.engines import Engine, engine_of
from mi_analysis.model.values import end_of
from mi_analysis.parameters import GRAINS, Institution

DOMAINS = ("hours", "absence", "staff", "ledger", "cases", "planned", "goals")
LEVELS = ("fte", "overtime_fte", "sick_fte", "spell_fte")
AT_START = ("balance_opening", "checked_opening")
AT_END = ("balance_closing", "checked_closing", "flex_balance")
STAFF_FLOWS = (
    "norm_hours", "paid_hours", "overtime_hours", "overtime_norm", "balance_taken", "balance_paid", "balance_change",
    "overtime_pay", "overtime_base", "injury_pay", "sick_hours", "sick_norm", "child_sick_hours", "injury_hours",
    "sick_spells", "long_spells",
    "attendance_hours", "attended_hours",
)  # fmt: skip
STAFF = (*LEVELS, *AT_START, *AT_END, *STAFF_FLOWS)
SAME_REPORTERS = {
    "sick_fte": "sick_hours", "spell_fte": "sick_spells", "long_spells": "sick_spells", "sick_norm": "sick_hours", "overtime_fte": "overtime_hours", "overtime_norm": "overtime_hours",
    "paid_hours": "overtime_hours", "balance_difference": "balance_change",
}  # fmt: skip
"""Components whose units are expected to be those that deliver another."""
OPEN = (
    "open_cases", "open_age", "open_0_30", "open_31_60", "open_61_90", "open_91_180", "open_181_365", "open_over_365",
    "overdue", "reopened",
)  # fmt: skip
CELLS = {
    "hour": ("registered_hours", "activity_overtime_hours", "auto_rows", "hour_rows", "draft_hours", "direct_hours"),
    "case": (
        "received", "closed", "timed", "case_days", "closed_due", "closed_kept", "due", "due_kept", "received_judged", "received_kept",
        "closed_planned",
    ),
    "open": OPEN,
    "planned": ("planned",),
    "ledger": ("actual", "actual_pay", "actual_other", "actual_income"),
}  # fmt: skip
"""Tables of cells and the columns that are added up (those of `OPEN` only over units)."""
OPEN_KINDS = dict.fromkeys(OPEN, "stock")
OVER_MONTHS = {
    "flow": "sum({0})", "stock": "sum(case when s.last then {0} end)",
    "level": "sum({0} * s.months) / sum(case when {0} is not null then s.months end)",
}  # fmt: skip
"""How a figure of cells is taken over the months of a window."""
AT_A_TIME = {*OPEN, *AT_START, *AT_END, "closed_last_three", "budget_year", "forecast_own", "net_hours"}
"""Components that months missing in a window do not make incomplete."""
TOLD = (
    *(f"not_applicable:{key}" for key in ("coverage", "few", "hours", "driver", "indirect", "overhead", "share", "window", "denominator", "grain")),
    "not_assessed:goals", "missing:withheld", "incomplete:driver", "incomplete:months", "incomplete:units",
)  # fmt: skip
"""Every ``state:reason`` a value can have."""
AGES = ("unit", "activity", "span")
"""What `cases_by_age` counts by, besides the days of age."""


if TYPE_CHECKING:
    import pandas as pd  # loading it costs more than computing a small model


ORDER = {
    "values": 'unit, activity, grain, period_start, "window"', "states": 'unit, activity, grain, period_start, "window", measure',
    "guards": 'unit, grain, period_start, "window"', "goals": "unit, goal, grain, period_start, activity",
    "coverage": 'unit, grain, period_start, "window"',
}  # fmt: skip
"""The stored frames and the order they are read in: the engine's own depends on its threads."""


@dataclass(frozen=True)
class Frames:
    """The stored measures as tidy frames; ``period_start`` is a timestamp.

    Attributes
    ----------
    values
        unit, activity, period_start, grain, window and a float column per measure of the catalogue.
        Units are those of today, at every level; activity ``*`` is the total, ``~`` without activity.
    states
        Sparse: unit, activity, period_start, grain, window, measure, state (not_applicable, missing,
        incomplete, not_assessed), reason. A null without a row is missing, except where
        `Measure.inapplicable` gives a reason.
    guards
        unit, period_start, grain, window, persons, fte, sick_largest_share, overtime_largest_share,
        withheld: for disclosure control, never released.
    goals
        A row per goal, unit and period with degree (uncapped), degree_capped and status.
    coverage
        unit, period_start, grain, window, expected months, delivered_<domain> months, estimated.
    """

    values: "pd.DataFrame"
    states: "pd.DataFrame"
    guards: "pd.DataFrame"
    goals: "pd.DataFrame"
    coverage: "pd.DataFrame"


def frames(folder: Path) -> Frames:
    """Read the measures stored in the model ``folder``."""
    found = {}
    with database.connect() as con:
        for name, keys in ORDER.items():
            query = f"select * from read_parquet({database.quoted(folder / 'measures' / f'{name}.parquet')}) order by {keys}"
            found[name] = con.sql(query).to_arrow_table().to_pandas(date_as_object=False)
    return Frames(**found)


def cases_by_age(folder: Path, institution: Institution, end: date) -> "pd.DataFrame":
    """Cases under way in the twelve months to ``end`` and in the twelve before, counted by age; none without cases.

    Returns
    -------
    DataFrame
        unit, activity (``*``: all), span (``now`` or ``before``), day of age, entered, closed, open: see the SQL. The year
        before only where the log reaches back over all of it; a log that is younger than a year is told from its first closing.
    """
    import pandas as pd

    parts = []
    with database.open_model(folder) as con, engine_of(institution, con, folder, moved=False) as engine:
        log_start = add_periods(engine, institution, end)
        add_structure(engine, institution)
        last = number(end)
        for span, month in (("now", last), ("before", last - 12)):
            first = max(month - 11, log_start) if span == "now" else month - 11
            if log_start <= first <= month:
                until = end if span == "now" else end_of(first_day(month), "month")
                query = read_sql("cases_by_age").format(first=first_day(first), last=until)
                found = engine.table(query).to_pandas()
                found = found.sort_values(["unit", "activity", "day"])  # by bytes, whatever an engine's language
                parts.append(found.rename(columns={"still_open": "open"}).assign(span=span))
    columns = [*AGES, "day", "entered", "closed", "open"]
    found = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return found[columns].astype(dict.fromkeys(columns[3:], "int64"))


def build(con: duckdb.DuckDBPyConnection, institution: Institution, folder: Path, as_of: date) -> None:
    """Compute every measure and store the frames in ``<folder>/measures``.

    Parameters
    ----------
    con
        Connection with a view per model table, columns as `schema.STORED`.
    as_of
        Last day the figures stand at; its month is the last one reported.
    """
    with engine_of(institution, con, folder) as engine:
        add_measures(engine, institution, as_of)
        store(engine, folder / "measures", own.catalogue_of(institution), own.components_of(institution))


def add_measures(engine: Engine, institution: Institution, as_of: date) -> None:
    """Make the tables base, guards, goal_rows and covered in the engine."""
    log_start = add_periods(engine, institution, as_of)
    add_structure(engine, institution)
    months = {"last": number(as_of), "first": log_start, "log_start": log_start}
    components, own_columns = own.components_of(institution), own.cells_columns(institution)
    domains = (*DOMAINS, *(name for name in components if name not in COMPONENTS))
    covered = ",\n".join(
        f"least(coalesce(sum(case when d.domain = '{domain}' then m.months end), 0), w.last_month - w.first_month + 1) as delivered_{domain}"
        for domain in domains
    )
    run(engine, "own_facts", facts=own.facts_query(institution))
    run(engine, "0_periods", log_start=log_start, covered=covered)
    run(engine, "1_cases", as_of=as_of, **months)
    run(engine, "2_cells")
    if own_columns:
        listed = ", ".join(f"{sql} as {name}" for name, sql in own_columns.items())
        run(engine, "own_cells", columns=listed)
    roll_up(engine, CELLS | ({"own": tuple(own_columns)} if own_columns else {}), kinds=own.kinds(institution))
    roll_up(
        engine,
        {"hour": ("registered_hours",), "ledger": ("actual_pay", "direct_cost", "indirect_cost", "overhead_cost")},
        reach="places",
    )
    add_quantiles(engine, institution, log_start)
    for used in ("case_log", "placed", *(f"{name}_cells" for name in CELLS)):
        engine.run(f"drop table {used}")
    add_staff(engine)
    run(engine, "4_budget", fiscal_start=institution.fiscal_year_start - 1)
    run(engine, "5_cost")
    run(engine, "6_goals")
    run(
        engine, "8_base", gross_month=calendar.GROSS_YEAR / 12, coverage_limit=institution.limits.coverage_refuse,
        fewest=institution.limits.fewest_closed, staff=", ".join([*(f"s.{c}" for c in STAFF), *(f"s.{c}_gap" for c in STAFF)]),
        zero_filled=", ".join(
            f"case when g.delivered_{COMPONENTS.get(column, COMPONENTS['closed']).domain} > 0 then coalesce(c.{column}, 0) end as {column}"
            for columns in CELLS.values() for column in columns
        ),
        own="".join(
            f", coalesce(c.{name}, 0) > 0 as {name}" if name.endswith("__unpaired") else f", c.{name}, c.{name}__months" for name in own_columns
        ),
    )  # fmt: skip
    run(engine, "7_guards", fewest=institution.privacy.persons_internal)


def run(engine: Engine, step: str, **values: object) -> None:
    """Run a file of ``sql/`` with its ``{names}`` filled in."""
    engine.run(read_sql(step).format(**values))


@cache
def read_sql(step: str) -> str:
    """Text of a file of ``sql/``."""
    return (resources.files("mi_analysis.measures") / "sql" / f"{step}.sql").read_text(encoding="utf-8")


def roll_up(
    engine: Engine, cells: dict[str, tuple[str, ...]], reach: str = "reach", kinds: Mapping[str, str] = OPEN_KINDS
) -> None:  # fmt: skip
    """Make cell_windows (or own_windows: units without those below them) from tables of cells and their columns."""
    kinds = OPEN_KINDS | dict(kinds)
    columns = [column for found in cells.values() for column in found]
    run(
        engine, "roll_up", reach=reach, windows="cell_windows" if reach == "reach" else "own_windows",
        cells=" union all ".join(
            f"select unit, activity, grain, period_start, {', '.join(c if c in found else f'cast(null as double) as {c}' for c in columns)} from {table}_cells"
            for table, found in cells.items()
        ),
        shared=", ".join(f"sum(c.{column} * r.share) as {column}" for column in columns),
        summed=", ".join(f"sum({column}) as {column}" for column in columns),
        windowed=", ".join(f"{OVER_MONTHS[kinds.get(c, 'flow')].format(c)} as {c}" for c in columns)
        + "".join(f", sum(case when {c} is not null then s.months end) as {c}__months" for c in columns if c in kinds and c not in OPEN),
    )  # fmt: skip


def add_staff(engine: Engine) -> None:
    """Make staff_windows: staff figures per unit of today and window, each with the gap in its reporters."""
    run(engine, "3_staff")
    aggregates = {
        **{c: f"sum(u.{c} * u.months) / sum(case when u.{c} is not null then u.months end)" for c in LEVELS},
        **{c: f"max(case when s.first then u.{c} end)" for c in AT_START},
        **{c: f"max(case when s.last then u.{c} end)" for c in AT_END},
        **{c: f"sum(u.{c})" for c in STAFF_FLOWS},
    }
    gaps = {
        c: f"sum(case when {'s.first' if c in AT_START else 's.last' if c in AT_END else 'true'} then u.{c}_expected - u.{c}_known end) > 0"
        for c in STAFF
    }
    run(
        engine, "staff_windows",
        firsts=", ".join(f"min(case when {SAME_REPORTERS.get(c, c)} is not null or withheld then m.first_month end) as {c}_first" for c in STAFF),
        placed=", ".join(
            f"sum(f.{c} * r.share) as {c}, count(f.{c}) as {c}_known, "
            f"sum(case when m.first_month >= e.{c}_first and m.first_month <= e.until then 1 else 0 end) as {c}_expected" for c in STAFF
        ),
        aggregated=", ".join(f"{sql} as {c}, {gaps[c]} as {c}_gap" for c, sql in aggregates.items()),
    )  # fmt: skip


def applies(measure: Measure) -> list[str]:
    """Conditions that the measure exists in a row of the table base (see `Measure.inapplicable`)."""
    conditions = [] if measure.per_activity else ["is_total"]
    if measure.windows != WINDOWS:
        listed = ", ".join(f"'{window}'" for window in measure.windows)
        longer = " or (span = 'month' and grain <> 'month')" if LAST_THREE in measure.windows else ""
        conditions.append(f"(span in ({listed}){longer})")
    return conditions


def value(measure: Measure) -> str:
    """Expression of a measure over the table base."""
    divided = f"{measure.numerator} / nullif({measure.denominator}, 0)" if measure.denominator else measure.numerator
    divided = f"(1 - {divided})" if measure.complement else divided
    conditions = [*applies(measure), *(f"not gate_{gate}" for gate in measure.gates)]
    scaled = f"{divided} * {measure.scale!r}" if measure.scale != 1 else divided
    return f"case when {' and '.join(conditions)} then {scaled} end" if conditions else scaled


def reason(measure: Measure, finest: dict[str, int], components: Mapping[str, Component]) -> str:
    """Expression of a position in `TOLD` over the table base; null for a plain number or a plain missing one."""
    parts = measure.components
    domains = {part: components[part].domain for part in parts}
    unknown = " or ".join(f"{part} is null" for part in parts)
    cases = [(f"not ({condition})", "") for condition in applies(measure)]
    cases += [(f"gate_{gate}", f"not_applicable:{gate}") for gate in measure.gates]
    if measure.denominator:
        told = "not_assessed:goals" if measure.name == "goal_degree" else "not_applicable:denominator"
        cases.append((f"{measure.denominator} = 0 and {measure.numerator} is not null", told))
    coarse = max(finest.get(part, finest.get(domains[part], 1)) for part in parts)
    finer = ", ".join(f"'{grain}'" for grain, length in GRAINS.items() if length < coarse)
    if finer:
        cases.append((f"({unknown}) and grain in ({finer})", "not_applicable:grain"))
    of_staff = [part for part in parts if domains[part] in ("staff", "absence")]
    if of_staff:
        cases.append((f"({unknown}) and withheld", "missing:withheld"))
    cases.append((unknown, ""))
    short = {f"delivered_{domains[part]} < expected" for part in parts if domains[part] and part not in AT_A_TIME}
    if measure.is_own:  # of each cell by itself: an activity may be told apart in some of the months only
        short = {f"{part}__months < expected" for part in parts if measure.kind != "stock"}
    short |= {
        "delivered_ledger < expected" for part in parts if domains[part] == "budget" and "pay" in measure.contains
    }
    if "driver" in measure.gates:
        indirect = "indirect" in measure.gates
        cases.append(("partly_driven or partly_indirect" if indirect else "partly_driven", "incomplete:driver"))
        short.add("delivered_hours < expected")
    if measure.is_own and measure.denominator:
        cases.append((f"{measure.name}__unpaired", "incomplete:units"))
    gaps = {f"{SAME_REPORTERS.get(part, part)}_gap" for part in of_staff}
    cases += [
        (" or ".join(sorted(found)), told)
        for found, told in ((short, "incomplete:months"), (gaps, "incomplete:units"))
        if found
    ]
    listed = " ".join(f"when {condition} then {TOLD.index(told) if told else 'null'}" for condition, told in cases)
    return f"case {listed} end"


def finest_grains(engine: Engine) -> dict[str, int]:
    """Shortest period, in months, that each domain and each staff figure is delivered for."""
    lengths = "case grain when 'month' then 1 when 'quarter' then 3 else 12 end"
    domains = engine.rows(f"select domain, min({lengths}) from delivered group by domain")
    own = "lower(coalesce(version, '')) not like 'forecast%'"
    ((budget,),) = engine.rows(f"select min({lengths}) from budget where {own}")
    columns = ", ".join(f"min(case when {name} is not null then {lengths} end)" for name in STAFF)
    staff = zip(STAFF, engine.rows(f"select {columns} from staff_facts")[0], strict=True)
    return dict(domains) | {name: length for name, length in staff if length} | ({"budget": budget} if budget else {})


def store(
    engine: Engine, folder: Path, catalogue: Mapping[str, Measure], components: Mapping[str, Component]
) -> None:  # fmt: skip
    """Write the frames as parquet."""
    finest = finest_grains(engine)
    measures = catalogue.values()
    values = ", ".join(f"{value(measure)} as {measure.name}" for measure in measures)
    told = ", ".join(f"{reason(measure, finest, components)} as {measure.name}__told" for measure in measures)
    delivered = tuple(f"delivered_{domain}" for domain in (*DOMAINS, "budget"))
    run(engine, "9_frames", values=values, told=told, delivered=", ".join(delivered))
    engine.give("measured", "guards", "goal_rows", "coverage")
    names = [measure.name for measure in measures]
    states = ", ".join(f"cast({name}__told as utinyint) as {name}" for name in names)
    words = ", ".join(
        f"({place}, '{told[0]}', '{told[1]}')" for place, told in enumerate(text.split(":") for text in TOLD)
    )
    keys = 'unit, activity, period_start, grain, "window"'
    for name, query in {
        "values": f"select {keys}, {doubles(names)} from measured",
        "states": f"select * exclude (told) from (select * from (select {keys}, {states} from measured) unpivot (told for measure in ({', '.join(names)}))) "
        f"join (values {words}) w (told, state, reason) using (told)",
        "guards": 'select * exclude (span), span as "window" from guards',
        "goals": "select * exclude (points, is_assessed, first_month, last_month) from goal_rows",
        "coverage": f'select unit, period_start, grain, span as "window", expected, {doubles(delivered)}, estimated from coverage',
    }.items():
        database.write(engine.local, query, folder / f"{name}.parquet", ", parquet_version v2, row_group_size 20480")


def doubles(columns: Iterable[str]) -> str:
    """Columns as the frames hold numbers, whatever type an engine gave a count or a sum."""
    return ", ".join(f"cast({column} as double) as {column}" for column in columns)
