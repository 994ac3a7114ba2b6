"""Symmetry functions against their formulas, their two roads against one another, and the laws."""

from itertools import combinations

import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import SymmetryFunctions
from atomgraph.featurizers.symmetry_functions import neighbour_sums as sums
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule, sample_structures

RADIAL = [{"eta": 0.3}, {"eta": 2.0, "shift": 1.2, "neighbour": "O"}]
ANGULAR = [
    {"eta": eta, "shift": shift, "zeta": zeta, "lambda": sign, "form": form}
    for eta, shift, zeta in [(0.1, 0.0, 1), (0.4, 1.1, 3), (0.1, 0.0, 9), (0.2, 0.5, 2.5)]
    for sign in (1.0, -1.0)
    for form in ("wide", "narrow")
]
FADE = {
    "cosine": lambda x: 0.5 * (1 + np.cos(np.pi * x)),
    "tanh_cubed": lambda x: np.tanh(1 - x) ** 3,
    "quintic": lambda x: 1 - 10 * x**3 + 15 * x**4 - 6 * x**5,
}


class TestSymmetryFunctions(FeaturizerLaws):
    """Both roads; one set for all elements."""

    def featurizer(self):
        angular = [{"eta": 0.2, "zeta": 2, "lambda": 1}, {"eta": 0.2, "zeta": 1, "lambda": -1, "form": "narrow"}]
        return SymmetryFunctions(ELEMENTS, 3.0, RADIAL, angular)


class TestSymmetryFunctionsOfEachElement(FeaturizerLaws):
    """Central elements with sets of their own, one of them with none; different cutoffs; no integer ζ."""

    def featurizer(self):
        radial = [{"eta": 0.5, "centre": "Si", "cutoff": 2.5}, {"eta": 0.7, "centre": "O", "neighbour": "Si"}]
        angular = [
            {"eta": 0.1, "zeta": 1.7, "lambda": 1, "centre": "C"},
            {"eta": 0.1, "zeta": 4, "lambda": -1, "centre": "C", "neighbours": ["Si", "O"], "form": "narrow"},
        ]
        return SymmetryFunctions(ELEMENTS, 3.0, radial, angular, envelope="tanh_cubed")


def edges_of(atoms, cutoff, elements=ELEMENTS):
    graph = make_graph(atoms, cutoff)
    return graph, Edges.of(graph, ElementTable(elements), torch.float64)


def by_hand(functions, edges, i, fade):
    """The functions of atom i in numpy, neighbour by neighbour and pair by pair."""
    mine = torch.nonzero(edges.centre == i)[:, 0].tolist()
    x = {e: -edges.vector[e].numpy() for e in mine}
    element = {e: int(edges.element[edges.neighbour[e]]) for e in mine}
    values = []
    for f in functions:
        g, total = f.gaussian, 0.0

        def factor(r, g=g):
            return np.exp(-g.eta * (r - g.shift) ** 2) * (fade(r / g.cutoff) if r < g.cutoff else 0.0)

        if hasattr(f, "neighbour"):
            total = sum(factor(np.linalg.norm(x[e])) for e in mine if element[e] == f.neighbour)
        else:
            for j, k in combinations(mine, 2):
                if tuple(sorted((element[j], element[k]))) == f.pair:
                    r_j, r_k = np.linalg.norm(x[j]), np.linalg.norm(x[k])
                    wave = 2 ** (1 - f.zeta) * max(1 + f.sign * (x[j] @ x[k]) / (r_j * r_k), 0.0) ** f.zeta
                    side = factor(np.linalg.norm(x[j] - x[k])) if f.narrow else 1.0
                    total += wave * factor(r_j) * factor(r_k) * side
        values.append(total)
    return np.array(values)


@pytest.mark.parametrize("name", ["molecule", "crystal", "slab"])
@pytest.mark.parametrize("envelope", sorted(FADE))
def test_values_are_those_of_the_formulas(name, envelope):
    featurizer = SymmetryFunctions(ELEMENTS, 3.0, RADIAL, ANGULAR, envelope)
    graph, edges = edges_of(sample_structures()[name], 3.0)
    h = featurizer(graph, edges).numpy()
    for i in range(min(graph.n_atoms, 4)):
        expected = by_hand(featurizer.functions[int(edges.element[i])], edges, i, FADE[envelope])
        np.testing.assert_allclose(h[i], expected, rtol=1e-12, atol=1e-15 + 1e-14 * np.abs(expected).max())


def test_cutoff_function_is_one_below_the_inner_fraction():
    graph, edges = edges_of(molecule(), 3.0)
    featurizer = SymmetryFunctions(ELEMENTS, 3.0, [{"eta": 0.0}], [], "cosine", inner_fraction=0.999)
    whole = torch.zeros(graph.n_atoms, len(ELEMENTS), dtype=torch.float64)
    whole.index_put_((edges.centre, edges.element_of_neighbour), torch.ones_like(edges.length), accumulate=True)
    torch.testing.assert_close(featurizer(graph, edges), whole, rtol=0, atol=0)


