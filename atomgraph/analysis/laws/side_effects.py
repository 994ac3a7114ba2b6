"""Laws of manners: what a potential may not do to its caller, and how much float32 costs."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import ase
import numpy as np
import torch

from atomgraph.analysis.laws.context import Law, LawContext, law, relative
from atomgraph.potential import Potential


def caller_keeps_the_graph(trial: LawContext) -> Law:
    """The caller's graph keeps its tensors, dtypes and gradients; results are float64 and hold on to nothing."""
    figures = {}
    for name, atoms in trial.structures.items():
        graph = trial.graph(atoms).to(trial.potential.device)
        before = {key: value.clone() for key, value in graph.to_dict().items()}
        results = trial.potential.evaluate(graph)
        changed = [
            key
            for key, value in before.items()
            if graph[key].dtype != value.dtype
            or not torch.equal(graph[key], value)
            or graph[key].requires_grad
            or graph[key].grad is not None
        ]
        held = [key for key, value in results.items() if value.requires_grad or value.dtype != graph.pos.dtype]
        figures[name] = float(len(changed) + len(held) + len(set(graph.keys()) ^ set(before)))
    return law("the caller's graph is left alone", figures, 0.0, "fields")


def float32_is_near(trial: LawContext) -> Law:
    """Forces of the potential in float32 against those in float64, relative to the largest (or to 1 eV/Å).

    A potential that says in its metadata that it is not for float32 is not loaded in it, and passes.
    """
    figures = float32_errors(trial.potential, trial.structures)
    if "float32" not in trial.potential.dtypes:
        worst = max(figures, key=lambda name: figures[name])
        return Law("float32 is refused", figures[worst], float("inf"), "relative", True, worst)
    return law("float32 is near float64", figures, 1e-3, "relative")


def float32_errors(potential: Potential, structures: Mapping[str, ase.Atoms]) -> dict[str, float]:
    """Largest differences of forces between float32 and float64, by structure, relative to the largest force or 1 eV/Å."""
    single, double = (LawContext(in_dtype(potential, dtype), structures) for dtype in (torch.float32, torch.float64))
    return {
        name: relative(single.result(atoms)["forces"], double.result(atoms)["forces"], floor=1.0)
        for name, atoms in structures.items()
    }


def in_dtype(potential: Potential, dtype: torch.dtype) -> Potential:
    """A copy in a dtype, also in one that the potential's own metadata refuse."""
    copy = deepcopy(potential)
    copy.metadata.pop("precision", None)
    return copy.to(dtype)


def float32_error(potential: Potential, structures: Mapping[str, ase.Atoms]) -> float:
    """The largest of ``float32_errors``."""
    return float(np.max(list(float32_errors(potential, structures).values())))  # NaN stays NaN


def local_energies_add_up(trial: LawContext) -> Law:
    r""":math:`E = \sum_i E_i`."""
    figures = {}
    for name, atoms in trial.structures.items():
        result = trial.result(atoms)
        figures[name] = relative(result["node_energy"].sum(), np.asarray(result["energy"]), floor=1.0)
    return law("local energies add up", figures, 1e-12, "relative")
