import pandas as pd

from mi_analysis.reporting.steps import drawn, steps_figure
from mi_analysis.reporting.wording import Words

DA = Words("da")
BALANCE = pd.DataFrame(
    [("opening", 400.0, True), ("earned", 100.0, False), ("taken", -150.0, False), ("closing", 350.0, True)],
    columns=["step", "value", "stands"],
)


def test_a_change_begins_where_the_step_before_ended_and_a_level_stands_on_the_ground() -> None:
    bars = drawn(BALANCE, DA).patches

    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 400), (400, 100), (500, -150), (0, 350)]


def test_steps_are_told_in_order_with_their_numbers() -> None:
    shown = steps_figure(BALANCE, "Saldo", "Saldo for Øst.", DA, key="steps_balance")

    told = "Saldo for Øst. Trindiagram med 4 trin: Primo 400,0, Optjent 100,0, Afspadseret −150,0, Ultimo 350,0."
    assert shown.alternative == told
    assert shown.rows[1] == ("Optjent", 100.0)


def test_without_steps_there_is_no_figure() -> None:
    assert steps_figure(BALANCE.head(0), "Saldo", "Saldo.", DA, key="x") is None
