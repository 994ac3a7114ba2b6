"""Correlation and scale between labels and predictions, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atomgraph.analysis.report.tables import format_number
from atomgraph.data.frame_names import format_count
from atomgraph.old_names import OldAttribute

#: Limit for outliers. Structures whose RMS exceeds 8 times the median RMS are omitted. Then all values are clipped at 8 robust
#: standard deviations.
OUTLIER_LIMIT = 8.0
MIN_STRUCTURES = 4  # fewest structures for a confidence interval
N_RESAMPLES = 400  # number of bootstrap samples


@dataclass(frozen=True)
class Agreement:
    r"""Correlation and ratio of labels y and predictions x of one quantity, without outliers.

    The caller passes energies as residuals of a linear fit to the composition, and stresses minus their median. Intervals
    contain 95 % of the bootstrap samples.

    Attributes:
        quantity: Name of the quantity.
        n_structures: Number of structures, without outliers.
        correlation: :math:`\sum xy / \sqrt{\sum x^2 \sum y^2}`.
        correlation_interval: Lower and upper end of the interval of the correlation.
        ratio: RMS of the labels divided by the RMS of the predictions, :math:`\sqrt{\sum y^2 / \sum x^2}`.
        ratio_interval: Lower and upper end of the interval of the ratio.
    """

    quantity: str
    n_structures: int
    correlation: float
    correlation_interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]

    strength = OldAttribute("min_abs_correlation")

    @property
    def coefficient(self) -> float:
        r"""Regression coefficient of labels on predictions, :math:`\sum xy / \sum x^2`."""
        return self.correlation * self.ratio

    @property
    def min_abs_correlation(self) -> float:
        """Smallest absolute value in ``correlation_interval``; 0 if the interval contains 0."""
        low, high = self.correlation_interval
        return min(abs(low), abs(high)) if low * high > 0 else 0.0

    def describe(self) -> str:
        """Return correlation and ratio as text, with their intervals."""
        low, high = self.correlation_interval
        ratio, low_ratio, high_ratio = (format_number(value) for value in (self.ratio, *self.ratio_interval))
        return (
            f"correlation {self.correlation:+.2f} ({low:+.2f} to {high:+.2f}), "
            f"labels {ratio} times as large as predictions ({low_ratio} to {high_ratio}), "
            f"{format_count(self.n_structures, 'structure')}"
        )

    def to_json(self) -> dict[str, Any]:
        """Return all fields and the regression coefficient as JSON values."""
        return asdict(self) | {"slope": self.coefficient}

    slope = OldAttribute("coefficient")


def compute_agreement(
    quantity: str, labels: Sequence[np.ndarray], predictions: Sequence[np.ndarray]
) -> Agreement | None:
    """Compute the agreement of labels and predictions.

    Args:
        quantity: Name of the quantity.
        labels: Labels of each structure, as a flat array.
        predictions: Predictions of each structure, as a flat array with the length and the unit of the labels.

    Returns:
        The agreement; None for fewer than four structures, or if all labels or all predictions are zero.
    """
    rows = np.flatnonzero(_has_usual_rms(labels) & _has_usual_rms(predictions)).tolist()
    if len(rows) < MIN_STRUCTURES:
        return None
    y, x = (_clip([values[i] for i in rows]) for values in (labels, predictions))
    # sums of xy, xx and yy over the values of each structure, (n_structures, 3)
    sums = np.array([[a @ b, a @ a, b @ b] for a, b in zip(x, y, strict=True)])
    total = sums.sum(0)
    if not (total[1] > 0 and total[2] > 0):
        return None
    rng = np.random.default_rng(0)
    samples = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=N_RESAMPLES) @ sums  # (N_RESAMPLES, 3)
    samples = samples[(samples[:, 1:] > 0).all(axis=1)]
    correlations, ratios = _correlation_and_ratio(samples)
    correlation, ratio = _correlation_and_ratio(total[None])
    return Agreement(
        quantity,
        len(sums),
        float(correlation[0]),
        _interval(correlations),
        float(ratio[0]),
        _interval(ratios),
    )


def _correlation_and_ratio(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return correlations and ratios, (n,), from the sums of xy, xx and yy, (n, 3)."""
    xy, xx, yy = sums.T
    return xy / np.sqrt(xx * yy), np.sqrt(yy / xx)


def _interval(values: np.ndarray) -> tuple[float, float]:
    """Return the interval that contains 95 % of the values."""
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _has_usual_rms(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return a mask, (n_structures,), that is False for arrays whose RMS exceeds ``OUTLIER_LIMIT`` times the median RMS."""
    rms = np.array([np.sqrt((array**2).mean()) for array in arrays])
    median = float(np.median(rms)) if len(rms) else 0.0
    return rms <= OUTLIER_LIMIT * median if median > 0 else np.ones(len(rms), dtype=bool)


def _clip(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Clip all values at 8 robust standard deviations."""
    std = 1.4826 * float(np.median(np.abs(np.concatenate(arrays))))
    return [np.clip(array, -OUTLIER_LIMIT * std, OUTLIER_LIMIT * std) if std > 0 else array for array in arrays]
