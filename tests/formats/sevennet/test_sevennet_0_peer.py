"""SevenNet-0 against its program on 20 structures: crystals, alloys, molecules and a slab."""

import ase
import ase.io
import numpy as np
import pytest
import torch
from ase.build import fcc111
from helpers.peer_programs import ROOT, run_peer
from helpers.references import agree

import atomgraph
from atomgraph.catalogue import public_models
from atomgraph.catalogue.download import cached_path
from atomgraph.catalogue.package_file import installed_file

pytestmark = pytest.mark.refs
FRAMES = {  # file in examples/data: structures
    "mlearn_Mo/test.xyz.gz": (0, 7, 14, 21),
    "mlearn_Si/test.xyz.gz": (0, 8, 16, 24),
    "mlearn_Cu/test.xyz.gz": (0, 14, 28),
    "nbmotaw/held_out.xyz.gz": (0, 25, 50, -1),
    "3bpa/valid_mixedT_1200K.xyz.gz": (0, 50),
    "acac/valid_600K.xyz.gz": (0, 50),
}


def structures():
    """Positions and cells of 19 frames of data sets, and a rattled slab of copper and gold."""
    frames = []
    for name, places in FRAMES.items():
        read = ase.io.read(ROOT / "examples" / "data" / name, ":")
        frames += [read[place] for place in places]
    slab = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    slab.symbols[-2:] = "Au"
    slab.rattle(0.1, seed=3)
    frames = [ase.Atoms(f.numbers, f.positions, cell=f.cell, pbc=f.pbc) for f in (*frames, slab)]
    assert len(frames) == 20
    return frames


@pytest.fixture(scope="module")
def checkpoint():
    """The public checkpoint, if it is installed or cached."""
    model = public_models()["sevennet-0"]
    path = installed_file(model) or cached_path(model)
    if not path.is_file():
        pytest.skip("SevenNet-0 is neither installed nor cached: atomgraph models --get sevennet-0")
    return path


@pytest.fixture(scope="module")
def numbers(checkpoint, tmp_path_factory):
    """What tests/peers/sevenn/numbers_of.py writes."""
    folder = tmp_path_factory.mktemp("sevenn")
    ase.io.write(folder / "structures.traj", structures())
    run_peer("sevennet", "sevenn/numbers_of.py", checkpoint, folder / "structures.traj", folder / "numbers.npz")
    with np.load(folder / "numbers.npz") as arrays:
        return dict(arrays)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sevennet_0_agrees_with_its_program(checkpoint, numbers, dtype):
    """float32: 1e-5 eV/atom and 1e-4 eV/Å. Widened to float64: 1e-10 relative to the largest number, or 1."""
    potential = atomgraph.load(checkpoint).to(getattr(torch, dtype))
    for k, atoms in enumerate(structures()):
        (result,) = potential.predict([atoms])
        expected = {name: numbers[f"{dtype}/{k}/{name}"] for name in ("energy", "node_energy", "forces", "stress")}
        case, file = f"{k} {atoms.symbols}", f"SevenNet-0 of sevenn in {dtype}"
        if dtype == "float32":
            n_atoms = len(atoms)
            agree(file, "energy/atom", result["energy"] / n_atoms, expected["energy"] / n_atoms, atol=1e-5, case=case)
            agree(file, "forces", result["forces"], expected["forces"], atol=1e-4, case=case)
            continue
        for name, theirs in expected.items():
            if name != "stress" or atoms.pbc.all():
                ours = np.reshape(result[name], np.shape(theirs))
                scale = max(1.0, np.abs(theirs).max())
                agree(file, name, ours, theirs, atol=1e-10 * scale, case=case)
