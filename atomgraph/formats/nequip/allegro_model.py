"""Allegro from the arguments of its builder in nequip-allegro and its state dict."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.e3nn_weights import coupling_sign
from atomgraph.formats.nequip.settings import Settings, load_weights, require_keys
from atomgraph.layers.allegro_layer import AllegroLayer
from atomgraph.models.allegro import Allegro
from atomgraph.ops.coupling import wigner_3j

# arguments of the builder that are read, or have no effect on the model; others raise an error
_KEYS = (
    *("seed", "model_dtype", "type_names", "chemical_species", "r_max", "num_layers", "l_max", "parity", "cls"),
    *("num_scalar_features", "num_tensor_features", "tp_path_channel_coupling", "radial_chemical_embed"),
    *("radial_chemical_embed_dim", "avg_num_neighbors", "per_type_energy_scales", "per_type_energy_shifts"),
    *("per_type_energy_scales_trainable", "per_type_energy_shifts_trainable", "per_edge_type_cutoff", "pair_potential"),
    *(
        f"{mlp}_{name}"
        for mlp in ("scalar_embed_mlp", "allegro_mlp", "readout_mlp")
        for name in ("hidden_layers_depth", "hidden_layers_width", "nonlinearity", "forward_weight_init")
    ),
    *("forward_normalize", "do_derivatives"),
)
_MAX_3J_ERROR = 1e-5  # largest accepted error of the coupling coefficients in a file


def build_allegro(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Allegro:
    """Return the model with the weights of a file.

    Args:
        config: Arguments of the builder.
        tensors: State dict, without the prefix of the model.

    Raises:
        FormatError: If an argument is not supported, or a tensor is missing or has a wrong size.
    """
    require_keys(config, _KEYS)
    settings = Settings(config, tensors)
    for name in config:
        if name.endswith(("forward_weight_init", "forward_normalize")) and config[name] is False:
            raise FormatError(f"the model has {name}: False, which atomgraph does not support")
    model = Allegro(**_arguments(settings)).to(getattr(torch, settings.coupling_dtype))
    load_weights(model, lambda: _weights(model, settings))
    return model


def _arguments(settings: Settings) -> dict[str, Any]:
    """Return the constructor arguments of ``Allegro``."""
    channels = settings.integer("num_scalar_features", 64)
    arguments = {
        "elements": settings.elements,
        "cutoff": settings.cutoff,
        "channels": channels,
        "tensor_channels": settings.integer("num_tensor_features", 16),
        "n_layers": settings.integer("num_layers", 2),
        "l_max": settings.integer("l_max", 1),
        "parity": "both" if settings.get("parity", True) else "natural",
        "embedding_channels": settings.get("radial_chemical_embed_dim"),
        "embedding_hidden": settings.hidden("scalar_embed_mlp_hidden_layers", channels, 1),
        "hidden": settings.hidden("allegro_mlp_hidden_layers", channels, 1),
        "readout_hidden": settings.hidden("readout_mlp_hidden_layers", channels, 1),
        "activations": {
            "embedding": settings.activation("scalar_embed_mlp_nonlinearity"),
            "layers": settings.activation("allegro_mlp_nonlinearity"),
            "readout": settings.activation("readout_mlp_nonlinearity"),
        },
        "by_channel": bool(settings.get("tp_path_channel_coupling", True)),
        "neighbours_by_element": settings.is_mean_by_element,
        "element_scale": settings.has_element_scale,
        "baseline": settings.baseline(),
    }
    embedding = settings.get("radial_chemical_embed", {})
    kind = str(embedding.get("_target_", "")).rpartition(".")[2] if isinstance(embedding, Mapping) else ""
    pair_cutoffs = settings.pair_cutoffs
    if kind == "TwoBodyBesselScalarEmbed":
        radial = {"n_radial": int(embedding.get("num_bessels", 8)), "p": float(embedding.get("polynomial_cutoff_p", 6))}
        trainable = bool(embedding.get("bessel_trainable", False))
        return arguments | {"radial": {**radial, "trainable": trainable, "pair_cutoffs": pair_cutoffs}}
    if kind == "TwoBodySplineScalarEmbed":
        splines = {"n_splines": int(embedding.get("num_splines", 8)), "span": int(embedding.get("spline_span", 6))}
        return arguments | {"splines": {**splines, "pair_cutoffs": pair_cutoffs}}
    raise FormatError(
        f"the embedding of pairs {kind[:60]!r} is not supported; supported are Bessel functions and splines"
    )


def _weights(model: Allegro, settings: Settings) -> dict[str, Tensor]:
    """Return the entries of the state dict that the file determines."""
    tensor, layers = settings.tensor, model.branches[0].layers
    state: dict[str, Tensor] = {}
    if model.arguments["splines"] is not None:
        state["layers.0.pairs.weight"] = tensor("radial_chemical_embed.spline.class_embed.weight")
    else:
        prefix = "radial_chemical_embed.type_embed"
        tables = [tensor(f"{prefix}.{name}_embed.weight") for name in ("center", "neighbor")]
        state["featurizer.weight"] = torch.cat(tables, dim=1)
        frequencies = tensor("radial_chemical_embed.bessel_encode.bessel_weights").flatten().double()
        state["layers.0.pairs.radial.places"] = frequencies * (math.pi / settings.cutoff)
        _add_perceptron(state, "layers.0.pairs.network", settings.perceptron(f"{prefix}.basis_linear"))
    for name, prefix in (
        ("scalar_network", "scalar_embed_mlp.mlp_module"),
        ("tensor_weights", "tensor_embed.env_embed_linear"),
        ("projection", "allegro.first_layer_env_embed_projection"),
    ):
        _add_perceptron(state, f"layers.0.{name}", settings.perceptron(prefix))
    for t, layer in enumerate(layers[1:-1]):
        _add_perceptron(state, f"layers.{t + 1}.network", settings.perceptron(f"allegro.latents.{t}"))
        state[f"layers.{t + 1}.product.weight"] = _path_weights(layer, t, settings)
        state[f"layers.{t + 1}.neighbours.number"] = settings.mean_neighbours
    *hidden, last = settings.perceptron("edge_readout.mlp_module")
    _add_perceptron(state, f"layers.{len(layers) - 1}.network", hidden)
    state[f"layers.{len(layers) - 1}.neighbours.number"] = settings.mean_neighbours
    state["readouts.0.readout.weight" if settings.has_element_scale else "readouts.0.weight"] = last
    if settings.has_element_scale:
        state["readouts.0.scale"] = settings.element_scale()
    return {f"branches.0.{name}": value for name, value in state.items()} | settings.baseline_weights()


def _add_perceptron(state: dict[str, Tensor], name: str, matrices: list[Tensor]) -> None:
    """Add the matrices of a ``ScaledMLP`` with this name to the state dict."""
    state |= {f"{name}.weights.{k}": matrix for k, matrix in enumerate(matrices)}


def _path_weights(layer: AllegroLayer, t: int, settings: Settings) -> Tensor:
    """Return the weights of the paths, (channels or 1, n_paths), with the signs of the couplings in the file."""
    product = layer.product
    weights = settings.tensor(f"allegro.tps.{t}.weights")
    couplings = settings.tensor(f"allegro.tps.{t}.w3j").double()
    n_paths = len(product.paths)
    v_dim, e_dim, out_dim = product.irreps_edge.dim, product.irreps_centre.dim, product.irreps_out.dim
    # for scalars V', the file contains only the components with equal indices of V and E
    is_diagonal = couplings.numel() == n_paths * v_dim * out_dim
    couplings = couplings.reshape((n_paths, v_dim, out_dim) if is_diagonal else (n_paths, v_dim, e_dim, out_dim))
    columns = [
        dict(zip((irrep for _, irrep in irreps), irreps.slices(), strict=True))
        for irreps in (product.irreps_edge, product.irreps_centre, product.irreps_out)
    ]
    signs = torch.ones(n_paths, dtype=torch.float64)
    for p, (v, e, out) in enumerate(product.paths):
        ours = wigner_3j(v.l, e.l, out.l) * (2 * out.l + 1) ** 0.5
        if is_diagonal:
            theirs = couplings[p][columns[0][v]][:, columns[2][out]]
            ours = ours.diagonal(dim1=0, dim2=1).T
        else:
            theirs = couplings[p][columns[0][v]][:, columns[1][e]][:, :, columns[2][out]]
        signs[p] = coupling_sign(theirs, ours, _MAX_3J_ERROR, f"couplings of layer {t} for the path {v}, {e} to {out}")
    return weights.reshape(-1, n_paths) * signs.to(weights.dtype)
