"""Measures that share or contain a part: the fit on the logarithms of the parts."""

from types import SimpleNamespace

import numpy as np
import pytest

from mi_analysis.analysis.association import associate
from mi_analysis.analysis.basis import BadInput

from .conftest import keys, said, warned

RATIOS = {
    "cases_per_fte": SimpleNamespace(numerator="closed", denominator="fte", contains=("closed", "fte")),
    "overtime_per_fte": SimpleNamespace(numerator="overtime_hours", denominator="fte", contains=("overtime_hours", "fte")),
    "hours_per_case": SimpleNamespace(numerator="hours", denominator="closed", contains=("closed", "overtime_hours", "registered_hours")),
    "share_in_time": SimpleNamespace(numerator="kept", denominator="due", contains=("deadline",)),
    "cases_per_hour": SimpleNamespace(numerator="closed", denominator="hours", contains=("closed", "registered_hours")),
    "hours_per_fte": SimpleNamespace(numerator="hours", denominator="fte", contains=("registered_hours", "fte")),
}  # fmt: skip


def parts_frame(simulate, seed=3, units=20, months=36):
    """Counts that have nothing to do with each other beyond the denominator that two ratios share."""
    rng = np.random.default_rng(seed)
    shape = (units, months)
    frame = simulate.frame_of(np.zeros(shape), np.zeros(shape)).drop(columns=["goal", "overtime"])
    for name, size, spread in (
        ("closed", 6, 0.1),
        ("overtime_hours", 5, 0.1),
        ("fte", 3, 0.4),
        ("hours", 8, 0.1),
        ("kept", 4, 0.1),
        ("due", 5, 0.1),
    ):
        frame[name] = np.exp(size + spread * rng.normal(size=shape) + 0.2 * rng.normal(size=(units, 1))).ravel()
    for name, ratio in RATIOS.items():
        frame[name] = frame[ratio.numerator] / frame[ratio.denominator]
    return frame


def test_ratios_with_a_common_denominator_move_together_by_construction_and_the_parts_do_not(simulate):
    frame = parts_frame(simulate)
    naive = associate(frame, "cases_per_fte", "overtime_per_fte")
    found = associate(frame, "cases_per_fte", "overtime_per_fte", parts=RATIOS)

    assert naive.p < 1e-6
    assert found.verdict.key == "verdict.assoc.unclear"
    assert found.estimate == pytest.approx(0, abs=0.1)
    assert warned(found, "verdict.assoc.shared_part") == {"part": ("fte",)}
    assert (found.scale, said(found)["scale"]) == ("log", "log")


def test_a_real_relation_between_the_parts_is_found_beside_the_common_denominator(simulate):
    frame = parts_frame(simulate)
    frame["closed"] *= frame["overtime_hours"] ** -0.5
    frame["cases_per_fte"] = frame["closed"] / frame["fte"]
    found = associate(frame, "cases_per_fte", "overtime_per_fte", parts=RATIOS)

    assert found.estimate == pytest.approx(-0.5, abs=0.1)
    assert found.verdict.key == "verdict.assoc.clear_neg"


def test_a_contained_part_counts_as_shared(simulate):
    found = associate(parts_frame(simulate), "hours_per_case", "overtime_per_fte", parts=RATIOS)

    assert warned(found, "verdict.assoc.shared_part") == {"part": ("overtime_hours",)}
    assert found.scale == "log"


def test_measures_without_a_shared_part_are_fitted_as_they_are(simulate):
    frame = parts_frame(simulate)
    found, plain = (associate(frame, "share_in_time", "overtime_per_fte", parts=parts) for parts in (RATIOS, None))

    assert found.estimate == plain.estimate
    assert "verdict.assoc.shared_part" not in keys(found)


