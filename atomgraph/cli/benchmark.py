"""atomgraph benchmark MODEL STRUCTURE"""

from __future__ import annotations

from typing import Annotated

import ase
import numpy as np
import torch
import typer

import atomgraph
from atomgraph.analysis.hardware import hardware
from atomgraph.analysis.report.tables import Column, Table
from atomgraph.analysis.speed import Speed, force_errors, measure_speed
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import Device, Elements, FormatName, Head, Imports, KernelDtype, Model, Types, Units
from atomgraph.cli.structure_files import Structure, read_one
from atomgraph.compiled import MIXED, in_precision
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.evaluator import Evaluator
from atomgraph.potential import Potential
from atomgraph.progress import output_console

Repeat = Annotated[
    str,
    typer.Option("--repeat", metavar="N,N,N", help="Repeat the structure N times in each direction, or N,N,N times."),
]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads; torch's default if not given.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0.0, help="Measuring time of each value, s.")]


def benchmark(
    model: Model,
    structure: Structure,
    repeat: Repeat = "1",
    threads: Threads = None,
    seconds: Seconds = 2.0,
    types: Types = None,
    format: FormatName = None,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: KernelDtype = None,
    imports: Imports = None,
) -> None:
    """Measure speed, memory and error of a potential on a structure, plain and compiled, and name the hardware.

    Without --dtype the potential is measured in the dtype of its file, and compiled in float64 and in mixed precision.
    """
    atoms = _repeat(read_one(structure, types, format), repeat)
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    default_threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads or default_threads)
        forms = _forms(potential, dtype)
        speeds = {name: measure_speed(form, atoms, seconds) for name, form in forms.items()}
        errors = force_errors(in_precision(potential, "float64"), list(forms.values()), atoms)
        machine = hardware(potential.device)
    finally:
        torch.set_num_threads(default_threads)
    console = output_console(soft_wrap=True)
    console.print(_table(speeds, errors, atoms, potential, machine).rich())


Form = tuple[str, str]  # a form of the potential: "plain" or "compiled", and the dtype of the model or the kernels


def _forms(potential: Potential, dtype: str | None) -> dict[Form, Evaluator]:
    """Return the potential and, if possible, its compiled forms."""
    converted = in_precision(potential, dtype)
    forms: dict[Form, Evaluator] = {("plain", converted.model.dtype_name): converted}
    for name in [dtype] if dtype else ["float64", MIXED]:
        compiled = atomgraph.compile(potential, dtype=name) if potential.device.type == "cpu" else potential
        if compiled is potential:
            break
        forms["compiled", name] = compiled
    return forms


def _table(
    speeds: dict[Form, Speed], errors: list[float], atoms: ase.Atoms, potential: Potential, machine: str
) -> Table:
    """Return a table with one column per form and one row per measurement."""
    measurements = {
        "energy and forces, µs/atom": lambda speed: 1e6 * speed.forces / len(atoms),
        "energy and forces, atoms/s": lambda speed: len(atoms) / speed.forces,
        "energy and forces, ms": lambda speed: 1e3 * speed.forces,
        "energy and forces, CPU time, ms": lambda speed: 1e3 * speed.forces_cpu,
        "energy, forces and stress, ms": lambda speed: 1e3 * speed.stress,
        "neighbour list and graph, ms": lambda speed: 1e3 * speed.graph,
        "memory of an evaluation, MB": lambda speed: 1e-6 * speed.memory,
    }
    rows = [
        [name, *(_three_digits(convert(speed)) for speed in speeds.values())] for name, convert in measurements.items()
    ]
    rows.append(["largest error of forces / RMS of forces", *(f"{error:.0e}" for error in errors)])
    size = f"{format_count(len(atoms), 'atom')}, cutoff {potential.cutoff:g} Å"
    return Table(
        [Column("", is_text=True), *(Column(dtype, form) for form, dtype in speeds)],
        rows,
        f"{atoms.get_chemical_formula()}, {size}",
        f"{machine}. Medians; errors relative to the model in float64.",
    )


def _three_digits(number: float) -> str:
    """Return a number with three significant digits, or without decimals from 100 on."""
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _repeat(atoms: ase.Atoms, text: str) -> ase.Atoms:
    """Return the supercell for the text of ``--repeat``."""
    try:
        repeats = [int(word) for word in text.split(",")]
    except ValueError:
        repeats = []
    repeats = repeats * 3 if len(repeats) == 1 else repeats
    if len(repeats) != 3 or min(repeats) < 1:
        raise ConfigError(f"--repeat should be N or N,N,N with whole numbers of at least 1, but is {text!r}")
    if np.any((np.array(repeats) > 1) & ~atoms.pbc):
        raise ConfigError(
            f"--repeat {text}: the structure is not periodic in every repeated direction; its pbc is {atoms.pbc.tolist()}"
        )
    return atoms.repeat(repeats)
