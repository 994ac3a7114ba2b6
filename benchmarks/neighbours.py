"""Compare CPU times of neighbour lists: atomgraph, matscipy, ASE, and vesin (if ``make bench-peers`` has installed it).

All lists are full lists with shifts. atomgraph's list is sorted by centre; vesin is measured with and without sorting.
Before the measurement, all pairs of each list are compared with those of atomgraph.
"""

import sys
import time
from collections.abc import Callable
from functools import partial

import ase
import numpy as np
import torch
from ase.build import bulk
from ase.neighborlist import neighbor_list as ase_list
from matscipy.neighbours import neighbour_list as matscipy_list
from measuring.peer import PEERS
from measuring.timing import interleaved, print_table

from atomgraph import AtomicGraph
from atomgraph.graph.neighbours import edges_within, neighbours_within

REPEATS = (2, 4, 8, 16, 23)  # 64, 512, 4096, 32768, 97336 atoms
CUTOFFS = (4.0, 5.0, 6.0)
MIN_ATOMS = 8192  # per timed call; small structures are computed several times
MAX_ATOMS = {"matscipy": 4096, "ASE": 512}  # larger structures would take too long


def silicon(repeat: int) -> ase.Atoms:
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.positions += np.random.default_rng(0).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def peers(atoms: ase.Atoms, cutoff: float) -> dict[str, Callable[[], tuple[np.ndarray, ...]]]:
    """Return functions that compute centres, neighbours and shifts, by name of the program."""
    result = {
        "matscipy": partial(matscipy_list, "ijS", atoms, cutoff),
        "ASE": partial(ase_list, "ijS", atoms, cutoff),
    }
    result = {name: call for name, call in result.items() if len(atoms) <= MAX_ATOMS[name]}
    try:
        from vesin import NeighborList
    except ImportError:
        return result
    for name, is_sorted in (("vesin", False), ("vesin, sorted", True)):
        compute = NeighborList(cutoff=cutoff, full_list=True, sorted=is_sorted).compute
        points, box = atoms.positions.copy(), atoms.cell.array.copy()
        result[name] = partial(compute, points=points, box=box, periodic=True, quantities="ijS", copy=True)
    return result


def sort_pairs(pairs: tuple[np.ndarray, ...]) -> np.ndarray:
    """Return centre, neighbour and shift of each pair, (n_pairs, 5), in lexical order."""
    table = np.column_stack([np.asarray(column, dtype=np.int64) for column in pairs])
    return table[np.lexsort(table.T[::-1])]


def repeated(call: Callable[[], object], times: int) -> Callable[[], None]:
    """Return a function that makes several calls."""

    def calls() -> None:
        for _ in range(times):
            call()

    return calls


def main() -> None:
    torch.set_num_threads(1)
    sys.path += [str(path) for path in PEERS.glob("vesin/lib/python*/site-packages")]
    rows: list[list[object]] = []
    for repeat in REPEATS:
        atoms = silicon(repeat)
        times = max(1, MIN_ATOMS // len(atoms))
        for cutoff in CUTOFFS:
            expected = sort_pairs(neighbours_within(atoms, cutoff))
            lists = peers(atoms, cutoff)
            is_equal = all(np.array_equal(expected, sort_pairs(call())) for call in lists.values())
            cases = {
                "graph": partial(AtomicGraph.from_ase, atoms, cutoff),
                "ours": partial(edges_within, atoms, cutoff),
            }
            cases |= {name: call for name, call in lists.items() if name != "ASE"}
            seconds = interleaved({name: repeated(call, times) for name, call in cases.items()}, seconds=0.15)
            if "ASE" in lists:  # measured separately, because memory that ASE frees slows the next case
                seconds |= interleaved({"ASE": repeated(lists["ASE"], times)}, seconds=0.15)
            per_atom = {name: 1e6 * spent / len(atoms) / times for name, spent in seconds.items()}
            names = ("ASE", "matscipy", "vesin", "vesin, sorted")
            rows.append([len(atoms), cutoff, f"{len(expected) / len(atoms):.0f}", "same" if is_equal else "DIFFERENT"])
            rows[-1] += [f"{per_atom[name]:.2f}" for name in ("graph", "ours")]
            rows[-1] += [f"{per_atom[name]:.2f}" if name in per_atom else "" for name in names]
            rows[-1] += [f"{per_atom[name] / per_atom['ours']:.1f}" if name in per_atom else "" for name in names]
    columns = [
        "atoms",
        "cutoff",
        "neighbours",
        "pairs",
        "AtomicGraph",
        "ours",
        *names,
        *(f"{name} / ours" for name in names),
    ]
    print_table("Neighbour lists, rattled silicon; µs/atom", columns, rows)
    measure_threads()


def measure_threads() -> None:
    """Print wall times for one and two threads; this needs an idle machine."""
    atoms, rows = silicon(REPEATS[-1]), []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        times = []
        for _ in range(7):
            start = time.perf_counter()
            edges_within(atoms, 6.0)
            times.append(time.perf_counter() - start)
        rows.append([n_threads, f"{1e6 * min(times) / len(atoms):.2f}"])
    print_table(
        f"Neighbour list on several threads, {len(atoms)} atoms, 6 Å; wall time in µs/atom, shortest of 7",
        ["threads", "ours"],
        rows,
    )


if __name__ == "__main__":
    main()
