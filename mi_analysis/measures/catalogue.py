"""Each measure as data: what is divided by what, what kind of quantity it is, and what it contains.

A measure is ``scale * numerator / denominator`` of components that are added up first (definitions,
section 0). Anyone may import this module; it knows no database.
"""

from collections.abc import Iterable
from dataclasses import dataclass

MONTH, LAST_THREE, TO_DATE, ROLLING = "month", "r3", "ytd", "r12"
WINDOWS = (MONTH, LAST_THREE, TO_DATE, ROLLING)
"""The grain's own period, the last 3 months, the fiscal year to date, the last 12 months."""

OWN = "own"
"""Source of a measure that an institution defined itself."""


@dataclass(frozen=True)
class Component:
    """What measures are built from.

    Attributes
    ----------
    domain
        Delivery that it needs: hours, absence, staff, ledger, budget, cases, planned, goals, "" for none.
    contains
        Atoms it is made of; two measures that share an atom are related by construction.
    """

    domain: str
    contains: tuple[str, ...]


def _components(domain: str, **contains: str) -> dict[str, Component]:
    return {name: Component(domain, tuple(parts.split()) or (name,)) for name, parts in contains.items()}


COMPONENTS: dict[str, Component] = {
    **_components(
        "staff",
        norm_hours="norm_hours", fte="fte", paid_hours="norm_hours overtime_hours", overtime_hours="overtime_hours",
        overtime_fte="fte", overtime_norm="norm_hours", balance_opening="", balance_taken="", balance_paid="",
        balance_closing="", balance_difference="balance_opening overtime_hours balance_taken balance_paid balance_closing",
        flex_balance="", overtime_pay="", overtime_base="pay overtime_pay", injury_pay="",
    ),
    **_components(
        "absence",
        sick_hours="", sick_fte="fte", sick_norm="norm_hours", child_sick_hours="", injury_hours="",
        sick_spells="", long_spells="sick_spells long_spells", spell_fte="fte",
        attendance_hours="norm_hours sick_hours overtime_hours", attended_hours="registered_hours overtime_hours",
    ),
    **_components(
        "hours",
        registered_hours="registered_hours overtime_hours", activity_overtime_hours="overtime_hours", auto_rows="",
        hour_rows="", draft_hours="", direct_hours="registered_hours overtime_hours",
        indexed_hours="registered_hours overtime_hours",
    ),
    **_components(
        "cases",
        received="", reopened="", closed="", closed_planned="closed", weighted_output="closed standard_hours",
        indexed_output="closed standard_hours", open_cases="received closed", closed_last_three="closed",
        open_age="received closed", open_0_30="received closed", open_31_60="received closed",
        open_61_90="received closed", open_91_180="received closed", open_181_365="received closed",
        open_over_365="received closed", overdue="received closed deadline", case_days_median="case_days",
        case_days_p90="case_days", case_days_net_median="case_days", case_days_net_p90="case_days", case_days="",
        timed="closed", closed_due="closed deadline", closed_kept="closed deadline case_days", due="deadline",
        due_kept="deadline case_days", received_judged="received", received_kept="received deadline case_days",
    ),
    **_components("planned", planned=""),
    **_components(
        "ledger",
        actual="pay other_cost income", actual_pay="pay", actual_other="other_cost", actual_income="income",
        allocated_cost="pay other_cost registered_hours", allocated_cost_incl_indirect="pay other_cost registered_hours",
        allocated_cost_full="pay other_cost registered_hours",
    ),
    **_components(
        "budget",
        budget="", budget_size="budget", budget_year="budget", budget_year_size="budget",
        deviation="pay other_cost income budget", forecast="pay other_cost income budget",
        forecast_by_share="pay other_cost income budget", forecast_own="forecast",
    ),
    **_components("goals", goal_points="goal_degree", goal_weight="goal_degree", goal_weight_all="goal_degree"),
    **_components("", net_hours="capacity", gross_hours="calendar"),
}  # fmt: skip
"""Components by name; each is a column that `compute` adds up."""


