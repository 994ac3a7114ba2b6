"""You will learn to read labels under other names, in other units and with other signs, and to run data checks on them."""

import tempfile
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.lj import LennardJones

from atomgraph.data import census, read
from atomgraph.data.checks import examine
from atomgraph.errors import DataError


def somebody_elses_file(path: Path) -> float:
    """Argon as some program might write it: Hartree and Bohr, its own names, virials. Returns the first energy, eV."""
    frames = []
    crystals = [bulk("Ar", cubic=True, a=5.26 * scale) for scale in np.linspace(0.94, 1.03, 8)]
    for k, atoms in enumerate([*crystals, Atoms("Ar")]):
        atoms.rattle(0.05, seed=k)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0)
        written = atoms.copy()
        written.set_cell(atoms.cell.array / units.Bohr)
        written.positions = atoms.positions / units.Bohr
        written.info["dft_energy"] = atoms.get_potential_energy() / units.Hartree
        written.arrays["dft_forces"] = atoms.get_forces() / (units.Hartree / units.Bohr)
        if atoms.pbc.all():  # W = -V σ, positive in compression
            written.info["dft_virial"] = -atoms.get_volume() * atoms.get_stress(voigt=False) / units.Hartree
        written.info["group"] = "crystal" if atoms.pbc.all() else "free atom"
        frames.append(written)
    ase.io.write(path, frames, format="extxyz")
    return frames[0].info["dft_energy"] * units.Hartree


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "argon.xyz"
        energy = somebody_elses_file(path)

        # Nothing is found under the usual names: the frames are read, and the census says that there are no labels.
        print(census(read(path)))
        keys = {"energy": "dft_energy", "forces": "dft_forces", "virial": "dft_virial", "config_type": "group"}

        # A name that is not there is an error, with the names that are.
        try:
            read(path, keys=keys | {"energy": "DFT_energy"})
        except DataError as error:
            print(f"DataError: {str(error).replace(folder, '')}\n")

        # Names and units, said once; forces and virials follow energy and length. In YAML: data.keys and data.units.
        frames = read(path, keys=keys, units={"energy": "Hartree", "length": "Bohr"})
        print(census(frames))
        first = frames[0]
        print(f"energy {first.get_potential_energy():.6f} eV, as it was: {energy:.6f} eV")
        pressure = -first.get_stress()[:3].mean() / units.GPa
        print(f"cell {first.cell.lengths()[0]:.4f} Å; pressure {pressure:.3f} GPa: squeezed, it wants to grow")

        # A wrong sign is no error that a reader could see, but physics can: the checks compare stress with energy and volume.
        wrong = read(path, keys=keys, units={"energy": "Hartree", "length": "Bohr", "virial_sign": "tension"})
        for name, data in (("right sign", frames), ("wrong sign", wrong)):
            result = examine(data)
            print(f"\ndata checks, {name}: {len(result)} finding(s)")
            for finding in result:
                print(f"  {finding.severity}: {finding.message}\n    → {finding.advice}")


if __name__ == "__main__":
    main()
