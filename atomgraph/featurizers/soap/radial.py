"""Radial functions of SOAP: coefficients of a neighbour's Gaussian at distance r in the radial basis n, for each l.

Each function maps distances, (n_distances,), to coefficients, (n_distances, l_max + 1, n_max), float64, without the cutoff
function. The neighbour's harmonics are orthonormal (``integral``). SOAP fits Chebyshev series to these functions once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.linalg import cholesky, sqrtm
from scipy.special import erf, gamma

from atomgraph.errors import WiringError, check_name
from atomgraph.ops.spherical_bessel import scaled_spherical_bessel

Radial = Callable[[np.ndarray], np.ndarray]


def gaussians(cutoff: float, n_max: int, l_max: int, sigma: float) -> tuple[Radial, np.ndarray]:
    r"""Radial functions of QUIP's basis of evenly spaced Gaussians.

    .. math:: c_{nl}(r) = \sum_a e^{-\alpha (r_a^2 + r^2)}\, i_l(2 \alpha r r_a)\, T_{an}, \qquad T = C^{-1} L,\quad S = L L^T

    with :math:`\alpha = 1/2\sigma^2`, the matrix C of values of each Gaussian at the centres of the others, and the overlap
    matrix S (with :math:`r^2 dr`).

    Args:
        cutoff: Cutoff radius, Å.
        n_max: Number of radial functions.
        l_max: Highest degree l.
        sigma: Standard deviation σ of the neighbours' Gaussians, Å.

    Returns:
        Function of distances; and coefficients of the central atom's Gaussian for l = 0, (n_max,).

    Source: Bartók, Kondor and Csányi, Phys. Rev. B 87, 184115 (2013), and the program QUIP.
    """
    alpha = 0.5 / sigma**2
    centres = np.arange(n_max) * (cutoff + sigma * np.sqrt(2.0 * 10.0 * np.log(10.0))) / n_max
    a, b = centres[:, None], centres[None, :]
    middle = 0.5 * (a + b)
    # ∫₀^∞ r² exp(−2α(r − m)²) dr; the factor exp(−½α(a − b)²) of the product of both Gaussians is multiplied below
    root = np.sqrt(2.0 * alpha)
    tail = np.sqrt(np.pi) * (1.0 + erf(root * middle))
    integral = (middle**2 / root + 0.5 / root**3) * 0.5 * tail + middle * np.exp(-2 * alpha * middle**2) / (4 * alpha)
    lower = cholesky(np.exp(-0.5 * alpha * (a - b) ** 2) * integral, lower=True)
    transform = np.linalg.solve(np.exp(-alpha * (a - b) ** 2), lower)

    def radial(r: np.ndarray) -> np.ndarray:
        gaussian = np.exp(-alpha * (r[:, None] - centres) ** 2)
        bessel = scaled_spherical_bessel(2.0 * alpha * r[:, None] * centres, l_max)  # (l, r, a)
        return np.moveaxis((gaussian * bessel) @ transform, 0, 1)

    return radial, lower[0].copy()


def gto(cutoff: float, n_max: int, l_max: int, sigma: float) -> tuple[Radial, np.ndarray]:
    r"""Radial functions of the basis of Gaussian-type orbitals, orthonormal for each l.

    .. math:: g_{nl}(r) = \sum_{n'} \beta_{nn'l}\, r^l e^{-\alpha_{n'l} r^2}

    .. math:: c_{nl}(r) = \sum_{n'} \beta_{nn'l} \Big(\frac{\pi}{\eta + \alpha}\Big)^{3/2}
              \Big(\frac{\eta r}{\eta + \alpha}\Big)^l e^{-\frac{\eta\alpha}{\eta + \alpha} r^2}, \qquad \eta = 1/2\sigma^2

    Each α is chosen so that :math:`r^l e^{-\alpha r^2} = 10^{-3}` at one of n_max radii between 1 Å and the cutoff.

    Args:
        cutoff: Cutoff radius, Å.
        n_max: Number of radial functions.
        l_max: Highest degree l.
        sigma: Standard deviation σ of the neighbours' Gaussians, Å.

    Returns:
        Function of distances; and coefficients of the central atom's Gaussian for l = 0, (n_max,).

    Source: Himanen et al., Comput. Phys. Commun. 247, 106949 (2020) (dscribe).
    """
    eta = 0.5 / sigma**2
    radii = np.linspace(1.0, cutoff, n_max) if n_max > 1 else np.array([cutoff])
    alphas, betas = [], []
    for l in range(l_max + 1):
        alpha = -np.log(1e-3 / radii**l) / radii**2
        overlap = 0.5 * gamma(l + 1.5) * (alpha[:, None] + alpha[None, :]) ** (-l - 1.5)
        betas.append(np.real(sqrtm(np.linalg.inv(overlap))))
        alphas.append(alpha)

    def radial(r: np.ndarray) -> np.ndarray:
        result = np.empty((len(r), l_max + 1, n_max))
        for l, (alpha, beta) in enumerate(zip(alphas, betas, strict=True)):
            prefactor = (np.pi / (eta + alpha)) ** 1.5
            power = (eta * r[:, None] / (eta + alpha)) ** l
            gaussian = np.exp(-eta * alpha / (eta + alpha) * r[:, None] ** 2)
            result[:, l] = (prefactor * (power * gaussian)) @ beta.T
        return result

    return radial, radial(np.zeros(1))[0, 0]


def polynomials(cutoff: float, n_max: int, l_max: int, sigma: float) -> tuple[Radial, np.ndarray]:
    r"""Radial functions of the basis of orthonormal polynomials, which is the same for all l.

    .. math:: g_n(r) = \sum_{n'=1}^{n_{max}} \beta_{nn'} (r_c - r)^{n'+2}, \qquad
              c_{nl}(r) = 4\pi \int_0^{r_c} s^2 g_n(s)\, e^{-\eta (s^2 + r^2)}\, i_l(2 \eta s r)\, ds

    with :math:`\eta = 1/2\sigma^2`. The integral is a Gauss-Legendre quadrature on 100 points, as in the program dscribe.

    Args:
        cutoff: Cutoff radius :math:`r_c`, Å.
        n_max: Number of radial functions.
        l_max: Highest degree l.
        sigma: Standard deviation σ of the neighbours' Gaussians, Å.

    Returns:
        Function of distances; and coefficients of the central atom's Gaussian for l = 0, (n_max,).

    Source: Himanen et al., Comput. Phys. Commun. 247, 106949 (2020).
    """
    eta = 0.5 / sigma**2
    n = np.arange(1, n_max + 1)
    i, j = n[:, None], n[None, :]
    overlap = 2.0 * cutoff ** (7 + i + j) / ((5 + i + j) * (6 + i + j) * (7 + i + j))
    beta = np.real(sqrtm(np.linalg.inv(overlap)))
    nodes, weights = np.polynomial.legendre.leggauss(100)
    s = 0.5 * cutoff * (nodes + 1.0)
    functions = (cutoff - s[:, None]) ** (n + 2) @ beta.T
    functions *= (0.5 * cutoff * weights * s**2 * 4.0 * np.pi)[:, None]

    def radial(r: np.ndarray) -> np.ndarray:
        gaussian = np.exp(-eta * (r[:, None] - s) ** 2)
        bessel = scaled_spherical_bessel(2.0 * eta * r[:, None] * s, l_max)
        return np.moveaxis((gaussian * bessel) @ functions, 0, 1)

    return radial, radial(np.zeros(1))[0, 0]


RADIALS = {"gaussians": gaussians, "gto": gto, "polynomials": polynomials}


def soap_radial(basis: str, cutoff: float, n_max: int, l_max: int, sigma: float) -> tuple[Radial, np.ndarray]:
    """Make the radial functions of a basis.

    Args:
        basis: Name of the basis, a key of ``RADIALS``.
        cutoff: Cutoff radius, Å.
        n_max: Number of radial functions.
        l_max: Highest degree l, at most 12.
        sigma: Standard deviation σ of the neighbours' Gaussians, Å.

    Returns:
        Function of distances; and coefficients of the central atom's Gaussian for l = 0, (n_max,).

    Raises:
        WiringError: If the name is unknown, or a number is out of range.
    """
    check_name("radial basis of SOAP", basis, RADIALS)
    if n_max < 1 or not 0 <= l_max <= 12:
        raise WiringError(
            f"SOAP needs n_max of at least 1 and l_max between 0 and 12, but they are {n_max} and {l_max}"
        )
    if not (0 < sigma < float("inf") and 0 < cutoff < float("inf")):
        raise WiringError(
            f"the width of SOAP's Gaussians and its cutoff are positive, in Å, but are {sigma} and {cutoff}"
        )
    return RADIALS[basis](cutoff, n_max, l_max, sigma)
