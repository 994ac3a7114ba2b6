"""Checks that a structure is not too dense, from an estimate of its number of edges, before memory is allocated."""

from __future__ import annotations

from math import hypot

import ase
import numpy as np

from atomgraph.errors import GraphError
from atomgraph.graph.arrays import StructureArrays, as_arrays
from atomgraph.old_names import old_names_of

MAX_EDGES = 1e9  # largest number of edges of a graph, which take 40 GB
DENSITY_CHECK_EDGES = 2e6  # above this number of edges, the density is checked
MAX_IMAGES = 2e7  # largest number of periodic images in a search, 32 bytes each; 100 per atom are always allowed
#: Largest density, atoms/Å³. Diamond has 0.18, hydrogen at 500 GPa about 1; positions in nm give a thousand times more.
MAX_DENSITY = 5.0
MAX_UNCHECKED_ATOMS = 3  # the density of structures with at most this number of atoms is not checked


def check_crowding(structure: ase.Atoms | StructureArrays, cutoff: float) -> None:
    """Check the density and the estimated number of edges, which are far too large if positions are in nm.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.

    Raises:
        GraphError: If the density in the cell, or in the box around the atoms, is above 5 atoms/Å³; if there are more than
            1e9 edges, or more than 2e6 edges with a mean density above 5 atoms/Å³ within the cutoff; if the cell is so flat
            that more than 2e7 images of atoms, and more than 100 per atom, would be searched.
    """
    structure = as_arrays(structure)
    n_atoms = len(structure)
    if not (n_atoms and 0.0 < cutoff < np.inf):
        return
    n_edges = 0.0
    if float(n_atoms) ** 2 > DENSITY_CHECK_EDGES:
        n_edges = estimate_edges_by_bins(structure.positions, cutoff)
    periods = [row for row, repeats in zip(structure.cell.tolist(), structure.pbc.tolist(), strict=True) if repeats]
    period_size, inverse_spacings = _period_size(periods)
    if not (periods and 0.0 < period_size < np.inf):  # check_structure raises an error for this cell
        period_size, inverse_spacings = np.inf, []
    n_images = float(n_atoms)
    for inverse_spacing in inverse_spacings:
        n_images *= 2.0 * cutoff * inverse_spacing + 1.0
    if n_images > MAX_IMAGES and n_images > 100.0 * n_atoms:
        raise GraphError(
            f"{n_images:.0e} images of {n_atoms} atoms lie within {cutoff:g} Å of the cell, which is too small or flat; are "
            f"positions and cell in Å? The cell is {np.asarray(structure.cell, dtype=float).tolist()}"
        )
    # without periodic direction, the estimate is 0, because period_size is infinite
    if n_atoms**2 * _ball_sizes(cutoff)[len(periods) - 1] / period_size > DENSITY_CHECK_EDGES:
        n_edges = max(n_edges, estimate_edges_by_density(structure, cutoff))
    cell_text = f"; the cell is {np.asarray(structure.cell, dtype=float).tolist()}" if periods else ""
    if n_edges > DENSITY_CHECK_EDGES and (
        n_edges > MAX_EDGES or n_edges / n_atoms / _ball_sizes(cutoff)[2] > MAX_DENSITY
    ):
        raise GraphError(
            f"{n_atoms} atoms would have about {n_edges:.0e} neighbours within {cutoff:g} Å, {n_edges / n_atoms:.0f} per atom"
            f"{cell_text}; are positions and cell in Å?"
        )
    if n_atoms <= MAX_UNCHECKED_ATOMS:
        return
    volume = period_size if len(periods) == 3 else _box_volume(structure, period_size)
    if n_atoms > MAX_DENSITY * volume:
        raise GraphError(
            f"{n_atoms} atoms in {volume:.3g} Å³ are {n_atoms / volume:.3g} atoms/Å³, denser than any matter{cell_text}; "
            f"are positions and cell in Å?"
        )


def _box_volume(structure: StructureArrays, period_size: float) -> float:
    """Return the volume around the atoms of a structure with fewer than three periodic directions, Å³, with a margin of 1 Å.

    Args:
        structure: The structure.
        period_size: Length (Å) or area (Å²) of the periodic cell vectors; infinite without periodic direction.
    """
    positions = structure.positions
    if not np.abs(positions).max() < 1e90:  # check_structure raises an error for these positions
        return np.inf
    if not np.isfinite(period_size):
        return float((np.ptp(positions, axis=0) + 1.0).prod())
    periods = np.asarray(structure.cell, dtype=float)[structure.pbc]
    normals = np.linalg.svd(periods)[2][len(periods) :]
    return period_size * float((np.ptp(positions @ normals.T, axis=0) + 1.0).prod())


