"""atomgraph evaluate MODEL DATA... [--out DIR]"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

from atomgraph.analysis.comparison import Comparison, compare
from atomgraph.analysis.error_tables import error_json, error_table, errors_csv
from atomgraph.analysis.evaluation import require_samples
from atomgraph.analysis.report.plots import error_histogram, parity_plot
from atomgraph.analysis.report.style import svg_file
from atomgraph.analysis.report.training_report import describe_speed
from atomgraph.atomic_write import write_bytes, write_text
from atomgraph.cli.e0_warning import warn_undetermined_e0
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import (
    Compile,
    Device,
    Elements,
    FormatName,
    Head,
    Imports,
    KernelDtype,
    LabelKeys,
    LabelUnits,
    Model,
    Overwrite,
    Structures,
    Types,
    Units,
    entries,
)
from atomgraph.cli.output_paths import check_folder
from atomgraph.compiled import for_inference
from atomgraph.data import read
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.errors import AtomgraphError
from atomgraph.progress import output_console

Out = Annotated[Path | None, typer.Option("--out", help="A new folder for metrics.json, errors.csv and plots.")]


def evaluate(
    model: Model,
    data: Structures,
    out: Out = None,
    overwrite: Overwrite = False,
    label_keys: LabelKeys = None,
    label_units: LabelUnits = None,
    atom_types: Types = None,
    format: FormatName = None,
    head: Head = None,
    elements: Elements = None,
    model_units: Units = None,
    device: Device = "cpu",
    dtype: KernelDtype = None,
    compile: Compile = None,
    imports: Imports = None,
) -> None:
    """Compute errors of a potential on labelled structures: MAE and RMSE per configuration type, with units."""
    if out is not None:
        check_folder(out, overwrite=overwrite)
    potential = load_model(model, head=head, elements=elements, units=model_units, device=device, imports=imports)
    notes = ReadingNotes()
    paths = [str(path) for path in data]
    keys, units = entries(label_keys), entries(label_units)
    frames = read(paths, keys=keys, units=units, types=atom_types, format=format, notes=notes)
    warn_undetermined_e0(potential, frames)
    predictor = for_inference(potential, compile=compile, dtype=dtype, n_atoms=sum(map(len, frames)))
    comparison = compare(predictor, frames, progress=True)
    require_samples(comparison, notes)
    console = output_console()
    console.print(error_table(comparison, f"{model} on {', '.join(paths)}").rich())
    console.print(describe_speed(comparison), markup=False, soft_wrap=True)
    if out is not None:
        is_new = not out.exists()
        try:
            _write_results(out, comparison, {"model": model, "data": paths})
        except (AtomgraphError, OSError):
            if is_new:
                shutil.rmtree(out, ignore_errors=True)
            raise
        console.print(f"metrics.json, errors.csv and plots are in {out}", markup=False, soft_wrap=True)


def _write_results(out: Path, comparison: Comparison, inputs: dict[str, Any]) -> None:
    """Write metrics.json, tables and plots; ``inputs``: entries of metrics.json with the names of model and data."""
    out.mkdir(parents=True, exist_ok=True)
    speed = {"seconds": comparison.seconds, "atoms": comparison.n_atoms, "measured": describe_speed(comparison)}
    metrics = inputs | error_json(comparison) | {"speed": speed}
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(out / "errors.csv", errors_csv(comparison))
    write_text(out / "errors.md", error_table(comparison, full=True).markdown())
    for name in comparison.samples:
        write_bytes(out / f"parity-{name}.svg", svg_file(parity_plot(comparison, name), f"parity-{name}"))
        histogram = error_histogram({"evaluated": comparison}, name)
        write_bytes(out / f"histogram-{name}.svg", svg_file(histogram, f"histogram-{name}"))
