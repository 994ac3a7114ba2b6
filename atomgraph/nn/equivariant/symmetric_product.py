"""Symmetric product basis: products of an atom's equivariant features, coupled to irreps. ACE's and MACE's."""

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
from atomgraph.ops.coupling import Coupling, couplings, n_couplings
from atomgraph.ops.symmetric import monomial_rows, monomials, split_monomials, truncated_svd

HIGHEST_ORDER = 10  # factors; with more, there are more couplings than can be counted
_AT_ONCE = 20_000_000  # numbers that are held where no derivative needs them


class SymmetricProduct(Part):
    r"""Products of equal factors, coupled to irreps, weighted by channel and element.

    .. math:: B_{i, LM, c} = \sum_{\nu} \sum_p W^{L \nu}_{z_i p c} \sum_{k_1 \dots k_\nu} U^{L \nu}_{M k_1 \dots k_\nu p}
              \prod_{\xi=1}^{\nu} A_{i k_\xi c}

    U chains Wigner's symbols (``ops.coupling``). Since the factors are equal, only its symmetric part counts: it is kept on
    monomials, where the chains p are few independent ones (8 of 23 for L = 0, ν = 3, l ≤ 3), and W is brought onto these.

    ``weights[irrep_ν]`` is (n_elements, n_paths, C).

    Args:
        irreps_in, irreps_out: Of one channel.
        order: The largest ν.
        channels: C.
        n_elements: Sets of weights; with 1, all elements share them.
        n_paths: None for U as it is made here, exact in every dtype; or, for U that came from elsewhere, how many paths
            it has for each irrep that goes out, ν = 1 … order; then U is a buffer ``coupling_{irrep}_{ν}`` of MACE's
            shape.

    Raises:
        WiringError: For irreps with multiplicities, or order < 1.

    Source: Batatia et al., NeurIPS 2022, Eqs. 10 and 11; Drautz, Phys. Rev. B 99, 014104 (2019).
    """

    group = "product"

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
        if not 1 <= order <= HIGHEST_ORDER or channels < 1 or n_elements < 1:
            raise WiringError(
                f"order (up to {HIGHEST_ORDER}), channels, n_elements must be positive, but are {order}, {channels}, "
                f"{n_elements}"
            )
        self.order, self.channels, self.n_elements = order, channels, n_elements
        self._terms = [(irrep, nu) for _, irrep in self.irreps_out for nu in range(1, order + 1)]
        self._given = n_paths is not None
        self.weights = torch.nn.ParameterDict()
        for irrep, nu in self._terms:
            n = self._n_paths(irrep, nu) if n_paths is None else n_paths[str(irrep)][nu - 1]
            if n:
                self.weights[f"{irrep}_{nu}"] = torch.nn.Parameter(torch.randn(n_elements, n, channels) / n)
                if self._given:
                    shape = [irrep.dim] * (irrep.l > 0) + [self.irreps_in.dim] * nu + [n]
                    self.register_buffer(f"coupling_{irrep}_{nu}", torch.zeros(shape, dtype=torch.float64))
        self._terms = [(irrep, nu) for irrep, nu in self._terms if f"{irrep}_{nu}" in self.weights]
        self._factored: dict[object, _Factors] = {}

    def linear_maps(self) -> dict[str, LinearMap]:
        """A matrix of paths by channels for each term and element, adapted on request."""
        return matrices(self, "weights.", option="products")

    def element_weights(self, edit: ElementEdit) -> dict[str, Tensor]:
        """The weights of each element, where elements do not share them."""
        if self.n_elements == 1:
            return {}
        return {f"weights.{key}": weight[edit.rows] for key, weight in self.weights.items()}

    def forward(self, A: Tensor, element: Tensor) -> Tensor:
        """Products of each channel.

        Args:
            A: (n_atoms, irreps_in.dim, channels).
            element: (n_atoms,) rows of the weights, zeros if elements share them.

        Returns:
            (n_atoms, irreps_out.dim, channels).
        """
        factors = self._factors(A)
        most = max(_AT_ONCE // (factors.widest * self.irreps_out.dim * self.channels), 1)
        if len(A) <= most or torch.is_grad_enabled():
            return self._of(A, element, factors)
        parts = zip(A.split(most), element.split(most), strict=True)
        return torch.cat([self._of(a, e, factors) for a, e in parts])

    def _of(self, A: Tensor, element: Tensor, factors: _Factors) -> Tensor:
        order = torch.argsort(element, stable=True)
        present, counts = torch.unique_consecutive(element[order], return_counts=True)
        coefficients = [self._coefficients(nu, present, factors) for nu in range(1, self.order + 1)]
        x = A.index_select(0, order).permute(2, 1, 0)  # (channels, n, n_atoms)
        parts = [
            self._nested(a.contiguous(), [None if of is None else of[k] for of in coefficients], factors)
            for k, a in enumerate(x.split(counts.tolist(), dim=2))
        ]
        result = torch.cat(parts, dim=2) if parts else x.new_zeros(self.channels, self.irreps_out.dim, 0)
        return result.permute(2, 1, 0).index_select(0, torch.argsort(order))

    def _coefficients(self, nu: int, elements: Tensor, factors: _Factors) -> Tensor | None:
        """(n_elements, channels, irreps_out.dim, n_monomials) of the elements: what each monomial of order ν counts."""
        if not any(order == nu for _, order in self._terms):
            return None
        parts = []
        for _, irrep in self.irreps_out:
            key, n_monomials = f"{irrep}_{nu}", len(monomials(self.irreps_in.dim, nu))
            if key in factors.basis:
                weight = torch.einsum("rp,zpc->zcr", factors.reduction[key], self.weights[key][elements])
                parts.append((weight @ factors.basis[key]).unflatten(2, (irrep.dim, n_monomials)))
            else:
                like = factors.reduction[next(iter(factors.reduction))]
                parts.append(like.new_zeros(len(elements), self.channels, irrep.dim, n_monomials))
        return torch.cat(parts, dim=2)

    def _nested(self, a: Tensor, coefficients: list[Tensor | None], factors: _Factors) -> Tensor:
        r"""(channels, irreps_out.dim, n_atoms) of atoms of one element, a being (channels, n, n_atoms).

        From the highest order down, :math:`X_{\nu-1} = \sum_k (X_\nu + c_\nu) A_k` over monomials of the order below: nothing
        of the size of all monomials and atoms is made, and the first step is a matrix product.
        """
        channels, n, n_atoms = a.shape
        rows = self.irreps_out.dim
        inner: Tensor | None = None
        for nu in range(self.order, 0, -1):
            of_order, n_below = coefficients[nu - 1], factors.n_below[nu]
            if inner is None and of_order is not None:
                spread = of_order.new_zeros(channels, rows, n_below * n)
                spread = spread.index_copy(2, factors.spread[nu], of_order).view(channels, rows * n_below, n)
                inner = (spread @ a).view(channels, rows, n_below, n_atoms)
            elif inner is not None:
                inner = inner if of_order is None else inner + of_order[..., None]
                lifted = inner * (a if nu == 1 else a.index_select(1, factors.component[nu]))[:, None]
                if nu == 1:
                    inner = lifted.sum(2, keepdim=True)
                else:
                    inner = lifted.new_zeros(channels, rows, n_below, n_atoms).index_add(2, factors.below[nu], lifted)
        return a.new_zeros(channels, rows, n_atoms) if inner is None else inner[:, :, 0]

    def _factors(self, A: Tensor) -> _Factors:
        """Bases and reductions on A's device, in its dtype; cached until other couplings are loaded."""
        made_from = [(buffer.data_ptr(), _version(buffer)) for buffer in self.buffers()]
        key = (A.device, A.dtype, *made_from)
        if key not in self._factored:
            self._factored = {k: v for k, v in self._factored.items() if not made_from}  # of couplings that are gone
            same = (_text(self.irreps_in), tuple(self._terms), A.device, A.dtype)
            result = None if made_from else _SHARED.get(same)
            if result is None:
                with torch.inference_mode(False), torch.no_grad():
                    result = self._factorised(A)
            if not made_from:
                _SHARED[same] = result
            self._factored[key] = result
        return self._factored[key]

    def _factorised(self, A: Tensor) -> _Factors:
        n, tolerance = self.irreps_in.dim, 100 * torch.finfo(A.dtype).eps
        basis, reduction = {}, {}
        for irrep, nu in self._terms:
            left, right = truncated_svd(self.sparse_coupling(irrep, nu), tolerance)
            of_rank = left.reshape(-1, irrep.dim, left.shape[1]).transpose(2, 1, 0)  # (rank, 2L+1, n_monomials)
            key = f"{irrep}_{nu}"
            basis[key] = torch.tensor(of_rank.reshape(len(of_rank), -1), dtype=A.dtype, device=A.device)
            reduction[key] = torch.tensor(right, dtype=A.dtype, device=A.device)
        raising = {nu: split_monomials(n, nu) for nu in range(2, self.order + 1)}
        raising[1] = np.zeros(n, dtype=np.int64), np.arange(n)
        n_below = {nu: int(below.max()) + 1 for nu, (below, _) in raising.items()}
        return _Factors(
            basis=basis,
            reduction=reduction,
            n_below=n_below,
            spread={nu: torch.tensor(below * n + k, device=A.device) for nu, (below, k) in raising.items()},
            component={nu: torch.tensor(k, device=A.device) for nu, (_, k) in raising.items()},
            below={nu: torch.tensor(below, device=A.device) for nu, (below, _) in raising.items()},
        )

    @property
    def terms(self) -> list[tuple[o3.Irrep, int]]:
        """Irreps that go out and orders for which there are weights."""
        return list(self._terms)

    def coupling_of_monomials(self, irrep: o3.Irrep, nu: int) -> np.ndarray:
        """(n_monomials, 2L+1, n_paths): U summed over the orders of its factors, in float64."""
        rows = self.sparse_coupling(irrep, nu).toarray()
        return rows.reshape(len(monomials(self.irreps_in.dim, nu)), irrep.dim, rows.shape[1])

    def sparse_coupling(self, irrep: o3.Irrep, nu: int) -> csr_array:
        """The same, (n_monomials · (2L+1), n_paths), without its zeros."""
        n = self.irreps_in.dim
        if self._given:
            entries = tuple(_entries(getattr(self, f"coupling_{irrep}_{nu}"), irrep, nu))
        else:
            entries = couplings(_text(self.irreps_in), str(irrep), nu)
        shape = len(monomials(n, nu)) * irrep.dim, len(entries)
        if not entries:
            return csr_array(shape)
        row = monomial_rows(np.concatenate([chain.factors for chain in entries]), n) * irrep.dim
        row += np.concatenate([chain.m for chain in entries])
        path = np.repeat(np.arange(len(entries)), [len(chain.m) for chain in entries])
        return csr_array((np.concatenate([chain.values for chain in entries]), (row, path)), shape)

    def _n_paths(self, irrep: o3.Irrep, nu: int) -> int:
        return n_couplings(_text(self.irreps_in), str(irrep), nu)


#: Factors of products that are in use, by what they are made from: layers of one model have them in common.
_SHARED: WeakValueDictionary[tuple[object, ...], _Factors] = WeakValueDictionary()


@dataclass(frozen=True, eq=False)
class _Factors:
    """What couples monomials, and what leads from those of one order to those of the order below.

    basis[irrep_ν]: (rank, (2L+1) · n_monomials).  reduction[irrep_ν]: (rank, n_paths), brings weights onto the ranks.
    n_below[ν]: monomials of the order below ν.  below[ν], component[ν]: which of these each of order ν is, and times which
    component.  spread[ν]: its place in the table n_below · n.
    """

    basis: dict[str, Tensor]
    reduction: dict[str, Tensor]
    n_below: dict[int, int]
    spread: dict[int, Tensor]
    component: dict[int, Tensor]
    below: dict[int, Tensor]

    def __deepcopy__(self, memo: object) -> _Factors:
        return self  # it is never modified, and large products have hundreds of MB

    @property
    def widest(self) -> int:
        """Monomials of the second highest order, the widest that is made for each atom."""
        return max(self.n_below.values())


def _entries(coupling: Tensor, irrep: o3.Irrep, nu: int) -> list[Coupling]:
    """The entries of a dense U, path by path."""
    dense = coupling.detach().double().cpu().numpy()
    dense = dense if irrep.l > 0 else dense[None]
    result = []
    for p in range(dense.shape[-1]):
        where = np.nonzero(dense[..., p])
        result.append(Coupling(irrep, where[0], np.stack(where[1:], axis=1), dense[..., p][where]))
    return result


def _text(irreps: o3.Irreps) -> str:
    return "+".join(str(irrep) for _, irrep in irreps)


def _version(tensor: Tensor) -> int:
    """How often a tensor was written into; tensors of inference mode do not count that."""
    return 0 if tensor.is_inference() else int(tensor._version)
