"""Content of a DeePMD file, equal for all formats: descriptors, networks and energies of types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from atomgraph.errors import FormatError

MAX_LAYERS, _MAX_NETWORKS = 100, 40_000


@dataclass
class LayerData:
    """One layer of a network.

    Attributes:
        matrix: Weights, (n_in, n_out).
        bias: Bias, (n_out,), or None.
        timestep: Timestep, (n_out,), or None.
    """

    matrix: Tensor
    bias: Tensor | None
    timestep: Tensor | None


@dataclass
class NetworkData:
    """One network: its layers, and the name of the activation function in the file."""

    layers: list[LayerData]
    activation: str


@dataclass
class DescriptorData:
    """One descriptor of a file.

    Attributes:
        kind: ``se_e2_a``, ``se_e2_r``, ``se_e3`` or ``se_atten``.
        options: Options by their names in deepmd-kit: ``rcut``, ``rcut_smth``, ``sel``, ``axis_neuron``, ``type_one_side``,
            ``exclude_types``, ``env_protection``, ``concat_output_tebd``.
        mean: Means of the environment matrix, (n_types, n_slots, 4), or (n_types, n_slots, 1) for ``se_e2_r``.
        width: Standard deviations, in the shape of the means.
        networks: Embedding networks by their index in the file.
        type_network: Network of the vectors of types, for ``se_atten``.
    """

    kind: str
    options: Mapping[str, Any]
    mean: Tensor
    width: Tensor
    networks: dict[int, NetworkData]
    type_network: NetworkData | None = None


@dataclass
class ModelData:
    """All that is read from a file.

    Attributes:
        types: Names of the types.
        descriptors: Descriptors, whose features are concatenated.
        fitting: Fitting networks, one per type or one for all types.
        energies: Energies of types that are added before types are excluded from the fitting network, (n_types,), eV, float64.
        shift: Energies of types that are always added, (n_types,), eV, float64.
        types_without_network: Types without output of the fitting network.
        types_without_energy: Types without any energy.
        excluded_pairs: Pairs of types that are no neighbours.
        origin: Notes on the origin of the file.
    """

    types: list[str]
    descriptors: list[DescriptorData]
    fitting: list[NetworkData]
    energies: Tensor
    shift: Tensor
    types_without_network: list[int] = field(default_factory=list)
    types_without_energy: list[int] = field(default_factory=list)
    excluded_pairs: list[list[int]] = field(default_factory=list)
    origin: dict[str, Any] = field(default_factory=dict)


def read_layers(tensors: Mapping[str, Tensor], prefix: str, activation: str) -> NetworkData | None:
    """Return the network whose tensors begin with a prefix, as ``<prefix>.layers.<l>.matrix``; None if there is none.

    Args:
        tensors: State dict.
        prefix: Beginning of the names.
        activation: Name of the activation function.
    """
    layers: list[LayerData] = []
    while len(layers) < MAX_LAYERS and f"{prefix}.layers.{len(layers)}.matrix" in tensors:
        name = f"{prefix}.layers.{len(layers)}"
        layers.append(LayerData(tensors[f"{name}.matrix"], tensors.get(f"{name}.bias"), tensors.get(f"{name}.idt")))
    return NetworkData(layers, activation) if layers else None


def read_networks(tensors: Mapping[str, Tensor], prefix: str, activation: str) -> dict[int, NetworkData]:
    """Return the networks ``<prefix>.networks.<index>`` by their index; FormatError if there is none."""
    networks: dict[int, NetworkData] = {}
    while len(networks) < _MAX_NETWORKS:
        network = read_layers(tensors, f"{prefix}.networks.{len(networks)}", activation)
        if network is None:
            break
        networks[len(networks)] = network
    if not networks:
        raise FormatError(f"the file has no networks {prefix}.networks")
    return networks


def read_entry(mapping: Any, key: str, *kinds: type, default: Any = ...) -> Any:
    """Return an entry of a mapping of the file.

    Args:
        mapping: Mapping of the file.
        key: Key of the entry.
        kinds: Allowed types; none: all types.
        default: Value of a missing entry or of None; ``...``: a missing entry is an error.

    Raises:
        FormatError: If the entry is missing or of another type.
    """
    if not isinstance(mapping, Mapping):
        raise FormatError(f"the file should have a mapping with {key}, but has {str(mapping)[:60]!r}")
    entry = mapping.get(key)
    if entry is None and default is not ...:
        return default
    if key not in mapping or (
        kinds and (not isinstance(entry, kinds) or (isinstance(entry, bool) and bool not in kinds))
    ):
        expected = " or ".join(kind.__name__ for kind in kinds) or "a value"
        raise FormatError(f"the entry {key} of the file should be {expected}, but is {str(entry)[:60]!r}")
    return entry


def integers(mapping: Any, key: str) -> list[int]:
    """Return a list of integers of a mapping; empty if missing, FormatError if it contains anything else."""
    entries = read_entry(mapping, key, list, tuple, default=[])
    if any(type(entry) is not int for entry in entries):
        raise FormatError(f"the entry {key} of the file should be a list of integers, but is {str(entries)[:60]!r}")
    return list(entries)


def pairs(mapping: Any, key: str) -> list[list[int]]:
    """Return a list of pairs of integers of a mapping; empty if missing, FormatError if it contains anything else."""
    entries = read_entry(mapping, key, list, tuple, default=[])
    for pair in entries:
        if not isinstance(pair, list | tuple) or len(pair) != 2 or any(type(entry) is not int for entry in pair):
            raise FormatError(f"the entry {key} of the file should be a list of pairs, but is {str(entries)[:60]!r}")
    return [list(pair) for pair in entries]


def exclusions(model: Any, fitting: Any) -> dict[str, Any]:
    """Return the excluded types, atoms and pairs of ``ModelData``, by name.

    Args:
        model: Options of the model in the file.
        fitting: Options of the fitting network in the file.
    """
    return {
        "types_without_network": integers(fitting, "exclude_types"),
        "types_without_energy": integers(model, "atom_exclude_types"),
        "excluded_pairs": pairs(model, "pair_exclude_types"),
    }


def type_names(mapping: Any) -> list[str]:
    """Return the names of the types, ``type_map``; FormatError if it is not a list of texts."""
    names = read_entry(mapping, "type_map", list, tuple)
    if not names or any(not isinstance(name, str) for name in names):
        raise FormatError(f"the entry type_map of the file should be a list of texts, but is {str(names)[:60]!r}")
    return list(names)


def energies_of_types(tensor: Tensor | None, n_types: int, name: str) -> Tensor:
    """Return energies by type, (n_types,), float64, zeros for None; FormatError for another number of them."""
    if tensor is None:
        return torch.zeros(n_types, dtype=torch.float64)
    if tensor.numel() != n_types:
        raise FormatError(
            f"{name} should have one energy for each of {n_types} types, but has the shape {tuple(tensor.shape)}"
        )
    return tensor.double().flatten()
