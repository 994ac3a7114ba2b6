"""Graphs from arrays, for engines: the same as from ASE structures."""

import numpy as np
import pytest
import torch

from atomgraph.errors import GraphError
from atomgraph.graph import AtomicGraph
from atomgraph.graph.structure import strip_labels
from atomgraph.testing.graphs import crystal, molecule, slab, wire


def same_fields(left, right):
    assert left.keys() == right.keys()
    return all(torch.equal(left[name], right[name]) and left[name].dtype == right[name].dtype for name in left.keys())  # noqa: SIM118


@pytest.mark.parametrize("make", [molecule, crystal, slab, wire])
def test_a_graph_from_arrays_is_that_from_ase(make):
    atoms = make()
    arrays = atoms.positions.tolist(), atoms.numbers.tolist(), atoms.cell.array, atoms.pbc
    graph = AtomicGraph.from_arrays(*arrays, cutoff=4.0)
    assert same_fields(graph, AtomicGraph.from_ase(strip_labels(atoms), 4.0))


def test_a_graph_from_arrays_takes_edges_and_sorts_them_by_centre():
    atoms = crystal()
    arrays = atoms.positions, atoms.numbers, atoms.cell.array, atoms.pbc
    graph = AtomicGraph.from_arrays(*arrays, cutoff=4.0)
    order = np.random.default_rng(0).permutation(graph.n_edges)
    edges = graph.edge_index.numpy()[:, order], graph.cell_shift.numpy()[order]
    again = AtomicGraph.from_arrays(*arrays, edges, cutoff=4.0)
    assert (again.edge_index[1].diff() >= 0).all()
    rows = [sorted(zip(*g.edge_index.tolist(), g.cell_shift.tolist(), strict=True)) for g in (graph, again)]
    assert rows[0] == rows[1]


def test_a_graph_from_arrays_has_labels_charge_and_spin():
    labels = {"energy": -1.0, "forces": [[0.0, 0.0, 1.0]]}
    graph = AtomicGraph.from_arrays([[0, 0, 0]], [1], cutoff=3.0, labels=labels, charge=1, spin=2)
    assert graph.energy.item() == -1.0 and graph.forces_mask.all() and not graph.stress_mask.any()
    assert graph.charge.item() == 1.0 and graph.spin.item() == 2.0


PAIR = [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((PAIR, [1]), r"numbers should have shape \(2,\)"),
        ((PAIR, [1.0, 1.0]), "should be integers"),
        (([0.0, 0.0], [1, 1]), "positions should have shape"),
        ((PAIR, [1, 1], [1.0, 2.0, 3.0]), r"cell should have shape \(3, 3\)"),
        ((PAIR, [1, 1], None, [True, False]), r"pbc should have shape \(3,\)"),
        ((PAIR, [1, 1], None, True), "cell vector a has zero length"),
        ((PAIR, [1, 1], None, False, ([[0], [2]], [[0, 0, 0]])), "row numbers from 0 to 1"),
        ((PAIR, [1, 1], None, False, ([[0], [1]], [[0, 0]])), r"cell_shift should have shape \(1, 3\)"),
        (([PAIR[0], PAIR[0]], [1, 1], None, False, ([[0], [1]], [[0, 0, 0]])), "at the same position"),
    ],
)
def test_arrays_that_make_no_graph_are_refused(arrays, message):
    with pytest.raises(GraphError, match=message):
        AtomicGraph.from_arrays(*arrays, cutoff=3.0)
