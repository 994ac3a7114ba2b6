import pytest
from ase.build import bulk, molecule

from atomgraph.data.checks.connections import atoms_without_neighbours, connections
from atomgraph.errors import GraphError


def test_neighbours_of_fcc_are_12_then_18():
    crystal = bulk("Cu", a=3.6).repeat(2)
    assert connections([crystal], 2.7).neighbours == (12, 12.0, 12)
    result = connections([crystal, molecule("H2")], 3.7)
    assert result.neighbours == (1, (8 * 18 + 2) / 10, 18) and (result.n_edges, result.max_edges) == (146, 144)


def test_atoms_without_neighbours_are_found():
    pair = molecule("H2")
    pair.positions[1] += [0, 0, 5.0]
    (finding,) = atoms_without_neighbours([molecule("H2"), pair, molecule("H")], 4.0)
    assert finding.frames == ["frame 1"] and finding.value == 2
    assert atoms_without_neighbours([pair], 6.0) == []


def test_a_cutoff_is_positive():
    with pytest.raises(GraphError, match="cutoff must be positive"):
        connections([molecule("H2")], -1.0)
