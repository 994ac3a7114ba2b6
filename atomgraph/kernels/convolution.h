// Two-body convolution of frozen weights, and its slopes: A_i = sum_j w(r_ij) h_j C Y(r_ij), path by path, for any list of paths.
// Forward by centre, backward by neighbour: every sum has one owner, so threads share nothing, and no number is kept that is as
// large as edges times channels. Weights are piecewise polynomials; couplings are folded with the harmonics into a small matrix an edge.
#pragma once
#include "parallel.h"
#include "splines.h"
#include "vectors.h"

namespace atomgraph {

struct Weights {
    const Real *const *tables;  // by kind of centre, kind of neighbour: [path][block of channels][piece][power][WIDTH]
    const std::int32_t *kind;   // of each atom
    std::int32_t n_kinds;
    Knots knots;
};

// One path. IN, OUT: blocks of features and of sums, with D1 and D3 components; PLACE among the N_SAME paths into OUT;
// M: where its matrix (D3, D1) stands among an edge's couplings, or -1 where it is a constant times the unit matrix.
template <int INDEX_, int IN_, int D1_, int OUT_, int D3_, int PLACE_, int N_SAME_, int M_>
struct Path {
    static constexpr int INDEX = INDEX_, IN = IN_, D1 = D1_, OUT = OUT_, D3 = D3_, PLACE = PLACE_, N_SAME = N_SAME_, M = M_;
};

// Memory of one thread that grows and is kept.
template <class T>
class ThreadMemory {
  public:
    ~ThreadMemory() { ::operator delete[](data_, std::align_val_t(64)); }
    T *of(std::int64_t n) {
        if (n > size_) {
            ::operator delete[](data_, std::align_val_t(64));
            data_ = nullptr, size_ = 0;
            data_ = static_cast<T *>(::operator new[](n * sizeof(T), std::align_val_t(64)));
            size_ = n;
        }
        return data_;
    }

  private:
    T *data_ = nullptr;
    std::int64_t size_ = 0;
};

// L: CHANNELS (a multiple of WIDTH), N_IN, N_OUT (blocks), N_M, N_Y, DEGREE (of weights), unit[path], and the functions
// harmonics(xyz, Y), harmonics_slope(xyz, gY, gxyz), couple(Y, M), uncouple(gM, gY).
template <class L, class... P>
class Convolution {
    static constexpr int C = L::CHANNELS, NB = C / WIDTH, N_P = sizeof...(P), DEGREE = L::DEGREE;
    static constexpr int ROW = (DEGREE + 1) * WIDTH, PLACE = 5, N_SUMS = (L::N_M + 1 + WIDTH - 1) / WIDTH * WIDTH;

    // What is known of a run of edges, WIDTH of them side by side.
    struct Chunk {
        Vector *matrix, *place;  // [block][N_M], [block][x, y, z of the direction, 1 / r, slope of the place in a piece by r]
        const Real **table;      // the piece that the edge is in, of the first path and block of channels
        Real *at;                // its place there
        std::int32_t *other;

