"""Compare compiled NequIP and SevenNet-0 with nequip and SevenNet: energies and forces, float32, CPU time of one thread.

Weights are equal, and both programs run alternately. Without the programs (``make bench-peers``) or without SevenNet-0
(``atomgraph models --get sevennet-0``) the comparison is left out.
"""

import tempfile
import time
from pathlib import Path
from statistics import median

import ase
import ase.io
import numpy as np
import torch
from ase.build import bulk, molecule
from measuring.peer import Peer, Program
from measuring.timing import print_table

import atomgraph
from atomgraph import AtomicGraph, Potential
from atomgraph.catalogue import public_models
from atomgraph.catalogue.download import cached_path
from atomgraph.catalogue.package_file import installed_file

NEQUIP = Program("nequip", "nequip", "nequip_model.py")
SEVENNET = Program("SevenNet", "sevennet", "sevennet.py")
ROUNDS = 7


def water() -> ase.Atoms:
    """64 molecules of water in random orientations on a grid, 192 atoms."""
    random, box = np.random.default_rng(0), ase.Atoms(cell=[12.42] * 3, pbc=True)
    for place in np.ndindex(4, 4, 4):
        atoms = molecule("H2O")
        atoms.rotate(random.uniform(0, 360), random.normal(size=3))
        atoms.positions += 3.105 * np.array(place) + 1.5
        box += atoms
    return box


def silicon() -> ase.Atoms:
    """Rattled silicon, 64 atoms."""
    atoms = bulk("Si", cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return atoms


def measure(potential: Potential, peer: Peer, name: str, atoms: ase.Atoms) -> list[str]:
    """Return a row of the table: interleaved rounds, medians."""
    graph = AtomicGraph.from_ase(atoms, potential.cutoff)
    fast = atomgraph.compile(potential, dtype="float32")
    times: dict[str, list[float]] = {"program": [], "eager": [], "compiled": []}
    fast(graph), peer.seconds(name, "float32", False)
    for _ in range(ROUNDS):
        times["program"].append(peer.seconds(name, "float32", False))
        for kind, evaluator, n in (("eager", potential, 1), ("compiled", fast, 10)):
            start = time.process_time()
            for _ in range(n):
                evaluator(graph)
            times[kind].append((time.process_time() - start) / n)
    ratios = sorted(theirs / ours for theirs, ours in zip(times["program"], times["compiled"], strict=True))
    error = np.abs(fast(graph)["forces"].numpy() - peer.forces(name, "float32")).max()
    per_atom = [f"{1e6 * median(values) / len(atoms):.0f}" for values in times.values()]
    return [name, *per_atom, f"{median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f})", f"{error:.1e}"]


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        structures = {"water192": water(), "Si64": silicon()}
        for name, atoms in structures.items():
            ase.io.write(folder / f"{name}.xyz", atoms, format="extxyz")
            structures[name] = ase.io.read(folder / f"{name}.xyz")
        if NEQUIP.is_there:
            peer = Peer(NEQUIP, folder, "")
            potential = atomgraph.load(folder / "nequip.ckpt")
            rows.append(
                ["NequIP, 4 layers, 32 features", *measure(potential, peer, "water192", structures["water192"])]
            )
            peer.close()
        model = public_models()["sevennet-0"]
        checkpoint = installed_file(model) or cached_path(model)
        if SEVENNET.is_there and checkpoint.is_file():
            peer = Peer(SEVENNET, folder, str(checkpoint))
            potential = atomgraph.load(checkpoint)
            rows += [["SevenNet-0", *measure(potential, peer, name, atoms)] for name, atoms in structures.items()]
            peer.close()
    for program in (NEQUIP, SEVENNET):
        if not program.is_there:
            print(f"no {program.name} at {program.python}: make bench-peers, or {program.variable}")
    columns = ["model", "structure", "program, µs/atom", "eager", "compiled", "program / compiled", "difference, eV/Å"]
    print_table("Energies and forces, float32, one thread", columns, rows)


if __name__ == "__main__":
    main()
