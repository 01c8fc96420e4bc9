"""Presents results in words, tables and figures, and makes reports of executed notebooks; computes nothing."""
