"""Structures that cannot become graphs are refused, and the message names what is wrong."""

import ase
import numpy as np
import pytest
from ase.build import bulk, molecule

from atomgraph.errors import GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.checks import check_structure


def assert_refused(atoms, match, cutoff=4.0):
    with pytest.raises(GraphError, match=match):
        AtomicGraph.from_ase(atoms, cutoff)


def test_no_atoms():
    assert_refused(ase.Atoms(), "no atoms")


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_positions_that_are_not_finite_name_the_atom(number):
    atoms = molecule("H2O")
    atoms.positions[2, 1] = number
    assert_refused(atoms, r"NaN or infinite numbers, first at atom 2 \(H\) \(1 of 3 atoms\)")


def test_cell_that_is_not_finite():
    atoms = bulk("Si")
    atoms.cell[1, 1] = np.nan
    assert_refused(atoms, "cell holds NaN or infinite")


def test_periodic_direction_without_a_vector():
    assert_refused(
        ase.Atoms("H2O", positions=molecule("H2O").positions, pbc=True), "periodic along a, but the cell vector a"
    )
    slab = ase.Atoms("Au", cell=[3, 3, 0], pbc=True)
    assert_refused(
        slab, "periodic along c, but the cell vector c has zero length; set the cell vector, or set pbc to False"
    )


def test_periodic_cell_of_zero_volume():
    flat = [[3.0, 0, 0], [0, 3.0, 0], [3.0, 3.0, 0]]
    assert_refused(
        ase.Atoms("Au", cell=flat, pbc=True), "zero volume, because its vectors are parallel or in one plane"
    )
    assert_refused(ase.Atoms("Au", cell=[[3, 0, 0], [-6, 0, 0], [0, 0, 9]], pbc=[True, True, False]), "zero volume")
    open_along_b = ase.Atoms("Au", cell=[[3, 0, 0], [-6, 0, 0], [0, 0, 9]], pbc=[True, False, True])
    assert AtomicGraph.from_ase(open_along_b, 4.0).n_edges == 2


def test_a_cell_in_other_units_is_refused_quickly():
    crowded = bulk("Si", cubic=True) * (6, 6, 6)
    crowded.set_cell(crowded.cell.array * 0.01, scale_atoms=True)
    assert_refused(crowded, "are positions and cell in Å", cutoff=6.0)


@pytest.mark.parametrize(
    ("pbc", "reach"), [([True, True, False], 6.5), ([False, True, False], 6.0)], ids=["slab", "wire"]
)
def test_a_large_structure_with_open_directions_is_not_too_crowded(pbc, reach):
    size = np.array([100.0, 100.0, 600.0])
    positions = np.random.default_rng(0).random((300_000, 3)) * size  # 20 Å³ an atom
    check_structure(ase.Atoms(np.ones(300_000), positions=positions, cell=size, pbc=pbc), reach)


@pytest.mark.parametrize("distance", [0.0, 1e-9, 9e-4])
def test_two_atoms_at_the_same_position_are_named(distance):
    atoms = ase.Atoms("CHO", positions=[[0, 0, 0], [1.1, 0, 0], [0, distance, 0]])
    assert_refused(atoms, r"atom 0 \(C\) and atom 2 \(O\) are at the same position")


def test_an_atom_at_the_position_of_a_periodic_image_is_named():
    atoms = ase.Atoms("NaCl", positions=[[0.1, 0, 0], [0.1, 12.0, -4.0]], cell=[4, 4, 4], pbc=True)
    assert_refused(atoms, r"atom 0 \(Na\) and atom 1 \(Cl\) \(a periodic image\) are at the same position")


def test_a_short_distance_is_accepted():
    assert AtomicGraph.from_ase(ase.Atoms("H2", positions=[[0, 0, 0], [0, 0, 2e-3]]), 4.0).n_edges == 2


def test_an_atom_that_is_millions_of_cells_away():
    """1e150 Å is finite, but a cell list would wrap it back one cell at a time."""
    atoms = bulk("Cu", cubic=True)
    atoms.positions[1, 2] = 1e150
    assert_refused(
        atoms, r"positions reach 1e\+150 Å, but the shortest cell vector has 3.61 Å; are the positions in Å\?"
    )
