"""Schema of a training configuration. The reference pages of the documentation show the descriptions of the keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atomgraph.config.closed_form_schema import LeastSquares, SparseGP
from atomgraph.config.section import Section as Section
from atomgraph.graph.quantities import QuantityName, WeightedName
from atomgraph.old_names import old_names_of

Files = str | list[str]
Weight = Annotated[float, Field(ge=0)]
FilesOrShare = Files | float | int | None  # files, a fraction, a number of frames, or None: no frames


class DataSection(Section):
    """Structures: files, split, labels and batches."""

    train: Files = Field(description="A file, a file pattern, or a list of both; relative to the working folder.")
    valid: FilesOrShare = Field(
        default=0.1,
        description="Validation structures: files, a fraction of train, a number of frames of train, or null for none.",
    )
    test: FilesOrShare = Field(
        default=None, description="Test structures, for the final errors only: values as for valid."
    )
    group: str | None = Field(
        default=None, description="Info key; the split keeps frames with an equal value in the same part."
    )
    stratify: bool = Field(
        default=False, description="Whether the split takes the same fraction from each configuration type."
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None,
        description="Elements of atom types, in order, for files without element names (LAMMPS, MLIP): [Cu, Au].",
    )
    format: str | None = Field(
        default=None, description="Format of the files, if the file names do not determine the format."
    )
    weights: dict[str, Weight] = Field(default={}, description="Weight in the loss, by configuration type.")
    weight_keys: dict[WeightedName, str] = Field(
        default={},
        description="Info keys of weights in the files, {all: config_weight, energy: energy_weight}. These weights "
        "multiply the other weights.",
    )
    edge_budget: int | None = Field(
        default=None, gt=0, description="Largest number of edges in a batch; null: about 50 batches per epoch."
    )
    atom_budget: int | None = Field(
        default=None, gt=0, description="Largest number of atoms in a batch; null: equal to edge_budget."
    )
    num_workers: int = Field(default=0, ge=0, description="Number of processes that build batches.")
    cache: bool | str = Field(
        default=True, description="Folder for built graphs; true: .graphs beside the run folder; false: none."
    )


class BaselineSection(Section):
    """E0, scale, shift and repulsion of a new potential, computed from the training part only."""

    heads: list[str] = Field(
        default=[],
        description="Names of heads; each head has E0, scale and readout of its own. info['head'] of a frame selects the head.",
    )
    e0: Literal["isolated", "least_squares"] | dict[str, float | dict[str, float]] = Field(
        default="least_squares",
        description="Energies of isolated atoms, eV. isolated: from frames of one atom; atoms without "
        "neighbours then have exactly the energy E0. "
        "least_squares: fitted. Otherwise values by element, or by head and element.",
    )
    scale: Literal["force_rms", "energy_std", "none"] | Annotated[float, Field(gt=0)] = Field(
        default="force_rms",
        description="Unit of learned energies, eV: RMS of forces, spread of energies per atom, none (1; "
        "the default of fits in closed form) or a number.",
    )
    shift: Literal["mean", "none"] | float = Field(
        default="none", description="Shift per atom, eV: mean energy above E0, none, or a number."
    )
    repulsion: Literal["none", "zbl"] | dict[str, Any] = Field(
        default="none", description="Repulsion at short distance: none, zbl, or a part {kind: ...}."
    )


class RampSection(Section):
    """A weight of a loss term that changes linearly from start to end."""

    start: float = Field(ge=0, description="Weight before the ramp.")
    end: float = Field(ge=0, description="Weight after the ramp.")
    from_epoch: int = Field(default=0, ge=0, description="First epoch of the ramp, counted from 0.")
    n_epochs: int = Field(default=1, gt=0, description="Number of epochs from start to end.")


class TermSection(Section):
    """A term of the loss (``atomgraph.training.Term``)."""

    property: QuantityName = Field(description="energy (eV/atom), forces (eV/Å) or stress (eV/Å³).")
    loss: Literal["mse", "mae", "huber"] = Field(
        default="mse", description="Loss of each component: mse (squared error), mae (absolute error) or huber."
    )
    weight: Weight | RampSection = Field(default=1.0, description="A number, or {start, end, from_epoch, n_epochs}.")
    metric: Literal["mae", "rmse"] = Field(default="mae", description="Error measure that is printed during training.")
    delta: float = Field(
        default=0.01, gt=0, description="Error above which the Huber loss is linear, in units of the property."
    )
    if_labelled: bool = Field(
        default=False,
        description="Whether to skip the term if no training structure has the label. false: a missing label is an error.",
    )


class OptimizerSection(BaseModel):
    """An optimiser of torch.optim; further keys are arguments of its constructor. Biases have no weight decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="Name of a class of torch.optim.")
    lr: float = Field(default=1e-3, gt=0, description="Peak learning rate, dimensionless.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Weight decay of matrices; biases and scalar parameters have none."
    )


