"""The source of products of an atom's sums: one sparse polynomial for all elements, whose coefficients differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from atomgraph.kernels.polynomial import Polynomial, Term


def product_source(
    name: str, channels: int, inputs: Sequence[int], outputs: Sequence[int], terms: Sequence[Term]
) -> str:
    """C++ of ``NAME_forward`` and ``NAME_backward``; coefficients stand in the order of ``terms``.

    inputs, outputs: how many components each block has.
    """
    polynomial = Polynomial({term: f"load(c + {k} * WIDTH)" for k, term in enumerate(terms)})
    structure = "int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x"
    return f"""
namespace {name} {{
struct Terms {{
    static constexpr int CHANNELS = ({channels} + WIDTH - 1) / WIDTH * WIDTH;
    static constexpr int N_IN = {sum(inputs)}, N_OUT = {sum(outputs)}, N_TERMS = {len(terms)};
    static constexpr Place in[] = {{{_places(inputs)}}}, out[] = {{{_places(outputs)}}};
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
{polynomial.value()}
    }}
    static inline void slope(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}
}};
}}
ATOMGRAPH_API int {name}_forward({structure}, Real *o) {{
    return guarded([=] {{ Product<{name}::Terms>::forward(n_threads, n_kinds, first, coefficients, x, o); }});
}}
ATOMGRAPH_API int {name}_backward({structure}, const Real *g, Real *d) {{
    return guarded([=] {{ Product<{name}::Terms>::backward(n_threads, n_kinds, first, coefficients, x, g, d); }});
}}
"""


def _places(dims: Sequence[int]) -> str:
    """Where each component stands: components before its block, of its block, and its number in it."""
    before = accumulate(dims, initial=0)
    return ", ".join(f"{{{first}, {dim}, {m}}}" for first, dim in zip(before, dims, strict=False) for m in range(dim))
