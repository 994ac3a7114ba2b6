"""Two atoms alone, from nearly on top of one another to the cutoff: what data say least about, and fine-tuning spoils first."""

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
from atomgraph.potential import Potential

NEAREST = 0.3  # Å
FINE, COARSE, ALL_TOGETHER = 60, 12, 20_000  # points of a curve, and dimers in all where pairs are many
TOGETHER = 100  # pairs that are predicted in one go
CORE = 0.75  # of the sum of covalent radii: nearer than that, atoms repel one another
DROP = 0.1  # eV by which an energy must fall towards the core to be a hole
SHOWN = 12  # curves in the report
HIGH = 30.0  # eV: where plots end


@dataclass(frozen=True, eq=False)
class Dimer:
    """Energies of a pair of atoms above those of the free ones, eV, at distances (n_points,), Å, before and after."""

    pair: tuple[str, str]
    distance: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def name(self) -> str:
        return "–".join(self.pair)

    @property
    def outside(self) -> np.ndarray:
        """(n_points,) bool: where atoms may come to be in a simulation."""
        return self.distance >= CORE * sum(covalent_radii[atomic_numbers[symbol]] for symbol in self.pair)

    @property
    def change(self) -> float:
        """The largest change outside the core, eV."""
        return float(np.abs(self.after - self.before)[self.outside].max(initial=0.0))

    @property
    def holes(self) -> tuple[bool, bool]:
        """Whether the energy falls towards the core, so that atoms can fall into one another: before, and after."""
        return _falls(self.before[~self.outside]), _falls(self.after[~self.outside])

    def to_json(self) -> dict[str, Any]:
        curves = {name: getattr(self, name).round(6).tolist() for name in ("distance", "before", "after")}
        hole = dict(zip(("before", "after"), self.holes, strict=True))
        return {"pair": list(self.pair), "change": self.change, "hole": hole, **curves}


def dimers(before: Potential, after: Potential, elements: Sequence[str]) -> list[Dimer]:
    """The curves of all pairs of the elements from 0.3 Å to the cutoff; with fewer points where pairs are very many."""
    pairs = list(combinations_with_replacement(elements, 2))
    n_points = int(np.clip(ALL_TOGETHER // max(len(pairs), 1), COARSE, FINE))
    distance = np.linspace(NEAREST, min(before.cutoff, after.cutoff), n_points)
    energies = [_above_free(potential, pairs, distance, elements) for potential in (before, after)]
    return [Dimer(pair, distance, old, new) for pair, old, new in zip(pairs, *energies, strict=True)]


def dimer_table(curves: Sequence[Dimer]) -> Table:
    """The pairs that changed most, and those with a hole."""
    ranked = sorted(curves, key=lambda curve: (-curve.holes[1], -curve.change))
    columns = [Column("pair", words=True), Column("largest change", "outside the core (eV)")]
    columns += [Column("before", "falls into the core", words=True), Column("after", "falls into the core", words=True)]
    rows = [[c.name, format_number(c.change), *("yes" if hole else "no" for hole in c.holes)] for c in ranked[:SHOWN]]
    more = f" {len(curves) - SHOWN} more pairs are in card.json." if len(curves) > SHOWN else ""
    note = f"The core: nearer than {CORE} of the sum of covalent radii. Energies are above those of free atoms.{more}"
    return Table(columns, rows, title="Dimers, 0.3 Å to the cutoff", note=note)


def dimer_pictures(curves: Sequence[Dimer], of_target: Iterable[str]) -> Block:
    """Curves of pairs, those of the target's elements first."""
    known = set(of_target)
    ranked = sorted(curves, key=lambda curve: (not known.issuperset(curve.pair), -curve.change))
    return Gallery([Picture(_figure(c), f"dimer-{'-'.join(c.pair)}", c.name) for c in ranked[:SHOWN]])


def _figure(curve: Dimer) -> Figure:
    shown = {}
    for name in ("before", "after"):
        energy = getattr(curve, name)
        shown[name] = (curve.distance.tolist(), np.clip(energy, -HIGH, HIGH).tolist())
    return line_plot(shown, xlabel="distance (Å)", ylabel="eV above free atoms", title=curve.name)


def _above_free(
    potential: Potential, pairs: Sequence[tuple[str, str]], distance: np.ndarray, elements: Sequence[str]
) -> np.ndarray:
    """(n_pairs, n_points) eV; so many pairs at a time that the structures of all of them are never there at once."""
    free = dict(zip(elements, _energies(potential, [ase.Atoms(symbol) for symbol in elements]).tolist(), strict=True))
    rows = []
    for begin in range(0, len(pairs), TOGETHER):
        some = pairs[begin : begin + TOGETHER]
        frames = [ase.Atoms(pair, [[0, 0, 0], [0, 0, r]]) for pair in some for r in distance]
        of_atoms = np.array([[free[first] + free[second]] for first, second in some])
        rows.append(_energies(potential, frames).reshape(len(some), len(distance)) - of_atoms)
    return np.concatenate(rows)


def _energies(potential: Potential, frames: Sequence[ase.Atoms]) -> np.ndarray:
    """Energies, (n_frames,), eV; forces are not computed."""
    return np.array([result["energy"] for result in potential.iter_predict(frames, forces=False, stress=False)])


def _falls(energy: np.ndarray) -> bool:
    """Whether energies, from the nearest on, are somewhere higher than nearer by."""
    return bool(np.any(np.maximum.accumulate(energy[::-1])[::-1] > energy + DROP))
