"""Schema of a configuration of training. The descriptions of the keys are the reference pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atomgraph.config.closed_form_schema import LeastSquares, SparseGP
from atomgraph.config.section import Section as Section
from atomgraph.graph.quantities import QuantityName, WeightedName

Files = str | list[str]
Weight = Annotated[float, Field(ge=0)]
Part = Files | float | int | None


class Data(Section):
    """Structures: files, split, labels and batches."""

    train: Files = Field(
        description="A file, a pattern or a list of them; relative to the folder where the command runs."
    )
    valid: Part = Field(
        default=0.1, description="Files, a fraction of train, a number of frames of train, or null for none."
    )
    test: Part = Field(default=None, description="The same, for structures that are used for the final errors only.")
    group: str | None = Field(
        default=None, description="Info key; frames with an equal value are not separated by the split."
    )
    stratify: bool = Field(
        default=False, description="Whether the split takes the same fraction of every configuration type."
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None,
        description="Elements of atom types, in order, for files without element names (LAMMPS, MLIP): [Cu, Au].",
    )
    format: str | None = Field(default=None, description="Format of the files, if their names do not tell.")
    weights: dict[str, Weight] = Field(default={}, description="Weight in the loss, by configuration type.")
    weight_keys: dict[WeightedName, str] = Field(
        default={},
        description="Info keys of weights in the files, {all: config_weight, energy: energy_weight}. They "
        "multiply the other weights.",
    )
    edge_budget: int | None = Field(
        default=None, gt=0, description="Largest number of edges in a batch; null: about 50 batches an epoch."
    )
    atom_budget: int | None = Field(
        default=None, gt=0, description="Largest number of atoms in a batch; null: as many as edges."
    )
    num_workers: int = Field(default=0, ge=0, description="Number of processes that collate batches.")
    cache: bool | str = Field(
        default=True, description="Folder for built graphs; true: .graphs beside the run folder; false: none."
    )


class Baseline(Section):
    """E0, scale, shift and repulsion of a new potential; from the training part only."""

    heads: list[str] = Field(
        default=[],
        description="Names of heads, each with its E0, scale and readout. info['head'] of a frame selects the head.",
    )
    e0: Literal["isolated", "least_squares"] | dict[str, float | dict[str, float]] = Field(
        default="least_squares",
        description="Energies of free atoms, eV. isolated: from frames of one atom; atoms without "
        "neighbours then have exactly E0. "
        "least_squares: fitted. Or values by element, or by head and element.",
    )
    scale: Literal["force_rms", "energy_std", "none"] | Annotated[float, Field(gt=0)] = Field(
        default="force_rms",
        description="Unit of learned energies, eV: RMS of forces, spread of energies per atom, none (1; "
        "fits in closed form) or a number.",
    )
    shift: Literal["mean", "none"] | float = Field(
        default="none", description="Shift per atom, eV: mean energy above E0, none, or a number."
    )
    repulsion: Literal["none", "zbl"] | dict[str, Any] = Field(
        default="none", description="none, zbl, or a part {kind: ...}."
    )


class Ramp(Section):
    """A weight that changes linearly from start to end."""

    start: float = Field(ge=0, description="Weight before the ramp.")
    end: float = Field(ge=0, description="Weight after the ramp.")
    from_epoch: int = Field(default=0, ge=0, description="First epoch of the ramp, counted from 0.")
    n_epochs: int = Field(default=1, gt=0, description="Epochs from start to end.")


class Term(Section):
    """One term of the loss (``atomgraph.training.Term``)."""

    property: QuantityName = Field(description="energy (per atom, eV), forces (eV/Å) or stress (eV/Å³).")
    loss: Literal["mse", "mae", "huber"] = Field(
        default="mse", description="Loss of each component: squared, absolute or Huber."
    )
    weight: Weight | Ramp = Field(default=1.0, description="A number, or {start, end, from_epoch, n_epochs}.")
    metric: Literal["mae", "rmse"] = Field(default="mae", description="Error that is printed during training.")
    delta: float = Field(
        default=0.01, gt=0, description="Error above which Huber's loss is linear, in units of the property."
    )
    if_labelled: bool = Field(
        default=False,
        description="Whether the term is left out if no training structure has the label; otherwise that is an error.",
    )


class Optimizer(BaseModel):
    """An optimiser of torch.optim; further keys are arguments of its constructor. Biases do not decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="Name of a class of torch.optim.")
    lr: float = Field(default=1e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Weight decay of matrices; biases and single numbers have none."
    )


