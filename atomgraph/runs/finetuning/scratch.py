"""Untrained potentials for comparisons: the architecture of the starting potential with random weights."""

from __future__ import annotations

from pathlib import Path

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.model_spec import build_model
from atomgraph.data import build_graphs, energy_scale, read
from atomgraph.data.frame_names import elements_in
from atomgraph.nn.part import to_spec
from atomgraph.potential import Potential
from atomgraph.runs.builders.build import calibrate
from atomgraph.runs.dataset import assign_head
from atomgraph.runs.finetuning.starting_potential import load_start, prepare_start
from atomgraph.training.randomness import use_seed


def write_scratch_potential(config: FinetuneConfig, train: str, seed: int, folder: Path) -> Path:
    """Write a potential with the architecture of the starting potential and random weights.

    Args:
        config: The configuration.
        train: File of the training structures, for the scale of energies and constants of parts. E0 is copied from the
            starting potential.
        seed: Seed of the random weights.
        folder: Folder for the file.

    Returns:
        The path of the file.
    """
    frames = read(train)
    foundation = load_start(config.start)
    starting = prepare_start(
        config.model_copy(update={"replay": None}), foundation, elements_in(frames), has_replay=False
    )
    template = starting.potential
    with use_seed(seed):
        potential = Potential(build_model(to_spec(template.model))).to(template.model.dtype)
    for head in potential.heads:
        potential.model.baseline.set_e0(template.model.baseline.e0_of(head), head)
    graphs = build_graphs(frames, potential.cutoff)
    assign_head(graphs, potential.heads.index(starting.head))
    potential.model.baseline.set_scale(energy_scale(graphs).value)
    calibrate(potential, graphs)
    path = folder / f"scratch-{Path(train).stem}.safetensors"
    potential.save(path)
    return path
