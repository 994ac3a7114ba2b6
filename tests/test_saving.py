"""load and predict: heads that are chosen, structures in order, memory that is bounded."""

import ase
import numpy as np
import pytest
import torch
from helpers import tiny_structures as tiny

import atomgraph
from atomgraph.errors import ConfigError, FormatError, GraphError
from atomgraph.graph import AtomicGraph


@pytest.fixture
def two_heads(tmp_path):
    potential = tiny.potential(heads=["dft", "cc"])
    potential.model.baseline.set_e0({"H": -1.0, "O": -2.0, "Si": -3.0}, head="cc")
    potential.save(tmp_path / "two.safetensors")
    return tmp_path / "two.safetensors"


def test_two_heads_and_none_chosen_is_an_error_that_lists_them(two_heads):
    potential = atomgraph.load(two_heads)
    assert potential.heads == ["dft", "cc"] and potential.head is None
    with pytest.raises(GraphError, match=r"heads dft, cc and none is chosen"):
        potential.predict(tiny.structures())
    with pytest.raises(GraphError, match=r"load the potential with a head, for example head='cc'"):
        potential(AtomicGraph.from_ase(tiny.structures()[0], potential.cutoff))


def test_the_head_that_is_chosen_gives_its_own_energies(two_heads):
    atoms = ase.Atoms("H")
    assert [atomgraph.load(two_heads, head=h).predict([atoms])[0]["energy"] for h in ("dft", "cc")] == [-3.0, -1.0]


def test_a_graph_that_chooses_its_head_keeps_it_and_is_not_changed(two_heads):
    potential = atomgraph.load(two_heads, head="dft")
    graph = AtomicGraph.from_ase(ase.Atoms("H"), potential.cutoff)
    assert potential(graph)["energy"].item() == -3.0 and graph.head.item() == -1
    graph.head = torch.tensor([1])
    assert potential(graph)["energy"].item() == -1.0


def test_an_unknown_head_lists_the_known_ones(two_heads):
    with pytest.raises(FormatError, match="no head 'mp2'; it has dft, cc"):
        atomgraph.load(two_heads, head="mp2")
    with pytest.raises(GraphError, match="unknown head 'mp2'; this potential has dft, cc"):
        atomgraph.load(two_heads).head = "mp2"


def test_elements_and_units_that_contradict_the_file_are_refused(two_heads):
    atomgraph.load(two_heads, elements=["Si", "O", "H"], units="eV/Angstrom", head="cc")
    with pytest.raises(FormatError, match="is for H, O, Si, but the user states Cu"):
        atomgraph.load(two_heads, elements=["Cu"])
    with pytest.raises(FormatError, match="but the user states kcal/mol and Å"):
        atomgraph.load(two_heads, units="real")


def test_dtype_and_device_that_do_not_exist_are_refused(two_heads):
    assert atomgraph.load(two_heads, dtype="float32").model.dtype == torch.float32
    with pytest.raises(ConfigError, match="unknown dtype 'float46'; did you mean float64"):
        atomgraph.load(two_heads, dtype="float46")
    with pytest.raises(ConfigError, match="device 'gpu' cannot be used"):
        atomgraph.load(two_heads, device="gpu")


@pytest.mark.parametrize("edge_budget", [1, 150, 100_000])
def test_predictions_do_not_depend_on_how_structures_are_batched(edge_budget):
    potential, frames = tiny.potential(), tiny.structures()
    for atoms, got in zip(frames, potential.iter_predict(frames, edge_budget=edge_budget), strict=True):
        alone = potential(AtomicGraph.from_ase(atoms, potential.cutoff))
        assert isinstance(got["energy"], float) and got["forces"].dtype == np.float64
        assert got["energy"] == pytest.approx(alone["energy"].item(), abs=1e-12)
        np.testing.assert_allclose(got["node_energy"], alone["node_energy"], atol=1e-12)
        np.testing.assert_allclose(got["forces"], alone["forces"], atol=1e-12)
        np.testing.assert_allclose(got["stress"], alone["stress"][0], atol=1e-13)


def test_molecules_have_no_stress_and_crystals_do():
    stresses = [result["stress"] for result in tiny.potential().predict(tiny.structures())]
    assert [bool(np.isfinite(s).all()) for s in stresses] == [True, False, True, False, False]
    assert "stress" not in tiny.potential().predict(tiny.structures(), stress=False)[0]


def test_one_structure_is_not_taken_for_a_list_of_atoms():
    with pytest.raises(GraphError, match=r"give it as \[atoms\]"):
        tiny.potential().predict(tiny.structures()[0])


def test_no_structures_give_no_predictions():
    assert tiny.potential().predict([]) == []


def test_an_unknown_element_is_refused_before_anything_is_computed_and_says_where():
    frames = [*tiny.structures(), ase.Atoms("AuCl", [[0, 0, 0], [0, 0, 2]])]
    with pytest.raises(
        GraphError, match=r"structure 5 \(AuCl\): unknown elements Cl, Au; the elements of this model are H, O, Si"
    ):
        next(tiny.potential().iter_predict(frames))


def test_labels_of_the_structures_are_not_looked_at():
    atoms = tiny.structures()[0]
    plain = tiny.potential().predict([atoms])[0]["energy"]
    atoms.info["energy"] = np.nan
    assert tiny.potential().predict([atoms])[0]["energy"] == plain


def test_predicting_leaves_a_potential_in_training_mode_as_it_was():
    potential = tiny.potential().train()
    potential.predict(tiny.structures())
    assert potential.training and all(p.grad is None for p in potential.parameters())


def test_energies_alone_are_the_same_and_batches_are_bounded_in_atoms_too(monkeypatch):
    potential, sizes = tiny.potential(), []
    frames = [ase.Atoms("O", [[0, 0, 0]])] * 40 + tiny.structures()
    original = potential.evaluate
    monkeypatch.setattr(potential, "evaluate", lambda batch, **o: sizes.append(batch.n_atoms) or original(batch, **o))
    alone = list(potential.iter_predict(frames, forces=False, stress=False, edge_budget=80))
    assert sizes[:4] == [10] * 4  # atoms without an edge cost memory, too
    assert "forces" not in alone[0] and "stress" not in alone[0]
    with_gradients = potential.predict(frames)
    assert [first["energy"] for first in alone] == pytest.approx(
        [first["energy"] for first in with_gradients], abs=1e-12
    )


def test_results_come_as_their_batches_are_done(monkeypatch):
    built = []
    potential, frames = tiny.potential(), tiny.structures() * 20
    original = potential._graph
    monkeypatch.setattr(potential, "_graph", lambda *a: built.append(a) or original(*a))
    next(potential.iter_predict(frames, edge_budget=300))
    assert len(built) < 20  # of a hundred: the rest is not in memory yet
