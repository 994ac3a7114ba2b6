"""The laws of nature on a potential, each with a figure, a tolerance and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import ase

from atomgraph.analysis.laws.conservation import energy_is_conserved
from atomgraph.analysis.laws.context import Law, LawContext
from atomgraph.analysis.laws.finite_differences import forces_are_gradients, stress_is_gradient, stress_is_symmetric
from atomgraph.analysis.laws.locality import (
    atoms_alone_are_at_rest,
    crystals_of_one_element_are_seen,
    isolated_atoms_have_e0,
    smooth_at_the_cutoff,
)
from atomgraph.analysis.laws.side_effects import caller_keeps_the_graph, float32_is_near, local_energies_add_up
from atomgraph.analysis.laws.symmetry import (
    batching,
    extensivity,
    net_force,
    net_torque,
    order_of_atoms,
    rotation_and_reflection,
    translation,
)
from atomgraph.old_names import old_names_of
from atomgraph.potential import Potential

__all__ = ["LAWS", "Law", "LawContext", "chosen_laws", "laws"]

#: Every law that needs no dynamics, in the order in which a table shows them.
LAWS: tuple[Callable[[LawContext], Law], ...] = (
    forces_are_gradients,
    stress_is_gradient,
    stress_is_symmetric,
    net_force,
    net_torque,
    rotation_and_reflection,
    translation,
    order_of_atoms,
    batching,
    extensivity,
    local_energies_add_up,
    smooth_at_the_cutoff,
    atoms_alone_are_at_rest,
    isolated_atoms_have_e0,
    crystals_of_one_element_are_seen,
    caller_keeps_the_graph,
    float32_is_near,
)


def laws(potential: Potential, structures: Mapping[str, ase.Atoms] | None = None, nve_steps: int = 0) -> Iterator[Law]:
    """Try every law, one after the other, and the conservation of energy over ``nve_steps`` steps of dynamics.

    Tolerances follow from the dtype that the model computes in (``analysis/laws/context.py``).

    Args:
        structures: By name; without any, a molecule, a crystal, a slab and a wire made of the potential's elements.
    """
    trial = LawContext(potential, structures)
    return (law(trial) for law in chosen_laws(nve_steps).values())


def chosen_laws(nve_steps: int) -> dict[str, Callable[[LawContext], Law]]:
    """Every law by its name, with the conservation of energy over so many steps of dynamics last; without it for 0."""
    chosen = {law.__name__: law for law in LAWS}
    if nve_steps > 0:
        chosen[energy_is_conserved.__name__] = partial(energy_is_conserved, steps=nve_steps)
    return chosen


__getattr__ = old_names_of(__name__)
