"""Generation of the C++ of a two-body convolution: paths and couplings, which the loops of ``convolution.h`` use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from atomgraph.kernels.polynomial_source import Monomial, Polynomial

_ROUNDING = 1e-12  # couplings of smaller absolute value are rounding errors
_MAX_SUMS = 16  # maximum number of vectors of sums, because processors have at most 32 vector registers


@dataclass(frozen=True, eq=False)
class CoupledPath:
    """A path: the product of one block of features (l₁) and harmonics (l₂), added to one block of sums (l₃).

    Attributes:
        feature: Index of the block of features.
        message: Index of the block of sums.
        coupling: Coupling coefficients, (2l₂+1, 2l₁+1, 2l₃+1).
        first_harmonic: Index of the first harmonic of degree l₂.
    """

    feature: int
    message: int
    coupling: np.ndarray
    first_harmonic: int


def convolution_source(
    name: str,
    channels: int,
    paths: Sequence[CoupledPath],
    feature_dims: Sequence[int],
    message_dims: Sequence[int],
    harmonics: Mapping[tuple[int, Monomial], float],
    degree: int,
) -> str:
    """Return the C++ source of ``NAME_forward`` and ``NAME_backward``.

    Args:
        name: Prefix of the two functions.
        channels: Number of channels of features and messages; the C++ code rounds it up to whole vectors.
        paths: The paths, in the order of their weights.
        feature_dims: Number of components of each block of features.
        message_dims: Number of components of each block of messages.
        harmonics: The harmonics as polynomials: coefficient of each pair (index of a harmonic, monomial of x, y, z).
        degree: Degree of the piecewise polynomials of the weights.
    """
    types, couplings, n_matrix = _path_types(paths, feature_dims, message_dims)
    units = [_unit_factor(path) or 0.0 for path in paths]
    n_y = 1 + max(m for m, _ in harmonics)
    to_matrix, from_matrix = _coupling_statements(couplings)
    polynomial = Polynomial({term: f"Real({value!r})" for term, value in harmonics.items()})
    offsets = [0, *accumulate(feature_dims)]
    return f"""
namespace {name} {{
struct Layer {{
    static constexpr int CHANNELS = ({channels} + WIDTH - 1) / WIDTH * WIDTH, N_IN = {len(feature_dims)};
    static constexpr int DEGREE = {degree};
    static constexpr int N_M = {n_matrix}, N_Y = {n_y}, offset[] = {{{", ".join(map(str, offsets))}}};
    static constexpr Real unit[] = {{{", ".join(f"Real({unit!r})" for unit in units)}}};
    static inline void harmonics(const Vector *x, Vector *o) {{
{polynomial.value()}
    }}
    static inline void harmonics_vjp(const Vector *x, const Vector *g, Vector *d) {{
{polynomial.gradient()}
    }}
    static inline void couple(const Vector *Y, Vector *M) {{
{to_matrix}
    }}
    static inline void uncouple(const Vector *g, Vector *gY) {{
{from_matrix}
    }}
}};
using Kernel = Convolution<Layer, {", ".join(types)}>;
}}
{_interface(name, feature_dims, [dim * sum(path.message == k for path in paths) for k, dim in enumerate(message_dims)])}"""


def _path_types(
    paths: Sequence[CoupledPath], feature_dims: Sequence[int], message_dims: Sequence[int]
) -> tuple[list[str], list[tuple[int, CoupledPath]], int]:
    """Return C++ types of groups of paths, pairs (offset of the matrix, path), and the size of all matrices of an edge."""
    types, couplings = [], []
    n_matrix = 0
    for group in _groups(paths, feature_dims, message_dims):
        path_types = []
        for index in group:
            path = paths[index]
            same_message = [k for k, p in enumerate(paths) if p.message == path.message]
            offset = -1 if _unit_factor(path) is not None else n_matrix
            if offset >= 0:
                couplings.append((n_matrix, path))
                n_matrix += feature_dims[path.feature] * message_dims[path.message]
            blocks = path.feature, feature_dims[path.feature], path.message, message_dims[path.message]
            numbers = (index, *blocks, same_message.index(index), len(same_message), offset)
            path_types.append(f"Path<{', '.join(map(str, numbers))}>")
        types.append(f"PathGroup<{', '.join(path_types)}>")
    return types, couplings, n_matrix


def _interface(name: str, feature_dims: Sequence[int], sum_dims: Sequence[int]) -> str:
    """Return the exported C functions; ``feature_dims`` and ``sum_dims``: numbers of components of the consecutive blocks."""
    parameters = (
        "int n_threads, std::int64_t n_atoms, const std::int64_t *begin, const std::int32_t *order, "
        "const std::int32_t *centre, const std::int32_t *neighbour, const Real *vector, const Real *const *tables, "
        "const std::int32_t *kind, int n_kinds, std::int64_t n_pieces, double cutoff, const Real *h"
    )
    setup = f"""const Weights weights{{tables, kind, n_kinds, {{cutoff, n_pieces}}}};
    const std::int64_t step = n_atoms * {name}::Layer::CHANNELS;
    const Real *const blocks_of_h[] = {{{_blocks("h", feature_dims)}}};"""
    backward = (
        "n_threads, n_atoms, begin, order, centre, neighbour, vector, weights, blocks_of_h, blocks_of_G, {gh}, gvector"
    )
    return f"""
