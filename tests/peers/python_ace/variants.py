"""Makes ACE potentials of every kind that the reader takes, and their numbers by python-ace.

    python variants.py FOLDER [MODELS]

in an environment with python-ace. FOLDER gets ``NAME.yaml`` and ``variants.npz``: for each case NAME@i numbers, positions,
cell, pbc, energy, forces, atomic_energy. Radial functions are tabulated ten times finer than usual, since python-ace
interpolates between tables. MODELS, a folder of other potentials (``ace_models`` of the reference numbers), has its own
copies so refined: ``fine_NAME.yaml``. ``ATOMGRAPH_ACE_VARIANTS`` points tests at FOLDER.
"""

import re
import sys
from pathlib import Path

import ase
import numpy as np
from pyace import PyACECalculator

BASE = """global:
  DeltaSplineBins: 0.0001
species:
  - speciesblock: Al
    ndensityi: 1
    npoti: FinnisSinclair
    parameters: [ 1, 1 ]
    rho_core_cut: 100000
    drho_core_cut: 250
    nradmaxi: 1
    lmaxi: 2
    rcutij: 6.5
    dcutij: 0.01
    NameOfCutoffFunctionij: cos
    nradbaseij: 2
    radbase: ChebExpCos
    radparameters: [ 3 ]
    radcoefficients: [ [ [ -4.1, 0.3 ], [ 0.7, -0.2 ], [ 1, 2 ] ] ]
    core-repulsion: [ 400, 7 ]
    nbody:
      - { type: Al Al, nr: [ 1 ], nl: [ 0 ], c: [ -1.5 ] }
      - { type: Al Al, nr: [ 2 ], nl: [ 0 ], c: [ 2.7 ] }
      - { type: Al Al Al, nr: [ 1, 1 ], nl: [ 1, 1 ], c: [ -9.0 ] }
      - { type: Al Al Al Al, nr: [ 1, 1, 1 ], nl: [ 1, 1, 0 ], lint: [ 0 ], c: [ 0.9 ] }
      - { type: Al Al Al Al Al, nr: [ 1, 1, 1, 1 ], nl: [ 1, 1, 1, 1 ], lint: [ 2, 2 ], c: [ -0.2 ] }
  - speciesblock: Al Ni
    nradmaxi: 2
    lmaxi: 1
    rcutij: 6.4
    dcutij: 0.01
    NameOfCutoffFunctionij: cos
    nradbaseij: 1
    radbase: ChebExpCos
    radparameters: [ 3.2 ]
    radcoefficients: [ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]
    core-repulsion: [ 550, 10 ]
    nbody:
      - { type: Al Ni, nr: [ 1 ], nl: [ 0 ], c: [ -1.0 ] }
      - { type: Al Al Ni, nr: [ 1, 2 ], nl: [ 1, 1 ], c: [ 0.3 ] }
      - { type: Al Al Ni Ni, nr: [ 1, 1, 1 ], nl: [ 1, 1, 0 ], lint: [ 0 ], c: [ -0.6 ] }
  - speciesblock: Ni
    ndensityi: 2
    npoti: FinnisSinclairShiftedScaled
    parameters: [ 1, 1, 1, 0.5 ]
    rho_core_cut: 200000
    drho_core_cut: 150
    nradmaxi: 1
    lmaxi: 2
    rcutij: 6.6
    dcutij: 0.01
    NameOfCutoffFunctionij: cos
    nradbaseij: 1
    radbase: ChebPow
    radparameters: [ 2.5 ]
    radcoefficients: [ [ [ 1.3 ], [ -0.4 ], [ 0.8 ] ] ]
    core-repulsion: [ 500, 8 ]
    nbody:
      - { type: Ni Ni, nr: [ 1 ], nl: [ 0 ], c: [ 1.1, 0.4 ] }
      - { type: Ni Ni Ni, nr: [ 1, 1 ], nl: [ 2, 2 ], c: [ -0.3, 0.7 ] }
  - speciesblock: Ni Al
    nradmaxi: 2
    lmaxi: 1
    rcutij: 6.4
    dcutij: 0.01
    NameOfCutoffFunctionij: cos
    nradbaseij: 1
    radbase: ChebExpCos
    radparameters: [ 3.2 ]
    radcoefficients: [ [ [ -2.2 ], [ 0.5 ] ], [ [ 2 ], [ 1.5 ] ] ]
    core-repulsion: [ 550, 10 ]
    nbody:
      - { type: Ni Al, nr: [ 1 ], nl: [ 0 ], c: [ 0.9, 0.2 ] }
      - { type: Ni Al Al, nr: [ 1, 1 ], nl: [ 1, 1 ], c: [ 0.5, -0.1 ] }
"""


