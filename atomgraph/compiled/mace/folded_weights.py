"""Matrices of frozen linear maps, composed where nothing stands between two of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear

Padding = tuple[int, int]  # channels that there are, and that there shall be; the rest is zeros


@dataclass(frozen=True, eq=False)
class Weights:
    """A float64 matrix (n_in, n_out) for each irrep, alike for all elements or one for each; made when it is asked for.

    Args:
        shapes: (n_in, n_out).
        of: The matrix of an irrep, and of an element as a row of the model's table.
    """

    shapes: Mapping[o3.Irrep, tuple[int, int]]
    by_element: bool
    of: Callable[[o3.Irrep, int], Tensor]

    @classmethod
    def of_matrices(cls, matrices: Mapping[o3.Irrep, Tensor]) -> Weights:
        """Alike for all elements."""
        shapes = {irrep: (matrix.shape[0], matrix.shape[1]) for irrep, matrix in matrices.items()}
        return cls(shapes, False, lambda irrep, _: matrices[irrep])

    @classmethod
    def identity(cls, channels: Mapping[o3.Irrep, int]) -> Weights:
        """The matrices that change nothing."""
        return cls.of_matrices({irrep: torch.eye(n, dtype=torch.float64) for irrep, n in channels.items()})

    @classmethod
    def of_linear(cls, linear: EquivariantLinear, scale: float = 1.0) -> Weights:
        """Of a linear map, times a constant."""
        found = {}
        for _, irrep in linear.irreps_out:
            if str(irrep) in linear.weights:
                weight = linear.weights[str(irrep)].detach().double()
                found[irrep] = weight * (scale / len(weight) ** 0.5)
        return cls.of_matrices(found)

    @classmethod
    def of_element_linear(cls, linear: ElementLinear) -> Weights:
        """Of a linear map by element."""
        found = {
            irrep: linear.weights[str(irrep)].detach() for _, irrep in linear.irreps_out if str(irrep) in linear.weights
        }
        shapes = {irrep: (weight.shape[1], weight.shape[2]) for irrep, weight in found.items()}

        def of(irrep: o3.Irrep, z: int) -> Tensor:
            return found[irrep][z].double() / (shapes[irrep][0] * linear.n_elements) ** 0.5

        return cls(shapes, True, of)

    def then(self, other: Weights) -> Weights:
        """First these, then others: the products of the matrices, of irreps that both have."""
        both = [irrep for irrep in other.shapes if irrep in self.shapes]
        shapes = {irrep: (self.shapes[irrep][0], other.shapes[irrep][1]) for irrep in both}
        return Weights(
            shapes, self.by_element or other.by_element, lambda irrep, z: self.of(irrep, z) @ other.of(irrep, z)
        )

    def padded(self, before: Padding | None = None, after: int | None = None) -> Weights:
        """With rows of zeros after each piece of channels that come in (a path's), and columns of zeros at the end."""

        def of(irrep: o3.Irrep, z: int) -> Tensor:
            matrix = self.of(irrep, z)
            if before is not None:
                real, wanted = before
                matrix = torch.nn.functional.pad(matrix.unflatten(0, (-1, real)), (0, 0, 0, wanted - real)).flatten(
                    0, 1
                )
            return matrix if after is None else torch.nn.functional.pad(matrix, (0, after - matrix.shape[1]))

        real, wanted = before or (1, 1)
        shapes = {
            irrep: (n_in // real * wanted, n_out if after is None else after)
            for irrep, (n_in, n_out) in self.shapes.items()
        }
        return Weights(shapes, self.by_element, of)
