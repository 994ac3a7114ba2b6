"""Symmetric product basis: products of an atom's equivariant features, coupled to irreps. ACE's and MACE's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from e3nn import o3
from torch import Tensor

from atomgraph.errors import WiringError
from atomgraph.nn.part import Part
from atomgraph.ops.coupling import Coupling, couplings
from atomgraph.ops.symmetric import low_rank, monomial_rows, monomials, products, raised

_ROWS_AT_ONCE = 20_000_000  # numbers of monomials that are held where no derivative needs them


class SymmetricProduct(Part):
    r"""Products of equal factors, coupled to irreps, weighted by channel and element.

    .. math:: B_{i, LM, c} = \sum_{\nu} \sum_p W^{L \nu}_{z_i p c} \sum_{k_1 \dots k_\nu} U^{L \nu}_{M k_1 \dots k_\nu p}
              \prod_{\xi=1}^{\nu} A_{i k_\xi c}

    U chains Wigner's symbols (``ops.coupling``). Since the factors are equal, only its symmetric part counts: it is kept on
    monomials, where the chains p are few independent ones (8 of 23 for L = 0, ν = 3, l ≤ 3), and W is brought onto these.

    irreps_in, irreps_out: of one channel.  order: the largest ν.  channels: C.
    n_elements: sets of weights; with 1, all elements share them.
    n_paths: None for U as it is made here, exact in every dtype; or, for U that came from elsewhere, how many paths it has
    for each irrep that goes out, ν = 1 … order; then U is a buffer ``coupling_{irrep}_{ν}`` of MACE's shape.
    ``weights[irrep_ν]`` is (n_elements, n_paths, C).  Raises WiringError for irreps with multiplicities, or order < 1.
    Source: Batatia et al., NeurIPS 2022, Eqs. 10 and 11; Drautz, Phys. Rev. B 99, 014104 (2019).
    """

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
        if order < 1 or channels < 1 or n_elements < 1:
            raise WiringError(
                f"order, channels, n_elements must be positive, but are {order}, {channels}, {n_elements}"
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

    def forward(self, A: Tensor, element: Tensor) -> Tensor:
        """Products of each channel.

        A: (n_atoms, irreps_in.dim, channels).  element: (n_atoms,) rows of the weights, zeros if elements share them.
        Returns (n_atoms, irreps_out.dim, channels).
        """
        factors = self._factors(A)
        weights = {
            key: torch.einsum("rp,zpc->zrc", reduction, self.weights[key])
            for key, reduction in factors.reduction.items()
        }
        most = max(_ROWS_AT_ONCE // (factors.n_monomials * self.channels), 1)
        if len(A) <= most or torch.is_grad_enabled():
            return self._of(A, element, factors, weights)
        parts = zip(A.split(most), element.split(most), strict=True)
        return torch.cat([self._of(a, e, factors, weights) for a, e in parts])

    def _of(self, A: Tensor, element: Tensor, factors: _Factors, weights: Mapping[str, Tensor]) -> Tensor:
        n_atoms, n, channels = A.shape
        powers = products(A.transpose(0, 1).reshape(n, n_atoms * channels), factors.raising)
        found: dict[o3.Irrep, Tensor] = {}
        for nu, power in enumerate(powers, start=1):
            of_order = [irrep for irrep, order in self._terms if order == nu]
            if not of_order:
                continue
            rows = factors.basis[nu] @ power  # all irreps of this order: (Σ rank · (2L+1), n_atoms · channels)
            sizes = [weights[f"{irrep}_{nu}"].shape[1] * irrep.dim for irrep in of_order]
            for irrep, part in zip(of_order, rows.split(sizes), strict=True):
                weight = weights[f"{irrep}_{nu}"][element].transpose(0, 1)  # (rank, n_atoms, channels)
                term = (part.view(len(weight), irrep.dim, n_atoms, channels) * weight[:, None]).sum(dim=0)
                found[irrep] = found[irrep] + term if irrep in found else term
        parts = [
            found[irrep] if irrep in found else A.new_zeros(irrep.dim, n_atoms, channels)
            for _, irrep in self.irreps_out
        ]
        return torch.cat(parts).transpose(0, 1)

    def _factors(self, A: Tensor) -> _Factors:
        """Bases and reductions on A's device, in its dtype; made once, and anew where other couplings were loaded."""
        made_from = [(buffer.data_ptr(), _version(buffer)) for buffer in self.buffers()]
        key = (A.device, A.dtype, *made_from)
        if key not in self._factored:
            self._factored = {k: v for k, v in self._factored.items() if not made_from}  # of couplings that are gone
            with torch.inference_mode(False), torch.no_grad():
                self._factored[key] = self._factorised(A)
        return self._factored[key]

    def _factorised(self, A: Tensor) -> _Factors:
        n, tolerance = self.irreps_in.dim, 100 * torch.finfo(A.dtype).eps
        basis: dict[int, list[np.ndarray]] = {}
        reduction = {}
        for irrep, nu in self._terms:
            rows = self.coupling_of_monomials(irrep, nu)  # (n_monomials, 2L+1, n_paths)
            left, right = low_rank(rows.reshape(-1, rows.shape[2]), tolerance)
            of_rank = left.reshape(*rows.shape[:2], -1).transpose(2, 1, 0)  # (rank, 2L+1, n_monomials)
            basis.setdefault(nu, []).append(of_rank.reshape(-1, len(rows)))
            reduction[f"{irrep}_{nu}"] = torch.tensor(right, dtype=A.dtype, device=A.device)
        return _Factors(
            raising=[
                tuple(torch.tensor(rows, device=A.device) for rows in raised(n, nu)) for nu in range(2, self.order + 1)
            ],
            basis={nu: torch.tensor(np.concatenate(of), dtype=A.dtype, device=A.device) for nu, of in basis.items()},
            reduction=reduction,
            n_monomials=sum(len(monomials(n, nu)) for nu in range(1, self.order + 1)),
        )

    @property
    def terms(self) -> list[tuple[o3.Irrep, int]]:
        """Irreps that go out and orders for which there are weights."""
        return list(self._terms)

    def coupling_of_monomials(self, irrep: o3.Irrep, nu: int) -> np.ndarray:
        """(n_monomials, 2L+1, n_paths): U summed over the orders of its factors, in float64."""
        n = self.irreps_in.dim
        if self._given:
            entries = tuple(_entries(getattr(self, f"coupling_{irrep}_{nu}"), irrep, nu))
        else:
            entries = couplings(_text(self.irreps_in), str(irrep), nu)
        rows = np.zeros((len(monomials(n, nu)), irrep.dim, len(entries)))
        for p, chain in enumerate(entries):
            np.add.at(rows[:, :, p], (monomial_rows(chain.factors, n), chain.m), chain.values)
        return rows

    def _n_paths(self, irrep: o3.Irrep, nu: int) -> int:
        return len(couplings(_text(self.irreps_in), str(irrep), nu))


@dataclass(frozen=True, eq=False)
class _Factors:
    """What makes monomials (raising), couples them (basis[ν], rows rank · (2L+1)) and brings weights onto the ranks."""

    raising: list[tuple[Tensor, ...]]
    basis: dict[int, Tensor]
    reduction: dict[str, Tensor]
    n_monomials: int


def _entries(coupling: Tensor, irrep: o3.Irrep, nu: int) -> list[Coupling]:
    """The entries of a dense U, path by path."""
    dense = coupling.detach().double().cpu().numpy()
    dense = dense if irrep.l > 0 else dense[None]
    found = []
    for p in range(dense.shape[-1]):
        where = np.nonzero(dense[..., p])
        found.append(Coupling(irrep, where[0], np.stack(where[1:], axis=1), dense[..., p][where]))
    return found


def _text(irreps: o3.Irreps) -> str:
    return "+".join(str(irrep) for _, irrep in irreps)


def _version(tensor: Tensor) -> int:
    """How often a tensor was written into; tensors of inference mode do not count that."""
    return 0 if tensor.is_inference() else int(tensor._version)
