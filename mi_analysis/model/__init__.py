"""Deliveries become one coherent model on unit x activity x period."""
