"""Low-rank adapters: nothing at first, the same merged as unmerged, and as many numbers as their rank says."""

import pytest
import torch
from ase.build import molecule
from helpers.mace_files import small

from atomgraph import AtomicGraph, Potential
from atomgraph.models import GCN
from atomgraph.training.adapters import LoRAPotential, lora_shapes

MODELS = {
    "mace": lambda: small(
        ["H", "C", "O"], interaction=["residual", "nonlinear_residual"], readout={"readout_hidden": 3, "bias": True}
    ),
    "gcn": lambda: GCN(["H", "C", "O"], 4.0, channels=4),
    "laplacian": lambda: GCN(["H", "C", "O"], 4.0, channels=4, convolution="laplacian"),
    "graph": lambda: GCN(["H", "C", "O"], 4.0, channels=4, convolution="graph"),
}


def graph(cutoff):
    atoms = molecule("CH3OH")
    atoms.rattle(0.1, seed=0)
    return AtomicGraph.from_ase(atoms, cutoff)


@pytest.fixture(params=MODELS)
def potential(request):
    torch.manual_seed(0)
    return Potential(MODELS[request.param]()).to(torch.float64).eval()


def test_predictions_are_unchanged_initially(potential):
    before = potential(graph(potential.cutoff), stress=False)
    adapted = LoRAPotential(potential, 2)
    torch.testing.assert_close(adapted.eval()(graph(potential.cutoff), stress=False), before, rtol=0, atol=0)


@pytest.mark.parametrize("words", [{}, {"skip_connections": True, "products": True}])
def test_merged_and_unmerged_predictions_are_equal(potential, words):
    adapted = LoRAPotential(potential, 2, alpha=3.0, **words).eval()
    with torch.no_grad():
        for parameter in adapted.second.values():
            parameter.normal_(std=0.1)
    unmerged, merged = adapted(graph(potential.cutoff)), adapted.merge()
    result, before = merged(graph(potential.cutoff)), potential(graph(potential.cutoff))
    for name in ("energy", "forces"):
        torch.testing.assert_close(result[name], unmerged[name], rtol=1e-12, atol=1e-12)
        assert not torch.allclose(result[name], before[name], rtol=1e-3)


def test_only_adapters_have_gradients_and_all_of_them_do(potential):
    adapted = LoRAPotential(potential, 2, skip_connections=True, products=True).train()
    with torch.no_grad():
        for parameter in adapted.second.values():
            parameter.normal_(std=0.1)
    result = adapted(graph(potential.cutoff), stress=False)
    (result["energy"].sum() + result["forces"].square().sum()).backward()
    trained = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert all(name.startswith(("first.", "second.")) for name in trained)
    assert all(p.grad is not None for p in trained.values())
    assert all(p.grad is None for name, p in adapted.named_parameters() if name not in trained)


def test_number_of_trained_weights_follows_from_rank():
    model = MODELS["mace"]()
    adapted = LoRAPotential(Potential(model), 2)
    for name, (*leading, n_in, n_out) in lora_shapes(model).items():
        key = name.replace(".", "/")
        rank = min(2, n_in, n_out)
        assert adapted.first[key].shape == (*leading, n_in, rank) and adapted.second[key].shape == (
            *leading,
            rank,
            n_out,
        )
        assert adapted.adapted_name(f"first.{key}") == name


def test_skip_connections_and_products_are_adapted_on_request():
    model = MODELS["mace"]()
    plain, skips, products = (
        set(lora_shapes(model, **words)) for words in ({}, {"skip_connections": True}, {"products": True})
    )
    assert len(skips) > len(plain) and all(".skip." in name for name in skips - plain)
    assert len(products) > len(plain) and all(".product." in name for name in products - plain)
    assert any(".network." in name for name in plain) and any("featurizer" in name for name in plain)
