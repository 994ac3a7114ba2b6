"""Makes a GAP of two elements (pairs, triples, SOAP) with gap_fit, and its numbers by quippy.

    python two_species.py FOLDER

in an environment with quippy-ase. FOLDER gets ``mow.xml`` with its sparse files, and ``mow.npz``: for each case numbers,
positions, cell, pbc, energy, forces, atomic_energy, stress. ``ATOMGRAPH_GAP_TWO_SPECIES`` points tests at it.
"""

import subprocess
import sys
from pathlib import Path

import ase.build
import ase.io
import numpy as np
from ase.calculators.morse import MorsePotential
from quippy.potential import Potential

GAP = " : ".join(
    (
        "distance_2b cutoff=5.0 cutoff_transition_width=1.0 covariance_type=ard_se theta_uniform=1.0 "
        "sparse_method=uniform n_sparse=12 delta=2.0",
        "angle_3b cutoff=3.6 cutoff_transition_width=0.6 covariance_type=ard_se theta_fac=0.5 "
        "sparse_method=uniform n_sparse=60 delta=0.5",
        "soap l_max=4 n_max=5 atom_sigma=0.5 zeta=3 cutoff=4.5 cutoff_transition_width=0.7 central_weight=0.8 "
        "covariance_type=dot_product sparse_method=cur_points n_sparse=40 delta=0.6",
    )
)


def structures():
    """Crystals, an alloy, a surface, a cluster, a pair, an atom alone; none of them symmetric but the last two."""
    random = np.random.default_rng(3)
    for n, scale in enumerate((0.94, 1.0, 1.05, 0.97, 1.02, 1.0, 0.99, 1.03)):
        atoms = ase.build.bulk("Mo", "bcc", a=3.16 * scale, cubic=True) * (2, 2, 1 + n % 2)
        atoms.symbols[random.permutation(len(atoms))[: n * len(atoms) // 8]] = "W"
        if n == 5:
            atoms.center(vacuum=4.0, axis=2)
        atoms.set_cell(atoms.cell.array + random.normal(0, 0.05, (3, 3)), scale_atoms=True)
        atoms.rattle(0.12, seed=n)
        yield f"alloy{n}", atoms
    cluster = ase.Atoms(
        "Mo2WMoW",
        random.normal(0, 0.3, (5, 3)) + np.array([[0, 0, 0], [2.6, 0, 0], [0, 2.7, 0], [0, 0, 2.6], [2, 2, 2]]),
    )
    yield "cluster", boxed(cluster)
    yield "pair", boxed(ase.Atoms("MoW", [[0, 0, 0], [0.3, 0.1, 2.6]]))
    yield "alone", boxed(ase.Atoms("W"))


def boxed(atoms):
    atoms.set_cell([80.0, 80.0, 80.0])
    atoms.positions += 40.0
    return atoms


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    cases = dict(structures())
    labelled = []
    for atoms in cases.values():
        toy = atoms.copy()
        toy.calc = MorsePotential(epsilon=0.6, r0=2.7, rho0=4.0, rcut1=4.0, rcut2=5.0)
        toy.info["dft_energy"] = toy.get_potential_energy() - 1.5 * len(toy)
        toy.arrays["dft_force"] = toy.get_forces()
        toy.calc = None
        labelled.append(toy)
    ase.io.write(folder / "mow.xyz", labelled)
    subprocess.run(
        [
            Path(sys.executable).with_name("gap_fit"),
            "at_file=mow.xyz",
            f"gap={{{GAP}}}",
            "default_sigma={0.005 0.1 0.5 0.0}",
            "e0={Mo:-1.5:W:-1.7}",
            "energy_parameter_name=dft_energy",
            "force_parameter_name=dft_force",
            "virial_parameter_name=none",
            "do_copy_at_file=F",
            "sparse_separate_file=T",
            "sparse_jitter=1e-8",
            "gp_file=mow.xml",
            "rnd_seed=5",
        ],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    potential, numbers = Potential(param_filename=str(folder / "mow.xml")), {}
    for name, atoms in cases.items():
        atoms.calc = potential
        numbers |= {
            f"{name}/numbers": atoms.numbers,
            f"{name}/positions": atoms.positions,
            f"{name}/cell": atoms.cell.array,
            f"{name}/pbc": atoms.pbc,
            f"{name}/energy": atoms.get_potential_energy(),
            f"{name}/forces": atoms.get_forces(),
            f"{name}/atomic_energy": atoms.get_potential_energies(),
            f"{name}/stress": atoms.get_stress(voigt=False),
        }
    np.savez(folder / "mow.npz", **numbers)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
