"""SchNet with the weights of schnetpack 2.1.1: its energies, forces and stresses to 1e-12."""

import ase
import numpy as np
import pytest
import torch
from ase.data import atomic_numbers
from helpers.references import agree, folder

from atomgraph import Potential
from atomgraph.models import SchNet

pytestmark = pytest.mark.refs
ELEMENTS = ["H", "Li", "C", "O", "Si", "Mo"]
NETWORKS = {"filter_network": "filter_network", "output_network": "f2out"}


def read_weights(path) -> dict[str, torch.Tensor]:
    """Weights of schnetpack by their names in our state dict, for three interactions that share Gaussians."""
    theirs = {name: torch.from_numpy(array) for name, array in np.load(path).items()}
    rows = [atomic_numbers[symbol] for symbol in ELEMENTS]
    ours = {"featurizer.weight": theirs["representation.embedding.weight"][rows]}
    for t in range(3):
        layer, interaction = f"layers.{t}.layer", f"representation.interactions.{t}"
        ours[f"{layer}.input_map"] = theirs[f"{interaction}.in2f.weight"].T
        ours[f"{layer}.radial.places"] = theirs["representation.radial_basis.offsets"]
        for name, dense in NETWORKS.items():
            for k in range(2):
                ours[f"{layer}.{name}.weights.{k}"] = theirs[f"{interaction}.{dense}.{k}.weight"].T[None]
                ours[f"{layer}.{name}.biases.{k}"] = theirs[f"{interaction}.{dense}.{k}.bias"][None]
    for k in range(2):
        ours[f"readouts.0.mlp.weights.{k}"] = theirs[f"output_modules.0.outnet.{k}.weight"].T[None]
        ours[f"readouts.0.mlp.biases.{k}"] = theirs[f"output_modules.0.outnet.{k}.bias"][None]
    return {f"branches.0.{name}": tensor for name, tensor in ours.items()}


def test_predictions_are_those_of_schnetpack():
    place = folder() / "schnet"
    width = float(np.load(place / "a_default.weights.npz")["representation.radial_basis.widths"][0])
    model = SchNet(ELEMENTS, 5.0, channels=32, radial={"prefactor": -0.5 / width**2}).double()
    model.load_state_dict(model.state_dict() | read_weights(place / "a_default.weights.npz"))
    numbers = np.load(place / "a_default.npz")
    cases = sorted({name.split("/")[0] for name in numbers.files})
    assert len(cases) == 13
    for case in cases:
        expected = {name.split("/")[1]: numbers[name] for name in numbers.files if name.startswith(f"{case}/")}
        atoms = ase.Atoms(expected["numbers"], expected["positions"], cell=expected["cell"], pbc=expected["pbc"])
        (result,) = Potential(model).eval().predict([atoms])
        names = {"energy": "energy", "node_energy": "atomic_energy", "forces": "forces"}
        if "stress" in expected and case != "si8_lefthanded":  # schnetpack has the wrong sign for left-handed cells
            names["stress"] = "stress"
        for ours, theirs in names.items():
            agree(f"schnet/{case}", ours, result[ours], expected[theirs], atol=1e-12)
