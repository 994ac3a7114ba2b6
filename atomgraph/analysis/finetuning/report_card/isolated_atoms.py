"""Energies of isolated atoms before and after fine-tuning: changes of E0, and changes by the trained weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import ase

from atomgraph.analysis.report.tables import Column, Table
from atomgraph.potential import Potential


@dataclass(frozen=True)
class IsolatedAtom:
    """Energies of an isolated atom.

    Attributes:
        element: Chemical symbol.
        before: Energy before fine-tuning, eV.
        after: Energy after fine-tuning, eV.
        by_e0: Part of the change ``after − before`` that is a change of E0, eV.
    """

    element: str
    before: float
    after: float
    by_e0: float

    @property
    def by_weights(self) -> float:
        """Part of the change ``after − before`` that is due to the trained weights, eV."""
        return self.after - self.before - self.by_e0

    def to_json(self) -> dict[str, Any]:
        """Return all energies as JSON values."""
        return asdict(self) | {"by_weights": self.by_weights}


def compare_isolated_atoms(before: Potential, after: Potential, elements: Sequence[str]) -> list[IsolatedAtom]:
    """Compute the energies of isolated atoms with both potentials.

    Args:
        before: Potential before fine-tuning, with a chosen head.
        after: Potential after fine-tuning, with a chosen head.
        elements: Chemical symbols.
    """
    frames = [ase.Atoms(symbol) for symbol in elements]
    energies_before, energies_after = (
        [result["energy"] for result in potential.iter_predict(frames, forces=False, stress=False)]
        for potential in (before, after)
    )
    e0_before, e0_after = (potential.model.baseline.e0_of(str(potential.head)) for potential in (before, after))
    return [
        IsolatedAtom(symbol, energies_before[i], energies_after[i], e0_after[symbol] - e0_before[symbol])
        for i, symbol in enumerate(elements)
    ]


def isolated_atom_table(atoms: Sequence[IsolatedAtom]) -> Table:
    """Make a table with one row per element."""
    columns = [Column("element", is_text=True)]
    columns += [Column(name, "energy (eV)") for name in ("before", "after", "change by E0", "change by weights")]
    rows = [[a.element, f"{a.before:.4f}", f"{a.after:.4f}", f"{a.by_e0:+.4f}", f"{a.by_weights:+.4f}"] for a in atoms]
    return Table(columns, rows, title="Isolated atoms")
