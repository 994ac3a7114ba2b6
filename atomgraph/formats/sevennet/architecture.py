"""Architecture of a SevenNet checkpoint: constructor arguments of ``NequIP`` from its configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase.data import chemical_symbols
from e3nn import o3
from torch import Tensor

from atomgraph.errors import FormatError, nearest
from atomgraph.models.baseline import Baseline
from atomgraph.nn.activation import ACTIVATIONS

_LATEST_VERSION = (0, 13)
_UNSUPPORTED_OPTIONS = {  # option: property of the models that have this option
    "readout_as_fcn": "a nonlinear readout",
    "use_modality": "several levels of theory in one file",
    "use_modal_node_embedding": "several levels of theory in one file",
    "use_modal_self_inter_intro": "several levels of theory in one file",
    "use_modal_self_inter_outro": "several levels of theory in one file",
    "use_modal_output_block": "several levels of theory in one file",
}


def read_elements(config: Mapping[str, Any]) -> list[str]:
    """Return the chemical symbols in the order of the tables of the file.

    Raises:
        FormatError: If the table of elements is missing or invalid.
    """
    table = config.get("_type_map")
    if not isinstance(table, Mapping) or not table:
        raise FormatError("the configuration of the checkpoint has no table of elements (_type_map)")
    rows = {row: int(number) for number, row in table.items()}
    numbers = [rows.get(row) for row in range(len(table))]
    if any(number is None or not 0 < number < len(chemical_symbols) for number in numbers):
        raise FormatError(f"the table of elements (_type_map) of the checkpoint is invalid: {dict(table)}")
    return [chemical_symbols[number] for number in numbers if number is not None]


def is_path_order_sorted(config: Mapping[str, Any]) -> bool:
    """Return whether the radial weights are sorted by the output irrep of their path, as from version 0.11 on."""
    return _version(config) >= (0, 11)


def model_arguments(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Return the constructor arguments of ``NequIP``.

    Args:
        config: Configuration of the checkpoint.
        tensors: State dict of the checkpoint, by the names of version 0.11.

    Raises:
        FormatError: If the checkpoint has an option that ``NequIP`` does not have.
    """
    _check_options(config)
    elements, cutoff = read_elements(config), float(config["cutoff"])
    l_max, n_layers = int(config["lmax"]), int(config["num_convolution_layer"])
    l_max_edge = int(config.get("lmax_edge", -1))
    connection = _self_connection(config, n_layers)
    radial_hidden = [int(width) for width in config["weight_nn_hidden_neurons"]]
    n_channels = o3.Irreps(_irreps(config, n_layers)[-1]).count(o3.Irrep(0, 1))
    return {
        "elements": elements,
        "cutoff": cutoff,
        "n_layers": n_layers,
        "l_max": l_max if l_max_edge < 0 else l_max_edge,
        "parity": "both" if config["is_parity"] else "even",
        "hidden_irreps": _irreps(config, n_layers),
        "embedding_channels": _embedding_channels(config),
        "one_hot": True,
        "self_connection": connection,
        "first_self_connection": True,
        "radial": _radial(config),
        "layer": {
            "radial_hidden": radial_hidden,
            "activation_gain": None,
            # versions up to 0.9 multiplied harmonics by r^l, and have no option for it
            "solid_harmonics": not config.get("_normalize_sph", _version(config) > (0, 9)),
            "bias": bool(config.get("use_bias_in_linear", False)),
            "coupling_dtype": "float32",
        },
        "readout": {"readout_hidden": [n_channels // 2], "activation": "identity"},
        "element_scale": tensors["rescale_atomic_energy.scale"].numel() > 1,
        "baseline": Baseline(elements),
    }


def _check_options(config: Mapping[str, Any]) -> None:
    """Raise FormatError for options that ``NequIP`` does not have."""
    if _version(config)[:2] > _LATEST_VERSION:
        latest = ".".join(map(str, _LATEST_VERSION))
        raise FormatError(
            f"the checkpoint was written by SevenNet {str(config['version'])[:20]}, but atomgraph knows files up to version "
            f"{latest}; use a later atomgraph"
        )
    for option, meaning in _UNSUPPORTED_OPTIONS.items():
        if config.get(option):
            raise FormatError(f"the checkpoint has {meaning} ({option}), which atomgraph does not support")
    if config.get("interaction_type", "nequip") != "nequip":
        raise FormatError(
            f"the checkpoint has the interaction {config['interaction_type']!r}, but only nequip is supported"
        )
    if config.get("optimize_by_reduce") is False:
        raise FormatError("the checkpoint was written with optimize_by_reduce: False, which atomgraph does not support")
    for name, parity, activation in (
        ("act_radial", None, "silu"),
        ("act_scalar", "e", "silu"),
        ("act_scalar", "o", "tanh"),
        ("act_gate", "e", "silu"),
    ):
        value = config.get(name, "silu" if parity is None else {"e": "silu", "o": "tanh"})
        value = value if parity is None or not isinstance(value, Mapping) else value.get(parity)
        if value != activation:
            raise FormatError(
                f"the checkpoint has {name} {value!r}; atomgraph supports {activation}{nearest(str(value), ACTIVATIONS)}"
            )


def _self_connection(config: Mapping[str, Any], n_layers: int) -> str:
    """Return the self-connection of all layers, a name in ``layers.nequip_layer.SELF_CONNECTIONS``."""
    kinds = config.get("self_connection_type", "nequip")
    kinds = [kinds] * n_layers if isinstance(kinds, str) else list(kinds)
    if len(set(kinds)) != 1 or kinds[0] not in ("nequip", "linear"):
        raise FormatError(
            f"the checkpoint has the self-connections {kinds}; supported are nequip or linear in all layers"
        )
    return {"nequip": "element", "linear": "linear"}[kinds[0]]


def _irreps(config: Mapping[str, Any], n_layers: int) -> list[str]:
    """Return the irreps that each layer should return."""
    manual = config.get("irreps_manual")
    if manual:
        return [str(o3.Irreps(str(irreps))) for irreps in manual[1:]]
    l_max, channels = int(config.get("lmax_node", -1)), int(config["channel"])
    l_max = int(config["lmax"]) if l_max < 0 else l_max
    parities = (-1, 1) if config["is_parity"] else (1,)
    hidden = o3.Irreps([(channels, (l, p)) for l in range(l_max + 1) for p in parities])
    return [str(hidden)] * (n_layers - 1) + [f"{channels}x0e"]


def _embedding_channels(config: Mapping[str, Any]) -> int:
    """Return the number of features of the embedding of elements."""
    manual = config.get("irreps_manual")
    return int(o3.Irreps(str(manual[0])).dim) if manual else int(config["channel"])


def _radial(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of the radial embedding."""
    basis = config.get("radial_basis", {})
    if basis.get("radial_basis_name", "bessel") != "bessel":
        raise FormatError(
            f"the checkpoint has the radial basis {basis['radial_basis_name']!r}, but only bessel is supported"
        )
    function = config.get("cutoff_function", {})
    name = function.get("cutoff_function_name", "poly_cut")
    arguments: dict[str, Any] = {"n_radial": int(basis.get("bessel_basis_num", 8)), "trainable": True}
    if name == "poly_cut":
        return arguments | {"p": float(function.get("poly_cut_p_value", 6))}
    if name == "XPLOR":
        return arguments | {"envelope": "xplor", "envelope_inner": float(function["cutoff_on"])}
    raise FormatError(f"the checkpoint has the cutoff function {name!r}, but only poly_cut and XPLOR are supported")


def _version(config: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the version of SevenNet that wrote the checkpoint, (major, minor)."""
    text = str(config.get("version", ""))
    try:
        return tuple(int(number) for number in text.split(".")[:2])
    except ValueError:
        raise FormatError(f"the checkpoint has no valid version of SevenNet, but {text!r}") from None


__all__: Sequence[str] = ["is_path_order_sorted", "model_arguments", "read_elements"]
