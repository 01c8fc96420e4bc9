"""An executed notebook becomes one HTML page and one workbook; nothing else passes from a notebook.

The page has no code, no script, no outside reference: outputs are rendered by a small template,
cleaned by an allow-list (a second wall behind escaping) and put in the shell that `page` makes.
The workbook is made from the JSON outputs (see `mi_analysis.reporting.presentation`).
"""

import mi_analysis.reporting.quick_start  # noqa: F401  # isort: skip

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import nh3
from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from traitlets.config import Config

from mi_analysis.reporting.presentation import JSON, escape
from mi_analysis.reporting.presentation import clean as printable
from mi_analysis.reporting.wording import Words

HIDDEN_TAGS = {"parameters", "injected-parameters", "hide"}
"""Cells with one of these tags leave nothing in a report."""
WIDGET = "application/vnd.jupyter.widget-view+json"
_SHOWN = ("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/plain")

_NAMES = (
    "a abbr b blockquote br caption cite code col colgroup dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5"
    " h6 hr i img ins kbd li mark ol p pre q s section small span strong sub summary sup table tbody td tfoot th thead time"
    " tr ul var"
)
_TAGS = set(re.findall(r"\w+", _NAMES))
_ATTRIBUTES = {
    "*": {"class", "lang", "dir", "role", "tabindex", "aria-label", "aria-hidden"},
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "col": {"span"},
    "colgroup": {"span"},
    "time": {"datetime"},
}
_ADDRESSES = {"src": ("data:image/",), "href": ("#", "https://", "mailto:")}


class ExportError(Exception):
    """A notebook that no report can be made of; the message names the cell (numbered from 1)."""


class _Exporter(HTMLExporter):
    """Renders outputs with the template ``report``; made once and used for every report."""

    exclude_anchor_links = True

    def _template_name_default(self) -> str:
        return "report"

    def from_notebook_node(self, nb: NotebookNode, resources: Any = None, **settings: Any) -> Any:
        """Without the base's second parse of the whole page to fill in alternative texts: `clean` does that."""
        return super(HTMLExporter, self).from_notebook_node(nb, resources, **settings)


@cache
def _exporter() -> _Exporter:
    config = Config()
    config.TagRemovePreprocessor.enabled = True
    config.TagRemovePreprocessor.remove_cell_tags = HIDDEN_TAGS
    config.NbConvertBase.display_data_priority = list(_SHOWN)
    config.CSSHTMLHeaderPreprocessor.enabled = False
    config.TemplateExporter.exclude_input = True
    config.TemplateExporter.exclude_input_prompt = True
    config.TemplateExporter.exclude_output_prompt = True
    exporter = _Exporter(config=config, extra_template_basedirs=[str(Path(__file__).parent / "template")])
    exporter.register_filter("mi_base64", lambda text: base64.b64encode(text.encode()).decode())
    return exporter


@cache
def _templates() -> jinja2.Environment:
    """Our own templates; text that goes into them is cleaned and escaped where it is not marked as safe."""
    return jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "template"), autoescape=True, keep_trailing_newline=True, undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )  # fmt: skip


def rendered(name: str, words: Words, **values: Any) -> str:
    """The template ``<name>.html.j2`` filled; ``words`` and ``text`` (`Words.text`) among the values."""
    return _templates().get_template(f"{name}.html.j2").render(words=words, text=words.text, **values)


# HTML


def html(
    notebook: NotebookNode,
    *,
    language: str,
    title: str,
    subtitle: str = "",
    footer: Mapping[str, str] | None = None,
    stamp: Mapping[str, str] | None = None,
    own: bool = True,
) -> str:
    """The report of an executed notebook: one page, complete in itself, the same for the same input.

    Parameters
    ----------
    stamp
        Facts of the report by name (institution, report, unit, period, audience, extracted, data ...):
        ``<meta name="mi-...">``, and the footer under their labels.
    footer
        More lines of the footer, label to text.
    own
        One of the project's notebooks: prose of its cells (written for analysts) is left out, and a
        figure without title, alternative text or numbers is an error. In others it is shown as it
        is, with "Figur uden beskrivelse".

    Raises
    ------
    ExportError
        A cell failed, or a figure lacks what a figure must have.
    """
    words = Words(language)
    _check(notebook, own=own)
    undescribed = words.text("document.undescribed")
    resources = {"mi_prose": not own, "mi_undescribed": undescribed, "mi_widget": WIDGET}
    raw, _ = _exporter().from_notebook_node(notebook, resources)
    body, contents = _with_contents(_unique_labels(clean(raw, undescribed, words.text("report.table"))))
    return page(title, body, language=language, subtitle=subtitle, contents=contents, stamp=stamp, footer=footer)


