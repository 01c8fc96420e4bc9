"""What is documented is what is there."""

import contextlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import click
import nbformat
import pandas as pd
import papermill
import pytest
import yaml
from papermill.cli import papermill as papermill_command

from mi_analysis.cli import cli, main
from mi_analysis.measures.catalogue import CATALOGUE
from mi_analysis.measures.own import catalogue_of, check_measures
from mi_analysis.model.deliveries import check_profiles, read
from mi_analysis.model.schema import STORED, TABLES
from mi_analysis.parameters import Institution
from mi_analysis.reporting import export
from mi_analysis.run_file import RunFile
from mi_analysis.yaml_text import Record

PAGES = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "outputs/README.md", "benchmarks/README.md", "docs/*.md")
KINDS = ("sh", "python", "yaml", "text")  # of fenced blocks; a text is a picture
PROGRAMS = r"mi|python run\.py|papermill|bash"
NEEDED = {"name": {"da": "X", "en": "X"}, "deliveries": {"folder": "d"}, "sources": {}}
RUN = (Path(__file__).parents[1] / "run.py").read_text(encoding="utf-8")
MADE_BY_RUNS = ("run.json", "audit.json", "answers.json")


def pages(project: Path) -> dict[str, str]:
    """Text of each page of the docs."""
    files = [page for pattern in PAGES for page in sorted(project.glob(pattern))]
    return {page.relative_to(project).as_posix(): page.read_text(encoding="utf-8") for page in files}


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
    broken = []
    for page, text in pages(project).items():
        for target, _, part in (link.partition("#") for link in re.findall(r"\]\(([^)]+)", text) if "://" not in link):
            file = (project / page).parent / target if target else project / page
            heads = (
                re.findall(r"^#+ (.*)$", file.read_text("utf-8"), re.M)
                if file.suffix == ".md" and file.exists()
                else []
            )
            anchors = [re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads]
            broken += [f"{page} -> {target}#{part}"] * (not file.exists() or (bool(part) and part not in anchors))

    assert broken == []


def blocks(project: Path) -> list[tuple[str, str, str]]:
    """Page, language and text of each fenced block; one without a language is commands."""
    return [
        (page, language or "sh", text)
        for page, whole in pages(project).items()
        for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", whole, re.DOTALL | re.MULTILINE)
    ]


def examples(project: Path, page: str, language: str) -> list[str]:
    """The examples of one page in one language."""
    return [text for one, of, text in blocks(project) if (one, of) == (page, language)]


def commands(project: Path) -> Iterator[tuple[str, str]]:
    """Page and text of every command that is printed: in blocks, in the text, and in the help of the verbs."""
    for page, language, text in blocks(project):
        yield from ((page, line) for line in text.splitlines() if language == "sh")
    for page, text in pages(project).items():
        yield from ((page, command) for command in re.findall(rf"`((?:{PROGRAMS}) [^`\n]+)`", text))
    for name, verb in cli.commands.items():
        yield from ((f"mi {name} --help", command) for command in examples_of(verb))


def examples_of(verb: click.Command) -> list[str]:
    """The example in a verb's help, a command a line."""
    return re.findall(r"^(?:Example:)? +(mi .*)$", verb.epilog or "", re.MULTILINE)


def parsed(command: str) -> dict[str, object]:
    """What the program that a command names makes of it; it is not run.

    Raises
    ------
    click.UsageError, LookupError
        It would be refused.
    """
    words = [word for word in shlex.split(command, comments=True) if not re.fullmatch(r"MI_[A-Z_]+=.*", word)]
    match words:
        case ["mi", "--help" | "--version"]:
            return {}
        case ["mi", verb]:  # spoken of, with what it is about in the text around it
            return {"verb": cli.commands[verb]}
        case ["mi", verb, *rest]:
            return cli.commands[verb].make_context(verb, rest).params
        case ["papermill", *rest]:
            return papermill_command.make_context("papermill", rest).params
        case ["python", "run.py", verb, *rest]:
            if re.search(rf"^python run.py {verb} .*{' '.join(rest[:1])}", RUN, re.MULTILINE):
                return {"verb": verb}
        case ["bash" | ".", file]:
            return {"file": file}
    raise LookupError(f"{command}: what is this?")


def test_every_block_in_the_docs_is_of_a_kind_that_a_test_reads(project):
    unknown = [(page, language) for page, language, _ in blocks(project) if language not in KINDS]
    hidden = [
        page
        for page, language, text in blocks(project)
        if language == "text" and re.search(rf"^({PROGRAMS}) ", text, re.M)
    ]

    assert (unknown, hidden) == ([], [])
    assert len(blocks(project)) >= 15


