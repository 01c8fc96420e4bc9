"""Durations against R's survival, and by what must be true of any cases."""

import json

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.durations import durations, durations_of, life_table, mean_change, open_share


def cases(days, closed, **columns):
    return pd.DataFrame({"days": days, "closed": closed, **columns})


def drawn(n=400, seed=1):
    """Exponential durations with mean 100 days; observation ends at 150."""
    days = np.random.default_rng(seed).exponential(100, n)
    return cases(np.minimum(days, 150), (days < 150).astype(int))


def answers(table, made):
    """Numbers under the names of the reference cases."""
    groups = made.table.set_index("group")
    got = {
        "overall_median": groups.loc["*", "q50"],
        "naive_mean_closed": groups.loc["*", "closed_mean"],
        "naive_median_closed": groups.loc["*", "closed_median"],
        "logrank_chisq": made.comparison["chi2"],
        "logrank_p": made.comparison["p"],
        "cox_coef": made.hazards["log_ratio"].iloc[0],
        "cox_se": made.hazards["se"].iloc[0],
        "rmst180": groups.loc["*", "mean_to"],
        "rmst180_se": groups.loc["*", "mean_to_se"],
    }
    for at, unit in enumerate(sorted(table["unit"].unique())):
        row = groups.loc[unit]
        names = {"n": "n", "events": "closed", "median": "q50"}
        names |= {"median_lo95_loglog": "q50_low", "median_hi95_loglog": "q50_high"}
        got |= {f"{name}.unit={unit}": row[column] for name, column in names.items()}
        got[f"naive_closed_by_unit.{unit}"] = row["closed_mean"]
        for number, (day, share, se) in enumerate(open_share(made, unit, [30, 60, 90]).to_numpy()):
            values = {"strata": f"unit={unit}", "time": day, "S": share, "se": se}
            got |= {f"S_at[{3 * at + number}].{name}": value for name, value in values.items()}
    return got


@pytest.mark.parametrize("name", ["survival_aml", "survival_cases"])
def test_every_value_agrees_with_r(name, reference):
    table = pd.read_csv(reference / name / "cases.csv")[["unit", "days", "event"]].rename(columns={"event": "closed"})
    got = answers(table, durations(table, by="unit", horizon=180))

    for expected in json.loads((reference / name / "case.json").read_text("utf-8"))["expected"]:
        value = expected["value"]
        if isinstance(value, float | int):
            value = pytest.approx(value, rel=expected["rtol"], abs=expected["atol"])
        if value is not None:
            assert got[expected["name"]] == value, expected["name"]


@pytest.mark.parametrize("name", ["survival_aml", "survival_cases"])
def test_closed_cases_alone_are_never_the_headline_and_are_said_to_be_too_low(name, reference):
    table = pd.read_csv(reference / name / "cases.csv")[["unit", "days", "event"]].rename(columns={"event": "closed"})
    made = durations(table, by="unit")

    overall = made.table.iloc[-1]
    assert overall["closed_median"] < overall["q50"]
    values = {"group": "*", "closed": overall["closed_median"], "all": overall["q50"]}
    assert Sentence("warning.durations.closed_only", values) in made.warnings
    said = " ".join(str(values) for _, values in made.verdict)
    assert "closed_m" not in said


def test_without_open_cases_it_is_the_plain_median_and_mean():
    days = [3.0, 5, 8, 13, 21, 34, 55]
    row = durations(cases(days, 1), horizon=60).table.iloc[0]

    assert row["q50"] == row["closed_median"] == 13
    assert row["mean_to"] == pytest.approx(np.mean(days))


def test_open_cases_lengthen_what_is_told():
    truth = drawn()
    made = durations(truth, horizon=150).table.iloc[0]

    assert made["closed_mean"] < 65
    assert made["q50_low"] < 100 * np.log(2) < made["q50_high"]
    assert abs(made["mean_to"] - 100 * (1 - np.exp(-1.5))) < 2.5 * made["mean_to_se"]


def test_a_median_that_is_not_reached_is_more_than_the_longest():
    made = durations(cases([5.0, 6, 7, 8, 9] + [40.0] * 10, [1] * 5 + [0] * 10), horizon=30)

    assert np.isnan(made.table["q50"].iloc[0])
    assert Sentence("warning.durations.median_not_reached", {"group": "*", "longest": 40.0}) in made.warnings


