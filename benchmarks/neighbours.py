"""Neighbour lists: CPU time per atom of our door, of matscipy behind it, of ASE's list, and of the whole graph."""

import numpy as np
import torch
from ase.build import bulk
from ase.neighborlist import neighbor_list
from matscipy.neighbours import neighbour_list
from timing import interleaved, print_table

from atomgraph import AtomicGraph
from atomgraph.graph.neighbours import matscipy_neighbours

CUTOFF = 5.0
REPEATS = (2, 4, 6, 8, 10)  # 64, 512, 1728, 4096, 8000 atoms


def silicon(repeat: int):
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.positions += np.random.default_rng(0).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def main() -> None:
    torch.set_num_threads(1)
    rows: list[list[object]] = []
    for repeat in REPEATS:
        atoms = silicon(repeat)
        cases = {
            "AtomicGraph.from_ase": lambda atoms=atoms: AtomicGraph.from_ase(atoms, CUTOFF),
            "our door": lambda atoms=atoms: matscipy_neighbours(atoms, CUTOFF),
            "matscipy": lambda atoms=atoms: neighbour_list("ijS", atoms, CUTOFF),
        }
        seconds = interleaved(cases, seconds=0.5)
        # apart from the others: the memory that ASE's list frees would be paid for by whoever comes next
        seconds |= interleaved({"ASE": lambda atoms=atoms: neighbor_list("ijS", atoms, CUTOFF)}, seconds=0.5)
        columns = ["atoms", *seconds, "ASE / our door"]
        times = [f"{1e6 * spent / len(atoms):.2f}" for spent in seconds.values()]
        rows.append([len(atoms), *times, f"{seconds['ASE'] / seconds['our door']:.1f}"])
    print_table(f"Neighbour lists, silicon, {CUTOFF} Å, 28 neighbours; µs/atom", columns, rows)


if __name__ == "__main__":
    main()
