"""Paths of a series hold what they promise."""

import numpy as np
import pytest
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from mi_analysis.analysis import series as engine
from mi_analysis.analysis.basis import BadInput
from mi_analysis.analysis.series import fit, paths


def made_up(kind, n, rng):
    """A season of 0.2 and surprises of 0.1 that pass at once (iid), fade (ar) or stay in part (level)."""
    surprise, level, y = rng.normal(0, 0.1, n), 0.0, np.zeros(n)
    for month, e in enumerate(surprise):
        y[month] = level + e
        level = {"iid": 0.0, "ar": 0.6 * y[month], "level": level + 0.3 * e}[kind]
    return y + 0.2 * np.sin(np.arange(n) * np.pi / 6)


def drawn(model, n, ahead=12, draws=400, seed=1):
    rng = np.random.default_rng(seed)
    return paths(model, rng.integers(0, n, (draws, n + ahead)), ahead, rng)


@pytest.mark.parametrize("kind", ["iid", "ar", "level"])
def test_an_80_per_cent_interval_of_the_years_sum_covers_about_80_per_cent(kind):
    inside = []
    for seed in range(120):
        y = made_up(kind, 48, np.random.default_rng(seed))
        low, high = np.quantile(drawn(fit(y[:36], 0, True), 36).sum(axis=1), [0.1, 0.9])
        inside.append(low <= y[36:].sum() <= high)

    assert 0.68 <= np.mean(inside) <= 0.93


def test_the_years_interval_is_from_summed_paths_and_not_from_summed_months():
    y = made_up("level", 60, np.random.default_rng(1))
    made = drawn(fit(y, 0, True), 60)

    assert 2 < made.sum(axis=1).std() / np.sqrt((made.std(axis=0) ** 2).sum()) < np.sqrt(12)


def test_the_middle_path_is_near_that_of_statsmodels():
    y = made_up("level", 72, np.random.default_rng(5))
    other = ETSModel(y, seasonal="add", seasonal_periods=12).fit(disp=0, maxiter=2000).forecast(12)

    assert np.median(drawn(fit(y, 0, True), 72), axis=0) == pytest.approx(other, abs=0.12)


def test_a_constant_series_stays_where_it_is():
    assert drawn(fit(np.full(30, 4.0), 0, True), 30) == pytest.approx(4.0, abs=1e-6)


def test_missing_months_are_passed_over_and_a_calendar_month_never_seen_means_no_season():
    y = made_up("iid", 48, np.random.default_rng(2))
    whole = drawn(fit(y, 0, True), 48).mean(axis=0)
    y[[5, 20]] = np.nan
    assert drawn(fit(y, 0, True), 48).mean(axis=0) == pytest.approx(whole, abs=0.08)

    y[6::12] = np.nan
    assert not fit(y, 0, True).seasonal


def test_too_few_months_are_refused():
    with pytest.raises(BadInput) as caught:
        fit(np.array([1.0, np.nan, 2.0]), 0, False)

    assert str(caught.value) == "The series has 2 months with a value; at least 4 are needed."


def test_the_grid_holds_a_level_that_does_not_move():
    assert [0.0, 1.0] in engine.GRID.tolist()
