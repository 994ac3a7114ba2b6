"""The number of edges is estimated before anything is allocated, and absurd ones are refused."""

import ase
import numpy as np
import pytest
from ase.build import bulk

from atomgraph.errors import GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.crowding import estimate_edges_by_bins, estimate_edges_by_density


def gas(n_atoms, volume, pbc=False):
    """Atoms at random, Å³ an atom."""
    size = (n_atoms * volume) ** (1 / 3)
    positions = size * np.random.default_rng(0).random((n_atoms, 3))
    return ase.Atoms(np.ones(n_atoms), positions=positions, cell=[size] * 3, pbc=pbc)


def test_the_estimate_is_near_the_number_of_edges():
    crystal = bulk("Cu", cubic=True) * (10, 10, 10)
    n_edges = AtomicGraph.from_ase(crystal, 5.0).n_edges
    assert estimate_edges_by_density(crystal, 5.0) == pytest.approx(n_edges, rel=0.1)
    crystal.pbc = False
    n_edges = AtomicGraph.from_ase(crystal, 5.0).n_edges
    assert estimate_edges_by_bins(crystal.positions, 5.0) == pytest.approx(n_edges, rel=0.2)


@pytest.mark.parametrize("n_atoms", [5_000, 100_000])
def test_nanometres_without_a_cell_are_refused(n_atoms):
    atoms = gas(n_atoms, 10.0)
    atoms.positions /= 10.0
    with pytest.raises(GraphError, match=f"{n_atoms} atoms .* are positions and cell in Å"):
        AtomicGraph.from_ase(atoms, 5.0)


def test_nanometres_in_a_cell_are_refused():
    atoms = gas(200, 10.0, pbc=True)
    atoms.set_cell(atoms.cell.array / 10.0, scale_atoms=True)
    with pytest.raises(GraphError, match=r"the cell is .*; are positions and cell in Å"):
        AtomicGraph.from_ase(atoms, 5.0)


def test_a_nanometre_cluster_in_a_large_cell_is_refused():
    atoms = gas(20_000, 10.0, pbc=True)
    atoms.positions /= 10.0
    with pytest.raises(GraphError, match="are positions and cell in Å"):
        AtomicGraph.from_ase(atoms, 5.0)


def test_more_edges_than_rows_can_be_numbered_are_refused_at_any_density():
    atoms = gas(100_000, 20.0, pbc=True)
    with pytest.raises(GraphError, match="would have about"):
        AtomicGraph.from_ase(atoms, 50.0)


def test_dense_matter_and_far_apart_atoms_are_not_refused():
    assert AtomicGraph.from_ase(gas(3000, 1.0), 5.0).n_edges > 1e5  # as dense as hydrogen in Jupiter
    far = ase.Atoms("H2", positions=[[0, 0, 0], [1e9, 0, 0]])
    assert AtomicGraph.from_ase(far, 5.0).n_edges == 0
    many = gas(2000, 10.0)
    many.positions *= 1e6
    assert AtomicGraph.from_ase(many, 5.0).n_edges == 0


def test_a_cell_that_needs_millions_of_images_is_refused():
    """It filled memory before it failed."""
    cell = np.array([[4.0, 0.0, 0.0], [4e4, 1e-4, 0.0], [0.0, 0.0, 4e3]])
    atoms = ase.Atoms("Cu2", positions=[[0, 0, 0], [2, 0, 2]], cell=cell, pbc=True)
    with pytest.raises(GraphError):
        AtomicGraph.from_ase(atoms, 5.0)
    skewed = bulk("Cu", cubic=True)
    expected = AtomicGraph.from_ase(skewed, 3.0).n_edges
    skewed.cell[1, 0] += 361.0  # the same crystal
    skewed.cell[2, 1] += 36.1
    assert AtomicGraph.from_ase(skewed, 3.0).n_edges == expected


@pytest.mark.parametrize(
    "atoms",
    [
        ase.Atoms(
            "Cu4", 0.25 * np.array([(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]), cell=[0.36] * 3, pbc=True
        ),
        ase.Atoms("H2000", np.random.default_rng(0).random((2000, 3)) * 3.0),
    ],
)
def test_small_structures_in_nanometres_are_refused_too(atoms):
    """Their edges are few enough to be computed."""
    with pytest.raises(GraphError, match="denser than any matter"):
        AtomicGraph.from_ase(atoms, 5.0)
