"""Imported before nbformat: its validator would build a grammar of addresses, a second of CPU, for a check nobody asks for."""

import importlib
import sys

GRAMMAR = "rfc3987_syntax"
modules: dict[str, object] = sys.modules  # type: ignore[assignment]
if GRAMMAR not in modules:
    modules[GRAMMAR] = None  # so that it does without
    importlib.import_module("nbformat")
    del modules[GRAMMAR]
