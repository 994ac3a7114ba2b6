"""Writes structures with labels in the formats of another program, by that program.

    python write.py PEER STRUCTURES.traj FOLDER

in an environment with the peer (see ``PEERS``) and ASE. Structures carry energy, forces and stress in ASE's units and signs.
``dpdata-outcar`` reads the OUTCAR in FOLDER instead, and writes which steps it takes.
"""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import ase.io
import numpy as np
from ase import units

warnings.simplefilter("ignore")
EV = 1.0 / units.Hartree


def dpdata_folder(frames, folder):
    """A DeePMD folder, an n2p2 file and a folder of mixed compositions."""
    import dpdata

    system = dpdata.MultiSystems()
    for atoms in frames:
        system.append(dpdata.LabeledSystem(atoms, fmt="ase/structure"))
    for name, first in system.systems.items():
        first.to("deepmd/npy", str(folder / f"deepmd-{name}"), prec=np.float64)
    system.to("deepmd/npy/mixed", str(folder / "mixed"))
    first = dpdata.LabeledSystem(frames[0], fmt="ase/structure")
    first.to("n2p2", str(folder / "input.data"))


def dpdata_outcar(frames, folder):
    """Which ionic steps dpdata takes from an OUTCAR."""
    import dpdata

    system = dpdata.LabeledSystem(str(folder / "OUTCAR"), fmt="vasp/outcar")
    record = {"energies": system["energies"].tolist(), "forces": system["forces"].tolist()}
    if "virials" in system.data:
        record["virials"] = system["virials"].tolist()
    (folder / "outcar.json").write_text(json.dumps(record))


def motep(frames, folder):
    """A .cfg file whose type 0 is gold and whose type 1 is copper."""
    from motep.io.mlip.cfg import write_cfg

    write_cfg(str(folder / "train.cfg"), frames, species=["Au", "Cu"])


def calorine(frames, folder):
    """GPUMD's train.xyz."""
    from calorine.nep import write_structures

    write_structures(str(folder / "train.xyz"), frames)


def gpumd_wizard(frames, folder):
    """GPUMD's train.xyz with both virial and stress."""
    from wizard.utils.io import dump_xyz

    for atoms in frames:
        atoms.info.update(atoms.calc.results)
        dump_xyz(str(folder / "train.xyz"), atoms)


def ase_files(frames, folder):
    """RuNNer's input.data, and LAMMPS's data file, by ASE."""
    ase.io.write(folder / "input.data", frames, format="runnerdata")
    ase.io.write(folder / "lammps.data", frames[0], format="lammps-data", specorder=["Au", "Cu"], masses=False)


def torchani(frames, folder):
    """An HDF5 file, grouped by formula."""
    import torch
    from torchani.datasets import ANIDataset

    dataset = ANIDataset(folder / "ani.h5", grouping="by_formula")
    for atoms in frames:
        conformers = {
            "species": torch.tensor(atoms.numbers)[None],
            "coordinates": torch.tensor(atoms.positions)[None],
            "energies": torch.tensor([atoms.get_potential_energy() * EV]),
            "forces": torch.tensor(atoms.get_forces() * EV)[None],
        }
        dataset.append_conformers(atoms.get_chemical_formula(), conformers)


def sgdml(frames, folder):
    """An .npz file from extended XYZ, by sGDML's own script, in kcal/mol."""
    for atoms in frames:
        atoms.calc.results = {
            "energy": atoms.calc.results["energy"] * units.mol / units.kcal,
            "forces": atoms.calc.results["forces"] * units.mol / units.kcal,
        }
    ase.io.write(folder / "molecules.xyz", frames, format="extxyz")
    script = Path(sys.executable).parent / "sgdml_dataset_from_extxyz.py"
    answers = "Ang\nkcal/mol\nPBE\nA\nn\nn\n"
    done = subprocess.run(
        [sys.executable, str(script), "molecules.xyz"], cwd=folder, input=answers, text=True, capture_output=True
    )
    if not list(folder.glob("*.npz")):
        sys.exit(done.stdout + done.stderr)


PEERS = {
    "dpdata": dpdata_folder,
    "dpdata-outcar": dpdata_outcar,
    "motep": motep,
    "calorine": calorine,
    "gpumd_wizard": gpumd_wizard,
    "ase": ase_files,
    "torchani": torchani,
    "sgdml": sgdml,
}

if __name__ == "__main__":
    PEERS[sys.argv[1]](ase.io.read(sys.argv[2], ":"), Path(sys.argv[3]))
