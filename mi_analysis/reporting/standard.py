"""The tables and figures that several reports show: one form each, in the order and under the words they always have.

Frames and their states come from the desk (`mi_analysis.workbench`); nothing is computed here.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes

from mi_analysis.reporting import plots
from mi_analysis.reporting.figures import captioned, figure
from mi_analysis.reporting.presentation import Figure, Table
from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words

Cells = Mapping[tuple[Hashable, str], str]
PERSPECTIVES = {"staff": "hr", "economy": "finance", "operations": "operations", "strategy": "strategy"}
"""Words of the group header by domain of a measure."""
THIRD = (3.35, 2.5)
"""Inches of a figure in a card of a third."""


BAND = ("forecast_low", "forecast_high")
"""Columns of the lowest and the highest forecast."""


def by_measure(frame: pd.DataFrame, states: Cells, title: str, words: Words, *, key: str, first: str, note: str = "", total_row: bool = True) -> Table:  # fmt: skip
    """A row per activity or unit, a column per measure under its perspective, changes in small print.

    A column in which every cell is hidden is left out and named under the table.
    """
    measures = {name: found for name in frame.columns if (found := words.known(name))}
    names = list(measures)
    shown = [name for name in names if frame[name].notna().any()]
    hidden = [name for name in names if name not in shown and "hidden" in _states_of(name, frame, states)]
    groups = {name: words.text(f"perspective.{PERSPECTIVES[measures[name].domain]}") for name in shown}
    grouped = len(set(groups.values())) > 1
    columns = [Column(first)]
    changes = [f"{name}_change" in frame for name in shown]
    note = " ".join(filter(None, (words.text("note.change") if any(changes) else "", note)))
    for name in shown:
        change = f"{name}_change" if f"{name}_change" in frame else ""
        kind = ("points" if measures[name].unit == "pct" else "percent") if change else ""
        group = groups[name] if grouped else ""
        mark = f"{name}_mark" if f"{name}_mark" in frame else ""
        columns.append(measure_column(name, words, change=change, change_kind=kind, group=group, mark=mark))
    note = _with_hidden(note, hidden, words)
    return table(frame, columns, title, words, key=key, states=states, total_row=total_row, note=note)


def down(frame: pd.DataFrame, states: Cells, windows: Sequence[str], title: str, words: Words, *, key: str, note: str = "") -> Table:  # fmt: skip
    """A row per measure, a column per window, each row in its own unit; rows that are hidden throughout are named under it."""
    windows = [name for name in windows if frame[name].notna().any()]
    bare = frame[windows].isna().all(axis=1)
    hidden = [
        row["measure"] for at, row in frame[bare].iterrows() if "hidden" in (states.get((at, w)) for w in windows)
    ]
    columns = [Column("measure", kind="measure"), *(Column(name, kind="quantity") for name in windows)]
    return table(frame[~bare], columns, title, words, key=key, states=states, note=_with_hidden(note, hidden, words))


def _states_of(name: str, frame: pd.DataFrame, states: Cells) -> set[str]:
    return {states.get((row, name), "") for row in range(len(frame))}


def _with_hidden(note: str, hidden: Sequence[str], words: Words) -> str:
    names = words.listed([words.lower(words.measure(name)) for name in hidden]) if hidden else ""
    return " ".join(filter(None, (note, words.text("note.all_hidden", names=names) if hidden else "")))


KEY_FIGURES = ("month", "month_last_year", "ytd", "ytd_last_year", "target")
"""Columns of the key-figure table that hold values of the row's measure."""
COMPARED = ("month_last_year", "ytd_last_year", "target")
"""Those of them that the others are compared with."""


