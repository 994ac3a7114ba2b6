"""Arguments of ``MACE`` from the modules of a MACE file; an unknown module is an error."""

from __future__ import annotations

from typing import Any

import torch
from ase.data import chemical_symbols
from e3nn import o3

from atomgraph.errors import FormatError
from atomgraph.formats.mace.radial import radial_arguments, repulsion
from atomgraph.formats.pickled.decode import irreps_text
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.models.baseline import Baseline
from atomgraph.old_names import old_names_of

INTERACTIONS = {  # class of mace-torch: name in atomgraph
    "RealAgnosticInteractionBlock": "agnostic",
    "RealAgnosticResidualInteractionBlock": "residual",
    "RealAgnosticDensityInteractionBlock": "density",
    "RealAgnosticDensityResidualInteractionBlock": "density_residual",
    "RealAgnosticAttResidualInteractionBlock": "attention_residual",
    "RealAgnosticResidualNonLinearInteractionBlock": "nonlinear_residual",
}
ACTIVATIONS = {"silu": "silu", "tanh": "tanh", "sigmoid": "sigmoid", "abs": "abs", "None": "identity"}


def model_arguments(tree: Tree) -> dict[str, Any]:
    """Return the arguments with which ``MACE(**arguments)`` is the model of the file.

    Args:
        tree: The root module of the file.

    Raises:
        FormatError: If a module or a setting is not supported.
    """
    elements = read_elements(tree)
    n_layers = int(tree.tensor("num_interactions"))
    irreps_by_layer = [_product_irreps(tree[f"products.{t}"]) for t in range(n_layers)]
    _check_scalars(irreps_by_layer)
    layers = [_layer_arguments(tree, t) for t in range(n_layers)]
    arguments = {
        "elements": elements,
        "cutoff": float(tree.tensor("r_max")),
        "hidden_irreps": str(o3.Irreps([(n, irrep) for n, irrep in irreps_by_layer[0]])),
        "n_layers": n_layers,
        "l_max": max(tree["spherical_harmonics"].attributes["_ls_list"]),
        "order": [_order(tree[f"products.{t}"]) for t in range(n_layers)],
        "interaction": [layer.pop("interaction") for layer in layers],
        "layer": layers,
        "radial": radial_arguments(tree["radial_embedding"], elements),
        "readout": _last_readout(tree),
        "readout_last_only": n_layers > 1 and len(tree["readouts"].children) == 1,
        "last_layer_scalars": n_layers > 1 and irreps_by_layer[-1] != irreps_by_layer[0],
        "baseline": Baseline(elements, read_heads(tree), **repulsion(tree, elements)),
    }
    if "joint_embedding" in tree:
        arguments |= {
            "global_state": dict(tree.attributes["embedding_specs"]),
            "state_energy": "embedding_readout" in tree,
        }
    return arguments


def _check_scalars(irreps_by_layer: list[o3.Irreps]) -> None:
    """Raise FormatError if a layer has no even scalars; the last layer of mace-torch has only the first hidden irrep."""
    even = o3.Irrep("0e")
    if any(even not in irreps for irreps in irreps_by_layer):
        raise FormatError(
            f"the hidden irreps {irreps_by_layer[0]} give {irreps_by_layer[-1]} in the last layer, without even scalars (0e), "
            "from which energies are computed; atomgraph does not support this model. Train the model with even scalars first "
            f"({o3.Irreps(sorted(irreps_by_layer[0], key=lambda block: block.ir != even))})"
        )


def read_elements(tree: Tree) -> list[str]:
    """Return the chemical symbols of the model, in the order of the file."""
    numbers = tree.tensor("atomic_numbers").tolist()
    if not numbers or not all(0 < number < len(chemical_symbols) for number in numbers):
        raise FormatError(f"the atomic numbers {numbers} are not those of elements")
    return [chemical_symbols[number] for number in numbers]


def read_heads(tree: Tree) -> list[str]:
    """Return the names of the heads; files of mace-torch before 0.3.7 have one head without name, here ``Default``."""
    return [str(head) for head in tree.attributes.get("heads") or ["Default"]]


def weight_dtype(tree: Tree) -> torch.dtype:
    """Return the dtype of the weights in the file."""
    return tree.tensor("products.0.symmetric_contractions.contractions.0.weights_max").dtype


def _product_irreps(product: Tree) -> o3.Irreps:
    """Return the output irreps of a product."""
    return o3.Irreps(irreps_text(product["linear"].attributes["irreps_out"]))


