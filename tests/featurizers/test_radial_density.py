"""Radial density: its sum written out, its laws for every basis and envelope."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.featurizers import RadialDensity
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.ops.cutoff import cosine_cutoff, polynomial_cutoff
from atomgraph.ops.radial_basis import bessel, gaussian
from atomgraph.testing import FeaturizerLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph


class TestRadialDensity(FeaturizerLaws):
    def featurizer(self):
        return RadialDensity(ELEMENTS, cutoff=3.5, n_radial=4)


class TestRadialDensityGaussian(FeaturizerLaws):
    def featurizer(self):
        return RadialDensity(ELEMENTS, cutoff=3.5, n_radial=3, basis="gaussian", envelope="tanh_cubed")


class TestRadialDensityChebyshev(FeaturizerLaws):
    def featurizer(self):
        return RadialDensity(ELEMENTS, cutoff=3.5, n_radial=3, basis="chebyshev", envelope="cosine")


def density(featurizer, atoms, elements=ELEMENTS, cutoff=4.0):
    graph = make_graph(atoms, cutoff)
    return featurizer(graph, Edges.of(graph, ElementTable(elements), torch.float64))


@pytest.mark.parametrize(
    ("basis", "envelope", "radial", "fade"),
    [("bessel", "polynomial", bessel, polynomial_cutoff), ("gaussian", "cosine", gaussian, cosine_cutoff)],
)
def test_features_equal_the_explicit_sum_over_pairs(basis, envelope, radial, fade):
    atoms, cutoff, n_radial = crystal(), 4.0, 3
    graph = make_graph(atoms, cutoff)
    expected = np.zeros((len(atoms), len(ELEMENTS), n_radial))
    for (neighbour, centre), shift in zip(graph.edge_index.T.tolist(), graph.cell_shift.numpy(), strict=True):
        vector = atoms.positions[centre] - atoms.positions[neighbour] + shift @ atoms.cell.array
        r = torch.tensor([np.linalg.norm(vector)], dtype=torch.float64)
        row = ELEMENTS.index(atoms.symbols[neighbour])
        expected[centre, row] += (fade(r, cutoff) * radial(r, n_radial, cutoff)[0]).numpy()
    result = density(RadialDensity(ELEMENTS, cutoff, n_radial, basis, envelope), atoms)
    columns = len(ELEMENTS) * n_radial
    np.testing.assert_allclose(result[:, :columns].numpy(), expected.reshape(len(atoms), -1), atol=1e-13)
    own = [[float(symbol == element) for element in ELEMENTS] for symbol in atoms.symbols]
    np.testing.assert_array_equal(result[:, columns:].numpy(), own)


def test_isolated_atom_has_only_its_element():
    result = density(RadialDensity(["C", "O"], 4.0, n_radial=2), ase.Atoms("O"), ["C", "O"])
    assert result.tolist() == [[0.0, 0.0, 0.0, 0.0, 0.0, 1.0]]


def test_features_depend_on_the_neighbours():
    result = density(
        RadialDensity(["Cu"], 4.0), ase.Atoms("Cu3", positions=[[0, 0, 0], [0, 0, 2.3], [0, 0, 5.0]]), ["Cu"]
    )
    assert (result[0] - result[1]).abs().max() > 0.01


def test_periodic_images_of_an_atom_are_neighbours():
    result = density(RadialDensity(["Cu"], 4.0), ase.Atoms("Cu", cell=[2.5, 9, 9], pbc=[True, False, False]), ["Cu"])
    pair = density(RadialDensity(["Cu"], 4.0), ase.Atoms("Cu2", positions=[[0, 0, 0], [2.5, 0, 0]]), ["Cu"])
    torch.testing.assert_close(result[0, :-1], 2 * pair[0, :-1])


def test_unknown_names_raise_with_the_most_similar_name():
    with pytest.raises(WiringError, match="did you mean bessel"):
        RadialDensity(["H"], 4.0, basis="besel")
    with pytest.raises(WiringError, match="did you mean polynomial"):
        RadialDensity(["H"], 4.0, envelope="polynom")
    with pytest.raises(WiringError, match="must be positive"):
        RadialDensity(["H"], -4.0)