class Phase(Section):
    """A phase of the learning-rate schedule (``atomgraph.training.Phase``)."""

    kind: Literal["warmup", "constant", "linear", "cosine", "exponential", "plateau"] = Field(
        description="Shape of the learning rate; each phase starts at the final rate of the previous one."
    )
    epochs: float | None = Field(
        default=None, gt=0, description="Length in epochs; null: the rest of the run (last phase only)."
    )
    start: float = Field(default=0.0, ge=0, le=1, description="warmup: first factor on the learning rate.")
    final: float = Field(default=0.01, ge=0, le=1, description="Last factor on the learning rate.")
    factor: float = Field(default=0.5, gt=0, lt=1, description="plateau: factor of each drop.")
    patience: int = Field(default=10, ge=0, description="plateau: validations without a lower loss before a drop.")
    threshold: float = Field(
        default=1e-3, ge=0, lt=1, description="plateau: relative decrease that counts as a lower loss."
    )


STRESS_WEIGHT = 100.0  # beside 1 for energies and 10 for forces; measured, see docs/validation.md


def _terms() -> list[Term]:
    stress = Term(property="stress", weight=STRESS_WEIGHT, if_labelled=True)
    return [Term(property="energy"), Term(property="forces", weight=10.0), stress]


class Gradient(Section):
    """Training by gradient, with Lightning."""

    kind: Literal["gradient"] = Field(default="gradient", description="The way of fitting.")
    start: LeastSquares | None = Field(
        default=None,
        description="A fit in closed form for the first weights of linear readouts; null: random weights.",
    )
    terms: list[Term] = Field(
        default_factory=_terms, min_length=1, description="Terms of the loss, one for each property."
    )
    optimizer: Optimizer = Field(default_factory=Optimizer, description="The optimiser and its arguments.")
    schedule: list[Phase] = Field(default=[], description="Phases of the learning rate, in order; empty: constant.")
    ema: float | None = Field(
        default=0.99, ge=0, lt=1, description="Decay of the exponential average of weights; null: no average."
    )
    max_epochs: int = Field(default=100, gt=0, description="Number of passes over the training structures.")
    patience: int | None = Field(
        default=None, gt=0, description="Validations without improvement after which training stops; null: never."
    )
    monitor: str = Field(
        default="loss", description="Validation error that selects the best epoch: loss, forces_mae, energy_rmse, ..."
    )
    check_val_every_n_epoch: int = Field(
        default=1, gt=0, description="Epochs from one validation to the next (Lightning's)."
    )
    gradient_clip_val: float | None = Field(
        default=10.0, gt=0, description="Largest norm of the gradient; null: any (Lightning's)."
    )
    accumulate_grad_batches: int = Field(
        default=1, gt=0, description="Batches to an optimiser step, on each process (Lightning's)."
    )
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ... (Lightning's).")
    devices: int | str | list[int] = Field(default=1, description="Number or list of devices (Lightning's).")
    num_nodes: int = Field(default=1, gt=0, description="Number of machines (Lightning's).")
    strategy: str = Field(default="auto", description="Lightning's strategy; auto: ddp for several processes.")
    precision: Literal[16, 32, 64] | str = Field(
        default="32-true", description="32-true, 64-true, bf16-mixed, 16-mixed (Lightning's)."
    )
    deterministic: bool = Field(default=False, description="Whether deterministic GPU kernels are used, if they exist.")


class Output(Section):
    """The run folder and its files."""

    folder: str = Field(description="The run folder, new or empty.")
    loggers: list[Literal["csv", "tensorboard", "wandb"]] = Field(
        default=["csv"], description="Loggers; metrics.csv is always written."
    )
    report: bool = Field(default=True, description="Whether report.html is written.")


class Config(Section):
    """A run of training."""

    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of the split, of the first weights and of shuffling."
    )
    data: Data
    model: dict[str, Any] = Field(description="kind (a name of atomgraph.models or a dotted path) and its arguments.")
    baseline: Baseline = Field(default_factory=Baseline)
    fit: Annotated[Gradient | LeastSquares | SparseGP, Field(discriminator="kind")] = Field(default_factory=Gradient)
    output: Output
