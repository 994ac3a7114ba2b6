"""Every MACE that can be written down has kernels that give its numbers: shapes, radial functions, interactions, heads."""

import numpy as np
import pytest
import torch
from ase import Atoms
from helpers.compilers import needs_compiler
from helpers.unoptimised import compiled, difference, same, unoptimised

import atomgraph
from atomgraph import Potential
from atomgraph.analysis.laws.structures import crystal, molecule, sample_structures
from atomgraph.compiled.fused_model import FusedModel
from atomgraph.kernels import KernelWarning, product_source
from atomgraph.models import MACE, Baseline
from atomgraph.nn import ZBL
from atomgraph.nn.equivariant.distance_transform import Agnesi, Soft
from atomgraph.testing.graphs import make_batch, make_graph
from atomgraph.testing.measures import construct, randomise

pytestmark = needs_compiler
PAIR = ["C", "O"]
MANY = ["H", "Li", "C", "N", "O", "F", "Si", "P", "S", "Cl", "Fe", "Cu", "Au"]
CUTOFF = 3.5
EVERYTHING = "2x0e+2x0o+2x1o+2x1e+2x2e+2x2o"
SMALL = {
    "hidden_irreps": "2x0e+2x1o",
    "l_max": 2,
    "order": 2,
    "radial": {"n_radial": 3},
    "layer": {"radial_hidden": [4]},
    "readout": {"readout_hidden": 2},
}


def heads(scales_repulsion=False):
    baseline = Baseline(PAIR, ["coarse", "middle", "fine"], ZBL(PAIR), scales_repulsion=scales_repulsion)
    for name, scale in zip(baseline.heads, (0.7, 1.0, 1.4), strict=True):
        baseline.set_scale(scale, shift=scale - 1.0, head=name)
        baseline.set_e0(dict(zip(PAIR, (-scale, 2.0), strict=True)), name)
    return baseline


def radial(transform=None, **arguments):
    return {"n_radial": 3, "transform": transform and transform(PAIR), **arguments}


SHAPES = {
    "scalars alone, one layer": {"hidden_irreps": "1x0e", "l_max": 1, "order": 1, "n_layers": 1},
    "products of four": {"hidden_irreps": "9x0e+9x1o", "l_max": 1, "order": [2, 4]},
    "harmonics up to l = 4": {"hidden_irreps": "3x0e+3x1o", "l_max": 4},
    "products of four, l = 3": {"hidden_irreps": "2x0e", "l_max": 3, "order": 4, "n_layers": 1},
    "three layers up to l = 2": {"hidden_irreps": "1x0e+1x1o+1x2e", "n_layers": 3},
    "every parity": {"hidden_irreps": EVERYTHING, "l_max": 1, "last_layer_scalars": False},
    "no parity": {"hidden_irreps": "2x0e+2x1e", "layer": {"radial_hidden": [4], "parity": "even"}},
}
RADIAL = {
    "gaussian": {"radial": radial(basis="gaussian", envelope_on="messages", p=6)},
    "chebyshev": {"radial": radial(basis="chebyshev", trainable=True)},
    "agnesi": {"radial": radial(Agnesi), "interaction": ["agnostic", "residual"]},
    "soft, by density": {"radial": radial(Soft), "interaction": ["density", "density_residual"]},
    "nonlinear": {"radial": radial(Agnesi, envelope_on="messages"), "interaction": ["agnostic", "nonlinear_residual"]},
}
REST = {
    "heads": {"baseline": heads()},
    "heads, repulsion scaled": {"baseline": heads(scales_repulsion=True), "readout_last_only": True},
    "one matrix for all elements": {"layer": {"radial_hidden": [4], "by_element": False, "residual": "none"}},
    "narrower neighbours": {
        "layer": [{"irreps_up": "1x0e", "radial_hidden": [4]}, {"irreps_up": "1x0e+1x1o", "activation_gain": 1.3}]
    },
    "linear readout": {"readout": {"readout_hidden": None}},
}
CASES = SHAPES | RADIAL | REST


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    unoptimised(monkeypatch)


def potential(arguments, elements=PAIR):
    model = randomise(construct(lambda: MACE(elements, CUTOFF, **SMALL | arguments)).double())
    for each in model.branches[0].layers:
        if hasattr(each.interaction, "neighbours"):
            each.interaction.neighbours.number.fill_(7.0)
    return Potential(model).eval()


def graphs(of):
    """One of each structure, each of another head."""
    result = [make_graph(atoms, CUTOFF + 0.3) for atoms in sample_structures(PAIR).values()]  # a skin, as in dynamics
    for k, graph in enumerate(result):
        graph.head = torch.tensor([k % len(of.heads)])
    return result


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_the_models_own(name):
    of = potential(CASES[name])
    fused, batch = compiled(of), make_batch(graphs(of))
    same(fused(batch), of(batch), 1e-8)


@pytest.mark.parametrize("name", ["products of four", "soft, by density", "heads, repulsion scaled"])
def test_mixed_precision_has_errors_of_float32(name):
    of = potential(CASES[name])
    fused, batch = compiled(of, dtype="mixed"), make_batch(graphs(of))
    result, expected = fused(batch), of(batch)
    for what, tolerance in (("energy", 2e-6), ("forces", 1e-5), ("stress", 1e-5)):
        assert 1e-12 < difference(result, expected, what) < tolerance, what


