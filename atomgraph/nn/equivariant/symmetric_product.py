"""Symmetric product basis of ACE and MACE: products of the equivariant features of an atom, coupled to irreps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from weakref import WeakValueDictionary

import numpy as np
import torch
from e3nn import o3
from scipy.sparse import csr_array
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.linear_map import LinearMap, matrices
from atomgraph.nn.part import Part
from atomgraph.old_names import OldAttribute, old_names_of
from atomgraph.ops.coupling import Coupling, couplings, n_couplings
from atomgraph.ops.symmetric import monomial_rows, monomials, split_monomials, truncated_svd

MAX_ORDER = 10  # largest number of factors; the number of couplings grows quickly with it
# largest number of values in an intermediate tensor of a group of atoms; without effect if derivatives are computed
_MAX_NUMBERS = 20_000_000


class SymmetricProduct(Part):
    r"""Products of ν equal factors A, coupled to irreps, with weights per channel and element.

    .. math:: B_{i, LM, c} = \sum_{\nu} \sum_p W^{L \nu}_{z_i p c} \sum_{k_1 \dots k_\nu} U^{L \nu}_{M k_1 \dots k_\nu p}
              \prod_{\xi=1}^{\nu} A_{i k_\xi c}

    U is a product of Wigner's 3j symbols (``ops.coupling``). The factors are equal, so only the symmetric part of U has an
    effect. U is therefore stored for monomials of A. As functions of the monomials, only few of the paths p are linearly
    independent (8 of 23 for L = 0, ν = 3, l ≤ 3). A matrix converts the weights W of all paths to weights of the
    independent paths.

    ``weights[irrep_ν]`` is (n_elements, n_paths, channels).

    Args:
        irreps_in: Irreps of A, one channel each.
        irreps_out: Irreps of B, one channel each.
        order: Largest number of factors ν.
        channels: Number of channels c.
        n_elements: Number of sets of weights; with 1, all elements have the same weights.
        n_paths: None: U is computed from Wigner's symbols, exact in every dtype. Otherwise, for each irrep of the output,
            the number of paths for ν = 1 … order: U is then stored in buffers ``coupling_{irrep}_{ν}`` of MACE's shape, which
            are zero until they are loaded from a file.

    Raises:
        WiringError: If irreps have multiplicities, or ``order`` is not from 1 to 10.

    Source: Batatia et al., NeurIPS 2022, Eqs. 10 and 11; Drautz, Phys. Rev. B 99, 014104 (2019).
    """

    group = "product"  # parameter group, a name in the settings of learning rates and frozen weights

    def __init__(
        self,
        irreps_in: o3.Irreps | str,
        irreps_out: o3.Irreps | str,
        order: int,
        channels: int,
        n_elements: int = 1,
        n_paths: Mapping[str, Sequence[int]] | None = None,
    ):
        super().__init__()
        self.irreps_in, self.irreps_out = o3.Irreps(irreps_in), o3.Irreps(irreps_out)
        if any(n != 1 for n, _ in [*self.irreps_in, *self.irreps_out]):
            raise WiringError(f"a product takes irreps of one channel, but was given {irreps_in} and {irreps_out}")
        if not 1 <= order <= MAX_ORDER or channels < 1 or n_elements < 1:
            raise WiringError(
                f"order (up to {MAX_ORDER}), channels, n_elements must be positive, but are {order}, {channels}, "
                f"{n_elements}"
            )
        self.order, self.channels, self.n_elements = order, channels, n_elements
        self._terms = [(irrep, nu) for _, irrep in self.irreps_out for nu in range(1, order + 1)]
        self._coupling_from_file = n_paths is not None
        self.weights = torch.nn.ParameterDict()
        for irrep, nu in self._terms:
            n = self._n_paths(irrep, nu) if n_paths is None else n_paths[str(irrep)][nu - 1]
            if n:
                self.weights[f"{irrep}_{nu}"] = torch.nn.Parameter(torch.randn(n_elements, n, channels) / n)
                if self._coupling_from_file:
                    shape = [irrep.dim] * (irrep.l > 0) + [self.irreps_in.dim] * nu + [n]
                    self.register_buffer(f"coupling_{irrep}_{nu}", torch.zeros(shape, dtype=torch.float64))
        self._terms = [(irrep, nu) for irrep, nu in self._terms if f"{irrep}_{nu}" in self.weights]
        self._table_cache: dict[object, _MonomialTables] = {}

    def linear_maps(self) -> dict[str, LinearMap]:
        """Describe the matrix (n_paths, channels) of each term and element.

        LoRA adapts these matrices only if its option ``products`` is true.
        """
        return matrices(self, "weights.", option="products")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """Weights of the new elements; no entries if all elements have the same weights."""
        if self.n_elements == 1:
            return {}
        return {f"weights.{key}": weight[edit.rows] for key, weight in self.weights.items()}

    def forward(self, A: Tensor, element: Tensor) -> Tensor:
        """Compute the products of each channel.

        Args:
            A: Features A, (n_atoms, irreps_in.dim, channels).
            element: Row of each atom's element in the weights, (n_atoms,); zeros if all elements have the same weights.

        Returns:
            Products B, (n_atoms, irreps_out.dim, channels).
        """
        tables = self._get_tables(A)
        group_size = max(_MAX_NUMBERS // (tables.n_intermediate * self.irreps_out.dim * self.channels), 1)
        if len(A) <= group_size or torch.is_grad_enabled():
            return self._products(A, element, tables)
        groups = zip(A.split(group_size), element.split(group_size), strict=True)
        return torch.cat([self._products(a, e, tables) for a, e in groups])

    def _products(self, A: Tensor, element: Tensor, tables: _MonomialTables) -> Tensor:
        """Sort the atoms by element, and compute the products B of the atoms of each element; shapes as in ``forward``."""
        atom_order = torch.argsort(element, stable=True)
        elements, counts = torch.unique_consecutive(element[atom_order], return_counts=True)
        coefficients = [self._coefficients(nu, elements, tables) for nu in range(1, self.order + 1)]
        x = A.index_select(0, atom_order).permute(2, 1, 0)  # (channels, irreps_in.dim, n_atoms)
        parts = [
            self._sum_nested(a.contiguous(), [None if c is None else c[k] for c in coefficients], tables)
            for k, a in enumerate(x.split(counts.tolist(), dim=2))
        ]
        result = torch.cat(parts, dim=2) if parts else x.new_zeros(self.channels, self.irreps_out.dim, 0)
        return result.permute(2, 1, 0).index_select(0, torch.argsort(atom_order))

    def _coefficients(self, nu: int, elements: Tensor, tables: _MonomialTables) -> Tensor | None:
        """Coefficients of the monomials of order ν, (n_elements, channels, irreps_out.dim, n_monomials), for these elements."""
        if not any(term_nu == nu for _, term_nu in self._terms):
            return None
        parts = []
        for _, irrep in self.irreps_out:
            key, n_monomials = f"{irrep}_{nu}", len(monomials(self.irreps_in.dim, nu))
            if key in tables.basis:
                weight = torch.einsum("rp,zpc->zcr", tables.reduction[key], self.weights[key][elements])
                parts.append((weight @ tables.basis[key]).unflatten(2, (irrep.dim, n_monomials)))
            else:
                like = tables.reduction[next(iter(tables.reduction))]
                parts.append(like.new_zeros(len(elements), self.channels, irrep.dim, n_monomials))
        return torch.cat(parts, dim=2)

    def _sum_nested(self, a: Tensor, coefficients: list[Tensor | None], tables: _MonomialTables) -> Tensor:
        r"""Sum coefficients times monomials for the atoms of one element, from the highest order to the lowest.

        Horner's scheme. X of the highest order is zero, and the result is X of order 0. Each step sums

        .. math:: X_{\nu-1}[m] = \sum_k (X_\nu[m k] + c_\nu[m k]) A_k

        with m a monomial of order ν−1, and m k its products with the components A_k whose index k is at least the largest
        index in m. No tensor has the size of all monomials of the highest order times all atoms, and the first step is a
        matrix product.

        Args:
            a: Features A, (channels, n, n_atoms), n = irreps_in.dim.
            coefficients: Coefficients c of order ν = 1 … order, (channels, irreps_out.dim, n_monomials), or None for zeros.
            tables: Couplings and index tables of the monomials.

        Returns:
            Products, (channels, irreps_out.dim, n_atoms).
        """
        channels, n, n_atoms = a.shape
        dim = self.irreps_out.dim
        nested: Tensor | None = None
        for nu in range(self.order, 0, -1):
            coefficient, n_lower = coefficients[nu - 1], tables.n_lower[nu]
            if nested is None and coefficient is not None:
                dense = coefficient.new_zeros(channels, dim, n_lower * n)
                dense = dense.index_copy(2, tables.table_position[nu], coefficient)
                nested = (dense.view(channels, dim * n_lower, n) @ a).view(channels, dim, n_lower, n_atoms)
            elif nested is not None:
                nested = nested if coefficient is None else nested + coefficient[..., None]
                terms = nested * (a if nu == 1 else a.index_select(1, tables.component[nu]))[:, None]
                if nu == 1:
                    nested = terms.sum(2, keepdim=True)
                else:
                    sums = terms.new_zeros(channels, dim, n_lower, n_atoms)
                    nested = sums.index_add(2, tables.lower_monomial[nu], terms)
        return a.new_zeros(channels, dim, n_atoms) if nested is None else nested[:, :, 0]

    def _get_tables(self, A: Tensor) -> _MonomialTables:
        """Tables on the device of A and in its dtype, from the cache; computed again after other couplings are loaded."""
        buffer_versions = [(buffer.data_ptr(), _version(buffer)) for buffer in self.buffers()]
        key = (A.device, A.dtype, *buffer_versions)
        if key not in self._table_cache:
            if buffer_versions:
                self._table_cache = {}  # tables of earlier couplings are not used again
            shared_key = (_irreps_text(self.irreps_in), tuple(self._terms), A.device, A.dtype)
            result = None if buffer_versions else _SHARED.get(shared_key)
            if result is None:
                with torch.inference_mode(False), torch.no_grad():
                    result = self._compute_tables(A)
            if not buffer_versions:
                _SHARED[shared_key] = result
            self._table_cache[key] = result
        return self._table_cache[key]

    def _compute_tables(self, A: Tensor) -> _MonomialTables:
        n, tolerance = self.irreps_in.dim, 100 * torch.finfo(A.dtype).eps
        basis, reduction = {}, {}
        for irrep, nu in self._terms:
            left, right = truncated_svd(self.sparse_coupling(irrep, nu), tolerance)
            columns = left.reshape(-1, irrep.dim, left.shape[1]).transpose(2, 1, 0)  # (rank, 2L+1, n_monomials)
            key = f"{irrep}_{nu}"
            basis[key] = torch.tensor(columns.reshape(len(columns), -1), dtype=A.dtype, device=A.device)
            reduction[key] = torch.tensor(right, dtype=A.dtype, device=A.device)
        splits = {nu: split_monomials(n, nu) for nu in range(2, self.order + 1)}
        splits[1] = np.zeros(n, dtype=np.int64), np.arange(n)
        return _MonomialTables(
            basis=basis,
            reduction=reduction,
            n_lower={nu: int(lower.max()) + 1 for nu, (lower, _) in splits.items()},
            table_position={nu: torch.tensor(lower * n + k, device=A.device) for nu, (lower, k) in splits.items()},
            component={nu: torch.tensor(k, device=A.device) for nu, (_, k) in splits.items()},
            lower_monomial={nu: torch.tensor(lower, device=A.device) for nu, (lower, _) in splits.items()},
        )

    @property
    def terms(self) -> list[tuple[o3.Irrep, int]]:
        """Irreps of the output and orders ν that have weights."""
        return list(self._terms)

    def monomial_coupling(self, irrep: o3.Irrep, nu: int) -> np.ndarray:
        """Coefficients of the monomials: U summed over permutations of the factors, (n_monomials, 2L+1, n_paths), float64."""
        rows = self.sparse_coupling(irrep, nu).toarray()
        return rows.reshape(len(monomials(self.irreps_in.dim, nu)), irrep.dim, rows.shape[1])

    def sparse_coupling(self, irrep: o3.Irrep, nu: int) -> csr_array:
        """Coefficients of the monomials as a sparse matrix, (n_monomials · (2L+1), n_paths), float64."""
        n = self.irreps_in.dim
        if self._coupling_from_file:
            paths = tuple(_read_couplings(getattr(self, f"coupling_{irrep}_{nu}"), irrep))
        else:
            paths = couplings(_irreps_text(self.irreps_in), str(irrep), nu)
        shape = len(monomials(n, nu)) * irrep.dim, len(paths)
        if not paths:
            return csr_array(shape)
        row = monomial_rows(np.concatenate([path.factors for path in paths]), n) * irrep.dim
        row += np.concatenate([path.m for path in paths])
        column = np.repeat(np.arange(len(paths)), [len(path.m) for path in paths])
        return csr_array((np.concatenate([path.values for path in paths]), (row, column)), shape)

    def _n_paths(self, irrep: o3.Irrep, nu: int) -> int:
        return n_couplings(_irreps_text(self.irreps_in), str(irrep), nu)

    coupling_of_monomials = OldAttribute("monomial_coupling")


#: Tables in use, by irreps, terms, device and dtype; the layers of a model share them.
_SHARED: WeakValueDictionary[tuple[object, ...], _MonomialTables] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class _MonomialTables:
    """Factorised couplings, and index tables from monomials to monomials of the next lower order.

    Attributes:
        basis: By ``irrep_ν``: independent couplings of monomials, (rank, (2L+1) · n_monomials).
        reduction: By ``irrep_ν``: matrix that maps weights of paths to weights of independent couplings, (rank, n_paths).
        n_lower: By ν: number of monomials of the next lower order.
        component: By ν: for each monomial, the largest index k among its factors A_k.
        lower_monomial: By ν: for each monomial, the row of the monomial without that factor, among the monomials of order ν−1.
        table_position: By ν: for each monomial, the index ``lower_monomial · n + component``, with n the number of components
            of A. It is a position in a flattened table (n_lower, n), which also has products that are no monomials.
    """

    basis: dict[str, Tensor]
    reduction: dict[str, Tensor]
    n_lower: dict[int, int]
    component: dict[int, Tensor]
    lower_monomial: dict[int, Tensor]
    table_position: dict[int, Tensor]

    def __deepcopy__(self, memo: object) -> _MonomialTables:
        return self  # tables are never modified, and can take hundreds of MB

    @property
    def n_intermediate(self) -> int:
        """Largest number of values X per atom, output and channel in ``_sum_nested``: the monomials of order ``order − 1``."""
        return max(self.n_lower.values())


def _read_couplings(coupling: Tensor, irrep: o3.Irrep) -> list[Coupling]:
    """Convert a dense U, in the shape of ``ops.coupling.coupling_tensor``, to the couplings of its paths."""
    dense = coupling.detach().double().cpu().numpy()
    dense = dense if irrep.l > 0 else dense[None]
    result = []
    for p in range(dense.shape[-1]):
        indices = np.nonzero(dense[..., p])
        result.append(Coupling(irrep, indices[0], np.stack(indices[1:], axis=1), dense[..., p][indices]))
    return result


def _irreps_text(irreps: o3.Irreps) -> str:
    return "+".join(str(irrep) for _, irrep in irreps)


def _version(tensor: Tensor) -> int:
    """Number of changes of a tensor in place; 0 for tensors of inference mode, which have no such counter."""
    return 0 if tensor.is_inference() else int(tensor._version)


__getattr__ = old_names_of(__name__)
