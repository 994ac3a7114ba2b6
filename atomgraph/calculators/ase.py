"""A potential as an ASE calculator, for relaxations, dynamics, phonons and other methods of ASE."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from threading import get_ident
from typing import Any, TypeGuard, cast

import ase
import numpy as np
import torch
from ase.calculators import calculator as ase_calculator
from ase.stress import full_3x3_to_voigt_6_stress

from atomgraph.calculators.verlet import VerletGraph
from atomgraph.compiled import WrappedPotential, for_inference, in_precision
from atomgraph.errors import AtomgraphError, ConfigError, a_kind
from atomgraph.evaluator import Evaluator, head_index
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import volume
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import get_charge_and_spin
from atomgraph.loading import load, move
from atomgraph.potential import Potential

DEFAULT_SKIN = 0.5  # Å


class Calculator(ase_calculator.Calculator):
    """ASE calculator for energy, free energy, energies of atoms, forces and stress, with ASE's units and signs.

    The properties contain ``uncertainty``, the standard deviation of the energy in eV, if the potential has an estimator.
    One evaluation computes all properties. They are stored until atoms, cell, periodicity, charge or spin (in ``info``)
    change. A calculator stores one structure and its results, so each thread needs its own calculator. Calculators of
    several threads may share a Potential.

    Args:
        potential: A potential, a compiled potential, another ``Evaluator`` (a committee, for example), or the path of a file
            that ``atomgraph.load`` reads.
        device: Device of the evaluation; None: the device of the potential.
        dtype: Dtype of the evaluation. ``float32`` or ``float64``; on CPUs also ``mixed``: compiled kernels in float32, sums
            over atoms and edges in float64, and the model in float64 where kernels cannot be used. None: the dtype of the
            potential. If the dtype differs from that of the potential, a copy of the potential is converted. Kernels get the
            weights before the conversion.
        head: Name of the head, for potentials with several heads.
        skin: Distance by which neighbour lists reach beyond the cutoff, Å, so that one list serves several steps. It does
            not change the results.
        compile: True uses compiled kernels (``atomgraph.compile``), False never. None uses kernels if they are cached, or as
            soon as the evaluations have taken as long as compiling takes.

    Raises:
        GraphError: For elements that the potential does not support, unknown heads, and positions that are not finite.
        ConfigError: For an unknown device or dtype, for ``mixed`` if kernels cannot be used, and for a device, dtype or
            ``compile=True`` with an evaluator that is not a potential.
        AtomgraphError: If two threads use one calculator at the same time.
        PropertyNotImplementedError: For the stress of a structure without volume (ASE's error).
    """

    implemented_properties: list[str] = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012 (ASE's)

    def __init__(
        self,
        potential: Evaluator | str | Path,
        *,
        device: str | torch.device | None = None,
        dtype: str | torch.dtype | None = None,
        head: str | None = None,
        skin: float = DEFAULT_SKIN,
        compile: bool | None = None,
    ):
        super().__init__()
        self.potential: Evaluator
        self._evaluator: Evaluator
        if _is_other_evaluator(potential):
            _check_options(potential, device=device, dtype=dtype, compile=compile or None)
            self.potential = self._evaluator = potential
        else:
            self.potential, self._evaluator = _prepare(potential, device, dtype, compile)
        if getattr(self.potential, "uncertainty", None) is not None:
            self.implemented_properties = [*self.implemented_properties, "uncertainty"]
        self._head_index = None if head is None else head_index(self.potential, head)
        self._verlet = VerletGraph(self.potential.cutoff, skin, self.potential.device)
        self._busy: dict[str, int] = {}  # identifier of the thread that evaluates; unlike a lock it can be copied

    @property
    def n_neighbour_lists(self) -> int:
        """Number of neighbour lists that were built."""
        return self._verlet.n_lists

    def check_state(self, atoms: ase.Atoms, tol: float = 0.0) -> list[str]:
        """Return the names of inputs that changed since the last evaluation. Comparisons are exact; ``tol`` is ignored."""
        previous = self.atoms
        if previous is None or len(previous) != len(atoms):
            return list(ase_calculator.all_changes)
        pairs = {
            "positions": (previous.positions, atoms.positions),
            "numbers": (previous.numbers, atoms.numbers),
            "cell": (previous.cell.array, atoms.cell.array),
            "pbc": (previous.pbc, atoms.pbc),
        }
        changed = [name for name, (old_value, new_value) in pairs.items() if not np.array_equal(old_value, new_value)]
        return changed + (["info"] if get_charge_and_spin(previous) != get_charge_and_spin(atoms) else [])

    def calculate(
        self,
        atoms: ase.Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = ase_calculator.all_changes,
    ) -> None:
        """Compute all properties of a structure in one evaluation. ASE calls this method when the structure has changed."""
        if self._busy.setdefault("thread", get_ident()) != get_ident():
            raise AtomgraphError("this calculator is in use in another thread; make one calculator for each thread")
        try:
            self._calculate(atoms, properties, system_changes)
        finally:
            self._busy.clear()

    def _calculate(self, atoms: ase.Atoms | None, properties: list[str] | None, system_changes: list[str]) -> None:
        """Evaluate a structure, and store all properties in ``results``; see ``calculate``."""
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
        """Return the graph of a structure, with the head of the calculator or of the potential."""
        graph, head = self._verlet.graph_from_ase(atoms), self.potential.head
        # −1 in the graph: the potential has no chosen head
        index = -1 if head is None else self.potential.heads.index(head)
        index = index if self._head_index is None else self._head_index
        if int(graph.head) != index:  # the neighbour list keeps the head of the previous step
            graph.head = torch.full_like(graph.head, index)
        return graph


def _is_other_evaluator(potential: object) -> TypeGuard[Evaluator]:
    """Return whether an object is an evaluator that is neither a potential nor a compiled potential."""
    return isinstance(potential, Evaluator) and not isinstance(potential, Potential | WrappedPotential)


def _check_options(evaluator: Evaluator, **options: object) -> None:
    """Raise ConfigError if an option is set that only potentials have."""
    if option_names := [name for name, value in options.items() if value is not None]:
        raise ConfigError(
            f"{', '.join(option_names)} can be set for potentials only, but the evaluator is {a_kind(evaluator)}; "
            "set device and dtype where the evaluator is created"
        )


def _prepare(
    potential: Evaluator | str | Path,
    device: str | torch.device | None,
    dtype: str | torch.dtype | None,
    compile: bool | None,
) -> tuple[Evaluator, Evaluator]:
    """Return the potential on the device and in the dtype, and the evaluator: this potential, or its compiled form.

    For the arguments, see ``Calculator``.
    """
    if not isinstance(potential, Potential | WrappedPotential):
        exact = load(cast("str | Path", potential), device=device or "cpu")
    elif isinstance(potential, WrappedPotential):
        if dtype is None and (device is None or str(potential.device) == str(device)):
            return potential, potential
        exact, compile = potential.potential, compile is not False
    else:
        exact = potential
    if device is not None and str(exact.device) != str(device):
        exact = move(deepcopy(exact), device)
    converted = in_precision(exact, dtype)
    if exact is potential and converted is not exact:
        exact = deepcopy(exact)  # weights of the caller's potential may change before kernels are compiled
    return converted, for_inference(converted, compile=compile, dtype=dtype, exact=exact)
