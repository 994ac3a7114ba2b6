"""Runs all data checks; the most serious findings come first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
import numpy as np

from atomgraph.data.checks.connections import lonely_atoms
from atomgraph.data.checks.consistency import placeholders, stress_against_volume, work_against_energy
from atomgraph.data.checks.contacts import short_contacts
from atomgraph.data.checks.duplicates import TOLERANCE, find_duplicates, groups, shared
from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.outliers import energy_outliers, force_outliers
from atomgraph.data.frame_names import name_of, names_of
from atomgraph.graph.structure import get_labels

EQUAL = 1e-3  # eV/atom: what one structure's energies may differ by
DRIFT, BROKEN = 0.005, 0.05  # eV/Å per atom: net force that is untidy, and that no converged calculation leaves


def examine(
    frames: Iterable[ase.Atoms],
    *,
    against: Iterable[ase.Atoms] | None = None,
    cutoff: float | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """All checks on frames that were read (``data.read``), the worst findings first.

    Args:
        against: Frames of another part of the data (the training part, say): frames that are in both are ``wrong``.
        cutoff: Å; atoms that have no neighbour so far are found.
        tolerance: RMS displacement, Å, below which two structures are one and the same.
    """
    frames = list(frames)
    labels = [get_labels(atoms) for atoms in frames]
    findings = [
        *short_contacts(frames),
        *net_forces(frames, labels),
        *energy_outliers(frames, labels),
        *force_outliers(frames, labels),
        *duplicates(frames, labels, tolerance),
        *placeholders(frames, labels),
        *stress_against_volume(frames, labels),
        *work_against_energy(frames, labels),
    ]
    if cutoff is not None:
        findings += lonely_atoms(frames, cutoff)
    if against is not None:
        findings += leakage(frames, list(against), tolerance)
    order = [WRONG, WARNING, NOTE]
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def net_forces(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Forces that do not add up to zero, as they must where nothing acts from outside."""
    findings = []
    for number, (atoms, label) in enumerate(zip(frames, labels, strict=True)):
        if "forces" not in label:
            continue
        net = float(np.linalg.norm(label["forces"].sum(0))) / len(atoms)
        size = float(np.sqrt((label["forces"] ** 2).mean()))
        if net > max(DRIFT, 0.01 * size):
            wrong = net > max(BROKEN, 0.1 * size)
            findings.append(
                Finding(
                    "net force",
                    WRONG if wrong else WARNING,
                    [name_of(atoms, number)],
                    net,
                    "eV/Å per atom",
                    f"forces do not add up to zero: {net:.4f} eV/Å per atom remain (RMS force {size:.3f})",
                    "constraints, an outer field, or atoms that are missing; no energy has such forces"
                    if wrong
                    else "converge the forces better, or subtract their mean",
                )
            )
    return findings


def duplicates(
    frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]], tolerance: float = TOLERANCE
) -> list[Finding]:
    """Structures that occur several times, and those among them whose labels contradict one another."""
    pairs = find_duplicates(frames, tolerance)
    findings = []
    for pair in pairs:
        first, second = labels[pair.first], labels[pair.second]
        if "energy" not in first or "energy" not in second:
            continue
        sizes = len(frames[pair.first]), len(frames[pair.second])
        gap = abs(float(first["energy"]) / sizes[0] - float(second["energy"]) / sizes[1])
        if gap > EQUAL + 3 * pair.distance * max(_rms_force(first), _rms_force(second)):
            findings.append(
                Finding(
                    "contradiction",
                    WRONG,
                    names_of(frames, (pair.first, pair.second)),
                    gap,
                    "eV/atom",
                    f"the same structure (within {pair.distance:.1e} Å) with energies {gap:.4f} eV/atom apart",
                    "find out which one is right and remove the other; settings or references may differ (then use heads)",
                )
            )
    for members in groups(pairs):
        findings.append(
            Finding(
                "duplicates",
                NOTE,
                names_of(frames, members),
                float(len(members)),
                "frames",
                f"{len(members)} frames are the same structure, up to rotation, reflection and repetition",
                "keep one, or keep all of them on one side of a split (data.group: KEY)",
            )
        )
    return findings


def _rms_force(label: dict[str, np.ndarray]) -> float:
    """eV/Å, 1 at least: strains, too, change the energy of structures that are not quite the same."""
    return max(1.0, float(np.sqrt((label["forces"] ** 2).mean()))) if "forces" in label else 1.0


def leakage(frames: Sequence[ase.Atoms], against: Sequence[ase.Atoms], tolerance: float = TOLERANCE) -> list[Finding]:
    """Frames that are in the other part too: errors on them say nothing about new structures."""
    return [
        Finding(
            "leakage",
            WRONG,
            [name_of(frames[pair.first], pair.first), name_of(against[pair.second], pair.second)],
            pair.distance,
            "Å",
            "the same structure is on both sides",
            "remove it from one side, or report errors with and without it",
        )
        for pair in shared(frames, against, tolerance)
    ]
