"""Residual connection around a layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Layer, as_calibrated
from atomgraph.old_names import OldAttribute


class Residual(Layer):
    r"""Residual connection, :math:`h' = h + \mathrm{layer}(h)`, for a layer with equal irreps before and after.

    Args:
        layer: Inner layer.

    Raises:
        WiringError: If the inner layer changes the irreps, has features of edges, or is not a ``Layer``.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        if not isinstance(layer, Layer):
            raise WiringError(f"a Residual needs a Layer, but got a {type(layer).__name__}")
        if layer.edge_irreps_in is not None or layer.edge_irreps_out is not None:
            raise WiringError(
                f"a Residual cannot contain a {type(layer).__name__}, because this layer has features of edges"
            )
        self.layer: Any = layer
        self.irreps_in, self.irreps_out = as_irreps(layer.irreps_in), as_irreps(layer.irreps_out)
        if self.irreps_in != self.irreps_out:
            raise WiringError(
                f"a Residual needs equal irreps, but the layer maps {self.irreps_in} to {self.irreps_out}"
            )

    @property
    def cutoff(self) -> float:
        """Cutoff radius of the inner layer, Å; 0 for a layer without messages."""
        return float(getattr(self.layer, "cutoff", 0.0))

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return new features, (n_atoms, irreps_in.dim), of features h, (n_atoms, irreps_in.dim)."""
        return h + self.layer(h, graph, edges)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Update the statistics of the inner layer with a batch of the training data, if that layer is calibrated."""
        if (layer := as_calibrated(self.layer)) is not None:
            layer.update_statistics(h, graph, edges)

    def finalize(self) -> None:
        """Set the constants of the inner layer, if that layer is calibrated."""
        if (layer := as_calibrated(self.layer)) is not None:
            layer.finalize()

    observe = OldAttribute("update_statistics")
    settle = OldAttribute("finalize")
