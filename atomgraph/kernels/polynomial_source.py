"""Generates straight-line C++ of a sparse polynomial in several variables, and of its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Monomial = tuple[int, ...]  # variables that are multiplied, sorted; a variable that occurs twice is squared
Term = tuple[int, Monomial]  # output and monomial


class Polynomial:
    r""":math:`o_m = \sum_t c_{m t} \prod_{k \in t} x_k`, written in Horner's form along a tree of the monomials.

    .. math:: o_m = \sum_i x_i \Big(c_{mi} + \sum_{j \ge i} x_j \big(c_{mij} + \sum_{k \ge j} c_{mijk} x_k\big)\Big)

    This takes one multiplication and addition for each term, and one more for each node of the tree. The gradient of
    :math:`\sum_m g_m o_m` sums coefficients over m, then takes one sweep of the same tree.

    A constant term has an empty monomial. In the code x, o, g, d are arrays of ``Vector``; gradients are added to d.

    Args:
        terms: The C++ expression of the coefficient of each term, such as ``load(c + 8)`` or ``0.5``.
    """

    def __init__(self, terms: Mapping[Term, str]):
        self._terms = dict(terms)
        self._outputs = sorted({m for m, _ in self._terms})
        below: dict[Monomial, dict[int, None]] = {}
        for monomial in sorted({t for _, t in self._terms}):
            for k in range(len(monomial)):
                below.setdefault(monomial[:k], {})[monomial[k]] = None
        self._children = {node: list(children) for node, children in below.items()}
        self._holds = {(m, t[:k]) for m, t in self._terms for k in range(len(t) + 1)}

    def value(self) -> str:
        """Statements that set ``o[m]`` for every output with a term."""
        lines = []
        for m in self._outputs:
            lines += ["    {", *self._value_of(m, (), "    "), f"    o[{m}] = s{m}_;", "    }"]
        return "\n".join(lines)

    def gradient(self) -> str:
        """Statements that add :math:`\\sum_m g_m \\partial o_m / \\partial x_k` to ``d[k]``."""
        lines: list[str] = []
        for i in self._children.get((), []):
            lines += ["    {", *self._gradient_of((i,), f"x[{i}]", "    "), f"    d[{i}] += s{_name((i,))};", "    }"]
        return "\n".join(lines)

    def _value_of(self, m: int, node: Monomial, indent: str) -> list[str]:
        """Statements for ``s{m}_{node}``: the sum over the subtree of a node, for one output."""
        name = f"s{m}_{_name(node)}"
        lines, is_declared = [], (m, node) in self._terms
        if is_declared:
            lines.append(f"{indent}Vector {name} = {self._terms[m, node]} + Vector{{}};")
        for k in self._children.get(node, []):
            child = (*node, k)
            if (m, child) not in self._holds:
                continue
            if child not in self._children:
                factor = self._terms[m, child]
            else:
                lines += self._value_of(m, child, indent)
                factor = f"s{m}_{_name(child)}"
            lines.append(
                f"{indent}{name} += {factor} * x[{k}];"
                if is_declared
                else f"{indent}Vector {name} = {factor} * x[{k}];"
            )
            is_declared = True
        return lines

    def _gradient_of(self, node: Monomial, product: str, indent: str) -> list[str]:
        """Statements for ``s{node}``: the sum over a subtree, with coefficients summed over outputs; they add to d."""
        constant = [f"g[{m}] * {self._terms[m, node]}" for m in self._outputs if (m, node) in self._terms]
        name, lines = f"s{_name(node)}", []
        lines.append(f"{indent}Vector {name} = {' + '.join(constant) or 'Vector{}'};")
        children = self._children.get(node, [])
        if children:
            lines.append(f"{indent}const Vector p{_name(node)} = {product};")
        for k in children:
            child = (*node, k)
            lines += self._gradient_of(child, f"p{_name(node)} * x[{k}]", indent)
            lines += [
                f"{indent}{name} += s{_name(child)} * x[{k}];",
                f"{indent}d[{k}] += s{_name(child)} * p{_name(node)};",
            ]
        return lines


def _name(node: Sequence[int]) -> str:
    return "_".join(map(str, node))
