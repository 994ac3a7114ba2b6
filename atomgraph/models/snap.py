"""SNAP: an energy that is linear, or quadratic, in the bispectrum components of each atom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from atomgraph.featurizers import Bispectrum
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.readouts import PerElementLinear


class SNAP(EnergyModel):
    r"""Spectral neighbour analysis potential, :math:`\varepsilon_i = \beta^0_{z_i} + \sum_k \beta^{z_i}_k B^i_k`.

    B are the bispectrum components of an atom. Quadratic SNAP adds
    :math:`\tfrac12 \sum_{kl} \alpha^{z_i}_{kl} B^i_k B^i_l`. β and α are weights of the readout, β⁰ is its bias.

    Args:
        elements: Chemical symbols.
        cutoff: Factor ``rcutfac`` of LAMMPS, Å. The cutoff radius of a bond of atoms i and j is cutoff · (R_i + R_j).
        twojmax: Twice the largest angular momentum J; 6 gives 30 components, 8 gives 55.
        quadratic: Whether products of two components are features, too.
        radii: Radius R of each element, no unit; None for 0.5. In a configuration, ``auto`` computes radii from the training
            structures.
        weights: Weight of each element in the density; None for 1.
        rfac0, rmin0, switch, inner, bzero, chem, wselfall, bnorm: Arguments of ``featurizers.Bispectrum``.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Thompson et al., J. Comput. Phys. 285, 316 (2015); Wood and Thompson, J. Chem. Phys. 148, 241721 (2018).
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        twojmax: int = 6,
        quadratic: bool = False,
        radii: Mapping[str, float] | Literal["auto"] | None = None,
        weights: Mapping[str, float] | None = None,
        rfac0: float = 0.99363,
        rmin0: float = 0.0,
        switch: bool = True,
        inner: Mapping[str, Sequence[float]] | None = None,
        bzero: bool = False,
        chem: Mapping[str, int] | None = None,
        wselfall: bool = False,
        bnorm: bool = False,
        baseline: Baseline | None = None,
    ):
        baseline = Baseline(elements) if baseline is None else baseline
        bispectrum = Bispectrum(
            elements,
            cutoff,
            twojmax,
            radii=radii,
            weights=weights,
            rfac0=rfac0,
            rmin0=rmin0,
            switch=switch,
            inner=inner,
            bzero=bzero,
            chem=chem,
            wselfall=wselfall,
            bnorm=bnorm,
            quadratic=quadratic,
        )
        readout = PerElementLinear(elements, bispectrum.irreps_out.dim, n_outputs=len(baseline.heads), bias=True)
        super().__init__(elements, Branch(bispectrum.cutoff, bispectrum, readouts=[readout]), baseline)
