"""Low-rank adaptation (LoRA): products of two small matrices are trained and added to the weights of a potential."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import ConfigError
from atomgraph.graph.structure import AtomicGraph
from atomgraph.models.call_with_weights import call_with_weights
from atomgraph.models.energy import EnergyModel
from atomgraph.models.parameter_groups import parameter_groups
from atomgraph.nn.linear_map import linear_maps
from atomgraph.nn.protocols import MessageLayer
from atomgraph.old_names import OldAttribute, old_names_of, with_old_arguments
from atomgraph.potential import Potential


@with_old_arguments
class LoRAPotential(torch.nn.Module):
    r"""Potential with matrices :math:`W + \frac{\alpha}{r} A B`; only A and B are trained.

    For each matrix W (n_in, n_out) of a linear map, A has the shape (n_in, r) and B (r, n_out). If a dimension of W is
    smaller than the rank, r is that dimension. If a map has several matrices (per irrep, element or power), each matrix
    has its own A and B. Initially, A is random, with the root mean square of W, and B is zero, so predictions are
    unchanged. Biases and normalisations are not adapted.

    Args:
        potential: Potential whose parts describe their linear maps. Its weights do not change.
        rank: Rank r.
        alpha: Scale α; None: the rank.
        skip_connections: Also adapt the maps of skip connections, which have one matrix for each element.
        products: Also adapt the weights of products, as matrices of paths by channels.

    Raises:
        ConfigError: If the potential has no linear map between features.
        WiringError: If a part has weights that it does not describe.

    Source: Hu et al., ICLR 2022 (arXiv:2106.09685).
    """

    def __init__(
        self,
        potential: Potential,
        rank: int,
        alpha: float | None = None,
        *,
        skip_connections: bool = False,
        products: bool = False,
    ):
        super().__init__()
        self.potential = potential
        shapes = lora_shapes(potential.model, skip_connections=skip_connections, products=products)
        self.scaling = 0.0 if rank == 0 else (rank if alpha is None else alpha) / rank
        parameters = dict(potential.model.named_parameters())
        potential.requires_grad_(False)
        self.first = torch.nn.ParameterDict()  # A of each adapted parameter
        self.second = torch.nn.ParameterDict()  # B of each adapted parameter
        self._shapes = shapes
        for name, shape in shapes.items():
            *leading, n_in, n_out = shape
            weight, r = parameters[name], min(rank, n_in, n_out)
            rms = weight.detach().square().mean().sqrt().clamp(min=1e-3)
            self.first[_key(name)] = torch.randn(*leading, n_in, r, dtype=weight.dtype, device=weight.device) * rms
            self.second[_key(name)] = weight.new_zeros(*leading, r, n_out)

    def forward(self, graph: AtomicGraph, **options: Any) -> dict[str, Tensor]:
        """Return predictions with the adapted weights; the arguments are those of ``Potential``."""
        weights = {f"model.{name}": weight for name, weight in self.weights().items()}
        predictions: dict[str, Tensor] = call_with_weights(self.potential, weights, (graph,), options)
        return predictions

    def weights(self) -> dict[str, Tensor]:
        """Return the adapted matrices, by the names of the model's parameters."""
        parameters = dict(self.potential.model.named_parameters())
        return {name: parameters[name] + self._change(name).view_as(parameters[name]) for name in self._shapes}

    def merge(self) -> Potential:
        """Return a new potential with the adapted weights and without adapters."""
        potential = deepcopy(self.potential)
        parameters = dict(potential.model.named_parameters())
        with torch.no_grad():
            for name in self._shapes:
                change = self._change(name).double()
                parameters[name].copy_(parameters[name].double() + change.view_as(parameters[name]))
        return potential.requires_grad_(True)

    def adapted_name(self, name: str) -> str:
        """Return the name of the model's parameter that an adapter changes, from the name of a parameter of the adapter."""
        return name.partition(".")[2].replace("/", ".")

    merged = OldAttribute("merge")
    adapted = OldAttribute("adapted_name")

    def _change(self, name: str) -> Tensor:
        """Return α/r · A B for a parameter of the model, (..., n_in, n_out)."""
        return self.scaling * (self.first[_key(name)] @ self.second[_key(name)])


@with_old_arguments
def lora_shapes(
    model: EnergyModel, *, skip_connections: bool = False, products: bool = False
) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the adapted weights as matrices, (..., n_in, n_out), by name.

    Args:
        model: Model whose parts describe their linear maps (``Part.linear_maps``).
        skip_connections: Include the maps of skip connections, which have one matrix for each element.
        products: Include weights of products.

    Raises:
        ConfigError: If the model has no linear map between features.
        WiringError: If a part has weights that it does not describe.
    """
    maps = linear_maps(model)
    groups = parameter_groups(model)
    has_feature_map = any(groups[name].group in ("radial", "product") for name in maps if name in groups)
    if not has_feature_map and not any(isinstance(part, MessageLayer) for part in model.modules()):
        raise ConfigError(
            f"method.kind: lora changes the linear maps between features, but this {type(model).__name__} has none; MACE and "
            f"GCN have such maps. Fine-tune this model with full, frozen or last_layer"
        )
    # Option of the maps that are adapted; maps without an option are always adapted.
    options = {None, *(["skips"] if skip_connections else []), *(["products"] if products else [])}
    return {name: maps[name].shape for name in maps if maps[name].option in options and name in groups}


def _key(name: str) -> str:
    """Return the key of a parameter in a ``ParameterDict``, which allows no dots."""
    return name.replace(".", "/")


__getattr__ = old_names_of(__name__)
