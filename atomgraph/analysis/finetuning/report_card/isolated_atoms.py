"""Free atoms: their energies before and after, and how much of the change is E0's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ase

from atomgraph.analysis.report.tables import Column, Table
from atomgraph.potential import Potential


@dataclass(frozen=True)
class FreeAtom:
    """Energies of one atom alone, eV; what was moved in E0 itself, and what the trained weights added to it."""

    element: str
    before: float
    after: float
    by_e0: float

    @property
    def by_weights(self) -> float:
        return self.after - self.before - self.by_e0

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"by_weights": self.by_weights}


def free_atoms(before: Potential, after: Potential, elements: Sequence[str]) -> list[FreeAtom]:
    """Each element alone, with the heads that the two have chosen."""
    frames = [ase.Atoms(symbol) for symbol in elements]
    old, new = (
        [result["energy"] for result in potential.iter_predict(frames, forces=False, stress=False)]
        for potential in (before, after)
    )
    e0 = [potential.model.baseline.e0_of(str(potential.head)) for potential in (before, after)]
    return [
        FreeAtom(symbol, was, now, e0[1][symbol] - e0[0][symbol])
        for symbol, was, now in zip(elements, old, new, strict=True)
    ]


def atom_table(atoms: Sequence[FreeAtom]) -> Table:
    """A row an element."""
    columns = [Column("element", words=True)]
    columns += [Column(name, "energy (eV)") for name in ("before", "after", "change by E0", "change by weights")]
    rows = [[a.element, f"{a.before:.4f}", f"{a.after:.4f}", f"{a.by_e0:+.4f}", f"{a.by_weights:+.4f}"] for a in atoms]
    return Table(columns, rows, title="Free atoms")
