"""What the figures rest on: deliveries, amounts, control totals, findings, what found no partner, what is hidden."""

import hashlib
from collections.abc import Mapping
from typing import Any

import pandas as pd

from mi_analysis.analysis.basis import Sentence
from mi_analysis.model.audit import Audit, Received
from mi_analysis.model.schema import ALL, NOT_PLACED
from mi_analysis.reporting.sentences import sentence
from mi_analysis.reporting.wording import Words
from mi_analysis.workbench.lookup import Lookup
from mi_analysis.workbench.scorecard import scorecard

EXPECTED = (("hours",), ("absence",), ("staff",), ("ledger",), ("budget",), ("cases", "volumes"), ("goals",))
"""Tables that make the whole picture; of a group one is enough."""
WITHOUT_ACTIVITY = ("registered_hours", "actual", "received")
"""What can lack an activity: hours, money, cases."""
SEVERITIES = {"stop": "stopped", "warn": "warned", "note": "noted"}
"""Word of each severity of a finding, the gravest first."""


class Accounts(Lookup):
    """The audit of the build as frames."""

    def quality(self, language: str = "da") -> list[Sentence]:
        """What the unit's figures rest on, as sentences: rows, activity, reconciliation, what is missing or hidden."""
        received = [item for item in self.audit.received if not item.stopped]
        accounts, words = [item.account for item in received], self.words(language)
        totals = [total for item in received for total in item.control_totals]
        dropped = sum(sum(account.dropped.values()) for account in accounts)
        rows = {name: sum(getattr(account, name) for account in accounts) for name in ("read", "used", "quarantined")}
        counts = {f"rows_{name}": count for name, count in (rows | {"dropped": dropped}).items()}
        found = [Sentence("message.delivered", counts)]
        found += self.reservations(language)
        if shares := self.without_activity():
            said = {name: words.percent(share) for name, share in shares.items()}
            parts = [words.text(f"without_activity.{name}", share=share) for name, share in said.items()]
            high = max(shares.values()) > 100 * (1 - self.institution.limits.coverage_warn)
            tone = "attention" if high else "plain"
            found.append(Sentence("message.without_activity", {"parts": words.listed(parts), "tone": tone}))
        if totals:
            agree = sum(total.agrees for total in totals)
            found.append(Sentence("message.reconciled", {"agree": agree, "total": len(totals)}))
        absent = [words.lower(words.text(f"table.{group[0]}")) for group in EXPECTED if not self.delivered(*group)]
        if absent:
            found.append(Sentence("message.domains", {"names": words.listed(absent), "tone": "attention"}))
        labels = self.source_labels(language)
        left_out = [item.file for item in self.audit.stopped] + [labels[name] for name in self.audit.missing_sources]
        found.append(
            Sentence("message.not_delivered", {"names": words.listed(sorted(set(left_out))), "tone": "bad"})
            if left_out
            else Sentence("message.all_delivered", {})
        )
        hidden = self._hidden()
        found += [Sentence("message.hidden", {"n": hidden})] if hidden else []
        return [*found, *self.organisation(language)]

    def organisation(self, language: str = "da") -> list[Sentence]:
        """In which structure history is told, where it has changed, and what happened to the unit, oldest first."""
        days = pd.to_datetime(self.changes["day"])
        rows = self.changes[(days > pd.Timestamp(self.audit.periods[0])) & (days <= self.ends)]
        if not len(rows):
            return []
        words, structure = self.words(language), self.institution.structure
        told = [
            Sentence(
                f"organisation.{row['kind']}{'_as_was' if structure == 'as_was' and row['kind'] in ('split', 'merged') else ''}",
                {"day": words.date(row["day"]), "others": row["others"], "share": 100 * row["share"]},
            )
            for row in rows[rows["unit"] == self.unit].to_dict("records")
        ]
        return [Sentence(f"organisation.{structure}", {}), *told]

    def reservations(self, language: str = "da") -> list[Sentence]:
        """What the institution says of figures of the desk's period, and which are of another year than the calendar's."""
        found = [
            Sentence("message.reservation", {"text": said.said(language), "tone": "attention"}) for said in self.institution.reservations
            if (said.valid_from or "0001") <= str(self.ends.date()) and str(self.at.date()) <= (said.valid_to or "9999")
        ]  # fmt: skip
        words, names = self.words(language), self.institution.key_figures or ("actual", "budget")
        other = [name for name in names if self.grain == "year" and self.at_of(name) == self.fiscal_at != self.at]
        if other:
            labels = [words.measure(name) for name in other]
            listed = words.listed([*labels[:1], *map(words.lower, labels[1:])])
            values = {"names": listed, "period": words.period(self.fiscal_at, "year"), "tone": "attention"}
            found.append(Sentence("message.fiscal_year", values))
        return found

    def delivered(self, *tables: str) -> bool:
        """Whether a delivery that was used holds one of the tables."""
        return any(set(tables) & set(item.tables) for item in self.audit.received if not item.stopped)

    def without_activity(self) -> dict[str, float]:
        """Share of the unit's hours, money and cases to date that has no activity, in per cent."""
        shares = {}
        for name in WITHOUT_ACTIVITY:
            total, _ = self.value(name, window="ytd", activity=ALL)
            loose, _ = self.value(name, window="ytd", activity=NOT_PLACED)
            if total:
                shares[name] = 100 * (loose or 0) / total
        return shares

    def source_labels(self, language: str = "da") -> dict[str, str]:
        """What each source holds, in words; with the source's own name where two hold the same."""
        words = self.words(language)
        held = {name: [words.text(f"table.{table}") for table in tables] for name, tables in self.contents.items()}
        labels = {name: ", ".join([*tables[:1], *map(words.lower, tables[1:])]) for name, tables in held.items()}
        return {
            name: f"{label} ({name})" if list(labels.values()).count(label) > 1 else label
            for name, label in labels.items()
        }

    def sources(self, language: str = "da") -> pd.DataFrame:
        """A row per source: what it holds, owner, files, last extraction, rows by fate, share with activity, its fate."""
        rows, labels = [], self.source_labels(language)
        cards = self.deliveries()
        for source, owner in self.owners.items():
            own = cards[cards["source"] == source] if len(cards) else cards
            if not len(own) and source not in self.audit.missing_sources:
                continue  # nothing is owed
            placed = own["placed"].sum() if len(own) else 0
            stopped = own["stopped"] if len(own) else pd.Series(dtype=bool)
            fate = "stopped" if stopped.all() else "warned" if stopped.any() else "used"
            rows.append({
                "source": labels.get(source, source), "owner": owner, "files": len(own), "status": fate if len(own) else "missing",
                "extracted_at": own["extracted_at"].dropna().max() if len(own) else None,
                "mapped": 100 * (own["mapped_share"].fillna(0) * own["placed"]).sum() / placed if placed else None,
                "fingerprint": hashlib.sha256("".join(own["fingerprint"]).encode()).hexdigest()[:12] if len(own) else None,
                **{name: own[name].sum() if len(own) else 0 for name in ("read", "used", "quarantined", "dropped")},
            })  # fmt: skip
        return pd.DataFrame(rows)

    def amounts(self, language: str = "da") -> pd.DataFrame:
        """Hours, money and counts per source and column: read = used + put aside + dropped (difference 0)."""
        rows: dict[tuple[str, str], dict[str, float]] = {}
        for item in self.audit.received:
            for column, sums in item.account.amounts.items():
                total = rows.setdefault((item.source, column), dict.fromkeys(sums, 0.0))
                for name, value in sums.items():
                    total[name] += value
        words, labels = self.words(language), self.source_labels(language)
        frame = pd.DataFrame([
            {"source": labels.get(source, source), "column": column_label(column, words), **sums}
            for (source, column), sums in rows.items()
        ], columns=["source", "column", "read", "used", "quarantined", "dropped"])  # fmt: skip
        difference = frame["read"] - frame["used"] - frame["quarantined"] - frame["dropped"]
        return frame.assign(difference=difference.astype(float).round(6))

    def control_totals(self) -> pd.DataFrame:
        """Every total line of the files against the sum of the rows it stands for."""
        rows = [{"file": item.file, **vars(total)} for item in self.audit.received for total in item.control_totals]
        columns = ["file", "row", "label", "column", "stated", "computed", "difference", "agrees"]
        return pd.DataFrame(rows, columns=columns)

    def findings(self, language: str = "da") -> pd.DataFrame:
        """Findings in words, breaches first: file, severity (stopped, warned, noted), finding."""
        words = self.words(language)
        nowhere = words.text("dim.registration_framework")
        rows = [
            {"file": one["file"] or nowhere, "severity": SEVERITIES[one["severity"]], "finding": in_print(one, words)}
            for one in remarks(self.audit)
        ]
        return pd.DataFrame(rows, columns=["file", "severity", "finding"])

    def quarantine(self, language: str = "da") -> pd.DataFrame:
        """Cells put aside: file, row, column, text and reason in words; at most the first 200."""
        words = self.words(language)
        frame = self.quarantined.rename(columns={"delivery": "file"}).head(200).reset_index(drop=True)
        return frame.assign(reason=[in_words(reason, words) for reason in frame["reason"]])

    def gaps(self, language: str = "da") -> pd.DataFrame:
        """Source codes without unit or activity, per source, largest first: rows and value they carry.

        Of absence and staff only the rows: nobody can say how many persons stand behind a code that no unit has.
        """
        words, labels, frame = self.words(language), self.source_labels(language), unplaced(self.audit)
        frame["hidden"] = frame["table"].isin(["absence", "staff"])
        frame["value"] = frame["value"].mask(frame["hidden"])
        return frame.sort_values("rows", ascending=False, ignore_index=True).assign(
            source=lambda rows: [labels.get(source, source) for source in rows["source"]],
            key=lambda rows: [words.text(f"dim.{key}") for key in rows["key"]],
            reason=lambda rows: [words.text(f"gap.{reason}") for reason in rows["reason"]],
            measure=lambda rows: [words.text(f"gap_unit.{measure}") for measure in rows["measure"]],
            code=lambda rows: [code or words.text("gap.no_code") for code in rows["code"]],
            near=lambda rows: [near or "–" for near in rows["near"]],
        )

    def restated(self, language: str = "da") -> pd.DataFrame:
        """Totals of reported months that moved since the last build; at most the 50 largest."""
        words = self.words(language)
        frame = pd.DataFrame([vars(row) for row in self.audit.restated])
        if not len(frame):
            return frame
        moved = (frame["after"].fillna(0) - frame["before"].fillna(0)).abs()
        frame = frame.loc[moved.sort_values(ascending=False).index].head(50).reset_index(drop=True)
        return frame.assign(
            table=[words.text(f"table.{name}") for name in frame["table"]],
            unit=[self.unit_label(unit) for unit in frame["unit"]],
        )

    def suppliers(self, months: int = 3) -> pd.DataFrame:
        """The scorecard per supplier and month (`scorecard.scorecard`), the last months up to the desk's own."""
        frame = scorecard(self.audit, self.owners, self.contents)
        frame = frame[frame["month"].str[:7] <= f"{self.last_month:%Y-%m}"]
        return frame[frame["month"].isin(sorted(set(frame["month"]))[-months:])].reset_index(drop=True)

    def deliveries(self) -> pd.DataFrame:
        """A row per delivery with rows read, used, put aside, dropped, mapped share, reconciliation."""
        return pd.DataFrame([delivery_row(item) for item in self.audit.received])


