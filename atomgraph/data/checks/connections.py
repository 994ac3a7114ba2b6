"""Numbers of neighbours and edges within a cutoff, and atoms without neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ase
import numpy as np

from atomgraph.data.checks.findings import WARNING, Finding
from atomgraph.data.frame_names import format_count, frame_name
from atomgraph.graph.neighbours import neighbours_within
from atomgraph.old_names import OldAttribute, old_names_of


@dataclass(frozen=True)
class Connections:
    """Numbers of neighbours and edges of a list of structures.

    Attributes:
        cutoff: Cutoff radius, Å.
        neighbours: Smallest, mean and largest number of neighbours per atom.
        max_edges: Edges of the largest graph.
        n_edges: Edges of all structures.
    """

    cutoff: float
    neighbours: tuple[int, float, int]
    max_edges: int
    n_edges: int

    most_edges = OldAttribute("max_edges")

    def describe(self) -> str:
        """Return the numbers as one line of text."""
        smallest, mean, largest = self.neighbours
        return (
            f"within {self.cutoff:g} Å: {smallest} to {largest} neighbours per atom, {mean:.1f} on average; "
            f"{format_count(self.n_edges, 'edge')} in all, {self.max_edges} in the largest graph"
        )


def connections(frames: Sequence[ase.Atoms], cutoff: float) -> Connections:
    """Count neighbours and edges.

    Args:
        frames: Structures.
        cutoff: Cutoff radius, Å.

    Raises:
        GraphError: If the cutoff is not positive.
    """
    counts = [count_neighbours(atoms, cutoff) for atoms in frames]
    all_counts = np.concatenate(counts) if counts else np.zeros(1, dtype=int)
    return Connections(
        cutoff,
        (int(all_counts.min()), float(all_counts.mean()), int(all_counts.max())),
        max((int(count.sum()) for count in counts), default=0),
        int(all_counts.sum()),
    )


def atoms_without_neighbours(frames: Sequence[ase.Atoms], cutoff: float) -> list[Finding]:
    """Find atoms without neighbours in structures of several atoms: a model with this cutoff gives them no forces.

    Args:
        frames: Structures.
        cutoff: Cutoff radius, Å.
    """
    findings = []
    for number, atoms in enumerate(frames):
        isolated_atoms = np.flatnonzero(count_neighbours(atoms, cutoff) == 0)
        if len(atoms) > 1 and len(isolated_atoms):
            findings.append(
                Finding(
                    "lonely atom",
                    WARNING,
                    [frame_name(atoms, number)],
                    float(len(isolated_atoms)),
                    "atoms",
                    f"{len(isolated_atoms)} of {len(atoms)} atoms (the first is atom {isolated_atoms[0]}) have no neighbour "
                    f"within {cutoff:g} Å",
                    "use a longer cutoff, unless the atoms are meant to be free; are positions and cell in Å?",
                )
            )
    return findings


def count_neighbours(atoms: ase.Atoms, cutoff: float) -> np.ndarray:
    """Return the number of neighbours of each atom, (n_atoms,), periodic images included."""
    centre, _, _ = neighbours_within(atoms, cutoff)
    return np.bincount(centre, minlength=len(atoms))


__getattr__ = old_names_of(__name__)
