"""Sparse Gaussian process regression: a kernel between all data and a few sparse points."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from atomgraph.fitting.solvers.conditioning import Conditioning, check_full_rank, compute_conditioning
from atomgraph.fitting.solvers.fit_errors import FittingError
from atomgraph.fitting.solvers.ridge import combine_with_prior
from atomgraph.fitting.solvers.solution import LinearSolution
from atomgraph.fitting.solvers.triangular import TriangularFactor
from atomgraph.old_names import old_names_of, with_old_arguments

LARGEST_JITTER = 1e-4  # relative to the mean diagonal; a larger jitter would change the kernel


@dataclass(frozen=True)
class SparseGPSolution(LinearSolution):
    """Solution of a sparse Gaussian process; ``weights`` are the coefficients c of the sparse points, (m, k).

    Attributes:
        L: Lower Cholesky factor of K_mm + jitter, (m, m).
        jitter: Number added to the diagonal of K_mm, in the unit of K_mm.
        conditioning: Conditioning of the triangular factor of data and prior.
        log_evidence: Logarithm of the normal density of the weighted rows y, with mean 0 and covariance K_nm K_mm⁻¹ K_mn + 1,
            summed over targets.
    """

    L: Tensor
    jitter: float
    conditioning: Conditioning
    log_evidence: float

    def latent_variance(self, K: Tensor, k_self: Tensor) -> Tensor:
        """Return the variance of the process at some points.

        Far from all sparse points, this variance equals that of the prior, while the result of ``variance`` vanishes.

        Args:
            K: Kernel between the points and the sparse points, (n_rows, m).
            k_self: Kernel of each point with itself, (n_rows,).

        Returns:
            Variances, (n_rows,).
        """
        K = K.to(self.L)
        explained = torch.linalg.solve_triangular(self.L, K.T, upper=False).square().sum(0)
        unexplained: Tensor = (k_self.to(self.L) - explained).clamp_min(0)
        return unexplained + (K @ self.covariance_factor).square().sum(1)


@with_old_arguments
@torch.no_grad()
def sparse_gp(factor: TriangularFactor, K_mm: Tensor, jitter: float = 1e-10) -> SparseGPSolution:
    r"""Return the coefficients of a sparse Gaussian process (subset of regressors), by QR of R L⁻ᵀ above the identity.

    .. math:: \min_c |\Sigma^{-1/2}(K_{nm}c - y)|^2 + c^TK_{mm}c, \qquad K_{mm} = LL^T,\quad v = L^Tc

    In the variables v the prior is the identity, so nearly equal sparse points cause no numerical problem.

    Args:
        factor: Triangular factor of the rows :math:`\Sigma^{-1/2}[K_{nm}, y]`. Rows of energies and forces are sums of
            kernels and of their derivatives.
        K_mm: Kernel between the sparse points, (m, m), symmetric.
        jitter: Number added to the diagonal of K_mm, relative to the mean diagonal. It is increased by factors of ten, up
            to 10⁻⁴, until the Cholesky factor exists.

    Raises:
        FittingError: If K_mm is not symmetric, of another size or not positive, or the problem is singular.

    Source: Foster et al., J. Mach. Learn. Res. 10, 857 (2009); Bartók and Csányi, Int. J. Quantum Chem. 115, 1051
    (2015).
    """
    K_mm = K_mm.to(factor.R)
    if K_mm.shape != factor.R.shape:
        raise FittingError(
            f"K_mm of {factor.n_unknowns} sparse points should be a square matrix of this size, but has the shape "
            f"{tuple(K_mm.shape)}"
        )
    L, added_jitter = cholesky(K_mm, jitter)
    eye = torch.eye(len(L), dtype=L.dtype, device=L.device)
    whitened = TriangularFactor(
        torch.linalg.solve_triangular(L, factor.R.T, upper=False).T,
        factor.Qty,
        factor.residual_square,
        factor.n_rows,
    )
    S, z = combine_with_prior(whitened, eye)
    conditioning = compute_conditioning(S)
    check_full_rank(conditioning, factor.n_rows, has_prior=True)
    c = torch.linalg.solve_triangular(L.T, torch.linalg.solve_triangular(S, z, upper=True), upper=True)
    C = torch.linalg.solve_triangular(L.T, torch.linalg.solve_triangular(S, eye, upper=True), upper=True)
    misfit = factor.misfit(c)
    k = factor.n_targets
    log_determinant = k * (factor.n_rows * math.log(2 * math.pi) + 2 * float(S.diagonal().log().sum()))
    return SparseGPSolution(
        weights=c,
        covariance_factor=C,
        noise_square=torch.ones_like(misfit),
        residual_square=misfit,
        n_effective=float((factor.R @ C).square().sum()),
        n_rows=factor.n_rows,
        L=L,
        jitter=added_jitter,
        conditioning=conditioning,
        log_evidence=-0.5 * (float(misfit.sum() + (L.T @ c).square().sum()) + log_determinant),
    )


def cholesky(K: Tensor, jitter: float = 1e-10) -> tuple[Tensor, float]:
    """Return the Cholesky factor of a kernel matrix, with a number added to its diagonal.

    The relative jitter is increased by factors of ten until K is positive, from 10⁻¹² if ``jitter`` is zero.

    Args:
        K: Kernel matrix, (m, m), symmetric.
        jitter: Smallest number added to the diagonal, relative to the mean of the diagonal.

    Returns:
        Lower triangle L, (m, m), with LLᵀ = K + added · 1, and the number ``added``.

    Raises:
        FittingError: If K is not positive with a relative jitter of 10⁻⁴, not symmetric or not finite.
    """
    mean_diagonal = float(K.diagonal().mean())
    if not bool(torch.isfinite(K).all()) or not mean_diagonal > 0:
        raise FittingError(
            "a kernel matrix is finite and has a positive diagonal, but this matrix is not; check the kernel"
        )
    if float((K - K.T).abs().max()) > 1e-8 * float(K.abs().max()):
        raise FittingError(
            "a kernel matrix is symmetric, but this matrix is not; use the same points for rows and columns"
        )
    if not jitter >= 0:
        raise FittingError(f"jitter should be at least 0, but is {jitter}")
    eye, relative_jitter = torch.eye(len(K), dtype=K.dtype, device=K.device), jitter
    while True:
        L, failed = torch.linalg.cholesky_ex(0.5 * (K + K.T) + relative_jitter * mean_diagonal * eye)
        if not bool(failed):
            return L, relative_jitter * mean_diagonal
        relative_jitter = 10 * relative_jitter if relative_jitter > 0 else 1e-12
        if relative_jitter > LARGEST_JITTER * 1.001:
            raise FittingError(
                f"the kernel matrix of {len(K)} points is not positive even with a jitter of {LARGEST_JITTER:.0e} of its mean "
                "diagonal; the function is not a positive definite kernel, or its values have too few digits"
            )


__getattr__ = old_names_of(__name__)
