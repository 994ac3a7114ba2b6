"""atomgraph verify MODEL [STRUCTURES...]"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import ase
import typer
from rich.progress import SpinnerColumn, TextColumn

from atomgraph.analysis.laws import Law, LawContext, laws_by_name
from atomgraph.analysis.laws.context import NOT_TRIED
from atomgraph.analysis.report.tables import Column, Table
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import Device, Dtype, Elements, FormatName, Head, Imports, Model, Types, Units
from atomgraph.data import read
from atomgraph.progress import output_console, terminal_progress

_WIDE = 120  # columns that the table with its last column takes
_AT_MOST = 8  # structures tried, evenly taken from those that are given

Files = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[STRUCTURES...]", help="Structures to test; small ones of the model's elements if not given."
    ),
]
Steps = Annotated[int, typer.Option("--nve-steps", min=0, help="Steps of dynamics for the energy drift; 0: none.")]


def verify(
    model: Model,
    structures: Files = None,
    nve_steps: Steps = 400,
    types: Types = None,
    format: FormatName = None,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: Dtype = None,
    imports: Imports = None,
) -> None:
    """Test physical laws on a potential: pass or fail, with numbers. Exit code 1 if one fails."""
    potential = load_model(
        model, head=head, elements=elements, units=units, device=device, dtype=dtype, imports=imports
    )
    trial = LawContext(potential, _named(structures or [], types, format))
    results = _tried(trial, nve_steps)
    failed = [law for law in results if not law.passed]
    console = output_console()
    console.print(_table(results, model, trial, with_worst=console.width >= _WIDE).rich())
    for law in failed:
        console.print(f"FAIL {law.name}: {law.value:.1e} {law.unit} on {law.detail}", markup=False, soft_wrap=True)
    n_tried = sum(law.detail != NOT_TRIED for law in results)
    others = f", {len(results) - n_tried} had nothing to be tried on" if n_tried < len(results) else ""
    console.print(f"{n_tried - len(failed)} of {n_tried} laws hold{others}", markup=False)
    if failed:
        raise typer.Exit(1)


def _tried(trial: LawContext, nve_steps: int) -> list[Law]:
    results = []
    with terminal_progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task("")
        for name, law in laws_by_name(nve_steps).items():
            progress.update(task, description=name.replace("_", " "))
            results.append(law(trial))
    return results


def _table(results: list[Law], model: str, trial: LawContext, *, with_worst: bool) -> Table:
    columns = [Column("", words=True), Column("law", words=True), Column("figure"), Column("unit", words=True)]
    columns += [Column("allowed"), *([Column("worst", words=True)] if with_worst else [])]
    rows = []
    for law in results:
        verdict = "-" if law.detail == NOT_TRIED else "pass" if law.passed else "FAIL"
        row = [verdict, law.name, f"{law.value:.1e}", law.unit]
        rows.append([*row, _allowed(law), *([law.detail] if with_worst else [])])
    note = (
        f"Computed in {trial.potential.model.dtype_name}, which sets what is allowed; "
        f"forces above 1 eV/Å count relative to the largest. "
        f"Tried on {', '.join(trial.structures)}."
    )
    return Table(columns, rows, f"The laws on {model}", note)


def _allowed(law: Law) -> str:
    if law.tolerance == float("inf"):
        return "any"
    return f"{law.relation} {law.tolerance:.0e}" if 0 < law.tolerance < 0.1 else f"{law.relation} {law.tolerance:g}"


def _named(paths: list[Path], types: str | None, format: str | None) -> dict[str, ase.Atoms]:
    """Some structures of the files, by formula and frame; none without files."""
    frames = read([str(path) for path in paths], types=types, format=format, labels=False) if paths else []
    step = max(1, -(-len(frames) // _AT_MOST))
    return {f"{i + 1}: {frames[i].get_chemical_formula()}": frames[i] for i in range(0, len(frames), step)}
