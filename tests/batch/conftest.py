"""A small project in an empty folder: two offices under an institution, two months, notebooks of a few lines."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest

from mi_analysis.batch.plan import Facts, make_plan
from mi_analysis.parameters import Institution
from mi_analysis.run_file import load_run

PARAMETERS = 'source: str = "example"\nunit: str = ""\nperiod: str = ""\nlimit: float = 0.1\nlanguage: str = "da"'


@dataclass
class FakePrepared:
    """What `workbench.preparation.prepare` gives, of figures held in a dictionary by unit."""

    folder: Path
    figures: dict[str, int]
    units: pd.DataFrame
    activities: pd.DataFrame
    periods: list[str]
    institution: Institution
    findings: list = field(default_factory=list)
    stopped: list = field(default_factory=list)
    sliced: list = field(default_factory=list)
    asked_of: list = field(default_factory=list)
    suppliers: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"month": pd.Series(dtype=str)}))
    comments: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["unit", "period", "measure"]))
    root: str = "S"

    @property
    def audit(self):
        return SimpleNamespace(as_of="2025-03-31", received=(), usable=True, missing_sources=(), findings=self.findings)

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.figures).encode()).hexdigest()

    def told(self) -> set[tuple[str, str]]:
        """Every unit has figures in every month, quarter and year."""
        return {
            (unit, text) for unit in self.units["unit"] for day in self.periods
            for text in (day[:7], f"{day[:4]}-Q{(int(day[5:7]) + 2) // 3}", day[:4])
        }  # fmt: skip

    def asked(self, periods: Iterable[str]) -> None:
        """No standing questions; noted with the number of slices that stood."""
        self.asked_of.append((sorted(set(periods)), len(self.sliced)))

    def slice(self, folder: Path, unit: str, activity: str, period: str) -> str:
        self.sliced.append((unit, activity, period))
        about = {"unit": unit, "period": period, "figure": self.figures.get(unit, sum(self.figures.values()))}
        (folder / "slice.json").write_text(json.dumps(about))
        return hashlib.sha256(json.dumps(about).encode()).hexdigest()


@dataclass
class Project:
    root: Path
    prepared: FakePrepared

    @property
    def outputs(self) -> Path:
        return self.root / "outputs" / "x" / "monthly"

    def notebook(self, name: str, *cells: str, parameters: str | None = PARAMETERS, title: str = "Unit report") -> Path:
        book = nbformat.v4.new_notebook(
            metadata={"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}}
        )
        book.cells = [nbformat.v4.new_markdown_cell(f"# {title}", id="title")]
        if parameters is not None:
            book.cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}, id="parameters"))
        book.cells += [nbformat.v4.new_code_cell(text, id=f"cell-{n}") for n, text in enumerate(cells)]
        path = self.root / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(book, path)
        return path

    def run_file(self, text: str) -> Path:
        path = self.root / "parameters" / "x" / "monthly.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def plan(self, text: str):
        run_file = load_run(self.run_file(text))
        return make_plan(run_file, "x", "monthly", Facts.of(self.prepared), self.root / "notebooks")


@pytest.fixture
def project(tmp_path) -> Project:
    return made_project(tmp_path)


@pytest.fixture(scope="module")
def module_project(tmp_path_factory) -> Project:
    return made_project(tmp_path_factory.mktemp("project"))


def made_project(tmp_path: Path) -> Project:
    units = pd.DataFrame(
        [
            ("S", "Styrelsen", "", "styrelse", "0001-01-01", "9999-12-31"),
            ("07", "Tilsyn Øst", "S", "kontor", "0001-01-01", "9999-12-31"),
            ("09", "Tilsyn Vest", "S", "kontor", "0001-01-01", "9999-12-31"),
            ("99", "Nedlagt", "S", "kontor", "0001-01-01", "2024-12-31"),
        ],
        columns=["unit", "name", "parent", "level", "valid_from", "valid_to"],
    )
    activities = pd.DataFrame([("tilsyn", "Tilsyn"), ("sag", "Sag")], columns=["activity", "name"])
    institution = Institution.model_validate(
        {"name": {"da": "Eksempel", "en": "Example"}, "deliveries": {"folder": "d"}, "sources": {}}
    )
    folder = tmp_path / "outputs" / "x"
    periods = ["2025-01-01", "2025-02-01", "2025-03-01"]
    return Project(tmp_path, FakePrepared(folder, {"07": 7, "09": 9}, units, activities, periods, institution))
