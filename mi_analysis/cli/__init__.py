"""The command `mi`. Heavy imports only inside verbs, so that help comes at once; a module per family of verbs."""

import contextlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from mi_analysis.cli import asking, checking, comparing, exporting, opening, running, starting  # noqa: F401  each adds its verbs
from mi_analysis.cli.shared import FAILED, FINE, STOPPED, WRONG_USE, cli

STANDS = "What is finished stands; the same command goes on once that is mended."


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command; never a traceback on the screen."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        cli.main(given, prog_name="mi", standalone_mode=False)
        status = FINE
    except click.ClickException as error:
        error.show()
        if epilog := getattr(getattr(error, "ctx", None), "command", cli).epilog:
            click.echo(epilog.split("\n\n")[0].removeprefix("\b\n"), err=True)
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
    """Say what went wrong in a person's words; what nobody foresaw goes in full to a log.

    What happens where deliveries are read may quote a person's row: there only the place and the kind of error are told.
    """
    from mi_analysis.batch.record import REFUSED
    from mi_analysis.parameters import Problem, WrongUse, project_root

    if isinstance(error, OSError) and error.errno in REFUSED and error.filename:
        right = f"The system says: {os.strerror(error.errno)}. {STANDS}"
        error = WrongUse(Problem(str(error.filename), "cannot be written to.", right))
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
    kind, reading = type(error).__name__, Path(__file__).parents[1] / "model"
    lines, what = traceback.format_exception(error), f": {kind}: {error}"
    if any(Path(frame.filename).parent == reading for frame in traceback.extract_tb(error.__traceback__)):
        lines, what = [*traceback.format_tb(error.__traceback__), kind], f" while deliveries were read: {kind}"
    with contextlib.suppress(OSError):
        log.write_text("".join(lines), encoding="utf-8")
    click.echo(f"Something unforeseen{what}. Details are in {log.absolute()}.", err=True)
    return FAILED
