"""DeePMD files: equal models from every format, refusals by name, and files that try to execute code."""

import pickle

import ase
import numpy as np
import pytest
import torch
from helpers import deepmd_files as files
from helpers.mace_mutations import archive, records

import atomgraph
from atomgraph.editing import keep_elements
from atomgraph.errors import FormatError

h5py = pytest.importorskip("h5py")


def water():
    return ase.Atoms("OHHOH", [[0, 0, 0], [0.9, 0.2, 0], [-0.3, 0.9, 0.1], [2.5, 0.4, 0.3], [2.4, 1.3, 0.6]])


@pytest.mark.parametrize("suffix", files.WRITERS)
def test_all_formats_give_the_same_model(suffix, tmp_path):
    first = atomgraph.load(files.write_yaml(tmp_path / "first.yaml"))
    potential = atomgraph.load(files.WRITERS[suffix](tmp_path / f"model{suffix}"))
    assert potential.elements == files.TYPES and potential.model.dtype == torch.float64
    state, expected = potential.state_dict(), first.state_dict()
    assert state.keys() == expected.keys()
    for name, tensor in state.items():
        torch.testing.assert_close(tensor, expected[name], rtol=1e-15, atol=1e-15)
    (result,), (expected_result,) = potential.predict([water()]), first.predict([water()])
    np.testing.assert_allclose(result["forces"], expected_result["forces"], atol=1e-13)


def test_formats_are_recognised_without_their_suffix(tmp_path):
    for suffix, write in files.WRITERS.items():
        path = write(tmp_path / f"model{suffix}").rename(tmp_path / f"model_{suffix[1:]}")
        assert atomgraph.load(path).elements == files.TYPES


def test_origin_is_in_the_metadata_and_a_saved_copy_is_equal(tmp_path):
    potential = atomgraph.load(files.write_hdf5(tmp_path / "model.dp"))
    assert potential.metadata["origin"]["format"] == "DeePMD"
    potential.save(tmp_path / "copy.safetensors")
    (copy,), (result,) = atomgraph.load(tmp_path / "copy.safetensors").predict([water()]), potential.predict([water()])
    assert np.array_equal(copy["forces"], result["forces"])


def test_removed_elements_change_no_prediction(tmp_path):
    potential = atomgraph.load(files.write_hdf5(tmp_path / "model.dp"))
    oxygen = ase.Atoms("O3", [[0, 0, 0], [1.3, 0, 0], [0.2, 1.5, 0.3]])
    (result,), (smaller,) = potential.predict([oxygen]), keep_elements(potential, ["O"]).predict([oxygen])
    assert smaller["energy"] == pytest.approx(result["energy"], rel=1e-13)


def test_weights_of_single_precision_give_a_model_of_single_precision(tmp_path):
    state = {name: tensor.float() for name, tensor in files.tensors().items()}
    single = atomgraph.load(files.write_checkpoint(tmp_path / "single.pt", state=state))
    double = atomgraph.load(files.write_checkpoint(tmp_path / "double.pt"))
    assert single.model.dtype == torch.float32
    np.testing.assert_allclose(
        single.predict([water()])[0]["forces"], double.predict([water()])[0]["forces"], atol=1e-4
    )


def test_types_that_are_no_elements_need_elements_of_the_user(tmp_path):
    path = files.write_checkpoint(tmp_path / "a.pt", files.config() | {"type_map": ["OW", "HW"]})
    with pytest.raises(FormatError, match=r"OW, HW; state 2 elements in this order"):
        atomgraph.load(path)
    assert atomgraph.load(path, elements=["O", "H"]).elements == ["O", "H"]
    path = files.write_checkpoint(tmp_path / "b.pt")
    with pytest.raises(FormatError, match="is for O, H, but the user states"):
        atomgraph.load(path, elements=["O", "C"])


