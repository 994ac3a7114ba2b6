"""The fused symmetric product: a sparse polynomial with couplings times the weights of an element as coefficients."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
import torch
from e3nn import o3
from scipy.sparse import csr_array
from torch import Tensor

from atomgraph.compiled.evaluation import MOST_KINDS, Evaluation, Runs
from atomgraph.compiled.function_pointers import INT, POINTER, bind_function, pointers
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.pullback import Pullback
from atomgraph.kernels.cache import checksum
from atomgraph.kernels.polynomial_source import Term
from atomgraph.kernels.product_source import ProductSource
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.ops.symmetric import monomials

_ROUNDING = 1e-12  # relative size of couplings that are rounding errors


class FusedProduct:
    """``nn.equivariant.SymmetricProduct`` by a kernel, for each channel of an atom's message.

    Args:
        product: In float64.
        by_element: Whether its weights differ by element.
        dtype: Of the kernel.
    """

    def __init__(self, product: SymmetricProduct, by_element: bool, dtype: torch.dtype):
        self.channels, self.dtype = product.channels, dtype
        self.inputs = [irrep for _, irrep in product.irreps_in]
        self.outputs = [irrep for _, irrep in product.irreps_out]
        self._product, self._by_element = product, by_element
        self.terms: list[Term] = []
        self._couplings = [self._add_terms(irrep, nu) for irrep, nu in product.terms]
        dims = [irrep.dim for irrep in self.inputs], [irrep.dim for irrep in self.outputs]
        self._source = ProductSource(self.channels, *dims, self.terms)
        self.name = f"product_{checksum(self._source.named(''))}"  # equal products have equal kernels
        self._coefficients: dict[int, Tensor] = {}
        self._tables_of = lru_cache(MOST_KINDS)(self._tables)

    def _add_terms(self, irrep: o3.Irrep, nu: int) -> tuple[str, csr_array]:
        """Add the terms of one irrep and order.

        Returns:
            The key of their weights, and couplings (n_terms, n_paths).
        """
        rows = self._product.sparse_coupling(irrep, nu)
        size = abs(rows).max(axis=1).toarray() if rows.shape[1] else np.zeros(rows.shape[0])
        first = sum(output.dim for output in self.outputs[: self.outputs.index(irrep)])
        names = [tuple(sorted(name)) for name in monomials(self._product.irreps_in.dim, nu).tolist()]
        kept = np.nonzero(size > _ROUNDING * size.max(initial=0.0))[0]
        self.terms += [(first + row % irrep.dim, names[row // irrep.dim]) for row in kept.tolist()]
        return f"{irrep}_{nu}", rows[kept]

    def source(self) -> str:
        """The C++ of the kernel."""
        return self._source.named(self.name)

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions in the compiled library."""
        self._width = library.width()
        self.padded = -(-self.channels // self._width) * self._width
        self.before = Layout(dict.fromkeys(self.inputs, self.padded))
        self.after = Layout(dict.fromkeys(self.outputs, self.padded))
        structure = INT, INT, POINTER, POINTER, POINTER
        self._forward = bind_function(library, f"{self.name}_forward", *structure, POINTER)
        self._backward = bind_function(library, f"{self.name}_backward", *structure, POINTER, POINTER)

    def __call__(self, run: Evaluation, x: Tensor) -> tuple[Tensor, Pullback]:
        """Products, in the layout ``after``, of x in the layout ``before``, and their VJP."""
        runs = run.by_element if self._by_element else run.alike
        tables, y = self._tables_of(runs.kinds), self.after.empty(runs.n_atoms, self.dtype)
        self._forward(*_structure(runs, tables, x), y.data_ptr())

        def vjp(grad: Tensor) -> Tensor:
            grad_x = torch.empty_like(x)
            self._backward(*_structure(runs, tables, x), grad.data_ptr(), grad_x.data_ptr())
            return grad_x

        return y, vjp

    def _tables(self, kinds: tuple[int, ...]) -> ctypes.Array[ctypes.c_void_p]:
        """Pointers to the coefficients of these elements."""
        return pointers([self._of_element(z) for z in kinds])

    def _of_element(self, z: int) -> Tensor:
        """[block of channels][coefficient][width]: couplings times the weights of an element."""
        if z not in self._coefficients:
            weights = {key: weight[z].detach().double().numpy() for key, weight in self._product.weights.items()}
            of_terms = np.concatenate([coupling @ weights[key] for key, coupling in self._couplings])
            padded = np.zeros((len(self._source.coefficients), self.padded))
            padded[:, : self.channels] = of_terms[self._source.coefficients]
            table = torch.from_numpy(padded).unflatten(1, (-1, self._width)).transpose(0, 1)
            self._coefficients.setdefault(z, table.to(self.dtype).contiguous())  # the first of two threads wins
        return self._coefficients[z]


def _structure(runs: Runs, tables: ctypes.Array[ctypes.c_void_p], x: Tensor) -> tuple[int, ...]:
    """The first arguments of both kernels."""
    return torch.get_num_threads(), len(runs.kinds), runs.first, ctypes.addressof(tables), x.data_ptr()
