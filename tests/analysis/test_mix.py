"""Index numbers against closed forms, and the trap that they are for."""

import json

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput, Sentence
from mi_analysis.analysis.mix import mix_adjusted, mix_index


def activities(*rows):
    return pd.DataFrame(rows, columns=["period", "activity", "cases", "hours"])


def drawn(periods=3, seed=1):
    rng = np.random.default_rng(seed)
    return activities(*((p, a, *rng.uniform(50, 500, 2)) for p in range(2020, 2020 + periods) for a in "ABCD"))


@pytest.fixture
def given(reference):
    return pd.read_csv(reference / "index_mix" / "activities.csv").rename(columns={"year": "period"})


def test_every_reported_index_agrees_with_its_closed_form(given, reference):
    table = mix_index(given).table.set_index("period")
    expected = json.loads((reference / "index_mix" / "case.json").read_text("utf-8"))["expected"]
    reported = [e for e in expected if not e["name"].endswith("mean_of_ratio_index")]  # see README.md

    assert len(reported) == 24
    for e in reported:
        year, name = e["name"].split(".")
        assert table.loc[int(year), name] == pytest.approx(e["value"], rel=e["rtol"], abs=e["atol"]), e["name"]


def test_fisher_unit_cost_times_fisher_output_is_the_hours_index_exactly(given):
    for table in (mix_index(given).table, mix_index(drawn()).table):
        product = table["unitcost_fisher"] * table["output_fisher"]
        assert product.to_numpy() == pytest.approx(table["hours_index"].to_numpy(), rel=1e-14)


def test_the_mix_effect_is_a_line_of_its_own_the_crude_index_over_fisher_productivity(given):
    for table in (mix_index(given).table, mix_index(drawn()).table):
        crude = table["crude_cases_per_hour_index"] / table["productivity_fisher"]
        assert table["mix_effect"].to_numpy() == pytest.approx(crude.to_numpy(), rel=1e-14)


def test_turning_time_round_turns_fisher_and_tornqvist_over():
    there, back = mix_index(drawn(2)).table, mix_index(drawn(2), base=2021).table

    for name in ("unitcost_fisher", "unitcost_tornqvist", "output_fisher", "output_tornqvist"):
        assert there[name].iloc[1] * back[name].iloc[0] == pytest.approx(1, rel=1e-14)


def test_a_shift_to_light_cases_raises_the_crude_index_only():
    table = mix_index(activities(
        (2024, "light", 100, 200), (2024, "heavy", 100, 1000), (2025, "light", 190, 380), (2025, "heavy", 10, 100),
    )).table.iloc[1]  # fmt: skip

    assert table["productivity_fisher"] == pytest.approx(1)
    assert table["crude_cases_per_hour_index"] == pytest.approx(2.5)
    assert table["mix_effect"] == pytest.approx(2.5)


def test_new_vanished_and_empty_activities_are_listed_and_kept_out_of_the_comparison():
    made = mix_index(activities(
        (2024, "A", 10, 20), (2024, "old", 5, 5), (2024, "idle", 3, 6), (2024, "free", 4, 8),
        (2025, "A", 10, 10), (2025, "new", 2, 30), (2025, "idle", 0, 6), (2025, "free", 4, 0),
    ))  # fmt: skip

    listed = {row.activity: (row.reason, row.cases, row.hours) for row in made.unmatched.itertuples()}
    assert listed == {
        "old": ("vanished", 5, 5),
        "new": ("new", 2, 30),
        "idle": ("without_cases", 0, 6),
        "free": ("without_hours", 4, 0),
    }
    table = made.table.iloc[1]
    assert table["productivity_fisher"] == pytest.approx(2)
    product = table["productivity_fisher"] * table["mix_effect"] * table["turnover"]
    assert product == pytest.approx(table["crude_cases_per_hour_index"])
    values = {"period": 2025, "activities": ["free", "idle", "new", "old"], "share": pytest.approx(41 / 46)}
    assert made.warnings == (Sentence("warning.mix.unmatched", values),)


def test_the_chain_returns_to_one_when_nothing_changed_and_shows_its_drift():
    bounce = pd.concat([drawn(2), drawn(2).query("period == 2020").assign(period=2022)])
    table = mix_index(bounce).table

    assert table["productivity_fisher"].iloc[2] == pytest.approx(1)
    assert table["chained_fisher"].iloc[2] == pytest.approx(1)
    three = mix_index(drawn()).table.iloc[2]
    assert three["drift"] == pytest.approx(three["chained_fisher"] / three["productivity_fisher"])
    assert abs(three["drift"] - 1) > 1e-6


