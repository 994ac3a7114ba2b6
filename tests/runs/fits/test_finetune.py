"""Each method of fine-tuning does what it says: what moves, what stays to the last bit, what is refused and how."""

import hashlib
import json
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from helpers.finetune_configs import source, tune, weights
from helpers.run_configs import data_file
from helpers.training_data import frames

import atomgraph
from atomgraph import Potential
from atomgraph.editing import add_head
from atomgraph.errors import ConfigError, DataError
from atomgraph.models import GCN, BehlerParrinello
from atomgraph.models.parameter_groups import parameters_in
from atomgraph.runs import resume
from atomgraph.training.checkpoints import read_checkpoint


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("tune")
    source(path)
    return path


def run(folder, name, **changes):
    return atomgraph.finetune(tune(folder, name, **changes), quiet=True)[0]


def files(folder: Path, change, name: str, n: int = 8) -> str:
    """Frames with changed labels."""
    structures = frames(n, seed=4)
    for atoms in structures:
        change(atoms)
    ase.io.write(folder / f"{name}.xyz", structures, format="extxyz")
    return str(folder / f"{name}.xyz")


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_full_fine_tuning_changes_all_weights_and_records_origin(folder):
    start, path = atomgraph.load(source(folder)), folder / "licensed.safetensors"
    start.metadata["licence"] = "for friends only"
    start.metadata["precision"] = {"dtypes": ["float64"], "float32_error": 0.1}
    start.save(path)
    potential = run(folder, "full", start={"model": str(path)})
    assert moved(weights(start), weights(potential)) == set(weights(start))
    assert torch.equal(potential.model.baseline.scale, start.model.baseline.scale)
    origin = potential.metadata["origin"]
    assert origin["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert origin["data"] == start.metadata["data"] and potential.metadata["licence"] == "for friends only"
    assert potential.dtypes == ("float64",)
    again = atomgraph.load(folder / "full")
    first, second = (p.predict(frames(3, seed=5)) for p in (potential, again))
    assert all(
        (a["forces"] == b["forces"]).all() and a["energy"] == b["energy"] for a, b in zip(first, second, strict=True)
    )


def test_frozen_groups_are_unchanged_and_not_optimised(folder):
    fit = {"max_epochs": 10, "ema": 0.9, "optimizer": {"lr": 0.01, "weight_decay": 0.1}}
    data = {"valid": None, "atom_budget": 3}  # 10 batches an epoch
    potential = run(
        folder, "frozen", method={"kind": "frozen", "groups": ["embedding", "layers.2"]}, fit=fit, data=data
    )
    start = atomgraph.load(source(folder))
    frozen = {name for names in parameters_in(start.model, ["embedding", "layers.2"]).values() for name in names}
    assert moved(weights(start), weights(potential)) == set(weights(start)) - frozen != set()
    checkpoint = read_checkpoint(folder / "frozen/checkpoints/last.ckpt")
    assert checkpoint["global_step"] >= 100
    average = next(
        state["average"] for key, state in checkpoint["callbacks"].items() if key.startswith("WeightAverage")
    )
    assert {name.removeprefix("potential.model.") for name in average} == set(weights(start)) - frozen
    optimised = sum(len(group["params"]) for group in checkpoint["optimizer_states"][0]["param_groups"])
    assert optimised == len(set(weights(start)) - frozen)
    assert all(parameter.requires_grad for parameter in potential.parameters())


def test_adapters_of_rank_zero_train_nothing(folder):
    potential = run(folder, "rank0", method={"kind": "lora", "rank": 0}, e0="foundation", fit={"max_epochs": 1})
    start = atomgraph.load(source(folder))
    for first, second in zip(potential.predict(frames(4)), start.predict(frames(4)), strict=True):
        np.testing.assert_array_equal(first["forces"], second["forces"])
        assert first["energy"] == second["energy"]


def test_adapters_change_matrices_and_leave_biases(folder):
    potential = run(folder, "lora", method={"kind": "lora", "rank": 2}, fit={"max_epochs": 1})
    start = atomgraph.load(source(folder))
    changed = moved(weights(start), weights(potential))
    assert changed and not any("bias" in name for name in changed)
    saved = atomgraph.load(folder / "lora").model.state_dict()
    assert set(saved) == set(start.model.state_dict())  # plain weights


def test_rates_move_groups_in_proportion(folder):
    data = {"valid": None, "edge_budget": 10_000}
    fit = {"max_epochs": 1, "optimizer": {"kind": "SGD", "lr": 1e-4}, "gradient_clip_val": None}
    start = weights(atomgraph.load(source(folder)))
    step = {
        name: {k: v - start[k] for k, v in weights(run(folder, name, data=data, fit=fit, lr_factors=factors)).items()}
        for name, factors in {
            "even": {},
            "by_group": {"embedding": 0.1, "readout": 2.0},
            "by_depth": {"decay": 0.5},
        }.items()
    }
    model = atomgraph.load(source(folder)).model
    of = parameters_in(model, ["embedding", "convolution", "readout"])
    for group, by_group, by_depth in (("embedding", 0.1, 0.25), ("convolution", 1.0, 0.5), ("readout", 2.0, 1.0)):
        for name in of[group]:
            torch.testing.assert_close(step["by_group"][name], by_group * step["even"][name], rtol=1e-8, atol=1e-15)
            torch.testing.assert_close(step["by_depth"][name], by_depth * step["even"][name], rtol=1e-8, atol=1e-15)


def test_larger_replay_weight_forgets_less(folder):
    def inverted(atoms):
        atoms.calc.results = {name: -2.0 * value for name, value in atoms.calc.results.items()}

    data = {"train": files(folder, inverted, "inverted"), "valid": None, "edge_budget": 150}
    replay = {"data": data_file(folder, 12, seed=1), "labels": "predicted", "ratio": 0.5}
    audit = {"ignore": ["forces sign", "stress sign", "energy sign", "stress"]}
    probe = frames(6, seed=7)
    truth = np.concatenate([predicted["forces"].ravel() for predicted in atomgraph.load(source(folder)).predict(probe)])
    errors = []
    for weight in (0.01, 1, 100):
        fit = {"max_epochs": 5, "optimizer": {"lr": 2e-2}}
        potential = run(
            folder, f"replay-{weight}", data=data, replay=replay | {"weight": float(weight)}, fit=fit, audit=audit
        )
        potential.head = "default"
        predicted = np.concatenate([prediction["forces"].ravel() for prediction in potential.predict(probe)])
        errors.append(float(np.abs(predicted - truth).mean()))
    assert errors[0] > 1.2 * errors[1] > 1.44 * errors[2]


def test_replayed_head_keeps_its_e0(folder):
    def shifted(atoms):
        atoms.calc.results["energy"] = atoms.get_potential_energy() + 5.0 * len(atoms)

    data = {"train": files(folder, shifted, "shifted"), "valid": None}
    potential = run(folder, "two", data=data, replay={"data": data_file(folder, 12, seed=1)}, fit={"max_epochs": 1})
    assert potential.heads == ["default", "target"] and potential.head == "target"
    e0 = potential.model.baseline.e0[:, 0]
    before = atomgraph.load(source(folder)).model.baseline.e0[0, 0]
    assert e0[0] == before
    assert float(e0[1] - before) == pytest.approx(5.0, abs=0.3)


def two_headed(folder) -> str:
    potential = add_head(atomgraph.load(source(folder)), "fine")
    potential.save(folder / "two.safetensors")
    return str(folder / "two.safetensors")


def test_only_the_chosen_head_is_trained(folder):
    start = atomgraph.load(two_headed(folder))
    potential = run(folder, "head", start={"model": two_headed(folder), "head": "fine"}, fit={"max_epochs": 1})
    assert potential.heads == ["default", "fine"] and potential.head == "fine"
    last = "branches.0.readouts.0.mlp.weights.1"
    before, after = start.model.get_parameter(last), potential.model.get_parameter(last)
    assert torch.equal(before[..., 0], after[..., 0]) and not torch.equal(before[..., 1], after[..., 1])
    assert torch.equal(start.model.baseline.e0[0], potential.model.baseline.e0[0])
    assert not torch.equal(start.model.baseline.e0[1], potential.model.baseline.e0[1])
    assert torch.equal(start.model.baseline.scale, potential.model.baseline.scale)


def test_stopped_run_resumes_to_the_same_weights(folder):
    changes = {
        "method": {"kind": "lora", "rank": 2},
        "replay": {"data": data_file(folder, 12, seed=1), "ratio": 0.4},
        "fit": {"ema": 0.9, "max_epochs": 1},
    }
    straight = run(folder, "straight", **changes | {"fit": {"ema": 0.9, "max_epochs": 2}})
    run(folder, "stopped", **changes)
    resumed, metrics = resume(folder / "stopped", ["fit.max_epochs=2"], quiet=True)
    assert metrics["training"]["epochs"] == 2
    assert not moved(weights(straight), weights(resumed))


def test_edited_elements_and_heads_are_saved(folder):
    start = Potential(GCN(["H", "Ar", "O"], 4.0, channels=4, n_layers=1, n_radial=3, readout_hidden=[4])).to(
        torch.float64
    )
    start.save(folder / "three.safetensors")

    def krypton(atoms):
        numbers = atoms.numbers
        numbers[0] = 36
        atoms.numbers = numbers

    potential = run(
        folder,
        "edited",
        start={
            "model": str(folder / "three.safetensors"),
            "new_elements": {"Kr": "Ar"},
            "keep_elements": "data",
            "new_head": "mine",
        },
        data={"train": files(folder, krypton, "krypton"), "valid": None},
    )
    assert potential.elements == ["Ar", "Kr"] and potential.heads == ["default", "mine"]
    assert len(potential.metadata["edits"]) == 3
    again = atomgraph.load(folder / "edited", head="mine")
    probe = ase.io.read(folder / "krypton.xyz", ":")
    for first, second in zip(potential.predict(probe), again.predict(probe), strict=True):
        np.testing.assert_allclose(first["energy"], second["energy"], rtol=1e-12)
        np.testing.assert_allclose(first["forces"], second["forces"], rtol=1e-12, atol=1e-12)
    again = run(
        folder,
        "again",
        start={"model": str(folder / "edited"), "head": "mine", "new_elements": {"Kr": "Ar"}},
        data={"train": str(folder / "krypton.xyz"), "valid": None},
    )
    assert again.metadata["edits"] == ["restarted the elements Kr like Ar"]


def test_null_values_are_chosen_and_printed(folder, capsys):
    config = tune(folder, "chosen", fit={"ema": None, "schedule": None})
    del config["fit"]["optimizer"]
    potential, _ = atomgraph.finetune(config)
    said = capsys.readouterr().out
    assert "chosen: learning rate 0.0001 for full" in said and "decay 0.9 for 6 steps" in said
    assert potential.metadata["fit"] == {"lr": 1e-4, "ema": 0.9, "max_epochs": 2}


def unlabelled(atoms):
    atoms.calc = None


def golden(atoms):
    atoms.numbers[:] = 79


@pytest.mark.parametrize(
    "changes, error, message",
    [
        ({"method": {"kind": "frozen", "groups": ["rradial"]}}, ConfigError, r"no group of weights 'rradial'"),
        (
            {"method": {"kind": "frozen", "groups": ["embedding", "convolution", "readout"]}},
            ConfigError,
            "freezes all weights",
        ),
        ({"lr_factors": {"readuot": 2.0}}, ConfigError, r"lr_factors: .*did you mean readout\?"),
        ({"lr_factors": {"readout": 0.0}}, ConfigError, r"lr_factors.readout should be more than 0.*frozen"),
        ({"lr_factors": {"decay": 0.5, "readout": 1.0}}, ConfigError, "decay cannot be combined"),
        ({"start": {"head": "fien"}}, ConfigError, r"start.head: .*no head 'fien'; known are default"),
        ({"replay": {"data": "unlabelled"}}, DataError, r"has no label of energy, forces;.*replay.labels: predicted"),
        (
            {"data": {"train": "golden"}},
            ConfigError,
            r"the data contain Au, which .*its elements are Ar\).*new_elements: {Au: Ar}",
        ),
        (
            {"data": {"train": "golden"}, "start": {"new_elements": {"Au": "Ar"}}, "e0": "foundation"},
            ConfigError,
            "foundation has no E0 of Au",
        ),
        ({"start": {"new_elements": {"Xe": "Ar"}}}, ConfigError, "no structure contains Xe"),
        ({"methd": {"kind": "full"}}, ConfigError, r"methd: unknown key; did you mean method\?"),
        ({"method": {"kind": "lora", "rnak": 2}}, ConfigError, r"method.rnak: unknown key; did you mean rank\?"),
    ],
)
def test_invalid_settings_are_refused_and_write_nothing(folder, changes, error, message):
    for section, key, change in (("replay", "data", unlabelled), ("data", "train", golden)):
        if changes.get(section, {}).get(key) == change.__name__:
            changes = changes | {section: {key: files(folder, change, change.__name__)}}
    with pytest.raises(error, match=message):
        run(folder, "refused", **changes)
    assert not (folder / "refused").exists()


def test_several_heads_require_a_choice(folder):
    with pytest.raises(ConfigError, match=r"start.head: .*has the heads default, fine; choose one of them"):
        run(folder, "refused", start={"model": two_headed(folder)})


def test_lora_without_linear_maps_is_refused(folder):
    Potential(BehlerParrinello(["Ar"], 4.0)).save(folder / "bp.safetensors")
    with pytest.raises(
        ConfigError, match=r"this BehlerParrinello has none; MACE and GCN have.*full, frozen or last_layer"
    ):
        run(folder, "refused", start={"model": str(folder / "bp.safetensors")}, method={"kind": "lora"})


def test_last_layer_is_solved_with_uncertainty(folder):
    start = atomgraph.load(source(folder))
    config = tune(folder, "last", method={"kind": "last_layer"})
    del config["fit"]
    potential, metrics = atomgraph.finetune(config, quiet=True)
    last = {"branches.0.readouts.0.mlp.weights.1", "branches.0.readouts.0.mlp.biases.1"}
    assert moved(weights(start), weights(potential)) == last
    assert metrics["training"]["calibrated_on"] == 3
    again = atomgraph.load(folder / "last")
    for first, second in zip(potential.predict(frames(3, 5)), again.predict(frames(3, 5)), strict=True):
        assert first["uncertainty"] == second["uncertainty"] > 0 and first["energy"] == second["energy"]
    later = run(folder, "after", start={"model": str(folder / "last")}, fit={"max_epochs": 1})
    assert "uncertainty" not in later.predict(frames(1, 5))[0]  # its weights are others now


def test_sections_without_effect_are_refused(folder):
    with pytest.raises(ConfigError, match=r"lr_factors, fit would have no effect on method: \{kind: last_layer\}"):
        run(folder, "refused", method={"kind": "last_layer"}, lr_factors={"readout": 2.0})


def test_gauss_newton_moves_every_weight_and_keeps_the_best_step(folder):
    start = atomgraph.load(source(folder))
    config = tune(folder, "newton", method={"kind": "gauss_newton", "steps": 4})
    del config["fit"]
    potential, metrics = atomgraph.finetune(config, quiet=True)
    assert moved(weights(start), weights(potential)) == set(weights(start))
    card = json.loads((folder / "newton" / "card.json").read_text())["target"]["valid"]
    assert card["after"]["all"]["forces"]["mae"] < 0.5 * card["before"]["all"]["forces"]["mae"]
    lines = (folder / "newton" / "metrics.csv").read_text().splitlines()
    assert metrics["training"]["steps"] == len(lines) - 1
    valid = [float(line.split(",")[3]) for line in lines[1:]]
    assert metrics["training"]["best_step"] == 1 + valid.index(min(valid))
    again = atomgraph.load(folder / "newton")
    for first, second in zip(potential.predict(frames(3, 5)), again.predict(frames(3, 5)), strict=True):
        assert first["energy"] == second["energy"]


def test_gauss_newton_states_required_memory(folder):
    config = tune(folder, "big", method={"kind": "gauss_newton", "memory": 1e-7})
    del config["fit"]
    with pytest.raises(
        ConfigError,
        match=r"gauss_newton: \d+ energies .* take fewer structures, allow more memory, or train by gradient",
    ):
        atomgraph.finetune(config, quiet=True)
    assert not (folder / "big").exists()


def test_gauss_newton_interrupted_leaves_the_best_weights(folder, monkeypatch):
    def interrupted(tangent, graphs, problem, first, loss):
        raise KeyboardInterrupt

    monkeypatch.setattr("atomgraph.fitting.gauss_newton_fit._take_best_step", interrupted)
    config = tune(folder, "halted", method={"kind": "gauss_newton"})
    del config["fit"]
    with pytest.raises(KeyboardInterrupt, match="best weights so far"):
        atomgraph.finetune(config, quiet=True)
    assert atomgraph.load(folder / "halted").elements == ["Ar"]
