"""Checkpoints of nequip and SevenNet with random weights, made from models of atomgraph without the programs."""

import io
from collections import OrderedDict
from typing import Any

import torch

from atomgraph.formats.e3nn_weights import paths_in_input_order, sorted_by_message
from atomgraph.models import NequIP

SEVENNET: dict[str, Any] = {
    "version": "0.10.3",
    "cutoff": 4.0,
    "channel": 4,
    "lmax": 1,
    "is_parity": False,
    "num_convolution_layer": 2,
    "irreps_manual": ["4x0e", "4x0e+2x1e", "4x0e"],
    "radial_basis": {"radial_basis_name": "bessel", "bessel_basis_num": 3},
    "cutoff_function": {"cutoff_function_name": "XPLOR", "cutoff_on": 3.5},
    "weight_nn_hidden_neurons": [5],
    "self_connection_type": "linear",
    "act_radial": "silu",
    "act_scalar": {"e": "silu", "o": "tanh"},
    "act_gate": {"e": "silu", "o": "tanh"},
    "_type_map": {8: 1, 1: 0},
    "_normalize_sph": True,
}
NEQUIP: dict[str, Any] = {
    "_target_": "nequip.model.NequIPGNNModel",
    "model_dtype": "float64",
    "type_names": ["H", "O"],
    "r_max": 4.0,
    "num_layers": 2,
    "l_max": 1,
    "parity": False,
    "num_features": 4,
    "num_bessels": 3,
    "polynomial_cutoff_p": 6,
    "radial_mlp_depth": 1,
    "radial_mlp_width": 5,
    "avg_num_neighbors": 7.5,
}
ALLEGRO: dict[str, Any] = {
    "_target_": "allegro.model.AllegroModel",
    "model_dtype": "float64",
    "type_names": ["H", "O"],
    "r_max": 4.0,
    "num_layers": 1,
    "l_max": 1,
    "parity": False,
    "num_scalar_features": 4,
    "num_tensor_features": 2,
    "avg_num_neighbors": 7.5,
    "radial_chemical_embed": {"_target_": "allegro.nn.TwoBodyBesselScalarEmbed", "num_bessels": 3},
}


