"""Small structures of given elements, for tests of physical laws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

import ase
import numpy as np
from ase.data import atomic_numbers, covalent_radii

from atomgraph.old_names import old_names_of

_MIN_RADIUS = 0.8  # Å; smallest radius of atoms in crystals and wires


def molecule(elements: Sequence[str], n_atoms: int = 7, seed: int = 0) -> ase.Atoms:
    """Return a random molecule without cell.

    Each atom is bonded to a previous atom, in a random direction. Bond lengths are 1.1 times the sum of covalent radii;
    other distances are at least 1.05 times that sum.

    Args:
        elements: Chemical symbols, repeated in order.
        n_atoms: Number of atoms.
        seed: Seed of the positions.
    """
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), n_atoms))
    radii = np.array([_radius(symbol) for symbol in symbols])
    positions = np.zeros((1, 3))
    while len(positions) < n_atoms:
        i, n = rng.integers(len(positions)), len(positions)
        position = positions[i] + 1.1 * (radii[i] + radii[n]) * _random_direction(rng)
        relative_distances = np.linalg.norm(positions - position, axis=1) / (radii[:n] + radii[n])
        if relative_distances.min() > 1.05:
            positions = np.vstack([positions, position])
    return ase.Atoms(symbols, positions=positions)


def crystal(elements: Sequence[str], seed: int = 1) -> ase.Atoms:
    """Return a periodic crystal: a face-centred cubic cell with random strain and random displacements.

    Args:
        elements: Chemical symbols of the four atoms, repeated in order.
        seed: Seed of strain and displacements.
    """
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), 4))
    distance = 2.2 * max(_MIN_RADIUS, *(_radius(symbol) for symbol in symbols))
    sites = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = np.eye(3) * distance * 2**0.5 @ (np.eye(3) + 0.08 * rng.standard_normal((3, 3)))
    positions = sites @ cell + 0.05 * distance * rng.standard_normal((4, 3))
    return ase.Atoms(symbols, positions=positions, cell=cell, pbc=True)


def slab(elements: Sequence[str], seed: int = 2) -> ase.Atoms:
    """Return the four atoms of ``crystal`` as a slab: periodic in two directions, with a long third cell vector."""
    atoms = crystal(elements, seed)
    cell = atoms.cell.array.copy()
    cell[2] *= 4
    return ase.Atoms(atoms.symbols, positions=atoms.positions, cell=cell, pbc=[True, True, False])


def wire(elements: Sequence[str], seed: int = 3) -> ase.Atoms:
    """Return two atoms that are periodic in one direction; the other cell vectors are zero.

    The period is short, so atoms are neighbours of their own images.
    """
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), 2))
    distance = 2.2 * max(_MIN_RADIUS, *(_radius(symbol) for symbol in symbols))
    positions = np.array([[0.0, 0.0, 0.0], [0.5, 0.8, 0.0]]) * distance + 0.05 * rng.standard_normal((2, 3))
    cell = np.zeros((3, 3))
    cell[0] = distance * np.array([1.05, 0.1, -0.15])
    return ase.Atoms(symbols, positions=positions, cell=cell, pbc=[True, False, False])


def single_atom(element: str) -> ase.Atoms:
    """Return an isolated atom without cell."""
    return ase.Atoms([element], positions=[[0.3, -0.2, 0.1]])


def sample_structures(elements: Sequence[str]) -> dict[str, ase.Atoms]:
    """Return a molecule, a crystal, a slab and a wire of the elements, by name."""
    return {make.__name__: make(elements) for make in (molecule, crystal, slab, wire)}


def molecule_with_atom_at(elements: Sequence[str], distance: float, *, outward: bool, seed: int = 4) -> ase.Atoms:
    """Return a molecule whose last atom has a given distance from atom 0.

    Args:
        elements: Chemical symbols; the last one is that of the last atom.
        distance: Distance from atom 0, Å.
        outward: Whether atom 0 is the atom closest to the last atom. The last atom then has no neighbours when ``distance``
            exceeds the cutoff. Otherwise, all other atoms are closer to it than atom 0.
        seed: Seed of the molecule.
    """
    rng = np.random.default_rng(seed)
    atoms = molecule(elements, 5, seed)
    displacements = atoms.positions[1:] - atoms.positions[0]
    if outward:  # reflect all other atoms to z below that of atom 0, and put the last atom above atom 0
        atoms.positions[1:, 2] = atoms.positions[0, 2] - np.abs(displacements[:, 2]) - 0.2
        direction = np.array([0.12, -0.05, 1.0])
    else:
        direction = displacements.mean(axis=0) + 0.3 * _random_direction(rng)
    position = atoms.positions[0] + distance * direction / np.linalg.norm(direction)
    return atoms + ase.Atoms([elements[-1]], positions=[position])


def rotation_matrix(seed: int, *, improper: bool = False) -> np.ndarray:
    """Return a random rotation matrix, (3, 3); if ``improper``, a rotation with a reflection."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q if (np.linalg.det(q) < 0) == improper else -q


def rotate(atoms: ase.Atoms, matrix: np.ndarray) -> ase.Atoms:
    """Return a copy with rotated positions and cell, x → R x, for a matrix R, (3, 3)."""
    copy = atoms.copy()
    copy.set_cell(atoms.cell.array @ matrix.T)
    copy.positions = atoms.positions @ matrix.T
    return copy


def _radius(symbol: str) -> float:
    """Return the covalent radius, Å."""
    return float(covalent_radii[atomic_numbers[symbol]])


def _random_direction(rng: np.random.Generator) -> np.ndarray:
    """Return a random unit vector, (3,)."""
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)


__getattr__ = old_names_of(__name__)
