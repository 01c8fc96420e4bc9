"""`mi new`: an institution from a folder of sample deliveries."""

from pathlib import Path

import click

from mi_analysis.cli.shared import EXIT_STATUS, FINE, RESERVATIONS, cli, out_option, say

MONTHLY = """\
# The newest month: a report for each unit, the institution's, and the quality of the deliveries.
reports:
  - notebook: 02_unit_report
    matrix: { unit: all, period: { grain: month, last: 1 } }
  - notebook: 08_institution_report
    matrix: { period: { grain: month, last: 1 } }
  - notebook: 01_delivery_quality
    matrix: { period: { grain: month, last: 1 } }
defaults: { language: da, formats: [html, xlsx] }
"""


@cli.command(epilog=f"\b\nExample:  mi new tests/samples --name try\n          mi check try\n\n{EXIT_STATUS}")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the institution's folder below parameters; else the samples' folder.")
@out_option
def new(folder: Path, name: str | None, out: Path | None) -> None:
    """Propose an institution from sample deliveries, and check it.

    Writes parameters/<name>/institution.yaml from the files in FOLDER: how each is written, which table of
    the model it is, and near names of units and activities, with a reason beside each guess. What you have
    to confirm is marked CONFIRM. An institution that is there already is never written over.
    """
    from mi_analysis.batch.plan import file_name
    from mi_analysis.cli.checking import check_lines
    from mi_analysis.parameters import Problem, WrongUse, project_root
    from mi_analysis.proposal import draft
    from mi_analysis.workbench.preparation import prepare

    if not folder.is_dir():
        raise WrongUse(Problem(str(folder), "is no folder.", "Name the folder that the sample deliveries lie in."))
    root = project_root(Path.cwd())
    place = root / "parameters" / file_name(name or folder.resolve().name) / "institution.yaml"
    named = place.parent.name
    if place.exists():
        raise WrongUse(
            Problem(f"parameters/{named}", "is there already.", "Choose another --name, or remove it first.")
        )
    full = folder.resolve()
    shown = full.relative_to(root.resolve()).as_posix() if full.is_relative_to(root.resolve()) else full.as_posix()
    made = draft(full, shown, name or full.name)
    if not made.sources:
        right = "docs/extending.md shows how to write a source by hand."
        told = (text.partition(": ") for text in made.left_out)
        left_out = [Problem(where, f"{what}.", right) for where, _, what in told]
        raise WrongUse(*left_out or [Problem(str(folder), "there is no file.")])
    place.parent.mkdir(parents=True)
    place.write_text(made.text, encoding="utf-8")
    place.with_name("monthly.yaml").write_text(MONTHLY, encoding="utf-8")
    click.echo(
        f"Proposed {made.sources} sources in parameters/{named}/institution.yaml; {made.to_confirm} things to confirm."
    )
    say(f"Left out: {text}" for text in made.left_out)
    prepared = prepare(named, start=root, out=out)
    say(["", *check_lines(prepared)])
    click.echo(f"\nNext: search for CONFIRM in parameters/{named}/institution.yaml, then mi check {named}")
    click.echo(f"Then: mi run parameters/{named}/monthly.yaml, a run file to change as you need")
    raise SystemExit(RESERVATIONS if prepared.stopped else FINE)
