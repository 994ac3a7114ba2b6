"""Edge vectors, strains and volumes."""

import ase
import numpy as np
import pytest
import torch
from ase.build import bulk, graphene

from atomgraph.graph.geometry import apply_strain, edge_vectors, volume
from atomgraph.testing.graphs import crystal, make_batch, make_graph, molecule, sample_structures


@pytest.mark.parametrize("name", ["molecule", "crystal", "slab", "wire"])
def test_vectors_point_from_the_neighbours_image_to_the_centre(name):
    atoms = sample_structures()[name]
    graph = make_graph(atoms, 4.0)
    neighbour, centre = graph.edge_index.numpy()
    image = atoms.positions[neighbour] - graph.cell_shift.numpy() @ atoms.cell.array
    np.testing.assert_allclose(edge_vectors(graph).numpy(), atoms.positions[centre] - image, atol=1e-13)
    length = edge_vectors(graph).norm(dim=1)
    assert length.min() > 0 and length.max() < 4.0


def test_vectors_of_a_batch_are_those_of_its_structures():
    graphs = [make_graph(atoms, 4.0) for atoms in sample_structures().values()]
    torch.testing.assert_close(edge_vectors(make_batch(graphs)), torch.cat([edge_vectors(graph) for graph in graphs]))


def test_vectors_follow_positions_and_cell():
    graph = make_graph(crystal(), 4.0)
    pos, cell = graph.pos.clone().requires_grad_(), graph.cell.clone().requires_grad_()

    def vectors(pos, cell):
        moved = graph.shallow_copy()
        moved.pos, moved.cell = pos, cell
        return edge_vectors(moved)[::7]

    assert torch.autograd.gradcheck(vectors, (pos, cell))


def test_strain_transforms_edge_vectors():
    graph = make_graph(crystal(), 4.0)
    strain = torch.tensor([[[0.02, 0.01, 0.0], [0.01, -0.03, 0.004], [0.0, 0.004, 0.01]]], dtype=torch.float64)
    moved = apply_strain(graph, graph.pos, strain)
    expected = edge_vectors(graph) @ (torch.eye(3, dtype=torch.float64) + strain[0])
    torch.testing.assert_close(edge_vectors(moved), expected)
    torch.testing.assert_close(volume(moved), volume(graph) * torch.linalg.det(torch.eye(3) + strain))


def test_an_antisymmetric_strain_is_only_a_rotation_and_does_nothing():
    graph = make_graph(crystal(), 4.0)
    turn = torch.tensor([[[0.0, 0.1, -0.2], [-0.1, 0.0, 0.3], [0.2, -0.3, 0.0]]], dtype=torch.float64)
    torch.testing.assert_close(edge_vectors(apply_strain(graph, graph.pos, turn)), edge_vectors(graph))


def test_each_structure_of_a_batch_has_its_own_strain():
    graphs = [make_graph(atoms, 4.0) for atoms in sample_structures().values()]
    strain = 0.01 * torch.randn(4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    together = make_batch(graphs)
    alone = [edge_vectors(apply_strain(g, g.pos, s[None])) for g, s in zip(graphs, strain, strict=True)]
    torch.testing.assert_close(edge_vectors(apply_strain(together, together.pos, strain)), torch.cat(alone))


def test_strain_does_not_change_the_graph_of_the_caller():
    graph = make_graph(crystal(), 4.0)
    pos, cell, fields = graph.pos, graph.cell, set(graph.keys())
    kept = pos.clone(), cell.clone()
    apply_strain(graph, graph.pos + 1.0, torch.ones(1, 3, 3, dtype=torch.float64, requires_grad=True))
    assert graph.pos is pos and graph.cell is cell and set(graph.keys()) == fields
    assert torch.equal(graph.pos, kept[0]) and torch.equal(graph.cell, kept[1])


def test_volume_is_that_of_the_cell():
    atoms = bulk("Si", cubic=True)
    assert volume(make_graph(atoms, 3.0)).tolist() == pytest.approx([5.43**3])
    atoms.set_cell(atoms.cell.array[[1, 0, 2]], scale_atoms=False)  # left-handed
    assert volume(make_graph(atoms, 3.0)).tolist() == pytest.approx([5.43**3])


def test_volume_without_three_cell_vectors_is_nan():
    in_a_box = molecule()
    in_a_box.set_cell([20.0, 20.0, 20.0])
    flat = graphene(vacuum=None)
    flat.cell[2] = 0.3 * flat.cell[0] + 0.7 * flat.cell[1]
    flat.rotate(20, "x", rotate_cell=True)
    flat.rotate(30, "y", rotate_cell=True)
    assert np.linalg.det(flat.cell.array) != 0  # not quite, to a computer
    wire = ase.Atoms("Au", cell=[3, 0, 0], pbc=[True, False, False])
    without = [molecule(), in_a_box, graphene(vacuum=None), wire, flat]
    result = volume(make_batch([make_graph(atoms, 3.0) for atoms in [*without, graphene(vacuum=5.0)]]))
    assert result[:5].isnan().all()
    assert result[5].item() == pytest.approx(graphene(vacuum=5.0).get_volume())
