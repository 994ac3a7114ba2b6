"""Training by gradient, with PyTorch Lightning."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atomgraph.training.average import WeightAverage
    from atomgraph.training.checkpoints import Checkpoints
    from atomgraph.training.loss import Ramp, Term
    from atomgraph.training.schedule import LearningRate, Phase
    from atomgraph.training.task import PotentialTask
    from atomgraph.training.trainer import fit, make_trainer

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

_MODULES = {
    "Checkpoints": "checkpoints",
    "LearningRate": "schedule",
    "Phase": "schedule",
    "PotentialTask": "task",
    "Ramp": "loss",
    "Term": "loss",
    "WeightAverage": "average",
    "fit": "trainer",
    "make_trainer": "trainer",
}


def __getattr__(name: str) -> Any:
    """Import a name on first use, because closed-form fits use small parts of this package without Lightning."""
    if name in _MODULES:
        return getattr(import_module(f"atomgraph.training.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'atomgraph.training' has no attribute {name!r}")
