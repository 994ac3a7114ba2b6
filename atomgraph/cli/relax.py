"""atomgraph relax MODEL STRUCTURE"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import ase
import numpy as np
import typer
from ase import units as ase_units
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS
from rich.progress import SpinnerColumn, TextColumn

from atomgraph.analysis.report.tables import format_number
from atomgraph.calculators import Calculator
from atomgraph.cli.model_argument import load_model
from atomgraph.cli.options import (
    Compile,
    Device,
    Elements,
    FormatName,
    Head,
    Imports,
    KernelDtype,
    Model,
    Overwrite,
    Types,
    Units,
)
from atomgraph.cli.structure_files import Structure, checked_target, read_one, with_results, write_structures
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.progress import terminal_progress

Out = Annotated[
    Path | None, typer.Option("--out", help="A new file (.xyz, .extxyz, .traj); STRUCTURE-relaxed.xyz if not given.")
]
Cell = Annotated[bool, typer.Option("--cell/--fix-cell", help="Also relax the cell, to zero stress.")]
Fmax = Annotated[
    float,
    typer.Option("--fmax", help="Stop when all forces (with --cell also strain derivatives) are smaller, eV/Å."),
]
Steps = Annotated[int, typer.Option("--steps", min=0, help="Largest number of steps.")]


def relax(
    model: Model,
    structure: Structure,
    out: Out = None,
    cell: Cell = False,
    fmax: Fmax = 0.01,
    steps: Steps = 500,
    overwrite: Overwrite = False,
    types: Types = None,
    format: FormatName = None,
    head: Head = None,
    elements: Elements = None,
    units: Units = None,
    device: Device = "cpu",
    dtype: KernelDtype = None,
    compile: Compile = None,
    imports: Imports = None,
) -> None:
    """Relax positions, with --cell also the cell, until forces vanish. Exit code 1 if they do not within --steps."""
    if not fmax > 0:
        raise ConfigError(f"--fmax should be a positive number of eV/Å, but is {fmax}")
    target = Path(f"{Path(structure.partition('@')[0]).name.partition('.')[0]}-relaxed.xyz") if out is None else out
    checked_target(target, overwrite=overwrite, inputs=[structure, model])
    atoms = read_one(structure, types, format)
    if cell and not (atoms.pbc.all() and atoms.cell.rank == 3):
        raise ConfigError(
            f"--cell needs a structure that repeats in three directions; {structure} has pbc {atoms.pbc.tolist()}"
        )
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    atoms.calc = Calculator(potential, compile=compile, dtype=dtype)
    energy, size = float(atoms.get_potential_energy()), float(atoms.cell.volume)
    try:
        converged, n_steps = _downhill(atoms, cell, fmax, steps)
    except KeyboardInterrupt:
        write_structures(target, [with_results(atoms)])
        raise KeyboardInterrupt(f"the structure as it was by then is in {target}") from None
    write_structures(target, [with_results(atoms)])
    print(f"{'converged' if converged else 'NOT converged'} after {format_count(n_steps, 'step')} of LBFGS")
    print("\n".join([*_summary(atoms, energy, size, cell), f"written to {target}"]))
    if not converged:
        raise typer.Exit(1)


def _downhill(atoms: ase.Atoms, cell: bool, fmax: float, steps: int) -> tuple[bool, int]:
    optimizer = LBFGS(FrechetCellFilter(atoms) if cell else atoms, logfile=None)
    with terminal_progress(SpinnerColumn(), TextColumn("{task.description}")) as bar:
        task = bar.add_task("")
        optimizer.attach(
            lambda: bar.update(task, description=f"step {optimizer.nsteps} of {steps} at most: {_line(atoms, cell)}")
        )
        converged = optimizer.run(fmax=fmax, steps=steps)
    return bool(converged), int(optimizer.nsteps)


def _line(atoms: ase.Atoms, cell: bool) -> str:
    """Energy, largest force and, with a cell, largest stress, in a few words."""
    force = np.linalg.norm(atoms.get_forces(), axis=1).max()
    text = f"{atoms.get_potential_energy():.4f} eV, largest force {format_number(force, 2)} eV/Å"
    if cell:
        text += f", largest stress {format_number(np.abs(atoms.get_stress()).max() / ase_units.GPa, 2)} GPa"
    return text


def _summary(atoms: ase.Atoms, energy: float, size: float, cell: bool) -> list[str]:
    """The result of the relaxation, as text."""
    gain = atoms.get_potential_energy() - energy
    lines = [_line(atoms, cell), f"energy {gain:+.4f} eV ({1000 * gain / len(atoms):+.2f} meV/atom) against the start"]
    if cell:
        a, b, c, alpha, beta, gamma = atoms.cell.cellpar()
        now = atoms.get_volume()
        lines.append(
            f"volume {size:.3f} → {now:.3f} Å³ ({now / len(atoms):.3f} Å³/atom, {100 * (now / size - 1):+.2f} %)"
        )
        lines.append(f"cell {a:.4f} {b:.4f} {c:.4f} Å, {alpha:.2f}° {beta:.2f}° {gamma:.2f}°")
    return lines
