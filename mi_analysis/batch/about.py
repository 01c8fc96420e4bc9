"""What a report says about itself: institution, title, period, extraction, edition, stamp."""

from typing import Any

from mi_analysis.batch.plan import Job, Plan
from mi_analysis.batch.record import Record, package_version
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.lookup import words_of as words_in


def words_of(plan: Plan, prepared: Any) -> Words:
    """Words and formats in the run's language and the institution's currency."""
    return words_in(prepared.institution, plan.run_file.language)


def institution_name(plan: Plan, prepared: Any) -> str:
    """Name in the run's language."""
    return str(prepared.institution.name.said(plan.run_file.language))


def report_name(notebook: str, title: str, words: Words) -> str:
    """What a kind of report is called in print: the words' name, else the notebook's first heading."""
    stem = notebook.lstrip("0123456789_")
    return next((words.text(key) for key in (f"report.{stem}", f"index.{stem}") if words.has(key)), title)


def extracted(prepared: Any) -> str:
    """Day of the newest extraction, else the day the figures stand at; ISO, blank where neither is known."""
    days = [item.extracted_at for item in prepared.audit.received if item.extracted_at]
    return str(max(days, default=prepared.audit.as_of or ""))[:10]


def about_report(plan: Plan, job: Job, prepared: Any, version: Record, data: str) -> dict[str, Any]:
    """Title, subtitle and stamp of a report, and what its workbook needs: words, day of extraction."""
    words = words_of(plan, prepared)
    institution = institution_name(plan, prepared)
    unit, activity = name_of(prepared.units, "unit", job.unit), name_of(prepared.activities, "activity", job.activity)
    day = extracted(prepared)
    report = report_name(job.notebook.name, job.notebook.title, words)
    stamp = {
        "institution": institution, "report": report, "unit": job.unit, "activity": job.activity,
        "period": job.period, "audience": plan.run_file.audience, "extracted": day, "data": data[:12],
        "version": package_version(), "edition": edition_text(version, words), "language": plan.run_file.language,
    }  # fmt: skip
    subtitle = [
        words.period(job.period) if job.period else "",
        words.text("index.extracted", date=words.date(day)) if day else "",
    ]
    return {
        "language": plan.run_file.language, "title": " · ".join(filter(None, (unit, activity))) or institution,
        "subtitle": " · ".join(filter(None, subtitle)), "stamp": {k: v for k, v in stamp.items() if v},
        "words": words, "created": day, "own": "source" in job.notebook.parameters,
    }  # fmt: skip


def name_of(rows: Any, column: str, code: str) -> str:
    """Newest name of a unit or activity, with its code."""
    names = list(rows.loc[rows[column].astype(str) == code, "name"]) if code else []
    return f"{names[-1]} ({code})" if names else code


def edition_text(version: Record, words: Words) -> str:
    """'1', or 'Udgave 2, erstatter 1' without the first word (the label says it)."""
    replaces = version.data["replaces"]
    return words.text("index.replaces", version=version.version, before=replaces) if replaces else str(version.version)
