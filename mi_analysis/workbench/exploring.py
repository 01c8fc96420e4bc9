"""Exploring by hand: choose unit, activity, measure and months; see chart, limits, states, and what a figure is made of."""

from collections.abc import Hashable
from dataclasses import replace

import ipywidgets

from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.reporting import figures, standard
from mi_analysis.reporting.presentation import Presentation, message
from mi_analysis.reporting.tables import measure_column, table
from mi_analysis.workbench.door import Desk
from mi_analysis.workbench.lookup import valid_at

FEWEST_MONTHS, MOST_MONTHS = 6, 60


def explorer(desk: Desk, language: str = "") -> ipywidgets.VBox:
    """Choices and, below them, what they show; everything is released to the desk's audience.

    Parameters
    ----------
    desk
        A desk on the institution offers all its units, one on a slice the slice's own.
    """
    words = desk.words(language)
    names = [
        name for name, entry in desk.catalogue.items() if "month" in entry.windows and name in desk.released.values
    ]
    names = [name for name in names if desk.released.values[name].notna().any()]
    units = desk.units[valid_at(desk.units, desk.at)]["unit"].drop_duplicates()
    choices = {
        "unit": ipywidgets.Dropdown(
            options=[(desk.unit_label(unit), unit) for unit in units], value=desk.unit, description=words.text("dim.unit")
        ),
        "activity": ipywidgets.Dropdown(
            options=[(desk.activity_label(code, words.language), code) for code in (ALL, *desk.activities["activity"], NOT_PLACED)],
            description=words.text("dim.activity"),
        ),
        "measure": ipywidgets.Dropdown(
            options=sorted(((words.measure(name), name) for name in names), key=lambda pair: words.sort_key(pair[0])),
            description=words.text("column.measure"), value="closed" if "closed" in names else names[0],
        ),
        "months": ipywidgets.IntSlider(
            24, FEWEST_MONTHS, MOST_MONTHS, description=words.text("explore.months"), continuous_update=False
        ),
    }  # fmt: skip

    shown_below = ipywidgets.HTML()  # not an Output: capturing outputs can wait for ever where no browser answers

    def show(_: object = None) -> None:
        unit, activity, measure, months = (choice.value for choice in choices.values())
        parts = shown(replace(desk, unit=unit), measure, activity, months, words.language)
        shown_below.value = "".join(part.html for part in parts)

    for choice in choices.values():
        choice.observe(show, "value")
    show()
    return ipywidgets.VBox([ipywidgets.HBox([choices["unit"], choices["activity"]]),
                            ipywidgets.HBox([choices["measure"], choices["months"]]), shown_below])  # fmt: skip


def shown(desk: Desk, measure: str, activity: str = ALL, months: int = 24, language: str = "") -> list[Presentation]:
    """What is known of a measure: its control chart, its months with what they are made of, the newest month by activity.

    A measure that is not registered on activities, or of which fewer than two months can be shown, gives a
    sentence in place of the chart.
    """
    words, entry = desk.words(language), desk.measure_named(measure)
    place = desk.unit_name if activity == ALL else f"{desk.unit_name}, {desk.activity_label(activity, words.language)}"
    if entry.inapplicable(activity, "month"):
        return [message(words.text("explore.unit_only", measure=words.measure(measure)), key="explore")]
    parts = [name for name in entry.components if name in desk.catalogue and name != measure]
    values = desk.series(measure, *parts, months=months, activity=activity)
    found: list[Presentation] = []
    if values[measure].notna().sum() > 1:
        limits = desk.control_table(measure, months, activity)
        found.append(figures.control_figure(limits, measure, words, place))
    else:
        found.append(message(words.text("explore.few", measure=words.measure(measure), place=place), key="explore"))
    long = desk.measures(measure, *parts, months=months, activity=activity)
    states: dict[tuple[Hashable, str], str] = {
        (row, str(told["measure"])): str(told["state"])
        for row, day in enumerate(values["period_start"])
        for told in long[(long["period_start"] == day) & (long["state"] != "value")].to_dict("records")
    }
    columns = [standard.period_column(words), *(measure_column(name, words) for name in (measure, *parts))]
    title = words.text("explore.made_of", measure=words.measure(measure), place=place)
    found.append(table(values[::-1], columns, title, words, key="explore_months", states=states))
    if activity == ALL and entry.per_activity:
        frame, beside = desk.by_activity([measure, *parts], words.language, "month")
        title = words.text("explore.by_activity", period=words.period(desk.period))
        cells: dict[tuple[Hashable, str], str] = {(row, name): state for (row, name), state in beside.items()}
        found.append(standard.by_measure(frame, cells, title, words, key="explore_activities", first="activity"))
    return found
