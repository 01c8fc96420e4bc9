"""The workbook in which units explain their figures: written beside the index, read back as a delivery."""

from datetime import date
from typing import Any

from mi_analysis.batch.record import Record, write_whole
from mi_analysis.reporting import workbook
from mi_analysis.reporting.wording import Words

FILE = "comments.xlsx"
COLUMNS = ("unit", "unit_name", "period", "measure", "figure", "why", "text", "role", "date")


def owed(version: Record) -> list[dict[str, str]]:
    """A row per unit and figure that needs an explanation, with the one given; a blank unit is the institution."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for job in version.jobs.values():
        for one in job.get("headline", {}).get("explanations", []):
            known = {name: str(value) if value else "" for name, value in one.items()}
            row = {"unit": job["unit"], "period": job["period"], "unit_name": "", **known}
            rows.setdefault((job["unit"], known["measure"]), row)
    return [rows[key] for key in sorted(rows)]


def missing(version: Record) -> list[dict[str, str]]:
    """Those of `owed` that have no text."""
    return [row for row in owed(version) if not row["text"]]


def astray(version: Record, prepared: Any) -> list[tuple[str, str]]:
    """Unit (blank: the institution) and code of explanations for the period that no figure of a finished report asks for."""
    asked = {(row["unit"], row["measure"]) for row in owed(version)}
    reported = {job["unit"] for job in version.jobs.values() if job.get("headline")}
    rows = prepared.comments
    rows = rows[rows["period"] == version.data["period"]]
    given = {("" if row.unit == prepared.root else str(row.unit), str(row.measure)) for row in rows.itertuples()}
    return sorted((unit, code) for unit, code in given - asked if unit in reported)


def write(version: Record, prepared: Any, day: str) -> None:
    """Write ``comments.xlsx`` of a version, where any figure needs an explanation.

    Its headers are in the institution's language, whatever the run's is, so that the source in
    ``institution.yaml`` that reads it back stays the same.
    """
    rows = owed(version)
    if not rows:
        return
    words = Words(prepared.institution.language)
    names = dict(zip(prepared.units["unit"].astype(str), prepared.units["name"], strict=True))
    lines = [[(row | {"unit_name": str(names.get(row["unit"], ""))})[name] for name in COLUMNS] for row in rows]
    headers = [words.text(f"explain.{name}") for name in COLUMNS]
    created, title = date.fromisoformat(day or "2000-01-01"), words.text("caption.comments")
    write_whole(version.folder / FILE, workbook.form(headers, lines, title=title, created=created))
