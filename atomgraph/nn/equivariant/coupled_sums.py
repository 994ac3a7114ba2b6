"""Coupled sums over neighbours by kernels, differentiable any number of times."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.kernels import coupled_sums as kernels
from atomgraph.kernels.function_pointers import pointers
from atomgraph.kernels.toolchain import switched_off
from atomgraph.nn.edge_lists import EdgeList, EdgeLists
from atomgraph.nn.equivariant.plain_coupled_sums import plain_gradients, plain_sums
from atomgraph.nn.equivariant.sum_paths import SumPaths

Tensors = Sequence[Tensor]


def has_kernel(paths: SumPaths, x: Tensor) -> bool:
    """Return whether there is a kernel for the paths, and for the dtype and the device of x."""
    if switched_off() or x.device.type != "cpu" or x.dtype not in _DTYPES or paths.max_degree > kernels.MAX_DEGREE:
        return False
    return kernels.functions(_DTYPES[x.dtype]) is not None


def coupled_sums(
    paths: SumPaths, h: Tensors, weights: Tensor, matrices: Tensor, edge_lists: EdgeLists
) -> tuple[Tensor, ...]:
    """Compute the sums A of ``SumPaths`` by a kernel; ``has_kernel`` must be true.

    Args:
        paths: The paths.
        h: Features, (n_atoms, 2l₁+1, channels) for each irrep.
        weights: Weights w, (n_edges, n_weights).
        matrices: Matrices M of all paths, (n_edges, n_matrix).
        edge_lists: The edges.

    Returns:
        Messages, (n_atoms, 2l₃+1, channels of all paths to l₃) for each irrep.

    Raises:
        MemoryError: If there is not enough memory.
    """
    result: tuple[Tensor, ...] = _Sums.apply(paths, edge_lists, weights, matrices, *h)
    return result


class _Sums(torch.autograd.Function):
    """The sums A of features h, weights w and matrices M."""

    @staticmethod
    def forward(ctx: Any, paths: SumPaths, edges: EdgeLists, w: Tensor, m: Tensor, *h: Tensor) -> tuple[Tensor, ...]:
        ctx.paths, ctx.edges = paths, edges
        ctx.save_for_backward(w, m, *h)
        if not all(_has_memory(x) for x in (w, m, *h)):
            return plain_sums(paths, edges, w, m, h)
        call = _Call(paths, edges.by_centre, edges.n_atoms, w, m, h)
        return call.run("forward", sums=call.empty_messages())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        return None, None, *_Gradients.apply(ctx.paths, ctx.edges, *ctx.saved_tensors, *grads)


class _Gradients(torch.autograd.Function):
    """Gradients of L = Σ G A with respect to w, M and h, for gradients G with respect to A.

    L is linear in each of G, w, M and h. Therefore its second derivatives are sums of the same functions, with one argument
    replaced by a vector.
    """

    @staticmethod
    def forward(ctx: Any, paths: SumPaths, edges: EdgeLists, *inputs: Tensor) -> tuple[Tensor, ...]:
        ctx.paths, ctx.edges = paths, edges
        ctx.save_for_backward(*inputs)
        w, m, h, grads = _split(paths, inputs)
        if not all(_has_memory(x) for x in inputs):
            return plain_gradients(paths, edges, w, m, h, grads)
        return _Call(paths, edges.by_neighbour, edges.n_atoms, w, m, h).gradients("backward", grads)

    @staticmethod
    def backward(ctx: Any, *vectors: Tensor) -> tuple[Tensor | None, ...]:
        paths, edges, inputs = ctx.paths, ctx.edges, ctx.saved_tensors
        if torch.is_grad_enabled() or not all(_has_memory(x) for x in (*inputs, *vectors)):
            return None, None, *_second_derivatives(paths, edges, inputs, vectors)
        w, m, h, grads = _split(paths, inputs)
        vector = vectors[0], vectors[1], vectors[2:]
        by_centre = _Call(paths, edges.by_centre, edges.n_atoms, w, m, h, vector)
        by_neighbour = _Call(paths, edges.by_neighbour, edges.n_atoms, w, m, h, vector)
        sums = by_centre.run("second_sums", sums=by_centre.empty_messages())
        return None, None, *by_neighbour.gradients("second_backward", grads), *sums


def _second_derivatives(paths: SumPaths, edges: EdgeLists, inputs: Tensors, vectors: Tensors) -> list[Tensor]:
    """Return the derivatives of ``_Gradients``, times vectors, as a differentiable function of all arguments."""
    w, m, h, grads = _split(paths, inputs)
    v_w, v_m, v_h = vectors[0], vectors[1], tuple(vectors[2:])
    replaced = [(v_w, m, h), (w, v_m, h), (w, m, v_h)]
    sums = [_Sums.apply(paths, edges, a, b, *c) for a, b, c in replaced]
    gradients = [_Gradients.apply(paths, edges, a, b, *c, *grads) for a, b, c in replaced]
    first, second, third = gradients  # the gradient with respect to the replaced argument does not occur
    grad_w, grad_m = second[0] + third[0], first[1] + third[1]
    grad_h = [a + b for a, b in zip(first[2:], second[2:], strict=True)]
    return [grad_w, grad_m, *grad_h, *(a + b + c for a, b, c in zip(*sums, strict=True))]


def _split(paths: SumPaths, inputs: Tensors) -> tuple[Tensor, Tensor, Tensors, Tensors]:
    """Split (w, M, features, gradients)."""
    w, m, *others = inputs
    return w, m, tuple(others[: paths.n_features]), tuple(others[paths.n_features :])


class _Call:
    """A call of a kernel. It keeps contiguous copies of the tensors alive."""

    def __init__(
        self,
        paths: SumPaths,
        edges: EdgeList,
        n_atoms: int,
        w: Tensor,
        m: Tensor,
        h: Tensors,
        vector: tuple[Tensor, Tensor, Tensors] | None = None,
    ):
        self._paths, self._n_atoms = paths, n_atoms
        self._w, self._m, self._h = w.contiguous(), m.contiguous(), [x.contiguous() for x in h]
        self._layout = kernels.make_layout(paths.paths, paths.n_weights, paths.n_matrix, paths.message_channels)
        self._call = kernels.Call(
            n_threads=torch.get_num_threads(),
            n_atoms=n_atoms,
            layout=self._layout,
            edges=kernels.EdgeAddresses(*(x.data_ptr() for x in edges)),
            input=self._input(self._w, self._m, self._h),
        )
        self._alive = edges
        if vector is not None:
            self._v_w, self._v_m = vector[0].contiguous(), vector[1].contiguous()
            self._v_h = [x.contiguous() for x in vector[2]]
            self._call.vector = self._input(self._v_w, self._v_m, self._v_h)

    @staticmethod
    def _input(w: Tensor, m: Tensor, h: Tensors) -> kernels.Input:
        return kernels.Input(pointers(h), w.data_ptr(), m.data_ptr())

    def empty_messages(self) -> tuple[Tensor, ...]:
        """Return memory for messages."""
        shapes = zip(self._paths.message_dims, self._paths.message_channels, strict=True)
        return tuple(self._w.new_empty(self._n_atoms, dim, channels) for dim, channels in shapes)

    def run(self, name: str, *, sums: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Compute sums."""
        self._call.sums = pointers(sums)
        self._run(name)
        return sums

    def gradients(self, name: str, grads: Tensors) -> tuple[Tensor, ...]:
        """Return the gradients with respect to w, M and h; ``grads``: gradients with respect to the messages."""
        grads = [grad.contiguous() for grad in grads]
        grad_w, grad_m, grad_h = (
            torch.empty_like(self._w),
            torch.empty_like(self._m),
            [torch.zeros_like(x) for x in self._h],
        )
        self._call.G, self._call.gh = pointers(grads), pointers(grad_h)
        self._call.gw, self._call.gM = grad_w.data_ptr(), grad_m.data_ptr()
        self._run(name)
        return grad_w, grad_m, *grad_h

    def _run(self, name: str) -> None:
        functions = kernels.functions(_DTYPES[self._w.dtype])
        getattr(functions, name)(ctypes.byref(self._call))


def _has_memory(x: Tensor) -> bool:
    """Return whether a tensor has numbers in memory, unlike the tensors of a batched derivative (``is_grads_batched``)."""
    try:
        x.data_ptr()
    except (RuntimeError, NotImplementedError):
        return False
    return True


_DTYPES = {torch.float32: "float32", torch.float64: "float64"}
