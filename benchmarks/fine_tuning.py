"""Fine-tuning of a model of MACE-MP-0-small's shape (89 elements, 128x0e, random weights) on 50 molecules, beside mace-torch.

Memory and CPU time of whole commands, ``atomgraph finetune`` and ``mace_run_train``, on the same file, structures and batches
of five; a step's time is the difference between a run of two epochs and one of one, so that starting up does not count.
``fine_tuning.py [float64|float32 [DATA]]``; DATA is 3BPA at 300 K if not given. mace-torch's environment is that of
``make bench-peers``; it also makes the model.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import ase.io
import yaml
from measuring.peer import MACE_TORCH
from measuring.timing import print_table

DATA = Path(__file__).parents[1] / "examples/data/3bpa/train_300K.xyz.gz"
N_TRAIN, N_VALID, BATCH, ROUNDS = 50, 2, 5, int(os.environ.get("ROUNDS", 1))
EPOCHS = (1, 2)
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
MODEL = """
import sys, warnings; warnings.filterwarnings("ignore")
import numpy as np, torch
from e3nn import o3
from mace import modules
torch.manual_seed(0); torch.set_default_dtype(getattr(torch, sys.argv[2]))
numbers = [z for z in range(1, 95) if z not in range(84, 89)]
block = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
model = modules.ScaleShiftMACE(
    r_max=6.0, num_bessel=10, num_polynomial_cutoff=5, max_ell=3, interaction_cls=block, interaction_cls_first=block,
    num_interactions=2, num_elements=89, hidden_irreps=o3.Irreps("128x0e"), MLP_irreps=o3.Irreps("16x0e"),
    gate=torch.nn.functional.silu, atomic_energies=np.zeros(89), avg_num_neighbors=61.96, atomic_numbers=numbers,
    correlation=3, radial_MLP=[64, 64, 64], atomic_inter_scale=0.8, atomic_inter_shift=0.16,
)
torch.save(model, sys.argv[1])
"""


def spent(command: list[str], folder: Path) -> tuple[float, float]:
    """CPU seconds and peak memory (MB) of a command; its last words where it fails."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{(folder / 'log').read_text()[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def ours(folder: Path, epochs: int, dtype: str, number: int, keep: str) -> list[str]:
    """The command of atomgraph."""
    every = ["e0", "rank", "head", "start", "magnitude", "energy unit", "forces unit", "energy sign", "forces sign"]
    config = {
        "start": {"model": str(folder / "start.model"), "keep_elements": keep},
        "data": {"train": str(folder / "train.xyz"), "valid": str(folder / "valid.xyz"), "cache": False},
        "fit": {"max_epochs": epochs, "accelerator": "cpu", "ema": 0.99, "schedule": []},
        "audit": {"ignore": [*every, "stress sign", "placeholder", "forces", "energy outlier"]},  # weights are random
        "card": {"steps": 0, "dimers": "data"},  # the peer has no report card
        "output": {"folder": str(folder / f"ours-{keep}-{number}"), "report": False},
    }
    atoms = ase.io.read(folder / "train.xyz")
    config["data"] |= {"keys": {"energy": "energy_label", "forces": "forces_label"}}
    config["data"] |= {"atom_budget": BATCH * len(atoms), "edge_budget": 10**6}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return [sys.executable, "-m", "atomgraph", "finetune", str(folder / "config.yaml")]


def theirs(folder: Path, epochs: int, dtype: str, number: int) -> list[str]:
    """The command of mace-torch."""
    options = {
        "name": f"theirs-{number}",
        "foundation_model": folder / "start.model",
        "multiheads_finetuning": False,
        "train_file": folder / "train.xyz",
        "valid_file": folder / "valid.xyz",
        "energy_key": "energy_label",
        "forces_key": "forces_label",
        "E0s": "average",
        "batch_size": BATCH,
        "valid_batch_size": N_VALID,
        "max_num_epochs": epochs,
        "lr": 1e-4,
        "ema_decay": 0.99,
        "default_dtype": dtype,
        "device": "cpu",
        "seed": 1,
    }
    words = [f"--{name}={value}" for name, value in options.items()]
    return [str(MACE_TORCH.python), "-m", "mace.cli.run_train", "--ema", *words]


def main() -> None:
    MACE_TORCH.or_leave()
    given = sys.argv[1:]
    dtype, data = given[0] if given else "float64", given[1] if given[1:] else DATA
    frames = ase.io.read(data, f":{N_TRAIN + N_VALID}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [MACE_TORCH.python, "-c", MODEL, str(folder / "start.model"), dtype], check=True, env=ENVIRONMENT
        )
        for part, chosen in (("train", frames[:N_TRAIN]), ("valid", frames[N_TRAIN:])):
            for atoms in chosen:  # under names that neither program takes for granted
                atoms.info["energy_label"], atoms.arrays["forces_label"] = (
                    atoms.get_potential_energy(),
                    atoms.get_forces(),
                )
                atoms.calc = None
            ase.io.write(folder / f"{part}.xyz", chosen, format="extxyz")
        ways = {
            "atomgraph, elements of the data": lambda e, k: ours(folder, e, dtype, k, "data"),
            "atomgraph, all 89 elements": lambda e, k: ours(folder, e, dtype, k, "all"),
            "mace-torch": lambda e, k: theirs(folder, e, dtype, k),
        }
        steps: dict[str, list[float]] = {way: [] for way in ways}
        peaks: dict[str, float] = dict.fromkeys(ways, 0.0)
        for turn in range(ROUNDS):
            for way, command in ways.items():
                seconds = {}
                for epochs in EPOCHS:
                    seconds[epochs], peak = spent(command(epochs, 10 * turn + epochs), folder)
                    peaks[way] = max(peaks[way], peak)
                steps[way].append(
                    (seconds[EPOCHS[1]] - seconds[EPOCHS[0]]) / ((EPOCHS[1] - EPOCHS[0]) * N_TRAIN / BATCH)
                )
                print(f"{way}: {steps[way][-1] * 1e3:.0f} ms a step, {peaks[way]:.0f} MB", file=sys.stderr, flush=True)
        rows = [[way, f"{1e3 * median(steps[way]):.0f}", f"{peaks[way]:.0f}"] for way in ways]
        print_table(
            f"A step of {BATCH} molecules of {len(frames[0])} atoms, {dtype}", ["", "ms a step", "peak MB"], rows
        )


if __name__ == "__main__":
    main()
