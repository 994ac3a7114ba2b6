"""Branch: a featurizer, layers and readouts inside one cutoff, with the joints checked when it is built."""

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
    r"""One road from edges to local energies, :math:`\varepsilon_i = \sum_t \mathcal R_t(h_i^{(t)})`.

    :math:`h^{(0)}` comes from the featurizer, :math:`h^{(t)}` from layer t. With k readouts, they read the last k features
    in order (MACE: one readout a layer; most others: one readout on the last features).

    Args:
        cutoff: Å; the branch sees only edges shorter than this.
        featurizer: Gives :math:`h^{(0)}`.
        layers: In order, none or more.
        readouts: One or more, at most one more than layers.

    Raises:
        WiringError: Where features and parts do not fit, or a part reaches beyond the cutoff.
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
        """The irreps of the features that the readouts read, in order."""
        all_irreps = [o3.Irreps(self.featurizer.irreps_out), *(o3.Irreps(layer.irreps_out) for layer in self.layers)]
        return all_irreps[-len(self.readouts) :]

    def features(self, graph: AtomicGraph, edges: Edges) -> list[Tensor]:
        """The features that the readouts read: (n_atoms, dim) each."""
        return list(self._all_features(graph, edges))[-len(self.readouts) :]

    def _all_features(self, graph: AtomicGraph, edges: Edges) -> Iterator[Tensor]:
        """h after the featurizer, then after each layer; a layer is called when its features are asked for."""
        h, edge_features = self.featurizer(graph, edges), None
        yield h
        for layer in self.layers:
            given = () if layer.edge_irreps_in is None else (edge_features,)
            if layer.edge_irreps_out is None:
                h = layer(h, graph, edges, *given)
            else:
                h, edge_features = layer(h, graph, edges, *given)
            yield h

    def forward(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """(n_atoms, n_outputs): the sum of the readouts, eV before scale and shift."""
        features = self.features(graph, edges)
        terms = [readout(h, graph, edges) for readout, h in zip(self.readouts, features, strict=True)]
        return torch.stack(terms).sum(dim=0)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """With the parts for other elements, each for the columns of features that it reads."""
        featurizer = rebuild(self.featurizer, edit)
        parts: dict[str, list[Any]] = {"layers": [], "readouts": []}
        for name, part, part_edit in part_edits(self, featurizer, edit):
            parts[name.partition(".")[0]].append(rebuild(part, part_edit))
        return self.arguments | {"cutoff": self.cutoff, "featurizer": featurizer} | parts

    def weights_for(self, new: Branch, edit: ElementEdit) -> dict[str, Tensor]:
        """Entries of the state dict of all parts that change with the elements.

        Args:
            new: This branch for the new elements.
        """
        weights = weights_for(self.featurizer, edit, "featurizer.")
        for name, part, part_edit in part_edits(self, new.featurizer, edit):
            weights |= weights_for(part, part_edit, f"{name}.")
        return weights

    @torch.no_grad()
    def calibrate(self, batches: Callable[[], Iterable[tuple[AtomicGraph, Edges]]]) -> None:
        """Calibrate each part that takes constants from the training data (``nn.protocols.Calibrated``), in order.

        Args:
            batches: Gives the training data from the beginning, called once for each such part.
        """
        for depth, part in enumerate([*self.layers, *self.readouts]):
            if (calibrated := as_calibrated(part)) is None:
                continue
            reads_layer = depth if depth < len(self.layers) else depth - len(self.readouts) + 1
            for graph, edges in batches():
                h = next(islice(self._all_features(graph, edges), reads_layer, None))
                calibrated.update_statistics(h, graph, edges)
            calibrated.finalize()

    def _check_wiring(self) -> None:
        if not self.readouts:
            raise WiringError("a branch needs at least one readout")
        if len(self.readouts) > len(self.layers) + 1:
            raise WiringError(
                f"{len(self.readouts)} readouts for {len(self.layers)} layers; at most one for the featurizer and one a layer"
            )
        self._check_joint(self.featurizer, "featurizer", Featurizer)
        before, given = "featurizer", o3.Irreps(self.featurizer.irreps_out)
        for i, layer in enumerate(self.layers):
            name = f"layers[{i}]"
            self._check_joint(layer, name, Layer)
            _check_irreps(name, layer.irreps_in, before, given)
            before, given = name, o3.Irreps(layer.irreps_out)
        self._check_edge_features()
        names = ["featurizer", *(f"layers[{i}]" for i in range(len(self.layers)))][-len(self.readouts) :]
        for i, (readout, read_from, irreps) in enumerate(zip(self.readouts, names, self.irreps_read, strict=True)):
            self._check_joint(readout, f"readouts[{i}]", Readout)
            _check_irreps(f"readouts[{i}]", readout.irreps_in, read_from, irreps)
        widths = {readout.n_outputs for readout in self.readouts}
        if len(widths) > 1:
            raise WiringError(f"readouts of one branch should give equally many numbers, but give {sorted(widths)}")

    def _check_edge_features(self) -> None:
        before, given = "", None
        for i, layer in enumerate(self.layers):
            name = f"layers[{i}]"
            if layer.edge_irreps_in is not None:
                if given is None:
                    raise WiringError(
                        f"{name} expects features of edges {o3.Irreps(layer.edge_irreps_in)}, but no layer before it gives any"
                    )
                _check_irreps(name, layer.edge_irreps_in, before, given, "features of edges")
            if layer.edge_irreps_out is not None:
                before, given = name, o3.Irreps(layer.edge_irreps_out)

    def _check_joint(self, part: torch.nn.Module, name: str, kind: type[Part]) -> None:
        if not isinstance(part, kind):
            raise WiringError(f"{name} should be a {kind.__name__}, but is {a_kind(part)}")
        reach = getattr(part, "cutoff", None)
        if isinstance(reach, int | float) and reach > self.cutoff + 1e-12:
            raise WiringError(f"{name} reaches {reach} Å, beyond the branch's cutoff of {self.cutoff} Å")


def _check_irreps(name: str, expected: o3.Irreps, giver: str, given: o3.Irreps, features: str = "features") -> None:
    expected, given = o3.Irreps(expected).simplify(), o3.Irreps(given).simplify()
    if expected != given:
        raise WiringError(f"{name} expects {features} {expected}, but {giver} gives {given}")
