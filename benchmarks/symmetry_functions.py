"""Measure CPU times of symmetry functions, and those of dscribe if it is installed.

dscribe 2.1.2 computes values without forces; its published time for an ACSF set is 90 µs/atom on one Zen 4 core.
"""

from copy import deepcopy

import numpy as np
import torch
from ase.build import bulk
from measuring.timing import interleaved, print_table

from atomgraph import AtomicGraph, Potential
from atomgraph.featurizers import SymmetryFunctions
from atomgraph.featurizers.symmetry_functions import neighbour_sums as sums
from atomgraph.models import BehlerParrinello
from atomgraph.nn.edges import Edges
from atomgraph.nn.elements import ElementTable

CUTOFF, PEER = 5.2, "dscribe"
COMPARABLE = ("values, 5 radial + 4 narrow (dscribe's form), f64", "the same with the neighbour list")
RADIAL = [
    {"eta": 0.0},
    *({"eta": eta, "shift": shift} for eta, shift in [(0.05, 0.0), (0.5, 0.0), (1.5, 1.2), (4.0, 2.5)]),
]
BENDS = [(0.02, 1, 1), (0.02, 1, -1), (0.1, 4, 1), (0.3, 16, -1)]
NARROW = [{"eta": eta, "zeta": zeta, "lambda": sign, "form": "narrow"} for eta, zeta, sign in BENDS]
WIDE = [
    {"eta": 0.1, "shift": shift, "zeta": zeta, "lambda": sign}
    for shift in (1, 2, 3, 4)
    for zeta in (1, 2, 4)
    for sign in (1, -1)
]


def silicon(repeat: int):
    atoms = bulk("Si", cubic=True) * (repeat, repeat, repeat)
    atoms.positions += np.random.default_rng(0).normal(scale=0.05, size=atoms.positions.shape)
    return atoms


def values(featurizer: SymmetryFunctions, graph: AtomicGraph, dtype: torch.dtype):
    """Return a function that computes descriptors only, with given neighbours."""
    edges = Edges.of(graph, ElementTable(["Si"]), dtype)

    def call() -> None:
        with torch.no_grad():
            featurizer(graph, edges)

    return call


def by_triples(make):
    """Call a function with all angular sums over explicit triples; return its result."""
    highest_zeta, sums.HIGHEST_ZETA_BY_MOMENTS = sums.HIGHEST_ZETA_BY_MOMENTS, 0
    try:
        return make()
    finally:
        sums.HIGHEST_ZETA_BY_MOMENTS = highest_zeta


def main() -> None:
    torch.set_num_threads(1)
    atoms = silicon(3)
    graph = AtomicGraph.from_ase(atoms, CUTOFF)

    def wide() -> SymmetryFunctions:
        return SymmetryFunctions(["Si"], CUTOFF, RADIAL, WIDE)

    def potential(**options) -> Potential:
        return Potential(BehlerParrinello(["Si"], CUTOFF, **options)).eval()

    narrow = SymmetryFunctions(["Si"], CUTOFF, RADIAL, NARROW, "cosine")
    default = potential().double()
    default_float32 = deepcopy(default).float()
    narrow_potential = potential(radial=RADIAL, angular=NARROW).double()
    cases = {
        COMPARABLE[0]: values(narrow, graph, torch.float64),
        COMPARABLE[1]: lambda: values(narrow, AtomicGraph.from_ase(atoms, CUTOFF), torch.float64)(),
        "values, 5 radial + 24 wide by moments, f64": values(wide(), graph, torch.float64),
        "values, 5 radial + 24 wide by triples, f64": values(by_triples(wide), graph, torch.float64),
        "energy + forces, default set, f64": lambda: default(graph, stress=False),
        "energy + forces, default set, f32": lambda: default_float32(graph, stress=False),
        "energy + forces, 5 radial + 4 narrow, f64": lambda: narrow_potential(graph, stress=False),
    }
    try:
        from dscribe.descriptors import ACSF

        acsf = ACSF(
            r_cut=CUTOFF,
            species=["Si"],
            periodic=True,
            g4_params=BENDS,
            g2_params=[(f["eta"], f["shift"]) for f in RADIAL[1:]],
        )
        cases[f"{PEER}, values, 5 radial + 4 narrow, with its neighbour list"] = lambda: acsf.create(atoms)
    except ImportError:
        print("dscribe is not installed; its published time is 90 µs/atom for values alone")
    exact, rounded = (model(graph, stress=False)["forces"].double() for model in (default, default_float32))
    error = float((rounded - exact).abs().max() / exact.square().mean().sqrt())
    seconds = interleaved(cases)
    peer = next((spent for name, spent in seconds.items() if name.startswith(PEER)), None)
    rows = [
        [
            name,
            f"{1e6 * spent / len(atoms):.1f}",
            f"{len(atoms) / spent:.0f}",
            f"{peer / spent:.1f}" if peer and name in COMPARABLE else "",
            f"{error:.0e}" if name.endswith("f32") else "",
        ]
        for name, spent in seconds.items()
    ]
    neighbours = graph.n_edges / len(atoms)
    print_table(
        f"Symmetry functions, Si{len(atoms)}, {neighbours:.0f} neighbours within {CUTOFF} Å",
        ["", "µs/atom", "atoms/s", "dscribe / ours", "error of forces / RMS"],
        rows,
    )


if __name__ == "__main__":
    main()