        Chunk(const Real *vector, const std::int32_t *edge, std::int64_t first, std::int64_t n, const std::int32_t *centre,
              const std::int32_t *neighbour, const std::int32_t *others, const Weights &weights) {
            static thread_local ThreadMemory<Vector> matrices, places;
            static thread_local ThreadMemory<Real> in_pieces;
            static thread_local ThreadMemory<const Real *> tables;
            static thread_local ThreadMemory<std::int32_t> partners;
            const std::int64_t n_blocks = (n + WIDTH - 1) / WIDTH;
            matrix = matrices.of(n_blocks * (L::N_M + 1)), place = places.of(n_blocks * PLACE);
            table = tables.of(n), at = in_pieces.of(n_blocks * WIDTH), other = partners.of(n);
            for (std::int64_t b = 0; b < n_blocks; ++b) {
                Vector xyz[3] = {all(1), Vector{}, Vector{}}, Y[L::N_Y];
                for (int q = 0; q < WIDTH && b * WIDTH + q < n; ++q) {
                    const std::int64_t e = edge ? edge[first + b * WIDTH + q] : first + b * WIDTH + q;
                    for (int k = 0; k < 3; ++k) xyz[k][q] = vector[3 * e + k];
                }
                double r[WIDTH];
                Vector inverse, s, by_r;
                std::int32_t found[WIDTH];
                for (int q = 0; q < WIDTH; ++q) {
                    const double x = xyz[0][q], y = xyz[1][q], z = xyz[2][q];
                    r[q] = std::sqrt(x * x + y * y + z * z), inverse[q] = Real(1 / r[q]);
                }
                weights.knots.place(r, found, s, by_r);
                store(at + b * WIDTH, s), place[PLACE * b + 4] = by_r;
                for (int k = 0; k < 3; ++k) place[PLACE * b + k] = xyz[k] *= inverse;
                place[PLACE * b + 3] = inverse;
                L::harmonics(xyz, Y);
                L::couple(Y, matrix + b * (L::N_M + 1));
                for (int q = 0; q < WIDTH && b * WIDTH + q < n; ++q) {
                    const std::int64_t local = b * WIDTH + q, e = edge ? edge[first + local] : first + local;
                    const std::int32_t i = centre[e], j = neighbour[e];
                    table[local] = weights.tables[weights.kind[i] * weights.n_kinds + weights.kind[j]] + found[q] * ROW;
                    other[local] = others[e];
                }
            }
        }
        const Real *matrix_of(std::int64_t e) const {
            return reinterpret_cast<const Real *>(matrix + e / WIDTH * (L::N_M + 1)) + e % WIDTH;
        }
    };

