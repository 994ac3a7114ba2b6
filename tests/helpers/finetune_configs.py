"""A tiny starting potential on disk, trained for a moment, and a configuration that fine-tunes it in a second."""

from __future__ import annotations

from pathlib import Path

import atomgraph
from atomgraph import Potential
from helpers.run_configs import data_file

TINY = {
    "kind": "GCN",
    "elements": ["Ar"],
    "cutoff": 4.0,
    "channels": 4,
    "n_layers": 1,
    "n_radial": 3,
    "readout_hidden": [4],
}

TERMS = [{"property": "energy"}, {"property": "forces", "weight": 10.0}]


def source(folder: Path) -> str:
    """The file of a potential that two epochs of training left."""
    path = folder / "source" / "model.safetensors"
    if not path.exists():
        config = {
            "data": {"train": data_file(folder, 12, seed=1), "valid": 0.25, "edge_budget": 60, "cache": False},
            "model": TINY,
            "fit": {
                "max_epochs": 2,
                "accelerator": "cpu",
                "precision": "64-true",
                "optimizer": {"lr": 0.01},
                "terms": TERMS,
            },
            "output": {"folder": str(folder / "source"), "report": False},
        }
        atomgraph.train(config, quiet=True)
    return str(path)


def tune(folder: Path, name: str = "tuned", **changes) -> dict:
    """Changes are whole sections."""
    config = {
        "seed": 3,
        "start": {"model": source(folder)},
        "data": {"train": data_file(folder), "valid": 0.25, "edge_budget": 60, "cache": False},
        "fit": {
            "max_epochs": 2,
            "accelerator": "cpu",
            "optimizer": {"lr": 0.01},
            "ema": 0,
            "schedule": [],
            "terms": TERMS,
        },
        "card": {"steps": 0},
        "output": {"folder": str(folder / name), "report": False},
    }
    for section, content in changes.items():
        old = config.get(section)
        config[section] = old | content if isinstance(old, dict) and isinstance(content, dict) else content
    return config


def weights(potential: Potential) -> dict:
    return {name: value.detach().clone() for name, value in potential.model.named_parameters()}
