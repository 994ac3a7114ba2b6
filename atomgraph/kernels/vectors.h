// Vectors of float or double (`REAL`) with the width of the processor's vector registers, as extensions of GCC and Clang.
#pragma once
#include <cmath>
#include <cstdint>
#include <utility>

#ifndef REAL
#define REAL double
#endif
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

namespace atomgraph {

#if defined(__AVX512F__) || !defined(__x86_64__)
constexpr int REGISTERS = 32;
#else
constexpr int REGISTERS = 16;
#endif

typedef REAL Real;
typedef Real Vector __attribute__((vector_size(VECTOR_BYTES)));
typedef Real Unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(Real)), may_alias));
constexpr int WIDTH = VECTOR_BYTES / sizeof(Real);
constexpr int LANE = 16 / sizeof(Real);  // numbers in a lane of 128 bits; shuffles inside a lane are fast

static inline Vector load(const Real *p) { return *reinterpret_cast<const Unaligned *>(p); }
static inline void store(Real *p, Vector v) { *reinterpret_cast<Unaligned *>(p) = v; }
// A vector of equal numbers.
static inline Vector all(Real a) { return a - Vector{}; }

// Sums of pairs of adjacent numbers of a, then of b, inside each lane.
template <int... I>
static inline Vector fold(Vector a, Vector b, std::integer_sequence<int, I...>) {
    constexpr auto from = [](int i, int odd) {
        const int lane = i / LANE, position = i % LANE;
        return (position < LANE / 2 ? 2 * position : 2 * (position - LANE / 2) + WIDTH) + odd + lane * LANE;
    };
    return __builtin_shufflevector(a, b, from(I, 0)...) + __builtin_shufflevector(a, b, from(I, 1)...);
}
// Sums of pairs of adjacent lanes of a, then of b.
template <int... I>
static inline Vector fold_lanes(Vector a, Vector b, std::integer_sequence<int, I...>) {
    constexpr auto from = [](int i, int odd) {
        constexpr int half = WIDTH / LANE / 2;
        const int lane = i / LANE, position = i % LANE;
        return position + LANE * (lane < half ? 2 * lane + odd : 2 * (lane - half) + odd) + (lane < half ? 0 : WIDTH);
    };
    return __builtin_shufflevector(a, b, from(I, 0)...) + __builtin_shufflevector(a, b, from(I, 1)...);
}
// A vector of sums: number k is the sum over the numbers of v[k], for N vectors, N <= SIZE <= WIDTH.
template <int N, int SIZE = WIDTH>
static inline Vector sums(const Vector *v) {
    using Numbers = std::make_integer_sequence<int, WIDTH>;
    if constexpr (SIZE == 1) return v[0];
    else {
        constexpr int HALF = SIZE / 2;
        const Vector a = sums<(N < HALF ? N : HALF), HALF>(v);
        Vector b = a;  // these numbers are not used
        if constexpr (N > HALF) b = sums<N - HALF, HALF>(v + HALF);
        if constexpr (SIZE <= LANE) return fold(a, b, Numbers{});
        else return fold_lanes(a, b, Numbers{});
    }
}

}  // namespace atomgraph
