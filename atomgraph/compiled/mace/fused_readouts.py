"""Frozen readouts and baseline: vectors by head and element for linear readouts, hidden units for the others."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.fused_forms import missing_form
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN, FusedForm, Gradients, LinearForm
from atomgraph.compiled.mace.folded_weights import Weights
from atomgraph.models.baseline import Baseline
from atomgraph.nn.activation import identity, shifted_softplus
from atomgraph.nn.protocols import Readout
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout

#: VJP of each activation: the gradient with respect to its argument x, from that with respect to its value, and x.
ACTIVATION_VJPS: dict[Callable[[Tensor], Tensor], Callable[[Tensor, Tensor], Tensor]] = {
    torch.nn.functional.silu: torch.ops.aten.silu_backward,
    torch.nn.functional.softplus: lambda grad, x: torch.ops.aten.softplus_backward(grad, x, 1, 20),
    shifted_softplus: lambda grad, x: torch.ops.aten.softplus_backward(grad, x, 1, 20),
    torch.tanh: lambda grad, x: grad * (1.0 - torch.tanh(x).square()),
    torch.abs: lambda grad, x: grad * torch.sign(x),
    identity: lambda grad, x: grad,
}


@missing_form.register(ScaledLinear)
@missing_form.register(MultiHeadMLP)
@missing_form.register(ZeroReadout)
def _(readout: Readout) -> str | None:
    return None


class FusedReadouts:
    r""":math:`E_i = E0_{z_i} + t + s\,\varepsilon_i` of the head of each atom, float64, without the repulsion.

    The linear readouts of all layers are one vector for each source,
    :math:`s\,\varepsilon_i = \sum_k x_{ki} \cdot v^{(k)} + \dots`, for each head, and for each element if the form
    depends on elements.

    Args:
        library: The kernels.
        readouts, baseline: In float64.
        forms: The form of the features of each readout.
        sources: Layouts of the sources.
        dtype: Of the kernels.
        isolated: Energies of isolated atoms to subtract, (n_heads, n_elements) eV, or None.
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
        self._vectors: dict[int, Tensor] = {}  # (n_elements or 1, n_heads, channels)
        self._hidden: list[FusedHidden] = []
        for readout, form in zip(readouts, forms, strict=True):
            if isinstance(readout, ScaledLinear):
                self._add_linear(readout, form, scale)
            elif isinstance(readout, MultiHeadMLP):
                self._hidden.append(FusedHidden(library, readout, scale, form, sources, dtype))
            elif not isinstance(readout, ZeroReadout):
                raise TypeError(f"{type(readout).__name__} has no fused form")
        self._vectors = {k: vector.to(dtype).contiguous() for k, vector in self._vectors.items()}

    def _add_linear(self, readout: ScaledLinear, form: LinearForm, scale: Tensor) -> None:
        """Add a linear readout of a form to the vectors and the constant."""
        weight = (readout.weight.detach() / len(readout.weight) ** 0.5).expand(-1, self._heads)
        energy = form.then(Weights.of_matrices({EVEN: weight * scale.T}))
        if energy.table is not None:
            self._constant = self._constant + energy.table.T
        for k, weights in energy.terms:
            elements = range(self._constant.shape[1] if weights.by_element else 1)
            vector = torch.stack([weights.of(EVEN, z).T for z in elements])
            self._vectors[k] = self._vectors[k] + vector if k in self._vectors else vector

    def __call__(
        self, run: Evaluation, sources: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Gradients], None]]:
        """Energies, (n_atoms,) eV, and a function that adds gradients of their sum with respect to the sources.

        Args:
            run: The evaluation.
            sources: Values of the sources.
            head: (n_atoms,) head of each atom; None for models with one head.
        """
        element = run.kernel_graph.element
        row = element if head is None else head * self._constant.shape[1] + element
        energy = self._constant.flatten().index_select(0, row)
        linear_grads = {}
        for k, vector in self._vectors.items():
            grad = self._of_atoms(vector, element, head)
            linear_grads[k] = grad
            scalars = self._sources[k].block(sources[k], EVEN)[:, 0]
            energy += (scalars * grad).sum(1, dtype=torch.float64)
        vjps = []
        for hidden in self._hidden:
            value, hidden_vjp = hidden(run, sources, head)
            energy += value
            vjps.append(hidden_vjp)

        def vjp(grads: Gradients) -> None:
            for k, grad in linear_grads.items():
                total = self._sources[k].zeros(run.kernel_graph.n_atoms, self._dtype)
                self._sources[k].block(total, EVEN)[:, 0] = grad
                grads[k] = total
            for hidden_vjp in vjps:
                hidden_vjp(grads)

        return energy, vjp

    def _of_atoms(self, vector: Tensor, element: Tensor, head: Tensor | None) -> Tensor:
        """The vector of each atom, (n_atoms, channels)."""
        n_elements, n_heads, _ = vector.shape
        if n_elements == n_heads == 1:
            return vector[0].expand(len(element), -1)
        row = element * n_heads if n_elements > 1 else torch.zeros_like(element)
        return vector.flatten(0, 1).index_select(0, row if head is None else row + head)


class FusedHidden:
    """A ``MultiHeadMLP``, times the scale of each head. Its first layer is a linear form.

    Args:
        scale: (n_heads, 1) eV. The others as for ``FusedReadouts``.
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
        self._activation, self._activation_vjp = readout.activation, ACTIVATION_VJPS[readout.activation]
        self._gain, self._shape = readout.gain, readout.last.shape  # (heads, units)
        norm, n_heads = readout.last.numel() ** -0.5, len(scale)
        reads = torch.eye(n_heads).to(scale) if len(readout.last) > 1 else torch.ones_like(scale)  # units of each head
        self._last = (reads[:, :, None] * readout.last.detach() * norm * scale[:, :, None]).flatten(
            1
        )  # (n_heads, all units)
        self._middle: tuple[Tensor, Tensor] | None = None  # (heads, units, units), (heads, 1, units)
        self._bias: Tensor | None = None
        if readout.middle is not None and readout.middle_bias is not None and readout.last_bias is not None:
            matrix, bias = readout.middle.detach() * norm, readout.middle_bias.detach()[:, None]
            self._middle, self._bias = (matrix.to(dtype), bias.to(dtype)), readout.last_bias.detach() * scale[:, 0]

    def __call__(
        self, run: Evaluation, sources: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Gradients], None]]:
        """As for ``FusedReadouts``."""
        last = self._last if head is None else self._last.index_select(0, head)  # (1 or n_atoms, all units)
        first = self._first(run, sources).view(run.kernel_graph.n_atoms, -1)
        units = first if self._middle is None else self._through_middle(first, *self._middle)
        energy = (self._active(units).double() * last).sum(1)
        if self._bias is not None:
            energy += self._bias if head is None else self._bias.index_select(0, head)

        def vjp(grads: Gradients) -> None:
            grad = self._activation_vjp((last * self._gain).to(run.dtype).expand_as(units), units)
            if self._middle is not None:
                grad_active = torch.bmm(self._of_heads(grad), self._middle[0].transpose(1, 2)) * self._gain
                grad = self._activation_vjp(self._of_atoms(grad_active), first)
            self._first.vjp(run, grad.contiguous().view(-1), grads)

        return energy, vjp

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
