"""atomgraph md MODEL STRUCTURE --steps N"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import ase
import ase.io
import numpy as np
import typer
from ase import units as ase_units
from ase.md.langevin import Langevin
from ase.md.md import MolecularDynamics
from ase.md.verlet import VelocityVerlet
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from atomgraph.analysis.dynamics import EnergyRecord, set_thermal_velocities
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
from atomgraph.cli.structure_files import Structure, check_target, read_one, with_results
from atomgraph.compiled import for_inference
from atomgraph.data.frame_names import format_count
from atomgraph.errors import ConfigError, FormatError
from atomgraph.progress import terminal_progress

DEFAULT_TEMPERATURE = 300.0  # K


class Ensemble(StrEnum):
    """Ensembles; the number of atoms and the cell are constant in both ensembles."""

    nve = "nve"
    nvt = "nvt"


Out = Annotated[
    Path | None,
    typer.Option("--out", help="A new file for the frames (.traj, .xyz, .extxyz); STRUCTURE-md.traj if not given."),
]
EnsembleOption = Annotated[
    Ensemble,
    typer.Option("--ensemble", help="nve: constant energy; nvt: constant temperature, with a Langevin thermostat."),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        "--temperature",
        help="Temperature of the initial velocities, K. If not given: velocities of the structure, or 300 K if it has none.",
    ),
]
Timestep = Annotated[float, typer.Option("--timestep", help="Timestep, fs.")]
Steps = Annotated[int, typer.Option("--steps", min=1, help="Number of steps.")]
Every = Annotated[int, typer.Option("--every", min=1, help="Steps between written frames.")]
Friction = Annotated[float, typer.Option("--friction", help="Friction of the thermostat, 1/ps.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of velocities and thermostat.")]


def md(
    model: Model,
    structure: Structure,
    ensemble: EnsembleOption = Ensemble.nve,
    temperature: Temperature = None,
    timestep: Timestep = 1.0,
    steps: Steps = 1000,
    out: Out = None,
    interval: Every = 10,
    friction: Friction = 10.0,
    seed: Seed = 0,
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
    """Run molecular dynamics at constant energy or temperature; write frames, print drift, temperature and speed."""
    if not (timestep > 0 and friction > 0):
        raise ConfigError(f"--timestep and --friction should be positive, but are {timestep} fs and {friction} 1/ps")
    target = Path(f"{Path(structure.partition('@')[0]).name.partition('.')[0]}-md.traj") if out is None else out
    ase_format = check_target(target, overwrite=overwrite, inputs=[structure, model])
    atoms, rng = read_one(structure, types, format), np.random.default_rng(seed)
    temperature = _set_velocities(atoms, temperature, rng)
    potential = load_model(model, head=head, elements=elements, units=units, device=device, imports=imports)
    atoms.calc = Calculator(for_inference(potential, compile=compile, dtype=dtype, n_atoms=(steps + 1) * len(atoms)))
    atoms.get_potential_energy()  # errors of the structure appear before anything is written
    dynamics = _dynamics(atoms, ensemble, temperature, timestep, friction, rng)
    record = EnergyRecord(len(atoms))
    try:
        with _frame_writer(atoms, target, ase_format) as write_frame:
            dynamics.attach(lambda: record.append(atoms, dynamics.get_time() / ase_units.fs))
            dynamics.attach(write_frame, interval=interval)
            _run(dynamics, record, steps)
    except KeyboardInterrupt:
        print("\n".join(_summary(record, ensemble, timestep, atoms.calc)))
        raise KeyboardInterrupt(
            f"after {format_count(len(record.time) - 1, 'step')}; the frames so far are in {target}"
        ) from None
    print("\n".join([*_summary(record, ensemble, timestep, atoms.calc), f"frames are in {target}"]))


def _set_velocities(atoms: ase.Atoms, temperature: float | None, rng: np.random.Generator) -> float:
    """Draw velocities at a temperature; without a temperature, keep the velocities of the structure if it has any.

    Args:
        atoms: The structure; its velocities are changed.
        temperature: Temperature, K; None: keep the velocities, or use 300 K if there are none.
        rng: Random numbers.

    Returns:
        Temperature of the thermostat, K; 300 K if the velocities are kept.
    """
    if temperature is None and np.any(atoms.get_momenta()):
        return DEFAULT_TEMPERATURE
    if temperature is None:
        print(
            f"the structure has no velocities: they are drawn at {DEFAULT_TEMPERATURE:g} K (--temperature changes this)"
        )
    temperature = DEFAULT_TEMPERATURE if temperature is None else temperature
    set_thermal_velocities(atoms, temperature, rng)
    return temperature


def _dynamics(
    atoms: ase.Atoms,
    ensemble: Ensemble,
    temperature: float,
    timestep: float,
    friction: float,
    rng: np.random.Generator,
) -> MolecularDynamics:
    """Return the integrator: velocity Verlet (nve) or Langevin dynamics (nvt). Units: K, fs, 1/ps."""
    if ensemble is Ensemble.nve:
        return VelocityVerlet(atoms, timestep * ase_units.fs)
    return Langevin(
        atoms,
        timestep * ase_units.fs,
        temperature_K=temperature,
        friction=friction / (1000.0 * ase_units.fs),
        fixcm=False,
        rng=rng,
    )


def _run(dynamics: MolecularDynamics, record: EnergyRecord, steps: int) -> None:
    """Run the steps, with time, temperature and energy in a progress display."""
    columns = [BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()]
    with terminal_progress(*columns) as bar:
        task = bar.add_task("", total=steps)

        def show() -> None:
            description = f"{record.time[-1] / 1000:.2f} ps, {record.temperature[-1]:.0f} K, {record.total[-1]:.4f} eV"
            bar.update(task, completed=len(record.time) - 1, description=description)

        dynamics.attach(show, interval=max(1, steps // 1000))
        dynamics.run(steps)


@contextmanager
def _frame_writer(atoms: ase.Atoms, target: Path, ase_format: str) -> Iterator[object]:
    """Yield a function that writes the current frame to a temporary file. At the end the file replaces the target."""
    scratch = target.with_name(f".{target.name}.part")
    scratch.unlink(missing_ok=True)
    trajectory = ase.io.Trajectory(str(scratch), "w") if ase_format == "traj" else None

    n_frames = n_bytes = 0  # complete frames in the temporary file, and its size

    def write_frame() -> None:
        nonlocal n_frames, n_bytes
        try:
            if trajectory is None:
                ase.io.write(scratch, with_results(atoms), format=ase_format, append=True)
            else:
                trajectory.write(atoms)
        except OSError as error:
            if trajectory is None:
                os.truncate(scratch, n_bytes)  # remove the incomplete frame
            verb = "is" if n_frames == 1 else "are"
            previous = f"; {format_count(n_frames, 'earlier frame')} {verb} in this file" if n_frames else ""
            raise FormatError(f"cannot write {target}: {error.strerror or error}{previous}") from error
        n_frames, n_bytes = n_frames + 1, scratch.stat().st_size

    try:
        yield write_frame
    finally:
        if trajectory is not None:
            with suppress(OSError):  # a full disk has already raised FormatError
                trajectory.close()
        if n_frames:
            scratch.replace(target)
        else:
            scratch.unlink(missing_ok=True)


def _summary(record: EnergyRecord, ensemble: Ensemble, timestep: float, calculator: Calculator) -> list[str]:
    """Return lines with drift, temperature and speed of the trajectory."""
    n_steps, second_half = len(record.time) - 1, record.temperature[len(record.temperature) // 2 :]
    name = "constant energy" if ensemble is Ensemble.nve else "constant temperature"
    n_atoms = format_count(record.n_atoms, "atom")
    lines = [
        f"{format_count(n_steps, 'step')} of {timestep:g} fs at {name}: {record.time[-1] / 1000:g} ps of {n_atoms}"
    ]
    if ensemble is Ensemble.nve:
        is_finite = np.isfinite(record.drift) and np.isfinite(record.fluctuation)
        drift = f"{record.drift:+.3g} meV/atom/ps, fluctuation {record.fluctuation:.2g} meV/atom"
        lines.append(f"energy drift {drift}" if is_finite else "too few steps for energy drift and fluctuation")
    lines.append(f"temperature {np.mean(second_half):.0f} ± {np.std(second_half):.0f} K in the second half")
    speed = f"{1000 * record.seconds_per_step:.2f} ms/step, {record.nanoseconds_per_day:.2g} ns/day"
    lines.append(f"{speed}, {format_count(calculator.n_neighbour_lists, 'neighbour list')}")
    return lines
