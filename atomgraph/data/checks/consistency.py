"""Labels against one another: signs and units that contradict physics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.data.checks.duplicates import kind_of
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import names_of
from atomgraph.graph.neighbours import neighbours_within, vectors_to_neighbours
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.units import FORCE, PRESSURE

SOFT, STIFF = 0.5, 2000.0  # GPa: bulk moduli beyond these are of no material
REACH = 4.0  # Å: whose neighbours may pull at an atom
SMALL_STEP = 0.1  # Å: displacements over which energy is a straight line along the mean force


def placeholders(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Labels that are exactly zero in most frames: written by a program that had none."""
    findings = []
    for name in QUANTITIES:
        labelled = [number for number, label in enumerate(labels) if name in label and len(frames[number]) > 1]
        zero = [number for number in labelled if not labels[number][name].any()]
        if name == "forces":  # where every atom sits in the middle of its neighbours, forces are zero by symmetry
            zero = [number for number in zero if _lopsided(frames[number])]
        if len(labelled) >= 4 and len(zero) > 0.5 * len(labelled):
            findings.append(
                Finding(
                    "placeholder",
                    WRONG,
                    names_of(frames, zero),
                    float(len(zero)),
                    "frames",
                    f"{name} is exactly zero in {len(zero)} of {len(labelled)} frames that have it",
                    f"it is no label but an empty field: take the key of {name} out, or name the right one (data.keys)",
                )
            )
    return findings


def stress_against_volume(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Sign and unit of stresses, from :math:`K = V\,\partial\sigma/\partial V` between frames of one composition.

    The stress of a crystal (positive in tension) grows with volume, and the derivative is a bulk modulus of 0.5 to 2000 GPa.
    Checked where volumes differ by 2 % at least and the correlation is clear.
    """
    kinds: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, (atoms, label) in enumerate(zip(frames, labels, strict=True)):
        if "stress" in label and atoms.pbc.all():
            kinds[(*kind_of(atoms), str(atoms.info.get("config_type", "")))].append(number)
    findings = []
    for kind, members in kinds.items():
        volume = np.log([frames[number].cell.volume / len(frames[number]) for number in members])
        stress = np.array([np.trace(labels[number]["stress"]) / 3 for number in members])
        if len(members) < 6 or np.ptp(volume) < 0.02 or np.ptp(stress) == 0:
            continue
        correlation = float(np.corrcoef(volume, stress)[0, 1])
        modulus = float(np.polyfit(volume, stress, 1)[0]) / PRESSURE["GPa"]
        where = f"{len(members)} frames of {kind[0]} ({kind[-1]}), correlation {correlation:+.2f}"
        if correlation < -0.8:
            message = f"stress falls as volume grows, a bulk modulus of {modulus:.3g} GPa ({where})"
            advice = "the sign is that of compression: set data.units.stress_sign: compression (for virials: tension)"
        elif correlation > 0.8 and not SOFT < modulus < STIFF:
            message = f"stress against volume gives a bulk modulus of {modulus:.3g} GPa ({where})"
            advice = "the unit is another one: set data.units.stress (GPa, kbar, eV/Å^3, ...)"
        else:
            continue
        findings.append(Finding("stress", WRONG, names_of(frames, members), modulus, "GPa", message, advice))
    return findings


def work_against_energy(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Sign and unit of forces, from :math:`E_2 - E_1 = -\tfrac12 (F_1 + F_2) \cdot (x_2 - x_1)` between neighbouring frames.

    Taken between frames that follow one another with the same atoms in the same cell and small displacements (molecular
    dynamics, relaxations, finite displacements); checked where four pairs at least agree with one another.
    """
    work, gain, members = [], [], []
    for number in range(1, len(frames)):
        before, after = frames[number - 1], frames[number]
        if not _near(before, after) or not all({"energy", "forces"} <= labels[n].keys() for n in (number - 1, number)):
            continue
        forces = 0.5 * (labels[number - 1]["forces"] + labels[number]["forces"])
        work.append(-float((forces * (after.positions - before.positions)).sum()))
        gain.append(float(labels[number]["energy"] - labels[number - 1]["energy"]))
        members.append(number)
    if len(work) < 4 or not np.any(work) or not np.any(gain):
        return []
    ratio = float(np.dot(work, gain) / np.dot(work, work))
    agreement = float(np.dot(work, gain) ** 2 / (np.dot(work, work) * np.dot(gain, gain)))
    if agreement < 0.8 or 0.8 < ratio < 1.25:
        return []
    unit = min(FORCE, key=lambda name: abs(np.log(FORCE[name] / abs(ratio))))
    named = f"; they may be in {unit}" if abs(np.log(FORCE[unit] / abs(ratio))) < 0.1 and abs(ratio - 1) > 0.25 else ""
    return [
        Finding(
            "forces",
            WRONG if ratio < 0 or named else WARNING,
            names_of(frames, members),
            ratio,
            "",
            f"energy differences are {ratio:.3g} times the work of the forces over {len(work)} small displacements",
            "the forces have the wrong sign: set data.units.forces_sign: gradient (--unit forces_sign=gradient)"
            if ratio < 0
            else f"forces and energies have different units{named} (data.units)",
        )
    ]


def _lopsided(atoms: ase.Atoms) -> bool:
    """Whether an atom has more neighbours on one side than on the other, within 4 Å."""
    centre, neighbour, shift = neighbours_within(atoms, REACH)
    vector = vectors_to_neighbours(atoms, centre, neighbour, shift)
    length = np.linalg.norm(vector, axis=1)
    pull = (1 - length / REACH) ** 2 / length
    sums = [np.bincount(centre, pull * vector[:, axis], minlength=len(atoms)) for axis in range(3)]
    return bool(np.abs(sums).max() > 1e-3)


def _near(before: ase.Atoms, after: ase.Atoms) -> bool:
    return (
        len(before) == len(after)
        and bool((before.numbers == after.numbers).all())
        and bool((before.pbc == after.pbc).all())
        and np.allclose(before.cell.array, after.cell.array, atol=1e-8)
        and 1e-6 < float(np.sqrt(((after.positions - before.positions) ** 2).sum(1).mean())) < SMALL_STEP
    )
