"""The report card of fine-tuning: gains, retention, free atoms, dimers, crystals, weights, motion."""

from atomgraph.analysis.finetuning.report_card.card import Card, report_card
from atomgraph.analysis.finetuning.report_card.remarks import Switches

__all__ = ["Card", "Switches", "report_card"]