def test_the_mean_is_said_to_reach_beyond_what_was_seen():
    made = durations(cases([5.0, 6, 7, 8, 9] + [40.0] * 10, [1] * 5 + [0] * 10), horizon=180)

    values = {"group": "*", "longest": 40.0, "horizon": 180}
    assert Sentence("warning.durations.beyond_follow_up", values) in made.warnings
    assert open_share(made, "*", [39, 41])["open_share"].isna().tolist() == [False, True]


def test_cases_seen_late_count_from_when_they_are_seen():
    rng = np.random.default_rng(3)
    days, entry = rng.exponential(100, 4000), rng.uniform(0, 150, 4000) * rng.integers(0, 2, 4000)
    seen = cases(days, 1, entry=entry)[days > entry]
    late = durations(seen, horizon=300)

    blind = durations(seen.drop(columns="entry"), horizon=300)
    assert late.table["q50_low"].iloc[0] < 100 * np.log(2) < late.table["q50_high"].iloc[0]
    assert blind.table["q50_low"].iloc[0] > 100 * np.log(2)
    assert late.method == Sentence("method.durations", {"horizon": 300, "late_entry": True})


def test_log_rank_and_cox_take_late_entry_into_account():
    rng = np.random.default_rng(4)
    group = np.repeat(["A", "B"], 3000)
    days, entry = rng.exponential(100, 6000), np.where(group == "B", 60.0, 0.0)
    seen = cases(days, 1, entry=entry, unit=group)[days > entry]
    made, blind = durations(seen, by="unit"), durations(seen.drop(columns="entry"), by="unit")

    assert made.comparison["p"] > 0.05
    assert blind.comparison["p"] < 1e-6
    assert abs(made.hazards["log_ratio"].iloc[0]) < 2.5 * made.hazards["se"].iloc[0]


def test_a_thin_start_after_late_entry_is_warned_of():
    made = durations(cases([2.0, 50, 60, 70, 80, 90], 1, entry=[1.0, 40, 40, 40, 40, 40]))

    assert Sentence("warning.durations.thin_start", {"group": "*", "longest": 90.0}) in made.warnings


def test_few_closed_cases_are_shown_as_numbers_only_and_not_compared_when_none_is_closed():
    many = drawn(60)
    few = cases([10.0, 20, 30], [1, 0, 1])
    none = cases([10.0, 20], [0, 0])
    table = pd.concat([many.assign(unit="A"), few.assign(unit="B"), none.assign(unit="C")])
    made = durations(table, by="unit", horizon=100)

    row = made.table.set_index("group").loc["B"]
    assert (row["n"], row["closed"], row["open"]) == (3, 2, 1)
    assert np.isnan(row["q50"])
    assert Sentence("warning.durations.few_closed", {"group": "B", "n": 2, "n_min": 5}) in made.warnings
    assert Sentence("warning.durations.not_compared", {"groups": ["C"]}) in made.warnings
    assert made.comparison["df"] == 1


def test_units_that_do_not_differ_are_not_told_apart_and_units_that_do_are():
    same = durations(pd.concat([drawn(200, 1).assign(unit="A"), drawn(200, 2).assign(unit="B")]), by="unit")
    slow = drawn(200, 2).assign(unit="B", days=lambda t: t["days"] * 2)
    differ = durations(pd.concat([drawn(200, 1).assign(unit="A"), slow]), by="unit")

    assert same.verdict[0].key == "verdict.compare.overlap"
    assert differ.verdict[0].key == "verdict.compare.durations_differ"
    assert differ.hazards["ratio"].iloc[0] < 1


def test_no_finite_ratio_is_told_when_one_unit_closes_wholly_before_the_other():
    first, then = cases(np.arange(1.0, 11), 1, unit="A"), cases(np.arange(21.0, 31), 1, unit="B")
    made = durations(pd.concat([first, then]), by="unit")

    assert made.hazards["log_ratio"].isna().all()
    assert made.comparison["p"] < 0.001


def test_the_order_of_rows_does_not_matter():
    table = drawn(50).assign(unit=["A", "B"] * 25)

    pd.testing.assert_frame_equal(
        durations(table, by="unit").table, durations(table.sample(frac=1, random_state=2), by="unit").table
    )


