"""A saved module as a tree of parameters, buffers, attributes and children, by their names in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from atomgraph.errors import FormatError
from atomgraph.formats.mace.archive import Archive
from atomgraph.formats.mace.decode import Plain, items_of
from atomgraph.formats.mace.safe_pickle import PickledObject

_DEEPEST, _MOST = 40, 100_000
_HOOKS = ("_backward", "_forward", "_state_dict", "_load_state", "_non_persistent", "_is_full", "_full_backward")
_SKIPPED = {"_parameters", "_buffers", "_modules", "training", "__codegen__", "_graph", "_code"}


@dataclass
class Tree:
    """One module of a file. kind, module: name of its class, and where that lives.

    Attributes:
        parameters, buffers: Own tensors by name.
        attributes: Everything else, as plain values.
        trained: Which parameters.
        adapters: How many low-rank adapters were merged, on the root.
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
        """The part at a dotted path, or None."""
        part: Tree | None = self
        for name in path.split("."):
            part = None if part is None else part.children.get(name)
        return part

    def __contains__(self, path: str) -> bool:
        return self.get(path) is not None

    def __getitem__(self, path: str) -> Tree:
        part = self.get(path)
        if part is None:
            raise FormatError(f"its {self.kind} lacks the part {path}")
        return part

    def find_tensor(self, path: str) -> Tensor | None:
        """The parameter, buffer or tensor attribute at a dotted path, or None."""
        owner_path, _, name = path.rpartition(".")
        owner = self.get(owner_path) if owner_path else self
        if owner is None:
            return None
        for place in (owner.parameters, owner.buffers, owner.attributes):
            if isinstance(result := place.get(name), Tensor):
                return result
        return None

    def tensor(self, path: str) -> Tensor:
        """The same; FormatError where it is missing."""
        result = self.find_tensor(path)
        if result is None:
            raise FormatError(f"its {self.kind} lacks the tensor {path}")
        return result

    def attribute(self, name: str, *kinds: type) -> Any:
        """An attribute that must be there and of one of these kinds; FormatError otherwise."""
        value = self.attributes.get(name)
        if not isinstance(value, kinds):
            expected = " or ".join(kind.__name__ for kind in kinds)
            raise FormatError(
                f"its {self.kind} should have an attribute {name}, {expected}, but has {str(value)[:60]!r}"
            )
        return value

    def walk(self, name: str = "") -> Iterator[tuple[str, Tree]]:
        """(dotted path, part) of this part and everything below."""
        yield name, self
        for key, child in self.children.items():
            yield from child.walk(f"{name}.{key}" if name else key)


def is_module(value: Any) -> bool:
    """Is this a stand-in for a torch module?"""
    return isinstance(value, PickledObject) and any(key == "_modules" for key, _ in items_of(_state(value)))


def _is_graph(value: Any) -> bool:
    """Is this traced code, which repeats what the modules around it hold?"""
    return isinstance(value, PickledObject) and value.module == "torch.fx.graph_module"


def tree_of(archive: Archive) -> Tree:
    """The tree of an archive whose root is a module."""
    return _Growing(Plain(archive.tensor)).grow(archive.root, 0)


class _Growing:
    def __init__(self, plain: Plain):
        self._plain, self._count = plain, 0

    def grow(self, node: PickledObject, depth: int) -> Tree:
        self._count += 1
        if depth > _DEEPEST or self._count > _MOST:
            raise FormatError("its modules are nested in a circle, or deeper than any model's")
        fields = {_name(key): value for key, value in items_of(_state(node))}
        tree = Tree(node.name, node.module)
        for name, value in items_of(fields.get("_parameters")):
            if (result := self._plain.parameter(value)) is not None:
                tree.parameters[_name(name)], tree.trained[_name(name)] = result
        for name, value in items_of(fields.get("_buffers")):
            if (result := self._plain.parameter(value)) is not None:
                tree.buffers[_name(name)] = result[0]
        for name, value in fields.items():
            if name not in _SKIPPED and not name.startswith(_HOOKS):
                tree.attributes[name] = self._plain(value)
        for name, child in items_of(fields.get("_modules")):
            if is_module(child):
                tree.children[_name(name)] = self.grow(child, depth + 1)
            elif child is not None and not _is_graph(child):
                raise FormatError(
                    f"its {node.name} has a part {_name(name)} that is no module, but {self._plain(child)!s:.60}"
                )
        return tree


def _name(key: Any) -> str:
    """A name in the file, which is a text."""
    if not isinstance(key, str):
        raise FormatError(f"it names a part by a {type(key).__name__}")
    return key


def _state(node: PickledObject) -> Any:
    """The attributes of an object: its state, or the pair of dict and slots that some classes give."""
    if isinstance(node.state, tuple) and len(node.state) == 2:
        return dict([*items_of(node.state[0]), *items_of(node.state[1])])
    return node.state
