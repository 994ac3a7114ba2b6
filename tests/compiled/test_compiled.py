"""Compiled potentials give the model's numbers, of every kind of layer; and the model itself where they cannot or do not."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from ase import Atoms
from helpers.compilers import needs_compiler
from helpers.unoptimised import compiled, same
from torch.utils.data import DataLoader

import atomgraph
from atomgraph import Potential
from atomgraph.analysis.laws.structures import molecule, sample_structures
from atomgraph.errors import ConfigError, GraphError
from atomgraph.kernels import KernelWarning
from atomgraph.models import GCN, MACE, Baseline
from atomgraph.nn import ZBL
from atomgraph.nn.equivariant.distance_transform import Agnesi, Soft
from atomgraph.testing.graphs import make_batch, make_graph
from atomgraph.testing.measures import construct, randomise

pytestmark = needs_compiler
ELEMENTS = ["C", "O"]
CUTOFF = 3.5
SMALL = {
    "radial": {"n_radial": 4, "transform": None},
    "layer": {"radial_hidden": [6]},
    "readout": {"readout_hidden": 3},
}


def grad_density():
    """Two heads, repulsion that is scaled, distances by pairs of elements, l up to 3."""
    baseline = Baseline(ELEMENTS, ["coarse", "fine"], ZBL(ELEMENTS), scales_repulsion=True)
    baseline.set_scale(0.7, 0.2)
    radial = {"n_radial": 4, "transform": Agnesi(ELEMENTS)}
    kinds = ["density", "density_residual"]
    arguments = SMALL | {"radial": radial, "interaction": kinds, "baseline": baseline}
    return MACE(ELEMENTS, CUTOFF, hidden_irreps="3x0e+3x1o", l_max=3, order=2, **arguments)


def of_second_rank():
    """Features up to l = 2, products of three, in a channel number that fills no vector."""
    return MACE(ELEMENTS, CUTOFF, hidden_irreps="5x0e+5x1o+5x2e", l_max=2, order=3, interaction="residual", **SMALL)


def gated():
    """Weights that know both elements, gates, a first layer without residual, and a repulsion that is not scaled."""
    radial = {"n_radial": 4, "transform": Soft(ELEMENTS)}
    kinds = {"interaction": ["agnostic", "nonlinear_residual"], "baseline": Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))}
    return MACE(ELEMENTS, CUTOFF, hidden_irreps="9x0e+9x1o", l_max=1, order=4, **SMALL | kinds | {"radial": radial})


def potential(make, dtype=torch.float64):
    result = Potential(randomise(construct(make).double())).eval().to(dtype)
    result.head = result.heads[-1]
    return result


def graphs():
    return [make_graph(atoms, CUTOFF + 0.3) for atoms in sample_structures(ELEMENTS).values()]  # a skin, as in dynamics


@pytest.mark.parametrize("make", [grad_density, of_second_rank, gated])
def test_numbers_are_the_models_own(make):
    of = potential(make)
    fused = compiled(of)
    for graph in (*graphs(), make_batch(graphs())):
        with warnings.catch_warnings():
            warnings.simplefilter("error", KernelWarning)
            same(fused(graph), of(graph), 1e-8)
    assert 0 < fused.radial_error <= 1e-9


def test_float32_kernels_are_as_exact_as_the_float32_model():
    of = potential(of_second_rank)
    single, graph = compiled(of, dtype="float32"), make_batch(graphs())
    expected, result = of(graph), single(graph)
    eager = potential(of_second_rank, torch.float32)(graph)
    rms = expected["forces"].square().mean().sqrt()
    ours, theirs = ((each["forces"] - expected["forces"]).abs().max() / rms for each in (result, eager))
    assert ours < 2 * theirs


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_of_the_potential_is_not_changed(training):
    of = potential(of_second_rank).train(training)
    fused = compiled(of)
    fused(graphs()[0])
    assert of.training == of.model.training == training
    assert not fused.training
    assert not fused(graphs()[0])["energy"].requires_grad


def test_compiled_potentials_have_the_interface_of_potentials(tmp_path):
    of = potential(of_second_rank)
    fused = compiled(of)
    structures = list(sample_structures(ELEMENTS).values())
    for first, second in zip(fused.predict(structures), of.predict(structures), strict=True):
        assert first["energy"] == pytest.approx(second["energy"], rel=1e-12)
        np.testing.assert_allclose(first["forces"], second["forces"], atol=1e-9 * np.abs(second["forces"]).max())
    assert (fused.cutoff, fused.elements, fused.heads, fused.head) == (of.cutoff, of.elements, of.heads, of.head)
    fused.save(tmp_path / "same.safetensors")
    assert atomgraph.load(tmp_path / "same.safetensors").elements == of.elements
    graph = graphs()[0]
    assert torch.equal(fused.descriptors(graph), of.descriptors(graph))
    assert set(fused(graph, stress=False)) == {"energy", "node_energy", "forces"}
    assert set(fused(graph, forces=False, stress=False)) == {"energy", "node_energy"}


def test_isolated_atoms_and_invalid_graphs_are_treated_as_by_the_model():
    of = potential(of_second_rank)
    fused = compiled(of)
    lone = make_graph(Atoms(ELEMENTS[:1] * 2, positions=[[0, 0, 0], [0, 0, 9.0]]), CUTOFF)
    same(fused(lone), of(lone), 1e-12)
    assert not fused(lone)["forces"].any()
    with pytest.raises(GraphError, match="unknown elements"):
        fused(make_graph(Atoms("Au2", positions=[[0, 0, 0], [0, 0, 2.0]]), CUTOFF))
    with pytest.raises(GraphError, match="the model needs"):
        fused(make_graph(Atoms(ELEMENTS[:1], positions=[[0, 0, 0]]), CUTOFF / 2))


def test_threads_do_not_change_numbers():
    of, before = compiled(potential(of_second_rank)), torch.get_num_threads()
    graph = make_batch(graphs())
    try:
        torch.set_num_threads(1)
        first = of(graph)
        torch.set_num_threads(2)
        two = of(graph)
    finally:
        torch.set_num_threads(before)
    same(two, first, 1e-13)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_workers_of_a_data_loader_have_the_same_numbers():
    of, before = compiled(potential(of_second_rank)), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = [
            of(graph)["forces"] for graph in graphs()
        ]  # kernels and threads are there when the workers are born
        loader = DataLoader(
            graphs(),
            collate_fn=lambda first: of(first[0])["forces"],
            num_workers=2,
            multiprocessing_context="fork",
            timeout=1800,
        )
        for result, forces in zip(loader, expected, strict=True):
            torch.testing.assert_close(result, forces, rtol=1e-12, atol=1e-13)
    finally:
        torch.set_num_threads(before)


def test_several_python_threads_can_use_one_potential():
    of = compiled(potential(of_second_rank))
    many = [make_graph(molecule(ELEMENTS, 3 + k % 7, seed=k), CUTOFF) for k in range(60)]
    expected = [of(graph)["forces"] for graph in many]
    with ThreadPoolExecutor(4) as pool:
        for result, forces in zip(pool.map(lambda graph: of(graph)["forces"], many), expected, strict=True):
            assert torch.equal(result, forces)


def test_wrong_kernels_are_found_and_not_used(monkeypatch):
    of = potential(of_second_rank)
    fused, graph = compiled(of), graphs()[0]
    right = fused._fused.energies

    def wrong(*given):
        energy, grad = right(*given)
        return energy, lambda: 1.001 * grad()

    monkeypatch.setattr(fused._fused, "energies", wrong)
    with pytest.warns(KernelWarning, match="differ from the model's"):
        result = fused(graph)
    same(result, of(graph), 1e-13)


def test_unsupported_models_are_named_and_returned_unchanged():
    of = Potential(GCN(ELEMENTS, CUTOFF)).eval()
    with pytest.warns(KernelWarning, match="kernels do not support .*RadialDensity"):
        assert atomgraph.compile(of) is of


def test_potentials_on_another_device_are_returned_unchanged():
    of = potential(of_second_rank).to("meta")
    with pytest.warns(KernelWarning, match="kernels are for CPUs, but the potential is on meta"):
        assert atomgraph.compile(of) is of


def test_without_kernels_the_potential_is_returned_unchanged(monkeypatch):
    monkeypatch.setenv("ATOMGRAPH_KERNELS", "off")
    of = potential(of_second_rank)
    assert atomgraph.compile(of) is of


def test_an_unknown_dtype_is_refused():
    with pytest.raises(ConfigError, match="float32"):
        atomgraph.compile(potential(of_second_rank), dtype="float23")
