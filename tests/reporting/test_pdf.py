import re
import sys
import zlib

import pytest

from mi_analysis.reporting import export, pdf

ROWS = "".join(f'<tr><th scope="row">Øst {n}</th><td class="n">{n}</td></tr>' for n in range(120))
TABLE = (
    '<h2>Drift</h2><table><caption>Sager</caption><thead><tr><th scope="col">Enhed</th><th scope="col">Sager</th></tr>'
    f"</thead><tbody>{ROWS}</tbody></table>"
)


def page(body: str) -> str:
    return export.page("Tilsyn Øst", body, language="da", stamp={"institution": "Styrelsen"})


def unpacked(content: bytes) -> bytes:
    """The PDF with its streams as text."""

    def inflate(found: re.Match[bytes]) -> bytes:
        try:
            return zlib.decompress(found[1])
        except zlib.error:
            return b""

    return re.sub(rb"stream\r?\n(.*?)\r?\nendstream", inflate, content, flags=re.DOTALL)


@pytest.mark.pango
def test_every_sheet_of_a_long_table_has_its_headers_and_they_say_what_they_head() -> None:
    text = unpacked(pdf.pdf(page(TABLE)))

    sheets = len(re.findall(rb"/Type /Page\b", text))
    assert (sheets, text.count(b"/Scope /Row"), text.count(b"/Scope /Column")) == (3, 120, 3 * 2)


@pytest.mark.pango
def test_a_pdf_says_its_language_and_title_and_has_bookmarks() -> None:
    text = unpacked(pdf.pdf(page(TABLE)))

    assert b"/Lang (da)" in text
    assert '<rdf:li xml:lang="x-default">Tilsyn Øst – Styrelsen</rdf:li>'.encode() in text
    assert b"/Title (Drift)" in text  # a bookmark


@pytest.mark.pango
def test_nothing_outside_the_page_is_read(tmp_path) -> None:
    secret = tmp_path / "secret.svg"
    secret.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>secret</text></svg>')
    address = secret.as_uri()

    body = f'<link rel="attachment" href="{address}"><img alt="x" src="{address}"><p>whole</p>'
    content = pdf.pdf(page(body))

    assert b"secret" not in unpacked(content)
    assert b"/EmbeddedFile" not in unpacked(content)


@pytest.mark.pango
def test_the_same_page_gives_the_same_bytes() -> None:
    assert pdf.pdf(page(TABLE)) == pdf.pdf(page(TABLE))


def test_what_is_missing_for_pdf_is_said_in_a_sentence(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    assert pdf.missing() == "needs WeasyPrint, which is not installed."


def test_a_missing_pango_is_said_in_a_sentence(monkeypatch) -> None:
    def without_pango(name: str) -> None:
        raise OSError("cannot load library 'libgobject-2.0-0'")

    monkeypatch.setattr(pdf.importlib, "import_module", without_pango)

    assert pdf.missing() == "needs the library Pango (1.44 or newer), which is not on this machine."
