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

_WIDE_TERMINAL = 120  # smallest width of a terminal, in characters, for the column "worst"
_MAX_STRUCTURES = 8  # largest number of tested structures; they are evenly spaced in the order of the files

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
    """Test physical laws on a potential: pass or fail, with numbers. Exit code 1 if a test fails."""
    potential = load_model(
        model, head=head, elements=elements, units=units, device=device, dtype=dtype, imports=imports
    )
    context = LawContext(potential, _read_structures(structures or [], types, format))
    results = _test_laws(context, nve_steps)
    failed = [law for law in results if not law.passed]
    console = output_console()
    console.print(_table(results, model, context, with_worst=console.width >= _WIDE_TERMINAL).rich())
    for law in failed:
        console.print(f"FAIL {law.name}: {law.value:.1e} {law.unit} on {law.detail}", markup=False, soft_wrap=True)
    n_tested = sum(law.detail != NOT_TRIED for law in results)
    n_skipped = len(results) - n_tested
    skipped = f", {n_skipped} had no suitable structure" if n_skipped else ""
    console.print(f"{n_tested - len(failed)} of {n_tested} laws hold{skipped}", markup=False)
    if failed:
        raise typer.Exit(1)


def _test_laws(context: LawContext, nve_steps: int) -> list[Law]:
    """Test all laws, with progress on the terminal."""
    results = []
    with terminal_progress(SpinnerColumn(), TextColumn("{task.description}")) as progress:
        task = progress.add_task("")
        for name, law in laws_by_name(nve_steps).items():
            progress.update(task, description=name.replace("_", " "))
            results.append(law(context))
    return results


def _table(results: list[Law], model: str, context: LawContext, *, with_worst: bool) -> Table:
    """Return the table of laws; ``with_worst`` adds a column with the structure of the largest deviation."""
    columns = [Column("", is_text=True), Column("law", is_text=True), Column("value"), Column("unit", is_text=True)]
    columns += [Column("allowed"), *([Column("worst", is_text=True)] if with_worst else [])]
    rows = []
    for law in results:
        verdict = "-" if law.detail == NOT_TRIED else "pass" if law.passed else "FAIL"
        row = [verdict, law.name, f"{law.value:.1e}", law.unit]
        rows.append([*row, _allowed(law), *([law.detail] if with_worst else [])])
    note = (
        f"Computed in {context.potential.model.dtype_name}, which determines the tolerances; "
        f"deviations of forces above 1 eV/Å are relative to the largest force. "
        f"Tested on {', '.join(context.structures)}."
    )
    return Table(columns, rows, f"The laws on {model}", note)


def _allowed(law: Law) -> str:
    """Return the condition on the value as text, such as ``< 1e-04``; ``any`` without a limit."""
    if law.tolerance == float("inf"):
        return "any"
    return f"{law.relation} {law.tolerance:.0e}" if 0 < law.tolerance < 0.1 else f"{law.relation} {law.tolerance:g}"


def _read_structures(paths: list[Path], types: str | None, format: str | None) -> dict[str, ase.Atoms]:
    """Read at most ``_MAX_STRUCTURES`` structures of the files, by number and formula; none without files."""
    frames = read([str(path) for path in paths], types=types, format=format, labels=False) if paths else []
    step = max(1, -(-len(frames) // _MAX_STRUCTURES))
    return {f"{i + 1}: {frames[i].get_chemical_formula()}": frames[i] for i in range(0, len(frames), step)}
