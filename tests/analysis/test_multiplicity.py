"""Adjusted p against R's p.adjust, verdicts by relations."""

import numpy as np
import pandas as pd
import pytest

from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.multiplicity import adjust, detectable, four_way


def test_every_reported_adjusted_p_agrees(reference, agrees):
    p = pd.read_csv(reference / "multiplicity" / "pvalues.csv")["p"].tolist()
    got = {
        f"{name}[{i}]": v for name, method in (("holm", "holm"), ("BH", "bh")) for i, v in enumerate(adjust(p, method))
    }
    others = {f"{name}[{i}]" for name in ("hochberg", "hommel", "bonferroni", "BY") for i in range(8)}

    agrees("multiplicity", got, others)  # see tests/reference/README.md


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_a_question_without_an_answer_counts_as_one_with_p_one(method):
    assert adjust([0.01, None, float("nan")], method) == adjust([0.01, 1.0, 1.0], method)
    assert adjust([0.01, None], method)[0] > adjust([0.01], method)[0]


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_adjusting_never_lowers_a_p_and_keeps_their_order(method):
    p = np.random.default_rng(3).uniform(size=50)
    adjusted = np.array(adjust(p.tolist(), method))

    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_no_question_gives_no_p():
    assert adjust([], "holm") == ()


def test_a_p_over_one_is_refused():
    with pytest.raises(BadInput, match=r"^A p-value lies between 0 and 1\.$"):
        adjust([0.5, 1.5], "bh")


@pytest.mark.parametrize(
    ("estimate", "margin", "verdict"),
    [
        (5.0, 1.0, "difference"),
        (5.0, None, "difference"),
        (5.0, 10.0, "small"),
        (-5.0, 10.0, "small"),
        (0.5, 10.0, "equivalent"),
        (0.5, 1.0, "inconclusive"),
        (0.5, None, "inconclusive"),
    ],
)
def test_the_four_verdicts_with_a_standard_error_of_one(estimate, margin, verdict):
    assert four_way(estimate, 1.0, 20, margin) == verdict


def test_equivalence_is_judged_by_the_ninety_per_cent_interval():
    t90, t95 = 1.7247182429207863, 2.0859634472658364  # t(20)

    assert four_way(0.0, 1.0, 20, t90 + 1e-6) == "equivalent"
    assert four_way(0.0, 1.0, 20, t90 - 1e-6) == "inconclusive"
    assert four_way(0.0, 1.0, 20, t95) == "equivalent"


@pytest.mark.parametrize("margin", [0.0, -1.0, float("nan"), float("inf")])
def test_a_smallest_relevant_difference_that_is_none_is_refused(margin):
    with pytest.raises(BadInput) as told:
        four_way(0.0, 1.0, 20, margin)

    assert str(told.value) == f"The smallest relevant difference is {margin}; it must be a number over 0."


def test_the_detectable_difference_comes_from_the_standard_error_alone():
    assert detectable(2.0, 9) == pytest.approx(2 * (2.2621571628 + 0.8834038597))
