"""The desk that notebooks open, and what has to be ready before there is one."""

from mi_analysis.workbench.door import Desk, desk

__all__ = ["Desk", "desk", "prepare"]


def __getattr__(name: str) -> object:
    """`prepare`, loaded when asked for: a notebook on a slice needs no data engine."""
    if name in ("prepare", "Prepared"):
        from mi_analysis.workbench import preparation

        return getattr(preparation, name)
    raise AttributeError(f"module 'mi_analysis.workbench' has no attribute '{name}'")
