"""NequIP: the laws of models for its options, and its parts."""

import pytest
import torch

from atomgraph.errors import WiringError
from atomgraph.models import Baseline, NequIP
from atomgraph.nn.pair_cutoffs import PairCutoffs
from atomgraph.nn.repulsion.cutoff_zbl import CutoffZBL
from atomgraph.testing import ModelLaws
from atomgraph.testing.graphs import ELEMENTS

SMALL = {"channels": 4, "n_layers": 2, "radial": {"n_radial": 4}, "layer": {"radial_hidden": [6]}}
PAIRS = {"H": 2.4, "O": {"H": 2.6, "Si": 2.9}}


class TestNequIP(ModelLaws):
    def model(self):
        return NequIP(ELEMENTS, 3.0, **SMALL)


class TestNequIPWithBothParities(ModelLaws):
    def model(self):
        baseline = Baseline(ELEMENTS, heads=["coarse", "fine"])
        options = {"channels": [4, 3, 2], "n_layers": 3, "readout": {"readout_hidden": [3]}}
        return NequIP(ELEMENTS, 3.0, **SMALL | options, parity="both", baseline=baseline)


class TestNequIPWithPairCutoffsAndRepulsion(ModelLaws):
    def model(self):
        pairs = PairCutoffs(ELEMENTS, 3.0, PAIRS)
        options = {
            "radial": {"n_radial": 4, "pair_cutoffs": pairs, "trainable": True},
            "element_scale": True,
            "l_max": 1,
        }
        layer = {"radial_hidden": [6], "neighbours_by_element": True, "residual": True}
        baseline = Baseline(ELEMENTS, repulsion=CutoffZBL(ELEMENTS, 3.0, pair_cutoffs=pairs))
        return NequIP(ELEMENTS, 3.0, **SMALL | options | {"layer": layer}, baseline=baseline)


class TestSevenNet(ModelLaws):
    """Parts of SevenNet-0: even parity, XPLOR's envelope, solid harmonics, linear self-connections, one-hot elements."""

    def model(self):
        return NequIP(
            ELEMENTS,
            3.0,
            n_layers=2,
            parity="even",
            hidden_irreps=["4x0e+3x1e+2x2e", "4x0e"],
            one_hot=True,
            self_connection="linear",
            first_self_connection=True,
            radial={"n_radial": 4, "envelope": "xplor", "envelope_inner": 2.5, "trainable": True},
            layer={"radial_hidden": [6], "activation_gain": None, "solid_harmonics": True, "bias": True},
            readout={"readout_hidden": [2], "activation": "identity"},
        )


class TestSevenNetWithOneHotSelfConnections(ModelLaws):
    def model(self):
        options = {"one_hot": True, "first_self_connection": True, "parity": "both", "l_max": 1}
        return NequIP(ELEMENTS, 3.0, **SMALL | options)


def test_layers_share_the_radial_embedding_and_the_embedding_of_elements():
    branch = NequIP(["H", "O"], 4.0, **SMALL | {"n_layers": 3}).branches[0]
    assert len({id(layer.radial) for layer in branch.layers}) == 1
    assert {id(layer.self_connection.embedding) for layer in branch.layers[1:]} == {id(branch.featurizer)}


def test_isolated_atom_has_no_energy_without_a_first_self_connection():
    model = NequIP(ELEMENTS, 3.0, **SMALL).double()
    assert bool((model.isolated.table(model) == 0).all())


def test_unreachable_irreps_are_dropped():
    layers = NequIP(["Si"], 4.0, **SMALL | {"parity": "both", "n_layers": 4, "l_max": 1}).branches[0].layers
    assert [str(layer.irreps_out) for layer in layers] == [
        "4x0e+4x1o",
        "4x0e+4x1e+4x1o",
        "4x0e+4x0o+4x1e+4x1o",
        "4x0e",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_layers": 0}, "at least one layer"),
        ({"parity": "odd"}, "natural, both or even"),
        ({"channels": [4, 4]}, "one number or 3"),
        ({"hidden_irreps": ["4x0e"]}, "one for each of 4 layers"),
        ({"hidden_irreps": "4x1o"}, "needs 0e features"),
        ({"self_connection": "linaer"}, "linear"),
        ({"radial": {"pair_cutoffs": PairCutoffs(["Si"], 4.0, {})}}, "cutoffs of pairs need the cutoff"),
    ],
)
def test_invalid_arguments(arguments, message):
    with pytest.raises(WiringError, match=message):
        NequIP(["Si"], 5.0, **arguments)


def test_removed_elements_change_no_prediction():
    """The pair cutoffs, scales, neighbour numbers and embeddings of the remaining elements are kept."""
    from atomgraph import Potential
    from atomgraph.editing import keep_elements
    from atomgraph.testing.graphs import molecule
    from atomgraph.testing.measures import construct, randomise

    for laws in (TestNequIPWithPairCutoffsAndRepulsion(), TestSevenNetWithOneHotSelfConnections(), TestSevenNet()):
        potential = Potential(randomise(construct(laws.model)).double()).eval()
        atoms = molecule()
        atoms.symbols[:] = ["O", "H"] * (len(atoms) // 2) + ["O"] * (len(atoms) % 2)
        smaller = keep_elements(potential, ["O", "H"])
        (before,), (after,) = potential.predict([atoms]), smaller.predict([atoms])
        torch.testing.assert_close(
            torch.tensor(after["forces"]), torch.tensor(before["forces"]), rtol=1e-11, atol=1e-12
        )