def key_figures(frame: pd.DataFrame, title: str, words: Words, *, states: Cells | None = None) -> Table:
    """The key figures of page one: one row per measure, each in its own unit; a column that says nothing is left out.

    Parameters
    ----------
    frame
        ``measure`` and, as far as there are any, `KEY_FIGURES`, ``curve`` (a Series date -> value)
        and ``signal`` (key among the words' ``signal``).
    """
    known: Cells = dict(states or {})
    hidden = {column for (row, column), state in known.items() if state == "hidden" and row in frame.index}
    kinds = {"measure": "measure", **dict.fromkeys(KEY_FIGURES, "quantity"), "curve": "curve", "signal": "signal"}
    said = {
        "signal": "signal" in frame and bool(set(frame["signal"]) - {"too_short"}),
        **{name: name in frame and (frame[name].notna().any() or name in hidden) for name in KEY_FIGURES},
    }
    shown = [name for name in kinds if name in frame and said.get(name, True)]
    columns = [Column(name, kind=kinds[name], reference=name in COMPARED) for name in shown]
    notes = [words.text("note.deviation_sign") if "deviation" in set(frame["measure"]) else ""]
    notes.append(words.text("note.target") if "target" in shown else "")
    return table(frame, columns, title, words, key="key_figures", states=known, note=" ".join(filter(None, notes)))


def year_figures(frame: pd.DataFrame, year: int, words: Words) -> Table | None:
    """What is told of whole years, each with its own year (2025, or 2024/25 from another month); None where nothing is."""
    rows = frame[frame["year"].notna()]
    starts = rows["year_start"] if "year_start" in rows else pd.Series(str(year), rows.index)
    rows = rows.assign(period=[words.period(start, "year") for start in starts])
    if not len(rows):
        return None
    last = "year_last_year"
    shown = ["year", last] if last in rows and rows[last].notna().any() else ["year"]
    columns = [Column("measure", kind="measure"), Column("period", words.text("column.period"))]
    columns += [Column(name, kind="quantity") for name in shown]
    return table(rows, columns, words.text("caption.key_figures_year"), words, key="key_figures_year")


def goals(frame: pd.DataFrame, states: Cells, words: Words, *, full: bool = False) -> Table | None:
    """Goals with symbol and word; ``full`` adds degree and weight. None where there are none."""
    if not len(frame):
        return None
    columns = [
        Column("name", words.text("column.goal")),
        Column("target"),
        Column("result"),
        Column("status", kind="status"),
    ]
    if full:
        columns[3:3] = [Column("degree", kind="percent"), Column("weight", kind="number")]
    title = words.text("caption.goals_full" if full else "caption.goals")
    return table(frame, columns, title, words, key="goals_full" if full else "goals", states=states)


def goal_points(frame: pd.DataFrame, place: str, words: Words) -> Figure | None:
    """Points each goal gave of those it could give; None where no goal with a weight is assessed."""
    data = frame[frame["points"].notna() & (frame["weight"] > 0)]
    if not len(data):
        return None
    axes, rows = plots.new_axes((plots.HALF[0], 0.5 + 0.36 * max(len(data), 2))), range(len(data))
    with mpl.rc_context(plots.THEME):
        axes.barh(rows, data["weight"], height=0.56, color=plots.SHADES[4])
        axes.barh(rows, data["points"], height=0.56, color=plots.PALETTE[0])
        for row, (points, weight) in enumerate(zip(data["points"], data["weight"], strict=True)):
            told = words.text("figure.points", points=words.number(points, 1), weight=words.number(weight))
            axes.annotate(told, (weight, row), (5, 0), textcoords="offset points", va="center", color=plots.SOFT)
        axes.set_yticks(rows, [name.partition(" ")[0] for name in data["name"]], color=plots.INK)
        axes.set_xticks([])
        axes.set_xlim(right=1.3 * data["weight"].max())
        axes.spines["bottom"].set_visible(False)
        axes.grid(False)
        axes.invert_yaxis()
    columns = [Column("name", words.text("column.goal")), Column("points", kind="number", decimals=1),
               Column("weight", kind="number", reference=True)]  # fmt: skip
    total = {"points": words.number(data["points"].sum(), 1), "weight": words.number(data["weight"].sum())}
    says = words.text("figure.all_points", **total)
    return captioned("goal_points", axes, data, columns, words, {"unit": place}, kind="bars", says=says)


