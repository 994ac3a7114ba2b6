"""Merges low-rank adapters (LoRA) into their linear maps, W + s·A·B, in float64."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.module_tree import Tree
from atomgraph.old_names import old_names_of


def merge_adapters(tree: Tree) -> Tree:
    """Return the tree with all adapters merged into their linear maps; ``adapters`` of the root is their number."""
    count = [0]
    result = _merge(tree, count)
    result.adapters = count[0]
    return result


def _merge(tree: Tree, count: list[int]) -> Tree:
    """Return a merged module; ``count[0]``, the number of adapters, grows by those of the module."""
    if tree.kind in _WEIGHT_CHANGES:
        count[0] += 1
        base, scaling = tree["base"], float(tree.attribute("scaling", int, float))
        change = _WEIGHT_CHANGES[tree.kind](tree)
        weight = base.tensor("weight")
        if change.shape != weight.shape:
            raise FormatError(
                f"the adapter {tree.kind} changes weights of shape {tuple(weight.shape)} by {tuple(change.shape)}"
            )
        return replace(base, parameters={**base.parameters, "weight": weight.double() + scaling * change})
    tree.children = {name: _merge(child, count) for name, child in tree.children.items()}
    return tree


def _e3nn_change(tree: Tree) -> Tensor:
    """Return A·B of an ``o3.Linear``, flat, in the normalisation of its path weights.

    A path connects an input block to an output block. Its change is the sum over all pairs of a path of A and a path of B
    that lead from this input block to this output block.
    """
    change = []
    base_paths, a_paths, b_paths = (_paths(tree[name]) for name in ("base", "lora_A", "lora_B"))
    base_ends = {(i, o) for i, o, *_ in base_paths}  # (input block, output block) of each path
    for (i, _, _, _), (_, o, _, _) in ((a, b) for a in a_paths for b in b_paths if a[1] == b[0]):
        if (i, o) not in base_ends:
            raise FormatError("an adapter LoRAO3Linear changes a path that the linear map does not have")
    for source, target, weight, path_weight in base_paths:
        total = torch.zeros_like(weight, dtype=torch.float64)
        for a_in, a_out, a, a_path_weight in a_paths:
            for b_in, b_out, b, b_path_weight in b_paths:
                if a_in == source and a_out == b_in and b_out == target:
                    total += (a_path_weight * b_path_weight / path_weight) * (a.double() @ b.double())
        change.append(total.flatten())
    return torch.cat(change)


def _paths(linear: Tree) -> list[tuple[int, int, Tensor, float]]:
    """Return (input block, output block, weight (n_in, n_out), e3nn's path weight) for each path of an ``o3.Linear``."""
    result, start, flat = [], 0, linear.tensor("weight").reshape(-1)
    for source, target, shape, path_weight in linear.attribute("instructions", list, tuple):
        if source < 0:  # e3nn's marker of a bias
            continue
        result.append((source, target, flat[start : start + prod(shape)].reshape(shape), float(path_weight)))
        start += prod(shape)
    return result


def _network_change(tree: Tree) -> Tensor:
    """Return A·B of a layer of a radial network."""
    return tree.tensor("lora_A").double() @ tree.tensor("lora_B").double()


def _dense_change(tree: Tree) -> Tensor:
    """Return B·A of a ``torch.nn.Linear``."""
    return tree.tensor("lora_B.weight").double() @ tree.tensor("lora_A.weight").double()


_WEIGHT_CHANGES = {"LoRAO3Linear": _e3nn_change, "LoRAFCLayer": _network_change, "LoRADenseLinear": _dense_change}


__getattr__ = old_names_of(__name__)
