"""Compiled MACE in the shapes of MACE-MP-0 (89 elements, l_max 3, correlation 3, 6 Å) beside mace-torch, equal weights.

``mace_compiled.py [SHAPE ...]``, of small (128x0e), medium (128x0e+128x1o), large (128x0e+128x1o+128x2e). The other
side's environment is that of ``make bench-peers``, or ATOMGRAPH_MACE_PYTHON names its Python. Both sides take turns, in
CPU time of one thread; so does the product of two matrices, which says what the core could do. Errors are largest
differences of forces from mace-torch's float64, by their root mean square. The operations that are counted are the least
that are known to be needed, with weights as cubic splines.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import ase.io
import numpy as np
import torch
from mace_evaluation import water_box
from peer import MACE_TORCH, Peer
from shapes import silicon
from timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.kernels import KernelWarning

SHAPES = ("medium", "small", "large")
ROUNDS, TURNS = 3, 8  # turns of both; of ours in each, because they are so short
SIDE = 1000  # of the matrices


def operations(potential: Potential, n_atoms: int, n_edges: int) -> float:
    """Floating-point operations of energy and forces, at least."""
    of_edge = of_atom = 0.0
    for number, layer in enumerate(potential.model.branches[0].layers):
        slopes = 1 if number == 0 else 2  # nothing has a slope by the first layer's features
        interaction, channels = layer.interaction, layer.interaction.convolution.channels
        for path in interaction.convolution.paths:
            coupled = path.feature.dim * (1 if path.harmonics.l == 0 else path.message.dim)
            of_edge += 2 * channels * (4 + 8 + (1 + slopes) * coupled)  # weights, their slopes, messages and slopes
        maps = [interaction.mix, layer.mix, *([] if number == 0 else [interaction.up, interaction.skip])]
        for part in maps:
            for name, weight in part.weights.items():
                components = 1 if name.startswith("0") else 2 * int(name[0]) + 1
                of_atom += 2 * 2 * components * weight.shape[-2] * weight.shape[-1]
        product = layer.product
        terms = sum(
            int((np.abs(product.coupling_of_monomials(irrep, nu)).max(axis=2) > 1e-12).sum())
            for irrep, nu in product.terms
        )
        of_atom += 2 * 3 * channels * terms
    return n_atoms * of_atom + n_edges * of_edge


def structures() -> dict[str, ase.Atoms]:
    return {"Si64": silicon(2), "water192": water_box()}


def measured(peer: Peer, potential: Potential, name: str, atoms: ase.Atoms, dtype: str) -> list[list[object]]:
    """Rows of a table: without stress, and with it."""
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error", KernelWarning)
        ours = atomgraph.compile(potential, dtype=dtype)
        graph = AtomicGraph.from_ase(atoms, potential.cutoff)
        forces = ours(graph)["forces"].numpy()
    first, rows = time.perf_counter() - start, []
    exact = peer.forces(name, "float64")
    scale = np.sqrt(np.mean(exact**2))
    errors = [np.abs(found - exact).max() / scale for found in (forces, peer.forces(name, dtype))]
    matrix = torch.ones(SIDE, SIDE, dtype=getattr(torch, dtype))
    calls = {False: lambda: ours(graph, stress=False), True: lambda: ours(graph), None: lambda: matrix @ matrix}
    for stress in (False, True):
        spent: dict[object, list[float]] = {stress: [], None: []}
        theirs = []
        for _ in range(ROUNDS):
            theirs.append(peer.seconds(name, dtype, stress))
            for _ in range(TURNS):
                for key, times in spent.items():
                    begin = time.process_time()
                    calls[key]()
                    times.append(time.process_time() - begin)
        mine, roof = np.median(spent[stress]), 2 * SIDE**3 / np.median(spent[None])
        beside, work = np.median(theirs), operations(potential, len(atoms), graph.n_edges)
        row = [name, dtype, "E, F, stress" if stress else "E, F", f"{1e6 * beside / len(atoms):.0f}"]
        row += [f"{1e6 * mine / len(atoms):.0f}", f"{beside / mine:.1f}", f"{1e-9 * roof:.0f}"]
        row += [f"{100 * work / mine / roof:.0f} %", f"{errors[0]:.1e}", f"{errors[1]:.1e}" if errors[1] else ""]
        rows.append([*row, f"{first:.1f}"])
    return rows


def main(shapes: list[str]) -> None:
    torch.set_num_threads(1)
    columns = ["structure", "dtype", "of", "mace-torch, µs/atom", "ours", "ratio", "roof, GFLOP/s", "of it"]
    columns += ["error", "mace-torch's own", "first call, s"]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, atoms in structures().items():
            ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
        for shape in shapes:
            peer, rows = Peer(MACE_TORCH, folder, shape), []
            potential = atomgraph.load(folder / f"{shape}.model", dtype="float64")
            for name in structures():
                atoms = ase.io.read(
                    folder / f"{name}.xyz"
                )  # whose positions have eight digits, as the other side has them
                for dtype in ("float32", "float64"):
                    rows += measured(peer, potential, name, atoms, dtype)
            peer.close()
            print_table(f"The shape of MACE-MP-0-{shape}", columns, rows)


if __name__ == "__main__":
    main(sys.argv[1:] or list(SHAPES))
