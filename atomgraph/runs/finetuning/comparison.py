"""Compares methods of fine-tuning at several sizes of the training set, on the same splits and seeds (finetune --compare)."""

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
from atomgraph.config.finetune_schema import CompareSection, FinetuneConfig, LinearMethod, gradient_section_defaults
from atomgraph.config.in_memory import restore_structures
from atomgraph.config.old_keys import replace_old_names
from atomgraph.config.reading import parse
from atomgraph.config.resolve import as_yaml, make_paths_absolute, read_finetune_config
from atomgraph.errors import ConfigError, DataError
from atomgraph.graph.structure import get_labels
from atomgraph.progress import output_console
from atomgraph.runs.dataset import Dataset, read_dataset
from atomgraph.runs.finetuning.card import read_probe
from atomgraph.runs.finetuning.scratch import write_scratch_potential
from atomgraph.runs.finetuning.starting_potential import known_elements, load_start
from atomgraph.runs.folder import CARD, METRICS, MODEL
from atomgraph.runs.folder_lock import is_empty_except_lock
from atomgraph.runs.launch import finetune, resume
from atomgraph.training.checkpoints import LAST

# A method replaces these sections of the configuration completely; in other sections, a method changes single keys.
REPLACED_SECTIONS = ("method", "replay", "lr_factors", "e0")
SCRATCH = "scratch"  # key of a method that trains the same architecture from random weights
RESULT, PAGE = "compare.json", "compare.html"  # files in the output folder
CONFIG_FILE = "compare.yaml"  # configuration of the comparison, in the output folder
JSONDict = dict[str, Any]  # mapping of JSON values


