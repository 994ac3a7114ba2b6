"""Finds duplicate structures: equal up to rotation, reflection, translation, order of atoms and repetition of the cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ase
import numpy as np
import torch
from scipy.spatial import cKDTree

from atomgraph.graph.neighbours import neighbours_within, vectors_to_neighbours
from atomgraph.graph.structure import STATES, get_charge_and_spin
from atomgraph.old_names import old_names_of
from atomgraph.ops.scatter import sum_to

CUTOFF = 5.0  # Å; radius of the environments in the fingerprint
RADIAL_CENTRES = torch.linspace(0.5, CUTOFF, 10, dtype=torch.float64)  # Å; centres of the Gaussian radial functions
RADIAL_STD = 0.5  # Å; standard deviation of the Gaussian radial functions
TOLERANCE = 0.003  # Å; RMS displacement below which two structures are duplicates
MAX_DUPLICATES = 8  # duplicates with which a structure is paired
RATTLE_STD = 0.01  # Å; random displacement that measures how much fingerprints change per Å


@dataclass(frozen=True)
class DuplicatePair:
    """Two frames that are duplicates.

    Attributes:
        first: Number of the first frame.
        second: Number of the second frame.
        distance: Estimated RMS displacement between the frames, Å.
    """

    first: int
    second: int
    distance: float


def find_duplicates(frames: Sequence[ase.Atoms], tolerance: float = TOLERANCE) -> list[DuplicatePair]:
    """Return pairs of duplicate frames with the same composition, head, charge and spin.

    A cell and its supercell are duplicates. A structure is paired with at most ``MAX_DUPLICATES`` duplicates, the nearest ones.
    Structures count as duplicates if the environments of all atoms within 5 Å are the same.

    Args:
        frames: Structures.
        tolerance: Largest RMS displacement between duplicates, Å.
    """
    pairs: dict[tuple[int, int], DuplicatePair] = {}
    for members in _group_by_class(frames).values():
        if len(members) < 2:
            continue
        fingerprints, change_per_angstrom = _fingerprints([frames[number] for number in members])
        tree = cKDTree(fingerprints)
        limit = tolerance * change_per_angstrom
        distances, rows = tree.query(
            fingerprints, k=min(MAX_DUPLICATES + 1, len(fingerprints)), distance_upper_bound=limit
        )
        for row, column in np.argwhere(np.isfinite(distances)):
            first, second = sorted((members[row], members[rows[row, column]]))
            if first != second:
                pairs[first, second] = DuplicatePair(first, second, float(distances[row, column] / change_per_angstrom))
    return [pairs[key] for key in sorted(pairs)]


def find_shared(
    frames: Sequence[ase.Atoms], others: Sequence[ase.Atoms], tolerance: float = TOLERANCE
) -> list[DuplicatePair]:
    """Return each frame with a duplicate in another data set, and the nearest duplicate.

    Args:
        frames: Structures of one data set.
        others: Structures of the other data set.
        tolerance: Largest RMS displacement between duplicates, Å.

    Returns:
        Pairs; ``first`` is a number in ``frames``, ``second`` a number in ``others``.
    """
    pairs = []
    other_classes = _group_by_class(others)
    for key, members in _group_by_class(frames).items():
        if key not in other_classes:
            continue
        fingerprints, change_per_angstrom = _fingerprints([frames[number] for number in members])
        other_fingerprints, _ = _fingerprints([others[number] for number in other_classes[key]])
        limit = tolerance * change_per_angstrom
        distances, rows = cKDTree(other_fingerprints).query(fingerprints, distance_upper_bound=limit)
        for member, distance, row in zip(members, distances, rows, strict=True):
            if np.isfinite(distance):
                pairs.append(DuplicatePair(member, other_classes[key][row], float(distance / change_per_angstrom)))
    return sorted(pairs, key=lambda pair: pair.first)


def group_pairs(pairs: Iterable[DuplicatePair]) -> list[list[int]]:
    """Return groups of frames that are connected by pairs, as sorted lists of frame numbers."""
    groups: dict[int, list[int]] = {}  # frame number: its group
    for pair in pairs:
        first_group, second_group = groups.get(pair.first, [pair.first]), groups.get(pair.second, [pair.second])
        if first_group is not second_group:
            union = sorted({*first_group, *second_group})
            groups.update(dict.fromkeys(union, union))
    return sorted({id(group): group for group in groups.values()}.values())


def invariants(atoms: ase.Atoms, cutoff: float = CUTOFF) -> np.ndarray:
    r"""Return a fingerprint of the structure that is invariant to the changes between duplicates, (n_numbers,).

    For each pair of elements and radial function :math:`g_n`: the mean and standard deviation over atoms of
    :math:`\sum_j g_n(r_{ij}) f_c`, and the mean lengths of :math:`\sum_j g_n(r_{ij}) f_c \hat r_{ij}` and of
    :math:`\sum_j g_n(r_{ij}) f_c (\hat r_{ij} \hat r_{ij}^T - 1/3)`. These numbers change to first order with
    displacements and strains, also in perfect crystals.

    Args:
        atoms: Structure, positions in Å.
        cutoff: Cutoff radius, Å.
    """
    centre, neighbour, shift = neighbours_within(atoms, cutoff)
    vector = vectors_to_neighbours(atoms, centre, neighbour, shift)
    length = torch.from_numpy(np.linalg.norm(vector, axis=1))
    envelope = 0.5 * (1 + torch.cos(torch.pi * length / cutoff))
    gaussians = torch.exp(-0.5 * ((length[:, None] - RADIAL_CENTRES) / RADIAL_STD) ** 2)
    radial = gaussians * envelope[:, None]  # (n_edges, n_radial)
    unit = torch.from_numpy(vector) / length[:, None]
    traceless = (unit[:, :, None] * unit[:, None, :] - torch.eye(3, dtype=torch.float64) / 3).reshape(-1, 9)
    numbers, rows = torch.from_numpy(atoms.numbers), torch.from_numpy(centre)
    features = []
    for neighbour_z in numbers.unique():
        edges = numbers[torch.from_numpy(neighbour)] == neighbour_z
        density = sum_to(radial[edges], rows[edges], len(atoms))  # (n_atoms, n_radial)
        dipole, quadrupole = (
            sum_to(radial[edges][:, :, None] * part[edges][:, None, :], rows[edges], len(atoms)).norm(dim=2)
            for part in (unit, traceless)
        )
        for centre_z in numbers.unique():
            centres = numbers == centre_z
            weight = centres.double().mean().sqrt()  # square root of the fraction of this element
            features += [
                weight * density[centres].mean(0),
                weight * density[centres].std(0, correction=0),
                weight * dipole[centres].mean(0),
                weight * quadrupole[centres].mean(0),
            ]
    return torch.cat(features).numpy()


def duplicate_class(atoms: ase.Atoms) -> tuple[str, str]:
    """Return the properties that all duplicates share: the reduced formula; head, charge and spin in one text."""
    states = {name: value for name, value in get_charge_and_spin(atoms).items() if value != STATES[name][1]}
    return atoms.symbols.formula.reduce()[0].format("hill"), f"{atoms.info.get('head', '')}{states or ''}"


def _group_by_class(frames: Sequence[ase.Atoms]) -> dict[tuple[str, str], list[int]]:
    """Return frame numbers by ``duplicate_class``."""
    classes: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, atoms in enumerate(frames):
        classes[duplicate_class(atoms)].append(number)
    return classes


def _fingerprints(frames: Sequence[ase.Atoms]) -> tuple[np.ndarray, float]:
    """Return fingerprints, (n_frames, n_numbers), and their change per Å of RMS displacement, 1/Å."""
    return np.array([invariants(atoms) for atoms in frames]), _fingerprint_change(frames[len(frames) // 2])


def _fingerprint_change(atoms: ase.Atoms) -> float:
    """Return the change of the fingerprint per Å of RMS displacement, 1/Å."""
    rattled = atoms.copy()
    random = np.random.Generator(np.random.Philox(0))
    rattled.positions += RATTLE_STD / np.sqrt(3) * random.standard_normal(rattled.positions.shape)
    change = float(np.linalg.norm(invariants(rattled) - invariants(atoms)))
    return max(change / RATTLE_STD, 1e-3)


__getattr__ = old_names_of(__name__)
