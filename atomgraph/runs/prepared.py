"""A potential before its fit, with the structures that it is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.schema import Config
from atomgraph.graph.structure import AtomicGraph
from atomgraph.potential import Potential
from atomgraph.runs.dataset import Dataset


@dataclass(frozen=True)
class Prepared:
    """Result of the steps before the fit.

    Attributes:
        config: The configuration with everything resolved; it is written to the run folder.
        dataset: The structures, read and split.
        potential: The potential before its fit.
        graphs: Graphs of the parts ``train``, ``valid`` and ``test``.
        initial: A copy of the potential before the fit, if the report compares with it; otherwise the potential itself.
    """

    config: Config | FinetuneConfig
    dataset: Dataset
    potential: Potential
    graphs: dict[str, list[AtomicGraph]]
    initial: Potential
