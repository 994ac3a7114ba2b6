"""Smoothness prior: rougher basis functions have smaller weights."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError


def algebraic_roughness(*degrees: Tensor, power: float = 2.0) -> Tensor:
    r"""Return the roughness of each column, (n_columns,).

    .. math:: \gamma_j = 1 + \sum_d d_j^{\,p}

    Args:
        degrees: Degrees of the basis functions (n, l, …), each (n_columns,), not negative.
        power: Exponent p.

    Raises:
        FittingError: If there are no degrees, or degrees are negative or of different lengths.

    Source: Witt et al., J. Chem. Phys. 159, 164101 (2023), the algebraic smoothness prior.
    """
    if not degrees or len({d.shape for d in degrees}) > 1 or any(bool((d < 0).any()) for d in degrees):
        raise FittingError(
            "roughness needs one or more lists of degrees, which have equal lengths and are not negative"
        )
    return 1.0 + torch.stack([d.to(torch.float64) ** power for d in degrees]).sum(0)


def smoothness_prior(roughness: Tensor, strength: float = 1.0) -> Tensor:
    """Return the diagonal of Γ = strength · roughness, (n,), for ``ridge`` and ``evidence``.

    Args:
        roughness: Roughness of each column, (n,), positive.
        strength: Strength of the prior, positive.

    Raises:
        FittingError: If a roughness or the strength is not positive, or the shape is another one.
    """
    if roughness.dim() != 1 or not bool((roughness > 0).all()) or not strength > 0:
        raise FittingError("a smoothness prior needs one positive roughness for each column and a positive strength")
    return strength * roughness.to(torch.float64)
