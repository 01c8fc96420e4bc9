"""Everything with uncertainty, or comparing cells: tidy tables in, frozen records out; no files, figures or text."""
