"""Laws of reach: atoms come and go across the cutoff unnoticed, an atom alone is at rest, and no crystal is invisible."""

from __future__ import annotations

import ase
import numpy as np
import torch

from atomgraph.analysis.laws.context import Law, LawContext, law, scale_of
from atomgraph.analysis.laws.structures import atom, crossing, crystal

JUST_INSIDE = 1e-6  # Å: envelopes are at most 1e-12 so close to their ends


def smooth_at_the_cutoff(trial: LawContext) -> Law:
    """Energy and forces just inside and just outside each cutoff: an atom next to others, a last neighbour, an own image.

    From four equally spaced points, so that what changes smoothly cancels up to its square and only a jump is left.
    """
    step, figures = trial.tolerances.crossing, {}
    for cutoff in trial.cutoffs:
        for kind in ("beside others", "last neighbour", "own image"):
            results = trial.results([_at(trial, kind, cutoff + k * step) for k in (-3, -1, 1, 3)])
            jumps = [
                float(np.abs(jump([result[name] for result in results])).max(initial=0.0)) / scale_of(results[0])
                for name in ("energy", "forces")
            ]
            figures[f"{kind} at {cutoff:g} Å"] = float(np.max(jumps))
    return law("smooth at the cutoff", figures, trial.tolerances.jump, "eV, eV/Å")


def atoms_alone_are_at_rest(trial: LawContext) -> Law:
    """Finite energy and no force on an atom alone, for each element, and for two beyond the cutoff."""
    alone = {symbol: atom(symbol) for symbol in trial.elements}
    pair = atom(trial.elements[0]) + atom(trial.elements[-1])
    pair.positions[1] += 1.5 * trial.potential.cutoff
    figures = {}
    for name, atoms in {**alone, "two far apart": pair}.items():
        result = trial.result(atoms)
        finite = np.isfinite(result["energy"])
        figures[name] = float(np.abs(result["forces"]).max()) if finite else float("nan")
    return law("an atom alone is at rest", figures, 0.0, "eV/Å")


def isolated_atoms_have_e0(trial: LawContext) -> Law:
    """Energy of an isolated atom less E0, for each element and head, of models that promise it (``e0: isolated``).

    The same of two atoms whose distance is just inside the reach, where nothing but continuity makes them isolated; in
    float32 beyond the rounding of what is subtracted there.
    """
    baseline, reach = trial.potential.model.baseline, trial.potential.model.reach
    if not baseline.exact_isolated:
        return law("isolated atoms have E0", {}, trial.tolerances.isolated, "eV")
    rounding = 0.0 if trial.potential.model.dtype == torch.float64 else trial.tolerances.jump
    figures = {}
    for head in trial.potential.heads:
        e0 = baseline.e0_of(head)
        for symbol in trial.elements:
            graph = trial.graph(atom(symbol))
            graph.head = torch.full_like(graph.head, trial.potential.heads.index(head))
            energy = float(trial.of_graph(graph)["energy"])
            figures[f"{symbol}, head {head}"] = abs(energy - e0[symbol])
            pair = trial.graph(ase.Atoms([symbol] * 2, [(0.0, 0.0, 0.0), (0.0, 0.0, reach - JUST_INSIDE)]))
            pair.head = torch.full_like(pair.head, trial.potential.heads.index(head))
            energy = float(trial.of_graph(pair)["energy"])
            figures[f"two {symbol} at the reach, head {head}"] = max(0.0, abs(energy - 2 * e0[symbol]) - rounding)
    return law("isolated atoms have E0", figures, trial.tolerances.isolated, "eV")


def crystals_of_one_element_are_seen(trial: LawContext) -> Law:
    """A rattled crystal of one element has forces: features that are the same on all atoms would give none."""
    figures = {symbol: float(np.abs(trial.result(crystal([symbol]))["forces"]).max()) for symbol in trial.elements}
    blind = min(figures, key=lambda symbol: np.nan_to_num(figures[symbol], nan=-1.0))
    least = max(1e-6, trial.tolerances.sum)
    passed = bool(figures[blind] >= least)
    return Law("crystals of one element feel forces", figures[blind], least, "eV/Å", passed, blind, "≥")


def jump(values: list[np.ndarray]) -> np.ndarray:
    """What is discontinuous between the two inner of four equally spaced points."""
    first, second, third, fourth = values
    return (3 * (third - second) - (fourth - first)) / 2


def _at(trial: LawContext, kind: str, distance: float) -> ase.Atoms:
    if kind == "own image":
        return ase.Atoms(trial.elements[:1], cell=[distance, 0, 0], pbc=[True, False, False])
    return crossing(trial.elements, distance, outward=kind == "last neighbour")
