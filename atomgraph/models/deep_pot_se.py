"""DeepPot-SE: embedded environment matrices, and a residual perceptron per element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers import Concatenation
from atomgraph.featurizers.deep_potential.angular import DeepPotAngular
from atomgraph.featurizers.deep_potential.embedding import EmbeddingNetworks, TypeEmbedding
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.featurizers.deep_potential.pair_embedding import PairEmbedding
from atomgraph.featurizers.deep_potential.radial import DeepPotRadial
from atomgraph.featurizers.deep_potential.three_body import DeepPotThreeBody
from atomgraph.models.baseline import Baseline
from atomgraph.models.branch import Branch
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.element_edit import ElementEdit, rebuild
from atomgraph.nn.elements import checked_symbols
from atomgraph.nn.protocols import Featurizer
from atomgraph.readouts.fitting_network import FittingNetwork

DESCRIPTORS = ("se_e2_a", "se_e2_r", "se_e3", "type_embedding")


class DeepPotSE(EnergyModel):
    r"""DeepPot-SE: a descriptor of embedded environment matrices, and one residual perceptron per element.

    .. math:: h_i = \mathrm{descriptor}(\tilde R_i), \qquad \varepsilon_i = \mathrm{net}_{z_i}(h_i)

    Args:
        elements: Chemical symbols.
        cutoff: Cutoff radius, Å.
        descriptor: Name of the descriptor, or a list of names, whose features are concatenated: ``se_e2_a``
            (``DeepPotAngular``), ``se_e2_r`` (``DeepPotRadial``), ``se_e3`` (``DeepPotThreeBody``), ``type_embedding``
            (``DeepPotAngular`` with a ``TypeEmbedding``).
        inner: Distance from which on the weights of neighbours decrease, Å.
        embedding_hidden: Widths of the embedding networks.
        axis_channels: Number of rows of the second factor in ``se_e2_a``.
        two_sided: Use one embedding network for each pair of elements; else one for each element of the neighbour.
        type_channels: Length of the vectors of elements in ``type_embedding``.
        activation: Name of the activation function of embedding networks, see ``nn.deepmd_activation``.
        timestep: Whether the embedding networks have timesteps.
        environment: Further arguments of ``EnvironmentMatrix``, such as ``{"sel": [40, 80]}``.
        featurizer: Descriptor as a part; it replaces all arguments after ``cutoff`` up to here.
        readout: Arguments of ``readouts.FittingNetwork``, such as ``{"readout_hidden": [120, 120]}``.
        baseline: E0, scale, heads and repulsion; None: E0 = 0, scale 1, one head and no repulsion.

    Raises:
        WiringError: If an argument is invalid.

    Source: Zhang et al., NeurIPS 31, 4436 (2018); the program deepmd-kit 3.
    """

    def __init__(
        self,
        elements: Sequence[str],
        cutoff: float,
        *,
        descriptor: str | Sequence[str] = "se_e2_a",
        inner: float = 0.5,
        embedding_hidden: Sequence[int] = (25, 50, 100),
        axis_channels: int = 16,
        two_sided: bool = False,
        type_channels: int = 8,
        activation: str = "tanh",
        timestep: bool = False,
        environment: Mapping[str, Any] | None = None,
        featurizer: Featurizer | None = None,
        readout: Mapping[str, Any] | None = None,
        baseline: Baseline | None = None,
    ):
        elements = checked_symbols(elements)
        if featurizer is None:
            matrix = {"inner": inner, **(environment or {})}
            networks: dict[str, Any] = {"hidden": embedding_hidden, "activation": activation, "timestep": timestep}
            names = [descriptor] if isinstance(descriptor, str) else list(descriptor)
            parts: list[Featurizer] = []
            for name in names:
                surroundings = EnvironmentMatrix(elements, cutoff, **matrix)
                if name == "se_e2_a":
                    embedding = EmbeddingNetworks(elements, two_sided=two_sided, **networks)
                    parts.append(DeepPotAngular(surroundings, embedding, axis_channels))
                elif name == "se_e2_r":
                    parts.append(DeepPotRadial(surroundings, EmbeddingNetworks(elements, **networks)))
                elif name == "se_e3":
                    parts.append(DeepPotThreeBody(surroundings, PairEmbedding(elements, **networks)))
                elif name == "type_embedding":
                    vectors = TypeEmbedding(elements, type_channels=type_channels, two_sided=two_sided, **networks)
                    parts.append(DeepPotAngular(surroundings, vectors, axis_channels, append_types=True))
                else:
                    raise WiringError(f"unknown descriptor {name!r}{nearest(str(name), DESCRIPTORS)}")
            featurizer = parts[0] if len(parts) == 1 else Concatenation(parts)
        n_heads = 1 if baseline is None else len(baseline.heads)
        last = FittingNetwork(elements, featurizer.irreps_out, n_outputs=n_heads, **(readout or {}))
        super().__init__(elements, Branch(cutoff, featurizer, [], [last]), baseline)

    def element_arguments(self, edit: ElementEdit) -> dict[str, Any]:
        """Constructor arguments for other elements, with the descriptor as a part."""
        branch = self.branches[0]
        options = {name: branch.readouts[0].element_arguments(edit)[name] for name in ("excluded_elements",)}
        readout = {**(self.arguments["readout"] or {}), **options}
        return super().element_arguments(edit) | {"featurizer": rebuild(branch.featurizer, edit), "readout": readout}
