"""Schema of a configuration of fine-tuning. The descriptions of the keys are the reference pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atomgraph.config.closed_form_schema import Sigmas
from atomgraph.config.schema import Data, Files, Gradient, Output, Phase
from atomgraph.config.section import Section


class Start(Section):
    """The potential to start from, and the elements and heads that are kept or added. This does not change its predictions."""

    model: str = Field(description="A potential's file, a run folder, or the name of a public model.")
    head: str | None = Field(
        default=None, description="The head that is trained; required if the potential has several."
    )
    new_head: str | None = Field(
        default=None,
        description="A new head, a copy of the chosen one, that is trained instead. null: none; with replay: target.",
    )
    elements: list[str] | None = Field(default=None, description="Chemical symbols, if the file does not name them.")
    units: str | dict[str, str] | None = Field(default=None, description="Units, if the file does not state them.")
    keep_elements: Literal["all", "data"] | list[str] = Field(
        default="all", description="all, data (only elements of the data: a smaller and faster model), or a list."
    )
    new_elements: dict[str, str] = Field(
        default={},
        description="{Au: Cu}: Au starts with the weights of Cu. If the potential has Au already, its "
        "weights are replaced and its "
        "E0 stays.",
    )


class Full(Section):
    """All weights are trained."""

    kind: Literal["full"] = Field(default="full", description="Which weights are fitted, and how.")


class Frozen(Section):
    """Some groups of weights are not trained."""

    kind: Literal["frozen"] = Field(description="Which weights are fitted, and how.")
    groups: list[str] = Field(
        min_length=1,
        description="Groups that are not trained: embedding, radial, convolution, product, readout; "
        "layers.0; layers.0.radial.",
    )


class LoRA(Section):
    """Low-rank changes of weight matrices are trained and added to the matrices in the end; all else is frozen."""

    kind: Literal["lora"] = Field(description="Which weights are fitted, and how.")
    rank: int = Field(default=8, ge=0, description="Rank of each change; 0 trains nothing.")
    alpha: float | None = Field(
        default=None, gt=0, description="Changes are multiplied by alpha/rank; null: alpha is the rank."
    )
    skip_connections: bool = Field(
        default=False, description="Also the linear maps of skip connections, one for each element."
    )
    products: bool = Field(default=False, description="Also the weights of products, matrices of paths by channels.")


class Solved(Section):
    """Keys of the methods that solve linear problems; they do not use ``sections_of_gradients``."""

    sigma: Sigmas = Field(default_factory=Sigmas, description="Expected errors of labels.")
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ...")


class LastLayer(Solved):
    """The last layer of the readouts is solved for in closed form, around its first weights; all else is frozen."""

    kind: Literal["last_layer"] = Field(description="Which weights are fitted, and how.")
    solver: Literal["ridge", "evidence"] = Field(
        default="evidence",
        description="Prior on changes of weights: a given strength (ridge) or the most probable one (evidence).",
    )
    strength: float = Field(default=1e-4, gt=0, description="Regularisation of ridge, towards the first weights.")
    block: int = Field(
        default=4000, gt=0, description="Edges in a block. Larger blocks are faster and need more memory."
    )


class GaussNewton(Solved):
    """All weights and E0 of the head, by Gauss-Newton: one linear problem a step. For tens of structures."""

    kind: Literal["gauss_newton"] = Field(description="Which weights are fitted, and how.")
    steps: int = Field(
        default=20, gt=0, description="Largest number of steps; the step with the smallest validation error is kept."
    )
    damping: float = Field(
        default=1e-5,
        gt=0,
        description="Damping of the first step, relative to the largest eigenvalue; adapted afterwards.",
    )
    tolerance: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="The fit stops when the training error improves by less than this fraction.",
    )
    memory: float = Field(
        default=4.0, gt=0, description="Memory in GB for the Jacobian of all labels with respect to all weights."
    )


class Replay(Section):
    """Data that the potential was trained on before, trained with their own head, so that it is not forgotten."""

    data: Files = Field(description="File, pattern or list of them.")
    head: str | None = Field(
        default=None, description="The head of the starting potential for these data; null: start.head."
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        description="Weight of the replay loss; the target loss has weight 1. Each is averaged over its labels.",
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
    format: str | None = Field(default=None, description="Format of the files, if their names do not tell.")


class TuningOptimizer(BaseModel):
    """An optimiser of torch.optim; further keys are arguments of its constructor. Biases do not decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="Name of a class of torch.optim.")
    lr: float | None = Field(default=None, gt=0, description="Peak learning rate; null: 1e-3 for lora, otherwise 1e-4.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Weight decay of matrices; biases and single numbers have none."
    )