def unplaced(audit: Audit) -> pd.DataFrame:
    """Source codes without unit or activity: source, table, key, code, reason, measure; rows and value they carry, near name."""
    keys = ["source", "table", "key", "code", "reason", "measure"]
    gaps = [vars(gap) for item in audit.received for gap in item.gaps]
    frame = pd.DataFrame(gaps, columns=[*keys, "rows", "value", "near"])
    sums = {"rows": ("rows", "sum"), "value": ("value", "sum"), "near": ("near", "max")}
    return frame.groupby(keys, as_index=False, sort=False).agg(**sums)


def column_label(name: str, words: Words) -> str:
    """A column of the model (``table.column``) in words: a measure's, else the table's and the column's."""
    table, _, column = name.partition(".")
    if words.has(f"measure.{column}.label"):
        return words.measure(column)
    own = words.text(f"column.{column}") if words.has(f"column.{column}") else column
    place = words.text(f"table.{table}")
    return place if own.casefold() in place.casefold() else f"{place}: {words.lower(own)}"


def remarks(audit: Audit) -> list[dict[str, Any]]:
    """Findings as plain values, each with the file it is about (blank: the keys); what stopped a delivery first."""
    found = [("", finding) for finding in audit.findings]
    found += [(item.file, finding) for item in audit.received for finding in item.findings]
    plain = [{"file": file, "key": f.key, "severity": f.severity, "values": dict(f.values)} for file, f in found]
    return sorted(plain, key=lambda remark: list(SEVERITIES).index(remark["severity"]))


