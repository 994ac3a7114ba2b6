"""Estimates the number of edges of a structure before memory is allocated."""

from __future__ import annotations

from math import hypot

import ase
import numpy as np

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays, as_arrays

MOST_EDGES = 1e9  # 40 GB of graph; row numbers of edges end at 2^31
MANY_EDGES = 2e6  # from here on, a density that no matter has is refused
MOST_IMAGES = 2e7  # copies of atoms around a cell, 32 bytes each, that are searched; and 100 for each atom
DENSEST = 5.0  # atoms/Å³; diamond has 0.18, hydrogen at 500 GPa about 1; in nm for Å it is a thousand times as much
FEW_ATOMS = 3  # that may lie on one spot, or in a cell of any size


def check_crowding(structure: ase.Atoms | StructureArrays, cutoff: float) -> None:
    """Refuse structures whose number of edges would be absurd.

    Raises:
        GraphError: For more than 5 atoms/Å³, as positions in nm have them, in the cell or, without one, in the box around the
            atoms; for more than 2e6 edges of parts as dense; for more edges than 1e9; and for cells so flat that 2e7 images
            of their atoms would be searched.
    """
    structure = as_arrays(structure)
    n_atoms = len(structure)
    if not (n_atoms and 0.0 < cutoff < np.inf):
        return
    n_edges = 0.0
    if float(n_atoms) ** 2 > MANY_EDGES:
        n_edges = edges_by_bins(structure.positions, cutoff)
    periods = [row for row, repeats in zip(structure.cell.tolist(), structure.pbc.tolist(), strict=True) if repeats]
    measure, dual = _measured(periods)
    if not (periods and 0.0 < measure < np.inf):  # what is wrong with the cell is said elsewhere
        measure, dual = np.inf, []
    n_images = float(n_atoms)
    for length in dual:
        n_images *= 2.0 * cutoff * length + 1.0
    if n_images > MOST_IMAGES and n_images > 100.0 * n_atoms:
        raise GraphError(
            f"{n_images:.0e} images of {n_atoms} atoms lie within {cutoff:g} Å of the cell, which is too small or flat; are "
            f"positions and cell in Å? The cell is {np.asarray(structure.cell, dtype=float).tolist()}"
        )
    if n_atoms**2 * _balls(cutoff)[len(periods) - 1] / measure > MANY_EDGES:
        n_edges = max(n_edges, edges_by_density(structure, cutoff))
    cell = f"; the cell is {np.asarray(structure.cell, dtype=float).tolist()}" if periods else ""
    if n_edges > MANY_EDGES and (n_edges > MOST_EDGES or n_edges / n_atoms / _balls(cutoff)[2] > DENSEST):
        raise GraphError(
            f"{n_atoms} atoms would have about {n_edges:.0e} neighbours within {cutoff:g} Å, {n_edges / n_atoms:.0f} each"
            f"{cell}; are positions and cell in Å?"
        )
    if n_atoms <= FEW_ATOMS:
        return
    volume = measure if len(periods) == 3 else _box(structure, measure)
    if n_atoms > DENSEST * volume:
        raise GraphError(
            f"{n_atoms} atoms in {volume:.3g} Å³ are {n_atoms / volume:.3g} atoms/Å³, denser than any matter{cell}; "
            f"are positions and cell in Å?"
        )


def _box(structure: StructureArrays, measure: float) -> float:
    """Å³ that atoms fill which repeat in less than three directions, 1 Å wider than their positions.

    Args:
        measure: Length or area of the periods; infinite where there is none.
    """
    positions = structure.positions
    if not np.abs(positions).max() < 1e90:  # said elsewhere
        return np.inf
    if not np.isfinite(measure):
        return float((np.ptp(positions, axis=0) + 1.0).prod())
    periods = np.asarray(structure.cell, dtype=float)[structure.pbc]
    across = np.linalg.svd(periods)[2][len(periods) :]
    return measure * float((np.ptp(positions @ across.T, axis=0) + 1.0).prod())


def _balls(cutoff: float) -> tuple[float, float, float]:
    """What a cutoff reaches in one, two and three dimensions: Å, Å², Å³."""
    return 2.0 * cutoff, np.pi * cutoff**2, 4.0 / 3.0 * np.pi * cutoff**3


