"""The page that leads to every report of a version, for whoever ran it."""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mi_analysis.batch import comments
from mi_analysis.batch.about import edition_text, extracted, institution_name, name_of, report_name, words_of
from mi_analysis.batch.plan import Plan
from mi_analysis.batch.record import FINISHED, Record, newest, write_whole
from mi_analysis.reporting import export, standard
from mi_analysis.reporting.presentation import escape, with_symbol
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words

TONE = {"made": "good", "unchanged": "good", "failed": "bad", "stopped": "bad"}
MOST_REMARKS = 200


def write(version: Record, plan: Plan, prepared: Any) -> None:
    """Write ``index.html`` of a version from its record."""
    words = words_of(plan, prepared)
    data, name = version.data, institution_name(plan, prepared)
    period = words.period(data["period"]) if data["period"][:1].isdigit() else data["period"]
    edition = f"{words.text('stamp.edition')} {edition_text(version, words)}"
    parts = (_totals(data, words), _failures(data, words), _unexplained(version, prepared, words),
             _reports(version, plan, prepared, words), _suppliers(prepared, data["period"], words),
             _remarks(data, words), _left_out(data, words))  # fmt: skip
    body = "".join(parts)
    stamp = {"institution": name, "period": data["period"],
             "audience": data["audience"], "extracted": extracted(prepared), "data": data["model"][:12],
             "version": data["package"], "edition": edition_text(version, words)}  # fmt: skip
    title = words.text("index.title", period=period)
    stamp = {name: value for name, value in stamp.items() if value}
    day = words.text("index.extracted", date=words.date(stamp["extracted"])) if "extracted" in stamp else ""
    subtitle, footer = " · ".join(filter(None, (edition, day))), {words.text("index.run"): plan.run}
    script = export.script("index")
    page = export.page(
        title, body, language=data["language"], subtitle=subtitle, stamp=stamp, footer=footer, script=script
    )
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


def _state(state: str, words: Words) -> str:
    return (
        f'<span class="status">{with_symbol(TONE.get(state, "none"), words.text(f"index.state_{state}"), words)}</span>'
    )


def _totals(data: dict[str, Any], words: Words) -> str:
    counts = Counter(job["state"] for job in data["jobs"].values())
    parts = [words.text("index.count", n=words.number(n), state=words.lower(words.text(f"index.state_{state}")))
             for state, n in counts.most_common()]  # fmt: skip
    lines = [words.text("index.total", n=words.number(sum(counts.values())), parts=", ".join(parts))]
    headlines = [job.get("headline", {}) for job in data["jobs"].values()]
    moved = [headline["moved"] for headline in headlines if headline.get("moved") is not None]
    if data["replaces"] and moved:
        values = {"n": words.number(sum(moved)), "reports": words.number(sum(map(bool, moved)))}
        lines.append(words.text("index.moved", before=data["replaces"], **values))
    return f'<p class="lead">{"<br>".join(map(escape, lines))}</p>' + _find(words)


def _find(words: Words) -> str:
    """A box to find rows with; shown by the script that it needs."""
    label, told = escape(words.text("index.find")), escape(words.text("index.found"))
    return (
        f'<p class="find" hidden><label for="find">{label}</label> <input id="find" type="search" autocomplete="off"> '
        f'<span id="found" role="status" data-text="{told}"></span></p>'
    )


def _failures(data: dict[str, Any], words: Words) -> str:
    failed = {key: job for key, job in data["jobs"].items() if job["state"] in ("failed", "stopped")}
    if not failed:
        return ""
    items = "".join(
        f"<li>{escape(key)}: {escape(job.get('message', ''))}{_link(f'{key}.log', words.text('index.log'), job)}</li>"
        for key, job in failed.items()
    )
    again = escape(words.text("index.again", command="{}")).replace("{}", f"<code>{escape(data['again'])}</code>")
    head = escape(words.text("index.failures"))
    return f'<h2>{head}</h2><div class="message bad"><ul>{items}</ul><p>{again}</p></div>'


def _unexplained(version: Record, prepared: Any, words: Words) -> str:
    """Figures whose required explanation is missing, and the workbook to give it in."""
    rows, astray = comments.missing(version), comments.astray(version, prepared)
    codes = [f"{_explains(unit, prepared, words)}: {code}" for unit, code in astray]
    loose = f"<p>{escape(words.text('index.astray', codes='; '.join(codes)))}</p>" if codes else ""
    if not rows:
        return loose
    items = []
    for unit in dict.fromkeys(row["unit"] for row in rows):
        figures = [f"{row['figure']} ({words.lower(row['why'])})" for row in rows if row["unit"] == unit]
        items.append(f"<li>{escape(_explains(unit, prepared, words))}: {escape('; '.join(figures))}</li>")
    link = f'<a href="{comments.FILE}">{comments.FILE}</a>'
    how = escape(words.text("index.explain", file="{file}")).replace("{file}", link)
    total = escape(words.text("index.unexplained_count", n=words.number(len(rows))))
    return (
        f"<h2>{escape(words.text('index.unexplained'))}</h2><p>{total} {how}</p>"
        f"<details><summary>{escape(words.text('index.show'))}</summary><ul>{''.join(items)}</ul></details>{loose}"
    )


