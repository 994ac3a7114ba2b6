"""The report card of fine-tuning: gains, retention, free atoms, dimers, crystals, weights, motion."""

from atomgraph.analysis.card.remarks import Switches
from atomgraph.analysis.card.report_card import Card, report_card

__all__ = ["Card", "Switches", "report_card"]