def _ball_sizes(cutoff: float) -> tuple[float, float, float]:
    """Return the length (Å), area (Å²) and volume (Å³) within the cutoff: the ball in one, two and three dimensions."""
    return 2.0 * cutoff, np.pi * cutoff**2, 4.0 / 3.0 * np.pi * cutoff**3


def _period_size(periods: list[list[float]]) -> tuple[float, list[float]]:
    """Return length, area or volume of periodic cell vectors, and the inverse spacings of their lattice planes, 1/Å.

    Written without numpy, which is ten times slower for three vectors. Every neighbour list calls this function.
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


def estimate_edges_by_bins(positions: np.ndarray, cutoff: float) -> float:
    """Estimate the number of edges without periodic images, from the number of atoms in bins.

    Args:
        positions: Positions, (n_atoms, 3), Å.
        cutoff: Cutoff radius, Å.

    Returns:
        The larger of a lower bound and an estimate. The lower bound is the number of pairs inside bins whose diagonal is the
        cutoff. The estimate is the number of pairs in adjacent bins whose edge is the cutoff, times the volume fraction
        within the cutoff.
    """
    if not np.isfinite(positions).all():
        return 0.0
    lower_bound = float((_count_per_bin(positions, cutoff / np.sqrt(3.0))[1] ** 2).sum())
    bins, counts = _count_per_bin(positions, cutoff)
    if not len(bins):
        return 0.0
    volume_fraction = 4.0 / 3.0 * np.pi / 27.0
    grid_shape = bins.max(axis=0) + 3
    flat_bins = np.ravel_multi_index(tuple((bins + 1).T), tuple(grid_shape))
    order = np.argsort(flat_bins)
    flat_bins, counts = flat_bins[order], counts[order]
    n_pairs = 0.0
    for shift in np.ndindex(3, 3, 3):
        offset = int(np.ravel_multi_index(tuple(np.array(shift)), tuple(grid_shape))) - int(
            np.ravel_multi_index((1, 1, 1), tuple(grid_shape))
        )
        row = np.searchsorted(flat_bins, flat_bins + offset).clip(max=len(flat_bins) - 1)
        n_pairs += float((counts * counts[row])[flat_bins[row] == flat_bins + offset].sum())
    return max(lower_bound, volume_fraction * n_pairs)


def estimate_edges_by_density(structure: ase.Atoms | StructureArrays, cutoff: float) -> float:
    """Estimate the number of edges of a periodic structure: atoms × density × filled volume within the cutoff.

    Args:
        structure: The structure, positions and cell in Å.
        cutoff: Cutoff radius, Å.
    """
    structure = as_arrays(structure)
    periods = np.asarray(structure.cell, dtype=float)[structure.pbc]
    period_size = float(np.sqrt(max(np.linalg.det(periods @ periods.T), 0.0)))  # length, area or volume
    if not period_size > 0.0:
        return 0.0
    ball_size = _ball_sizes(cutoff)[len(periods) - 1]
    estimate = len(structure) ** 2 * ball_size / period_size  # exact for atoms on one line or plane along the periods
    if estimate > DENSITY_CHECK_EDGES and len(periods) < 3:
        normals = np.linalg.svd(periods)[2][len(periods) :]
        thickness = (
            np.ptp(structure.positions @ normals.T, axis=0) + 1.0
        ).prod()  # Å, or Å² for one periodic direction
        estimate *= min(1.0, _ball_sizes(cutoff)[2] / ball_size / thickness)
    return float(estimate)


def _count_per_bin(positions: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the bins with atoms, (n_bins, 3), counted from 0, and their numbers of atoms as floats, (n_bins,).

    Positions beyond 100,000 bins along an axis are wrapped around, which keeps the bin numbers small.

    Args:
        positions: Positions, (n_atoms, 3), Å.
        size: Edge of a cubic bin, Å.
    """
    bins = np.floor((positions - positions.min(axis=0)) / size)
    bins = np.mod(bins, 100_000).astype(np.int64)
    flat = np.ravel_multi_index(tuple(bins.T), (100_002,) * 3)
    flat_bins, counts = np.unique(flat, return_counts=True)
    return np.stack(np.unravel_index(flat_bins, (100_002,) * 3), axis=1), counts.astype(float)


__getattr__ = old_names_of(__name__)
