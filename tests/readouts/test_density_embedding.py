"""DensityEmbedding: laws, the embedding written out, cores that take densities out, what can be solved for, refusals."""

import ase
import numpy as np
import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.nn.repulsion.core_repulsion import CoreRepulsion
from atomgraph.readouts import DensityEmbedding
from atomgraph.testing import ReadoutLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph

PAIR = {"elements": ["O", "Si"], "prefactor": 20.0, "exponent": 0.5, "cutoff": 3.0}


class TestDensities(ReadoutLaws):
    def readout(self):
        return DensityEmbedding(ELEMENTS, 5, n_outputs=2)


class TestDensitiesUnderACore(ReadoutLaws):
    """DensityEmbedding that differ by element, some of them taken out by a core of tens of eV."""

    def readout(self):
        own = {"O": {"parameters": [[1.0, 1.0]]}, "H": {"function": "FinnisSinclairShiftedScaled"}}
        pairs = [PAIR, {"elements": ["Si", "Si"], "prefactor": 9.0, "exponent": 0.2, "cutoff": 3.2}]
        core = CoreRepulsion(ELEMENTS, pairs)
        return DensityEmbedding(
            ELEMENTS, "2x0e+1x1o+3x0e", "FinnisSinclair", [[1.0, 1.0], [-0.5, 2.0]], core, 6.0, 5.5, own
        )


@pytest.fixture
def atoms():
    graph = make_graph(crystal(), 3.0)
    return graph, Edges.of(graph, ElementTable(ELEMENTS), torch.float64)


def features(n_atoms, n, seed=0):
    return torch.randn(n_atoms, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_written_out(atoms):
    graph, edges = atoms
    own = {"O": {"function": "FinnisSinclair", "parameters": [[2.0, 0.7]]}}
    readout = DensityEmbedding(ELEMENTS, 3, "FinnisSinclair", [[1.0, 1.0], [-0.3, 0.5]], per_element=own).double()
    h = features(graph.n_atoms, 3)
    result = readout(h, graph, edges)[:, 0].detach()
    for row, element, value in zip(h.numpy(), edges.element.tolist(), result.tolist(), strict=True):
        rho = row @ readout.weight[element].detach().numpy()
        if ELEMENTS[element] == "O":
            expected = 2.0 * np.sign(rho[0]) * abs(rho[0]) ** 0.7
        else:
            expected = rho[0] - 0.3 * np.sign(rho[1]) * abs(rho[1]) ** 0.5
        assert value == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("replaces_energy", [False, True])
def test_core_repulsion_replaces_the_densities(replaces_energy):
    graph = make_graph(ase.Atoms("SiO", [[0, 0, 0], [0, 0, 1.3]]), 3.0)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    core = CoreRepulsion(ELEMENTS, [PAIR | {"inner": 1.6, "inner_width": 0.6}], replaces_energy)
    readout = DensityEmbedding(ELEMENTS, 2, parameters=[[1.0, 1.0]], core=core, core_cut=5.0, core_width=4.0).double()
    h = features(2, 2)
    rho, repulsion = readout.densities(h, edges)[:, 0].detach(), core(graph, edges)
    x = 0.5 if replaces_energy else float((repulsion[0] - 1.0) / 4.0)
    left = 1 - x**3 * (10 - 15 * x + 6 * x**2)
    assert 0.01 < left < 0.99
    expected = rho[:, 0] * left + repulsion * ((1 - left) if replaces_energy else 1.0)
    torch.testing.assert_close(readout(h, graph, edges)[:, 0].detach(), expected)


def test_without_neighbours_there_is_no_energy():
    graph = make_graph(ase.Atoms("Si"), 3.0)
    readout = DensityEmbedding(ELEMENTS, 2, core=CoreRepulsion(ELEMENTS, [PAIR]))
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float32)
    assert readout(torch.zeros(1, 2), graph, edges) == 0


def test_second_derivatives(atoms):
    graph, edges = atoms
    readout = DensityEmbedding(ELEMENTS, 2, parameters=[[1.0, 1.0], [0.4, 0.5], [0.1, 2.0]]).double()
    h = features(graph.n_atoms, 2).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: readout(x, graph, edges), h)
    assert torch.autograd.gradgradcheck(lambda x: readout(x, graph, edges), h)


def test_linear_embedding_has_linear_weights(atoms):
    graph, edges = atoms
    readout = DensityEmbedding(ELEMENTS, 3, parameters=[[2.0, 1.0]]).double()
    weights = features(1, 12)[0]
    readout.set_weights(weights)
    h = features(graph.n_atoms, 3)
    expected = torch.zeros(graph.n_atoms, dtype=torch.float64)
    for element in range(4):
        mine = edges.element == element
        expected[mine] = readout.basis(h[mine], element) @ weights[readout.weight_slice(element)]
    torch.testing.assert_close(readout(h, graph, edges)[:, 0], expected)
    assert readout.n_unknowns == 12


def test_nonlinear_embedding_has_no_linear_weights():
    core = CoreRepulsion(ELEMENTS, [PAIR], replaces_energy=True)
    assert DensityEmbedding(ELEMENTS, 3, parameters=[[1.0, 0.5]]).n_unknowns == 0
    assert DensityEmbedding(ELEMENTS, 3, parameters=[[1.0, 1.0]], core=core).n_unknowns == 0
    assert DensityEmbedding(ELEMENTS, 3, parameters=[[1.0, 1.0]], n_outputs=2).n_unknowns == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"irreps_in": "3x1o"}, "needs 0e features"),
        ({"n_outputs": 0}, "0 outputs"),
        ({"function": "FinisSinclair"}, "did you mean FinnisSinclair"),
        ({"parameters": []}, "a prefactor and a positive exponent"),
        ({"parameters": [[1.0]]}, "one pair per density"),
        ({"parameters": [[1.0, 0.0]]}, "positive exponent"),
        ({"parameters": [[float("nan"), 1.0]]}, "a prefactor"),
        ({"parameters": [["a", 1.0]]}, "should be pairs of numbers"),
        ({"core_width": 0.0}, "core_width"),
        ({"per_element": {"N": {}}}, "'N', which is not one of"),
        ({"per_element": {"H": {"npot": "x"}}}, "embedding of H has no 'npot'"),
    ],
)
def test_invalid_embeddings_are_refused(arguments, message):
    with pytest.raises(WiringError, match=message):
        DensityEmbedding(**({"elements": ELEMENTS, "irreps_in": 4} | arguments))
