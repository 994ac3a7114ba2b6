"""Potential keeps its contract: gradients of the sum, in evaluation and training, without touching what is the caller's."""

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from atomgraph.errors import GraphError, WiringError
from atomgraph.models import GCN, Baseline, EnergyModel
from atomgraph.potential import Potential
from atomgraph.testing.graphs import (
    ELEMENTS,
    crystal,
    generator,
    make_batch,
    make_graph,
    molecule,
    sample_structures,
    slab,
    wire,
)
from atomgraph.testing.measures import construct, randomise

CUTOFF = 3.5


def model(**options) -> EnergyModel:
    return GCN(ELEMENTS, cutoff=CUTOFF, channels=4, n_layers=1, n_radial=4, readout_hidden=(4,), **options)


@pytest.fixture
def potential():
    potential = Potential(randomise(construct(model)).double()).eval()
    potential.model.baseline.set_e0({"H": -13.6, "C": -1030.0, "O": -2040.0, "Si": -7870.0})
    return potential


def test_shapes_units_and_dtypes_of_a_batch(potential):
    graphs = [make_graph(atoms, CUTOFF) for atoms in sample_structures().values()]
    result = potential(make_batch(graphs))
    n_atoms = sum(graph.n_atoms for graph in graphs)
    assert {name: tuple(value.shape) for name, value in result.items()} == {
        "energy": (4,),
        "node_energy": (n_atoms,),
        "forces": (n_atoms, 3),
        "stress": (4, 3, 3),
    }
    assert {value.dtype for value in result.values()} == {torch.float64}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_results_have_the_dtype_of_the_positions_whatever_the_model_computes_in(potential, dtype):
    result = potential.to(dtype)(make_graph(crystal(), CUTOFF))
    assert {value.dtype for value in result.values()} == {torch.float64}


def test_large_e0_do_not_drown_the_rest_in_float32(potential):
    graph = make_graph(crystal(), CUTOFF)
    exact = potential(graph)["energy"]
    assert exact.abs() > 10_000
    assert (potential.float()(graph)["energy"] - exact).abs() < 1e-4


def test_stress_is_nan_without_volume_and_a_number_with_one(potential):
    graphs = [make_graph(atoms, CUTOFF) for atoms in (molecule(), wire(), slab(), crystal())]
    stress = potential(make_batch(graphs))["stress"]
    assert torch.isnan(stress[:2]).all()
    assert torch.isfinite(stress[2:]).all()


def test_stress_of_a_structure_without_volume_leaves_no_nan_in_a_loss_on_the_others(potential):
    graph = make_batch([make_graph(crystal(), CUTOFF), make_graph(molecule(), CUTOFF)])
    result = potential.train()(graph)
    (result["stress"][:1].square().sum() + result["forces"].square().sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in potential.parameters() if p.grad is not None)


def test_structures_without_edges_have_their_atoms_energies_and_no_forces(potential):
    graph = make_graph(Atoms("HO", positions=[[0, 0, 0], [0, 0, 2 * CUTOFF]]), CUTOFF)
    assert graph.n_edges == 0
    result = potential(graph)
    assert torch.isfinite(result["energy"]).all()
    assert (result["forces"] == 0).all()
    trained = potential.train()(graph)
    trained["energy"].sum().backward()


def test_a_batch_without_any_edge_can_be_trained_on(potential):
    graphs = [make_graph(Atoms(symbol, positions=[[0, 0, 0]]), CUTOFF) for symbol in ELEMENTS]
    result = potential.train()(make_batch(graphs))
    (result["energy"].sum() + result["forces"].square().sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in potential.parameters() if p.grad is not None)


def test_results_are_detached_in_evaluation_and_keep_their_graph_in_training(potential):
    graph = make_graph(crystal(), CUTOFF)
    assert not any(value.requires_grad for value in potential(graph).values())
    assert all(value.requires_grad for value in potential.train()(graph).values())


def test_no_gradient_is_computed_unless_requested(potential):
    with torch.no_grad():
        assert not any(value.requires_grad for value in potential.train()(make_graph(crystal(), CUTOFF)).values())


@pytest.mark.parametrize("training", [False, True])
def test_inference_mode_does_not_silently_lose_the_forces(potential, training):
    expected = potential(make_graph(crystal(), CUTOFF))
    outside = make_graph(crystal(), CUTOFF)
    with torch.inference_mode():
        for graph in (outside, make_graph(crystal(), CUTOFF), make_batch([outside])):
            result = potential.train(training)(graph)
            for name, value in expected.items():
                torch.testing.assert_close(result[name].detach(), value, rtol=0, atol=1e-12)
                assert not result[name].requires_grad
    assert expected["forces"].abs().max() > 1e-3


