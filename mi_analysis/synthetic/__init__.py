"""Eksempelstyrelsen: seeded deliveries of an invented agency, dirty as real ones, with a known truth.

The numbers hang together: staff gives hours at work, these fall on activities, hours divided by hours per
case give closed cases, closing dates minus processing times give the received ones, and stock follows.

Planted truths
--------------
Share closed within deadline
    falls 3 percentage points per hour of overtime per årsværk in the same month in 2110, 2120, 2210, 2240,
    2310, 2320 and 2330 (and in 2350, which became 2310 and 2320); in the other offices with deadlines it does
    not move with overtime. Between offices the sign is the opposite: those with lasting high overtime have
    lasting good shares.
Hours per case
    rise 4 per cent per hour of overtime per årsværk in A30 (complaints), in all offices; no other activity.
Case mix
    2210 uses fewer hours per case than 2220 on the whole, because its cases are simple; per kind of case it
    uses 10 per cent more than the standard and 2220 10 per cent less.
Step
    processing times in 2230 are 40 per cent shorter for cases closed from 2024-10.
Hidden overload
    in 2140 overtime grows 0.3 hours per årsværk a month from 2024-07, overtime balance, processing time and
    backlog grow with it, while the share within deadline stays at 95 per cent.
Overspending
    2240 spends 60 per cent more on other things than pay in 2025 than before; other offices are near their budget.
Season, shocks
    overtime peaks in March and November-December and sick leave in winter; simple applications (A20) peak in
    spring. Overtime and shares carry shocks with autocorrelation 0.6, some of them shared by all offices.
Organisation
    2250 moves from centre 2200 to 2100 on 2024-04-01; 2350 is split 60/40 into 2310 and 2320 on 2025-01-01;
    2441 and 2442 are merged into 2440 on 2025-07-01, known a month late in the enquiry system. 2910 has four
    persons. Activity code 1040 is 1045 from 2025.
Missing
    balances of 2023-05 (all), enquiries of 2430 in 2025-12. Balances of 2025-12 come late; the closing balance
    of 2230 that month is 2.00 hours too high.
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from mi_analysis.synthetic import figures, files
from mi_analysis.synthetic.agency import ACT, SUCCESSORS, Agency


@dataclass(frozen=True)
class Truth:
    """What is true of Eksempelstyrelsen, before dirt. Units are those of the time; `period_start` is a month.

    Attributes
    ----------
    hours
        unit, activity ("~": unknown or blank), period_start, hours, overtime_hours; drafts are not in.
    staff
        unit, period_start, fte, persons, working_days, norm_hours, overtime_hours (1:1, extra_hours of them
        merarbejde), sick_hours, sick_spells that ended and long_spells of them (over 14 days), absence_hours (all kinds), the overtime balance and flex_balance.
    ledger, budget
        unit, activity, period_start, account_group (budget: version also), amount in kroner, costs positive.
    cases, volumes
        unit, activity, period_start; received, closed, kept (of closed, within deadline), open at month end;
        volumes: name (received, closed, stock, planned), value.
    goals
        goal, unit, activity, period (text), target, result (None: not assessed).
    log
        The cases behind `cases`, one row each.
    related, unrelated
        Offices where the share within deadline does and does not move with overtime (`slope`, in
        percentage points per hour per årsværk).
    successors
        Units that are gone: the units that took over, with shares.
    """

    hours: pd.DataFrame
    staff: pd.DataFrame
    ledger: pd.DataFrame
    budget: pd.DataFrame
    cases: pd.DataFrame
    volumes: pd.DataFrame
    goals: pd.DataFrame
    log: pd.DataFrame
    related: tuple[str, ...]
    unrelated: tuple[str, ...]
    successors: dict[str, dict[str, float]] = field(default_factory=lambda: SUCCESSORS)
    slope: float = figures.SLOPE
    hours_per_case_slope: tuple[str, float] = ("A30", figures.RISING)  # activity, relative rise per hour per årsværk
    mix_trap: tuple[str, str] = ("2210", "2220")
    step: tuple[str, str, float] = ("2230", "2024-10", 0.6)
    overload: tuple[str, str] = ("2140", "2024-07")
    four_persons: str = "2910"


def make(folder: Path, seed: int = 2025, units: int = 24, months: int = 36) -> Truth:
    """Write Eksempelstyrelsen's deliveries below ``folder`` and return what is true.

    Parameters
    ----------
    units
        Offices in the last month, 10-24; the first ten carry the planted truths.
    months
        Months up to 2025-12, 13-72.

    Raises `ValueError` when there are too few or too many offices or months.
    """
    w = Agency(seed, units, months)
    time = figures.time(w)
    work = time[(time["kind"] == "") & (time["status"] != "Kladde")].replace({"activity": {"": "~"}})
    by = ["unit", "activity", "period_start"]
    hours = work.groupby(by, as_index=False).agg(hours=("hours", "sum"), overtime_hours=("overtime", "sum"))
    placed = w.grid(hours.set_index(by)["hours"], ACT).clip(min=0)
    staff = figures.staff(w, time)
    log = figures.cases(w, staff, placed)
    cases = figures.count_cases(w, log)
    closed = w.grid(cases.set_index(by)["closed"], ACT)
    volumes = figures.volumes(w, placed, closed)
    postings = figures.postings(w, staff, placed, closed)
    ledger = figures.sum_ledger(postings)
    budget = figures.budget(w, ledger)
    goals = figures.goals(w, log, cases, volumes, staff)
    files.reference(folder, w.code)
    files.time(folder, time)
    files.balances(folder, w.names, staff)
    files.ledger(folder, w.rng, w.names, postings)
    files.budget(folder, w.names, budget)
    files.cases(folder, w.rng, w.names, log)
    files.counts(folder, volumes)
    files.goals(folder, goals)
    due = [unit for unit, share in zip(w.code, w.within, strict=True) if share > 0 and unit not in SUCCESSORS]
    related = tuple(unit for unit in due if w.related[w.place[unit]])
    unrelated = tuple(unit for unit in due if unit not in related)
    return Truth(hours, staff, ledger, budget, cases, volumes, goals, log, related, unrelated)
