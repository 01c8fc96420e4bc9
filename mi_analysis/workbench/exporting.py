"""Released figures for other programs: parquet files, and one DuckDB file with the same tables and a dictionary.

Only what one audience may see leaves here: the frames that `disclosure.release` gave, names of units and activities.
"""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd

from mi_analysis.measures.catalogue import Measure
from mi_analysis.measures.own import catalogue_of
from mi_analysis.model import database
from mi_analysis.parameters import Problem, WrongUse
from mi_analysis.reporting.wording import Words, languages
from mi_analysis.workbench.lookup import words_of
from mi_analysis.workbench.preparation import Prepared

DATABASE = "figures.duckdb"
FIGURE_COLUMNS = ["unit", "activity", "period_start", "grain", "window", "measure", "value", "state", "reason"]
FIGURES = """create view figures as
select l.unit, l.activity, l.period_start, l.grain, l."window", l.measure, l.value, s.state, s.reason
from (select * from "values" unpivot include nulls (value for measure in ({measures}))) l
left join states s using (unit, activity, period_start, grain, "window", measure)
where l.value is not null or s.state is not null"""
"""One row per figure that has a value or a state: what a pivot table wants."""


def tables(prepared: Prepared) -> dict[str, pd.DataFrame]:
    """Every table of the export: the released frames, what their codes mean, and the dictionary."""
    given = prepared.released.frames() | {"units": prepared.units, "activities": prepared.activities}
    given |= {"measures": measures(prepared), "about": about(prepared)}
    return given | {"columns": columns({**given, "figures": pd.DataFrame(columns=FIGURE_COLUMNS)})}


def measures(prepared: Prepared) -> pd.DataFrame:
    """The dictionary: a row per measure with label and unit in every language, formula, kind, direction, section."""
    given = prepared.institution
    words = {language: words_of(given, language) for language in languages()}
    rows = []
    for name, measure in catalogue_of(given).items():
        if name not in prepared.released.values.columns:
            continue
        spoken = {f"label_{language}": said.measure(name) for language, said in words.items()}
        money = {language: said.is_money(name) for language, said in words.items()}
        units = {
            f"unit_{language}": given.currency if money[language] else said.measure(name, "unit")
            for language, said in words.items()
        }
        rows.append({
            "measure": name, **spoken, **units, "definition": formula(measure), "kind": measure.kind, "direction": measure.direction,
            "domain": measure.domain, "per_activity": measure.per_activity, "windows": ", ".join(measure.windows), "decimals": measure.decimals,
            "section": measure.source,
        })  # fmt: skip
    return pd.DataFrame(rows)


def formula(measure: Measure) -> str:
    """What is divided by what, each part added up first."""
    scale = "" if measure.scale == 1 else f"{measure.scale:g} * "
    below = f" / sum({measure.denominator})" if measure.denominator else ""
    return f"{scale}sum({measure.numerator}){below}" if below or scale else measure.numerator


def about(prepared: Prepared) -> pd.DataFrame:
    """One row: whose figures these are, for whom, and as of when."""
    row = {
        "institution": prepared.institution.name.en, "audience": prepared.released.audience, "as_of": prepared.audit.as_of,
        "currency": prepared.institution.currency, "data": prepared.fingerprint[:12],
    }  # fmt: skip
    return pd.DataFrame([row])


def columns(given: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The dictionary: a row per table and column with its meaning in every language; measures say so."""
    words = {language: Words(language) for language in languages()}
    rows = []
    for table, frame in given.items():
        for name in map(str, frame.columns):
            key = "measure_value" if table == "values" and name not in FIGURE_COLUMNS else name
            key = "delivered" if key.startswith("delivered_") and table == "coverage" else key
            keys = (f"export.column.{table}_{key}", f"export.column.{key}", f"contract.meaning.{key}")
            found = next(one for one in keys if words["en"].has(one))
            meanings = {f"meaning_{language}": said.text(found) for language, said in words.items()}
            rows.append({"table": table, "column": name, **meanings})
    return pd.DataFrame(rows)


def export(prepared: Prepared, folder: Path) -> dict[str, int]:
    """Write every table as parquet and all of them in one DuckDB file into ``folder``; rows by table.

    The folder is written whole beside it and swapped in: what stood there stands until then.

    Raises
    ------
    WrongUse
        The folder cannot be written, or the disk is full.
    """
    given = tables(prepared)
    try:
        with database.replaced(folder) as new:
            for name, frame in given.items():
                frame.reset_index(drop=True).to_parquet(new / f"{name}.parquet", index=False)
            with duckdb.connect(new / DATABASE) as connection:
                for name in given:
                    query = f"from read_parquet({database.quoted(new / f'{name}.parquet')})"
                    connection.execute(f'create table "{name}" as {query}')
                connection.execute(FIGURES.format(measures=", ".join(given["measures"]["measure"])))
    except (OSError, duckdb.IOException) as error:
        why = getattr(error, "strerror", None) or str(error).splitlines()[0]
        right = f"The system says: {why}. What stood there still stands."
        raise WrongUse(Problem(str(folder), "cannot be written.", right)) from None
    return {name: len(frame) for name, frame in given.items()}