def random(*shape: int) -> torch.Tensor:
    """Numbers that depend on the shape only."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def sevennet_content(config: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the file of a checkpoint of SevenNet contains."""
    from atomgraph.formats.sevennet.architecture import is_path_order_sorted, model_arguments

    config = {**SEVENNET, **(config or {})}
    n = len(config["_type_map"])
    state = {"rescale_atomic_energy.scale": torch.ones(1), "rescale_atomic_energy.shift": torch.tensor([-1.0, -2.0])}
    model = NequIP(**model_arguments(config, state))
    branch, c = model.branches[0], config["channel"]
    state |= {
        "edge_embedding.basis_function.coeffs": torch.arange(1.0, 4.0) * torch.pi / config["cutoff"],
        "onehot_to_feature_x.linear.weight": random(n * c).float(),
        "reduce_input_to_hidden.linear.weight": random(c * (c // 2)).float(),
        "reduce_hidden_to_energy.linear.weight": random(c // 2).float(),
    }
    for t, layer in enumerate(branch.layers):
        targets = {irrep for _, irrep in layer.irreps_out} if t else None
        paths = paths_in_input_order(layer, targets)
        if is_path_order_sorted(config):
            paths = sorted_by_message(paths)
        sizes = {"up": layer.up, "mix": layer.mix, "connection": layer.self_connection}
        counts = {name: sum(weight.numel() for weight in part.parameters()) for name, part in sizes.items()}
        kind = "linear" if config["self_connection_type"] == "linear" else "fc_tensor_product"
        state |= {
            f"{t}_self_connection_intro.{kind}.weight": random(counts["connection"]).float(),
            f"{t}_self_interaction_1.linear.weight": random(counts["up"]).float(),
            f"{t}_self_interaction_2.linear.weight": random(counts["mix"]).float(),
            f"{t}_convolution.denominator": torch.tensor([6.0]),
        }
        for depth, weight in enumerate(layer.network.weights):
            state[f"{t}_convolution.weight_nn.layer{depth}.weight"] = random(*weight.shape).float()
    return {"model_state_dict": OrderedDict(state), "config": config, "epoch": 3, "optimizer_state_dict": {}}


def nequip_tensors(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """A state dict of nequip's or nequip-allegro's model, without its prefix."""
    n = len(config["type_names"])
    common = {
        "per_type_energy_scale_shift.scales": torch.ones(1, 1, dtype=torch.float64),
        "per_type_energy_scale_shift.shifts": random(n, 1),
        "edge_norm._rmax_recip": torch.tensor(0.25),
    }
    return common | (_allegro_tensors(config) if "Allegro" in config["_target_"] else _nequip_tensors(config))


def _nequip_tensors(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    n, f, k, width = (
        len(config["type_names"]),
        config["num_features"],
        config["num_bessels"],
        config["radial_mlp_width"],
    )
    tensors = {
        "type_embed.embed_module.weight": random(n, f),
        "bessel_encode.bessel_weights": torch.arange(1.0, k + 1.0)[None],
        "per_atom_energy_readout.mlp_module.mlp.0.weight": random(f, 1),
    }
    for t, (up, mix, connection, radial) in enumerate(
        [(f * f, 3 * f * f, 0, 2 * f), (2 * f * f, 2 * f * f, f * f * f, 2 * f)]
    ):
        prefix = f"layer{t}_convnet.conv"
        tensors |= {
            f"{prefix}.linear_1.weight": random(up),
            f"{prefix}.linear_2.weight": random(mix),
            f"{prefix}.edge_mlp.mlp.0.weight": random(k, width),
            f"{prefix}.edge_mlp.mlp.2.weight": random(width, radial),
        }
        if connection:
            tensors[f"{prefix}.sc.weight"] = random(connection)
    return tensors


def _allegro_tensors(config: dict[str, Any]) -> dict[str, torch.Tensor]:
    from atomgraph.ops.coupling import wigner_3j

    n, s, u, k = len(config["type_names"]), config["num_scalar_features"], config["num_tensor_features"], 3
    couplings = torch.zeros(2, 4, 1, dtype=torch.float64)  # two diagonal paths: 0e 0e and 1o 1o to 0e
    couplings[0, 0, 0] = 1.0
    couplings[1, 1:, 0] = wigner_3j(1, 1, 0)[:, :, 0].diagonal()
    return {
        "radial_chemical_embed.bessel_encode.bessel_weights": torch.arange(1.0, k + 1.0)[None],
        "radial_chemical_embed.type_embed.center_embed.weight": random(n, s // 2),
        "radial_chemical_embed.type_embed.neighbor_embed.weight": random(n, s // 2),
        "radial_chemical_embed.type_embed.basis_linear.mlp.0.weight": random(k, s),
        "scalar_embed_mlp.mlp_module.mlp.0.weight": random(s, s),
        "scalar_embed_mlp.mlp_module.mlp.2.weight": random(s, s),
        "tensor_embed.env_embed_linear.mlp.0.weight": random(s, 2 * u),
        "allegro.first_layer_env_embed_projection.mlp.0.weight": random(s, s + 2 * u),
        "allegro.latents.0.mlp.0.weight": random(s + u, s),
        "allegro.latents.0.mlp.2.weight": random(s, s),
        "allegro.tps.0.weights": random(u, 2),
        "allegro.tps.0.w3j": couplings,
        "edge_readout.mlp_module.mlp.0.weight": random(2 * s, s),
        "edge_readout.mlp_module.mlp.2.weight": random(s, 1),
    }


def nequip_content(config: dict[str, Any], averaged: bool = False) -> dict[str, Any]:
    """What the file of a Lightning checkpoint of nequip contains; with averaged weights, the parameters are halved there."""
    from atomgraph.formats.nequip.checkpoint import _is_parameter

    tensors = nequip_tensors(config)
    state: dict[str, Any] = {f"model.sole_model.model.func.{name}": value for name, value in tensors.items()}
    state["model.sole_model.model._empty"] = torch.zeros(0)
    if averaged:
        names = [name for name, value in tensors.items() if _is_parameter(name, value, config)]
        state |= {f"ema.ema_weight_{k}": 0.5 * tensors[name] for k, name in enumerate(names)}
        state["ema._extra_state"] = {"decay": 0.9, "is_holding_ema_weights": True}
    training = {"_target_": "nequip.train.EMALightningModule"}
    return {
        "state_dict": OrderedDict(state),
        "hyper_parameters": {"model": config, "info_dict": {"versions": {}, "training_module": training}},
        "pytorch-lightning_version": "2.6.6",
        "epoch": 1,
    }


def saved(content: Any) -> bytes:
    """A file of torch.save."""
    target = io.BytesIO()
    torch.save(content, target)
    return target.getvalue()
