"""Generation of C++ tables of the terms of a sparse polynomial, which the loops of ``term_table.h`` evaluate.

Tables are used for polynomials with too many terms for one C++ statement each (``product_source.MAX_STATEMENTS``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from atomgraph.kernels.polynomial_source import Monomial, Term

Tree = Mapping[Monomial, Sequence[int]]  # for each inner node, a prefix of monomials, the variables of its children


class TermTable:
    """The tree of monomials in ``polynomial_source.Polynomial`` as tables, in which each node is listed after its children.

    Nodes are prefixes of monomials. Nodes without children are leaves, which have their own tables.

    Args:
        terms: Pairs (output, monomial), one for each term.
        n_outputs: Number of outputs, including outputs without terms.

    Attributes:
        value_terms: Indices of terms, in the order in which the loop for values reads their coefficients.
        vjp_terms: Indices of terms, in the order in which the loop for gradients reads their coefficients.
    """

    def __init__(self, terms: Sequence[Term], n_outputs: int):
        self.value_terms: list[int] = []
        self.vjp_terms: list[int] = []
        self._depth = max([len(monomial) for _, monomial in terms], default=1)
        self._nodes: list[tuple[int, int, int, int]] = []  # depth, variable, terms, leaves; see Node in term_table.h
        self._leaves: list[int] = []  # variables
        self._vjp_nodes: list[tuple[int, int, int, int]] = []
        self._vjp_leaves: list[tuple[int, int]] = []  # variable, number of terms
        self._paths: list[int] = []  # variables of the monomials of all nodes
        self._outputs: list[int] = []  # output of each term in ``vjp_terms``
        for m in range(n_outputs):
            index = {monomial: k for k, (output, monomial) in enumerate(terms) if output == m}
            self._add_values((), _tree(index), index)
        indices: dict[Monomial, list[int]] = {}
        for k, (_, monomial) in enumerate(terms):
            indices.setdefault(monomial, []).append(k)
        self._add_vjp((), _tree(indices), indices, [m for m, _ in terms])

    def source(self) -> str:
        """Return the C++ members that ``terms_value`` and ``terms_vjp`` read."""
        byte = "unsigned char"  # C++ arrays must not be empty, therefore `or [0]`
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
        """Add the subtree of a node for one output; ``index`` is the index of the term of each monomial."""
        inner_nodes, leaves = _children(node, tree)
        for child in inner_nodes:
            self._add_values(child, tree, index)
        self._nodes.append((len(node), node[-1] if node else 0, int(node in index), len(leaves)))
        self._leaves += [leaf[-1] for leaf in leaves]
        self.value_terms += [index[monomial] for monomial in (node, *leaves) if monomial in index]

    def _add_vjp(
        self, node: Monomial, tree: Tree, indices: Mapping[Monomial, list[int]], outputs: Sequence[int]
    ) -> None:
        """Add the subtree of a node for the gradient; ``indices``: terms of each monomial; ``outputs``: output of each term."""
        inner_nodes, leaves = _children(node, tree)
        for child in inner_nodes:
            self._add_vjp(child, tree, indices, outputs)
        self._vjp_nodes.append((len(node), node[-1] if node else 0, len(indices.get(node, [])), len(leaves)))
        self._vjp_leaves += [(leaf[-1], len(indices[leaf])) for leaf in leaves]
        self._paths += node
        terms = [k for monomial in (node, *leaves) for k in indices.get(monomial, [])]
        self.vjp_terms += terms
        self._outputs += [outputs[k] for k in terms]


def _tree(monomials: Iterable[Monomial]) -> Tree:
    """Return the tree of monomials: for each prefix of a monomial, the sorted variables of its children."""
    children: dict[Monomial, dict[int, None]] = {(): {}}  # the inner dictionaries are ordered sets
    for monomial in sorted(monomials):
        for k in range(len(monomial)):
            children.setdefault(monomial[:k], {})[monomial[k]] = None
    return {node: list(variables) for node, variables in children.items()}


def _children(node: Monomial, tree: Tree) -> tuple[list[Monomial], list[Monomial]]:
    """Return the children of a node that have children, and the children that are leaves."""
    children = [(*node, k) for k in tree[node]]
    return [child for child in children if child in tree], [child for child in children if child not in tree]


def _braces(numbers: Iterable[int]) -> str:
    return f"{{{_commas(numbers)}}}"


def _commas(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