def test_an_outcomes_denominator_that_is_the_exposures_numerator_has_no_effect_when_productivity_does_not_change(
    simulate,
):
    frame = parts_frame(simulate)
    frame["closed"] = frame["hours"] * np.exp(0.05 * np.random.default_rng(9).normal(size=len(frame)))
    frame["cases_per_hour"] = frame["closed"] / frame["hours"]
    found = associate(frame, "cases_per_hour", "hours_per_fte", parts=RATIOS)

    assert found.estimate == pytest.approx(0, abs=0.05)
    assert found.verdict.key == "verdict.assoc.unclear"


def test_a_part_under_two_names_is_used_once(simulate):
    frame = parts_frame(simulate)
    twice = RATIOS | {
        "overtime_per_fte": SimpleNamespace(
            numerator="overtime_hours", denominator="overtime_fte", contains=("overtime_hours", "fte")
        )
    }
    found = associate(frame.assign(overtime_fte=frame["fte"]), "cases_per_fte", "overtime_per_fte", parts=twice)

    assert found.estimate == pytest.approx(associate(frame, "cases_per_fte", "overtime_per_fte", parts=RATIOS).estimate)


def test_the_ratio_form_is_tested_against_the_parts(simulate):
    frame = parts_frame(simulate)
    only_ratio = (
        frame["fte"]
        * frame["overtime_per_fte"] ** 0.3
        * np.exp(0.05 * np.random.default_rng(8).normal(size=len(frame)))
    )
    kept = associate(
        frame.assign(closed=only_ratio, cases_per_fte=only_ratio / frame["fte"]),
        "cases_per_fte",
        "overtime_per_fte",
        parts=RATIOS,
    )
    broken = associate(frame, "cases_per_fte", "overtime_per_fte", parts=RATIOS)

    assert kept.restriction_p > 0.05
    assert kept.estimate == pytest.approx(0.3, abs=0.05)
    assert broken.restriction_p < 1e-6
    assert "warning.assoc.ratio_form" in keys(broken)


def test_parts_of_zero_are_left_out_and_counted(simulate):
    frame = parts_frame(simulate)
    frame.loc[[1, 2, 3], "overtime_hours"] = 0.0
    found = associate(frame, "cases_per_fte", "overtime_per_fte", parts=RATIOS)

    assert found.left_out == {"not_positive": 3}


def test_a_margin_in_the_ratios_units_is_not_used_on_the_parts_and_it_says_so(simulate):
    found = associate(parts_frame(simulate), "cases_per_fte", "overtime_per_fte", parts=RATIOS, margin=0.5)

    assert found.margin is None
    assert warned(found, "warning.assoc.margin_in_other_units") == {"margin": 0.5}


def test_two_measures_with_the_same_numerator_are_refused(simulate):
    with pytest.raises(BadInput) as told:
        associate(parts_frame(simulate), "cases_per_fte", "cases_per_hour", parts=RATIOS)

    assert (
        str(told.value)
        == "cases_per_fte and cases_per_hour have the same numerator, closed; choose measures that count different things."
    )


def test_parts_that_the_table_lacks_are_named(simulate):
    with pytest.raises(BadInput, match=r"^The table lacks closed, overtime_hours; it has "):
        associate(
            parts_frame(simulate).drop(columns=["closed", "overtime_hours"]),
            "cases_per_fte",
            "overtime_per_fte",
            parts=RATIOS,
        )


def test_a_part_that_never_changes_within_the_units_is_left_out_and_not_taken_for_the_exposure(simulate):
    frame = parts_frame(simulate)
    frame["fte"] = frame.groupby("unit")["fte"].transform("first")
    for name, ratio in RATIOS.items():
        frame[name] = frame[ratio.numerator] / frame[ratio.denominator]
    found = associate(frame, "hours_per_case", "overtime_per_fte", parts=RATIOS)
    varying = associate(parts_frame(simulate), "hours_per_case", "overtime_per_fte", parts=RATIOS)

    assert found.verdict.key == "verdict.assoc.unclear"
    assert found.estimate == pytest.approx(varying.estimate, abs=0.02)
