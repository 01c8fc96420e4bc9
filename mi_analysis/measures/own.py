"""Measures that an institution names itself: counts as delivered, or columns of the model, one divided by another.

From `institution.yaml` they become `Measure` records like those of the catalogue, and components of their own.
"""

from collections.abc import Iterator, Mapping

from mi_analysis.measures.catalogue import CATALOGUE, COMPONENTS, OWN, WINDOWS, Component, Measure
from mi_analysis.model.schema import NOT_PLACED, STORED, TABLES, quoted, stored_types
from mi_analysis.parameters import Institution, OwnMeasure, Part, Problem, WrongUse, nearest

NO_NUMBERS = ("persons", "largest_person_share", "row", "rows")
"""Numbers of a stored table that say how it was read."""
LEVELS = {"fte": "level", **dict.fromkeys(("balance_opening", "balance_closing", "flex_balance"), "stock")}
"""Columns that are not summed over months."""
GUARDED = {
    "overtime_hours": "overtime", "overtime_pay": "overtime", "injury_pay": "injury", "absence_hours": "sick", "draft_hours": "hours",
    "auto_hours": "hours", "auto_rows": "hours", "hours": "hours", **{name: "overtime" for name in STORED["staff"] if "balance" in name},
}  # fmt: skip
GUARDS = ("overtime", "sick", "injury", "staff", "pay", "hours")
"""What hides most comes first."""
DECIMALS = {"count": 0, "money": 0}


def catalogue_of(institution: Institution) -> dict[str, Measure]:
    """Every measure of the institution by name: the catalogue's, then its own."""
    return CATALOGUE | {name: record(name, own) for name, own in institution.measures.items()}


def components_of(institution: Institution) -> dict[str, Component]:
    """Every component by name; each part of an own measure is one, and a domain by itself."""
    return COMPONENTS | {component: Component(component, atoms(part)) for component, _, part in all_parts(institution)}


def parts(own: OwnMeasure) -> dict[str, Part]:
    """Numerator of an own measure, and denominator where it has one."""
    both = {"numerator": own.numerator, "denominator": own.denominator}
    return {at: part for at, part in both.items() if part}


def all_parts(institution: Institution) -> Iterator[tuple[str, OwnMeasure, Part]]:
    """Every part of the own measures, with the name of its component before it."""
    for name, own in institution.measures.items():
        yield from ((f"{name}__{at}", own, part) for at, part in parts(own).items())


def kinds(institution: Institution) -> dict[str, str]:
    """How each component is taken over months: ``flow`` summed, ``stock`` at the end, ``level`` averaged."""
    return {
        component: part.kind or LEVELS.get(part.name) or ("flow" if own.kind == "ratio" else own.kind)
        for component, own, part in all_parts(institution)
    }


def atoms(part: Part) -> tuple[str, ...]:
    """What a part contains: the catalogue's atoms where it has that component, else its own name."""
    name = {"hours": "registered_hours", "amount": "actual"}.get(part.name, part.name)
    return COMPONENTS[name].contains if name in COMPONENTS else (part.name,)


def guard(part: Part, own: OwnMeasure) -> str:
    """What disclosure control judges a part by; a count about staff is judged as staff is."""
    if part.table == "volumes" and own.domain == "staff":
        return "staff"
    if part.table == "ledger":
        return "pay" if set(part.where.get("account_group", ["pay"])) & {"pay"} else ""
    return "" if part.table == "volumes" else GUARDED.get(part.name, part.table)


def record(name: str, own: OwnMeasure) -> Measure:
    """The measure as the catalogue would hold it."""
    found = parts(own)
    guards = {guard(part, own) for part in found.values()} - {""}
    places = [*(f"{name}__{at}" for at in found), ""]
    decimals = DECIMALS.get(own.unit, 1) if own.decimals is None else own.decimals
    return Measure(
        name, places[0], places[1], own.kind, own.direction, own.unit, own.domain,
        per_activity=not {"staff", "absence"} & {part.table for part in found.values()},
        contains=tuple(sorted({atom for part in found.values() for atom in atoms(part)})), scale=100.0 if own.unit == "pct" else 1.0,
        guard=next((one for one in GUARDS if one in guards), ""), decimals=decimals, step=1.0, gates=(), windows=WINDOWS, source=OWN, complement=own.complement,
    )  # fmt: skip