def contractions(product: Tree) -> list[Tree]:
    """Return the contractions of a product, one for each output irrep."""
    return list(product["symmetric_contractions.contractions"].children.values())


def _order(product: Tree) -> int:
    """Return the order of a product (mace-torch: correlation)."""
    orders = {int(contraction.attributes["correlation"]) for contraction in contractions(product)}
    if len(orders) != 1:
        raise FormatError(f"the products have several orders in one layer, {sorted(orders)}; one was expected")
    return orders.pop()


def _layer_arguments(tree: Tree, t: int) -> dict[str, Any]:
    """Return the arguments of layer t."""
    interaction, product = tree[f"interactions.{t}"], tree[f"products.{t}"]
    if interaction.kind not in INTERACTIONS:
        raise FormatError(
            f"the module interactions.{t} is of the class {interaction.kind}, which atomgraph does not support; "
            f"atomgraph reads {', '.join(INTERACTIONS)}"
        )
    attributes = interaction.attributes
    harmonics = o3.Irreps(irreps_text(attributes["edge_attrs_irreps"]))
    is_float32 = weight_dtype(tree) != torch.float64
    return {
        "interaction": INTERACTIONS[interaction.kind],
        "irreps_message": irreps_text(attributes["target_irreps"]),
        "irreps_up": irreps_text(interaction["conv_tp"].attributes["irreps_in1"]),
        "radial_hidden": _hidden_widths(interaction),
        "parity": "natural" if all(irrep.p == (-1) ** irrep.l for _, irrep in harmonics) else "even",
        "by_element": not product.attributes.get("use_agnostic_product", False),
        "residual": "auto" if product.attributes.get("use_sc", True) or "Residual" not in interaction.kind else "none",
        "n_paths": {  # for each output irrep, the number of couplings of 1, 2, ... factors
            str(irrep): [contraction.tensor(f"U_matrix_{nu}").shape[-1] for nu in range(1, _order(product) + 1)]
            for (_, irrep), contraction in zip(_product_irreps(product), contractions(product), strict=True)
        },
        "coupling_dtype": "float32" if is_float32 else "float64",
        "activation_gain": _activation_gain(interaction),
    }


def _hidden_widths(interaction: Tree) -> list[int]:
    """Return the widths of the hidden layers of the radial network."""
    network = interaction["conv_tp_weights"]
    if network.kind == "RadialMLP":
        widths = [child.tensor("weight").shape for child in network["net"].children.values() if child.kind == "Linear"]
        return [int(rows) for rows, _ in widths[:-1]]
    return [int(layer.tensor("weight").shape[1]) for layer in list(network.children.values())[:-1]]


def _activation_gain(interaction: Tree) -> float | None:
    """Return the normalisation constant of the activation; None without activation."""
    for path in ("conv_tp_weights.layer0.act", "equivariant_nonlin.act_scalars.acts.0"):
        if (activation := interaction.get(path)) is not None:
            return float(activation.attributes["cst"])
    gate = interaction.get("equivariant_nonlin")
    return None if gate is None else float(gate.attributes["_scalar_cst"])


def _last_readout(tree: Tree) -> dict[str, Any]:
    """Return the arguments of the last readout: linear, or with hidden units for each head."""
    readout = list(tree["readouts"].children.values())[-1]
    if readout.kind == "LinearReadoutBlock":
        return {"readout_hidden": None}
    if readout.kind not in ("NonLinearReadoutBlock", "NonLinearBiasReadoutBlock"):
        raise FormatError(f"the last readout is of the class {readout.kind}, which atomgraph does not support")
    n_hidden = o3.Irreps(irreps_text(readout["linear_1"].attributes["irreps_out"])).dim // len(read_heads(tree))
    result: dict[str, Any] = {"readout_hidden": n_hidden, "bias": readout.kind == "NonLinearBiasReadoutBlock"}
    activation = readout.get("non_linearity.acts.0")
    name = "None" if activation is None else str(activation.attributes["f"]).rpartition(".")[2]
    if name not in ACTIVATIONS:
        raise FormatError(f"the last readout has the activation {name}; atomgraph supports {', '.join(ACTIVATIONS)}")
    result["activation"] = ACTIVATIONS[name]
    if activation is not None:
        result["activation_gain"] = float(activation.attributes["cst"])
    return result


__getattr__ = old_names_of(__name__)
