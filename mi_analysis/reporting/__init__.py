"""Presents results in words, tables and figures, and makes reports of executed notebooks; computes nothing."""

from mi_analysis.reporting import plots
from mi_analysis.reporting.figures import figure
from mi_analysis.reporting.presentation import Figure, Message, Table, grid, heading, message
from mi_analysis.reporting.tables import Column, measure_column, table
from mi_analysis.reporting.wording import Words

__all__ = [
    "Column",
    "Figure",
    "Message",
    "Table",
    "Words",
    "figure",
    "grid",
    "heading",
    "measure_column",
    "message",
    "plots",
    "table",
]