def clean(body: str, undescribed: str = "", frame: str = "") -> str:
    """HTML through the allow-list: no script, style, form, frame, or address outside the page."""
    safe = nh3.clean(body, tags=_TAGS, attributes=_ATTRIBUTES, attribute_filter=_inside,
                     url_schemes={"data", "https", "mailto"})  # fmt: skip
    safe = re.sub(r"<img(?![^>]*\salt=)", f'<img alt="{escape(undescribed)}"', safe)

    def scrolling(found: re.Match[str]) -> str:
        return f'<div aria-label="{escape(frame)}" class="scroll" role="region" tabindex="0">{_headed(found[0])}</div>'

    return re.sub(r'<table class="dataframe">.*?</table>', scrolling, safe, flags=re.DOTALL)


def _headed(table: str) -> str:
    """A frame that a notebook shows as it is, with headers that say what they head."""
    head, middle, body = table.replace("<th></th>", "<td></td>").partition("</thead>")
    return head.replace("<th>", '<th scope="col">') + middle + body.replace("<th>", '<th scope="row">')


def _inside(tag: str, attribute: str, value: str) -> str | None:
    """The value of an attribute; an address only where it is allowed to point."""
    allowed = _ADDRESSES.get(attribute)
    return value if allowed is None or value.startswith(allowed) else None


def page(
    title: str,
    body: str,
    *,
    language: str,
    subtitle: str = "",
    contents: Sequence[Mapping[str, Any]] = (),
    stamp: Mapping[str, str] | None = None,
    footer: Mapping[str, str] | None = None,
    script: str = "",
) -> str:
    """The shell of every page: head, header with the one h1, contents, main, footer.

    ``body`` is safe HTML. A ``script`` is the only one the page allows (by its fingerprint); reports
    have none.
    """
    words, stamp = Words(language), stamp or {}
    seal = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    facts = {words.text(f"stamp.{k}") if words.has(f"stamp.{k}") else k: _fact(k, v, words) for k, v in stamp.items()}
    return rendered(
        "page", words, language=language, title=title, subtitle=subtitle, contents=contents, body=body, stamp=stamp,
        kicker=" · ".join(stamp[key] for key in ("institution", "report") if stamp.get(key)),
        document_title=" – ".join(filter(None, (title, stamp.get("period"), stamp.get("institution")))),
        footer={**facts, **(footer or {})}, script=script, style=template("style.css"),
        script_policy=f" script-src 'sha256-{seal}';" if script else "",
    )  # fmt: skip


@cache
def template(name: str) -> str:
    """One of our own files as it is: style, script."""
    return files(__package__).joinpath("template", name).read_text(encoding="utf-8").strip()


def _fact(name: str, value: str, words: Words) -> str:
    key = f"{name}.{value}"
    return words.text(key) if name == "audience" and words.has(key) else value


def _with_contents(body: str) -> tuple[str, list[dict[str, Any]]]:
    """Headings numbered for links and never skipping a level (h1 belongs to the page), and the contents list."""
    lower = 1 if "<h1" in body else 0
    level, number, contents = 1, 0, list[dict[str, Any]]()

    def mend(found: re.Match[str]) -> str:
        nonlocal level, number
        level, number = min(int(found[1]) + lower, level + 1), number + 1
        entry = {"id": f"s{number}", "text": re.sub(r"<[^>]+>", "", found[3]), "parts": []}
        if level == 2:
            contents.append(entry)
        elif level == 3:
            contents[-1]["parts"].append(entry)
        return f'<h{level} id="s{number}"{found[2]}>{found[3]}</h{level}>'

    body = re.sub(r"<h([1-6])([^>]*)>(.*?)</h\1>", mend, body, flags=re.DOTALL)
    return body, contents if len(contents) > 1 else []


