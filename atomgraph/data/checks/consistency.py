"""Checks of signs and units of labels, by comparison of energies, forces and stresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.data.checks.duplicates import duplicate_class
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import frame_names
from atomgraph.graph.neighbours import neighbours_within, vectors_to_neighbours
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.units import FORCE, PRESSURE

MIN_BULK_MODULUS, MAX_BULK_MODULUS = 0.5, 2000.0  # GPa; no material has a bulk modulus outside this range
SYMMETRY_CUTOFF = 4.0  # Å; neighbours within it decide whether an atom is at a symmetric site
MAX_STEP = 0.1  # Å; RMS displacement up to which the energy difference is the work of the mean force


def placeholders(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Find labels that are exactly zero in most frames, as programs write them in place of missing labels."""
    findings = []
    for name in QUANTITIES:
        labelled_frames = [number for number, label in enumerate(labels) if name in label and len(frames[number]) > 1]
        zero_frames = [number for number in labelled_frames if not labels[number][name].any()]
        if name == "forces":  # forces are zero by symmetry if all atoms are at symmetric sites
            zero_frames = [number for number in zero_frames if _is_asymmetric(frames[number])]
        if len(labelled_frames) >= 4 and len(zero_frames) > 0.5 * len(labelled_frames):
            findings.append(
                Finding(
                    "placeholder",
                    WRONG,
                    frame_names(frames, zero_frames),
                    float(len(zero_frames)),
                    "frames",
                    f"{name} is exactly zero in {len(zero_frames)} of {len(labelled_frames)} frames that have it",
                    f"the zeros stand for missing labels: remove the key of {name}, or name the right key (data.keys)",
                )
            )
    return findings


def stress_against_volume(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Check sign and unit of stresses by :math:`K = V\,\partial\sigma/\partial V` between frames of one composition.

    The stress of a crystal (positive in tension) increases with volume, with a bulk modulus of 0.5 to 2000 GPa. The check
    needs six frames, an absolute correlation above 0.8, and volumes that differ by at least 2 %.

    Args:
        frames: Structures.
        labels: Labels of each structure, by name, in eV and Å.
    """
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, (atoms, label) in enumerate(zip(frames, labels, strict=True)):
        if "stress" in label and atoms.pbc.all():
            groups[(*duplicate_class(atoms), str(atoms.info.get("config_type", "")))].append(number)
    findings = []
    for (formula, *_, config_type), members in groups.items():  # members: frame numbers
        log_volume = np.log([frames[number].cell.volume / len(frames[number]) for number in members])
        stress = np.array([np.trace(labels[number]["stress"]) / 3 for number in members])
        if len(members) < 6 or np.ptp(log_volume) < 0.02 or np.ptp(stress) == 0:
            continue
        correlation = float(np.corrcoef(log_volume, stress)[0, 1])
        modulus = float(np.polyfit(log_volume, stress, 1)[0]) / PRESSURE["GPa"]  # K = dσ / d ln V
        data_text = f"{len(members)} frames of {formula} ({config_type}), correlation {correlation:+.2f}"
        if correlation < -0.8:
            message = f"stress decreases as volume increases, a bulk modulus of {modulus:.3g} GPa ({data_text})"
            advice = (
                "stresses are positive in compression: set data.units.stress_sign: compression "
                "(for virials: virial_sign: tension)"
            )
        elif correlation > 0.8 and not MIN_BULK_MODULUS < modulus < MAX_BULK_MODULUS:
            message = f"stress against volume gives a bulk modulus of {modulus:.3g} GPa ({data_text})"
            advice = "the stresses have another unit: set data.units.stress (GPa, kbar, eV/Å^3, ...)"
        else:
            continue
        findings.append(Finding("stress", WRONG, frame_names(frames, members), modulus, "GPa", message, advice))
    return findings


def work_against_energy(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Check sign and unit of forces by :math:`E_2 - E_1 = -\tfrac12 (F_1 + F_2) \cdot (x_2 - x_1)` between consecutive frames.

    The check uses consecutive frames with the same atoms, the same cell and small displacements (molecular dynamics,
    relaxations, finite displacements). It needs at least four pairs of frames, whose energy differences are correlated with
    the work. A finding is made if energy differences divided by work are outside 0.8 to 1.25.

    Args:
        frames: Structures.
        labels: Labels of each structure, by name, in eV and Å.
    """
    work, energy_change, later_frames = [], [], []
    for number in range(1, len(frames)):
        frame_1, frame_2 = frames[number - 1], frames[number]
        if not _are_consecutive(frame_1, frame_2) or not all(
            {"energy", "forces"} <= labels[n].keys() for n in (number - 1, number)
        ):
            continue
        forces = 0.5 * (labels[number - 1]["forces"] + labels[number]["forces"])
        work.append(-float((forces * (frame_2.positions - frame_1.positions)).sum()))
        energy_change.append(float(labels[number]["energy"] - labels[number - 1]["energy"]))
        later_frames.append(number)
    if len(work) < 4 or not np.any(work) or not np.any(energy_change):
        return []
    ratio = float(np.dot(work, energy_change) / np.dot(work, work))
    square_correlation = np.dot(work, energy_change) ** 2 / (np.dot(work, work) * np.dot(energy_change, energy_change))
    if float(square_correlation) < 0.8 or 0.8 < ratio < 1.25:
        return []
    similar_unit = min(FORCE, key=lambda name: abs(np.log(FORCE[name] / abs(ratio))))
    unit_hint = (
        f"; the forces may be in {similar_unit}"
        if abs(np.log(FORCE[similar_unit] / abs(ratio))) < 0.1 and abs(ratio - 1) > 0.25
        else ""
    )
    return [
        Finding(
            "forces",
            WRONG if ratio < 0 or unit_hint else WARNING,
            frame_names(frames, later_frames),
            ratio,
            "",
            f"energy differences are {ratio:.3g} times the work of the forces over {len(work)} small displacements",
            "the forces have the wrong sign: set data.units.forces_sign: gradient (--unit forces_sign=gradient)"
            if ratio < 0
            else f"forces and energies have different units{unit_hint} (data.units)",
        )
    ]


def _is_asymmetric(atoms: ase.Atoms) -> bool:
    """Return whether an atom has more neighbours on one side than on the opposite side, within 4 Å."""
    centre, neighbour, shift = neighbours_within(atoms, SYMMETRY_CUTOFF)
    vector = vectors_to_neighbours(atoms, centre, neighbour, shift)
    length = np.linalg.norm(vector, axis=1)
    weight = (1 - length / SYMMETRY_CUTOFF) ** 2 / length  # weights unit vectors, and is zero at the cutoff
    neighbour_vectors = [np.bincount(centre, weight * vector[:, axis], minlength=len(atoms)) for axis in range(3)]
    return bool(np.abs(neighbour_vectors).max() > 1e-3)


def _are_consecutive(frame_1: ase.Atoms, frame_2: ase.Atoms) -> bool:
    """Return whether two frames have the same atoms and cell, and a small, nonzero displacement."""
    return (
        len(frame_1) == len(frame_2)
        and bool((frame_1.numbers == frame_2.numbers).all())
        and bool((frame_1.pbc == frame_2.pbc).all())
        and np.allclose(frame_1.cell.array, frame_2.cell.array, atol=1e-8)
        and 1e-6 < float(np.sqrt(((frame_2.positions - frame_1.positions) ** 2).sum(1).mean())) < MAX_STEP
    )
