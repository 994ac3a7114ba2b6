"""Tables of the terms of a sparse polynomial, for the loops of ``term_table.h``; used if there are too many for statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from atomgraph.kernels.polynomial_source import Monomial, Term

Tree = Mapping[Monomial, Sequence[int]]  # for each monomial, the variables that extend it


class TermTable:
    """The tree of ``polynomial_source.Polynomial`` as tables: each node follows its children.

    Args:
        terms: Outputs and monomials.
        n_outputs: Number of outputs, with those that have no term.

    Attributes:
        value_terms, vjp_terms: Indices of terms, in the order in which each of the two loops reads their coefficients.
    """

    def __init__(self, terms: Sequence[Term], n_outputs: int):
        self.value_terms: list[int] = []
        self.vjp_terms: list[int] = []
        self._depth = max([len(monomial) for _, monomial in terms], default=1)
        self._nodes: list[tuple[int, int, int, int]] = []
        self._leaves: list[int] = []
        self._vjp_nodes: list[tuple[int, int, int, int]] = []
        self._vjp_leaves: list[tuple[int, int]] = []
        self._paths: list[int] = []
        self._outputs: list[int] = []
        for m in range(n_outputs):
            index = {monomial: k for k, (output, monomial) in enumerate(terms) if output == m}
            self._add_values((), _tree(index), index)
        indices: dict[Monomial, list[int]] = {}
        for k, (_, monomial) in enumerate(terms):
            indices.setdefault(monomial, []).append(k)
        self._add_vjp((), _tree(indices), indices, [m for m, _ in terms])

    def source(self) -> str:
        """Members of a C++ structure that ``terms_value`` and ``terms_vjp`` read."""
        byte = "unsigned char"
        arrays = (
            ("Node", "nodes", map(_braces, self._nodes)),
            (byte, "leaves", self._leaves or [0]),
            ("Node", "vjp_nodes", map(_braces, self._vjp_nodes)),
            ("Leaf", "vjp_leaves", map(_braces, self._vjp_leaves or [(0, 0)])),
            (byte, "paths", self._paths or [0]),
            (byte, "outputs", self._outputs or [0]),
        )
        lines = [f"static constexpr {kind} {name}[] = {{{_commas(items)}}};" for kind, name, items in arrays]
        return "\n    ".join([f"static constexpr int DEPTH = {self._depth};", *lines])

    def _add_values(self, node: Monomial, tree: Tree, index: Mapping[Monomial, int]) -> None:
        inner, leaves = _children(node, tree)
        for child in inner:
            self._add_values(child, tree, index)
        self._nodes.append((len(node), node[-1] if node else 0, int(node in index), len(leaves)))
        self._leaves += [leaf[-1] for leaf in leaves]
        self.value_terms += [index[monomial] for monomial in (node, *leaves) if monomial in index]

    def _add_vjp(
        self, node: Monomial, tree: Tree, indices: Mapping[Monomial, list[int]], outputs: Sequence[int]
    ) -> None:
        inner, leaves = _children(node, tree)
        for child in inner:
            self._add_vjp(child, tree, indices, outputs)
        self._vjp_nodes.append((len(node), node[-1] if node else 0, len(indices.get(node, [])), len(leaves)))
        self._vjp_leaves += [(leaf[-1], len(indices[leaf])) for leaf in leaves]
        self._paths += node
        terms = [k for monomial in (node, *leaves) for k in indices.get(monomial, [])]
        self.vjp_terms += terms
        self._outputs += [outputs[k] for k in terms]


def _tree(monomials: Iterable[Monomial]) -> Tree:
    """The variables that extend each prefix of a monomial, sorted."""
    below: dict[Monomial, dict[int, None]] = {(): {}}
    for monomial in sorted(monomials):
        for k in range(len(monomial)):
            below.setdefault(monomial[:k], {})[monomial[k]] = None
    return {node: list(children) for node, children in below.items()}


def _children(node: Monomial, tree: Tree) -> tuple[list[Monomial], list[Monomial]]:
    """Children of a node: those that are prefixes of others, and leaves."""
    children = [(*node, k) for k in tree[node]]
    return [child for child in children if child in tree], [child for child in children if child not in tree]


def _braces(numbers: Iterable[int]) -> str:
    return f"{{{_commas(numbers)}}}"


def _commas(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
