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
from atomgraph.cli.structure_files import Structure, check_target, read_one, with_results, write_structures
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError
from atomgraph.progress import terminal_progress

Out = Annotated[
    Path | None, typer.Option("--out", help="A new file (.xyz, .extxyz, .traj); STRUCTURE-relaxed.xyz if not given.")
]
Cell = Annotated[bool, typer.Option("--cell/--fix-cell", help="Also relax the cell, to zero stress.")]
Fmax = Annotated[
    float,
    typer.Option(
        "--fmax", help="Stop when all forces (with --cell also strain derivatives) are below this value, eV/Å."
    ),
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
    """Relax positions, with --cell also the cell, until forces are below --fmax. Exit code 1 if --steps are too few."""
    if not fmax > 0:
        raise ConfigError(f"--fmax should be a positive number of eV/Å, but is {fmax}")
    target = Path(f"{Path(structure.partition('@')[0]).name.partition('.')[0]}-relaxed.xyz") if out is None else out
    check_target(target, overwrite=overwrite, inputs=[structure, model])
    atoms = read_one(structure, types, format)
    if cell and not (atoms.pbc.all() and atoms.cell.rank == 3):
        raise ConfigError(
            f"--cell needs a structure that is periodic in three directions; {structure} has pbc {atoms.pbc.tolist()}"
        )
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    atoms.calc = Calculator(potential, compile=compile, dtype=dtype)
    energy, volume = float(atoms.get_potential_energy()), float(atoms.cell.volume)
    try:
        converged, n_steps = _minimise(atoms, cell, fmax, steps)
    except KeyboardInterrupt:
        write_structures(target, [with_results(atoms)])
        raise KeyboardInterrupt(f"the current structure is in {target}") from None
    write_structures(target, [with_results(atoms)])
    print(f"{'converged' if converged else 'NOT converged'} after {format_count(n_steps, 'step')} of LBFGS")
    print("\n".join([*_summary(atoms, energy, volume, cell), f"written to {target}"]))
    if not converged:
        raise typer.Exit(1)


def _minimise(atoms: ase.Atoms, relax_cell: bool, fmax: float, steps: int) -> tuple[bool, int]:
    """Minimise the energy; return whether forces have converged, and the number of steps."""
    optimizer = LBFGS(FrechetCellFilter(atoms) if relax_cell else atoms, logfile=None)
    with terminal_progress(SpinnerColumn(), TextColumn("{task.description}")) as bar:
        task = bar.add_task("")
        optimizer.attach(
            lambda: bar.update(
                task, description=f"step {optimizer.nsteps} of {steps} at most: {_line(atoms, relax_cell)}"
            )
        )
        converged = optimizer.run(fmax=fmax, steps=steps)
    return bool(converged), int(optimizer.nsteps)


def _line(atoms: ase.Atoms, relax_cell: bool) -> str:
    """Return energy, largest force and, if the cell is relaxed, largest stress, as text."""
    force = np.linalg.norm(atoms.get_forces(), axis=1).max()
    text = f"{atoms.get_potential_energy():.4f} eV, largest force {format_number(force, 2)} eV/Å"
    if relax_cell:
        text += f", largest stress {format_number(np.abs(atoms.get_stress()).max() / ase_units.GPa, 2)} GPa"
    return text


def _summary(atoms: ase.Atoms, initial_energy: float, initial_volume: float, relax_cell: bool) -> list[str]:
    """Return lines with the result of the relaxation."""
    energy_change = atoms.get_potential_energy() - initial_energy
    per_atom = f"{1000 * energy_change / len(atoms):+.2f} meV/atom"
    lines = [_line(atoms, relax_cell), f"energy {energy_change:+.4f} eV ({per_atom}) relative to the initial structure"]
    if relax_cell:
        a, b, c, alpha, beta, gamma = atoms.cell.cellpar()
        volume = atoms.get_volume()
        percent_change = 100 * (volume / initial_volume - 1)
        volume_per_atom = f"{volume / len(atoms):.3f} Å³/atom"
        lines.append(f"volume {initial_volume:.3f} → {volume:.3f} Å³ ({volume_per_atom}, {percent_change:+.2f} %)")
        lines.append(f"cell {a:.4f} {b:.4f} {c:.4f} Å, {alpha:.2f}° {beta:.2f}° {gamma:.2f}°")
    return lines
