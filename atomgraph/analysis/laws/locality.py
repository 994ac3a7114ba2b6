"""Laws of locality: smoothness at the cutoff, isolated atoms, and forces in crystals of one element."""

from __future__ import annotations

import ase
import numpy as np
import torch

from atomgraph.analysis.laws.context import Law, LawContext, force_scale, law_from_values
from atomgraph.analysis.laws.structures import crystal, molecule_with_atom_at, single_atom

JUST_INSIDE = 1e-6  # Å; at this distance from the cutoff, envelopes are at most 1e-12


def smooth_at_the_cutoff(context: LawContext) -> Law:
    """Test that energy and forces are continuous at each cutoff.

    There are three cases: an atom with other neighbours (``beside others``), an atom whose last neighbour leaves the cutoff
    (``last neighbour``), and an atom with its periodic image (``own image``).

    Discontinuities are computed from four equally spaced distances (``jump``).
    """
    step, values = context.tolerances.cutoff_offset, {}
    for cutoff in context.cutoffs:
        for kind in ("beside others", "last neighbour", "own image"):
            results = context.results([_structure_at(context, kind, cutoff + k * step) for k in (-3, -1, 1, 3)])
            jumps = [
                float(np.abs(jump([result[name] for result in results])).max(initial=0.0)) / force_scale(results[0])
                for name in ("energy", "forces")
            ]
            values[f"{kind} at {cutoff:g} Å"] = float(np.max(jumps))
    return law_from_values("smooth at the cutoff", values, context.tolerances.jump, "eV, eV/Å")


def isolated_atoms_have_no_force(context: LawContext) -> Law:
    """Test that isolated atoms of each element, and two atoms far apart, have a finite energy and no force."""
    isolated_atoms = {symbol: single_atom(symbol) for symbol in context.elements}
    pair = single_atom(context.elements[0]) + single_atom(context.elements[-1])
    pair.positions[1] += 1.5 * context.potential.cutoff
    values = {}
    for name, atoms in {**isolated_atoms, "two far apart": pair}.items():
        result = context.result(atoms)
        is_finite = np.isfinite(result["energy"])
        values[name] = float(np.abs(result["forces"]).max()) if is_finite else float("nan")
    return law_from_values("isolated atoms have no force", values, 0.0, "eV/Å")


def isolated_atoms_have_e0(context: LawContext) -> Law:
    """Test that the energy of isolated atoms equals E0, for each element and head.

    Only models with ``e0: isolated`` are tested. Two atoms at a distance just inside the largest cutoff must have twice E0;
    for them, the tolerance in float32 includes rounding errors.
    """
    baseline, cutoff = context.potential.model.baseline, context.potential.model.reach
    if not baseline.exact_isolated:
        return law_from_values("isolated atoms have E0", {}, context.tolerances.isolated, "eV")
    rounding = 0.0 if context.potential.model.dtype == torch.float64 else context.tolerances.jump
    values = {}
    for head in context.potential.heads:
        e0 = baseline.e0_of(head)
        for symbol in context.elements:
            graph = context.graph(single_atom(symbol))
            graph.head = torch.full_like(graph.head, context.potential.heads.index(head))
            energy = float(context.graph_result(graph)["energy"])
            values[f"{symbol}, head {head}"] = abs(energy - e0[symbol])
            pair = context.graph(ase.Atoms([symbol] * 2, [(0.0, 0.0, 0.0), (0.0, 0.0, cutoff - JUST_INSIDE)]))
            pair.head = torch.full_like(pair.head, context.potential.heads.index(head))
            energy = float(context.graph_result(pair)["energy"])
            values[f"two {symbol} at the cutoff, head {head}"] = max(0.0, abs(energy - 2 * e0[symbol]) - rounding)
    return law_from_values("isolated atoms have E0", values, context.tolerances.isolated, "eV")


def one_element_crystals_have_forces(context: LawContext) -> Law:
    """Test that a crystal of one element with displaced atoms has forces.

    Forces would be zero if the features of all atoms were equal.
    """
    values = {symbol: float(np.abs(context.result(crystal([symbol]))["forces"]).max()) for symbol in context.elements}
    worst = min(values, key=lambda symbol: np.nan_to_num(values[symbol], nan=-1.0))
    tolerance = max(1e-6, context.tolerances.balance)
    passed = bool(values[worst] >= tolerance)
    return Law("crystals of one element have forces", values[worst], tolerance, "eV/Å", passed, worst, "≥")


def jump(values: list[np.ndarray]) -> np.ndarray:
    """Return the jump of a function between the second and third of four equally spaced points.

    Linear and quadratic changes of the function cancel.

    Args:
        values: Values of the function at the four points, in order.
    """
    f_1, f_2, f_3, f_4 = values
    return (3 * (f_3 - f_2) - (f_4 - f_1)) / 2


def _structure_at(context: LawContext, kind: str, distance: float) -> ase.Atoms:
    """Return a structure of one of the three cases of ``smooth_at_the_cutoff``, with a pair at a distance, Å."""
    if kind == "own image":
        return ase.Atoms(context.elements[:1], cell=[distance, 0, 0], pbc=[True, False, False])
    return molecule_with_atom_at(context.elements, distance, outward=kind == "last neighbour")
