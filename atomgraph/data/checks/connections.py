"""What a cutoff makes of structures: how many neighbours, how large graphs, and atoms that it leaves alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np

from atomgraph.data.checks.findings import WARNING, Finding
from atomgraph.data.frame_names import name_of, number_of
from atomgraph.graph.neighbours import neighbours_within


@dataclass(frozen=True)
class Connections:
    """Neighbours per atom (fewest, mean, most) and edges of a structure (most, all) within a cutoff, Å."""

    cutoff: float
    neighbours: tuple[int, float, int]
    most_edges: int
    n_edges: int

    def describe(self) -> str:
        """One line."""
        fewest, mean, most = self.neighbours
        return (
            f"within {self.cutoff:g} Å: {fewest} to {most} neighbours an atom, {mean:.1f} on average; "
            f"{number_of(self.n_edges, 'edge')} in all, {self.most_edges} in the largest graph"
        )


def connections(frames: Sequence[ase.Atoms], cutoff: float) -> Connections:
    """Count neighbours.

    Raises:
        GraphError: For a cutoff that is not positive.
    """
    counts = [neighbours_of(atoms, cutoff) for atoms in frames]
    together = np.concatenate(counts) if counts else np.zeros(1, dtype=int)
    return Connections(
        cutoff,
        (int(together.min()), float(together.mean()), int(together.max())),
        max((int(count.sum()) for count in counts), default=0),
        int(together.sum()),
    )


def lonely_atoms(frames: Sequence[ase.Atoms], cutoff: float) -> list[Finding]:
    """Atoms without any neighbour in structures of several: no model of this cutoff feels what holds them."""
    findings = []
    for number, atoms in enumerate(frames):
        lonely = np.flatnonzero(neighbours_of(atoms, cutoff) == 0)
        if len(atoms) > 1 and len(lonely):
            findings.append(
                Finding(
                    "lonely atom",
                    WARNING,
                    [name_of(atoms, number)],
                    float(len(lonely)),
                    "atoms",
                    f"{len(lonely)} of {len(atoms)} atoms, atom {lonely[0]} first, have no neighbour within {cutoff:g} Å",
                    "take a longer cutoff, unless the atoms are meant to be free; are positions and cell in Å?",
                )
            )
    return findings


def neighbours_of(atoms: ase.Atoms, cutoff: float) -> np.ndarray:
    """(n_atoms,) numbers of neighbours, periodic images included."""
    centre, _, _ = neighbours_within(atoms, cutoff)
    return np.bincount(centre, minlength=len(atoms))
