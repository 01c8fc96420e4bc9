import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from mi_analysis.reporting import export, plots
from mi_analysis.reporting.figures import figure
from mi_analysis.reporting.presentation import JSON, grid, heading, message
from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words

DA = Words("da")
NAME = '<script>alert("x")</script> & "Øst" \u202e' + "x" * 200
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def cell(*bundles: dict[str, Any], tags: tuple[str, ...] = (), **metadata: Any) -> NotebookNode:
    outputs = [new_output("display_data", data=bundle) for bundle in bundles]
    return new_code_cell("secret_code()", outputs=outputs, metadata={"tags": list(tags), **metadata})


def showing(*objects: Any) -> list[NotebookNode]:
    return [cell(shown._repr_mimebundle_()) for shown in objects]


def report(name: str = "Øst") -> NotebookNode:
    days = pd.date_range("2024-01-01", periods=12, freq="MS")
    data = pd.DataFrame({"month": days, "closed": range(12), "received": range(12), "actual": 1e6})
    columns = [Column("month", kind="month"), *(measure_column(n, DA) for n in ("closed", "received", "actual"))]
    line = figure(plots.series(data, "month", "closed", DA), name, "Afsluttede sager.", data, columns, DA)
    first = [
        heading("Overblik", page=True),
        message(["a", name], title="Hovedbudskaber"),
        grid(line, table(data, columns, "Tabel", DA)),
    ]
    return new_notebook(cells=showing(*first, heading("Drift"), heading("Sager", level=3), line, message(name)))


def made(notebook: NotebookNode, title: str = "Tilsyn Øst", **settings: Any) -> str:
    stamp = {
        "institution": "Eksempelstyrelsen",
        "unit": title,
        "period": "marts 2025",
        "audience": "unit_manager",
        "data": "3f9a",
    }
    return export.html(notebook, language="da", title=title, subtitle="marts 2025", stamp=stamp, **settings)


class Page(HTMLParser):
    """What a browser would find: tags with attributes, in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.mark.parametrize("name", ["Tilsyn Øst", NAME])
def test_a_report_is_whole_safe_and_readable_whatever_the_unit_is_called(name: str) -> None:
    html = made(report(name), name)
    page = Page(html)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]

    assert page.tags[0] == ("html", {"lang": "da"})
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert [len(page.all(tag)) for tag in ("header", "nav", "main", "footer", "h1", "script", "link", "iframe")] == [
        1,
        1,
        1,
        1,
        1,
        0,
        0,
        0,
    ]
    assert all(image.get("alt") and str(image["src"]).startswith("data:image/") for image in page.all("img"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("details"))
    assert all(header.get("scope") in ("col", "row", "colgroup") for header in page.all("th"))
    assert all(str(link["href"]).startswith("#") for link in page.all("a"))
    labels = [region["aria-label"] for region in page.all("div") if region.get("role") == "region"]
    assert len(labels) == len(set(labels))
    assert not re.search(r"[\u202a-\u202e]|url\(|@import|https?:", html.replace("http-equiv", ""))


def test_every_link_of_the_contents_leads_to_a_heading() -> None:
    page = Page(made(report()))
    ids = [attributes["id"] for tag, attributes in page.tags if tag in ("h2", "h3")]

    assert [str(link["href"]) for link in page.all("a")] == ["#main", *(f"#{i}" for i in ids)]


def test_the_stamp_is_in_the_head_and_in_words_in_the_footer() -> None:
    html = made(report(), footer={"Metode": "se bilag"})

    assert '<meta name="mi-audience" content="unit_manager">' in html
    assert "<li><b>Målgruppe</b> Enhedens leder</li>" in html
    assert "<li><b>Metode</b> se bilag</li>" in html
    assert '<p class="kicker">Eksempelstyrelsen</p>' in html
    assert "<title>Tilsyn Øst – marts 2025 – Eksempelstyrelsen</title>" in html


def test_code_warnings_parameters_prose_scripts_and_widgets_never_reach_a_report() -> None:
    leaks = new_code_cell("x", outputs=[
        new_output("stream", name="stderr", text="/home/ida/w.py: Warning"),
        new_output("display_data", data={"application/javascript": "evil()", "text/plain": "<Javascript>"}),
        new_output("display_data", data={export.WIDGET: {"model_id": "1"}, "text/plain": "Dropdown()"}),
        new_output("display_data", data={"text/html": "<b onclick='evil()'>ok</b><script>evil()</script><form></form>"
                                                      "<img src='https://evil.example/x.png'><a href='file:///etc'>a</a>"}),
    ])  # fmt: skip
    hidden = [cell({"text/plain": "unit = '07'"}, tags=(tag,)) for tag in ("parameters", "injected-parameters", "hide")]
    html = made(new_notebook(cells=[new_markdown_cell("# For analysts"), leaks, *hidden, *report().cells]))

    for leak in (
        "secret_code",
        "/home/ida",
        "evil",
        "Dropdown",
        "unit = ",
        "For analysts",
        "<form",
        "file:",
        "<script",
    ):
        assert leak not in html
    assert "<b>ok</b>" in html


def test_a_failed_cell_makes_no_report() -> None:
    failed = new_code_cell("x", outputs=[new_output("error", ename="KeyError", evalue="secret", traceback=["secret"])])

    with pytest.raises(export.ExportError, match=r"^Cell 2 failed with KeyError\.$"):
        made(new_notebook(cells=[new_markdown_cell("a"), failed]))


def test_a_figure_of_ours_that_lacks_something_names_its_cell() -> None:
    bare = {
        "text/html": "<figure></figure>",
        JSON: {"version": 1, "kind": "figure", "title": "", "alternative": "x", "columns": []},
    }

    with pytest.raises(export.ExportError, match=r"^The figure of cell 1 has no title and no columns\.$"):
        made(new_notebook(cells=[cell(bare)]))


def test_a_plain_image_fails_our_own_notebook_and_is_marked_in_another() -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell("# Title\n\n### Deep"),
            cell({"image/png": PIXEL}),
            cell({"image/png": PIXEL}, alt="Kort"),
        ]
    )

    with pytest.raises(
        export.ExportError,
        match=r"^Cell 2 shows an image without title, alternative text and numbers; use figure\(\)\.$",
    ):
        made(notebook)
    html = made(notebook, own=False)
    assert [image["alt"] for image in Page(html).all("img")] == ["Figur uden beskrivelse", "Kort"]
    assert [tag for tag, _ in Page(html).tags if re.fullmatch("h[1-6]", tag)] == ["h1", "h2", "h3"]
    assert export.undescribed(notebook) == [2]


def test_the_same_notebook_gives_the_same_page_also_after_a_round_trip() -> None:
    stored = nbformat.reads(nbformat.writes(report()), as_version=4)

    assert made(report()) == made(report()) == made(stored)


def test_outputs_are_told_in_order_and_grids_item_by_item() -> None:
    assert [item["kind"] for item in export.outputs(report())] == ["message", "figure", "table", "figure", "message"]


def test_the_policy_of_a_page_allows_its_own_script_only() -> None:
    html = export.page("Index", "<p>x</p>", language="en", script="let a = 1")

    assert "script-src 'sha256-" in html
    assert html.count("<script>") == 1
    assert "script-src" not in made(report())


def test_english_is_english() -> None:
    html = export.html(report(), language="en", title="East", stamp={"audience": "public"})

    assert '<html lang="en">' in html
    assert "Skip to content" in html
    assert "<li><b>Audience</b> Public</li>" in html
