"""``DeepPotSE`` with the weights of a DeePMD file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.featurizers import Concatenation
from atomgraph.featurizers.deep_potential.angular import DeepPotAngular
from atomgraph.featurizers.deep_potential.embedding import Embedding, EmbeddingNetworks, TypeEmbedding
from atomgraph.featurizers.deep_potential.environment import EnvironmentMatrix
from atomgraph.featurizers.deep_potential.pair_embedding import PairEmbedding
from atomgraph.featurizers.deep_potential.radial import DeepPotRadial
from atomgraph.featurizers.deep_potential.three_body import DeepPotThreeBody
from atomgraph.formats.deepmd.description import DescriptorData, ModelData, NetworkData, pairs, read_entry
from atomgraph.models.deep_pot_se import DeepPotSE
from atomgraph.nn.protocols import Featurizer
from atomgraph.nn.residual_mlp import ResidualMLP

# name in deepmd-kit: name in atomgraph
_ACTIVATIONS = {"gelu": "gelu_tanh", "gelu_tf": "gelu_tanh", "linear": "identity", "none": "identity"}
_EQUAL_ACTIVATIONS = ("tanh", "relu", "relu6", "softplus", "sigmoid", "silu")  # with the same name in both programs
Weights = dict[str, Tensor]  # by the names in a state dict


def build_model(data: ModelData, elements: Sequence[str]) -> DeepPotSE:
    """Return the model, with the weights of the file, in float64 or, if all weights are float32, in float32.

    Args:
        data: Content of the file.
        elements: Chemical symbols of the types, in the order of the file.

    Raises:
        FormatError: If the content is contradictory.
    """
    elements, n_types = list(elements), len(data.types)
    parts = [_featurizer(descriptor, elements, data.excluded_pairs) for descriptor in data.descriptors]
    featurizer: Featurizer = parts[0][0] if len(parts) == 1 else Concatenation([part for part, _ in parts])
    weights: Weights = {}
    for i, (_, part_weights) in enumerate(parts):
        prefix = "branches.0.featurizer." + ("" if len(parts) == 1 else f"featurizers.{i}.")
        weights |= {prefix + name: tensor for name, tensor in part_weights.items()}
    if len(data.fitting) not in (1, n_types):
        raise FormatError(
            f"the file should have one fitting network, or one for each of {n_types} types, but has {len(data.fitting)}"
        )
    options, fitting = _network_options(data.fitting, featurizer.irreps_out.dim, "the fitting networks", n_last=1)
    excluded = sorted({*data.types_without_network, *data.types_without_energy})
    readout = {
        "readout_hidden": options["hidden"],
        "activation": options["activation"],
        "timestep": options["timestep"],
        "shared": len(data.fitting) == 1 and n_types > 1,
        "excluded_elements": [_symbol(elements, t) for t in excluded],
    }
    weights |= {f"branches.0.readouts.0.mlp.{name}": tensor for name, tensor in fitting.items()}
    cutoff = max(_read_distance(descriptor.options, "rcut") for descriptor in data.descriptors)
    model = DeepPotSE(elements, cutoff, featurizer=featurizer, readout=readout)
    is_float32 = all(tensor.dtype == torch.float32 for name, tensor in weights.items() if ".mlp.weights." in name)
    model = model.float() if is_float32 else model.double()
    _load(model, weights)
    energies = data.energies.clone()
    energies[data.types_without_network] = 0.0
    energies = energies + data.shift
    energies[data.types_without_energy] = 0.0
    model.baseline.e0[0] = energies
    return model.eval()


@torch.no_grad()
def _load(model: DeepPotSE, weights: Weights) -> None:
    """Copy weights into the model; FormatError if a name or shape differs."""
    state = model.state_dict()
    for name, tensor in weights.items():
        if name not in state or state[name].shape != tensor.shape:
            shape = tuple(state[name].shape) if name in state else "none"
            raise FormatError(
                f"the weights {name} should have the shape {shape}, but the file has {tuple(tensor.shape)}"
            )
        state[name].copy_(tensor)
    trained = {name for name, _ in model.named_parameters()}
    if missing := sorted(trained - weights.keys()):
        raise FormatError(f"the file has no weights for {missing[0]}")


def _featurizer(
    data: DescriptorData, elements: list[str], removed_pairs: Sequence[Sequence[int]]
) -> tuple[Featurizer, Weights]:
    """Return the featurizer of a descriptor and its weights.

    Args:
        data: Descriptor of the file.
        elements: Chemical symbols of the types.
        removed_pairs: Pairs of types that are no neighbours.
    """
    n, options = len(elements), data.options
    environment, weights = _environment(data, elements, removed_pairs)
    one_sided = bool(
        read_entry(options, "type_one_side", bool, default=data.kind != "se_e2_a" and data.kind != "se_atten")
    )
    axis = read_entry(options, "axis_neuron", int, default=4)
    if data.kind == "se_atten":
        vectors = _type_vectors(data.type_network, n)
        n_in = 1 + vectors.shape[1] * (1 if one_sided else 2)
        network, mlp = _network_options([_single_network(data.networks)], n_in, "the embedding network")
        embedding: Embedding = TypeEmbedding(
            elements, type_channels=vectors.shape[1], two_sided=not one_sided, **network
        )
        append = bool(read_entry(options, "concat_output_tebd", bool, default=True))
        part: Featurizer = DeepPotAngular(environment, embedding, axis, append_types=append)
        weights["embedding.vectors"] = vectors
    elif data.kind == "se_e3":
        rows = [t + u * n for u in range(n) for t in range(u + 1)]
        network, mlp = _network_options(_select_networks(data.networks, rows), 1, "the embedding networks")
        part = DeepPotThreeBody(environment, PairEmbedding(elements, **network))
    else:
        if data.kind == "se_e2_r" and not one_sided:
            raise FormatError("the file has se_e2_r with networks of pairs of types, which atomgraph does not have")
        rows = list(range(n if one_sided else n * n))
        network, mlp = _network_options(_select_networks(data.networks, rows), 1, "the embedding networks")
        embedding = EmbeddingNetworks(elements, two_sided=not one_sided, **network)
        is_radial = data.kind == "se_e2_r"
        part = DeepPotRadial(environment, embedding) if is_radial else DeepPotAngular(environment, embedding, axis)
    return part, weights | {f"embedding.mlp.{name}": tensor for name, tensor in mlp.items()}


def _environment(
    data: DescriptorData, elements: list[str], removed_pairs: Sequence[Sequence[int]]
) -> tuple[EnvironmentMatrix, Weights]:
    """Return the environment matrix of a descriptor and its statistics; arguments are those of ``_featurizer``."""
    options, n = data.options, len(elements)
    sel = options.get("sel")
    slots = [sel] if isinstance(sel, int) else sel
    if not isinstance(slots, list) or any(type(number) is not int for number in slots):
        raise FormatError(f"sel should be numbers of neighbours, but is {str(sel)[:60]!r}")
    shares_slots = data.kind == "se_atten"  # slots for neighbours of all elements
    if len(slots) != n and not shares_slots:
        raise FormatError(f"sel should have one number for each of {n} types, but is {str(sel)[:60]!r}")
    columns = 1 if data.kind == "se_e2_r" else 4
    shape = (n, sum(slots), columns)
    for name, table in (("means", data.mean), ("standard deviations", data.width)):
        if tuple(table.shape) != shape:
            raise FormatError(
                f"the {name} of the environment matrix should have the shape {shape}, but have {tuple(table.shape)}"
            )
        if bool((table != table[:, :1]).any()):
            raise FormatError(
                f"the {name} of the environment matrix differ between the neighbours of an atom, which is not read"
            )
    mean, width = data.mean[:, 0], data.width[:, 0]
    if bool((mean[:, 1:] != 0).any()) or bool((width[:, 1:] != width[:, 1 : 2 if columns == 4 else 1]).any()):
        raise FormatError("the statistics of the environment matrix depend on the direction, which is not read")
    centred = bool((mean != 0).any())
    if centred and shares_slots:
        raise FormatError(
            "the descriptor se_atten of the file has means (set_davg_zero: false); empty slots then depend on the first "
            "atom of the structure in deepmd-kit, so the file is not read"
        )
    environment = EnvironmentMatrix(
        elements,
        _read_distance(options, "rcut"),
        _read_distance(options, "rcut_smth"),
        sel=sum(slots) if shares_slots else slots,
        centred=centred,
        excluded_pairs=_symbol_pairs(elements, pairs(options, "exclude_types")),
        removed_pairs=_symbol_pairs(elements, removed_pairs),
        protection=_read_distance(options, "env_protection", 0.0),
    )
    angular = width[:, 1] if columns == 4 else environment.angular_width.to(width)
    weights = {"mean": mean[:, 0], "radial_width": width[:, 0], "angular_width": angular}
    return environment, {f"environment.{name}": tensor for name, tensor in weights.items()}


def _network_options(
    networks: Sequence[NetworkData], n_in: int, noun: str, n_last: int | None = None
) -> tuple[dict[str, Any], Weights]:
    """Return the arguments and the weights of a ``ResidualMLP`` with several networks of equal shape.

    Args:
        networks: Networks of the file.
        n_in: Number of inputs.
        noun: Description of the networks for messages.
        n_last: Number of outputs of a last, linear layer; None: all layers have activations.

    Returns:
        Arguments ``hidden``, ``activation`` and ``timestep``, and the weights by their names in the ``ResidualMLP``.
    """
    first = networks[0]
    hidden = first.layers if n_last is None else first.layers[:-1]
    widths = [layer.matrix.shape[1] if layer.matrix.ndim == 2 else 0 for layer in first.layers]
    if not hidden or any(len(network.layers) != len(first.layers) for network in networks) or min(widths) < 1:
        raise FormatError(f"{noun} of the file have different numbers of layers, or none")
    if len({network.activation for network in networks}) > 1:
        raise FormatError(f"{noun} of the file have different activation functions")
    timestep = any(layer.timestep is not None for layer in first.layers)
    options = {"hidden": widths[: len(hidden)], "activation": _activation(first.activation), "timestep": timestep}
    weights: Weights = {}
    for t, (n_before, n_after) in enumerate(zip([n_in, *widths], widths, strict=False)):
        layers = [network.layers[t] for network in networks]
        biases = [layer.matrix.new_zeros(n_after) if layer.bias is None else layer.bias for layer in layers]
        steps = [layer.timestep for layer in layers]
        for layer, bias, step in zip(layers, biases, steps, strict=True):
            shapes = [(tuple(layer.matrix.shape), (n_before, n_after)), (tuple(bias.shape), (n_after,))]
            shapes += [] if step is None else [(tuple(step.shape), (n_after,))]
            if any(shape != expected for shape, expected in shapes) or (step is None) != (steps[0] is None):
                raise FormatError(
                    f"layer {t} of {noun} should be a matrix {n_before} × {n_after}, but is {tuple(layer.matrix.shape)}"
                )
        weights[f"weights.{t}"] = torch.stack([layer.matrix for layer in layers])
        weights[f"biases.{t}"] = torch.stack(biases)
        if steps[0] is not None:
            weights[f"timesteps.{t}"] = torch.stack([step for step in steps if step is not None])
    if n_last is not None and widths[-1] != n_last:
        raise FormatError(f"{noun} of the file should have {n_last} output, but have {widths[-1]}")
    return options, weights


def _type_vectors(network: NetworkData | None, n_types: int) -> Tensor:
    """Return the vector of each type, (n_types, n): the output of the network for one-hot types."""
    if network is None:
        raise FormatError("the file has no network of the vectors of types (type_embedding)")
    options, weights = _network_options([network], n_types, "the network of the vectors of types")
    mlp = ResidualMLP(n_types, options["hidden"], None, options["activation"], 1, options["timestep"]).double()
    mlp.load_state_dict(weights)
    with torch.no_grad():
        vectors = mlp.apply_network(mlp.networks()[0], torch.eye(n_types, dtype=torch.float64))
    return vectors.to(network.layers[0].matrix.dtype)


def _activation(name: str) -> str:
    """Return the name of an activation function in atomgraph; FormatError if it is unknown."""
    name = name.lower()
    if name in _EQUAL_ACTIVATIONS:
        return name
    kind, _, number = name.partition(":")
    if kind in ("silut", "custom_silu"):
        return f"silut:{number or 3.0}"
    if name not in _ACTIVATIONS:
        raise FormatError(f"the file has the activation function {name!r:.40}, which atomgraph does not have")
    return _ACTIVATIONS[name]


def _select_networks(networks: Mapping[int, NetworkData], rows: Sequence[int]) -> list[NetworkData]:
    """Return networks by their index; FormatError if one is missing."""
    missing = [row for row in rows if row not in networks]
    if missing:
        raise FormatError(f"the file has no embedding network with the index {missing[0]}; it has {len(networks)}")
    return [networks[row] for row in rows]


def _single_network(networks: Mapping[int, NetworkData]) -> NetworkData:
    """Return the only network; FormatError if there are several."""
    if len(networks) != 1:
        raise FormatError(
            f"a descriptor with vectors of types should have one embedding network, but has {len(networks)}"
        )
    return next(iter(networks.values()))


def _read_distance(options: Mapping[str, Any], key: str, default: Any = ...) -> float:
    """Return a distance, Å; FormatError if the entry is missing or out of range."""
    number = float(read_entry(options, key, float, int, default=default))
    if not 0.0 <= number < 1e3:
        raise FormatError(f"the entry {key} of the file should be a distance in Å, but is {number}")
    return number


def _symbol(elements: Sequence[str], t: int) -> str:
    """Return the symbol of a type; FormatError if the type does not exist."""
    if not 0 <= t < len(elements):
        raise FormatError(f"the file names the type {t}, but has {len(elements)} types")
    return elements[t]


def _symbol_pairs(elements: Sequence[str], pairs_of_types: Sequence[Sequence[int]]) -> list[list[str]]:
    """Return pairs of symbols for pairs of types."""
    return [[_symbol(elements, t) for t in pair] for pair in pairs_of_types]
