"""`mi diff`: which figures moved between two versions, and what moved them."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mi_analysis.cli.shared import aligned, cli, say

if TYPE_CHECKING:
    from mi_analysis.batch.compare import Comparison

SHOWN = 20


@cli.command(epilog="\b\nExample:  mi run parameters/example/monthly.yaml --force\n          mi diff outputs/example/monthly/2025-12/1")  # fmt: skip
@click.argument("before", type=click.Path(path_type=Path))
@click.argument("after", type=click.Path(path_type=Path), required=False)
@click.option("--all", "show_all", is_flag=True, help=f"Every figure; without it the first {SHOWN} of a report.")
def diff(before: Path, after: Path | None, show_all: bool) -> None:
    """Say which figures moved between two versions.

    BEFORE and AFTER are their folders, or periods' for their newest; without AFTER the newest beside BEFORE. Says of
    each figure what it was and is, and whether the data, the code, the parameters or hiding moved it.
    """
    from mi_analysis.batch.compare import compare, version_in
    from mi_analysis.parameters import Problem, WrongUse

    first = version_in(before)
    second = version_in(after or first.folder.parent)
    if first.folder.samefile(second.folder):
        raise WrongUse(Problem(str(before), "is the newest version there.", "Name another one to compare it with."))
    say(difference_lines(compare(first, second), show_all))


def difference_lines(found: "Comparison", show_all: bool = False) -> Iterator[str]:
    """What `mi diff` says: counts first, then report by report."""
    causes = Counter(" and ".join(figure.causes) or "unknown" for figure in found.moved)
    reports = list(dict.fromkeys(figure.report for figure in found.moved))
    moved = f"{len(found.moved):,}, in {len(reports)} of the reports" if reports else "none"
    yield f"Reports in both: {len(found.both)}. Figures that moved: {moved}."
    yield from (f"  {count:,} by {cause}" for cause, count in causes.most_common())
    yield from (f"Only before: {key}" for key in found.gone)
    yield from (f"Only after: {key}" for key in found.new)
    for report in reports:
        own = [figure for figure in found.moved if figure.report == report]
        shown = own if show_all else own[:SHOWN]
        yield f"\n{report}:"
        yield from aligned([
            (f"  {figure.where}", figure.row, figure.column, number(figure.before), "->", number(figure.after), ", ".join(figure.causes))
            for figure in shown
        ])  # fmt: skip
        if len(own) > len(shown):
            yield f"  and {len(own) - len(shown):,} more; --all shows them"


def number(value: float | None) -> str:
    """A figure as it is compared; nothing printed is a dash."""
    return "-" if value is None else f"{value:,.4f}".rstrip("0").rstrip(".")
