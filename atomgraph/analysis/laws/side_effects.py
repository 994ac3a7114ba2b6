"""Laws of side effects and precision: unchanged graphs, errors in float32, and sums of atomic energies."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import ase
import numpy as np
import torch

from atomgraph.analysis.laws.context import Law, LawContext, law_from_values, relative_difference
from atomgraph.potential import Potential


def graph_is_unchanged(context: LawContext) -> Law:
    """Test that evaluation does not change the graph of the caller: tensors, dtypes and gradients.

    Results must have the dtype of the positions, and no autograd graph.
    """
    values = {}
    for name, atoms in context.structures.items():
        graph = context.graph(atoms).to(context.potential.device)
        fields_before = {key: value.clone() for key, value in graph.to_dict().items()}
        results = context.potential.evaluate(graph)
        changed_fields = [
            key
            for key, value in fields_before.items()
            if graph[key].dtype != value.dtype
            or not torch.equal(graph[key], value)
            or graph[key].requires_grad
            or graph[key].grad is not None
        ]
        invalid_results = [
            key for key, value in results.items() if value.requires_grad or value.dtype != graph.pos.dtype
        ]
        values[name] = float(len(changed_fields) + len(invalid_results) + len(set(graph.keys()) ^ set(fields_before)))
    return law_from_values("the caller's graph is unchanged", values, 0.0, "fields")


def float32_is_accurate(context: LawContext) -> Law:
    """Test that forces in float32 are close to forces in float64.

    Differences are relative to the largest force component, or to 1 eV/Å if all are smaller. A potential whose metadata do
    not allow float32 passes, because it cannot be loaded in float32.
    """
    values = float32_errors(context.potential, context.structures)
    if "float32" not in context.potential.dtypes:
        worst = max(values, key=lambda name: values[name])
        return Law("float32 is refused", values[worst], float("inf"), "relative", True, worst)
    return law_from_values("float32 is near float64", values, 1e-3, "relative")


def float32_errors(potential: Potential, structures: Mapping[str, ase.Atoms]) -> dict[str, float]:
    """Compute the largest difference between forces in float32 and float64.

    Differences are relative to the largest force component, or to 1 eV/Å if all are smaller.

    Args:
        potential: The potential.
        structures: Structures by name.

    Returns:
        Relative errors by structure.
    """
    context32, context64 = (
        LawContext(in_dtype(potential, dtype), structures) for dtype in (torch.float32, torch.float64)
    )
    return {
        name: relative_difference(context32.result(atoms)["forces"], context64.result(atoms)["forces"], floor=1.0)
        for name, atoms in structures.items()
    }


def in_dtype(potential: Potential, dtype: torch.dtype) -> Potential:
    """Return a copy of a potential in a dtype, also if the metadata of the potential do not allow this dtype."""
    copy = deepcopy(potential)
    copy.metadata.pop("precision", None)
    return copy.to(dtype)


def float32_error(potential: Potential, structures: Mapping[str, ase.Atoms]) -> float:
    """Return the largest value of ``float32_errors``; NaN if one of them is NaN."""
    return float(np.max(list(float32_errors(potential, structures).values())))


def local_energies_add_up(context: LawContext) -> Law:
    r"""Test :math:`E = \sum_i E_i`."""
    values = {}
    for name, atoms in context.structures.items():
        result = context.result(atoms)
        values[name] = relative_difference(result["node_energy"].sum(), np.asarray(result["energy"]), floor=1.0)
    return law_from_values("local energies add up", values, 1e-12, "relative")
