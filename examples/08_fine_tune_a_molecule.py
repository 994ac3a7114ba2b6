"""You will learn to fine-tune from one molecule and functional to another, and to measure errors on target and source."""

import json
from pathlib import Path

import atomgraph
from atomgraph.errors import DataError

DATA = Path(__file__).parent / "data"
SOURCE, TARGET = DATA / "3bpa", DATA / "acac"
FOLDER = Path("runs/example_08")
TERMS = [{"property": "energy", "weight": 1.0}, {"property": "forces", "weight": 1.0}]


def train_source(max_epochs: int) -> None:
    """Train a small MACE on 3BPA (ωB97X). For applications use a foundation model, or ``configs/source_3bpa.yaml``."""
    config = {
        "seed": 1,
        "data": {
            "train": [f"{SOURCE / 'train_300K.xyz.gz'}@::5", str(SOURCE / "isolated_atoms.xyz")],
            "valid": 0.1,
            "edge_budget": 1500,
            "cache": False,
        },
        "model": {"kind": "MACE", "elements": "auto", "cutoff": 4.0, "hidden_irreps": "8x0e", "l_max": 2, "order": 2},
        "baseline": {"e0": "isolated", "scale": "force_rms"},
        "fit": {"terms": TERMS, "optimizer": {"kind": "AdamW", "lr": 0.02}, "max_epochs": max_epochs},
        "output": {"folder": str(FOLDER / "source"), "report": False},
    }
    atomgraph.train(config, overwrite=True, quiet=True)


def tuning_config(name: str, max_epochs: int, **changes: object) -> dict:
    """Return a configuration for twenty structures of acetylacetone (PBE), with tests on 24 others and on 3BPA.

    Args:
        name: Name of the folder of the run.
        max_epochs: Number of epochs.
        **changes: Sections to add or replace.
    """
    return {
        "seed": 1,
        "start": {"model": str(FOLDER / "source")},
        "data": {
            "train": f"{TARGET / 'train_300K.xyz.gz'}@:20",
            "valid": f"{TARGET / 'train_300K.xyz.gz'}@-24:",
            "edge_budget": 500,
            "cache": False,
        },
        "fit": {"terms": TERMS, "optimizer": {"lr": 0.01}, "max_epochs": max_epochs},
        "card": {"probe": f"{SOURCE / 'valid_mixedT_300K.xyz.gz'}@::2", "steps": 0},
        "output": {"folder": str(FOLDER / name), "report": name == "replay"},
        **changes,
    }


def main(source_epochs: int = 10, max_epochs: int = 12) -> None:
    train_source(source_epochs)

    # Energies of isolated atoms differ between PBE and ωB97X. With unchanged E0, the audit stops the run before training.
    try:
        atomgraph.finetune(tuning_config("unchanged_e0", max_epochs, e0="foundation"), overwrite=True, quiet=True)
    except DataError as error:
        print(f"{str(error)[:80]}...\n")

    # By default E0 is shifted. One composition determines one number; the shifts of single elements have no meaning.
    replay = {"data": f"{SOURCE / 'train_300K.xyz.gz'}@1::10", "ratio": 0.5}
    for name, changes in {"naive": {}, "replay": {"replay": replay}}.items():
        potential, _ = atomgraph.finetune(tuning_config(name, max_epochs, **changes), overwrite=True, quiet=True)
        card = json.loads((FOLDER / name / "card.json").read_text())
        parts = {"target, acetylacetone": card["target"]["valid"], "source, 3BPA": card["retention"]}
        if name == "naive":
            print("E0:", potential.metadata["e0_origin"], "\n")
        print(f"{name}: forces, mean absolute error in eV/Å")
        for part, errors in parts.items():
            before, after = (errors[when]["all"]["forces"]["mae"] for when in ("before", "after"))
            print(f"  {part}: {before:.3f} before, {after:.3f} after, ratio {after / before:.2f}")
    print(f"\nreport with plots: {FOLDER / 'replay' / 'report.html'}; heads: {', '.join(potential.heads)}")


if __name__ == "__main__":
    main()