def texts(institution: Institution, language: str, unit_words: Mapping[str, str]) -> dict[str, str]:
    """Label, short label and unit phrase of each own measure, and causes of new levels, in a language, by the key of the text.

    A count without a unit of its own is counted in what its label says: "attendances".
    """
    found = {}
    for name, own in institution.measures.items():
        label = own.labels.said(language)
        found[f"measure.{name}.label"] = label
        found[f"measure.{name}.short"] = own.short.said(language) if own.short else label
        counted_in = "{money}" if own.unit == "money" else label[:1].lower() + label[1:]
        unit = unit_words.get(f"unit.{own.unit}") or counted_in
        found[f"measure.{name}.unit"] = own.unit_name.said(language) if own.unit_name else unit
        made = "own_complement" if own.complement else "own_ratio" if own.denominator else "own_count"
        named = {at: in_words(part) for at, part in parts(own).items()}
        found[f"definition.{name}"] = unit_words[f"definition.{made}"].format_map(named)
    return found | {f"new_level.{at}": level.said(language) for at, level in enumerate(institution.new_levels)}


def in_words(part: Part) -> str:
    """A part by the name it is delivered under, with the rows it is chosen by."""
    chosen = ", ".join(f"{column} {'/'.join(among)}" for column, among in part.where.items())
    return f"{part.name} ({chosen})" if chosen else part.name


# SQL: the facts of each part, and the columns they become


def facts_query(institution: Institution) -> str:
    """Query of every part's facts: measure, part, unit, activity, grain, period_start, value."""
    queries = []
    for component, own, part in all_parts(institution):
        has_activity = "activity" in STORED[part.table]
        value = "value" if part.table == "volumes" else f'"{part.name}"'
        rows = {"name": [part.name], **part.where} if part.table == "volumes" else part.where
        chosen = [f"{column} in ({', '.join(map(quoted, among))})" for column, among in rows.items()]
        activity = f"coalesce(activity, '{NOT_PLACED}')" if has_activity else f"'{NOT_PLACED}'"
        measure = component.rpartition("__")[0]
        queries.append(
            f"select '{measure}' as measure, '{component}' as part, {'true' if own.denominator else 'false'} as is_ratio, "
            f"unit, {activity} as activity, grain, period_start, sum({value}) as value "
            f"from {part.table} where {' and '.join([*chosen, f'{value} is not null'])} "
            f"group by unit, {f'{activity}, ' if has_activity else ''}grain, period_start"
        )
    nothing = "select '' as measure, '' as part, false as is_ratio, '' as unit, '' as activity, 'month' as grain, cast(null as date) as period_start, 0.0 as value where false"
    return " union all ".join(queries or [nothing])


def cells_columns(institution: Institution) -> dict[str, str]:
    """Columns of the table of cells, and the expression over its facts."""
    found = {}
    for name, own in institution.measures.items():
        for component in (f"{name}__{at}" for at in parts(own)):
            found[component] = f"sum(case when part = '{component}' and is_paired then value end)"
        found[f"{name}__unpaired"] = f"sum(case when measure = '{name}' and not is_paired then 1 end)"
    return found


# What is wrong with them


def check_measures(institution: Institution) -> None:
    """Refuse own measures and key figures that name nothing, all at once.

    Raises `WrongUse` with the line of each, and the nearest right name.
    """
    problems = [*wrong_measures(institution), *wrong_key_figures(institution)]
    if problems:
        raise WrongUse(*problems)


