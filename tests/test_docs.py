"""What is documented is what is there."""

import re
from pathlib import Path

import pytest

from mi_analysis.cli import cli
from mi_analysis.model.schema import STORED, TABLES

PAGES = ("README.md", "CONTRIBUTING.md", "outputs/README.md", "benchmarks/README.md", "docs/*.md")


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


def test_every_link_between_pages_leads_somewhere(project):
    broken = [
        f"{page.relative_to(project)} -> {target}"
        for pattern in PAGES
        for page in project.glob(pattern)
        for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).exists()
    ]

    assert broken == []
