"""Training by gradient, with Lightning."""

from atomgraph.training.average import WeightAverage
from atomgraph.training.checkpoints import Checkpoints
from atomgraph.training.fit import fit, make_trainer
from atomgraph.training.loss import Ramp, Term
from atomgraph.training.schedule import LearningRate, Phase
from atomgraph.training.task import PotentialTask

__all__ = [
    "Checkpoints",
    "LearningRate",
    "Phase",
    "PotentialTask",
    "Ramp",
    "Term",
    "WeightAverage",
    "fit",
    "make_trainer",
]