def test_another_base_divides_the_chain_and_leaves_the_order_of_rows_alone():
    table = drawn()

    chain = mix_index(table).table["chained_fisher"]
    rebased = mix_index(table.sample(frac=1, random_state=1), base=2021).table["chained_fisher"]
    assert rebased.to_numpy() == pytest.approx((chain / chain.iloc[1]).to_numpy())


@pytest.mark.parametrize(("table", "base", "message"), [
    (drawn(1), None, "At least two periods are needed, one of them the base; there are 2020."),
    (drawn(2), 2019, "At least two periods are needed, one of them the base; there are 2020, 2021."),
    (pd.concat([drawn(), drawn().head(2)]), None, "2 rows repeat a key; there must be one row per period x activity."),
    (drawn(2).assign(cases=-1), None,
     "Cases and hours must not be negative; a correction belongs in the period it corrects."),
    (activities((2024, "A", 1, 1), (2025, "B", 1, 1)), None,
     "No activity has cases and hours in both periods; there is nothing to compare."),
    (drawn(2).assign(hours=np.nan), None, "8 rows have a blank hours; leave the rows out and say so."),
])  # fmt: skip
def test_an_index_of_bad_input_is_refused_with_what_would_be_right(table, base, message):
    with pytest.raises(BadInput) as caught:
        mix_index(table, base)

    assert str(caught.value) == message


def units(light, heavy, months=24, seed=1):
    """Two units with 2 and 20 hours per case of light and heavy; `light`, `heavy`: cases a month, per unit."""
    rng = np.random.default_rng(seed)
    day = pd.date_range("2024-01-01", periods=months, freq="MS")
    parts = []
    for number, name in enumerate("AB"):
        for activity, cases, pace in (("light", light[number], 2), ("heavy", heavy[number], 20)):
            count = rng.poisson(cases, months)
            hours = count * pace * rng.lognormal(0, 0.1, months)
            parts.append(
                pd.DataFrame({"unit": name, "activity": activity, "period_start": day, "cases": count, "hours": hours})
            )
    return pd.concat(parts, ignore_index=True)


def test_units_with_different_mix_and_the_same_pace_are_not_told_apart():
    made = mix_adjusted(units(light=(80, 20), heavy=(5, 30)))

    assert made.table["crude"].max() > 3 * made.table["crude"].min()
    assert made.table["adjusted"].max() < 1.1 * made.table["adjusted"].min()
    assert made.verdict == (Sentence("verdict.compare.overlap", {}),)


def test_a_slower_unit_with_light_cases_is_named_and_the_order_is_said_to_change():
    table = units(light=(80, 20), heavy=(5, 30))
    table.loc[table["unit"] == "A", "hours"] *= 1.5
    made = mix_adjusted(table)

    keys = {values["unit_a"]: values["value"] > values["ref"] for _, values in made.verdict}
    assert keys == {"A": True, "B": False}
    assert Sentence("warning.mix.order_changes", {}) in made.warnings
    assert (made.table["covered"] == 1).all()


def test_totals_alone_give_no_interval_and_no_verdict():
    totals = units((80, 20), (5, 30)).groupby(["unit", "activity"])[["cases", "hours"]].sum().reset_index()
    made = mix_adjusted(totals)

    assert made.table["low"].isna().all()
    assert made.verdict == ()
    assert made.warnings[0] == Sentence("warning.mix.no_interval", {"n_min": 6})
    assert made.reference == pytest.approx(totals["hours"].sum() / totals["cases"].sum())


def test_an_activity_with_hours_and_no_cases_is_named_with_its_hours():
    table = units((80, 20), (5, 30))
    table.loc[(table["unit"] == "A") & (table["activity"] == "heavy"), "cases"] = 0
    lost = float(table.loc[(table["unit"] == "A") & (table["activity"] == "heavy"), "hours"].sum())
    made = mix_adjusted(table)

    assert Sentence("warning.mix.left_out", {"cells": [("A", "heavy")], "hours": lost}) in made.warnings
    assert made.table["covered"].iloc[0] < 1


def test_one_unit_has_nobody_to_be_compared_with():
    with pytest.raises(BadInput) as caught:
        mix_adjusted(units((80, 20), (5, 30)).query("unit == 'A'"))

    assert str(caught.value) == "There is one unit only; the comparison needs at least two."
