"""The command `mi`. Heavy imports only inside verbs, so that help comes at once."""

import contextlib
import json
import shlex
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from mi_analysis.batch.plan import Plan
    from mi_analysis.workbench.preparation import Prepared

FINE, FAILED, WRONG_USE, NO_DELIVERY, RESERVATIONS, STOPPED = 0, 1, 2, 3, 4, 130
EXIT_STATUS = """\b
Exit status: 0 fine, 1 some reports failed, 2 wrong use (nothing started),
3 no delivery could be used (--strict: any breach; nothing started),
4 made with reservations, 130 stopped (run the same command to go on)."""


@click.group(epilog="\b\nExample:  mi run parameters/example/monthly.yaml", context_settings={"max_content_width": 100})
@click.version_option(package_name="mi-analysis", message="mi %(version)s")
def cli() -> None:
    """Staff, economy, operations and strategy as one coherent report per unit."""


deliveries_option = click.option(
    "--deliveries", type=click.Path(path_type=Path), help="Folder with the files as received (also MI_DELIVERIES)."
)
out_option = click.option(
    "--out", type=click.Path(path_type=Path), help="Folder for outputs, instead of the project's."
)


@cli.command(epilog=f"\b\nExample:  mi check example\n\n{EXIT_STATUS}")
@click.argument("institution")
@deliveries_option
@out_option
@click.option("--strict", is_flag=True, help="Exit with 3 on any breach of what was agreed.")
def check(institution: str, deliveries: Path | None, out: Path | None, strict: bool) -> None:
    """Read the deliveries of INSTITUTION, build the model, and say what was found.

    Prints every delivery with its rows read, used, put aside and dropped, the findings, the codes
    that found no partner, and what was put aside and why. Runs no notebook.
    """
    from mi_analysis.workbench.preparation import prepare

    prepared = prepare(institution, start=Path.cwd(), deliveries=deliveries, out=out)
    for line in check_lines(prepared):
        click.echo(line)
    if not prepared.audit.usable or (strict and breaches(prepared)):
        raise SystemExit(NO_DELIVERY)
    raise SystemExit(RESERVATIONS if prepared.stopped else FINE)


