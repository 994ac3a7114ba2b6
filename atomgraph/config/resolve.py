"""From a mapping, a file and options to a validated configuration, and back to YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from atomgraph.config.distributed import apply_torchrun
from atomgraph.config.error_messages import config_error
from atomgraph.config.finetune_schema import FinetuneConfig
from atomgraph.config.in_memory import hold, put_back, taken_out
from atomgraph.config.model_spec import resolve_spec
from atomgraph.config.old_keys import current_option, with_current_names
from atomgraph.config.reading import overridden, read_yaml
from atomgraph.config.schema import Config, Gradient
from atomgraph.config.symbols import with_symbols
from atomgraph.errors import ConfigError, nearest
from atomgraph.training.optimizer import check_optimizer

WAYS = ("gradient", "least_squares", "sparse_gp")
Schema = TypeVar("Schema", bound=BaseModel)


def config_of(source: Config | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()) -> Config:
    """A validated configuration of training.

    Args:
        source: A mapping, a YAML file, or a ``Config``.
        overrides: ``key.sub=value`` options.

    Raises:
        ConfigError: For the first error in it, in one line.
    """
    content = _with_unscaled_closed_form(_with_kind_of_fit(content_of(source, overrides)))
    config = validated(content, Config)
    resolve_spec(config.model, elements=["H"])  # names and types, before any data are read
    if isinstance(config.baseline.repulsion, dict):
        resolve_spec(config.baseline.repulsion, ["H"], "baseline.repulsion", {"elements": ["H"]})
    if isinstance(config.fit, Gradient):
        check_gradient(config.fit)
    return config


def finetune_config_of(
    source: FinetuneConfig | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()
) -> FinetuneConfig:
    """A validated configuration of fine-tuning.

    Args:
        source: A mapping, a YAML file, or a ``FinetuneConfig``.
        overrides: ``key.sub=value`` options.

    Raises:
        ConfigError: For the first error in it, in one line.
    """
    content = content_of(source, overrides)
    if "model" in content and "start" not in content:
        raise ConfigError(
            "a configuration of fine-tuning has start: {model: FILE} in the place of model; `atomgraph train` makes new ones"
        )
    config = validated(content, FinetuneConfig)
    check_gradient(config.fit)
    return config


def content_of(source: BaseModel | Mapping[str, Any] | str | Path, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """The plain values of a configuration, with ``key.sub=value`` options and devices of torchrun applied.

    Names are those of today. Elements are chemical symbols, even if given as atomic numbers or as one text.
    """
    if isinstance(source, BaseModel):
        source = put_back(source, source.model_dump())
    if not isinstance(source, str | Path | Mapping):
        raise ConfigError(f"a configuration is a mapping or a YAML file, but {source!r} came")
    content = read_yaml(Path(source)) if isinstance(source, str | Path) else dict(source)
    content = with_current_names(content)
    options = [current_option(option, content) for option in overrides]
    if any(
        option.startswith("fit.terms.") for option in options
    ):  # indices of the default terms, if no others are given
        content["fit"] = {"terms": [term.model_dump() for term in Gradient().terms]} | (content.get("fit") or {})
    return with_symbols(apply_torchrun(with_current_names(overridden(content, options))))


def validated(content: dict[str, Any], schema: type[Schema]) -> Schema:
    """The content, validated by a schema; ConfigError for the first error in it."""
    content, held = taken_out(content)
    try:
        config = schema.model_validate(content)
        hold(config, held)
        return config
    except ValidationError as error:
        raise config_error(error, schema, content) from None


def as_yaml(config: BaseModel) -> str:
    """The configuration with every default, as YAML."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True, width=110)


PATHS = {"data": ("train", "valid", "test", "cache"), "output": ("folder",), "replay": ("data",), "card": ("probe",)}


def absolute(config: Schema) -> Schema:
    """The configuration with absolute paths, so that it is valid in every working folder."""
    plain = config.model_dump()
    for section, keys in PATHS.items():
        for key in keys if plain.get(section) else ():
            value = plain[section][key]
            if isinstance(value, str):
                plain[section][key] = str(Path(value).absolute())
            elif isinstance(value, list):
                plain[section][key] = [str(Path(file).absolute()) for file in value]
    if "start" in plain and Path(plain["start"]["model"]).expanduser().exists():  # else the name of a public model
        plain["start"]["model"] = str(Path(plain["start"]["model"]).expanduser().absolute())
    return type(config).model_validate(plain)


def check_gradient(fit: Gradient) -> None:
    """ConfigError for an unknown optimiser, an unknown argument of it, or an unknown monitored error."""
    optimizer = {key: value for key, value in fit.optimizer.model_dump().items() if value is not None}
    check_optimizer(**optimizer)
    known = [f"{term.property}_{kind}" for term in fit.terms for kind in ("mae", "rmse")]
    if fit.monitor not in ("loss", *known):
        raise ConfigError(f"fit.monitor cannot be {fit.monitor!r}{nearest(fit.monitor, ['loss', *known])}")


def _with_kind_of_fit(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with ``fit.kind``; ConfigError for an unknown kind."""
    fit = content.get("fit")
    if not isinstance(fit, Mapping):
        return dict(content)
    kind = fit.get("kind", "gradient")
    if kind not in WAYS:
        raise ConfigError(f"fit.kind: no way to fit {kind!r}{nearest(str(kind), WAYS)}")
    return dict(content) | {"fit": dict(fit) | {"kind": kind}}


def _with_unscaled_closed_form(content: dict[str, Any]) -> dict[str, Any]:
    """The content with ``baseline.scale: none`` for fits in closed form, whose weights then have units of eV."""
    fit, baseline = content.get("fit"), content.get("baseline", {})
    if not isinstance(fit, Mapping) or fit["kind"] == "gradient" or not isinstance(baseline, Mapping):
        return content
    return content | {"baseline": {"scale": "none"} | dict(baseline)}
