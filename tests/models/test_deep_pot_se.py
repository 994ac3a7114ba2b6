"""DeepPot-SE: the laws of models for its descriptors and options."""

import pytest
import torch

from atomgraph import Potential
from atomgraph.editing import add_elements, keep_elements
from atomgraph.errors import WiringError
from atomgraph.models import Baseline, DeepPotSE
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS, crystal, make_graph, molecule
from atomgraph.testing.measures import construct, randomise

SMALL = {"embedding_hidden": [2, 4], "axis_channels": 2, "readout": {"readout_hidden": [4, 4]}}
SLOTS = {"sel": [60] * len(ELEMENTS), "centred": True}


class TestDeepPotSE(ModelLaws):
    def model(self):
        return DeepPotSE(ELEMENTS, 3.0, **SMALL)


class TestDeepPotSETwoSided(ModelLaws):
    """Two-sided networks with timesteps, a mean, empty slots, heads."""

    def model(self):
        options = {"two_sided": True, "timestep": True, "embedding_hidden": [3, 3, 6], "environment": SLOTS}
        return DeepPotSE(ELEMENTS, 3.0, **SMALL | options, baseline=Baseline(ELEMENTS, heads=["coarse", "fine"]))


class TestDeepPotSERadial(ModelLaws):
    def model(self):
        return DeepPotSE(ELEMENTS, 3.0, **SMALL | {"descriptor": "se_e2_r", "environment": SLOTS, "inner": 1.5})


class TestDeepPotSEThreeBody(ModelLaws):
    def model(self):
        return DeepPotSE(ELEMENTS, 4.0, **SMALL | {"descriptor": "se_e3", "environment": {"protection": 2.0}})


class TestDeepPotSEWithTypeEmbedding(ModelLaws):
    def model(self):
        readout = {"readout_hidden": [4, 4], "shared": True, "activation": "gelu_tanh"}
        options = {"descriptor": "type_embedding", "type_channels": 3, "two_sided": True, "readout": readout}
        return DeepPotSE(ELEMENTS, 3.0, **SMALL | options)


class TestDeepPotSEHybrid(ModelLaws):
    """Two descriptors, excluded pairs."""

    def model(self):
        environment = {"excluded_pairs": [["H", "O"]], "removed_pairs": [["Si", "O"]], "protection": 2.0}
        readout = {"readout_hidden": [4], "timestep": False, "activation": "silu"}
        options = {"descriptor": ["se_e2_a", "se_e3"], "environment": environment, "readout": readout}
        return DeepPotSE(ELEMENTS, 4.0, **SMALL | options)


EDITED = [
    TestDeepPotSETwoSided,
    TestDeepPotSERadial,
    TestDeepPotSEThreeBody,
    TestDeepPotSEWithTypeEmbedding,
    TestDeepPotSEHybrid,
]


def water():
    atoms = molecule()
    atoms.symbols[:] = ["O", "H"] * (len(atoms) // 2) + ["O"] * (len(atoms) % 2)
    return atoms


def prepared(laws):
    model = randomise(construct(laws().model)).double()
    model.calibrate([make_graph(crystal(), model.cutoff), make_graph(molecule(), model.cutoff)])
    potential = Potential(model).eval()
    potential.head = potential.heads[-1]
    return potential


@pytest.mark.parametrize("laws", EDITED)
def test_removed_elements_change_no_prediction(laws):
    """The slots of removed elements stay empty, and numbers of slots stay equal."""
    potential = prepared(laws)
    smaller = keep_elements(potential, ["O", "H"])
    smaller.head = potential.head
    (before,), (after,) = potential.predict([water()]), smaller.predict([water()])
    assert after["energy"] == pytest.approx(before["energy"], rel=1e-12)
    torch.testing.assert_close(torch.tensor(after["forces"]), torch.tensor(before["forces"]), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("laws", EDITED)
def test_added_elements_change_no_prediction(laws):
    potential = prepared(laws)
    larger = add_elements(potential, {"Mo": "O"})
    larger.head = potential.head
    (before,), (after,) = potential.predict([water()]), larger.predict([water()])
    assert after["energy"] == pytest.approx(before["energy"], rel=1e-12)
    torch.testing.assert_close(torch.tensor(after["forces"]), torch.tensor(before["forces"]), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"descriptor": "se_e2"}, "unknown descriptor 'se_e2'"),
        ({"axis_channels": 9}, "axis_channels should be 1 to 4"),
        ({"inner": 4.0}, "inner is 4.0 Å"),
        ({"environment": {"sel": [3, 4]}}, "one for each of 1 elements"),
        ({"environment": {"sel": 40, "centred": True}}, "centred=True"),
        ({"environment": {"excluded_pairs": [["Si", "Ge"]]}}, "no element of the model"),
        ({"environment": {"excluded_pairs": ["Si"]}}, "lists of two symbols"),
        ({"descriptor": "se_e3", "environment": {"sel": 40}}, "one number per element"),
        ({"activation": "silut:x"}, "threshold of silut"),
        ({"readout": {"excluded_elements": ["H"]}}, "excluded_elements names 'H'"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(WiringError, match=message):
        DeepPotSE(["Si"], 4.0, **SMALL | arguments)


def test_cut_neighbours_are_reported_once():
    potential = Potential(DeepPotSE(ELEMENTS, 3.0, **SMALL | {"environment": {"sel": [1] * len(ELEMENTS)}}).double())
    with pytest.warns(UserWarning, match=r"neighbours of \d+ atoms were cut") as warnings:
        potential.eval().predict([crystal(), crystal()])
    assert len([w for w in warnings if "were cut" in str(w.message)]) == 1


def test_empty_slots_count_as_padding():
    """The sum over padded neighbours of deepmd-kit, written with explicit empty slots, equals the closed form."""
    model = randomise(construct(TestDeepPotSETwoSided().model)).double()
    featurizer, environment = model.branches[0].featurizer, model.branches[0].featurizer.environment
    with torch.no_grad():
        environment.mean += torch.linspace(0.1, 0.4, len(ELEMENTS), dtype=torch.float64)
    graph = make_graph(molecule(), 3.0)
    edges = model.edges(graph)
    h, matrices, n = featurizer(graph, edges), environment(edges), len(ELEMENTS)
    functions = featurizer.embedding.functions()
    for i in range(graph.n_atoms):
        z, total = int(edges.element[i]), torch.zeros(6, 4, dtype=torch.float64)
        empty = torch.zeros(1, 4, dtype=torch.float64)
        empty[0, 0] = -environment.mean[z] / environment.radial_width[z]
        for t in range(n):
            rows = matrices.rows[(matrices.edges.centre == i) & (matrices.edges.element_of_neighbour == t)]
            slots = torch.cat([rows, empty.expand(60 - len(rows), -1)])
            total = total + functions(slots[:, :1], z + n * t).T @ slots
        sums = total / (60 * n)
        torch.testing.assert_close(h[i], (sums @ sums[:2].T).flatten(), rtol=1e-12, atol=1e-14)
