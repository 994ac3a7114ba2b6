"""Audit before fine-tuning: checks of units, signs, E0, heads and elements with predictions of the starting model."""

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.analysis.finetuning.audit.run_audit import NAMES, Audit, audit, audit_predictions, check_names
from atomgraph.old_names import old_names_of

__all__ = ["NAMES", "Audit", "LabelledPredictions", "audit", "audit_predictions", "check_names"]

__getattr__ = old_names_of(__name__)
