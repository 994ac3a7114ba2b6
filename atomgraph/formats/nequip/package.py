"""Packages of nequip (``.nequip.zip``): the pickled modules are read as data, and the sources in the package are ignored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from atomgraph import safe_yaml
from atomgraph.errors import FormatError
from atomgraph.formats.nequip.package_model import nequip_config
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.module_tree import Tree, build_tree, is_module, module_tensors

_MAX_TEXT = 4 * 2**20  # bytes of a text record


class PackageArchive(Archive):
    """The records of a file that ``torch.package`` wrote."""

    PICKLE = "model/eager_model.pkl"
    STORAGE = ".data/{}.storage"


def read_package(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the arguments of the model builder, with its name under ``_target_``, and the state dict of the model.

    Raises:
        FormatError: If the package is damaged or of an unsupported version, has several models, or a model of unknown parts.
    """
    archive = PackageArchive(path)
    _check_version(archive)
    if not is_module(archive.root):
        raise FormatError("the package does not contain a module")
    tree = build_tree(archive)
    if sorted(tree.children) != ["sole_model"]:
        raise FormatError(f"the package should have one model, but has {', '.join(tree.children)[:200] or 'none'}")
    model = tree["sole_model"]
    functions = model["model.func"]
    tensors = module_tensors(functions)
    # the modules of a NequIP contain all its arguments; those of an Allegro do not
    if "layer0_convnet" in functions:
        return nequip_config(model), tensors
    return _read_training_config(archive, model), tensors


def _check_version(archive: Archive) -> None:
    """Raise FormatError if the metadata name an unsupported version of the package format."""
    metadata = _read_yaml(archive, "model/package_metadata.txt")
    if metadata.get("package_version_id") not in (1, 2):
        raise FormatError(
            f"the package has the version {metadata.get('package_version_id')!r}, but versions 1 and 2 are read; make the "
            "package again with a current version of nequip-package"
        )


def _read_training_config(archive: Archive, model: Tree) -> dict[str, Any]:
    """Return the arguments of the model in the training configuration that the package contains."""
    config: Any = _read_yaml(archive, "model/config.yaml")
    for key in ("training_module", "model"):
        config = config.get(key) if isinstance(config, Mapping) else None
    if not isinstance(config, Mapping) or not str(config.get("_target_", "")).startswith(("nequip.", "allegro.")):
        raise FormatError(f"the package with a {model.kind} does not contain the arguments of its model")
    return dict(config)


def _read_yaml(archive: Archive, name: str) -> dict[str, Any]:
    """Return the mapping in a YAML record; FormatError if the record is damaged."""
    try:
        content: Any = safe_yaml.load(archive.record(f"{archive.folder}{name}", _MAX_TEXT), yaml.CSafeLoader)
    except (safe_yaml.YamlBoundError, yaml.YAMLError, ValueError, UnicodeDecodeError) as error:
        raise FormatError(
            f"the record {name} of the package is damaged ({' '.join(str(error).split())[:100]})"
        ) from None
    if not isinstance(content, Mapping):
        raise FormatError(f"the record {name} of the package should be a mapping")
    return dict(content)
