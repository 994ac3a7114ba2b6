"""The symmetric product of a frozen layer, by a kernel; coefficients are couplings times the weights of an element."""

from __future__ import annotations

import ctypes
from functools import lru_cache

import numpy as np
import torch
from e3nn import o3
from scipy.sparse import csr_array
from torch import Tensor

from atomgraph.compiled.evaluation import MAX_CACHED_TABLES, AtomRuns, Evaluation
from atomgraph.compiled.layout import Layout
from atomgraph.compiled.pullback import Pullback
from atomgraph.kernels.cache import checksum
from atomgraph.kernels.function_pointers import INT, POINTER, bind_function, pointers
from atomgraph.kernels.polynomial_source import Term
from atomgraph.kernels.product_source import ProductSource
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.old_names import OldAttribute
from atomgraph.ops.symmetric import monomials

_ROUNDING = 1e-12  # couplings whose absolute value is below this fraction of the largest one are rounding errors


class FusedProduct:
    """``nn.equivariant.SymmetricProduct`` by a kernel: a sparse polynomial of the message, for each atom and channel.

    Args:
        product: The product, in float64.
        by_element: Whether the weights of the product differ by element.
        dtype: Dtype of the kernel.
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
        self.name = f"product_{checksum(self._source.code(''))}"  # equal products have equal kernels
        self._coefficients: dict[int, Tensor] = {}  # by row of the element in the model's table
        self._cached_tables = lru_cache(MAX_CACHED_TABLES)(self._coefficient_pointers)

    def _add_terms(self, irrep: o3.Irrep, nu: int) -> tuple[str, csr_array]:
        """Add the terms of one irrep and correlation order nu.

        Returns:
            The key of the weights of these terms, and their couplings, (n_terms, n_paths).
        """
        couplings = self._product.sparse_coupling(irrep, nu)
        magnitudes = abs(couplings).max(axis=1).toarray() if couplings.shape[1] else np.zeros(couplings.shape[0])
        first_output = sum(output.dim for output in self.outputs[: self.outputs.index(irrep)])
        factors = [tuple(sorted(monomial)) for monomial in monomials(self._product.irreps_in.dim, nu).tolist()]
        nonzero_rows = np.nonzero(magnitudes > _ROUNDING * magnitudes.max(initial=0.0))[0]
        # row of couplings = index of the monomial · (2l + 1) + component of the irrep
        self.terms += [(first_output + row % irrep.dim, factors[row // irrep.dim]) for row in nonzero_rows.tolist()]
        return f"{irrep}_{nu}", couplings[nonzero_rows]

    def source(self) -> str:
        """Return the C++ source of the kernel."""
        return self._source.code(self.name)

    def bind(self, library: ctypes.CDLL) -> None:
        """Look up the functions of the kernel in the compiled library."""
        self._simd_width = library.width()
        self.padded_channels = -(-self.channels // self._simd_width) * self._simd_width
        self.input_layout = Layout(dict.fromkeys(self.inputs, self.padded_channels))
        self.output_layout = Layout(dict.fromkeys(self.outputs, self.padded_channels))
        shared_types = INT, INT, POINTER, POINTER, POINTER  # C types of the arguments of ``_shared_arguments``
        self._forward = bind_function(library, f"{self.name}_forward", *shared_types, POINTER)
        self._backward = bind_function(library, f"{self.name}_backward", *shared_types, POINTER, POINTER)

    def __call__(self, evaluation: Evaluation, x: Tensor) -> tuple[Tensor, Pullback]:
        """Return the products, in ``output_layout``, for x in ``input_layout``, and their vector-Jacobian product."""
        runs = evaluation.by_element if self._by_element else evaluation.all_atoms
        tables, y = self._cached_tables(runs.kinds), self.output_layout.empty(runs.n_atoms, self.dtype)
        self._forward(*_shared_arguments(runs, tables, x), y.data_ptr())

        def vjp(grad: Tensor) -> Tensor:
            grad_x = torch.empty_like(x)
            self._backward(*_shared_arguments(runs, tables, x), grad.data_ptr(), grad_x.data_ptr())
            return grad_x

        return y, vjp

    def _coefficient_pointers(self, kinds: tuple[int, ...]) -> ctypes.Array[ctypes.c_void_p]:
        """Return an array of addresses of coefficients; ``kinds`` are rows of elements in the model's table."""
        return pointers([self._get_coefficients(z) for z in kinds])

    def _get_coefficients(self, z: int) -> Tensor:
        """Return couplings times the weights of an element, as [vector of channels][coefficient][channel in the vector].

        Args:
            z: Row of the element in the model's table.
        """
        if z not in self._coefficients:
            weights = {key: weight[z].detach().double().numpy() for key, weight in self._product.weights.items()}
            term_coefficients = np.concatenate([coupling @ weights[key] for key, coupling in self._couplings])
            padded = np.zeros((len(self._source.coefficient_terms), self.padded_channels))
            padded[:, : self.channels] = term_coefficients[self._source.coefficient_terms]
            table = torch.from_numpy(padded).unflatten(1, (-1, self._simd_width)).transpose(0, 1)
            self._coefficients.setdefault(z, table.to(self.dtype).contiguous())  # a second thread must not replace it
        return self._coefficients[z]

    before, after = OldAttribute("input_layout"), OldAttribute("output_layout")


def _shared_arguments(runs: AtomRuns, tables: ctypes.Array[ctypes.c_void_p], x: Tensor) -> tuple[int, ...]:
    """Return the first arguments, which the forward and the backward kernel share."""
    return torch.get_num_threads(), len(runs.kinds), runs.first_atoms, ctypes.addressof(tables), x.data_ptr()
