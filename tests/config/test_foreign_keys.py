"""Words that users of other programs know lead to where the thing is here."""

import re

import pytest
from helpers.run_configs import tiny

from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.foreign_keys import _paths
from atomgraph.config.foreign_words import FINETUNE_KEYS_BY_FOREIGN_WORD, KEYS_BY_FOREIGN_WORD, REASONS_FOR_NO_KEY
from atomgraph.config.resolve import read_config, validate_content
from atomgraph.config.schema import Config
from atomgraph.errors import ConfigError


@pytest.mark.parametrize(
    "word, key",
    [
        ("fit.lr=0.1", "fit.optimizer.lr"),
        ("fit.learning_rate=0.1", "fit.optimizer"),
        ("fit.batch_size=5", "data.edge_budget"),
        ("data.batch_size=5", "data.edge_budget"),
        ("data.energy_key=dft_energy", "data.keys: {energy: NAME}"),
        ("model.r_max=5.0", "cutoff, in Å"),
        ("device=cuda", "fit.accelerator"),
        ("max_num_epochs=5", "fit.max_epochs"),
        ("max_epochs=5", "fit.max_epochs"),
        ("E0s=average", "baseline.e0"),
        ("train_file=x.xyz", "data.train"),
        ("model.max_ell=3", "l_max"),
        ("model.num_interactions=2", "n_layers"),
        ("model.num_features=64x0e", "model.hidden_irreps"),
        ("fit.seed=3", "it is seed here"),
        ("valid_fraction=0.1", "data.valid"),
        ("fit.forces_weight=10", "fit.terms"),
    ],
)
def test_words_of_other_programs_lead_to_the_key(tmp_path, word, key):
    with pytest.raises(ConfigError) as error:
        read_config(tiny(tmp_path), [word])
    message = str(error.value)
    assert "unknown key" in message and key in message and "\n" not in message


@pytest.mark.parametrize(
    "word, message",
    [
        ("fit.energy_weight=3", "here that is fit.terms: "),  # once: it is fit.start.energy_weight
        ("energy_weight=3", "here that is fit.terms: "),
        ("fit.epochs=3", "here that is fit.max_epochs"),
        ("data.sigma=3", "it is fit.sigma or fit.start.sigma here"),  # once the same place twice
        ("cutoff=5.0", "it is model.cutoff here"),
        ("elements=[H]", "it is model.elements here"),
        ("data.cutoff=5.0", "it is model.cutoff here"),
        ("data.elements=[H]", "it is model.elements here"),
        ("channels=3", "it is model.channels here"),
        ("data.stress_sign=compression", "data.units: {stress_sign: "),
        ("fit.solver=ridge", "it is a key of fit.kind: least_squares"),
        ("data.weight=2", "did you mean weights?"),
        ("output.dir=x", "here that is output.folder"),
        ("output.overwrite=true", "--overwrite on the command line"),
        ("heads=[a]", "here that is baseline.heads"),
        ("fit.optimizer.learning_rate=1", "here that is lr"),
    ],
)
def test_unknown_key_once_had_a_wrong_hint(tmp_path, word, message):
    with pytest.raises(ConfigError) as error:
        read_config(tiny(tmp_path), [word])
    assert str(error.value).partition("unknown key; ")[2].startswith(message) or message in str(error.value)


@pytest.mark.parametrize(
    "word", ["model.model=x", "model.gate=x", "model.n_max=3", "model.n_sparse=3", "fit.checkpoint=3"]
)
def test_key_of_another_meaning_was_once_offered_as_spelling(tmp_path, word):
    with pytest.raises(ConfigError, match=r"unknown key; (here that is|known are|there is no key)"):
        read_config(tiny(tmp_path), [word])


@pytest.mark.parametrize("word", ["nmax=3", "n_maxx=3"])
def test_a_spelling_of_an_argument_comes_before_another_programs_word(tmp_path, word):
    config = tiny(tmp_path) | {"model": {"kind": "GAP", "elements": ["Ar"], "cutoff": 4.0}}
    with pytest.raises(ConfigError, match=r"did you mean n_max\?"):
        read_config(config, [f"model.{word}"])


def test_missing_argument_of_the_model_is_named_in_the_hint(tmp_path):
    with pytest.raises(ConfigError, match="here that is order, which GCN does not have; it has elements, cutoff"):
        read_config(tiny(tmp_path), ["model.correlation=3"])


def test_keys_in_hints_exist():
    known = {".".join(path) for schema in (Config, FinetuneConfig) for path, _ in _paths(schema)}
    advice = [*KEYS_BY_FOREIGN_WORD.values(), *FINETUNE_KEYS_BY_FOREIGN_WORD.values(), *REASONS_FOR_NO_KEY.values()]
    keys = {
        key
        for text in advice
        for key in re.findall(r"\b(?:data|fit|baseline|output|start)\.[a-z_0-9]+(?:\.[a-z_]+)?", text)
    }
    assert keys <= known


def test_hints_differ_for_fine_tuning(tmp_path):
    for word, key in (("heads", "start.head"), ("E0s", "e0 (estimate"), ("species", "start.keep_elements")):
        with pytest.raises(ConfigError) as error:
            validate_content({word: 1}, FinetuneConfig)
        assert key in str(error.value)


def test_spelling_errors_are_corrected(tmp_path):
    with pytest.raises(ConfigError, match="did you mean max_epochs"):
        read_config(tiny(tmp_path), ["fit.max_epoch=3"])
