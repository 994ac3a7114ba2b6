"""Kernels of pairs and triples: their laws, their sums written out, refusals."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import PairKernel, TripleKernel
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestPairKernel(FeaturizerLaws):
    def featurizer(self):
        return PairKernel(ELEMENTS, 3.5, ["O", "H"], n_points=3)


class TestPairKernelOfEquals(FeaturizerLaws):
    def featurizer(self):
        return PairKernel(ELEMENTS, 3.5, ["Si", "Si"], n_points=3)


class TestTripleKernel(FeaturizerLaws):
    def featurizer(self):
        return TripleKernel(ELEMENTS, 3.0, "O", ["H", "Si"], n_points=3)


class TestTripleKernelOfEquals(FeaturizerLaws):
    def featurizer(self):
        return TripleKernel(ELEMENTS, 3.0, "Si", ["O", "O"], n_points=3)


def described(featurizer, graph):
    return featurizer(graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64))


def neighbours(graph, atom):
    """Rows and positions, relative to the atom."""
    vectors = Edges.of(graph, ElementTable(ELEMENTS), torch.float64).vector.numpy()
    around = graph.edge_index[1].numpy() == atom
    return graph.edge_index[0].numpy()[around], -vectors[around]


def fade(r, cutoff, width):
    return np.where(r < cutoff - width, 1.0, 0.5 * (np.cos(np.pi * (r - cutoff + width) / width) + 1.0))


def test_pair_kernel_equals_its_explicit_sum():
    atoms = crystal()
    graph, featurizer = make_graph(atoms, 3.5), PairKernel(ELEMENTS, 3.5, ["H", "O"], n_points=4).double()
    expected = np.zeros((len(atoms), 4))
    for i in range(len(atoms)):
        for j, vector in zip(*neighbours(graph, i), strict=True):
            if {atoms.symbols[i], atoms.symbols[j]} == {"H", "O"}:
                r = np.linalg.norm(vector)
                expected[i] += fade(r, 3.5, 1.0) * np.exp(-0.5 * (r - featurizer.points.numpy()) ** 2)
    assert expected.max() > 0
    np.testing.assert_allclose(described(featurizer, graph), expected, atol=1e-13)


def test_triple_kernel_equals_its_explicit_sum():
    atoms = crystal()
    graph, featurizer = make_graph(atoms, 3.5), TripleKernel(ELEMENTS, 3.5, "O", ["H", "Si"], n_points=4).double()
    expected = np.zeros((len(atoms), 4))
    for i in range(len(atoms)):
        rows, vectors = neighbours(graph, i)
        for a in range(len(rows)):
            for b in range(len(rows)):  # both orders
                if a == b or atoms.symbols[i] != "O" or {atoms.symbols[rows[a]], atoms.symbols[rows[b]]} != {"H", "Si"}:
                    continue
                x, y = np.linalg.norm(vectors[a]), np.linalg.norm(vectors[b])
                point = np.array([x + y, (x - y) ** 2, np.linalg.norm(vectors[a] - vectors[b])])
                likeness = np.exp(-0.5 * ((point - featurizer.points.numpy()) ** 2).sum(axis=1))
                expected[i] += fade(x, 3.5, 0.6) * fade(y, 3.5, 0.6) * likeness
    assert expected.max() > 0
    np.testing.assert_allclose(described(featurizer, graph), expected, atol=1e-13)


@pytest.mark.parametrize(
    "featurizer",
    [PairKernel(["C", "O"], 3.0, ["C", "O"], n_points=2), TripleKernel(["C", "O"], 3.0, "C", ["O", "O"], n_points=2)],
    ids=["pairs", "triples"],
)
def test_second_derivatives(featurizer):
    graph = make_graph(ase.Atoms("CO2", [[0, 0, 0], [0.2, 0.1, 1.9], [1.5, -1.0, 0.3]]), 3.0)

    def of(pos):
        moved = graph.clone()
        moved.pos = pos
        return featurizer.double()(moved, Edges.of(moved, ElementTable(["C", "O"]), torch.float64))

    pos = graph.pos.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(of, pos)
    assert torch.autograd.gradgradcheck(of, pos)


def test_invalid_arguments_raise():
    with pytest.raises(WiringError, match="pair should contain 2 symbols from H, O"):
        PairKernel(["H", "O"], 4.0, ["H", "C"])
    with pytest.raises(WiringError, match="neighbours should contain 2 symbols from H, O"):
        TripleKernel(["H", "O"], 4.0, "H", ["O"])
    with pytest.raises(WiringError, match="envelope_width"):
        PairKernel(["H"], 4.0, ["H", "H"], envelope_width=5.0)
    with pytest.raises(WiringError, match="at least one point"):
        TripleKernel(["H"], 4.0, "H", ["H", "H"], n_points=0)