def inner(text, kind, inners):
    """An inner cutoff of that kind, (r_in, delta_in) for Al, Al Ni, Ni, Ni Al."""
    said = iter(inners)

    def lines(result):
        r, delta = next(said)
        return f"    inner_cutoff_type: {kind}\n    r_in: {r}\n    delta_in: {delta}\n{result[0]}"

    return re.sub("    core-repulsion:", lines, text)


def changed(text, *changes):
    for was, becomes in changes:
        assert was in text, was
        text = text.replace(was, becomes)
    return text


def variants():
    wide = changed(BASE, ("dcutij: 0.01", "dcutij: 3.5"))
    core = changed(
        BASE,
        ("rho_core_cut: 100000\n    drho_core_cut: 250", "rho_core_cut: 8\n    drho_core_cut: 7.5"),
        ("rho_core_cut: 200000\n    drho_core_cut: 150", "rho_core_cut: 6\n    drho_core_cut: 5"),
        ("[ 400, 7 ]", "[ 40, 0.7 ]"),
        ("[ 550, 10 ]", "[ 55, 1.0 ]"),
        ("[ 500, 8 ]", "[ -50, 0.8 ]"),
    )
    ones = changed(wide, ("[ 400, 7 ]", "[ 1, 0 ]"), ("[ 550, 10 ]", "[ 1.5, 0 ]"), ("[ 500, 8 ]", "[ 1, 0 ]"))
    yield "base", BASE
    yield "wide", wide
    yield "poly", changed(wide, ("ij: cos", "ij: poly"))
    for name in ("ChebPow", "ChebLinear", "SBessel"):
        yield name, changed(wide, ("radbase: ChebExpCos", f"radbase: {name}"))
    yield "core", core
    yield "distance", inner(core, "distance", [(2.4, 1.1)] * 4)
    yield "distance0", inner(core, "distance", [(0, 0)] * 4)
    yield "zbl", inner(ones, "zbl", [(2.4, 1.1), (2.0, 0.5), (2.7, 1.6), (2.0, 0.5)])
    yield "zbl0", inner(ones, "zbl", [(2.4, 0)] * 4)
    yield (
        "powers",
        changed(wide, ("parameters: [ 1, 1 ]", "parameters: [ 1.5, 0.5 ]"), ("[ 1, 1, 1, 0.5 ]", "[ 1, 2, -1, 0.7 ]")),
    )


def structures():
    random = np.random.default_rng(3)
    for r in (0.71, 1.003, 1.5, 2.1, 2.9, 5.5, 6.45):
        for symbols in ("Al2", "AlNi", "Ni2"):
            yield ase.Atoms(symbols, [[0, 0, 0], [0.1, 0, r]])
    for scale in (1.4, 1.9, 2.5):
        yield ase.Atoms("AlNiAl2Ni", random.normal(size=(5, 3)) * scale)
    yield ase.Atoms("Al3Ni3", random.random((6, 3)) * 5, cell=np.eye(3) * 5.3, pbc=True)


def main(folder, models=None):
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {}
    for name, text in variants():
        (folder / f"{name}.yaml").write_text(text)
        calculator = PyACECalculator(str(folder / f"{name}.yaml"))
        for i, atoms in enumerate(structures()):
            keep(arrays, f"{name}@{i}", atoms, calculator)
    for file in sorted(models.glob("*.yaml")) if models else []:
        text = changed(file.read_text(), ("DeltaSplineBins: 0.001", "DeltaSplineBins: 0.0001"))
        (folder / f"fine_{file.name}").write_text(text)
        calculator = PyACECalculator(str(folder / f"fine_{file.name}"))
        for numbers in (models.parent / "ace_published.npz", models.parent / "ace_random.npz"):
            with np.load(numbers) as stored:
                for case in sorted({key.split("/")[0] for key in stored if key.startswith(f"{file.stem}@")}):
                    said = {key: stored[f"{case}/{key}"] for key in ("numbers", "positions", "cell", "pbc")}
                    keep(arrays, f"fine_{case}", ase.Atoms(**said), calculator)
    np.savez_compressed(folder / "variants.npz", **arrays)


def keep(arrays, case, atoms, calculator):
    atoms.calc = calculator
    numbers = {key: getattr(atoms, key) for key in ("numbers", "positions", "pbc")} | {"cell": atoms.cell.array}
    numbers |= {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
    numbers["atomic_energy"] = np.array(calculator.energies).ravel()
    arrays.update({f"{case}/{key}": value for key, value in numbers.items()})


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
