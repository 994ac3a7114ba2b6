"""Generates the C++ of symmetric products: one sparse polynomial, with coefficients that differ by element."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from atomgraph.kernels.polynomial_source import Polynomial, Term
from atomgraph.kernels.term_table_source import TermTable

#: Up to this number of terms, each is a C++ statement. Beyond it, terms are tables: a statement takes the compiler 1 ms, and
#: twenty statements take a MB of memory.
MOST_STATEMENTS = 4000
_AT_ONCE = 4  # atoms for which a coefficient is read once, with terms in tables


class ProductSource:
    """C++ of ``NAME_forward`` and ``NAME_backward``.

    Args:
        channels: Number of channels.
        inputs, outputs: Number of components of each block.
        terms: Outputs and monomials.

    Attributes:
        coefficients: Indices of terms, in the order of the coefficients that the kernels read; terms in tables come twice.
    """

    def __init__(self, channels: int, inputs: Sequence[int], outputs: Sequence[int], terms: Sequence[Term]):
        self._channels, self._inputs, self._outputs = channels, list(inputs), list(outputs)
        if len(terms) > MOST_STATEMENTS:
            table = TermTable(terms, sum(outputs))
            self.coefficients = table.value_terms + table.vjp_terms
            self._functions = _tabulated(table, len(terms))
        else:
            self.coefficients = list(range(len(terms)))
            self._functions = _statements(terms)

    def named(self, name: str) -> str:
        """The C++ text, with this prefix of the two functions."""
        structure = (
            "int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x"
        )
        arguments = "n_threads, n_kinds, first, coefficients, x"
        return f"""
namespace {name} {{
struct Terms {{
    static constexpr int CHANNELS = ({self._channels} + WIDTH - 1) / WIDTH * WIDTH;
    static constexpr int N_IN = {sum(self._inputs)}, N_OUT = {sum(self._outputs)};
    static constexpr int N_COEFFICIENTS = {len(self.coefficients)};
    static constexpr Place in[] = {{{_places(self._inputs)}}}, out[] = {{{_places(self._outputs)}}};
    {self._functions}
}};
}}
ATOMGRAPH_API int {name}_forward({structure}, Real *o) {{
    return guarded([=] {{ Product<{name}::Terms>::forward({arguments}, o); }});
}}
ATOMGRAPH_API int {name}_backward({structure}, const Real *g, Real *d) {{
    return guarded([=] {{ Product<{name}::Terms>::backward({arguments}, g, d); }});
}}
"""


def _statements(terms: Sequence[Term]) -> str:
    """The two functions, with one statement for each term."""
    polynomial = Polynomial({term: f"load(c + {k} * WIDTH)" for k, term in enumerate(terms)})
    return f"""static constexpr int AT_ONCE = 1;
    template <int A>
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
{polynomial.value()}
    }}
    template <int A>
    static inline void vjp(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}"""


def _tabulated(table: TermTable, n_terms: int) -> str:
    """The two functions, with terms in tables."""
    return f"""static constexpr int AT_ONCE = {_AT_ONCE};
    {table.source()}
    template <int A>
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
        terms_value<Terms, A>(x, c, o);
    }}
    template <int A>
    static inline void vjp(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
        terms_vjp<Terms, A>(x, c + {n_terms} * WIDTH, g, d);
    }}"""


def _places(dims: Sequence[int]) -> str:
    """For each component: the number of components before its block, that of its block, and its index in the block."""
    before = accumulate(dims, initial=0)
    return ", ".join(f"{{{first}, {dim}, {m}}}" for first, dim in zip(before, dims, strict=False) for m in range(dim))
