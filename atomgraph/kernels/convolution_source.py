"""Generates the C++ of a two-body convolution: its paths and couplings, for the loops of ``convolution.h``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from atomgraph.kernels.polynomial_source import Monomial, Polynomial

_ROUNDING = 1e-12  # smaller couplings are rounding errors
_MOST_SUMS = 16  # vectors of sums, of the 32 registers of some processors


@dataclass(frozen=True, eq=False)
class CoupledPath:
    """A path: features of one block times harmonics give sums in one block. Weights are in the order of the paths.

    Attributes:
        feature, message: Numbers of the two blocks.
        coupling: (2l₂+1, 2l₁+1, 2l₃+1).
        first_harmonic: Column of the first harmonic of l₂.
    """

    feature: int
    message: int
    coupling: np.ndarray
    first_harmonic: int


def convolution_source(
    name: str,
    channels: int,
    paths: Sequence[CoupledPath],
    features: Sequence[int],
    messages: Sequence[int],
    harmonics: Mapping[tuple[int, Monomial], float],
    degree: int,
) -> str:
    """C++ of ``NAME_forward`` and ``NAME_backward``.

    Args:
        name: Prefix of the two functions.
        channels: Of features and messages; the C++ code rounds up to whole vectors.
        paths: All paths.
        features, messages: Number of components of each block.
        harmonics: Coefficients of (harmonic, monomial of x, y, z).
        degree: Of the piecewise polynomials of the weights.
    """
    types, couplings, n_matrix = _path_types(paths, features, messages)
    units = [_unit(path) or 0.0 for path in paths]
    n_y = 1 + max(m for m, _ in harmonics)
    to_matrix, from_matrix = _couplings(couplings)
    polynomial = Polynomial({term: f"Real({value!r})" for term, value in harmonics.items()})
    offsets = [0, *accumulate(features)]
    return f"""
namespace {name} {{
struct Layer {{
    static constexpr int CHANNELS = ({channels} + WIDTH - 1) / WIDTH * WIDTH, N_IN = {len(features)};
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
{_interface(name, features, [dim * sum(path.message == k for path in paths) for k, dim in enumerate(messages)])}"""


def _path_types(
    paths: Sequence[CoupledPath], features: Sequence[int], messages: Sequence[int]
) -> tuple[list[str], list[tuple[int, CoupledPath]], int]:
    """C++ types of the groups of paths, offsets of the paths with matrices, and the size of all matrices of an edge."""
    types, couplings = [], []
    n_matrix = 0
    for group in _groups(paths, features, messages):
        members = []
        for index in group:
            path = paths[index]
            same = [k for k, p in enumerate(paths) if p.message == path.message]
            offset = -1 if _unit(path) is not None else n_matrix
            if offset >= 0:
                couplings.append((n_matrix, path))
                n_matrix += features[path.feature] * messages[path.message]
            blocks = path.feature, features[path.feature], path.message, messages[path.message]
            numbers = (index, *blocks, same.index(index), len(same), offset)
            members.append(f"Path<{', '.join(map(str, numbers))}>")
        types.append(f"PathGroup<{', '.join(members)}>")
    return types, couplings, n_matrix


def _interface(name: str, features: Sequence[int], sums: Sequence[int]) -> str:
    """The exported C functions. Features and sums are consecutive blocks with these numbers of components."""
    structure = (
        "int n_threads, std::int64_t n_atoms, const std::int64_t *begin, const std::int32_t *order, "
        "const std::int32_t *centre, const std::int32_t *neighbour, const Real *vector, const Real *const *tables, "
        "const std::int32_t *kind, int n_kinds, std::int64_t n_pieces, double cutoff, const Real *h"
    )
    setup = f"""const Weights weights{{tables, kind, n_kinds, {{cutoff, n_pieces}}}};
    const std::int64_t step = n_atoms * {name}::Layer::CHANNELS;
    const Real *const blocks_of_h[] = {{{_blocks("h", features)}}};"""
    backward = (
        "n_threads, n_atoms, begin, order, centre, neighbour, vector, weights, blocks_of_h, blocks_of_G, {gh}, gvector"
    )
    return f"""
ATOMGRAPH_API int {name}_forward({structure}, Real *A) {{
    {setup}
    Real *const blocks_of_A[] = {{{_blocks("A", sums)}}};
    return guarded([&] {{
        {name}::Kernel::forward(n_threads, n_atoms, begin, centre, neighbour, vector, weights, blocks_of_h, blocks_of_A);
    }});
}}
ATOMGRAPH_API int {name}_backward({structure}, const Real *G, Real *gh, Real *gvector) {{
    {setup}
    const Real *const blocks_of_G[] = {{{_blocks("G", sums)}}};
    return guarded([&] {{
        if (gh == nullptr) return {name}::Kernel::backward<false>({backward.format(gh="nullptr")});
        Real *const blocks_of_gh[] = {{{_blocks("gh", features)}}};
        {name}::Kernel::backward<true>({backward.format(gh="blocks_of_gh")});
    }});
}}
"""


def _blocks(name: str, dims: Sequence[int]) -> str:
    return ", ".join(f"{name} + {before} * step" for before in accumulate(dims[:-1], initial=0))


def _groups(paths: Sequence[CoupledPath], features: Sequence[int], messages: Sequence[int]) -> list[list[int]]:
    """Groups of paths that the kernel computes together: the same scalar input, and sums that fit the registers."""
    groups: list[list[int]] = []
    for index, path in enumerate(paths):
        for group in groups:
            width = sum(messages[paths[k].message] for k in group)
            is_same = path.feature == paths[group[0]].feature and features[path.feature] == 1
            if is_same and width + messages[path.message] <= _MOST_SUMS:
                group.append(index)
                break
        else:
            groups.append([index])
    return groups


def _unit(path: CoupledPath) -> float | None:
    """c, if the coupling is with l₂ = 0 only and is c times the unit matrix; else None."""
    if len(path.coupling) != 1 or path.coupling.shape[1] != path.coupling.shape[2]:
        return None
    c = float(path.coupling[0, 0, 0])
    return c if np.allclose(path.coupling[0], c * np.eye(path.coupling.shape[1]), atol=_ROUNDING) else None


def _couplings(couplings: Sequence[tuple[int, CoupledPath]]) -> tuple[str, str]:
    """C++ statements that compute the matrices (2l₃+1, 2l₁+1) from harmonics, and those of the vector-Jacobian product."""
    forward, backward = [], []
    for first, path in couplings:
        for row, matrix in enumerate(path.coupling.transpose(2, 1, 0).reshape(-1, len(path.coupling))):
            terms = [(float(c), path.first_harmonic + k) for k, c in enumerate(matrix) if abs(c) > _ROUNDING]
            forward.append(f"        M[{first + row}] = {_sum(f'Real({c!r}) * Y[{k}]' for c, k in terms)};")
            backward += [f"        gY[{k}] += Real({c!r}) * g[{first + row}];" for c, k in terms]
    return "\n".join(forward), "\n".join(backward)


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms) or "Vector{}"
