"""GAP: a sparse Gaussian process on SOAP, with kernels of pairs and triples beside it."""

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

_PAIRS = {"cutoff": None, "n_points": 30, "theta": 0.3, "delta": 5.0, "envelope_width": 1.0}
_TRIPLES = {"cutoff": None, "n_points": 50, "theta": (1.0, 1.0, 1.0), "delta": 1.0, "envelope_width": 0.6}


class GAP(EnergyModel):
    r"""Gaussian approximation potential over the baseline.

    .. math:: E_i = \sum_s w_{z_i s}\, \delta^2 (p_i \cdot p_s)^\zeta + \text{pairs} + \text{triples}

    Its weights are for ``fit.kind: sparse_gp``, which also chooses the sparse points.

    115, 1051 (2015).

    Args:
        elements: Chemical symbols.
        cutoff: Of SOAP, Å.
        n_points: Sparse points, of each element.
        zeta: Power of the kernel.
        delta: Its height, eV, as gap_fit's.
        n_max, l_max, sigma, basis, envelope_width, central_weight, channels: As ``featurizers.SOAP`` takes them.
        pairs: Kernels of all pairs of elements, ``{cutoff, n_points, theta, delta, envelope_width}`` where they differ
            from SOAP's cutoff, 30, 0.3 Å, 5 eV and 1 Å; None for none. theta None is 1.75 times the distance between two
            points. theta 1 Å is common with gap_fit; it makes neighbouring points nearly dependent, so that weights are
            large and cancel.
        triples: Kernels of all triples, ``{cutoff, n_points, theta, delta, envelope_width}`` where they differ from
            SOAP's cutoff, 50, [1 Å, 1 Å², 1 Å], 1 eV and 0.6 Å; None for none.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: For arguments that make no part.

    Source: Bartók, Payne, Kondor and Csányi, Phys. Rev. Lett. 104, 136403 (2010); Bartók and Csányi, Int. J. Quantum
    Chem.
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
        heads = len(baseline.heads)
        kernel = SparseKernel(elements, soap.irreps_out.dim, n_points, zeta=zeta, n_outputs=heads)
        kernel.delta.fill_(_positive("delta", delta))
        branches = [Branch(cutoff, soap, (), [kernel])]
        if pairs is not None:
            own = _settings("pairs", pairs, _PAIRS)
            reach = float(own["cutoff"] or cutoff)
            for pair in combinations_with_replacement(elements, 2):
                theta = None if own["theta"] is None else _positive("theta", own["theta"])
                of_pair = PairKernel(elements, reach, pair, int(own["n_points"]), float(own["envelope_width"]), theta)
                branches.append(_branch(of_pair, own, heads))
        if triples is not None:
            own = _settings("triples", triples, _TRIPLES)
            reach = float(own["cutoff"] or cutoff)
            for centre, ends in product(elements, combinations_with_replacement(elements, 2)):
                of_triple = TripleKernel(
                    elements, reach, centre, ends, int(own["n_points"]), float(own["envelope_width"])
                )
                of_triple.theta.copy_(torch.as_tensor(own["theta"]).to(of_triple.theta))
                branches.append(_branch(of_triple, own, heads))
        super().__init__(elements, branches, baseline)


def _branch(kernel: PairKernel | TripleKernel, own: Mapping[str, Any], heads: int) -> Branch:
    kernel.delta.fill_(_positive("delta", own["delta"]))
    return Branch(kernel.cutoff, kernel, (), [Linear(kernel.irreps_out.dim, n_outputs=heads)])


def _settings(name: str, given: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    for key in given:
        if key not in default:
            raise WiringError(f"{name} of GAP have no {key!r}{nearest(str(key), default)}")
    return dict(default) | dict(given)


def _positive(name: str, value: object) -> float:
    if not isinstance(value, int | float) or not 0 < value < float("inf"):
        unit = "Å" if name == "theta" else "eV"
        raise WiringError(f"{name} of GAP should be positive, in {unit}, but is {value!r}")
    return float(value)
