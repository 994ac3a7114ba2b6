"""A tiny data set on disk and a configuration that trains on it in a second."""

from __future__ import annotations

from pathlib import Path

import ase.io

from helpers.training_data import frames


def data_file(folder: Path, n: int = 12, seed: int = 0) -> str:
    path = folder / f"argon-{seed}.xyz"
    if not path.exists():
        ase.io.write(path, frames(n, seed), format="extxyz")
    return str(path)


def tiny(folder: Path, **changes) -> dict:
    """Changes are whole sections."""
    config = {
        "seed": 3,
        "data": {"train": data_file(folder), "valid": 0.25, "test": data_file(folder, 4, seed=9), "edge_budget": 60},
        "model": {
            "kind": "GCN",
            "elements": "auto",
            "cutoff": 4.0,
            "channels": 4,
            "n_layers": 1,
            "n_radial": 3,
            "readout_hidden": [4],
        },
        "fit": {"max_epochs": 2, "accelerator": "cpu", "precision": "64-true", "optimizer": {"lr": 0.01}},
        "output": {"folder": str(folder / "run"), "report": False},
    }
    for name, section in changes.items():
        old = config.get(name)
        config[name] = old | section if isinstance(old, dict) else section
    return config
