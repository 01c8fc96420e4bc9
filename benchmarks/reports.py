"""Export of a unit report: CPU seconds of page, workbook and PDF, warm, and their sizes.

Run: ``python benchmarks/reports.py REPORT.ipynb`` with the executed notebook beside any unit's page in ``outputs/``. What is
measured is what a worker does after the notebook has run. Last figures stand in ``benchmarks/README.md``.
"""

import gzip
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import nbformat

from mi_analysis.reporting import export, pdf, workbook
from mi_analysis.reporting.wording import Words

ROUNDS = 9


def least(make: Callable[[], bytes]) -> tuple[float, bytes]:
    """Least CPU seconds of the rounds after a first one, and what is made."""
    made, times = make(), []
    for _ in range(ROUNDS):
        begun = time.process_time()
        made = make()
        times.append(time.process_time() - begun)
    return min(times), made


def main(file: Path) -> None:
    notebook, words = nbformat.read(file, as_version=4), Words("da")
    stamp = {"institution": "Eksempelstyrelsen", "report": "Enhedsrapport", "audience": "unit_manager"}

    def page() -> bytes:
        return export.html(notebook, language="da", title="Tilsyn Øst", stamp=stamp).encode()

    def book() -> bytes:
        return workbook.workbook(notebook, words, title="Tilsyn Øst", created=date(2026, 1, 13), stamp=stamp)

    seconds, html = least(page)
    print(f"HTML {1000 * seconds:.0f} ms, {len(html) / 1000:.0f} kB, {len(gzip.compress(html)) / 1000:.0f} kB gzipped")
    seconds, content = least(book)
    print(f"workbook {1000 * seconds:.0f} ms, {len(content) / 1000:.0f} kB")
    if not pdf.missing():
        seconds, content = least(lambda: pdf.pdf(html.decode()))
        print(f"PDF {seconds:.2f} s, {len(content) / 1000:.0f} kB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
