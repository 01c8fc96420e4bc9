"""`mi plan` and `mi run`: what a run file would make, and making it."""

import contextlib
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mi_analysis.cli.shared import (
    EXIT_STATUS,
    aligned,
    breaches,
    cli,
    deliveries_option,
    opened,
    out_option,
    refuse,
    say,
)

if TYPE_CHECKING:
    from mi_analysis.batch.plan import Plan


@cli.command(epilog="\b\nExample:  mi plan parameters/example/monthly.yaml")
@click.argument("runfile", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME=CODE,...", help="Only these, for instance unit=07,09.")
@deliveries_option
@out_option
def plan(runfile: Path, only: tuple[str, ...], deliveries: Path | None, out: Path | None) -> None:
    """Say what RUNFILE would make and why; makes nothing.

    Which reports are up to date, which would be made anew and for what reason, and where each value comes from.
    """
    import tempfile

    from mi_analysis.batch.record import settle
    from mi_analysis.batch.run import Slices

    planned, prepared, outputs = opened(runfile, deliveries, out)
    with tempfile.TemporaryDirectory() as work:
        slices = Slices(prepared, Path(work))
        chosen = chosen_only(only, planned)
        editions = settle(planned, outputs, prepared.fingerprint, slices, only=chosen, retry=False, force=False)
    for edition in editions:
        begun = "would be written" if edition.fresh else "would be gone on with"
        click.echo(f"{edition.period}: version {edition.version} {'is up to date' if edition.up_to_date else begun}")
        say(aligned([(f"  {task.state}", task.job.key, task.why) for task in edition.tasks]))
    say(value_lines(planned))


@cli.command(epilog=f"\b\nExample:  mi run parameters/example/monthly.yaml --only unit=2110\n\n{EXIT_STATUS}")
@click.argument("runfile", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME=CODE,...", help="Only these, for instance unit=07,09.")
@click.option("--retry", is_flag=True, help="Only what failed or is missing.")
@click.option("--force", is_flag=True, help="Make everything anew, as a new version.")
@click.option("--strict", is_flag=True, help="Start nothing on a breach of what was agreed.")
@click.option(
    "--workers", type=click.IntRange(1, 256), metavar="N", help="Reports at a time; else as many as there are cores."
)
@click.option("--engine", default="mi", show_default=True, metavar="NAME", help="Of papermill; papermill is its own.")
@click.option("--executor", metavar="WHERE", help="processes, or tcp://name:8786 of a Dask cluster.")
@click.option("--json", "as_json", is_flag=True, help="One event a line, as JSON.")
@deliveries_option
@out_option
def run(
    runfile: Path, only: tuple[str, ...], retry: bool, force: bool, strict: bool, workers: int | None, engine: str,
    executor: str | None, as_json: bool, deliveries: Path | None, out: Path | None,
) -> None:  # fmt: skip
    """Make the reports of RUNFILE that are missing or not up to date.

    One report is made first, alone. One that fails leaves the others alone. Last on the screen stand
    counts, failures, the command to try again, and where the index is.
    """
    from mi_analysis.batch.executors import opened as opened_executor
    from mi_analysis.batch.run import Options
    from mi_analysis.batch.run import run as make
    from mi_analysis.batch.screen import Screen

    again = ["mi", "run", str(runfile), "--retry", *(part for one in only for part in ("--only", one))]
    for name, value in (("executor", executor), ("deliveries", deliveries), ("out", out)):
        again += [f"--{name}", str(value)] if value else []
    screen = Screen(shlex.join(again), as_json)
    with interruptible():
        with screen.busy("Reading the deliveries"):
            planned, prepared, outputs = opened(runfile, deliveries, out)
        if strict and (found := breaches(prepared)):
            refuse(found)
        where = "--executor" if executor else f"{planned.institution}: executor"
        text, outputs = executor or prepared.institution.executor, outputs.absolute()
        folders = (outputs, *{job.notebook.path.parent for job in planned.jobs})
        with opened_executor(text, where, workers or 0, folders) as (pool, at_a_time):
            options = Options(chosen_only(only, planned), retry, force, at_a_time, engine, executor=text)
            outcome = make(planned, prepared, outputs, options, screen, pool)
    raise SystemExit(outcome.exit_status)


def chosen_only(texts: tuple[str, ...], planned: "Plan") -> dict[str, list[str]]:
    """``unit=07,09`` as a choice, checked against what the plan has."""
    from mi_analysis.batch.plan import DIMENSIONS
    from mi_analysis.parameters import Problem, WrongUse, nearest

    chosen: dict[str, list[str]] = {}
    problems = []
    for text in texts:
        name, _, codes = text.partition("=")
        if name not in ("notebook", *DIMENSIONS):
            right = f"Write unit={codes or name}."
            problems.append(Problem(f"--only {text}", f'"{name}" is nothing a report has.', right))
            continue
        known = {job.dimension(name) for job in planned.jobs}
        for code in codes.split(","):
            if code not in known:
                what = f'no report has the {name} "{code}".'
                problems.append(Problem(f"--only {text}", what, nearest(code, sorted(known))))
        chosen.setdefault(name, []).extend(codes.split(","))
    if problems:
        raise WrongUse(*problems)
    return chosen


def value_lines(planned: "Plan") -> Iterator[str]:
    """Parameters with their origin: once for a notebook where all its reports agree, else per report."""
    by_notebook: dict[str, list[Any]] = {}
    for job in planned.jobs:
        by_notebook.setdefault(job.notebook.name, []).append(job)
    for name, jobs in by_notebook.items():
        yield f"\nValues of {name}:"
        for parameter in jobs[0].parameters:
            found = {(repr(job.parameters[parameter]), job.origin[parameter]): job for job in reversed(jobs)}
            usual = max(found, key=lambda pair: sum(repr(job.parameters[parameter]) == pair[0] for job in jobs))
            if jobs[0].origin[parameter] == "matrix":
                yield f"  {parameter}: from the matrix"
                continue
            yield f"  {parameter} = {usual[0]}: {usual[1]}"
            for value, origin in found.keys() - {usual}:
                where = ", ".join(job.key for job in jobs if job.origin[parameter] == origin)
                yield f"    {value} in {where}: {origin}"
    yield from (f"Note: {note}" for note in planned.notes)
    yield from (f"Left out: {key}: {because}" for key, because in planned.left_out)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Treat being ended, or losing the terminal, as Ctrl-C: stop in good order."""

    def stop(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_IGN)  # once: a second one would disturb the good order
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)