def _explains(unit: str, prepared: Any, words: Words) -> str:
    """Who gives an explanation: a unit, or for a blank one the institution."""
    return name_of(prepared.units, "unit", unit) or words.text("index.of_institution")


def _link(file: str, text: str, job: dict[str, Any]) -> str:
    return f' <a href="{quote(file)}">{escape(text)}</a>' if job["state"] != "stopped" else ""


def _reports(version: Record, plan: Plan, prepared: Any, words: Words) -> str:
    """A table each for the institution, its units and its activities: what has a report, by kind of report."""
    kinds: dict[str, dict[str, list[tuple[str, dict[str, Any]]]]] = {}
    for key, job in version.jobs.items():
        kind = "unit" if job["unit"] else "activity" if job["activity"] else "institution"
        kinds.setdefault(kind, {}).setdefault(job["unit"] or job["activity"], []).append((key, job))
    order = _order(prepared.units)
    parts = []
    for kind in ("institution", "unit", "activity"):
        rows = kinds.get(kind, {})
        known = prepared.units if kind == "unit" else prepared.activities
        names = {code: name_of(known, kind, code) for code in rows}
        named = sorted(((order.get(code, (code,)), code, name) for code, name in names.items()))
        labelled = [(name or institution_name(plan, prepared), rows[code]) for _, code, name in named]
        parts.append(_table(kind, labelled, prepared, _earlier(version), words))
    return "".join(parts)


EARLIER = 3
"""Periods before this one that the index leads to."""


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


def _above(prepared: Any, found: list[tuple[str, dict[str, Any]]]) -> str:
    """Name of the unit that a row's unit belongs to."""
    rows = prepared.units[prepared.units["unit"].astype(str) == found[0][1]["unit"]]
    parent = str(rows["parent"].iloc[-1]) if len(rows) else ""
    names = prepared.units.loc[prepared.units["unit"].astype(str) == parent, "name"]
    return str(names.iloc[-1]) if parent and len(names) else ""


def _signals(found: list[tuple[str, dict[str, Any]]], words: Words) -> str:
    """Key figures with a signal in the newest month, each with its word."""
    headlines = [job.get("headline", {}) for _, job in found]
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


Row = tuple[str, list[tuple[str, dict[str, Any]]]]


def _table(kind: str, rows: list[Row], prepared: Any, before: dict[str, list[tuple[str, str]]], words: Words) -> str:
    """Rows of one kind: name, a cell per kind of report, headline figures, signals, earlier periods, where it belongs."""
    if not rows:
        return ""
    jobs = [job for _, found in rows for _, job in found]
    titles = {job["notebook"]: report_name(job["notebook"], job["title"], words) for job in jobs}
    figures = [name for name in ("goal_degree", "deviation") if any(name in job.get("headline", {}) for job in jobs)]
    above = {label: _above(prepared, found) if kind == "unit" else "" for label, found in rows}
    told = {label: _signals(found, words) for label, found in rows}
    notes = [(words.text("index.signals"), told)] if any(told.values()) else []
    notes += [(words.text("index.part_of"), above)] if len(set(above.values())) > 1 else []
    heads = [f'<th scope="col">{escape(text)}</th>' for text in (words.text(f"dim.{kind}"), *titles.values())]
    heads += [f'<th scope="col" class="n">{escape(words.measure(name))}</th>' for name in figures]
    heads += [f'<th scope="col">{escape(text)}</th>' for text, _ in notes]
    earlier = {label: _links_to(before, found, label, words) for label, found in rows}
    heads += [f'<th scope="col">{escape(words.text("index.earlier"))}</th>'] if any(earlier.values()) else []
    body = []
    for label, found in rows:
        cells = []
        for notebook, title in titles.items():
            own = [_cell(job, title, label, prepared, words) for _, job in found if job["notebook"] == notebook]
            cells.append(f'<td class="w">{"<br>".join(own)}</td>')
        cells += [_figure(found, name, words) for name in figures]
        cells += [f'<td class="long">{escape(text[label])}</td>' for _, text in notes]
        cells += [f"<td>{earlier[label]}</td>"] if any(earlier.values()) else []
        body.append(f'<tr><th scope="row">{escape(label)}</th>{"".join(cells)}</tr>')
    over = escape(words.text(f"index.of_{kind}"))
    title = escape(words.text(f"index.caption_{kind}", n=words.number(len(rows))))
    return (
        f'<h2>{over}</h2><div class="table"><div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f'<table class="sorts"><caption>{title}</caption><thead><tr>{"".join(heads)}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div></div>"
    )


