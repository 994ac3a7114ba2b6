"""What is left of what the starting model knew: structures of the source, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.report_card.error_change import change_json, change_table
from atomgraph.analysis.report.page import Block, Text
from atomgraph.analysis.report.tables import format_number
from atomgraph.graph.structure import get_labels
from atomgraph.potential import Potential


@dataclass(frozen=True, eq=False)
class Retention:
    """Errors on the probe before and after, where it has labels; and how far predictions went from the starting model's.

    Attributes:
        by_itself: MAE of the starting model's own predictions against those after, eV/atom and eV/Å.
    """

    source: str
    n_structures: int
    before: Comparison | None
    after: Comparison | None
    by_itself: dict[str, float]

    @property
    def force_ratio(self) -> float | None:
        """Force MAE after, as a multiple of that before; None without labelled forces."""
        ratios = self.to_json().get("ratio", {})
        return ratios.get("forces")

    def blocks(self) -> list[Block]:
        """For the page."""
        energy, forces = format_number(1e3 * self.by_itself["energy"]), format_number(self.by_itself["forces"])
        words = f"Change of predictions by fine-tuning (MAE, with E0 of the source): {energy} meV/atom, {forces} eV/Å."
        if self.before is None or self.after is None:
            return [Text(f"Retention on {self.source}, which has no labels. {words}")]
        return [change_table(self.before, self.after, f"Retention on {self.source}", words)]

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {"source": self.source, "structures": self.n_structures, "by_itself": self.by_itself}
        if self.before is not None and self.after is not None:
            record |= change_json(self.before, self.after)
        return record


def retention(before: Potential, after: Potential, probe: Sequence[ase.Atoms], source: str) -> Retention:
    """Predict the probe with both.

    Args:
        before: The starting model, with the head of the source.
        after: With the head that is asked for the source now, and the source's E0.
        source: What the probe is called.
    """
    stress = any("stress" in get_labels(atoms) for atoms in probe)
    old, new = (potential.predict(list(probe), stress=stress) for potential in (before, after))
    energies = [abs(a["energy"] - b["energy"]) / len(atoms) for a, b, atoms in zip(old, new, probe, strict=True)]
    forces = np.concatenate([np.abs(a["forces"] - b["forces"]).ravel() for a, b in zip(old, new, strict=True)])
    by_itself = {"energy": float(np.mean(energies)), "forces": float(forces.mean())}
    with_labels, with_labels_after = (Comparison.from_predictions(probe, results) for results in (old, new))
    if not with_labels.samples:
        return Retention(source, len(probe), None, None, by_itself)
    return Retention(source, len(probe), with_labels, with_labels_after, by_itself)
