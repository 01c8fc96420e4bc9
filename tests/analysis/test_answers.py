"""Answers as they are handed on: nothing of other units, and the same after being written down."""

import json

import numpy as np
import pytest

from mi_analysis.analysis.answers import Answer, answer, answers
from mi_analysis.analysis.association import associate
from mi_analysis.analysis.basis import Sentence


@pytest.fixture
def found(simulate) -> Answer:
    frame = simulate.related()
    frame.loc[3:5, "goal"] = np.nan
    return answer(associate(frame, "goal", "overtime"), 0.01, 3, family="f")


def test_an_answer_comes_back_the_same_from_what_is_written(found):
    written = json.dumps(found.as_data())
    again = Answer.from_data(json.loads(written))

    assert json.dumps(again.as_data()) == written
    assert again.verdict == found.verdict
    assert (again.period, again.numbers["asked"], again.left_out) == (("2023-01", "2024-12"), 3.0, {"missing": 3})


def test_a_units_answer_holds_nothing_of_another_unit(found):
    warned = Sentence("verdict.assoc.sensitive", {"what": "103", "est": 1.0, "est2": 2.0})
    own = Answer(**{**vars(found), "warnings": (*found.warnings, warned)}).for_unit("101")
    text = json.dumps(own.as_data())

    assert [code for code in (f"{100 + i}" for i in range(12)) if f'"{code}"' in text] == ["101"]
    assert own.numbers == found.numbers
    assert len(own.points) == 24
    assert own.own("101") == found.own("101")
    assert own.own("102") is None


def test_a_unit_with_a_clear_pooled_slope_gets_a_sentence_with_its_size(found):
    row = found.slopes.set_index("unit").loc["104"]
    key, values = found.own("104")

    assert key == "verdict.own.clear_neg"
    assert (values["est"], values["lo"], values["hi"]) == (-row["pooled"], row["lo"], row["hi"])


def test_a_family_is_judged_by_holm_and_one_without_an_answer_counts(simulate):
    frame = simulate.related(slope=-0.25, units=8, seed=1)
    alone = associate(frame, "goal", "overtime")
    few = associate(frame[frame["unit"] < "103"], "goal", "overtime")
    family = answers({"a": alone, **{str(i): few for i in range(9)}}, family="f")

    assert alone.verdict.key == "verdict.assoc.clear_neg"
    assert family[0].numbers["p_adjusted"] == pytest.approx(min(1, 10 * alone.p))
    assert family[0].verdict.key == "verdict.assoc.one_of_many"
    assert not family[0].claims
    assert [one.verdict.key for one in family[1:]] == ["verdict.assoc.insufficient"] * 9
