"""The fused symmetric product: one sparse polynomial, whose coefficients are the couplings times an element's weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import accumulate
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.compiled.frame import Frame
from atomgraph.compiled.pointers import addresses, integers, pointers
from atomgraph.kernels.polynomial import Term
from atomgraph.kernels.product import product_source
from atomgraph.nn.product import SymmetricProduct
from atomgraph.ops.symmetric import monomials

_NOTHING = 1e-12  # couplings below this, relative to the largest, are rounding
#: Terms in all products of a model up to which they are compiled: each takes the compiler 1.4 ms. With l up to 4, products of
#: four, features up to l = 2 and two layers there are 24,428.
MOST_TERMS = 25_000


def n_terms(products: Sequence[SymmetricProduct]) -> int:
    """How many terms the polynomials of these products have together; where they are certainly few, at most how many."""
    terms = [(product, irrep, nu) for product in products for irrep, nu in product.terms]
    at_most = sum(irrep.dim * comb(product.irreps_in.dim + nu - 1, nu) for product, irrep, nu in terms)
    if at_most <= MOST_TERMS:
        return at_most
    return sum(int(_matter(product.coupling_of_monomials(irrep, nu)).sum()) for product, irrep, nu in terms)


class FusedProduct:
    """``nn.SymmetricProduct`` as straight-line code: blocks of sums to blocks of products, channel by channel.

    product: in float64.  by_element: whether its weights differ by element.  dtype: of the kernel.
    """

    def __init__(self, name: str, product: SymmetricProduct, by_element: bool, dtype: torch.dtype):
        self.name, self.channels, self.dtype = name, product.channels, dtype
        self.inputs = [irrep for _, irrep in product.irreps_in]
        self.outputs = [irrep for _, irrep in product.irreps_out]
        self._product, self._by_element = product, by_element
        self._rows = self._all_rows()
        self.terms: list[Term] = [(m, monomial) for m, monomial, _, _ in self._rows]
        self._coefficients: dict[int, Tensor] = {}

    def _all_rows(self) -> list[tuple[int, tuple[int, ...], np.ndarray, str]]:
        """(output, monomial, coupling to each path, key of the weights) of everything that is not zero."""
        first = dict(zip(self.outputs, np.cumsum([0, *(irrep.dim for irrep in self.outputs)]), strict=False))
        found = []
        n = sum(irrep.dim for irrep in self.inputs)
        for irrep, nu in self._product.terms:
            rows = self._product.coupling_of_monomials(irrep, nu)
            names = monomials(n, nu)
            for monomial, m in np.argwhere(_matter(rows)):
                term = tuple(sorted(int(k) for k in names[monomial]))
                found.append((int(first[irrep] + m), term, rows[monomial, m], f"{irrep}_{nu}"))
        return found

    def source(self) -> str:
        """C++ of the kernel."""
        n_in, n_out = (sum(irrep.dim for irrep in irreps) for irreps in (self.inputs, self.outputs))
        return product_source(self.name, self.channels, n_in, n_out, self.terms)

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernel."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self._forward = getattr(library, f"{self.name}_forward")
        self._backward = getattr(library, f"{self.name}_backward")

    def __call__(self, frame: Frame, blocks: list[Tensor]) -> list[Tensor]:
        """(n_atoms, 2l+1, padded) by irrep, both."""
        return list(_Multiply.apply(self, frame, *blocks))

    def arguments(self, frame: Frame, blocks: list[Tensor]) -> list[Any]:
        """What both kernels take first."""
        present, counts = (frame.present, frame.counts) if self._by_element else ([0], [frame.n_atoms])
        return [
            ctypes.c_int(torch.get_num_threads()),
            ctypes.c_int(len(present)),
            integers(list(accumulate(counts, initial=0))),
            pointers([self._of_element(z) for z in present]),
            *self.components(blocks),
        ]

    def components(self, blocks: list[Tensor]) -> tuple[Any, Any]:
        """A pointer to each component, and how far apart its atoms are."""
        step = self.padded * blocks[0].element_size()
        where: list[int] = []
        apart: list[int] = []
        for block in blocks:
            first, dim = block.data_ptr(), block.shape[1]
            where += range(first, first + dim * step, step)
            apart += [dim * self.padded] * dim
        return addresses(where), integers(apart)

    def _of_element(self, z: int) -> Tensor:
        """[block of channels][term][width]: couplings times the weights of an element."""
        if z not in self._coefficients:
            weights = {key: weight[z].detach().double().numpy() for key, weight in self._product.weights.items()}
            rows = np.stack([coupling @ weights[key] for _, _, coupling, key in self._rows])  # (n_terms, channels)
            padded = np.zeros((len(rows), self.padded))
            padded[:, : self.channels] = rows
            table = torch.from_numpy(padded).unflatten(1, (-1, self._width)).transpose(0, 1)
            self._coefficients.setdefault(
                z, table.to(self.dtype).contiguous()
            )  # what another thread has put there stays
        return self._coefficients[z]


def _matter(rows: np.ndarray) -> np.ndarray:
    """(n_monomials, 2L+1): which couplings, (n_monomials, 2L+1, n_paths), are more than rounding."""
    size = np.abs(rows).max(axis=2, initial=0.0)
    return np.asarray(size > _NOTHING * size.max(initial=0.0))


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kernel: FusedProduct, frame: Frame, *blocks: Tensor) -> Any:
        blocks = tuple(block.contiguous() for block in blocks)
        found = tuple(blocks[0].new_empty(frame.n_atoms, irrep.dim, kernel.padded) for irrep in kernel.outputs)
        kernel._forward(*kernel.arguments(frame, list(blocks)), *kernel.components(list(found)))
        ctx.save_for_backward(*blocks)
        ctx.kernel, ctx.frame = kernel, frame
        return found

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Any:
        blocks, kernel, frame = list(ctx.saved_tensors), ctx.kernel, ctx.frame
        slopes = tuple(slope.contiguous() for slope in slopes)
        found = [torch.empty_like(block) for block in blocks]
        where, _ = kernel.components(found)
        kernel._backward(*kernel.arguments(frame, blocks), *kernel.components(list(slopes)), where)
        return None, None, *found
