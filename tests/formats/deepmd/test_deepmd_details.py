"""Details of DeePMD files: slots for neighbours, handedness of cells, excluded pairs, and damaged copies."""

import warnings

import ase
import numpy as np
import pytest
import torch
from helpers import deepmd_files as files

import atomgraph
from atomgraph.errors import FormatError


def cluster(n_hydrogen):
    """One oxygen with hydrogens on a spiral within the cutoff of 4 Å."""
    k = np.arange(n_hydrogen)
    height, angle = 1.8 * (2 * (k + 0.5) / n_hydrogen - 1), 2.4 * k
    shell = np.sqrt(1.9**2 - height**2)
    positions = np.stack([shell * np.cos(angle), shell * np.sin(angle), height], axis=1) * (1 + 0.01 * k[:, None])
    return ase.Atoms(["O", *["H"] * n_hydrogen], np.concatenate([np.zeros((1, 3)), positions]))


def test_neighbours_beyond_the_slots_are_cut_with_one_warning_that_counts_them(tmp_path):
    """The file has slots for 6 O and 9 H; with 11 H, only the oxygen has 2 neighbours too many, each H has one."""
    potential = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt"))
    atoms = cluster(11)
    distances = atoms.get_all_distances()[0]
    assert distances.max() < 4.0
    with pytest.warns(UserWarning, match="neighbours of .* atoms were cut") as record:
        first = potential.predict([atoms])[0]
    counts = (atoms.get_all_distances() < 4.0).sum(axis=1) - 1
    n_hydrogen = counts - (np.arange(12) > 0)  # neighbours that are H; the one O is a neighbour of each H
    n_cut = np.maximum(n_hydrogen - 9, 0)
    assert n_cut.sum() and f"{n_cut.sum()} neighbours of {(n_cut > 0).sum()} atoms were cut" in str(record[0].message)
    assert len(record) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = potential.predict([atoms])[0]
    assert first["energy"] == second["energy"]


def test_energy_of_an_atom_with_cut_neighbours_is_that_without_the_farthest(tmp_path):
    potential = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt"))
    atoms = cluster(11)
    farthest = np.argsort(atoms.get_all_distances()[0])[-2:]
    kept = atoms[[k for k in range(12) if k not in farthest]]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (full,), (less,) = potential.predict([atoms]), potential.predict([kept])
    assert full["node_energy"][0] == pytest.approx(less["node_energy"][0], abs=1e-13)


def test_left_handed_cell_gives_the_energies_of_the_right_handed_one(tmp_path):
    """deepmd-kit misses images of neighbours in left-handed cells; exchanged cell vectors describe the same crystal."""
    potential = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt"))
    cell = np.array([[4.5, 0.0, 0.2], [0.3, 4.8, 0.0], [0.0, 0.4, 5.1]])
    right = ase.Atoms("OHH", [[0.1, 0.2, 0.3], [1.0, 0.3, 0.2], [-0.2, 1.1, 0.4]], cell=cell, pbc=True)
    left = right.copy()
    left.set_cell(cell[[1, 0, 2]])
    assert np.linalg.det(left.cell) < 0
    (ours,), (expected,) = potential.predict([left]), potential.predict([right])
    for name in ("energy", "node_energy", "forces", "stress"):
        np.testing.assert_allclose(ours[name], expected[name], atol=1e-13, err_msg=name)


@pytest.mark.parametrize("place", ["descriptor", "model"])
def test_excluded_pairs_do_not_see_one_another(tmp_path, place):
    """Energies depend on the distance of other pairs only; the two options differ in the rows of the slots."""
    options = files.config()
    if place == "descriptor":
        options["descriptor"]["exclude_types"] = [[0, 1]]
    else:
        options["pair_exclude_types"] = [[0, 1]]
    potential = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", options))
    near, far, hydrogen = (ase.Atoms(s, [[0, 0, 0], [0, 0, r]]) for s, r in (("OH", 1.0), ("OH", 2.0), ("HH", 1.0)))
    apart = ase.Atoms("HH", [[0, 0, 0], [0, 0, 2.0]])
    results = [result["energy"] for result in potential.predict([near, far, hydrogen, apart])]
    if place == "model":
        assert results[0] == pytest.approx(results[1], abs=1e-13)
        assert results[0] == pytest.approx(
            sum(r["energy"] for r in potential.predict([ase.Atoms("O"), ase.Atoms("H")]))
        )
    assert abs(results[0] - results[1]) < 1e-13 < abs(results[2] - results[3])


def test_radial_descriptor_of_a_checkpoint_has_one_network_per_type(tmp_path):
    """Configurations of deepmd-kit contain the default ``type_one_side: false``, which its PyTorch se_e2_r ignores."""
    options, state = files.config(), {}
    options["descriptor"] |= {"type": "se_e2_r", "type_one_side": False}
    for name, tensor in files.tensors().items():
        value = tensor[..., :1] if name.endswith((".mean", ".stddev")) else tensor
        if name.endswith("layers.0.matrix") and "fitting_net" in name:
            value = tensor[: files.NEURON[-1]]
        state[name.replace("descriptor.sea.", "descriptor.")] = value.clone()
    potential = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", options, state))
    near, far = (ase.Atoms("OH", [[0, 0, 0], [0, 0, r]]) for r in (1.0, 2.0))
    assert len({round(result["energy"], 9) for result in potential.predict([near, far])}) == 2


@pytest.mark.parametrize("suffix", files.WRITERS)
@pytest.mark.parametrize("part", [0.2, 0.6, 0.98])
def test_truncated_files_are_refused(tmp_path, suffix, part):
    path = files.WRITERS[suffix](tmp_path / f"a{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(FormatError):
        atomgraph.load(path)


def test_folder_of_an_exported_program_is_refused_with_advice(tmp_path):
    (tmp_path / "a.savedmodel").mkdir()
    with pytest.raises(FormatError, match="convert-backend"):
        atomgraph.load(tmp_path / "a.savedmodel")


def test_weights_are_float64_or_float32_as_in_the_file(tmp_path):
    state = {name: tensor.float() for name, tensor in files.tensors().items()}
    single = atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", state=state))
    assert single.model.dtype == torch.float32
    assert single.model.branches[0].featurizer.environment.mean.dtype == torch.float64


@pytest.mark.parametrize(("part", "version"), [("descriptor", 4), ("fitting", 5), ("model", 3)])
def test_later_forms_of_portable_files_are_named(tmp_path, part, version):
    mapping = files.portable()
    target = mapping["model"] if part == "model" else mapping["model"][part]
    target["@version"] = version
    with pytest.raises(FormatError, match=f"{part}.* has the version {version}, but atomgraph knows"):
        atomgraph.load(files.write_yaml(tmp_path / "a.yaml", mapping))
