"""Schema of a fine-tuning configuration. The reference pages of the documentation show the descriptions of the keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atomgraph.config.closed_form_schema import SigmaSection
from atomgraph.config.schema import DataSection, Files, Gradient, OutputSection, PhaseSection
from atomgraph.config.section import Section
from atomgraph.old_names import old_names_of


class StartSection(Section):
    """The starting potential, and its kept or added elements and heads. Only predictions for ``new_elements`` change."""

    model: str = Field(description="A potential file, a run folder, or the name of a public model.")
    head: str | None = Field(
        default=None, description="The head that is trained; required if the potential has several."
    )
    new_head: str | None = Field(
        default=None,
        description="Name of a new head that is trained instead of the chosen head and starts as its copy. "
        "null: no new head, or target with replay.",
    )
    elements: list[str] | None = Field(
        default=None, description="Chemical symbols of the potential, if the file does not contain them."
    )
    units: str | dict[str, str] | None = Field(
        default=None, description="Units of the potential, if the file does not contain them."
    )
    keep_elements: Literal["all", "data"] | list[str] = Field(
        default="all",
        description="Elements that are kept: all, data (only elements of the data, for a smaller and faster model), or a list.",
    )
    new_elements: dict[str, str] = Field(
        default={},
        description="{Au: Cu}: Au starts with the weights of Cu. If the potential already has Au, the weights of Au are "
        "replaced and its E0 is kept.",
    )


class AllWeights(Section):
    """All weights are trained."""

    kind: Literal["full"] = Field(
        default="full", description="Kind of the method: the fitted weights and the way of fitting."
    )


class FrozenGroups(Section):
    """Some groups of weights are not trained."""

    kind: Literal["frozen"] = Field(description="Kind of the method: the fitted weights and the way of fitting.")
    groups: list[str] = Field(
        min_length=1,
        description="Groups that are not trained: embedding, radial, convolution, product or readout, in all layers; "
        "layers.0; or layers.0.radial.",
    )


class LoRA(Section):
    """Low-rank changes of weight matrices (LoRA) are trained, then added to the matrices; all other weights are frozen."""

    kind: Literal["lora"] = Field(description="Kind of the method: the fitted weights and the way of fitting.")
    rank: int = Field(default=8, ge=0, description="Rank of each change; 0 trains nothing.")
    alpha: float | None = Field(
        default=None, gt=0, description="Each change is multiplied by alpha/rank; null: alpha equals rank."
    )
    skip_connections: bool = Field(
        default=False,
        description="Whether to change the linear maps of skip connections, too; they have one matrix for each element.",
    )
    products: bool = Field(
        default=False,
        description="Whether to change the weights of products, too, which are matrices of paths by channels.",
    )


class LinearMethod(Section):
    """Keys that the methods with linear problems share; these methods ignore the sections of ``gradient_section_defaults``."""

    sigma: SigmaSection = Field(default_factory=SigmaSection, description="Expected errors of labels.")
    accelerator: str = Field(default="auto", description="Device of the fit: auto, cpu, gpu, ...")


class LastLayer(LinearMethod):
    """The last layer of the readouts is fitted in closed form, around its initial weights; all other weights are frozen."""

    kind: Literal["last_layer"] = Field(description="Kind of the method: the fitted weights and the way of fitting.")
    solver: Literal["ridge", "evidence"] = Field(
        default="evidence",
        description="Prior on changes of weights: ridge (given strength) or evidence (most probable strength).",
    )
    strength: float = Field(
        default=1e-4, gt=0, description="Regularisation strength of ridge, towards the initial weights."
    )
    block: int = Field(
        default=4000, gt=0, description="Number of edges in a block. Larger blocks are faster and need more memory."
    )


class GaussNewton(LinearMethod):
    """All weights and E0 of the head are fitted by Gauss-Newton steps, each a linear problem. For tens of structures."""

    kind: Literal["gauss_newton"] = Field(description="Kind of the method: the fitted weights and the way of fitting.")
    steps: int = Field(
        default=20,
        gt=0,
        description="Largest number of steps; the weights of the step with the smallest validation error are kept.",
    )
    damping: float = Field(
        default=1e-5,
        gt=0,
        description="Damping of the first step, relative to the largest eigenvalue; it is adapted in later steps.",
    )
    tolerance: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="The fit stops when the training error improves by less than this fraction.",
    )
    memory: float = Field(
        default=4.0, gt=0, description="Largest memory of the Jacobian of all labels with respect to all weights, GB."
    )


class ReplaySection(Section):
    """Earlier training data of the potential, which train a separate head so that the potential does not forget them."""

    data: Files = Field(description="A file, a file pattern, or a list of both.")
    head: str | None = Field(
        default=None, description="The head of the starting potential for these data; null: start.head."
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        description="Weight of the replay loss; the target loss has weight 1. Each loss is averaged over its labels.",
    )
    ratio: float = Field(default=0.5, gt=0, lt=1, description="Fraction of replayed structures in every batch.")
    labels: Literal["given", "predicted"] = Field(
        default="given", description="given: labels of the files; predicted: predictions of the starting potential."
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of atom types, in order, for files without element names."
    )
    format: str | None = Field(
        default=None, description="Format of the files, if the file names do not determine the format."
    )


class FinetuneOptimizerSection(BaseModel):
    """An optimiser of torch.optim; further keys are arguments of its constructor. Biases have no weight decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="Name of a class of torch.optim.")
    lr: float | None = Field(
        default=None, gt=0, description="Peak learning rate, dimensionless; null: 1e-3 for lora, otherwise 1e-4."
    )
    weight_decay: float = Field(
        default=0.0, ge=0, description="Weight decay of matrices; biases and scalar parameters have none."
    )


