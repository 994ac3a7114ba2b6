"""A prior that expects a smooth potential: the rougher a basis function, the smaller its weight."""

from __future__ import annotations

import torch
from torch import Tensor

from atomgraph.fitting.solvers.fit_errors import FittingError


def algebraic_roughness(*degrees: Tensor, power: float = 2.0) -> Tensor:
    r"""Roughness of each column from its degrees (n, l, …), each (columns,).

    .. math:: \gamma_j = 1 + \sum_d d_j^{\,p}

    Source: Witt et al., J. Chem. Phys. 159, 164101 (2023), the algebraic smoothness prior.
    """
    if not degrees or len({d.shape for d in degrees}) > 1 or any(bool((d < 0).any()) for d in degrees):
        raise FittingError("roughness wants one or more lists of degrees, of one length and not negative")
    return 1.0 + torch.stack([d.to(torch.float64) ** power for d in degrees]).sum(0)


def smoothness_prior(roughness: Tensor, strength: float = 1.0) -> Tensor:
    """The diagonal (n,) of Γ = strength · roughness, for ``ridge`` and ``evidence``. All roughnesses are positive."""
    if roughness.dim() != 1 or not bool((roughness > 0).all()) or not strength > 0:
        raise FittingError("a smoothness prior wants one positive roughness for each column and a positive strength")
    return strength * roughness.to(torch.float64)
