"""EnergyModel: the one rule of composition. A sum of branches over a baseline, checked when it is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial, reduce
from itertools import chain
from typing import Any

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import GraphError, WiringError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.isolated import IsolatedEnergies
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit, cannot_edit_error, rebuild, weights_for
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.part import Part


class EnergyModel(Part):
    r"""Graph to local energies, :math:`E_i = \mathrm{baseline}(\sum_b \varepsilon_i^{(b)})`, (n_atoms,) in eV.

    Args:
        elements: Chemical symbols.
        branches: One or more, each with its own cutoff; graphs need the largest.
        baseline: E0, scale, shift, repulsion, heads; by default E0 = 0, scale 1 and one head.

    Raises:
        WiringError: Where parts do not fit one another, or know other elements than the model.
    """

    branches: Any  # ModuleList of Branch
    posterior: Any  # Posterior of weights that were solved for, or None

    def __init__(self, elements: Sequence[str], branches: Branch | Sequence[Branch], baseline: Baseline | None = None):
        super().__init__()
        self.element_table = ElementTable(elements)
        self.branches = torch.nn.ModuleList([branches] if isinstance(branches, Branch) else branches)
        self.baseline = Baseline(elements) if baseline is None else baseline
        self.posterior = None
        self.isolated = IsolatedEnergies()
        if not self.branches:
            raise WiringError("a model needs at least one branch")
        for name, part in self.named_modules():
            known = getattr(part, "elements", None)
            if part is not self and isinstance(part, Part) and known is not None and list(known) != self.elements:
                raise WiringError(f"{name} knows the elements {', '.join(known)}, the model {', '.join(self.elements)}")
        for i, branch in enumerate(self.branches):
            widths = {readout.n_outputs for readout in branch.readouts}
            if not widths <= {1, len(self.heads)}:
                raise WiringError(f"branches[{i}] gives {max(widths)} energies per atom for {len(self.heads)} heads")

    @property
    def elements(self) -> list[str]:
        """Chemical symbols, in the order of the model's tables."""
        return list(self.element_table.symbols)

    @property
    def heads(self) -> list[str]:
        """Names of the heads."""
        return list(self.baseline.heads)

    @property
    def cutoff(self) -> float:
        """The largest cutoff of any branch or of the repulsion, Å; graphs need edges up to here."""
        return max(self.baseline.cutoff, self.reach)

    @property
    def reach(self) -> float:
        """The largest cutoff of any branch, Å: an atom without neighbours inside it is isolated."""
        return float(max(branch.cutoff for branch in self.branches))

    @property
    def reads_states(self) -> bool:
        """Whether features depend on the charge or spin of a structure."""
        return any(getattr(part, "reads_states", False) for part in self.branches.modules())

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the branches compute in."""
        numbers = chain(self.branches.parameters(), self.branches.buffers())
        return next((number.dtype for number in numbers if number.is_floating_point()), torch.float64)

    @property
    def dtype_name(self) -> str:
        """``float32``, ``float64``: the dtype as files and people name it."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def irreps_read(self) -> list[o3.Irreps]:
        """Irreps of ``features``."""
        return [irreps for branch in self.branches for irreps in branch.irreps_read]

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments of this model for other elements: of a composition, or of a family with ``elements``.

        A family whose further arguments depend on elements defines this.

        Raises:
            WiringError: If a part depends on elements and cannot be edited, or a family takes no baseline.
        """
        baseline = rebuild(self.baseline, edit)
        if type(self) is EnergyModel:
            return {"elements": edit.names, "branches": rebuild(self.branches, edit), "baseline": baseline}
        if not {"elements", "baseline"} <= self.arguments.keys():
            raise cannot_edit_error(self)
        return self.arguments | {"elements": edit.names, "baseline": baseline}

    def weights_for(self, new: EnergyModel, edit: ElementEdit) -> dict[str, Tensor]:
        """Entries of the state dict that change in all parts; new: this model for the new elements.

        Raises:
            WiringError: If a part depends on elements and cannot be edited.
        """
        weights = weights_for(self.baseline, edit, "baseline.")
        for i, (old, branch) in enumerate(zip(self.branches, new.branches, strict=True)):
            weights |= {f"branches.{i}.{name}": value for name, value in old.weights_for(branch, edit).items()}
        return weights

    def edges(self, graph: AtomicGraph) -> Edges:
        """The graph's edges as the branches read them; GraphError where the graph does not reach far enough."""
        self._check_reach(graph)
        return Edges.of(graph, self.element_table, self.dtype)

    def features(self, graph: AtomicGraph) -> list[Tensor]:
        """What the readouts of all branches read: (n_atoms, dim) each."""
        edges = self.edges(graph)
        return [h for branch in self.branches for h in branch.features(graph, edges.within(branch.cutoff))]

    def forward(self, graph: AtomicGraph) -> Tensor:
        """(n_atoms,) local energies in eV, float64; GraphError where a graph asks for no head of this model's."""
        self._check_heads(graph)
        edges = self.edges(graph)
        local = self.local_energies(graph, edges)
        if self.baseline.exact_isolated:
            local = self.isolated.subtract(self, local, graph, edges)
        return self.baseline(local, graph, edges)

    def local_energies(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """The sum of the branches, (n_atoms, n_outputs), eV before scale and shift, isolated atoms not yet subtracted."""
        return reduce(torch.add, (branch(graph, edges.within(branch.cutoff)) for branch in self.branches))

    def isolated_energies(self) -> Tensor:
        """What is subtracted for each head and element, (n_heads, n_elements) in eV, float64; zeros where nothing is.

        Energies are E0 − this + scale · local energy + shift.

        Raises:
            WiringError: Where features depend on the charge or spin of a structure, so that no constant exists.
        """
        if not self.baseline.exact_isolated:
            return torch.zeros_like(self.baseline.e0)
        if self.reads_states:
            raise WiringError("energies of isolated atoms depend on charge and spin in this model and are no constants")
        table = self.isolated.table(self).T.to(self.baseline.e0.dtype)  # (n_outputs, n_elements)
        return table * self.baseline.scale[:, None]

    def structure_energy(self, graph: AtomicGraph) -> Tensor | None:
        """Energies of whole structures that belong to no atom, (n_graphs,) eV, without gradient; None if there are none."""
        return None

    @torch.no_grad()
    def calibrate(self, graphs: Iterable[AtomicGraph]) -> None:
        """Set the constants that parts take from the training data (see ``nn.protocols.Calibrated``).

        Args:
            graphs: Gone through once for each such part, so edges and features are in memory for one graph (or batch)
                at a time; an iterator, which can be gone through only once, is made a list.
        """
        structures = list(graphs) if isinstance(graphs, Iterator) else graphs
        for branch in self.branches:
            branch.calibrate(partial(self._with_edges, structures, branch.cutoff))

    def _with_edges(self, graphs: Iterable[AtomicGraph], cutoff: float) -> Iterator[tuple[AtomicGraph, Edges]]:
        return ((graph, self.edges(graph).within(cutoff)) for graph in graphs)

    def check(self, graph: AtomicGraph) -> None:
        """GraphError where a graph does not reach far enough, or asks for no head of this model's."""
        self._check_heads(graph)
        self._check_reach(graph)

    def _check_reach(self, graph: AtomicGraph) -> None:
        if bool((graph.cutoff < self.cutoff - 1e-9).any()):
            raise GraphError(
                f"the graph holds edges up to {graph.cutoff.min().item()} Å, the model needs {self.cutoff} Å; "
                f"build it with AtomicGraph.from_ase(atoms, cutoff={self.cutoff})"
            )

    def _check_heads(self, graph: AtomicGraph) -> None:
        if bool((graph.head >= len(self.heads)).any()):
            raise GraphError(
                f"the graph asks for head {graph.head.max().item()}; this model has {', '.join(self.heads)}"
            )
        if len(self.heads) > 1 and bool((graph.head < 0).any()):
            raise GraphError(
                f"this model has the heads {', '.join(self.heads)} and none is chosen; "
                f"load the potential with head={self.heads[-1]!r}, say (--head {self.heads[-1]}), or set potential.head"
            )
