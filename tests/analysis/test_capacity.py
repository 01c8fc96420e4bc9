"""The ladder, against definitions."""

import pytest

from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.capacity import Ladder


def test_the_ladder_is_that_of_the_definitions():
    ladder = Ladder(sick_days=0)

    assert ladder.net() == pytest.approx(1642.8)  # 222 days
    assert Ladder(sick_days=0, public_holidays=6).net() == pytest.approx(1657.6)
    assert Ladder(sick_days=8).net() == pytest.approx(1642.8 - 59.2)


def test_each_step_of_the_ladder_is_told_and_they_add_up():
    ladder = Ladder(non_task_share=0.1, other_days=2)
    table = ladder.table()

    assert table["left"].iloc[-1] == pytest.approx(ladder.net())
    assert table["hours"].sum() == pytest.approx(ladder.net())
    assert table["step"].tolist()[0] == "gross"


def test_a_ladder_that_leaves_nothing_is_refused():
    with pytest.raises(BadInput) as caught:
        Ladder(holiday_days=400)

    assert str(caught.value) == "The ladder leaves -1191.4 of 1924.0 hours; net hours must be above 0."
