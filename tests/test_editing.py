"""Editing leaves predictions as they are: fewer elements, fewer heads, one head more."""

import numpy as np
import pytest
import torch
from ase.build import molecule
from helpers import tiny_structures as tiny
from helpers.mace_files import small

import atomgraph
from atomgraph.editing import add_elements, add_head, keep_elements, keep_heads, restart_elements
from atomgraph.errors import WiringError
from atomgraph.featurizers import RadialDensity
from atomgraph.layers import Standardize
from atomgraph.models import ACE, GCN, Baseline, BehlerParrinello, Branch, EnergyModel
from atomgraph.nn import ZBL, Agnesi
from atomgraph.potential import Potential
from atomgraph.readouts import MLP

ELEMENTS = ["H", "C", "O", "Si"]
HEADS = ["coarse", "middle", "fine"]


def models():
    """Every kind of part that knows elements or heads, in three models."""
    baseline = Baseline(ELEMENTS, HEADS, ZBL(ELEMENTS), scales_repulsion=True)
    layer = {"radial_hidden": [4], "by_element": False}
    return {
        "residual": small(ELEMENTS, baseline=baseline, interaction=["agnostic", "residual"]),
        "density": small(
            ELEMENTS,
            baseline=Baseline(ELEMENTS, HEADS),
            interaction=["density", "density_residual"],
            radial={"n_radial": 4, "transform": Agnesi(ELEMENTS, radii=[0.4, 0.7, 0.6, 1.2])},
        ),
        "nonlinear": small(
            ELEMENTS,
            baseline=Baseline(ELEMENTS, HEADS),
            interaction="nonlinear_residual",
            layer=layer,
            readout={"readout_hidden": 3, "bias": True},
            global_state={"total_charge": {"type": "continuous", "emb_dim": 3}},
            state_energy=True,
        ),
    }


@pytest.fixture(params=["residual", "density", "nonlinear"])
def potential(request):
    built = Potential(models()[request.param], {"created": "then"}).eval()
    built.model.baseline.scale[:] = built.model.baseline.scale.new_tensor([0.7, 0.8, 0.9])
    built.model.baseline.shift[:] = built.model.baseline.shift.new_tensor([0.0, 0.1, 0.2])
    built.model.baseline.e0[1] += 5.0
    return built


def prediction(potential, head):
    atoms = molecule("CH3OH")
    atoms.rattle(0.05, seed=0)
    atoms.info["charge"] = 1
    potential.head = head
    return potential.predict([atoms])[0]


def same(first, second):
    for name in ("energy", "node_energy", "forces"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("head", HEADS)
def test_fewer_elements_predict_the_same(potential, head):
    kept = keep_elements(potential, ["O", "H", "C"])
    assert kept.elements == ["O", "H", "C"]
    same(prediction(kept, head), prediction(potential, head))
    assert kept.metadata["created"] == "then" and "kept the elements" in kept.metadata["edits"][0]


def test_a_kept_element_is_all_there_is(potential):
    kept = keep_elements(potential, ["C"])
    assert kept.elements == ["C"]
    atoms = molecule("C2H2")[:2]
    for first in (kept, potential):
        first.head = "fine"
    same(kept.predict([atoms])[0], potential.predict([atoms])[0])


@pytest.mark.parametrize("heads", [["fine"], ["fine", "coarse"]])
def test_fewer_heads_predict_the_same(potential, heads):
    kept = keep_heads(potential, heads)
    assert kept.heads == heads
    for head in heads:
        same(prediction(kept, head), prediction(potential, head))


def test_a_new_head_predicts_what_it_is_like_and_the_others_stay(potential):
    wider = add_head(potential, "target", like="middle")
    assert wider.heads == [*HEADS, "target"]
    same(prediction(wider, "target"), prediction(potential, "middle"))
    for head in HEADS:
        same(prediction(wider, head), prediction(potential, head))


def test_what_was_edited_is_saved_and_opened_again(potential, tmp_path):
    kept = add_head(keep_elements(potential, ["C", "H", "O"]), "target", like="fine")
    kept.save(tmp_path / "kept.safetensors")
    again = atomgraph.load(tmp_path / "kept.safetensors")
    same(prediction(again, "target"), prediction(potential, "fine"))
    assert len(again.metadata["edits"]) == 2


def test_the_potential_that_was_given_stays_as_it_is(potential):
    before = prediction(potential, "fine")
    keep_elements(potential, ["H"])
    add_head(potential, "new", like="fine")
    same(prediction(potential, "fine"), before)
    assert potential.elements == ELEMENTS and potential.heads == HEADS


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda p: keep_elements(p, ["H", "Au"]), "no element 'Au'"),
        (lambda p: keep_elements(p, []), "list of distinct names"),
        (lambda p: keep_heads(p, ["fin"]), "fine"),
        (lambda p: add_head(p, "fine"), "already"),
        (lambda p: add_head(p, "new"), "choose the head that is copied"),
        (lambda p: add_head(p, "new", like="x"), "no head 'x'"),
    ],
)
def test_what_cannot_be_edited_is_refused(potential, edit, message):
    with pytest.raises(WiringError, match=message):
        edit(potential)


