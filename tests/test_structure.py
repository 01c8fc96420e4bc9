"""The house keeps its order: who may import whom, how large things get, how notebooks are committed."""

import ast
import json
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = "mi_analysis"
FLOW = ("yaml_text", "parameters", "run_file", "model", "measures", "disclosure", "workbench", "batch", "cli")
BESIDE = {  # rooms beside the flow, and all of ours that they may import
    "analysis": ("analysis", "measures.catalogue"),
    "reporting": ("reporting", "analysis", "measures.catalogue"),
    "register": ("register", "parameters", "yaml_text", "analysis.multiplicity"),
    "proposal": ("proposal", "parameters", "yaml_text", "model"),
    "synthetic": ("synthetic", "parameters", "yaml_text", "model.schema", "measures.calendar"),
}
DOORS = ("__init__", "__main__")  # `import mi_analysis`, `python -m mi_analysis`
OPEN_TO_BESIDE = (
    "preparation",
    "workbench",
    "batch",
    "cli",
)  # the rooms that bring the flow and the rooms beside it together
CLOSED = {  # room -> what it must not import of others
    "analysis": ("duckdb", "matplotlib", "seaborn", "pathlib", "os", "io", "logging", "pyarrow"),
    "reporting": ("duckdb", "statsmodels", "scipy"),
}
ONLY_BATCH = "papermill"
OPENING = ("__init__", "door", "preparation", "periods")  # what a desk is opened with, and stands at
LARGEST_FILE, LARGEST_PACKAGE = 400, 23_866  # what stands; see docs/architecture.md, "Size". Only ever lowered


