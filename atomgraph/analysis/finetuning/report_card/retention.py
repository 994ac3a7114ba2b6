"""Retention: errors on structures of the source dataset before and after fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ase
import numpy as np

from atomgraph.analysis.comparison import Comparison
from atomgraph.analysis.finetuning.report_card.error_change import error_change_json, error_change_table
from atomgraph.analysis.report.page import Block, Text
from atomgraph.analysis.report.tables import format_number
from atomgraph.graph.structure import get_labels
from atomgraph.old_names import OldAttribute
from atomgraph.potential import Potential


@dataclass(frozen=True, eq=False)
class Retention:
    """Errors and changes of predictions on structures of the source dataset.

    Attributes:
        source: Name of the structures.
        n_structures: Number of structures.
        before: Labels, and predictions of the starting model; None without labels.
        after: Labels, and predictions after fine-tuning; None without labels.
        prediction_change: MAE between predictions before and after fine-tuning: ``energy``, eV/atom, and ``forces``, eV/Å.
    """

    source: str
    n_structures: int
    before: Comparison | None
    after: Comparison | None
    prediction_change: dict[str, float]

    by_itself = OldAttribute("prediction_change")

    @property
    def force_ratio(self) -> float | None:
        """Force MAE after divided by force MAE before; None without labelled forces."""
        ratios = self.to_json().get("ratio", {})
        return ratios.get("forces")

    def blocks(self) -> list[Block]:
        """Return the content for the report."""
        energy = format_number(1e3 * self.prediction_change["energy"])
        forces = format_number(self.prediction_change["forces"])
        text = f"Change of predictions by fine-tuning (MAE, with E0 of the source): {energy} meV/atom, {forces} eV/Å."
        if self.before is None or self.after is None:
            return [Text(f"Retention on {self.source}, which has no labels. {text}")]
        return [error_change_table(self.before, self.after, f"Retention on {self.source}", text)]

    def to_json(self) -> dict[str, Any]:
        """Return errors and changes of predictions as JSON values."""
        record: dict[str, Any] = {
            "source": self.source,
            "structures": self.n_structures,
            "by_itself": self.prediction_change,
        }
        if self.before is not None and self.after is not None:
            record |= error_change_json(self.before, self.after)
        return record


def measure_retention(before: Potential, after: Potential, probe: Sequence[ase.Atoms], source: str) -> Retention:
    """Predict structures of the source dataset with both potentials, and compare the results.

    Args:
        before: The starting model, with the head of the source.
        after: The potential after fine-tuning, with its head for the source and the E0 of the source.
        probe: Structures of the source dataset, with or without labels.
        source: Name of the structures.
    """
    stress = any("stress" in get_labels(atoms) for atoms in probe)
    results_before, results_after = (potential.predict(list(probe), stress=stress) for potential in (before, after))
    pairs = list(zip(results_before, results_after, strict=True))
    energies = [abs(a["energy"] - b["energy"]) / len(atoms) for (a, b), atoms in zip(pairs, probe, strict=True)]
    forces = np.concatenate([np.abs(a["forces"] - b["forces"]).ravel() for a, b in pairs])
    prediction_change = {"energy": float(np.mean(energies)), "forces": float(forces.mean())}
    comparison_before = Comparison.from_predictions(probe, results_before)
    if not comparison_before.samples:
        return Retention(source, len(probe), None, None, prediction_change)
    comparison_after = Comparison.from_predictions(probe, results_after)
    return Retention(source, len(probe), comparison_before, comparison_after, prediction_change)
