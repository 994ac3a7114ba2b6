"""Labels that stand apart from all others."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import ase
import numpy as np

from atomgraph.data.checks.contacts import closest_contact
from atomgraph.data.checks.findings import WARNING, WRONG, Finding
from atomgraph.data.frame_names import name_of

FEWEST = 8  # frames from which a median and its spread mean something
FAR = 8.0  # robust standard deviations
SPREADS_ALIKE, RARE = 3.0, 0.03  # frames within 3 spreads resemble one another; what 3 % resemble is rare
LEAST = 0.05  # eV/atom: less than this is no outlier, however narrow the rest is
ABSURD = 20.0  # eV/atom off: no bond is so strong, and only atoms pressed into one another are so high
CROWDED = 0.75  # of the sum of covalent radii


def energy_outliers(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    r"""Energies far from what their composition says.

    E0 is fitted by least squares over all frames, again and again without those that lie far off; the residuals per atom are
    compared with the median and MAD of their configuration type (of all frames where the type has less than eight). A
    second group of frames, a melt beside a crystal, is no outlier: only what at most 3 % of the type resemble is.
    """
    chosen = [number for number, label in enumerate(labels) if "energy" in label and len(frames[number]) > 1]
    if len(chosen) < FEWEST:
        return []
    residual = _residuals([frames[n] for n in chosen], np.array([float(labels[n]["energy"]) for n in chosen]))
    kinds: dict[str, list[int]] = defaultdict(list)
    for place, number in enumerate(chosen):
        kinds[str(frames[number].info.get("config_type", "default"))].append(place)
    overall = _median_and_spread(residual)
    findings = []
    for kind, places in kinds.items():
        mine = residual[places]
        median, spread = _median_and_spread(mine) if len(places) >= FEWEST else overall
        far = np.abs(mine - median) > max(FAR * spread, LEAST)
        rare = _alike(mine, max(SPREADS_ALIKE * spread, LEAST)) <= max(2, RARE * len(places))
        for row in np.flatnonzero(far & rare):
            place, off = places[row], mine[row] - median
            atoms = frames[chosen[place]]
            findings.append(
                Finding(
                    "energy outlier",
                    WRONG if abs(off) > ABSURD and closest_contact(atoms, CROWDED) is None else WARNING,
                    [name_of(atoms, chosen[place])],
                    float(off),
                    "eV/atom",
                    f"its energy is {off:+.3f} eV/atom off the median of {kind} ({abs(off) / max(spread, 1e-9):.0f} spreads)",
                    "look at the structure and at the calculation: not converged, another reference, another unit?",
                )
            )
    return findings


def force_outliers(frames: Sequence[ase.Atoms], labels: Sequence[dict[str, np.ndarray]]) -> list[Finding]:
    """Frames whose largest force is ten times what nine of ten frames stay below, or above 100 eV/Å."""
    largest = {
        number: float(np.linalg.norm(label["forces"], axis=1).max())
        for number, label in enumerate(labels)
        if "forces" in label
    }
    if len(largest) < FEWEST:
        return []
    usual = float(np.quantile(list(largest.values()), 0.9))
    limit = min(max(10 * usual, 1.0), 100.0)
    return [
        Finding(
            "force outlier",
            WARNING,
            [name_of(frames[number], number)],
            size,
            "eV/Å",
            f"its largest force is {size:.1f} eV/Å, where 90 % of the frames stay below {usual:.2f}",
            "remove the frame, give it a small weight, or use a Huber loss",
        )
        for number, size in largest.items()
        if size > limit
    ]


def _residuals(frames: Sequence[ase.Atoms], energy: np.ndarray) -> np.ndarray:
    """(n_frames,) eV/atom beyond E0, with E0 fitted to the frames that agree with one another."""
    counts = [Counter(atoms.numbers.tolist()) for atoms in frames]
    elements = sorted({number for count in counts for number in count})
    n_atoms = np.array([len(atoms) for atoms in frames])
    share = np.array([[count[number] for number in elements] for count in counts]) / n_atoms[:, None]
    per_atom = energy / n_atoms
    kept = _near_own_composition(share, per_atom)
    residual = per_atom
    for _ in range(10):
        e0 = np.linalg.lstsq(share[kept], per_atom[kept], rcond=1e-10)[0]
        residual = per_atom - share @ e0
        median, spread = _median_and_spread(residual[kept])
        now = np.abs(residual - median) <= max(FAR * spread, LEAST)
        if (now == kept).all():
            break
        kept = now
    return residual


def _near_own_composition(share: np.ndarray, per_atom: np.ndarray) -> np.ndarray:
    """(n_frames,) bool: near the median of the same composition, which outliers do not move; what the first fit is made of."""
    _, kind = np.unique(share.round(9), axis=0, return_inverse=True)
    kept = np.ones(len(per_atom), dtype=bool)
    order = np.argsort(kind.reshape(-1), kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(kind.reshape(-1)[order])) + 1):
        if len(mine) >= 3:
            median, spread = _median_and_spread(per_atom[mine])
            kept[mine] = np.abs(per_atom[mine] - median) <= max(FAR * spread, LEAST)
    return kept


def _alike(numbers: np.ndarray, reach: float) -> np.ndarray:
    """(n,): how many of the numbers, itself among them, are within reach of each."""
    ordered = np.sort(numbers)
    return np.searchsorted(ordered, numbers + reach, "right") - np.searchsorted(ordered, numbers - reach, "left")


def _median_and_spread(numbers: np.ndarray) -> tuple[float, float]:
    """Median, and the MAD scaled so that it is the standard deviation of a normal distribution."""
    median = float(np.median(numbers))
    return median, 1.4826 * float(np.median(np.abs(numbers - median)))
