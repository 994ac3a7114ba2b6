"""Laws of derivatives: forces and stresses equal central differences of the energy, of fourth order."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.analysis.laws.context import Law, LawContext, force_scale, law_from_values
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import VOIGT

_MAX_ATOMS = 4  # atoms that are displaced, per structure
_STEPS = np.array([-2.0, -1.0, 1.0, 2.0])  # displacements k, in units of the step h
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0  # w in f' = sum_k w_k f(x + k h) / h + O(h^4)
_VOIGT = [divmod(index, 3) for index in VOIGT]  # row and column of the six components


def forces_are_gradients(context: LawContext) -> Law:
    r"""Test :math:`F_i = -\partial E / \partial x_i` for up to four atoms of each structure, along all axes.

    Errors are divided by ``force_scale``.
    """
    values, step = {}, context.tolerances.displacement
    for name, atoms in context.structures.items():
        result = context.result(atoms)
        largest_error = 0.0
        for i in _atoms_far_from_cutoff(context, atoms, 3.0 * step):
            displaced = []
            for axis in range(3):
                for k in _STEPS:
                    displaced.append(atoms.copy())
                    displaced[-1].positions[i, axis] += k * step
            derivatives = _derivatives(context, displaced, step)
            # np.max propagates NaN, max does not
            largest_error = float(np.max([largest_error, *np.abs(result["forces"][i] + derivatives)]))
        values[name] = largest_error / force_scale(result)
    return law_from_values("forces are energy gradients", values, context.tolerances.gradient, "eV/Å")


def stress_is_gradient(context: LawContext) -> Law:
    r"""Test :math:`\sigma = V^{-1}\,\partial E / \partial \varepsilon`, six components, for structures with a volume."""
    values, step = {}, context.tolerances.strain
    for name, atoms in context.structures.items():
        if not context.has_volume(atoms):
            continue
        result, displaced = context.result(atoms), []
        for a, b in _VOIGT:
            for k in _STEPS:
                strain = np.zeros((3, 3))
                strain[a, b] += 0.5 * k * step
                strain[b, a] += 0.5 * k * step
                displaced.append(atoms.copy())
                displaced[-1].set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=False)
                displaced[-1].positions = atoms.positions @ (np.eye(3) + strain)
        derivatives = _derivatives(context, displaced, step) / atoms.get_volume()
        expected = np.array([result["stress"][a, b] for a, b in _VOIGT])
        values[name] = float(np.abs(expected - derivatives).max() / max(1.0, np.abs(expected).max()))
    return law_from_values("stress is the strain derivative", values, context.tolerances.gradient, "eV/Å³")


def stress_is_symmetric(context: LawContext) -> Law:
    r"""Test :math:`\sigma = \sigma^T` for structures with a volume."""
    values = {}
    for name, atoms in context.structures.items():
        if context.has_volume(atoms):
            stress = context.result(atoms)["stress"]
            values[name] = float(np.abs(stress - stress.T).max())
    return law_from_values("stress is symmetric", values, context.tolerances.balance, "eV/Å³")


def _derivatives(context: LawContext, displaced: list[ase.Atoms], step: float) -> np.ndarray:
    """Compute derivatives of the energy by central differences.

    Differences are computed for each atomic energy before the sum over atoms. Large E0 then cancel without rounding errors.

    Args:
        context: The potential.
        displaced: Four displaced structures for each derivative, in the order of ``_STEPS``.
        step: The step h, Å or strain.

    Returns:
        Derivatives, (n_derivatives,), eV divided by the unit of the step.
    """
    energies = np.array([result["node_energy"] for result in context.results(displaced, derivatives=False)])
    energies = energies.reshape(-1, 4, energies.shape[1])  # (n_derivatives, 4, n_atoms)
    return np.einsum("skn,k->sn", energies - energies[:, :1], _WEIGHTS).sum(axis=1) / step


def _atoms_far_from_cutoff(context: LawContext, atoms: ase.Atoms, margin: float) -> list[int]:
    """Return up to four atoms whose pair distances differ from all cutoffs by more than a margin.

    At a cutoff, second derivatives may be discontinuous, and finite differences would be inaccurate. If there are no such
    atoms, all atoms are candidates.

    Args:
        context: The potential, with its cutoffs.
        atoms: The structure.
        margin: Smallest difference between a distance and a cutoff, Å.
    """
    graph = AtomicGraph.from_ase(atoms, context.potential.cutoff + margin)
    length = edge_vectors(graph).norm(dim=1).numpy()
    is_near = np.abs(length[:, None] - np.array(context.cutoffs)).min(axis=1) < margin
    near_atoms = set(graph.edge_index[1].numpy()[is_near].tolist())
    candidates = [i for i in range(len(atoms)) if i not in near_atoms] or list(range(len(atoms)))
    return candidates[:: max(1, len(candidates) // _MAX_ATOMS)][:_MAX_ATOMS]