def test_only_what_is_wanted_is_computed(potential):
    graph = make_graph(crystal(), CUTOFF)
    whole = potential(graph)
    assert set(potential(graph, forces=False, stress=False)) == {"energy", "node_energy"}
    for name, options in (("forces", {"stress": False}), ("stress", {"forces": False})):
        part = potential(graph, **options)
        assert set(part) == {"energy", "node_energy", name}
        torch.testing.assert_close(part[name], whole[name], rtol=0, atol=1e-13)
    assert not potential(graph, forces=False, stress=False)["energy"].requires_grad
    assert potential.train()(graph, forces=False, stress=False)["energy"].requires_grad


def test_gradients_of_forces_with_respect_to_parameters_match_differences(potential):
    """What training on forces and stress lives on, against central differences along one direction of parameters."""
    graph = make_graph(crystal(), CUTOFF)
    parameters = [p for p in potential.parameters() if p.requires_grad]
    direction = [torch.randn(p.shape, generator=generator(3), dtype=p.dtype) for p in parameters]
    mix = {
        name: torch.randn(shape, generator=generator(4), dtype=torch.float64)
        for name, shape in (("forces", (4, 3)), ("stress", (1, 3, 3)))
    }

    def loss():
        result = potential(graph)
        return sum((mix[name] * result[name]).sum() for name in mix)

    potential.train()
    gradients = torch.autograd.grad(loss(), parameters, materialize_grads=True)
    gradient = sum((s * d).sum() for s, d in zip(gradients, direction, strict=True))
    potential.eval()
    values = []
    for step in (1e-5, -2e-5):
        with torch.no_grad():
            for p, d in zip(parameters, direction, strict=True):
                p += step * d
        values.append(loss())
    numerical = (values[0] - values[1]) / 2e-5
    assert abs(numerical - gradient) < 1e-7 * max(1.0, abs(gradient))


def test_the_callers_graph_keeps_its_tensors(potential):
    graph = make_graph(crystal(), CUTOFF)
    kept = {key: value.clone() for key, value in graph.to_dict().items()}
    for training in (False, True):
        potential.train(training)(graph)["energy"].sum()
    assert set(graph.keys()) == set(kept)
    assert all(torch.equal(graph[key], value) and not graph[key].requires_grad for key, value in kept.items())


def test_gradients_that_the_caller_wants_of_positions_are_the_callers_business(potential):
    graph = make_graph(crystal(), CUTOFF)
    graph.pos.requires_grad_(True)
    result = potential(graph)
    assert graph.pos.requires_grad and graph.pos.grad is None and not result["energy"].requires_grad


def test_unknown_elements_are_named(potential):
    with pytest.raises(GraphError, match=r"unknown elements Au; the elements of this model are H, C, O, Si"):
        potential(make_graph(Atoms("AuH", positions=[[0, 0, 0], [0, 0, 1.5]]), CUTOFF))


def test_a_graph_that_reaches_less_far_than_the_model_is_refused(potential):
    with pytest.raises(GraphError, match=r"edges up to 3\.0 Å, but the model needs 3\.5 Å"):
        potential(make_graph(crystal(), 3.0))
    with pytest.raises(GraphError, match=r"3\.0 Å"):
        potential(make_batch([make_graph(crystal(), 3.5), make_graph(crystal(), 3.0)]))


def test_a_graph_that_reaches_farther_gives_the_same_numbers(potential):
    near, far = (potential(make_graph(crystal(), cutoff)) for cutoff in (CUTOFF, CUTOFF + 1.0))
    for name in near:
        torch.testing.assert_close(far[name], near[name], rtol=1e-12, atol=1e-12)


