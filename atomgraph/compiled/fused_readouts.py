"""Frozen readouts and baseline: energies of atoms from the outputs of the layers."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from atomgraph.compiled.activation_vjps import ACTIVATION_VJPS
from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.fused_forms import describe_unsupported
from atomgraph.compiled.fused_shared_mlp import FusedSharedMLP
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN, FusedForm, Gradients, LinearForm
from atomgraph.models.baseline import Baseline
from atomgraph.nn.activation import identity
from atomgraph.nn.protocols import Readout
from atomgraph.readouts import MultiHeadMLP, ScaledLinear, ZeroReadout
from atomgraph.readouts.element_scaled import ElementScaled
from atomgraph.readouts.scaled_mlp_readout import ScaledMLPReadout


@describe_unsupported.register(ScaledLinear)
@describe_unsupported.register(MultiHeadMLP)
@describe_unsupported.register(ScaledMLPReadout)
@describe_unsupported.register(ZeroReadout)
def _(readout: Readout) -> str | None:
    return None


@describe_unsupported.register
def _(readout: ElementScaled) -> str | None:
    return describe_unsupported(readout.readout)


class FusedReadouts:
    r"""Energies :math:`E_i = E0_{z_i} + t + s\,\varepsilon_i` of atoms, float64, without the repulsion.

    The shift t and the scale s are those of the head of each atom. All linear readouts together are one vector v for each
    layer array x (see ``FusedLayer``) and head:
    :math:`s\,\varepsilon_i = \sum_k x_{ki} \cdot v^{(k)} + \dots`. The dots are constants and nonlinear
    readouts. If the linear form depends on elements, each element has its own vector.

    Args:
        library: The compiled kernels.
        readouts: The readouts, in float64.
        baseline: The baseline, in float64.
        forms: Linear form of the features of each readout.
        layouts: Layouts of the layer arrays.
        dtype: Dtype of the kernels.
        isolated: Energies of isolated atoms to subtract, eV, (n_heads, n_elements); None: nothing is subtracted.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        readouts: Sequence[Readout],
        baseline: Baseline,
        forms: Sequence[LinearForm],
        layouts: Sequence[Layout],
        dtype: torch.dtype,
        isolated: Tensor | None = None,
    ):
        self._layouts, self._dtype = list(layouts), dtype
        self._n_heads = len(baseline.heads)
        scale = baseline.scale[:, None]
        self._constant = baseline.e0 + baseline.shift[:, None]  # (n_heads, n_elements)
        if isolated is not None:
            self._constant = self._constant - isolated
        self._vectors: dict[int, Tensor] = {}  # by index of the layer array; (n_elements or 1, n_heads, channels)
        self._mlps: list[FusedMLP | FusedSharedMLP] = []
        for readout, form in zip(readouts, forms, strict=True):
            element_scale: Tensor | None = None
            if isinstance(readout, ElementScaled):
                element_scale = readout.scale.detach()
                readout = readout.readout
            if (matrix := _linear_matrix(readout)) is not None:
                self._add_linear(matrix, form, scale, element_scale)
            elif isinstance(readout, ScaledMLPReadout):
                self._mlps.append(FusedSharedMLP(library, readout, scale, element_scale, form, layouts, dtype))
            elif element_scale is not None:
                raise TypeError(f"kernels do not support scales of elements on the readout {type(readout).__name__}")
            elif isinstance(readout, MultiHeadMLP):
                self._mlps.append(FusedMLP(library, readout, scale, form, layouts, dtype))
            elif not isinstance(readout, ZeroReadout):
                raise TypeError(f"kernels do not support the readout {type(readout).__name__}")
        self._vectors = {k: vector.to(dtype).contiguous() for k, vector in self._vectors.items()}

    def _add_linear(self, matrix: Tensor, form: LinearForm, scale: Tensor, element_scale: Tensor | None) -> None:
        """Add a linear readout of the features with a linear form to the vectors and the constant.

        Args:
            matrix: Matrix of the readout, (n_features, n_heads or 1).
            form: Linear form of the features.
            scale: Scale of each head, (n_heads, 1).
            element_scale: Scale of each element, (n_elements,); None: 1.
        """
        weight = matrix.expand(-1, self._n_heads) * scale.T
        weights = Weights.from_matrices({EVEN: weight})
        if element_scale is not None:
            shape = (weight.shape[0], weight.shape[1])
            weights = Weights({EVEN: shape}, by_element=True, matrix=lambda irrep, z: weight * element_scale[z])
        energy = form.then(weights)
        if energy.table is not None:
            self._constant = self._constant + energy.table.T
        for k, weights in energy.terms:
            elements = range(self._constant.shape[1] if weights.by_element else 1)
            vector = torch.stack([weights.matrix(EVEN, z).T for z in elements])
            self._vectors[k] = self._vectors[k] + vector if k in self._vectors else vector

    def __call__(
        self, evaluation: Evaluation, layer_arrays: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Gradients], None]]:
        """Compute energies of atoms, and prepare the gradients of their sum.

        Args:
            evaluation: Data of the evaluation.
            layer_arrays: Values of the layer arrays.
            head: Head of each atom, (n_atoms,); None for models with one head.

        Returns:
            Energies, eV, (n_atoms,), and a function that adds the gradients of the sum of energies with respect to the layer
            arrays to a list.
        """
        element = evaluation.kernel_graph.element
        row = element if head is None else head * self._constant.shape[1] + element
        energy = self._constant.flatten().index_select(0, row)
        linear_grads = {}
        for k, vector in self._vectors.items():
            grad = self._vector_per_atom(vector, element, head)
            linear_grads[k] = grad
            scalars = self._layouts[k].block(layer_arrays[k], EVEN)[:, 0]
            energy += (scalars * grad).sum(1, dtype=torch.float64)
        vjps = []
        for mlp in self._mlps:
            mlp_energy, mlp_vjp = mlp(evaluation, layer_arrays, head)
            energy += mlp_energy
            vjps.append(mlp_vjp)

        def vjp(grads: Gradients) -> None:
            for k, grad in linear_grads.items():
                array_grad = self._layouts[k].zeros(evaluation.kernel_graph.n_atoms, self._dtype)
                self._layouts[k].block(array_grad, EVEN)[:, 0] = grad
                grads[k] = array_grad
            for mlp_vjp in vjps:
                mlp_vjp(grads)

        return energy, vjp

    def _vector_per_atom(self, vector: Tensor, element: Tensor, head: Tensor | None) -> Tensor:
        """Return the vector of each atom, (n_atoms, channels)."""
        n_elements, n_heads, _ = vector.shape
        if n_elements == n_heads == 1:
            return vector[0].expand(len(element), -1)
        row = element * n_heads if n_elements > 1 else torch.zeros_like(element)
        return vector.flatten(0, 1).index_select(0, row if head is None else row + head)


