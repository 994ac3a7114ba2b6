"""nequip in its own environment, asked line by line: evaluates a NequIP with random weights, and gives CPU seconds.

``nequip_model.py FOLDER`` writes FOLDER/nequip.ckpt (as data that atomgraph reads), then answers lines with the name of a
structure (NAME.xyz in FOLDER): CPU seconds of one evaluation of energy and forces in float32. Forces are in FOLDER/forces.npy.
"""

import sys
import time
import warnings
from pathlib import Path

import ase.io
import numpy as np
import torch
from nequip.data import from_ase
from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
from nequip.model import NequIPGNNModel
from nequip.utils.global_state import set_global_state

CONFIG = {
    "seed": 1,
    "model_dtype": "float32",
    "type_names": ["H", "O"],
    "r_max": 5.0,
    "num_layers": 4,
    "l_max": 2,
    "parity": False,
    "num_features": 32,
    "radial_mlp_depth": 1,
    "radial_mlp_width": 128,
    "num_bessels": 8,
    "avg_num_neighbors": 50.0,
    "per_type_energy_shifts": {"H": -1.0, "O": -2.0},
}


def main(folder: Path) -> None:
    """Write the checkpoint, then answer until the questions end."""
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    set_global_state()
    model = NequIPGNNModel(**CONFIG)
    state = {f"model.sole_model.{name}": value for name, value in model.state_dict().items()}
    config = {"_target_": "nequip.model.NequIPGNNModel", **CONFIG}
    torch.save({"state_dict": state, "hyper_parameters": {"model": config}}, folder / "nequip.ckpt")
    print("ready", flush=True)
    for line in sys.stdin:
        data = from_ase(ase.io.read(folder / f"{line.split()[0]}.xyz"))
        data = ChemicalSpeciesToAtomTypeMapper(CONFIG["type_names"])(data)
        data = NeighborListTransform(r_max=CONFIG["r_max"])(data)
        start = time.process_time()
        result = model(data)
        seconds = time.process_time() - start
        np.save(folder / "forces.npy", result["forces"].detach().numpy())
        print(seconds, 0.0, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
