"""Equivariant linear maps, which mix the channels of each irrep: one map for all atoms, or one map per element."""

from __future__ import annotations

import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.equivariant.irrep_blocks import Blocks, channels_per_irrep
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part
from atomgraph.old_names import old_names_of

EVEN = o3.Irrep(0, 1)


class EquivariantLinear(Part):
    r"""Equivariant linear map, :math:`y_{w m} = \frac{1}{\sqrt{n_{in}}} \sum_u W_{uw} x_{u m}` for each irrep.

    ``weights[irrep]`` is (n_in, n_out), initialised with normally distributed numbers; n_in is the number of input channels of
    the irrep. Input and output are tensors by irrep (``irrep_blocks``).

    Args:
        irreps_in: Irreps of the input.
        irreps_out: Irreps of the output; an irrep that the input does not contain is zero.
        bias: Add a trained number to each invariant output channel (``0e``), initially 0.

    Source: Geiger and Smidt, arXiv:2207.09453 (``o3.Linear``).
    """

    def __init__(self, irreps_in: o3.Irreps | str, irreps_out: o3.Irreps | str, bias: bool = False):
        super().__init__()
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        self._shapes = shared_channels(self.irreps_in, self.irreps_out)
        self._channels_out = channels_per_irrep(self.irreps_out)
        self.weights = torch.nn.ParameterDict({str(irrep): torch.randn(shape) for irrep, shape in self._shapes.items()})
        n_scalars = self._channels_out.get(EVEN, 0)
        self.bias = torch.nn.Parameter(torch.zeros(n_scalars)) if bias and n_scalars else None

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each irrep."""
        return matrices(self, "weights.")

    def forward(self, x: Blocks) -> Blocks:
        """Map features by irrep, (n_rows, 2l+1, n_in), to (n_rows, 2l+1, n_out)."""
        y = {irrep: x[irrep] @ (self.weights[str(irrep)] / n_in**0.5) for irrep, (n_in, _) in self._shapes.items()}
        y = with_zeros(y, self._channels_out, next(iter(x.values())))
        return y if self.bias is None else y | {EVEN: y[EVEN] + self.bias}


class ElementLinear(Part):
    r"""Equivariant linear map per element, :math:`y_{i w m} = \frac{1}{\sqrt{n_{in} n_{el}}} \sum_u W_{z_i u w} x_{i u m}`.

    ``weights[irrep]`` is (n_elements, n_in, n_out), initialised with normally distributed numbers.

    Args:
        n_elements: Number of elements :math:`n_{el}`.
        irreps_in: Irreps of the input.
        irreps_out: Irreps of the output; an irrep that the input does not contain is zero.

    Source: Geiger and Smidt, arXiv:2207.09453 (``o3.FullyConnectedTensorProduct`` with one-hot scalars).
    """

    def __init__(self, n_elements: int, irreps_in: o3.Irreps | str, irreps_out: o3.Irreps | str):
        super().__init__()
        if n_elements < 1:
            raise WiringError(f"a map by element needs at least one element, but was given {n_elements}")
        self.n_elements = n_elements
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        self._shapes = shared_channels(self.irreps_in, self.irreps_out)
        self._channels_out = channels_per_irrep(self.irreps_out)
        self.weights = torch.nn.ParameterDict(
            {str(irrep): torch.randn(n_elements, *shape) for irrep, shape in self._shapes.items()}
        )

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix of each irrep and element, which LoRA adapts only with ``skip_connections``."""
        return matrices(self, "weights.", option="skips")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Matrices of the elements after the edit, scaled because the map divides by the square root of their number."""
        return {f"weights.{key}": weight[edit.rows] * edit.factor for key, weight in self.weights.items()}

    def forward(self, x: Blocks, element: Tensor) -> Blocks:
        """Map features by irrep.

        Args:
            x: Features by irrep, (n_rows, 2l+1, n_in).
            element: Index of each row's element along the first axis of the weights, (n_rows,).

        Returns:
            Features by irrep, (n_rows, 2l+1, n_out).
        """
        scaled = {
            irrep: self.weights[str(irrep)] / (n_in * self.n_elements) ** 0.5
            for irrep, (n_in, _) in self._shapes.items()
        }
        return with_zeros(map_by_element(x, scaled, element), self._channels_out, next(iter(x.values())))


def shared_channels(irreps_in: o3.Irreps, irreps_out: o3.Irreps) -> dict[o3.Irrep, tuple[int, int]]:
    """Numbers of channels (n_in, n_out) of the irreps in both input and output, in the order of the output."""
    channels_in, channels_out = channels_per_irrep(irreps_in), channels_per_irrep(irreps_out)
    return {irrep: (channels_in[irrep], n_out) for irrep, n_out in channels_out.items() if irrep in channels_in}


def with_zeros(y: Blocks, channels: dict[o3.Irrep, int], like: Tensor) -> Blocks:
    """Add blocks of zeros for irreps that are missing in y.

    Args:
        y: Blocks by irrep, (n_rows, 2l+1, channels).
        channels: Number of channels of each irrep of the result.
        like: Tensor (n_rows, …) with the dtype and device of the zeros.
    """
    return {irrep: y[irrep] if irrep in y else like.new_zeros(len(like), irrep.dim, n) for irrep, n in channels.items()}


def map_by_element(x: Blocks, matrices: Blocks, element: Tensor) -> Blocks:
    """Multiply features by the matrix of each atom's element.

    Args:
        x: Features by irrep, (n_rows, 2l+1, n_in).
        matrices: Matrices by irrep, (n_elements, n_in, n_out).
        element: Row of each atom's element, (n_rows,).

    Returns:
        Products for the irreps of the matrices, (n_rows, 2l+1, n_out).
    """
    n_elements = len(next(iter(matrices.values()))) if matrices else 1
    if n_elements == 1:
        return {irrep: x[irrep] @ matrix[0] for irrep, matrix in matrices.items()}
    order, counts = sort_by_element(element, n_elements)
    return {irrep: _map_by_element(x[irrep], matrix, order, counts) for irrep, matrix in matrices.items()}


def sort_by_element(element: Tensor, n_elements: int) -> tuple[Tensor, list[int]]:
    """Return the order that sorts rows by element, (n_rows,), and the number of rows of each element."""
    return torch.argsort(element, stable=True), torch.bincount(element, minlength=n_elements).tolist()


def _map_by_element(x: Tensor, weight: Tensor, order: Tensor, counts: list[int]) -> Tensor:
    """Multiply rows x, (n_rows, 2l+1, n_in), by the matrix of their element, with the results of ``sort_by_element``."""
    groups = x.index_select(0, order).split(counts)
    parts = [group @ matrix for group, matrix in zip(groups, weight.unbind(0), strict=True) if len(group)]
    if not parts:
        return x.new_zeros(0, x.shape[1], weight.shape[2])
    return torch.cat(parts).index_select(0, torch.argsort(order))


__getattr__ = old_names_of(__name__)
