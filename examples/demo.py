"""Demonstration: train five potentials on silicon, evaluate them on a test set, and simulate with the best potential.

`make demo` in the root of the project runs this script. All output is written to runs/demo.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
from ase.build import bulk
from rich.console import Console

import atomgraph
from atomgraph.analysis.comparison import FORCES, Comparison, compare
from atomgraph.analysis.dynamics import nve
from atomgraph.analysis.equation_of_state import equation_of_state, relax
from atomgraph.analysis.error_tables import ErrorStatistics
from atomgraph.analysis.report.page import Facts, Gallery, Picture, Section
from atomgraph.analysis.report.plots import line_plot
from atomgraph.analysis.report.tables import Column, Table, format_number
from atomgraph.analysis.report.training_report import write_report
from atomgraph.config.resolve import read_config
from atomgraph.data import read

FOLDER = Path("runs/demo")
TEST = "examples/data/mlearn_Si/test.xyz.gz"
FAMILIES = {  # configuration and changes for a short run, by name
    "GCN": ("configs/gcn.yaml", ["fit.max_epochs=15"]),
    "Behler-Parrinello": ("configs/behler_parrinello.yaml", ["fit.max_epochs=30"]),
    "GAP": ("configs/gap.yaml", ["model.n_points=300", "model.n_max=8", "model.l_max=5"]),
    "ACE": ("configs/ace.yaml", ["model.n_max=[16,8,4,2]", "model.l_max=[0,5,3,1]"]),
    "MACE": ("configs/mace.yaml", ["model.hidden_irreps=16x0e", "fit.max_epochs=9", "fit.terms.0.weight=10"]),
}
DIFFERENCES = (
    "All errors are for the same test structures. Networks use a tenth of the training part for validation; fits in closed "
    "form use the whole training part. Only networks fit stresses. All runs are short; errors of complete runs are in "
    "docs/validation.md."
)
console = Console(highlight=False)


def main() -> None:
    """Train a potential of each family, compare errors, simulate, and write the report."""
    start_of_demo = time.perf_counter()
    if FOLDER.exists():
        shutil.rmtree(FOLDER)
    test = read([TEST])
    potentials, comparisons, minutes = {}, {}, {}
    for name, (config, overrides) in FAMILIES.items():
        console.rule(f"[bold]{name}[/bold], from {config}")
        start = time.perf_counter()
        folder = FOLDER / name.lower()
        potentials[name], _ = atomgraph.train(read_config(config, [*overrides, f"output.folder={folder}"]))
        minutes[name] = (time.perf_counter() - start) / 60
        comparisons[name] = compare(potentials[name], test)
    table = family_table(comparisons, minutes)
    console.rule("[bold]All families[/bold], errors on the test structures")
    console.print(table.rich())
    console.print(DIFFERENCES)
    best = min(comparisons, key=lambda name: ErrorStatistics.from_sample(comparisons[name].samples["forces"]).mae)
    console.rule(f"[bold]{best}[/bold]: simulation of a silicon crystal")
    simulation_section = simulate(potentials[best].double())
    report = write_report(
        FOLDER / "report.html",
        potential=potentials[best],
        comparisons={"test": comparisons[best]},
        title="Potentials of silicon",
        subtitle=f"Simulations with the best potential, {best}",
        sections=[Section("All families", [table], DIFFERENCES), simulation_section],
    )
    console.print(f"\nReport: {report}   (reports of single runs: {FOLDER}/*/report.html)")
    console.print(f"The demonstration took {(time.perf_counter() - start_of_demo) / 60:.1f} minutes.")


def family_table(comparisons: dict[str, Comparison], minutes: dict[str, float]) -> Table:
    """Return a table with a row per family: errors on the test set, and training time."""
    zero = np.abs(next(iter(comparisons.values())).samples["forces"].reference).mean()
    columns = [
        Column("family", is_text=True),
        *(Column(measure, "energy (meV/atom)") for measure in ("MAE", "RMSE")),
        *(Column(measure, "forces (eV/Å)") for measure in ("MAE", "RMSE")),
        Column("MAE", "stress (GPa)"),
        Column("training", "time (min)"),
    ]
    rows = []
    for name, comparison in comparisons.items():
        energy, forces, stress = (
            ErrorStatistics.from_sample(comparison.samples[key]) for key in ("energy", "forces", "stress")
        )
        figures = (energy.mae, energy.rmse, forces.mae, forces.rmse, stress.mae, minutes[name])
        rows.append([name, *map(format_number, figures)])
    return Table(columns, rows, note=f"Predicting zero for every force would have an MAE of {zero:.3f} {FORCES.unit}.")


def simulate(potential: atomgraph.Potential) -> Section:
    """Relax the cell, compute the equation of state and run dynamics; return the section of the report."""
    crystal = relax(potential, bulk("Si", cubic=True))
    state = equation_of_state(potential, crystal)
    lattice = crystal.cell.cellpar()[0]
    console.print(f"Relaxed lattice constant: {lattice:.3f} Å   (PBE: 5.47 Å, experiment: 5.43 Å)")
    console.print(
        f"Bulk modulus from the equation of state: {state.bulk_modulus:.0f} GPa   (PBE: 89 GPa, experiment: 98 GPa)"
    )
    record = nve(potential, crystal * (2, 2, 2), kelvin=600, timestep=1.0, steps=500)
    console.print(
        f"{record.n_atoms} atoms from 600 K for {record.time[-1] / 1000:.1f} ps at constant energy: "
        f"drift {record.drift:+.3f} meV/atom/ps, {1e3 * record.seconds_per_step:.0f} ms per step"
    )
    energy = 1e3 * (np.array(record.total) - record.total[0]) / record.n_atoms
    pictures = [
        Picture(state.figure(), "equation-of-state"),
        Picture(
            line_plot(
                {"total energy": (record.time, energy.tolist())},
                xlabel="time (fs)",
                ylabel="meV/atom",
                title="Total energy, at constant energy",
            ),
            "energy",
        ),
        Picture(
            line_plot(
                {"temperature": (record.time, record.temperature)}, xlabel="time (fs)", ylabel="K", title="Temperature"
            ),
            "temperature",
        ),
    ]
    facts = {
        "lattice constant": f"{lattice:.3f} Å (PBE 5.47, experiment 5.43)",
        "bulk modulus": f"{state.bulk_modulus:.0f} GPa (PBE 89, experiment 98)",
        "drift of the energy": f"{record.drift:+.3f} meV/atom/ps over {record.time[-1] / 1000:.1f} ps, {record.n_atoms} atoms",
        "speed": f"{1e3 * record.seconds_per_step:.1f} ms per step, {record.nanoseconds_per_day:.3f} ns/day",
    }
    return Section(
        "Simulation",
        [Facts(facts), Gallery(pictures)],
        "Relaxation, equation of state and dynamics of a diamond crystal.",
    )


if __name__ == "__main__":
    main()
