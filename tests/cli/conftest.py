"""A whole institution that is small enough for the real `mi run` to be run again and again."""

from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from mi_analysis.cli import main

INSTITUTION = """\
name: { da: Lille, en: Tiny }
deliveries: { folder: deliveries }
units:
  - { unit: I, name: Styrelsen }
  - { unit: C1, name: Første kontor, parent: I, level: kontor }
  - { unit: C2, name: Andet kontor, parent: I, level: kontor }
  - { unit: C3, name: Tredje kontor, parent: I, level: kontor }
activities:
  - { activity: A, name: Tilsyn }
  - { activity: B, name: Klager }
sources:
  time:
    files: time_*.csv
    facts:
      - table: hours
        columns: { unit: Unit, activity: Task, period: Month, person_key: Who, hours: Hours, overtime_hours: Overtime }
  ledger:
    files: ledger_*.csv
    facts:
      - table: ledger
        columns: { unit: Unit, activity: Task, date: Date, amount: Amount }
"""
RUN = """\
reports:
  - notebook: unit_report
    matrix: { unit: { level: kontor }, period: { grain: month, last: 1 } }
"""
CELLS = (
    "import mi_analysis as mi\ndesk = mi.desk(source, unit=unit, period=period)\ndesk",
    "from mi_analysis.reporting import standard\nwords = desk.words('da')\ncoherent = desk.coherent()\n"
    "standard.by_measure(coherent, coherent.states, 'Aktiviteter', words, key='coherent', first='activity')",
)
PARAMETERS = 'source: str = "tiny"\nunit: str = ""\nperiod: str = ""'
MONTHS = ("2025-01", "2025-02", "2025-03")
PERSONS = {"C1": 6, "C2": 7, "C3": 4}


@dataclass(frozen=True)
class Tiny:
    """A project of its own: three offices, one of them too small to be shown, two sources, a notebook of two cells."""

    root: Path

    @property
    def run_file(self) -> Path:
        return self.root / "parameters" / "tiny" / "monthly.yaml"

    @property
    def deliveries(self) -> Path:
        return self.root / "deliveries"

    @property
    def outputs(self) -> Path:
        return self.root / "outputs" / "tiny"

    @property
    def version(self) -> Path:
        """The newest version of the last month's reports."""
        return max(self.outputs.glob("monthly/2025-*/[0-9]*"), key=lambda place: (place.parent.name, int(place.name)))

    def deliver(self, month: str, more: int = 0) -> None:
        """Write the time registration and the postings of a month; ``more`` hours for each person."""
        time = [
            f"{unit};{'AB'[n % 2]};{month};{unit}{n};{100 + 7 * n + more};{(n * int(month[-2:])) % 5}"
            for unit, count in PERSONS.items()
            for n in range(count)
        ]
        ledger = [f"{unit};{'AB'[n % 2]};{month}-15;{1000 * n}" for n, unit in enumerate(PERSONS, 1)]
        for name, header, rows in (
            ("time", "Unit;Task;Month;Who;Hours;Overtime", time),
            ("ledger", "Unit;Task;Date;Amount", ledger),
        ):
            (self.deliveries / f"{name}_{month}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")

    def run(self, *more: str) -> int:
        """The exit status of `mi run`."""
        with pytest.raises(SystemExit) as ended:
            main(["run", str(self.run_file), *more])
        return int(ended.value.code or 0)


def made_tiny(root: Path) -> Tiny:
    """Write the project into an empty folder."""
    tiny = Tiny(root)
    for folder in (tiny.run_file.parent, tiny.deliveries, root / "notebooks"):
        folder.mkdir(parents=True)
    (root / "pyproject.toml").write_text("")
    (tiny.run_file.parent / "institution.yaml").write_text(INSTITUTION, encoding="utf-8")
    tiny.run_file.write_text(RUN)
    for month in MONTHS:
        tiny.deliver(month)
    book = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
    )
    book.cells = [
        nbformat.v4.new_markdown_cell("# Unit report", id="title"),
        nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]}, id="parameters"),
        *(nbformat.v4.new_code_cell(text, id=f"cell-{n}") for n, text in enumerate(CELLS)),
    ]
    nbformat.write(book, root / "notebooks" / "unit_report.ipynb")
    return tiny


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    """A project that has not been run."""
    return made_tiny(tmp_path / "project")
