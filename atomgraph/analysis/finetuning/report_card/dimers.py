"""Energy curves of dimers before and after fine-tuning. Data rarely contain short distances, so errors often start there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import ase
import numpy as np
from ase.data import atomic_numbers, covalent_radii
from matplotlib.figure import Figure

from atomgraph.analysis.report.page import Block, Gallery, Picture
from atomgraph.analysis.report.plots import line_plot
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential

MIN_DISTANCE = 0.3  # Å
MAX_POINTS, MIN_POINTS = 60, 12  # largest and smallest number of points of a curve
MAX_DIMERS = 20_000  # largest number of dimers in all curves; with many pairs, curves have fewer points
PAIRS_PER_BATCH = 100  # pairs whose curves are predicted in one call
CORE_FRACTION = 0.75  # distances below this fraction of the sum of covalent radii are in the repulsive core
MIN_HOLE_DEPTH = 0.1  # eV; a smaller decrease of the energy towards the core is not a hole
N_SHOWN = 12  # curves in the report
PLOT_LIMIT = 30.0  # eV; limit of the y-axis


@dataclass(frozen=True, eq=False)
class DimerCurve:
    """Energies of a pair of atoms minus the energies of the isolated atoms.

    Attributes:
        pair: Chemical symbols of the atoms.
        distance: Distances, (n_points,), Å.
        before: Energies before fine-tuning, (n_points,), eV.
        after: Energies after fine-tuning, (n_points,), eV.
    """

    pair: tuple[str, str]
    distance: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def name(self) -> str:
        """Symbols of the two atoms, such as ``H–O``."""
        return "–".join(self.pair)

    @property
    def is_outside_core(self) -> np.ndarray:
        """True for distances outside the repulsive core, (n_points,)."""
        return self.distance >= CORE_FRACTION * sum(covalent_radii[atomic_numbers[symbol]] for symbol in self.pair)

    @property
    def change(self) -> float:
        """Largest absolute change of the energy outside the core, eV."""
        return float(np.abs(self.after - self.before)[self.is_outside_core].max(initial=0.0))

    @property
    def has_hole(self) -> tuple[bool, bool]:
        """Whether the energy decreases with decreasing distance inside the core, before and after fine-tuning.

        Atoms that reach such distances in a simulation collapse.
        """
        return _has_hole(self.before[~self.is_outside_core]), _has_hole(self.after[~self.is_outside_core])

    outside = OldAttribute("is_outside_core")
    holes = OldAttribute("has_hole")

    def to_json(self) -> dict[str, Any]:
        """Return pair, change, holes and curves as JSON values."""
        curves = {name: getattr(self, name).round(6).tolist() for name in ("distance", "before", "after")}
        hole = dict(zip(("before", "after"), self.has_hole, strict=True))
        return {"pair": list(self.pair), "change": self.change, "hole": hole, **curves}


def dimer_curves(before: Potential, after: Potential, elements: Sequence[str]) -> list[DimerCurve]:
    """Compute the curves of all pairs of elements, from 0.3 Å to the cutoff.

    Args:
        before: Potential before fine-tuning.
        after: Potential after fine-tuning.
        elements: Chemical symbols.
    """
    pairs = list(combinations_with_replacement(elements, 2))
    n_points = int(np.clip(MAX_DIMERS // max(len(pairs), 1), MIN_POINTS, MAX_POINTS))
    distance = np.linspace(MIN_DISTANCE, min(before.cutoff, after.cutoff), n_points)
    energies_before, energies_after = (
        _interaction_energies(potential, pairs, distance, elements) for potential in (before, after)
    )
    return [DimerCurve(pair, distance, energies_before[i], energies_after[i]) for i, pair in enumerate(pairs)]


def dimer_table(curves: Sequence[DimerCurve]) -> Table:
    """Make a table of the pairs with a hole after fine-tuning, and of the pairs with the largest changes."""
    ranked = sorted(curves, key=lambda curve: (-curve.has_hole[1], -curve.change))
    columns = [Column("pair", is_text=True), Column("largest change", "outside the core (eV)")]
    columns += [Column(name, "falls into the core", is_text=True) for name in ("before", "after")]
    rows = [
        [c.name, format_number(c.change), *("yes" if hole else "no" for hole in c.has_hole)] for c in ranked[:N_SHOWN]
    ]
    n_more = len(curves) - N_SHOWN
    more = f" {n_more} more pairs are in card.json." if n_more > 0 else ""
    note = f"Core: distances below {CORE_FRACTION} of the sum of covalent radii. Energies are relative to isolated atoms.{more}"
    return Table(columns, rows, title="Dimers, 0.3 Å to the cutoff", note=note)


def dimer_pictures(curves: Sequence[DimerCurve], target_elements: Iterable[str]) -> Block:
    """Plot the curves, first those of pairs of target elements, then those with the largest changes."""
    target = set(target_elements)
    ranked = sorted(curves, key=lambda curve: (not target.issuperset(curve.pair), -curve.change))
    return Gallery([Picture(_figure(c), f"dimer-{'-'.join(c.pair)}", c.name) for c in ranked[:N_SHOWN]])


def _figure(curve: DimerCurve) -> Figure:
    """Plot the energies before and after fine-tuning, clipped at ``PLOT_LIMIT``."""
    series = {}
    for name in ("before", "after"):
        energy = getattr(curve, name)
        series[name] = (curve.distance.tolist(), np.clip(energy, -PLOT_LIMIT, PLOT_LIMIT).tolist())
    return line_plot(series, xlabel="distance (Å)", ylabel="energy − isolated atoms (eV)", title=curve.name)


def _interaction_energies(
    potential: Potential, pairs: Sequence[tuple[str, str]], distance: np.ndarray, elements: Sequence[str]
) -> np.ndarray:
    """Return energies of pairs minus energies of isolated atoms, (n_pairs, n_points), eV.

    Pairs are predicted in batches, so that memory does not grow with the number of pairs.
    """
    isolated = dict(
        zip(elements, _energies(potential, [ase.Atoms(symbol) for symbol in elements]).tolist(), strict=True)
    )
    rows = []
    for begin in range(0, len(pairs), PAIRS_PER_BATCH):
        batch = pairs[begin : begin + PAIRS_PER_BATCH]
        frames = [ase.Atoms(pair, [[0, 0, 0], [0, 0, r]]) for pair in batch for r in distance]
        isolated_sums = np.array([[isolated[symbol_1] + isolated[symbol_2]] for symbol_1, symbol_2 in batch])
        rows.append(_energies(potential, frames).reshape(len(batch), len(distance)) - isolated_sums)
    return np.concatenate(rows)


def _energies(potential: Potential, frames: Sequence[ase.Atoms]) -> np.ndarray:
    """Return the energies of structures, (n_frames,), eV, without computing forces."""
    return np.array([result["energy"] for result in potential.iter_predict(frames, forces=False, stress=False)])


def _has_hole(energy: np.ndarray) -> bool:
    """Return whether an energy is lower than the energy at some larger distance, by more than ``MIN_HOLE_DEPTH``.

    Args:
        energy: Energies inside the core, by increasing distance, (n_points,), eV.
    """
    max_at_larger_distances = np.maximum.accumulate(energy[::-1])[::-1]
    return bool(np.any(max_at_larger_distances > energy + MIN_HOLE_DEPTH))
