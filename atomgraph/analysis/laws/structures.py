"""Small structures of given elements, on which physical laws are tested."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice

import ase
import numpy as np
from ase.data import atomic_numbers, covalent_radii

_LEAST = 0.8  # Å: smaller atoms are packed as if they had this radius


def molecule(elements: Sequence[str], n_atoms: int = 7, seed: int = 0) -> ase.Atoms:
    """A crooked molecule: every atom a bond away from an earlier one, in a random direction, none too near to another.

    Bonds are 1.1 times the sum of the covalent radii. No cell.
    """
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), n_atoms))
    radii = np.array([_radius(symbol) for symbol in symbols])
    positions = np.zeros((1, 3))
    while len(positions) < n_atoms:
        i, new = rng.integers(len(positions)), len(positions)
        direction = _unit(rng)
        place = positions[i] + 1.1 * (radii[i] + radii[new]) * direction
        gaps = np.linalg.norm(positions - place, axis=1) / (radii[:new] + radii[new])
        if gaps.min() > 1.05:
            positions = np.vstack([positions, place])
    return ase.Atoms(symbols, positions=positions)


def crystal(elements: Sequence[str], seed: int = 1) -> ase.Atoms:
    """Four atoms near the sites of a face-centred cube, in a strained triclinic cell; periodic everywhere."""
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), 4))
    distance = 2.2 * max(_LEAST, *(_radius(symbol) for symbol in symbols))
    sites = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]])
    cell = np.eye(3) * distance * 2**0.5 @ (np.eye(3) + 0.08 * rng.standard_normal((3, 3)))
    positions = sites @ cell + 0.05 * distance * rng.standard_normal((4, 3))
    return ase.Atoms(symbols, positions=positions, cell=cell, pbc=True)


def slab(elements: Sequence[str], seed: int = 2) -> ase.Atoms:
    """The crystal's four atoms, periodic in two directions, with a cell vector that does not repeat in the third."""
    atoms = crystal(elements, seed)
    cell = atoms.cell.array.copy()
    cell[2] *= 4
    return ase.Atoms(atoms.symbols, positions=atoms.positions, cell=cell, pbc=[True, True, False])


def wire(elements: Sequence[str], seed: int = 3) -> ase.Atoms:
    """Two atoms that repeat along a short crooked vector only; the other cell vectors are zero. Atoms see their own images."""
    rng = np.random.default_rng(seed)
    symbols = list(islice(cycle(elements), 2))
    distance = 2.2 * max(_LEAST, *(_radius(symbol) for symbol in symbols))
    positions = np.array([[0.0, 0.0, 0.0], [0.5, 0.8, 0.0]]) * distance + 0.05 * rng.standard_normal((2, 3))
    cell = np.zeros((3, 3))
    cell[0] = distance * np.array([1.05, 0.1, -0.15])
    return ase.Atoms(symbols, positions=positions, cell=cell, pbc=[True, False, False])


def atom(element: str) -> ase.Atoms:
    """One atom alone."""
    return ase.Atoms([element], positions=[[0.3, -0.2, 0.1]])


def sample_structures(elements: Sequence[str]) -> dict[str, ase.Atoms]:
    """A molecule, a small triclinic crystal, a slab and a wire of the elements, by name."""
    return {make.__name__: make(elements) for make in (molecule, crystal, slab, wire)}


def crossing(elements: Sequence[str], distance: float, *, outward: bool, seed: int = 4) -> ase.Atoms:
    """A small molecule whose last atom stands at ``distance`` (Å) from atom 0.

    Args:
        outward: On the far side of everything, so that at the cutoff it loses its last neighbour; otherwise beside
            the others.
    """
    rng = np.random.default_rng(seed)
    atoms = molecule(elements, 5, seed)
    from_first = atoms.positions[1:] - atoms.positions[0]
    if outward:  # along a direction in which all others lie behind atom 0, after they were mirrored there
        atoms.positions[1:, 2] = atoms.positions[0, 2] - np.abs(from_first[:, 2]) - 0.2
        direction = np.array([0.12, -0.05, 1.0])
    else:
        direction = from_first.mean(axis=0) + 0.3 * _unit(rng)
    place = atoms.positions[0] + distance * direction / np.linalg.norm(direction)
    return atoms + ase.Atoms([elements[-1]], positions=[place])


def rotation(seed: int, *, improper: bool = False) -> np.ndarray:
    """A random rotation (3, 3), or with ``improper`` a rotation and a reflection."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    return q if (np.linalg.det(q) < 0) == improper else -q


def rotated(atoms: ase.Atoms, matrix: np.ndarray) -> ase.Atoms:
    """The structure with positions and cell turned, x → R x."""
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ matrix.T)
    turned.positions = atoms.positions @ matrix.T
    return turned


def _radius(symbol: str) -> float:
    return float(covalent_radii[atomic_numbers[symbol]])


def _unit(rng: np.random.Generator) -> np.ndarray:
    direction = rng.standard_normal(3)
    return direction / np.linalg.norm(direction)
