"""Writer of a MACE for mace-torch: constructor arguments and tensors in an ``.npz`` archive.

``to_mace_torch.py`` converts the archive to a ``.model`` file, in an environment with mace-torch.
"""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import atomic_numbers
from torch import Tensor

from atomgraph.atomic_write import write_bytes
from atomgraph.errors import FormatError
from atomgraph.formats.mace.architecture import ACTIVATIONS, INTERACTIONS
from atomgraph.formats.mace.state_dict import tensor_slices
from atomgraph.formats.mace.weight_map import convert_to_mace
from atomgraph.models.mace import MACE
from atomgraph.nn import Agnesi, Soft
from atomgraph.old_names import old_names_of
from atomgraph.ops.coupling import coupling_tensor
from atomgraph.readouts import MultiHeadMLP

SCRIPT = Path(__file__).with_name("to_mace_torch.py")
MACE_CLASSES = {name: kind for kind, name in INTERACTIONS.items()}
MACE_ACTIVATIONS = {name: mace_name for mace_name, name in ACTIVATIONS.items()}
MACE_BASES = {"bessel": "bessel", "gaussian": "gaussian", "chebyshev": "chebyshev"}


def write_for_mace(path: Path, model: MACE) -> Path:
    """Write the archive, atomically.

    Args:
        path: Path of the archive.
        model: The model.

    Returns:
        Path of the archive.

    Raises:
        FormatError: If mace-torch's constructor cannot build the model.
    """
    tensors = {name: tensor.numpy() for name, tensor in mace_tensors(model).items()}
    text = json.dumps(mace_arguments(model))
    file = BytesIO()
    np.savez(file, arguments=np.frombuffer(text.encode(), dtype=np.uint8), **tensors)  # type: ignore[arg-type]
    return write_bytes(path, file.getvalue())


