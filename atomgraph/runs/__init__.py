"""Runs of training and fine-tuning: build a potential, fit it, and write the results to a run folder (steps in ``run.py``)."""

from atomgraph.runs.launch import finetune, resume, train
from atomgraph.runs.method_runs import compare

__all__ = ["compare", "finetune", "resume", "train"]
