"""Triangular factor of many rows by QR, block by block, in bounded memory."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.solvers.row_accumulator import RowAccumulator
from atomgraph.fitting.solvers.triangular import TriangularFactor, triangularise


class StreamingQR(RowAccumulator):
    r"""Triangular factor of all rows, updated by QR of the factor on top of new rows.

    .. math:: \begin{pmatrix} R & Q^Ty \\ X_b & y_b \end{pmatrix} = Q'\begin{pmatrix} R' & Q'^Ty \\ 0 & e \end{pmatrix}

    with the rows :math:`X_b, y_b` of the buffer, and e the residual, whose squares are summed over all blocks.

    Memory: 2 (n + block_rows)(n + k) numbers, for n unknowns and k targets.

    Source: Golub and Van Loan, Matrix Computations, § 6.5; Demmel, Grigori, Hoemmen and Langou, SIAM J. Sci. Comput.
    34, A206 (2012).
    """

    method = 0  # identifies this class in saved states

    def _add_block(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        factor, residual_square = triangularise(torch.cat([self._matrix, rows]), self.n_unknowns)
        return factor, self._squares + residual_square

    def _finish(self, matrix: Tensor, squares: Tensor) -> TriangularFactor:
        n = self.n_unknowns
        return TriangularFactor(matrix[:, :n].clone(), matrix[:, n:].clone(), squares.clone(), self.n_rows)
