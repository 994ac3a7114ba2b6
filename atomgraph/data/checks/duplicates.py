"""Structures that are one and the same, however they are turned, shifted, numbered or repeated."""

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
from atomgraph.ops.scatter import sum_to

CUTOFF = 5.0  # Å: how far an atom looks
CENTRES = torch.linspace(0.5, CUTOFF, 10, dtype=torch.float64)  # Å
WIDTH = 0.5  # Å
TOLERANCE = 0.003  # Å: RMS displacement below which two structures are one
TRIAL = 0.01  # Å: the rattling that tells how far apart fingerprints of near structures are


@dataclass(frozen=True)
class Pair:
    """Two frames, by their numbers, and about how far the atoms of one are from those of the other, Å."""

    first: int
    second: int
    distance: float


def find_duplicates(frames: Sequence[ase.Atoms], tolerance: float = TOLERANCE) -> list[Pair]:
    """Pairs of frames of one composition and head that are one structure up to the tolerance, Å (RMS displacement).

    A supercell and its cell are duplicates. Only the eight nearest duplicates of a structure are paired with it. Structures
    whose atoms all see the same distances and directions within 5 Å are taken for the same.
    """
    pairs: dict[tuple[int, int], Pair] = {}
    for members in _by_kind(frames).values():
        if len(members) < 2:
            continue
        points, scale = _points([frames[number] for number in members])
        distances, rows = cKDTree(points).query(points, k=min(9, len(points)), distance_upper_bound=tolerance * scale)
        for row, column in np.argwhere(np.isfinite(distances)):
            first, second = sorted((members[row], members[rows[row, column]]))
            if first != second:
                pairs[first, second] = Pair(first, second, float(distances[row, column] / scale))
    return [pairs[key] for key in sorted(pairs)]


def shared(frames: Sequence[ase.Atoms], others: Sequence[ase.Atoms], tolerance: float = TOLERANCE) -> list[Pair]:
    """Frames that have a duplicate among the others, with the nearest one: ``first`` counts in frames, ``second`` in others."""
    pairs = []
    theirs = _by_kind(others)
    for kind, members in _by_kind(frames).items():
        if kind not in theirs:
            continue
        points, scale = _points([frames[number] for number in members])
        other_points, _ = _points([others[number] for number in theirs[kind]])
        distances, rows = cKDTree(other_points).query(points, distance_upper_bound=tolerance * scale)
        for member, distance, row in zip(members, distances, rows, strict=True):
            if np.isfinite(distance):
                pairs.append(Pair(member, theirs[kind][row], float(distance / scale)))
    return sorted(pairs, key=lambda pair: pair.first)


def groups(pairs: Iterable[Pair]) -> list[list[int]]:
    """Frames that are linked by pairs, each group sorted."""
    group_of: dict[int, list[int]] = {}
    for pair in pairs:
        left, right = group_of.get(pair.first, [pair.first]), group_of.get(pair.second, [pair.second])
        if left is not right:
            joined = sorted({*left, *right})
            group_of.update(dict.fromkeys(joined, joined))
    return sorted({id(group): group for group in group_of.values()}.values())


def invariants(atoms: ase.Atoms, cutoff: float = CUTOFF) -> np.ndarray:
    r"""A fingerprint (n_numbers,) that no rotation, reflection, translation, renumbering or repetition changes.

    Per pair of elements and radial function :math:`g_n`: the mean and standard deviation over atoms of
    :math:`\sum_j g_n(r_{ij}) f_c`, and the mean lengths of :math:`\sum_j g_n(r_{ij}) f_c \hat r_{ij}` and of
    :math:`\sum_j g_n(r_{ij}) f_c (\hat r_{ij} \hat r_{ij}^T - 1/3)`. Together they respond to displaced atoms and to strains to
    first order, in perfect crystals too.
    """
    centre, neighbour, shift = neighbours_within(atoms, cutoff)
    vector = vectors_to_neighbours(atoms, centre, neighbour, shift)
    length = torch.from_numpy(np.linalg.norm(vector, axis=1))
    fade = 0.5 * (1 + torch.cos(torch.pi * length / cutoff))
    radial = torch.exp(-0.5 * ((length[:, None] - CENTRES) / WIDTH) ** 2) * fade[:, None]  # (n_edges, n_radial)
    unit = torch.from_numpy(vector) / length[:, None]
    square = (unit[:, :, None] * unit[:, None, :] - torch.eye(3, dtype=torch.float64) / 3).reshape(-1, 9)
    numbers, rows = torch.from_numpy(atoms.numbers), torch.from_numpy(centre)
    vectors = []
    for neighbour_kind in numbers.unique():
        here = numbers[torch.from_numpy(neighbour)] == neighbour_kind
        density = sum_to(radial[here], rows[here], len(atoms))  # (n_atoms, n_radial)
        lean, shape = (
            sum_to(radial[here][:, :, None] * part[here][:, None, :], rows[here], len(atoms)).norm(dim=2)
            for part in (unit, square)
        )
        for centre_kind in numbers.unique():
            mine = numbers == centre_kind
            share = mine.double().mean().sqrt()
            vectors += [
                share * density[mine].mean(0),
                share * density[mine].std(0, correction=0),
                share * lean[mine].mean(0),
                share * shape[mine].mean(0),
            ]
    return torch.cat(vectors).numpy()


def kind_of(atoms: ase.Atoms) -> tuple[str, str]:
    """What duplicates share for certain: composition, as a formula unit; head, charge and spin, which have other energies."""
    states = {name: value for name, value in get_charge_and_spin(atoms).items() if value != STATES[name][1]}
    return atoms.symbols.formula.reduce()[0].format("hill"), f"{atoms.info.get('head', '')}{states or ''}"


def _by_kind(frames: Sequence[ase.Atoms]) -> dict[tuple[str, str], list[int]]:
    kinds: dict[tuple[str, str], list[int]] = defaultdict(list)
    for number, atoms in enumerate(frames):
        kinds[kind_of(atoms)].append(number)
    return kinds


def _points(frames: Sequence[ase.Atoms]) -> tuple[np.ndarray, float]:
    """(n_frames, n_numbers) fingerprints, and how far they lie apart for one Å."""
    return np.array([invariants(atoms) for atoms in frames]), _response(frames[len(frames) // 2])


def _response(atoms: ase.Atoms) -> float:
    """How far the fingerprint moves for one Å of RMS displacement."""
    rattled = atoms.copy()
    random = np.random.Generator(np.random.Philox(0))
    rattled.positions += TRIAL / np.sqrt(3) * random.standard_normal(rattled.positions.shape)
    moved = float(np.linalg.norm(invariants(rattled) - invariants(atoms)))
    return max(moved / TRIAL, 1e-3)
