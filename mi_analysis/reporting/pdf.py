"""The PDF of a report: the same page, tagged after PDF/UA-1, made by WeasyPrint (the extra ``pdf``).

The page is complete in itself, so nothing is fetched: addresses other than ``data:`` are barred,
local files among them. The page stays the accessible original; the print rules are in ``style.css``.
"""

import gc
import importlib
import re
from typing import Any

FOOT = """
@page { @bottom-left { content: string(about); font: 8pt "Segoe UI", Arial, "DejaVu Sans", sans-serif; color: #55616d; } }
h1 { string-set: about content(); }
"""
"""The title at the foot of every sheet; no browser knows these rules, so they are not in the page."""
INSTALL = (
    "Install it with: python -m pip install 'mi-analysis[pdf]', and on Debian or Ubuntu:"
    " apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0"
)


def missing() -> str:
    """What this machine lacks for PDF, as a sentence; blank when nothing is."""
    try:
        importlib.import_module("weasyprint")
    except ImportError:
        return "needs WeasyPrint, which is not installed."
    except OSError:
        return "needs the library Pango (1.44 or newer), which is not on this machine."
    return ""


def pdf(page: str) -> bytes:
    """A page as PDF/UA-1: tags, bookmarks, language, title, table headers on every sheet; same page, same bytes.

    Raises
    ------
    ImportError, OSError
        WeasyPrint or Pango is missing; ask `missing` first.
    """
    from weasyprint import CSS, HTML
    from weasyprint.urls import URLFetcher

    unprinted = re.sub(r"<details>.*?</details>", "", page, flags=re.DOTALL)  # hidden in print, and slow to lay out
    fetcher = URLFetcher(allowed_protocols=["data"])
    collects = gc.isenabled()
    gc.disable()  # nothing made on the way is done with before the end, and looking for it took a tenth of the time
    try:
        written: bytes = HTML(string=unprinted, url_fetcher=fetcher).write_pdf(
            pdf_variant="pdf/ua-1", finisher=_with_scope, stylesheets=[CSS(string=FOOT)]
        )
    finally:
        if collects:
            gc.enable()
    return written


def _with_scope(document: Any, written: Any) -> None:
    """Say of each header cell whether it heads a column or a row; WeasyPrint names only each cell's headers."""
    objects = written.objects
    for row in [item for item in objects if _kind(item) == "/TR"]:
        scope = "/Column" if _kind(objects[_number(row["P"])]) == "/THead" else "/Row"
        for cell in (objects[_number(reference)] for reference in row["K"]):
            if _kind(cell) == "/TH":
                cell["A"]["Scope"] = scope


def _kind(item: Any) -> str:
    return str(item.get("S", "")) if isinstance(item, dict) else ""


def _number(reference: bytes) -> int:
    return int(reference.split()[0])