def _links_to(
    before: dict[str, list[tuple[str, str]]], found: list[tuple[str, dict[str, Any]]], label: str, words: Words
) -> str:
    """The first report of a row in each earlier period."""
    pages = next((before[key] for key, _ in found if key in before), [])
    return ", ".join(
        f'<a href="{address}" aria-label="{escape(f"{words.period(period)}, {label}")}">{escape(period)}</a>'
        for period, address in pages
    )


def _figure(found: list[tuple[str, dict[str, Any]]], name: str, words: Words) -> str:
    value = next((job["headline"][name] for _, job in found if name in job.get("headline", {})), None)
    text = words.signed_money(value) if name == "deviation" else words.quantity(value, name)
    return f'<td class="n" data-v="{"" if value is None else value}">{escape(text)}</td>'


def _cell(job: dict[str, Any], title: str, label: str, prepared: Any, words: Words) -> str:
    """State and links of one report; of a unit and an activity, the activity's name too."""
    files = {output["file"].rpartition(".")[2]: output["file"] for output in job["outputs"]}
    text = _state(job["state"], words)
    if job["unit"] and job["activity"]:
        text = f"{escape(name_of(prepared.activities, 'activity', job['activity']))}: {text}"
    names = {kind: words.text(f"index.{key}") for kind, key in (("html", "open"), ("pdf", "pdf"), ("xlsx", "workbook"))}
    links = [f'<a href="{quote(files[kind])}" aria-label="{escape(f"{name}: {title}, {label}")}">{escape(name)}</a>'
             for kind, name in names.items() if kind in files]  # fmt: skip
    bare = job.get("headline", {}).get("undescribed")
    mark = f"<br>{escape(words.text('symbol.attention'))} {escape(words.text('document.undescribed'))}" if bare else ""
    return " ".join((text, *links)) + mark


def _suppliers(prepared: Any, period: str, words: Words) -> str:
    """How each supplier kept what was agreed, in the newest month up to the period."""
    last = f"{period[:4]}-{int(period[6]) * 3:02}" if period[5:6] == "Q" else period
    frame = prepared.suppliers
    frame = frame[frame["month"].str[:7] <= (last if len(last) == 7 else "9999")]
    if not len(frame):
        return ""
    month = frame["month"].max()
    shown = standard.scorecard(frame[frame["month"] == month], words.period(month[:7]), words)
    if shown is None:
        return ""
    return f"<h2>{escape(words.text('heading.quality.scorecard'))}</h2>{shown.html}"


def _remarks(data: dict[str, Any], words: Words) -> str:
    """What was found about the deliveries: what stopped them first, then reservations."""
    if not data["remarks"]:
        return ""
    found = data["remarks"]
    told = [
        ("bad" if one["severity"] == "stop" else "attention", finding_text(one, words)) for one in found[:MOST_REMARKS]
    ]
    items = [f"<li>{with_symbol(tone, text, words)}</li>" for tone, text in told]
    if len(found) > MOST_REMARKS:
        items.append(f"<li>{escape(words.text('index.more', n=words.number(len(found) - MOST_REMARKS)))}</li>")
    head = escape(words.text("index.remarks"))
    return f'<h2>{head}</h2><div class="message attention"><ul>{"".join(items)}</ul></div>'


def remarks(prepared: Any) -> list[dict[str, Any]]:
    """Findings as plain values, each with the file it is about; what stopped a delivery first."""
    audit = prepared.audit
    found = [("", finding) for finding in audit.findings]
    found += [(item.file, finding) for item in audit.received for finding in item.findings]
    plain = [{"file": file, "key": f.key, "severity": f.severity, "values": dict(f.values)} for file, f in found]
    return sorted(plain, key=lambda remark: ("stop", "warn", "note").index(remark["severity"]))


def finding_text(remark: dict[str, Any], words: Words) -> str:
    """A remark in words, beginning with its file; key and values where the words do not know it."""
    key, values = remark["key"], remark["values"]
    if words.has(f"finding.{key}"):
        text = sentence(f"finding.{key}", values, words)
    else:
        text = f"{key}: " + ", ".join(f"{name} {value}" for name, value in values.items())
    return f"{remark['file']}: {text}" if remark["file"] and remark["file"] not in text else text


def _left_out(data: dict[str, Any], words: Words) -> str:
    if not data["left_out"]:
        return ""
    items = "".join(f"<li>{escape(key)}: {escape(because)}</li>" for key, because in data["left_out"])
    return f"<h2>{escape(words.text('index.left_out'))}</h2><ul>{items}</ul>"
