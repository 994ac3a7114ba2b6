"""You will learn to train a potential from a dictionary, and what a run folder contains (a short run of half a minute)."""

from pathlib import Path

from rich.console import Console

import atomgraph
from atomgraph.analysis.comparison import compare
from atomgraph.analysis.error_tables import error_table
from atomgraph.config import read_config
from atomgraph.data import read
from atomgraph.errors import ConfigError

DATA = Path(__file__).parent / "data" / "mlearn_Si"
FOLDER = Path("runs/example_04")


def configuration(max_epochs: int) -> dict:
    """Return a configuration with the keys of a YAML file; ``configs/behler_parrinello.yaml`` is the complete run."""
    return {
        "seed": 1,
        "data": {
            "train": f"{DATA / 'train.xyz.gz'}@::4",  # every fourth structure
            "valid": 0.15,
            "stratify": True,  # the same fraction of every configuration type
            "weights": {"Surface": 2.0},
        },
        "model": {"kind": "BehlerParrinello", "elements": "auto", "cutoff": 4.5, "readout_hidden": [16, 16]},
        "baseline": {"e0": "least_squares", "scale": "force_rms", "repulsion": "zbl"},
        "fit": {
            "terms": [{"property": "energy", "weight": 10.0}, {"property": "forces", "weight": 1.0}],
            "optimizer": {"kind": "Adam", "lr": 0.01},
            "schedule": [{"kind": "warmup", "epochs": 1}, {"kind": "cosine", "final": 0.05}],
            "max_epochs": max_epochs,
        },
        "output": {"folder": str(FOLDER), "report": True},
    }


def main(max_epochs: int = 8) -> None:
    # A configuration is checked before data are read. Errors name an unknown key, and a similar key that exists.
    try:
        read_config(configuration(max_epochs), ["fit.max_epoch=5"])
    except ConfigError as error:
        print(f"a typing error: {error}\n")

    # The run prints the census, a summary of the model, the largest batch, a line per epoch, and the final errors.
    potential, metrics = atomgraph.train(configuration(max_epochs), overwrite=True)

    print("\nin the run folder:", ", ".join(sorted(path.name for path in FOLDER.iterdir())))
    print("E0:", potential.metadata["e0_origin"])
    print(
        "validation forces, MAE:",
        round(metrics["valid"]["all"]["forces"]["mae"], 3),
        metrics["valid"]["units"]["forces"],
    )

    # The file contains the complete potential: predictions are equal, and metadata are stored.
    loaded = atomgraph.load(FOLDER / "model.safetensors")
    test = read(DATA / "test.xyz.gz")
    is_equal = loaded.predict(test[:1])[0]["energy"] == potential.predict(test[:1])[0]["energy"]
    print("the potential from the file predicts", "the same energy to the last bit" if is_equal else "another energy")
    Console().print(error_table(compare(loaded, test), "Errors on the test structures").rich())


if __name__ == "__main__":
    main()