    // Sums of one path over the edges of one centre, U vectors of channels at once.
    template <class Q, int U>
    static inline void forward(const Chunk &chunk, std::int64_t begin, std::int64_t end, int block, std::int64_t stride,
                               const Real *const *h, Real *const *A, std::int64_t i) {
        Vector sum[Q::D3][U] = {};
        const Real *x_block = h[Q::IN] + block * WIDTH;
        for (std::int64_t e = begin; e < end; ++e) {
            const Real *table = chunk.table[e] + (Q::INDEX * NB + block) * stride;
            const Vector at = all(chunk.at[e]);
            Vector w[U];
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) w[u] = horner<DEGREE>(table + u * stride, at);
            const Real *x = x_block + std::int64_t(chunk.other[e]) * Q::D1 * C;
            if constexpr (Q::M < 0) {
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m)
#pragma GCC unroll 4
                    for (int u = 0; u < U; ++u) sum[m][u] += w[u] * load(x + m * C + u * WIDTH);
            } else {
                const Real *M = chunk.matrix_of(e) + Q::M * WIDTH;
#pragma GCC unroll 16
                for (int a = 0; a < Q::D1; ++a) {
                    Vector wx[U];
#pragma GCC unroll 4
                    for (int u = 0; u < U; ++u) wx[u] = w[u] * load(x + a * C + u * WIDTH);
#pragma GCC unroll 16
                    for (int m = 0; m < Q::D3; ++m) {
                        const Vector factor = all(M[(m * Q::D1 + a) * WIDTH]);
#pragma GCC unroll 4
                        for (int u = 0; u < U; ++u) sum[m][u] += factor * wx[u];
                    }
                }
            }
        }
        const Vector unit = all(Q::M < 0 ? L::unit[Q::INDEX] : Real(1));
#pragma GCC unroll 16
        for (int m = 0; m < Q::D3; ++m)
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u)
                store(A[Q::OUT] + ((i * Q::D3 + m) * Q::N_SAME + Q::PLACE) * C + (block + u) * WIDTH, unit * sum[m][u]);
    }

    template <class Q>
    static inline void forward_pair(const Chunk &chunk, std::int64_t begin, std::int64_t end, int block, bool pair,
                                    std::int64_t stride, const Real *const *h, Real *const *A, std::int64_t i) {
        if (pair && Q::D3 < 7) return forward<Q, 2>(chunk, begin, end, block, stride, h, A, i);
        forward<Q, 1>(chunk, begin, end, block, stride, h, A, i);
        if (pair) forward<Q, 1>(chunk, begin, end, block + 1, stride, h, A, i);
    }

    // One path of one edge, backward: adds to the slopes by h_j, of the matrix and of the distance.
    template <class Q, bool H>
    static inline void backward(const Chunk &chunk, std::int64_t e, const Vector *w, const Real *const *h, std::int64_t j,
                                const Real *const *G, Vector *gh, Vector *sums_of, Vector &by_length) {
        const Real *g = G[Q::OUT] + (std::int64_t(chunk.other[e]) * Q::D3 * Q::N_SAME + Q::PLACE) * C;
        const Real *x = h[Q::IN] + j * Q::D1 * C;
        Vector *gx = gh;
        Vector length = Vector{};
        constexpr int STEP = Q::N_SAME * C;
        if constexpr (Q::M < 0) {
            for (int b = 0; b < NB; ++b) {
                const Vector value = L::unit[Q::INDEX] * w[2 * b], slope = L::unit[Q::INDEX] * w[2 * b + 1];
                Vector u = Vector{};
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) {
                    const Vector gm = load(g + m * STEP + b * WIDTH);
                    if constexpr (H) gx[m * NB + b] += value * gm;
                    u += gm * load(x + m * C + b * WIDTH);
                }
                length += slope * u;
            }
        } else {
            const Real *M = chunk.matrix_of(e) + Q::M * WIDTH;
            for (int a = 0; a < Q::D1; ++a) {
                Vector sum[Q::D3] = {}, factor[Q::D3];
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) factor[m] = all(M[(m * Q::D1 + a) * WIDTH]);
                for (int b = 0; b < NB; ++b) {
                    const Vector xa = load(x + a * C + b * WIDTH), wx = w[2 * b] * xa;
                    Vector u = Vector{};
#pragma GCC unroll 16
                    for (int m = 0; m < Q::D3; ++m) {
                        const Vector gm = load(g + m * STEP + b * WIDTH);
                        u += factor[m] * gm;
                        sum[m] += gm * wx;
                    }
                    if constexpr (H) gx[a * NB + b] += w[2 * b] * u;
                    length += w[2 * b + 1] * xa * u;
                }
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) sums_of[m * Q::D1 + a] = sum[m];
            }
        }
        by_length += length;
    }

  public:
    // h: blocks of features, (n_atoms, D1, C).  A: blocks of sums, (n_atoms, D3, N_SAME, C).  edges sorted by centre; row: where
    // each centre's begin.
    static void forward(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int32_t *centre,
                        const std::int32_t *neighbour, const Real *vector, const Weights &weights, const Real *const *h,
                        Real *const *A) {
        const std::int64_t stride = weights.knots.n_pieces * ROW;
        parallel_for(n_threads, n_atoms, piece(n_threads, n_atoms), [&](std::int64_t i0, std::int64_t i1, int) {
            const std::int64_t first = row[i0];
            const Chunk chunk(vector, nullptr, first, row[i1] - first, centre, neighbour, neighbour, weights);
            // One path's weights at a time, so that their tables stay in a near cache.
            auto path = [&](auto q, int block) {
                for (std::int64_t i = i0; i < i1; ++i)
                    forward_pair<decltype(q)>(chunk, row[i] - first, row[i + 1] - first, block, block + 1 < NB, stride, h, A, i);
            };
            for (int block = 0; block < NB; block += 2) (path(P{}, block), ...);
        });
    }

    // G: slopes by A.  column, order: where each neighbour's edges begin, and which they are.  gh: slopes by h, or null pointers.
    // gvector: slopes by each edge's vector, (n_edges, 3).
    template <bool H>
    static void backward(int n_threads, std::int64_t n_atoms, const std::int64_t *column, const std::int32_t *order,
                         const std::int32_t *centre, const std::int32_t *neighbour, const Real *vector, const Weights &weights,
                         const Real *const *h, const Real *const *G, Real *const *gh, Real *gvector) {
        const std::int64_t stride = weights.knots.n_pieces * ROW;
        parallel_for(n_threads, n_atoms, piece(n_threads, n_atoms), [&](std::int64_t j0, std::int64_t j1, int) {
            const std::int64_t first = column[j0], n = column[j1] - first;
            const Chunk chunk(vector, order, first, n, centre, neighbour, centre, weights);
            static thread_local ThreadMemory<Vector> slopes, features;
            Vector *slope = slopes.of((n + WIDTH - 1) / WIDTH * N_SUMS), *gx = features.of(L::offset[L::N_IN] * NB);
            for (std::int64_t k = 0; k < (n + WIDTH - 1) / WIDTH * N_SUMS; ++k) slope[k] = Vector{};
            for (int k = 0; H && k < L::N_IN; ++k) {
                const std::int64_t size = (L::offset[k + 1] - L::offset[k]) * C;
                std::fill(gh[k] + j0 * size, gh[k] + j1 * size, Real(0));
            }
            auto path = [&](auto q) {  // one path's weights at a time, so that their tables stay in a near cache
                using Q = decltype(q);
                constexpr int N = Q::M < 0 ? 0 : Q::D1 * Q::D3, N_FOUND = (N + 1 + WIDTH - 1) / WIDTH * WIDTH;
                Vector w[NB * 2], sum[N_FOUND] = {};
                for (std::int64_t j = j0; j < j1; ++j) {
                    for (int k = 0; H && k < Q::D1 * NB; ++k) gx[k] = Vector{};
                    for (std::int64_t e = column[j] - first; e < column[j + 1] - first; ++e) {
                        splines(chunk, e, Q::INDEX, stride, w);
                        sum[N] = Vector{};
                        backward<Q, H>(chunk, e, w, h, j, G, gx, sum, sum[N]);
                        Real *to = reinterpret_cast<Real *>(slope + e / WIDTH * N_SUMS) + e % WIDTH;
                        for (int k = 0; k < N_FOUND; k += WIDTH) {
                            const Vector found = sums<WIDTH>(sum + k);
                            for (int p = 0; p < WIDTH && k + p < N; ++p) to[(Q::M + k + p) * WIDTH] = found[p];
                            if (k <= N && N < k + WIDTH) to[L::N_M * WIDTH] += found[N - k];
                        }
                    }
                    Real *total = H ? gh[Q::IN] + j * Q::D1 * C : nullptr;
                    for (int k = 0; H && k < Q::D1 * NB; ++k) store(total + k * WIDTH, load(total + k * WIDTH) + gx[k]);
                }
            };
            (path(P{}), ...);
            for (std::int64_t b = 0; b < (n + WIDTH - 1) / WIDTH; ++b) {
                Vector gY[L::N_Y] = {}, g[3] = {};
                const Vector *u = chunk.place + PLACE * b, *found = slope + b * N_SUMS;
                L::uncouple(found, gY);
                L::harmonics_slope(u, gY, g);
                const Vector along = g[0] * u[0] + g[1] * u[1] + g[2] * u[2];
                const Vector by_length = found[L::N_M] * u[4];
                for (int k = 0; k < 3; ++k) g[k] = (g[k] - along * u[k]) * u[3] + by_length * u[k];
                for (int q = 0; q < WIDTH && b * WIDTH + q < n; ++q)
                    for (int k = 0; k < 3; ++k) gvector[3 * std::int64_t(order[first + b * WIDTH + q]) + k] = g[k][q];
            }
        });
    }

  private:
    static std::int64_t piece(int n_threads, std::int64_t n_atoms) {
        return n_threads <= 1 ? 64 : std::min<std::int64_t>(64, std::max<std::int64_t>(4, n_atoms / (4 * n_threads)));
    }

    // Value and slope of one path's weights on one edge, [block of channels][2].
    static inline void splines(const Chunk &chunk, std::int64_t e, int path, std::int64_t stride, Vector *w) {
        const Real *table = chunk.table[e] + path * NB * stride;
        const Vector at = all(chunk.at[e]);
        for (int b = 0; b < NB; ++b) w[2 * b] = horner<DEGREE>(table + b * stride, at, w[2 * b + 1]);
    }
};

}  // namespace atomgraph
