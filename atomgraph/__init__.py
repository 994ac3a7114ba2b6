"""atomgraph: graph neural networks for atomistic graphs.

Edges are encoded, a featurizer describes each atom, layers pass messages, and readouts compute energies. Forces are the
negative gradient of the sum of these energies.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from atomgraph.old_names import find_old_modules

if TYPE_CHECKING:
    from atomgraph import featurizers, layers, models, readouts
    from atomgraph.analysis.evaluation import evaluate
    from atomgraph.calculators import Calculator
    from atomgraph.compiled import compile
    from atomgraph.graph import AtomicGraph
    from atomgraph.loading import load
    from atomgraph.potential import Potential
    from atomgraph.runs import finetune, train

__all__ = [
    "AtomicGraph",
    "Calculator",
    "Potential",
    "compile",
    "evaluate",
    "featurizers",
    "finetune",
    "layers",
    "load",
    "models",
    "readouts",
    "train",
]
__version__ = "0.1.0"

_PACKAGES = {  # public name: package or module that defines it
    "AtomicGraph": "graph",
    "Calculator": "calculators",
    "compile": "compiled",
    "evaluate": "analysis.evaluation",
    "Potential": "potential",
    "finetune": "runs",
    "load": "loading",
    "train": "runs",
}
find_old_modules()


def __getattr__(name: str) -> Any:
    """Import a public name on first use, because torch and Lightning take seconds and ``atomgraph --help`` needs neither."""
    if name in _PACKAGES:
        return getattr(import_module(f"atomgraph.{_PACKAGES[name]}"), name)
    if not name.startswith("_") and find_spec(f"atomgraph.{name}") is not None:
        return import_module(f"atomgraph.{name}")
    raise AttributeError(f"module 'atomgraph' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
