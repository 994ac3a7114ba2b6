"""Tests of physical laws on a potential. Each test gives an error, a tolerance and whether the law holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import ase

from atomgraph.analysis.laws.conservation import energy_is_conserved
from atomgraph.analysis.laws.context import Law, LawContext
from atomgraph.analysis.laws.finite_differences import forces_are_gradients, stress_is_gradient, stress_is_symmetric
from atomgraph.analysis.laws.locality import (
    isolated_atoms_have_e0,
    isolated_atoms_have_no_force,
    one_element_crystals_have_forces,
    smooth_at_the_cutoff,
)
from atomgraph.analysis.laws.side_effects import float32_is_accurate, graph_is_unchanged, local_energies_add_up
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

__all__ = ["LAWS", "Law", "LawContext", "laws", "laws_by_name"]

#: All laws except energy conservation in dynamics, in the order of tables.
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
    isolated_atoms_have_no_force,
    isolated_atoms_have_e0,
    one_element_crystals_have_forces,
    graph_is_unchanged,
    float32_is_accurate,
)


def laws(potential: Potential, structures: Mapping[str, ase.Atoms] | None = None, nve_steps: int = 0) -> Iterator[Law]:
    """Test physical laws on a potential, one after the other.

    Tolerances depend on the dtype of the model (``analysis/laws/context.py``).

    Args:
        potential: The potential to test.
        structures: Structures by name. If None or empty: a molecule, a crystal, a slab and a wire of the potential's
            elements.
        nve_steps: Steps of dynamics for the law of energy conservation; 0 to skip this law.

    Returns:
        Iterator over the results of the laws; each result is computed when it is requested.
    """
    context = LawContext(potential, structures)
    return (law(context) for law in laws_by_name(nve_steps).values())


def laws_by_name(nve_steps: int) -> dict[str, Callable[[LawContext], Law]]:
    """Return the function of each law, by its name.

    Args:
        nve_steps: Steps of dynamics for the law of energy conservation, which is the last one; 0 to omit this law.
    """
    functions = {law.__name__: law for law in LAWS}
    if nve_steps > 0:
        functions[energy_is_conserved.__name__] = partial(energy_is_conserved, steps=nve_steps)
    return functions


__getattr__ = old_names_of(__name__)
