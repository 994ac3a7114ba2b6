"""The structures of a run: reads and splits them, counts their labels, and builds graphs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ase
import torch

from atomgraph.config.closed_form_schema import ClosedForm
from atomgraph.config.finetune_schema import FinetuneConfig, LinearMethod
from atomgraph.config.in_memory import files_or_structures
from atomgraph.config.schema import Config, DataSection, Gradient
from atomgraph.data import Split, build_graphs, read, split, split_by_file
from atomgraph.data.census import Census, census, require_labels
from atomgraph.data.frame_names import elements_in
from atomgraph.data.label_weights import require_weight
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import DataError
from atomgraph.graph.quantities import QUANTITIES
from atomgraph.graph.structure import AtomicGraph
from atomgraph.runs.context import RunContext
from atomgraph.runs.label_lines import label_lines


@dataclass(frozen=True, eq=False)
class Dataset:
    """The structures of a run.

    Attributes:
        frames: The frames of all parts.
        split: Indices of the frames of each part.
        census: Numbers of structures and labels.
    """

    frames: list[ase.Atoms]
    split: Split
    census: Census

    @cached_property
    def parts(self) -> dict[str, list[ase.Atoms]]:
        """Frames by part: ``train``, ``valid`` and ``test``."""
        return self.split.take(self.frames)

    @cached_property
    def elements(self) -> list[str]:
        """Chemical symbols of the training part, in order of the atomic number."""
        return elements_in(self.parts["train"])

    def graphs(
        self, cutoff: float, cache: Path | None, data: DataSection, heads: Sequence[str], progress: bool
    ) -> list[AtomicGraph]:
        """Build the graphs of all frames. The attribute ``source`` of each graph is the name of its frame in messages.

        Args:
            cutoff: Cutoff radius, Å.
            cache: Folder for built graphs; None: no cache.
            data: The section ``data``, for weights.
            heads: Heads of the potential, in order; empty if frames do not choose a head.
            progress: Show a progress bar.
        """
        graphs = build_graphs(
            self.frames,
            cutoff,
            cache=cache,
            weights=data.weights,
            weight_keys={str(name): key for name, key in data.weight_keys.items()},
            heads=heads if len(heads) > 1 else [],
            progress=progress,
        )
        return attach_frame_names(graphs, self.frames)

    def metadata(self, config: Config | FinetuneConfig) -> dict[str, Any]:
        """Return entries for the metadata of the potential: files, numbers of structures, fingerprint and split."""
        files = {part: getattr(config.data, part) for part in ("train", "valid", "test")}
        sizes = {part: len(frames) for part, frames in self.parts.items()}
        return {
            "data": {"files": files, "structures": sizes, "fingerprint": self.split.fingerprint},
            "split": {"method": self.split.method, "seed": self.split.seed, "key": self.split.key},
        }


def read_dataset(config: Config | FinetuneConfig, potential_elements: Sequence[str] = ()) -> Dataset:
    """Read and split the structures of a configuration.

    Args:
        config: The configuration.
        potential_elements: Elements of the starting potential. Validation and test structures can have these elements and
            those of the training part.

    Raises:
        DataError: If a file cannot be read, the training part is empty, a property with a weight has no label in the training
            part, the monitored property has no label in the validation part, or validation or test has another element.
    """
    notes = ReadingNotes()
    frames, frame_split = _read_and_split(config.data, config.seed, notes)
    fit: Gradient | ClosedForm | LinearMethod = config.fit
    if isinstance(config, FinetuneConfig) and isinstance(config.method, LinearMethod):
        fit = config.method
    train_census = census(frame_split.take(frames)["train"])
    weight_keys = {str(name): key for name, key in config.data.weight_keys.items()}
    lines = [*label_lines(train_census, fit), *notes.lines(weight_keys)]
    dataset = Dataset(frames, frame_split, census(frames, lines))
    require_labels(train_census, _required_labels(fit))
    if isinstance(fit, Gradient):
        _check_monitor(fit, dataset)
    elements = {*dataset.elements, *potential_elements}
    for part in ("valid", "test"):
        unknown = {symbol for atoms in dataset.parts[part] for symbol in atoms.symbols} - elements
        if unknown:
            raise DataError(
                f"data.{part} contains the elements {', '.join(sorted(unknown))}, which no training structure "
                f"contains; the potential cannot describe them. Move such structures into the training part, or leave them out"
            )
    return dataset


def build_graphs_by_part(
    context: RunContext, config: Config | FinetuneConfig, dataset: Dataset, cutoff: float, heads: Sequence[str]
) -> dict[str, list[AtomicGraph]]:
    """Build the graphs of each part, or read them from the cache.

    Args:
        context: Folder and console of the run.
        config: The configuration of the run.
        dataset: The structures of the run.
        cutoff: Cutoff radius, Å.
        heads: Heads of the potential, in order; empty if frames do not choose a head.

    Returns:
        Graphs by part, in the order of the frames.

    Raises:
        DataError: If no training structure has a label with a positive weight.
    """
    data = config.data
    cache = Path(data.cache) if isinstance(data.cache, str) else None
    if data.cache is True:
        cache = context.folder.path.parent / ".graphs"
    graphs = dataset.graphs(cutoff, cache, data, heads, context.console.is_terminal)
    parts = dataset.split.take(graphs)
    require_weight(parts["train"], fitted_labels(config.fit))
    return parts


def attach_frame_names(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms]) -> list[AtomicGraph]:
    """Set the attribute ``source`` of each graph: the name of its frame in messages."""
    for graph, atoms in zip(graphs, frames, strict=True):
        graph.source = f"{atoms.info.get('source', '?')} ({atoms.info.get('config_type', 'default')})"
    return graphs


def _read_and_split(data: DataSection, seed: int, notes: ReadingNotes) -> tuple[list[ase.Atoms], Split]:
    """Return all frames and their split: parts with files of their own, and parts that are drawn from the training frames."""
    frames = _read(data, "train", notes)
    sizes = {part: size for part in ("valid", "test") if isinstance(size := getattr(data, part), int | float)}
    files = {
        part: _read(data, part, notes) for part in ("valid", "test") if isinstance(getattr(data, part), str | list)
    }
    if not any(sizes.values()):
        return split_by_file(train=frames, **files)
    random_split = split(
        frames,
        valid=sizes.get("valid", 0),
        test=sizes.get("test", 0),
        seed=seed,
        group=data.group,
        stratify=data.stratify,
    )
    if not files:
        return frames, random_split
    all_frames, file_split = split_by_file(train=frames, **files)
    indices = {part: getattr(random_split, part) or getattr(file_split, part) for part in ("valid", "test")}
    return all_frames, Split(
        random_split.train,
        **indices,
        method=f"{random_split.method} and file",
        seed=seed,
        key=data.group,
        fingerprint=file_split.fingerprint,
    )


def _read(data: DataSection, part: str, notes: ReadingNotes) -> list[ase.Atoms]:
    """Read the frames of a part from its files or given structures."""
    options = {"keys": data.keys, "units": data.units, "types": data.types, "format": data.format}
    return read(files_or_structures(data, part), notes=notes, **options)  # type: ignore[arg-type]


def _required_labels(fit: Gradient | ClosedForm | LinearMethod) -> dict[str, float]:
    """Return the required labels with their weights. A fit in closed form requires only labels whose sigma the user has set."""
    if isinstance(fit, Gradient):
        return {term.property: _largest_weight(term.weight) for term in fit.terms if not term.if_labelled}
    user_sigmas = {name: getattr(fit.sigma, name) for name in fit.sigma.model_fields_set}
    return {"stress" if name == "virial" else name: 1.0 for name, sigma in user_sigmas.items() if sigma is not None}


def fitted_labels(fit: object) -> list[str]:
    """Return the labels that a fit uses: those with a weight above zero; all labels for a fit in closed form."""
    if isinstance(fit, Gradient):
        return [term.property for term in fit.terms if _largest_weight(term.weight) > 0]
    return list(QUANTITIES)


def _check_monitor(fit: Gradient, dataset: Dataset) -> None:
    """Raise DataError if no validation structure has a label of the monitored property."""
    monitored = fit.monitor.rpartition("_")[0]
    if monitored and (valid := dataset.parts["valid"]) and not census(valid).labels.get(monitored):
        raise DataError(
            f"fit.monitor is {fit.monitor}, but no validation structure has a label for {monitored}; "
            f"set fit.monitor: loss, or add labels to the validation structures"
        )


def _largest_weight(weight: Any) -> float:
    """Return the largest value of a weight, which is a number or a ramp."""
    return float(weight) if isinstance(weight, int | float) else max(weight.start, weight.end)


def assign_head(graphs: Sequence[AtomicGraph], row: int) -> None:
    """Assign all graphs to a head.

    Args:
        graphs: The graphs, changed in place.
        row: Index of the head in ``potential.heads``.
    """
    for graph in graphs:
        graph.head = torch.full_like(graph.head, row)
