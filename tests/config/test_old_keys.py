"""Keys, values, arguments and kinds of the last release are accepted, each with a warning that says the new one."""

import warnings

import pytest
import yaml
from helpers.finetune_configs import tune
from helpers.run_configs import tiny

import atomgraph
from atomgraph import old_name_table
from atomgraph.cli import main
from atomgraph.config import read_config, read_finetune_config
from atomgraph.config.model_spec import resolve_spec
from atomgraph.config.old_keys import replace_old_names
from atomgraph.errors import ConfigError
from atomgraph.old_names import OldNameWarning
from atomgraph.runs import resume


@pytest.fixture
def old_channels(monkeypatch):
    """As if ``channels`` of GCN had been called ``width``."""
    monkeypatch.setitem(old_name_table.ARGUMENTS, "GCN", {"width": "channels"})


def test_old_keys_of_a_fit_are_accepted_in_a_mapping(tmp_path):
    ramp = {"start": 1.0, "end": 2.0, "over": 3}
    fit = {"gradient_clip": 5.0, "accumulate": 2, "valid_every": 4}
    fit |= {"terms": [{"property": "energy", "weight": ramp}], "start": {"grows": "root", "scaled": False}}
    with pytest.warns(OldNameWarning) as caught:
        config = read_config(tiny(tmp_path, fit=fit))
    assert (config.fit.gradient_clip_val, config.fit.accumulate_grad_batches, config.fit.check_val_every_n_epoch) == (
        5.0,
        2,
        4,
    )
    assert config.fit.terms[0].weight.n_epochs == 3
    assert config.fit.start.energy_error_scaling == "sqrt" and not config.fit.start.scale_columns
    messages = [str(warning.message) for warning in caught]
    assert len(messages) == len(set(messages)) == 7
    assert any("fit.gradient_clip is called fit.gradient_clip_val now" in message for message in messages)


def test_old_keys_of_fine_tuning_are_accepted(tmp_path):
    method = {"kind": "lora", "skips": True}
    changes = {"audit": {"insist": ["stress"]}, "rates": {"readout": 2.0}, "method": method}
    changes["compare"] = {"methods": {"slow": {"rates": {"readout": 0.1}}}, "sizes": [4]}
    with pytest.warns(OldNameWarning):
        config = read_finetune_config(tune(tmp_path, **changes))
    assert config.audit.ignore == ["stress"] and config.lr_factors == {"readout": 2.0}
    assert config.method.skip_connections
    assert config.compare.methods == {"slow": {"lr_factors": {"readout": 0.1}}}


def test_names_of_today_give_no_warning(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error", OldNameWarning)
        read_config(tiny(tmp_path, fit={"gradient_clip_val": 5.0}), ["fit.accumulate_grad_batches=2"])


def test_a_key_under_both_names_is_refused(tmp_path):
    config = tiny(tmp_path, fit={"gradient_clip": 5.0, "gradient_clip_val": 5.0})
    with pytest.raises(
        ConfigError, match=r"fit\.gradient_clip_val and fit\.gradient_clip.*give fit.gradient_clip_val only"
    ):
        read_config(config)


def test_an_old_option_replaces_the_value_of_the_new_key(tmp_path):
    config = tiny(tmp_path, fit={"gradient_clip_val": 5.0})
    options = ["fit.gradient_clip=7.0", "fit.terms.0.weight={start: 1, end: 2, over: 5}"]
    with pytest.warns(OldNameWarning, match="fit.gradient_clip is called fit.gradient_clip_val"):
        checked = read_config(config, options)
    assert checked.fit.gradient_clip_val == 7.0 and checked.fit.terms[0].weight.n_epochs == 5


def test_old_arguments_of_a_part_are_accepted(tmp_path, old_channels):
    config = tiny(tmp_path)
    config["model"] = {"kind": "GCN", "elements": "auto", "cutoff": 4.0, "width": 3}
    with pytest.warns(OldNameWarning, match=r"model\.width is called model\.channels"):
        assert read_config(config).model["channels"] == 3
    with pytest.warns(OldNameWarning, match="channels"):
        assert read_config(config, ["model.width=5"]).model["channels"] == 5
    with pytest.warns(OldNameWarning, match="channels"):
        assert resolve_spec(config["model"], ["Ar"])["channels"] == 3
    with pytest.raises(ConfigError, match="give channels only"):
        resolve_spec(config["model"] | {"channels": 3}, ["Ar"])


def test_old_kinds_are_accepted():
    readout = {"kind": "atomgraph.readouts.silent.Silent"}
    content = {
        "model": {"kind": "EnergyModel", "branches": [{"kind": "Branch", "readouts": [readout, {"kind": "Silent"}]}]}
    }
    current, replacements = replace_old_names(content)
    kinds = [item["kind"] for item in current["model"]["branches"][0]["readouts"]]
    assert kinds == ["atomgraph.readouts.zero.ZeroReadout", "ZeroReadout"] and len(replacements) == 2


def test_a_run_folder_with_old_keys_resumes_without_a_warning(tmp_path):
    atomgraph.train(tiny(tmp_path), quiet=True)
    path = tmp_path / "run" / "config.yaml"
    path.write_text(path.read_text().replace("gradient_clip_val:", "gradient_clip:"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", OldNameWarning)
        _, metrics = resume(tmp_path / "run", ["fit.max_epochs=3"], quiet=True)
    assert metrics["training"]["epochs"] == 3


def test_on_the_command_line_an_old_key_is_one_line(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text(yaml.safe_dump(tiny(tmp_path, fit={"gradient_clip": 5.0, "no_such_key": 1})))
    assert main(["train", str(path)]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning:")]
    assert lines == [
        "warning: fit.gradient_clip is called fit.gradient_clip_val now; the old name works until the next release"
    ]


def test_a_configuration_is_not_changed_by_its_run(tmp_path):
    config = read_config(tiny(tmp_path))
    before = config.model_dump()
    atomgraph.train(config, quiet=True)
    assert config.model_dump() == before and before["model"]["elements"] == "auto"
