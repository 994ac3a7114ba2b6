"""A frozen perceptron of the scalars whose hidden layers are common to all heads."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from atomgraph.compiled.activation_vjps import ACTIVATION_VJPS
from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.folded_weights import Weights
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.linear_forms import EVEN, FusedForm, Gradients, LinearForm
from atomgraph.readouts.scaled_mlp_readout import ScaledMLPReadout


class FusedSharedMLP:
    """A ``ScaledMLPReadout`` with hidden layers, times the scales of heads and elements.

    The first layer of the perceptron is a linear form of the layer arrays.

    Args:
        library: The compiled kernels.
        readout: The readout, in float64.
        scale: Scale of each head, eV, (n_heads, 1).
        element_scale: Scale of each element, (n_elements,); None: 1.
        form: Linear form of the features.
        layouts: Layouts of the layer arrays.
        dtype: Dtype of the kernels.
    """

    def __init__(
        self,
        library: ctypes.CDLL,
        readout: ScaledMLPReadout,
        scale: Tensor,
        element_scale: Tensor | None,
        form: LinearForm,
        layouts: Sequence[Layout],
        dtype: torch.dtype,
    ):
        network = readout.network
        matrices = [weight.detach() / len(weight) ** 0.5 for weight in network.weights]
        units = Layout({EVEN: matrices[0].shape[1]})
        self._first = FusedForm(library, form.then(Weights.from_matrices({EVEN: matrices[0]})), layouts, units, dtype)
        self._activation, self._activation_vjp = network.activation, ACTIVATION_VJPS[network.activation]
        self._hidden = [(matrix * network.gain).to(dtype) for matrix in matrices[1:-1]]
        self._last = matrices[-1].T.expand(len(scale), -1) * (network.gain * scale)  # (n_heads, n_units) float64
        self._element_scale = element_scale

    def __call__(
        self, evaluation: Evaluation, layer_arrays: Sequence[Tensor], head: Tensor | None
    ) -> tuple[Tensor, Callable[[Gradients], None]]:
        """Compute energies and prepare gradients, see ``FusedReadouts.__call__``."""
        last = self._last if head is None else self._last.index_select(0, head)  # (1 or n_atoms, n_units)
        if self._element_scale is not None:
            last = last * self._element_scale.index_select(0, evaluation.kernel_graph.element)[:, None]
        arguments = [self._first(evaluation, layer_arrays).view(evaluation.kernel_graph.n_atoms, -1)]
        for matrix in self._hidden:
            arguments.append(self._activation(arguments[-1]) @ matrix)
        energy = (self._activation(arguments[-1]).double() * last).sum(1)

        def vjp(grads: Gradients) -> None:
            grad = self._activation_vjp(last.to(evaluation.dtype).expand_as(arguments[-1]), arguments[-1])
            for argument, matrix in zip(reversed(arguments[:-1]), reversed(self._hidden), strict=True):
                grad = self._activation_vjp(grad @ matrix.T, argument)
            self._first.vjp(evaluation, grad.contiguous().view(-1), grads)

        return energy, vjp
