"""What is hidden for its own sake: too few persons, or one of them with more than half (definitions, section 14).

A month that one person dominates is hidden with the same calendar month of every year, and with a second one where it
would be alone: so the last 12 months can be shown, and neither they nor their differences from month to month give a
hidden month away. Sums to date, of three months, and of a year that is not known whole (the first one, or with a month
missing) are hidden too where they hold such a month.
"""

import numpy as np
import pandas as pd

from mi_analysis.model.schema import ALL
from mi_analysis.parameters import Privacy

PLACE = ["unit", "period_start", "grain", "window"]
FLOOR = 3
"""Persons below which nothing about staff is shown, whatever the institution chose."""
ALONE = 2
"""Persons below which production is hidden: it would be one person's."""
DOMINATED = {
    "sick": "sick_days", "child_sick": "child_sick_days", "injury": "injury_days", "overtime": "overtime_hours",
    "spells": "sick_spells", "long_spells": "long_spells",
}  # fmt: skip
"""What one person can dominate, and the measure that tells its months."""
TELLING = DOMINATED | {"attendance": "attendance_hours"}
"""The same, and what would give them away: attendance = norm - absence + overtime."""
FLOORED = ("hours", "pay")
"""Guards that only the floor hides."""
GUARD_COLUMNS = ("persons", "fte", *(f"{domain}_largest_share" for domain in DOMINATED), "withheld")

Known = dict[str, dict[str, dict[int, float]]]
"""Figure per domain that one person can dominate, unit and numbered month (year * 12 + month - 1)."""


def known_months(values: pd.DataFrame) -> Known:
    """Months that sums over a year hold a figure of."""
    rows = values[(values["activity"] == ALL) & (values["grain"] == "month") & (values["window"] == "month")]
    rows = rows.assign(month=numbered(rows["period_start"])).reindex(columns=["unit", "month", *TELLING.values()])
    found: Known = {}
    for domain, name in TELLING.items():
        units = rows[rows[name].notna()].groupby("unit")
        found[domain] = {str(unit): dict(zip(part["month"], part[name], strict=True)) for unit, part in units}
    return found


def numbered(days: pd.Series) -> pd.Series:
    """Number of each day's month: year * 12 + month - 1."""
    return days.dt.year * 12 + days.dt.month - 1


def reasons(
    places: pd.DataFrame, known: Known, public: bool, privacy: Privacy, year_start: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Per kind of guard, why each unit, period and window is hidden, and whether it is for its own sake.

    Persons that are nowhere counted are at least the årsværk rounded up, since no one fills more
    than one; with neither known the cell is hidden.

    Returns
    -------
    dict, dict
        Reason ("" where it is shown) and sensitive (True or False) of each place.
    """
    fte = places["fte"].to_numpy(float, na_value=np.nan)
    persons = places["persons"].to_numpy(float, na_value=np.nan)
    at_least = np.where(np.isnan(persons), np.ceil(fte - 1e-9), persons)
    few = np.isnan(at_least) | (at_least < max(FLOOR, privacy.persons_internal))
    if public:
        few |= np.isnan(fte) | (fte < privacy.fte_public)
    withheld = places["withheld"].fillna(False).to_numpy(bool)
    staff = np.where(withheld, "withheld", np.where(few, "few_persons", ""))
    found, sensitive = {"staff": staff}, {"staff": staff != ""}
    spans = months_of(places, year_start)
    shares = {name: places[f"{name}_largest_share"].to_numpy(float, na_value=np.nan) for name in DOMINATED}
    large = {name: share > privacy.dominance for name, share in shares.items()}
    own = {name: dominated_sums(places, spans, shares[name], known[name]) > privacy.dominance for name in DOMINATED}
    large["attendance"], own["attendance"] = large["sick"] | large["overtime"], own["sick"] | own["overtime"]
    for domain, dominated in large.items():
        beside = beside_dominated(places, spans, dominated, known[domain])
        found[domain] = np.where((staff == "") & (dominated | beside), "one_person", staff)
        sensitive[domain] = sensitive["staff"] | own[domain]
    for domain in ("sick", "overtime"):
        found["attendance"] = np.where(found["attendance"] == "", found[domain], found["attendance"])
    for names, least in ((FLOORED, FLOOR), (("production",), ALONE)):  # unknown staff does not hide money and cases
        under = np.where(at_least < least, "few_persons", "")
        found |= dict.fromkeys(names, under)
        sensitive |= dict.fromkeys(names, under != "")
    return found, sensitive


def months_of(places: pd.DataFrame, year_start: int) -> np.ndarray:
    """First and last month (numbered) of each period and window, as two rows."""
    length = places["grain"].map({"month": 1, "quarter": 3, "year": 12}).to_numpy()
    last = numbered(places["period_start"]).to_numpy() + length - 1
    window = places["window"]
    back = np.select(
        [window == "ytd", window == "r3", window == "r12"], [(last + 1 - year_start) % 12, 2, 11], length - 1
    )
    return np.array([last - back, last])


def dominated_sums(
    places: pd.DataFrame, spans: np.ndarray, share: np.ndarray, known: dict[str, dict[int, float]]
) -> np.ndarray:
    """The largest part that one person can have of each place.

    Of several months it is at most the mean of the months' largest parts, weighted by the months; the guard itself is
    on the safe side for three months and sums to date, where it is the largest of them.
    """
    bound = share.copy()
    single = (places["window"] == "month") & (places["grain"] == "month")
    for unit, rows in places.groupby("unit").indices.items():
        figures = known.get(str(unit), {})
        parts = {spans[0, row]: share[row] for row in rows if single.iloc[row] and not np.isnan(share[row])}
        for row in rows:
            months = [month for month in range(spans[0, row], spans[1, row] + 1) if month in parts and month in figures]
            weights = np.array([figures[month] for month in months])
            if len(months) > 1 and weights.sum() > 0:
                bound[row] = min(share[row], float(weights @ [parts[month] for month in months] / weights.sum()))
    return bound


def beside_dominated(
    places: pd.DataFrame, spans: np.ndarray, dominated: np.ndarray, known: dict[str, dict[int, float]]
) -> np.ndarray:
    """Places that would give a dominated month away (see the head of this file)."""
    single = (places["window"] == "month").to_numpy()
    monthly = single & (places["grain"] == "month").to_numpy()
    quarterly = single & (places["grain"] == "quarter").to_numpy()
    yearly = ((places["window"] == "r12") | (places["grain"] == "year")).to_numpy()
    hidden = np.zeros(len(places), bool)
    for unit, rows in places.groupby("unit").indices.items():
        own = set(known.get(str(unit), ()))
        told = (monthly if own else quarterly)[rows] & dominated[rows]
        months = {month % 12 for row in rows[told] for month in range(spans[0, row], spans[1, row] + 1)}
        if len(months) == 1:
            months |= {(month + 1) % 12 for month in months}
        for row in rows if months else ():
            span = range(spans[0, row], spans[1, row] + 1)
            whole = yearly[row] and len(span) == 12 and own.issuperset(span)
            hidden[row] = not whole and any(month % 12 in months for month in span)
    return hidden
