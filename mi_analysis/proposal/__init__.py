"""An institution proposed from sample deliveries; nothing here is used when a delivery is read."""

from mi_analysis.proposal.draft import Draft, draft

__all__ = ["Draft", "draft"]
