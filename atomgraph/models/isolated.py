"""Subtraction of the output of the branches for an isolated atom, so that isolated atoms have exactly E0."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.graph.structure import STATES, AtomicGraph
from atomgraph.nn.edges import Edges


class HasLocalEnergies(Protocol):
    """Protocol with the attributes of ``EnergyModel`` that this module uses."""

    training: bool
    branches: Any
    baseline: Any

    @property
    def elements(self) -> list[str]: ...

    @property
    def cutoff(self) -> float: ...

    @property
    def reach(self) -> float: ...

    @property
    def dtype(self) -> torch.dtype: ...

    @property
    def reads_states(self) -> bool: ...

    def edges(self, graph: AtomicGraph) -> Edges: ...

    def local_energies(self, graph: AtomicGraph, edges: Edges) -> Tensor: ...


class IsolatedEnergies:
    r"""Subtraction of the energy of an isolated atom, :math:`\varepsilon_i \to \varepsilon_i - \varepsilon^{free}_{z_i}`.

    In training mode :math:`\varepsilon^{free}` is computed at every step, with its gradient with respect to the weights. In
    evaluation mode it is a constant per element and output, which is computed again only if a weight has changed. If features
    depend on the charge or spin of the structure, :math:`\varepsilon^{free}` has the charge and spin of the structure.
    """

    def __init__(self) -> None:
        self._cache: tuple[Any, Tensor] | None = None  # checksum of the weights, and the table

    def __deepcopy__(self, memo: dict[int, Any]) -> IsolatedEnergies:
        return IsolatedEnergies()  # weights of the copy may change

    def __reduce__(self) -> tuple[Any, ...]:
        return IsolatedEnergies, ()

    def subtract(self, model: HasLocalEnergies, local: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Subtract energies of isolated atoms from local energies.

        Args:
            model: The model.
            local: Local energies, (n_atoms, n_outputs), eV before scale and shift.
            graph: One structure, or a batch.
            edges: Edges of the graph.

        Returns:
            Local energies relative to isolated atoms, (n_atoms, n_outputs); zero for atoms without neighbours.
        """
        if model.reads_states:
            isolated = without_edges(graph)
            reference = model.local_energies(isolated, model.edges(isolated))
        else:
            reference = self.table(model)[edges.element]
        n_neighbours = torch.bincount(edges.within(model.reach).centre, minlength=edges.n_atoms)
        has_neighbours = n_neighbours > 0
        return torch.where(has_neighbours[:, None], local - reference, 0.0)

    def table(self, model: HasLocalEnergies) -> Tensor:
        """Return the output of the branches for an isolated atom of each element, (n_elements, n_outputs)."""
        checksum = None if model.training else _checksum(model)
        if checksum is None:
            return self._compute(model)
        if self._cache is None or self._cache[0] != checksum:
            with torch.inference_mode(False), torch.no_grad():
                self._cache = checksum, self._compute(model)
        return self._cache[1]

    def to_json(self, model: HasLocalEnergies) -> list[list[float]] | None:
        """Return the table for a file; None without ``exact_isolated``, or if features depend on charge or spin."""
        if not model.baseline.exact_isolated or model.reads_states:
            return None
        table = self._compute(model).detach().double()
        rows: list[list[float]] | None = table.tolist() if bool(torch.isfinite(table).all()) else None
        return rows

    def from_json(self, model: HasLocalEnergies, rows: list[list[float]] | None) -> None:
        """Use the table of a file. The model must have the weights of the same file."""
        checksum = _checksum(model)
        if rows is not None and checksum is not None:
            self._cache = checksum, torch.tensor(rows, dtype=torch.float64).to(model.baseline.e0.device, model.dtype)

    @staticmethod
    def _compute(model: HasLocalEnergies) -> Tensor:
        """Return the table, (n_elements, n_outputs), computed with the current weights."""
        graph = isolated_atoms(model)
        return model.local_energies(graph, model.edges(graph))


def isolated_atoms(model: HasLocalEnergies) -> AtomicGraph:
    """Return a batch with one neutral isolated atom per element, in the order of the model's table, spin multiplicity 1."""
    device = model.baseline.e0.device
    numbers = torch.tensor([atomic_numbers[symbol] for symbol in model.elements], device=device)
    n = len(numbers)
    float_options: dict[str, Any] = {"dtype": torch.float64, "device": device}
    fields = {
        "atomic_numbers": numbers,
        "pos": torch.zeros(n, 3, **float_options),
        "edge_index": torch.zeros(2, 0, dtype=torch.int64, device=device),
        "cell_shift": torch.zeros(0, 3, dtype=torch.int32, device=device),
        "cell": torch.zeros(n, 3, 3, **float_options),
        "pbc": torch.zeros(n, 3, dtype=torch.bool, device=device),
        "cutoff": torch.full((n,), model.cutoff, **float_options),
        "head": torch.zeros(n, dtype=torch.int64, device=device),
        "batch": torch.arange(n, device=device),
    }
    return AtomicGraph(
        **fields, **{name: torch.full((n,), default, **float_options) for name, (_, default) in STATES.items()}
    )


def without_edges(graph: AtomicGraph) -> AtomicGraph:
    """Return a graph with the same atoms and no edges. The input graph is not changed."""
    isolated = graph.shallow_copy()
    isolated.edge_index, isolated.cell_shift = graph.edge_index[:, :0], graph.cell_shift[:0]
    return isolated


def _checksum(model: HasLocalEnergies) -> tuple[Any, ...] | None:
    """Sums and norms of all weights and buffers of the branches; they also change if ``parameter.data`` is written.

    Returns:
        The checksum; None if weights are not parameters of the model, as in ``torch.func.functional_call``.
    """
    parameters, buffers = list(model.branches.parameters()), list(model.branches.buffers())
    if any(not isinstance(weight, torch.nn.Parameter) for weight in parameters):
        return None
    tensors = [tensor.detach() for tensor in (*parameters, *buffers) if tensor.is_floating_point()]
    float64 = {"dtype": torch.float64}
    sums = [total for t in tensors for total in (t.sum(**float64), torch.linalg.vector_norm(t, **float64))]
    dtypes = {tensor.dtype for tensor in tensors}
    return len(tensors), dtypes, tuple(torch.stack(sums).tolist()) if sums else ()
