"""Merges low-rank adapters into their linear maps, W + s·A·B, in float64."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import torch
from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.module_tree import Tree


def merged(tree: Tree) -> Tree:
    """The tree with each adapter in place of its wrapper; ``adapters`` of the root says how many there were."""
    count = [0]
    result = _merged(tree, count)
    result.adapters = count[0]
    return result


def _merged(tree: Tree, count: list[int]) -> Tree:
    if tree.kind in _WAYS:
        count[0] += 1
        base, scaling = tree["base"], float(tree.attribute("scaling", int, float))
        change = _WAYS[tree.kind](tree)
        weight = base.tensor("weight")
        if change.shape != weight.shape:
            raise FormatError(
                f"its {tree.kind} changes weights of shape {tuple(weight.shape)} by {tuple(change.shape)}"
            )
        return replace(base, parameters={**base.parameters, "weight": weight.double() + scaling * change})
    tree.children = {name: _merged(child, count) for name, child in tree.children.items()}
    return tree


def _of_e3nn(tree: Tree) -> Tensor:
    """Path by path of the map: the sum over ways through the low rank, in the units of the map's own path weights."""
    change = []
    base, down, up = (_paths(tree[name]) for name in ("base", "lora_A", "lora_B"))
    ends = {(i, o) for i, o, *_ in base}
    for (i, _, _, _), (_, o, _, _) in ((a, b) for a in down for b in up if a[1] == b[0]):
        if (i, o) not in ends:
            raise FormatError("its LoRAO3Linear adapts a path that the map itself does not have")
    for source, target, weight, factor in base:
        total = torch.zeros_like(weight, dtype=torch.float64)
        for a_in, a_out, a, a_factor in down:
            for b_in, b_out, b, b_factor in up:
                if a_in == source and a_out == b_in and b_out == target:
                    total += (a_factor * b_factor / factor) * (a.double() @ b.double())
        change.append(total.flatten())
    return torch.cat(change)


def _paths(linear: Tree) -> list[tuple[int, int, Tensor, float]]:
    """(in, out, weight (n_in, n_out), path weight) of an ``o3.Linear`` without bias."""
    result, start, flat = [], 0, linear.tensor("weight").reshape(-1)
    for source, target, shape, factor in linear.attribute("instructions", list, tuple):
        if source < 0:
            continue
        result.append((source, target, flat[start : start + prod(shape)].reshape(shape), float(factor)))
        start += prod(shape)
    return result


def _of_network(tree: Tree) -> Tensor:
    return tree.tensor("lora_A").double() @ tree.tensor("lora_B").double()


def _of_dense(tree: Tree) -> Tensor:
    return tree.tensor("lora_B.weight").double() @ tree.tensor("lora_A.weight").double()


_WAYS = {"LoRAO3Linear": _of_e3nn, "LoRAFCLayer": _of_network, "LoRADenseLinear": _of_dense}
