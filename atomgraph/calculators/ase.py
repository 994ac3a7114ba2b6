"""A potential as an ASE calculator, for relaxations, dynamics, phonons and other methods of ASE."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from threading import get_ident
from typing import Any

import ase
import numpy as np
import torch
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress

from atomgraph.calculators.verlet import VerletGraph
from atomgraph.compiled import for_inference, in_precision
from atomgraph.errors import AtomgraphError, GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import volume
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import get_charge_and_spin
from atomgraph.loading import load, move
from atomgraph.potential import Potential

DEFAULT_SKIN = 0.5  # Å


class Calculator(ase_calculator.Calculator):
    """Energy, free energy, energies, forces and stress of a potential, in ASE's units and signs.

    ``uncertainty``, the standard deviation of the energy in eV, is among the properties of a potential that has one.
    A calculator is not for several threads at once: it keeps one structure and its results. Make one for each thread; they may
    share a Potential.
    One evaluation gives all properties, and is kept until atoms, cell, periodicity, charge or spin (``info``) change.

    Args:
        potential: A Potential, or the path of its file (anything that ``atomgraph.load`` reads).
        device, dtype: Where and in what to compute, ``float32``, ``float64``, or ``mixed`` on CPUs: compiled kernels
            in float32, everything that is summed over atoms or edges, and the model where it stands in for kernels,
            in float64. The potential's own if None. A Potential that has to be converted for it is copied, the
            caller's stays as it is; kernels are made of its weights as they were before.
        head: Which head to use where there are several.
        skin: Å by which neighbour lists reach beyond the cutoff, so that they need not be made at every step; results
            do not depend on it.
        compile: Whether energies come from compiled kernels, which frozen models of some families have
            (``atomgraph.compile``); None: from where they are kept already, or once evaluations have taken as long as
            compiling does.

    Raises:
        GraphError: For elements that the potential does not know, unknown heads, and positions that are not finite.
        ConfigError: For an unknown device or dtype, and for ``mixed`` where there can be no kernels.
        AtomgraphError: Where another thread is at work with it.
        PropertyNotImplementedError: For the stress of a structure without volume (ASE's error).
    """

    implemented_properties: list[str] = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (ASE's)

    def __init__(
        self,
        potential: Potential | str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        head: str | None = None,
        skin: float = DEFAULT_SKIN,
        compile: bool | None = None,
    ):
        super().__init__()
        exact = _ready(potential, device)
        self.potential = in_precision(exact, dtype)
        if exact is potential and exact is not self.potential:
            exact = deepcopy(exact)  # the caller's may change
        self._evaluator = for_inference(self.potential, compile=compile, dtype=dtype, exact=exact)
        if self.potential.uncertainty is not None:
            self.implemented_properties = [*self.implemented_properties, "uncertainty"]
        self._row = None if head is None else _row_of(self.potential, head)
        self._verlet = VerletGraph(self.potential.cutoff, skin, self.potential.device)
        self._at_work: dict[str, int] = {}  # the thread; a lock could not be copied

    @property
    def n_neighbour_lists(self) -> int:
        """How many neighbour lists were made so far."""
        return self._verlet.n_lists

    def check_state(self, atoms: ase.Atoms, tol: float = 0.0) -> list[str]:
        """What changed since the last evaluation, of that which the potential sees; bit by bit, and quick."""
        old = self.atoms
        if old is None or len(old) != len(atoms):
            return list(ase_calculator.all_changes)
        pairs = {
            "positions": (old.positions, atoms.positions),
            "numbers": (old.numbers, atoms.numbers),
            "cell": (old.cell.array, atoms.cell.array),
            "pbc": (old.pbc, atoms.pbc),
        }
        changed = [name for name, (before, now) in pairs.items() if not np.array_equal(before, now)]
        return changed + (["info"] if get_charge_and_spin(old) != get_charge_and_spin(atoms) else [])

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Everything about the structure, in one evaluation (called by ASE when something changed)."""
        if self._at_work.setdefault("thread", get_ident()) != get_ident():
            raise AtomgraphError("this calculator is at work in another thread; make one for each thread")
        try:
            self._calculate(atoms, properties, system_changes)
        finally:
            self._at_work.clear()

    def _calculate(self, atoms: ase.Atoms | None, properties: list[str] | None, system_changes: list[str]) -> None:
        super().calculate(atoms, properties or ["energy"], system_changes)
        graph = self._graph(self.atoms)
        has_volume = bool(self.atoms.pbc.any()) and bool(torch.isfinite(volume(graph)))
        if "stress" in (properties or ()) and not has_volume:
            raise ase_calculator.PropertyNotImplementedError(
                "stress needs a volume: a periodic structure with three cell vectors"
            )
        result = self._evaluator.evaluate(graph, stress=has_volume)
        self.results: dict[str, Any] = {
            "energy": float(result["energy"]),
            "free_energy": float(result["energy"]),
            "energies": result["node_energy"].cpu().double().numpy(),
            "forces": result["forces"].cpu().double().numpy(),
        }
        if "uncertainty" in result:
            self.results["uncertainty"] = float(result["uncertainty"])
        for name in QUANTITIES.keys() & result.keys() - {"energy", "forces", "stress"}:
            rows = result[name].cpu().double().numpy()
            self.results[name] = rows if QUANTITIES[name].per == "atom" else rows[0]
        if has_volume:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result["stress"][0].cpu().double().numpy())

    def _graph(self, atoms: ase.Atoms) -> AtomicGraph:
        graph, head = self._verlet.graph_from_ase(atoms), self.potential.head
        row = -1 if head is None else self.potential.heads.index(head)
        row = row if self._row is None else self._row
        if int(graph.head) != row:  # else it was chosen when the graph was made
            graph.head = torch.full_like(graph.head, row)
        return graph


def _ready(potential: Potential | str | Path, device: str | torch.device | None) -> Potential:
    """The potential on its device, the caller's own object where it is there."""
    if not isinstance(potential, Potential):
        return load(potential, device=device or "cpu")
    if device is None or str(potential.device) == str(device):
        return potential
    return move(deepcopy(potential), device)


def _row_of(potential: Potential, head: str) -> int:
    if head not in potential.heads:
        raise GraphError(f"unknown head {head!r}; this potential has {', '.join(potential.heads)}")
    return potential.heads.index(head)