def mace_tensors(model: MACE) -> dict[str, Tensor]:
    """Return all tensors by mace-torch's names, flat or in mace-torch's shapes."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    result = convert_to_mace(tensor_slices(model), state)
    baseline, layers = model.baseline, model.branches[0].layers
    # mace-torch does not subtract the energy of the network for an isolated atom, so its E0 contains this energy
    result["atomic_energies_fn.atomic_energies"] = (baseline.e0 - model.isolated_energies()).detach().cpu()
    for name in ("scale", "shift"):
        result[f"scale_shift.{name}"] = getattr(baseline, name).detach().cpu().clone()
    radial = layers[0].radial
    if radial.basis == "bessel":
        result["radial_embedding.bessel_fn.prefactor"] = torch.tensor(radial.prefactor, dtype=torch.float64)
    if (transform := radial.transform) is not None:
        path = "radial_embedding.distance_transform"
        names = ("a", "q", "p") if isinstance(transform, Agnesi) else ("alpha",)
        result |= {f"{path}.{name}": torch.tensor(getattr(transform, name), dtype=torch.float64) for name in names}
        result[f"{path}.covalent_radii"] = _radius_table(model, transform.radii)
    if (zbl := baseline.repulsion) is not None:
        constants = {"c": zbl.screening, "a_exp": zbl.exponent, "a_prefactor": zbl.prefactor}
        result |= {f"pair_repulsion_fn.{k}": torch.tensor(v, dtype=torch.float64) for k, v in constants.items()}
        result["pair_repulsion_fn.covalent_radii"] = _radius_table(model, zbl.radius.tolist())
    for t, layer in enumerate(layers):
        for k, (_, irrep) in enumerate(layer.irreps_out):
            for nu in range(1, layer.product.order + 1):
                stored = dict(layer.product.named_buffers()).get(f"coupling_{irrep}_{nu}")
                irreps_in = "+".join(str(irrep_in) for _, irrep_in in layer.product.irreps_in)
                coupling = coupling_tensor(irreps_in, str(irrep), nu) if stored is None else stored.detach().cpu()
                if coupling.shape[-1]:
                    result[f"products.{t}.symmetric_contractions.contractions.{k}.U_matrix_{nu}"] = coupling
    return result


def mace_arguments(model: MACE) -> dict[str, Any]:
    """Return the arguments of mace-torch's constructor, as JSON values; FormatError for settings without an argument."""
    layers, radial, baseline = model.branches[0].layers, model.branches[0].layers[0].radial, model.baseline
    interactions = _layer_values(model, "interaction", lambda layer: layer.arguments["interaction"], skip_first=True)
    for name in ("radial_hidden", "by_element", "parity", "coupling_dtype", "activation_gain"):  # all layers must agree
        _layer_values(model, name, lambda layer, name=name: layer.arguments[name])
    if any(layer.arguments["residual"] != "auto" for layer in layers):
        raise FormatError("mace-torch always adds the residual to the products; this model does not")
    if radial.envelope != "polynomial":
        raise FormatError(
            f"mace-torch has the polynomial envelope only, but this model has the envelope {radial.envelope}"
        )
    if radial.p != int(radial.p):
        raise FormatError(f"mace-torch needs a whole number p in the envelope, but this model has p = {radial.p}")
    if baseline.repulsion is not None and not baseline.scales_repulsion and not bool((baseline.scale == 1).all()):
        raise FormatError("mace-torch multiplies the repulsion by scale; this model does not, and its scale is not 1")
    readout = model.branches[0].readouts[-1]
    has_hidden_units = isinstance(readout, MultiHeadMLP)
    if has_hidden_units == (len(layers) == 1):
        raise FormatError(
            "mace-torch has a linear readout for a single layer, and one with hidden units for the last of several layers"
        )
    irreps_up = [layer.interaction.irreps_up for layer in layers]
    has_edge_irreps = any(layer.interaction.irreps_up != layer.interaction.irreps_in for layer in layers)
    # mace-torch computes coupling coefficients in the dtype of its model, so rounded coefficients need a float32 model
    needs_float32 = layers[0].arguments["coupling_dtype"] == "float32" or model.dtype == torch.float32
    return {
        "dtype": "float32" if needs_float32 else "float64",
        "heads": model.heads,
        "r_max": model.branches[0].cutoff,
        "atomic_numbers": [atomic_numbers[symbol] for symbol in model.elements],
        "num_bessel": radial.n_radial,
        "num_polynomial_cutoff": radial.p,
        "radial_type": MACE_BASES[radial.basis],
        "distance_transform": {None: "None", Agnesi: "Agnesi", Soft: "Soft"}[
            None if radial.transform is None else type(radial.transform)
        ],
        "apply_cutoff": radial.envelope_on == "features",
        "trainable_bessel": radial.trainable,
        "max_ell": layers[0].l_max,
        "use_so3": layers[0].arguments["parity"] == "even",
        "interaction_cls_first": MACE_CLASSES[interactions[0]],
        "interaction_cls": MACE_CLASSES[interactions[-1]],
        "num_interactions": len(layers),
        "hidden_irreps": str(layers[0].irreps_out),
        "keep_last_layer_irreps": len(layers) > 1 and layers[-1].irreps_out == layers[0].irreps_out,
        "correlation": [layer.product.order for layer in layers],
        "radial_MLP": list(layers[0].arguments["radial_hidden"]),
        "use_agnostic_product": not layers[0].arguments["by_element"],
        "edge_irreps": str(irreps_up[-1]) if has_edge_irreps else None,
        "use_edge_irreps_first": has_edge_irreps and irreps_up[0] != layers[0].interaction.irreps_in,
        "avg_num_neighbors": [_mean_neighbours(layer) for layer in layers],
        "pair_repulsion": baseline.repulsion is not None,
        "use_last_readout_only": len(layers) > 1 and model.arguments["readout_last_only"],
        "MLP_irreps": f"{readout.hidden}x0e" if has_hidden_units else "16x0e",
        "gate": MACE_ACTIVATIONS[readout.arguments["activation"]] if has_hidden_units else "silu",
        "biased_readout": has_hidden_units and readout.middle is not None,
        "embedding_specs": model.arguments["global_state"],
        "use_embedding_readout": model.state_readout is not None,
    }


def _layer_values(model: MACE, name: str, get: Any, skip_first: bool = False) -> list[Any]:
    """Return one value per layer; FormatError if the values differ.

    Args:
        model: The model.
        name: Name of the value, for messages.
        get: Function that returns the value of a layer.
        skip_first: Exclude the first layer from the comparison, because it may have another value.
    """
    values = [get(layer) for layer in model.branches[0].layers]
    if any(value != values[-1] for value in values[1 if skip_first else 0 :]):
        raise FormatError(
            f"mace-torch has one {name} for all layers{' after the first' * skip_first}; this model has {values}"
        )
    return values


def _mean_neighbours(layer: Any) -> float:
    """Return the number of neighbours that normalises messages; 1 if there is none."""
    return float(layer.interaction.neighbours.number) if hasattr(layer.interaction, "neighbours") else 1.0


def _radius_table(model: MACE, radii: list[float]) -> Tensor:
    """Return radii by atomic number, (119,), Å, as in mace-torch; 1 for elements that are not in the model."""
    table = torch.ones(119, dtype=torch.float64)
    for symbol, radius in zip(model.elements, radii, strict=True):
        table[atomic_numbers[symbol]] = radius
    return table


__getattr__ = old_names_of(__name__)
