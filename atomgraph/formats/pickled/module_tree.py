"""``Tree``: the modules of a pickled model as a tree of parameters, buffers, attributes and submodules."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.pickled.archive import Archive
from atomgraph.formats.pickled.decode import ValueDecoder, dict_items
from atomgraph.formats.pickled.safe_pickle import PickledObject
from atomgraph.old_names import old_names_of

_MAX_DEPTH, _MAX_MODULES = 40, 100_000  # limits of nesting and of the number of modules in a file
_HOOK_PREFIXES = (
    "_backward",
    "_forward",
    "_state_dict",
    "_load_state",
    "_non_persistent",
    "_is_full",
    "_full_backward",
)
_SKIPPED_ATTRIBUTES = {"_parameters", "_buffers", "_modules", "training", "__codegen__", "_graph", "_code"}


@dataclass
class Tree:
    """One module of a file, with its submodules.

    Attributes:
        kind: Name of the class of the module.
        module: Name of the Python module that defines the class.
        children: Submodules by name.
        parameters: Parameters of this module by name, without submodules.
        buffers: Buffers of this module by name, without submodules.
        attributes: All other attributes by name, as plain Python values.
        trained: ``requires_grad`` of each parameter, by name.
        adapters: Number of LoRA adapters that were merged into the weights by the reader, of the root; 0 for other modules.
    """

    kind: str
    module: str
    children: dict[str, Tree] = field(default_factory=dict)
    parameters: dict[str, Tensor] = field(default_factory=dict)
    buffers: dict[str, Tensor] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    trained: dict[str, bool] = field(default_factory=dict)
    adapters: int = 0

    def get(self, path: str) -> Tree | None:
        """Return the submodule at a dotted path; None if there is none."""
        part: Tree | None = self
        for name in path.split("."):
            part = None if part is None else part.children.get(name)
        return part

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __getitem__(self, path: str) -> Tree:
        part = self.get(path)
        if part is None:
            raise FormatError(f"the module {self.kind} lacks the part {path}")
        return part

    def find_tensor(self, path: str) -> Tensor | None:
        """Return the parameter, buffer or tensor attribute at a dotted path; None if there is none."""
        owner_path, _, name = path.rpartition(".")
        owner = self.get(owner_path) if owner_path else self
        if owner is None:
            return None
        for tensors in (owner.parameters, owner.buffers, owner.attributes):
            if isinstance(result := tensors.get(name), Tensor):
                return result
        return None

    def tensor(self, path: str) -> Tensor:
        """Return the parameter, buffer or tensor attribute at a dotted path; FormatError if it is missing."""
        result = self.find_tensor(path)
        if result is None:
            raise FormatError(f"the module {self.kind} lacks the tensor {path}")
        return result

    def attribute(self, name: str, *kinds: type) -> Any:
        """Return an attribute of one of these types; FormatError if it is missing or of another type."""
        value = self.attributes.get(name)
        if not isinstance(value, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise FormatError(
                f"the module {self.kind} should have an attribute {name}, {expected}, but has {str(value)[:60]!r}"
            )
        return value

    def walk(self, name: str = "") -> Iterator[tuple[str, Tree]]:
        """Yield the dotted path and the module for this module and all submodules."""
        yield name, self
        for key, child in self.children.items():
            yield from child.walk(f"{name}.{key}" if name else key)


def is_module(value: Any) -> bool:
    """Return whether an object of the file is a torch module."""
    return isinstance(value, PickledObject) and any(key == "_modules" for key, _ in dict_items(_state(value)))


def _is_graph(value: Any) -> bool:
    """Return whether an object is traced code, which repeats the content of other modules."""
    return isinstance(value, PickledObject) and value.module == "torch.fx.graph_module"


def build_tree(archive: Archive, root: PickledObject | None = None) -> Tree:
    """Return the module tree of an archive.

    Args:
        archive: The archive.
        root: A module in the archive; None: the root of the archive.
    """
    return _TreeBuilder(ValueDecoder(archive.tensor)).build(archive.root if root is None else root, 0)


def child_modules(node: PickledObject) -> dict[str, Any]:
    """Return the submodules of a module of the file by name, as objects of the file."""
    fields = {_name(key): value for key, value in dict_items(_state(node))}
    return {_name(key): value for key, value in dict_items(fields.get("_modules"))}


def module_tensors(tree: Tree) -> dict[str, Tensor]:
    """Return the parameters and buffers of a module and its submodules, by dotted names."""
    tensors: dict[str, Tensor] = {}
    for path, module in tree.walk():
        prefix = f"{path}." if path else ""
        tensors |= {f"{prefix}{name}": tensor for name, tensor in (module.parameters | module.buffers).items()}
    return tensors


class _TreeBuilder:
    """Builds module trees, with a limit on depth and number of modules."""

    def __init__(self, decode: ValueDecoder):
        self._decode, self._count = decode, 0

    def build(self, node: PickledObject, depth: int) -> Tree:
        """Return the tree of a module.

        Args:
            node: The module.
            depth: Number of modules that contain this module.

        Raises:
            FormatError: If modules are nested too deeply, or a submodule is not a module.
        """
        self._count += 1
        if depth > _MAX_DEPTH or self._count > _MAX_MODULES:
            raise FormatError("the modules are nested in a circle, or deeper than in any model")
        fields = {_name(key): value for key, value in dict_items(_state(node))}
        tree = Tree(node.name, node.module)
        for name, value in dict_items(fields.get("_parameters")):
            if (result := self._decode.parameter(value)) is not None:
                tree.parameters[_name(name)], tree.trained[_name(name)] = result
        for name, value in dict_items(fields.get("_buffers")):
            if (result := self._decode.parameter(value)) is not None:
                tree.buffers[_name(name)] = result[0]
        for name, value in fields.items():
            if name not in _SKIPPED_ATTRIBUTES and not name.startswith(_HOOK_PREFIXES):
                tree.attributes[name] = self._decode(value)
        for name, child in dict_items(fields.get("_modules")):
            if is_module(child):
                tree.children[_name(name)] = self.build(child, depth + 1)
            elif child is not None and not _is_graph(child):
                raise FormatError(
                    f"the module {node.name} has a part {_name(name)} that is not a module, but {self._decode(child)!s:.60}"
                )
        return tree


def _name(key: Any) -> str:
    """Return a name of the file; FormatError if it is not text."""
    if not isinstance(key, str):
        raise FormatError(f"the name of a part should be text, but is a {type(key).__name__}")
    return key


def _state(node: PickledObject) -> Any:
    """Return the attributes of an object, from its state or from a pair of a dict and slots."""
    if isinstance(node.state, tuple) and len(node.state) == 2:
        return dict([*dict_items(node.state[0]), *dict_items(node.state[1])])
    return node.state


__getattr__ = old_names_of(__name__)
