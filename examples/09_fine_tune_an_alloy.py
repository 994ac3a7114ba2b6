"""You will learn to compare methods of fine-tuning for several numbers of structures, from an alloy to pure molybdenum."""

from pathlib import Path

from rich.console import Console

import atomgraph
from atomgraph.analysis.finetuning.method_comparison import summarise
from atomgraph.runs import compare

DATA = Path(__file__).parent / "data"
FOLDER = Path("runs/example_09")
TERMS = [{"property": "energy", "weight": 1.0}, {"property": "forces", "weight": 1.0}]


def train_source(max_epochs: int) -> None:
    """Train a small graph convolutional network on Nb, Ta, W and binaries with Mo, without frames of pure Mo."""
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


def comparison_config(sizes: list[int], max_epochs: int) -> dict:
    """Return a configuration of fine-tuning with the changes of each method in ``compare``."""
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
        train_source(source_epochs)

    # This prints a line after each run, then the table. After an interruption, finished runs are not repeated.
    # The command is: atomgraph finetune CONFIG.yaml --compare
    cells = compare(comparison_config(list(sizes), max_epochs))
    summaries = summarise(cells)

    console = Console(highlight=False)
    for summary in summaries:
        if summary.size == max(sizes) and summary.method != "scratch":
            scratch = next(s for s in summaries if (s.method, s.size) == ("scratch", summary.size))
            ratio = scratch.target_forces / summary.target_forces
            console.print(
                f"{summary.method}, {summary.size} structures: forces on Mo {ratio:.2f} times as accurate as from scratch"
            )


if __name__ == "__main__":
    main()
