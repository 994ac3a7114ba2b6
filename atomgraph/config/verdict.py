"""Whether a fit is worth anything: warnings for weights that the data do not determine, and for errors as of no fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from atomgraph.analysis.comparison import Comparison

SMALL_PART = 1 / 3  # of the unknowns
NOTHING = 0.95  # of the labels' root mean square: errors above are no better than those of predicting nothing
_LEAST = {"energy": 0.01, "forces": 1e-4}  # meV/atom, eV/Å: labels that are all smaller say nothing


def warnings_of(comparisons: Mapping[str, Comparison], facts: Mapping[str, Any]) -> list[str]:
    """What is wrong with a fit as a whole, in words; nothing for a usual one.

    Args:
        comparisons: Predictions beside labels, by part of the data. Forces are judged where they are labelled, else energies.
        facts: Of the training; a fit in closed form says its ``rank`` and ``unknowns``.
    """
    found = []
    rank, unknowns = facts.get("rank"), facts.get("unknowns")
    if isinstance(rank, int) and isinstance(unknowns, int) and rank < SMALL_PART * unknowns:
        found.append(
            f"the data determine only {rank} of {unknowns} weights; atoms may see too few neighbours (look at the cutoff and "
            "the radii), or the structures are too few or too much alike"
        )
    name = "forces" if any("forces" in comparison.samples for comparison in comparisons.values()) else "energy"
    samples = [comparison.samples[name] for comparison in comparisons.values() if name in comparison.samples]
    if samples:
        labels, error = (
            float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))
            for parts in ([sample.reference for sample in samples], [sample.error for sample in samples])
        )
        if labels > _LEAST[name] and not error < NOTHING * labels:
            nothing, unit = "zero" if name == "forces" else "E0", samples[0].quantity.unit
            found.append(
                f"the errors of {name} ({', '.join(comparisons)}) are no better than those of predicting {nothing}: RMSE "
                f"{error:.3g} {unit}, labels' RMS {labels:.3g}; look at the units, signs and keys of the labels (atomgraph "
                "check), at the cutoff, and at the learning rate and number of epochs"
            )
    return found