def _measured(periods: list[list[float]]) -> tuple[float, list[float]]:
    """Length, area or volume of periods, and the inverse distances of their lattice planes, 1/Å.

    In plain numbers: every neighbour list of every structure asks for it, and numpy takes ten times as long.
    """
    if len(periods) == 3:
        a, b, c = periods
        faces = [_cross(b, c), _cross(c, a), _cross(a, b)]
        volume = abs(a[0] * faces[0][0] + a[1] * faces[0][1] + a[2] * faces[0][2])
        return volume, [hypot(*face) / volume for face in faces] if volume > 0.0 else []
    if len(periods) == 2:
        a, b = periods
        area = hypot(*_cross(a, b))
        return area, [hypot(*b) / area, hypot(*a) / area] if area > 0.0 else []
    length = hypot(*periods[0]) if periods else 0.0
    return length, [1.0 / length] if length > 0.0 else []


def _cross(a: list[float], b: list[float]) -> list[float]:
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def edges_by_bins(positions: np.ndarray, cutoff: float) -> float:
    """About how many edges there are among the atoms themselves, without images: pairs in bins that touch.

    Args:
        positions: Å, (n_atoms, 3).
        cutoff: Å, also the size of a bin.

    Returns:
        The larger of two numbers: pairs within bins whose diagonal is the cutoff, which are edges for certain; and pairs
        of atoms in bins that touch, times the cutoff's share of their volume.
    """
    if not np.isfinite(positions).all():
        return 0.0
    certain = float((_occupation(positions, cutoff / np.sqrt(3.0))[1] ** 2).sum())
    keys, counts = _occupation(positions, cutoff)
    if not len(keys):
        return 0.0
    share = 4.0 / 3.0 * np.pi / 27.0
    sides = keys.max(axis=0) + 3
    place = np.ravel_multi_index(tuple((keys + 1).T), tuple(sides))
    order = np.argsort(place)
    place, counts = place[order], counts[order]
    pairs = 0.0
    for shift in np.ndindex(3, 3, 3):
        step = int(np.ravel_multi_index(tuple(np.array(shift)), tuple(sides))) - int(
            np.ravel_multi_index((1, 1, 1), tuple(sides))
        )
        row = np.searchsorted(place, place + step).clip(max=len(place) - 1)
        pairs += float((counts * counts[row])[place[row] == place + step].sum())
    return max(certain, share * pairs)


def edges_by_density(structure: ase.Atoms | StructureArrays, cutoff: float) -> float:
    """About how many edges a periodic structure has: atoms × density × the part of the cutoff's ball that they fill."""
    structure = as_arrays(structure)
    periods = np.asarray(structure.cell, dtype=float)[structure.pbc]
    measure = float(np.sqrt(max(np.linalg.det(periods @ periods.T), 0.0)))  # length, area or volume
    if not measure > 0.0:
        return 0.0
    ball = _balls(cutoff)[len(periods) - 1]
    estimate = len(structure) ** 2 * ball / measure  # as if all atoms lay on the line or in the plane of the periods
    if estimate > MANY_EDGES and len(periods) < 3:
        across = np.linalg.svd(periods)[2][len(periods) :]
        thickness = (np.ptp(structure.positions @ across.T, axis=0) + 1.0).prod()  # Å, or Å² across a wire
        estimate *= min(1.0, _balls(cutoff)[2] / ball / thickness)
    return float(estimate)


def _occupation(positions: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Bins that hold atoms, (n_bins, 3) from 0 on, and their numbers of atoms as floats.

    Beyond 100,000 bins along an axis positions are folded: far apart is not crowded, and row numbers stay small.
    """
    bins = np.floor((positions - positions.min(axis=0)) / size)
    bins = np.mod(bins, 100_000).astype(np.int64)
    flat = np.ravel_multi_index(tuple(bins.T), (100_002,) * 3)
    places, counts = np.unique(flat, return_counts=True)
    return np.stack(np.unravel_index(places, (100_002,) * 3), axis=1), counts.astype(float)