def test_every_command_in_the_docs_is_one_that_its_program_takes(project):
    saved = set(re.findall(r"`(parameters/[\w/.]+)`:\n\n```yaml", "".join(pages(project).values())))
    saved |= {"parameters/try/monthly.yaml", "parameters/lights/monthly.yaml"}  # by `mi new`, and as a copy
    found = list(commands(project))

    wrong = []
    for page, command in found:
        try:
            given = parsed(command)
        except (click.UsageError, LookupError) as error:
            wrong.append((page, f"{command}: {error}"))
            continue
        files = [
            word
            for word in shlex.split(command, comments=True)
            if re.match(r"(parameters|notebooks|tests|\.ci)/", word)
        ]
        wrong += [(page, file) for file in files if not (project / file).exists() and file not in saved]
        wrong += [
            (page, given[part]) for part in ("outcome", "exposure") if (given.get(part) or "closed") not in CATALOGUE
        ]
        only = dict(one.split("=") for one in given.get("only", ()))
        wrong += [(page, command)] * (
            not (project / "notebooks" / f"{only.get('notebook', '00_start_here')}.ipynb").exists()
        )

    assert wrong == []
    assert len(found) >= 50


def test_every_file_that_the_docs_name_is_there(project):
    kinds, folders = r"py|sql|toml|csv|json|lock|md", ("mi_analysis", "tests", "docs", "parameters", "benchmarks")
    known = [file.as_posix() for place in map(project.__truediv__, folders) for file in place.rglob("*")]
    known += [file.as_posix() for file in (*project.glob("*.*"), project / "outputs" / "README.md")]

    missing = [
        (page, name)
        for page, text in pages(project).items()
        for name in re.findall(rf"`([\w./-]+\.(?:{kinds}))`", text)
        if not any(file.endswith(f"/{name}") for file in known) and name not in MADE_BY_RUNS
    ]

    assert missing == []


def test_every_configuration_in_the_docs_is_understood(project):
    read = []
    for page, language, text in blocks(project):
        if language == "yaml":
            tree = yaml.load(text, yaml.BaseLoader)
            kind = RunFile if "reports" in tree else Institution
            read.append((page, kind.model_validate(NEEDED | tree if kind is Institution else tree)))

    assert [page for page, _ in read] == ["README.md", *["docs/extending.md"] * 4]


def test_every_parameter_of_every_notebook_is_explained_beside_it(project):
    silent = []
    for file in (project / "notebooks").glob("*.ipynb"):
        cell = next(one for one in nbformat.read(file, 4).cells if "parameters" in one.metadata.get("tags", []))
        silent += [(file.stem, line) for line in cell.source.splitlines() if "  # " not in line]

    assert silent == []


def test_every_variable_of_the_environment_is_documented(project):
    text = "".join(pages(project).values())
    code = [*(project / "mi_analysis").rglob("*.py"), project / "run.py", project / "tests" / "conftest.py"]
    asked = {name for file in code for name in re.findall(r"\bMI_[A-Z_]+\b", file.read_text("utf-8"))}

    assert {name for name in asked if f"`{name}" not in text} == set()
    assert len(asked) >= 7


def test_the_source_in_the_docs_reads_the_file_it_is_for(project, tmp_path):
    profile = next(text for text in examples(project, "docs/extending.md", "yaml") if text.startswith("sources"))
    institution = Institution.model_validate(NEEDED | yaml.safe_load(profile))
    file = tmp_path / "permits_2025.csv"
    file.write_text("Sagsnr;Enhed;Emne;Modtaget;Afsluttet\n1;07;Byg;03-01-2025;10-02-2025\n2;07;Byg;04-01-2025;\n")

    check_profiles(institution)
    delivery = read(file, "permits", institution.sources["permits"])

    assert file.match(institution.sources["permits"].files[0])
    assert (delivery.account.read, delivery.account.used, delivery.findings) == (2, 2, ())
    assert delivery.facts["cases"].column("case").to_pylist() == ["1", "2"]


