"""The parts of configs/mace.yaml as plain files for mace-torch: ``python silicon_split.py FOLDER``, with atomgraph."""

import sys
from pathlib import Path

import ase.io

from atomgraph.config.resolve import read_config
from atomgraph.runs.dataset import read_dataset


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, frames in read_dataset(read_config("configs/mace.yaml", [])).parts.items():
        copies = []
        for atoms in frames:
            copy = ase.Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
            copy.info["REF_energy"], copy.arrays["REF_forces"] = atoms.get_potential_energy(), atoms.get_forces()
            copies.append(copy)
        ase.io.write(folder / f"{part}.xyz", copies, format="extxyz")
        print(part, len(copies))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
