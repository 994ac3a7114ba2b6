"""Reads and validates a configuration from a mapping or file with options, and writes a configuration as YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from atomgraph.config.distributed import apply_torchrun
from atomgraph.config.error_messages import config_error
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.in_memory import attach_structures, extract_structures, restore_structures
from atomgraph.config.model_spec import resolve_spec
from atomgraph.config.old_keys import current_option, replace_old_names_with_warning
from atomgraph.config.reading import apply_options, read_yaml
from atomgraph.config.schema import Config, Gradient
from atomgraph.config.symbols import convert_elements
from atomgraph.errors import ConfigError, nearest
from atomgraph.old_names import old_names_of
from atomgraph.training.optimizer import check_optimizer

FIT_KINDS = ("gradient", "least_squares", "sparse_gp")  # values of fit.kind
Schema = TypeVar("Schema", bound=BaseModel)


def read_config(source: Config | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()) -> Config:
    """Read and validate a training configuration.

    Args:
        source: A mapping, the path of a YAML file, or a ``Config``.
        overrides: ``key.sub=value`` options that replace values.

    Raises:
        ConfigError: If the configuration has an error; the message is one line about the first error.
    """
    content = _set_closed_form_scale(_set_kind_of_fit(read_content(source, overrides)))
    config = validate_content(content, Config)
    resolve_spec(config.model, elements=["H"])  # checks names and types before data are read
    if isinstance(config.baseline.repulsion, dict):
        resolve_spec(config.baseline.repulsion, ["H"], "baseline.repulsion", {"elements": ["H"]})
    if isinstance(config.fit, Gradient):
        check_gradient_section(config.fit)
    return config


def read_finetune_config(
    source: FinetuneConfig | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()
) -> FinetuneConfig:
    """Read and validate a fine-tuning configuration.

    Args:
        source: A mapping, the path of a YAML file, or a ``FinetuneConfig``.
        overrides: ``key.sub=value`` options that replace values.

    Raises:
        ConfigError: If the configuration has an error; the message is one line about the first error.
    """
    content = read_content(source, overrides)
    if "model" in content and "start" not in content:
        raise ConfigError(
            "a fine-tuning configuration has start: {model: FILE} instead of model; `atomgraph train` trains a new model"
        )
    config = validate_content(content, FinetuneConfig)
    check_gradient_section(config.fit)
    return config


def read_content(source: BaseModel | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Return the plain values of a configuration, with ``key.sub=value`` options and the devices of torchrun applied.

    Keys have their current names. Elements are chemical symbols, even if the configuration has atomic numbers or a text.

    Args:
        source: A mapping, the path of a YAML file, or a validated configuration.
        overrides: The options, which replace values.

    Raises:
        ConfigError: If the source is not a configuration, or an option cannot be applied.
    """
    if isinstance(source, BaseModel):
        source = restore_structures(source, source.model_dump())
    if not isinstance(source, str | Path | Mapping):
        raise ConfigError(f"a configuration should be a mapping or a YAML file, but is {source!r}")
    content = read_yaml(Path(source)) if isinstance(source, str | Path) else dict(source)
    content = replace_old_names_with_warning(content)
    options = [current_option(option, content) for option in overrides]  # with current keys
    # Without terms in the configuration, indices in options such as fit.terms.0.weight=2 are those of the default terms.
    if any(option.startswith("fit.terms.") for option in options):
        content["fit"] = {"terms": [term.model_dump() for term in Gradient().terms]} | (content.get("fit") or {})
    content = apply_options(content, options)
    content = replace_old_names_with_warning(content)  # values of options can be mappings with old names
    return convert_elements(apply_torchrun(content))


def validate_content(content: dict[str, Any], schema: type[Schema]) -> Schema:
    """Validate plain values by a schema; ConfigError for the first error."""
    content, structures = extract_structures(content)
    try:
        config = schema.model_validate(content)
        attach_structures(config, structures)
        return config
    except ValidationError as error:
        raise config_error(error, schema, content) from None


def as_yaml(config: BaseModel) -> str:
    """Return the configuration with all defaults, as YAML."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True, width=110)


PATH_KEYS = {  # section: keys with paths
    "data": ("train", "valid", "test", "cache"),
    "output": ("folder",),
    "replay": ("data",),
    "card": ("probe",),
}


def make_paths_absolute(config: Schema) -> Schema:
    """Return the configuration with absolute paths, so that it is valid in every working folder."""
    plain_config = config.model_dump()
    for section, keys in PATH_KEYS.items():
        for key in keys if plain_config.get(section) else ():
            value = plain_config[section][key]
            if isinstance(value, str):
                plain_config[section][key] = str(Path(value).absolute())
            elif isinstance(value, list):
                plain_config[section][key] = [str(Path(file).absolute()) for file in value]
    if "start" in plain_config:
        model = Path(plain_config["start"]["model"]).expanduser()
        if model.exists():  # otherwise it is the name of a public model
            plain_config["start"]["model"] = str(model.absolute())
    return type(config).model_validate(plain_config)


def check_gradient_section(fit: Gradient) -> None:
    """Raise ConfigError if ``optimizer.kind``, an argument of the optimiser, or ``monitor`` is unknown."""
    optimizer = {key: value for key, value in fit.optimizer.model_dump().items() if value is not None}
    check_optimizer(**optimizer)
    errors = [f"{term.property}_{kind}" for term in fit.terms for kind in ("mae", "rmse")]
    if fit.monitor not in ("loss", *errors):
        raise ConfigError(f"fit.monitor cannot be {fit.monitor!r}{nearest(fit.monitor, ['loss', *errors])}")


def _set_kind_of_fit(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with ``fit.kind``, which is gradient by default; ConfigError for an unknown kind."""
    fit = content.get("fit")
    if not isinstance(fit, Mapping):
        return dict(content)
    kind = fit.get("kind", "gradient")
    if kind not in FIT_KINDS:
        raise ConfigError(f"fit.kind: there is no fit {kind!r}{nearest(str(kind), FIT_KINDS)}")
    return dict(content) | {"fit": dict(fit) | {"kind": kind}}


def _set_closed_form_scale(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with ``baseline.scale: none`` as default of fits in closed form; weights then have the unit eV."""
    fit, baseline = content.get("fit"), content.get("baseline", {})
    if not isinstance(fit, Mapping) or fit["kind"] == "gradient" or not isinstance(baseline, Mapping):
        return content
    return content | {"baseline": {"scale": "none"} | dict(baseline)}


__getattr__ = old_names_of(__name__)
