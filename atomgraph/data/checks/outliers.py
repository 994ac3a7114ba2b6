"""Checks for outliers: energies and forces far from those of the other frames."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.data.checks.contacts import closest_contact
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import frame_name

MIN_FRAMES = 8  # smallest number of frames for a median and its spread
OUTLIER_SPREADS = 8.0  # deviation of an outlier from the median, in robust standard deviations
SIMILAR_SPREADS, RARE_FRACTION = 3.0, 0.03  # an energy is rare if at most 3 % of the frames are within 3 spreads of it
MIN_DEVIATION = 0.05  # eV/atom; smaller deviations are not outliers, and energies with a smaller difference are similar
IMPOSSIBLE_DEVIATION = 20.0  # eV/atom; only atoms at very short distances have such energies
CROWDED_CONTACT = 0.75  # distance divided by the sum of covalent radii; below, high energies are possible


def energy_outliers(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Find energies far from the energy of their composition.

    E0 is fitted by least squares; the fit is repeated without frames with large residuals. The residuals per atom are
    compared with the median and spread of their configuration type, or of all frames if the type has less than eight
    frames. A second group of frames, such as a melt beside a crystal, is not an outlier: a residual must also be rare, with
    at most 3 % of the frames close to it.

    Args:
        frames: Structures.
        labels: Labels of each structure, by name, in eV and Å.
    """
    labelled_frames = [number for number, label in enumerate(labels) if "energy" in label and len(frames[number]) > 1]
    if len(labelled_frames) < MIN_FRAMES:
        return []
    energies = np.array([float(labels[number]["energy"]) for number in labelled_frames])
    residual = _residuals([frames[number] for number in labelled_frames], energies)
    rows_by_type: dict[str, list[int]] = defaultdict(list)
    for row, number in enumerate(labelled_frames):
        rows_by_type[str(frames[number].info.get("config_type", "default"))].append(row)
    overall = _median_and_spread(residual)
    findings = []
    for config_type, rows in rows_by_type.items():
        type_residual = residual[rows]
        median, spread = _median_and_spread(type_residual) if len(rows) >= MIN_FRAMES else overall
        is_far = np.abs(type_residual - median) > max(OUTLIER_SPREADS * spread, MIN_DEVIATION)
        n_similar = _count_within(type_residual, max(SIMILAR_SPREADS * spread, MIN_DEVIATION))
        is_rare = n_similar <= max(2, RARE_FRACTION * len(rows))
        for index in np.flatnonzero(is_far & is_rare):
            number, deviation = labelled_frames[rows[index]], type_residual[index] - median
            atoms = frames[number]
            median_frames = config_type if len(rows) >= MIN_FRAMES else "all frames"
            is_impossible = abs(deviation) > IMPOSSIBLE_DEVIATION and closest_contact(atoms, CROWDED_CONTACT) is None
            findings.append(
                Finding(
                    "energy outlier",
                    WRONG if is_impossible else WARNING,
                    [frame_name(atoms, number)],
                    float(deviation),
                    "eV/atom",
                    f"the energy is {deviation:+.3f} eV/atom from the median of {median_frames} "
                    f"({abs(deviation) / max(spread, 1e-9):.0f} robust standard deviations)",
                    "examine structure and calculation: the energy may be not converged, or have another reference or unit",
                )
            )
    return findings


def force_outliers(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Find frames with a force above 100 eV/Å, or above 1 eV/Å and ten times the 90 % quantile of the largest forces."""
    max_forces = {
        number: float(np.linalg.norm(label["forces"], axis=1).max())
        for number, label in enumerate(labels)
        if "forces" in label
    }
    if len(max_forces) < MIN_FRAMES:
        return []
    quantile = float(np.quantile(list(max_forces.values()), 0.9))
    limit = min(max(10 * quantile, 1.0), 100.0)
    return [
        Finding(
            "force outlier",
            WARNING,
            [frame_name(frames[number], number)],
            force,
            "eV/Å",
            f"the largest force is {force:.1f} eV/Å; in 90 % of all frames, the largest force is below {quantile:.2f}",
            "remove the frame, give it a small weight, or use a Huber loss",
        )
        for number, force in max_forces.items()
        if force > limit
    ]


def _residuals(frames: Sequence[ase.Atoms], energy: np.ndarray) -> np.ndarray:
    """Return energies minus fitted E0, (n_frames,), eV/atom; E0 is fitted to the frames without outliers.

    Args:
        frames: Structures.
        energy: Energies of the structures, (n_frames,), eV.
    """
    counts = [Counter(atoms.numbers.tolist()) for atoms in frames]
    elements = sorted({number for count in counts for number in count})
    n_atoms = np.array([len(atoms) for atoms in frames])
    composition = np.array([[count[number] for number in elements] for count in counts]) / n_atoms[:, None]
    per_atom = energy / n_atoms
    is_inlier = _near_composition_median(composition, per_atom)
    residual = per_atom
    for _ in range(10):
        e0 = np.linalg.lstsq(composition[is_inlier], per_atom[is_inlier], rcond=1e-10)[0]
        residual = per_atom - composition @ e0
        median, spread = _median_and_spread(residual[is_inlier])
        is_new_inlier = np.abs(residual - median) <= max(OUTLIER_SPREADS * spread, MIN_DEVIATION)
        if (is_new_inlier == is_inlier).all():
            break
        is_inlier = is_new_inlier
    return residual


def _near_composition_median(composition: np.ndarray, per_atom: np.ndarray) -> np.ndarray:
    """Return which energies are near the median of their composition, (n_frames,) bool, for the first fit of E0.

    Args:
        composition: Fraction of each element, (n_frames, n_elements).
        per_atom: Energies, (n_frames,), eV/atom.
    """
    _, group = np.unique(composition.round(9), axis=0, return_inverse=True)
    is_near = np.ones(len(per_atom), dtype=bool)
    order = np.argsort(group.reshape(-1), kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group.reshape(-1)[order])) + 1):
        if len(members) >= 3:
            median, spread = _median_and_spread(per_atom[members])
            is_near[members] = np.abs(per_atom[members] - median) <= max(OUTLIER_SPREADS * spread, MIN_DEVIATION)
    return is_near


def _count_within(numbers: np.ndarray, distance: float) -> np.ndarray:
    """Return how many numbers are within a distance of each number, (n_numbers,); the number itself is counted."""
    ordered = np.sort(numbers)
    return np.searchsorted(ordered, numbers + distance, "right") - np.searchsorted(ordered, numbers - distance, "left")


def _median_and_spread(numbers: np.ndarray) -> tuple[float, float]:
    """Return the median, and 1.4826 times the median absolute deviation, a robust standard deviation."""
    median = float(np.median(numbers))
    return median, 1.4826 * float(np.median(np.abs(numbers - median)))