def changed(part, **changes):
    options = files.config()
    target = options if part == "model" else options[part]
    target.update(changes)
    return options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (changed("descriptor", type="dpa2"), "the descriptor 'dpa2'"),
        (changed("descriptor", type="se_atten", attn_layer=2), "2 attention layers"),
        (changed("descriptor", type="se_atten", attn_layer=0, tebd_input_mode="strip"), "tebd_input_mode = 'strip'"),
        (changed("descriptor", activation_function="sine"), "activation function 'sine'"),
        (changed("descriptor", sel="auto"), "sel should be numbers"),
        (changed("descriptor", rcut=-1.0), "rcut of the file should be a distance"),
        (changed("descriptor", exclude_types=[[0, 5]]), "names the type 5, but has 2 types"),
        (changed("fitting_net", type="dipole"), "the fitting network 'dipole'"),
        (changed("fitting_net", numb_fparam=2), r"reads parameters of structures \(fparam\)"),
        (changed("fitting_net", numb_aparam=1), r"reads parameters of atoms \(aparam\)"),
        (changed("model", spin={"use_spin": [True, False]}), "a model with spins"),
        (changed("model", modifier={"type": "dipole_charge"}), "additional energy term 'dipole_charge'"),
        (changed("fitting_net", atom_ener=[None, -13.6]), "features that are zero \\(atom_ener\\)"),
        (changed("model", type="linear_ener"), "model of the type 'linear_ener'"),
        ({"model_dict": {"water": {}, "ice": {}}}, "2 models that share weights, water, ice.*--head NAME"),
    ],
)
def test_unsupported_options_are_refused_by_name(options, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", options))


def test_old_graphs_take_the_options_of_the_training_script(tmp_path):
    options = changed("descriptor", activation_function="softplus")
    with_script = atomgraph.load(files.write_graph(tmp_path / "a.pb", options))
    without_script = atomgraph.load(files.write_graph(tmp_path / "b.pb"))
    energies = [potential.predict([water()])[0]["energy"] for potential in (with_script, without_script)]
    assert abs(energies[0] - energies[1]) > 1e-6
    with pytest.raises(FormatError, match="the fitting network 'polar'"):
        atomgraph.load(files.write_graph(tmp_path / "c.pb", changed("fitting_net", type="polar")))


def test_compressed_models_are_refused(tmp_path):
    state = files.tensors() | {"atomic_model.descriptor.sea.compress_data.0": torch.ones(3, 4)}
    with pytest.raises(FormatError, match="compressed model; use the file from before `dp compress`"):
        atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", state=state))
    mapping = files.portable()
    mapping["model"]["descriptor"] |= {"@version": 3, "compress": {"@variables": {}}}
    with pytest.raises(FormatError, match="tables of a compressed model"):
        atomgraph.load(files.write_hdf5(tmp_path / "a.dp", mapping))


@pytest.mark.parametrize("suffix", [".pte", ".savedmodel", ".hlo", ".jax", ".pd"])
def test_exported_programs_are_refused_with_advice(suffix, tmp_path):
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"anything")
    with pytest.raises(FormatError, match=r"is not executed; convert the file with deepmd-kit.*convert-backend"):
        atomgraph.load(path)


def test_compiled_pt2_of_deepmd_kit_is_refused_with_advice(tmp_path):
    path = tmp_path / "model.pt2"
    path.write_bytes(archive({"model/extra/model_def_script.json": b"{}", "model/data.so": b""}))
    with pytest.raises(FormatError, match=r"a \.pt2 file of deepmd-kit contains a compiled program"):
        atomgraph.load(path)


def test_statistics_that_differ_between_neighbours_are_refused(tmp_path):
    state = files.tensors()
    state["atomic_model.descriptor.sea.mean"][0, 3, 0] += 0.1
    with pytest.raises(FormatError, match="differ between the neighbours"):
        atomgraph.load(files.write_checkpoint(tmp_path / "a.pt", state=state))


def test_swapped_networks_give_another_energy(tmp_path):
    """The order of the networks matters, so a test with this file notices an error."""
    state = files.tensors()
    prefix = "atomic_model.descriptor.sea.filter_layers.networks"
    swapped = {
        name.replace(f"{prefix}.0", "#").replace(f"{prefix}.1", f"{prefix}.0").replace("#", f"{prefix}.1"): tensor
        for name, tensor in state.items()
    }
    energies = [
        atomgraph.load(files.write_checkpoint(tmp_path / f"{i}.pt", state=weights)).predict([water()])[0]["energy"]
        for i, weights in enumerate((state, swapped))
    ]
    assert abs(energies[0] - energies[1]) > 1e-3


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_pickles_are_not_executed(suffix, tmp_path):
    """A pickle that calls a function when it is loaded: the file is refused or the call is stored as data."""
    target = tmp_path / "executed"

    class Attack:
        def __reduce__(self):
            return (open, (str(target), "w"))

    path = files.WRITERS[suffix](tmp_path / f"model{suffix}")
    parts = records(path.read_bytes())
    name = next(key for key in parts if key.endswith("/data.pkl"))
    call = pickle.dumps(Attack(), protocol=2)[2:-1]
    parts[name] = parts[name][:2] + call + b"0" + parts[name][2:]
    path.write_bytes(archive(parts))
    atomgraph.load(path)
    assert not target.exists()


def test_arrays_of_other_files_are_not_read(tmp_path):
    path = files.write_hdf5(tmp_path / "model.dp")
    with h5py.File(path, "r+") as file:
        del file["variable_0000"]
        file["variable_0000"] = h5py.ExternalLink("other.h5", "/variable_0000")
    with pytest.raises(FormatError, match="no array '/variable_0000'"):
        atomgraph.load(path)


def test_small_files_with_huge_arrays_are_refused(tmp_path):
    path = files.write_hdf5(tmp_path / "model.dp")
    with h5py.File(path, "r+") as file:
        del file["variable_0000"]
        file.create_dataset("variable_0000", shape=(10**9,), chunks=(1000,), dtype="f8", compression="gzip")
    with pytest.raises(FormatError, match="larger than those of any model"):
        atomgraph.load(path)
