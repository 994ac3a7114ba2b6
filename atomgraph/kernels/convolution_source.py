"""The source of a two-body convolution: paths and couplings as straight-line code around the loops of ``convolution.h``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from atomgraph.kernels.polynomial_source import Monomial, Polynomial

_NOTHING = 1e-12  # couplings below this are rounding
_MOST_SUMS = 16  # vectors of them, of the 32 registers that some processors have


@dataclass(frozen=True, eq=False)
class CoupledPath:
    """Features of a block times harmonics to sums of a block, in the order in which paths have their weights.

    Args:
        feature, message: Which blocks.
        coupling: (2l₂+1, 2l₁+1, 2l₃+1).
        first_harmonic: Where those of l₂ begin.
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
        channels: Of features and messages alike, rounded up to whole vectors by the compiler.
        features, messages: How many components each block has.
        harmonics: Coefficients of (harmonic, monomial of x, y, z).
        degree: Of the polynomials that weights are.
    """
    types, couplings = [], []
    n_matrix = 0
    for group in _together(paths, features, messages):
        members = []
        for index in group:
            path = paths[index]
            same = [k for k, other in enumerate(paths) if other.message == path.message]
            place = -1 if _unit(path) is not None else n_matrix
            if place >= 0:
                couplings.append((n_matrix, path))
                n_matrix += features[path.feature] * messages[path.message]
            ends = path.feature, features[path.feature], path.message, messages[path.message]
            numbers = (index, *ends, same.index(index), len(same), place)
            members.append(f"Path<{', '.join(map(str, numbers))}>")
        types.append(f"Together<{', '.join(members)}>")
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
    static inline void harmonics_slope(const Vector *x, const Vector *g, Vector *d) {{
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
{_doors(name, features, [dim * sum(path.message == k for path in paths) for k, dim in enumerate(messages)])}"""


def _doors(name: str, features: Sequence[int], sums: Sequence[int]) -> str:
    """Features and sums come as blocks one after the other, so many components an atom each."""
    structure = (
        "int n_threads, std::int64_t n_atoms, const std::int64_t *begin, const std::int32_t *order, "
        "const std::int32_t *centre, const std::int32_t *neighbour, const Real *vector, const Real *const *tables, "
        "const std::int32_t *kind, int n_kinds, std::int64_t n_pieces, double cutoff, const Real *h"
    )
    prepared = f"""const Weights weights{{tables, kind, n_kinds, {{cutoff, n_pieces}}}};
    const std::int64_t step = n_atoms * {name}::Layer::CHANNELS;
    const Real *const blocks_of_h[] = {{{_blocks("h", features)}}};"""
    backward = (
        "n_threads, n_atoms, begin, order, centre, neighbour, vector, weights, blocks_of_h, blocks_of_G, {gh}, gvector"
    )
    return f"""
ATOMGRAPH_API int {name}_forward({structure}, Real *A) {{
    {prepared}
    Real *const blocks_of_A[] = {{{_blocks("A", sums)}}};
    return guarded([&] {{
        {name}::Kernel::forward(n_threads, n_atoms, begin, centre, neighbour, vector, weights, blocks_of_h, blocks_of_A);
    }});
}}
ATOMGRAPH_API int {name}_backward({structure}, const Real *G, Real *gh, Real *gvector) {{
    {prepared}
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


def _together(paths: Sequence[CoupledPath], features: Sequence[int], messages: Sequence[int]) -> list[list[int]]:
    """Which paths the kernel goes along together: from the same scalars, as long as their sums fit the registers."""
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
    """c where the coupling with the only harmonic, which is 1, is c times the unit matrix."""
    if len(path.coupling) != 1 or path.coupling.shape[1] != path.coupling.shape[2]:
        return None
    c = float(path.coupling[0, 0, 0])
    return c if np.allclose(path.coupling[0], c * np.eye(path.coupling.shape[1]), atol=_NOTHING) else None


def _couplings(couplings: Sequence[tuple[int, CoupledPath]]) -> tuple[str, str]:
    """Statements from harmonics to matrices, (2l₃+1, 2l₁+1) each, and from slopes by these to slopes by harmonics."""
    forward, backward = [], []
    for first, path in couplings:
        for row, matrix in enumerate(path.coupling.transpose(2, 1, 0).reshape(-1, len(path.coupling))):
            found = [(float(c), path.first_harmonic + k) for k, c in enumerate(matrix) if abs(c) > _NOTHING]
            forward.append(f"        M[{first + row}] = {_sum(f'Real({c!r}) * Y[{k}]' for c, k in found)};")
            backward += [f"        gY[{k}] += Real({c!r}) * g[{first + row}];" for c, k in found]
    return "\n".join(forward), "\n".join(backward)


def _sum(terms: Iterable[str]) -> str:
    return " + ".join(terms) or "Vector{}"
