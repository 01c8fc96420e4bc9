"""The period a desk stands at: a month, a quarter or a year, and the fiscal year beside the calendar's."""

from typing import Protocol

import pandas as pd

from mi_analysis.disclosure import Looked
from mi_analysis.model.audit import Audit
from mi_analysis.parameters import GRAINS, Institution
from mi_analysis.reporting.wording import first_of_quarter, grain_of


class Periods(Protocol):
    """What of a desk is about time; ``period`` is ISO text (``2025-03``, ``2025-Q1``, ``2025``)."""

    institution: Institution
    audit: Audit
    unit: str
    period: str

    @property
    def scope(self) -> str:
        """The desk's activity, or the total of all."""

    def _look(self, grain: str = "", window: str = "month", unit: str | None = None) -> Looked: ...

    @property
    def at(self) -> pd.Timestamp:
        """First day of the desk's period."""
        return pd.Timestamp(first_of_quarter(self.period))

    @property
    def ends(self) -> pd.Timestamp:
        """Last day of the desk's period."""
        return self.at + pd.DateOffset(months=GRAINS[self.grain], days=-1)

    @property
    def last_month(self) -> pd.Timestamp:
        """First day of the newest month with figures in the desk's period: where stands what is told by month."""
        return min(self.ends.replace(day=1), pd.Timestamp(self.audit.periods[-1]))

    @property
    def grain(self) -> str:
        """Whether the desk's period is a month, a quarter or a year."""
        return grain_of(self.period)

    @property
    def fiscal_at(self) -> pd.Timestamp:
        """First day of the fiscal year that ends in the desk's year; `at` where that is the calendar year."""
        start = self.institution.fiscal_year_start
        return self.at if start == 1 else pd.Timestamp(self.at.year - 1, start, 1)

    def at_of(self, measure: str, unit: str | None = None, grain: str = "", years: int = 0) -> pd.Timestamp:
        """First day of the period that tells of a measure: of a year, the fiscal year where the calendar year does not.

        Parameters
        ----------
        years
            How many years earlier.
        """
        grain, back = grain or self.grain, pd.DateOffset(years=years)
        if grain != "year":
            return self.at - back
        calendar = pd.Timestamp(self.at.year, 1, 1) - back
        looked = self._look(grain, "month", unit)
        for at in (calendar, self.fiscal_at - back):
            if looked.figure(self.scope, at, measure) is not None:
                return at
        return calendar

    def window(self, wanted: str, grain: str = "") -> str:
        """The window wanted; of a year there is only the year itself."""
        return "month" if (grain or self.grain) == "year" else wanted

    @property
    def last_year(self) -> pd.Timestamp:
        """The same day a year before."""
        return self.at - pd.DateOffset(years=1)

    @property
    def months_left(self) -> int:
        """Months of the fiscal year after the desk's period."""
        return 11 - (self.ends.month - self.institution.fiscal_year_start) % 12

    def periods_of_year(self) -> int:
        """How many periods of the desk's kind the fiscal year has reached."""
        return -(-(12 - self.months_left) // GRAINS[self.grain])
