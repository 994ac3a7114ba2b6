"""Warnings for useless fits: weights that the data do not determine, errors as large as without a fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from atomgraph.analysis.comparison import Comparison, Sample

SMALL_PART = 1 / 3  # of the unknowns
NOTHING = 0.95  # of the RMS of the labels; larger errors are no better than those of predicting nothing
_LEAST = {"energy": 0.01, "forces": 1e-4}  # meV/atom, eV/Å; smaller labels are ignored


def fit_warnings(comparisons: Mapping[str, Comparison], facts: Mapping[str, Any]) -> list[str]:
    """Warnings about a fit as a whole; empty for a usual one.

    Args:
        comparisons: Predictions and labels, by part of the data.
        facts: Facts of the fit; those of a fit in closed form have ``rank`` and ``unknowns``.
    """
    warnings = []
    rank, unknowns = facts.get("rank"), facts.get("unknowns")
    if isinstance(rank, int) and isinstance(unknowns, int) and rank < SMALL_PART * unknowns:
        warnings.append(
            f"the data determine only {rank} of {unknowns} weights; atoms may see too few neighbours (look at the cutoff and "
            "the radii), or the structures are too few or too much alike"
        )
    for name in _LEAST:
        samples = [comparison.samples[name] for comparison in comparisons.values() if name in comparison.samples]
        if samples:
            warnings.extend(_no_better_than_nothing(name, samples, ", ".join(comparisons)))
    return warnings


def _no_better_than_nothing(name: str, samples: Sequence[Sample], parts: str) -> Iterator[str]:
    labels, error = (
        float(np.sqrt(np.mean(np.concatenate(rows) ** 2)))
        for rows in ([sample.reference for sample in samples], [sample.error for sample in samples])
    )
    if labels > _LEAST[name] and not error < NOTHING * labels:
        nothing, unit = "zero" if name == "forces" else "E0", samples[0].quantity.unit
        yield (
            f"the errors of {name} ({parts}) are no better than those of predicting {nothing}: RMSE {error:.3g} {unit}, "
            f"labels' RMS {labels:.3g}; look at the units, signs and keys of the labels (atomgraph check), at the cutoff, and "
            "at the learning rate and number of epochs"
        )
