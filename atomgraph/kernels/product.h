// Products of an atom's sums, channel by channel: a sparse polynomial with coefficients of its element, value and slopes.
#pragma once
#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

// L: CHANNELS, N_IN, N_OUT (components), N_TERMS, Places in, out, and the functions value(x, c, o), slope(x, c, g, d).
// Atoms are sorted by kind; first[k] is where kind k begins. coefficients[k]: [block of channels][term][WIDTH].
// x, o and their slopes d, g: blocks (n_atoms, 2l+1, CHANNELS), one after the other.
struct Place {
    int before, dim, m;  // components in the blocks before, in a component's own block, and its number there
};

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

    static void forward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x,
                        Real *o) {
        const std::int64_t n_atoms = first[n_kinds];
        each(n_threads, n_kinds, first, coefficients, [=](std::int64_t i, int channel, const Real *c) {
            Vector in[L::N_IN], out[L::N_OUT] = {};
            read(L::in, n_atoms, x, i, channel, in);
            L::value(in, c, out);
            write(L::out, n_atoms, o, i, channel, out);
        });
    }

    static void backward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x,
                         const Real *g, Real *d) {
        const std::int64_t n_atoms = first[n_kinds];
        each(n_threads, n_kinds, first, coefficients, [=](std::int64_t i, int channel, const Real *c) {
            Vector in[L::N_IN], by[L::N_OUT], slope[L::N_IN] = {};
            read(L::in, n_atoms, x, i, channel, in);
            read(L::out, n_atoms, g, i, channel, by);
            L::slope(in, c, by, slope);
            write(L::in, n_atoms, d, i, channel, slope);
        });
    }

  private:
    static std::int64_t at(const Place &place, std::int64_t n_atoms, std::int64_t i, int channel) {
        return (n_atoms * place.before + i * place.dim + place.m) * L::CHANNELS + channel;
    }
    template <int N>
    static void read(const Place (&places)[N], std::int64_t n_atoms, const Real *x, std::int64_t i, int channel, Vector *v) {
        for (int k = 0; k < N; ++k) v[k] = load(x + at(places[k], n_atoms, i, channel));
    }
    template <int N>
    static void write(const Place (&places)[N], std::int64_t n_atoms, Real *x, std::int64_t i, int channel, const Vector *v) {
        for (int k = 0; k < N; ++k) store(x + at(places[k], n_atoms, i, channel), v[k]);
    }
};

}  // namespace atomgraph
