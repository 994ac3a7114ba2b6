"""Warnings about useless fits: weights that the data do not determine, or errors as large as the labels themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from atomgraph.analysis.comparison import Comparison, Sample

MIN_RANK_FRACTION = 1 / 3  # smallest rank of a fit without warning, relative to the number of unknowns
MAX_RELATIVE_ERROR = 0.95  # largest RMSE of a fit without warning, relative to the RMS of the labels
_MIN_LABEL_RMS = {"energy": 0.01, "forces": 1e-4}  # meV/atom, eV/Å; labels with a smaller RMS give no warning


def fit_warnings(comparisons: Mapping[str, Comparison], facts: Mapping[str, Any]) -> list[str]:
    """Return warnings about a fit; empty for a useful fit.

    Args:
        comparisons: Predictions and labels, by part of the data.
        facts: Facts of the fit; a fit in closed form has ``rank`` and ``unknowns``, the number of fitted weights.
    """
    warnings = []
    rank, unknowns = facts.get("rank"), facts.get("unknowns")
    if isinstance(rank, int) and isinstance(unknowns, int) and rank < MIN_RANK_FRACTION * unknowns:
        warnings.append(
            f"the data determine only {rank} of {unknowns} weights; atoms may have too few neighbours (check the cutoff and "
            "the radii), or there are too few structures, or the structures are too similar"
        )
    for name in _MIN_LABEL_RMS:
        samples = [comparison.samples[name] for comparison in comparisons.values() if name in comparison.samples]
        if samples:
            warnings.extend(_large_error_warnings(name, samples, ", ".join(comparisons)))
    return warnings


def _large_error_warnings(name: str, samples: Sequence[Sample], parts: str) -> Iterator[str]:
    """Yield a warning if the RMSE of a property is about as large as the RMS of its labels.

    Args:
        name: The property, ``energy`` (relative to E0) or ``forces``.
        samples: Predictions and labels of the property.
        parts: Names of the parts of the data, for the message.
    """
    label_rms, rmse = (
        float(np.sqrt(np.mean(np.concatenate(rows) ** 2)))
        for rows in ([sample.reference for sample in samples], [sample.error for sample in samples])
    )
    if label_rms > _MIN_LABEL_RMS[name] and not rmse < MAX_RELATIVE_ERROR * label_rms:
        trivial_prediction, unit = "zero" if name == "forces" else "E0", samples[0].quantity.unit
        yield (
            f"the errors of {name} ({parts}) are not smaller than those of predicting {trivial_prediction}: "
            f"RMSE {rmse:.3g} {unit}, RMS of the labels {label_rms:.3g} {unit}; check the units, signs and keys of the labels "
            "(atomgraph check), the cutoff, the learning rate and the number of epochs"
        )
