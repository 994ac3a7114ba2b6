"""Matrices of frozen linear maps; consecutive maps are multiplied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear

Padding = tuple[int, int]  # numbers of channels without and with padding by zeros


@dataclass(frozen=True, eq=False)
class Weights:
    """A float64 matrix (n_in, n_out) for each irrep, the same for all elements or one for each element; made on request.

    Attributes:
        shapes: (n_in, n_out) of each irrep.
        by_element: Whether each element has its matrix.
        of: Gives the matrix of an irrep and an element, as a row of the model's table.
    """

    shapes: Mapping[o3.Irrep, tuple[int, int]]
    by_element: bool
    of: Callable[[o3.Irrep, int], Tensor]

    @classmethod
    def of_matrices(cls, matrices: Mapping[o3.Irrep, Tensor]) -> Weights:
        """Matrices that are the same for all elements."""
        shapes = {irrep: (matrix.shape[0], matrix.shape[1]) for irrep, matrix in matrices.items()}
        return cls(shapes, False, lambda irrep, _: matrices[irrep])

    @classmethod
    def identity(cls, channels: Mapping[o3.Irrep, int]) -> Weights:
        """Unit matrices."""
        return cls.of_matrices({irrep: torch.eye(n, dtype=torch.float64) for irrep, n in channels.items()})

    @classmethod
    def of_linear(cls, linear: EquivariantLinear, scale: float = 1.0) -> Weights:
        """The matrices of a linear map, times a constant."""
        matrices = {}
        for _, irrep in linear.irreps_out:
            if str(irrep) in linear.weights:
                weight = linear.weights[str(irrep)].detach().double()
                matrices[irrep] = weight * (scale / len(weight) ** 0.5)
        return cls.of_matrices(matrices)

    @classmethod
    def of_element_linear(cls, linear: ElementLinear) -> Weights:
        """The matrices of a linear map with weights for each element."""
        weights = {
            irrep: linear.weights[str(irrep)].detach() for _, irrep in linear.irreps_out if str(irrep) in linear.weights
        }
        shapes = {irrep: (weight.shape[1], weight.shape[2]) for irrep, weight in weights.items()}

        def of(irrep: o3.Irrep, z: int) -> Tensor:
            return weights[irrep][z].double() / (shapes[irrep][0] * linear.n_elements) ** 0.5

        return cls(shapes, True, of)

    def then(self, following: Weights) -> Weights:
        """These matrices times the following ones, for irreps that both have."""
        both = [irrep for irrep in following.shapes if irrep in self.shapes]
        shapes = {irrep: (self.shapes[irrep][0], following.shapes[irrep][1]) for irrep in both}
        return Weights(
            shapes, self.by_element or following.by_element, lambda irrep, z: self.of(irrep, z) @ following.of(irrep, z)
        )

    def padded(self, before: Padding | None = None, after: int | None = None) -> Weights:
        """Padded with rows of zeros after the input channels of each path, and with columns of zeros at the end."""

        def of(irrep: o3.Irrep, z: int) -> Tensor:
            matrix = self.of(irrep, z)
            if before is not None:
                n, n_padded = before
                matrix = torch.nn.functional.pad(matrix.unflatten(0, (-1, n)), (0, 0, 0, n_padded - n)).flatten(0, 1)
            return matrix if after is None else torch.nn.functional.pad(matrix, (0, after - matrix.shape[1]))

        n, n_padded = before or (1, 1)
        shapes = {
            irrep: (n_in // n * n_padded, n_out if after is None else after)
            for irrep, (n_in, n_out) in self.shapes.items()
        }
        return Weights(shapes, self.by_element, of)