@dataclass(frozen=True)
class Measure:
    """One measure.

    Attributes
    ----------
    numerator, denominator
        Names of components; no denominator: the numerator itself.
    kind
        ``flow`` is summed over months, ``stock`` is the value at the end, ``level`` the average,
        ``ratio`` sum over sum, ``distribution`` is made from cases.
    direction
        ``higher`` or ``lower`` is better, or ``neutral``.
    unit
        Unit of measure; the key of its word in print.
    domain
        Perspective: staff, economy, operations or strategy.
    per_activity
        False: exists for units only; on an activity's row it is not applicable ("activity").
    contains
        Atoms of numerator and denominator (see `Component`).
    guard
        What disclosure control has to judge it by: staff, sick, overtime, hours, pay, or "".
    gates
        What withholds it from being published: coverage, few, hours, driver ... (see docs/measures.md).
    windows
        Windows it is defined for; in others it is not applicable ("window").
    decimals, step
        Decimals in print, and the change a sentence about it names ("per 1 hour more ...").
    source
        Section of definitions.
    complement
        The ratio taken off from the whole: what is not the numerator.
    """

    name: str
    numerator: str
    denominator: str
    kind: str
    direction: str
    unit: str
    domain: str
    per_activity: bool
    contains: tuple[str, ...]
    scale: float
    guard: str
    decimals: int
    step: float
    gates: tuple[str, ...]
    windows: tuple[str, ...]
    source: str
    complement: bool = False

    @property
    def components(self) -> tuple[str, ...]:
        """Numerator, and denominator where there is one."""
        return (self.numerator, self.denominator) if self.denominator else (self.numerator,)

    @property
    def is_own(self) -> bool:
        """Whether the institution defined it itself."""
        return self.source == OWN

    def inapplicable(self, activity: str, window: str, grain: str = "month") -> str:
        """Reason key why the measure does not exist in such a row, or ""; such rows have no state row."""
        if not self.per_activity and activity != "*":
            return "activity"
        long_enough = grain != "month" and LAST_THREE in self.windows and window == MONTH
        return "" if window in self.windows or long_enough else "window"


def _measures(section: str, domain: str, rows: Iterable[str], **common: object) -> dict[str, Measure]:
    """Measures from lines of ``name = formula | kind direction unit decimals step | flags``.

    Flags: ``unit`` (not per activity), ``guard:``, ``gates:``, ``windows:``.
    """
    found = {}
    for row in rows:
        head, facts, *rest = (part.strip() for part in row.split("|"))
        name, formula = (part.strip() for part in head.split("="))
        kind, direction, unit, decimals, step = facts.split()
        flags = dict(flag.partition(":")[::2] for flag in (rest[0].split() if rest else []))
        parts, _, scale = formula.partition(" * ")
        numerator, _, denominator = parts.partition(" / ")
        contained = {atom for part in (numerator, denominator) if part for atom in COMPONENTS[part].contains}
        found[name] = Measure(
            name, numerator, denominator, kind, direction, unit, domain, "unit" not in flags, tuple(sorted(contained)),
            float(scale or 1), flags.get("guard", ""), int(decimals), float(step),
            tuple(filter(None, flags.get("gates", "").split(","))), tuple(flags.get("windows", ",".join(WINDOWS)).split(",")),
            section,
        )  # fmt: skip
    return found