def imports_of(code: str, module: str) -> Iterator[str]:
    """Every dotted name that code imports, wherever it stands; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            yield from (".".join([*above, *filter(None, [node.module]), alias.name]) for alias in node.names)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__"):
                yield str(node.args[0].value)


def is_within(name: str, rooms: tuple[str, ...]) -> bool:
    return any(name == room or name.startswith(room + ".") for room in rooms)


def may_import(room: str, name: str) -> bool:
    """Whether a room may import ``name``, a dotted name below the package."""
    if name == "__version__" or room in DOORS:
        return True
    if room in BESIDE:
        return is_within(name, BESIDE[room])
    open_rooms = FLOW[: FLOW.index(room) + 1] + (tuple(BESIDE) if room in OPEN_TO_BESIDE else ())
    return is_within(name, open_rooms)


def wrong_imports(package: Path) -> list[str]:
    """Say each import that goes against the flow."""
    wrong = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        room, where = parts[0], path.relative_to(package).as_posix()
        if room not in (*FLOW, *BESIDE, *DOORS):
            wrong.append(f"{where} is in no room of the house")
            continue
        for name in imports_of(path.read_text(encoding="utf-8"), ".".join([package.name, *parts])):
            top, _, rest = name.partition(".")
            if top == package.name and not may_import(room, rest):
                wrong.append(f"{where} imports {rest or package.name}")
            elif top in CLOSED.get(room, ()) or (top == ONLY_BATCH and room != "batch"):
                wrong.append(f"{where} imports {top}")
    return wrong


def notebook_code(notebook: dict) -> str:
    """The Python of a notebook, without its magics."""
    lines = (line for cell in notebook["cells"] if cell["cell_type"] == "code" for line in _source(cell).splitlines())
    return "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))


def _source(cell: dict) -> str:
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def wrong_notebooks(folder: Path) -> list[str]:
    """Say what is wrong with each notebook of a folder as it would be committed."""
    wrong, names = [], {path.stem for path in folder.glob("*.ipynb")}
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text(encoding="utf-8"))
        code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        tagged = [cell for cell in code if "parameters" in cell["metadata"].get("tags", [])]
        imported = list(imports_of(notebook_code(notebook), path.stem))
        for what, is_so in {
            "holds outputs": any(cell["outputs"] or cell["execution_count"] for cell in code),
            f"has {len(tagged)} cells tagged parameters": len(tagged) != 1,
            f"does not import {PACKAGE}": not any(is_within(name, (PACKAGE,)) for name in imported),
            "imports another notebook": any(name.split(".")[0] in names for name in imported),
            "runs another notebook": any(_source(cell).lstrip().startswith("%run") for cell in code),
        }.items():
            if is_so:
                wrong.append(f"{path.name} {what}")
    return wrong


def undeclared(project: Path) -> set[str]:
    """Names that package or notebooks import from elsewhere and pyproject.toml does not list."""
    data = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*data["dependencies"], *(line for extra in data["optional-dependencies"].values() for line in extra)]
    declared = {canonicalize_name(Requirement(line).name) for line in listed}
    code = [path.read_text(encoding="utf-8") for path in (project / PACKAGE).rglob("*.py")]
    code += [notebook_code(json.loads(path.read_text("utf-8"))) for path in (project / "notebooks").glob("*.ipynb")]
    used = {name.split(".")[0] for text in code for name in imports_of(text, PACKAGE + ".x.y")}
    givers = packages_distributions()
    return {
        name
        for name in used - set(sys.stdlib_module_names) - {PACKAGE}
        if declared.isdisjoint(map(canonicalize_name, givers.get(name, [name])))
    }


@pytest.fixture(scope="module")
def package(project: Path) -> Path:
    return project / PACKAGE


def test_every_room_imports_only_earlier_rooms(package: Path) -> None:
    assert wrong_imports(package) == []


def test_no_file_and_no_package_outgrows_its_reader(package: Path) -> None:
    files = {path.relative_to(package).as_posix(): path.read_text(encoding="utf-8") for path in package.rglob("*.py")}
    lines = {name: len(text.splitlines()) for name, text in files.items()}

    assert {name: n for name, n in lines.items() if n > LARGEST_FILE} == {}
    assert sum(lines.values()) < LARGEST_PACKAGE


def test_the_architecture_page_names_every_room_and_the_place_of_each_likely_change(project: Path) -> None:
    page = (project / "docs" / "architecture.md").read_text(encoding="utf-8")
    tables = {head: re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE) for head, text in sections(page).items()}
    rooms = [name for first, _ in tables["Rooms"] for name in re.findall(r"`(\w+)`", first)]
    places = [name for _, second in tables["Where a change goes"] for name in re.findall(r"`([\w/.]+)`", second)]
    of_desk = {name for name in places if name.startswith("workbench/")} | {f"workbench/{name}.py" for name in OPENING}

    assert sorted(rooms) == sorted((*FLOW, *BESIDE))
    assert [name for name in places if not (project / name).exists() and not (project / PACKAGE / name).exists()] == []
    assert of_desk == {f"workbench/{file.name}" for file in (project / PACKAGE / "workbench").glob("*.py")}


def sections(page: str) -> dict[str, str]:
    """Text of each section of a page by its heading."""
    return dict(part.split("\n", 1) for part in page.split("\n## ")[1:])


def test_nothing_is_called_utils(project: Path, package: Path) -> None:
    names = [path for root in (package, project / "tests") for path in root.rglob("*") if "util" in path.name.lower()]

    assert names == []


def test_notebooks_are_committed_clean_and_stand_alone(project: Path) -> None:
    assert wrong_notebooks(project / "notebooks") == []


def test_everything_imported_is_declared(project: Path) -> None:
    assert undeclared(project) == set()


def test_the_import_check_sees_what_is_wrong(tmp_path: Path) -> None:
    tree = {
        "__init__.py": "from mi_analysis.workbench import desk",
        "parameters.py": "import pydantic",
        "model/build.py": "from ..measures import compute\nfrom .. import parameters",
        "measures/compute.py": "def f():\n    from mi_analysis.model import database, schema",
        "analysis/control.py": "from mi_analysis.measures.catalogue import CATALOGUE\nimport matplotlib.pyplot as plt",
        "analysis/funnel.py": "from mi_analysis.measures import compute\nfrom .control import limits",
        "reporting/tables.py": "from mi_analysis import analysis, model",
        "batch/run.py": "import papermill\nfrom mi_analysis.reporting import export",
        "cli.py": "import importlib\nimportlib.import_module('papermill.execute')\nfrom mi_analysis import synthetic",
        "synthetic.py": "import mi_analysis.model.build, mi_analysis.model.schema",
        "helpers.py": "",
    }
    for name, code in tree.items():
        path = tmp_path / PACKAGE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code, encoding="utf-8")

    assert wrong_imports(tmp_path / PACKAGE) == [
        "analysis/control.py imports matplotlib",
        "analysis/funnel.py imports measures.compute",
        "cli.py imports papermill",
        "helpers.py is in no room of the house",
        "model/build.py imports measures.compute",
        "reporting/tables.py imports model",
        "synthetic.py imports model.build",
    ]


def test_the_notebook_check_sees_what_is_wrong(tmp_path: Path) -> None:
    def cell(source: str, tags: tuple[str, ...] = (), outputs: tuple[str, ...] = ()) -> dict:
        rest = {"metadata": {"tags": list(tags)}, "outputs": list(outputs), "execution_count": None, "id": "a"}
        return {"cell_type": "code", "source": source, **rest}

    parameters, load = (
        cell('unit: str = ""', tags=("parameters",)),
        cell("%matplotlib inline\nimport mi_analysis as mi"),
    )
    notebooks = {
        "good": [parameters, load],
        "full": [parameters, load | {"outputs": ["1"]}],
        "bare": [cell("import pandas")],
        "second": [parameters, load, cell("import good"), cell("%run good.ipynb")],
    }
    for name, cells in notebooks.items():
        (tmp_path / f"{name}.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")

    assert wrong_notebooks(tmp_path) == [
        "bare.ipynb has 0 cells tagged parameters",
        "bare.ipynb does not import mi_analysis",
        "full.ipynb holds outputs",
        "second.ipynb imports another notebook",
        "second.ipynb runs another notebook",
    ]
