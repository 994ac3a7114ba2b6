"""symmetrix-xl in its own environment, asked line by line: takes mace-torch's models in the shapes of MACE-MP-0, times them.

``symmetrix_xl.py FOLDER SHAPE`` writes FOLDER/SHAPE.model and FOLDER/SHAPE.json if they are not there, then answers lines
``STRUCTURE DTYPE STRESS`` as ``mace_torch.py`` does, each by one evaluation through its ASE calculator, the neighbour list
made again; stress is always among what it computes. Its quickest way: code that is compiled for the model.
"""

import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import ase.io
import numpy as np
from ase.calculators.calculator import all_changes
from mace_torch import HIDDEN, in_status, make
from symmetrix import Symmetrix


def main(folder: Path, shape: str) -> None:
    """Convert the model, then answer until the questions end."""
    model, compact = folder / f"{shape}.model", folder / f"{shape}.json"
    if not model.is_file():
        make(model, HIDDEN[shape])
    if not compact.is_file():
        extract = Path(sys.executable).parent / "symmetrix_extract_mace"
        subprocess.run([extract, "--model", model, "--output", compact], check=True, capture_output=True)
    print("ready", flush=True)

    @cache
    def calculator(dtype: str) -> Symmetrix:
        return Symmetrix(
            str(compact), dtype=dtype, streamed_edges="direct", execution_profile="speed", neighbor_skin=0.0
        )

    @cache
    def atoms(structure: str) -> ase.Atoms:
        return ase.io.read(folder / f"{structure}.xyz")

    for line in sys.stdin:
        structure, dtype, _ = line.split()
        first, of = calculator(dtype), atoms(structure)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is counted from here
        held, start = in_status("VmRSS"), time.process_time()
        first.calculate(of, ["energy", "forces"], all_changes)
        seconds = time.process_time() - start
        np.save(folder / "forces.npy", first.results["forces"])
        print(seconds, in_status("VmHWM") - held, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
