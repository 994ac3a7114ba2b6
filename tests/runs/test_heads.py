"""Several heads from a configuration: each frame says which it belongs to, each head learns from its own."""

import ase.io
import pytest
from helpers.run_configs import tiny
from helpers.training_data import frames

from atomgraph import load, train
from atomgraph.errors import ConfigError, DataError


def two_headed(folder, shift=5.0, named=("a", "b")):
    """Frames twice: once as they are, once with another zero of energy; under two names."""
    path, structures = folder / "two.xyz", []
    for head, offset in zip(named, (0.0, shift), strict=True):
        for atoms in frames(12, 0):
            energy = atoms.get_potential_energy() + offset * len(atoms)
            atoms.calc.results["energy"] = energy
            atoms.info["head"] = head
            structures.append(atoms)
    ase.io.write(path, structures, format="extxyz")
    return str(path)


def test_each_head_learns_its_own_energies(tmp_path):
    file = two_headed(tmp_path)
    config = tiny(tmp_path, data={"train": file, "valid": 0.25, "test": file}, baseline={"heads": ["a", "b"]})
    potential, _ = train(config, quiet=True)
    assert potential.heads == ["a", "b"]
    e0 = potential.model.baseline.e0
    assert float(e0[1] - e0[0]) == pytest.approx(5.0, abs=0.2)  # the two heads train on other halves of the frames
    again = load(tmp_path / "run")
    structure = frames(1, 0)[0]
    predictions = {}
    for head in ("a", "b"):
        structure.info["head"] = head
        predictions[head] = again.predict([structure], stress=False)[0]["energy"] / len(structure)
    assert predictions["b"] - predictions["a"] == pytest.approx(5.0, abs=0.5)
    assert potential.metadata["e0_origin"].startswith("a: ")


def test_a_head_without_training_structures_is_refused(tmp_path):
    file = two_headed(tmp_path, named=("a", "a"))
    config = tiny(tmp_path, data={"train": file, "valid": 0.25, "test": 0}, baseline={"heads": ["a", "b"]})
    with pytest.raises(DataError, match="no training structure has the head 'b'"):
        train(config, quiet=True)


def test_a_frame_with_another_head_is_refused(tmp_path):
    file = two_headed(tmp_path, named=("a", "c"))
    config = tiny(tmp_path, data={"train": file, "valid": 0.25, "test": 0}, baseline={"heads": ["a", "b"]})
    with pytest.raises(DataError, match="unknown head 'c'"):
        train(config, quiet=True)


def test_a_frame_without_a_head_is_refused(tmp_path):
    config = tiny(tmp_path, baseline={"heads": ["a", "b"]})
    with pytest.raises(DataError, match="has no head: set info"):
        train(config, quiet=True)


def test_heads_in_two_sections_are_refused(tmp_path):
    model = tiny(tmp_path)["model"] | {"baseline": {"kind": "Baseline", "heads": ["a"]}}
    with pytest.raises(ConfigError, match=r"baseline\.heads"):
        train(tiny(tmp_path, model=model, baseline={"heads": ["a", "b"]}), quiet=True)