ATOMGRAPH_API int {name}_forward({parameters}, Real *A) {{
    {setup}
    Real *const blocks_of_A[] = {{{_blocks("A", sum_dims)}}};
    return guarded([&] {{
        {name}::Kernel::forward(n_threads, n_atoms, begin, centre, neighbour, vector, weights, blocks_of_h, blocks_of_A);
    }});
}}
ATOMGRAPH_API int {name}_backward({parameters}, const Real *G, Real *gh, Real *gvector) {{
    {setup}
    const Real *const blocks_of_G[] = {{{_blocks("G", sum_dims)}}};
    return guarded([&] {{
        if (gh == nullptr) return {name}::Kernel::backward<false>({backward.format(gh="nullptr")});
        Real *const blocks_of_gh[] = {{{_blocks("gh", feature_dims)}}};
        {name}::Kernel::backward<true>({backward.format(gh="blocks_of_gh")});
    }});
}}
"""


def _blocks(name: str, dims: Sequence[int]) -> str:
    """Return C++ expressions of the addresses of consecutive blocks; ``dims``: numbers of components of the blocks."""
    return ", ".join(f"{name} + {offset} * step" for offset in accumulate(dims[:-1], initial=0))


def _groups(paths: Sequence[CoupledPath], feature_dims: Sequence[int], message_dims: Sequence[int]) -> list[list[int]]:
    """Return groups of paths, by index. The kernel computes the paths of a group together.

    These paths have the same scalar input, and their sums fit in the registers.
    """
    groups: list[list[int]] = []
    for index, path in enumerate(paths):
        for group in groups:
            n_sums = sum(message_dims[paths[k].message] for k in group)
            has_same_input = path.feature == paths[group[0]].feature and feature_dims[path.feature] == 1
            if has_same_input and n_sums + message_dims[path.message] <= _MAX_SUMS:
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _unit_factor(path: CoupledPath) -> float | None:
    """Return c if l₂ = 0 and the coupling is c times the unit matrix, else None."""
    if len(path.coupling) != 1 or path.coupling.shape[1] != path.coupling.shape[2]:
        return None
    c = float(path.coupling[0, 0, 0])
    return c if np.allclose(path.coupling[0], c * np.eye(path.coupling.shape[1]), atol=_ROUNDING) else None


def _coupling_statements(couplings: Sequence[tuple[int, CoupledPath]]) -> tuple[str, str]:
    """Return C++ statements for the matrices (2l₃+1, 2l₁+1) from harmonics, and for their vector-Jacobian product.

    Args:
        couplings: Pairs (offset of the matrix in the matrices of an edge, path).
    """
    forward, backward = [], []
    for first, path in couplings:
        for row, matrix in enumerate(path.coupling.transpose(2, 1, 0).reshape(-1, len(path.coupling))):
            terms = [(float(c), path.first_harmonic + k) for k, c in enumerate(matrix) if abs(c) > _ROUNDING]
            forward.append(f"        M[{first + row}] = {_sum(f'Real({c!r}) * Y[{k}]' for c, k in terms)};")
            backward += [f"        gY[{k}] += Real({c!r}) * g[{first + row}];" for c, k in terms]
    return "\n".join(forward), "\n".join(backward)


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms) or "Vector{}"
