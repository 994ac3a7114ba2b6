"""Mean number of neighbours: over atoms that have some, in all batches, for all atoms or for each element."""

import ase
import pytest
import torch

from atomgraph.graph import AtomicGraph
from atomgraph.layers.mean_neighbours import MeanNeighbours
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import ElementTable

ELEMENTS = ["H", "O", "Si"]
CHAIN = ase.Atoms("HOH", [[0, 0, 0], [0, 0, 1], [0, 0, 2]])  # neighbours within 1.5 Å: 1, 2, 1
LONELY = ase.Atoms("OO", [[0, 0, 0], [0, 0, 9]])


def edges(atoms):
    graph = AtomicGraph.from_ase(atoms, 1.5)
    return Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


def test_atoms_without_neighbours_do_not_count():
    mean = MeanNeighbours()
    for atoms in (CHAIN, LONELY):
        mean.update_statistics(edges(atoms))
    mean.finalize()
    assert float(mean()) == pytest.approx(4 / 3)


def test_numbers_of_elements_are_those_of_their_atoms():
    mean = MeanNeighbours(ELEMENTS)
    mean.update_statistics(edges(CHAIN))
    mean.update_statistics(edges(ase.Atoms("OH", [[0, 0, 0], [0, 0, 1]])))
    mean.finalize()
    assert mean().tolist() == pytest.approx([1.0, 1.5, 1.0])  # silicon keeps its number


def test_second_calibration_does_not_remember_the_first():
    mean = MeanNeighbours()
    for atoms in (CHAIN, CHAIN[:2]):
        mean.update_statistics(edges(atoms))
        mean.finalize()
    assert float(mean()) == 1.0
    mean.finalize()
    assert float(mean()) == 1.0


def test_numbers_stay_float64_and_follow_the_elements():
    mean = MeanNeighbours(ELEMENTS).float()
    mean.number.copy_(torch.tensor([1.1, 2.2, 3.3], dtype=torch.float64))
    assert mean.number.dtype == torch.float64
    edit = ElementEdit(ELEMENTS, ["Si", "H"], [2, 0])
    assert mean.element_weights(edit)["number"].tolist() == [3.3, 1.1]
    assert MeanNeighbours().element_weights(edit) == {}
