"""What each supplier delivered, month by month, against what was agreed.

Only days that the files state are judged, never the day of the run: the same deliveries give the same scorecard.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd

from mi_analysis.measures.calendar import working_day, working_days
from mi_analysis.model.audit import Audit, Received
from mi_analysis.model.deliveries import Finding
from mi_analysis.model.values import end_of
from mi_analysis.parameters import Institution

COLUMNS = (
    "supplier", "month", "files", "status", "days_late", "read", "quarantined", "stopped", "mapped", "reconciled", "restated",
)  # fmt: skip


def judged(audit: Audit, institution: Institution) -> Audit:
    """The audit with each delivery's due day and days late, and a finding for what came late or has not come."""
    received = tuple(
        _judged(item, institution) if item.source in institution.sources else item for item in audit.received
    )
    known = [item.extracted_at for item in received if item.extracted_at]
    absent = []
    for name, source in institution.sources.items() if known and audit.periods else ():
        due = due_day(audit.periods[-1], source.contract.due_working_day, institution)
        months = {month_of(item) for item in received if item.source == name}
        if (
            due
            and months
            and due.isoformat() < max(known)
            and max(filter(None, months), default="") < audit.periods[-1]
        ):
            told: dict[str, object] = {"source": name, "due": due.isoformat(), "period": audit.periods[-1][:7]}
            absent.append(Finding("delivery.not_come", "warn", told))
    return replace(audit, received=received, findings=(*audit.findings, *absent))


def due_day(month: str, number: int | None, institution: Institution) -> date | None:
    """The agreed working day of the month after ``month`` (ISO first day)."""
    after = end_of(date.fromisoformat(month), "month") + timedelta(1)
    return working_day(after, number, institution.calendar) if number else None


def _judged(item: Received, institution: Institution) -> Received:
    month = month_of(item)
    number = institution.sources[item.source].contract.due_working_day
    due = due_day(month, number, institution) if month else None
    if due is None or item.extracted_at is None:
        return item
    day = date.fromisoformat(item.extracted_at)
    late = working_days(due + timedelta(1), day, institution.calendar) or 0
    values = {"due": due.isoformat(), "extracted": item.extracted_at, "n": late}
    found = (Finding("delivery.late", "warn", values),) if late else ()
    return replace(item, due=due.isoformat(), days_late=late, findings=(*item.findings, *found))


def month_of(item: Received) -> str:
    """The month a delivery is about, as ISO first day; blank where it does not tell.

    The month in which the last of its periods ended that was over when it was extracted (a budget's lie ahead).
    A case log has no periods: it is about the last month that was over on the day its figures stand at.
    """
    day = item.extracted_at or "9999"
    over = [end for end in item.ended if end <= day] or list(item.ended[:1])
    if not over and item.as_of:
        after = date.fromisoformat(item.as_of) + timedelta(1)
        over = [(after.replace(day=1) - timedelta(1)).isoformat()]
    return f"{over[-1][:7]}-01" if over else ""


def scorecard(audit: Audit, owners: Mapping[str, str], contents: Mapping[str, list[str]]) -> pd.DataFrame:
    """A row per supplier and month, newest month first, as far as ``audit.periods`` reach.

    ``status`` is on_time, late, missing (something has not come) or null where no day was agreed or told; ``read``,
    ``quarantined`` rows; ``stopped`` files left out whole; ``mapped`` per cent of the rows with an activity;
    ``reconciled`` agrees, differs or null without control totals; ``restated`` months that moved since the last build,
    of the newest month only.
    """
    newest = audit.periods[-1] if audit.periods else ""
    absent = {str(one.values["source"]) for one in audit.findings if one.key == "delivery.not_come"}
    absent |= {name for name in audit.missing_sources if name in owners}
    groups: dict[tuple[str, str], list[Received]] = {}
    for item in audit.received:
        month = min(month_of(item) or newest, newest)
        groups.setdefault((month, owners.get(item.source) or item.source), []).append(item)
    for name in absent:
        groups.setdefault((newest, owners[name] or name), [])
    rows = []
    for month, supplier in sorted(sorted(groups, key=lambda group: group[1]), key=lambda group: group[0], reverse=True):
        items = groups[month, supplier]
        own = {source for source, owner in owners.items() if (owner or source) == supplier}
        late = [item.days_late for item in items if item.days_late is not None]
        totals = [total.agrees for item in items for total in item.control_totals]
        placed = [(share, item.activity_rows) for item in items if (share := item.mapped_share()) is not None]
        weight = sum(count for _, count in placed)
        tables = {table for source in own for table in contents.get(source, ())}
        moved = {row.period for row in audit.restated if row.table in tables}
        missing = month == newest and bool(own & absent)
        rows.append({
            "supplier": supplier, "month": month, "files": len(items),
            "status": "missing" if missing else None if not late else "late" if max(late) else "on_time",
            "days_late": max(late, default=None), "read": sum(item.account.read for item in items),
            "quarantined": sum(item.account.quarantined for item in items), "stopped": sum(item.stopped for item in items),
            "mapped": 100 * sum(share * count for share, count in placed) / weight if weight else None,
            "reconciled": None if not totals else "agrees" if all(totals) else "differs",
            "restated": len(moved) if month == newest else None,
        })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))
