"""Layers with features of edges, in the manner of PaiNN and Allegro: wiring, symmetry and forces."""

import pytest
import torch
from ase.build import molecule
from e3nn import o3

from atomgraph import AtomicGraph, Potential
from atomgraph.errors import WiringError
from atomgraph.featurizers import RadialDensity
from atomgraph.layers import AtomWise, MessageLayer, Residual
from atomgraph.models import Branch, EnergyModel
from atomgraph.nn.linear_map import matrices
from atomgraph.ops.cutoff import polynomial_cutoff
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import PerElementMLP
from atomgraph.testing import ModelLaws

ELEMENTS = ["H", "C", "O", "Si"]
CUTOFF, CHANNELS = 3.0, 4


class EdgeTensors(MessageLayer):
    r"""Scalars and vectors of an edge, :math:`e_{ij} = e_{ij} + f(r_{ij}) (h_j W) (1, \hat r_{ij})`, and messages from both.

    reads: whether features of edges come in; the first layer of a model makes them.
    """

    def __init__(self, channels, cutoff, reads=True, edge_channels=None):
        super().__init__()
        self.irreps_in = self.irreps_out = o3.Irreps(f"{channels}x0e")
        self.cutoff = float(cutoff)
        self.edge_irreps_out = o3.Irreps(f"{channels}x0e+{channels}x1o")
        if reads:
            n = edge_channels or channels
            self.edge_irreps_in = o3.Irreps(f"{n}x0e+{n}x1o")
        self.weight = torch.nn.Parameter(torch.randn(channels, channels) / channels**0.5)

    def linear_maps(self):
        return matrices(self, "weight")

    def forward(self, h, graph, edges, edge_features=None):
        envelope = polynomial_cutoff(edges.length, self.cutoff)[:, None]
        scalars = envelope * (h @ self.weight)[edges.neighbour]
        vectors = scalars[:, :, None] * (edges.vector / edges.length[:, None])[:, None, :]
        tensors = torch.cat([scalars, vectors.flatten(1)], dim=1)
        if edge_features is not None:
            tensors = tensors + edge_features
        n = scalars.shape[1]
        sums = sum_to(envelope * tensors, edges.centre, edges.n_atoms)
        lengths = sums[:, n:].unflatten(1, (n, 3)).square().sum(dim=2)
        return h + torch.tanh(sums[:, :n]) + torch.tanh(lengths), tensors


def model(*layers):
    density = RadialDensity(ELEMENTS, CUTOFF, 3)
    first = AtomWise(ELEMENTS, density.irreps_out.dim, CHANNELS)
    branch = Branch(CUTOFF, density, [first, *layers], [PerElementMLP(ELEMENTS, CHANNELS, [5])])
    return EnergyModel(ELEMENTS, branch)


class TestModelWithFeaturesOfEdges(ModelLaws):
    """The second layer reads the features of edges that the first one makes; a layer without them stands in between."""

    def model(self):
        between = AtomWise(ELEMENTS, CHANNELS, CHANNELS, activation="tanh")
        return model(EdgeTensors(CHANNELS, CUTOFF, reads=False), between, EdgeTensors(CHANNELS, CUTOFF))


def test_forces_match_finite_differences():
    torch.manual_seed(0)
    potential = Potential(model(EdgeTensors(CHANNELS, CUTOFF, reads=False), EdgeTensors(CHANNELS, CUTOFF)))
    potential = potential.to(torch.float64).eval()
    atoms = molecule("CH3OH")
    atoms.rattle(0.1, seed=0)
    forces = potential(AtomicGraph.from_ase(atoms, CUTOFF))["forces"]
    step = 1e-4
    for atom, axis in ((0, 0), (1, 2), (3, 1)):
        energies = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[atom, axis] += sign * step
            energies.append(potential(AtomicGraph.from_ase(moved, CUTOFF))["energy"].item())
        assert forces[atom, axis].item() == pytest.approx(-(energies[0] - energies[1]) / (2 * step), rel=1e-5, abs=1e-8)


def test_features_of_edges_change_the_energy():
    torch.manual_seed(0)
    whole = model(EdgeTensors(CHANNELS, CUTOFF, reads=False), EdgeTensors(CHANNELS, CUTOFF))
    apart = model(EdgeTensors(CHANNELS, CUTOFF, reads=False), EdgeTensors(CHANNELS, CUTOFF, reads=False))
    apart.load_state_dict(whole.state_dict())
    graph = AtomicGraph.from_ase(molecule("CH3OH"), CUTOFF)
    assert not torch.allclose(whole(graph), apart(graph), rtol=1e-4)


def test_wiring_of_features_of_edges_is_checked():
    with pytest.raises(
        WiringError,
        match=r"layers\[1\] expects features of edges 4x0e\+4x1o, but no layer before layers\[1\] returns features of edges",
    ):
        model(EdgeTensors(CHANNELS, CUTOFF))
    with pytest.raises(
        WiringError, match=r"layers\[2\] expects features of edges 5x0e\+5x1o, but layers\[1\] gives 4x0e\+4x1o"
    ):
        model(EdgeTensors(CHANNELS, CUTOFF, reads=False), EdgeTensors(CHANNELS, CUTOFF, edge_channels=5))


def test_a_residual_refuses_a_layer_with_features_of_edges():
    with pytest.raises(WiringError, match="cannot contain a EdgeTensors, because this layer has features of edges"):
        Residual(EdgeTensors(CHANNELS, CUTOFF, reads=False))