@dataclass(frozen=True)
class PlannedRun:
    """A run of the comparison.

    Attributes:
        method: Name of the method.
        size: Number of training structures.
        seed: Seed of the split, of the choice of structures and of the run.
        changes: Changes of the configuration by the method.
    """

    method: str
    size: int
    seed: int
    changes: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the run and of its folder."""
        return f"{self.method}-{self.size}-{self.seed}"

    @property
    def from_scratch(self) -> bool:
        """Whether the run starts from random weights."""
        return bool(self.changes.get(SCRATCH))


def compare_methods(config: FinetuneConfig, *, quiet: bool = False) -> list[RunResult]:
    """Execute the unfinished runs of all methods, sizes and seeds, and compare the errors of all runs.

    Writes ``compare.json`` and ``compare.html`` in the output folder after each run.

    Args:
        config: The configuration, with the section ``compare``.
        quiet: Suppress output.

    Returns:
        Errors of each run.

    Raises:
        ConfigError: If ``compare`` or ``card.probe`` is missing, a size exceeds the training part, or the folder has files of
            another comparison.
        DataError: If the probe has no labels of forces.
    """
    plan, datasets = _check_plan(config)
    folder, console = Path(config.output.folder), output_console(quiet=quiet)
    _prepare_folder(folder, config)
    results: list[RunResult] = []
    start_result: RunResult | None = None  # errors of the starting potential
    for planned_run, files in _planned_runs(plan, datasets, folder):
        run_folder = folder / "runs" / planned_run.name
        is_new = not _is_finished(run_folder)
        if is_new:
            _start_run(config, planned_run, files, run_folder)
        result, result_before = _read_results(planned_run, run_folder)
        results.append(result)
        start_result = start_result if planned_run.from_scratch else result_before
        console.print(_describe_result(result), markup=False, soft_wrap=True)
        if is_new and start_result is not None:
            _write(folder, results, start_result)
    if start_result is not None:
        _write(folder, results, start_result)
        console.print(method_table(results, start_result).rich())
        console.print(f"{folder}/: {RESULT}, {PAGE}, runs/", markup=False, soft_wrap=True)
    return results


def _check_plan(config: FinetuneConfig) -> tuple[CompareSection, dict[int, Dataset]]:
    """Check all runs before the first run; return the section ``compare`` and the structures by seed."""
    plan = config.compare
    if plan is None:
        raise ConfigError(
            "--compare needs a section compare: {methods: {naive: {}, lora: {method: {kind: lora}}}, sizes: [20, 50]}"
        )
    if config.card.probe is None:
        raise ConfigError("--compare measures errors on the earlier training data; set card.probe to such structures")
    if not any("forces" in get_labels(atoms) for atoms in read_probe(config.card)):
        raise DataError("card.probe has no labels of forces; set card.keys to the names of the labels")
    if all(changes.get(SCRATCH) for changes in plan.methods.values()):
        raise ConfigError(
            "at least one method of compare.methods must start from the starting potential, without scratch: true"
        )
    elements = known_elements(config.start, load_start(config.start))
    datasets = {seed: read_dataset(config.model_copy(update={"seed": seed}), elements) for seed in plan.seeds}
    n_available = min(len(dataset.parts["train"]) for dataset in datasets.values())
    if max(plan.sizes) > n_available:
        raise ConfigError(
            f"compare.sizes: {max(plan.sizes)} is larger than the training part, which has {n_available} structures"
        )
    for name, changes in plan.methods.items():
        try:
            _run_config(
                config,
                PlannedRun(name, plan.sizes[0], plan.seeds[0], changes),
                {},
                Path(config.output.folder),
                None,
            )
        except ConfigError as error:
            raise ConfigError(f"compare.methods.{name}: {error}") from error
    return plan, datasets


def _prepare_folder(folder: Path, config: FinetuneConfig) -> None:
    """Create the output folder and its subfolders; ConfigError if it has files of another comparison or other files."""
    text, plan_path = as_yaml(make_paths_absolute(config)), folder / CONFIG_FILE
    if folder.is_dir() and not is_empty_except_lock(folder):
        if not plan_path.is_file():
            raise ConfigError(
                f"{folder} contains files, but no {CONFIG_FILE} of a comparison; choose another output.folder"
            )
        if not _is_same_config(plan_path.read_text(encoding="utf-8"), text):
            raise ConfigError(f"{folder} has another comparison ({CONFIG_FILE} differs); choose another output.folder")
        return
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    (folder / "data").mkdir(exist_ok=True)
    write_text(plan_path, text)


def _is_same_config(saved_text: str, text: str) -> bool:
    """Whether two configurations are equal; names of the previous release in the first one are replaced by current names."""
    if saved_text == text:
        return True
    content = parse(saved_text)
    return isinstance(content, dict) and replace_old_names(content)[0] == parse(text)


def _planned_runs(
    plan: CompareSection, datasets: Mapping[int, Dataset], folder: Path
) -> Iterator[tuple[PlannedRun, dict[str, str | None]]]:
    """Yield each run and the paths of its structures by part of the data; None for an empty part.

    Runs with equal seed have the same validation and test structures, and larger training sets include the smaller ones.
    """
    for seed, dataset in datasets.items():
        train = dataset.parts["train"]
        permutation = np.random.default_rng(seed).permutation(len(train))
        files: dict[str, str | None] = {
            part: _write_frames(folder, f"{part}-{seed}", dataset.parts[part]) for part in ("valid", "test")
        }
        for size in sorted(plan.sizes):
            frames = [train[i] for i in permutation[:size]]
            files["train"] = _write_frames(folder, f"train-{size}-{seed}", frames)
            for method, changes in plan.methods.items():
                yield PlannedRun(method, size, seed, changes), dict(files)


def _write_frames(folder: Path, name: str, frames: list[ase.Atoms]) -> str | None:
    """Write frames to a file, in eV and Å, and return its path; None for an empty list."""
    if not frames:
        return None
    path = folder / "data" / f"{name}.xyz"
    if not path.exists():
        temporary = path.with_suffix(".part")
        ase.io.write(temporary, frames, format="extxyz")
        temporary.replace(path)
    return str(path)


def _start_run(config: FinetuneConfig, planned_run: PlannedRun, files: dict[str, Any], run_folder: Path) -> None:
    """Start a run in its folder, or resume it."""
    try:
        if (run_folder / "checkpoints" / LAST).is_file():
            resume(run_folder, quiet=True)
            return
        start_file = (
            write_scratch_potential(config, files["train"], planned_run.seed, run_folder.parent)
            if planned_run.from_scratch
            else None
        )
        finetune(
            _run_config(config, planned_run, files, run_folder, start_file), overwrite=run_folder.exists(), quiet=True
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"in {planned_run.name}; finished runs are saved, and the same command resumes"
        ) from None


def _run_config(
    config: FinetuneConfig,
    planned_run: PlannedRun,
    files: dict[str, str | None],
    run_folder: Path,
    start_file: Path | None,
) -> FinetuneConfig:
    """Return the configuration of a run.

    Args:
        config: The configuration of the comparison.
        planned_run: The run.
        files: Paths of the structures, by part of the data; None for an empty part.
        run_folder: Folder of the run.
        start_file: File of the untrained potential of a run from scratch; None: ``start.model``.
    """
    plain_config = restore_structures(config, config.model_dump(exclude={"compare"}))
    changes = {key: value for key, value in planned_run.changes.items() if key != SCRATCH}
    plain_config = _merge(plain_config, changes, REPLACED_SECTIONS)
    plain_config["seed"] = planned_run.seed
    plain_config["data"] |= {
        "keys": {},
        "units": {},
        "types": None,
        "format": None,
        "group": None,
        "stratify": False,
        **files,
    }
    plain_config["output"] |= {"folder": str(run_folder)}
    if planned_run.from_scratch:
        plain_config |= {"replay": None, "e0": "estimate"}
        plain_config["start"] = {"model": str(start_file or config.start.model), "head": config.start.head}
    checked = read_finetune_config(plain_config)
    if isinstance(checked.method, LinearMethod):
        defaults = {name: value for name, value in gradient_section_defaults().items() if name not in changes}
        checked = checked.model_copy(update=defaults)
    return checked


def _merge(plain_config: JSONDict, changes: Mapping[str, Any], replaced_keys: tuple[str, ...] = ()) -> JSONDict:
    """Return a configuration with changes; nested mappings are merged key by key, except those under ``replaced_keys``."""
    result = dict(plain_config)
    for key, value in changes.items():
        old_value = result.get(key)
        is_nested = isinstance(old_value, dict) and isinstance(value, Mapping) and key not in replaced_keys
        result[key] = _merge(old_value, value) if is_nested and isinstance(old_value, dict) else value
    return result


def _is_finished(run_folder: Path) -> bool:
    """Whether a run folder has all results."""
    return all((run_folder / name).is_file() for name in (MODEL, METRICS, CARD))


def _read_results(planned_run: PlannedRun, run_folder: Path) -> tuple[RunResult, RunResult]:
    """Return the errors of a finished run, after and before training."""
    card = json.loads((run_folder / CARD).read_text(encoding="utf-8"))
    part = "test" if "test" in card["target"] else "valid"
    results = []
    for stage in ("after", "before"):
        target, source = card["target"][part][stage]["all"], (card["retention"] or {}).get(stage, {}).get("all", {})
        maes = [errors.get(name, {}).get("mae") for errors in (target, source) for name in ("forces", "energy")]
        results.append(RunResult(planned_run.method, planned_run.size, planned_run.seed, *maes))
    return results[0], results[1]


def _write(folder: Path, results: list[RunResult], start_result: RunResult) -> None:
    """Write the results of all runs and of the starting potential, as JSON and as a report."""
    write_text(folder / RESULT, json.dumps(_comparison_json(results, start_result), indent=1) + "\n")
    write_comparison_page(folder / PAGE, results, start_result, folder.resolve().name)


def _comparison_json(results: list[RunResult], start_result: RunResult) -> JSONDict:
    """Return the content of ``compare.json``."""
    units = {"forces": "eV/Å", "energy": "meV/atom", "error": "MAE"}
    return {"units": units, "start": start_result.to_json(), "cells": [result.to_json() for result in results]}


def _describe_result(result: RunResult) -> str:
    """Return a line of text with the errors of a run."""
    force_errors = {"target": result.target_forces, "source": result.source_forces}
    errors = ", ".join(f"{name} forces {value:.4g} eV/Å" for name, value in force_errors.items() if value is not None)
    return f"{result.method}, {result.size} structures, seed {result.seed}: {errors}"
