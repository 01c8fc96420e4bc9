"""Coherent management information: staff, economy, operations and strategy on unit x activity x period."""

from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from mi_analysis.workbench.door import desk as desk


def __getattr__(name: str) -> object:
    """`desk`, loaded when asked for, so that `mi --help` need not wait for pandas."""
    if name == "desk":
        from mi_analysis.workbench.door import desk

        return desk
    raise AttributeError(f"module 'mi_analysis' has no attribute '{name}'")