@cli.command(epilog="\b\nExample:  mi plan parameters/example/monthly.yaml")
@click.argument("runfile", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME=CODE,...", help="Only these, for instance unit=07,09.")
@deliveries_option
@out_option
def plan(runfile: Path, only: tuple[str, ...], deliveries: Path | None, out: Path | None) -> None:
    """What RUNFILE would make, what is up to date and why, and where each value comes from. Makes nothing."""
    import tempfile

    from mi_analysis.batch.record import settle
    from mi_analysis.batch.run import Slices

    planned, prepared, outputs = opened(runfile, deliveries, out)
    with tempfile.TemporaryDirectory() as work:
        slices = Slices(prepared, Path(work))
        chosen = chosen_only(only, planned)
        editions = settle(planned, outputs, prepared.fingerprint, slices, only=chosen, retry=False, force=False)
    for edition in editions:
        fate = (
            "is up to date" if edition.up_to_date else "would be written" if edition.fresh else "would be gone on with"
        )
        click.echo(f"{edition.period}: version {edition.version} {fate}")
        rows = [(f"  {task.state}", task.job.key, task.why) for task in edition.tasks]
        click.echo("\n".join(aligned(rows)))
    for line in value_lines(planned):
        click.echo(line)


@cli.command(epilog=f"\b\nExample:  mi run parameters/example/monthly.yaml --only unit=2110\n\n{EXIT_STATUS}")
@click.argument("runfile", type=click.Path(path_type=Path))
@click.option("--only", multiple=True, metavar="NAME=CODE,...", help="Only these, for instance unit=07,09.")
@click.option("--retry", is_flag=True, help="Only what failed or is missing.")
@click.option("--force", is_flag=True, help="Make everything anew, as a new version.")
@click.option("--strict", is_flag=True, help="Start nothing when a delivery breaches what was agreed.")
@click.option("--workers", type=click.IntRange(1, 256), help="Reports at a time; 2, or as many as there are cores.")
@click.option("--engine", default="papermill", show_default=True, help="papermill engine that runs the notebooks.")
@click.option("--json", "as_json", is_flag=True, help="One event a line, as JSON.")
@deliveries_option
@out_option
def run(
    runfile: Path,
    only: tuple[str, ...],
    retry: bool,
    force: bool,
    strict: bool,
    workers: int | None,
    engine: str,
    as_json: bool,
    deliveries: Path | None,
    out: Path | None,
) -> None:
    """Make every report of RUNFILE that is missing or not up to date.

    One report is made first, alone; then the rest. A report that fails leaves the others alone. What
    is last on the screen: counts, failures, the command to try again, and where the index is.
    """
    from mi_analysis.batch.run import Options
    from mi_analysis.batch.run import run as make
    from mi_analysis.batch.screen import Screen

    again = ["mi", "run", str(runfile), "--retry", *(part for one in only for part in ("--only", one))]
    again += [
        part
        for name, value in (("deliveries", deliveries), ("out", out))
        if value
        for part in (f"--{name}", str(value))
    ]
    screen = Screen(shlex.join(again), as_json)
    with interruptible():
        with screen.busy("Reading the deliveries"):
            planned, prepared, outputs = opened(runfile, deliveries, out)
        if strict and (found := breaches(prepared)):
            refuse(found)
        own_engine = "" if engine == "papermill" else engine
        options = Options(chosen_only(only, planned), retry, force, workers or 0, own_engine)
        outcome = make(planned, prepared, outputs, options, screen)
    raise SystemExit(outcome.exit_status)


# --- what verbs share ----------------------------------------------------------------------------------------------


def opened(runfile: Path, deliveries: Path | None, out: Path | None) -> "tuple[Plan, Prepared, Path]":
    """Read a run file, bring the model up to date, and plan; the folder of the run's outputs."""
    from mi_analysis.batch.plan import Facts, file_name, make_plan
    from mi_analysis.parameters import load_run, project_root
    from mi_analysis.workbench.preparation import prepare

    run_file = load_run(runfile)
    folder = runfile.absolute().parent
    root = project_root(folder)
    prepared = prepare(str(folder), start=folder, deliveries=deliveries, audience=run_file.audience, out=out)
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
    from mi_analysis.batch.index import finding_text, remarks
    from mi_analysis.reporting.wording import Words

    return [finding_text(remark, Words("en")) for remark in remarks(prepared) if remark["severity"] != "note"]


def chosen_only(texts: tuple[str, ...], planned: "Plan") -> dict[str, list[str]]:
    """``unit=07,09`` as a choice, checked against what the plan has."""
    from mi_analysis.batch.plan import DIMENSIONS
    from mi_analysis.parameters import Problem, WrongUse, nearest

    chosen: dict[str, list[str]] = {}
    problems = []
    for text in texts:
        name, _, codes = text.partition("=")
        if name not in ("notebook", *DIMENSIONS):
            problems.append(Problem(f"--only {text}", f'"{name}" is nothing a report has.', "Write unit=07,09."))
            continue
        known = {job.dimension(name) for job in planned.jobs}
        for code in codes.split(","):
            if code not in known:
                problems.append(
                    Problem(f"--only {text}", f'no report has the {name} "{code}".', nearest(code, sorted(known)))
                )
        chosen.setdefault(name, []).extend(codes.split(","))
    if problems:
        raise WrongUse(*problems)
    return chosen


def aligned(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Rows as lines with columns under each other; numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.rjust(w) if cell[:1].isdigit() else cell.ljust(w) for cell, w in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


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


def check_lines(prepared: "Prepared") -> Iterator[str]:
    """What `mi check` says."""
    from mi_analysis.batch.index import finding_text, remarks
    from mi_analysis.model.database import open_model
    from mi_analysis.reporting.wording import Words

    audit, words = prepared.audit, Words("en")
    yield f"{prepared.institution.name.en}: {len(audit.received)} deliveries, as of {audit.as_of or 'unknown'}"
    rows: list[tuple[str, ...]] = [("Delivery", "File", "Read", "Used", "Aside", "Dropped", "With partner", "")]
    for item in audit.received:
        numbers = (item.account.read, item.account.used, item.account.quarantined, sum(item.account.dropped.values()))
        share = item.mapped_share()
        mapped = "" if share is None else f"{share:.1%}"
        rows.append((item.source, item.file, *(f"{n:,}" for n in numbers), mapped, "stopped" if item.stopped else ""))
    yield from aligned(rows)
    yield from (f"Not delivered: {source}" for source in audit.missing_sources)
    found = [f"  {remark['severity']}: {finding_text(remark, words)}" for remark in remarks(prepared)]
    yield from section("Findings", found)
    gaps: dict[tuple[str, ...], list[float]] = {}
    for item in audit.received:
        for gap in item.gaps:
            total = gaps.setdefault(
                (gap.source, gap.table, gap.key, gap.code, gap.reason, gap.measure, gap.near), [0, 0]
            )
            total[0] += gap.rows
            total[1] += gap.value
    rows = [(f"  {source}", table, f"{key} {code or '(blank)'}", reason, f"{n:,.0f} rows", f"{value:,.2f} {measure}",
             f"near: {near}" if near else "")
            for (source, table, key, code, reason, measure, near), (n, value) in sorted(gaps.items())]  # fmt: skip
    yield from section("Codes without a partner", aligned(rows) if rows else ())
    with contextlib.closing(open_model(prepared.folder / "model")) as connection:
        query = 'select delivery, "column", reason, count(*) from quarantine group by all order by 1, 4 desc, 2, 3'
        aside = [
            (f"  {delivery}", column, reason, f"{n:,}")
            for delivery, column, reason, n in connection.execute(query).fetchall()
        ]
    yield from section("Put aside", aligned(aside) if aside else ())


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A title and its lines, or that there are none."""
    found = list(lines)
    yield f"\n{title}:" if found else f"\n{title}: none"
    yield from found


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Treat being ended, or losing the terminal, as Ctrl-C: stop in good order."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), stop) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; never a traceback on the screen."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(given, prog_name="mi", standalone_mode=False)
        status = FINE
    except click.ClickException as error:
        error.show()
        status = WRONG_USE
    except (KeyboardInterrupt, click.Abort):
        click.echo("Stopped. The same command goes on where it was.", err=True)
        status = STOPPED
    except SystemExit as ended:
        status = int(ended.code or 0)
    except BrokenPipeError:
        sys.stderr.close()
        status = FAILED
    except Exception as error:
        status = told(error, "--json" in given)
    sys.exit(status)


def told(error: Exception, as_json: bool) -> int:
    """Say what went wrong in a person's words; what nobody foresaw goes in full to a log."""
    from mi_analysis.parameters import WrongUse, project_root

    if isinstance(error, WrongUse):
        if as_json:
            click.echo(
                json.dumps({"event": "wrong_use", "problems": [str(p) for p in error.problems]}, ensure_ascii=False)
            )
        click.echo("\n".join(str(problem) for problem in error.problems), err=True)
        return WRONG_USE
    log = Path("mi-error.log")
    with contextlib.suppress(OSError, WrongUse):
        log = project_root(Path.cwd()) / "outputs" / log
        log.parent.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        log.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    click.echo(f"Something unforeseen: {type(error).__name__}: {error}. Details are in {log.absolute()}.", err=True)
    return FAILED
