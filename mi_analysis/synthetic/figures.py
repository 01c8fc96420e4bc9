"""Eksempelstyrelsen's figures, domain by domain; each builds on the one before, so that they hang together."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from mi_analysis.synthetic.agency import (
    ACT,
    DEADLINE,
    LAST,
    MERGED,
    MONTH,
    OVERLOAD,
    SPLIT,
    SUCCESSORS,
    Agency,
    working_days,
)

SLOPE = -3.0  # percentage points of cases within deadline per hour of overtime per årsværk
RISING = 0.04  # relative rise of hours per case in A30 per hour of overtime per årsværk
STEP = np.datetime64("2024-10", "M")
DAY = np.timedelta64(1, "D")
PAY, RISE, OVERTIME_PAY = 50_000, 1.03, 470  # kroner: per årsværk and month, a year, per hour of overtime paid out
HOURS_PER_CASE = np.array([24, 14, 10, 40, 22, 0.9, 6, 0, 0, 0])  # 0: nothing is counted
FEE = {"A20": 1_200, "A25": 6_000}
CASES = [0, 1, 2, 3, 4, 6]  # activities with a case log; A40 is delivered as counts
SEASON_OVERTIME = np.array([0.3, 0.2, 0.9, 0.1, 0, 0, -1.6, -0.9, 0.1, 0.3, 0.9, 0.9])
SEASON_SICK = np.array([1.35, 1.4, 1.2, 0.95, 0.85, 0.85, 0.9, 0.85, 0.95, 1.05, 1.15, 1.25])
HOLIDAY = np.array([0.03, 0.1, 0.05, 0.13, 0.05, 0.05, 0.55, 0.14, 0.04, 0.15, 0.03, 0.16])


def time(w: Agency) -> pd.DataFrame:
    """Time registration: a row per employee, week, activity or kind of absence (hours worked, then absence)."""
    rng, months = w.rng, len(w.months)
    weeks = [np.array_split(days, 4) for days in w.days]
    shape, now = (len(w.home), months, 4), np.arange(months)
    length = np.broadcast_to(np.array([[len(week) for week in month] for month in weeks]), shape)
    day_hours = np.broadcast_to(7.4 * w.part[:, None, None], shape)

    left = length.copy()
    absent = {"Ferie": np.where(rng.random(shape) < HOLIDAY[w.calendar][None, :, None], length, 0)}
    left -= absent["Ferie"]
    target = rng.uniform(0.55, 0.95, (len(w.code), 1)) * SEASON_SICK[w.calendar] * (1 + 0.015 * w.growth)
    frailty = rng.gamma(3, 1 / 3, (len(w.home), 1))
    ill = rng.random(shape) < (target[w.home, now] * frailty / 7.3)[..., None]
    absent["Sygdom"] = np.where(ill, np.minimum(rng.geometric(0.45, shape), left), 0)
    left -= absent["Sygdom"]
    absent["Barns sygedag"] = ((rng.random(shape) < 0.012) & (left > 0)).astype(int)
    left -= absent["Barns sygedag"]
    often = np.where(w.growth > 0, 0.03, 0.075 * w.base[:, None] / 4.5)[w.home, now]
    absent["Afspadsering"] = ((rng.random(shape) < often[..., None]) & (left > 1)).astype(int)
    left -= absent["Afspadsering"]

    own = w.shocks(1.1, w.fte.shape) * np.where(np.array(w.code) == "2140", 0.4, 1)[:, None]
    level = w.base[:, None] + SEASON_OVERTIME[w.calendar] + w.shocks(0.4, (1, months)) + own
    wanted = (np.maximum(level, 0.4) + 0.3 * w.growth) * w.fte
    weight = rng.gamma(1.5, 1, (*shape[:2], 1)) * rng.exponential(1, shape) * (left > 0) * (rng.random(shape) < 0.6)
    each = (wanted / np.maximum(w.sum(weight), 1e-9))[w.home, now][..., None] * weight
    overtime = np.round(each * 4) / 4
    auto = (overtime == 0) & (left == length) & (rng.random(shape) < 0.35)  # the system filled in the norm
    share = np.where(auto, 1, np.clip(rng.normal(0.972, 0.02, shape), 0.88, 1))
    clock = ~auto & (rng.random(shape) < 0.3)
    hours = (left * day_hours + overtime) * share
    hours = np.where(clock, np.round(hours * 60) / 60, np.round(hours, 2))

    p, t, c = np.nonzero(left > 0)
    activity = np.array([*ACT, "~", ""])[w.draw_activity(p, t)]
    chance = rng.random((3, len(p)))
    activity = np.where(chance[0] < 0.002, "~", np.where(chance[0] < 0.003, "", activity))
    draft = chance[1] < np.where(t == months - 1, 0.02, 0.003)
    status = np.where(auto[p, t, c], "Auto", np.where(draft, "Kladde", "Godkendt"))
    work = w.rows(
        p, t, c, weeks=weeks, kind="", activity=activity, hours=hours[p, t, c], overtime=overtime[p, t, c],
        norm=(length * day_hours)[p, t, c], status=status, clock=clock[p, t, c],
    )  # fmt: skip
    wrong = work[chance[2] < 0.002].assign(hours=-1.15, overtime=0.0, clock=False, status="Godkendt")  # corrected later
    away = []
    for kind, days in absent.items():
        at = np.nonzero(days)
        columns: dict[str, Any] = {"hours": (days * day_hours)[at], "norm": (length * day_hours)[at]}
        columns |= {"status": "Godkendt", "clock": False}
        if kind == "Sygdom":
            columns |= spells(days, weeks)
        away.append(w.rows(at[0], at[1], at[2], weeks, kind=kind, activity="", overtime=0.0, **columns))
    order = ["period_start", "person", "first", "kind", "activity"]
    return pd.concat([work, wrong, *away]).sort_values(order, kind="stable")


def spells(days: np.ndarray, weeks: list[list[np.ndarray]]) -> dict[str, np.ndarray]:
    """First and last day of the spell behind each week's sick days (person x month x week): sick in the next week goes on.

    The last day is NaT in the months before the spell ended, since no one knew it then.
    """
    sick = (days > 0).reshape(len(days), -1)
    place = np.arange(sick.shape[1])
    begins, ends = sick.copy(), sick.copy()
    begins[:, 1:] &= ~sick[:, :-1]
    ends[:, :-1] &= ~sick[:, 1:]
    first = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, len(place))[:, ::-1], axis=1)[:, ::-1]
    starts = np.array([week[0] for month in weeks for week in month])
    person, week = np.nonzero(sick)
    stop = last[person, week]
    lasted = days.reshape(sick.shape)[person, stop].astype(int)
    every = [week for month in weeks for week in month]
    end = np.array([every[at][count - 1] for at, count in zip(stop, lasted, strict=True)])
    return {
        "spell_start": starts[first[person, week]],
        "spell_end": np.where(stop // 4 == week // 4, end, np.datetime64("NaT")),
    }


LONG_SPELL = 14  # days, as parameters/example says


def ended(time: pd.DataFrame, longer_than: int = 0) -> pd.Series:
    """Spells of sick leave that ended, of more than so many calendar days, per unit and month."""
    rows = time[time["spell_end"].notna()].drop_duplicates(["person", "spell_start", "period_start"])
    rows = rows[(rows["spell_end"] - rows["spell_start"]).dt.days + 1 > longer_than]
    return rows.groupby(["unit", "period_start"]).size()


def staff(w: Agency, time: pd.DataFrame) -> pd.DataFrame:
    """Årsværk, absence and overtime balances: opening + earned - taken - paid = closing; they follow the persons."""

    def added(rows: pd.DataFrame, column: str) -> np.ndarray:
        return w.grid(rows.groupby(["unit", "period_start"])[column].sum())

    earned, taken = added(time, "overtime"), added(time[time["kind"] == "Afspadsering"], "hours")
    paid, opening, closing = (np.zeros_like(earned) for _ in range(3))
    share = np.where(np.array(w.code) == "2140", 0.1, 0.45)
    balance = np.round(9 * w.fte[:, 0] * 4) / 4
    for t, month in enumerate(w.months):
        for old in [old for old in SUCCESSORS if month == (SPLIT if old == "2350" else MERGED)]:
            for new, part in SUCCESSORS[old].items():
                balance[w.place[new]] += balance[w.place[old]] * part
            balance[w.place[old]] = 0
        if w.calendar[t] % 3 == 2:
            paid[:, t] = np.round(share * earned[:, max(0, t - 2) : t + 1].sum(1) * (w.fte[:, t] > 0) * 4) / 4
        opening[:, t] = balance
        balance = closing[:, t] = balance + earned[:, t] - taken[:, t] - paid[:, t]
    working = np.array([len(days) for days in w.days])
    return w.long(
        fte=w.fte, persons=w.persons, working_days=working * (w.fte > 0), norm_hours=w.fte * working * 7.4, overtime_hours=earned,
        extra_hours=np.round(0.3 * earned * 4) / 4, sick_hours=added(time[time["kind"] == "Sygdom"], "hours"),
        sick_spells=w.grid(ended(time)), long_spells=w.grid(ended(time, LONG_SPELL)),
        absence_hours=added(time[time["kind"] != ""], "hours"), balance_opening=opening, balance_taken=taken, balance_paid=paid,
        balance_closing=closing, flex_balance=np.round(w.shocks(4, earned.shape) * w.fte, 2),
    )  # fmt: skip


def cases(w: Agency, staff: pd.DataFrame, hours: np.ndarray) -> pd.DataFrame:
    """The case log: hours give closed cases, overtime moves the share within deadline, that gives the dates."""
    rng, months, later = w.rng, len(w.months), 24  # cases closed later are open in the last month
    overtime = w.grid(staff.set_index(["unit", "period_start"])["overtime_hours"])
    moved = overtime / np.where(w.fte > 0, w.fte, 1) - w.base[:, None]
    shocks = (w.shocks(0.012, (1, months)) + w.shocks(0.015, moved.shape)) * np.where(w.within > 0.9, 0.3, 1)[:, None]
    usual = np.nan_to_num(w.within, nan=0.9)[:, None]
    within = np.clip(usual + w.related[:, None] * SLOPE / 100 * moved + shocks, 0.5, 0.985)
    each = (HOURS_PER_CASE * w.factor[:, None])[..., None] * np.exp(w.shocks(0.06, hours.shape, rho=0.3))
    each[:, ACT.index("A30")] *= np.exp(RISING * moved)
    exact = hours[:, CASES] / each[:, CASES]
    closings = np.floor(exact + rng.random(exact.shape)).astype(int)
    future = np.repeat(np.round(closings[:, :, -12:].mean(2))[..., None], later, 2).astype(int)
    counts = np.concatenate([closings, future], 2)
    u, a, m = (np.repeat(index.ravel(), counts.ravel()) for index in np.indices(counts.shape))
    a, every = np.array(CASES)[a], np.arange(w.months[0], LAST + (later + 1) * MONTH)
    days = working_days(every)
    closed = np.array([days[i][int(x * len(days[i]))] for i, x in zip(m, rng.random(len(m)), strict=True)])
    limit, overloaded = np.where(DEADLINE[a] > 0, DEADLINE[a], 12), u == w.place["2140"]
    spread = np.where(overloaded, 0.9 - np.clip((every[m] - OVERLOAD).astype(int) + 1, 0, 18) / 18 * 0.6, 0.65)
    typical = np.log(limit) - spread * ndtri(within[u, np.minimum(m, months - 1)])  # so that P(days <= limit) = within
    typical += np.log(0.6) * ((u == w.place["2230"]) & (every[m] >= STEP))
    took = np.ceil(np.exp(typical + spread * rng.normal(size=len(m)))).astype(int)
    end, received = (LAST + MONTH).astype("datetime64[D]") - DAY, closed - took * DAY
    log = pd.DataFrame({
        "unit": np.array(w.code)[u], "activity": np.where(rng.random(len(u)) < 0.001, "~", np.array(ACT)[a]),
        "received": received, "closed": closed, "days": took,
        "informed": received + np.where(rng.random(len(u)) < 0.5, 0, rng.uniform(0.1, 0.5, len(u)) * took).astype(int) * DAY,
        "deadline": np.where(DEADLINE[a] > 0, received + limit * DAY, np.datetime64("NaT", "D")),
    })  # fmt: skip
    log = log[log["received"] <= end].sort_values(["received", "unit"], kind="stable").reset_index(drop=True)
    late = (log["closed"] <= end) & (log["closed"] > end - 180 * DAY) & (rng.random(len(log)) < 0.004)
    log["status"] = np.where(log["closed"] > end, "Under behandling", np.where(late, "Genåbnet", "Afsluttet"))
    log.loc[log["closed"] > end, "closed"] = pd.NaT
    log.loc[log["informed"] > end, "informed"] = pd.NaT
    year = log["received"].dt.year
    log.insert(0, "case", year.astype(str) + "-" + (log.groupby(year).cumcount() + 1).astype(str).str.zfill(5))
    return log


def count_cases(w: Agency, log: pd.DataFrame) -> pd.DataFrame:
    """Flow and stock per unit, activity and month; a reopened case is open whatever its closing date says."""
    done = log[log["status"] == "Afsluttet"]

    def counted(rows: pd.DataFrame, day: str) -> np.ndarray:
        month = rows[day].dt.to_period("M").dt.to_timestamp()
        return w.grid(rows.groupby(["unit", "activity", month.rename("period_start")]).size(), [*ACT, "~"])

    received, closed = counted(log, "received"), counted(done, "closed")
    before = log[log["received"] < w.months[0]].groupby(["unit", "activity"]).size().reindex(
        pd.MultiIndex.from_product([w.code, [*ACT, "~"]]), fill_value=0).to_numpy().reshape(received.shape[:2])  # fmt: skip
    kept = counted(done[done["closed"] <= done["deadline"]], "closed")
    stock = before[..., None] + np.cumsum(received - closed, 2)
    return w.long([*ACT, "~"], received=received, closed=closed, kept=kept, open=stock)


def volumes(w: Agency, hours: np.ndarray, closed: np.ndarray) -> pd.DataFrame:
    """Counts: enquiries (A40: received, closed, stock) and planned inspections (A10, A15)."""
    answered = np.round(hours[:, 5] / (0.9 * w.factor[:, None] * np.exp(w.shocks(0.05, w.fte.shape))))
    wait = np.round(w.year_mean(answered) * 0.12 * np.exp(w.shocks(0.15, w.fte.shape))) * (w.fte > 0)
    received = np.maximum(answered + np.diff(wait, axis=1, prepend=wait[:, :1]), 0)
    stock = (wait[:, :1] + np.cumsum(received - answered, axis=1)) * (w.fte > 0)
    counts = {"closed": answered, "stock": stock, "received": received}
    planned = np.ceil(w.year_mean(closed[:, :2]) * np.where(w.calendar == 6, 0.6, 1.06))
    frames = [w.long(["A40"], value=count[:, None]).assign(name=name) for name, count in counts.items()]
    return pd.concat([*frames, w.long(ACT[:2], value=planned).assign(name="planned")], ignore_index=True)


def postings(w: Agency, staff: pd.DataFrame, hours: np.ndarray, closed: np.ndarray) -> pd.DataFrame:
    """The ledger: pay by hours on activities, other costs, fees, overtime paid out each quarter, reversals."""
    rng, rows = w.rng, []
    paid = w.grid(staff.set_index(["unit", "period_start"])["balance_paid"])
    for u, t in zip(*np.nonzero(w.fte), strict=True):
        unit, month, main = w.code[u], w.months[t], ACT[int(hours[u, :, t].argmax())]
        pay = w.fte[u, t] * PAY * RISE ** (w.year[t] - 2023) * rng.normal(1, 0.006)
        first, last = month.astype("datetime64[D]") + 2 * DAY, (month + MONTH).astype("datetime64[D]") - DAY

        def post(activity: str, account: str, amount: float, day: np.datetime64, unit: str = unit) -> None:
            rows.append((unit, activity, day, account, round(amount, 2)))

        for a in np.nonzero(hours[u, :, t])[0]:
            part = hours[u, a, t] / hours[u, :, t].sum()
            post(ACT[a], "181001", pay * part, first)
            other = pay * part * rng.uniform(0.04, 0.14) * (1.6 if unit == "2240" and w.year[t] == 2025 else 1)
            account, day = ("221010", "222530", "227025")[a % 3], first + int(rng.integers(2, 25)) * DAY
            post(ACT[a], account, other, day)
            if rng.random() < 0.02:  # posted wrongly, reversed, posted again
                post(ACT[a], account, -other, day + DAY)
                post(ACT[a], account, other * 0.9, day + DAY)
            if ACT[a] in FEE:
                post(ACT[a], "111010", -FEE[ACT[a]] * closed[u, a, t], last - 10 * DAY)
        if w.mix[u, 1] > 0:
            post("A10+A15", "221010", rng.uniform(6_000, 14_000), last - 8 * DAY)
        if w.calendar[t] % 3 == 1:
            post("", "227025", rng.uniform(5_000, 20_000), last - 5 * DAY)
        if paid[u, t]:
            post(main, "183010", paid[u, t] * OVERTIME_PAY, last)
    return pd.DataFrame(rows, columns=["unit", "activity", "date", "account", "amount"])


def sum_ledger(postings: pd.DataFrame) -> pd.DataFrame:
    """Postings per unit, activity, month and account group; the shared code is 70 per cent A10."""
    both = postings["activity"] == "A10+A15"
    shares = {"A10": 0.7, "A15": 0.3}.items()
    shared = [postings[both].assign(activity=to, amount=postings["amount"] * share) for to, share in shares]
    every = pd.concat([postings[~both], *shared]).replace({"activity": {"": "~"}})
    kinds = {"11": "income", "18": "pay", "22": "other"}
    every["account_group"] = every["account"].str[:2].map(kinds).where(every["account"].str[:3] != "227", "indirect")
    every["period_start"] = every["date"].dt.to_period("M").dt.to_timestamp()
    return every.groupby(["unit", "activity", "period_start", "account_group"], as_index=False)[["amount"]].sum()


def budget(w: Agency, ledger: pd.DataFrame) -> pd.DataFrame:
    """Budget per version in whole thousands: near pay, other costs and fees; UO1-UO3 revise the months that are left."""
    frames = []
    factor, revised = w.rng.normal(1.0, 0.02, (2, len(w.code), 1, 1))
    pay = (w.fte * PAY * RISE ** (w.year - 2023))[:, None, :] * w.mix[:, :, None] * factor
    income = ledger[ledger["account_group"] == "income"].set_index(["unit", "activity", "period_start"])["amount"]
    fees = w.year_mean(w.grid(income, ACT)) * (2 - factor)
    for k, version in enumerate(("GB", "UO1", "UO2", "UO3")):
        change = np.where(w.calendar >= 3 * k, revised if k else 1, 1)
        for group, amount in (("pay", pay * 1.01), ("other", pay * 0.1), ("income", fees)):
            part = w.long(ACT, amount=np.round(amount * change / 1000) * 1000)
            frames.append(part.assign(account_group=group, version=version))
    return pd.concat(frames, ignore_index=True)


def goals(
    w: Agency, log: pd.DataFrame, cases: pd.DataFrame, volumes: pd.DataFrame, staff: pd.DataFrame
) -> pd.DataFrame:
    """Goals with results as a person writes them down: monthly, quarterly and yearly per office, a milestone for all."""
    share = np.where(w.mix > 0.3, w.mix, 0) * (DEADLINE > 0)
    main = {unit: ACT[int(share[u].argmax())] for u, unit in enumerate(w.code) if share[u].any()}
    done = log[(log["status"] == "Afsluttet") & (log["closed"] >= w.months[0])].rename(columns={"closed": "day"})
    counted = volumes.pivot_table("value", ["unit", "activity", "period_start"], "name", fill_value=0).reset_index()
    parts = []

    def add(goal: str, rows: pd.DataFrame, target: Any, result: pd.Series, grain: str, decimals: int) -> None:
        start = rows["period_start"].dt.to_period(grain).astype(str).str.replace("Q", "K")
        parts.append(rows.assign(goal=goal, period=start, target=target, result=result.round(decimals)))

    own = cases[cases["activity"] == cases["unit"].map(main)]
    add("1.1", own, own["unit"].map({"2140": 0.85}).fillna(0.8), own["kept"] / own["closed"].replace(0, np.nan), "M", 3)
    plan = own[own["activity"] == "A10"].merge(counted, on=["unit", "activity", "period_start"])
    plan["quarter"] = plan["period_start"].dt.to_period("Q").dt.to_timestamp()
    plan = plan.groupby(["unit", "activity", "quarter"], as_index=False)[["closed_x", "planned"]].sum()
    add("1.2", plan.rename(columns={"quarter": "period_start"}), 1.0, plan["closed_x"] / plan["planned"], "Q", 3)
    asked = counted[counted["activity"] == "A40"]
    add("1.3", asked, 0.95, asked["closed"] / asked["received"], "M", 3)
    mine = done[(done["activity"] == done["unit"].map(main)) & (done["activity"] != "A10")]
    mine = mine.assign(period_start=mine["day"].dt.to_period("Q").dt.to_timestamp())
    median = mine.groupby(["unit", "activity", "period_start"], as_index=False)["days"].median()
    add("2.1", median, median["activity"].map(dict(zip(ACT, DEADLINE * 0.6, strict=True))), median["days"], "Q", 1)
    year = staff.assign(period_start=staff["period_start"].dt.to_period("Y").dt.to_timestamp(), activity="")
    year = year.groupby(["unit", "activity", "period_start"], as_index=False).agg(
        sick_hours=("sick_hours", "sum"), fte=("fte", "mean"), months=("fte", "size")
    )
    add("2.2", year, 10.0, (year["sick_hours"] / 7.4 / year["fte"]).where(year["months"] == 12), "Y", 1)
    columns = ["goal", "unit", "activity", "period", "target", "result"]
    reached = {2024: "15-11-2024"}
    milestones = [("3.1", "", "A70", f"{y}", f"31-12-{y}", reached.get(y)) for y in np.unique(w.year)]
    every = pd.concat([part[columns].astype(object) for part in parts])
    return pd.concat([every, pd.DataFrame(milestones, columns=columns).astype(object)], ignore_index=True)
