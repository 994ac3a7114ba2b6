"""The structures of a run: reading, splitting, counting, and checks before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ase
import torch

from atomgraph.config.closed_form_schema import ClosedForm
from atomgraph.config.finetune_schema import FinetuneConfig, Solved
from atomgraph.config.in_memory import files_or_structures
from atomgraph.config.schema import Config, Data, Gradient
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
    """All frames, their split into parts, and their census."""

    frames: list[ase.Atoms]
    split: Split
    census: Census

    @cached_property
    def parts(self) -> dict[str, list[ase.Atoms]]:
        """Frames of ``train``, ``valid`` and ``test``."""
        return self.split.take(self.frames)

    @cached_property
    def elements(self) -> list[str]:
        """Chemical symbols of the training part, by atomic number."""
        return elements_in(self.parts["train"])

    def graphs(
        self, cutoff: float, cache: Path | None, data: Data, heads: Sequence[str], progress: bool
    ) -> list[AtomicGraph]:
        """The graphs of all frames, each with ``source``, its name in messages."""
        graphs = build_graphs(
            self.frames,
            cutoff,
            cache=cache,
            weights=data.weights,
            weight_keys={str(name): key for name, key in data.weight_keys.items()},
            heads=heads if len(heads) > 1 else [],
            progress=progress,
        )
        return attach_sources(graphs, self.frames)

    def metadata(self, config: Config | FinetuneConfig) -> dict[str, Any]:
        """Entries of the potential's metadata: files, numbers of structures, a fingerprint, the split."""
        files = {part: getattr(config.data, part) for part in ("train", "valid", "test")}
        sizes = {part: len(frames) for part, frames in self.parts.items()}
        return {
            "data": {"files": files, "structures": sizes, "fingerprint": self.split.fingerprint},
            "split": {"method": self.split.method, "seed": self.split.seed, "key": self.split.key},
        }


def gather(config: Config | FinetuneConfig, known: Sequence[str] = ()) -> Dataset:
    """Read and split the structures of a configuration.

    Args:
        config: The configuration.
        known: Elements of the starting potential, allowed beside those of the training part.

    Raises:
        DataError: If files cannot be read, no training structure is left, a weighted property has no label in the training
            part, the monitored error has none in validation, or validation and test have elements that training has not.
    """
    notes = ReadingNotes()
    frames, parts = _split(config.data, config.seed, notes)
    fit: Gradient | ClosedForm | Solved = config.fit
    if isinstance(config, FinetuneConfig) and isinstance(config.method, Solved):
        fit = config.method
    trained = census(parts.take(frames)["train"])
    used = {str(name): key for name, key in config.data.weight_keys.items()}
    lines = [*label_lines(trained, fit), *notes.lines(used)]
    dataset = Dataset(frames, parts, census(frames, lines))
    require_labels(trained, _required(fit))
    if isinstance(fit, Gradient):
        _check_monitor(fit, dataset)
    elements = {*dataset.elements, *known}
    for part in ("valid", "test"):
        unknown = {symbol for atoms in dataset.parts[part] for symbol in atoms.symbols} - elements
        if unknown:
            raise DataError(
                f"data.{part} holds {', '.join(sorted(unknown))}, which no training structure has; the potential could not "
                f"know them. Move such structures into training, or leave them out"
            )
    return dataset


def graphs_by_part(
    context: RunContext, config: Config | FinetuneConfig, dataset: Dataset, cutoff: float, heads: Sequence[str]
) -> dict[str, list[AtomicGraph]]:
    """The graphs of each part, read from the cache if they are in it.

    Args:
        context: Of the run.
        config: The configuration of the run.
        dataset: The structures.
        cutoff: Å.
        heads: Heads of the potential, in order; empty if frames do not choose one.

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


def attach_sources(graphs: list[AtomicGraph], frames: Sequence[ase.Atoms]) -> list[AtomicGraph]:
    """Give each graph ``source``, the name of its frame in messages."""
    for graph, atoms in zip(graphs, frames, strict=True):
        graph.source = f"{atoms.info.get('source', '?')} ({atoms.info.get('config_type', 'default')})"
    return graphs


def _split(data: Data, seed: int, notes: ReadingNotes) -> tuple[list[ase.Atoms], Split]:
    frames = _read(data, "train", notes)
    shares = {part: share for part in ("valid", "test") if isinstance(share := getattr(data, part), int | float)}
    files = {
        part: _read(data, part, notes) for part in ("valid", "test") if isinstance(getattr(data, part), str | list)
    }
    if not any(shares.values()):
        return split_by_file(train=frames, **files)
    cut = split(
        frames,
        valid=shares.get("valid", 0),
        test=shares.get("test", 0),
        seed=seed,
        group=data.group,
        stratify=data.stratify,
    )
    if not files:
        return frames, cut
    all_frames, by_file = split_by_file(train=frames, **files)
    rest = {part: getattr(cut, part) or getattr(by_file, part) for part in ("valid", "test")}
    return all_frames, Split(
        cut.train, **rest, method=f"{cut.method} and file", seed=seed, key=data.group, fingerprint=by_file.fingerprint
    )


def _read(data: Data, part: str, notes: ReadingNotes) -> list[ase.Atoms]:
    how = {"keys": data.keys, "units": data.units, "types": data.types, "format": data.format}
    return read(files_or_structures(data, part), notes=notes, **how)  # type: ignore[arg-type]


def _required(fit: Gradient | ClosedForm | Solved) -> dict[str, float]:
    """Required labels and their weights; the defaults of a fit in closed form require none."""
    if isinstance(fit, Gradient):
        return {term.property: _largest(term.weight) for term in fit.terms if not term.if_labelled}
    said = {name: getattr(fit.sigma, name) for name in fit.sigma.model_fields_set}
    return {"stress" if name == "virial" else name: 1.0 for name, sigma in said.items() if sigma is not None}


def fitted_labels(fit: object) -> list[str]:
    """The labels that a fit can use, those with a weight above zero."""
    if isinstance(fit, Gradient):
        return [term.property for term in fit.terms if _largest(term.weight) > 0]
    return list(QUANTITIES)


def _check_monitor(fit: Gradient, dataset: Dataset) -> None:
    monitored = fit.monitor.rpartition("_")[0]
    if monitored and (valid := dataset.parts["valid"]) and not census(valid).labels.get(monitored):
        raise DataError(
            f"fit.monitor is {fit.monitor}, but no validation structure has a label for {monitored}; "
            f"monitor loss, or validate on structures that have one"
        )


def _largest(weight: Any) -> float:
    return float(weight) if isinstance(weight, int | float) else max(weight.start, weight.end)


def assign_head(graphs: Sequence[AtomicGraph], row: int) -> None:
    """Give all graphs the head in this row of the potential's heads."""
    for graph in graphs:
        graph.head = torch.full_like(graph.head, row)
