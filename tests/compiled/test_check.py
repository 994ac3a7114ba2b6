"""Kernels are compared with the model for each element that occurs, in energies, forces and virials."""

import warnings

import pytest
import torch
from ase import Atoms
from ase.build import bulk
from helpers.compilers import needs_compiler
from helpers.unoptimised import compiled, same, unoptimised

from atomgraph import Potential
from atomgraph.analysis.laws.structures import crystal, molecule
from atomgraph.compiled import compiled_potential as potential_file
from atomgraph.compiled.kernel_graph import KernelGraph
from atomgraph.compiled.probe_structures import probe_structures
from atomgraph.kernels import KernelWarning
from atomgraph.models import MACE
from atomgraph.nn.equivariant.distance_transform import Agnesi
from atomgraph.testing.graphs import make_batch, make_graph
from atomgraph.testing.measures import construct, randomise

CUTOFF = 3.5
PAIR = ["C", "O"]
RADIAL = {"n_radial": 3, "transform": Agnesi(PAIR)}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    unoptimised(monkeypatch)


def potential():
    arguments = {
        "hidden_irreps": "2x0e+2x1o",
        "l_max": 2,
        "order": 2,
        "radial": RADIAL,
        "readout": {"readout_hidden": 2},
    }
    return Potential(randomise(construct(lambda: MACE(PAIR, CUTOFF, **arguments)).double())).eval()


def two_islands():
    """Carbon around the first edge, and oxygen far from it."""
    far = molecule(["O"], 5, seed=3)
    far.translate([30.0, 0.0, 0.0])
    return molecule(["C"], 6, seed=1) + far


def falsify_products(fused):
    """Oxygen's coefficients in the last layer."""
    product = fused._fused._layers[-1]._product
    product._get_coefficients(1)
    product._coefficients[1] *= 1.001


def falsify_weights(fused):
    """Between two atoms of oxygen, in the first layer."""
    tables = fused._fused._layers[0]._convolution._tables
    tables.get_tables([(1, 1)])
    tables._tables_by_pair[1, 1] *= 1.001


def falsify_energies(fused):
    """Not their gradients."""
    right = fused._fused.energies

    def energies(graph, kernel_graph):
        energy, grad = right(graph, kernel_graph)
        return 1.001 * energy, grad

    fused._fused.energies = energies


@needs_compiler
@pytest.mark.parametrize(
    ("falsify", "what"),
    [(falsify_products, ".*"), (falsify_weights, ".*"), (falsify_energies, "compiled energies")],
)
@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("products", [2**24, 1], ids=["many atoms", "few"])
def test_an_error_of_one_element_is_found_when_the_element_first_occurs(falsify, what, at_once, products, monkeypatch):
    monkeypatch.setattr(potential_file, "MAX_PRODUCTS", products)
    of = potential()
    fused = compiled(of)
    if not at_once and falsify is not falsify_energies:
        first = make_graph(molecule(["C"], 6, seed=1), CUTOFF)
        with warnings.catch_warnings():
            warnings.simplefilter("error", KernelWarning)
            same(fused(first), of(first), 1e-8)
    falsify(fused)
    graph = make_graph(two_islands(), CUTOFF)
    with pytest.warns(KernelWarning, match=f"{what} differ from the model's by .* the model itself is used"):
        result = fused(graph)
    same(result, of(graph), 1e-13)


@needs_compiler
def test_a_wrong_stress_is_found_in_periodic_structures(monkeypatch):
    right = KernelGraph.collect

    def collect(*given):
        gradient, virial = right(*given)
        return gradient, 1.001 * virial

    monkeypatch.setattr(KernelGraph, "collect", collect)
    of = potential()
    fused = compiled(of)
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelWarning)
        fused(make_graph(molecule(PAIR), CUTOFF))
    second, graph = compiled(of), make_graph(crystal(PAIR), CUTOFF)
    with pytest.warns(KernelWarning, match="compiled virials differ"):
        second(graph)


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_forces_that_cancel_by_symmetry_do_not_fail_the_check(dtype):
    of, graph = potential(), make_graph(bulk("C", "diamond", 3.6, cubic=True), CUTOFF)
    assert float(of(graph)["forces"].abs().max()) < 1e-7
    fused = compiled(of, dtype=dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelWarning)
        fused(graph)


@needs_compiler
def test_a_model_with_many_products_is_compared_on_fewer_atoms(monkeypatch):
    fused, numbers = compiled(potential())._fused, []

    def pieces(graph, new, n_atoms):
        numbers.append(n_atoms)
        return probe_structures(graph, new, n_atoms)

    monkeypatch.setattr(potential_file, "probe_structures", pieces)
    for times in (1000, 20, 9, 1):
        monkeypatch.setattr(potential_file, "MAX_PRODUCTS", times * fused.n_products)
        compiled(potential())(make_graph(molecule(PAIR, 40), CUTOFF))
    assert numbers == [32, 20, 9, 8]


@needs_compiler
def test_an_element_is_checked_when_it_first_has_neighbours():
    of = potential()
    fused = compiled(of)
    fused(make_graph(molecule(["C"], 6, seed=1) + Atoms("O", [[30.0, 0.0, 0.0]]), CUTOFF))
    falsify_products(fused)
    with pytest.warns(KernelWarning, match="differ from the model's"):
        fused(make_graph(two_islands(), CUTOFF))


@pytest.mark.parametrize("n_atoms", [2, 8, 32])
def test_probe_structures_are_small_and_contain_the_elements(n_atoms):
    many = [
        "H",
        "Li",
        "Be",
        "B",
        "C",
        "N",
        "O",
        "F",
        "Na",
        "Mg",
        "Al",
        "Si",
        "P",
        "S",
        "Cl",
        "K",
        "Ca",
        "Sc",
        "Ti",
        "V",
    ]
    batch = make_batch([make_graph(molecule(["C"], 40, seed=2), CUTOFF), make_graph(crystal(many), 5.0 * CUTOFF)])
    expected = set(batch.atomic_numbers.tolist())
    for numbers in (expected, {6}, expected - {6}, {79}):
        pieces, held = list(probe_structures(batch, numbers, n_atoms)), set()
        for piece in pieces:
            assert 2 <= piece.n_atoms <= n_atoms and piece.n_edges
            here = set(piece.atomic_numbers[piece.edge_index[1]].tolist())
            assert (here - held) & numbers  # no piece for what another holds
            held |= here
        assert held >= numbers & expected
        assert bool(pieces) == bool(numbers & expected)
    first, second = (next(probe_structures(batch, {6}, n_atoms)).pos for _ in range(2))
    assert torch.equal(first, second)