def in_print(remark: Mapping[str, Any], words: Words) -> str:
    """A remark in words; key and values where the words do not know it."""
    key, values = remark["key"], remark["values"]
    if words.has(f"finding.{key}"):
        return sentence(f"finding.{key}", values, words)
    return f"{key}: " + ", ".join(f"{name} {value}" for name, value in values.items())


def remark_text(remark: Mapping[str, Any], words: Words) -> str:
    """A remark in words, beginning with its file where they do not name it."""
    file, text = remark["file"], in_print(remark, words)
    return f"{file}: {text}" if file and file not in text else text


def in_words(reason: str, words: Words) -> str:
    """A quarantine reason ("key" or "key: detail") as words."""
    key, _, detail = reason.partition(": ")
    return words.text(f"finding.cell.{key}", detail=detail)


def delivery_row(item: Received) -> dict:
    """One delivery as a row."""
    account = item.account
    return {
        "source": item.source, "file": item.file, "extracted_at": item.extracted_at, "read": account.read, "used": account.used,
        "quarantined": account.quarantined, "dropped": sum(account.dropped.values()), "mapped_share": item.mapped_share(),
        "placed": item.activity_rows, "control_totals": len(item.control_totals),
        "agree": sum(total.agrees for total in item.control_totals), "stopped": item.stopped, "fingerprint": item.fingerprint[:12],
    }  # fmt: skip