class TestHeads:
    @pytest.fixture
    def potential(self):
        baseline = Baseline(ELEMENTS, heads=["PBE", "r2SCAN"])
        potential = Potential(randomise(construct(lambda: model(baseline=baseline))).double()).eval()
        for shift, head in enumerate(potential.heads):
            potential.model.baseline.set_e0(dict.fromkeys(ELEMENTS, 10.0 * shift), head)
        return potential

    def energy(self, potential, head):
        graph = make_graph(crystal(), CUTOFF)
        graph.head = torch.tensor([head])
        return potential(graph)["energy"]

    def test_no_head_chosen_is_an_error_that_lists_them(self, potential):
        with pytest.raises(GraphError, match=r"PBE, r2SCAN"):
            potential(make_graph(crystal(), CUTOFF))

    def test_a_batch_may_mix_heads(self, potential):
        graphs = [make_graph(crystal(), CUTOFF) for _ in range(2)]
        for head, graph in enumerate(graphs):
            graph.head = torch.tensor([head])
        together = potential(make_batch(graphs))["energy"]
        alone = torch.cat([self.energy(potential, head) for head in (0, 1)])
        torch.testing.assert_close(together, alone, rtol=1e-12, atol=0)
        assert (alone[0] - alone[1]).abs() > 1.0

    def test_the_potentials_head_is_for_graphs_that_choose_none(self, potential):
        potential.head = "r2SCAN"
        assert torch.equal(potential(make_graph(crystal(), CUTOFF))["energy"], self.energy(potential, 1))
        assert not torch.equal(self.energy(potential, 0), self.energy(potential, 1))

    @pytest.mark.parametrize("head", [2, 7])
    def test_heads_that_do_not_exist_are_refused(self, potential, head):
        with pytest.raises(GraphError, match=f"head index {head}"):
            self.energy(potential, head)

    def test_unknown_names_are_refused(self, potential):
        with pytest.raises(GraphError, match=r"unknown head 'B3LYP'; this potential has PBE, r2SCAN"):
            potential.head = "B3LYP"


def test_descriptors_are_what_the_readouts_read(potential):
    graph = make_graph(crystal(), CUTOFF)
    h = potential.descriptors(graph)
    assert h.shape == (4, sum(irreps.dim for irreps in potential.model.irreps_read))
    assert not h.requires_grad
    order = np.array([2, 0, 3, 1])
    second = potential.descriptors(make_graph(crystal()[order], CUTOFF))
    torch.testing.assert_close(second, h[order], rtol=1e-11, atol=1e-12)
    assert torch.equal(potential.descriptors(graph, invariants_only=True), h)


def test_a_module_that_is_no_energy_model_is_refused():
    with pytest.raises(WiringError, match="wraps an EnergyModel, but was given a Linear"):
        Potential(torch.nn.Linear(1, 1))


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "iread"])
def test_predict_on_any_iterable_gives_one_result_for_each_structure_in_order(potential, kind, tmp_path):
    """A generator was used up by the check of the elements, and the result was an empty list."""
    structures = [crystal(), molecule(), crystal()]
    ase.io.write(tmp_path / "frames.traj", structures)
    given = {
        "list": lambda: structures,
        "tuple": lambda: tuple(structures),
        "generator": lambda: (atoms for atoms in structures),
        "iread": lambda: ase.io.iread(tmp_path / "frames.traj"),
    }[kind]()
    results = potential.predict(given)
    expected = potential.predict(structures)
    assert [len(result["forces"]) for result in results] == [len(atoms) for atoms in structures]
    assert [result["energy"] for result in results] == [result["energy"] for result in expected]


@pytest.mark.parametrize("wrong", [["H2O"], [None], "frames.xyz"])
def test_what_is_no_structure_is_named(potential, wrong):
    with pytest.raises(GraphError, match=r"ase\.Atoms|ase\.io\.iread"):
        potential.predict(wrong)


def test_unknown_elements_in_a_generator_are_named_with_their_place(potential):
    with pytest.raises(GraphError, match="structure 1"):
        potential.predict(atoms for atoms in [crystal(), ase.Atoms("Au")])


def test_predicting_nothing_and_a_graph_say_what_came():
    potential = Potential(GCN(["H", "O"], 3.0))
    with pytest.raises(GraphError, match=r"predict takes structures .* but was given a NoneType"):
        potential.predict(None)
    with pytest.raises(GraphError, match=r"structure 0 should be ase.Atoms, but is an int"):
        potential.predict([1])


def test_a_structure_of_a_file_was_once_named_by_its_number_only():
    atoms = Atoms("GeH", positions=[[0, 0, 0], [1.5, 0, 0]])
    atoms.info["source"] = "data/in.xyz#3"
    with pytest.raises(GraphError, match=r"data/in\.xyz#3 \(.*\): unknown elements Ge"):
        Potential(GCN(["H", "O"], 3.0)).predict([atoms])