class TestOtherFamilies:
    """Elements and heads of GCN, Behler-Parrinello and ACE; features are columns by element there."""

    @pytest.fixture(params=["gcn", "bp", "bp sets", "ace", "ace bonds"])
    def potential(self, request):
        baseline = Baseline(ELEMENTS, HEADS, ZBL(ELEMENTS))
        radial = [{"eta": 1.0}, {"eta": 2.0, "shift": 1.0, "neighbour": "H"}, {"eta": 3.0, "centre": "O"}]
        angular = [
            {"eta": 0.1, "zeta": 2, "lambda": 1, "neighbours": ["C", "H"]},
            {"eta": 0.2, "zeta": 1, "lambda": -1, "form": "narrow"},
        ]
        bonds = [
            {"elements": pair, "cutoff": 3.0 + 0.1 * i} for i, pair in enumerate((["C", "H"], ["H", "H"], ["O", "C"]))
        ]
        built = {
            "gcn": lambda: GCN(ELEMENTS, 4.0, channels=5, n_layers=1, n_radial=4, baseline=baseline),
            "bp": lambda: BehlerParrinello(ELEMENTS, 4.0, readout_hidden=[6, 5], baseline=baseline),
            "bp sets": lambda: BehlerParrinello(ELEMENTS, 4.0, radial=radial, angular=angular, baseline=baseline),
            "ace": lambda: ACE(ELEMENTS, 4.0, n_max=(3, 2, 1), l_max=(0, 1, 1), baseline=baseline),
            "ace bonds": lambda: ACE(ELEMENTS, 4.0, n_max=(3, 2), l_max=(0, 1), bonds=bonds, baseline=baseline),
        }[request.param]()
        potential = Potential(built).to(torch.float64).eval()
        with torch.no_grad():
            for parameter in potential.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        for part in built.modules():
            if isinstance(part, Standardize):
                part.mean.normal_()
                part.width.uniform_(0.5, 2.0)
        potential.model.baseline.e0[1] += torch.arange(4)
        return potential

    @pytest.mark.parametrize("elements", [["O", "H", "C"], ["C", "H", "O", "Si"]])
    def test_fewer_or_reordered_elements_predict_the_same(self, potential, elements):
        kept = keep_elements(potential, elements)
        assert kept.elements == elements
        same(prediction(kept, "middle"), prediction(potential, "middle"))

    def test_heads_are_kept_and_added(self, potential):
        same(prediction(keep_heads(potential, ["fine", "coarse"]), "fine"), prediction(potential, "fine"))
        wider = add_head(potential, "target", like="middle")
        same(prediction(wider, "target"), prediction(potential, "middle"))
        same(prediction(wider, "fine"), prediction(potential, "fine"))

    def test_a_new_element_acts_as_the_one_it_is_like(self, potential):
        assert_new_element_acts_like_carbon(potential)

    def test_what_was_edited_is_saved_and_opened_again(self, potential, tmp_path):
        edited = add_head(add_elements(keep_elements(potential, ["C", "H", "O"]), {"N": "C"}), "target", like="fine")
        edited.save(tmp_path / "edited.safetensors")
        same(prediction(atomgraph.load(tmp_path / "edited.safetensors"), "target"), prediction(potential, "fine"))


