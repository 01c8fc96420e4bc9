"""What a notebook takes: its ``parameters`` cell, with annotated literals, is the only declaration.

The cell is read as Python, not with papermill's pattern, which misreads a ``#`` inside a text and
passes over what it cannot read; a test keeps the names equal to `papermill.inspect_notebook`.
"""

import ast
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mi_analysis.parameters import Problem, nearest
from mi_analysis.yaml_text import as_number, decimal_text

KINDS = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "yes or no"}


@dataclass(frozen=True)
class Parameter:
    """One name a notebook takes; ``kind`` is str, int, float, bool or list[...]."""

    name: str
    kind: str
    default: Any


@dataclass(frozen=True)
class Notebook:
    """A notebook that can be run: its file, the hash of its bytes, its first heading, what it takes."""

    name: str
    path: Path
    sha256: str
    title: str
    parameters: dict[str, Parameter]


def read_notebook(name: str, folder: Path, where: str) -> Notebook | Problem:
    """A notebook of the folder by name, or what is wrong with it.

    Parameters
    ----------
    where
        File and line that name the notebook.
    """
    stem = name.removesuffix(".ipynb")
    path = folder / f"{stem}.ipynb"
    if "/" in stem or "\\" in stem or not path.is_file():
        known = [file.stem for file in folder.glob("*.ipynb")]
        return Problem(where, f'there is no notebook "{name}" in {folder.name}/.', nearest(stem, known))
    shown = f"{folder.name}/{path.name}"
    try:
        content = path.read_bytes()
        document = json.loads(content)
        cells = [(cell["cell_type"], "".join(cell["source"]), _tags(cell)) for cell in document["cells"]]
    except OSError as error:
        return Problem(shown, "cannot be opened.", f"The system says: {error.strerror}.")
    except (ValueError, KeyError, TypeError):
        return Problem(shown, "is not a notebook.", "Open it in JupyterLab and save it as a notebook.")
    language = document.get("metadata", {}).get("kernelspec", {}).get("language", "python")
    if language != "python":
        return Problem(shown, f"is written in {language}.", "Only Python notebooks can be run.")
    declared = next((text for kind, text, tags in cells if kind == "code" and "parameters" in tags), None)
    if declared is None:
        return Problem(shown, "has no cell tagged parameters.", "Tag the cell that holds the default values.")
    parameters = _declared(declared, shown)
    if isinstance(parameters, Problem):
        return parameters
    headings = (re.search(r"^# +(.+)$", text, re.MULTILINE) for kind, text, _ in cells if kind == "markdown")
    title = next((found[1].strip() for found in headings if found), stem)
    return Notebook(stem, path, hashlib.sha256(content).hexdigest(), title, parameters)


def _tags(cell: dict[str, Any]) -> list[str]:
    return list(cell.get("metadata", {}).get("tags", []))


def _declared(source: str, shown: str) -> dict[str, Parameter] | Problem:
    """Parameters of a cell: one name and one literal per statement, nothing else."""
    try:
        statements = ast.parse(source).body
    except SyntaxError as error:
        return Problem(shown, f"the parameters cell is not Python (line {error.lineno}).", "Write name: type = value.")
    found: dict[str, Parameter] = {}
    for statement in statements:
        if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
            continue
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = getattr(statement, "value", None)
        try:
            default = ast.literal_eval(value) if isinstance(value, ast.expr) else ...
        except ValueError:
            default = ...
        if default is ... or len(targets) != 1 or not isinstance(targets[0], ast.Name):
            what = f"the parameters cell holds more than names with plain values (line {statement.lineno})."
            return Problem(shown, what, "Move it to the next cell.")
        annotation = getattr(statement, "annotation", None)
        found[targets[0].id] = Parameter(targets[0].id, _kind(annotation, default), default)
    return found


def _kind(annotation: ast.expr | None, default: Any) -> str:
    if annotation is not None:
        text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
        return str(text).replace(" | None", "").replace("None | ", "")
    return "list[str]" if isinstance(default, (list, tuple)) else type(default).__name__


def cast(value: str | list[str], kind: str) -> Any:
    """A written value as the type a notebook declares.

    Raises
    ------
    ValueError
        Holding what the notebook takes and, where it can be guessed, what to write.
    """
    item = re.fullmatch(r"list(?:\[(\w+)\])?", kind)
    if item:
        return [cast(one, item[1] or "str") for one in ([value] if isinstance(value, str) else value)]
    if kind not in KINDS:
        raise ValueError(f'the type "{kind}", which a run file cannot give.', "")
    if not isinstance(value, str):
        raise ValueError(f"{KINDS[kind]}, not a list.", "Write one value.")
    if kind == "str":
        return value
    if kind == "bool" and value.casefold() in ("yes", "true", "no", "false"):
        return value.casefold() in ("yes", "true")
    if kind == "int" and re.fullmatch(r"[+-]?\d+", value):
        return int(value)
    if kind == "float":
        try:
            return float(str(as_number(value)))
        except ValueError:
            pass
    meant = decimal_text(value) if kind == "float" else None
    raise ValueError(f'{KINDS[kind]}; "{value}" is not.', f"Write {meant}." if meant else "")


# --- what it imports -----------------------------------------------------------------------------------------------

CHANGES_IMPORTS = re.compile(r"environ|putenv|sys\.path|chdir|meta_path|^\s*%(cd|env|set_env)\b", re.MULTILINE)


def imports(notebook: Any) -> list[str]:
    """What an open notebook imports, in its order, as ``module`` or ``module:attribute``.

    Attributes of imported modules too, since many are loaded when asked for. Looks no further than the
    first cell that changes where or how imports are done.
    """
    found: dict[str, None] = {}
    aliases: dict[str, str] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or cell.source.lstrip().startswith("%%"):
            continue
        if CHANGES_IMPORTS.search(cell.source):
            break
        try:
            tree = ast.parse(re.sub(r"^(\s*)[%!].*", r"\1pass", cell.source, flags=re.MULTILINE))
        except SyntaxError:
            continue
        for node in _at_once(tree.body):
            if isinstance(node, ast.Import):
                for name in node.names:
                    bound = name.name if name.asname else name.name.partition(".")[0]
                    found[name.name], aliases[name.asname or bound] = None, bound
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for name in node.names:
                    found[f"{node.module}:{name.name}"] = None
                    aliases[name.asname or name.name] = f"{node.module}.{name.name}"
        for each in ast.walk(tree):
            if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id in aliases:
                found[f"{aliases[each.value.id]}:{each.attr}"] = None
    return list(found)


def _at_once(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that are run when the cell is, whatever the circumstances."""
    for statement in statements:
        yield statement
        if isinstance(statement, (ast.Try, ast.With)):
            yield from _at_once(statement.body)
