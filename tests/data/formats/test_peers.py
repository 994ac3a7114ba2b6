"""Files that other programs wrote hold what was given to those programs: energies, forces, stresses, elements.

A peer is the Python of an environment in ``.venv-peers`` (``make bench-peers``), or in the folder ``ATOMGRAPH_PEERS``.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import GPa

from atomgraph.data import read
from atomgraph.data.reading_notes import ReadingNotes
from atomgraph.graph.structure import get_labels

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "peers" / "structure_files" / "write.py"
PEERS = Path(os.environ.get("ATOMGRAPH_PEERS", ROOT / ".venv-peers"))


def structures(periodic: bool = True) -> list[ase.Atoms]:
    """Two structures of copper and gold without symmetry, all labels different numbers."""
    random = np.random.default_rng(5)
    frames = []
    for number in range(2):
        cell = 4.0 * np.eye(3) + random.normal(0, 0.3, (3, 3))
        scaled = np.array([[0.1, 0.1, 0.1], [0.5, 0.55, 0.45], [0.05, 0.5, 0.6]]) + 0.05 * random.random((3, 3))
        atoms = ase.Atoms("CuAuCu", positions=scaled @ cell, cell=cell if periodic else None, pbc=periodic)
        labels = {"energy": -9.0 - number - random.random(), "forces": random.normal(0, 1, (3, 3))}
        if periodic:
            labels["stress"] = random.normal(0, 0.02, 6)
        atoms.calc = SinglePointCalculator(atoms, **labels)
        frames.append(atoms)
    return frames


def written(peer: str, frames: list[ase.Atoms], folder: Path) -> Path:
    """The folder, with the files that the peer wrote; skips where the peer is not there."""
    python = Path(sys.executable) if peer == "ase" else PEERS / peer.partition("-")[0] / "bin" / "python"
    if not python.exists():
        pytest.skip(f"no environment with {peer} in {PEERS} (make bench-peers, or ATOMGRAPH_PEERS)")
    ase.io.write(folder / "structures.traj", frames)
    command = [python, SCRIPT, peer, folder / "structures.traj", folder]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def compare(result: list[ase.Atoms], target: list[ase.Atoms], tolerance: float = 1e-6, stress: bool = True) -> None:
    """Elements, distances and labels agree, whatever the order of atoms and frames."""
    result = sorted(result, key=lambda atoms: -atoms.get_potential_energy())
    assert len(result) == len(target)
    for atoms, second in zip(result, target, strict=True):
        assert sorted(atoms.numbers) == sorted(second.numbers)
        order = [int(np.argmin(np.linalg.norm(second.positions - row, axis=1))) for row in atoms.positions]
        assert sorted(order) == [0, 1, 2] and (atoms.numbers == second.numbers[order]).all()
        np.testing.assert_allclose(atoms.positions, second.positions[order], atol=tolerance)
        np.testing.assert_allclose(atoms.cell.array, second.cell.array, atol=tolerance)
        labels, expected = get_labels(atoms), get_labels(second)
        np.testing.assert_allclose(labels["energy"], expected["energy"], atol=tolerance)
        np.testing.assert_allclose(labels["forces"], expected["forces"][order], atol=tolerance)
        assert ("stress" in labels) == (stress and "stress" in expected)
        if "stress" in labels:
            np.testing.assert_allclose(labels["stress"], expected["stress"], atol=tolerance)


def test_deepmd_folder_by_dpdata(tmp_path):
    frames = structures()
    folder = written("dpdata", frames, tmp_path)
    compare(read(folder / "deepmd-Cu2Au1"), frames)
    (folder / "deepmd-Cu2Au1" / "type_map.raw").unlink()
    types = ["Cu", "Au"]
    compare(read(folder / "deepmd-Cu2Au1", types=types), frames)
    compare(read(str(folder / "mixed" / "*")), frames)


def test_input_data_by_dpdata(tmp_path):
    frames = structures()
    folder = written("dpdata", frames, tmp_path)
    compare(read(folder / "input.data"), frames[:1], tolerance=2e-5, stress=False)  # CODATA of other years


def test_input_data_by_ase(tmp_path):
    frames = structures()
    compare(read(written("ase", frames, tmp_path) / "input.data"), frames, tolerance=1e-5, stress=False)


def test_lammps_data_without_masses_by_ase(tmp_path):
    frames = structures()
    folder = written("ase", frames, tmp_path)
    (atoms,) = read(folder / "lammps.data", types="Au Cu")
    assert (atoms.numbers == frames[0].numbers).all()
    np.testing.assert_allclose(atoms.get_all_distances(mic=True), frames[0].get_all_distances(mic=True), atol=1e-6)


def test_cfg_by_motep(tmp_path):
    frames = structures()
    compare(read(written("motep", frames, tmp_path) / "train.cfg", types=["Au", "Cu"]), frames)


@pytest.mark.parametrize("name", [None, "gpumd"])
def test_train_xyz_by_calorine(tmp_path, name):
    frames = structures()
    compare(read(written("calorine", frames, tmp_path) / "train.xyz", format=name), frames)


def test_train_xyz_with_a_virial_by_gpumd_wizard(tmp_path):
    frames = structures()
    path = written("gpumd_wizard", frames, tmp_path) / "train.xyz"
    notes = ReadingNotes()
    compare(read(path, notes=notes), frames)
    assert not notes.contradictions  # between its virial and its stress
    path.write_text(re.sub(r'stress="[^"]*"', "", path.read_text()))
    compare(read(path), frames)


def test_hdf5_by_torchani(tmp_path):
    pytest.importorskip("h5py", reason="h5py is an extra: pip install 'atomgraph[hdf5]'")
    frames = structures(periodic=False)
    compare(read(written("torchani", frames, tmp_path) / "ani.h5"), frames, tolerance=1e-5)


def test_npz_by_sgdml(tmp_path):
    frames = structures(periodic=False)
    (file,) = written("sgdml", frames, tmp_path).glob("*.npz")
    compare(read(file), frames, tolerance=2e-6)


def test_unconverged_steps_are_those_that_dpdata_leaves_out(tmp_path):
    from data.formats.test_vasp import OUTCAR

    (tmp_path / "OUTCAR").write_text(OUTCAR)
    record = json.loads((written("dpdata-outcar", structures(), tmp_path) / "outcar.json").read_text())
    notes = ReadingNotes()
    frames = read(tmp_path / "OUTCAR", notes=notes)
    assert notes.unconverged.total() == 1 and len(frames) == len(record["energies"]) == 2
    for atoms, forces, virial in zip(frames, record["forces"], record["virials"], strict=True):
        np.testing.assert_allclose(atoms.get_forces(), forces, atol=1e-6)
        stress = -np.array(virial) / atoms.get_volume()
        np.testing.assert_allclose(get_labels(atoms)["stress"], stress, atol=1e-5 * GPa)