class Tuning(Gradient):
    """Training by gradient. Values for null depend on method and length of the run; they are printed."""

    optimizer: TuningOptimizer = Field(  # type: ignore[assignment]
        default_factory=TuningOptimizer, description="The optimiser and its arguments."
    )
    start: None = Field(default=None, description="Not used: fine-tuning starts from a potential.")
    schedule: list[Phase] | None = Field(  # type: ignore[assignment]
        default=None, description="Phases of the learning rate; null: warm-up for 5 % of the run, then cosine."
    )
    ema: float | None = Field(
        default=None,
        ge=0,
        lt=1,
        description="Decay of the exponential average of weights; 0: no average; null: from the number of steps.",
    )
    precision: Literal[16, 32, 64] | str | None = Field(  # type: ignore[assignment]
        default=None, description="32-true, 64-true, ... (Lightning's); null: precision of the starting potential."
    )


class Audit(Section):
    """The audit of data and starting potential before training."""

    ignore: list[str] = Field(default=[], description="Names of findings that do not stop the run.")


class Card(Section):
    """The report card: errors before and after fine-tuning, on target and source."""

    probe: Files | None = Field(
        default=None,
        description="Structures that resemble the earlier training data, to measure what is forgotten; "
        "null: those of replay.",
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of atom types, in order, for files without element names."
    )
    format: str | None = Field(default=None, description="Format of the files, if their names do not tell.")
    dimers: Literal["all", "data"] = Field(
        default="all",
        description="Pairs of elements with dimer curves: all of the potential, or those in validation and test. "
        "89 elements give 4005 pairs.",
    )
    steps: int = Field(
        default=200,
        ge=0,
        description="Steps of a simulation at constant energy, before and after fine-tuning; 0: none.",
    )


class Compare(Section):
    """Runs of ``finetune --compare``: each method at each size of the training set, on the same splits and seeds."""

    methods: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="Name of each method, and its changes of this configuration: {lora: {method: {kind: "
        "lora}}}. With scratch: true "
        "the same architecture is trained from random weights.",
    )
    sizes: list[int] = Field(
        min_length=1, description="Numbers of training structures; larger sets include the smaller ones."
    )
    seeds: list[int] = Field(
        default=[1], min_length=1, description="Seeds of the split, of the choice of structures and of the run."
    )


Method = Annotated[Full | Frozen | LoRA | LastLayer | GaussNewton, Field(discriminator="kind")]


class FinetuneConfig(Section):
    """A run of fine-tuning."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the split, of new weights and of shuffling.")
    start: Start
    data: Data
    e0: Literal["estimate", "foundation", "isolated"] | dict[str, float] = Field(
        default="estimate",
        description="E0 of the trained head, eV. estimate: shifted as the labels tell; foundation: "
        "unchanged; isolated: from frames "
        "of one atom, which then have exactly E0; or values by element.",
    )
    method: Method = Field(default_factory=Full, description="Which weights are fitted, and how.")
    lr_factors: dict[str, float] = Field(
        default={},
        description="Factors on the learning rate by group or layer, {embedding: 0.1, layers.0: 0.5}. "
        "{decay: 0.8}: a factor of "
        "0.8 for each layer below the readouts.",
    )
    replay: Replay | None = Field(default=None, description="Earlier data that are trained beside the target.")
    fit: Tuning = Field(default_factory=Tuning)
    audit: Audit = Field(default_factory=Audit)
    card: Card = Field(default_factory=Card)
    compare: Compare | None = Field(default=None, description="Methods and sizes, for ``finetune --compare``.")
    output: Output


def sections_of_gradients() -> dict[str, Any]:
    """Sections that only training by gradient uses, with their defaults."""
    fields = FinetuneConfig.model_fields
    return {name: fields[name].get_default(call_default_factory=True) for name in ("lr_factors", "replay", "fit")}