def test_the_institution_in_the_docs_reads_files_as_small_agencies_write_them(agency, project, capsys, monkeypatch):
    monkeypatch.chdir(agency)
    (text,) = (one for one in examples(project, "docs/extending.md", "yaml") if one.startswith("name"))
    place, files = agency / "parameters" / "lights" / "institution.yaml", agency / "lights"
    place.parent.mkdir()
    files.mkdir()
    place.write_text(text, encoding="utf-8")
    hours = ["Timer 2025;;;;", ";;;;", "Måned;Kontor;Medarb.nr;Ydelse;Antal timer"]
    hours += [
        f"{month} 2025;{office};{office}{n};F1;120,5"
        for month in ("januar", "februar")
        for office in ("Nord", "Syd")
        for n in range(6)
    ]
    (files / "Timer 2025.csv").write_text("\n".join([*hours, "I alt;;;;2.892,0"]), encoding="cp1252")
    cases = "Journalnr.;Afd.;Emne;Indkommet;Færdig;Svarfrist\n1;A-01;Eftersyn af fyr;03-01-2025;10-02-2025;03-03-2025\n"
    (files / "Sagsliste.csv").write_text(cases, encoding="utf-8")
    pd.DataFrame(
        [
            ["Budget (t.kr.)", None, None, None],
            ["Kontor", "Ydelse", "Januar", "Februar"],
            ["Nord", "F1", 90, 90],
            ["Syd", "F9", 80, 80],
        ]
    ).to_excel(files / "Budget 2025.xlsx", header=False, index=False)

    status, out, err = said(capsys, "mi check lights")

    assert (status, err) == (0, "")
    assert "Findings: none\n\nCodes without a partner: none\n\nPut aside: none" in out
    assert re.findall(r"^(\w+) .* (\d+) +(\d+) +0 +(\d+) +100.0%$", out, re.MULTILINE) == [
        ("time", "25", "24", "1"), ("budget", "2", "2", "0"), ("cases", "1", "1", "0"),
    ]  # fmt: skip


def test_the_measure_in_the_docs_is_understood(project):
    own = next(text for text in examples(project, "docs/extending.md", "yaml") if text.startswith("measures"))
    counts = {"files": ["x"], "facts": [{"table": "volumes", "columns": {"name": "n", "value": "v"}}]}
    institution = Institution.model_validate(NEEDED | yaml.safe_load(own) | {"sources": {"x": counts}})

    check_measures(institution)
    measure = catalogue_of(institution)["calls_answered_pct"]

    assert (measure.unit, measure.direction, measure.scale) == ("pct", "higher", 100.0)


@pytest.fixture(scope="module")
def agency(small_agency, project, tmp_path_factory):
    """A copy of the small agency's project, with notebooks and samples as a clone has them."""
    root = tmp_path_factory.mktemp("docs") / "project"
    shutil.copytree(small_agency.root, root)
    shutil.copytree(project / "notebooks", root / "notebooks")
    shutil.copytree(project / "tests" / "samples", root / "tests" / "samples")
    return root


def as_of(text: str, agency: Path) -> str:
    """An example as printed, about the small agency's last month in the place of the example's."""
    newest = max(figure.stem for figure in (agency / "outputs" / "example" / "deliveries" / "tid").iterdir())
    return text.replace("2025-12", newest[-7:])


def said(capsys, command: str) -> tuple[int, str, str]:
    """Exit status and screen of a command as printed."""
    with pytest.raises(SystemExit) as ended:
        main(shlex.split(command)[1:])
    shown = capsys.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


@pytest.mark.parametrize(
    ("verb", "last"),
    [
        ("new", "Put aside"),
        ("check", "13 contracts in "),
        ("plan", "Values of 01_delivery_quality"),
        ("ask", "hypotheses.jsonl)"),
        ("export", "All of them, with the view figures, in figures.duckdb."),
    ],
)
def test_the_example_in_a_verbs_help_works_as_printed(agency, capsys, monkeypatch, verb, last):
    monkeypatch.chdir(agency)

    shown = [said(capsys, command) for command in examples_of(cli.commands[verb])]

    assert [(status in (0, 4), err) for status, _, err in shown] == [(True, "")] * len(shown)
    assert last in shown[-1][1]


@pytest.mark.long
def test_the_examples_on_reports_work_as_printed(agency, capsys, monkeypatch):
    monkeypatch.chdir(agency)
    lines = [line for verb in ("run", "open", "diff") for line in examples_of(cli.commands[verb])]

    shown = [said(capsys, as_of(line, agency) + " --no-lab" * line.startswith("mi open")) for line in lines]

    assert [status in (0, 4) for status, _, _ in shown] == [True] * 4
    assert "The figures are those of the report." in shown[1][1]
    assert shown[3][1].splitlines()[0] == "Reports in both: 1. Figures that moved: none."
    assert len(re.findall("^Only after: ", shown[3][1], re.MULTILINE)) == 12