def drop_repulsion(potential):
    """It knows elements by their nature, not by weights."""
    potential.model.baseline.repulsion = None
    potential.model.baseline._arguments["repulsion"] = None


def assert_new_element_acts_like_carbon(potential):
    """Two carbons of ethanol called nitrogen."""
    drop_repulsion(potential)
    wider = add_elements(potential, {"N": "C"})
    assert wider.elements == [*ELEMENTS, "N"]
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    renamed = atoms.copy()
    renamed.numbers[0] = 7
    for first in (potential, wider):
        first.head = "fine"
    same(wider.predict([renamed])[0], potential.predict([atoms])[0])
    same(wider.predict([atoms])[0], potential.predict([atoms])[0])


def test_a_new_element_of_mace_acts_as_the_one_it_is_like(potential):
    if potential.model.branches[0].layers[0].radial.transform is not None:
        pytest.skip("a transform of distances knows the new element's own radius")
    assert_new_element_acts_like_carbon(potential)


def test_a_restarted_element_acts_as_its_relative_with_its_own_e0(potential):
    if potential.model.branches[0].layers[0].radial.transform is not None:
        pytest.skip("a transform of distances knows each element's own radius")
    drop_repulsion(potential)
    potential.model.baseline.set_e0({"H": -1.0, "C": -2.0, "O": -30.0, "Si": -4.0}, "fine")
    restarted = restart_elements(potential, {"O": "C"})
    assert restarted.elements == ELEMENTS and "O like C" in restarted.metadata["edits"][-1]
    methanol = molecule("CH3OH")
    methanol.rattle(0.05, seed=1)
    ethane_like = methanol.copy()
    ethane_like.symbols[ethane_like.symbols == "O"] = "C"
    for first in (potential, restarted):
        first.head = "fine"
    result, expected = restarted.predict([methanol])[0], potential.predict([ethane_like])[0]
    np.testing.assert_allclose(result["forces"], expected["forces"], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(result["energy"], expected["energy"] - 28.0, rtol=1e-12)


def test_heads_of_a_composition_are_edited(tmp_path):
    potential = tiny.potential(["H", "C", "O"])
    branch = Branch(3.0, RadialDensity(["H", "C", "O"], 3.0), [], [MLP(27)])
    composed = Potential(EnergyModel(["H", "C", "O"], branch)).to(torch.float64).eval()
    wider = add_head(composed, "fine")
    same(prediction(wider, "fine"), prediction(composed, "default"))
    with pytest.raises(WiringError, match="heads of a Bent cannot be edited"):
        add_head(potential, "fine")


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda p: keep_elements(p, ["H"]), "this is a EnergyModel"),
        (lambda p: add_elements(p, {"N": "C"}), "this is a EnergyModel"),
    ],
)
def test_elements_of_a_composition_are_refused(edit, message):
    with pytest.raises(WiringError, match=message):
        edit(tiny.potential(["H", "C", "O"]))


@pytest.mark.parametrize(
    "like, message",
    [
        ({"H": "C"}, "already has the element H"),
        ({"N": "Au"}, "has no element 'Au' whose weights N could copy"),
        ({"Xx": "C"}, "unknown chemical symbol"),
    ],
)
def test_a_new_element_that_makes_no_sense_is_refused(like, message):
    with pytest.raises(WiringError, match=message):
        add_elements(Potential(GCN(["H", "C"], 3.0)), like)


@pytest.mark.parametrize(
    "like, message",
    [
        ({"N": "C"}, "no element 'N'"),
        ({"H": "H"}, "distinct"),
        ({"H": "C", "C": "O"}, "H cannot copy the weights of C"),
    ],
)
def test_a_restart_that_makes_no_sense_is_refused(like, message):
    with pytest.raises(WiringError, match=message):
        restart_elements(Potential(GCN(["H", "C", "O"], 3.0)), like)
