"""The page that leads to every report of a version, for whoever ran it; its form is ``template/run.html.j2``."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd

from mi_analysis.batch import comments
from mi_analysis.batch.about import edition_text, extracted, institution_name, name_of, report_name, words_of
from mi_analysis.batch.plan import Plan
from mi_analysis.batch.record import FINISHED, Record, newest, write_whole
from mi_analysis.batch.worker import HEADLINE
from mi_analysis.reporting import export, standard
from mi_analysis.reporting.presentation import escape, with_symbol
from mi_analysis.reporting.wording import Words, grain_of
from mi_analysis.workbench.accounts import remark_text

TONE = {"made": "good", "unchanged": "good", "failed": "bad", "stopped": "bad"}
LINKS = {"html": "open", "pdf": "pdf", "xlsx": "workbook"}
"""Word of the link to each kind of file."""
MOST_REMARKS = 200
EARLIER = 3
"""Periods before this one that the index leads to."""
Jobs = Mapping[str, Mapping[str, Any]]


def write(version: Record, plan: Plan, prepared: Any) -> None:
    """Write ``index.html`` of a version from its record."""
    data, day = version.data, extracted(prepared)
    words = replace(words_of(plan, prepared), grain=grain_of(data["period"]))
    edition = edition_text(version, words)
    missing = comments.missing(version)
    by_unit = {
        unit: [row for row in missing if row["unit"] == unit] for unit in dict.fromkeys(row["unit"] for row in missing)
    }

    def explains(unit: str) -> str:
        return name_of(prepared.units, "unit", unit) or words.text("index.of_institution")

    body = export.rendered(
        "run", words, totals=_totals(data, words), again=data["again"], comments=comments.FILE,
        failed={key: job for key, job in version.jobs.items() if job["state"] in ("failed", "stopped")},
        unexplained=[
            f"{explains(unit)}: " + "; ".join(f"{row['figure']} ({words.lower(row['why'])})" for row in rows)
            for unit, rows in by_unit.items()
        ],
        unexplained_count=words.text("index.unexplained_count", n=words.number(len(missing))),
        astray=[f"{explains(unit)}: {code}" for unit, code in comments.astray(version, prepared)],
        tables=_tables(version, plan, prepared, words), suppliers=_suppliers(prepared, data["period"], words),
        remarks=_remarks(data["remarks"], words), left_out=data["left_out"],
    )  # fmt: skip
    stamp = {
        "institution": institution_name(plan, prepared), "period": data["period"], "audience": data["audience"], "extracted": day,
        "data": data["model"][:12], "version": data["package"], "edition": edition,
    }  # fmt: skip
    period = words.period(data["period"]) if data["period"][:1].isdigit() else data["period"]
    as_of = words.text("index.extracted", date=words.date(day)) if day else ""
    page = export.page(
        words.text("index.title", period=period), body, language=data["language"],
        subtitle=" · ".join(filter(None, (f"{words.text('stamp.edition')} {edition}", as_of))),
        stamp={name: value for name, value in stamp.items() if value}, footer={words.text("index.run"): plan.run}, script=export.template("index.js"),
    )  # fmt: skip
    write_whole(version.folder / "index.html", page)


def write_latest(outputs: Path, plan: Plan) -> None:
    """Write ``latest.html``, which leads to the newest version of the newest period."""
    records = [newest(folder) for folder in sorted(outputs.iterdir()) if folder.is_dir() and folder.name[:1] != "."]
    dated = [found for found in records if found and (found.folder / "index.html").is_file()]
    if not dated:
        return
    found = max(dated, key=lambda record: (record.data["period"][:1].isdigit(), record.data["period"]))
    address = quote(f"{found.folder.parent.name}/{found.folder.name}/index.html")
    words = Words(plan.run_file.language)
    text = escape(words.text("index.newest"))
    page = (
        f'<!DOCTYPE html>\n<html lang="{plan.run_file.language}">\n<head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="0; url={address}"><title>{text}</title></head>\n'
        f'<body><h1>{text}</h1><p><a href="{address}">{text}: {escape(found.data["period"])}</a></p></body>\n</html>\n'
    )
    write_whole(outputs / "latest.html", page)


def _totals(data: Mapping[str, Any], words: Words) -> list[str]:
    counts = Counter(job["state"] for job in data["jobs"].values())
    parts = [words.text("index.count", n=words.number(n), state=words.lower(words.text(f"index.state_{state}")))
             for state, n in counts.most_common()]  # fmt: skip
    lines = [words.text("index.total", n=words.number(sum(counts.values())), parts=", ".join(parts))]
    headlines = [job.get("headline", {}) for job in data["jobs"].values()]
    moved = [headline["moved"] for headline in headlines if headline.get("moved") is not None]
    if data["replaces"] and moved:
        values = {"n": words.number(sum(moved)), "reports": words.number(sum(map(bool, moved)))}
        lines.append(words.text("index.moved", before=data["replaces"], **values))
    return lines


# --- what has a report ---------------------------------------------------------------------------------------------


def _tables(version: Record, plan: Plan, prepared: Any, words: Words) -> list[dict[str, Any]]:
    """A table each for the institution, its units and its activities: a row for each that has a report."""
    found: dict[str, dict[str, dict[str, Mapping[str, Any]]]] = {"institution": {}, "unit": {}, "activity": {}}
    for key, job in version.jobs.items():
        kind = "unit" if job["unit"] else "activity" if job["activity"] else "institution"
        found[kind].setdefault(job["unit"] or job["activity"], {})[key] = job
    before, order, tables = _earlier(version), _order(prepared.units), []
    names = dict(zip(prepared.units["unit"].astype(str), prepared.units["name"], strict=True))
    for kind, codes in found.items():
        known = prepared.units if kind == "unit" else prepared.activities
        jobs = [job for own in codes.values() for job in own.values()]
        titles = {job["notebook"]: report_name(job["notebook"], job["title"], words) for job in jobs}
        figures = [name for name in HEADLINE if any(name in job.get("headline", {}) for job in jobs)]
        rows = []
        for code in sorted(codes, key=lambda code: (order.get(code, (code,)), code)):
            own = codes[code]
            path: tuple[str, ...] = order.get(code, ()) if kind == "unit" else ()
            rows.append({
                "label": name_of(known, kind, code) or institution_name(plan, prepared),
                "reports": {name: [_report(job, prepared, words) for job in own.values() if job["notebook"] == name] for name in titles},
                "figures": {name: _figure(own, name, words) for name in figures}, "signals": _signals(own, words),
                "part_of": names.get(path[-2], "") if len(path) > 1 else "",
                "earlier": next((before[key] for key in own if key in before), []),
            })  # fmt: skip
        told = {"signals": any(row["signals"] for row in rows), "part_of": len({row["part_of"] for row in rows}) > 1,
                "earlier": any(row["earlier"] for row in rows)}  # fmt: skip
        tables.append({
            "kind": kind, "titles": titles, "rows": rows, "caption": words.text(f"index.caption_{kind}", n=words.number(len(rows))),
            "figures": {name: words.measure(name) for name in figures},
            "notes": {name: words.text(f"index.{name}") for name, shown in told.items() if shown},
        })  # fmt: skip
    return [table for table in tables if table["rows"]]


def _report(job: Mapping[str, Any], prepared: Any, words: Words) -> dict[str, Any]:
    """State and links of one report; of a unit and an activity, the activity's name too."""
    files = {output["file"].rpartition(".")[2]: output["file"] for output in job["outputs"]}
    state = with_symbol(TONE.get(job["state"], "none"), words.text(f"index.state_{job['state']}"), words)
    return {
        "activity": name_of(prepared.activities, "activity", job["activity"]) if job["unit"] else "", "state": state,
        "links": {words.text(f"index.{key}"): files[kind] for kind, key in LINKS.items() if kind in files},
        "undescribed": job.get("headline", {}).get("undescribed"),
    }  # fmt: skip


