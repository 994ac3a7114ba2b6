"""EnergyModel: a sum of branches and a baseline. All models are built by this one rule of composition."""

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
    r"""Energies of atoms, :math:`E_i = \mathrm{baseline}(\sum_b \varepsilon_i^{(b)})`, with the local energies ε of branches b.

    Args:
        elements: Chemical symbols.
        branches: A branch, or several; they may have different cutoffs.
        baseline: E0, scale, shift, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If parts do not fit one another, or a part has other elements than the model.
    """

    branches: Any  # ModuleList of Branch
    posterior: Any  # Posterior of the weights of a closed-form fit, or None

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
            symbols = getattr(part, "elements", None)
            if part is not self and isinstance(part, Part) and symbols is not None and list(symbols) != self.elements:
                raise WiringError(
                    f"{name} has the elements {', '.join(symbols)}, but the model has {', '.join(self.elements)}"
                )
        for i, branch in enumerate(self.branches):
            n_outputs = {readout.n_outputs for readout in branch.readouts}
            if not n_outputs <= {1, len(self.heads)}:
                raise WiringError(
                    f"branches[{i}] gives {max(n_outputs)} energies per atom for {len(self.heads)} heads; readouts should have "
                    "one output, or one per head"
                )

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
        """Largest cutoff of all branches and of the repulsion, Å. Graphs need all edges up to this length."""
        return max(self.baseline.cutoff, self.reach)

    @property
    def reach(self) -> float:
        """Largest cutoff of all branches, Å. An atom without neighbours within this radius is isolated."""
        return float(max(branch.cutoff for branch in self.branches))

    @property
    def reads_states(self) -> bool:
        """Whether features depend on the charge or spin of the structure."""
        return any(getattr(part, "reads_states", False) for part in self.branches.modules())

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights of the branches."""
        tensors = chain(self.branches.parameters(), self.branches.buffers())
        return next((tensor.dtype for tensor in tensors if tensor.is_floating_point()), torch.float64)

    @property
    def dtype_name(self) -> str:
        """Name of the dtype, ``float32`` or ``float64``."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def irreps_read(self) -> list[o3.Irreps]:
        """Irreps of the features that the readouts of all branches read, in the order of ``features``."""
        return [irreps for branch in self.branches for irreps in branch.irreps_read]

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments of this model for other elements. Parts inside arguments that are mappings are built again.

        A model class overrides this method if other arguments depend on the elements.

        Raises:
            WiringError: If a part depends on elements and cannot be edited, or the model class has no argument ``baseline``.
        """
        baseline = rebuild(self.baseline, edit)
        if type(self) is EnergyModel:
            return {"elements": edit.names, "branches": rebuild(self.branches, edit), "baseline": baseline}
        if not {"elements", "baseline"} <= self.arguments.keys():
            raise cannot_edit_error(self)
        options = {name: rebuild(value, edit) for name, value in self.arguments.items() if isinstance(value, dict)}
        return self.arguments | options | {"elements": edit.names, "baseline": baseline}

    def weights_for(self, new_model: EnergyModel, edit: ElementEdit) -> dict[str, Tensor]:
        """Entries of the state dict that change with the elements.

        Args:
            new_model: The model for the new elements.
            edit: Change of the elements.

        Raises:
            WiringError: If a part depends on elements and cannot be edited.
        """
        weights = weights_for(self.baseline, edit, "baseline.")
        for i, (branch, new_branch) in enumerate(zip(self.branches, new_model.branches, strict=True)):
            weights |= {f"branches.{i}.{name}": value for name, value in branch.weights_for(new_branch, edit).items()}
        return weights

    def edges(self, graph: AtomicGraph) -> Edges:
        """Return the edges of a graph in the dtype of the model.

        Raises:
            GraphError: For unknown elements, or if the cutoff of the graph is too small.
        """
        self._check_cutoff(graph)
        return Edges.of(graph, self.element_table, self.dtype)

    def features(self, graph: AtomicGraph) -> list[Tensor]:
        """Return the features that the readouts of all branches read, (n_atoms, dim) each."""
        edges = self.edges(graph)
        return [h for branch in self.branches for h in branch.features(graph, edges.within(branch.cutoff))]

    def forward(self, graph: AtomicGraph) -> Tensor:
        """Compute energies of atoms, (n_atoms,), eV, float64.

        Raises:
            GraphError: For unknown elements or heads, or if the cutoff of the graph is too small.
        """
        self._check_heads(graph)
        edges = self.edges(graph)
        local = self.local_energies(graph, edges)
        if self.baseline.exact_isolated:
            local = self.isolated.subtract(self, local, graph, edges)
        return self.baseline(local, graph, edges)

    def local_energies(self, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Return the sum of the branches, (n_atoms, n_outputs), eV, before scale, shift and ``exact_isolated``."""
        return reduce(torch.add, (branch(graph, edges.within(branch.cutoff)) for branch in self.branches))

    def isolated_energies(self) -> Tensor:
        """Energies that ``exact_isolated`` subtracts per head and element, (n_heads, n_elements), eV, float64; else zeros.

        The energy of an atom is E0 − this energy + scale · local energy + shift.

        Raises:
            WiringError: If features depend on the charge or spin of the structure, so that there is no constant.
        """
        if not self.baseline.exact_isolated:
            return torch.zeros_like(self.baseline.e0)
        if self.reads_states:
            raise WiringError(
                "energies of isolated atoms depend on charge and spin in this model, so they are not constants"
            )
        table = self.isolated.table(self).T.to(self.baseline.e0.dtype)  # (n_outputs, n_elements)
        return table * self.baseline.scale[:, None]

    def structure_energy(self, graph: AtomicGraph) -> Tensor | None:
        """Energies of structures that are not sums over atoms, (n_graphs,), eV, without gradient; None if there are none."""
        return None

    @torch.no_grad()
    def calibrate(self, graphs: Iterable[AtomicGraph]) -> None:
        """Set the constants of all parts that have constants from the training data (``nn.protocols.Calibrated``).

        Args:
            graphs: Graphs or batches of the training data. They are read once per part with constants, so only one graph or
                batch has edges and features in memory. An iterator is converted to a list.
        """
        structures = list(graphs) if isinstance(graphs, Iterator) else graphs
        for branch in self.branches:
            branch.calibrate(partial(self._with_edges, structures, branch.cutoff))

    def _with_edges(self, graphs: Iterable[AtomicGraph], cutoff: float) -> Iterator[tuple[AtomicGraph, Edges]]:
        return ((graph, self.edges(graph).within(cutoff)) for graph in graphs)

    def check(self, graph: AtomicGraph) -> None:
        """Check cutoff and heads of a graph.

        Raises:
            GraphError: For unknown heads, or if the cutoff of the graph is too small.
        """
        self._check_heads(graph)
        self._check_cutoff(graph)

    def _check_cutoff(self, graph: AtomicGraph) -> None:
        if bool((graph.cutoff < self.cutoff - 1e-9).any()):
            raise GraphError(
                f"the graph has edges up to {graph.cutoff.min().item()} Å, but the model needs {self.cutoff} Å; "
                f"build the graph with AtomicGraph.from_ase(atoms, cutoff={self.cutoff})"
            )

    def _check_heads(self, graph: AtomicGraph) -> None:
        if bool((graph.head >= len(self.heads)).any()):
            raise GraphError(
                f"the graph has the head index {graph.head.max().item()}, but this model has the heads {', '.join(self.heads)}"
            )
        if len(self.heads) > 1 and bool((graph.head < 0).any()):
            raise GraphError(
                f"this model has the heads {', '.join(self.heads)} and none is chosen; "
                f"load the potential with a head, for example head={self.heads[-1]!r} (--head {self.heads[-1]}), or set "
                "potential.head"
            )
