"""From the same weights, batches and optimiser, training goes as nequip's does: loss and all gradients, ten steps.

``fixtures/nequip_first_ten_steps.npz`` was written by tests/peers/nequip/first_ten_steps.py with nequip 0.19.1.
"""

import json
from pathlib import Path

import ase
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from helpers import nequip_files
from torch_geometric.data import Batch

import atomgraph
from atomgraph.formats.nequip import build_model
from atomgraph.graph import AtomicGraph
from atomgraph.training.loss import Term
from atomgraph.training.task import PotentialTask

FIXTURE = Path(__file__).with_name("fixtures") / "nequip_first_ten_steps.npz"
STEPS, PREFIX = 10, "model.func."


@pytest.fixture(scope="module")
def numbers():
    with np.load(FIXTURE) as arrays:
        return dict(arrays)


@pytest.fixture
def potential(numbers, tmp_path):
    """The initial potential, read from a checkpoint of nequip with the weights of the fixture."""
    state = {f"model.sole_model.{name}": torch.from_numpy(value) for name, value in entries(numbers, "weights").items()}
    model = {"_target_": "nequip.model.NequIPGNNModel", **json.loads(str(numbers["config"]))}
    path = tmp_path / "initial.ckpt"
    path.write_bytes(nequip_files.saved({"state_dict": state, "hyper_parameters": {"model": model}}))
    return atomgraph.load(path).train()


def entries(numbers, prefix):
    """Entries whose names begin with PREFIX/, by the rest of their names."""
    return {name.removeprefix(f"{prefix}/"): value for name, value in numbers.items() if name.startswith(f"{prefix}/")}


def graphs(numbers, cutoff):
    result = []
    for k in range(4):
        data = entries(numbers, f"structure/{k}")
        atoms = ase.Atoms(data["numbers"], data["positions"], cell=data["cell"], pbc=data["pbc"])
        atoms.calc = SinglePointCalculator(atoms, energy=float(data["energy"]), forces=data["forces"])
        result.append(AtomicGraph.from_ase(atoms, cutoff))
    return result


def expected_gradients(numbers, step):
    """Gradients of nequip at the places of the weights of atomgraph.

    The reader is linear and only permutes, reshapes and changes signs, so that it converts gradients as it converts
    weights. It multiplies the frequencies by π/cutoff; their gradient is divided by the square of that.
    """
    config = json.loads(str(numbers["config"]))
    weights = {name.removeprefix(PREFIX): torch.from_numpy(v) for name, v in entries(numbers, "weights").items()}
    gradients = {n.removeprefix(PREFIX): torch.from_numpy(v[step]) for n, v in entries(numbers, "gradient").items()}
    assert len(gradients) == 13
    model = build_model({**config, "_target_": "NequIPGNNModel"}, weights | gradients, 10**6)
    result = dict(model.named_parameters())
    return {n: p / (torch.pi / 4.0) ** 2 if n.endswith("radial.places") else p for n, p in result.items()}


def adam(parameters):
    """Adam with the steps of nequip: frequencies in units of π/cutoff have other steps than those in 1/Å."""
    unit = torch.pi / 4.0
    frequencies = [p for name, p in parameters.items() if name.endswith("radial.places")]
    others = [p for name, p in parameters.items() if not name.endswith("radial.places")]
    assert len(frequencies) == 1
    return torch.optim.Adam(
        [{"params": others}, {"params": frequencies, "lr": 0.01 * unit, "eps": 1e-8 / unit}], lr=0.01
    )


def test_loss_and_gradients_of_ten_steps_are_those_of_nequip(numbers, potential):
    structures = graphs(numbers, potential.cutoff)
    terms = [Term("energy", loss="mse", weight=0.25), Term("forces", loss="mse", weight=0.75)]
    task = PotentialTask(potential, terms)
    parameters = dict(potential.model.named_parameters())
    optimizer = adam(parameters)
    for step in range(STEPS):
        batch = Batch.from_data_list([structures[step % 4], structures[(step + 1) % 4]])
        optimizer.zero_grad(set_to_none=True)
        loss = task.loss(batch, 0, task.count_labels(batch))
        loss.backward()
        assert loss.item() == pytest.approx(float(numbers["loss"][step]), rel=1e-8)
        theirs = expected_gradients(numbers, step)
        assert theirs.keys() == parameters.keys()
        for name, parameter in parameters.items():
            scale = float(theirs[name].detach().abs().max())
            ours = parameter.grad.numpy()
            np.testing.assert_allclose(ours, theirs[name].detach(), rtol=0, atol=1e-8 * scale, err_msg=f"{step} {name}")
        optimizer.step()
