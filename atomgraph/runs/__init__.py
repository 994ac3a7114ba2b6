"""Runs: a configuration, a run folder, a source of the potential and a fit, in one order of steps (``run.py``)."""

from atomgraph.runs.launch import finetune, resume, train
from atomgraph.runs.method_runs import compare

__all__ = ["compare", "finetune", "resume", "train"]
