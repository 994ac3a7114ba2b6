"""The fused symmetric product: one sparse polynomial, whose coefficients are the couplings times an element's weights."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atomgraph.compiled.evaluation import Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.pointers import INT, POINTER, door, pointers
from atomgraph.compiled.pullback import Pullback
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
    """``nn.SymmetricProduct`` as straight-line code: an atom's message to its products, channel by channel.

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
        self._plans: dict[tuple[int, ...], Any] = {}

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
        dims = [irrep.dim for irrep in self.inputs], [irrep.dim for irrep in self.outputs]
        return product_source(self.name, self.channels, *dims, self.terms)

    def bind(self, library: ctypes.CDLL) -> None:
        """Use the compiled kernel."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self.before = Layout(dict.fromkeys(self.inputs, self.padded))
        self.after = Layout(dict.fromkeys(self.outputs, self.padded))
        structure = INT, INT, POINTER, POINTER, POINTER
        self._forward = door(library, f"{self.name}_forward", *structure, POINTER)
        self._backward = door(library, f"{self.name}_backward", *structure, POINTER, POINTER)

    def __call__(self, of: Evaluation, x: Tensor) -> tuple[Tensor, Pullback]:
        """Products, in the layout ``after``, of what is in the layout ``before``."""
        runs = of.by_element if self._by_element else of.alike
        coefficients = self._coefficients_of(runs.kinds)
        structure = torch.get_num_threads(), len(runs.kinds), runs.first, coefficients, x.data_ptr()
        y = self.after.empty(runs.n_atoms, self.dtype)
        self._forward(*structure, y.data_ptr())

        def back(slope: Tensor) -> Tensor:
            found = torch.empty_like(x)
            self._backward(*structure, slope.data_ptr(), found.data_ptr())
            return found

        return y, back

    def _coefficients_of(self, kinds: tuple[int, ...]) -> int:
        """The address of pointers to the elements' coefficients, the same with the same elements."""
        if kinds not in self._plans:
            self._plans.setdefault(kinds, pointers([self._of_element(z) for z in kinds]))
        return ctypes.addressof(self._plans[kinds])

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
