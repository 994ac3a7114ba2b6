"""Base class of the descriptors of Deep Potential: an environment matrix with statistics from the training data."""

from __future__ import annotations

from typing import Any

import torch

from atomgraph.errors import WiringError, a_kind
from atomgraph.featurizers.deep_potential.embedding import Embedding
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.part import Part
from atomgraph.nn.protocols import Featurizer


class DeepPotentialDescriptor(Featurizer):
    """Featurizer with an environment matrix, whose constants are set from the training data (``nn.protocols.Calibrated``).

    Attributes:
        environment: Environment matrix.
        embedding: Embedding networks.
        cutoff: Cutoff radius, Å.
    """

    environment: Any  # EnvironmentMatrix
    embedding: Any  # Part with embedding networks

    def __init__(self, environment: EnvironmentMatrix, embedding: Part):
        super().__init__()
        name = type(self).__name__
        if not isinstance(environment, EnvironmentMatrix):
            raise WiringError(f"{name} needs an EnvironmentMatrix, but got {a_kind(environment)}")
        if list(getattr(embedding, "elements", [])) != environment.elements:
            raise WiringError(f"{name} needs an embedding of the elements {', '.join(environment.elements)}")
        self.environment, self.embedding = environment, embedding
        self.cutoff = environment.cutoff

    def update_statistics(self, h: None, graph: AtomicGraph, edges: Edges) -> None:
        """Add a batch of the training data to the statistics of the environment matrix; h is not used."""
        self.environment.update_statistics(edges)

    def finalize(self) -> None:
        """Set the constants of the environment matrix."""
        self.environment.finalize()

    def _require_slots_by_element(self) -> None:
        """Raise WiringError if all elements share one number of slots."""
        if isinstance(self.environment.sel, int):
            raise WiringError(
                f"{type(self).__name__} needs sel with one number per element, but got {self.environment.sel}"
            )

    def _require_embedding(self) -> None:
        """Raise WiringError unless the embedding has networks of one neighbour."""
        if not isinstance(self.embedding, Embedding):
            raise WiringError(f"{type(self).__name__} needs an Embedding, but got {a_kind(self.embedding)}")

    def _register_removed_padding(self) -> None:
        """Register the sum over the empty slots of removed elements, (n_elements, channels), see ``removed_padding.py``."""
        shape = len(self.environment.elements), self.embedding.channels
        self.register_buffer("removed_padding", torch.zeros(shape))
