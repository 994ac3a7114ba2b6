"""A potential whose E0 was estimated from one composition says so where energies of another are asked for."""

import ase.io
from ase.build import molecule
from helpers import foundation_models as foundation
from helpers import tiny_structures as tiny

from atomgraph.analysis.finetuning.audit import LabelledPredictions
from atomgraph.cli import main
from atomgraph.fitting.e0 import e0_change


def test_energies_of_other_compositions_are_warned_of_once(tmp_path, capsys):
    truth = tiny.potential(("H", "O"))
    water = foundation.labelled(foundation.waters(6), truth)
    e0_change(truth, LabelledPredictions.from_potential(truth, water), "default", "estimate").apply(truth)
    model, same, mixed = (str(tmp_path / name) for name in ("model.safetensors", "water.xyz", "peroxide.xyz"))
    truth.save(model)
    ase.io.write(same, water, format="extxyz")
    ase.io.write(mixed, [molecule("H2O2"), molecule("H2")], format="extxyz")
    assert main(["predict", model, same, str(tmp_path / "a.xyz"), "--import", "helpers.tiny_structures"]) == 0
    assert "warning" not in capsys.readouterr().err
    assert main(["predict", model, mixed, str(tmp_path / "b.xyz"), "--import", "helpers.tiny_structures"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert "H and O only together as H2O" in line and "H2O2, H2" in line
