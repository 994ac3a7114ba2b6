"""Gradients of features by densities, and rows of the linear problem, against the potential itself."""

import ase.build
import pytest
import torch

from atomgraph import AtomicGraph, Potential, models
from atomgraph.data import collate
from atomgraph.featurizers import ACE, SOAP, Bispectrum, PairKernel, TripleKernel
from atomgraph.featurizers.density import DensityFeaturizer, term_derivatives
from atomgraph.fitting.design_matrix import design_matrix
from atomgraph.fitting.linear_weights import LinearWeights
from atomgraph.models import Branch, EnergyModel
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable
from atomgraph.ops.scatter import sum_to
from atomgraph.readouts import Linear, SparseKernel

ELEMENTS = ["Mo", "W"]
VOIGT = [0, 4, 8, 5, 2, 1]


def alloy():
    atoms = ase.build.bulk("Mo", "bcc", 3.15, cubic=True).repeat((2, 1, 1))
    atoms.rattle(0.1, seed=1)
    atoms.symbols[::3] = "W"
    return atoms


def molecule():
    atoms = ase.build.molecule("CH3OH")
    atoms.symbols[:] = ELEMENTS * 3
    atoms.rattle(0.1, seed=2)
    return atoms


EXPANSIONS = {
    "SOAP": lambda: SOAP(ELEMENTS, 4.5, n_max=4, l_max=3),
    "SOAP, raw": lambda: SOAP(ELEMENTS, 4.5, n_max=3, l_max=2, normalise=False),
    "SOAP, channels": lambda: SOAP(ELEMENTS, 4.5, n_max=3, l_max=2, channels={"Mo": [1.0, 0.3], "W": [0.1, 0.9]}),
    "SOAP, dscribe": lambda: SOAP(ELEMENTS, 4.5, n_max=3, l_max=2, convention="dscribe", basis="gto", normalise=False),
    "bispectrum": lambda: Bispectrum(ELEMENTS, 4.2, twojmax=4, radii={"Mo": 0.45, "W": 0.5}),
    "bispectrum, products": lambda: Bispectrum(ELEMENTS, 4.2, twojmax=2, quadratic=True, bzero=True),
    "bispectrum, chemical": lambda: Bispectrum(ELEMENTS, 4.2, twojmax=2, chem={"Mo": 0, "W": 1}),
    "pairs": lambda: PairKernel(ELEMENTS, 4.2, ELEMENTS),
    "ACE": lambda: ACE(ELEMENTS, 4.5, n_max=(4, 2, 1, 1), l_max=(0, 2, 1, 1)),
}


@pytest.fixture(params=EXPANSIONS)
def case(request):
    """An expansion, a graph's edges, and each atom's density."""
    expansion = EXPANSIONS[request.param]().double()
    graph = AtomicGraph.from_ase(alloy(), expansion.cutoff)
    edges = Edges.of(graph, ElementTable(ELEMENTS), torch.float64)
    terms = expansion.density_terms(edges)
    owner = edges.centre[terms.rows] * expansion.n_channels + terms.channel
    density = sum_to(terms.values, owner, edges.n_atoms * expansion.n_channels).view(
        edges.n_atoms, expansion.n_channels, -1
    )
    return expansion, graph, edges, density + expansion.isolated_density(edges.element)


def test_invariants_of_the_density_are_the_features(case):
    expansion, graph, edges, density = case
    h = expansion(graph, edges)
    torch.testing.assert_close(expansion.invariants(density, edges.element), h, rtol=1e-11, atol=1e-11)


def test_density_jacobian_matches_autograd(case):
    expansion, _, edges, density = case
    n = expansion.irreps_out.dim
    directions = torch.linspace(-1.0, 1.0, 3 * n, dtype=torch.float64).view(3, n).sin()
    for chosen in (None, directions):
        result = expansion.jacobian(density, edges.element, chosen)
        expected = DensityFeaturizer.jacobian(expansion, density, edges.element, chosen)
        torch.testing.assert_close(result, expected, rtol=1e-10, atol=1e-11 * float(expected.abs().max()))


