"""Energies of isolated atoms: what branches give for an atom without neighbours, subtracted so that it has exactly E0."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.graph.structure import STATES, AtomicGraph
from atomgraph.nn.edges import Edges


class HasLocalEnergies(Protocol):
    """The part of an ``EnergyModel`` that energies of isolated atoms need."""

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
    r"""Subtracts the energy of an empty environment, :math:`\varepsilon_i \to \varepsilon_i - \varepsilon^{free}_{z_i}`.

    In training the reference is computed at every step, so its gradient with respect to the weights counts. In
    evaluation it is a constant per element and output, kept until a number of the model changes. Models whose features
    depend on the charge or spin of a structure get the reference of the same charge and spin.
    """

    def __init__(self) -> None:
        self._kept: tuple[Any, Tensor] | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> IsolatedEnergies:
        return IsolatedEnergies()  # the copy has weights of its own

    def __reduce__(self) -> tuple[Any, ...]:
        return IsolatedEnergies, ()

    def subtract(self, model: HasLocalEnergies, local: Tensor, graph: AtomicGraph, edges: Edges) -> Tensor:
        """Local energies relative to isolated atoms, (n_atoms, n_outputs) in eV before scaling; zero without neighbours."""
        if model.reads_states:
            reference = model.local_energies(bare := without_edges(graph), model.edges(bare))
        else:
            reference = self.table(model)[edges.element]
        near = edges.within(model.reach)
        has_neighbours = torch.bincount(near.centre, minlength=edges.n_atoms) > 0
        return torch.where(has_neighbours[:, None], local - reference, 0.0)

    def table(self, model: HasLocalEnergies) -> Tensor:
        """What the branches give for an isolated atom of each element: (n_elements, n_outputs), in the model's dtype."""
        key = None if model.training else _checksum(model)
        if key is None:
            return self._computed(model)
        if self._kept is None or self._kept[0] != key:
            with torch.inference_mode(False), torch.no_grad():
                self._kept = key, self._computed(model)
        return self._kept[1]

    def to_json(self, model: HasLocalEnergies) -> list[list[float]] | None:
        """The table of the present weights, for a file; None where the model subtracts nothing, or no constants."""
        if not model.baseline.exact_isolated or model.reads_states:
            return None
        table = self._computed(model).detach().double()
        rows: list[list[float]] | None = table.tolist() if bool(torch.isfinite(table).all()) else None
        return rows

    def from_json(self, model: HasLocalEnergies, rows: list[list[float]] | None) -> None:
        """Use the table of a file for the present weights, which are those that it was computed with."""
        key = _checksum(model)
        if rows is not None and key is not None:
            self._kept = key, torch.tensor(rows, dtype=torch.float64).to(model.baseline.e0.device, model.dtype)

    @staticmethod
    def _computed(model: HasLocalEnergies) -> Tensor:
        graph = isolated_atoms(model)
        return model.local_energies(graph, model.edges(graph))


def isolated_atoms(model: HasLocalEnergies) -> AtomicGraph:
    """One isolated atom of each element as a batch, in the order of the model's table, neutral and without spin."""
    device = model.baseline.e0.device
    numbers = torch.tensor([atomic_numbers[symbol] for symbol in model.elements], device=device)
    n = len(numbers)
    real: dict[str, Any] = {"dtype": torch.float64, "device": device}
    fields = {
        "atomic_numbers": numbers,
        "pos": torch.zeros(n, 3, **real),
        "edge_index": torch.zeros(2, 0, dtype=torch.int64, device=device),
        "cell_shift": torch.zeros(0, 3, dtype=torch.int32, device=device),
        "cell": torch.zeros(n, 3, 3, **real),
        "pbc": torch.zeros(n, 3, dtype=torch.bool, device=device),
        "cutoff": torch.full((n,), model.cutoff, **real),
        "head": torch.zeros(n, dtype=torch.int64, device=device),
        "batch": torch.arange(n, device=device),
    }
    return AtomicGraph(**fields, **{name: torch.full((n,), default, **real) for name, (_, default) in STATES.items()})


def without_edges(graph: AtomicGraph) -> AtomicGraph:
    """The same atoms with no neighbours; the caller's graph is not changed."""
    bare = graph.shallow_copy()
    bare.edge_index, bare.cell_shift = graph.edge_index[:, :0], graph.cell_shift[:0]
    return bare


def _checksum(model: HasLocalEnergies) -> tuple[Any, ...] | None:
    """Changes whenever a number of the branches does, however it is written (``parameter.data``, too); one pass over them.

    None where weights are not the model's own parameters, as in ``torch.func.functional_call``.
    """
    parameters, buffers = list(model.branches.parameters()), list(model.branches.buffers())
    if any(not isinstance(weight, torch.nn.Parameter) for weight in parameters):
        return None
    real = [tensor.detach() for tensor in (*parameters, *buffers) if tensor.is_floating_point()]
    float64 = {"dtype": torch.float64}
    sums = [total for each in real for total in (each.sum(**float64), torch.linalg.vector_norm(each, **float64))]
    dtypes = {tensor.dtype for tensor in real}
    return len(real), dtypes, tuple(torch.stack(sums).tolist()) if sums else ()
