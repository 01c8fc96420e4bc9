"""A tiny institution that is built again and again, and the invented samples built once."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from mi_analysis.model import database
from mi_analysis.model.audit import Audit
from mi_analysis.model.build import Measure, build
from mi_analysis.parameters import Institution, load_institution
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words, languages

UNITS = [
    {"unit": "I", "name": "The institution"},
    {"unit": "C", "name": "Centre", "parent": "I"},
    {"unit": "C1", "name": "Office One", "parent": "C"},
    {"unit": "C2", "name": "Office Two", "parent": "C"},
]
ACTIVITIES = [{"activity": "A", "name": "Inspections"}, {"activity": "B", "name": "Complaints"}]
SOURCES = {
    "time": {
        "files": ["time_*.csv"],
        "facts": [
            {
                "table": "hours",
                "columns": {
                    "unit": "Unit", "activity": "Task", "period": "Month", "person_key": "Who", "hours": "Hours", "overtime_hours": "Overtime",
                },
            }
        ],
    },
    "ledger": {
        "files": ["ledger_*.csv"],
        "extracted_at": "extracted_([0-9-]+)",
        "facts": [{"table": "ledger", "columns": {"unit": "Unit", "activity": "Task", "date": "Date", "amount": "Amount"}}],
    },
    "counts": {
        "files": ["counts_*.csv"],
        "facts": [{"table": "volumes", "columns": {"unit": "Unit", "activity": "Task", "period": "Month", "name": "What", "value": "Count"}}],
    },
    "cases": {
        "files": ["cases_*.csv"],
        "extracted_at": "extracted_([0-9-]+)",
        "facts": [{"table": "cases", "columns": {"case": "Case", "unit": "Unit", "activity": "Task", "received": "In", "closed": "Out"}}],
    },
}  # fmt: skip
HEADERS = {
    "time": "Unit;Task;Month;Who;Hours;Overtime", "ledger": "Unit;Task;Date;Amount", "counts": "Unit;Task;Month;What;Count",
    "cases": "Case;Unit;Task;In;Out",
}  # fmt: skip


def told(findings: object, language: str = "en") -> list[str]:
    """Findings in words, as a report prints them; none may lack a word in any language."""
    for other in languages():
        assert all(sentence(f"finding.{one.key}", one.values, Words(other)) for one in findings)
    return [f"{one.severity}: {sentence(f'finding.{one.key}', one.values, Words(language))}" for one in findings]


@dataclass
class Office:
    """A tiny institution: deliveries are written, withdrawn and built."""

    root: Path
    institution: Institution

    @property
    def deliveries(self) -> Path:
        return self.root / "deliveries"

    @property
    def model(self) -> Path:
        return self.root / "outputs" / "model"

    def deliver(self, name: str, *rows: str) -> Path:
        file = self.deliveries / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([HEADERS[name.partition("_")[0]], *rows]) + "\n", encoding="utf-8")
        return file

    def build(self, measure: Measure | None = None) -> Audit:
        return build(self.institution, "tiny", self.deliveries, self.model, measure)

    def table(self, name: str, *columns: str) -> list[tuple]:
        """Stored rows, in order of the columns."""
        with database.open_model(self.model) as connection:
            listed = ", ".join(columns)
            return connection.execute(f"select {listed} from {name} order by all").fetchall()

    def messages(self, audit: Audit) -> dict[str, list[str]]:
        """What is told of each file; of the whole institution under a blank name."""
        found = {item.file: told(item.findings) for item in audit.received if item.findings}
        return found | ({"": told(audit.findings)} if audit.findings else {})


@pytest.fixture
def office(tmp_path: Path) -> Callable[..., Office]:
    """Makes a tiny institution; keyword arguments replace parts of its file."""

    def make(**changed: object) -> Office:
        given = {
            "name": {"da": "Lille", "en": "Tiny"}, "deliveries": {"folder": "deliveries"}, "units": UNITS, "activities": ACTIVITIES,
            "sources": SOURCES,
        }  # fmt: skip
        (tmp_path / "deliveries").mkdir(exist_ok=True)
        return Office(tmp_path, Institution.model_validate(given | changed))

    return make


@dataclass
class Built:
    """A model with its audit."""

    folder: Path
    audit: Audit

    def table(self, name: str) -> pd.DataFrame:
        with database.open_model(self.folder) as connection:
            return connection.sql(f"select * from {name}").df()

    def received(self, source: str) -> list:
        return [item for item in self.audit.received if item.source == source]


@pytest.fixture(scope="session")
def sample_model(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The model of the invented samples."""
    folder = tmp_path_factory.mktemp("samples") / "model"
    return Built(folder, build(load_institution(samples), "samples", samples, folder))


@pytest.fixture
def in_words() -> Iterator[Callable[..., list[str]]]:
    """Findings in words."""
    return told
