// Two-body convolution with frozen weights, A_i = sum_j w(r_ij) h_j C Y(r_ij), and its vector-Jacobian product, for any paths.
// The forward pass is a loop over centres and the backward pass a loop over neighbours, so that only one thread writes each sum.
// No array of size edges x channels is stored. Weights w are piecewise polynomials. The product of the coupling C and the
// harmonics Y is a small matrix for each edge. The backward pass sorts the edges of a few neighbours by the piece of the
// polynomial, so that tables are in the first-level cache. Paths with the same scalar input are computed together.
// Letters: h features, A sums, M matrices, Y harmonics, C channels; g before a letter: gradient of the energy with respect to it.
#pragma once
#include "convolution_paths.h"
#include "parallel.h"

namespace atomgraph {

// L has the constants CHANNELS (a multiple of WIDTH), N_IN (number of blocks of features), N_M (size of all matrices of an edge),
// N_Y (number of harmonics), DEGREE (of the polynomials), offset[block] (number of components in earlier blocks of features) and
// unit[path] (constant coupling of a path without a matrix), and the functions harmonics(xyz, Y), harmonics_vjp(xyz, gY, gxyz),
// couple(Y, M), uncouple(gM, gY), which write their last argument or add to it.  T: all paths, as PathGroups.
template <class L, class... T>
class Convolution {
    // C: channels.  NB: vectors (blocks) of channels.  ROW: numbers in a piece of a table.  GEOMETRY: values of Chunk::geometry.
    // N_SUMS: values for each edge in the backward pass, rounded up: gradients with respect to its matrices and its distance.
    static constexpr int C = L::CHANNELS, NB = C / WIDTH, DEGREE = L::DEGREE;
    static constexpr int ROW = (DEGREE + 1) * WIDTH, GEOMETRY = 5, N_SUMS = (L::N_M + 1 + WIDTH - 1) / WIDTH * WIDTH;

    struct Edges {
        const std::int32_t *centre, *neighbour;
        const Real *vector;

        // Distances of n edges, at most WIDTH; the other values are set to 1 Å.
        void distances(const std::int32_t *edge, std::int64_t n, double *r) const {
            for (int q = 0; q < WIDTH; ++q) {
                const Real *v = vector + 3 * std::int64_t(edge[q < n ? q : 0]);
                const double x = v[0], y = v[1], z = v[2];
                r[q] = q < n ? std::sqrt(x * x + y * y + z * z) : 1;
            }
        }
    };

    // Geometry, matrices and tables of n edges. A vector has the values of WIDTH edges, which are a block of edges.
    struct Chunk {
        Vector *matrix, *geometry;  // [block of edges][N_M + 1], [block of edges][x, y, z of the direction, 1/r, ds/dr]
        const Real **table;         // polynomial of each edge, for the first path and block of channels
        Real *offset;               // position s of each edge in its piece

