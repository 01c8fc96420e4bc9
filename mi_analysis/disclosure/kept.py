"""What was hidden in every report so far: a later one must not unveil it. Lines are only ever added.

A line of ``kept/hidden.jsonl`` tells of one kind of figure, unit and activity which sums were hidden, for their own sake or
for the sake of others, and which unit stood above it. What the internal audience was not shown, the public is not either.
"""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

SUM = ["unit", "activity", "first", "last"]
"""What tells one sum from another: first and last month are numbered."""
Earlier = dict[str, pd.Series]
"""By kind: whether each hidden sum (index `SUM`) is hidden for its own sake."""


@dataclass(frozen=True)
class Kept:
    """The file of an institution, and its units: the unit above each, and what took over from those that are gone."""

    file: Path
    parents: Mapping[str, str]
    successors: Mapping[str, Collection[str]]

    def read(self, public: bool) -> Earlier:
        """What was hidden before, as the units of today have it.

        A unit that is gone hides what its successors show of the same months: the whole less the other parts would be the
        one that was hidden. Where a unit has moved, both units above it are hidden where it was.
        """
        found: dict[str, dict[tuple[str, str, int, int], bool]] = {}
        for line in self.file.read_text("utf-8").splitlines() if self.file.exists() else ():
            try:
                entry = json.loads(line)
                sums = [
                    (*map(_number, span.split("/")), own)
                    for own in (True, False)
                    for span in entry["own" if own else "others"]
                ]
            except (ValueError, KeyError, TypeError):
                continue  # a line that a kill cut short
            if entry["audience"] == "public" and not public:
                continue
            units = {entry["unit"], *self.successors.get(entry["unit"], ())}
            now, then = self.parents.get(entry["unit"]), entry.get("above", "")
            units |= {now or "", then} - {""} if now is not None and now != then else set()
            for first, last, own in sums:
                for unit in units:
                    key = (unit, entry["activity"], first, last)
                    kind = found.setdefault(entry["kind"], {})
                    kind[key] = kind.get(key, False) or bool(own)
        return {
            kind: pd.Series(list(cells.values()), pd.MultiIndex.from_tuples(list(cells), names=SUM), dtype=bool)
            for kind, cells in found.items()
        }

    def add(self, public: bool, hidden: Mapping[str, pd.DataFrame], before: Earlier) -> None:
        """Write down what is hidden now and was not before; one write, so that two runs do not mix their lines."""
        lines = []
        for kind, frame in hidden.items():
            new = frame[~frame.index.isin(before[kind].index)] if kind in before else frame
            for (unit, activity), rows in new.groupby(level=["unit", "activity"]):
                spans: dict[bool, list[str]] = {True: [], False: []}
                for (_, _, first, last), own in zip(rows.index, rows["sensitive"], strict=True):
                    spans[bool(own)].append(f"{_month(first)}/{_month(last)}")
                lines.append({
                    "audience": "public" if public else "internal", "kind": kind, "unit": unit, "activity": activity,
                    "above": self.parents.get(str(unit), ""), "own": sorted(spans[True]), "others": sorted(spans[False]),
                })  # fmt: skip
        if not lines:
            return
        file = self.file
        file.parent.mkdir(parents=True, exist_ok=True)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        whole = not file.exists() or not file.stat().st_size or file.read_bytes().endswith(b"\n")
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            left = (text if whole else "\n" + text).encode()
            while left:  # on a disk that is nearly full only a part is written
                left = left[os.write(handle, left) :]
            os.fsync(handle)
        finally:
            os.close(handle)


def _number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * 12 + int(number) - 1


def _month(number: int) -> str:
    return f"{number // 12:04}-{number % 12 + 1:02}"
