"""What a data set is, as one short string: a hash of its numbers, whatever file they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import ase
import numpy as np

from atomgraph.graph.structure import STATES, get_charge_and_spin, get_labels


def fingerprint(frames: Iterable[ase.Atoms]) -> str:
    """SHA-256 over atomic numbers, positions, cells, periodicity, labels, charges and spins, in order; 64 hexadecimal digits.

    Numbers are taken as they are, in float64: the same frames read from another kind of file that keeps fewer digits
    are other data.
    """
    digest = hashlib.sha256()
    for atoms in frames:
        digest.update(frame_digest(atoms))
    return digest.hexdigest()


def frame_digest(atoms: ase.Atoms) -> bytes:
    """SHA-256 of one frame, 32 bytes."""
    digest = hashlib.sha256()
    digest.update(np.asarray(atoms.numbers, dtype="<i8").tobytes())
    for array in (atoms.positions, atoms.cell.array):
        digest.update(_canonical(array))
    digest.update(np.asarray(atoms.pbc, dtype="u1").tobytes())
    for name, label in sorted(get_labels(atoms).items()):
        digest.update(name.encode() + _canonical(label))
    for name, value in get_charge_and_spin(atoms).items():
        if value != STATES[name][1]:
            digest.update(name.encode() + _canonical(np.array(value)))
    return digest.digest()


def _canonical(array: np.ndarray) -> bytes:
    """Little-endian float64, with one zero: −0.0 and 0.0 are the same number."""
    return (np.asarray(array, dtype="<f8") + 0.0).tobytes()
