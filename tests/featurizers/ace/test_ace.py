"""ACE: its laws, its sums written out, its gradients by densities, degrees for a prior, refusals."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import ACE
from atomgraph.fitting.solvers.smoothness import algebraic_roughness
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.ops.radial_basis import RadialParameters, ace_radial
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, generator, make_graph

FEW = [
    {"centre": "H", "neighbours": ["O"], "ns": [2], "ls": [0]},
    {"centre": "H", "neighbours": ["Si", "C"], "ns": [1, 2], "ls": [2, 2]},
    {"centre": "C", "neighbours": ["H", "C", "C"], "ns": [1, 1, 2], "ls": [1, 1, 2]},
    {"centre": "C", "neighbours": ["O", "O"], "ns": [1, 1], "ls": [0, 0]},
    {"centre": "O", "neighbours": ["Si", "Si", "H", "H"], "ns": [1, 1, 1, 2], "ls": [1, 1, 1, 1], "inner": [2, 2]},
    {"centre": "Si", "neighbours": ["Si"] * 5, "ns": [1] * 5, "ls": [1, 1, 0, 0, 0], "inner": [0, 0, 0]},
]


class TestACE(FeaturizerLaws):
    def featurizer(self):
        return ACE(ELEMENTS, 3.5, n_max=(2, 1), l_max=(0, 1))


class TestChosenFunctions(FeaturizerLaws):
    def featurizer(self):
        return ACE(ELEMENTS, 3.5, FEW, radial="ChebExpCos", width=1.0, learned=False)


class TestBondsOfTheirOwn(FeaturizerLaws):
    def featurizer(self):
        bonds = [
            {"elements": ["Si", "O"], "radial": "SBessel", "cutoff": 3.4, "inner": 1.6, "inner_width": 0.8},
            {"elements": ["Si", "Si"], "radial": "ChebPow", "cutoff": 3.5, "exponent": 3.0},
            {"elements": ["H", "O"], "radial": "Bessel", "cutoff": 2.4, "width": 1.1},
            {"elements": ["C", "O"], "radial": "Legendre", "cutoff": 3.0, "width": 1.1},
        ]
        return ACE(ELEMENTS, 3.5, FEW, bonds=bonds)


def described(featurizer, atoms, elements=ELEMENTS):
    graph = make_graph(atoms, featurizer.cutoff)
    return featurizer(graph, Edges.of(graph, ElementTable(elements), torch.float64))


def test_functions_of_two_factors_are_legendre_polynomials_of_angles():
    """B = Σ_jk R(r_ij) R(r_ik) (−1)^l √(2l + 1) P_l(cos θ_jik), since Σ_m Y_lm Y_lm = (2l + 1) P_l."""
    atoms = ase.Atoms("SiO3", [[0, 0, 0], [1.6, 0.1, 0.3], [-0.4, 1.7, 0.2], [0.3, -0.9, -1.4]])
    entries = [{"centre": "Si", "neighbours": ["O", "O"], "ns": [1, 2], "ls": [l, l]} for l in range(4)]
    result = described(ACE(ELEMENTS, 4.0, entries, radial="SBessel").double(), atoms)[0].detach()
    arms = atoms.positions[1:]
    r = np.linalg.norm(arms, axis=1)
    g = ace_radial("SBessel", torch.tensor(r), 2, RadialParameters(4.0)).numpy()
    cosine = arms @ arms.T / np.outer(r, r)
    for l in range(4):
        legendre = np.polynomial.legendre.Legendre.basis(l)(cosine)
        expected = (-1) ** l * np.sqrt(2 * l + 1) * g[:, 0] @ legendre @ g[:, 1]
        assert float(result[l]) == pytest.approx(expected, abs=1e-13)


def test_one_factor_is_a_sum_of_radial_functions():
    atoms = ase.Atoms("HO2", [[0, 0, 0], [0, 0, 1.1], [1.4, 0, 0]])
    result = described(ACE(ELEMENTS, 3.5, FEW[:2]).double(), atoms)[0, 0].detach()
    g = ace_radial("SBessel", torch.tensor([1.1, 1.4], dtype=torch.float64), 2, RadialParameters(3.5))
    torch.testing.assert_close(result, g[:, 1].sum())


def test_elements_without_a_bond_do_not_contribute():
    bonds = [{"elements": ["O", "O"], "cutoff": 3.0}]
    featurizer = ACE(["H", "O"], 3.0, n_max=(2,), l_max=(0,), bonds=bonds).double()
    h = described(featurizer, ase.Atoms("OHO", [[0, 0, 0], [0, 0, 1], [1.5, 0, 0]]), ["H", "O"])
    assert (h[1] == 0).all() and (h[:, :2] == 0).all() and (h[[0, 2], 2:] != 0).any()


@pytest.mark.parametrize("functions", [FEW, None])
def test_sum_of_terms_is_the_density_and_jacobian_equals_backward_passes(functions):
    """What closed-form fits use of an ``DensityFeaturizer``."""
    featurizer = ACE(ELEMENTS, 3.5, functions, n_max=(2, 2), l_max=(0, 1)).double()
    graph = make_graph(crystal(), 3.5)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    with torch.no_grad():
        terms = featurizer.density_terms(edges)
        density = torch.zeros(graph.n_atoms, 4, featurizer.n_functions, dtype=torch.float64)
        density.index_put_((edges.centre[terms.rows], terms.channel), terms.values, accumulate=True)
        torch.testing.assert_close(featurizer.invariants(density, edges.element), featurizer(graph, edges))
    ours = featurizer.jacobian(density, edges.element)
    theirs = super(ACE, featurizer).jacobian(density, edges.element)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    directions = torch.randn(3, featurizer.irreps_out.dim, dtype=torch.float64, generator=generator())
    torch.testing.assert_close(
        featurizer.jacobian(density, edges.element, directions),
        super(ACE, featurizer).jacobian(density, edges.element, directions),
        rtol=1e-12,
        atol=1e-12,
    )


def test_degrees_for_a_smoothness_prior():
    degrees = ACE(ELEMENTS, 3.5, FEW).degrees()
    assert degrees[0].tolist() == [[2, 0, 1], [3, 4, 2]]
    assert degrees[1].tolist() == [[4, 4, 3], [2, 0, 2]]
    assert degrees[2].tolist() == [[5, 4, 4], [0, 0, 0]]
    roughness = algebraic_roughness(*degrees.flatten(0, 1).T)
    assert roughness.tolist() == [1 + a * a + b * b + c * c for a, b, c in degrees.flatten(0, 1).tolist()]


def test_arguments_are_copied():
    bonds = [{"elements": ["H", "H"], "cutoff": 3.0}]
    functions = [{"centre": "H", "neighbours": ["H"], "ns": [1], "ls": [0]}]
    kept = [dict(bonds[0]), dict(functions[0])]
    ACE(["H"], 3.0, functions, bonds=bonds)
    assert [bonds[0], functions[0]] == kept


BOND = {"elements": ["H", "H"], "cutoff": 3.0}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"functions": []}, "no cluster function"),
        ({"cutoff": 0.0}, "should be positive"),
        ({"cutoff": float("inf")}, "should be positive"),
        ({"radial": "Sbesel"}, "did you mean SBessel"),
        ({"n_radial": 1}, "need 2 radial functions"),
        ({"width": 9.0}, "0 ≤ width ≤ cutoff"),
        ({"bonds": [BOND | {"cutoff": 5.0}]}, "beyond the cutoff"),
        ({"bonds": [BOND, BOND]}, "two bonds of H and H"),
        ({"bonds": [BOND | {"elements": ["H", "O"]}]}, "between two of the elements H"),
        ({"bonds": [BOND | {"rcut": 1.0}]}, "a bond has no key 'rcut'"),
        ({"bonds": [BOND | {"inner": 3.5}]}, "inner cutoff of a bond"),
        ({"bonds": [BOND | {"width": "wide"}]}, "should be numbers"),
        ({"n_max": (1, 1), "l_max": (0,)}, "one number ≥ 0 per order"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(WiringError, match=message):
        ACE(**({"elements": ["H"], "cutoff": 4.0, "n_max": (2, 1), "l_max": (0, 1)} | arguments))