class PhaseSection(Section):
    """A phase of the learning-rate schedule (``atomgraph.training.Phase``)."""

    kind: Literal["warmup", "constant", "linear", "cosine", "exponential", "plateau"] = Field(
        description="Shape of the learning rate; each phase starts at the final rate of the previous one."
    )
    epochs: float | None = Field(
        default=None, gt=0, description="Length in epochs; null: all remaining epochs (last phase only)."
    )
    start: float = Field(
        default=0.0, ge=0, le=1, description="warmup: factor on the learning rate at the start of the phase."
    )
    final: float = Field(default=0.01, ge=0, le=1, description="Factor on the learning rate at the end of the phase.")
    factor: float = Field(
        default=0.5, gt=0, lt=1, description="plateau: factor on the learning rate at each reduction."
    )
    patience: int = Field(
        default=10, ge=0, description="plateau: number of validations without a lower loss before a reduction."
    )
    threshold: float = Field(
        default=1e-3, ge=0, lt=1, description="plateau: relative decrease that counts as a lower loss."
    )


STRESS_WEIGHT = 100.0  # with weight 1 for energies and 10 for forces; chosen by experiments in docs/validation.md


def _terms() -> list[TermSection]:
    stress = TermSection(property="stress", weight=STRESS_WEIGHT, if_labelled=True)
    return [TermSection(property="energy"), TermSection(property="forces", weight=10.0), stress]


class Gradient(Section):
    """Training by gradient descent, with Lightning."""

    kind: Literal["gradient"] = Field(default="gradient", description="Kind of the fit.")
    start: LeastSquares | None = Field(
        default=None,
        description="A fit in closed form for the initial weights of linear readouts; null: random weights.",
    )
    terms: list[TermSection] = Field(
        default_factory=_terms, min_length=1, description="Terms of the loss, one term for each property."
    )
    optimizer: OptimizerSection = Field(
        default_factory=OptimizerSection, description="The optimiser and its arguments."
    )
    schedule: list[PhaseSection] = Field(
        default=[], description="Phases of the learning rate, in order; empty: constant."
    )
    ema: float | None = Field(
        default=0.99,
        ge=0,
        lt=1,
        description="Decay factor of the exponential moving average of weights; null: no average.",
    )
    max_epochs: int = Field(default=100, gt=0, description="Largest number of passes over the training structures.")
    patience: int | None = Field(
        default=None,
        gt=0,
        description="Number of validations without improvement after which training stops; null: no early stop.",
    )
    monitor: str = Field(
        default="loss", description="Validation error that selects the best epoch: loss, forces_mae, energy_rmse, ..."
    )
    check_val_every_n_epoch: int = Field(
        default=1, gt=0, description="Number of epochs between validations (argument of Lightning)."
    )
    gradient_clip_val: float | None = Field(
        default=10.0, gt=0, description="Largest norm of the gradient; null: no limit (argument of Lightning)."
    )
    accumulate_grad_batches: int = Field(
        default=1, gt=0, description="Number of batches per optimiser step and process (argument of Lightning)."
    )
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ... (argument of Lightning).")
    devices: int | str | list[int] = Field(default=1, description="Number or list of devices (argument of Lightning).")
    num_nodes: int = Field(default=1, gt=0, description="Number of machines (argument of Lightning).")
    strategy: str = Field(default="auto", description="Strategy of Lightning; auto: ddp for several processes.")
    precision: Literal[16, 32, 64] | str = Field(
        default="32-true", description="32-true, 64-true, bf16-mixed, 16-mixed (argument of Lightning)."
    )
    deterministic: bool = Field(
        default=False, description="Whether to use deterministic GPU kernels where PyTorch has them."
    )


class OutputSection(Section):
    """The run folder and its files."""

    folder: str = Field(description="The run folder; it must be new or empty.")
    loggers: list[Literal["csv", "tensorboard", "wandb"]] = Field(
        default=["csv"], description="Loggers; the file metrics.csv is written in any case."
    )
    report: bool = Field(default=True, description="Whether to write report.html.")


class Config(Section):
    """Configuration of a training run."""

    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Seed of the split, of the initial weights and of shuffling."
    )
    data: DataSection
    model: dict[str, Any] = Field(description="kind (a name of atomgraph.models or a dotted path) and its arguments.")
    baseline: BaselineSection = Field(default_factory=BaselineSection)
    fit: Annotated[Gradient | LeastSquares | SparseGP, Field(discriminator="kind")] = Field(default_factory=Gradient)
    output: OutputSection


__getattr__ = old_names_of(__name__)
