"""`mi check`: read the deliveries and say what was found."""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mi_analysis.cli.shared import (
    EXIT_STATUS,
    FINE,
    NO_DELIVERY,
    RESERVATIONS,
    aligned,
    breaches,
    cli,
    deliveries_option,
    out_option,
    say,
    section,
)

if TYPE_CHECKING:
    from mi_analysis.workbench.preparation import Prepared


@cli.command(epilog=f"\b\nExample:  mi check example\n          mi check example --contract\n\n{EXIT_STATUS}")
@click.argument("institution")
@deliveries_option
@out_option
@click.option("--strict", is_flag=True, help="Exit with 3 on any breach of what was agreed.")
@click.option(
    "--contract", is_flag=True, help="Write what each supplier owes: a page to send and a workbook to fill in."
)
def check(institution: str, deliveries: Path | None, out: Path | None, strict: bool, contract: bool) -> None:
    """Read the deliveries of INSTITUTION and say what was found.

    Builds the model and prints every delivery with its rows read, used, put aside and dropped, the findings, the codes
    that found no partner, and what was put aside and why. Runs no notebook.
    """
    from mi_analysis.workbench.preparation import prepare

    if contract:
        say(contract_lines(institution, deliveries, out))
        return
    prepared = prepare(institution, start=Path.cwd(), deliveries=deliveries, out=out)
    say(check_lines(prepared))
    if not prepared.audit.usable or (strict and breaches(prepared)):
        raise SystemExit(NO_DELIVERY)
    raise SystemExit(RESERVATIONS if prepared.stopped else FINE)


def score_cells(row: Mapping[Any, Any]) -> tuple[str, ...]:
    """A row of the scorecard as cells; what is not known is blank."""
    known = {name: value for name, value in row.items() if value is not None and value == value}
    status = str(known.get("status", "")).replace("_", " ")
    late = f" by {known['days_late']:.0f} working days" if known.get("days_late") else ""
    counts = (f"{row[name]:,}" for name in ("read", "quarantined", "stopped"))
    mapped = f"{known['mapped']:.1f}%" if "mapped" in known else ""
    restated = f"{known['restated']:.0f}" if "restated" in known else ""
    return (
        f"  {row['supplier']}",
        str(row["files"]),
        status + late,
        *counts,
        mapped,
        known.get("reconciled", ""),
        restated,
    )


def contract_lines(institution: str, deliveries: Path | None, out: Path | None) -> Iterator[str]:
    """Write the contracts, and say where they are."""
    from mi_analysis.model.build import list_files, read_keys
    from mi_analysis.model.deliveries import check_profiles
    from mi_analysis.model.warehouse import fetch
    from mi_analysis.parameters import deliveries_folder, find_institution, load_institution, project_root
    from mi_analysis.workbench import contracts

    file = find_institution(institution, Path.cwd())
    root, given = project_root(file.parent), load_institution(file)
    folder = (out or root / "outputs") / file.parent.name / "contracts"
    check_profiles(given)
    lie = deliveries_folder(given, root, deliveries)
    fetch(given, lie)
    known, _, _ = read_keys(given, list_files(given, lie))
    made = contracts.write(given, known, folder, date.today().year)
    rows: list[tuple[str, ...]] = [("Source", "Supplier", "Due", "Columns", "Page", "Workbook to fill in")]
    for one in made:
        places = (place.relative_to(folder).as_posix() for place in (one.page, one.template))
        due = f"working day {one.due}" if one.due else "not agreed"
        rows.append((one.source, one.owner or "not said", due, str(one.columns), *places))
    yield f"{given.name.en}: {len(made)} contracts in {folder}"
    yield from aligned(rows)
    if unsaid := [one.source for one in made if not one.owner]:
        yield f"\nNo owner is named for {', '.join(unsaid)}: write contract: {{owner: ...}} in {file.name}."


def check_lines(prepared: "Prepared") -> Iterator[str]:
    """What `mi check` says."""
    from mi_analysis.reporting.wording import Words
    from mi_analysis.workbench.accounts import delivery_row, in_words, remark_text, remarks, unplaced

    audit, words = prepared.audit, Words("en")
    yield f"{prepared.institution.name.en}: {len(audit.received)} deliveries, as of {audit.as_of or 'unknown'}"
    rows: list[tuple[str, ...]] = [("Delivery", "File", "Read", "Used", "Aside", "Dropped", "With activity", "")]
    for item in map(delivery_row, audit.received):
        counts = (f"{item[name]:,}" for name in ("read", "used", "quarantined", "dropped"))
        mapped = "" if item["mapped_share"] is None else f"{item['mapped_share']:.1%}"
        rows.append((item["source"], item["file"], *counts, mapped, "stopped" if item["stopped"] else ""))
    yield from aligned(rows)
    yield from (f"Not delivered: {source}" for source in audit.missing_sources)
    newest = max(prepared.periods, default="")
    scores = [score_cells(row) for row in prepared.suppliers.to_dict("records") if row["month"] == newest]
    heads = ("  Supplier", "Files", "Against the due day", "Rows", "Aside", "Stopped", "With activity", "Control totals",
             "Months changed")  # fmt: skip
    yield from section(f"Suppliers, {newest[:7] or 'no month'}", aligned([heads, *scores] if scores else []))
    found = [f"  {remark['severity']}: {remark_text(remark, words)}" for remark in remarks(prepared.audit)]
    yield from section("Findings", found)
    gaps = unplaced(audit).sort_values(["source", "table", "key", "code", "reason", "measure"])
    rows = [
        (f"  {source}", table, f"{key} {code or '(blank)'}", words.text(f"gap.{reason}"), f"{n:,} rows", f"{value:,.2f} {measure}",
         f"near: {near}" if near else "")
        for source, table, key, code, reason, measure, n, value, near in gaps.itertuples(index=False)
    ]  # fmt: skip
    yield from section("Codes without a partner", aligned(rows))
    cells = prepared.quarantined.sort_values("row").groupby(
        ["delivery", "column", "reason"], as_index=False, dropna=False
    )
    aside = cells.agg(n=("row", "size"), text=("text", "first"), row=("row", "first"))
    aside = aside.sort_values(["delivery", "n", "column", "reason"], ascending=[True, False, True, True])
    rows = [
        (f"  {delivery}", column, in_words(reason, words), f"{n:,}", f'such as "{text}" in row {row}')
        for delivery, column, reason, n, text, row in aside.to_numpy()
    ]  # fmt: skip
    yield from section("Put aside", aligned(rows))