        Chunk(const Edges &edges, const std::int32_t *edge, std::int64_t n, const Weights &weights) {
            static thread_local ThreadMemory<Vector> matrices, geometries;
            static thread_local ThreadMemory<Real> offsets;
            static thread_local ThreadMemory<const Real *> tables;
            const std::int64_t n_blocks = (n + WIDTH - 1) / WIDTH;
            matrix = matrices.reserve(n_blocks * (L::N_M + 1)), geometry = geometries.reserve(n_blocks * GEOMETRY);
            table = tables.reserve(n), offset = offsets.reserve(n_blocks * WIDTH);
            for (std::int64_t b = 0; b < n_blocks; ++b) {
                const std::int64_t first = b * WIDTH, n_valid = std::min<std::int64_t>(WIDTH, n - first);
                Vector xyz[3] = {all(1), Vector{}, Vector{}}, inverse, s, ds_dr, Y[L::N_Y];
                double r[WIDTH];
                std::int32_t piece[WIDTH];
                edges.distances(edge + first, n_valid, r);
                weights.pieces.locate(r, piece, s, ds_dr);
                for (int q = 0; q < WIDTH; ++q) inverse[q] = Real(1 / r[q]);
                for (int q = 0; q < n_valid; ++q)
                    for (int k = 0; k < 3; ++k) xyz[k][q] = edges.vector[3 * std::int64_t(edge[first + q]) + k];
                for (int k = 0; k < 3; ++k) geometry[GEOMETRY * b + k] = xyz[k] *= inverse;
                geometry[GEOMETRY * b + 3] = inverse, geometry[GEOMETRY * b + 4] = ds_dr;
                store(offset + first, s);
                L::harmonics(xyz, Y);
                L::couple(Y, matrix + b * (L::N_M + 1));
                for (int q = 0; q < n_valid; ++q) {
                    const std::int32_t e = edge[first + q];
                    table[first + q] = weights.table(edges.centre[e], edges.neighbour[e]) + piece[q] * ROW;
                }
            }
        }
        // The matrices of edge e; consecutive values are WIDTH numbers apart.
        const Real *matrix_of(std::int64_t e) const {
            return reinterpret_cast<const Real *>(matrix + e / WIDTH * (L::N_M + 1)) + e % WIDTH;
        }
    };

    // The n edges of `edge`, sorted by piece, then by pair of kinds, so that consecutive edges use tables in the first-level cache.
    static const std::int32_t *sort_by_piece(const Edges &edges, const std::int32_t *edge, std::int64_t n, const Weights &weights) {
        static thread_local ThreadMemory<std::int32_t> keys, orders, sorted;
        static thread_local ThreadMemory<std::int64_t> begins;
        std::int32_t *key = keys.reserve(n + WIDTH), *from = orders.reserve(n), *to = sorted.reserve(n);
        auto sort = [&](std::int64_t n_keys) {  // stable counting sort; key[k] is the key of edge from[k]
            std::int64_t *begin = begins.reserve(n_keys + 1);
            std::fill(begin, begin + n_keys + 1, 0);
            for (std::int64_t k = 0; k < n; ++k) ++begin[key[k] + 1];
            for (std::int64_t k = 0; k < n_keys; ++k) begin[k + 1] += begin[k];
            for (std::int64_t k = 0; k < n; ++k) to[begin[key[k]]++] = from[k];
            std::swap(from, to);
        };
        std::copy(edge, edge + n, from);
        if (weights.n_kinds > 1) {
            for (std::int64_t k = 0; k < n; ++k) key[k] = weights.pair(edges.centre[from[k]], edges.neighbour[from[k]]);
            sort(weights.n_kinds * weights.n_kinds);
        }
        for (std::int64_t k = 0; k < n; k += WIDTH) {
            double r[WIDTH];
            Vector s, ds_dr;
            edges.distances(from + k, std::min<std::int64_t>(WIDTH, n - k), r);
            weights.pieces.locate(r, key + k, s, ds_dr);
        }
        sort(weights.pieces.n_pieces);
        return from;
    }

