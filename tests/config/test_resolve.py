"""What a user mistypes is named with its place and the nearest right word, before any file is read."""

import pytest
import yaml
from helpers.run_configs import tiny

from atomgraph.config import read_config, read_finetune_config
from atomgraph.config.model_spec import build_model, resolve_spec
from atomgraph.config.reading import parse
from atomgraph.config.resolve import as_yaml
from atomgraph.errors import ConfigError


@pytest.fixture
def base():
    return {
        "data": {"train": "there-is-no-such-file.xyz"},
        "model": {"kind": "GCN", "cutoff": 5.0},
        "output": {"folder": "run"},
    }


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("model.chanels=3", "model.chanels: unknown key; did you mean channels?"),
        ("model.channels=many", "model.channels should be a whole number, but is 'many'"),
        ("model.cutoff=-1", "model.cutoff should be positive, in Å, but is -1"),
        ("model.kind=GNC", "model.kind: there is no part 'GNC'; did you mean GCN?"),
        ("model.kind=my_parts.Mine", "model.kind: no module 'my_parts'"),
        ("model.readout_hidden=[3, x]", "model.readout_hidden[1] should be"),
        ("model={kind: GCN}", "model.cutoff is missing; GCN needs it"),
        ("modle={}", "modle: unknown key; did you mean model?"),
        ("data.valid={}", "data.valid should be text or a list or a number"),
        ("data.edge_budget=0", "data.edge_budget should be more than 0, but is 0"),
        ("seed=1.5", "seed should be a whole number, but is 1.5"),
        (
            "baseline.e0=isolate",
            "baseline.e0 should be isolated, least_squares or a mapping, but is 'isolate'; did you mean",
        ),
        ("baseline.repulsion={kind: ZBL, q: 3}", "baseline.repulsion.q: unknown key"),
        ("fit.max_epoch=3", "fit.max_epoch: unknown key; did you mean max_epochs?"),
        ("fit.kind=least_square", "did you mean least_squares?"),
        ("fit.kind=gradeint", "did you mean gradient?"),
        ("fit.terms.0.wieght=3", "fit.terms.0.wieght: unknown key; did you mean weight?"),
        ("fit.terms=[{property: force}]", "fit.terms.0.property should be energy, forces, stress, but is 'force'"),
        ("fit.terms=[{property: forces, weight: {start: 1}}]", "fit.terms.0.weight.end is missing"),
        ("fit.terms=[]", "fit.terms should be a list that is not empty"),
        ("fit.monitor=force_mae", "did you mean forces_mae?"),
        ("fit.optimizer.kind=AdamX", "fit.optimizer.kind: no optimiser 'AdamX'; did you mean Adamax?"),
        ("fit.optimizer.betaz=[0.9, 0.99]", "fit.optimizer.betaz: unknown key; did you mean betas?"),
        ("fit.ema=1.5", "fit.ema should be less than 1, but is 1.5"),
        ("output={}", "output.folder is missing"),
        ("output.loggers=[wand]", "did you mean wandb?"),
        ("fit.max_epochs", "should look like key.sub=value"),
    ],
)
def test_typing_errors_are_named_with_the_nearest_key(base, word, said):
    with pytest.raises(ConfigError) as caught:
        read_config(base, [word])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_overrides_are_yaml_and_index_lists(base):
    config = read_config(base, ["fit.terms.1.weight=1e-1", "data.valid=[a.xyz, b.xyz]", "fit.ema=null"])
    assert config.fit.terms[1].weight == 0.1
    assert config.data.valid == ["a.xyz", "b.xyz"]
    assert config.fit.ema is None


def test_numbers_and_symbols_are_read_as_usual():
    assert parse("[1e-3, 5, .5, 1.e2, No, N, y]") == [1e-3, 5, 0.5, 100.0, "No", "N", "y"]
    assert isinstance(parse("7"), int)
    with pytest.raises(ConfigError, match="line 2: the key 'a' is given twice"):
        parse("a: 1\na: 2")
    with pytest.raises(ConfigError, match="line 2: not YAML"):
        parse("a: 1\nb: [")


def test_parts_inherit_elements_and_cutoff():
    spec = {
        "kind": "EnergyModel",
        "elements": "auto",
        "branches": [
            {
                "kind": "Branch",
                "cutoff": 4.0,
                "featurizer": {"kind": "RadialDensity", "n_radial": 3},
                "readouts": [{"kind": "PerElementMLP", "irreps_in": 8, "readout_hidden": [4]}],
            }
        ],
    }
    model = build_model(resolve_spec(spec, ["H", "O"]))
    assert model.elements == ["H", "O"]
    assert model.cutoff == 4.0
    assert model.branches[0].featurizer.cutoff == 4.0


def test_parts_that_do_not_fit_are_one_line():
    spec = {
        "kind": "EnergyModel",
        "branches": {
            "kind": "Branch",
            "cutoff": 4.0,
            "featurizer": {"kind": "RadialDensity", "n_radial": 3},
            "readouts": [{"kind": "Linear", "irreps_in": 5}],
        },
    }
    with pytest.raises(ConfigError, match=r"model: readouts\[0\] expects features 5x0e"):
        build_model(resolve_spec(spec, ["H"]))


def test_parts_of_the_user_are_found_by_dotted_path(tmp_path, monkeypatch):
    (tmp_path / "argon_parts.py").write_text(
        "from atomgraph.models import GCN\n\n\nclass Narrow(GCN):\n    def __init__(self, elements, cutoff: float):\n"
        "        super().__init__(elements, cutoff, channels=2)\n"
    )
    monkeypatch.chdir(tmp_path)
    model = build_model(resolve_spec({"kind": "argon_parts.Narrow", "cutoff": 3.0}, ["Ar"]))
    assert type(model).__name__ == "Narrow"


def test_the_yaml_of_a_configuration_is_that_configuration(tmp_path):
    config = read_config(tiny(tmp_path))
    again = read_config(yaml.safe_load(as_yaml(config)))
    assert again == config


def test_shipped_configurations_are_valid():
    from pathlib import Path

    for path in sorted((Path(__file__).parents[2] / "configs").glob("*.yaml")):
        is_tuning = "start" in yaml.safe_load(path.read_text())
        (read_finetune_config if is_tuning else read_config)(path)


def test_a_configuration_that_is_nested_too_deeply_is_one_line(tmp_path):
    (tmp_path / "deep.yaml").write_text("model: " + "[" * 5000 + "]" * 5000)
    with pytest.raises(ConfigError, match=r"nested too deeply|not YAML"):
        read_config(tmp_path / "deep.yaml")
