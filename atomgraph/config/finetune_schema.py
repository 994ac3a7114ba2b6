"""What a configuration of fine-tuning may hold. One YAML, one run; the descriptions are the reference."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from atomgraph.config.closed_form_schema import Sigmas
from atomgraph.config.schema import Data, Files, Gradient, Output, Phase
from atomgraph.config.section import Section


class Start(Section):
    """The potential to start from, and what of it is kept or added; its predictions are unchanged by that."""

    model: str = Field(description="A potential's file, a run folder, or the name of a public model.")
    head: str | None = Field(
        default=None, description="Which head is trained; must be said where the potential has several."
    )
    new_head: str | None = Field(
        default=None,
        description="A head to be added, like the chosen one and trained in its place; null: none; with replay, target.",
    )
    elements: list[str] | None = Field(default=None, description="Chemical symbols, where the file does not say.")
    units: str | dict[str, str] | None = Field(default=None, description="Units, where the file does not say.")
    keep_elements: Literal["all", "data"] | list[str] = Field(
        default="all", description="All elements, those of the data (a smaller and faster model), or these."
    )
    new_elements: dict[str, str] = Field(
        default={},
        description="{Au: Cu}: Au begins with the weights of Cu; if the potential knows Au already, in the place of its own, "
        "and Au keeps its E0.",
    )


class Full(Section):
    """All weights are trained."""

    kind: Literal["full"] = Field(default="full", description="Which weights are trained, and how.")


class Frozen(Section):
    """Some groups of weights stay as they are, to the last bit."""

    kind: Literal["frozen"] = Field(description="Which weights are trained, and how.")
    groups: list[str] = Field(
        min_length=1,
        description="What stays: embedding, radial, convolution, product, readout; a layer, layers.0; or layers.0.radial.",
    )


class LoRA(Section):
    """Matrices change by matrices of low rank, which are added to them in the end; nothing else is trained."""

    kind: Literal["lora"] = Field(description="Which weights are trained, and how.")
    rank: int = Field(default=8, ge=0, description="Of each change; 0 trains nothing.")
    alpha: float | None = Field(default=None, gt=0, description="Changes count alpha/rank times; null: the rank.")
    skip_connections: bool = Field(
        default=False, description="Also the linear maps of skip connections, one for each element."
    )
    products: bool = Field(default=False, description="Also the weights of products, paths by channels.")


class Solved(Section):
    """What methods have that solve linear problems; they have no use for ``sections_of_gradients``."""

    sigma: Sigmas = Field(default_factory=Sigmas, description="Expected errors of labels.")
    accelerator: str = Field(default="auto", description="auto, cpu, gpu, ...")


class LastLayer(Solved):
    """The last layer of the readouts, solved for in closed form around its first weights; everything else is frozen."""

    kind: Literal["last_layer"] = Field(description="Which weights are trained, and how.")
    solver: Literal["ridge", "evidence"] = Field(
        default="evidence", description="How far weights may go: a given strength, or the most probable one."
    )
    strength: float = Field(default=1e-4, gt=0, description="Of ridge: what keeps the weights where they were.")
    block: int = Field(default=4000, gt=0, description="Edges in a block: memory against speed.")


class GaussNewton(Solved):
    """All weights, and E0 of the head: a linear problem a step, solved in closed form. For tens of structures."""

    kind: Literal["gauss_newton"] = Field(description="Which weights are trained, and how.")
    steps: int = Field(default=20, gt=0, description="At most; the best of them in validation is kept.")
    damping: float = Field(
        default=1e-5,
        gt=0,
        description="What keeps the first step small, in units of the largest eigenvalue; then by trial.",
    )
    tolerance: float = Field(
        default=0.01, ge=0, lt=1, description="Relative gain in training below which there is no further step."
    )
    memory: float = Field(default=4.0, gt=0, description="GB, for the slopes of all labels by all weights.")


class Replay(Section):
    """Data of the source, trained by their own head beside the target, so that it is not forgotten."""

    data: Files = Field(description="File, pattern or list of them.")
    head: str | None = Field(
        default=None, description="The head of the starting potential that they belong to; null: the head of start."
    )
    weight: float = Field(
        default=1.0, gt=0, description="Of the replay's loss beside the target's, each divided by its own labels."
    )
    ratio: float = Field(default=0.5, gt=0, lt=1, description="Share of the structures of every batch.")
    labels: Literal["given", "predicted"] = Field(
        default="given", description="Those of the files; or what the starting potential says of the structures."
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of types, in order, for files that name none."
    )
    format: str | None = Field(default=None, description="Format of the files, where their names do not tell it.")


class TuningOptimizer(BaseModel):
    """An optimiser of torch.optim; further keys are its own arguments. Biases do not decay."""

    model_config = ConfigDict(extra="allow", strict=True)
    kind: str = Field(default="AdamW", description="A class of torch.optim, by its name.")
    lr: float | None = Field(default=None, gt=0, description="Peak learning rate; null: the method's.")
    weight_decay: float = Field(
        default=0.0, ge=0, description="Decay of matrices; biases and single numbers have none."
    )


class Tuning(Gradient):
    """Training by gradient; what is null is chosen by method and length of the run, and said."""

    optimizer: TuningOptimizer = Field(  # type: ignore[assignment]
        default_factory=TuningOptimizer, description="Which optimiser, and its arguments."
    )
    start: None = Field(default=None, description="Not here: fine-tuning starts from a potential.")
    schedule: list[Phase] | None = Field(  # type: ignore[assignment]
        default=None, description="Phases of the learning rate; null: a warm-up of a twentieth of the run, then cosine."
    )
    ema: float | None = Field(
        default=None, ge=0, lt=1, description="Decay of the average of weights that is kept; 0: none; null: by length."
    )
    precision: Literal[16, 32, 64] | str | None = Field(  # type: ignore[assignment]
        default=None, description="32-true, 64-true, ... (Lightning's); null: that of the starting potential."
    )


class Audit(Section):
    """What is looked at before training."""

    ignore: list[str] = Field(default=[], description="Names of findings that do not stop the run.")


class Card(Section):
    """The report card: what was gained and what was lost."""

    probe: Files | None = Field(
        default=None, description="Structures of the source on which retention is measured; null: the replay's."
    )
    keys: dict[str, str] = Field(default={}, description="Names of labels in the files: {energy: REF_energy, ...}.")
    units: dict[str, str] = Field(default={}, description="Units of the files: {energy: Ry, length: Bohr, ...}.")
    types: list[str] | str | None = Field(
        default=None, description="Elements of types, in order, for files that name none."
    )
    format: str | None = Field(default=None, description="Format of the files, where their names do not tell it.")
    dimers: Literal["all", "data"] = Field(
        default="all",
        description="Curves of all pairs of elements that the potential knows, or of those in validation and test; of all 89 "
        "elements of a foundation model there are 4005.",
    )
    steps: int = Field(default=200, ge=0, description="Of the run at constant energy, before and after; 0: none.")


class Compare(Section):
    """What ``finetune --compare`` runs: each method at each size of the training set, on the same split and seeds."""

    methods: dict[str, dict[str, Any]] = Field(
        min_length=1,
        description="By name what each changes in this configuration, {lora: {method: {kind: lora}}}; with scratch: true it "
        "trains the same architecture from random weights.",
    )
    sizes: list[int] = Field(min_length=1, description="Numbers of training structures; larger sets hold the smaller.")
    seeds: list[int] = Field(
        default=[1], min_length=1, description="Of the split, the choice of structures, and the run."
    )


Method = Annotated[Full | Frozen | LoRA | LastLayer | GaussNewton, Field(discriminator="kind")]


class FinetuneConfig(Section):
    """The whole run of fine-tuning."""

    seed: int = Field(default=0, ge=0, lt=2**32, description="Of the split, of new weights and the shuffling.")
    start: Start
    data: Data
    e0: Literal["estimate", "foundation", "isolated"] | dict[str, float] = Field(
        default="estimate",
        description="E0 of the trained head, eV: the starting one shifted by what the labels say, as it is, from frames of one "
        "atom (isolated atoms then have exactly E0), or given.",
    )
    method: Method = Field(default_factory=Full, description="Which weights are trained, and how.")
    lr_factors: dict[str, float] = Field(
        default={},
        description="Factors on the learning rate by group or layer, {embedding: 0.1, layers.0: 0.5}; or {decay: 0.8}: times "
        "0.8 for each layer down from the readouts.",
    )
    replay: Replay | None = Field(default=None, description="Data of the source that are trained beside the target.")
    fit: Tuning = Field(default_factory=Tuning)
    audit: Audit = Field(default_factory=Audit)
    card: Card = Field(default_factory=Card)
    compare: Compare | None = Field(default=None, description="Methods and sizes, for ``finetune --compare``.")
    output: Output


def sections_of_gradients() -> dict[str, Any]:
    """The sections of which only training by gradient makes use, as they are where nothing is said."""
    fields = FinetuneConfig.model_fields
    return {name: fields[name].get_default(call_default_factory=True) for name in ("lr_factors", "replay", "fit")}
