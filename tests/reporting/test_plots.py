import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from mi_analysis.reporting import plots
from mi_analysis.reporting.wording import Words

DA = Words("da")


def cases(n: int = 13) -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=n, freq="MS")
    numbers = {name: np.arange(n) * 1000.0 for name in ("received", "closed", "open_cases", "actual", "budget")}
    return pd.DataFrame({"month": days, **numbers})


def contrast_on_white(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (float(np.dot([0.2126, 0.7152, 0.0722], linear)) + 0.05)


def test_every_colour_of_the_palette_can_be_seen_on_white() -> None:
    assert min(map(contrast_on_white, plots.PALETTE)) >= 3


def test_lines_hold_the_values_given_and_gaps_stay_gaps() -> None:
    data = cases(4)
    data.loc[2, "closed"] = np.nan
    ax = plots.series(data, "month", ["closed", "received"], DA)

    np.testing.assert_array_equal(np.asarray(ax.lines[0].get_ydata(), float), [0, 1000, np.nan, 3000])
    assert [line.get_label() for line in ax.lines] == ["Afsluttede", "Indkomne"]
    assert ax.lines[0].get_marker() != ax.lines[1].get_marker()


def test_axes_speak_danish_months_and_numbers_in_the_money_scale() -> None:
    ax = plots.bars(cases(3).assign(actual=[0, 1e6, 2.5e6]), "month", "actual", DA)
    ax.figure.canvas.draw()

    assert [text.get_text() for text in ax.get_xticklabels()] == ["jan.\n2024", "feb.", "mar."]
    assert "2.000" in [text.get_text() for text in ax.get_yticklabels()]
    assert ax.get_title("left") == "t.kr."


@pytest.mark.parametrize(("values", "said"), [([0, 0.25], "0,1"), ([0, 7], "2"), ([-30, 10], "−20")])
def test_ticks_have_the_decimals_their_distance_needs(values: list[float], said: str) -> None:
    ax = plots.series(cases(2).assign(closed=values), "month", "closed", DA)
    ax.figure.canvas.draw()

    assert any(text.get_text() == said for text in ax.get_yticklabels()), [t.get_text() for t in ax.get_yticklabels()]


def test_a_control_chart_rings_the_points_with_a_signal() -> None:
    data = cases(3).assign(centre=1000, lower=-500, upper=2500, signal=["none", "", "trend_up"])
    ax = plots.control(data, "month", "closed", DA)
    ring = next(line for line in ax.lines if line.get_label() == "Signal")

    assert list(np.asarray(ring.get_ydata())) == [2000]


def test_a_flow_has_bars_in_and_out_and_the_stock_below() -> None:
    upper = plots.flow(cases(), "month", DA)

    assert [container.get_label() for container in upper.containers] == ["Indkomne", "Afsluttede"]
    assert list(np.asarray(upper.figure.axes[1].lines[0].get_ydata())) == list(cases()["open_cases"])


def test_stacked_parts_stand_on_each_other() -> None:
    ax = plots.stacked(cases(2), "month", ["received", "closed"], DA)

    assert [patch.get_y() for patch in ax.containers[1].patches] == [0, 1000]


def test_small_charts_share_their_axes_and_keep_every_value() -> None:
    data = pd.concat([cases(3).assign(unit="a"), cases(3).assign(unit="b", closed=[9e4, 1, 2])])
    axes = plots.multiples(data, "month", "closed", "unit", DA)

    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert axes[0].get_ylim()[1] > 9e4


def test_a_change_begins_where_the_step_before_ended_and_a_level_stands_on_the_ground() -> None:
    rows = [("opening", 400.0, True), ("earned", 100.0, False), ("taken", -150.0, False), ("closing", 350.0, True)]
    bars = plots.steps(pd.DataFrame(rows, columns=["step", "value", "stands"]), DA).patches

    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 400), (400, 100), (500, -150), (0, 350)]


def test_nothing_to_draw_is_a_sentence_in_every_kind() -> None:
    empty = cases(0).assign(unit="")
    drawings = [
        plots.series(empty, "month", "closed", DA),
        plots.control(empty, "month", "closed", DA),
        plots.bars(empty, "month", "closed", DA, against="received"),
        plots.flow(empty, "month", DA),
        plots.stacked(empty, "month", ["closed"], DA),
        plots.points(empty, "closed", "received", DA),
        plots.multiples(empty, "month", "closed", "unit", DA)[0],
    ]

    assert {ax.texts[0].get_text() for ax in drawings} == {"Ingen tal i perioden"}
