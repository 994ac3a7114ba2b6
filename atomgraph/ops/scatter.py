"""Sums over the edges of an atom and the atoms of a structure.

``index_add`` is right to every derivative. torch-scatter is not used: its ``segment_csr`` and ``segment_coo`` (and PyG's
``segment``) give wrong second derivatives without an error. Its ``scatter`` is right, but takes 0.9 to 2.9 times as long as
``index_add`` on a CPU (docs/measurements/performance.md).
"""

from __future__ import annotations

from torch import Tensor


def sum_to(values: Tensor, index: Tensor, size: int) -> Tensor:
    r"""Sum rows that share a target: :math:`y_t = \sum_{e:\, index_e = t} x_e`.

    Args:
        values: (n_rows, ...).
        index: (n_rows,) int64 in [0, size).

    Returns:
        (size, ...), zeros where no row points.
    """
    return values.new_zeros((size, *values.shape[1:])).index_add(0, index, values)