@pytest.mark.parametrize("zeta", [1, 2, 3, 4, 6, 8])
def test_moments_and_triples_are_the_same_sum(zeta, monkeypatch):
    angular = [{"eta": 0.2, "shift": 0.3, "zeta": zeta, "lambda": sign} for sign in (1, -1)]
    for atoms in (molecule(n_atoms=8), crystal()):
        graph, edges = edges_of(atoms, 3.5)
        results = []
        for highest in (8, 0):
            monkeypatch.setattr(sums, "HIGHEST_ZETA_BY_MOMENTS", highest)
            featurizer = SymmetryFunctions(ELEMENTS, 3.5, [], angular)
            assert (featurizer._triple_sums is None) == (highest == 8)
            vector = edges.vector.clone().requires_grad_(True)
            moved = Edges(vector, torch.linalg.vector_norm(vector, dim=1), *_rows(edges))
            h = featurizer(graph, moved)
            weights = torch.linspace(0.5, 1.5, h.numel(), dtype=h.dtype).view(h.shape)
            results.append((h.detach(), *torch.autograd.grad((weights * h).sum(), vector)))
        for by_moments, by_triples in zip(*results, strict=True):
            torch.testing.assert_close(by_moments, by_triples, rtol=1e-12, atol=1e-12 * float(by_triples.abs().max()))


def test_values_and_gradients_do_not_depend_on_the_portion_size():
    results = []
    for portion_size in (2**20, 20):
        featurizer = SymmetryFunctions(ELEMENTS, 3.0, [], ANGULAR)
        featurizer._triple_sums.portion_size = portion_size
        graph, edges = edges_of(molecule(n_atoms=7), 3.0)
        vector = edges.vector.clone().requires_grad_(True)
        h = featurizer(graph, Edges(vector, torch.linalg.vector_norm(vector, dim=1), *_rows(edges)))
        (gradient,) = torch.autograd.grad(h.square().sum(), vector, create_graph=True)
        (curvature,) = torch.autograd.grad(gradient.square().sum(), vector)
        results.append((h.detach(), gradient.detach(), curvature))
    for whole, portions in zip(*results, strict=True):
        torch.testing.assert_close(portions, whole, rtol=1e-12, atol=1e-12 * float(whole.abs().max()))


def test_second_derivatives_are_finite_for_atoms_in_a_line():
    atoms = molecule(n_atoms=3)
    atoms.positions[:] = [[0.0, 0, 0], [1.1, 0, 0], [2.2, 0, 0]]
    graph, edges = edges_of(atoms, 3.0)
    vector = edges.vector.clone().requires_grad_(True)
    h = SymmetryFunctions(ELEMENTS, 3.0, [], ANGULAR)(graph, Edges(vector, vector.norm(dim=1), *_rows(edges)))
    (gradient,) = torch.autograd.grad(h.sum(), vector, create_graph=True)
    (curvature,) = torch.autograd.grad(gradient.square().sum(), vector)
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(curvature).all()


def _rows(edges):
    return edges.centre, edges.neighbour, edges.element, edges.n_atoms, edges.n_elements


def test_columns_follow_the_order_of_the_entries_and_end_in_zeros():
    radial = [{"eta": 1.0, "centre": "H", "neighbour": "H"}, {"eta": 0.5}]
    featurizer = SymmetryFunctions(["H", "O"], 3.0, radial, [])
    order = [[(f.gaussian.eta, f.neighbour) for f in functions] for functions in featurizer.functions]
    assert order == [[(1.0, 0), (0.5, 0), (0.5, 1)], [(0.5, 0), (0.5, 1)]]
    graph, edges = edges_of(_water(), 3.0, ["H", "O"])
    h = featurizer(graph, edges)
    assert h.shape == (3, 3)
    oxygen = int(torch.nonzero(edges.element == 1))
    assert h[oxygen, 2] == 0
    assert (h[oxygen, :1] > 0).all()


def _water():
    atoms = molecule(n_atoms=3)
    atoms.symbols = "OH2"
    return atoms


@pytest.mark.parametrize(
    "change",
    [
        {"radial": [{"etta": 1.0}]},
        {"radial": [{"shift": 1.0}]},
        {"radial": [{"eta": -1.0}]},
        {"radial": [{"eta": 1.0, "cutoff": 4.0}]},
        {"radial": [{"eta": 1.0, "neighbour": "Au"}]},
        {"angular": [{"eta": 1.0, "zeta": 0.5, "lambda": 1}]},
        {"angular": [{"eta": 1.0, "zeta": 1, "lambda": 1, "form": "broad"}]},
        {"angular": [{"eta": 1.0, "zeta": 1, "lambda": 1, "neighbours": ["H"]}]},
        {"radial": [], "angular": []},
        {"envelope": "cosinus"},
    ],
)
def test_invalid_entries_raise(change):
    with pytest.raises(WiringError):
        SymmetryFunctions(**{"elements": ["H", "O"], "cutoff": 3.0} | change)


@pytest.mark.parametrize("cutoff", [-1.0, 0.0, float("nan"), float("inf")])
def test_an_invalid_cutoff_raises_an_error_about_the_cutoff(cutoff):
    with pytest.raises(WiringError, match="cutoff of symmetry functions should be positive"):
        SymmetryFunctions(["H", "O"], cutoff)
