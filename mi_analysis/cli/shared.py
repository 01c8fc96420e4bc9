"""What the verbs share: their group, options and exit status, opening a run, and rows as lines."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from mi_analysis.batch.plan import Plan
    from mi_analysis.workbench.preparation import Prepared

FINE, FAILED, WRONG_USE, NO_DELIVERY, RESERVATIONS, STOPPED = 0, 1, 2, 3, 4, 130
EXIT_STATUS = """\b
Exit status: 0 fine, 1 some reports failed, 2 wrong use (nothing started),
3 no delivery could be used (--strict: any breach; nothing started),
4 made with reservations, 130 stopped (run the same command to go on)."""


class InOrder(click.Group):
    """Its verbs as they follow one another: a new institution, deliveries, reports, questions, what is handed on."""

    def list_commands(self, _: click.Context) -> list[str]:
        """Names of the verbs; one that is not listed here is an error."""
        return sorted(self.commands, key=["new", "check", "plan", "run", "ask", "open", "diff", "export"].index)


@click.group(
    cls=InOrder,
    epilog="\b\nExample:  mi run parameters/example/monthly.yaml",
    context_settings={"max_content_width": 100},
)
@click.version_option(package_name="mi-analysis", message="mi %(version)s")
def cli() -> None:
    """Staff, economy, operations and strategy as one coherent report per unit."""


deliveries_option = click.option(
    "--deliveries", type=click.Path(path_type=Path), help="Folder of files as received (also MI_DELIVERIES)."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for outputs, instead of the project's."
)


audience_option = click.option(
    "--audience", type=click.Choice(["public", "internal", "unit_manager"]), default="internal", metavar="WHO",
    help="Who will read it: public, internal or unit_manager.",
)  # fmt: skip


def opened(runfile: Path, deliveries: Path | None, out: Path | None) -> "tuple[Plan, Prepared, Path]":
    """Read a run file, bring the model up to date, and plan; the folder of the run's outputs."""
    from mi_analysis.batch.plan import Facts, file_name, make_plan
    from mi_analysis.parameters import project_root
    from mi_analysis.run_file import load_run
    from mi_analysis.workbench.preparation import prepare

    run_file = load_run(runfile)
    folder = runfile.absolute().parent
    root = project_root(folder)
    prepared = prepare(
        str(folder), start=folder, deliveries=deliveries, audience=run_file.audience, out=out, structure=run_file.structure or ""
    )  # fmt: skip
    if not prepared.audit.usable:
        refuse(["No delivery could be used.", *breaches(prepared)])
    planned = make_plan(run_file, folder.name, runfile.stem, Facts.of(prepared), root / "notebooks")
    return planned, prepared, prepared.folder / file_name(runfile.stem)


def refuse(lines: list[str]) -> NoReturn:
    """Say why nothing was started, and end with 3."""
    click.echo("\n".join([*lines, "Nothing was started."]), err=True)
    raise SystemExit(NO_DELIVERY)


def breaches(prepared: "Prepared") -> list[str]:
    """Findings that stop a delivery or are reservations, and deliveries that are missing, in words."""
    from mi_analysis.reporting.wording import Words
    from mi_analysis.workbench.accounts import remark_text, remarks

    return [remark_text(remark, Words("en")) for remark in remarks(prepared.audit) if remark["severity"] != "note"]


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines with columns under each other, numbers to the right; no rows, no lines."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(w) if cell[:1].isdigit() else cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A title and its lines, or that there are none."""
    found = list(lines)
    yield f"\n{title}:" if found else f"\n{title}: none"
    yield from found


def say(lines: Iterable[str]) -> None:
    """Write lines as they come."""
    for line in lines:
        click.echo(line)
