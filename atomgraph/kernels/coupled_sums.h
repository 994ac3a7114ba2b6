// Sums over neighbours of features times weights times small matrices, A_i = sum_j w_ij M_ij h_j for several paths, and their first
// and second derivatives, for training. Weights and matrices of each edge are arrays, so that torch can differentiate them further.
// The quantity L(G, h, w, M) = sum_i G_i A_i is linear in each argument. `backward` computes dL/dh, dL/dw and dL/dM. The derivatives
// of these three with respect to all arguments, times vectors (Vh, Vw, VM), are computed by `second_sums` (with respect to G) and
// `second_backward` (with respect to h, w, M). One thread writes each number, so results do not depend on the number of threads.
// Letters: h features, A sums, w weights, M matrices, G gradient with respect to A, g before a letter: gradient with respect to it.
#pragma once
#include <cstring>

#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

// One path: features of one irrep with d1 components and messages of one irrep with d3 components, for some channels.
struct SumPath {
    std::int64_t feature, message, d1, d3, channels;  // indices of the arrays of features and of messages; sizes
    std::int64_t weight, matrix;                      // first weight and first matrix element of the path in the rows of an edge
    std::int64_t place;                               // first channel of the path in the array of messages
};

// Edges of each atom. An atom is the centre for `forward` and `second_sums`, and the neighbour for the other two.
struct EdgesOfAtoms {
    const std::int64_t *begin;  // (n_atoms + 1,) first entry of each atom in `edge`
    const std::int64_t *edge;   // (n_edges,) row of the edge
    const std::int64_t *other;  // (n_edges,) by row of the edge: the other atom
};

// All paths and the lengths of the rows. A row is the numbers of one edge in w or M, or the channels of one component in a message.
struct SumLayout {
    const SumPath *path;
    std::int64_t n_paths, n_weights, n_matrix;
    const std::int64_t *message_channels;
};

// Features are arrays (n_atoms, components, channels), one for each irrep.  w: (n_edges, n_weights).  M: (n_edges, n_matrix), for
// each path (d3, d1).
struct SumInput {
    const Real *const *h, *w, *M;
};

// Arguments of all functions. G: gradients with respect to the messages. Unused arguments are null.
struct SumCall {
    std::int64_t n_threads, n_atoms;
    SumLayout layout;
    EdgesOfAtoms edges;  // by centre for sums, by neighbour for gradients
    SumInput input, vector;
    const Real *const *G;
    Real *const *sums;       // messages, or the gradient with respect to G
    Real *const *gh, *gw, *gM;  // gh must be zero before the call
};

// The first n numbers at p, followed by zeros. ALL: n is WIDTH.
template <bool ALL>
static inline Vector load_some(const Real *p, std::int64_t n) {
    if constexpr (ALL) return load(p);
    Real numbers[WIDTH] = {};
    std::memcpy(numbers, p, n * sizeof(Real));
    return load(numbers);
}
template <bool ALL>
static inline void store_some(Real *p, Vector v, std::int64_t n) {
    if constexpr (ALL) store(p, v);
    else std::memcpy(p, &v, n * sizeof(Real));
}

// Writes the sums over the numbers of each of N vectors.
template <int N, int FIRST = 0>
static inline void write_sums(const Vector *v, Real *to) {
    if constexpr (FIRST < N) {
        constexpr int SOME = N - FIRST < WIDTH ? N - FIRST : WIDTH;
        const Vector total = sums<SOME>(v + FIRST);
        std::memcpy(to + FIRST, &total, SOME * sizeof(Real));
        write_sums<N, FIRST + WIDTH>(v, to);
    }
}

// The loops of one path over the edges of one atom, for n channels from number c on; n is at most WIDTH, and WIDTH if ALL is true.
template <int D1, int D3>
struct PathLoops {
    const SumLayout &layout;
    const SumPath &p;
    const EdgesOfAtoms &edges;

    const Real *feature(const Real *const *h, std::int64_t atom) const { return h[p.feature] + atom * D1 * p.channels; }
    const Real *weight(const Real *w, std::int64_t e) const { return w + e * layout.n_weights + p.weight; }
    const Real *matrix(const Real *M, std::int64_t e) const { return M + e * layout.n_matrix + p.matrix; }
    std::int64_t stride() const { return layout.message_channels[p.message]; }
    // Position of the first component and channel of the path in an array of messages.
    std::int64_t message(std::int64_t atom) const { return atom * D3 * stride() + p.place; }

