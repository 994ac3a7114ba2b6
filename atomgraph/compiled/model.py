"""A frozen MACE: what of a model has a fused form, the library of its kernels, and its energies."""

from __future__ import annotations

import ctypes
from copy import deepcopy
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.compiled.frame import FRAME_SOURCE, Frame, Order
from atomgraph.compiled.layer import FusedLayer
from atomgraph.compiled.linear import LINEAR_SOURCE
from atomgraph.compiled.maps import Table
from atomgraph.compiled.product import MOST_TERMS, n_terms
from atomgraph.compiled.radial import Grid
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import compiled, is_kept
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.blocks import Blocks
from atomgraph.nn.edges import Edges
from atomgraph.nn.zbl import ZBL
from atomgraph.readouts import GroupedMLP, ScaledLinear, Silent

EVEN = o3.Irrep(0, 1)
LIBRARY = "mace"  # how entries of the cache begin
PIECES = {torch.float32: (192, 3), torch.float64: (192, 4)}  # of splines at first, and what is known at each knot


def not_fused(model: EnergyModel) -> str | None:
    """What of a model has no fused form, in a few words; None where all has."""
    if len(model.branches) != 1:
        return "a sum of several branches"
    branch = model.branches[0]
    if not isinstance(branch.featurizer, NodeEmbedding):
        return f"features that begin with {type(branch.featurizer).__name__}"
    if branch.featurizer.states:
        return "an embedding of charge and spin"
    if len(branch.readouts) > len(branch.layers):
        return "a readout of the featurizer"
    for part in (*branch.layers, *branch.readouts):
        if not isinstance(part, MACELayer | ScaledLinear | GroupedMLP | Silent):
            return f"the part {type(part).__name__}"
    for layer in branch.layers:
        if isinstance(layer.interaction, AttentionResidualInteraction):
            return "an interaction whose weights look at features (attention_residual)"
        if not layer.radial.sloped:
            return "radial functions without slope"
    terms = n_terms([layer.product for layer in branch.layers])
    if terms > MOST_TERMS:
        return f"a set of products with {terms} terms, more than {MOST_TERMS},"
    if model.baseline.repulsion is not None and not isinstance(model.baseline.repulsion, ZBL):
        return f"the repulsion {type(model.baseline.repulsion).__name__}"
    if model.baseline.cutoff > branch.cutoff:
        return "a repulsion that reaches beyond the layers"
    return None


class FusedMACE:
    """Energies of atoms, and their slopes by edge vectors, by compiled kernels.

    model: is copied, in float64.  dtype: of the kernels.
    """

    def __init__(self, model: EnergyModel, dtype: torch.dtype):
        self.model, self.dtype = deepcopy(model).double().eval().requires_grad_(False), dtype
        branch = self.model.branches[0]
        self._branch, self._baseline = branch, self.model.baseline
        embedding = branch.featurizer
        scaled = embedding.weight.detach() / len(embedding.elements) ** 0.5
        self._embedding = Table({EVEN: scaled[:, None].to(dtype)})
        grid = Grid(branch.cutoff, *PIECES[dtype])
        self._layers = [FusedLayer(f"layer{t}", layer, grid, t == 0, dtype) for t, layer in enumerate(branch.layers)]
        self._readouts = deepcopy(branch.readouts).to(dtype)
        self._library: ctypes.CDLL | None = None
        self._last: tuple[Tensor, int, Order] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (
            self.model,
            self.dtype,
        )  # kernels do not travel; where it is copied to, they are compiled or found

    @property
    def library(self) -> ctypes.CDLL:
        """The kernels, which have been compiled."""
        if self._library is None:
            raise RuntimeError("the kernels of this model are not compiled yet")
        return self._library

    @property
    def radial_error(self) -> float:
        """Largest error of the splines' slopes so far, by the largest slope."""
        return max(layer.radial_error for layer in self._layers)

    def source(self) -> str:
        """C++ of all kernels."""
        real = {torch.float32: "float", torch.float64: "double"}[self.dtype]
        parts = [
            "#define WITH_OPENMP",
            f"#define REAL {real}",
            '#include "convolution.h"',
            '#include "product.h"',
            FRAME_SOURCE,
            LINEAR_SOURCE,
        ]
        return "\n".join([*parts, *(layer.source() for layer in self._layers)])

    def is_kept(self) -> bool:
        """Whether the kernels are in the cache."""
        return is_kept(self.source(), LIBRARY)

    def compile(self) -> bool:
        """Have the kernels compiled, or found in the cache; False where there can be none, which was said, then."""
        self._library = compiled(self.source(), LIBRARY)
        if self._library is not None:
            self._library.edges_count.restype = ctypes.c_int64
            for layer in self._layers:
                layer.bind(self._library)
        return self._library is not None

    def frame(self, graph: AtomicGraph) -> Frame:
        """The graph in the kernels' order; GraphError names elements that the model does not know."""
        return Frame.of(self.library, graph, self._order(graph.atomic_numbers), self._branch.cutoff, self.dtype)

    def _order(self, numbers: Tensor) -> Order:
        """The atoms' order, kept for as long as the same tensor of atomic numbers comes and nobody writes into it."""
        written = -1 if numbers.is_inference() else int(numbers._version)  # tensors of inference mode do not count that
        last = self._last  # read once: another thread may exchange it
        if last is None or last[0] is not numbers or last[1] != written or written < 0:
            self._last = last = numbers, written, Order.by_element(self.model.element_table(numbers))
        return last[2]

    def energies(self, graph: AtomicGraph, frame: Frame, vector: Tensor) -> Tensor:
        """(n_atoms,) eV, float64, in the frame's order.  vector: the frame's, (n_edges, 3), or a copy with a slope."""
        h: Blocks | Table = self._embedding
        features = []
        for layer in self._layers:
            h = layer(frame, vector, h)
            features.append(h[EVEN].flatten(1))
        read = zip(self._readouts, features[-len(self._readouts) :], strict=True)
        heads = graph.head[graph.graph_of_atom][frame.atom]
        epsilon = torch.zeros(frame.n_atoms, dtype=torch.float64)
        for readout, scalars in read:
            if not isinstance(readout, Silent):
                epsilon = epsilon + self._baseline.of_head(readout(scalars, graph, None), heads).double()
        return self._baseline.total(epsilon, self._repulsion(frame, vector), heads, frame.element)

    def _repulsion(self, frame: Frame, vector: Tensor) -> Tensor | None:
        base = self._baseline
        if base.repulsion is None:
            return None
        near = torch.nonzero(torch.linalg.vector_norm(vector.detach(), dim=1) < base.cutoff)[:, 0]
        vector = vector[near].double()
        length = torch.linalg.vector_norm(vector, dim=1)
        ends = frame.centre[near].long(), frame.neighbour[near].long()
        edges = Edges(vector, length, *ends, frame.element, frame.n_atoms, len(self.model.elements))
        found: Tensor = base.repulsion(None, edges)
        return found


def _again(model: EnergyModel, dtype: torch.dtype) -> FusedMACE | None:
    """A copy of a frozen model; None where it cannot be compiled, and a CompiledPotential then does without."""
    fused = FusedMACE(model, dtype)
    return fused if fused.compile() else None
