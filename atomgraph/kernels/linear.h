// Linear maps: rows of features times a frozen matrix, y = x W or y += x W. Sums for a few rows and columns stay in registers.
#pragma once
#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int WIDE = 4;  // vectors of columns in a tile, for processors with 32 registers
#else
constexpr int WIDE = 2;
#endif
constexpr int TALL = 6;  // rows in a tile

// One matrix: panels of WIDE vectors of columns; panels of the last columns have half as many vectors, down to one vector. The order
// of a panel is [n_in][vectors][WIDTH]; values beyond n_out are zero.
struct Matrix {
    std::int64_t n_in, n_out;
    const Real *panels;
    bool adds;  // y += x W instead of y = x W
};

// R rows of x times U vectors of columns, from column `column` on.
template <int R, int U>
static inline void tile(const Matrix &matrix, std::int64_t column, const Real *x, Real *y) {
    Vector sum[R][U] = {};
    const Real *panel = matrix.panels + column * matrix.n_in;
    for (std::int64_t k = 0; k < matrix.n_in; ++k) {
        Vector w[U];
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) w[u] = load(panel + (k * U + u) * WIDTH);
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const Vector factor = all(x[r * matrix.n_in + k]);
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) sum[r][u] += factor * w[u];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int u = 0; u < U; ++u) {
            const std::int64_t at = column + u * WIDTH, n_left = matrix.n_out - at;
            Real *to = y + r * matrix.n_out + at;
            if (n_left >= WIDTH) store(to, matrix.adds ? load(to) + sum[r][u] : sum[r][u]);
            else
                for (int q = 0; q < n_left; ++q) to[q] = matrix.adds ? to[q] + sum[r][u][q] : sum[r][u][q];
        }
}

// All n_rows rows of x times the columns from `column` on, in panels of U vectors; the last columns are in panels of fewer vectors.
template <int U>
static inline void panels(const Matrix &matrix, std::int64_t column, std::int64_t n_rows, const Real *x, Real *y) {
    for (; matrix.n_out - column > (U - 1) * WIDTH; column += U * WIDTH) {
        std::int64_t row = 0;
        for (; row + TALL <= n_rows; row += TALL) tile<TALL, U>(matrix, column, x + row * matrix.n_in, y + row * matrix.n_out);
        for (; row < n_rows; ++row) tile<1, U>(matrix, column, x + row * matrix.n_in, y + row * matrix.n_out);
    }
    if constexpr (U > 1) panels<U / 2>(matrix, column, n_rows, x, y);
}

// x: (n_atoms, n_components, n_in).  y: (n_atoms, n_components, n_out).  Atoms are sorted by kind; each kind has a matrix.
// first[k]: first atom of kind k; first[n_kinds]: number of atoms.  adds: see Matrix.
static inline void linear(int n_threads, int n_kinds, const std::int64_t *first, std::int64_t n_components, std::int64_t n_in,
                          std::int64_t n_out, const Real *const *matrices, bool adds, const Real *x, Real *y) {
    const std::int64_t n_atoms = first[n_kinds], max_piece = std::max<std::int64_t>(1, 96 / n_components);  // rows fit in a fast cache
    const std::int64_t piece = n_threads <= 1 ? max_piece : std::min(max_piece, std::max<std::int64_t>(1, n_atoms / (4 * n_threads)));
    parallel_for(n_threads, n_atoms, piece, [&](std::int64_t i0, std::int64_t i1, int) {
        for (int kind = 0; kind < n_kinds; ++kind) {
            const std::int64_t begin = std::max(i0, first[kind]) * n_components, end = std::min(i1, first[kind + 1]) * n_components;
            const Matrix matrix{n_in, n_out, matrices[kind], adds};
            if (begin < end) panels<WIDE>(matrix, 0, end - begin, x + begin * n_in, y + begin * n_out);
        }
    });
}

}  // namespace atomgraph
