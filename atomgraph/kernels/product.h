// Symmetric products of the sums of an atom, for each channel: a sparse polynomial, whose coefficients depend on the element of the
// atom, and its vector-Jacobian product.
#pragma once
#include <type_traits>

#include "parallel.h"
#include "vectors.h"
#include "term_table.h"

namespace atomgraph {

// L has the constants CHANNELS, N_IN, N_OUT (numbers of components), N_COEFFICIENTS, ATOMS_PER_STEP (atoms computed together), and the
// arrays in[] and out[] with the Place of each component. Its functions are value<A>(x, c, o) and vjp<A>(x, c, g, d) for A atoms, with
// inputs x, coefficients c, outputs o, and gradients g with respect to o and d with respect to x. The order of x, o, g and d is
// [component][A]; gradients are added to d.
// Atoms are sorted by kind; first[k] is the first atom of kind k. coefficients[k]: [block of channels][coefficient][WIDTH].
// In memory, x, o, g and d are consecutive blocks (n_atoms, 2l+1, CHANNELS).
struct Place {
    int offset, dim, m;  // number of components in earlier blocks, size of the component's block, index in this block
};

template <class L>
struct Product {
    static void forward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x,
                        Real *o) {
        const std::int64_t n_atoms = first[n_kinds];
        for_atoms(n_threads, n_kinds, first, coefficients, [=](auto atoms, std::int64_t i, int channel, const Real *c) {
            constexpr int A = decltype(atoms)::value;
            Vector in[L::N_IN * A], out[L::N_OUT * A] = {};
            read<A>(L::in, n_atoms, x, i, channel, in);
            L::template value<A>(in, c, out);
            write<A>(L::out, n_atoms, o, i, channel, out);
        });
    }

    static void backward(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Real *x,
                         const Real *g, Real *d) {
        const std::int64_t n_atoms = first[n_kinds];
        for_atoms(n_threads, n_kinds, first, coefficients, [=](auto atoms, std::int64_t i, int channel, const Real *c) {
            constexpr int A = decltype(atoms)::value;
            Vector in[L::N_IN * A], out_gradient[L::N_OUT * A], gradient[L::N_IN * A] = {};
            read<A>(L::in, n_atoms, x, i, channel, in);
            read<A>(L::out, n_atoms, g, i, channel, out_gradient);
            L::template vjp<A>(in, c, out_gradient, gradient);
            write<A>(L::in, n_atoms, d, i, channel, gradient);
        });
    }

  private:
    // Calls step(A, first atom, first channel, coefficients) for A atoms and WIDTH channels at a time.
    template <class Step>
    static void for_atoms(int n_threads, int n_kinds, const std::int64_t *first, const Real *const *coefficients, const Step &step) {
        const std::int64_t n_atoms = first[n_kinds];
        const std::int64_t piece = n_threads <= 1 ? n_atoms : std::max<std::int64_t>(L::ATOMS_PER_STEP, n_atoms / (4 * n_threads));
        parallel_for(n_threads, n_atoms, piece, [&](std::int64_t i0, std::int64_t i1, int) {
            for (int kind = 0; kind < n_kinds; ++kind) {
                const std::int64_t end = std::min(i1, first[kind + 1]);
                for (int b = 0; b < L::CHANNELS / WIDTH; ++b) {
                    const Real *c = coefficients[kind] + std::int64_t(b) * L::N_COEFFICIENTS * WIDTH;
                    std::int64_t i = std::max(i0, first[kind]);
                    for (; i + L::ATOMS_PER_STEP <= end; i += L::ATOMS_PER_STEP)
                        step(std::integral_constant<int, L::ATOMS_PER_STEP>{}, i, b * WIDTH, c);
                    if constexpr (L::ATOMS_PER_STEP > 1)
                        for (; i < end; ++i) step(std::integral_constant<int, 1>{}, i, b * WIDTH, c);
                }
            }
        });
    }

    // Index of the value of atom i in the blocks.
    static std::int64_t at(const Place &place, std::int64_t n_atoms, std::int64_t i, int channel) {
        return (n_atoms * place.offset + i * place.dim + place.m) * L::CHANNELS + channel;
    }
    template <int A, int N>
    static void read(const Place (&places)[N], std::int64_t n_atoms, const Real *x, std::int64_t i, int channel, Vector *v) {
        for (int k = 0; k < N; ++k)
            for (int a = 0; a < A; ++a) v[k * A + a] = load(x + at(places[k], n_atoms, i + a, channel));
    }
    template <int A, int N>
    static void write(const Place (&places)[N], std::int64_t n_atoms, Real *x, std::int64_t i, int channel, const Vector *v) {
        for (int k = 0; k < N; ++k)
            for (int a = 0; a < A; ++a) store(x + at(places[k], n_atoms, i + a, channel), v[k * A + a]);
    }
};

}  // namespace atomgraph
