"""Protocols of parts: featurizers, layers, message layers and readouts.

Each declares ``irreps_in`` and ``irreps_out`` (scalars are ``nx0e``), and a model checks the joints when it is built.
A part that has a ``cutoff`` or ``elements`` keeps them as attributes under these names; the model checks them, too.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Protocol, runtime_checkable

from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.part import Part
from atomgraph.old_names import warn_old_name


class Featurizer(Part):
    """Describes each atom: ``(graph, edges) -> h``, h of shape (n_atoms, irreps_out.dim).

    Args:
        reads_states: Whether h depends on the charge or spin of the structure (``graph.charge``, ``graph.spin``).
    """

    irreps_out: o3.Irreps
    reads_states: bool = False
    group = "embedding"

    @abstractmethod
    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor: ...


class Layer(Part):
    """Maps features of atoms: ``(h, graph, edges) -> h``, from (n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim).

    A layer may read and give features of edges, too. With ``edge_irreps_in`` it is called with a fourth argument,
    (n_edges, edge_irreps_in.dim), in the order of ``edges``; with ``edge_irreps_out`` it returns ``(h, edge_features)``.
    Layers in between that have neither leave features of edges as they are.

    Attributes:
        irreps_in: Irreps of the features of atoms before.
        irreps_out: Irreps of the features of atoms after.
        edge_irreps_in: Irreps of the features of edges that the layer reads; None for a layer that reads none.
        edge_irreps_out: Irreps of the features of edges that the layer gives; None for a layer that gives none.
    """

    irreps_in: o3.Irreps
    irreps_out: o3.Irreps
    edge_irreps_in: o3.Irreps | None = None
    edge_irreps_out: o3.Irreps | None = None
    group = "convolution"

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Any: ...


class MessageLayer(Layer):
    """A layer in which features of an atom depend on those of its neighbours."""


class Readout(Part):
    """Gives numbers per atom: ``(h, graph, edges) -> (n_atoms, n_outputs)``; one column a head (or a property)."""

    irreps_in: o3.Irreps
    n_outputs: int
    group = "readout"

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Entries of the state dict for other heads.

        Args:
            rows: The old head that each new one starts from.

        Raises:
            WiringError: If the readout does not define this method.
        """
        kind = type(self).__name__
        raise WiringError(f"the heads of a {kind} cannot be edited; define head_weights() in it")

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor: ...


@runtime_checkable
class Calibrated(Protocol):
    """A part with constants from the training data, set once before training (means, widths, neighbour counts)."""

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Include the features of one batch; called for each batch of the training data."""

    def finalize(self) -> None:
        """Set the constants; called after the last batch."""


class _OldCalibrated:
    """A part of a user with the method names of the last release."""

    def __init__(self, part: Any):
        self.part = part

    def update_statistics(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> None:
        """Include the features of one batch."""
        self.part.observe(h, graph, edges)

    def finalize(self) -> None:
        """Set the constants."""
        self.part.settle()


def as_calibrated(part: Any) -> Calibrated | None:
    """The part, if it has constants from the training data; None for other parts.

    The method names of the last release, ``observe`` and ``settle``, are accepted with a warning.
    """
    if isinstance(part, Calibrated):
        return part
    if callable(getattr(part, "observe", None)) and callable(getattr(part, "settle", None)):
        kind = type(part).__name__
        warn_old_name(f"{kind}.observe and settle", "update_statistics and finalize")
        return _OldCalibrated(part)
    return None


@runtime_checkable
class LinearReadout(Protocol):
    r"""A readout that is linear in weights that a fit can determine, :math:`\varepsilon_i = \phi(h_i, z_i) \cdot w_{z_i}`.

    Elements may have separate weights or share them; ``weight_slice`` gives the weights of an element among all.
    """

    @property
    def n_unknowns(self) -> int:
        """Number of these weights, for all elements."""

    def weight_slice(self, element: int) -> slice:
        """The weights of an element, by its row in the model's table, among all of them."""

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Basis functions φ of atoms of one element, (n_atoms, n), in the order of its weights."""

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        r"""d and f of :math:`\partial\phi_{ir}/\partial h_i = f_{ir} d_r`: (n, n_features) and (n_atoms, n), None for 1; None
        where φ has no such form. Where d is None there may be more φ than features: the last ones are constant.
        """

    def set_weights(self, weights: Tensor) -> None:
        """Set these weights, (n_unknowns,)."""
