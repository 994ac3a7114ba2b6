"""The model in a file of schnetpack: a saved model, a saved task, or a checkpoint of Lightning."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.decode import ValueDecoder, text_entries
from atomgraph.formats.pickled.module_tree import Tree, build_tree, child_modules, is_module
from atomgraph.formats.pickled.safe_pickle import PickledObject

_MODEL = "schnetpack.model.base.NeuralNetworkPotential"
_TASK = "schnetpack.task.AtomisticTask"
_PREFIX = "model."  # of the names in the state dict of a checkpoint
_ADVICE = "give the file best_model that the training run wrote"


def recognises_root(root: Any) -> bool:
    """Return whether the object in an archive was written by schnetpack, of any version."""
    if _is_of_schnetpack(root):
        return True
    entries = text_entries(root)
    names = {**text_entries(entries.get("state_dict")), **entries}
    return any(name.removeprefix(_PREFIX).startswith("representation.") for name in names)


def find_module(archive: Archive) -> Tree:
    """Return the modules of the model in an archive.

    Args:
        archive: Archive whose root ``recognises_root`` accepts.

    Raises:
        FormatError: If the archive contains no model of schnetpack 2, or its architecture is missing.
    """
    root = archive.root
    if _is_of_schnetpack(root):
        return build_tree(archive, _model_of_object(root))
    entries = text_entries(root)
    _require_version_2(entries)
    if "state_dict" not in entries:
        raise FormatError(f"the file contains the weights of a schnetpack model without its architecture; {_ADVICE}")
    _require_version_2(text_entries(entries["state_dict"]))
    node = text_entries(entries.get("hyper_parameters")).get("model")
    if not isinstance(node, PickledObject) or not is_module(node):
        raise FormatError(f"the checkpoint of schnetpack contains weights, but not the architecture; {_ADVICE}")
    tree = build_tree(archive, _model_of_object(node))
    _replace_weights(tree, ValueDecoder(archive.tensor)(entries["state_dict"]))
    return tree


def _model_of_object(root: PickledObject) -> PickledObject:
    """Return the module of the model in a module or a task; FormatError for other objects."""
    if root.path == _TASK:
        node = child_modules(root).get("model")
        if isinstance(node, PickledObject) and is_module(node):
            return _model_of_object(node)
        raise FormatError(f"the task of schnetpack contains no model; {_ADVICE}")
    if root.path == _MODEL and is_module(root):
        return root
    if root.module.startswith("schnetpack.atomistic."):
        raise FormatError(
            f"the file contains a {root.path} of schnetpack 0.x or 1.x, whose models are different functions; convert the "
            "file with spkconvert of schnetpack 2, and give the result"
        )
    raise FormatError(f"the file contains a {root.path}, which is not read; atomgraph reads {_MODEL}")


def _is_of_schnetpack(value: Any) -> bool:
    """Return whether an object of the file has a class of schnetpack."""
    return isinstance(value, PickledObject) and value.module.split(".")[0] == "schnetpack"


def _require_version_2(weights: dict[str, Any]) -> None:
    """Raise FormatError if the names of weights are those of schnetpack 0.x or 1.x."""
    if any("distance_expansion" in name or ".cfconv." in name for name in weights):
        raise FormatError(
            "the file contains weights of schnetpack 0.x or 1.x; convert the file with spkconvert of schnetpack 2, and give "
            "the result"
        )


def _replace_weights(tree: Tree, weights: Any) -> None:
    """Replace the parameters and buffers of a model by those of the state dict of a checkpoint.

    Raises:
        FormatError: If a weight is missing, or has another shape.
    """
    for path, module in tree.walk():
        for tensors in (module.parameters, module.buffers):
            for name, tensor in tensors.items():
                full_name = f"{_PREFIX}{path}.{name}" if path else f"{_PREFIX}{name}"
                weight = weights.get(full_name) if isinstance(weights, dict) else None
                if isinstance(weight, Tensor) and weight.shape == tensor.shape:
                    tensors[name] = weight
                elif tensors is module.parameters or weight is not None:
                    problem = "missing" if weight is None else f"not of the shape {tuple(tensor.shape)}"
                    raise FormatError(f"the weight {full_name} of the checkpoint is {problem}")
