"""Fingerprint of a data set: a hash of structures and labels, independent of the file format."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import ase
import numpy as np

from atomgraph.graph.structure import STATES, get_charge_and_spin, get_labels


def fingerprint(frames: Iterable[ase.Atoms]) -> str:
    """Return the SHA-256 of atomic numbers, positions, cells, periodicity, labels, charges and spins; 64 hexadecimal digits.

    Numbers are compared in float64. Frames from a file with fewer digits have another fingerprint.
    """
    digest = hashlib.sha256()
    for atoms in frames:
        digest.update(frame_digest(atoms))
    return digest.hexdigest()


def frame_digest(atoms: ase.Atoms) -> bytes:
    """Return the SHA-256 of one frame, 32 bytes."""
    digest = hashlib.sha256()
    digest.update(np.asarray(atoms.numbers, dtype="<i8").tobytes())
    for array in (atoms.positions, atoms.cell.array):
        digest.update(_canonical_bytes(array))
    digest.update(np.asarray(atoms.pbc, dtype="u1").tobytes())
    for name, label in sorted(get_labels(atoms).items()):
        digest.update(name.encode() + _canonical_bytes(label))
    for name, value in get_charge_and_spin(atoms).items():
        if value != STATES[name][1]:  # [1]: default value
            digest.update(name.encode() + _canonical_bytes(np.array(value)))
    return digest.digest()


def _canonical_bytes(array: np.ndarray) -> bytes:
    """Return the array as little-endian float64, with −0.0 replaced by 0.0."""
    return (np.asarray(array, dtype="<f8") + 0.0).tobytes()
