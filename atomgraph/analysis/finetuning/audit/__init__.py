"""The audit before fine-tuning: units, signs, E0, heads and elements, judged by what the starting model predicts."""

from atomgraph.analysis.finetuning.audit.labelled_predictions import Evidence
from atomgraph.analysis.finetuning.audit.run_audit import NAMES, Audit, audit, check_names, judged

__all__ = ["NAMES", "Audit", "Evidence", "audit", "check_names", "judged"]
