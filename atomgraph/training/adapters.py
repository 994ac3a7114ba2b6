"""Low-rank adaptation (LoRA): products of narrow matrices are trained and added to the weights of a potential."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.energy import EnergyModel
from atomgraph.models.parameter_groups import parameter_groups
from atomgraph.nn.linear_map import linear_maps
from atomgraph.nn.protocols import MessageLayer
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential


class LoRAPotential(torch.nn.Module):
    r"""A potential whose matrices are :math:`W + \frac{\alpha}{r} A B`; A and B are trained, everything else is frozen.

    For each matrix W (n_in, n_out) of a linear map, A is (n_in, r) and B (r, n_out), r at most the smaller side. A map
    with a matrix for each irrep, element or power has an A and a B for each. A starts with the size of W and B with zero,
    so predictions do not change at first. Biases and norms stay as they are.

    Args:
        potential: Its parts describe their linear maps. Its weights do not change.
        rank: r.
        alpha: α; the rank if None.
        skips: Also adapts the maps for each element.
        products: Also adapts the weights of products, as matrices of paths by channels.

    Raises:
        ConfigError: For a potential without a linear map between features.
        WiringError: If a part has weights that it does not describe.

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
        shapes = adapted_shapes(potential.model, skips=skips, products=products)
        self.scaling = 0.0 if rank == 0 else (rank if alpha is None else alpha) / rank
        parameters = dict(potential.model.named_parameters())
        potential.requires_grad_(False)
        self.first, self.second = torch.nn.ParameterDict(), torch.nn.ParameterDict()
        self._shapes = shapes
        for name, shape in shapes.items():
            *leading, n_in, n_out = shape
            weight, r = parameters[name], min(rank, n_in, n_out)
            size = weight.detach().square().mean().sqrt().clamp(min=1e-3)
            self.first[_key(name)] = torch.randn(*leading, n_in, r, dtype=weight.dtype, device=weight.device) * size
            self.second[_key(name)] = weight.new_zeros(*leading, r, n_out)

    def forward(self, graph: AtomicGraph, **options: Any) -> dict[str, Tensor]:
        """Predictions with the adapted weights; arguments as of ``Potential``."""
        weights = {f"model.{name}": weight for name, weight in self.weights().items()}
        predictions: dict[str, Tensor] = torch.func.functional_call(self.potential, weights, (graph,), options)
        return predictions

    def weights(self) -> dict[str, Tensor]:
        """The adapted matrices, by the names of the model's parameters."""
        parameters = dict(self.potential.model.named_parameters())
        return {name: parameters[name] + self._change(name).view_as(parameters[name]) for name in self._shapes}

    def merged(self) -> Potential:
        """A potential with the adapted weights and without adapters. This one does not change."""
        potential = deepcopy(self.potential)
        parameters = dict(potential.model.named_parameters())
        with torch.no_grad():
            for name in self._shapes:
                change = self._change(name).double()
                parameters[name].copy_(parameters[name].double() + change.view_as(parameters[name]))
        return potential.requires_grad_(True)

    def adapted(self, name: str) -> str:
        """The model's parameter that a parameter of an adapter changes."""
        return name.partition(".")[2].replace("/", ".")

    def _change(self, name: str) -> Tensor:
        return self.scaling * (self.first[_key(name)] @ self.second[_key(name)])


def adapted_shapes(model: EnergyModel, *, skips: bool = False, products: bool = False) -> dict[str, tuple[int, ...]]:
    """The weights that are adapted, by name, each with its shape as matrices (..., n_in, n_out).

    Args:
        model: Its parts describe their linear maps (``Part.linear_maps``).
        skips: Also maps for each element.
        products: Also weights of products.

    Raises:
        ConfigError: For a model without a map between features, which has little to adapt.
        WiringError: If a part has weights that it does not describe.
    """
    maps = linear_maps(model)
    weights = parameter_groups(model)
    between = any(weights[name].group in ("radial", "product") for name in maps if name in weights)
    if not between and not any(isinstance(part, MessageLayer) for part in model.modules()):
        raise ConfigError(
            f"method.kind: lora changes the linear maps between features, and this {type(model).__name__} has none; MACE and "
            f"GCN have. It can be fine-tuned with full, frozen or last_layer"
        )
    options = {None, *(["skips"] if skips else []), *(["products"] if products else [])}
    return {name: maps[name].shape for name in maps if maps[name].option in options and name in weights}


def _key(name: str) -> str:
    return name.replace(".", "/")


__getattr__ = old_names_of(__name__)
