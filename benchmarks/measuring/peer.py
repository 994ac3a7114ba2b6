"""Other programs in environments of their own (``make bench-peers``), asked line by line what an evaluation costs."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PEERS = Path(os.environ.get("ATOMGRAPH_PEERS", Path(__file__).parents[2] / ".venv-peers"))


@dataclass(frozen=True)
class Program:
    """name: of the package.  environment: its folder in ``PEERS``.  file: in ``peers``, which says how it is asked.

    The variable ATOMGRAPH_{ENVIRONMENT}_PYTHON may name another Python.
    """

    name: str
    environment: str
    file: str

    @property
    def variable(self) -> str:
        return f"ATOMGRAPH_{self.environment.upper()}_PYTHON"

    @property
    def python(self) -> Path:
        return Path(os.environ.get(self.variable, PEERS / self.environment / "bin/python"))

    @property
    def is_there(self) -> bool:
        return self.python.is_file()

    def or_leave(self) -> None:
        """Where it is not there, say so and end, as well as that can end."""
        if not self.is_there:
            print(f"no {self.name} at {self.python}: make bench-peers, or {self.variable}")
            raise SystemExit(0)

    @property
    def script(self) -> Path:
        return Path(__file__).parents[1] / "peers" / self.file


MACE_TORCH = Program("mace-torch", "mace", "mace_torch.py")
SYMMETRIX = Program("symmetrix-xl", "symmetrix", "symmetrix_xl.py")
QUIPPY = Program("quippy", "quippy", "")


class Peer:
    """A program with a model of a shape of MACE-MP-0, waiting for questions.

    folder: where the structures and the model are, and what it answers is left.
    """

    def __init__(self, program: Program, folder: Path, shape: str):
        program.or_leave()
        environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
        command = [str(program.python), str(program.script), str(folder), shape]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._program, self._folder = program, folder
        self._process = subprocess.Popen(command, text=True, env=environment, **pipes)
        self._answer("ready")

    def seconds(self, structure: str, dtype: str, stress: bool) -> float:
        """CPU seconds of one evaluation."""
        return self.spent(structure, dtype, stress)[0]

    def spent(self, structure: str, dtype: str, stress: bool) -> tuple[float, float]:
        """CPU seconds of one evaluation, and the most memory that it took, MB."""
        self._process.stdin.write(f"{structure} {dtype} {int(stress)}\n")
        self._process.stdin.flush()
        seconds, memory = self._answer("")
        return float(seconds), float(memory)

    def forces(self, structure: str, dtype: str) -> np.ndarray:
        """(n_atoms, 3) eV/Å."""
        self.seconds(structure, dtype, False)
        return np.load(self._folder / "forces.npy")

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()

    def _answer(self, expected: str) -> list[str]:
        for line in self._process.stdout:
            words = line.split()
            first = words[0] if words else ""
            if (expected and first == expected) or (
                not expected and first.replace(".", "").replace("e-", "").isdigit()
            ):
                return words
        raise SystemExit(
            f"{self._program.python} ended without an answer; has it {self._program.name}? (make bench-peers)"
        )
