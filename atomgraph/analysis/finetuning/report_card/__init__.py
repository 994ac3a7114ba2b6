"""Report card of fine-tuning: errors, retention, isolated atoms, dimers, crystals, weights and dynamics."""

from atomgraph.analysis.finetuning.report_card.card import ReportCard, report_card
from atomgraph.analysis.finetuning.report_card.remarks import CheckedSettings
from atomgraph.old_names import old_names_of

__all__ = ["CheckedSettings", "ReportCard", "report_card"]

__getattr__ = old_names_of(__name__)