def test_term_derivatives_match_finite_differences(case):
    expansion, _, edges, _ = case
    gradients = term_derivatives(expansion, edges)
    result = gradients.select(torch.arange(len(gradients.terms.rows)))
    step = 1e-5
    for axis in range(3):
        values = []
        for sign in (1.0, -1.0):
            vector = edges.vector.clone()
            vector[:, axis] += sign * step
            near = Edges(
                vector,
                vector.norm(dim=1),
                edges.centre,
                edges.neighbour,
                edges.element,
                edges.n_atoms,
                edges.n_elements,
            )
            values.append(expansion.density_terms(near).values)
        size = float(result.abs().max())
        torch.testing.assert_close(result[:, axis], (values[0] - values[1]) / (2 * step), rtol=1e-6, atol=1e-7 * size)


def gap():
    model = models.GAP(
        ELEMENTS, 4.5, n_points=5, n_max=3, l_max=2, pairs={"n_points": 4}, triples={"n_points": 3, "cutoff": 3.5}
    )
    _fill(model)
    return model


def more_points_than_features():
    model = models.GAP(ELEMENTS, 4.5, n_points=40, n_max=2, l_max=1)
    _fill(model)
    return model


def squared_exponential():
    soap = SOAP(ELEMENTS, 4.5, n_max=3, l_max=2)
    kernel = SparseKernel(ELEMENTS, soap.irreps_out.dim, 4, kernel="squared_exponential")
    triples = TripleKernel(ELEMENTS, 3.5, "Mo", ["W", "W"], n_points=5)
    model = EnergyModel(ELEMENTS, [Branch(4.5, soap, (), [kernel]), Branch(3.5, triples, (), [Linear(5, bias=True)])])
    _fill(model)
    return model


def _fill(model):
    for branch in model.branches:
        for readout in branch.readouts:
            if isinstance(readout, SparseKernel):
                size = readout.points.shape
                readout.points.copy_(torch.linspace(0.1, 3.0, readout.points.numel()).sin().view(size))
                readout.delta.fill_(1.3)


MODELS = {
    "GAP": gap,
    "GAP, more points than features": more_points_than_features,
    "squared exponential": squared_exponential,
    "SNAP": lambda: models.SNAP(ELEMENTS, 4.5, twojmax=3),
    "qSNAP": lambda: models.SNAP(ELEMENTS, 4.5, twojmax=2, quadratic=True),
    "ACE": lambda: models.ACE(ELEMENTS, 4.5, n_max=(4, 2, 1), l_max=(0, 2, 1)),
    "Behler-Parrinello": lambda: models.BehlerParrinello(ELEMENTS, 4.5, readout_hidden=[8]),
    "GCN": lambda: models.GCN(ELEMENTS, 4.5),
    "MACE": lambda: models.MACE(ELEMENTS, 4.0, hidden_irreps="4x0e", l_max=1, radial={"n_radial": 4}),
}


@pytest.mark.parametrize("name", MODELS)
def test_rows_times_weights_are_the_predictions(name):
    """Energies, forces and stresses of a crystal and a molecule, over a baseline with a scale."""
    potential = Potential(MODELS[name]().double()).eval()
    potential.model.baseline.set_e0({"Mo": 1.0, "W": 2.0})
    potential.model.baseline.set_scale(1.7)
    batch = collate([AtomicGraph.from_ase(atoms, potential.cutoff) for atoms in (alloy(), molecule(), alloy())])
    unknowns = LinearWeights(potential.model)
    weights = torch.linspace(-1.0, 2.0, unknowns.n, dtype=torch.float64).sin()
    unknowns.zero_()
    before = potential(batch)
    unknowns.assign(weights)
    after = potential(batch)
    rows = design_matrix(unknowns, batch)
    change = {key: after[key] - before[key] for key in ("energy", "forces", "stress")}
    size = max(1.0, float(change["forces"].abs().max()))
    torch.testing.assert_close(rows.energy @ weights, change["energy"], rtol=1e-10, atol=1e-11 * size)
    torch.testing.assert_close(rows.forces @ weights, change["forces"], rtol=1e-9, atol=1e-11 * size)
    stress = change["stress"].flatten(1)[:, VOIGT].nan_to_num(nan=0.0)
    torch.testing.assert_close(rows.stress @ weights, stress, rtol=1e-9, atol=1e-12 * size)