def _unique_labels(body: str) -> str:
    """Regions of the same name get a number, so that each can be told from the others."""
    seen: Counter[str] = Counter()

    def numbered(found: re.Match[str]) -> str:
        seen[found[1]] += 1
        again = f" ({seen[found[1]]})" if seen[found[1]] > 1 else ""
        return f'aria-label="{found[1]}{again}" class="scroll" role="region"'

    return re.sub(r'aria-label="([^"]*)" class="scroll" role="region"', numbered, body)


# Checks


def _cells(notebook: NotebookNode) -> Iterator[tuple[int, NotebookNode]]:
    """Code cells that may show something, with their number."""
    for number, cell in enumerate(notebook.cells, 1):
        if cell.cell_type == "code" and not HIDDEN_TAGS & set(cell.metadata.get("tags", [])):
            yield number, cell


def _check(notebook: NotebookNode, *, own: bool) -> None:
    for number, cell in enumerate(notebook.cells, 1):
        failed = [output for output in cell.get("outputs", []) if output.output_type == "error"]
        if failed:
            raise ExportError(f"Cell {number} failed with {failed[0].ename}.")
    for number, cell in _cells(notebook):
        for payload in (item for output in cell.outputs for item in _items(output)):
            lacking = [name for name in ("title", "alternative", "columns") if not payload.get(name)]
            if payload.get("kind") == "figure" and lacking:
                raise ExportError(f"The figure of cell {number} has no {' and no '.join(lacking)}.")
    plain = undescribed(notebook)
    if own and plain:
        raise ExportError(f"Cell {plain[0]} shows an image without title, alternative text and numbers; use figure().")


def undescribed(notebook: NotebookNode) -> list[int]:
    """Numbers of the cells that show an image without a description of its own."""
    return [
        number
        for number, cell in _cells(notebook)
        for output in cell.outputs
        if "text/html" not in output.get("data", {})
        and any(kind.startswith("image/") for kind in output.get("data", {}))
        and not (output.get("metadata", {}).get("alt") or cell.metadata.get("alt"))
    ]


def outputs(notebook: NotebookNode) -> list[dict[str, Any]]:
    """The JSON outputs of a notebook in order; what stands in a grid is told one by one."""
    return [item for _, cell in _cells(notebook) for output in cell.outputs for item in _items(output)]


@dataclass(frozen=True)
class Printed:
    """A cell of a presentation: its number, else its state; the presentation's title and the column's label."""

    value: float | None
    state: str = ""
    title: str = ""
    label: str = ""


NOTHING = Printed(None)
"""What stands where a presentation or a row is not there."""


def moved(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> int:
    """How many printed numbers of two executions of a notebook are not the same: changed, gone or new."""
    one, other = printed(before), printed(after)
    return sum(one.get(cell, NOTHING).value != other.get(cell, NOTHING).value for cell in one.keys() | other.keys())


def printed(found: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str, str, int], Printed]:
    """Numbers, and states in their place, by presentation, header of the row, column, and which of that header's rows it is."""
    cells: dict[tuple[str, str, str, int], Printed] = {}
    for item in found:
        times: Counter[str] = Counter()
        states = {(state["row"], state["column"]): state["state"] for state in item.get("states", [])}
        for number, row in enumerate(item.get("rows", [])):
            times[str(row[0])] += 1
            for column, value in zip(item["columns"], row, strict=True):
                is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
                state = states.get((number, column["name"]), "")
                if is_number or (value is None and state):
                    told = Printed(value if is_number else None, state, item.get("title", ""), column.get("label", ""))
                    cells[item["key"], str(row[0]), column["name"], times[str(row[0])]] = told
    return cells


def _items(output: NotebookNode) -> list[dict[str, Any]]:
    payload = output.get("data", {}).get(JSON)
    return [] if payload is None else list(payload.get("items", [payload]))
