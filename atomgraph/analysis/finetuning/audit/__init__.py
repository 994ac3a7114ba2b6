"""The audit before fine-tuning: units, signs, E0, heads and elements, judged by what the starting model predicts."""

from atomgraph.analysis.finetuning.audit.labelled_predictions import LabelledPredictions
from atomgraph.analysis.finetuning.audit.run_audit import NAMES, Audit, audit, check_names, judged
from atomgraph.old_names import old_names_of

__all__ = ["NAMES", "Audit", "LabelledPredictions", "audit", "check_names", "judged"]

__getattr__ = old_names_of(__name__)