    // Sums of one path over the edges begin to end of the centre i, for U vectors of channels from number `block` on.
    // stride: numbers in the table of one vector of channels.
    template <class Q, int U>
    static inline void forward(const Chunk &chunk, const std::int32_t *neighbour, std::int64_t begin, std::int64_t end, int block,
                               std::int64_t stride, const Real *const *h, Real *const *A, std::int64_t i) {
        Vector sum[Q::D3][U] = {};
        const Real *x_block = h[Q::IN] + block * WIDTH;
        for (std::int64_t e = begin; e < end; ++e) {
            const Real *table = chunk.table[e] + (Q::INDEX * NB + block) * stride;
            const Vector at = all(chunk.offset[e]);
            Vector w[U];
#pragma GCC unroll 4
            for (int u = 0; u < U; ++u) w[u] = horner<DEGREE>(table + u * stride, at);
            const Real *x = x_block + std::int64_t(neighbour[e]) * Q::D1 * C;
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

    // Sums of one path for two vectors of channels, or for the last vector if `two_vectors` is false.
    template <class Q>
    static inline void forward_pair(const Chunk &chunk, const std::int32_t *neighbour, std::int64_t begin, std::int64_t end,
                                    int block, bool two_vectors, std::int64_t stride, const Real *const *h, Real *const *A,
                                    std::int64_t i) {
        if (two_vectors && Q::D3 < 7) return forward<Q, 2>(chunk, neighbour, begin, end, block, stride, h, A, i);
        forward<Q, 1>(chunk, neighbour, begin, end, block, stride, h, A, i);
        if (two_vectors) forward<Q, 1>(chunk, neighbour, begin, end, block + 1, stride, h, A, i);
    }

    // VJP of a group of paths with scalar inputs, for edge e with the centre i. Adds to gh, the gradient with respect to h_j, if H is
    // true. Writes to grad_M the gradients with respect to the matrices, then the gradient with respect to the position s.
    template <bool H, class... Q>
    static inline void backward(PathGroup<Q...>, const Chunk &chunk, std::int64_t e, std::int64_t stride, const Real *h,
                                const Real *const *G, std::int64_t i, Real *gh, Vector *grad_M) {
        using All = PathGroup<Q...>;
        const Real *table = chunk.table[e], *M = chunk.matrix_of(e), *g[] = {G[Q::OUT] + (i * Q::D3 * Q::N_SAME + Q::PLACE) * C...};
        const Vector at = all(chunk.offset[e]);
        Vector sum[All::N + 1] = {};
        for (int b = 0; b < NB; ++b) {
            const Vector x = load(h + b * WIDTH);
            Vector gx = Vector{}, grad_length = Vector{};
            int k = 0;
            (
                [&] {
                    const Real *g_block = g[k++] + b * WIDTH;
                    Vector derivative, u = Vector{};
                    const Vector w = horner<DEGREE>(table + (Q::INDEX * NB + b) * stride, at, derivative), wx = w * x;
                    if constexpr (Q::M < 0) u = L::unit[Q::INDEX] * load(g_block);
                    else {
#pragma GCC unroll 16
                        for (int m = 0; m < Q::D3; ++m) {
                            const Vector gm = load(g_block + m * Q::N_SAME * C);
                            u += all(M[(Q::M + m) * WIDTH]) * gm;
                            sum[Q::M - All::M + m] += gm * wx;
                        }
                    }
                    gx += w * u, grad_length += derivative * u;
                }(),
                ...);
            if constexpr (H) store(gh + b * WIDTH, load(gh + b * WIDTH) + gx);
            sum[All::N] += grad_length * x;
        }
#pragma GCC unroll 64
        for (int k = 0; k <= All::N; ++k) grad_M[k] = sum[k];
    }

    // The same for one path with vectors or higher tensors as input.
    template <bool H, class Q>
    static inline void backward(PathGroup<Q>, const Chunk &chunk, std::int64_t e, std::int64_t stride, const Real *h,
                                const Real *const *G, std::int64_t i, Real *gh, Vector *grad_M) {
        const Real *g = G[Q::OUT] + (i * Q::D3 * Q::N_SAME + Q::PLACE) * C, *table = chunk.table[e] + Q::INDEX * NB * stride;
        const Vector at = all(chunk.offset[e]);
        Vector grad_length = Vector{}, w[NB * 2];  // w: value and derivative for each block of channels
        for (int b = 0; b < NB; ++b) w[2 * b] = horner<DEGREE>(table + b * stride, at, w[2 * b + 1]);
        constexpr int STEP = Q::N_SAME * C;  // numbers between consecutive components of the sums
        if constexpr (Q::M < 0) {
            for (int b = 0; b < NB; ++b) {
                const Vector value = L::unit[Q::INDEX] * w[2 * b], derivative = L::unit[Q::INDEX] * w[2 * b + 1];
                Vector u = Vector{};
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) {
                    const Vector gm = load(g + m * STEP + b * WIDTH);
                    Real *to = gh + m * C + b * WIDTH;
                    if constexpr (H) store(to, load(to) + value * gm);
                    u += gm * load(h + m * C + b * WIDTH);
                }
                grad_length += derivative * u;
            }
        } else {
            const Real *M = chunk.matrix_of(e) + Q::M * WIDTH;
            for (int a = 0; a < Q::D1; ++a) {
                Vector sum[Q::D3] = {}, factor[Q::D3];
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) factor[m] = all(M[(m * Q::D1 + a) * WIDTH]);
                for (int b = 0; b < NB; ++b) {
                    const Vector xa = load(h + a * C + b * WIDTH), wx = w[2 * b] * xa;
                    Vector u = Vector{};
#pragma GCC unroll 16
                    for (int m = 0; m < Q::D3; ++m) {
                        const Vector gm = load(g + m * STEP + b * WIDTH);
                        u += factor[m] * gm;
                        sum[m] += gm * wx;
                    }
                    Real *to = gh + a * C + b * WIDTH;
                    if constexpr (H) store(to, load(to) + w[2 * b] * u);
                    grad_length += w[2 * b + 1] * xa * u;
                }
#pragma GCC unroll 16
                for (int m = 0; m < Q::D3; ++m) grad_M[m * Q::D1 + a] = sum[m];
            }
        }
        grad_M[Q::SIZE] = grad_length;
    }

