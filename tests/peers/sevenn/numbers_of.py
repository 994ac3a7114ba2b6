"""Energies, atomic energies, forces and stresses of a SevenNet checkpoint, in float32 and with widened weights.

    python numbers_of.py CHECKPOINT STRUCTURES OUT.npz    (in an environment with sevenn 0.10.0)

STRUCTURES is a file that ASE reads. OUT.npz gets ``float32/K/QUANTITY`` from SevenNetCalculator and ``float64/K/QUANTITY``
from its modules, whose weights, one-hot elements and input are float64. Stress: 3x3, ASE's sign.
"""

import os
import sys

os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"

import ase.io
import numpy as np
import torch
from ase.stress import voigt_6_to_full_3x3_stress
from sevenn import sevennet_calculator
from sevenn.atom_graph_data import AtomGraphData
from sevenn.sevennet_calculator import SevenNetCalculator

QUANTITIES = {"energy": "energy", "node_energy": "energies", "forces": "forces", "stress": "stress"}


class WideGraph:
    """Makes SevenNet's graph with float64 numbers, which it rounds to float32."""

    @staticmethod
    def from_numpy_dict(values: dict) -> AtomGraphData:
        graph = AtomGraphData.from_numpy_dict(dict(values))
        for name, value in values.items():
            if isinstance(value, np.ndarray) and value.dtype.kind == "f":
                graph[name] = torch.from_numpy(value)
        return graph


def main(checkpoint: str, structures: str, out: str) -> None:
    """Write the numbers of all structures."""
    torch.set_num_threads(1)
    frames = ase.io.read(structures, ":")
    calculator = SevenNetCalculator(model=checkpoint, device="cpu")
    numbers = evaluate(calculator, frames, "float32")
    calculator = SevenNetCalculator(model=checkpoint, device="cpu")  # TorchScript has specialised the other to float32
    calculator.model.double()
    sevennet_calculator.AtomGraphData = WideGraph
    torch.Tensor.float = torch.Tensor.double  # OnehotEmbedding converts its result by .float()
    torch.set_default_dtype(torch.float64)
    numbers |= evaluate(calculator, frames, "float64")
    np.savez(out, **numbers)


def evaluate(calculator: SevenNetCalculator, frames: list, dtype: str) -> dict:
    """Return the numbers of all structures, by name."""
    numbers = {}
    for k, atoms in enumerate(frames):
        calculator.calculate(atoms)
        for name, theirs in QUANTITIES.items():
            value = np.asarray(calculator.results[theirs])
            if name != "energy" and value.dtype != dtype:
                raise TypeError(f"{name} is {value.dtype}, not {dtype}")
            if name == "stress":
                value = voigt_6_to_full_3x3_stress(value)
            numbers[f"{dtype}/{k}/{name}"] = value
    return numbers


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
