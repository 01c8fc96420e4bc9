"""Exact quantiles of overlapping windows."""

import numpy as np
import pytest

from mi_analysis.measures.quantiles import windowed_quantiles


def test_quantiles_of_windows_are_those_of_the_database(quantile) -> None:
    generator = np.random.default_rng(20250331)
    days, month = generator.integers(0, 90, 400), generator.integers(0, 24, 400)
    first, last = generator.integers(-3, 20, 60), generator.integers(0, 30, 60)

    found = windowed_quantiles(days, month, first, last, (0.5, 0.9), fewest=1)

    for (begin, end), row in zip(zip(first, last, strict=True), found, strict=True):
        inside = days[(month >= begin) & (month <= end)].tolist()
        expected = [quantile(inside, 0.5), quantile(inside, 0.9)] if inside else [np.nan, np.nan]
        assert row == pytest.approx(expected, nan_ok=True)


def test_a_window_with_too_few_cases_has_no_quantile() -> None:
    days, month = np.array([1, 2, 3, 4, 5]), np.array([0, 0, 0, 0, 1])

    found = windowed_quantiles(days, month, np.array([0, 0]), np.array([0, 1]), (0.5,), fewest=5)

    assert np.isnan(found[0, 0])
    assert found[1, 0] == 3


def test_the_order_of_cases_does_not_matter() -> None:
    days, month = np.array([9, 1, 5, 5, 30]), np.array([2, 0, 1, 0, 2])
    window = np.array([0]), np.array([2])
    order = np.array([3, 1, 4, 0, 2])

    assert windowed_quantiles(days, month, *window, (0.5, 0.9), 1) == pytest.approx(
        windowed_quantiles(days[order], month[order], *window, (0.5, 0.9), 1)
    )


def test_a_median_of_two_windows_is_not_the_mean_of_their_medians() -> None:
    days, month = np.array([1, 1, 1, 100]), np.array([0, 0, 0, 1])

    found = windowed_quantiles(days, month, np.array([0, 1, 0]), np.array([0, 1, 1]), (0.5,), 1)[:, 0]

    assert found.tolist() == [1, 100, 1]
