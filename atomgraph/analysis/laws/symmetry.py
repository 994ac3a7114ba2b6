"""Laws of symmetry: what turning, moving, reordering, batching and repeating a structure may not change."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.analysis.laws.context import Law, LawContext, law, relative, scale_of
from atomgraph.analysis.laws.structures import rotated, rotation

Result = dict[str, np.ndarray]


def rotation_and_reflection(trial: LawContext) -> Law:
    r""":math:`E(Rx) = E(x)`, :math:`F(Rx) = R F(x)`, :math:`\sigma(Rx) = R \sigma(x) R^T`, R proper and improper."""
    figures = {}
    for name, atoms in trial.structures.items():
        before = trial.result(atoms)
        for improper in (False, True):
            matrix = rotation(11, improper=improper)
            expected = {
                "energy": before["energy"],
                "node_energy": before["node_energy"],
                "forces": before["forces"] @ matrix.T,
                "stress": matrix @ before["stress"] @ matrix.T,
            }
            figures[f"{name}{', reflected' if improper else ''}"] = difference(
                trial.result(rotated(atoms, matrix)), expected
            )
    return law("rotation and reflection", figures, trial.tolerances.symmetry, "relative")


def translation(trial: LawContext) -> Law:
    """Moving everything, and wrapping atoms into other cells, changes nothing."""
    figures = {}
    for name, atoms in trial.structures.items():
        moved = atoms.copy()
        moved.positions += np.array([1.37, -0.71, 2.23])
        cells = np.random.default_rng(0).integers(-2, 3, (len(atoms), 3)) * atoms.pbc
        moved.positions += cells @ atoms.cell.array
        figures[name] = difference(trial.result(moved), trial.result(atoms))
    return law("translation and choice of images", figures, trial.tolerances.symmetry, "relative")


def order_of_atoms(trial: LawContext) -> Law:
    """Forces and local energies follow their atoms."""
    figures = {}
    for name, atoms in trial.structures.items():
        order = np.random.default_rng(1).permutation(len(atoms))
        before = trial.result(atoms)
        expected = before | {key: before[key][order] for key in ("forces", "node_energy")}
        figures[name] = difference(trial.result(atoms[order]), expected)
    return law("order of atoms", figures, trial.tolerances.symmetry, "relative")


def batching(trial: LawContext) -> Law:
    """A batch gives what its structures give one by one."""
    together = trial.results(list(trial.structures.values()))
    figures = {
        name: difference(result, trial.result(atoms))
        for (name, atoms), result in zip(trial.structures.items(), together, strict=True)
    }
    return law("batch as one by one", figures, trial.tolerances.symmetry, "relative")


def extensivity(trial: LawContext) -> Law:
    """A supercell of two has twice the energy, the same local energies and forces, the same stress."""
    figures = {}
    for name, atoms in trial.structures.items():
        for axis in np.flatnonzero(atoms.pbc)[:1]:
            before, after = trial.result(atoms), trial.result(_repeated(atoms, axis))
            expected = before | {
                "energy": 2 * before["energy"],
                "forces": np.tile(before["forces"], (2, 1)),
                "node_energy": np.tile(before["node_energy"], 2),
            }
            figures[name] = difference(after, expected)
    return law("supercells are extensive", figures, trial.tolerances.symmetry, "relative")


def net_force(trial: LawContext) -> Law:
    r""":math:`\sum_i F_i = 0`."""
    figures = {}
    for name, atoms in trial.structures.items():
        result = trial.result(atoms)
        figures[name] = float(np.abs(result["forces"].sum(axis=0)).max()) / scale_of(result)
    return law("no net force", figures, trial.tolerances.sum, "eV/Å")


def net_torque(trial: LawContext) -> Law:
    r""":math:`\sum_i (x_i - \bar x) \times F_i = 0` for what does not repeat."""
    figures = {}
    for name, atoms in trial.structures.items():
        if not atoms.pbc.any():
            result = trial.result(atoms)
            torque = np.cross(atoms.positions - atoms.positions.mean(axis=0), result["forces"]).sum(axis=0)
            extent = max(1.0, float(np.ptp(atoms.positions, axis=0).max()))
            figures[name] = float(np.abs(torque).max()) / (scale_of(result) * extent)
    return law("no net torque", figures, trial.tolerances.sum, "eV")


def difference(result: Result, expected: Result) -> float:
    """Largest relative difference of energies, forces and stress; NaN matches NaN in stresses (no volume) and nowhere else."""
    names = ["energy", "node_energy", "forces"]
    if not (np.isnan(result["stress"]).all() and np.isnan(expected["stress"]).all()):
        names.append("stress")
    return float(np.max([relative(result[name], expected[name]) for name in names]))


def _repeated(atoms: ase.Atoms, axis: int) -> ase.Atoms:
    """The structure and its next image along one cell vector, as one structure."""
    image = atoms.copy()
    image.positions += atoms.cell.array[axis]
    double = atoms + image
    cell = atoms.cell.array.copy()
    cell[axis] *= 2
    double.set_cell(cell)
    return double
