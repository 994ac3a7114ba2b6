"""finetune --compare: methods at several sizes of the training set, on the same splits and seeds, resumable."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase
import ase.io
import numpy as np

from atomgraph.analysis.finetuning.method_comparison import RunResult, method_table, write_comparison_page
from atomgraph.atomic_write import write_text
from atomgraph.config.finetune_schema import Compare, FinetuneConfig, Solved, sections_of_gradients
from atomgraph.config.in_memory import put_back
from atomgraph.config.old_keys import replace_old_names
from atomgraph.config.reading import parse
from atomgraph.config.resolve import absolute, as_yaml, finetune_config_of
from atomgraph.errors import ConfigError, DataError
from atomgraph.graph.structure import get_labels
from atomgraph.progress import output_console
from atomgraph.runs.dataset import Dataset, gather
from atomgraph.runs.finetuning.card import read_probe
from atomgraph.runs.finetuning.scratch import scratch_potential
from atomgraph.runs.finetuning.starting_potential import known_elements, load_start
from atomgraph.runs.folder import CARD, METRICS, MODEL
from atomgraph.runs.folder_lock import is_free
from atomgraph.runs.launch import finetune, resume
from atomgraph.training.checkpoints import LAST

WHOLE = (
    "method",
    "replay",
    "lr_factors",
    "e0",
)  # sections that a method replaces; in the others it changes single keys
SCRATCH = "scratch"  # key of a method: the same architecture from random weights
RESULT, PAGE, PLAN = "compare.json", "compare.html", "compare.yaml"
Plain = dict[str, Any]


@dataclass(frozen=True)
class Entry:
    """A planned run: method, size, seed, and changes of the configuration."""

    method: str
    size: int
    seed: int
    changes: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method}-{self.size}-{self.seed}"

    @property
    def from_scratch(self) -> bool:
        return bool(self.changes.get(SCRATCH))


def compare_methods(config: FinetuneConfig, *, quiet: bool = False) -> list[RunResult]:
    """Run every method at every size and seed that is not finished yet, and compare the errors.

    Writes ``compare.json`` and ``compare.html`` in the output folder after each run.

    Args:
        config: With the section ``compare``.
        quiet: Whether nothing is printed.

    Raises:
        ConfigError: Without ``compare`` or a probe, for sizes beyond the training part, or if the folder has another
            comparison.
        DataError: For a probe without labels.
    """
    plan, datasets = _checked(config)
    folder, console = Path(config.output.folder), output_console(quiet=quiet)
    _claim(folder, config)
    cells: list[RunResult] = []
    start: RunResult | None = None
    for entry, files in _entries(plan, datasets, folder):
        run = folder / "runs" / entry.name
        is_new = not _is_finished(run)
        if is_new:
            _run_entry(config, entry, files, run)
        cell, before = _cell(entry, run)
        cells.append(cell)
        start = start if entry.from_scratch else before
        console.print(_line(cell), markup=False, soft_wrap=True)
        if is_new and start is not None:
            _write(folder, cells, start)
    if start is not None:
        _write(folder, cells, start)
        console.print(method_table(cells, start).rich())
        console.print(f"{folder}/: {RESULT}, {PAGE}, runs/", markup=False, soft_wrap=True)
    return cells


def _checked(config: FinetuneConfig) -> tuple[Compare, dict[int, Dataset]]:
    """The plan and the structures of each seed; errors appear before the first run."""
    plan = config.compare
    if plan is None:
        raise ConfigError(
            "--compare takes a section compare: {methods: {naive: {}, lora: {method: {kind: lora}}}, sizes: [20, 50]}"
        )
    if config.card.probe is None:
        raise ConfigError("--compare measures what is forgotten: name structures of the source (card.probe)")
    if not any("forces" in get_labels(atoms) for atoms in read_probe(config.card)):
        raise DataError("card.probe has no forces to compare with; name their keys (card.keys)")
    if all(changes.get(SCRATCH) for changes in plan.methods.values()):
        raise ConfigError("compare.methods: beside scratch there should be a method that starts from the potential")
    known = known_elements(config.start, load_start(config.start))
    datasets = {seed: gather(config.model_copy(update={"seed": seed}), known) for seed in plan.seeds}
    n_available = min(len(dataset.parts["train"]) for dataset in datasets.values())
    if max(plan.sizes) > n_available:
        raise ConfigError(f"compare.sizes: {max(plan.sizes)} structures are wanted, and there are {n_available}")
    for name, changes in plan.methods.items():
        try:
            _config(config, Entry(name, plan.sizes[0], plan.seeds[0], changes), {}, Path(config.output.folder), None)
        except ConfigError as error:
            raise ConfigError(f"compare.methods.{name}: {error}") from error
    return plan, datasets


def _claim(folder: Path, config: FinetuneConfig) -> None:
    """Create the folder; ConfigError if it has other content than this comparison."""
    text, plan = as_yaml(absolute(config)), folder / PLAN
    if folder.is_dir() and not is_free(folder):
        if not plan.is_file():
            raise ConfigError(f"{folder} holds something that is no comparison; choose another output.folder")
        if not _is_same_plan(plan.read_text(encoding="utf-8"), text):
            raise ConfigError(f"{folder} holds another comparison ({PLAN} differs); choose another output.folder")
        return
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    write_text(plan, text)


def _is_same_plan(before: str, now: str) -> bool:
    """Whether two configurations are equal but for names of the last release."""
    if before == now:
        return True
    content = parse(before)
    return isinstance(content, dict) and replace_old_names(content)[0] == parse(now)


def _entries(plan: Compare, datasets: Mapping[int, Dataset], folder: Path) -> Iterator[tuple[Entry, Plain]]:
    """Every run and its files. Runs of a seed share validation and test structures; larger sets include the smaller."""
    for seed, dataset in datasets.items():
        train = dataset.parts["train"]
        order = np.random.default_rng(seed).permutation(len(train))
        files: Plain = {part: _written(folder, f"{part}-{seed}", dataset.parts[part]) for part in ("valid", "test")}
        for size in sorted(plan.sizes):
            chosen = [train[i] for i in order[:size]]
            files["train"] = _written(folder, f"train-{size}-{seed}", chosen)
            for method, changes in plan.methods.items():
                yield Entry(method, size, seed, changes), dict(files)


def _written(folder: Path, name: str, frames: list[ase.Atoms]) -> str | None:
    """Write frames to a file, in eV and Å; None if there are none."""
    if not frames:
        return None
    path = folder / "data" / f"{name}.xyz"
    if not path.exists():
        scratch = path.with_suffix(".part")
        ase.io.write(scratch, frames, format="extxyz")
        scratch.replace(path)
    return str(path)


def _run_entry(config: FinetuneConfig, entry: Entry, files: Plain, run: Path) -> None:
    try:
        if (run / "checkpoints" / LAST).is_file():
            resume(run, quiet=True)
            return
        start = scratch_potential(config, files["train"], entry.seed, run.parent) if entry.from_scratch else None
        finetune(_config(config, entry, files, run, start), overwrite=run.exists(), quiet=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"in {entry.name}; finished runs stay, and the same command goes on") from None


def _config(config: FinetuneConfig, entry: Entry, files: Plain, run: Path, start: Path | None) -> FinetuneConfig:
    """The configuration of one run."""
    plain = put_back(config, config.model_dump(exclude={"compare"}))
    changes = {key: value for key, value in entry.changes.items() if key != SCRATCH}
    plain = _merged(plain, changes, WHOLE)
    plain["seed"] = entry.seed
    plain["data"] |= {"keys": {}, "units": {}, "types": None, "format": None, "group": None, "stratify": False, **files}
    plain["output"] |= {"folder": str(run)}
    if entry.from_scratch:
        plain |= {"replay": None, "e0": "estimate"}
        plain["start"] = {"model": str(start or config.start.model), "head": config.start.head}
    checked = finetune_config_of(plain)
    if isinstance(checked.method, Solved):
        idle = {name: value for name, value in sections_of_gradients().items() if name not in changes}
        checked = checked.model_copy(update=idle)
    return checked


def _merged(plain: Plain, changes: Mapping[str, Any], whole: tuple[str, ...] = ()) -> Plain:
    result = dict(plain)
    for key, value in changes.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping) and key not in whole
        result[key] = _merged(old, value) if both and isinstance(old, dict) else value
    return result


def _is_finished(run: Path) -> bool:
    return all((run / name).is_file() for name in (MODEL, METRICS, CARD))


def _cell(entry: Entry, run: Path) -> tuple[RunResult, RunResult]:
    """Errors of a finished run, after training and before."""
    card = json.loads((run / CARD).read_text(encoding="utf-8"))
    part = "test" if "test" in card["target"] else "valid"
    results = []
    for when in ("after", "before"):
        target, source = card["target"][part][when]["all"], (card["retention"] or {}).get(when, {}).get("all", {})
        figures = [errors.get(name, {}).get("mae") for errors in (target, source) for name in ("forces", "energy")]
        results.append(RunResult(entry.method, entry.size, entry.seed, *figures))
    return results[0], results[1]


def _write(folder: Path, cells: list[RunResult], start: RunResult) -> None:
    write_text(folder / RESULT, json.dumps(_told(cells, start), indent=1) + "\n")
    write_comparison_page(folder / PAGE, cells, start, folder.resolve().name)


def _told(cells: list[RunResult], start: RunResult) -> Plain:
    units = {"forces": "eV/Å", "energy": "meV/atom", "error": "MAE"}
    return {"units": units, "start": start.to_json(), "cells": [cell.to_json() for cell in cells]}


def _line(cell: RunResult) -> str:
    known = {"target": cell.target_forces, "source": cell.source_forces}
    errors = ", ".join(f"{name} forces {value:.4g} eV/Å" for name, value in known.items() if value is not None)
    return f"{cell.method}, {cell.size} structures, seed {cell.seed}: {errors}"
