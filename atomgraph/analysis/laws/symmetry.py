"""Laws of symmetry: rotation, translation, order of atoms, batching, supercells, net force and net torque."""

from __future__ import annotations

import ase
import numpy as np

from atomgraph.analysis.laws.context import Law, LawContext, force_scale, law_from_values, relative_difference
from atomgraph.analysis.laws.structures import rotate, rotation_matrix
from atomgraph.old_names import old_names_of

Result = dict[str, np.ndarray]


def rotation_and_reflection(context: LawContext) -> Law:
    r"""Test :math:`E(Rx) = E(x)`, :math:`F(Rx) = R F(x)` and :math:`\sigma(Rx) = R \sigma(x) R^T`.

    R is a rotation, with and without a reflection.
    """
    values = {}
    for name, atoms in context.structures.items():
        result = context.result(atoms)
        for improper in (False, True):
            matrix = rotation_matrix(11, improper=improper)
            expected = {
                "energy": result["energy"],
                "node_energy": result["node_energy"],
                "forces": result["forces"] @ matrix.T,
                "stress": matrix @ result["stress"] @ matrix.T,
            }
            values[f"{name}{', reflected' if improper else ''}"] = result_difference(
                context.result(rotate(atoms, matrix)), expected
            )
    return law_from_values("rotation and reflection", values, context.tolerances.symmetry, "relative")


def translation(context: LawContext) -> Law:
    """Test that results do not change if all atoms are translated, and if atoms are moved to other periodic cells."""
    values = {}
    for name, atoms in context.structures.items():
        moved = atoms.copy()
        moved.positions += np.array([1.37, -0.71, 2.23])
        cells = np.random.default_rng(0).integers(-2, 3, (len(atoms), 3)) * atoms.pbc
        moved.positions += cells @ atoms.cell.array
        values[name] = result_difference(context.result(moved), context.result(atoms))
    return law_from_values("translation and choice of images", values, context.tolerances.symmetry, "relative")


def order_of_atoms(context: LawContext) -> Law:
    """Test that forces and atomic energies are permuted like the atoms."""
    values = {}
    for name, atoms in context.structures.items():
        permutation = np.random.default_rng(1).permutation(len(atoms))
        result = context.result(atoms)
        expected = result | {key: result[key][permutation] for key in ("forces", "node_energy")}
        values[name] = result_difference(context.result(atoms[permutation]), expected)
    return law_from_values("order of atoms", values, context.tolerances.symmetry, "relative")


def batching(context: LawContext) -> Law:
    """Test that the results of a batch equal the results of its structures."""
    batch_results = context.results(list(context.structures.values()))
    values = {
        name: result_difference(result, context.result(atoms))
        for (name, atoms), result in zip(context.structures.items(), batch_results, strict=True)
    }
    return law_from_values("batch equals single structures", values, context.tolerances.symmetry, "relative")


def extensivity(context: LawContext) -> Law:
    """Test that a supercell of two cells has twice the energy, and equal atomic energies, forces and stress."""
    values = {}
    for name, atoms in context.structures.items():
        for axis in np.flatnonzero(atoms.pbc)[:1]:
            result, supercell_result = context.result(atoms), context.result(_make_supercell(atoms, axis))
            expected = result | {
                "energy": 2 * result["energy"],
                "forces": np.tile(result["forces"], (2, 1)),
                "node_energy": np.tile(result["node_energy"], 2),
            }
            values[name] = result_difference(supercell_result, expected)
    return law_from_values("supercells are extensive", values, context.tolerances.symmetry, "relative")


def net_force(context: LawContext) -> Law:
    r"""Test :math:`\sum_i F_i = 0`."""
    values = {}
    for name, atoms in context.structures.items():
        result = context.result(atoms)
        values[name] = float(np.abs(result["forces"].sum(axis=0)).max()) / force_scale(result)
    return law_from_values("no net force", values, context.tolerances.balance, "eV/Å")


def net_torque(context: LawContext) -> Law:
    r"""Test :math:`\sum_i (x_i - \bar x) \times F_i = 0` for structures without periodic directions."""
    values = {}
    for name, atoms in context.structures.items():
        if not atoms.pbc.any():
            result = context.result(atoms)
            torque = np.cross(atoms.positions - atoms.positions.mean(axis=0), result["forces"]).sum(axis=0)
            extent = max(1.0, float(np.ptp(atoms.positions, axis=0).max()))
            values[name] = float(np.abs(torque).max()) / (force_scale(result) * extent)
    return law_from_values("no net torque", values, context.tolerances.balance, "eV")


def result_difference(result: Result, expected: Result) -> float:
    """Return the largest relative difference of energies, forces and stress between two results.

    Stresses are compared unless both are NaN, as for structures without volume.
    """
    names = ["energy", "node_energy", "forces"]
    if not (np.isnan(result["stress"]).all() and np.isnan(expected["stress"]).all()):
        names.append("stress")
    return float(np.max([relative_difference(result[name], expected[name]) for name in names]))


def _make_supercell(atoms: ase.Atoms, axis: int) -> ase.Atoms:
    """Return a supercell of two cells along one cell vector."""
    image = atoms.copy()
    image.positions += atoms.cell.array[axis]
    supercell = atoms + image
    cell = atoms.cell.array.copy()
    cell[axis] *= 2
    supercell.set_cell(cell)
    return supercell


__getattr__ = old_names_of(__name__)
