"""Compiled NequIP and SevenNet give the numbers of the model, for many options; options without kernels are named."""

import pytest
import torch
from helpers.compilers import needs_compiler
from helpers.unoptimised import compiled, difference, same, unoptimised

import atomgraph
from atomgraph import Potential
from atomgraph.analysis.laws.structures import sample_structures
from atomgraph.kernels import KernelWarning
from atomgraph.models import Baseline, NequIP
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL
from atomgraph.testing.graphs import make_batch, make_graph
from atomgraph.testing.measures import construct, randomise

pytestmark = needs_compiler
PAIR, CUTOFF = ["C", "O"], 3.5
SMALL = {"channels": 3, "n_layers": 2, "l_max": 1, "radial": {"n_radial": 3}, "layer": {"radial_hidden": [4]}}
PAIRS = PairCutoffs(PAIR, CUTOFF, {"C": 2.8, "O": {"C": 3.1}})
XPLOR = {"n_radial": 3, "envelope": "xplor", "envelope_inner": 2.5, "trainable": True}
SEVENNET = {
    "parity": "even",
    "hidden_irreps": ["4x0e+3x1e+2x2e", "4x0e"],
    "one_hot": True,
    "self_connection": "linear",
    "first_self_connection": True,
    "radial": XPLOR,
    "layer": {"radial_hidden": [4], "activation_gain": None, "bias": True, "coupling_dtype": "float32"},
    "readout": {"readout_hidden": [2], "activation": "identity"},
}


def heads():
    baseline = Baseline(PAIR, ["coarse", "fine"], CutoffZBL(PAIR, CUTOFF))
    baseline.set_scale(0.7, shift=0.2, head="fine")
    return baseline


CASES = {
    "scalars": {"l_max": 0},
    "vectors": {},
    "l = 2, three layers": {"l_max": 2, "n_layers": 3},
    "l = 3, features by degree": {"l_max": 3, "channels": [4, 3, 2, 2]},
    "both parities": {"parity": "both", "n_layers": 3},
    "one layer": {"n_layers": 1},
    "pair cutoffs": {"radial": {"n_radial": 3, "pair_cutoffs": PAIRS}},
    "neighbours by element": {"layer": {"radial_hidden": [4], "neighbours_by_element": True, "residual": True}},
    "heads, repulsion": {"baseline": heads(), "readout": {"readout_hidden": [4]}},
    "scales of elements": {"element_scale": True},
    "XPLOR and pair cutoffs": {"radial": {**XPLOR, "pair_cutoffs": PAIRS}},
    "SevenNet": SEVENNET,
    "SevenNet, solid harmonics": {**SEVENNET, "layer": {**SEVENNET["layer"], "solid_harmonics": True}},
    "SevenNet, one-hot self-connections": {**SEVENNET, "self_connection": "element", "parity": "both"},
}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    unoptimised(monkeypatch)


def potential(arguments):
    model = randomise(construct(lambda: NequIP(PAIR, CUTOFF, **SMALL | arguments)).double())
    for layer in model.branches[0].layers:
        layer.neighbours.number.fill_(7.0)
    return Potential(model).eval()


def batch(of):
    graphs = [make_graph(atoms, CUTOFF + 0.3) for atoms in sample_structures(PAIR).values()]
    for k, graph in enumerate(graphs):
        graph.head = torch.tensor([k % len(of.heads)])
    return make_batch(graphs)


@pytest.mark.parametrize("name", CASES)
def test_numbers_are_the_models_own(name):
    of = potential(CASES[name])
    same(compiled(of)(batch(of)), of(batch(of)), 1e-8)


@pytest.mark.parametrize("name", ["l = 2, three layers", "pair cutoffs", "SevenNet"])
@pytest.mark.parametrize("dtype", ["float32", "mixed"])
def test_other_dtypes_have_errors_of_float32(name, dtype):
    of = potential(CASES[name])
    result, expected = compiled(of, dtype=dtype)(batch(of)), of(batch(of))
    for what, tolerance in (("energy", 1e-5), ("forces", 5e-5), ("stress", 5e-5)):
        assert 1e-12 < difference(result, expected, what) < tolerance, what


def test_jumps_of_curvature_without_a_common_table_are_named():
    """XPLOR with cutoffs of pairs: no table has all these distances among the ends of its pieces."""
    of = potential({"radial": {**XPLOR, "envelope_inner": 2.3456789, "pair_cutoffs": PAIRS}})
    with pytest.warns(KernelWarning, match="kernels do not support jumps of the radial functions' curvature"):
        result = atomgraph.compile(of)(batch(of))
    same(result, of(batch(of)), 1e-12)


def test_radial_functions_without_gradient_are_named():
    of = potential({})
    of.model.branches[0].layers[0].radial.differentiable = False
    with pytest.warns(KernelWarning, match="kernels do not support radial functions without gradient"):
        assert atomgraph.compile(of) is not None
