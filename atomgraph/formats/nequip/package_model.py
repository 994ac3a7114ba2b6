"""Arguments of NequIP from the modules of a package, which contain every constant of the model."""

from __future__ import annotations

import math
from typing import Any

from e3nn import o3

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.decode import irreps_text
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.nn.repulsion.cutoff_zbl import COULOMB

# class of nequip: name in the arguments of the builder
_ACTIVATIONS = {"SiLU": "silu", "Mish": "mish", "GELU": "gelu", "Tanh": "tanh", "ShiftedSoftplus": "ssp"}
_MAX_LAYERS = 64
_TOLERANCE = 1e-6  # relative, of constants in a file


def nequip_config(model: Tree) -> dict[str, Any]:
    """Return the arguments of ``NequIPGNNModel``.

    Args:
        model: The module ``GraphModel`` of a package.

    Raises:
        FormatError: If a module is missing or has a form that ``NequIP`` does not have.
    """
    func = model["model.func"]
    n_layers = sum(name.startswith("layer") and name.endswith("_convnet") for name in func.children)
    if not 1 <= n_layers <= _MAX_LAYERS:
        raise FormatError(f"the model should have 1 to {_MAX_LAYERS} layers, but has {n_layers}")
    layers = [func[f"layer{t}_convnet"] for t in range(n_layers)]
    cutoff = float(func["edge_norm"].attribute("r_max", int, float))
    if abs(float(func["factor"].attribute("factor", int, float)) * cutoff**2 / (2 * math.pi) - 1) > _TOLERANCE:
        raise FormatError("the factor of the radial functions is not 2π/r_max²")
    l_max = func["spharm.sh"].attribute("_lmax", int)
    convolutions = [layer["conv"] for layer in layers]
    mean_neighbours = (
        func.tensor("layer0_convnet.conv.avg_num_neighbors_norm.norm_const").double().pow(-2).flatten().tolist()
    )
    return {
        "_target_": "nequip.model.NequIPGNNModel",
        "model_dtype": str(model.attribute("model_dtype", str)).removeprefix("torch."),
        "type_names": func["per_type_energy_scale_shift"].attribute("type_names", list, tuple),
        "r_max": cutoff,
        "num_layers": n_layers,
        "l_max": l_max,
        **_feature_arguments(layers, l_max),
        "num_bessels": func["bessel_encode"].attribute("num_bessels", int),
        "bessel_trainable": bool(func["bessel_encode"].attribute("trainable", bool)),
        "polynomial_cutoff_p": float(func["bessel_encode.cutoff"].attribute("p", int, float)),
        "type_embed_num_features": func.tensor("type_embed.embed_module.weight").shape[-1],
        **_perceptron_arguments(convolutions[0]["edge_mlp"], "radial_mlp_depth", "radial_mlp_width", "silu"),
        "avg_num_neighbors": mean_neighbours[0] if len(mean_neighbours) == 1 else mean_neighbours,
        "learnable_shift": bool(convolutions[0].attribute("use_sc", bool)),
        "convnet_sc": all(conv.attribute("use_sc", bool) for conv in convolutions[1:]),
        "convnet_resnet": any(layer.attribute("resnet", bool) for layer in layers),
        **_perceptron_arguments(
            func["per_atom_energy_readout.mlp_module"],
            "readout_mlp_hidden_layers_depth",
            "readout_mlp_hidden_layers_width",
            None,
        ),
        **_pair_arguments(func, cutoff),
    }


def _feature_arguments(layers: list[Tree], l_max: int) -> dict[str, Any]:
    """Return numbers of features and the parity, from the irreps of the first layer."""
    hidden = [o3.Irreps(irreps_text(layer.attribute("feature_irreps_hidden", str))) for layer in layers]
    _check_gates(layers)
    if len(layers) == 1:
        return {"num_features": hidden[0].count(o3.Irrep(0, 1)), "parity": False}
    counts = [max(hidden[0].count(o3.Irrep(l, p)) for p in (-1, 1)) for l in range(l_max + 1)]
    return {"num_features": counts, "parity": any(irrep.p != (-1) ** irrep.l for _, irrep in hidden[0])}


def _check_gates(layers: list[Tree]) -> None:
    """Raise FormatError unless gates and even scalars have silu, and odd scalars tanh."""
    for layer in layers:
        for path, module in layer["equivariant_nonlin"].walk():
            if module.kind == "normalize2mom":
                function = str(module.attributes.get("f"))
                if not function.endswith(("silu", "tanh")) or (function.endswith("tanh") and "gates" in path):
                    raise FormatError(
                        f"the activation {function[:60]} of a gate is not supported; supported are silu and tanh"
                    )


def _perceptron_arguments(module: Tree, depth: str, width: str, expected: str | None) -> dict[str, Any]:
    """Return depth, width and activation of a perceptron as arguments of the builder.

    Args:
        module: The perceptron.
        depth: Name of the argument for the number of hidden layers.
        width: Name of the argument for their width.
        expected: Name of the only supported activation; None: the activation becomes the argument of the readout.
    """
    dims = module.attribute("dims", list, tuple)
    hidden = list(dims[1:-1])
    if len(set(hidden)) > 1 or not all(isinstance(n, int) for n in dims):
        raise FormatError(f"the hidden layers of a perceptron should have equal widths, but have {hidden}")
    kinds = {child.kind for name, child in module["mlp"].children.items() if child.kind != "ScalarLinearLayer"}
    names = {_ACTIVATIONS.get(kind, kind) for kind in kinds}
    activation = names.pop() if len(names) == 1 else ("silu" if not names else "several")
    arguments: dict[str, Any] = {depth: len(hidden)} | ({width: hidden[0]} if hidden else {})
    if expected is None:
        nonlinear = bool(module.attribute("is_nonlinear", bool)) or not hidden
        return arguments | {"readout_mlp_nonlinearity": activation if nonlinear else None}
    if activation != expected:
        raise FormatError(f"the activation {activation} of a radial network is not supported; supported is {expected}")
    return arguments


def _pair_arguments(func: Tree, cutoff: float) -> dict[str, Any]:
    """Return cutoffs of pairs, and the pair potential."""
    arguments: dict[str, Any] = {}
    if func["edge_norm"].attribute("_per_edge_type", bool):
        names = func["per_type_energy_scale_shift"].attribute("type_names", list, tuple)
        inverse = func.tensor("edge_norm._rmax_recip").double().reshape(len(names), len(names))
        arguments["per_edge_type_cutoff"] = {
            str(a): {str(b): min(float(1 / inverse[i, j]), cutoff) for j, b in enumerate(names)}
            for i, a in enumerate(names)
        }
    potential = func.get("pair_potential")
    if potential is not None:
        prefactor = float(potential.tensor("_qqr2exesquare").double())
        is_metal = abs(prefactor / (0.5 * COULOMB) - 1) < _TOLERANCE
        arguments["pair_potential"] = {
            "_target_": potential.kind,
            "units": "metal" if is_metal else "real",
            "polynomial_cutoff_p": potential["cutoff"].attribute("p", int, float),
        }
    return arguments