    // Calls step for a group of paths, or for each path alone if the processor has too few registers for the sums of the group.
    template <class Step, class... Q>
    static void for_group(PathGroup<Q...> paths, const Step &step) {
        if constexpr (REGISTERS < 32 && sizeof...(Q) > 1) (step(PathGroup<Q>{}), ...);
        else step(paths);
    }
    template <class Step, class... Q>
    static void for_each_path(PathGroup<Q...>, const Step &step) {
        (step(Q{}), ...);
    }

  public:
    // h: blocks of features, (n_atoms, D1, C).  A: blocks of sums, (n_atoms, D3, N_SAME, C).  Edges are sorted by
    // centre.  row: (n_atoms + 1,) first edge of each centre.  vector: edge vectors, Å, (n_edges, 3).
    static void forward(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int32_t *centre,
                        const std::int32_t *neighbour, const Real *vector, const Weights &weights, const Real *const *h,
                        Real *const *A) {
        const Edges edges{centre, neighbour, vector};
        const std::int64_t stride = weights.pieces.n_pieces * ROW;
        parallel_for(n_threads, n_atoms, piece_size(64, n_threads, n_atoms), [&](std::int64_t i0, std::int64_t i1, int) {
            static thread_local ThreadMemory<std::int32_t> edge_numbers;
            const std::int64_t first = row[i0], n = row[i1] - first;
            std::int32_t *edge = edge_numbers.reserve(n);
            for (std::int64_t e = 0; e < n; ++e) edge[e] = std::int32_t(first + e);
            const Chunk chunk(edges, edge, n, weights);
            // Paths are computed one after another, so that the tables of a path stay in a fast cache.
            auto path = [&](auto q, int block) {
                for (std::int64_t i = i0; i < i1; ++i)
                    forward_pair<decltype(q)>(chunk, neighbour + first, row[i] - first, row[i + 1] - first, block, block + 1 < NB,
                                              stride, h, A, i);
            };
            for (int block = 0; block < NB; block += 2) (for_each_path(T{}, [&](auto q) { path(q, block); }), ...);
        });
    }

