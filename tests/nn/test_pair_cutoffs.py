"""Cutoffs of ordered pairs of elements: relative distances, edits of elements, and invalid tables."""

import ase
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.graph import AtomicGraph
from atomgraph.nn.edges import Edges
from atomgraph.nn.element_edit import ElementEdit
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.pair_cutoffs import PairCutoffs

ELEMENTS = ["H", "O"]


def test_relative_distance_is_the_cutoff_at_the_cutoff_of_the_pair():
    """The first element is that of the central atom; pairs that are not named have the largest cutoff."""
    cutoffs = PairCutoffs(ELEMENTS, 4.0, {"H": {"O": 2.0}})
    graph = AtomicGraph.from_ase(ase.Atoms("OH", [[0, 0, 0], [0, 0, 1.5]]), 4.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    centre_is_hydrogen = edges.element_of_centre == 0
    assert centre_is_hydrogen.sum() == 1
    relative = cutoffs(edges)
    assert relative[centre_is_hydrogen].item() == pytest.approx(3.0)
    assert relative[~centre_is_hydrogen].item() == pytest.approx(1.5)


def test_one_number_is_for_all_neighbours_of_a_centre():
    table = PairCutoffs(ELEMENTS, 4.0, {"O": 3.0}).table
    assert table.tolist() == [[4.0, 4.0], [3.0, 3.0]]


def test_table_stays_float64_in_a_float32_model():
    assert PairCutoffs(ELEMENTS, 4.0, {"O": 3.3}).float().table.dtype == torch.float64


def test_new_element_has_the_cutoffs_of_the_element_it_copies():
    cutoffs = PairCutoffs(ELEMENTS, 4.0, {"H": 2.5, "O": {"H": 3.0}})
    edit = ElementEdit(ELEMENTS, ["O", "S"], [1, 1])
    assert PairCutoffs(**cutoffs.element_arguments(edit)).table.tolist() == [[4.0, 4.0], [4.0, 4.0]]
    edit = ElementEdit(ELEMENTS, ["O", "H", "F"], [1, 0, 0])
    expected = [[4.0, 3.0, 3.0], [2.5, 2.5, 2.5], [2.5, 2.5, 2.5]]
    assert torch.allclose(PairCutoffs(**cutoffs.element_arguments(edit)).table, torch.tensor(expected).double())


@pytest.mark.parametrize("pairs", [{"H": 4.1}, {"H": 0.0}, {"H": {"O": -1.0}}, {"H": True}, {"H": float("nan")}])
def test_cutoff_outside_the_model_is_named(pairs):
    with pytest.raises(WiringError, match=r"cutoff of H.* should be positive and at most 4\.0 Å"):
        PairCutoffs(ELEMENTS, 4.0, pairs)


@pytest.mark.parametrize("pairs", [{"He": 2.0}, {"O": {"Oo": 2.0}}])
def test_unknown_element_is_named(pairs):
    with pytest.raises(WiringError, match="no element of the model"):
        PairCutoffs(ELEMENTS, 4.0, pairs)
