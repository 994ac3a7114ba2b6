"""Frozen readouts over a baseline: vectors by head and element where they are linear, hidden units where they are not."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN, FusedForm, LinearForm, Slopes
from atomgraph.compiled.mace.folded_weights import Weights
from atomgraph.models.baseline import Baseline
from atomgraph.nn.activation import identity
from atomgraph.nn.protocols import Readout
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout

#: Of each activation: from a slope by its value and the argument to the slope by the argument.
SLOPES: dict[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]] = {
    torch.nn.functional.silu: torch.ops.aten.silu_backward,
    torch.nn.functional.softplus: lambda slope, x: torch.ops.aten.softplus_backward(slope, x, 1, 20),
    torch.tanh: lambda slope, x: slope * (1.0 - torch.tanh(x).square()),
    torch.abs: lambda slope, x: slope * torch.sign(x),
    identity: lambda slope, x: slope,
}


class FusedReadouts:
    r""":math:`E_i = E0_{z_i} + t + s\,\varepsilon_i` of the head of each atom, float64, without the repulsion.

    Linear readouts of all layers are one vector a source, :math:`s\,\varepsilon_i = \sum_k x_{ki} \cdot v^{(k)} + \dots`, by
    head, and by element where the form is.

    Args:
        library: Of the kernels.
        readouts, baseline: In float64.
        forms: Of the features that each reads.
        sources: Layouts.
        isolated: Energies of isolated atoms that are subtracted, (n_heads, n_elements) eV; None for none.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        readouts: Sequence[Readout],
        baseline: Baseline,
        forms: Sequence[LinearForm],
        sources: Sequence[Layout],
        dtype: torch.dtype,
        isolated: Tensor | None = None,
    ):
        self._sources, self._dtype = list(sources), dtype
        self._heads = len(baseline.heads)
        scale = baseline.scale[:, None]
        self._constant = baseline.e0 + baseline.shift[:, None]  # (n_heads, n_elements)
        if isolated is not None:
            self._constant = self._constant - isolated
        vectors: dict[int, Tensor] = {}
        self._hidden = []
        for readout, form in zip(readouts, forms, strict=True):
            if isinstance(readout, ScaledLinear):
                weight = (readout.weight.detach() / len(readout.weight) ** 0.5).expand(-1, self._heads)
                read = form.then(Weights.of_matrices({EVEN: weight * scale.T}))
                if read.table is not None:
                    self._constant = self._constant + read.table.T
                for k, weights in read.terms:
                    elements = range(self._constant.shape[1] if weights.by_element else 1)
                    vector = torch.stack(
                        [weights.of(EVEN, z).T for z in elements]
                    )  # (n_elements or 1, n_heads, channels)
                    vectors[k] = vectors[k] + vector if k in vectors else vector
            elif isinstance(readout, MultiHeadMLP):
                self._hidden.append(FusedHidden(library, readout, scale, form, sources, dtype))
            elif not isinstance(readout, ZeroReadout):
                raise TypeError(f"{type(readout).__name__} has no fused form")
        self._vectors = {k: vector.to(dtype).contiguous() for k, vector in vectors.items()}

    def __call__(
        self, of: Evaluation, sources: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Slopes], None]]:
        """(n_atoms,) eV, and what adds the slopes of their sum by the sources.

        Args:
            head: (n_atoms,), None if there is only one.
        """
        element = of.frame.element
        row = element if head is None else head * self._constant.shape[1] + element
        energy = self._constant.flatten().index_select(0, row)
        slopes_of_linear = {}
        for k, vector in self._vectors.items():
            slope = self._of_atoms(vector, element, head)
            slopes_of_linear[k] = slope
            scalars = self._sources[k].block(sources[k], EVEN)[:, 0]
            energy += (scalars * slope).sum(1, dtype=torch.float64)
        backs = []
        for hidden in self._hidden:
            value, of_hidden = hidden(of, sources, head)
            energy += value
            backs.append(of_hidden)

        def back(slopes: Slopes) -> None:
            for k, slope in slopes_of_linear.items():
                total = self._sources[k].zeros(of.frame.n_atoms, self._dtype)
                self._sources[k].block(total, EVEN)[:, 0] = slope
                slopes[k] = total
            for each in backs:
                each(slopes)

        return energy, back

    def _of_atoms(self, vector: Tensor, element: Tensor, head: Tensor | None) -> Tensor:
        """(n_atoms, channels)."""
        n_elements, n_heads, _ = vector.shape
        if n_elements == n_heads == 1:
            return vector[0].expand(len(element), -1)
        row = element * n_heads if n_elements > 1 else torch.zeros_like(element)
        return vector.flatten(0, 1).index_select(0, row if head is None else row + head)


