"""From the same weights, data and optimiser, training goes as mace-torch's does: loss and all gradients, ten steps."""

import os
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

import atomgraph
from atomgraph.formats.mace.state_dict import tensor_slices
from atomgraph.formats.mace.weight_map import convert_to_mace
from atomgraph.graph import AtomicGraph

pytestmark = pytest.mark.refs


@pytest.fixture(scope="module")
def folder():
    """What tests/peers/mace_torch/first_ten_steps.py wrote."""
    path = os.environ.get("ATOMGRAPH_MACE_FIRST_STEPS", "")
    if not path or not Path(path).is_dir():
        pytest.skip("ATOMGRAPH_MACE_FIRST_STEPS does not name a folder of first_ten_steps.py")
    return Path(path)


def optimizer_of(parameters, theirs_of, kind):
    if kind == "plain":
        return torch.optim.Adam(parameters.values(), lr=0.01)

    def decays(name):
        theirs = theirs_of[name]
        inside = theirs.startswith("interactions") and ("linear.weight" in theirs or "skip_tp.weight" in theirs)
        return inside or theirs.startswith("products")

    groups = [
        {"params": [p for n, p in parameters.items() if decays(n)], "weight_decay": 5e-7},
        {"params": [p for n, p in parameters.items() if not decays(n)], "weight_decay": 0.0},
    ]
    return torch.optim.Adam(groups, lr=0.01, amsgrad=True)


@pytest.mark.parametrize("kind", ["plain", "groups"])
@pytest.mark.parametrize("name", ["residual", "density", "nonlinear"])
def test_loss_and_gradients_of_ten_steps(folder, name, kind):
    potential = atomgraph.load(folder / f"{name}.model").train()
    pieces, parameters = tensor_slices(potential.model), dict(potential.model.named_parameters())
    theirs_of = {piece.name: piece.mace_name for piece in reversed(pieces)}
    optimizer = optimizer_of(parameters, theirs_of, kind)
    graphs = [AtomicGraph.from_ase(atoms, potential.cutoff) for atoms in ase.io.read(folder / "batches.extxyz", ":")]
    with np.load(folder / f"{name}-{kind}.npz") as archive:
        expected = {key: archive[key] for key in archive.files}
    for step in range(10):
        batch = Batch.from_data_list([graphs[step % len(graphs)], graphs[(step + 1) % len(graphs)]])
        optimizer.zero_grad(set_to_none=True)
        result = potential(batch, stress=False)
        per_atom = (result["energy"] - batch.energy) / torch.bincount(batch.graph_of_atom)
        loss = per_atom.square().mean() + 100.0 * (result["forces"] - batch.forces).square().mean()
        loss.backward()
        assert loss.item() == pytest.approx(float(expected[f"{step}/loss"]), rel=1e-8)
        gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in parameters.items()}
        ours = convert_to_mace([piece for piece in pieces if piece.name in gradients], gradients)
        theirs = {k.removeprefix(f"{step}/grad/"): v for k, v in expected.items() if k.startswith(f"{step}/grad/")}
        assert theirs.keys() <= ours.keys()
        for key, value in theirs.items():
            scale = max(abs(value).max(), 1e-3)
            np.testing.assert_allclose(ours[key], value.reshape(-1), rtol=0, atol=1e-8 * scale, err_msg=f"{step} {key}")
        optimizer.step()