def explanations(frame: pd.DataFrame, words: Words, *domains: str) -> Table | None:
    """Figures that need an explanation (of some domains), with the one given or the word that it is missing.

    What a run's workbook of explanations is made from stands in the verdict, a row each.
    """
    rows = frame[frame["domain"].isin(domains)] if domains else frame
    if not len(rows):
        return None
    said = [{"key": "explanation", "values": row} for row in rows.drop(columns="domain").to_dict("records")]
    dates = [words.date(day, table=True) if isinstance(day, str) else "" for day in rows["date"]]
    lacking = [("attention", words.text("explain.missing")) if text else None for text in rows["text"].isna()]
    shown = rows.assign(date=dates, lacking=pd.Series(lacking, rows.index, dtype=object)).fillna(
        {"text": "", "role": ""}
    )
    columns = [Column(name, words.text(f"explain.{name}")) for name in ("figure", "why", "text")]
    columns[2] = replace(columns[2], mark="lacking")
    columns += [Column(name, words.text(f"explain.{name}")) for name in ("role", "date") if shown[name].any()]
    key, title = "-".join(("explanations", *domains)), words.text("caption.comments")
    return table(shown, columns, title, words, key=key, verdict=said)


def definitions(names: Iterable[str], words: Words) -> Table:
    """How measures are counted, for those that have it in words."""
    known = [name for name in dict.fromkeys(names) if words.has(f"definition.{name}")]
    frame = pd.DataFrame({"measure": known, "definition": [words.text(f"definition.{name}") for name in known]})
    columns = [Column("measure", kind="measure"), Column("definition")]
    return table(frame, columns, words.text("caption.definitions"), words, key="definitions")


def period_column(words: Words) -> Column:
    """The periods of a series, of the report's own kind."""
    return Column("period_start", kind=words.grain)


def money_months(series: pd.DataFrame, place: str, words: Words) -> Figure:
    """Expenditure by month, with the periodised budget as a line over each bar."""
    axes = plots.bars(series, "period_start", "actual", words, against="budget", ax=plots.new_axes(THIRD))
    return _drawn(axes, series, ("actual", "budget"), "budget_months", "budget", place, words, "bars")


def hours_months(series: pd.DataFrame, place: str, words: Words) -> Figure:
    """Registered hours by month."""
    axes = plots.bars(series, "period_start", "registered_hours", words, ax=plots.new_axes(THIRD))
    return _drawn(axes, series, ("registered_hours",), "hours_months", "hours_months", place, words, "bars")


def money_to_date(series: pd.DataFrame, place: str, words: Words, outlook: pd.DataFrame | None = None) -> Figure:
    """Expenditure and budget added up over the year; ``outlook``: the band in which forecasts put its end."""
    if outlook is None or not len(outlook):
        axes = plots.series(series, "period_start", "actual", words, against="budget")
        return _drawn(axes, series, ("actual", "budget"), "money_to_date", "money_to_date", place, words, "line")
    data = series.merge(outlook, on="period_start", how="outer")
    axes = plots.series(data, "period_start", "actual", words, against="budget")
    axes.fill_between(
        outlook["period_start"], outlook["forecast_low"], outlook["forecast_high"], color=plots.SHADES[3], linewidth=0
    )
    high = outlook.iloc[-1]
    axes.set_ylim(top=1.1 * max(high["forecast_high"], data[["actual", "budget"]].max().max()))
    axes.plot(outlook["period_start"], outlook["forecast_high"], color=plots.SOFT, linewidth=0.8)
    axes.annotate(words.text("fin.forecast"), (high["period_start"], high["forecast_high"]), (0, 4), textcoords="offset points",
                  ha="right", fontsize=8, color=plots.SOFT)  # fmt: skip
    ends = [measure_column("forecast", words, label=words.text(f"column.{name}"), reference=True) for name in BAND]
    columns = [period_column(words), *(measure_column(name, words) for name in ("actual", "budget"))]
    columns += [replace(column, name=name) for column, name in zip(ends, BAND, strict=True)]
    bounds = {"low": words.money(high["forecast_low"]), "high": words.money(high["forecast_high"])}
    says = words.text("alternative.money_outlook", unit=place, **bounds)
    title = words.text("caption.money_to_date")
    return figure(axes, title, says, data, columns, words, key="money_to_date", blank="not_applicable")


def rolling(series: pd.DataFrame, measure: str, place: str, words: Words) -> Figure:
    """The last twelve months at each month: a line to read, on which no signal is looked for."""
    axes = plots.series(series, "period_start", measure, words)
    says = words.text("alternative.rolling", measure=words.lower(words.measure(measure)), place=place)
    columns = [period_column(words), measure_column(measure, words)]
    return figure(axes, words.measure(measure), says, series, columns, words, key=f"rolling_{measure}")