def test_the_two_lines_in_the_readme_ask_in_a_notebook(agency, project, monkeypatch):
    monkeypatch.chdir(agency)
    (text,) = examples(project, "README.md", "python")
    *lines, last = text.splitlines()
    names: dict[str, object] = {}

    exec("\n".join(lines), names)
    answer = eval(last, names)

    assert names["desk"].unit == "2110"
    assert answer.numbers["margin"] == 1


def test_the_notebook_in_the_docs_is_run_over_the_matrix_and_gets_index_states_and_pages(agency, project):
    *cells, _ = examples(project, "docs/extending.md", "python")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    book.cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(book, agency / "notebooks" / "my_question.ipynb")
    (agency / "parameters" / "example" / "my_question.yaml").write_text(
        examples(project, "docs/extending.md", "yaml")[-1]
    )
    command = [
        sys.executable,
        "-m",
        "mi_analysis",
        "run",
        "parameters/example/my_question.yaml",
        "--only",
        "unit=2110,2910",
    ]

    done = subprocess.run(command, cwd=agency, capture_output=True, text=True, check=False)

    assert done.returncode in (0, 4), done.stdout + done.stderr
    (folder,) = (agency / "outputs" / "example" / "my_question").glob("*/1")
    states = {key: job["state"] for key, job in json.loads((folder / "run.json").read_text("utf-8"))["jobs"].items()}
    assert {key: state for key, state in states.items() if state == "made"} == {
        "2110/my_question": "made", "2910/my_question": "made",
    }  # fmt: skip
    executed = nbformat.read(folder / "2110" / "my_question.ipynb", 4)
    assert [found["key"] for found in export.outputs(executed)] == ["desk", "control_closed"]
    assert 'alt="' in (folder / "2110" / "my_question.html").read_text("utf-8")
    assert '"2110/my_question.html"' in (folder / "index.html").read_text("utf-8")


class PapermillOperator:
    """What Airflow's operator of that name does when it runs, in its place."""

    def __init__(self, *, task_id: str, input_nb: str, output_nb: str, parameters: dict[str, object]) -> None:
        place = output_nb.replace("{{ ds }}", "2026-01-05")
        self.done = papermill.execute_notebook(input_nb, place, parameters, progress_bar=False, kernel_name="python3")


@pytest.fixture(scope="module")
def by_papermill(agency, project):
    """The unit report as the command in the docs makes it."""
    line = next(line for line in examples(project, "docs/extending.md", "sh") if line.startswith("papermill"))
    given = [*shlex.split(as_of(line, agency))[1:], "-k", "python3", "--no-progress-bar"]

    with contextlib.chdir(agency):
        papermill_command.main(given, standalone_mode=False)

    return nbformat.read(agency / "out.ipynb", 4)


def test_what_a_presentation_holds_is_documented(by_papermill, data_model):
    part = data_model.partition("## What a report holds")[2]
    told = set(re.findall(r"`(\w+)`", part))
    found = [item for item in export.outputs(by_papermill) if item["kind"] != "desk"]

    names = {name for item in found for name in item}
    columns = {name for item in found for column in item["columns"] for name in column}
    states = {name for item in found for state in item["states"] for name in (*state, state["state"])}
    assert names | columns | states <= told
    assert {item["kind"] for item in found} == {"figure", "table", "message"}


def test_a_schedulers_operator_runs_the_report_that_papermills_command_does(by_papermill, agency, project, monkeypatch):
    monkeypatch.chdir(agency)
    (agency / "out").mkdir()
    text = as_of(examples(project, "docs/extending.md", "python")[-1], agency)

    operator = eval(text, {"PapermillOperator": PapermillOperator})

    stamps = [
        next(found["stamp"] for found in export.outputs(book) if "stamp" in found)
        for book in (by_papermill, operator.done)
    ]
    assert stamps[0] == stamps[1]
    assert stamps[0]["unit"] == "2110"
    assert by_papermill.metadata.papermill.parameters["unit"] == 2110
    assert [file.name for file in (agency / "out").iterdir()] == ["2110_2026-01-05.ipynb"]


@pytest.mark.parametrize(("page", "least"), [("privacy", 30), ("reliability", 12)])
def test_every_test_that_a_protection_is_said_to_rest_on_is_there(project: Path, page: str, least: int) -> None:
    rows = re.findall(
        r"^\| [^|]+ \| `(\S+\.py)`: ([^|]+) \|$", (project / "docs" / f"{page}.md").read_text("utf-8"), re.MULTILINE
    )
    text = {file: (project / "tests" / file).read_text("utf-8") for file, _ in rows}

    assert len(rows) >= least
    assert [name for file, name in rows if f"\ndef test_{name.replace(' ', '_')}(" not in text[file]] == []
