"""A frozen model with equivariant layers: source and library of its kernels, energies of atoms, and gradients."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.fused_forms import describe_unsupported, is_registered
from atomgraph.compiled.fused_layers import fuse_layer
from atomgraph.compiled.fused_pair import PAIR_SOURCE, fuse_repulsion
from atomgraph.compiled.fused_readouts import FusedReadouts
from atomgraph.compiled.kernel_graph import GRAPH_SOURCE, ElementOrder, KernelGraph
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LINEAR_SOURCE
from atomgraph.compiled.linear_forms import Gradients, LinearForm
from atomgraph.compiled.mace import fused_layer as _mace  # noqa: F401  # registers its layer
from atomgraph.compiled.nequip import fused_layer as _nequip  # noqa: F401  # registers its layer
from atomgraph.compiled.pullback import Pullback
from atomgraph.compiled.radial_tables import PIECES, Grid
from atomgraph.featurizers.element import ElementEmbedding
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import compile_library, is_cached
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.protocols import Featurizer

LIBRARY = "mace"  # prefix of file names in the cache


def unsupported_reason(model: EnergyModel) -> str | None:
    """Return a description of the first part of a model that has no fused form; None if all parts have a fused form."""
    if len(model.branches) != 1:
        return "a sum of several branches"
    branch, repulsion = model.branches[0], model.baseline.repulsion
    if not is_registered(branch.featurizer):
        return f"the featurizer {type(branch.featurizer).__name__}"
    if (reason := describe_unsupported(branch.featurizer)) is not None:
        return reason
    if len(branch.readouts) > len(branch.layers):
        return "a readout of the featurizer"
    parts = (*branch.layers, *branch.readouts)
    reasons = [describe_unsupported(part) for part in sorted(parts, key=is_registered)]  # unregistered parts come first
    if (reason := next(filter(None, reasons), None)) is not None:
        return reason
    if repulsion is not None and describe_unsupported(repulsion) is not None:
        return f"the repulsion {type(repulsion).__name__}"
    if model.baseline.cutoff > branch.cutoff:
        return "a repulsion with a larger cutoff than the layers"
    return None


@describe_unsupported.register
def _(featurizer: NodeEmbedding) -> str | None:
    return "an embedding of charge and spin" if featurizer.states else None


@describe_unsupported.register
def _(featurizer: ElementEmbedding) -> str | None:
    return None


def _embedding_table(featurizer: Featurizer) -> Tensor:
    """Return the features of each element, (n_elements, channels)."""
    table: Tensor = featurizer.weight.detach()  # type: ignore[operator]
    return table / len(table) ** 0.5 if isinstance(featurizer, NodeEmbedding) else table


class FusedModel:
    """Energies of atoms, and gradients with respect to edge vectors, by compiled kernels.

    Args:
        model: The model. It is copied and converted to float64.
        dtype: Dtype of the kernels.
    """

    def __init__(self, model: EnergyModel, dtype: torch.dtype):
        self.model, self.dtype = deepcopy(model).double().eval().requires_grad_(False), dtype
        self._branch = branch = self.model.branches[0]
        grid = Grid(branch.cutoff, *PIECES[dtype])
        self._layers = [fuse_layer(layer, grid, dtype) for layer in branch.layers]
        repulsion = self.model.baseline.repulsion
        self._repulsion = None if repulsion is None else fuse_repulsion(repulsion)
        self._library: ctypes.CDLL | None = None
        self._cached_order: tuple[Tensor, int, ElementOrder] | None = None  # atomic numbers, their version, their order

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.model, self.dtype)  # a loaded library cannot be pickled

    @property
    def library(self) -> ctypes.CDLL:
        """The compiled kernels."""
        if self._library is None:
            raise RuntimeError("the kernels of this model are not compiled yet; call compile() first")
        return self._library

    @property
    def radial_error(self) -> float:
        """Largest relative error of the derivative of a radial weight; 0 before the first evaluation."""
        return max(layer.radial_error for layer in self._layers)

    @property
    def n_products(self) -> int:
        """Number of product terms per atom, summed over channels and layers; they take most of the time of a large model."""
        return sum(layer.n_products for layer in self._layers)

    def source(self) -> str:
        """Return the C++ source of all kernels."""
        real = {torch.float32: "float", torch.float64: "double"}[self.dtype]
        parts = [
            "#define WITH_OPENMP",
            f"#define REAL {real}",
            '#include "convolution.h"',
            '#include "product.h"',
            GRAPH_SOURCE,
            LINEAR_SOURCE,
            PAIR_SOURCE,
        ]
        kernels = {name: text for layer in self._layers for name, text in layer.kernel_sources().items()}
        return "\n".join([*parts, *kernels.values()])

    def is_cached(self) -> bool:
        """Return whether the kernels are in the cache."""
        return is_cached(self.source(), LIBRARY)

    def compile(self) -> bool:
        """Compile the kernels or load them from the cache.

        Returns:
            Whether the kernels can be used; False after a warning with the reason.
        """
        self._library = compile_library(self.source(), LIBRARY)
        if self._library is not None:
            self._bind(self._library)
        return self._library is not None

    def _bind(self, library: ctypes.CDLL) -> None:
        """Look up the kernels, and merge the linear maps between them."""
        readouts = self._branch.readouts
        h = LinearForm(table=_embedding_table(self._branch.featurizer))
        layouts: list[Layout] = []  # layouts of the layer arrays
        forms = []
        for t, layer in enumerate(self._layers):
            h = layer.bind(library, h, layouts, is_last=t + 1 == len(self._layers))
            forms.append(h)
        readout_forms = forms[-len(readouts) :]
        if self._repulsion is not None:
            self._repulsion.bind(library)
        self._readouts = FusedReadouts(
            library, readouts, self.model.baseline, readout_forms, layouts, self.dtype, self.model.isolated_energies()
        )

    def kernel_graph(self, graph: AtomicGraph) -> KernelGraph:
        """Return the graph in the order of the kernels.

        Raises:
            GraphError: If the model does not have all elements of the graph.
            DegenerateEdge: For coincident atoms, positions that are not finite, or edges with invalid atom indices.
        """
        return KernelGraph.from_graph(
            self.library, graph, self._element_order(graph.atomic_numbers), self._branch.cutoff, self.dtype
        )

    def element_rows(self, graph: AtomicGraph) -> list[int]:
        """Return the rows, in the model's table of elements, of the elements that occur in a graph."""
        return self._element_order(graph.atomic_numbers).element_rows

    def _element_order(self, numbers: Tensor) -> ElementOrder:
        """Return the order of atoms; it is cached for the last tensor of atomic numbers until this tensor is changed."""
        version = -1 if numbers.is_inference() else int(numbers._version)  # tensors of inference mode have no version
        cached = self._cached_order  # read once, because another thread may replace it
        if (
            cached is None or cached[0] is not numbers or cached[1] != version or version < 0
        ):  # version -1: changes of the tensor cannot be detected
            self._cached_order = cached = numbers, version, ElementOrder.by_element(self.model.element_table(numbers))
        return cached[2]

    def energies(self, graph: AtomicGraph, kernel_graph: KernelGraph) -> tuple[Tensor, Callable[[], Tensor]]:
        """Compute energies of atoms, and prepare the gradient of their sum.

        Args:
            graph: One structure or a batch; each structure has a head.
            kernel_graph: The same graph in the order of the kernels.

        Returns:
            Energies, eV, (n_atoms,) float64, in the order of the kernels, and a function that returns the gradient of their sum
            with respect to edge vectors, eV/Å, (n_edges, 3). This function can be called only once.
        """
        evaluation = Evaluation.from_kernel_graph(kernel_graph, self.dtype)
        head = None if len(self.model.heads) == 1 else graph.head[graph.graph_of_atom][kernel_graph.graph_row]
        layer_arrays: list[Tensor] = []  # see ``FusedLayer``
        vjps = [layer(evaluation, layer_arrays) for layer in self._layers]
        energy, readouts_vjp = self._readouts(evaluation, layer_arrays, head)
        self._set_isolated(energy, kernel_graph, head)
        repulsion_vjp = self._add_repulsion(energy, kernel_graph, head)

        n_arrays = len(layer_arrays)

        def edge_gradient() -> Tensor:
            array_gradients: Gradients = [None] * n_arrays
            readouts_vjp(array_gradients)
            total = None if repulsion_vjp is None else repulsion_vjp(torch.ones_like(energy))
            while vjps:  # pop() frees the intermediate results of each layer
                layer_gradient = vjps.pop()(array_gradients)
                if layer_gradient is not None:
                    total = layer_gradient if total is None else total.add_(layer_gradient)
            return torch.zeros_like(kernel_graph.vector) if total is None else total

        return energy, edge_gradient

    def _set_isolated(self, energy: Tensor, kernel_graph: KernelGraph, head: Tensor | None) -> None:
        """Set the energies of atoms without neighbours to exactly E0, which removes rounding errors of the kernels."""
        if self.model.baseline.exact_isolated:
            isolated = torch.nonzero(kernel_graph.centre_offsets[1:] == kernel_graph.centre_offsets[:-1])[:, 0]
            row = torch.zeros_like(isolated) if head is None else head[isolated]
            energy[isolated] = self.model.baseline.e0[row, kernel_graph.element[isolated]]

    def _add_repulsion(self, energy: Tensor, kernel_graph: KernelGraph, head: Tensor | None) -> Pullback | None:
        """Add the repulsion to the energies.

        Returns:
            The vector-Jacobian product of the repulsion; None for models without repulsion.
        """
        baseline = self.model.baseline
        if self._repulsion is None:
            return None
        repulsion, vjp = self._repulsion(kernel_graph)
        if not baseline.scales_repulsion:
            energy += repulsion
            return vjp
        scale = baseline.scale if head is None else baseline.scale.index_select(0, head)
        energy += scale * repulsion
        return lambda grad: vjp(scale * grad)


def _rebuild(model: EnergyModel, dtype: torch.dtype) -> FusedModel | None:
    """Return the unpickled fused model; None if it cannot be compiled. A CompiledPotential then uses the model."""
    fused = FusedModel(model, dtype)
    return fused if fused.compile() else None
