"""Linear maps that keep rotations: channels of one irrep mix among themselves, alike for all atoms or by element."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_of
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part


class EquivariantLinear(Part):
    r""":math:`y_{w m} = \frac{1}{\sqrt{n_{in}}} \sum_u W_{uw} x_{u m}`, for each irrep that comes in and goes out.

    ``weights[irrep]`` is (n_in, n_out), normally distributed at first; n_in counts all channels of that irrep.
    Takes and gives ``nn.blocks``.

    Args:
        irreps_in, irreps_out: What comes and what goes; an irrep that goes out and does not come in is zero.

    Source: Geiger and Smidt, arXiv:2207.09453 (``o3.Linear``).
    """

    def __init__(self, irreps_in: o3.Irreps | str, irreps_out: o3.Irreps | str):
        super().__init__()
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        self._shapes = shared_channels(self.irreps_in, self.irreps_out)
        self._all_out = channels_of(self.irreps_out)
        self.weights = torch.nn.ParameterDict({str(irrep): torch.randn(shape) for irrep, shape in self._shapes.items()})

    def linear_maps(self) -> dict[str, LinearMap]:
        """A matrix for each irrep."""
        return matrices(self, "weights.")

    def forward(self, x: Blocks) -> Blocks:
        """(n_rows, 2l+1, n_in) to (n_rows, 2l+1, n_out), by irrep."""
        y = {irrep: x[irrep] @ (self.weights[str(irrep)] / n_in**0.5) for irrep, (n_in, _) in self._shapes.items()}
        return with_zeros(y, self._all_out, next(iter(x.values())))


class ElementLinear(Part):
    r""":math:`y_{i w m} = \frac{1}{\sqrt{n_{in} Z}} \sum_u W_{z_i u w} x_{i u m}`: a linear map for each of Z elements.

    ``weights[irrep]`` is (n_elements, n_in, n_out), normally distributed at first.

    Args:
        n_elements: Z.
        irreps_in, irreps_out: As in ``EquivariantLinear``.

    Source: Geiger and Smidt, arXiv:2207.09453 (``o3.FullyConnectedTensorProduct`` with one-hot scalars).
    """

    def __init__(self, n_elements: int, irreps_in: o3.Irreps | str, irreps_out: o3.Irreps | str):
        super().__init__()
        if n_elements < 1:
            raise WiringError(f"a map by element needs at least one element, but was given {n_elements}")
        self.n_elements = n_elements
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        self._shapes = shared_channels(self.irreps_in, self.irreps_out)
        self._all_out = channels_of(self.irreps_out)
        self.weights = torch.nn.ParameterDict(
            {str(irrep): torch.randn(n_elements, *shape) for irrep, shape in self._shapes.items()}
        )

    def linear_maps(self) -> dict[str, LinearMap]:
        """A matrix for each irrep and element, adapted on request."""
        return matrices(self, "weights.", option="skips")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The matrices of each element, which are divided by the square root of the number of elements."""
        return {f"weights.{key}": weight[edit.rows] * edit.factor for key, weight in self.weights.items()}

    def forward(self, x: Blocks, element: Tensor) -> Blocks:
        """(n_rows, 2l+1, n_in) to (n_rows, 2l+1, n_out), by irrep.

        Args:
            element: (n_rows,) rows of the weights.
        """
        scaled = {
            irrep: self.weights[str(irrep)] / (n_in * self.n_elements) ** 0.5
            for irrep, (n_in, _) in self._shapes.items()
        }
        if self.n_elements == 1:
            y = {irrep: x[irrep] @ weight[0] for irrep, weight in scaled.items()}
        else:
            groups = rows_by_element(element, self.n_elements)
            y = {irrep: _by_element(x[irrep], weight, *groups) for irrep, weight in scaled.items()}
        return with_zeros(y, self._all_out, next(iter(x.values())))


def shared_channels(irreps_in: o3.Irreps, irreps_out: o3.Irreps) -> dict[o3.Irrep, tuple[int, int]]:
    """(n_in, n_out) of the irreps on both sides, in the order of what goes out."""
    before, after = channels_of(irreps_in), channels_of(irreps_out)
    return {irrep: (before[irrep], n_out) for irrep, n_out in after.items() if irrep in before}


def with_zeros(y: Blocks, expected: dict[o3.Irrep, int], like: Tensor) -> Blocks:
    """The blocks, and zeros for irreps that are wanted and not there."""
    return {
        irrep: y[irrep] if irrep in y else like.new_zeros(len(like), irrep.dim, channels)
        for irrep, channels in expected.items()
    }


def rows_by_element(element: Tensor, n_elements: int) -> tuple[Tensor, list[int]]:
    """The rows in the order of their elements, and how many each element has."""
    return torch.argsort(element, stable=True), torch.bincount(element, minlength=n_elements).tolist()


def _by_element(x: Tensor, weight: Tensor, order: Tensor, counts: list[int]) -> Tensor:
    groups = x.index_select(0, order).split(counts)
    parts = [group @ matrix for group, matrix in zip(groups, weight.unbind(0), strict=True) if len(group)]
    if not parts:
        return x.new_zeros(0, x.shape[1], weight.shape[2])
    return torch.cat(parts).index_select(0, torch.argsort(order))
