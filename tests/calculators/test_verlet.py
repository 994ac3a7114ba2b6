"""A list that is kept never misses a pair inside the cutoff, whatever atoms and cell do meanwhile."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk

from atomgraph.calculators.verlet import VerletGraph
from atomgraph.errors import GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.geometry import edge_vectors
from atomgraph.testing.graphs import crystal, molecule, slab, wire

CUTOFF = 3.5


def pairs(graph):
    """Sorted (centre, neighbour, length) of what lies inside the cutoff."""
    length = edge_vectors(graph).norm(dim=1)
    inside = length < CUTOFF
    neighbour, centre = graph.edge_index[:, inside]
    return np.array(sorted(zip(centre.tolist(), neighbour.tolist(), length[inside].tolist(), strict=True)))


def assert_nothing_missed(moving, atoms):
    np.testing.assert_allclose(
        pairs(moving.graph_from_ase(atoms)), pairs(AtomicGraph.from_ase(atoms, CUTOFF)), atol=1e-9
    )


def moving(skin):
    return VerletGraph(CUTOFF, skin, torch.device("cpu"))


@pytest.mark.parametrize("make", [molecule, crystal, slab, wire], ids=["molecule", "crystal", "slab", "wire"])
@pytest.mark.parametrize("stretched", [False, True], ids=["cell at rest", "cell changing"])
@pytest.mark.parametrize("skin", [0.0, 0.3, 1.0])
def test_a_wandering_structure_keeps_all_its_pairs(make, stretched, skin):
    rng, graph, atoms = np.random.default_rng(0), moving(skin), make()
    for _ in range(60):
        atoms.positions += 0.02 * rng.standard_normal(atoms.positions.shape)
        if stretched:
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + 0.01 * rng.standard_normal((3, 3))), scale_atoms=True)
        assert_nothing_missed(graph, atoms)
    if skin == 1.0:
        assert graph.n_lists < 30
    if skin == 0.0:
        assert graph.n_lists == 60


def test_a_shrinking_cell_brings_distant_images_near_without_any_atom_moving():
    """In scaled coordinates nothing moves, yet pairs come inside: the strain itself has to count."""
    graph, atoms = moving(0.2), bulk("Cu", "fcc", 3.6)
    for _ in range(30):
        atoms.set_cell(atoms.cell.array * 0.99, scale_atoms=True)
        assert_nothing_missed(graph, atoms)
    assert graph.n_lists > 3


def test_a_cell_that_changes_under_resting_atoms_counts():
    graph, atoms = moving(0.3), crystal()
    for _ in range(20):
        atoms.set_cell(atoms.cell.array @ np.diag([0.99, 1.01, 1.0]), scale_atoms=False)
        assert_nothing_missed(graph, atoms)


def test_a_uniform_strain_smaller_than_the_skin_needs_no_new_list():
    graph, atoms = moving(0.5), bulk("Cu", "fcc", 3.6).repeat(3)
    graph.graph_from_ase(atoms)
    for _ in range(5):
        atoms.set_cell(atoms.cell.array * 1.01, scale_atoms=True)
        assert_nothing_missed(graph, atoms)
    assert graph.n_lists == 1


def test_moving_everything_together_needs_a_new_list_only_because_it_is_not_looked_for():
    """Rigid motion is not discounted; a wrapped atom, far from where it was, is a reason for a new list, not for an error."""
    graph, atoms = moving(0.5), crystal()
    graph.graph_from_ase(atoms)
    atoms.positions += 3.0
    atoms.wrap()
    assert_nothing_missed(graph, atoms)
    assert graph.n_lists == 2


def test_the_same_graph_serves_again_with_new_positions_only():
    graph, atoms = moving(0.5), molecule()
    before = graph.graph_from_ase(atoms)
    edges = before.edge_index
    atoms.positions[0] += 0.01
    after = graph.graph_from_ase(atoms)
    assert after is before and after.edge_index is edges
    np.testing.assert_array_equal(after.pos.numpy(), atoms.positions)


def test_the_graph_does_not_follow_the_atoms_behind_ones_back():
    graph, atoms = moving(0.5), molecule()
    pos = graph.graph_from_ase(atoms).pos.clone()
    atoms.positions += 1.0
    assert torch.equal(graph._graph.pos, pos)


@pytest.mark.parametrize(
    "change",
    [
        lambda atoms: atoms.numbers.__setitem__(0, 6 if atoms.numbers[0] != 6 else 8),
        lambda atoms: atoms.set_pbc([True, True, False]),
        lambda atoms: atoms.append("H"),
        lambda atoms: atoms.pop(),
    ],
    ids=["numbers", "pbc", "one more", "one less"],
)
def test_another_structure_gets_another_list(change):
    graph, atoms = moving(0.5), crystal()
    graph.graph_from_ase(atoms)
    change(atoms)
    if len(atoms) > 4:
        atoms.positions[-1] = atoms.positions[:4].mean(axis=0)
    assert_nothing_missed(graph, atoms)
    np.testing.assert_array_equal(graph.graph_from_ase(atoms).atomic_numbers, atoms.numbers)
    assert graph.n_lists == 2


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e150])
def test_atoms_that_flew_apart_are_refused_with_advice(value):
    """1e150 Å is finite, but a cell list would wrap it back for ever."""
    graph, atoms = moving(0.5), crystal()
    graph.graph_from_ase(atoms)
    atoms.positions[0, 0] = value
    with pytest.raises(GraphError, match=r"in dynamics, use a smaller time step"):
        graph.graph_from_ase(atoms)


def test_a_structure_that_makes_no_graph_leaves_none_behind():
    graph = moving(0.5)
    graph.graph_from_ase(molecule())
    with pytest.raises(GraphError):
        graph.graph_from_ase(Atoms())
    assert_nothing_missed(graph, molecule())


@pytest.mark.parametrize("skin", [-0.1, np.nan, np.inf])
def test_a_skin_is_a_length(skin):
    with pytest.raises(GraphError, match="skin"):
        moving(skin)


def test_a_list_on_arrays_is_that_of_the_ase_structure():
    from_arrays, from_ase, atoms = moving(0.3), moving(0.3), crystal()
    for _ in range(5):
        atoms.positions += 0.05 * np.random.default_rng(1).standard_normal(atoms.positions.shape)
        graph = from_arrays.graph(atoms.positions.tolist(), atoms.numbers, atoms.cell.array, atoms.pbc)
        np.testing.assert_array_equal(pairs(graph), pairs(from_ase.graph_from_ase(atoms)))
    assert from_arrays.n_lists == from_ase.n_lists


def test_another_charge_makes_another_list():
    verlet, atoms = moving(0.3), molecule()
    arrays = atoms.positions, atoms.numbers, None, False
    assert verlet.graph(*arrays, charge=1.0).charge.item() == 1.0
    assert verlet.graph(*arrays, charge=2.0).charge.item() == 2.0
    assert verlet.n_lists == 2
