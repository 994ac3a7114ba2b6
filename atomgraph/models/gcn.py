"""GCN: graph convolutions on a radial density."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError, check_name
from atomgraph.featurizers import RadialDensity
from atomgraph.layers import AtomWise, GraphConvolution, LaplacianConvolution, PolynomialFilter, Residual, Standardize
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.part import build, public_name
from atomgraph.nn.protocols import MessageLayer
from atomgraph.readouts import PerElementMLP

CONVOLUTIONS: dict[str, type[MessageLayer]] = {
    "polynomial": PolynomialFilter,
    "laplacian": LaplacianConvolution,
    "graph": GraphConvolution,
}


class GCN(EnergyModel):
    r"""Graph convolutional network: T graph convolutions of radial densities, and a perceptron per element.

    .. math:: h_i^{(0)} = W_{z_i} \hat\rho_i + b_{z_i}, \qquad h^{(t)} = h^{(t-1)} + \mathrm{conv}_t(h^{(t-1)}), \qquad
              \varepsilon_i = \mathrm{MLP}_{z_i}(h_i^{(T)})

    :math:`\hat\rho_i` are the radial densities of each element around atom i, standardised with the training data.

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius of densities and convolutions, Å. Energies of atoms depend on atoms up to (1 + T K) cutoffs
            away; K is the degree of the polynomial filter, 1 for other convolutions.
        convolution: ``polynomial``, ``laplacian`` or ``graph``.
        channels: Number of scalar features per atom.
        n_layers: Number T of convolutions.
        n_radial: Number of radial functions per element.
        readout_hidden: Widths of the hidden layers of the readout.
        layer: Further arguments of the convolution, such as ``{"degree": 3, "basis": "chebyshev"}``; None: the defaults.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        convolution: str = "polynomial",
        channels: int = 32,
        n_layers: int = 2,
        n_radial: int = 12,
        readout_hidden: Sequence[int] = (32,),
        layer: Mapping[str, Any] | None = None,
        baseline: Baseline | None = None,
    ):
        if n_layers < 0:
            raise WiringError(f"n_layers must be at least 0, but is {n_layers}")
        check_name("convolution", convolution, CONVOLUTIONS)
        elements = checked_symbols(elements)
        density = RadialDensity(elements, cutoff, n_radial)
        n_features = density.irreps_out.dim
        convolution_spec = {**(layer or {}), "kind": public_name(CONVOLUTIONS[convolution]), "cutoff": cutoff}
        convolution_spec |= {"irreps_in": channels, "irreps_out": channels}
        layers: list[Any] = [
            Standardize(elements, n_features, min_std=0.01),
            AtomWise(elements, n_features, channels),
        ]
        for _ in range(n_layers):
            convolution_layer: Any = build(convolution_spec)
            layers.append(Residual(convolution_layer))
        n_heads = 1 if baseline is None else len(baseline.heads)
        readout = PerElementMLP(elements, channels, readout_hidden, n_outputs=n_heads)
        super().__init__(elements, Branch(cutoff, density, layers, [readout]), baseline)
