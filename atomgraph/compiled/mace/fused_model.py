"""A frozen MACE: what of a model has a fused form, the library of its kernels, and its energies."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.fused_pair import PAIR_SOURCE, FusedRepulsion
from atomgraph.compiled.kernel_graph import FRAME_SOURCE, ElementOrder, KernelGraph
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear import LINEAR_SOURCE
from atomgraph.compiled.linear_forms import LinearForm, Slopes
from atomgraph.compiled.mace.fused_layer import FusedLayer
from atomgraph.compiled.mace.fused_readouts import FusedReadouts
from atomgraph.compiled.pullback import Pullback
from atomgraph.compiled.radial_tables import Grid
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.kernels import compiled, is_kept
from atomgraph.layers.mace import MACELayer
from atomgraph.layers.mace.attention import AttentionResidualInteraction
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.repulsion.zbl import ZBL
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout

LIBRARY = "mace"  # how entries of the cache begin
PIECES = {torch.float32: (97, 5), torch.float64: (153, 7)}  # of radial weights at first, and their polynomials' degree


def unsupported_reason(model: EnergyModel) -> str | None:
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
        if not isinstance(part, MACELayer | ScaledLinear | MultiHeadMLP | ZeroReadout):
            return f"the part {type(part).__name__}"
    for layer in branch.layers:
        if isinstance(layer.interaction, AttentionResidualInteraction):
            return "an interaction whose weights look at features (attention_residual)"
        if not layer.radial.sloped:
            return "radial functions without slope"
    if model.baseline.repulsion is not None and not isinstance(model.baseline.repulsion, ZBL):
        return f"the repulsion {type(model.baseline.repulsion).__name__}"
    if model.baseline.cutoff > branch.cutoff:
        return "a repulsion that reaches beyond the layers"
    return None


class FusedMACE:
    """Energies of atoms, and their slopes by edge vectors, by compiled kernels.

    Args:
        model: Is copied, in float64.
        dtype: Of the kernels.
    """

    def __init__(self, model: EnergyModel, dtype: torch.dtype):
        self.model, self.dtype = deepcopy(model).double().eval().requires_grad_(False), dtype
        self._branch = branch = self.model.branches[0]
        grid = Grid(branch.cutoff, *PIECES[dtype])
        self._layers = [FusedLayer(layer, grid, dtype) for layer in branch.layers]
        repulsion = self.model.baseline.repulsion
        self._repulsion = FusedRepulsion(repulsion) if isinstance(repulsion, ZBL) else None
        self._library: ctypes.CDLL | None = None
        self._last: tuple[Tensor, int, ElementOrder] | None = None

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
        """Largest error of a radial weight's slope so far, by the largest slope there or farther."""
        return max(layer.radial_error for layer in self._layers)

    @property
    def n_products(self) -> int:
        """Terms of an atom's products, of all channels and layers: what most of a large model's time goes into."""
        return sum(layer.n_products for layer in self._layers)

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
            PAIR_SOURCE,
        ]
        kernels = {name: text for layer in self._layers for name, text in layer.sources().items()}
        return "\n".join([*parts, *kernels.values()])

    def is_kept(self) -> bool:
        """Whether the kernels are in the cache."""
        return is_kept(self.source(), LIBRARY)

    def compile(self) -> bool:
        """Have the kernels compiled, or found in the cache; False where there can be none, which was said, then."""
        self._library = compiled(self.source(), LIBRARY)
        if self._library is not None:
            self._bind(self._library)
        return self._library is not None

    def _bind(self, library: ctypes.CDLL) -> None:
        """Fold the linear maps between the kernels."""
        embedding, readouts = self._branch.featurizer, self._branch.readouts
        h = LinearForm(table=embedding.weight.detach() / len(embedding.elements) ** 0.5)
        sources: list[Layout] = []
        forms = []
        for t, layer in enumerate(self._layers):
            h = layer.bind(library, h, sources, is_last=t + 1 == len(self._layers))
            forms.append(h)
        read = forms[-len(readouts) :]
        if self._repulsion is not None:
            self._repulsion.bind(library)
        self._readouts = FusedReadouts(
            library, readouts, self.model.baseline, read, sources, self.dtype, self.model.isolated_energies()
        )

    def frame(self, graph: AtomicGraph) -> KernelGraph:
        """The graph in the kernels' order; GraphError names elements that the model does not know."""
        return KernelGraph.of(self.library, graph, self._order(graph.atomic_numbers), self._branch.cutoff, self.dtype)

    def present(self, graph: AtomicGraph) -> list[int]:
        """The elements of the graph, as rows of the model's table."""
        return self._order(graph.atomic_numbers).present

    def _order(self, numbers: Tensor) -> ElementOrder:
        """The atoms' order, kept for as long as the same tensor of atomic numbers comes and nobody writes into it."""
        written = -1 if numbers.is_inference() else int(numbers._version)  # tensors of inference mode do not count that
        last = self._last  # read once: another thread may exchange it
        if last is None or last[0] is not numbers or last[1] != written or written < 0:
            self._last = last = numbers, written, ElementOrder.by_element(self.model.element_table(numbers))
        return last[2]

    def energies(self, graph: AtomicGraph, frame: KernelGraph) -> tuple[Tensor, Callable[[], Tensor]]:
        """(n_atoms,) eV, float64, in the frame's order; and what gives the slopes of their sum by edge vectors."""
        of = Evaluation.of(frame, self.dtype)
        head = None if len(self.model.heads) == 1 else graph.head[graph.graph_of_atom][frame.atom]
        sources: list[Tensor] = []
        backs = [layer(of, sources) for layer in self._layers]
        energy, of_readouts = self._readouts(of, sources, head)
        self._set_isolated(energy, frame, head)
        of_repulsion = self._add_repulsion(energy, frame, head)

        n_sources = len(sources)

        def slope() -> Tensor:
            slopes: Slopes = [None] * n_sources
            of_readouts(slopes)
            parts = [] if of_repulsion is None else [of_repulsion(torch.ones_like(energy))]
            while backs:  # what a layer has kept is not kept any longer
                part = backs.pop()(slopes)
                parts = parts if part is None else [part if not parts else parts[0].add_(part)]
            return parts[0] if parts else torch.zeros_like(frame.vector)

        return energy, slope

    def _set_isolated(self, energy: Tensor, frame: KernelGraph, head: Tensor | None) -> None:
        """Exactly E0 for atoms without neighbours, whatever the kernels round."""
        if self.model.baseline.exact_isolated:
            alone = torch.nonzero(frame.row[1:] == frame.row[:-1])[:, 0]
            row = torch.zeros_like(alone) if head is None else head[alone]
            energy[alone] = self.model.baseline.e0[row, frame.element[alone]]

    def _add_repulsion(self, energy: Tensor, frame: KernelGraph, head: Tensor | None) -> Pullback | None:
        """Added to the energies; from slopes by these to slopes by edge vectors. None where nothing repels."""
        base = self.model.baseline
        if self._repulsion is None:
            return None
        value, back = self._repulsion(frame)
        if not base.scales_repulsion:
            energy += value
            return back
        scale = base.scale if head is None else base.scale.index_select(0, head)
        energy += scale * value
        return lambda slope: back(scale * slope)


def _again(model: EnergyModel, dtype: torch.dtype) -> FusedMACE | None:
    """A copy of a frozen model; None where it cannot be compiled, and a CompiledPotential then does without."""
    fused = FusedMACE(model, dtype)
    return fused if fused.compile() else None
