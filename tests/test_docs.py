"""What is documented is what is there."""

import re
from pathlib import Path
from typing import get_args

import click
import nbformat
import papermill
import pytest
import yaml

from mi_analysis.batch.notebook import read_notebook
from mi_analysis.cli import cli
from mi_analysis.measures.own import catalogue_of, check_measures
from mi_analysis.model.deliveries import check_profiles, read
from mi_analysis.model.schema import STORED, TABLES
from mi_analysis.parameters import Institution
from mi_analysis.reporting import export
from mi_analysis.run_file import RunFile
from mi_analysis.yaml_text import Record

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "outputs/README.md", "benchmarks/README.md", "docs/*.md")


@pytest.fixture(scope="module")
def data_model(project: Path) -> str:
    return (project / "docs" / "data-model.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", TABLES)
def test_every_table_and_column_that_a_delivery_fills_is_documented(data_model, table):
    part = re.search(rf"^### {table}\n(.*?)(?=^### |^## |\Z)", data_model, re.DOTALL | re.MULTILINE)

    assert part is not None
    documented = re.findall(r"^\| `(\w+)` \|", part[1], re.MULTILINE)
    assert documented == list(TABLES[table].columns)
    assert TABLES[table].about in part[1]


@pytest.mark.parametrize("table", STORED)
def test_every_stored_column_is_documented(data_model, table):
    row = re.search(rf"^\| {table} \| (.*) \|$", data_model, re.MULTILINE)

    assert row is not None
    assert re.findall(r"`(\w+)`", row[1]) == list(STORED[table])


def test_every_verb_and_notebook_stands_in_the_readme(project):
    text = (project / "README.md").read_text(encoding="utf-8")

    assert [verb for verb in cli.commands if f"mi {verb}" not in text] == []
    assert [file.stem for file in (project / "notebooks").glob("*.ipynb") if file.stem not in text] == []


def test_every_option_and_every_verb_says_what_it_does():
    silent = [
        f"mi {name} {parameter.name}"
        for name, verb in cli.commands.items()
        for parameter in verb.params
        if isinstance(parameter, click.Option) and not parameter.help
    ]

    assert silent == []
    assert [
        name for name, verb in cli.commands.items() if not verb.help or "Example:  mi " not in (verb.epilog or "")
    ] == []


def records(kind, seen=None):
    """A record and every record that stands in its fields."""
    seen = seen if seen is not None else {}
    if kind.__name__ not in seen:
        seen[kind.__name__] = kind
        for field in kind.model_fields.values():
            for part in parts_of(field.annotation):
                records(part, seen)
    return seen.values()


def parts_of(annotation):
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)


@pytest.mark.parametrize("kind", [Institution, RunFile])
def test_every_name_that_a_parameter_file_takes_is_documented(project, kind):
    text = (project / "docs" / "parameters.md").read_text(encoding="utf-8")
    told = set(re.findall(r"[`.]([a-z_]+)`", text)) | {"da", "en", "level", "last", "grain"}

    missing = [
        f"{record.__name__}.{name}" for record in records(kind) for name in record.model_fields if name not in told
    ]

    assert missing == []


def test_every_link_between_pages_leads_somewhere(project):
    broken = [
        f"{page.relative_to(project)} -> {target}"
        for pattern in PAGES
        for page in project.glob(pattern)
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []


@pytest.fixture(scope="module")
def examples(project: Path) -> list[tuple[str, str]]:
    """Language and text of each example in docs/extending.md."""
    text = (project / "docs" / "extending.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def test_the_source_in_the_docs_reads_the_file_it_is_for(examples, tmp_path):
    profile = yaml.safe_load(next(text for language, text in examples if text.startswith("sources")))["sources"]
    institution = Institution.model_validate(
        {"name": {"da": "X", "en": "X"}, "deliveries": {"folder": "d"}, "sources": profile}
    )
    file = tmp_path / "permits_2025.csv"
    file.write_text("Sagsnr;Enhed;Emne;Modtaget;Afsluttet\n1;07;Byg;03-01-2025;10-02-2025\n2;07;Byg;04-01-2025;\n")

    check_profiles(institution)
    delivery = read(file, "permits", institution.sources["permits"])

    assert file.match(institution.sources["permits"].files[0])
    assert (delivery.account.read, delivery.account.used, delivery.findings) == (2, 2, ())
    assert delivery.facts["cases"].column("case").to_pylist() == ["1", "2"]


def test_the_measure_in_the_docs_is_understood(examples):
    own = yaml.safe_load(next(text for language, text in examples if text.startswith("measures")))["measures"]
    counts = {"files": ["x"], "facts": [{"table": "volumes", "columns": {"name": "n", "value": "v"}}]}
    institution = Institution.model_validate(
        {"name": {"da": "X", "en": "X"}, "deliveries": {"folder": "d"}, "sources": {"x": counts}, "measures": own}
    )

    check_measures(institution)
    measure = catalogue_of(institution)["calls_answered_pct"]

    assert (measure.unit, measure.direction, measure.scale) == ("pct", "higher", 100.0)


def test_the_notebook_in_the_docs_runs_and_shows_its_desk_and_a_figure(examples, small_agency, tmp_path):
    cells = [text for language, text in examples if language == "python"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    book.metadata["kernelspec"] = {"name": "python3", "language": "python", "display_name": "Python 3"}
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, tmp_path / "my_question.ipynb")
    small_agency.prepared.slice(tmp_path / "slice", "2110", "", "2025-12")

    assert list(read_notebook("my_question", tmp_path, "here").parameters) == ["source", "unit", "period", "language"]
    given = {"source": str(tmp_path / "slice"), "unit": "2110"}
    executed = papermill.execute_notebook(
        tmp_path / "my_question.ipynb", None, given, kernel_name="python3", progress_bar=False, execution_timeout=300
    )

    assert [found.get("key") for found in export.outputs(executed)] == ["desk", "control_closed"]


@pytest.mark.parametrize(("page", "least"), [("privacy", 30), ("reliability", 12)])
def test_every_test_that_a_protection_is_said_to_rest_on_is_there(project: Path, page: str, least: int) -> None:
    rows = re.findall(
        r"^\| [^|]+ \| `(\S+\.py)`: ([^|]+) \|$", (project / "docs" / f"{page}.md").read_text("utf-8"), re.MULTILINE
    )
    text = {file: (project / "tests" / file).read_text("utf-8") for file, _ in rows}

    assert len(rows) >= least
    assert [name for file, name in rows if f"\ndef test_{name.replace(' ', '_')}(" not in text[file]] == []
