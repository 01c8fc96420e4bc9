"""Many reports: plan, run, record, index."""