def wrong_measures(institution: Institution) -> Iterator[Problem]:
    """Names that no delivery fills, filters on columns that are none, names that are taken."""
    for name, own in institution.measures.items():
        if name in CATALOGUE or not name.isidentifier() or "__" in name:
            what = "a measure of the catalogue" if name in CATALOGUE else "no name of a measure"
            right = "Choose another name of letters, digits and _."
            yield Problem(institution.where("measures", name), f'"{name}" is {what}.', right)
        if (own.kind == "ratio") != (own.denominator is not None):
            lacks = own.kind == "ratio"
            what = "is a ratio without a denominator" if lacks else f"has a denominator but is a {own.kind}"
            right = "A ratio has both parts, the others a numerator only."
            yield Problem(institution.where("measures", name), f"{name} {what}.", right)
        for at, part in parts(own).items():
            yield from wrong_part(institution, name, at, part)


def wrong_part(institution: Institution, measure: str, at: str, part: Part) -> Iterator[Problem]:
    """What is wrong with one part of a measure."""
    known = counted(institution) if part.table == "volumes" else delivered_numbers(institution, part.table)
    if known is not None and part.name not in known:
        named = f'the count "{part.name}"' if part.table == "volumes" else f'"{part.table}.{part.name}"'
        what = f"{at} of {measure}: no delivery gives {named}."
        yield Problem(institution.where("measures", measure, at, "name"), what, nearest(part.name, sorted(known)))
    types = stored_types(part.table)
    columns = [name for name in STORED[part.table] if types[name] == "varchar" and name not in ("delivery", "grain")]
    for column in part.where:
        if column not in columns:
            where = institution.where("measures", measure, at, "where", column)
            what = f'{at} of {measure}: "{column}" is no column of {part.table} to choose rows by.'
            yield Problem(where, what, nearest(column, columns))


def counted(institution: Institution) -> set[str] | None:
    """Names of the counts that profiles deliver; None where a column of a file says them."""
    found: set[str] = set()
    for source in institution.sources.values():
        mapped = source.wide.columns.values() if source.wide and isinstance(source.wide.columns, dict) else ()
        headers = {says["name"] for says in mapped if "name" in says}
        for fact in source.facts:
            if fact.table == "volumes":
                if headers:
                    found |= headers
                elif "name" in fact.constants:
                    found.add(fact.constants["name"])
                elif "name" in fact.values:
                    found |= {*fact.values["name"].values()}
                else:
                    return None
    return found


def delivered_numbers(institution: Institution, table: str) -> set[str]:
    """Number columns of a stored table that some delivery fills."""
    types = stored_types(table)
    profiles = institution.sources.values()
    facts = [(source, fact) for source in profiles for fact in source.facts if fact.table == table]
    filled = {column for _, fact in facts for column in fact.columns}
    filled |= {source.wide.value for source, _ in facts if source.wide}
    filled |= {"absence_hours"} if "absence_days" in filled else set()
    filled |= {"overtime_hours"} if "extra_hours" in filled else set()
    numbers = {name for name in STORED[table] if types[name] == "double" and name not in NO_NUMBERS}
    return (numbers & filled) | (numbers - TABLES[table].columns.keys() if filled else set())


def wrong_key_figures(institution: Institution) -> Iterator[Problem]:
    """Key figures, and figures with a target or a new level, that are no measure; a new level without a day or a cause."""
    known = [*CATALOGUE, *institution.measures]
    places: list[tuple[str, str | int, str]]
    places = [("key_figures", number, name) for number, name in enumerate(institution.key_figures)]
    places += [("targets", name, name) for name in institution.targets]
    places += [("new_levels", number, level.measure) for number, level in enumerate(institution.new_levels)]
    for table, place, name in places:
        if name not in known:
            yield Problem(institution.where(table, place), f'"{name}" is no measure.', nearest(name, known))
    for number, level in enumerate(institution.new_levels):
        if not (level.valid_from and level.da.strip() and level.en.strip()):
            right = "Write valid_from, and the cause as da and en: levels are never moved without one."
            what = f"the new level of {level.measure} lacks its month or its cause."
            yield Problem(institution.where("new_levels", number), what, right)
