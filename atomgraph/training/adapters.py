"""Low-rank adapters: matrices that are trained in the place of a potential's own, and added to them in the end."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import ConfigError
from atomgraph.featurizers import ElementEmbedding
from atomgraph.featurizers.node_embedding import NodeEmbedding
from atomgraph.graph.structure import AtomicGraph
from atomgraph.layers import GraphConvolution, LaplacianConvolution, PolynomialFilter
from atomgraph.layers.mace.nonlinear import NonlinearResidualInteraction
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.equivariant.linear import ElementLinear, EquivariantLinear
from atomgraph.nn.equivariant.radial_network import NormalisedMLP, ScaledMLP
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.nn.mlp import MLP
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential
from atomgraph.readouts import DensityEmbedding, Linear, MultiHeadMLP, PerElementLinear, ScaledLinear

BETWEEN_FEATURES = (
    EquivariantLinear,
    ScaledMLP,
    NormalisedMLP,
    PolynomialFilter,
    GraphConvolution,
    LaplacianConvolution,
)
TABLES = (NodeEmbedding, ElementEmbedding, NonlinearResidualInteraction)  # linear maps of which element an atom is
OF_READOUTS = (Linear, ScaledLinear, PerElementLinear, DensityEmbedding)


class LoRAPotential(torch.nn.Module):
    r"""A potential whose matrices are :math:`W + \frac{\alpha}{r} A B`; A and B are trained, everything else is frozen.

    For each matrix W (n_in, n_out) of a linear map A is (n_in, r) and B (r, n_out), r at most the smaller side; where a map
    has a matrix for each irrep, element or power, each has its own. A begins with the size of W and B with zero,
    so nothing is changed at first. Biases, norms and, unless asked for, the maps of the residuals by element and the weights
    of products stay as they are.

    potential: adapted in place, its weights do not change until ``merge``.  rank: r.  alpha: α, the rank if None.
    skips: also maps for each element.  products: also weights of products, as matrices of paths by channels.
    Raises ConfigError for a potential without a linear map between features.
    Source: Hu et al., ICLR 2022 (arXiv:2106.09685).
    """

    def __init__(
        self,
        potential: Potential,
        rank: int,
        alpha: float | None = None,
        *,
        skips: bool = False,
        products: bool = False,
    ):
        super().__init__()
        self.potential = potential
        shapes = linear_maps(potential.model, skips=skips, products=products)
        self.scaling = 0.0 if rank == 0 else (rank if alpha is None else alpha) / rank
        own = dict(potential.model.named_parameters())
        potential.requires_grad_(False)
        self.first, self.second = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        self._shapes = shapes
        for name, shape in shapes.items():
            *many, n_in, n_out = shape
            weight, r = own[name], min(rank, n_in, n_out)
            size = weight.detach().square().mean().sqrt().clamp(min=1e-3)
            self.first[_key(name)] = torch.randn(*many, n_in, r, dtype=weight.dtype, device=weight.device) * size
            self.second[_key(name)] = weight.new_zeros(*many, r, n_out)

    def forward(self, graph: AtomicGraph, **words: Any) -> dict[str, Tensor]:
        """What the potential gives with the adapted weights."""
        weights = {f"model.{name}": weight for name, weight in self.weights().items()}
        found: dict[str, Tensor] = torch.func.functional_call(self.potential, weights, (graph,), words)
        return found

    def weights(self) -> dict[str, Tensor]:
        """The adapted matrices, by the names of the model's parameters."""
        own = dict(self.potential.model.named_parameters())
        return {name: own[name] + self._change(name).view_as(own[name]) for name in self._shapes}

    def merged(self) -> Potential:
        """A potential with plain weights that predicts the same; this one stays as it is."""
        potential = deepcopy(self.potential)
        own = dict(potential.model.named_parameters())
        with torch.no_grad():
            for name in self._shapes:
                change = self._change(name).double()
                own[name].copy_(own[name].double() + change.view_as(own[name]))
        return potential.requires_grad_(True)

    def adapted(self, name: str) -> str:
        """The model's parameter that a parameter of an adapter changes."""
        return name.partition(".")[2].replace("/", ".")

    def _change(self, name: str) -> Tensor:
        return self.scaling * (self.first[_key(name)] @ self.second[_key(name)])


def linear_maps(model: EnergyModel, *, skips: bool = False, products: bool = False) -> dict[str, tuple[int, ...]]:
    """Parameters that are matrices of linear maps, by name, each with its shape (..., n_in, n_out) as matrices.

    Raises ConfigError for a model without a map between features, which has little to adapt.
    """
    found: dict[str, tuple[int, ...]] = {}
    between = 0
    for path, part in model.named_modules():
        if isinstance(part, BETWEEN_FEATURES):
            between += 1
        for name, shape in _matrices(part, skips, products):
            found[f"{path}.{name}"] = shape
    if not between:
        raise ConfigError(
            f"method.kind: lora changes the linear maps between features, and this {type(model).__name__} has none; MACE and "
            f"GCN have. It can be fine-tuned with full, frozen or last_layer"
        )
    return found


def _matrices(part: torch.nn.Module, skips: bool, products: bool) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The matrices that a part holds by itself, not those of the parts inside."""
    if isinstance(part, MultiHeadMLP):
        yield "first", (part.first.shape[0], part.first[0].numel())
        yield "last", (*part.last.shape, 1)
        if part.middle is not None:
            yield "middle", tuple(part.middle.shape)
        return
    if isinstance(part, EquivariantLinear | ScaledMLP | MLP) or (isinstance(part, ElementLinear) and skips):
        wanted = [name for name, _ in part.named_parameters() if name.startswith("weights.")]
    elif isinstance(part, SymmetricProduct) and products:
        wanted = [name for name, _ in part.named_parameters()]
    elif isinstance(part, (torch.nn.Linear, PolynomialFilter, *OF_READOUTS)):
        wanted = ["weight"]
    elif isinstance(part, GraphConvolution):
        wanted = ["mean", "own"]
    elif isinstance(part, LaplacianConvolution):
        wanted = ["own", "spread"]
    elif isinstance(part, TABLES):
        wanted = [name for name in ("weight", "source", "target") if hasattr(part, name)]
    else:
        wanted = []
    for name in wanted:
        shape = tuple(part.get_parameter(name).shape)
        if len(shape) >= 2:  # a filter of one number for each power is no matrix
            yield name, shape


def _key(name: str) -> str:
    return name.replace(".", "/")


__getattr__ = old_names_of(__name__)
