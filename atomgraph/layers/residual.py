"""Residual: a layer that adds to what is there."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.irreps import as_irreps
from atomgraph.nn.protocols import Layer, as_calibrated


class Residual(Layer):
    r""":math:`h' = h + \mathrm{layer}(h)`, for any layer that gives what it takes.

    Args:
        layer: The layer inside.

    Raises:
        WiringError: Where its irreps change.
    """

    def __init__(self, layer: Layer):
        super().__init__()
        if not isinstance(layer, Layer):
            raise WiringError(f"a residual wraps a Layer, but was given a {type(layer).__name__}")
        if layer.edge_irreps_in is not None or layer.edge_irreps_out is not None:
            raise WiringError(f"a residual cannot wrap a {type(layer).__name__}, which has features of edges")
        self.layer: Any = layer
        self.irreps_in, self.irreps_out = as_irreps(layer.irreps_in), as_irreps(layer.irreps_out)
        if self.irreps_in != self.irreps_out:
            raise WiringError(
                f"a residual needs equal features; the layer takes {self.irreps_in}, gives {self.irreps_out}"
            )

    @property
    def cutoff(self) -> float:
        """How far the layer inside reaches, Å; 0 for one that stays on the atom."""
        return float(getattr(self.layer, "cutoff", 0.0))

    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, irreps_in.dim), before and after."""
        return h + self.layer(h, graph, edges)

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Pass a batch of the training data on to the layer inside, if that is calibrated."""
        if (layer := as_calibrated(self.layer)) is not None:
            layer.update_statistics(h, graph, edges)

    def finalize(self) -> None:
        """Set the constants of the layer inside, if that is calibrated."""
        if (layer := as_calibrated(self.layer)) is not None:
            layer.finalize()
