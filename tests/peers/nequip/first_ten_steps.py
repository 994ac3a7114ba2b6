"""Ten steps of training by nequip: structures, initial weights, the loss and every gradient, for atomgraph to repeat.

    python first_ten_steps.py OUT.npz    (in an environment with nequip 0.19.1)

The loss is nequip's ``EnergyForceLoss``: mean squared errors of energies per atom and of force components, whose
coefficients 1 and 3 nequip divides by their sum. OUT.npz gets ``config`` (JSON), ``structure/K/FIELD``, ``weights/NAME``,
``loss`` (10,) and ``gradient/NAME`` (10, ...). The file in tests/training/fixtures was made by this script;
tests/training/test_first_steps_nequip.py compares.
"""

import json
import sys
import warnings

import ase
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from nequip.data import AtomicDataDict, from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.model import NequIPGNNModel
from nequip.train import EnergyForceLoss
from nequip.utils.global_state import set_global_state

STEPS = 10
CONFIG = {
    "seed": 1,
    "model_dtype": "float64",
    "type_names": ["H", "O"],
    "r_max": 4.0,
    "num_layers": 2,
    "l_max": 1,
    "parity": True,
    "num_features": 3,
    "radial_mlp_depth": 1,
    "radial_mlp_width": 4,
    "num_bessels": 3,
    "bessel_trainable": True,
    "avg_num_neighbors": 3.5,
    "per_type_energy_shifts": {"H": -1.0, "O": -2.0},
    "per_type_energy_scales": 1.5,
    "readout_mlp_hidden_layers_depth": 1,
    "readout_mlp_nonlinearity": "silu",
}


def structures() -> list[ase.Atoms]:
    """Three distorted molecules and a crystal of two elements, with random labels."""
    random, frames = np.random.default_rng(2), []
    water = np.array([[0.0, 0.0, 0.0], [0.96, 0.0, 0.0], [-0.24, 0.93, 0.0], [1.2, 1.3, 0.8]])
    for symbols in ("OHH", "OHHO", "OH", "HOHO"):
        cell = 4.2 * np.eye(3) + random.normal(0, 0.2, (3, 3)) if symbols == "HOHO" else None
        positions = water[: len(symbols)] + random.normal(0, 0.08, (len(symbols), 3))
        atoms = ase.Atoms(symbols, positions, cell=cell, pbc=cell is not None)
        labels = {"energy": random.normal(-1.5, 0.3) * len(atoms), "forces": random.normal(0, 0.5, (len(atoms), 3))}
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


def main(out: str) -> None:
    """Write everything into one file."""
    warnings.filterwarnings("ignore")
    set_global_state()
    frames, mapper = structures(), ChemicalSpeciesToAtomTypeMapper(CONFIG["type_names"])
    neighbours = NeighborListTransform(r_max=CONFIG["r_max"])
    graphs = [neighbours(mapper(from_ase(atoms))) for atoms in frames]
    numbers = {"config": np.array(json.dumps(CONFIG))}
    for k, atoms in enumerate(frames):
        fields = {"numbers": atoms.numbers, "positions": atoms.positions, "cell": atoms.cell.array, "pbc": atoms.pbc}
        fields |= {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        numbers |= {f"structure/{k}/{name}": np.asarray(value) for name, value in fields.items()}
    model = NequIPGNNModel(**CONFIG).train()
    state = {name: value.numpy().copy() for name, value in model.state_dict().items() if value.numel()}
    numbers |= {f"weights/{name}": value for name, value in state.items() if not name.endswith("output_mask")}
    steps = {"loss": []} | {f"gradient/{name}": [] for name, weight in model.named_parameters() if weight.numel()}
    loss_of = EnergyForceLoss(coeffs={"total_energy": 1.0, "forces": 3.0})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for step in range(STEPS):
        pair = [dict(graphs[step % len(graphs)]), dict(graphs[(step + 1) % len(graphs)])]
        batch = AtomicDataDict.batched_from_list(pair)
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(model(dict(batch)), batch)["weighted_sum"]
        loss.backward()
        steps["loss"].append(loss.item())
        for name, weight in model.named_parameters():
            if weight.numel():
                steps[f"gradient/{name}"].append(weight.grad.numpy().copy())
        optimizer.step()
    np.savez_compressed(out, **numbers, **{name: np.array(values) for name, values in steps.items()})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(sys.argv[1])