def test_products_with_terms_in_tables(monkeypatch):
    monkeypatch.setattr(product_source, "MAX_STATEMENTS", 100)
    of = potential(SHAPES["products of four, l = 3"] | {"n_layers": 2, "hidden_irreps": "3x0e+3x1o"})
    fused, batch = compiled(of), make_batch(graphs(of))
    same(fused(batch), of(batch), 1e-8)


def test_equal_layers_have_the_same_kernels():
    def functions(n_layers):
        return FusedModel(potential({"n_layers": n_layers}).model, torch.float64).source().count("_forward(")

    assert functions(5) == functions(4) == functions(3) > functions(1)


def test_many_elements():
    of = potential({"radial": {"n_radial": 3, "transform": Agnesi(MANY)}, "hidden_irreps": "2x0e"}, MANY)
    fused = compiled(of)
    for some in (["Au", "H"], ["Cl", "Li", "Fe"]):  # tables are made of pairs that are met
        batch = make_batch([make_graph(make(some), CUTOFF) for make in (molecule, crystal)])
        same(fused(batch), of(batch), 1e-8)


def test_numbers_of_atoms_and_edges_change_between_calls():
    of = potential({})
    fused = compiled(of)
    for n_atoms in (40, 2, 17, 1, 40):
        graph = make_graph(molecule(PAIR, n_atoms, seed=n_atoms), CUTOFF)
        same(fused(graph), of(graph), 1e-8)
    for stretched in (1.0, 0.8, 3.0):
        atoms = crystal(PAIR)
        atoms.set_cell(stretched * atoms.cell, scale_atoms=True)
        graph = make_graph(atoms, CUTOFF)
        same(fused(graph), of(graph), 1e-8)


def test_a_repulsion_with_a_larger_cutoff_is_not_compiled():
    elements = ["Cs", "O"]
    baseline = Baseline(elements, repulsion=ZBL(elements))
    far = Potential(MACE(elements, CUTOFF, **SMALL, baseline=baseline)).eval()
    assert far.cutoff > CUTOFF
    with pytest.warns(KernelWarning, match="a larger cutoff"):
        assert atomgraph.compile(far) is far


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"interaction": "attention_residual"}, "attention_residual"),
        ({"global_state": {"charge": {"type": "continuous", "emb_dim": 2}}}, "charge and spin"),
        ({"radial": radial(differentiable=False)}, "radial functions without gradient"),
    ],
)
def test_parts_without_fused_form_are_named_and_not_compiled(arguments, named):
    of = potential(arguments)
    with pytest.warns(KernelWarning, match=named):
        assert atomgraph.compile(of) is of


@pytest.mark.parametrize("transform", [None, Soft])  # a soft distance of no length is a number
@pytest.mark.parametrize("place", ["on another", np.nan, np.inf])
def test_coincident_atoms_and_infinite_positions_are_evaluated_by_the_model(transform, place):
    of = potential({"radial": radial(transform), "hidden_irreps": "2x0e"})
    fused, graph = compiled(of), make_graph(molecule(PAIR), CUTOFF)
    whole = fused(graph)
    graph.pos = graph.pos.clone()
    graph.pos[1] = graph.pos[0] if place == "on another" else place
    result, expected = fused(graph), of(graph)
    for name in ("energy", "node_energy", "forces"):
        torch.testing.assert_close(result[name], expected[name], rtol=0, atol=0, equal_nan=True)
    assert result["forces"].isnan().any() or transform is Soft
    assert not torch.equal(result["forces"], whole["forces"])
    graph = make_graph(molecule(PAIR), CUTOFF)
    assert torch.equal(fused(graph)["forces"], whole["forces"])  # and kernels go on


@pytest.mark.parametrize("atom", [3, 10**8, -(10**8)])
@pytest.mark.parametrize("end", [0, 1])
def test_invalid_atom_indices_raise_the_error_of_the_model(atom, end):
    eager = potential(SMALL)
    fused = compiled(eager)
    graph = make_graph(Atoms("CO2", [[0, 0, 0], [1.2, 0, 0], [-1.2, 0, 0]]), CUTOFF)
    fused(graph)
    graph.edge_index[end, -1] = atom
    with pytest.raises(IndexError):
        eager(graph)
    with pytest.raises(IndexError):
        fused(graph)


def test_an_invalid_first_structure_does_not_fail_the_check():
    of = potential({"hidden_irreps": "2x0e"})
    fused, graph = compiled(of), make_graph(molecule(PAIR), CUTOFF)
    graph.pos[1] = np.nan
    assert fused(graph)["forces"].isnan().any()
    graph = make_graph(molecule(PAIR), CUTOFF)
    same(fused(graph), of(graph), 1e-8)
    assert fused.radial_error > 0


def test_one_atom_has_its_own_energy():
    of = potential({"baseline": heads()})
    of.head = "fine"
    first = make_graph(Atoms("C", positions=[[0, 0, 0]]), CUTOFF)
    same(compiled(of)(first), of(first), 1e-13)


def test_atomic_numbers_can_be_changed_in_place():
    of = potential({"hidden_irreps": "2x0e"})
    fused, graph = compiled(of), make_graph(molecule(PAIR), CUTOFF)
    before = fused(graph)
    graph.atomic_numbers[0] = 8 if graph.atomic_numbers[0] == 6 else 6
    after = fused(graph)
    same(after, of(graph), 1e-8)
    assert not torch.allclose(after["energy"], before["energy"])
