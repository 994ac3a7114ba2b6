"""Groups of weights: what each trainable number of a model is for, and which layer it belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from atomgraph.errors import WiringError, nearest
from atomgraph.featurizers.ace.bonds import Bonds
from atomgraph.layers import Adjacency, AtomWise
from atomgraph.layers.mace import MACELayer
from atomgraph.models.energy import EnergyModel
from atomgraph.nn.equivariant.radial_embedding import RadialEmbedding
from atomgraph.nn.equivariant.radial_network import NormalisedMLP, ScaledMLP
from atomgraph.nn.equivariant.symmetric_product import SymmetricProduct
from atomgraph.nn.protocols import Featurizer, MessageLayer, Readout

GROUPS = ("embedding", "radial", "convolution", "product", "readout")
KINDS: tuple[tuple[type[torch.nn.Module], str], ...] = (  # the first that fits, from the innermost part outwards
    (RadialEmbedding, "radial"),
    (ScaledMLP, "radial"),
    (NormalisedMLP, "radial"),
    (Bonds, "radial"),
    (Adjacency, "radial"),
    (SymmetricProduct, "product"),
    (AtomWise, "embedding"),
    (Featurizer, "embedding"),
    (MessageLayer, "convolution"),
    (Readout, "readout"),
)
OF_INTERACTION = re.compile(r"interaction\.(source|target)$")  # what an element is to the weights of its edges


@dataclass(frozen=True)
class Place:
    """Where a weight stands: its group, and its layer, ``layers.0``, or None in the featurizer and readouts.

    depth: 0 of the featurizer, t + 1 of layer t; readouts are on top of all.
    """

    group: str
    layer: str | None
    depth: int

    def is_in(self, word: str) -> bool:
        """Is it in ``radial``, in ``layers.0``, in ``layers.0.radial``?"""
        return word in (self.group, self.layer, f"{self.layer}.{self.group}")


def places(model: EnergyModel) -> dict[str, Place]:
    """The place of every parameter of a model, by its name."""
    top = 1 + max(len(branch.layers) for branch in model.branches)
    return {name: _place(model, name, top) for name, _ in model.named_parameters()}


def words_of(model: EnergyModel) -> list[str]:
    """What can be said to choose weights of a model: its groups, its layers, and groups of a layer."""
    found = places(model).values()
    groups = [group for group in GROUPS if any(place.group == group for place in found)]
    layers = dict.fromkeys(place.layer for place in found if place.layer is not None)
    both = dict.fromkeys(f"{place.layer}.{place.group}" for place in found if place.layer is not None)
    return [*groups, *layers, *both]


def members(model: EnergyModel, words: Iterable[str]) -> dict[str, list[str]]:
    """Names of the parameters that each word chooses; WiringError for a word that chooses none, with those that do."""
    every = places(model)
    chosen = {}
    for word in words:
        chosen[word] = [name for name, place in every.items() if place.is_in(word)]
        if not chosen[word]:
            known = words_of(model)
            hint = nearest(word, known)
            rest = "" if "known are" in hint else f"; there are {', '.join(known)}"
            raise WiringError(f"this {type(model).__name__} has no group of weights {word!r}{hint}{rest}")
    return chosen


def _place(model: EnergyModel, name: str, top: int) -> Place:
    found = re.match(r"branches\.\d+\.layers\.(\d+)\.", name)
    group, shared = _group(model, name)
    if found is None or shared:
        return Place(group, None, top if group == "readout" else 0)
    return Place(group, f"layers.{found[1]}", int(found[1]) + 1)


def _group(model: EnergyModel, name: str) -> tuple[str, bool]:
    """The group of a parameter; and whether all layers share the part that it is in."""
    if OF_INTERACTION.search(name):
        return "embedding", False
    path = name.rpartition(".")[0]
    while path:
        part, around = model.get_submodule(path), model.get_submodule(path.rpartition(".")[0])
        if isinstance(around, MACELayer) and part is around.mix:  # it mixes what the products gave
            return "product", False
        for kind, group in KINDS:
            if isinstance(part, kind):
                return group, isinstance(part, RadialEmbedding)
        path = path.rpartition(".")[0]
    return "readout", False