DAY = str(1 / 7.4)
LONG, CARRIED = "guard:pay windows:r3,ytd,r12", "coverage,driver,window"
CATALOGUE: dict[str, Measure] = {
    **_measures("1, 2", "staff", (
        "norm_hours = norm_hours | flow neutral hours 1 1 | unit guard:staff",
        "fte = fte | level neutral fte 1 1 | unit guard:staff",
        "fte_worked = paid_hours / gross_hours | ratio neutral fte 1 1 | unit guard:overtime",
        "net_hours_per_fte = net_hours | level neutral hours 1 1 | unit",
    )),
    **_measures("3", "staff", (
        f"sick_days = sick_hours * {DAY} | flow lower days 1 1 | unit guard:sick",
        f"sick_days_per_fte = sick_hours / sick_fte * {DAY} | ratio lower days_per_fte 1 1 | unit guard:sick",
        f"sick_days_per_fte_12m = sick_hours / sick_fte * {DAY} | ratio lower days_per_fte 1 1 | unit guard:sick windows:r12",
        "sick_pct = sick_hours / sick_norm * 100 | ratio lower pct 1 1 | unit guard:sick",
        "sick_spells = sick_spells | flow lower count 0 1 | unit guard:spells",
        "sick_spells_per_fte = sick_spells / spell_fte | ratio lower spells_per_fte 1 1 | unit guard:spells windows:r12",
        "long_spells = long_spells | flow lower count 0 1 | unit guard:long_spells",
        f"child_sick_days = child_sick_hours * {DAY} | flow neutral days 1 1 | unit guard:child_sick",
        f"injury_days = injury_hours * {DAY} | flow lower days 1 1 | unit guard:injury",
    )),
    **_measures("4", "staff", (
        "overtime_hours = overtime_hours | flow lower hours 1 1 | unit guard:overtime",
        "overtime_per_fte = overtime_hours / overtime_fte | ratio lower hours_per_fte 2 1 | unit guard:overtime",
        "overtime_pct = overtime_hours / overtime_norm * 100 | ratio lower pct 1 1 | unit guard:overtime",
        "balance_opening = balance_opening | stock neutral hours 1 1 | unit guard:overtime",
        "balance_taken = balance_taken | flow neutral hours 1 1 | unit guard:overtime",
        "balance_paid = balance_paid | flow neutral hours 1 1 | unit guard:overtime",
        "balance_closing = balance_closing | stock lower hours 1 1 | unit guard:overtime",
        "balance_difference = balance_difference | flow neutral hours 1 0.5 | unit guard:overtime",
        "flex_balance = flex_balance | stock neutral hours 1 1 | unit guard:staff",
        "overtime_pay = overtime_pay | flow lower money 0 1000 | unit guard:overtime",
        "injury_pay = injury_pay | flow lower money 0 1000 | unit guard:injury",
        "overtime_pay_share = overtime_pay / overtime_base * 100 | ratio lower pct 1 1 | unit guard:overtime",
    )),
    **_measures("5", "staff", (
        "registered_hours = registered_hours | flow neutral hours 1 1 | guard:hours",
        "activity_overtime_hours = activity_overtime_hours | flow lower hours 1 1 | guard:overtime",
        "auto_share = auto_rows / hour_rows * 100 | ratio neutral pct 1 1 | guard:hours",
        "draft_hours = draft_hours | flow lower hours 1 1 | guard:hours",
        "attendance_hours = attendance_hours | flow neutral hours 1 1 | unit guard:attendance",
        "registration_coverage = attended_hours / attendance_hours * 100 | ratio higher pct 1 1 | unit guard:attendance",
        "direct_share = direct_hours / registered_hours * 100 | ratio higher pct 1 1 | unit guard:hours",
    )),
    **_measures("6", "operations", (
        "hours_per_case = registered_hours / closed | ratio lower hours_per_case 2 1 | guard:hours gates:coverage,hours",
        "cases_per_fte = closed / fte | ratio higher cases_per_fte 1 1 | unit guard:staff",
        "weighted_output = weighted_output | flow higher standard_hours 1 1",
        "productivity_index = indexed_output / indexed_hours * 100 | ratio higher index 1 1 | guard:hours gates:coverage",
        "planned = planned | flow neutral count 0 1",
        "progress_pct = closed_planned / planned * 100 | ratio higher pct 1 1",
    )),
    **_measures("7", "operations", (
        "received = received | flow neutral count 0 1",
        "closed = closed | flow higher count 0 1",
        "reopened = reopened | stock lower count 0 1",
        "open_cases = open_cases | stock lower count 0 1",
        "clearance_pct = closed / received * 100 | ratio higher pct 1 1",
        "stock_in_months = open_cases / closed_last_three * 3 | ratio lower months 1 1",
        "mean_open_age = open_age / open_cases | ratio lower days 0 10",
        "open_0_30 = open_0_30 | stock neutral count 0 1",
        "open_31_60 = open_31_60 | stock neutral count 0 1",
        "open_61_90 = open_61_90 | stock neutral count 0 1",
        "open_91_180 = open_91_180 | stock lower count 0 1",
        "open_181_365 = open_181_365 | stock lower count 0 1",
        "open_over_365 = open_over_365 | stock lower count 0 1",
        "overdue = overdue | stock lower count 0 1",
    )),
    **_measures("8", "operations", (
        "case_days_median = case_days_median | distribution lower days 1 10 | gates:few",
        "case_days_p90 = case_days_p90 | distribution lower days 0 10 | gates:few",
        "case_days_mean = case_days / timed | ratio lower days 1 10 | gates:few",
        "case_days_net_median = case_days_net_median | distribution lower days 1 10 | gates:few",
        "case_days_net_p90 = case_days_net_p90 | distribution lower days 0 10 | gates:few",
        "closed_due = closed_due | flow neutral count 0 1",
        "due = due | flow neutral count 0 1",
        "received_judged = received_judged | flow neutral count 0 1",
        "kept_closed_pct = closed_kept / closed_due * 100 | ratio higher pct 1 1",
        "kept_due_pct = due_kept / due * 100 | ratio higher pct 1 1",
        "kept_received_pct = received_kept / received_judged * 100 | ratio higher pct 1 1",
    )),
    **_measures("9", "economy", (
        "actual = actual | flow neutral money 0 1000",
        "actual_pay = actual_pay | flow neutral money 0 1000 | guard:pay",
        "actual_other = actual_other | flow neutral money 0 1000",
        "actual_income = actual_income | flow neutral money 0 1000",
        "budget = budget | flow neutral money 0 1000",
        "budget_year = budget_year | level neutral money 0 1000",
        "deviation = deviation | flow neutral money 0 1000",
        "deviation_pct = deviation / budget_size * 100 | ratio neutral pct 1 1",
        "consumption_pct = actual / budget_year * 100 | ratio neutral pct 1 1 | windows:ytd",
        "forecast = forecast | flow neutral money 0 1000 | windows:ytd",
        "forecast_by_share = forecast_by_share | flow neutral money 0 1000 | gates:share windows:ytd",
        "forecast_own = forecast_own | level neutral money 0 1000 | windows:ytd",
    )),
    **_measures("10", "economy", (
        f"allocated_cost = allocated_cost | flow neutral money 0 1000 | {LONG}",
        f"allocated_cost_incl_indirect = allocated_cost_incl_indirect | flow neutral money 0 1000 | {LONG}",
        f"allocated_cost_full = allocated_cost_full | flow neutral money 0 1000 | {LONG}",
        f"unit_cost = allocated_cost / closed | ratio lower money_per_case 0 100 | {LONG} gates:{CARRIED}",
        f"unit_cost_incl_indirect = allocated_cost_incl_indirect / closed | ratio lower money_per_case 0 100 | {LONG} gates:{CARRIED},indirect",
        f"unit_cost_full = allocated_cost_full / closed | ratio lower money_per_case 0 100 | {LONG} gates:{CARRIED},indirect,overhead",
    )),
    **_measures("11", "strategy", (
        "goal_degree = goal_points / goal_weight * 100 | ratio higher pct 1 1",
        "goal_coverage = goal_weight / goal_weight_all * 100 | ratio higher pct 0 1",
    )),
}  # fmt: skip
"""All measures by name, in the order of definitions."""
