"""Panels with a known truth, and the comparison with reference cases."""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest


def keys(found):
    return {sentence.key for sentence in found.warnings}


def said(found):
    return found.verdict[1]


def warned(found, key):
    return dict(found.warnings)[key]


@pytest.fixture
def agrees(reference: Path) -> Callable[..., None]:
    """Compare a reference case: every expected name is computed, or listed as not offered, and none is both."""

    def compare(case: str, got: Mapping[str, float], not_offered: Collection[str] = ()) -> None:
        expected = json.loads((reference / case / "case.json").read_text("utf-8"))["expected"]
        wrong = {
            item["name"]: (got[item["name"]], item["value"])
            for item in expected
            if item["name"] in got
            and not abs(got[item["name"]] - item["value"]) <= item["atol"] + item["rtol"] * abs(item["value"])
        }

        assert wrong == {}
        assert set(got) | set(not_offered) == {item["name"] for item in expected}
        assert not set(got) & set(not_offered)

    return compare


def persistent(rng, units, months, season=2.0):
    """No relation to anything: lasting unit differences, a shared season, autocorrelation 0.6."""
    noise = rng.normal(size=(units, months + 50))
    for t in range(1, months + 50):
        noise[:, t] += 0.6 * noise[:, t - 1]
    months_of_year = np.sin(2 * np.pi * (np.arange(months) + 3) / 12)
    return 2 * rng.normal(size=(units, 1)) + season * months_of_year + noise[:, 50:]


def frame_of(y, x):
    units, months = y.shape
    return pd.DataFrame(
        {
            "unit": np.repeat([f"{100 + i}" for i in range(units)], months),
            "period_start": np.tile(pd.date_range("2023-01-01", periods=months, freq="MS"), units),
            "goal": 80 + y.ravel(),
            "overtime": 10 + x.ravel(),
        }
    )


def unrelated(units=12, months=24, seed=1):
    rng = np.random.default_rng(seed)
    return frame_of(persistent(rng, units, months), persistent(rng, units, months))


def related(slope=-2.0, units=12, months=24, seed=2):
    rng = np.random.default_rng(seed)
    x = persistent(rng, units, months)
    return frame_of(slope * x + persistent(rng, units, months), x)


@pytest.fixture
def simulate() -> SimpleNamespace:
    """Panels of units and months, without and with a relation."""
    return SimpleNamespace(persistent=persistent, frame_of=frame_of, unrelated=unrelated, related=related)