class FusedMLP:
    """A ``MultiHeadMLP``, times the scale of each head. Its first layer is a linear form of the layer arrays.

    Args:
        library: The compiled kernels.
        readout: The readout, in float64.
        scale: Scale of each head, eV, (n_heads, 1).
        form: Linear form of the features.
        layouts: Layouts of the layer arrays.
        dtype: Dtype of the kernels.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        readout: MultiHeadMLP,
        scale: Tensor,
        form: LinearForm,
        layouts: Sequence[Layout],
        dtype: torch.dtype,
    ):
        first = readout.first.detach().flatten(1) / len(readout.first) ** 0.5
        units = Layout({EVEN: first.shape[1]})
        self._first = FusedForm(library, form.then(Weights.from_matrices({EVEN: first})), layouts, units, dtype)
        self._activation, self._activation_vjp = readout.activation, ACTIVATION_VJPS[readout.activation]
        self._gain, self._shape = readout.gain, readout.last.shape  # shape: (heads, units)
        norm, n_heads = readout.last.numel() ** -0.5, len(scale)
        # 1 if the head (row) uses the units of a group (column); one group for each head, or one for all heads
        uses_units = torch.eye(n_heads).to(scale) if len(readout.last) > 1 else torch.ones_like(scale)
        last = uses_units[:, :, None] * readout.last.detach() * norm * scale[:, :, None]
        self._last = last.flatten(1)  # (n_heads, all units); zero for units of other heads
        self._middle: tuple[Tensor, Tensor] | None = None  # (heads, units, units), (heads, 1, units)
        self._bias: Tensor | None = None
        if readout.middle is not None and readout.middle_bias is not None and readout.last_bias is not None:
            matrix, bias = readout.middle.detach() * norm, readout.middle_bias.detach()[:, None]
            self._middle, self._bias = (matrix.to(dtype), bias.to(dtype)), readout.last_bias.detach() * scale[:, 0]

    def __call__(
        self, evaluation: Evaluation, layer_arrays: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Gradients], None]]:
        """Compute energies and prepare gradients, see ``FusedReadouts.__call__``."""
        last = self._last if head is None else self._last.index_select(0, head)  # (1 or n_atoms, all units)
        first = self._first(evaluation, layer_arrays).view(evaluation.kernel_graph.n_atoms, -1)
        units = first if self._middle is None else self._apply_middle_layer(first, *self._middle)
        energy = (self._activate(units).double() * last).sum(1)
        if self._bias is not None:
            energy += self._bias if head is None else self._bias.index_select(0, head)

        def vjp(grads: Gradients) -> None:
            grad = self._activation_vjp((last * self._gain).to(evaluation.dtype).expand_as(units), units)
            if self._middle is not None:
                grad_active = torch.bmm(self._split_heads(grad), self._middle[0].transpose(1, 2)) * self._gain
                grad = self._activation_vjp(self._join_heads(grad_active), first)
            self._first.vjp(evaluation, grad.contiguous().view(-1), grads)

        return energy, vjp

    def _apply_middle_layer(self, first: Tensor, matrix: Tensor, bias: Tensor) -> Tensor:
        """Return the argument of the second activation, (n_atoms, all units)."""
        return self._join_heads(torch.baddbmm(bias, self._split_heads(self._activate(first)), matrix))

    def _activate(self, x: Tensor) -> Tensor:
        return self._activation(x) * self._gain

    def _split_heads(self, x: Tensor) -> Tensor:
        """Convert (n_atoms, all units) to (heads, n_atoms, units)."""
        return x.unflatten(1, self._shape).transpose(0, 1)

    @staticmethod
    def _join_heads(x: Tensor) -> Tensor:
        """Convert (heads, n_atoms, units) to (n_atoms, all units)."""
        return x.transpose(0, 1).flatten(1)


def _linear_matrix(readout: Readout) -> Tensor | None:
    """Return the matrix of a linear readout, (n_features, n_outputs), with all factors; None if the readout is not linear."""
    if isinstance(readout, ScaledLinear):
        return readout.weight.detach() / len(readout.weight) ** 0.5
    if isinstance(readout, ScaledMLPReadout):
        network = readout.network
        if len(network.weights) == 1 or (network.activation is identity and network.gain == 1.0):
            matrices = [weight.detach() / len(weight) ** 0.5 for weight in network.weights]
            return matrices[0] if len(matrices) == 1 else torch.linalg.multi_dot(matrices)
    return None
