"""Neighbour lists: CPU time per atom, our kernel, matscipy, ASE, and vesin where ``make bench-peers`` has made its environment.

All lists are full, with shifts. Ours is sorted by centre, so vesin is asked for that as well as for its natural order.
Every list is compared pair for pair with ours before it is timed.
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
TURN = 8192  # atoms in one turn, at least: small structures are done several times
MOST = {"matscipy": 4096, "ASE": 512}  # atoms; beyond, they would take all the time


def silicon(repeat: int) -> ase.Atoms:
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.positions += np.random.default_rng(0).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def peers(atoms: ase.Atoms, cutoff: float) -> dict[str, Callable[[], tuple[np.ndarray, ...]]]:
    """Calls that give centres, neighbours, shifts."""
    result = {
        "matscipy": partial(matscipy_list, "ijS", atoms, cutoff),
        "ASE": partial(ase_list, "ijS", atoms, cutoff),
    }
    result = {name: call for name, call in result.items() if len(atoms) <= MOST[name]}
    try:
        from vesin import NeighborList
    except ImportError:
        return result
    for name, in_order in (("vesin", False), ("vesin, sorted", True)):
        compute = NeighborList(cutoff=cutoff, full_list=True, sorted=in_order).compute
        points, box = atoms.positions.copy(), atoms.cell.array.copy()
        result[name] = partial(compute, points=points, box=box, periodic=True, quantities="ijS", copy=True)
    return result


def in_one_order(pairs: tuple[np.ndarray, ...]) -> np.ndarray:
    """(n_pairs, 5) centre, neighbour, shift, in lexical order."""
    table = np.column_stack([np.asarray(column, dtype=np.int64) for column in pairs])
    return table[np.lexsort(table.T[::-1])]


def again(call: Callable[[], object], times: int) -> Callable[[], None]:
    def turn() -> None:
        for _ in range(times):
            call()

    return turn


def main() -> None:
    torch.set_num_threads(1)
    sys.path += [str(path) for path in PEERS.glob("vesin/lib/python*/site-packages")]
    rows: list[list[object]] = []
    for repeat in REPEATS:
        atoms = silicon(repeat)
        times = max(1, TURN // len(atoms))
        for cutoff in CUTOFFS:
            expected = in_one_order(neighbours_within(atoms, cutoff))
            lists = peers(atoms, cutoff)
            same = all(np.array_equal(expected, in_one_order(call())) for call in lists.values())
            cases = {
                "graph": partial(AtomicGraph.from_ase, atoms, cutoff),
                "ours": partial(edges_within, atoms, cutoff),
            }
            cases |= {name: call for name, call in lists.items() if name != "ASE"}
            seconds = interleaved({name: again(call, times) for name, call in cases.items()}, seconds=0.15)
            if "ASE" in lists:  # apart: the memory that it frees would be paid for by whoever comes next
                seconds |= interleaved({"ASE": again(lists["ASE"], times)}, seconds=0.15)
            per_atom = {name: 1e6 * spent / len(atoms) / times for name, spent in seconds.items()}
            names = ("ASE", "matscipy", "vesin", "vesin, sorted")
            rows.append([len(atoms), cutoff, f"{len(expected) / len(atoms):.0f}", "same" if same else "DIFFERENT"])
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
    with_threads()


def with_threads() -> None:
    """Wall time, which wants a quiet machine."""
    atoms, rows = silicon(REPEATS[-1]), []
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        spent = []
        for _ in range(7):
            start = time.perf_counter()
            edges_within(atoms, 6.0)
            spent.append(time.perf_counter() - start)
        rows.append([n_threads, f"{1e6 * min(spent) / len(atoms):.2f}"])
    print_table(
        f"The same on threads, {len(atoms)} atoms, 6 Å; µs/atom of wall time, the best of 7", ["threads", "ours"], rows
    )


if __name__ == "__main__":
    main()
