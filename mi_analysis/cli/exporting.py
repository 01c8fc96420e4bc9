"""`mi export`: released figures for Power BI, Excel or a warehouse."""

from pathlib import Path

import click

from mi_analysis.cli.shared import (
    RESERVATIONS,
    aligned,
    audience_option,
    breaches,
    cli,
    deliveries_option,
    out_option,
    refuse,
    say,
)


@cli.command(epilog="\b\nExample:  mi export example --audience public")
@click.argument("institution")
@audience_option
@deliveries_option
@out_option
def export(institution: str, audience: str, deliveries: Path | None, out: Path | None) -> None:
    """Write the released figures of INSTITUTION for other programs.

    As parquet files and as one DuckDB file. The figures are those of the reports to the same audience: what is hidden there is hidden here.
    In the DuckDB file the view "figures" has one row per figure; "measures" and "columns" say what
    each of them means.
    """
    from mi_analysis.workbench.exporting import DATABASE
    from mi_analysis.workbench.exporting import export as write
    from mi_analysis.workbench.preparation import prepare

    prepared = prepare(institution, start=Path.cwd(), deliveries=deliveries, audience=audience, out=out)  # type: ignore[arg-type]
    if not prepared.audit.usable:
        refuse(["No delivery could be used.", *breaches(prepared)])
    folder = prepared.folder / "export" / audience
    rows = write(prepared, folder)
    click.echo(f"{prepared.institution.name.en}, {audience}, as of {prepared.audit.as_of}: {folder}")
    say(aligned([("Table", "Rows"), *((f"{name}.parquet", f"{count:,}") for name, count in rows.items())]))
    click.echo(f"All of them, with the view figures, in {DATABASE}.")
    raise SystemExit(RESERVATIONS if prepared.stopped else 0)
