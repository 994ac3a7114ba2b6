"""``e0: isolated``: an atom without neighbours has exactly the energy of its frame, however a potential is fitted."""

import warnings

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from helpers.compilers import needs_compiler
from helpers.finetune_configs import source, tune
from helpers.run_configs import tiny
from helpers.training_data import frames

import atomgraph
from atomgraph import finetune, load, train
from atomgraph.errors import ConfigError

E0, BINDING = 1.2345678901, -3.2  # eV; eV/atom that the crystal lies below free atoms
SMALL_MACE = {"kind": "MACE", "hidden_irreps": "4x0e", "l_max": 1, "order": 1, "n_layers": 1, "radial": {"n_radial": 3}}
BY_GRADIENT = {
    "GCN": {"kind": "GCN", "channels": 4, "n_layers": 1, "n_radial": 3, "readout_hidden": [4]},
    "BehlerParrinello": {"kind": "BehlerParrinello", "readout_hidden": [4]},
    "MACE": SMALL_MACE,
}
IN_CLOSED_FORM = {
    "ACE": ({"kind": "ACE"}, {"kind": "least_squares"}),
    "GAP": ({"kind": "GAP", "n_points": 8}, {"kind": "sparse_gp"}),
    "SNAP": ({"kind": "SNAP", "twojmax": 2, "radii": {"Ar": 0.5}}, {"kind": "least_squares"}),
}


def data_with_isolated_atom(folder):
    structures = frames(12, 0)
    for atoms in structures:
        atoms.calc.results["energy"] = atoms.get_potential_energy() + (E0 + BINDING) * len(atoms)
    alone = Atoms("Ar")
    alone.calc = SinglePointCalculator(alone, energy=E0, forces=np.zeros((1, 3)))
    path = folder / "argon-with-atom.xyz"
    ase.io.write(path, [*structures, alone], format="extxyz")
    return str(path)


def run(folder, model, fit=None, **baseline):
    config = tiny(folder, data={"train": data_with_isolated_atom(folder), "valid": None, "test": None})
    config["model"] = {"elements": "auto", "cutoff": 4.0, **model}
    config["baseline"] = {"e0": "isolated", **baseline}
    if fit is not None:
        config["fit"] = fit
    return config


def error_of_isolated_atom(potential, energy=E0):
    return abs(potential.predict([Atoms("Ar")], stress=False)[0]["energy"] - energy)


def assert_isolated_atom_has_e0(potential, folder):
    assert error_of_isolated_atom(potential) <= 1e-10
    assert error_of_isolated_atom(load(folder)) <= 1e-10
    if "float32" in potential.dtypes:  # the terms of some fits cancel too far
        assert error_of_isolated_atom(load(folder, dtype="float32")) <= 1e-6


@pytest.mark.parametrize("family", BY_GRADIENT)
def test_networks_keep_the_energy_of_isolated_atoms(tmp_path, family):
    potential, _ = train(run(tmp_path, BY_GRADIENT[family]), quiet=True)
    assert_isolated_atom_has_e0(potential, tmp_path / "run")


@pytest.mark.parametrize("family", IN_CLOSED_FORM)
def test_fits_in_closed_form_keep_the_energy_of_isolated_atoms(tmp_path, family):
    model, fit = IN_CLOSED_FORM[family]
    potential, _ = train(run(tmp_path, model, fit), quiet=True)
    assert_isolated_atom_has_e0(potential, tmp_path / "run")
    bound = potential.predict(frames(1, 5))[0]["energy"] / len(frames(1, 5)[0])
    assert bound == pytest.approx(E0 + BINDING, abs=0.3)


@needs_compiler
@pytest.mark.parametrize("dtype, allowed", [("float64", 1e-10), ("float32", 1e-6)])
def test_compiled_kernels_keep_the_energy_of_isolated_atoms(tmp_path, dtype, allowed):
    potential, _ = train(run(tmp_path, SMALL_MACE), quiet=True)
    compiled = atomgraph.compile(potential, dtype=dtype)
    assert compiled is not potential
    crystal = frames(1, 5)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a kernel that is not used would say so
        batch = compiled.predict([crystal, Atoms("Ar"), crystal])
    assert abs(batch[1]["energy"] - E0) <= allowed
    expected = potential.predict([crystal])[0]
    assert batch[0]["energy"] == pytest.approx(expected["energy"], abs=1e-4 if dtype == "float32" else 1e-8)


@pytest.mark.parametrize(
    "method",
    [{"kind": "full"}, {"kind": "lora", "rank": 2}, {"kind": "last_layer"}, {"kind": "gauss_newton", "steps": 2}],
    ids=lambda method: method["kind"],
)
def test_fine_tuning_keeps_the_energy_of_isolated_atoms(tmp_path, method):
    path = data_with_isolated_atom(tmp_path)
    assert (
        error_of_isolated_atom(load(source(tmp_path))) > 1e-3
    )  # the starting potential was not trained on isolated atoms
    data = {"train": path, "valid": None, "edge_budget": 60, "cache": False}
    config = tune(tmp_path, data=data, e0="isolated", method=method)
    if method["kind"] in ("last_layer", "gauss_newton"):
        del config["fit"]
    potential, _ = finetune(config, quiet=True)
    assert_isolated_atom_has_e0(potential, tmp_path / "tuned")


def test_training_starts_at_the_mean_energy_of_the_data(tmp_path, capsys):
    """The first epoch used to spend itself on the binding energy, 3 eV/atom."""
    config = run(tmp_path, BY_GRADIENT["BehlerParrinello"])
    config["fit"] = config["fit"] | {"max_epochs": 1}
    potential, _ = train(config)
    start = potential.metadata["energy_start"]
    assert start["before"] > 2.5 and start["after"] < 0.3 * start["before"]
    assert f"{start['before']:.3g} → {start['after']:.3g} eV/atom" in capsys.readouterr().out


def test_a_shift_and_exact_isolated_atoms_contradict(tmp_path):
    with pytest.raises(
        ConfigError, match=r"baseline\.shift: mean changes energies of isolated atoms, which are exactly E0"
    ):
        train(run(tmp_path, BY_GRADIENT["GCN"], shift="mean"), quiet=True)


def test_isolated_energies_use_averaged_weights(tmp_path):
    """Validation exchanges weights and their average; a kept constant must not outlive the exchange."""
    config = run(tmp_path, BY_GRADIENT["GCN"])
    config["data"] = config["data"] | {"valid": 0.25}
    config["fit"] = config["fit"] | {"max_epochs": 3, "ema": 0.9}
    potential, _ = train(config, quiet=True)
    assert_isolated_atom_has_e0(potential, tmp_path / "run")
