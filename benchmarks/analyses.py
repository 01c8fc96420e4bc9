"""CPU time of the association with every guard: 200 units x 60 months, and 12 units with the full bootstrap.

Run by hand: ``python benchmarks/analyses.py``. Limits: 3 CPU seconds each.
"""

import time

import numpy as np
import pandas as pd

from mi_analysis.analysis.association import Association, associate
from mi_analysis.analysis.pooling import pool_slopes


def panel(units: int, months: int) -> pd.DataFrame:
    """Lasting unit differences, a shared season, autocorrelation 0.6; the outcome is a share with a ceiling."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=(2, units, months))
    for t in range(1, months):
        noise[..., t] += 0.6 * noise[..., t - 1]
    season = 2 * np.sin(2 * np.pi * np.arange(months) / 12)
    x, y = noise + 2 * rng.normal(size=(2, units, 1)) + season
    return pd.DataFrame({
        "unit": np.repeat([f"{1000 + i}" for i in range(units)], months),
        "period_start": np.tile(pd.date_range("2020-01-01", periods=months, freq="MS"), units),
        "outcome": np.clip(92 + 3 * y.ravel(), 0, 100), "exposure": 10 + x.ravel(),
    })  # fmt: skip


def measured(units: int, months: int) -> tuple[float, Association]:
    """CPU seconds of one association with guards and pooled slopes."""
    frame = panel(units, months)
    start = time.process_time()
    found = associate(frame, "outcome", "exposure", margin=0.5, bounds=(0, 100))
    pool_slopes(found)
    return time.process_time() - start, found


if __name__ == "__main__":
    measured(8, 24)  # loads what is loaded once
    for units, months in ((200, 60), (12, 36), (29, 36)):
        seconds, found = measured(units, months)
        draws = found.bootstrap.draws if found.bootstrap else 0
        print(
            f"{units} units x {months} months: {seconds:.2f} CPU s; {draws} bootstrap draws; {len(found.warnings)} warnings"
        )
