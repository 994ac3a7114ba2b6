"""The source of products of an atom's sums: one sparse polynomial for all elements, whose coefficients differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from atomgraph.kernels.polynomial_source import Polynomial, Term
from atomgraph.kernels.term_table_source import Walk

#: Terms up to which each is a statement; code for more takes the compiler 1 ms and a MB of memory for twenty, each.
MOST_STATEMENTS = 4000
_AT_ONCE = 4  # atoms that share a coefficient where terms are data


class ProductSource:
    """C++ of ``NAME_forward`` and ``NAME_backward``.

    Args:
        inputs, outputs: How many components each block has. coefficients: places among the terms, in the order in which
            the kernels want their coefficients; some come twice.
    """

    def __init__(self, channels: int, inputs: Sequence[int], outputs: Sequence[int], terms: Sequence[Term]):
        self._channels, self._inputs, self._outputs = channels, list(inputs), list(outputs)
        if len(terms) > MOST_STATEMENTS:
            walk = Walk(terms, sum(outputs))
            self.coefficients = walk.values + walk.slopes
            self._functions = _walked(walk, len(terms))
        else:
            self.coefficients = list(range(len(terms)))
            self._functions = _written(terms)

    def named(self, name: str) -> str:
        """The text."""
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


def _written(terms: Sequence[Term]) -> str:
    """A statement for each term."""
    polynomial = Polynomial({term: f"load(c + {k} * WIDTH)" for k, term in enumerate(terms)})
    return f"""static constexpr int AT_ONCE = 1;
    template <int A>
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
{polynomial.value()}
    }}
    template <int A>
    static inline void slope(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}"""


def _walked(walk: Walk, n_terms: int) -> str:
    """Terms as data."""
    return f"""static constexpr int AT_ONCE = {_AT_ONCE};
    {walk.source()}
    template <int A>
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
        walk_value<Terms, A>(x, c, o);
    }}
    template <int A>
    static inline void slope(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
        walk_slope<Terms, A>(x, c + {n_terms} * WIDTH, g, d);
    }}"""


def _places(dims: Sequence[int]) -> str:
    """Where each component stands: components before its block, of its block, and its number in it."""
    before = accumulate(dims, initial=0)
    return ", ".join(f"{{{first}, {dim}, {m}}}" for first, dim in zip(before, dims, strict=False) for m in range(dim))
