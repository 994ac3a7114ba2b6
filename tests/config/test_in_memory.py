"""Structures in memory wherever files may be named: lists, tuples, generators, ase.io.iread."""

import ase.io
import numpy as np
import pytest
from helpers.finetune_configs import tune
from helpers.labelled_structures import crystals
from helpers.run_configs import data_file, tiny

import atomgraph
from atomgraph.config import read_config
from atomgraph.config.reading import read_yaml
from atomgraph.data import read
from atomgraph.data.fingerprint import fingerprint
from atomgraph.data.formats.exact_xyz import write_exact
from atomgraph.errors import DataError
from atomgraph.graph.structure import get_labels
from atomgraph.runs import resume


def weights_of(potential):
    return {name: value.clone() for name, value in potential.state_dict().items()}


@pytest.fixture(scope="module")
def from_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("file")
    potential, metrics = atomgraph.train(tiny(folder), quiet=True)
    return weights_of(potential), metrics


@pytest.mark.parametrize("kind", ["list", "tuple", "generator", "iread"])
def test_structures_in_memory_train_as_their_file_does(tmp_path, from_file, kind):
    train, test = data_file(tmp_path), data_file(tmp_path, 4, seed=9)
    frames = {
        "list": lambda file: ase.io.read(file, ":"),
        "tuple": lambda file: tuple(ase.io.read(file, ":")),
        "generator": lambda file: (atoms for atoms in ase.io.read(file, ":")),
        "iread": lambda file: ase.io.iread(file, ":"),
    }[kind]
    config = tiny(tmp_path, data={"train": frames(train), "test": frames(test)})
    potential, metrics = atomgraph.train(config, quiet=True)
    weights, expected = from_file
    assert all(weights[name].equal(value) for name, value in weights_of(potential).items())
    assert metrics["test"] == expected["test"]
    written = read_yaml(tmp_path / "run" / "config.yaml")["data"]["train"]
    assert written == str(tmp_path / "run" / "structures" / "train.xyz")
    assert fingerprint(read(written)) == fingerprint(read(train))


def test_run_of_structures_in_memory_resumes_and_repeats(tmp_path):
    frames = ase.io.read(data_file(tmp_path), ":")
    atomgraph.train(tiny(tmp_path, data={"train": frames, "test": None}), quiet=True)
    potential, _ = resume(tmp_path / "run", ["fit.max_epochs=3"], quiet=True)
    again = read_config(tmp_path / "run" / "config.yaml", ["fit.max_epochs=3", f"output.folder={tmp_path / 'again'}"])
    second, _ = atomgraph.train(again, quiet=True)
    assert all(weights_of(potential)[name].equal(value) for name, value in weights_of(second).items())


def test_structures_in_memory_have_keys_and_units_as_files_have(tmp_path):
    frames = ase.io.read(data_file(tmp_path), ":")
    for atoms in frames:
        atoms.info["E"] = 1000 * atoms.get_potential_energy()
        atoms.calc = None
    data = {"train": frames, "test": None, "keys": {"energy": "E"}, "units": {"energy": "meV"}}
    terms = {"terms": [{"property": "energy"}], "max_epochs": 1}
    config = read_config(tiny(tmp_path, data=data, fit=terms, baseline={"scale": 1.0}))
    atomgraph.train(config, quiet=True)
    stored = read(tmp_path / "run" / "structures" / "train.xyz", keys={"energy": "E"}, units={"energy": "meV"})
    assert get_labels(stored[3])["energy"] == pytest.approx(1e-3 * frames[3].info["E"], rel=1e-15)


def test_a_mixture_of_files_and_structures_is_refused(tmp_path):
    file = data_file(tmp_path)
    with pytest.raises(DataError, match=r"data.train should be only files or only ASE atoms"):
        read_config(tiny(tmp_path, data={"train": [file, ase.io.read(file)]}))
    assert read_config(tiny(tmp_path, data={"train": (file, file)})).data.train == [file, file]


@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_evaluate_takes_files_and_structures(tmp_path, from_file, kind):
    atomgraph.train(tiny(tmp_path), quiet=True)
    file = data_file(tmp_path, 4, seed=9)
    expected = atomgraph.evaluate(tmp_path / "run", file)
    assert expected["all"]["forces"]["mae"] > 0 and expected["units"]["forces"] == "eV/Å"
    potential = atomgraph.load(tmp_path / "run")
    errors = atomgraph.evaluate(potential, kind(ase.io.read(file, ":")))
    assert errors["all"] == expected["all"]
    bare = ase.io.read(file, ":")
    for atoms in bare:
        atoms.calc, atoms.info["dft_energy"] = None, 1.0
    with pytest.raises(DataError, match=r"no structure has an energy.*keys found: .*dft_energy"):
        atomgraph.evaluate(potential, bare)


def test_written_structures_keep_every_digit(tmp_path):
    frames = crystals(3)
    frames[0].info.update(note='he said "a b"', empty="", n=3, flag=True, vector=np.array([1.5, 2.5]), thing=object())
    frames[0].arrays["momenta"] = np.full((4, 3), 1 / 3)
    frames[0].arrays["tag"], frames[0].arrays["name"] = np.arange(4), np.array(["a", "b", "c", "d"])
    frames[1].pbc = [True, False, True]
    frames[2].set_cell(None)
    frames[2].pbc = False
    write_exact(tmp_path / "a.xyz", frames)
    frames_read = read(tmp_path / "a.xyz")
    assert fingerprint(frames_read) == fingerprint(read(frames))
    info = frames_read[0].info
    assert info["note"] == 'he said "a b"' and info["n"] == 3 and info["flag"] is True and info["vector"][1] == 2.5
    assert (frames_read[0].arrays["momenta"] == 1 / 3).all() and frames_read[0].arrays["name"][3] == "d"


def test_fine_tuning_takes_structures_for_data_replay_and_probe(tmp_path):
    """Files of the run folder stand in the configuration for them."""
    frames = {seed: ase.io.read(data_file(tmp_path, 8, seed=seed), ":") for seed in (1, 2)}
    data = {"train": frames[1], "valid": (atoms for atoms in frames[2])}
    config = tune(tmp_path, data=data, replay={"data": frames[2]}, card={"probe": tuple(frames[2]), "steps": 0})
    atomgraph.finetune(config, quiet=True)
    names = {path.name for path in (tmp_path / "tuned" / "structures").iterdir()}
    assert names == {"train.xyz", "valid.xyz", "replay.xyz", "card.xyz"}
