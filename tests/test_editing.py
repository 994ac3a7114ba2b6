"""Editing leaves predictions as they are: fewer elements, fewer heads, one head more."""

import numpy as np
import pytest
from ase.build import molecule
from formats.mace.specimen import small

from atomgraph.editing import add_head, keep_elements, keep_heads
from atomgraph.errors import WiringError
from atomgraph.models import GCN, Baseline
from atomgraph.nn import ZBL, Agnesi
from atomgraph.potential import Potential

ELEMENTS = ["H", "C", "O", "Si"]
HEADS = ["coarse", "middle", "fine"]


def models():
    """Every kind of part that knows elements or heads, in three models."""
    baseline = Baseline(ELEMENTS, HEADS, ZBL(ELEMENTS), scales_repulsion=True)
    layer = {"hidden": [4], "by_element": False}
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
            readout={"hidden": 3, "bias": True},
            states={"total_charge": {"type": "continuous", "emb_dim": 3}},
            state_energy=True,
        ),
    }


@pytest.fixture(params=["residual", "density", "nonlinear"])
def potential(request):
    made = Potential(models()[request.param], {"created": "then"}).eval()
    made.model.baseline.scale[:] = made.model.baseline.scale.new_tensor([0.7, 0.8, 0.9])
    made.model.baseline.shift[:] = made.model.baseline.shift.new_tensor([0.0, 0.1, 0.2])
    made.model.baseline.e0[1] += 5.0
    return made


def prediction(potential, head):
    atoms = molecule("CH3OH")
    atoms.rattle(0.05, seed=0)
    atoms.info["charge"] = 1
    potential.head = head
    return potential.predict([atoms])[0]


def same(one, other):
    for name in ("energy", "node_energy", "forces"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, atol=1e-12)


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
    for one in (kept, potential):
        one.head = "fine"
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
    import atomgraph

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
        (lambda p: add_head(p, "new"), "say which head"),
        (lambda p: add_head(p, "new", like="x"), "no head 'x'"),
    ],
)
def test_what_cannot_be_edited_is_refused(potential, edit, message):
    with pytest.raises(WiringError, match=message):
        edit(potential)


def test_other_models_are_refused():
    with pytest.raises(WiringError, match="this is a GCN"):
        keep_elements(Potential(GCN(["H", "O"], 3.0)), ["H"])
