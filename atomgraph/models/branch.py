"""Branch: a featurizer, layers and readouts with one cutoff. Irreps are checked when the branch is built."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError, a_kind
from atomgraph.graph.structure import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, part_edits, rebuild, weights_for
from atomgraph.nn.part import Part
from atomgraph.nn.protocols import Featurizer, Layer, Readout, as_calibrated


class Branch(Part):
    r"""Local energies from edges, :math:`\varepsilon_i = \sum_t \mathcal R_t(h_i^{(t)})`.

    :math:`h^{(0)}` is the output of the featurizer, :math:`h^{(t)}` the output of layer t. Several readouts read the outputs of
    the last layers, in order. MACE has one readout per layer; most other models have one readout for the last output.

    Args:
        cutoff: Cutoff radius of the edges, Å.
        featurizer: The featurizer.
        layers: Layers in order; the list may be empty.
        readouts: Readouts in order, at least one, and at most one more than layers.

    Raises:
        WiringError: If irreps of two parts differ, or the cutoff of a part is larger than that of the branch.
    """

    layers: Any  # ModuleList of Layer
    readouts: Any  # ModuleList of Readout

    def __init__(
        self,
        cutoff: float,
        featurizer: Featurizer,
        layers: Sequence[Layer] = (),
        readouts: Sequence[Readout] = (),
    ):
        super().__init__()
        if not cutoff > 0:
            raise WiringError(f"cutoff must be positive, in Å, but is {cutoff}")
        self.cutoff = float(cutoff)
        self.featurizer = featurizer
        self.layers = torch.nn.ModuleList(layers)
        self.readouts = torch.nn.ModuleList(readouts)
        self._check_wiring()

    @property
    def irreps_read(self) -> list[o3.Irreps]:
        """Irreps of the features that the readouts read, in order."""
        all_irreps = [o3.Irreps(self.featurizer.irreps_out), *(o3.Irreps(layer.irreps_out) for layer in self.layers)]
        return all_irreps[-len(self.readouts) :]

    def features(self, graph: AtomicGraph, edges: Edges) -> list[Tensor]:
        """Return the features that the readouts read, in order, (n_atoms, dim) each."""
        return list(self._all_features(graph, edges))[-len(self.readouts) :]

    def _all_features(self, graph: AtomicGraph, edges: Edges) -> Iterator[Tensor]:
        """Yield the output of the featurizer and of each layer, (n_atoms, dim). A layer is evaluated when it is requested."""
        h, edge_features = self.featurizer(graph, edges), None
        yield h
        for layer in self.layers:
            edge_input = () if layer.edge_irreps_in is None else (edge_features,)
            if layer.edge_irreps_out is None:
                h = layer(h, graph, edges, *edge_input)
            else:
                h, edge_features = layer(h, graph, edges, *edge_input)
            yield h

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return the sum of the readouts, (n_atoms, n_outputs), eV before scale and shift."""
        features = self.features(graph, edges)
        terms = [readout(h, graph, edges) for readout, h in zip(self.readouts, features, strict=True)]
        return torch.stack(terms).sum(dim=0)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments with parts for other elements."""
        featurizer = rebuild(self.featurizer, edit)
        parts: dict[str, list[Any]] = {"layers": [], "readouts": []}
        for name, part, part_edit in part_edits(self, featurizer, edit):
            parts[name.partition(".")[0]].append(rebuild(part, part_edit))
        return self.arguments | {"cutoff": self.cutoff, "featurizer": featurizer} | parts

    def weights_for(self, new_branch: Branch, edit: ElementEdit) -> dict[str, Tensor]:
        """Entries of the state dict that change with the elements.

        Args:
            new_branch: The branch for the new elements.
            edit: Change of the elements.
        """
        weights = weights_for(self.featurizer, edit, "featurizer.")
        for name, part, part_edit in part_edits(self, new_branch.featurizer, edit):
            weights |= weights_for(part, part_edit, f"{name}.")
        return weights

    @torch.no_grad()
    def calibrate(self, batches: Callable[[], Iterable[tuple[AtomicGraph, Edges]]]) -> None:
        """Set the constants of all parts that have constants from the training data (``nn.protocols.Calibrated``), in order.

        Args:
            batches: Function that returns an iterator of the training data; called once per part with constants.
        """
        for part in self.featurizer.modules():
            if isinstance(part, Featurizer) and (calibrated := as_calibrated(part)) is not None:
                for graph, edges in batches():
                    calibrated.update_statistics(None, graph, edges)
                calibrated.finalize()
        for depth, part in enumerate([*self.layers, *self.readouts]):
            if (calibrated := as_calibrated(part)) is None:
                continue
            # a layer reads the output of the part before it; the readouts read the outputs of the last layers
            input_index = depth if depth < len(self.layers) else depth - len(self.readouts) + 1
            for graph, edges in batches():
                h = next(islice(self._all_features(graph, edges), input_index, None))
                calibrated.update_statistics(h, graph, edges)
            calibrated.finalize()

    def _check_wiring(self) -> None:
        if not self.readouts:
            raise WiringError("a branch needs at least one readout")
        if len(self.readouts) > len(self.layers) + 1:
            raise WiringError(
                f"{len(self.readouts)} readouts for {len(self.layers)} layers; at most one readout for the featurizer and one "
                "per layer are allowed"
            )
        self._check_part(self.featurizer, "featurizer", Featurizer)
        source, irreps = "featurizer", o3.Irreps(self.featurizer.irreps_out)
        for i, layer in enumerate(self.layers):
            name = f"layers[{i}]"
            self._check_part(layer, name, Layer)
            _check_irreps(name, layer.irreps_in, source, irreps)
            source, irreps = name, o3.Irreps(layer.irreps_out)
        self._check_edge_features()
        sources = ["featurizer", *(f"layers[{i}]" for i in range(len(self.layers)))][-len(self.readouts) :]
        for i, (readout, source, irreps) in enumerate(zip(self.readouts, sources, self.irreps_read, strict=True)):
            self._check_part(readout, f"readouts[{i}]", Readout)
            _check_irreps(f"readouts[{i}]", readout.irreps_in, source, irreps)
        n_outputs = {readout.n_outputs for readout in self.readouts}
        if len(n_outputs) > 1:
            raise WiringError(
                f"readouts of one branch should have equal numbers of outputs, but have {sorted(n_outputs)}"
            )

    def _check_edge_features(self) -> None:
        source, irreps = "", None
        for i, layer in enumerate(self.layers):
            name = f"layers[{i}]"
            if layer.edge_irreps_in is not None:
                if irreps is None:
                    raise WiringError(
                        f"{name} expects features of edges {o3.Irreps(layer.edge_irreps_in)}, but no layer before "
                        f"{name} returns features of edges"
                    )
                _check_irreps(name, layer.edge_irreps_in, source, irreps, "features of edges")
            if layer.edge_irreps_out is not None:
                source, irreps = name, o3.Irreps(layer.edge_irreps_out)

    def _check_part(self, part: torch.nn.Module, name: str, kind: type[Part]) -> None:
        """Check class and cutoff of a part."""
        if not isinstance(part, kind):
            raise WiringError(f"{name} should be a {kind.__name__}, but is {a_kind(part)}")
        cutoff = getattr(part, "cutoff", None)
        if isinstance(cutoff, int | float) and cutoff > self.cutoff + 1e-12:
            raise WiringError(f"{name} has a cutoff of {cutoff} Å, beyond the branch's cutoff of {self.cutoff} Å")


def _check_irreps(name: str, expected: o3.Irreps, source: str, irreps: o3.Irreps, features: str = "features") -> None:
    """Raise WiringError if the irreps that a part expects differ from those of the previous part, ``source``."""
    expected, irreps = o3.Irreps(expected).simplify(), o3.Irreps(irreps).simplify()
    if expected != irreps:
        raise WiringError(f"{name} expects {features} {expected}, but {source} gives {irreps}")
