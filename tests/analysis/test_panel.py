"""What a panel is made of, what is left out of it, and what it cannot answer."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.association import associate
from mi_analysis.analysis.basis import BadInput

from .conftest import keys, said, warned


def test_under_24_unit_months_there_is_no_estimate_and_it_says_what_would_do(simulate):
    found = associate(simulate.unrelated(units=6, months=3), "goal", "overtime")

    assert found.verdict.key == "verdict.assoc.insufficient"
    assert (said(found)["n"], said(found)["n_min"], said(found)["of"]) == (
        18,
        24,
        "unit_months",
    )
    assert (found.estimate, found.p, found.interval) == (None, None, None)
    assert len(found.table) == 18


def test_under_six_units_there_is_a_leave_one_out_table_and_no_p(simulate):
    found = associate(simulate.related(units=5), "goal", "overtime")

    assert found.verdict.key == "verdict.assoc.insufficient"
    assert (said(found)["n"], said(found)["n_min"], said(found)["of"]) == (5, 6, "units")
    assert (found.p, found.interval, found.bootstrap) == (None, None, None)
    assert set(found.without_unit) == {"100", "101", "102", "103", "104"}
    assert found.method[1]["inference"] == "leave_one_out"


def test_one_unit_is_too_little_however_many_months(simulate):
    found = associate(simulate.unrelated(units=1, months=36), "goal", "overtime")

    assert found.verdict.key == "verdict.assoc.insufficient"
    assert (said(found)["n"], said(found)["n_min"], said(found)["of"]) == (1, 6, "units")
    assert (found.n, found.estimate, found.p) == (36, None, None)


def test_nothing_known_is_too_little(simulate):
    found = associate(simulate.unrelated().assign(goal=np.nan), "goal", "overtime")

    assert found.verdict.key == "verdict.assoc.insufficient"
    assert (found.n, found.left_out) == (0, {"missing": 288})


def test_two_months_of_many_units_are_enough_and_one_is_not(simulate):
    assert associate(simulate.unrelated(units=30, months=2), "goal", "overtime").estimate is not None
    assert (
        associate(simulate.unrelated(units=30, months=1), "goal", "overtime").verdict.key == "verdict.assoc.common_only"
    )


@pytest.mark.parametrize(
    ("change", "measure", "key"),
    [
        ({"overtime": 5.0}, "overtime", "constant"),
        ({"overtime": 0.0}, "overtime", "constant"),
        ({"goal": 100.0}, "goal", "constant"),
        ({"overtime": lambda f: f["unit"].astype(float)}, "overtime", "common_only"),
        ({"overtime": lambda f: f["period_start"].dt.month * 1.0}, "overtime", "common_only"),
        ({"overtime": lambda f: f["unit"].astype(float) + f["period_start"].dt.month}, "overtime", "common_only"),
    ],
)
def test_what_does_not_vary_gets_no_number(simulate, change, measure, key):
    found = associate(simulate.unrelated().assign(**change), "goal", "overtime")

    assert found.verdict.key == f"verdict.assoc.{key}"
    assert said(found)["measure"] == measure
    assert (found.estimate, found.p) == (None, None)


def test_an_exposure_that_varies_in_one_unit_only_gets_no_p(simulate):
    frame = simulate.unrelated()
    frame.loc[frame["unit"] != "103", "overtime"] = 5.0
    found = associate(frame, "goal", "overtime")

    assert found.verdict.key == "verdict.assoc.one_unit_only"
    assert (said(found)["measure"], said(found)["what"]) == ("overtime", "103")
    assert (found.p, found.interval) == (None, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: pd.concat([f, f.iloc[[0]]]), "1 rows repeat a key; there must be one row per unit x period_start."),
        (lambda f: f.assign(goal=f["goal"].mask(f.index == 3, np.inf)), "goal has 1 infinite values; a ratio over zero is blank, never infinite."),
        (lambda f: f.drop(columns="goal"), "The table lacks goal; it has unit, period_start, overtime."),
        (lambda f: f.assign(goal="mange"), "goal holds something that is not a number; every value must be one, or blank."),
        (lambda f: f.assign(unit=f["unit"].mask(f.index < 2)), "2 rows have a blank unit; every row needs one."),
        (lambda f: f.assign(period_start="juli " + f["period_start"].astype(str)), "period_start holds something that is no date, such as 2026-01 or 2026-01-01."),
        (lambda f: f.iloc[:0], "The table has no rows; at least one is needed."),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_refused(simulate, change, message):
    with pytest.raises(BadInput) as told:
        associate(change(simulate.unrelated()), "goal", "overtime")

    assert str(told.value) == message


def test_a_margin_of_zero_is_refused_before_the_answer(simulate):
    with pytest.raises(BadInput) as told:
        associate(simulate.unrelated(), "goal", "overtime", margin=0)

    assert str(told.value) == "The smallest relevant difference is 0; it must be a number over 0."


@pytest.mark.parametrize("scale", [1e15, 1e-15])
def test_badly_scaled_input_keeps_its_digits_and_is_warned_of(simulate, scale):
    frame = simulate.related()
    plain, scaled = (
        associate(f, "goal", "overtime") for f in (frame, frame.assign(overtime=frame["overtime"] * scale))
    )

    assert scaled.estimate * scale == pytest.approx(plain.estimate, rel=1e-9)
    assert scaled.p == pytest.approx(plain.p, rel=1e-9)
    assert scaled.bootstrap.p == plain.bootstrap.p
    assert warned(scaled, "warning.assoc.scale") == {
        "measure": "overtime",
        "largest": pytest.approx(frame["overtime"].abs().max() * scale),
    }
    assert keys(plain) == keys(scaled) - {"warning.assoc.scale"}


def test_variation_that_drowns_in_its_level_is_warned_of(simulate):
    frame = simulate.related()

    assert "warning.assoc.scale" in keys(associate(frame.assign(overtime=frame["overtime"] + 1e11), "goal", "overtime"))


def test_rows_left_out_are_counted_by_reason(simulate):
    frame = simulate.unrelated()
    frame.loc[[0, 30], "goal"] = np.nan
    lonely = frame.iloc[[0]].assign(unit="999", goal=1.0)
    found = associate(pd.concat([frame, lonely]), "goal", "overtime", left_out={"hidden": 7})

    assert found.left_out == {"hidden": 7, "missing": 2, "alone": 1}
    assert found.n == 286
    assert found.n + 2 + 1 == len(frame) + 1


def test_blank_is_not_zero(simulate):
    frame = simulate.related()
    gone = frame.drop(index=[3, 40])
    blank = frame.assign(goal=frame["goal"].mask(frame.index.isin([3, 40])))

    assert associate(blank, "goal", "overtime").estimate == associate(gone, "goal", "overtime").estimate


def test_missing_months_are_told(simulate):
    found = associate(simulate.unrelated().drop(index=[3, 4, 30]), "goal", "overtime")

    assert warned(found, "warning.assoc.missing_periods") == {"missing": 3, "expected": 288, "units": ("100", "101")}


@pytest.mark.parametrize("form", ["text", "year", "quarter"])
def test_any_grain_of_period_is_read_by_the_calendar(simulate, form):
    frame = simulate.related(months=24)
    number = frame.groupby("unit").cumcount()
    periods = {
        "text": frame["period_start"].dt.strftime("%Y-%m"),
        "year": 2000 + number,
        "quarter": pd.Timestamp("2010-01-01") + number.map(lambda i: pd.DateOffset(months=3 * i)),
    }
    found, other = (associate(f, "goal", "overtime") for f in (frame, frame.assign(period_start=periods[form])))

    assert other.estimate == pytest.approx(found.estimate)
    assert other.lead == found.lead
    assert other.neighbours_r == found.neighbours_r


@pytest.mark.parametrize("step", [0, -1, float("nan")])
def test_a_step_that_is_none_is_refused(simulate, step):
    with pytest.raises(BadInput) as told:
        associate(simulate.unrelated(), "goal", "overtime", step=step)

    assert str(told.value) == f"The step of overtime is {step}; it must be a number over 0."
