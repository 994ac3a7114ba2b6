"""On a GPU as on a CPU: the same numbers, the same gradients, the same config."""

import numpy as np
import pytest
import torch
from ase import Atoms
from helpers.run_configs import tiny

import atomgraph
from atomgraph.models import GCN, Baseline, BehlerParrinello
from atomgraph.nn import ZBL
from atomgraph.potential import Potential
from atomgraph.testing.graphs import ELEMENTS, crystal, make_batch, make_graph, sample_structures
from atomgraph.testing.measures import construct, randomise

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
MODELS = {
    "polynomial": lambda: GCN(ELEMENTS, 4.0, channels=8, n_radial=4),
    "laplacian": lambda: GCN(ELEMENTS, 4.0, convolution="laplacian", channels=8, n_radial=4),
    "graph": lambda: GCN(ELEMENTS, 4.0, convolution="graph", channels=8, n_radial=4),
    "behler_parrinello": lambda: BehlerParrinello(ELEMENTS, 4.0, readout_hidden=(8,)),
    "repulsion": lambda: GCN(ELEMENTS, 4.0, channels=8, baseline=Baseline(ELEMENTS, repulsion=ZBL(ELEMENTS))),
}


@pytest.fixture(params=MODELS)
def potential(request):
    return Potential(randomise(construct(MODELS[request.param])).double())


def loss_gradient(potential, graphs):
    """Gradients of a loss on energies and forces, of every weight."""
    result = potential.train()(graphs)
    loss = result["energy"].square().sum() + result["forces"].square().sum()
    weights = [p for p in potential.parameters() if p.requires_grad]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights, materialize_grads=True)])


def test_energies_forces_and_stress_are_those_of_the_cpu(potential):
    structures = list(sample_structures().values())
    here = potential.eval().predict(structures)
    there = potential.cuda().predict(structures)
    for first, second in zip(here, there, strict=True):
        for name in first:
            np.testing.assert_allclose(second[name], first[name], rtol=1e-10, atol=1e-9)


def test_gradients_of_a_force_loss_are_those_of_the_cpu(potential):
    graphs = make_batch(make_graph(atoms, potential.cutoff) for atoms in sample_structures().values())
    here = loss_gradient(potential, graphs)
    there = loss_gradient(potential.cuda(), graphs.clone().cuda())
    torch.testing.assert_close(there.cpu(), here, rtol=1e-9, atol=1e-9 * float(here.abs().max()))


def test_a_calculator_on_the_gpu_gives_the_cpu_s_numbers(potential):
    forces = []
    for device in ("cpu", "cuda"):
        atoms: Atoms = crystal()
        atoms.calc = atomgraph.Calculator(potential.eval(), device=device)
        forces.append(atoms.get_forces())
    np.testing.assert_allclose(forces[1], forces[0], rtol=1e-10, atol=1e-9)


def test_the_same_config_trains_on_a_gpu(tmp_path):
    config = tiny(tmp_path)
    config["fit"]["accelerator"] = "gpu"
    potential, metrics = atomgraph.train(config, quiet=True)
    assert np.isfinite(metrics["valid"]["all"]["forces"]["mae"])
    potential.save(tmp_path / "model.safetensors")
    assert atomgraph.load(tmp_path / "model.safetensors").device.type == "cpu"
