"""Matrices of frozen linear maps, and products of the matrices of consecutive maps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear

Padding = tuple[int, int]  # number of channels before and after padding with zeros


@dataclass(frozen=True, eq=False)
class Weights:
    """A float64 matrix (n_in, n_out) for each irrep, either one for all elements or one for each element.

    Matrices are computed when they are requested.

    Attributes:
        shapes: Shape (n_in, n_out) of the matrix of each irrep.
        by_element: Whether each element has a different matrix.
        matrix: Function that returns the matrix of an irrep and an element; the element is a row of the model's table.
    """

    shapes: Mapping[o3.Irrep, tuple[int, int]]
    by_element: bool
    matrix: Callable[[o3.Irrep, int], Tensor]

    @classmethod
    def from_matrices(cls, matrices: Mapping[o3.Irrep, Tensor]) -> Weights:
        """Return weights with the same matrices for all elements."""
        shapes = {irrep: (matrix.shape[0], matrix.shape[1]) for irrep, matrix in matrices.items()}
        return cls(shapes, by_element=False, matrix=lambda irrep, _: matrices[irrep])

    @classmethod
    def identity(cls, channels: Mapping[o3.Irrep, int]) -> Weights:
        """Return unit matrices."""
        return cls.from_matrices(
            {irrep: torch.eye(n_channels, dtype=torch.float64) for irrep, n_channels in channels.items()}
        )

    @classmethod
    def from_linear(cls, linear: EquivariantLinear, scale: float = 1.0) -> Weights:
        """Return the matrices of a linear map, times a constant."""
        matrices = {}
        for _, irrep in linear.irreps_out:
            if str(irrep) in linear.weights:
                weight = linear.weights[str(irrep)].detach().double()
                matrices[irrep] = weight * (scale / len(weight) ** 0.5)
        return cls.from_matrices(matrices)

    @classmethod
    def from_element_linear(cls, linear: ElementLinear) -> Weights:
        """Return the matrices of a linear map with different weights for each element."""
        weights = {
            irrep: linear.weights[str(irrep)].detach() for _, irrep in linear.irreps_out if str(irrep) in linear.weights
        }
        shapes = {irrep: (weight.shape[1], weight.shape[2]) for irrep, weight in weights.items()}

        def scaled_matrix(irrep: o3.Irrep, z: int) -> Tensor:
            return weights[irrep][z].double() / (shapes[irrep][0] * linear.n_elements) ** 0.5

        return cls(shapes, by_element=True, matrix=scaled_matrix)

    def then(self, following: Weights) -> Weights:
        """Return these matrices times the following matrices, for the irreps that both objects have."""
        common_irreps = [irrep for irrep in following.shapes if irrep in self.shapes]
        shapes = {irrep: (self.shapes[irrep][0], following.shapes[irrep][1]) for irrep in common_irreps}
        return Weights(
            shapes,
            self.by_element or following.by_element,
            lambda irrep, z: self.matrix(irrep, z) @ following.matrix(irrep, z),
        )

    def pad(self, row_padding: Padding | None = None, n_columns: int | None = None) -> Weights:
        """Return the matrices with added rows and columns of zeros.

        Args:
            row_padding: Numbers of input channels of each path, before and after padding; None: no rows are added.
            n_columns: Number of columns (output channels) after padding; None: no columns are added.
        """

        def padded_matrix(irrep: o3.Irrep, z: int) -> Tensor:
            matrix = self.matrix(irrep, z)
            if row_padding is not None:
                n, n_padded = row_padding
                matrix = torch.nn.functional.pad(matrix.unflatten(0, (-1, n)), (0, 0, 0, n_padded - n)).flatten(0, 1)
            return matrix if n_columns is None else torch.nn.functional.pad(matrix, (0, n_columns - matrix.shape[1]))

        n, n_padded = row_padding or (1, 1)  # the input channels of all paths are concatenated: n_in = n_paths · n
        shapes = {
            irrep: (n_in // n * n_padded, n_out if n_columns is None else n_columns)
            for irrep, (n_in, n_out) in self.shapes.items()
        }
        return Weights(shapes, self.by_element, padded_matrix)
