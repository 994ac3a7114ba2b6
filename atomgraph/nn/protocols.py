"""Base classes of featurizers, layers and readouts, and protocols for calibration and for linear readouts.

Each part declares ``irreps_in`` and ``irreps_out`` (n scalars are ``nx0e``). A model checks that they fit when it is built.
A part with a cutoff or with elements has the attribute ``cutoff`` or ``elements``, which the model also checks.
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
from atomgraph.old_names import accept_old_methods, warn_old_name


class Featurizer(Part):
    """Part that describes each atom: ``(graph, edges) -> h``, h of shape (n_atoms, irreps_out.dim).

    Attributes:
        irreps_out: Irreps of h.
        reads_states: Whether h depends on the charge or spin of the structure (``graph.charge``, ``graph.spin``).
    """

    irreps_out: o3.Irreps
    reads_states: bool = False
    group = "embedding"

    @abstractmethod
    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor: ...


class Layer(Part):
    """Part that maps features of atoms: ``(h, graph, edges) -> h``, (n_atoms, irreps_in.dim) to (n_atoms, irreps_out.dim).

    A layer can also read and return features of edges. If ``edge_irreps_in`` is set, the layer has a fourth argument,
    (n_edges, edge_irreps_in.dim), in the order of ``edges``. If ``edge_irreps_out`` is set, the layer returns
    ``(h, edge_features)``. Layers without these attributes do not change the features of edges.

    Attributes:
        irreps_in: Irreps of the features of atoms that the layer reads.
        irreps_out: Irreps of the features of atoms that the layer returns.
        edge_irreps_in: Irreps of the features of edges that the layer reads, or None.
        edge_irreps_out: Irreps of the features of edges that the layer returns, or None.
    """

    irreps_in: o3.Irreps
    irreps_out: o3.Irreps
    edge_irreps_in: o3.Irreps | None = None
    edge_irreps_out: o3.Irreps | None = None
    group = "convolution"

    def __init_subclass__(cls, **kwargs: Any):
        """Accept the method names of the last release in users' subclasses of calibrated layers, with a warning."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "update_statistics"):
            accept_old_methods(cls, {"observe": "update_statistics", "settle": "finalize"})

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Any: ...


class EdgeLayer(Layer):
    """Layer that reads features of edges: ``(h, graph, edges, edge_features) -> h`` or ``(h, edge_features)``."""

    edge_irreps_in: o3.Irreps

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges, edge_features: Tensor) -> Any: ...  # type: ignore[override]


class MessageLayer(Layer):
    """Layer in which the features of an atom depend on the features of its neighbours."""


class Readout(Part):
    """Part that returns numbers per atom: ``(h, graph, edges) -> (n_atoms, n_outputs)``, one column per head or property.

    Attributes:
        irreps_in: Irreps of h.
        n_outputs: Number of columns.
    """

    irreps_in: o3.Irreps
    n_outputs: int
    group = "readout"

    def __init_subclass__(cls, **kwargs: Any):
        """Accept the method names of the last release in linear readouts of users, with a warning."""
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "n_unknowns"):
            new_names = {"unknowns_of": "weight_slice", "basis_slopes": "basis_jacobian", "take": "set_weights"}
            accept_old_methods(cls, new_names)

    def head_weights(self, rows: list[int]) -> dict[str, Tensor]:
        """Entries of the state dict that change if the heads change.

        Args:
            rows: For each new head, the number of the old head whose weights are copied.

        Returns:
            Weights for the new heads, by name.

        Raises:
            WiringError: If the readout does not define this method.
        """
        kind = type(self).__name__
        raise WiringError(f"the heads of a {kind} cannot be edited; define head_weights() in it")

    @abstractmethod
    def forward(self, h: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor: ...


@runtime_checkable
class Calibrated(Protocol):
    """Protocol of parts with constants from the training data, set once before training (means, numbers of neighbours)."""

    def update_statistics(self, h: Tensor | None, graph: AtomicGraph, edges: Edges) -> None:
        """Include the features h of one batch, None for a featurizer; called for each batch of the training data."""

    def finalize(self) -> None:
        """Set the constants; called after the last batch."""


class _OldCalibrated:
    """Wrapper of a user's part that has the method names of the last release."""

    def __init__(self, part: Any):
        self.part = part

    def update_statistics(self, h: Tensor | None, graph: AtomicGraph, edges: Edges) -> None:
        """Include the features of one batch."""
        self.part.observe(h, graph, edges)

    def finalize(self) -> None:
        """Set the constants."""
        self.part.settle()


def as_calibrated(part: Any) -> Calibrated | None:
    """Return the part if it has constants from the training data, else None.

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
    r"""Protocol of readouts that are linear in weights w, :math:`\varepsilon_i = \phi(h_i, z_i) \cdot w_{z_i}`.

    A linear fit can determine the weights. Elements can have separate weights or the same weights.
    """

    @property
    def n_unknowns(self) -> int:
        """Number of weights of all elements."""

    def weight_slice(self, element: int) -> slice:
        """Positions of the weights of an element among all weights.

        Args:
            element: Row of the element in the model's table of elements.
        """

    def basis(self, h: Tensor, element: int) -> Tensor:
        """Basis functions φ of atoms of one element.

        Args:
            h: Features, (n_atoms, n_features).
            element: Row of the element in the model's table of elements.

        Returns:
            Basis functions, (n_atoms, n), in the order of the weights of the element.
        """

    def basis_jacobian(self, h: Tensor, element: int) -> tuple[Tensor | None, Tensor | None] | None:
        r"""Factors d and f of the derivatives :math:`\partial\phi_{ir}/\partial h_i = f_{ir} d_r`.

        Args:
            h: Features, (n_atoms, n_features).
            element: Row of the element in the model's table of elements.

        Returns:
            Directions d, (n, n_features), or None for the unit matrix; and factors f, (n_atoms, n), (1, 1) if all
            factors are equal, or None for 1. If d is None, there can be more basis functions than features; the last
            basis functions are then constant. None instead of the pair if the derivatives do not have this form.
        """

    def set_weights(self, weights: Tensor) -> None:
        """Set the weights of all elements, (n_unknowns,)."""
