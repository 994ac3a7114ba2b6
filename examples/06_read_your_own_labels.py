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


def write_argon(path: Path) -> float:
    """Write structures of argon in Hartree and Bohr, with virials and unusual keys; return the first energy in eV."""
    frames = []
    crystals = [bulk("Ar", cubic=True, a=5.26 * scale) for scale in np.linspace(0.94, 1.03, 8)]
    for k, atoms in enumerate([*crystals, Atoms("Ar")]):
        atoms.rattle(0.05, seed=k)
        atoms.calc = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.0)
        converted = atoms.copy()
        converted.set_cell(atoms.cell.array / units.Bohr)
        converted.positions = atoms.positions / units.Bohr
        converted.info["dft_energy"] = atoms.get_potential_energy() / units.Hartree
        converted.arrays["dft_forces"] = atoms.get_forces() / (units.Hartree / units.Bohr)
        if atoms.pbc.all():  # W = -V σ, positive in compression
            converted.info["dft_virial"] = -atoms.get_volume() * atoms.get_stress(voigt=False) / units.Hartree
        converted.info["group"] = "crystal" if atoms.pbc.all() else "free atom"
        frames.append(converted)
    ase.io.write(path, frames, format="extxyz")
    return frames[0].info["dft_energy"] * units.Hartree


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "argon.xyz"
        energy = write_argon(path)

        # Without keys, the frames are read, and the census prints that there are no labels.
        print(census(read(path)))
        keys = {"energy": "dft_energy", "forces": "dft_forces", "virial": "dft_virial", "config_type": "group"}

        # A missing key is an error, which lists the keys in the file.
        try:
            read(path, keys=keys | {"energy": "DFT_energy"})
        except DataError as error:
            print(f"DataError: {str(error).replace(folder, '')}\n")

        # Units of forces and virials follow from energy and length. In YAML the arguments are data.keys and data.units.
        frames = read(path, keys=keys, units={"energy": "Hartree", "length": "Bohr"})
        print(census(frames))
        first = frames[0]
        print(f"energy {first.get_potential_energy():.6f} eV; before writing: {energy:.6f} eV")
        pressure = -first.get_stress()[:3].mean() / units.GPa
        print(f"cell {first.cell.lengths()[0]:.4f} Å; pressure {pressure:.3f} GPa (positive: compressed)")

        # Reading cannot detect a wrong sign. The data checks compare stress with the change of energy with volume.
        wrong_frames = read(path, keys=keys, units={"energy": "Hartree", "length": "Bohr", "virial_sign": "tension"})
        for name, data in (("right sign", frames), ("wrong sign", wrong_frames)):
            findings = examine(data)
            print(f"\ndata checks, {name}: {len(findings)} finding(s)")
            for finding in findings:
                print(f"  {finding.severity}: {finding.message}\n    → {finding.advice}")


if __name__ == "__main__":
    main()
