"""How well labels go with predictions: correlation and scale, with intervals that say how sure one can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from atomgraph.analysis.report.tables import format_number
from atomgraph.data.frame_names import format_count

FAR = 8.0  # times the typical size: structures beyond are left out, and numbers drawn in to there; outliers decide nothing
FEWEST = 4  # structures that an interval takes
RESAMPLES = 400


@dataclass(frozen=True)
class Agreement:
    r"""Labels y and predictions x of one quantity, outliers left out or drawn in.

    Intervals hold 95 % of what resampled structures give.

    Attributes:
        correlation: :math:`\sum xy / \sqrt{\sum x^2 \sum y^2}` of what is left after means were taken off where they
            say nothing (energies, stresses; not forces).
        ratio: :math:`\sqrt{\sum y^2 / \sum x^2}`, how much larger labels are; with a sign, and less what is noise, it
            is the regression coefficient :math:`\sum xy / \sum x^2`.
    """

    quantity: str
    n_structures: int
    correlation: float
    correlation_interval: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]

    @property
    def coefficient(self) -> float:
        """Of labels against predictions."""
        return self.correlation * self.ratio

    @property
    def strength(self) -> float:
        """The correlation that is certain, whatever its sign: the end of the interval nearer to 0, 0 where it spans it."""
        low, high = self.correlation_interval
        return min(abs(low), abs(high)) if low * high > 0 else 0.0

    def describe(self) -> str:
        """Correlation and scale in words, with intervals."""
        low, high = self.correlation_interval
        ratio, low_ratio, high_ratio = (format_number(value) for value in (self.ratio, *self.ratio_interval))
        return (
            f"correlation {self.correlation:+.2f} ({low:+.2f} to {high:+.2f}), "
            f"labels {ratio} times as large as predictions ({low_ratio} to {high_ratio}), "
            f"{format_count(self.n_structures, 'structure')}"
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values, with the coefficient."""
        return asdict(self) | {"slope": self.coefficient}


def agreement(quantity: str, labels: Sequence[np.ndarray], predictions: Sequence[np.ndarray]) -> Agreement | None:
    """Agreement of flat arrays, one of each a structure; None for fewer than four structures, or where either is all zero."""
    kept = [i for i, usual in enumerate(_usual(labels) & _usual(predictions)) if usual]
    if len(kept) < FEWEST:
        return None
    y, x = (_drawn_in([rows[i] for i in kept]) for rows in (labels, predictions))
    sums = np.array([[a @ b, a @ a, b @ b] for a, b in zip(x, y, strict=True)])  # (n_structures, 3)
    total = sums.sum(0)
    if not (total[1] > 0 and total[2] > 0):
        return None
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES) @ sums
    drawn = drawn[(drawn[:, 1:] > 0).all(axis=1)]
    correlations, ratios = _figures(drawn)
    correlation, ratio = _figures(total[None])
    return Agreement(
        quantity,
        len(sums),
        float(correlation[0]),
        _interval(correlations),
        float(ratio[0]),
        _interval(ratios),
    )


def _figures(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    xy, xx, yy = sums.T
    return xy / np.sqrt(xx * yy), np.sqrt(yy / xx)


def _interval(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _usual(rows: Sequence[np.ndarray]) -> np.ndarray:
    """(n_structures,) bool: of a size that most others have."""
    size = np.array([np.sqrt((row**2).mean()) for row in rows])
    typical = float(np.median(size)) if len(size) else 0.0
    return size <= FAR * typical if typical > 0 else np.ones(len(size), dtype=bool)


def _drawn_in(rows: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The same numbers, those far out brought to ± 8 robust standard deviations."""
    spread = 1.4826 * float(np.median(np.abs(np.concatenate(rows))))
    return [np.clip(row, -FAR * spread, FAR * spread) if spread > 0 else row for row in rows]
