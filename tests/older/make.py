"""Writes the files of this folder; run once, by the last commit before names and packages were changed (see README.md).

usage: python tests/older/make.py FOLDER
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from contextlib import chdir
from pathlib import Path

import ase.io
import numpy as np
import torch
import yaml
from helpers.training_data import frames

import atomgraph

MODELS = {
    "gcn": {"kind": "GCN", "channels": 4, "n_layers": 2, "n_radial": 3, "hidden": [4]},
    "behler_parrinello": {"kind": "BehlerParrinello", "hidden": [4]},
    "mace": {"kind": "MACE", "hidden": "4x0e+4x1o", "l_max": 1, "n_layers": 2, "radial": {"n_radial": 3}},
    "ace": {"kind": "ACE", "n_max": [4, 2, 1], "l_max": [0, 2, 1]},
    "gap": {"kind": "GAP", "n_points": 8, "n_max": 3, "l_max": 2, "pairs": {"n_points": 5}},
    "snap": {"kind": "SNAP", "twojmax": 4, "radii": {"Ar": 0.5}},
}
FITS = {"ace": {"kind": "least_squares"}, "gap": {"kind": "sparse_gp"}, "snap": {"kind": "least_squares"}}
GRADIENT = {"max_epochs": 2, "precision": "64-true", "optimizer": {"lr": 0.01}}


def config(model, fit, folder, **data):
    return {
        "seed": 3,
        "data": {"train": "train.xyz", "valid": 0.25, "test": "test.xyz", **data},
        "model": {"elements": "auto", "cutoff": 4.0, **model},
        "fit": {"accelerator": "cpu", **fit},
        "output": {"folder": folder, "report": False},
    }


def processor() -> str:
    """What sums of floating-point numbers depend on: the model, and the instruction set that torch uses."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    known = [facts.get(key, "?") for key in ("model name", "cpu family", "model", "stepping")]
    return f"{', '.join(known)}, {torch.backends.cpu.get_cpu_capability()}"


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    (folder / "configs").mkdir(parents=True)
    for path in Path("configs").glob("*.yaml"):
        shutil.copy(path, folder / "configs")
    ase.io.write(folder / "train.xyz", frames(12, 0), format="extxyz")
    ase.io.write(folder / "test.xyz", frames(4, 9), format="extxyz")
    with chdir(folder):
        for name, model in MODELS.items():
            fit = FITS.get(name, GRADIENT)
            budget = {} if name in FITS else {"edge_budget": 60}
            atomgraph.train(config(model, fit, f"runs/{name}", cache="cache", **budget), quiet=True)
        start = {"seed": 3, "start": {"model": "runs/mace"}, "method": {"kind": "lora", "rank": 2}}
        start |= {"data": {"train": "train.xyz", "valid": 0.25, "edge_budget": 60, "cache": False}}
        start |= {"fit": {"max_epochs": 2, "accelerator": "cpu", "optimizer": {"lr": 0.01}}, "card": {"steps": 0}}
        atomgraph.finetune(start | {"output": {"folder": "runs/lora", "report": False}}, quiet=True)
        for name in [*MODELS, "lora"]:
            shutil.copy(f"runs/{name}/model.safetensors", f"{name}.safetensors")
        settings = config(MODELS["gcn"], GRADIENT, "resumed", edge_budget=60, cache=False)
        Path("resumed.yaml").write_text(yaml.safe_dump(settings))
        atomgraph.train(settings, quiet=True)
        shutil.copytree("resumed", "stopped")
        written = Path("stopped/config.yaml")
        written.write_text(written.read_text().replace("resumed", "stopped").replace(f"{Path.cwd()}/", ""))
        atomgraph.config.resume("resumed", ["fit.max_epochs=4"], quiet=True)
        end = atomgraph.load("resumed").state_dict()
        np.savez_compressed("end_of_resumed.npz", **{name: tensor.numpy() for name, tensor in end.items()})
        shutil.rmtree("runs")
        shutil.rmtree("resumed")
        Path("resumed.yaml").unlink()
        expected = {}
        for path in sorted(Path().glob("*.safetensors")):
            results = atomgraph.load(path).predict(ase.io.read("test.xyz", ":"))
            for quantity in ("energy", "forces", "stress"):
                expected[f"{path.stem}/{quantity}"] = np.concatenate([np.ravel(r[quantity]) for r in results])
        np.savez_compressed("expected.npz", **expected)
        facts = {"python": platform.python_version(), "torch": torch.__version__, "processor": processor()}
        Path("made_with.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
