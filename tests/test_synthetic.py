"""Eksempelstyrelsen: what is planted is there, and what is delivered reads back as the truth."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mi_analysis.model.deliveries import Delivery, read
from mi_analysis.parameters import load_institution
from mi_analysis.synthetic import Truth, make
from mi_analysis.synthetic.agency import working_days

KEYS = ["unit", "activity", "period_start"]


@pytest.fixture(scope="module")
def agency(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Truth]:
    folder = tmp_path_factory.mktemp("eksempelstyrelsen")
    return folder, make(folder)


@pytest.fixture(scope="module")
def truth(agency: tuple[Path, Truth]) -> Truth:
    return agency[1]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, project: Path) -> tuple[list[Delivery], Truth]:
    folder = tmp_path_factory.mktemp("small")
    truth = make(folder, units=10, months=13)
    sources = load_institution(project / "parameters" / "example").sources
    files = [
        (name, file) for name, source in sources.items() for at in source.files for file in sorted(folder.glob(at))
    ]
    return [read(file, name, sources[name]) for name, file in files], truth


def delivered(deliveries: list[Delivery], table: str) -> pd.DataFrame:
    return pd.concat([found.facts[table].to_pandas() for found in deliveries if table in found.facts])


def fingerprint(folder: Path) -> str:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    parts = [f"{file.relative_to(folder)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def per_fte(truth: Truth) -> pd.Series:
    staff = truth.staff.set_index(["unit", "period_start"])
    return (staff["overtime_hours"] / staff["fte"]).rename("x")


def slope(x: pd.Series, y: pd.Series) -> tuple[float, float]:
    """Least squares slope and its standard error."""
    dx = x - x.mean()
    b = (dx * y).sum() / (dx**2).sum()
    rest = y - y.mean() - b * dx
    return b, np.sqrt((rest**2).sum() / (len(x) - 2) / (dx**2).sum())


def within_deadline(truth: Truth) -> pd.DataFrame:
    due = truth.cases[truth.cases["activity"].isin(["A10", "A15", "A20", "A25", "A30"])]
    sums = due.groupby(["unit", "period_start"])[["closed", "kept"]].sum().query("closed > 0")
    return sums.assign(y=100 * sums["kept"] / sums["closed"]).join(per_fte(truth)).reset_index()


def hours_per_case(truth: Truth) -> pd.DataFrame:
    both = truth.cases.merge(truth.hours, on=KEYS).query("closed > 0 and activity != '~'")
    return both.assign(y=both["hours"] / both["closed"])


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("again", 7), ("other", 8)):
        make(tmp_path / name, seed=seed, units=10, months=13)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "again")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "other")


def test_an_agency_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    for wrong in ({"units": 9}, {"units": 25}, {"months": 12}, {"months": 73}):
        with pytest.raises(ValueError, match=r"^Eksempelstyrelsen has 10-24 offices and 13-72 months\.$"):
            make(tmp_path, **wrong)
    assert list(tmp_path.iterdir()) == []


def test_months_have_their_danish_working_days() -> None:
    months = np.arange("2023-01", "2026-01", dtype="datetime64[M]")
    days = np.array([len(month) for month in working_days(months)]).reshape(3, 12)
    assert days[0].tolist() == [22, 20, 23, 17, 20, 22, 21, 23, 21, 22, 22, 19]  # definitions, section 1
    assert days[1].tolist() == [22, 21, 19, 21, 21, 20, 23, 22, 21, 23, 21, 20]
    assert days[2].tolist() == [22, 20, 21, 19, 21, 20, 23, 21, 22, 23, 20, 21]


def test_every_delivery_is_read_and_every_total_line_agrees(small: tuple[list[Delivery], Truth]) -> None:
    deliveries, _ = small
    assert [found.file for found in deliveries if found.stopped] == []
    assert [total for found in deliveries for total in found.control_totals if not total.agrees] == []
    for found in deliveries:
        account = found.account
        assert account.read == account.used + account.quarantined + sum(account.dropped.values())
    assert {found.source for found in deliveries if found.quarantine.num_rows} == {"cases"}


def test_what_is_read_is_the_truth(small: tuple[list[Delivery], Truth]) -> None:
    deliveries, truth = small
    hours = delivered(deliveries, "hours").query("status != 'draft'")
    assert hours["hours"].sum() == pytest.approx(truth.hours["hours"].sum(), abs=1e-6)
    assert hours["overtime_hours"].sum() == pytest.approx(truth.hours["overtime_hours"].sum(), abs=1e-6)
    absence = delivered(deliveries, "absence").query("absence_type == 'sick'")
    assert absence["absence_hours"].sum() == pytest.approx(truth.staff["sick_hours"].sum(), abs=1e-6)
    staff = delivered(deliveries, "staff")
    assert staff["overtime_hours"].add(staff["extra_hours"]).sum() == pytest.approx(truth.staff["overtime_hours"].sum())
    assert staff["fte"].sum() == pytest.approx(truth.staff["fte"].sum(), abs=1e-6)
    for table in ("ledger", "budget"):
        groups = delivered(deliveries, table).groupby("account_group")["amount"].sum()
        pd.testing.assert_series_equal(groups, getattr(truth, table).groupby("account_group")["amount"].sum())
    cases = delivered(deliveries, "cases")
    assert cases["case"].is_unique
    assert len(cases) == len(truth.log)
    open_at_the_end = truth.cases.groupby(["unit", "activity"])["open"].last().sum()
    assert (cases["status"] != "closed").sum() == open_at_the_end
    goals = delivered(deliveries, "goals")
    assert len(goals) == len(truth.goals)
    assert (goals["state"] == "not_assessed").sum() == truth.goals["result"].isna().sum()
    share = goals.loc[goals["goal"] == "1.1", "result"].astype(float).sum()
    assert share == pytest.approx(truth.goals.loc[truth.goals["goal"] == "1.1", "result"].sum())


def test_twenty_four_offices_are_valid_in_the_last_month(agency: tuple[Path, Truth]) -> None:
    history = pd.read_csv(agency[0] / "reference/organisation_historik.csv", sep=";", dtype=str)
    offices = history[(history["niveau"] == "kontor") & history["gyldig_til"].isna()]["enhedskode"]
    staff = agency[1].staff
    assert sorted(offices) == sorted(staff[staff["period_start"] == pd.Timestamp("2025-12-01")]["unit"])
    assert len(offices) == 24
    assert len(set(offices.str[:2])) == 5


def test_persons_and_balances_follow_the_task_when_offices_change(truth: Truth) -> None:
    staff = truth.staff.set_index(["unit", "period_start"])
    for old, shares in truth.successors.items():
        last = staff.loc[old].index.max()
        first = last + pd.DateOffset(months=1)
        for new, share in shares.items():
            before = staff["persons"].get((new, last), 0.0)
            others = sum(staff["persons"][o, last] * s[new] for o, s in truth.successors.items() if new in s)
            assert staff["persons"][new, first] == pytest.approx(before + others), (old, share)
    difference = (
        staff["balance_opening"]
        + staff["overtime_hours"]
        - staff["balance_taken"]
        - staff["balance_paid"]
        - staff["balance_closing"]
    )
    assert difference.abs().max() < 1e-6
    months = staff.groupby("period_start")[["balance_opening", "balance_closing"]].sum()
    assert months["balance_opening"].iloc[1:].to_numpy() == pytest.approx(
        months["balance_closing"].iloc[:-1].to_numpy()
    )


def test_stock_follows_flow(truth: Truth) -> None:
    cases = truth.cases.groupby("period_start")[["received", "closed", "open"]].sum()
    change = (cases["received"] - cases["closed"]).iloc[1:]
    assert cases["open"].diff().iloc[1:].tolist() == change.tolist()
    assert truth.cases["open"].min() >= 0
    opening = truth.log["received"] < truth.cases["period_start"].min()
    assert cases["open"].iloc[0] - cases["received"].iloc[0] + cases["closed"].iloc[0] == opening.sum()


def test_figures_are_of_a_plausible_size(truth: Truth) -> None:
    staff, hours = truth.staff, truth.hours
    attendance = (staff["norm_hours"] - staff["absence_hours"] + staff["overtime_hours"]).sum()
    sick = staff.assign(days=staff["sick_hours"] / 7.4).groupby(staff["period_start"].dt.month)[["days", "fte"]].sum()
    sick_days = sick["days"] / sick["fte"]
    pay = truth.ledger.query("account_group == 'pay'")["amount"].sum()
    assert 0.955 < hours["hours"].sum() / attendance < 0.985
    assert 2 < staff["overtime_hours"].sum() / staff["fte"].sum() < 8
    assert 0.5 < staff["sick_hours"].sum() / 7.4 / staff["fte"].sum() < 1.3
    assert sick_days[[1, 2, 12]].mean() > 1.4 * sick_days[[5, 6, 7]].mean()
    assert 48_000 < pay / staff["fte"].sum() < 56_000
    assert 30_000 < len(truth.log) < 60_000
    budget = truth.budget.query("version == 'GB'").groupby("unit")["amount"].sum()
    assert (truth.ledger.groupby("unit")["amount"].sum() / budget - 1).abs().max() < 0.15


def test_share_within_deadline_moves_with_overtime_only_where_it_is_planted(truth: Truth) -> None:
    panel = within_deadline(truth)
    found = {unit: slope(rows["x"], rows["y"]) for unit, rows in panel.groupby("unit")}
    assert {unit: found[unit] for unit in truth.related if found[unit][0] / found[unit][1] > -2} == {}
    assert {unit: found[unit] for unit in truth.related if abs(found[unit][0] - truth.slope) > 3 * found[unit][1]} == {}
    assert {unit: found[unit] for unit in truth.unrelated if abs(found[unit][0]) > 2.5 * found[unit][1]} == {}
    between = panel[panel["unit"].isin([*truth.related, *truth.unrelated])].groupby("unit")[["x", "y"]].mean()
    assert slope(between["x"], between["y"])[0] > 1  # the sign between offices is the opposite


def test_hours_per_case_move_with_overtime_only_in_complaints(truth: Truth) -> None:
    panel = hours_per_case(truth).join(per_fte(truth), on=["unit", "period_start"])
    panel = panel[(panel["closed"] >= 10)]
    panel["y"] = np.log(panel["y"])
    panel[["x", "y"]] -= panel.groupby(["unit", "activity"])[["x", "y"]].transform("mean")
    planted, rise = truth.hours_per_case_slope
    for activity, rows in panel.groupby("activity"):
        b, se = slope(rows["x"], rows["y"])
        assert abs(b - (rise if activity == planted else 0)) < 3 * se, activity


def test_the_mix_hides_which_office_is_quicker(truth: Truth) -> None:
    simple, complex_ = truth.mix_trap
    sums = hours_per_case(truth).groupby(["unit", "activity"])[["hours", "closed"]].sum()
    crude = sums.groupby("unit").sum().eval("hours / closed")
    each = sums["hours"] / sums["closed"]
    assert crude[simple] < 0.7 * crude[complex_]
    assert all(each[simple, activity] > 1.1 * each[complex_, activity] for activity in ("A20", "A25"))


def test_the_step_and_the_hidden_overload_are_there(truth: Truth) -> None:
    done = truth.log.query("status == 'Afsluttet' and activity != '~'")
    unit, month, factor = truth.step
    mine = done[done["unit"] == unit]
    after = mine["closed"] >= pd.Timestamp(month)
    assert mine[after]["days"].median() / mine[~after]["days"].median() == pytest.approx(factor, abs=0.06)

    unit, month = truth.overload
    first, last = "'2023-07-01' <= period_start <= '2024-06-01'", "period_start >= '2025-07-01'"
    cases, staff = truth.cases[truth.cases["unit"] == unit], truth.staff[truth.staff["unit"] == unit]
    before, now = (cases.query(period)[["closed", "kept"]].sum() for period in (first, last))
    assert min(before["kept"] / before["closed"], now["kept"] / now["closed"]) > 0.93
    stock = cases.groupby("period_start")["open"].sum()
    assert stock.iloc[-6:].mean() > 1.4 * stock.loc["2023-07":"2024-06"].mean()
    assert staff.query(last)["overtime_hours"].mean() > 1.8 * staff.query(first)["overtime_hours"].mean()
    assert staff["balance_closing"].iloc[-1] > 2 * staff.query(first)["balance_closing"].iloc[-1]
    green = truth.goals[(truth.goals["goal"] == "1.1") & (truth.goals["unit"] == unit)]
    assert (green["result"].astype(float) >= green["target"].astype(float)).mean() > 0.85


def test_what_is_missing_late_and_broken_is_as_told(agency: tuple[Path, Truth]) -> None:
    folder, truth = agency
    assert not (folder / "hr/overarbejde_saldi_2023-05.csv").exists()
    assert len(list((folder / "hr").iterdir())) == 35
    asked = pd.read_csv(folder / "drift/henvendelser_2025.csv", sep=";", dtype={"Enhed": str})
    assert sorted(asked[asked["Måned"] == "2025M12"]["Enhed"]) == ["2410", "2420", "2440"]
    assert {"2441", "2442"} < set(asked[asked["Måned"] == "2025M07"]["Enhed"])  # merged, but not yet here
    lines = (folder / "hr/overarbejde_saldi_2025-12.csv").read_bytes().decode("cp1252").splitlines()
    assert lines[1].startswith("Udtrukket: 13-01-2026;")
    stated = next(line for line in lines if line.startswith("22-30-00;")).split(";")[9]
    true = truth.staff.query("unit == '2230'")["balance_closing"].iloc[-1]
    assert float(stated.replace(",", ".")) - true == pytest.approx(2.0)
    assert truth.staff.query(f"unit == '{truth.four_persons}'")["persons"].unique().tolist() == [4]
