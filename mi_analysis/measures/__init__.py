"""Everything defined per cell by counting and dividing: the catalogue as data, and what computes it."""
