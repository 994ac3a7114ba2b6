"""A sparse polynomial as tables that ``walk.h`` goes through, where code for each term would be too much."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from atomgraph.kernels.polynomial_source import Monomial, Term

Tree = Mapping[Monomial, Sequence[int]]  # which variables a monomial goes on with


class Walk:
    """The same tree as ``polynomial.Polynomial``'s: each node after all that it is the beginning of.

    Args:
        terms: Which output, which monomial.
        n_outputs: Also those without a term. values, slopes: places among the terms, in the order in which each of both
            walks reads their coefficients.
    """

    def __init__(self, terms: Sequence[Term], n_outputs: int):
        self.values: list[int] = []
        self.slopes: list[int] = []
        self._depth = max([len(monomial) for _, monomial in terms], default=1)
        self._nodes: list[tuple[int, int, int, int]] = []
        self._leaves: list[int] = []
        self._slope_nodes: list[tuple[int, int, int, int]] = []
        self._slope_leaves: list[tuple[int, int]] = []
        self._paths: list[int] = []
        self._outputs: list[int] = []
        for m in range(n_outputs):
            place = {monomial: k for k, (output, monomial) in enumerate(terms) if output == m}
            self._add_values((), _tree(place), place)
        of: dict[Monomial, list[int]] = {}
        for k, (_, monomial) in enumerate(terms):
            of.setdefault(monomial, []).append(k)
        self._add_slopes((), _tree(of), of, [m for m, _ in terms])

    def source(self) -> str:
        """Members of a C++ structure that ``walk_value`` and ``walk_slope`` take."""
        byte = "unsigned char"
        arrays = (
            ("Node", "nodes", map(_braces, self._nodes)),
            (byte, "leaves", self._leaves or [0]),
            ("Node", "slope_nodes", map(_braces, self._slope_nodes)),
            ("Leaf", "slope_leaves", map(_braces, self._slope_leaves or [(0, 0)])),
            (byte, "paths", self._paths or [0]),
            (byte, "outputs", self._outputs or [0]),
        )
        lines = [f"static constexpr {kind} {name}[] = {{{_commas(found)}}};" for kind, name, found in arrays]
        return "\n    ".join([f"static constexpr int DEPTH = {self._depth};", *lines])

    def _add_values(self, node: Monomial, tree: Tree, place: Mapping[Monomial, int]) -> None:
        inner, leaves = _children(node, tree)
        for child in inner:
            self._add_values(child, tree, place)
        self._nodes.append((len(node), node[-1] if node else 0, int(node in place), len(leaves)))
        self._leaves += [leaf[-1] for leaf in leaves]
        self.values += [place[each] for each in (node, *leaves) if each in place]

    def _add_slopes(self, node: Monomial, tree: Tree, of: Mapping[Monomial, list[int]], outputs: Sequence[int]) -> None:
        inner, leaves = _children(node, tree)
        for child in inner:
            self._add_slopes(child, tree, of, outputs)
        self._slope_nodes.append((len(node), node[-1] if node else 0, len(of.get(node, [])), len(leaves)))
        self._slope_leaves += [(leaf[-1], len(of[leaf])) for leaf in leaves]
        self._paths += node
        found = [k for each in (node, *leaves) for k in of.get(each, [])]
        self.slopes += found
        self._outputs += [outputs[k] for k in found]


def _tree(monomials: Iterable[Monomial]) -> Tree:
    """What each beginning of a monomial goes on with, sorted."""
    below: dict[Monomial, dict[int, None]] = {(): {}}
    for monomial in sorted(monomials):
        for k in range(len(monomial)):
            below.setdefault(monomial[:k], {})[monomial[k]] = None
    return {node: list(children) for node, children in below.items()}


def _children(node: Monomial, tree: Tree) -> tuple[list[Monomial], list[Monomial]]:
    """Those that go on, and those that do not."""
    children = [(*node, k) for k in tree[node]]
    return [child for child in children if child in tree], [child for child in children if child not in tree]


def _braces(numbers: Iterable[int]) -> str:
    return f"{{{_commas(numbers)}}}"


def _commas(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
