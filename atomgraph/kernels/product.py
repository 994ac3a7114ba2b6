"""The source of products of an atom's sums: one sparse polynomial for all elements, whose coefficients differ."""

from __future__ import annotations

from collections.abc import Sequence

from atomgraph.kernels.polynomial import Polynomial, Term


def product_source(name: str, channels: int, n_in: int, n_out: int, terms: Sequence[Term]) -> str:
    """C++ of ``NAME_forward`` and ``NAME_backward``; coefficients stand in the order of ``terms``."""
    polynomial = Polynomial({term: f"load(c + {k} * WIDTH)" for k, term in enumerate(terms)})
    structure = (
        "int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, "
        "const Real *const *x, const std::int64_t *x_stride"
    )
    return f"""
namespace {name} {{
struct Terms {{
    static constexpr int CHANNELS = ({channels} + WIDTH - 1) / WIDTH * WIDTH;
    static constexpr int N_IN = {n_in}, N_OUT = {n_out}, N_TERMS = {len(terms)};
    static inline void value(const Vector *x, const Real *c, Vector *o) {{
{polynomial.value()}
    }}
    static inline void slope(const Vector *x, const Real *c, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}
}};
}}
ATOMGRAPH_API void {name}_forward({structure}, Real *const *o, const std::int64_t *o_stride) {{
    Product<{name}::Terms>::forward(n_threads, n_kinds, first, coefficients, x, x_stride, o, o_stride);
}}
ATOMGRAPH_API void {name}_backward({structure}, const Real *const *g, const std::int64_t *g_stride, Real *const *d) {{
    Product<{name}::Terms>::backward(n_threads, n_kinds, first, coefficients, x, x_stride, g, g_stride, d);
}}
"""
