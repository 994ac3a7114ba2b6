"""Writes a MACE for mace-torch: the arguments of its constructor and its tensors, in an archive of arrays.

``to_mace_torch.py`` makes a ``.model`` of it, in an environment where mace-torch is installed.
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
from atomgraph.formats.mace.state_dict import pieces_of
from atomgraph.formats.mace.weight_map import to_theirs
from atomgraph.models.mace import MACE
from atomgraph.nn import Agnesi, Soft
from atomgraph.ops.coupling import coupling_tensor
from atomgraph.readouts import MultiHeadMLP

SCRIPT = Path(__file__).with_name("to_mace_torch.py")
CLASSES = {name: kind for kind, name in INTERACTIONS.items()}
GATES = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
BASES = {"bessel": "bessel", "gaussian": "gaussian", "chebyshev": "chebyshev"}


def write_for_mace(path: Path, model: MACE) -> Path:
    """Write the archive, whole or not at all. FormatError for a model that mace-torch's constructor cannot make."""
    tensors = {name: tensor.numpy() for name, tensor in tensors_of(model).items()}
    words = json.dumps(arguments_for_mace(model))
    file = BytesIO()
    np.savez(file, arguments=np.frombuffer(words.encode(), dtype=np.uint8), **tensors)  # type: ignore[arg-type]
    return write_bytes(path, file.getvalue())


def tensors_of(model: MACE) -> dict[str, Tensor]:
    """All numbers by mace-torch's names, flat or in its shapes."""
    state = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    result = to_theirs(pieces_of(model), state)
    baseline, layers = model.baseline, model.branches[0].layers
    result["atomic_energies_fn.atomic_energies"] = (baseline.e0 - model.isolated_energies()).detach().cpu()
    for name in ("scale", "shift"):
        result[f"scale_shift.{name}"] = getattr(baseline, name).detach().cpu().clone()
    radial = layers[0].radial
    if radial.basis == "bessel":
        result["radial_embedding.bessel_fn.prefactor"] = torch.tensor(radial.prefactor, dtype=torch.float64)
    if (transform := radial.transform) is not None:
        place = "radial_embedding.distance_transform"
        names = ("a", "q", "p") if isinstance(transform, Agnesi) else ("alpha",)
        result |= {f"{place}.{name}": torch.tensor(getattr(transform, name), dtype=torch.float64) for name in names}
        result[f"{place}.covalent_radii"] = _table(model, transform.radii)
    if (zbl := baseline.repulsion) is not None:
        constants = {"c": zbl.screening, "a_exp": zbl.exponent, "a_prefactor": zbl.prefactor}
        result |= {f"pair_repulsion_fn.{k}": torch.tensor(v, dtype=torch.float64) for k, v in constants.items()}
        result["pair_repulsion_fn.covalent_radii"] = _table(model, zbl.radius.tolist())
    for t, layer in enumerate(layers):
        for k, (_, irrep) in enumerate(layer.irreps_out):
            for nu in range(1, layer.product.order + 1):
                own = dict(layer.product.named_buffers()).get(f"coupling_{irrep}_{nu}")
                text = "+".join(str(first) for _, first in layer.product.irreps_in)
                coupling = coupling_tensor(text, str(irrep), nu) if own is None else own.detach().cpu()
                if coupling.shape[-1]:
                    result[f"products.{t}.symmetric_contractions.contractions.{k}.U_matrix_{nu}"] = coupling
    return result


