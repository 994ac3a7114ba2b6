"""Checkpoints of SevenNet: energies, forces and stresses of its modules, evaluated in float64, to 1e-10."""

import numpy as np
import pytest
from formats.nequip.test_nequip_refs import compare
from helpers.references import agree, folder

import atomgraph
from atomgraph.errors import FormatError

pytestmark = pytest.mark.refs
NAMES = ["s1_sevennet0_like", "s2_parity_nequip_sc", "s3_solid_harmonics", "file_v0_10_0"]


@pytest.mark.parametrize("name", NAMES)
def test_predictions_of_a_checkpoint(name):
    place = folder() / "sevenn" / name
    with np.load(place.with_suffix(".npz")) as arrays:
        compare(f"sevenn/{name}", atomgraph.load(place.with_suffix(".pth")).double(), arrays, 1e-10)


@pytest.fixture(scope="module")
def sevennet_0():
    """The public checkpoint, if it is installed, cached, or can be taken from a wheel."""
    from atomgraph.catalogue import public_models
    from atomgraph.catalogue.download import cached_path
    from atomgraph.catalogue.package_file import installed_file

    model = public_models()["sevennet-0"]
    path = installed_file(model) or cached_path(model)
    if not path.is_file():
        pytest.skip("SevenNet-0 is neither installed nor cached: atomgraph models --get sevennet-0")
    try:
        return atomgraph.load(path)
    except FormatError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sevennet_0_has_the_numbers_of_its_program(sevennet_0, dtype):
    """The reference is the program in float32."""
    import ase
    import torch

    potential = sevennet_0.to(getattr(torch, dtype))
    with np.load(folder() / "sevenn" / "sevennet0_f32.npz") as arrays:
        cases = sorted({name.rsplit("/", 1)[0] for name in arrays.files})
        assert len(cases) == 16
        for case in cases:
            expected = {name.rsplit("/", 1)[1]: arrays[name] for name in arrays.files if name.startswith(f"{case}/")}
            atoms = ase.Atoms(expected["numbers"], expected["positions"], cell=expected["cell"], pbc=expected["pbc"])
            (result,) = potential.predict([atoms])
            file = f"sevenn/sevennet0 in {dtype}"
            agree(file, "energy", result["energy"] / len(atoms), expected["energy"] / len(atoms), atol=1e-5, case=case)
            agree(file, "forces", result["forces"], expected["forces"], atol=1e-4, case=case)