    // Adds w M h of one edge to sum, for the features at x.
    template <bool ALL>
    void add(Vector *sum, const Real *x, Vector w, const Real *M, std::int64_t n) const {
#pragma GCC unroll 8
        for (int a = 0; a < D1; ++a) {
            const Vector wx = w * load_some<ALL>(x + a * p.channels, n);
#pragma GCC unroll 8
            for (int m = 0; m < D3; ++m) sum[m] += all(M[m * D1 + a]) * wx;
        }
    }
    template <bool ALL>
    void forward(std::int64_t i, const SumInput &in, Real *const *A, std::int64_t c, std::int64_t n) const {
        Vector sum[D3] = {};
        for (std::int64_t k = edges.begin[i]; k < edges.begin[i + 1]; ++k) {
            const std::int64_t e = edges.edge[k];
            const Vector w = load_some<ALL>(weight(in.w, e) + c, n);
            add<ALL>(sum, feature(in.h, edges.other[e]) + c, w, matrix(in.M, e), n);
        }
        for (int m = 0; m < D3; ++m) store_some<ALL>(A[p.message] + message(i) + m * stride() + c, sum[m], n);
    }
    template <bool ALL>
    void second_sums(std::int64_t i, const SumInput &in, const SumInput &v, Real *const *gG, std::int64_t c, std::int64_t n) const {
        Vector sum[D3] = {};
        for (std::int64_t k = edges.begin[i]; k < edges.begin[i + 1]; ++k) {
            const std::int64_t e = edges.edge[k], j = edges.other[e];
            const Vector w = load_some<ALL>(weight(in.w, e) + c, n), vw = load_some<ALL>(weight(v.w, e) + c, n);
            const Real *x = feature(in.h, j) + c, *vx = feature(v.h, j) + c, *M = matrix(in.M, e), *VM = matrix(v.M, e);
#pragma GCC unroll 8
            for (int a = 0; a < D1; ++a) {
                const Vector h = load_some<ALL>(x + a * p.channels, n), vh = load_some<ALL>(vx + a * p.channels, n);
                const Vector with_M = w * vh + vw * h, with_VM = w * h;
#pragma GCC unroll 8
                for (int m = 0; m < D3; ++m) sum[m] += all(M[m * D1 + a]) * with_M + all(VM[m * D1 + a]) * with_VM;
            }
        }
        for (int m = 0; m < D3; ++m) store_some<ALL>(gG[p.message] + message(i) + m * stride() + c, sum[m], n);
    }

    // For component a of the features of an edge, and n channels from number c on: adds to gh, to gw and to sum, the gradients with
    // respect to M. M, VM: column a of the matrices.  SECOND: derivatives of the gradients, times v.
    template <bool SECOND, bool ALL>
    __attribute__((always_inline)) static void backward(const Vector *M, const Vector *VM, const Real *w, const Real *vw, const Real *x,
                                                        const Real *vx, const Real *G, std::int64_t stride, Real *gh, Real *gw,
                                                        Vector *sum, std::int64_t n) {
        const Vector weight = load_some<ALL>(w, n), h = load_some<ALL>(x, n);
        Vector product = weight * h, v_weight, v_h, u = {}, vu = {};
        if constexpr (SECOND) v_weight = load_some<ALL>(vw, n), v_h = load_some<ALL>(vx, n), product = weight * v_h + v_weight * h;
#pragma GCC unroll 8
        for (int m = 0; m < D3; ++m) {
            const Vector g = load_some<ALL>(G + m * stride, n);
            u += M[m] * g, sum[m] += g * product;
            if constexpr (SECOND) vu += VM[m] * g;
        }
        const Vector grad_h = SECOND ? v_weight * u + weight * vu : weight * u, grad_w = SECOND ? u * v_h + vu * h : u * h;
        store_some<ALL>(gh, load_some<ALL>(gh, n) + grad_h, n);
        store_some<ALL>(gw, load_some<ALL>(gw, n) + grad_w, n);
    }
    // Derivatives for all edges of the neighbour j. Adds to gh; writes gw and gM.
    template <bool SECOND>
    void backward(std::int64_t j, const SumInput &in, const SumInput &v, const Real *const *G, Real *const *gh, Real *gw,
                  Real *gM) const {
        const Real *x = feature(in.h, j), *vx = SECOND ? feature(v.h, j) : nullptr;
        Real *to_h = gh[p.feature] + j * D1 * p.channels;
        const std::int64_t stride = this->stride(), channels = p.channels;
        for (std::int64_t k = edges.begin[j]; k < edges.begin[j + 1]; ++k) {
            const std::int64_t e = edges.edge[k];
            const Real *g = G[p.message] + message(edges.other[e]), *w = weight(in.w, e), *M = matrix(in.M, e);
            const Real *vw = SECOND ? weight(v.w, e) : nullptr, *VM = SECOND ? matrix(v.M, e) : nullptr;
            Real *to_w = gw + e * layout.n_weights + p.weight;
            std::fill(to_w, to_w + p.channels, Real(0));
            Vector sum[D1 * D3];
#pragma GCC unroll 1
            for (int a = 0; a < D1; ++a) {
                Vector column[D3], v_column[D3], total[D3] = {};
#pragma GCC unroll 8
                for (int m = 0; m < D3; ++m) {
                    column[m] = all(M[m * D1 + a]);
                    if constexpr (SECOND) v_column[m] = all(VM[m * D1 + a]);
                }
                const std::int64_t row_of_a = a * channels;
                over_channels(channels, [&](std::int64_t c, std::int64_t n, auto all) __attribute__((always_inline)) {
                    backward<SECOND, all.value>(column, v_column, w + c, vw + c, x + row_of_a + c, vx + row_of_a + c, g + c, stride,
                                                to_h + row_of_a + c, to_w + c, total, n);
                });
#pragma GCC unroll 8
                for (int m = 0; m < D3; ++m) sum[m * D1 + a] = total[m];
            }
            write_sums<D1 * D3>(sum, gM + e * layout.n_matrix + p.matrix);
        }
    }