def arguments_for_mace(model: MACE) -> dict[str, Any]:
    """What mace-torch's constructor is called with, as JSON; FormatError for what it has no argument for."""
    layers, radial, baseline = model.branches[0].layers, model.branches[0].layers[0].radial, model.baseline
    interactions = _of_all(model, "interaction", lambda layer: layer.arguments["interaction"], first=True)
    for name in ("radial_hidden", "by_element", "parity", "coupling_dtype", "activation_gain"):
        _of_all(model, name, lambda layer, name=name: layer.arguments[name])
    if any(layer.arguments["residual"] != "auto" for layer in layers):
        raise FormatError("mace-torch always adds what goes past the products; this model drops it")
    if radial.p != int(radial.p):
        raise FormatError(f"mace-torch's envelope has a whole p, but this model's is {radial.p}")
    if baseline.repulsion is not None and not baseline.scales_repulsion and not bool((baseline.scale == 1).all()):
        raise FormatError("mace-torch scales the repulsion with the rest; this model does not, and its scale is not 1")
    readout = model.branches[0].readouts[-1]
    grouped = isinstance(readout, MultiHeadMLP)
    if grouped == (len(layers) == 1):
        raise FormatError("mace-torch reads a single layer linearly, and the last of several with hidden units")
    up = [layer.interaction.irreps_up for layer in layers]
    narrow = any(layer.interaction.irreps_up != layer.interaction.irreps_in for layer in layers)
    float32 = layers[0].arguments["coupling_dtype"] == "float32" or model.dtype == torch.float32
    return {
        "dtype": "float32" if float32 else "float64",
        "heads": model.heads,
        "r_max": model.branches[0].cutoff,
        "atomic_numbers": [atomic_numbers[symbol] for symbol in model.elements],
        "num_bessel": radial.n_radial,
        "num_polynomial_cutoff": radial.p,
        "radial_type": BASES[radial.basis],
        "distance_transform": {None: "None", Agnesi: "Agnesi", Soft: "Soft"}[
            None if radial.transform is None else type(radial.transform)
        ],
        "apply_cutoff": radial.envelope_on == "features",
        "trainable_bessel": radial.trainable,
        "max_ell": layers[0].l_max,
        "use_so3": layers[0].arguments["parity"] == "even",
        "interaction_cls_first": CLASSES[interactions[0]],
        "interaction_cls": CLASSES[interactions[-1]],
        "num_interactions": len(layers),
        "hidden_irreps": str(layers[0].irreps_out),
        "keep_last_layer_irreps": len(layers) > 1 and layers[-1].irreps_out == layers[0].irreps_out,
        "correlation": [layer.product.order for layer in layers],
        "radial_MLP": list(layers[0].arguments["radial_hidden"]),
        "use_agnostic_product": not layers[0].arguments["by_element"],
        "edge_irreps": str(up[-1]) if narrow else None,
        "use_edge_irreps_first": narrow and up[0] != layers[0].interaction.irreps_in,
        "avg_num_neighbors": [_neighbours(layer) for layer in layers],
        "pair_repulsion": baseline.repulsion is not None,
        "use_last_readout_only": len(layers) > 1 and model.arguments["readout_last_only"],
        "MLP_irreps": f"{readout.hidden}x0e" if grouped else "16x0e",
        "gate": GATES[readout.arguments["activation"]] if grouped else "silu",
        "biased_readout": grouped and readout.middle is not None,
        "embedding_specs": model.arguments["global_state"],
        "use_embedding_readout": model.state_readout is not None,
    }


def _of_all(model: MACE, name: str, of: Any, first: bool = False) -> list[Any]:
    """One value a layer, equal for all layers (after the first); FormatError otherwise."""
    values = [of(layer) for layer in model.branches[0].layers]
    if any(value != values[-1] for value in values[1 if first else 0 :]):
        raise FormatError(
            f"mace-torch has one {name} for all layers{' after the first' * first}; this model has {values}"
        )
    return values


def _neighbours(layer: Any) -> float:
    return float(layer.interaction.neighbours.number) if hasattr(layer.interaction, "neighbours") else 1.0


def _table(model: MACE, radii: list[float]) -> Tensor:
    """By atomic number, as their tables are: only the model's elements count."""
    table = torch.ones(119, dtype=torch.float64)
    for symbol, radius in zip(model.elements, radii, strict=True):
        table[atomic_numbers[symbol]] = radius
    return table