FINE = cases([5.0, 6, 7], [1, 0, 1], unit=["A", "B", "A"])


@pytest.mark.parametrize(("table", "options", "message"), [
    (FINE.assign(days=[5, -1, -2]), {},
     "2 cases end before they begin; correct the dates or leave them out."),
    (FINE.assign(days=[5, np.nan, 2]), {}, "1 rows have a blank days; leave the rows out and say so."),
    (FINE.assign(days=[5, np.inf, 2]), {},
     "days has 1 infinite values; a ratio over zero is blank, never infinite."),
    (FINE.assign(closed=[1, 2, 0]), {}, "closed must be 1 (closed) or 0 (still open)."),
    (FINE.assign(entry=[1, 6, 0]), {}, "entry must be 0 or more and before days; a case seen after its end tells nothing."),
    (FINE.assign(unit=["A", None, "A"]), {"by": "unit"}, "1 rows have a blank unit; leave the rows out and say so."),
    (FINE, {"by": "team"}, "The table lacks team; it has days, closed, unit."),
    (FINE, {"horizon": 0}, "horizon is 0; it must be a number of days above 0."),
    (FINE.head(0), {}, "The table has no rows; at least one is needed."),
])  # fmt: skip
def test_bad_input_is_named_with_what_would_be_right(table, options, message):
    with pytest.raises(BadInput) as caught:
        durations(table, **options)

    assert str(caught.value) == message


def test_a_life_table_says_what_its_cases_say_and_holds_none_of_them():
    table = drawn(300).assign(unit=np.arange(300) % 3, days=lambda t: t["days"].round())
    counted = life_table(table, by="unit")
    by_cases, by_counts = durations(table, by="unit", horizon=100), durations_of(counted, horizon=100)

    pd.testing.assert_frame_equal(by_cases.table, by_counts.table)
    pd.testing.assert_frame_equal(by_cases.hazards, by_counts.hazards)
    assert counted[["entered", "closed", "open"]].sum().tolist() == [
        300,
        table["closed"].sum(),
        300 - table["closed"].sum(),
    ]
    assert counted["group"].nunique() == 3


def test_cases_closed_on_the_day_they_came_count_also_where_others_are_seen_late():
    made = durations(cases([0.0, 0, 5, 5, 30], 1, entry=[0.0, 0, 0, 0, 10]))

    assert made.curve[["day", "at_risk", "closed"]].to_numpy().tolist() == [[0, 4, 2], [5, 2, 2], [30, 1, 1]]


def compared(now, before):
    """Two years of cases that all close after so many days, one day apart."""
    parts = {"now": now, "before": before}
    return pd.concat([cases(np.arange(20.0) + days, 1, span=name) for name, days in parts.items()])


@pytest.mark.parametrize(
    ("now", "before", "key", "est"), [(40, 60, "sooner", 20), (60, 40, "later", 20), (40, 41, "unclear", -1)]
)
def test_a_change_of_the_mean_is_told_in_days_with_its_interval(now, before, key, est):
    (said,) = mean_change(durations(compared(now, before), by="span"), "now", "before")

    assert said.key == f"verdict.durations.{key}"
    assert said.values["est"] == pytest.approx(est)
    assert said.values["lo"] < est < said.values["hi"]
    assert (said.values["now"], said.values["before"]) == pytest.approx((now + 9.5, before + 9.5))


def test_nothing_is_said_of_a_change_where_one_year_has_too_few_closed():
    few = pd.concat([cases([5.0, 6, 7], 1, span="before"), compared(40, 60).query("span == 'now'")])

    assert mean_change(durations(few, by="span"), "now", "before") == ()
    assert mean_change(durations(few.query("span == 'now'"), by="span"), "now", "before") == ()


@pytest.mark.thorough
def test_two_equal_groups_are_told_apart_in_one_of_twenty_draws():
    rng = np.random.default_rng(20)
    found = []
    for _ in range(400):
        days = rng.exponential(50, 120)
        one = cases(np.minimum(days, 90), (days < 90).astype(int), unit=np.arange(120) % 2)
        found.append(durations(one, by="unit", horizon=90).comparison["p"] < 0.05)

    assert 0.02 <= np.mean(found) <= 0.09
