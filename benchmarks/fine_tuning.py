"""Compare fine-tuning with mace-torch: a MACE of the size MACE-MP-0-small (89 elements, 128x0e, random weights), 50 molecules.

Measured are memory and CPU time of the complete commands ``atomgraph finetune`` and ``mace_run_train``, with the same model,
structures and batches of five. The time per step is computed from the difference between a run of two epochs and a run of one
epoch, so that the start-up time is excluded. Usage: ``fine_tuning.py [float64|float32 [DATA]]``; by default DATA is 3BPA at
300 K. mace-torch is in the environment of ``make bench-peers``; it also creates the model.
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


def measure_command(command: list[str], folder: Path) -> tuple[float, float]:
    """Return CPU time, s, and peak memory, MB, of a command; exit with the end of its log if it fails."""
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{(folder / 'log').read_text()[-2000:]}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def atomgraph_command(folder: Path, epochs: int, dtype: str, number: int, keep: str) -> list[str]:
    """Write the configuration and return the command of atomgraph."""
    findings = ["e0", "rank", "head", "start", "magnitude", "energy unit", "forces unit", "energy sign", "forces sign"]
    config = {
        "start": {"model": str(folder / "start.model"), "keep_elements": keep},
        "data": {"train": str(folder / "train.xyz"), "valid": str(folder / "valid.xyz"), "cache": False},
        "fit": {"max_epochs": epochs, "accelerator": "cpu", "ema": 0.99, "schedule": []},
        "audit": {
            "ignore": [*findings, "stress sign", "placeholder", "forces", "energy outlier"]
        },  # weights are random
        "card": {"steps": 0, "dimers": "data"},  # mace-torch has no report card
        "output": {"folder": str(folder / f"ours-{keep}-{number}"), "report": False},
    }
    atoms = ase.io.read(folder / "train.xyz")
    config["data"] |= {"keys": {"energy": "energy_label", "forces": "forces_label"}}
    config["data"] |= {"atom_budget": BATCH * len(atoms), "edge_budget": 10**6}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return [sys.executable, "-m", "atomgraph", "finetune", str(folder / "config.yaml")]


def mace_torch_command(folder: Path, epochs: int, dtype: str, number: int) -> list[str]:
    """Return the command of mace-torch."""
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
    arguments = sys.argv[1:]
    dtype, data = arguments[0] if arguments else "float64", arguments[1] if arguments[1:] else DATA
    frames = ase.io.read(data, f":{N_TRAIN + N_VALID}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [MACE_TORCH.python, "-c", MODEL, str(folder / "start.model"), dtype], check=True, env=ENVIRONMENT
        )
        for part, structures in (("train", frames[:N_TRAIN]), ("valid", frames[N_TRAIN:])):
            for atoms in structures:  # with keys that are not the default of either program
                atoms.info["energy_label"], atoms.arrays["forces_label"] = (
                    atoms.get_potential_energy(),
                    atoms.get_forces(),
                )
                atoms.calc = None
            ase.io.write(folder / f"{part}.xyz", structures, format="extxyz")
        commands = {
            "atomgraph, elements of the data": lambda epochs, run: atomgraph_command(
                folder, epochs, dtype, run, "data"
            ),
            "atomgraph, all 89 elements": lambda epochs, run: atomgraph_command(folder, epochs, dtype, run, "all"),
            "mace-torch": lambda epochs, run: mace_torch_command(folder, epochs, dtype, run),
        }
        steps: dict[str, list[float]] = {case: [] for case in commands}
        peaks: dict[str, float] = dict.fromkeys(commands, 0.0)
        for turn in range(ROUNDS):
            for case, command in commands.items():
                seconds = {}
                for epochs in EPOCHS:
                    seconds[epochs], peak = measure_command(command(epochs, 10 * turn + epochs), folder)
                    peaks[case] = max(peaks[case], peak)
                steps[case].append(
                    (seconds[EPOCHS[1]] - seconds[EPOCHS[0]]) / ((EPOCHS[1] - EPOCHS[0]) * N_TRAIN / BATCH)
                )
                print(
                    f"{case}: {steps[case][-1] * 1e3:.0f} ms per step, {peaks[case]:.0f} MB",
                    file=sys.stderr,
                    flush=True,
                )
        rows = [[case, f"{1e3 * median(steps[case]):.0f}", f"{peaks[case]:.0f}"] for case in commands]
        print_table(
            f"Training step with {BATCH} molecules of {len(frames[0])} atoms, {dtype}",
            ["", "ms per step", "peak MB"],
            rows,
        )


if __name__ == "__main__":
    main()
