"""Forces and stress are derivatives of the energy: compared with central differences of fourth order."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.analysis.laws.context import Law, LawContext, law, scale_of
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import edge_vectors
from atomgraph.graph.structure import VOIGT

_AT_MOST = 4  # atoms tried per structure, along three axes each
_STEPS = np.array([-2.0, -1.0, 1.0, 2.0])
_WEIGHTS = np.array([1.0, -8.0, 8.0, -1.0]) / 12.0  # f' = sum w f(x + k h) / h + O(h^4)
_VOIGT = [divmod(place, 3) for place in VOIGT]


def forces_are_gradients(trial: LawContext) -> Law:
    r""":math:`F_i = -\partial E / \partial x_i`, for some atoms of each structure and all axes."""
    figures, step = {}, trial.tolerances.displacement
    for name, atoms in trial.structures.items():
        result = trial.result(atoms)
        worst = 0.0
        for i in _clear_atoms(trial, atoms, 3.0 * step):
            moved = []
            for axis in range(3):
                for k in _STEPS:
                    moved.append(atoms.copy())
                    moved[-1].positions[i, axis] += k * step
            derivatives = _derivatives(trial, moved, step)
            worst = float(np.max([worst, *np.abs(result["forces"][i] + derivatives)]))  # NaN stays NaN
        figures[name] = worst / scale_of(result)
    return law("forces are energy gradients", figures, trial.tolerances.gradient, "eV/Å")


def stress_is_gradient(trial: LawContext) -> Law:
    r""":math:`\sigma = V^{-1}\,\partial E / \partial \varepsilon`, all six components, where there is a volume."""
    figures, step = {}, trial.tolerances.strain
    for name, atoms in trial.structures.items():
        if not trial.has_volume(atoms):
            continue
        result, moved = trial.result(atoms), []
        for a, b in _VOIGT:
            for k in _STEPS:
                strain = np.zeros((3, 3))
                strain[a, b] += 0.5 * k * step
                strain[b, a] += 0.5 * k * step
                moved.append(atoms.copy())
                moved[-1].set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=False)
                moved[-1].positions = atoms.positions @ (np.eye(3) + strain)
        derivatives = _derivatives(trial, moved, step) / atoms.get_volume()
        expected = np.array([result["stress"][a, b] for a, b in _VOIGT])
        figures[name] = float(np.abs(expected - derivatives).max() / max(1.0, np.abs(expected).max()))
    return law("stress is the strain derivative", figures, trial.tolerances.gradient, "eV/Å³")


def stress_is_symmetric(trial: LawContext) -> Law:
    r""":math:`\sigma = \sigma^T`."""
    figures = {}
    for name, atoms in trial.structures.items():
        if trial.has_volume(atoms):
            stress = trial.result(atoms)["stress"]
            figures[name] = float(np.abs(stress - stress.T).max())
    return law("stress is symmetric", figures, trial.tolerances.sum, "eV/Å³")


def _derivatives(trial: LawContext, moved: list[ase.Atoms], step: float) -> np.ndarray:
    """Derivatives from runs of four displaced structures; by atoms first, so that large E0 cancel before rounding."""
    node = np.array([result["node_energy"] for result in trial.results(moved, derivatives=False)])
    node = node.reshape(-1, 4, node.shape[1])  # (n_derivatives, 4, n_atoms)
    return np.einsum("skn,k->sn", node - node[:, :1], _WEIGHTS).sum(axis=1) / step


def _clear_atoms(trial: LawContext, atoms: ase.Atoms, margin: float) -> list[int]:
    """Atoms none of whose pairs crosses a cutoff when they move: there, a second derivative may jump (all atoms if none is)."""
    wider = AtomicGraph.from_ase(atoms, trial.potential.cutoff + margin)
    length = edge_vectors(wider).norm(dim=1).numpy()
    near = np.abs(length[:, None] - np.array(trial.cutoffs)).min(axis=1) < margin
    unclear = set(wider.edge_index[1].numpy()[near].tolist())
    clear = [i for i in range(len(atoms)) if i not in unclear] or list(range(len(atoms)))
    return clear[:: max(1, len(clear) // _AT_MOST)][:_AT_MOST]
