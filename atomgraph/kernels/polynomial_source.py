"""Generation of C++ statements for a sparse polynomial in several variables, and for its gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Monomial = tuple[int, ...]  # sorted indices of the variables that are multiplied; (0, 2, 2) is x0 x2²
Term = tuple[int, Monomial]  # index of an output, and a monomial of this output


class Polynomial:
    r"""Sparse polynomials :math:`o_m = \sum_t c_{m t} \prod_{k \in t} x_k` of monomials t, in Horner's form along their tree.

    .. math:: o_m = \sum_i x_i \Big(c_{mi} + \sum_{j \ge i} x_j \big(c_{mij} + \sum_{k \ge j} c_{mijk} x_k\big)\Big)

    Each term and each node of the tree need one multiplication and addition. For the gradient of :math:`\sum_m g_m o_m`, the
    coefficients are summed over m, and the same tree is evaluated once.

    A constant term has an empty monomial. In the C++ code, x (variables), o (outputs), g (gradient with respect to outputs)
    and d (gradient with respect to variables) are arrays of ``Vector``. Gradients are added to d.

    Args:
        terms: C++ expression of the coefficient of each term, for example ``load(c + 8)`` or ``0.5``.
    """

    def __init__(self, terms: Mapping[Term, str]):
        self._terms = dict(terms)
        self._outputs = sorted({m for m, _ in self._terms})
        children: dict[Monomial, dict[int, None]] = {}  # the inner dictionaries are ordered sets
        for monomial in sorted({t for _, t in self._terms}):
            for k in range(len(monomial)):
                children.setdefault(monomial[:k], {})[monomial[k]] = None
        self._children = {node: list(variables) for node, variables in children.items()}
        self._prefixes = {(m, t[:k]) for m, t in self._terms for k in range(len(t) + 1)}

    def value(self) -> str:
        """Return statements that set ``o[m]`` for every output with a term."""
        lines = []
        for m in self._outputs:
            lines += ["    {", *self._value_statements(m, (), "    "), f"    o[{m}] = s{m}_;", "    }"]
        return "\n".join(lines)

    def gradient(self) -> str:
        """Return statements that add :math:`\\sum_m g_m \\partial o_m / \\partial x_k` to ``d[k]``."""
        lines: list[str] = []
        for i in self._children.get((), []):
            lines += [
                "    {",
                *self._gradient_statements((i,), f"x[{i}]", "    "),
                f"    d[{i}] += s{_name((i,))};",
                "    }",
            ]
        return "\n".join(lines)

    def _value_statements(self, m: int, node: Monomial, indent: str) -> list[str]:
        """Return statements that compute ``s{m}_{node}``, the sum over the subtree of a node, for the output m."""
        name = f"s{m}_{_name(node)}"
        lines, is_declared = [], (m, node) in self._terms
        if is_declared:
            lines.append(f"{indent}Vector {name} = {self._terms[m, node]} + Vector{{}};")
        for k in self._children.get(node, []):
            child = (*node, k)
            if (m, child) not in self._prefixes:
                continue
            if child not in self._children:
                factor = self._terms[m, child]
            else:
                lines += self._value_statements(m, child, indent)
                factor = f"s{m}_{_name(child)}"
            lines.append(
                f"{indent}{name} += {factor} * x[{k}];"
                if is_declared
                else f"{indent}Vector {name} = {factor} * x[{k}];"
            )
            is_declared = True
        return lines

    def _gradient_statements(self, node: Monomial, product: str, indent: str) -> list[str]:
        """Return statements that compute ``s{node}``, the sum over a subtree and over outputs, and statements that add to d.

        Args:
            node: Monomial of the root of the subtree.
            product: C++ expression of this monomial.
            indent: Spaces at the start of each line.
        """
        constant = [f"g[{m}] * {self._terms[m, node]}" for m in self._outputs if (m, node) in self._terms]
        name, lines = f"s{_name(node)}", []
        lines.append(f"{indent}Vector {name} = {' + '.join(constant) or 'Vector{}'};")
        children = self._children.get(node, [])
        if children:
            lines.append(f"{indent}const Vector p{_name(node)} = {product};")
        for k in children:
            child = (*node, k)
            lines += self._gradient_statements(child, f"p{_name(node)} * x[{k}]", indent)
            lines += [
                f"{indent}{name} += s{_name(child)} * x[{k}];",
                f"{indent}d[{k}] += s{_name(child)} * p{_name(node)};",
            ]
        return lines


def _name(node: Sequence[int]) -> str:
    return "_".join(map(str, node))
