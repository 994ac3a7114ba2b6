"""The inputs of a fit: the potential before the fit, and the structures with their graphs."""

from __future__ import annotations

from dataclasses import dataclass

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.schema import Config
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.runs.dataset import Dataset


@dataclass(frozen=True)
class FitInputs:
    """Inputs of a fit.

    Attributes:
        config: The configuration with values for all automatic settings, for the run folder.
        dataset: The structures, read and split.
        potential: The potential, whose weights the fit changes.
        graphs: Graphs by part, ``train``, ``valid`` and ``test``.
        initial: An unchanged copy of the potential before the fit, for comparison in the report; the same object as
            ``potential`` if the report needs no copy.
    """

    config: Config | FinetuneConfig
    dataset: Dataset
    potential: Potential
    graphs: dict[str, list[AtomicGraph]]
    initial: Potential
