"""Generation of the C++ of symmetric products: sparse polynomials with different coefficients for each element."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from atomgraph.kernels.polynomial_source import Polynomial, Term
from atomgraph.kernels.term_table_source import TermTable

#: Up to this number of terms, each term is a C++ statement; more terms are stored in tables. The compiler needs 1 ms for each
#: statement, and 1 MB of memory for twenty statements.
MAX_STATEMENTS = 4000
_ATOMS_PER_STEP = 4  # number of atoms for which a coefficient is read once, if terms are stored in tables


class ProductSource:
    """C++ source of the two functions ``NAME_forward`` and ``NAME_backward``.

    Args:
        channels: Number of channels.
        inputs: Number of components of each block of the input.
        outputs: Number of components of each block of the output.
        terms: Pairs (output, monomial), one for each term.

    Attributes:
        coefficient_terms: For each coefficient, the index of its term, in the order in which kernels read them. If terms are
            stored in tables, each index occurs twice: first for the value, then for the gradient.
    """

    def __init__(self, channels: int, inputs: Sequence[int], outputs: Sequence[int], terms: Sequence[Term]):
        self._channels, self._inputs, self._outputs = channels, list(inputs), list(outputs)
        if len(terms) > MAX_STATEMENTS:
            table = TermTable(terms, sum(outputs))
            self.coefficient_terms = table.value_terms + table.vjp_terms
            self._functions = _table_functions(table, len(terms))
        else:
            self.coefficient_terms = list(range(len(terms)))
            self._functions = _statement_functions(terms)

    def code(self, name: str) -> str:
        """Return the C++ text; ``name`` is the prefix of the two functions."""
        parameters = (
            "int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x"
        )
        arguments = "n_threads, n_kinds, first, coefficients, x"
        return f"""
namespace {name} {{
struct Terms {{
    static constexpr int CHANNELS = ({self._channels} + WIDTH - 1) / WIDTH * WIDTH;
    static constexpr int N_IN = {sum(self._inputs)}, N_OUT = {sum(self._outputs)};
    static constexpr int N_COEFFICIENTS = {len(self.coefficient_terms)};
    static constexpr Place in[] = {{{_places(self._inputs)}}}, out[] = {{{_places(self._outputs)}}};
    {self._functions}
}};
}}
ATOMGRAPH_API int {name}_forward({parameters}, Real *o) {{
    return guarded([=] {{ Product<{name}::Terms>::forward({arguments}, o); }});
}}
ATOMGRAPH_API int {name}_backward({parameters}, const Real *g, Real *d) {{
    return guarded([=] {{ Product<{name}::Terms>::backward({arguments}, g, d); }});
}}
"""


def _statement_functions(terms: Sequence[Term]) -> str:
    """Return the C++ functions ``value`` and ``vjp``, with one statement for each term."""
    polynomial = Polynomial({term: f"load(c + {k} * WIDTH)" for k, term in enumerate(terms)})
    return f"""static constexpr int ATOMS_PER_STEP = 1;
    template <int A>
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
{polynomial.value()}
    }}
    template <int A>
    static inline void vjp(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}"""


def _table_functions(table: TermTable, n_terms: int) -> str:
    """Return the C++ functions ``value`` and ``vjp``, with terms stored in tables."""
    return f"""static constexpr int ATOMS_PER_STEP = {_ATOMS_PER_STEP};
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
    """Return, for each component, the offset of its block, the size of its block, and its index in the block."""
    offsets = accumulate(dims, initial=0)
    return ", ".join(f"{{{first}, {dim}, {m}}}" for first, dim in zip(offsets, dims, strict=False) for m in range(dim))