class FusedHidden:
    """A ``MultiHeadMLP``, times the scale of each head; its first layer is a form.

    Args:
        scale: (n_heads, 1) eV. The rest as for ``FusedReadouts``.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        readout: MultiHeadMLP,
        scale: Tensor,
        form: LinearForm,
        sources: Sequence[Layout],
        dtype: torch.dtype,
    ):
        first = readout.first.detach().flatten(1) / len(readout.first) ** 0.5
        units = Layout({EVEN: first.shape[1]})
        self._first = FusedForm(library, form.then(Weights.of_matrices({EVEN: first})), sources, units, dtype)
        self._activation, self._slope = readout.activation, SLOPES[readout.activation]
        self._gain, self._shape = readout.gain, readout.last.shape  # (heads, units)
        norm, n_heads = readout.last.numel() ** -0.5, len(scale)
        own = (
            torch.eye(n_heads).to(scale) if len(readout.last) > 1 else torch.ones_like(scale)
        )  # which units a head reads
        self._last = (own[:, :, None] * readout.last.detach() * norm * scale[:, :, None]).flatten(
            1
        )  # (n_heads, all units)
        self._middle: tuple[Tensor, Tensor] | None = None  # (heads, units, units), (heads, 1, units)
        self._bias: Tensor | None = None
        if readout.middle is not None and readout.middle_bias is not None and readout.last_bias is not None:
            matrix, bias = readout.middle.detach() * norm, readout.middle_bias.detach()[:, None]
            self._middle, self._bias = (matrix.to(dtype), bias.to(dtype)), readout.last_bias.detach() * scale[:, 0]

    def __call__(
        self, of: Evaluation, sources: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Slopes], None]]:
        """As ``FusedReadouts``."""
        last = self._last if head is None else self._last.index_select(0, head)  # (1 or n_atoms, all units)
        first = self._first(of, sources).view(of.frame.n_atoms, -1)
        units = first if self._middle is None else self._through_middle(first, *self._middle)
        energy = (self._active(units).double() * last).sum(1)
        if self._bias is not None:
            energy += self._bias if head is None else self._bias.index_select(0, head)

        def back(slopes: Slopes) -> None:
            slope = self._slope((last * self._gain).to(of.dtype).expand_as(units), units)
            if self._middle is not None:
                by_active = torch.bmm(self._of_heads(slope), self._middle[0].transpose(1, 2)) * self._gain
                slope = self._slope(self._of_atoms(by_active), first)
            self._first.back(of, slope.contiguous().view(-1), slopes)

        return energy, back

    def _through_middle(self, first: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
        """The argument of the second activation, (n_atoms, all units)."""
        return self._of_atoms(torch.baddbmm(bias, self._of_heads(self._active(first)), matrix))

    def _active(self, x: Tensor) -> Tensor:
        return self._activation(x) * self._gain

    def _of_heads(self, x: Tensor) -> Tensor:
        """(n_atoms, all units) to (heads, n_atoms, units)."""
        return x.unflatten(1, self._shape).transpose(0, 1)

    @staticmethod
    def _of_atoms(x: Tensor) -> Tensor:
        """(heads, n_atoms, units) to (n_atoms, all units)."""
        return x.transpose(0, 1).flatten(1)
