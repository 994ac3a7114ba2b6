"""Sums over the edges of an atom and the atoms of a structure.

All derivatives of torch's ``index_add`` are correct. The package torch-scatter is not used. Its functions ``segment_csr`` and
``segment_coo`` (and PyG's ``segment``) give wrong second derivatives without an error. Its function ``scatter`` is correct, but
takes 0.9 to 2.9 times as long as ``index_add`` on a CPU (docs/measurements/performance.md).
"""

from __future__ import annotations

from torch import Tensor


def sum_to(values: Tensor, index: Tensor, size: int) -> Tensor:
    r"""Sum rows that have the same target: :math:`y_t = \sum_{e:\, index_e = t} x_e`.

    Args:
        values: Rows x, (n_rows, ...).
        index: Target of each row, (n_rows,), int64 in [0, size).
        size: Number of targets.

    Returns:
        Sums y, (size, ...); zeros for targets without rows.
    """
    return values.new_zeros((size, *values.shape[1:])).index_add(0, index, values)
