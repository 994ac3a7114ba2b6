"""Allegro: equivariant features of edges, multiplied by sums over the edges of the same centre; strictly local."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError
from atomgraph.featurizers import ElementEmbedding
from atomgraph.layers.allegro_embedding import AllegroEmbedding
from atomgraph.layers.allegro_layer import AllegroLayer, tensor_irreps
from atomgraph.layers.edge_sum import EdgeSum
from atomgraph.layers.pair_embedding import BesselPairEmbedding, SplinePairEmbedding
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.protocols import Layer, Readout
from atomgraph.readouts import ScaledLinear
from atomgraph.readouts.element_scaled import ElementScaled


class Allegro(EnergyModel):
    r"""Allegro: energies of edges from features of edges, without messages between atoms.

    .. math:: [z_0, w_0, V_0]_{ij} = \mathrm{AllegroEmbedding}(z_i, z_j, \vec r_{ij}), \qquad
              [z_t, w_t, V_t] = \mathrm{AllegroLayer}_t(z, w, V), \qquad
              \varepsilon_i = \frac{s_{z_i}}{\sqrt{2 \bar n}} \sum_j \mathrm{MLP}([z_0, \dots, z_T]_{ij})

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å. The energy of an atom depends on its neighbours within this radius only.
        channels: Number of latent scalars of a layer.
        tensor_channels: Number of channels of the tensors.
        n_layers: Number T of layers.
        l_max: Largest degree of tensors and spherical harmonics.
        parity: ``natural`` for tensors of parity :math:`(-1)^l`, or ``both``.
        embedding_channels: Number of features of a pair of elements; None: ``channels``.
        embedding_hidden: Widths of the hidden layers of the perceptron of the embedding.
        hidden: Widths of the hidden layers of the perceptrons of the layers.
        readout_hidden: Widths of the hidden layers of the last perceptron.
        activations: Activation functions of these three perceptrons, ``{"embedding": "silu", "layers": "silu",
            "readout": "silu"}``; missing ones are ``silu``.
        radial: Arguments of ``nn.RadialEmbedding``, such as ``{"n_radial": 8}``.
        splines: Arguments of ``layers.pair_embedding.SplinePairEmbedding``, such as ``{"n_splines": 8}``, instead of
            ``radial``.
        by_channel: Whether the products have separate weights for each channel.
        neighbours_by_element: Use one mean number of neighbours per element of the centre.
        element_scale: Give each element a scale s, see ``readouts.ElementScaled``.
        baseline: E0, scale, heads, repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Musaelian et al., Nat. Commun. 14, 579 (2023); the program nequip-allegro 0.8.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        channels: int = 64,
        tensor_channels: int = 16,
        n_layers: int = 2,
        l_max: int = 2,
        parity: str = "natural",
        embedding_channels: int | None = None,
        embedding_hidden: Sequence[int] = (64,),
        hidden: Sequence[int] = (64,),
        readout_hidden: Sequence[int] = (32,),
        activations: Mapping[str, str] | None = None,
        radial: Mapping[str, Any] | None = None,
        splines: Mapping[str, Any] | None = None,
        by_channel: bool = True,
        neighbours_by_element: bool = False,
        element_scale: bool = False,
        baseline: Baseline | None = None,
    ):
        elements = checked_symbols(elements)
        if n_layers < 1 or parity not in ("natural", "both"):
            raise WiringError(
                f"Allegro needs at least one layer and the parity natural or both, but has {n_layers} and {parity!r}"
            )
        activation = _checked_activations(activations or {})
        pairs = _pair_embedding(elements, cutoff, embedding_channels or channels, radial, splines)
        irreps = tensor_irreps(l_max, parity, n_layers)
        sizes: dict[str, Any] = {"channels": channels, "tensor_channels": tensor_channels, "l_max": l_max}
        layer_options = {"hidden": hidden, "activation": activation["layers"], "by_channel": by_channel, **sizes}
        layer_options["neighbours_by_element"] = neighbours_by_element
        embedding = ElementEmbedding(elements, pairs.channels)
        atom_irreps = embedding.irreps_out
        layers: list[Layer] = [
            AllegroEmbedding(
                elements,
                cutoff,
                atom_irreps,
                pairs,
                irreps[0],
                hidden=embedding_hidden,
                activation=activation["embedding"],
                **sizes,
            )
        ]
        for t in range(n_layers):
            options = {**layer_options, "is_last": t == n_layers - 1}
            n_scalars = channels * (t + 1)
            layers.append(AllegroLayer(elements, cutoff, atom_irreps, irreps[t], irreps[t + 1], n_scalars, **options))
        n_latents = channels * (n_layers + 1)
        layers.append(
            EdgeSum(elements, atom_irreps, n_latents, readout_hidden, activation["readout"], neighbours_by_element)
        )
        n_heads = 1 if baseline is None else len(baseline.heads)
        readout: Readout = ScaledLinear(layers[-1].irreps_out, n_heads)
        readouts = [ElementScaled(elements, readout) if element_scale else readout]
        super().__init__(elements, Branch(cutoff, embedding, layers, readouts), baseline)


def _checked_activations(activations: Mapping[str, str]) -> dict[str, str]:
    """Return the activation of each perceptron; missing ones are silu."""
    names = ("embedding", "layers", "readout")
    if unknown := activations.keys() - set(names):
        raise WiringError(f"activations has the keys {', '.join(names)}, but got {', '.join(sorted(unknown))}")
    return dict.fromkeys(names, "silu") | dict(activations)


def _pair_embedding(
    elements: list[str],
    cutoff: float,
    channels: int,
    radial: Mapping[str, Any] | None,
    splines: Mapping[str, Any] | None,
) -> BesselPairEmbedding | SplinePairEmbedding:
    """Return the embedding of pairs with radial functions, or with splines."""
    if splines is None:
        functions = RadialEmbedding(elements, cutoff, **{"prefactor": cutoff / math.pi, "p": 6, **(radial or {})})
        return BesselPairEmbedding(channels, functions)
    if radial is not None:
        raise WiringError("give radial or splines, not both")
    return SplinePairEmbedding(elements, cutoff, channels, **splines)
