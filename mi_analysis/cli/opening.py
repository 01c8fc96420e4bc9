"""`mi open`: the notebook behind a report, live, with the report's parameters and data."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mi_analysis.cli.shared import cli, deliveries_option, say

if TYPE_CHECKING:
    from mi_analysis.batch.record import Record

OPENED = "opened"
"""Folder of an institution's outputs for copies to work in; it can be deleted."""


@cli.command("open", epilog="\b\nExample:  mi open outputs/example/monthly/2025-12/1/2110/02_unit_report.html")
@click.argument("report", type=click.Path(path_type=Path))
@deliveries_option
@click.option("--no-lab", is_flag=True, help="Only prepare the copy and say where it is.")
def open_report(report: Path, deliveries: Path | None, no_lab: bool) -> None:
    """Open the notebook behind REPORT in JupyterLab.

    REPORT is its page, workbook or notebook. A copy to work in: the code as it ran, the report's parameters, and the same released figures. Says when
    the deliveries or the program have changed since, so that running it again can give other figures.
    """
    record, key = report_of(report)
    notebook, notes = live_copy(record, key, deliveries)
    say([*notes, f"Notebook: {notebook}"])
    if not no_lab:
        raise SystemExit(subprocess.call([sys.executable, "-m", "jupyterlab", str(notebook)]))


def report_of(report: Path) -> "tuple[Record, str]":
    """The record of the version a report stands in, and the report's key there.

    Raises
    ------
    WrongUse
        The file is no report of a run; says the nearest one.
    """
    from mi_analysis.batch.record import FINISHED, Record
    from mi_analysis.parameters import Problem, WrongUse, nearest

    path = report.absolute()
    for folder in path.parents:
        if record := Record.read(folder):
            key = path.relative_to(folder).with_suffix("").as_posix()
            known = [name for name, job in record.jobs.items() if job["state"] in FINISHED]
            if key not in known:
                inside = ", ".join(name for name in known if name.startswith(f"{key}/"))
                right = f"Name one of those in it: {inside}." if inside else nearest(key, known)
                raise WrongUse(Problem(str(report), "is no report that was made.", right))
            return record, key
    right = "Name a report below outputs/, for instance outputs/example/monthly/2025-12/1/2110/02_unit_report.html."
    raise WrongUse(Problem(str(report), "stands in no folder of a run.", right))


def live_copy(record: "Record", key: str, deliveries: Path | None = None) -> tuple[Path, list[str]]:
    """A copy of a report's notebook beside a slice of its figures, and in words what has changed since it was made."""
    import nbformat

    from mi_analysis.batch.record import package_version
    from mi_analysis.workbench.preparation import prepare

    job, data = record.jobs[key], record.data
    institution = data["institution"]
    outputs = record.folder.absolute().parents[2]  # <institution>/<run>/<period>/<version>
    prepared = prepare(
        institution, start=Path.cwd(), deliveries=deliveries, audience=data["audience"], out=outputs.parent,
        structure=data.get("structure", ""),
    )  # fmt: skip
    place = outputs / OPENED / "-".join([data["run"], data["period"], str(record.version), *key.split("/")])
    shutil.rmtree(place, ignore_errors=True)
    (place / "slice").mkdir(parents=True)
    now = prepared.slice(place / "slice", job["unit"], job["activity"], job["period"])
    book = nbformat.read(record.folder / f"{key}.ipynb", as_version=4)
    for cell in book.cells:
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace(f'source = "{institution}"', 'source = "slice"')
    notebook = place / f"{Path(key).name}.ipynb"
    nbformat.write(book, notebook)
    changed = "The deliveries or the program have changed since: run again, it can give other figures than the report."
    notes = [
        f"{key} of {data['period']}, version {record.version}, made for {data['audience']}.",
        "The figures are those of the report." if now == job["parts"]["data"] else changed,
    ]
    if data["package"] != package_version():
        notes.append(f"The report was made with {data['package']}; this is {package_version()}.")
    return notebook, notes
