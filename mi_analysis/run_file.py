"""The run file: which notebooks over which matrix, with which values, as frozen, checked records."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from mi_analysis.parameters import Audience, Grain, Language, Structure
from mi_analysis.yaml_text import At, FileRecord, Period, Problem, Record, WrongUse, load, shown_path


class UnitsOfLevel(Record):
    """All units of one level."""

    level: str


class LastPeriods(Record):
    """The last delivered periods; of quarters and years, the last whole ones."""

    grain: Grain = "month"
    last: Annotated[int, Field(ge=1)] = 1


class Matrix(Record):
    """Always the product. A dimension that is left out is not a parameter of the report."""

    unit: UnitsOfLevel | Literal["all"] | list[str] | None = None
    activity: Literal["all"] | list[str] | None = None
    period: LastPeriods | list[Period] | None = None


class Reports(Record):
    """One notebook over a matrix."""

    notebook: str
    matrix: Matrix = Matrix()


class Change(Record):
    """Other values for some reports, with the reason."""

    when: dict[str, list[str]]  # notebook, unit, activity, period -> values; all must match
    set: dict[str, str | list[str]]
    because: str


class LeaveOut(Record):
    """Reports that are not made, with the reason."""

    because: str
    notebook: list[str] = []
    unit: list[str] = []
    activity: list[str] = []
    period: list[str] = []


class RunFile(FileRecord):
    """Everything a run file says: which notebooks over which matrix, with which values."""

    reports: Annotated[list[Reports], Field(min_length=1)]
    language: Language = "da"
    audience: Audience = "internal"
    structure: Structure | None = None  # history in today's units or as it was; None: as the institution says
    formats: list[Literal["html", "xlsx", "pdf"]] = ["html"]
    defaults: dict[str, str | list[str]] = {}
    change: list[Change] = []
    leave_out: list[LeaveOut] = []


def of_the_whole_run(tree: dict[str, Any], lines: dict[At, int]) -> None:
    """Language, audience, formats and structure among the defaults count as if they stood at the top."""
    defaults = tree.get("defaults")
    for name in ("language", "audience", "formats", "structure"):
        if isinstance(defaults, dict) and name in defaults:
            tree[name] = defaults.pop(name)
            below = [(at, line) for at, line in lines.items() if at[:2] == ("defaults", name)]
            lines.update({(name, *at[2:]): line for at, line in below})


NOWHERE = "Run files lie in the institution's folder below parameters/."


def load_run(path: Path) -> RunFile:
    """Read a run file; ``language``, ``audience``, ``formats`` and ``structure`` among its defaults are the whole run's.

    Raises
    ------
    WrongUse
        With every problem of the file; a folder, an institution or another kind of file is told as one problem.
    """
    if not path.is_absolute() and not path.parent.is_dir():
        right = f"{Path.cwd()} has no folder {path.parent.as_posix()}: go to the project's folder."
        raise WrongUse(Problem(shown_path(path), "is not there.", right))
    folder = next((place for place in (path, Path("parameters") / path) if place.is_dir()), None)
    if folder or (path.is_file() and (path.suffix not in (".yaml", ".yml") or path.name == "institution.yaml")):
        files = [file for file in (folder or path.parent).glob("*.yaml") if file.name != "institution.yaml"]
        told = ", ".join(sorted(shown_path(file) if folder else file.name for file in files))
        right = f"{'In' if folder else 'Beside'} it: {told}." if told else NOWHERE
        raise WrongUse(Problem(shown_path(path), "is no run file.", right))
    return load(path, RunFile, of_the_whole_run)