    // order: edges sorted by neighbour.  column: (n_atoms + 1,) first entry of each neighbour in order.  G: gradients with respect
    // to A.  gh: gradients with respect to h, written if H is true.  gvector: gradient with respect to edge vectors, (n_edges, 3).
    template <bool H>
    static void backward(int n_threads, std::int64_t n_atoms, const std::int64_t *column, const std::int32_t *order,
                         const std::int32_t *centre, const std::int32_t *neighbour, const Real *vector, const Weights &weights,
                         const Real *const *h, const Real *const *G, Real *const *gh, Real *gvector) {
        const Edges edges{centre, neighbour, vector};
        const std::int64_t stride = weights.pieces.n_pieces * ROW;
        parallel_for(n_threads, n_atoms, piece_size(BACKWARD_PIECE, n_threads, n_atoms), [&](std::int64_t j0, std::int64_t j1, int) {
            const std::int64_t n = column[j1] - column[j0];
            const std::int32_t *edge = sort_by_piece(edges, order + column[j0], n, weights);
            const Chunk chunk(edges, edge, n, weights);
            static thread_local ThreadMemory<Vector> gradients;
            Vector *gradient = gradients.reserve((n + WIDTH - 1) / WIDTH * N_SUMS);
            for (std::int64_t k = 0; k < (n + WIDTH - 1) / WIDTH * N_SUMS; ++k) gradient[k] = Vector{};
            for (int k = 0; H && k < L::N_IN; ++k) {
                const std::int64_t size = (L::offset[k + 1] - L::offset[k]) * C;
                std::fill(gh[k] + j0 * size, gh[k] + j1 * size, Real(0));
            }
            auto paths = [&](auto group) {
                using Q = decltype(group);
                Vector sum[Q::N + 1];
                for (std::int64_t e = 0; e < n; ++e) {
                    const std::int64_t i = centre[edge[e]], at = std::int64_t(neighbour[edge[e]]) * Q::D1 * C;
                    backward<H>(group, chunk, e, stride, h[Q::IN] + at, G, i, H ? gh[Q::IN] + at : nullptr, sum);
                    write<Q::N, Q::M>(sum, reinterpret_cast<Real *>(gradient + e / WIDTH * N_SUMS) + e % WIDTH);
                }
            };
            (for_group(T{}, paths), ...);
            for (std::int64_t b = 0; b < (n + WIDTH - 1) / WIDTH; ++b) {
                Vector gY[L::N_Y] = {}, g[3] = {};
                const Vector *u = chunk.geometry + GEOMETRY * b, *grad_M = gradient + b * N_SUMS;
                L::uncouple(grad_M, gY);
                L::harmonics_vjp(u, gY, g);
                const Vector radial = g[0] * u[0] + g[1] * u[1] + g[2] * u[2];
                const Vector grad_length = grad_M[L::N_M] * u[4];
                for (int k = 0; k < 3; ++k) g[k] = (g[k] - radial * u[k]) * u[3] + grad_length * u[k];
                for (int q = 0; q < WIDTH && b * WIDTH + q < n; ++q)
                    for (int k = 0; k < 3; ++k) gvector[3 * std::int64_t(edge[b * WIDTH + q]) + k] = g[k][q];
            }
        });
    }

  private:
    static constexpr std::int64_t BACKWARD_PIECE = 32;

    static std::int64_t piece_size(std::int64_t max_size, int n_threads, std::int64_t n_atoms) {
        return n_threads <= 1 ? max_size : std::min<std::int64_t>(max_size, std::max<std::int64_t>(4, n_atoms / (4 * n_threads)));
    }

    // Writes the sums over channels of N gradients with respect to matrices, from number M on, and adds the sum of the gradient with
    // respect to the distance. Values of WIDTH edges are interleaved.
    template <int N, int M>
    static inline void write(const Vector *sum, Real *to) {
        const auto run = [&](auto first) {
            constexpr int FIRST = decltype(first)::value, SOME = std::min(WIDTH, N + 1 - FIRST);
            const Vector totals = sums<SOME>(sum + FIRST);
#pragma GCC unroll 16
            for (int p = 0; p < SOME; ++p) {
                if (FIRST + p < N) to[(M + FIRST + p) * WIDTH] = totals[p];
                else to[L::N_M * WIDTH] += totals[p];
            }
        };
        runs(run, std::make_integer_sequence<int, N / WIDTH + 1>{});
    }
    template <class Run, int... K>
    static inline void runs(const Run &run, std::integer_sequence<int, K...>) {
        (run(std::integral_constant<int, K * WIDTH>{}), ...);
    }
};

}  // namespace atomgraph