def _figure(jobs: Jobs, name: str, words: Words) -> tuple[Any, str]:
    """A headline figure to sort by, and in print."""
    value = next((job["headline"][name] for job in jobs.values() if name in job.get("headline", {})), None)
    text = words.signed_money(value) if name == "deviation" else words.quantity(value, name)
    return "" if value is None else value, text


def _signals(jobs: Jobs, words: Words) -> str:
    """Key figures with a signal in the newest month, each with its word."""
    headlines = [job.get("headline", {}) for job in jobs.values()]
    signals: list[list[str]] = next((headline["signals"] for headline in headlines if "signals" in headline), [])
    told = [(words.measure(name, "short"), words.lower(words.text(f"signal.{key}"))) for name, key in signals]
    return "; ".join(f"{name}: {signal}" for name, signal in told)


def _order(units: Any) -> dict[str, tuple[str, ...]]:
    """Units under their parents, by code."""
    parents = dict(zip(units["unit"].astype(str), units["parent"].astype(str), strict=True))
    paths: dict[str, tuple[str, ...]] = {}
    for unit in parents:
        path = [unit]
        while (above := parents.get(path[0], "")) and above not in path:
            path.insert(0, above)
        paths[unit] = tuple(path)
    return paths


def _earlier(version: Record) -> dict[str, list[tuple[str, str]]]:
    """Pages of earlier periods by report: period and address, newest first."""
    here = version.folder.parent
    periods = [f for f in here.parent.iterdir() if f.is_dir() and f.name[:1].isdigit() and f.name < here.name]
    periods.sort(reverse=True)
    found: dict[str, list[tuple[str, str]]] = {}
    for record in filter(None, map(newest, periods[:EARLIER])):
        for key, job in record.jobs.items():
            if job["state"] in FINISHED and any(output["file"] == f"{key}.html" for output in job["outputs"]):
                address = quote(f"../../{record.folder.parent.name}/{record.folder.name}/{key}.html")
                found.setdefault(key, []).append((record.data["period"], address))
    return found


# --- what it rests on ----------------------------------------------------------------------------------------------


def _suppliers(prepared: Any, period: str, words: Words) -> str:
    """How each supplier kept what was agreed, in the newest month up to the end of the period."""
    last = str(pd.Period(period).end_time)[:7] if period[:1].isdigit() else "9999"
    frame = prepared.suppliers
    frame = frame[frame["month"].str[:7] <= last]
    if not len(frame):
        return ""
    month = frame["month"].max()
    shown = standard.scorecard(frame[frame["month"] == month], words.period(month[:7]), words)
    return shown.html if shown else ""


def _remarks(found: list[dict[str, Any]], words: Words) -> list[str]:
    """What was found about the deliveries: what stopped them first, then reservations."""
    tones, more = {"stop": "bad", "warn": "attention"}, len(found) - MOST_REMARKS
    told = [with_symbol(tones[one["severity"]], remark_text(one, words), words) for one in found[:MOST_REMARKS]]
    return told + ([escape(words.text("index.more", n=words.number(more)))] if more > 0 else [])