class FinetuneGradient(Gradient):
    """Training by gradient descent. Values for null depend on the method and the length of the run, and are printed."""

    optimizer: FinetuneOptimizerSection = Field(  # type: ignore[assignment]
        default_factory=FinetuneOptimizerSection, description="The optimiser and its arguments."
    )
    start: None = Field(default=None, description="Not used: fine-tuning starts from a potential.")
    schedule: list[PhaseSection] | None = Field(  # type: ignore[assignment]
        default=None, description="Phases of the learning rate; null: warm-up for 5 % of the run, then cosine."
    )
    ema: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Decay factor of the exponential moving average of weights; 0: no average; null: from the number of steps.",
    )
    precision: Literal[16, 32, 64] | str | None = Field(  # type: ignore[assignment]
        default=None,
        description="32-true, 64-true, ... (argument of Lightning); null: precision of the starting potential.",
    )


class AuditSection(Section):
    """The audit of the data and the starting potential before training."""

    ignore: list[str] = Field(default=[], description="Names of findings that do not stop the run.")


class CardSection(Section):
    """The report card: errors before and after fine-tuning, on the new data (target) and the earlier data (source)."""

    probe: Files | None = Field(
        default=None,
        description="Structures similar to the earlier training data, to measure the loss of accuracy on them; "
        "null: the structures of replay.",
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of atom types, in order, for files without element names."
    )
    format: str | None = Field(
        default=None, description="Format of the files, if the file names do not determine the format."
    )
    dimers: Literal["all", "data"] = Field(
        default="all",
        description="Element pairs with dimer curves: all (of the potential) or data (of validation and test). "
        "89 elements have 4005 pairs.",
    )
    steps: int = Field(
        default=200,
        ge=0,
        description="Number of steps of an NVE simulation before and after fine-tuning; 0: no simulation.",
    )


class CompareSection(Section):
    """Runs of ``finetune --compare``: each method with each size of the training set, on the same splits and seeds."""

    methods: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="Name of each method with its changes of this configuration: {lora: {method: {kind: lora}}}. "
        "With scratch: true the same architecture is trained from random weights.",
    )
    sizes: list[int] = Field(
        min_length=1, description="Numbers of training structures; larger sets include the smaller ones."
    )
    seeds: list[int] = Field(
        default=[1], min_length=1, description="Seeds of the split, of the choice of structures and of the run."
    )


Method = Annotated[AllWeights | FrozenGroups | LoRA | LastLayer | GaussNewton, Field(discriminator="kind")]


class FinetuneConfig(Section):
    """Configuration of a fine-tuning run."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the split, of new weights and of shuffling.")
    start: StartSection
    data: DataSection
    e0: Literal["estimate", "foundation", "isolated"] | dict[str, float] = Field(
        default="estimate",
        description="E0 of the trained head, eV. estimate: shifted by a fit to the labels; foundation: "
        "unchanged; isolated: from frames of one atom, which then have exactly the energy E0. "
        "Otherwise values by element.",
    )
    method: Method = Field(
        default_factory=AllWeights, description="Kind of the method: the fitted weights and the way of fitting."
    )
    lr_factors: dict[str, float] = Field(
        default={},
        description="Factors on the learning rate by group or layer, {embedding: 0.1, layers.0: 0.5}. "
        "{decay: 0.8}: a factor of 0.8 for each layer below the readouts.",
    )
    replay: ReplaySection | None = Field(
        default=None, description="Earlier data that are trained together with the target; null: no replay."
    )
    fit: FinetuneGradient = Field(default_factory=FinetuneGradient)
    audit: AuditSection = Field(default_factory=AuditSection)
    card: CardSection = Field(default_factory=CardSection)
    compare: CompareSection | None = Field(default=None, description="Methods and sizes, for ``finetune --compare``.")
    output: OutputSection


def gradient_section_defaults() -> dict[str, Any]:
    """Return the default values of the sections that only training by gradient uses, by section name."""
    fields = FinetuneConfig.model_fields
    return {name: fields[name].get_default(call_default_factory=True) for name in ("lr_factors", "replay", "fit")}


__getattr__ = old_names_of(__name__)
