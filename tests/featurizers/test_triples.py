"""Every unordered pair of edges around a centre, once."""

from itertools import combinations

import pytest
import torch

from atomgraph.featurizers.triples import iterate_triples
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing.graphs import ELEMENTS, make_batch, make_graph, sample_structures


@pytest.mark.parametrize("portion_size", [1, 50, 2**20])
def test_every_pair_of_edges_of_an_atom_occurs_once(portion_size):
    graph = make_batch([make_graph(atoms, 3.0) for atoms in sample_structures().values()])
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    portions = list(iterate_triples(edges, portion_size))
    result = [
        pair
        for portion in portions
        for pair in zip(portion.first_edge.tolist(), portion.second_edge.tolist(), strict=True)
    ]
    expected = {
        pair
        for atom in range(edges.n_atoms)
        for pair in combinations(torch.nonzero(edges.centre == atom)[:, 0].tolist(), 2)
    }
    assert len(result) == len(expected) > 100
    assert set(result) == expected
    next_atom = 0
    for portion in portions:
        assert portion.first_atom == next_atom
        next_atom += portion.n_atoms
        centres = edges.centre[portion.first_edge]
        assert ((centres >= portion.first_atom) & (centres < next_atom)).all()
        assert (centres[1:] >= centres[:-1]).all()
    assert next_atom == edges.n_atoms
    assert portion_size > 50 or len(portions) > 1


def test_atoms_with_fewer_than_two_neighbours_have_no_triples():
    graph = make_graph(sample_structures()["molecule"][:1], 3.0)
    (portion,) = iterate_triples(Edges.of(graph, ElementTable(ELEMENTS), torch.float64))
    assert len(portion.first_edge) == len(portion.second_edge) == 0
