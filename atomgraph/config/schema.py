"""What a configuration may hold. One YAML, one run; the descriptions are the reference."""

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
    """Which structures, and how they are read, split and put into batches."""

    train: Files = Field(description="File, pattern or list of them; relative paths start where the command is run.")
    valid: Part = Field(default=0.1, description="Files, a fraction of train, a number of frames, or null for none.")
    test: Part = Field(default=None, description="The same, for the structures that training never sees.")
    group: str | None = Field(
        default=None, description="Info key: frames that share its value stay on one side of the split."
    )
    stratify: bool = Field(default=False, description="Take the same fraction of every configuration type.")
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of types, in order, for files that name none (LAMMPS, MLIP): [Cu, Au]."
    )
    format: str | None = Field(default=None, description="Format of the files, where their names do not tell it.")
    weights: dict[str, Weight] = Field(default={}, description="Weight in the loss by configuration type.")
    weight_keys: dict[WeightedName, str] = Field(
        default={},
        description="Info keys of weights in the files, {all: config_weight, energy: energy_weight}; they multiply weights.",
    )
    edge_budget: int | None = Field(
        default=None, gt=0, description="Edges in a batch; null: about 50 batches an epoch."
    )
    atom_budget: int | None = Field(default=None, gt=0, description="Atoms in a batch; null: as many as edges.")
    num_workers: int = Field(default=0, ge=0, description="Processes that put batches together.")
    cache: bool | str = Field(
        default=True, description="Folder of built graphs; true: .graphs beside the run; false: none."
    )


class Baseline(Section):
    """What is known before anything is learned; taken from the training part only."""

    heads: list[str] = Field(
        default=[],
        description="Names of heads, each with its own E0, scale and readout; info['head'] of a frame chooses.",
    )
    e0: Literal["isolated", "least_squares"] | dict[str, float | dict[str, float]] = Field(
        default="least_squares",
        description="Energies of free atoms, eV: isolated, from frames of one atom, which atoms without neighbours then have "
        "exactly; fitted; or given (by element; or by head).",
    )
    scale: Literal["force_rms", "energy_std", "none"] | Annotated[float, Field(gt=0)] = Field(
        default="force_rms",
        description="Scale of learned energies, eV: from forces, from energies per atom, none (1; closed-form fits), a number.",
    )
    shift: Literal["mean", "none"] | float = Field(
        default="none", description="Shift per atom, eV: mean above E0, none, number."
    )
    repulsion: Literal["none", "zbl"] | dict[str, Any] = Field(
        default="none", description="none, zbl, or a part {kind: ...}."
    )


class Ramp(Section):
    """A weight that goes in a straight line from start to end."""

    start: float = Field(ge=0, description="The weight in the beginning.")
    end: float = Field(ge=0, description="The weight from then on.")
    from_epoch: int = Field(default=0, ge=0, description="When it begins to change; the first epoch is 0.")
    n_epochs: int = Field(default=1, gt=0, description="Epochs from start to end.")


class Term(Section):
    """One target of training (``atomgraph.training.Term``)."""

    property: QuantityName = Field(description="energy is per atom, eV; eV/Å; eV/Å³.")
    loss: Literal["mse", "mae", "huber"] = Field(
        default="mse", description="Of each entry's error: x², abs x, or Huber's."
    )
    weight: Weight | Ramp = Field(default=1.0, description="A number, or {start, end, from_epoch, n_epochs}.")
    metric: Literal["mae", "rmse"] = Field(default="mae", description="The error shown while training.")
    delta: float = Field(default=0.01, gt=0, description="Where Huber's loss turns linear, in units of the property.")
    if_labelled: bool = Field(
        default=False,
        description="Leave the term out where no training structure has the label; else that is an error.",
    )


class Optimizer(BaseModel):
    """An optimiser of torch.optim; further keys are its own arguments. Biases do not decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="A class of torch.optim, by its name.")
    lr: float = Field(default=1e-3, gt=0, description="Peak learning rate.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decay of matrices; biases and single numbers have none."
    )


class Phase(Section):
    """A stretch of the learning rate's schedule (``atomgraph.training.Phase``)."""

    kind: Literal["warmup", "constant", "linear", "cosine", "exponential", "plateau"] = Field(
        description="How the rate goes in it; each phase begins where the one before it ended."
    )
    epochs: float | None = Field(default=None, gt=0, description="Length; null: the rest of the run (last phase only).")
    start: float = Field(default=0.0, ge=0, le=1, description="Of warmup: the factor that it starts from.")
    final: float = Field(default=0.01, ge=0, le=1, description="The factor that it ends with.")
    factor: float = Field(default=0.5, gt=0, lt=1, description="Of plateau: each drop.")
    patience: int = Field(default=10, ge=0, description="Of plateau: validations without a lower loss before a drop.")
    threshold: float = Field(
        default=1e-3, ge=0, lt=1, description="Of plateau: the part by which a loss must fall to be lower."
    )


STRESS_WEIGHT = 100.0  # beside 1 for energies and 10 for forces; measured, see docs/validation.md


def _terms() -> list[Term]:
    stress = Term(property="stress", weight=STRESS_WEIGHT, if_labelled=True)
    return [Term(property="energy"), Term(property="forces", weight=10.0), stress]


class Gradient(Section):
    """Training by gradient, with Lightning."""

    kind: Literal["gradient"] = Field(default="gradient", description="How the potential is fitted.")
    start: LeastSquares | None = Field(
        default=None,
        description="A closed-form fit that gives the first weights of linear readouts; null: random ones.",
    )
    terms: list[Term] = Field(
        default_factory=_terms, min_length=1, description="The addends of the loss, one a property."
    )
    optimizer: Optimizer = Field(default_factory=Optimizer, description="Which optimiser, and its arguments.")
    schedule: list[Phase] = Field(
        default=[], description="Phases of the learning rate, one after another; none: constant."
    )
    ema: float | None = Field(
        default=0.99, ge=0, lt=1, description="Decay of the average of weights that is kept; null: none."
    )
    max_epochs: int = Field(default=100, gt=0, description="Passes over the training structures.")
    patience: int | None = Field(
        default=None, gt=0, description="Stop after so many validations without a better figure."
    )
    monitor: str = Field(
        default="loss", description="The validation figure that decides: loss, forces_mae, energy_rmse, ..."
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
    devices: int | str | list[int] = Field(default=1, description="How many, or which (Lightning's).")
    num_nodes: int = Field(default=1, gt=0, description="Machines (Lightning's).")
    strategy: str = Field(default="auto", description="Lightning's; auto: ddp where there are several processes.")
    precision: Literal[16, 32, 64] | str = Field(
        default="32-true", description="32-true, 64-true, bf16-mixed, 16-mixed (Lightning's)."
    )
    deterministic: bool = Field(default=False, description="Deterministic kernels on GPUs, where they exist.")


class Output(Section):
    """Where the run goes."""

    folder: str = Field(description="The run folder; new or empty.")
    loggers: list[Literal["csv", "tensorboard", "wandb"]] = Field(
        default=["csv"], description="metrics.csv is always written."
    )
    report: bool = Field(default=True, description="report.html at the end.")


class Config(Section):
    """The whole run."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the split, the first weights and the shuffling.")
    data: Data
    model: dict[str, Any] = Field(description="kind: a name of atomgraph.models or a dotted path; its arguments.")
    baseline: Baseline = Field(default_factory=Baseline)
    fit: Annotated[Gradient | LeastSquares | SparseGP, Field(discriminator="kind")] = Field(default_factory=Gradient)
    output: Output