    // Calls step(c, n, true) for all whole vectors of channels, and step(c, n, false) for the remaining channels.
    template <class Step>
    __attribute__((always_inline)) static void over_channels(std::int64_t channels, const Step &step) {
        std::int64_t c = 0;
        for (; c + WIDTH <= channels; c += WIDTH) step(c, WIDTH, std::true_type{});
        if (c < channels) step(c, channels - c, std::false_type{});
    }
    void forward(std::int64_t i, const SumInput &in, Real *const *A) const {
        over_channels(p.channels, [&](auto c, auto n, auto all) { forward<all.value>(i, in, A, c, n); });
    }
    void second_sums(std::int64_t i, const SumInput &in, const SumInput &v, Real *const *gG) const {
        over_channels(p.channels, [&](auto c, auto n, auto all) { second_sums<all.value>(i, in, v, gG, c, n); });
    }
};

// Calls work(loops) with the loops of the path.  d1, d3: 1, 3, 5 or 7.
template <class Work>
static inline void with_loops(const SumLayout &layout, const SumPath &p, const EdgesOfAtoms &edges, const Work &work) {
    const auto choose = [&](auto d1) {
        switch (p.d3) {
            case 1: return work(PathLoops<decltype(d1)::value, 1>{layout, p, edges});
            case 3: return work(PathLoops<decltype(d1)::value, 3>{layout, p, edges});
            case 5: return work(PathLoops<decltype(d1)::value, 5>{layout, p, edges});
            default: return work(PathLoops<decltype(d1)::value, 7>{layout, p, edges});
        }
    };
    switch (p.d1) {
        case 1: return choose(std::integral_constant<int, 1>{});
        case 3: return choose(std::integral_constant<int, 3>{});
        case 5: return choose(std::integral_constant<int, 5>{});
        default: return choose(std::integral_constant<int, 7>{});
    }
}

// Calls work(loops, atom) for each path and atom; returns an error code.
template <class Work>
static int for_each_atom(const SumCall &call, const Work &work) {
    return guarded([&] {
        parallel_for(int(call.n_threads), call.n_atoms, 8, [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t atom = first; atom < last; ++atom)
                for (std::int64_t k = 0; k < call.layout.n_paths; ++k)
                    with_loops(call.layout, call.layout.path[k], call.edges, [&](const auto &loops) { work(loops, atom); });
        });
    });
}

ATOMGRAPH_API int coupled_sums_forward(const SumCall *c) {
    return for_each_atom(*c, [c](const auto &loops, std::int64_t i) { loops.forward(i, c->input, c->sums); });
}
ATOMGRAPH_API int coupled_sums_backward(const SumCall *c) {
    return for_each_atom(*c, [c](const auto &loops, std::int64_t j) {
        loops.template backward<false>(j, c->input, c->input, c->G, c->gh, c->gw, c->gM);
    });
}
ATOMGRAPH_API int coupled_sums_second_sums(const SumCall *c) {
    return for_each_atom(*c, [c](const auto &loops, std::int64_t i) { loops.second_sums(i, c->input, c->vector, c->sums); });
}
ATOMGRAPH_API int coupled_sums_second_backward(const SumCall *c) {
    return for_each_atom(*c, [c](const auto &loops, std::int64_t j) {
        loops.template backward<true>(j, c->input, c->vector, c->G, c->gh, c->gw, c->gM);
    });
}

}  // namespace atomgraph
