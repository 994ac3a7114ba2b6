"""The sparse Gaussian process: a prior from a kernel between a few representative points, the data seen through them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.conditioning import Conditioning, conditioning_of, require_full_rank
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import stacked
from atomgraph.fitting.solvers.solution import Fit
from atomgraph.fitting.solvers.triangular import Reduced

LARGEST_JITTER = 1e-4  # of the mean diagonal: more than that is another kernel


@dataclass(frozen=True)
class SparseGP(Fit):
    """Sparse coefficients c as weights (m, k). L: (m, m), lower, LLᵀ = K_mm + jitter; jitter: what was added, absolute.

    Attributes:
        log_evidence: Log N(y | 0, K_nm K_mm⁻¹ K_mn + 1) of the weighted rows, all targets together.
    """

    L: Tensor
    jitter: float
    conditioning: Conditioning
    log_evidence: float

    def latent_variance(self, K: Tensor, k_self: Tensor) -> Tensor:
        """Variance of the process at points of kernels K (rows, m) to the sparse points and k_self (rows,) to themselves.

        It goes back to the prior's far from all sparse points, where ``variance`` goes to zero. Shape (rows,).
        """
        K = K.to(self.L)
        explained = torch.linalg.solve_triangular(self.L, K.T, upper=False).square().sum(0)
        beyond: Tensor = (k_self.to(self.L) - explained).clamp_min(0)
        return beyond + (K @ self.covariance_factor).square().sum(1)


@torch.no_grad()
def sparse_gp(reduced: Reduced, K_mm: Tensor, jitter: float = 1e-10) -> SparseGP:
    r"""The projected process (subset of regressors), by QR of :math:`RL^{-T}` stacked on the identity.

    .. math:: \min_c |\Sigma^{-1/2}(K_{nm}c - y)|^2 + c^TK_{mm}c, \qquad K_{mm} = LL^T,\quad v = L^Tc

    In v the prior is the identity, so that neighbouring points, which are nearly one, do no harm.

    Args:
        reduced: Of the rows :math:`\Sigma^{-1/2}[K_{nm}, y]`; rows of energies and forces are sums of kernels and their
            derivatives.
        K_mm: (m, m), symmetric.
        jitter: What is added to its diagonal first, in units of the mean diagonal; ten times more, up to 10⁻⁴, until
            the Cholesky factor exists.

    Raises:
        FittingError: For a K_mm which is not symmetric, of another size or not positive, and for a problem left
            singular.

    Source: Foster et al., J. Mach. Learn. Res. 10, 857 (2009); Bartók and Csányi, Int. J. Quantum Chem. 115, 1051
    (2015).
    """
    K_mm = K_mm.to(reduced.R)
    if K_mm.shape != reduced.R.shape:
        raise FittingError(
            f"K_mm of {reduced.n_unknowns} sparse points is a square of that size, not {tuple(K_mm.shape)}"
        )
    L, added = cholesky(K_mm, jitter)
    eye = torch.eye(len(L), dtype=L.dtype, device=L.device)
    whitened = Reduced(
        torch.linalg.solve_triangular(L, reduced.R.T, upper=False).T,
        reduced.Qty,
        reduced.residual_square,
        reduced.n_rows,
    )
    S, z = stacked(whitened, eye)
    conditioning = conditioning_of(S)
    require_full_rank(conditioning, reduced.n_rows, with_prior=True)
    c = torch.linalg.solve_triangular(L.T, torch.linalg.solve_triangular(S, z, upper=True), upper=True)
    C = torch.linalg.solve_triangular(L.T, torch.linalg.solve_triangular(S, eye, upper=True), upper=True)
    misfit = reduced.misfit(c)
    k = reduced.n_targets
    volume = k * (reduced.n_rows * math.log(2 * math.pi) + 2 * float(S.diagonal().log().sum()))
    return SparseGP(
        weights=c,
        covariance_factor=C,
        noise_square=torch.ones_like(misfit),
        residual_square=misfit,
        n_effective=float((reduced.R @ C).square().sum()),
        n_rows=reduced.n_rows,
        L=L,
        jitter=added,
        conditioning=conditioning,
        log_evidence=-0.5 * (float(misfit.sum() + (L.T @ c).square().sum()) + volume),
    )


def cholesky(K: Tensor, jitter: float = 1e-10) -> tuple[Tensor, float]:
    """L, lower, with LLᵀ = K + added · 1, and ``added``: the jitter, in units of K's mean diagonal, or the least of 10, 100, …
    times it (10⁻¹², 10⁻¹¹, … where it is zero) that makes K positive.

    Raises:
        FittingError: Where 10⁻⁴ does not.
    """
    unit = float(K.diagonal().mean())
    if not bool(torch.isfinite(K).all()) or not unit > 0:
        raise FittingError(
            "a kernel matrix is finite and has a positive diagonal, but this one is not; look at the kernel"
        )
    if float((K - K.T).abs().max()) > 1e-8 * float(K.abs().max()):
        raise FittingError(
            "a kernel matrix is symmetric, but this one is not; the rows and columns are the same points"
        )
    if not jitter >= 0:
        raise FittingError(f"jitter is not negative, but is {jitter}")
    eye, relative = torch.eye(len(K), dtype=K.dtype, device=K.device), jitter
    while True:
        L, failed = torch.linalg.cholesky_ex(0.5 * (K + K.T) + relative * unit * eye)
        if not bool(failed):
            return L, relative * unit
        relative = 10 * relative if relative > 0 else 1e-12
        if relative > LARGEST_JITTER * 1.001:
            raise FittingError(
                f"the kernel matrix of {len(K)} points is not positive even with a jitter of {LARGEST_JITTER:.0e} of its mean "
                "diagonal; the kernel is no kernel, or its numbers have too few digits"
            )
