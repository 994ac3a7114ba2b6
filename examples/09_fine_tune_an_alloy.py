"""You will learn to compare methods of fine-tuning by number of structures, here from an alloy to pure molybdenum."""

from pathlib import Path

from rich.console import Console

import atomgraph
from atomgraph.analysis.finetuning.method_comparison import summarise
from atomgraph.runs import compare

DATA = Path(__file__).parent / "data"
FOLDER = Path("runs/example_09")
TERMS = [{"property": "energy", "weight": 1.0}, {"property": "forces", "weight": 1.0}]


def source(max_epochs: int) -> None:
    """A small graph convolutional network of Nb, Ta, W and binaries, no frame of which is pure Mo."""
    config = {
        "seed": 1,
        "data": {
            "train": f"{DATA / 'nbmotaw' / 'train.xyz.gz'}@::4",
            "valid": 0.1,
            "edge_budget": 6000,
            "cache": False,
        },
        "model": {
            "kind": "GCN",
            "elements": "auto",
            "cutoff": 4.5,
            "channels": 32,
            "n_radial": 10,
            "readout_hidden": [32],
        },
        "baseline": {"e0": "least_squares", "scale": "force_rms", "repulsion": "zbl"},
        "fit": {"terms": TERMS, "optimizer": {"kind": "AdamW", "lr": 0.01}, "max_epochs": max_epochs},
        "output": {"folder": str(FOLDER / "source"), "report": False},
    }
    atomgraph.train(config, overwrite=True, quiet=True)


def plan(sizes: list[int], max_epochs: int) -> dict:
    """One configuration of fine-tuning, and what each method changes in it."""
    return {
        "seed": 1,
        "start": {"model": str(FOLDER / "source")},
        "data": {
            "train": f"{DATA / 'mlearn_Mo' / 'train.xyz.gz'}@::4",
            "valid": f"{DATA / 'mlearn_Mo' / 'test.xyz.gz'}@::3",
            "test": f"{DATA / 'mlearn_Mo' / 'test.xyz.gz'}@1::3",
            "edge_budget": 6000,
            "cache": False,
        },
        "fit": {"terms": TERMS, "optimizer": {"lr": 0.01}, "max_epochs": max_epochs, "check_val_every_n_epoch": 5},
        "card": {"probe": f"{DATA / 'nbmotaw' / 'held_out.xyz.gz'}@::4", "steps": 0},
        "compare": {
            "sizes": sizes,
            "methods": {
                "naive": {},
                "replay": {"replay": {"data": f"{DATA / 'nbmotaw' / 'train.xyz.gz'}@1::10", "ratio": 0.5}},
                "scratch": {"scratch": True},
            },
        },
        "output": {"folder": str(FOLDER / "compare"), "report": False},
    }


def main(source_epochs: int = 20, sizes: tuple[int, ...] = (10, 30), max_epochs: int = 20) -> None:
    if not (FOLDER / "source" / "model.safetensors").is_file():
        source(source_epochs)

    # A line a run as it ends, then the table. Called again, it goes on where it was stopped; what is finished stays.
    # On the command line this is: atomgraph finetune plan.yaml --compare
    cells = compare(plan(list(sizes), max_epochs))

    console = Console(highlight=False)
    for first in summarise(cells):
        if first.size == max(sizes) and first.method != "scratch":
            scratch = next(s for s in summarise(cells) if (s.method, s.size) == ("scratch", first.size))
            gained = scratch.target_forces / first.target_forces
            console.print(
                f"{first.method}, {first.size} structures: forces on Mo {gained:.2f} times as good as from scratch"
            )


if __name__ == "__main__":
    main()
