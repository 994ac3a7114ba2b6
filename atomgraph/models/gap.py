"""GAP: a sparse Gaussian process on SOAP, with optional kernels of pairs and triples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, product
from typing import Any

import torch

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers import SOAP, PairKernel, TripleKernel
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.readouts import Linear, SparseKernel

_PAIR_DEFAULTS = {"cutoff": None, "n_points": 30, "theta": 0.3, "delta": 5.0, "envelope_width": 1.0}
_TRIPLE_DEFAULTS = {"cutoff": None, "n_points": 50, "theta": (1.0, 1.0, 1.0), "delta": 1.0, "envelope_width": 0.6}


class GAP(EnergyModel):
    r"""Gaussian approximation potential, added to the baseline.

    .. math:: E_i = \sum_s w_{z_i s}\, \delta^2 (p_i \cdot p_s)^\zeta + \text{pairs} + \text{triples}

    p are the normalised SOAP vectors of atoms and sparse points s. A fit of the kind ``sparse_gp`` chooses the sparse points
    and determines the weights w.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius of SOAP, Å.
        n_points: Number of sparse points per element.
        zeta: Exponent ζ of the kernel, no unit.
        delta: Standard deviation δ of the energy, eV, as in gap_fit.
        n_max, l_max, sigma, basis, envelope_width, central_weight, channels: Arguments of ``featurizers.SOAP``.
        pairs: Settings of the kernels of all pairs of elements, ``{cutoff, n_points, theta, delta, envelope_width}``; None
            for no such kernels. Defaults: SOAP's cutoff, n_points 30, theta 0.3 Å, delta 5 eV, envelope_width 1 Å. theta
            None is 1.75 times the distance between neighbouring points. theta 1 Å is common with gap_fit; neighbouring
            points are then nearly dependent, and weights are large and cancel.
        triples: Settings of the kernels of all triples, with the same keys; None for no such kernels. Defaults: SOAP's
            cutoff, n_points 50, theta [1 Å, 1 Å², 1 Å], delta 1 eV, envelope_width 0.6 Å.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Bartók, Payne, Kondor and Csányi, Phys. Rev. Lett. 104, 136403 (2010); Bartók and Csányi, Int. J. Quantum
    Chem. 115, 1051 (2015).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        n_points: int = 200,
        zeta: float = 4.0,
        delta: float = 1.0,
        n_max: int = 8,
        l_max: int = 6,
        sigma: float = 0.5,
        basis: str = "gaussians",
        envelope_width: float = 1.0,
        central_weight: float = 1.0,
        channels: Mapping[str, Sequence[float]] | None = None,
        pairs: Mapping[str, float | int | None] | None = None,
        triples: Mapping[str, float | int | Sequence[float]] | None = None,
        baseline: Baseline | None = None,
    ):
        baseline = Baseline(elements) if baseline is None else baseline
        soap = SOAP(elements, cutoff, n_max, l_max, sigma, basis, envelope_width, central_weight, channels=channels)
        n_heads = len(baseline.heads)
        soap_kernel = SparseKernel(elements, soap.irreps_out.dim, n_points, zeta=zeta, n_outputs=n_heads)
        soap_kernel.delta.fill_(_positive("delta", delta))
        branches = [Branch(cutoff, soap, (), [soap_kernel])]
        if pairs is not None:
            settings = _settings("pairs", pairs, _PAIR_DEFAULTS)
            theta = None if settings["theta"] is None else _positive("theta", settings["theta"])
            for pair in combinations_with_replacement(elements, 2):
                pair_kernel = PairKernel(
                    elements,
                    float(settings["cutoff"] or cutoff),
                    pair,
                    int(settings["n_points"]),
                    float(settings["envelope_width"]),
                    theta,
                )
                branches.append(_branch(pair_kernel, settings, n_heads))
        if triples is not None:
            settings = _settings("triples", triples, _TRIPLE_DEFAULTS)
            for centre, neighbours in product(elements, combinations_with_replacement(elements, 2)):
                triple_kernel = TripleKernel(
                    elements,
                    float(settings["cutoff"] or cutoff),
                    centre,
                    neighbours,
                    int(settings["n_points"]),
                    float(settings["envelope_width"]),
                )
                triple_kernel.theta.copy_(torch.as_tensor(settings["theta"]).to(triple_kernel.theta))
                branches.append(_branch(triple_kernel, settings, n_heads))
        super().__init__(elements, branches, baseline)


def _branch(kernel: PairKernel | TripleKernel, settings: Mapping[str, Any], n_heads: int) -> Branch:
    """Return a branch of a kernel and a linear readout, after setting δ of the kernel."""
    kernel.delta.fill_(_positive("delta", settings["delta"]))
    return Branch(kernel.cutoff, kernel, (), [Linear(kernel.irreps_out.dim, n_outputs=n_heads)])


def _settings(name: str, settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with defaults for missing keys; WiringError for unknown keys."""
    for key in settings:
        if key not in defaults:
            raise WiringError(f"{name} of GAP have no {key!r}{nearest(str(key), defaults)}")
    return dict(defaults) | dict(settings)


def _positive(name: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        unit = "Å" if name == "theta" else "eV"
        raise WiringError(f"{name} of GAP should be positive, in {unit}, but is {value!r}")
    return float(value)
