"""Runs all data checks, and sorts their findings by severity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ase
import numpy as np

from atomgraph.data.checks.connections import atoms_without_neighbours
from atomgraph.data.checks.consistency import placeholders, stress_against_volume, work_against_energy
from atomgraph.data.checks.contacts import short_contacts
from atomgraph.data.checks.duplicates import TOLERANCE, find_duplicates, find_shared, group_pairs
from atomgraph.data.checks.findings import NOTE, WARNING, WRONG, Finding
from atomgraph.data.checks.outliers import energy_outliers, force_outliers
from atomgraph.data.frame_names import frame_name, frame_names
from atomgraph.graph.structure import get_labels

MAX_ENERGY_DIFFERENCE = 1e-3  # eV/atom; largest accepted difference between the energies of duplicates
NET_FORCE_WARNING, NET_FORCE_WRONG = 0.005, 0.05  # smallest net forces of findings with this severity, eV/Å per atom


def examine(
    frames: Iterable[ase.Atoms],
    *,
    against: Iterable[ase.Atoms] | None = None,
    cutoff: float | None = None,
    tolerance: float = TOLERANCE,
) -> list[Finding]:
    """Run all checks and return the findings, the most severe first.

    Args:
        frames: Structures from ``data.read``, in any iterable.
        against: Structures of another part of the data, such as the training part; structures in both parts are ``wrong``.
        cutoff: Cutoff radius, Å, for the check of atoms without neighbours; None skips this check.
        tolerance: Largest RMS displacement between duplicates, Å.
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
        findings += atoms_without_neighbours(frames, cutoff)
    if against is not None:
        findings += leakage(frames, list(against), tolerance)
    order = [WRONG, WARNING, NOTE]
    return sorted(findings, key=lambda finding: order.index(finding.severity))


def net_forces(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Find frames with forces that do not sum to zero, as they should without external fields."""
    findings = []
    for number, (atoms, label) in enumerate(zip(frames, labels, strict=True)):
        if "forces" not in label:
            continue
        net_force = float(np.linalg.norm(label["forces"].sum(0))) / len(atoms)
        rms_force = float(np.sqrt((label["forces"] ** 2).mean()))
        if net_force > max(NET_FORCE_WARNING, 0.01 * rms_force):
            is_wrong = net_force > max(NET_FORCE_WRONG, 0.1 * rms_force)
            findings.append(
                Finding(
                    "net force",
                    WRONG if is_wrong else WARNING,
                    [frame_name(atoms, number)],
                    net_force,
                    "eV/Å per atom",
                    f"forces do not add up to zero: {net_force:.4f} eV/Å per atom remain (RMS force {rms_force:.3f})",
                    "check for constraints, external fields and missing atoms; these forces are not the gradient of an energy"
                    if is_wrong
                    else "converge the forces better, or subtract their mean",
                )
            )
    return findings


def duplicates(
    frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]], tolerance: float = TOLERANCE
) -> list[Finding]:
    """Find structures that occur several times, and duplicates with different energies.

    Args:
        frames: Structures.
        labels: Labels of each structure, by name, in eV and Å.
        tolerance: Largest RMS displacement between duplicates, Å.
    """
    pairs = find_duplicates(frames, tolerance)
    findings = []
    for pair in pairs:
        first_labels, second_labels = labels[pair.first], labels[pair.second]
        if "energy" not in first_labels or "energy" not in second_labels:
            continue
        first_energy = float(first_labels["energy"]) / len(frames[pair.first])
        second_energy = float(second_labels["energy"]) / len(frames[pair.second])
        difference = abs(first_energy - second_energy)
        rms_force = max(_rms_force(first_labels), _rms_force(second_labels))
        # displacement · force, with a margin of 3
        if difference > MAX_ENERGY_DIFFERENCE + 3 * pair.distance * rms_force:
            findings.append(
                Finding(
                    "contradiction",
                    WRONG,
                    frame_names(frames, (pair.first, pair.second)),
                    difference,
                    "eV/atom",
                    f"the same structure (within {pair.distance:.1e} Å) with energies {difference:.4f} eV/atom apart",
                    "remove the frame with the wrong energy; if settings or reference energies differ, "
                    "use one head for each setting",
                )
            )
    for members in group_pairs(pairs):
        findings.append(
            Finding(
                "duplicates",
                NOTE,
                frame_names(frames, members),
                float(len(members)),
                "frames",
                f"{len(members)} frames are the same structure, up to rotation, reflection and repetition of the cell",
                "keep one of them, or keep all of them in one part of a split (data.group: KEY)",
            )
        )
    return findings


def _rms_force(label: dict[str, np.ndarray]) -> float:
    """Return the RMS force, at least 1 eV/Å: forces can be zero although a strain changes the energy."""
    return max(1.0, float(np.sqrt((label["forces"] ** 2).mean()))) if "forces" in label else 1.0


def leakage(frames: Sequence[ase.Atoms], against: Sequence[ase.Atoms], tolerance: float = TOLERANCE) -> list[Finding]:
    """Find frames with a duplicate in the other part: their errors do not show the accuracy for new structures.

    Args:
        frames: Structures of one part.
        against: Structures of the other part.
        tolerance: Largest RMS displacement between duplicates, Å.
    """
    return [
        Finding(
            "leakage",
            WRONG,
            [frame_name(frames[pair.first], pair.first), frame_name(against[pair.second], pair.second)],
            pair.distance,
            "Å",
            "the same structure is in both parts",
            "remove it from one part, or report errors with and without it",
        )
        for pair in find_shared(frames, against, tolerance)
    ]