def steps(frame: pd.DataFrame, name: str, period: str, place: str, words: Words) -> Figure | None:
    """A level of hours that becomes another (``step``: a key of the words, ``value``, ``stands``); None where there are no steps."""
    if not len(frame):
        return None
    data = frame.assign(step=[words.text(f"steps.{step}") for step in frame["step"]])
    columns = [
        Column("step", words.text("column.step")),
        Column("value", words.text("column.hours"), kind="number", decimals=1),
    ]
    about = {"period": period, "unit": place}
    return captioned(name, plots.steps(data, words), data, columns, words, about, kind="steps")


def case_flow(series: pd.DataFrame, place: str, words: Words) -> Figure:
    """Cases in and out by month, and those open under them."""
    axes = plots.flow(series, "period_start", words, THIRD)
    return _drawn(axes, series, ("received", "closed", "open_cases"), "flow", "flow", place, words, "flow")


def reconciled(frame: pd.DataFrame, states: Cells, period: str, words: Words) -> Table | None:
    """Units summed beside the institution's total; None without rows."""
    columns = [Column("measure", kind="measure")]
    columns += [Column(name, kind="quantity") for name in ("units", "not_placed", "total", "difference")]
    title = words.text("caption.reconciled", period=period)
    return table(frame, columns, title, words, key="reconciled", states=states) if len(frame) else None


def scorecard(frame: pd.DataFrame, month: str, words: Words) -> Table | None:
    """How each supplier kept what was agreed, one line each; None where no day was agreed and nothing delivered."""
    if not len(frame):
        return None
    labels, title = {"supplier": "", "status": "", "reconciled": ""}, words.text("caption.suppliers", period=month)
    counts = ("files", "days_late", "read", "quarantined", "stopped", "mapped", "restated")
    return numbers(frame.reset_index(drop=True), labels, counts, title, words, key="suppliers",
                   status="status", reconciled="status", mapped="percent")  # fmt: skip


def units_months(data: pd.DataFrame, measure: str, words: Words) -> Figure | None:
    """A small line per unit, all on the same scale, in order of name; None with fewer than two units."""
    if data["unit"].nunique() < 2:
        return None
    axes = plots.multiples(data, "period_start", measure, "unit", words)
    title = words.text("caption.units_months", measure=words.measure(measure))
    says = words.text("alternative.units_months", measure=words.lower(words.measure(measure)))
    columns = [Column("unit"), period_column(words), measure_column(measure, words)]
    shown = data.dropna(subset=[measure]).reset_index(drop=True)
    return figure(axes, title, says, shown, columns, words, kind="multiples", key="units_months")


def ageing(series: pd.DataFrame, place: str, words: Words) -> Figure:
    """Open cases by age, light to dark."""
    bands = [name for name in series.columns if words.known(name)]
    axes = plots.stacked(series, "period_start", bands, words)
    return _drawn(axes, series, bands, "ageing", "ageing", place, words, "stacked")


def _drawn(axes: Axes, series: pd.DataFrame, names: Sequence[str], key: str, alternative: str, place: str, words: Words, kind: str) -> Figure:  # fmt: skip
    columns = [period_column(words), *(measure_column(name, words) for name in names)]
    says = words.text(f"alternative.{alternative}", unit=place)
    return figure(axes, words.text(f"caption.{key}"), says, series, columns, words, kind=kind, key=key)


def numbers(frame: pd.DataFrame, texts: Mapping[str, str], counts: Sequence[str], title: str, words: Words, *, key: str, decimals: int = 0, **kinds: str) -> Table:  # fmt: skip
    """A plain table: columns of text under their labels, then columns of numbers; ``kinds`` names those of another kind."""
    columns = []
    for name, label in {**texts, **{name: texts.get(name, "") for name in counts}}.items():
        kind = kinds.get(name, "number" if name in counts else "text")
        columns.append(Column(name, label, kind=kind, decimals=decimals if kind == "number" else None))
    rows = frame[frame["hidden"].astype(bool)] if "hidden" in frame else frame.head(0)
    hidden = {(at, column.name): "hidden" for column in columns for at in rows.index[rows[column.name].isna()]}
    return table(frame, columns, title, words, key=key, states=hidden, blank="not_applicable")
