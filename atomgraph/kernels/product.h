// Products of an atom's sums, channel by channel: a sparse polynomial with coefficients of its element, value and slopes.
#pragma once
#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

// L: CHANNELS, N_IN, N_OUT (components), N_TERMS, and the functions value(x, c, o), slope(x, c, g, d).
// Atoms are sorted by kind; first[k] is where kind k begins. coefficients[k]: [block of channels][term][WIDTH].
// x, o, g, d: a pointer for each component, (n_atoms, stride) apart.
template <class L>
struct Product {
    template <class Step>
    static void each(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Step &step) {
        constexpr int NB = L::CHANNELS / WIDTH;
        const std::int64_t n_atoms = first[n_kinds];
        const std::int64_t piece = std::max<std::int64_t>(1, n_threads <= 1 ? n_atoms : n_atoms / (4 * n_threads));
        parallel_for(n_threads, n_atoms, piece, [&](std::int64_t i0, std::int64_t i1, int) {
            for (int kind = 0; kind < n_kinds; ++kind) {
                const std::int64_t begin = std::max(i0, first[kind]), end = std::min(i1, first[kind + 1]);
                for (int b = 0; b < NB; ++b)
                    for (std::int64_t i = begin; i < end; ++i)
                        step(i, b * WIDTH, coefficients[kind] + std::int64_t(b) * L::N_TERMS * WIDTH);
            }
        });
    }

    static void forward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients,
                        const Real *const *x, const std::int64_t *x_stride, Real *const *o, const std::int64_t *o_stride) {
        each(n_threads, n_kinds, first, coefficients, [&](std::int64_t i, int channel, const Real *c) {
            Vector in[L::N_IN], out[L::N_OUT] = {};
            for (int k = 0; k < L::N_IN; ++k) in[k] = load(x[k] + i * x_stride[k] + channel);
            L::value(in, c, out);
            for (int k = 0; k < L::N_OUT; ++k) store(o[k] + i * o_stride[k] + channel, out[k]);
        });
    }

    static void backward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients,
                         const Real *const *x, const std::int64_t *x_stride, const Real *const *g, const std::int64_t *g_stride,
                         Real *const *d) {
        each(n_threads, n_kinds, first, coefficients, [&](std::int64_t i, int channel, const Real *c) {
            Vector in[L::N_IN], by[L::N_OUT], slope[L::N_IN] = {};
            for (int k = 0; k < L::N_IN; ++k) in[k] = load(x[k] + i * x_stride[k] + channel);
            for (int k = 0; k < L::N_OUT; ++k) by[k] = load(g[k] + i * g_stride[k] + channel);
            L::slope(in, c, by, slope);
            for (int k = 0; k < L::N_IN; ++k) store(d[k] + i * x_stride[k] + channel, slope[k]);
        });
    }
};

}  // namespace atomgraph
