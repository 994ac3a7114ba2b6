"""SevenNet in its own environment, asked line by line: evaluates a checkpoint, and gives CPU seconds.

``sevennet.py FOLDER CHECKPOINT`` answers lines with the name of a structure (NAME.xyz in FOLDER): CPU seconds of one evaluation
of energy, forces and stress in float32. Forces are in FOLDER/forces.npy.
"""

import os
import sys
import time
from pathlib import Path

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

import ase.io
import numpy as np
import torch
from sevenn.sevennet_calculator import SevenNetCalculator


def main(folder: Path, checkpoint: str) -> None:
    """Answer until the questions end."""
    torch.set_num_threads(1)
    calculator = SevenNetCalculator(model=checkpoint, device="cpu")
    print("ready", flush=True)
    for line in sys.stdin:
        atoms = ase.io.read(folder / f"{line.split()[0]}.xyz")
        start = time.process_time()
        calculator.calculate(atoms)
        seconds = time.process_time() - start
        np.save(folder / "forces.npy", calculator.results["forces"])
        print(seconds, 0.0, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
