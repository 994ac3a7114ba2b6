"""mace-torch in its own environment, asked line by line: makes models in the shapes of MACE-MP-0, times them.

``mace_torch.py FOLDER SHAPE`` writes FOLDER/SHAPE.model if it is not there, then answers lines ``STRUCTURE DTYPE STRESS``
(STRUCTURE.xyz in FOLDER, float32 or float64, 0 or 1): CPU seconds of one evaluation and the most memory that it took
beyond what was held, MB; its forces are in FOLDER/forces.npy by then.
"""

import sys
import time
import warnings
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
import torch
from e3nn import o3
from mace import modules
from mace.calculators import MACECalculator

HIDDEN = {"small": "128x0e", "medium": "128x0e+128x1o", "large": "128x0e+128x1o+128x2e"}
NOT_KNOWN = {84, 85, 86, 87, 88}  # of the first 94 elements, those that MACE-MP-0 does not know


def make(path: Path, hidden: str) -> None:
    """A model with random weights, its energies brought to eV."""
    warnings.filterwarnings("ignore")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float64)
    numbers = [z for z in range(1, 95) if z not in NOT_KNOWN]
    block = modules.RealAgnosticResidualInteractionBlock
    model = modules.ScaleShiftMACE(
        r_max=6.0,
        num_bessel=10,
        num_polynomial_cutoff=5,
        max_ell=3,
        interaction_cls_first=block,
        interaction_cls=block,
        num_interactions=2,
        num_elements=len(numbers),
        hidden_irreps=o3.Irreps(hidden),
        MLP_irreps=o3.Irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=-1.0 - np.arange(len(numbers)) / 20.0,
        avg_num_neighbors=62.0,
        atomic_numbers=numbers,
        correlation=3,
        radial_MLP=[64, 64, 64],
        atomic_inter_scale=0.8,
        atomic_inter_shift=0.1,
    )
    torch.save(model, path)


def main(folder: Path, shape: str) -> None:
    """Make the model, then answer until the questions end."""
    torch.set_num_threads(1)
    path = folder / f"{shape}.model"
    if not path.is_file():
        make(path, HIDDEN[shape])
    print("ready", flush=True)

    @cache
    def calculator(dtype: str) -> MACECalculator:
        return MACECalculator(model_paths=str(path), device="cpu", default_dtype=dtype)

    @cache
    def batch(structure: str, dtype: str):
        torch.set_default_dtype(getattr(torch, dtype))
        return calculator(dtype)._atoms_to_batch(ase.io.read(folder / f"{structure}.xyz"))

    for line in sys.stdin:
        structure, dtype, stress = line.split()
        given = calculator(dtype)._clone_batch(batch(structure, dtype)).to_dict()
        torch.set_default_dtype(getattr(torch, dtype))
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        held, start = in_status("VmRSS"), time.process_time()
        result = calculator(dtype).models[0](given, compute_stress=stress == "1")
        seconds = time.process_time() - start
        np.save(folder / "forces.npy", result["forces"].detach().double().numpy())
        print(seconds, in_status("VmHWM") - held, flush=True)


def in_status(name: str) -> float:
    """An entry of this process's status, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
