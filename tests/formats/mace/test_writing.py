"""Models written for mace-torch: the numbers of the file that they came from, and what its constructor is told."""

import json
import os
import subprocess

import numpy as np
import pytest
from ase.build import molecule
from helpers.mace_files import saved, small

import atomgraph
from atomgraph.cli import main
from atomgraph.errors import FormatError
from atomgraph.formats.mace import read_tree
from atomgraph.formats.mace.writing import mace_arguments, mace_tensors, write_for_mace
from atomgraph.models import GCN
from atomgraph.potential import Potential


def test_the_tensors_are_those_of_the_file(tmp_path):
    (tmp_path / "a.model").write_bytes(saved(small()))
    tree = read_tree(tmp_path / "a.model")
    written = mace_tensors(atomgraph.load(tmp_path / "a.model").model)
    learned = {f"{name}.{key}" for name, part in tree.walk() for key in part.parameters}
    assert learned <= written.keys()
    for name, value in written.items():
        np.testing.assert_array_equal(value.flatten(), tree.tensor(name).double().flatten(), err_msg=name)


def test_the_archive_holds_arrays_and_words_only(tmp_path):
    write_for_mace(tmp_path / "a.npz", small())
    with np.load(tmp_path / "a.npz", allow_pickle=False) as archive:
        told = json.loads(archive["arguments"].tobytes())
    assert told["hidden_irreps"] == "2x0e+2x1o" and told["correlation"] == [2, 2] and told["dtype"] == "float64"
    assert (
        told["avg_num_neighbors"] == [7.25, 7.25] and told["interaction_cls"] == "RealAgnosticResidualInteractionBlock"
    )


def test_what_the_constructor_has_no_argument_for_is_refused():
    model = small(layer=[{"radial_hidden": [4]}, {"radial_hidden": [5]}])
    with pytest.raises(FormatError, match="one radial_hidden for all layers"):
        mace_arguments(model)


class TestConvert:
    def test_a_mace_file_becomes_ours(self, tmp_path, capsys):
        (tmp_path / "a.model").write_bytes(saved(small()))
        assert (
            main(["convert", str(tmp_path / "a.model"), str(tmp_path / "b.safetensors"), "--only-elements", "O,H"]) == 0
        )
        potential = atomgraph.load(tmp_path / "b.safetensors")
        assert potential.elements == ["O", "H"] and "O, H" in capsys.readouterr().out
        water = molecule("H2O")
        whole = atomgraph.load(tmp_path / "a.model").predict([water])[0]["energy"]
        assert potential.predict([water])[0]["energy"] == pytest.approx(whole, abs=1e-12)

    @pytest.mark.parametrize(
        "target, words", [("b.model", "--mace-python"), ("b.txt", "should end in"), ("a.model", "is the input")]
    )
    def test_what_cannot_be_written_is_said(self, tmp_path, capsys, target, words):
        (tmp_path / "a.model").write_bytes(saved(small()))
        assert main(["convert", str(tmp_path / "a.model"), str(tmp_path / target)]) == 2
        assert words in capsys.readouterr().err

    def test_a_python_without_mace_torch_says_so(self, tmp_path, capsys):
        import sys

        (tmp_path / "a.model").write_bytes(saved(small()))
        words = ["convert", str(tmp_path / "a.model"), str(tmp_path / "b.model"), "--mace-python", sys.executable]
        assert main(words) == 2
        assert "mace" in capsys.readouterr().err and not list(tmp_path.glob("*.part"))

    def test_other_models_are_refused(self, tmp_path, capsys):
        Potential(GCN(["H", "O"], 3.0)).save(tmp_path / "a.safetensors")
        assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "b.npz")]) == 2
        assert "this is a GCN" in capsys.readouterr().err


@pytest.mark.refs
@pytest.mark.parametrize("name", ["mp0-medium", "mp0b3-medium", "mh1"])
def test_mace_torch_writes_a_file_of_the_same_numbers(tmp_path, name):
    from helpers.references import folder

    python = os.environ.get("ATOMGRAPH_MACE_PYTHON", "")
    if not python:
        pytest.skip("ATOMGRAPH_MACE_PYTHON does not name the Python of an environment with mace-torch")
    source, target = folder() / "mace" / f"{name}.model", tmp_path / "again.model"
    assert main(["convert", str(source), str(target), "--mace-python", python]) == 0
    evaluate = (
        "import sys, torch, numpy as np; from ase.io import read; from mace.calculators import MACECalculator as C\n"
        "a = read(sys.argv[2]); out = []\n"
        "for path in (sys.argv[1], sys.argv[3]):\n"
        "    m = torch.load(path, weights_only=False)\n"
        "    a.calc = C(model_paths=path, device='cpu', default_dtype='float64', head=m.heads[-1])\n"
        "    out.append(np.append(a.get_forces(), a.get_potential_energy()))\n"
        "print(abs(out[0] - out[1]).max() / max(1, abs(out[0]).max()))"
    )
    water = molecule("H2O")
    water.rattle(0.05, seed=0)
    water.write(tmp_path / "water.xyz")
    done = subprocess.run(
        [python, "-c", evaluate, str(source), str(tmp_path / "water.xyz"), str(target)],
        capture_output=True, text=True, check=True, env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"},
    )  # fmt: skip
    assert float(done.stdout.split()[-1]) <= 1e-12, done.stdout
