// Numbers side by side: vectors as wide as the processor's, over float or double (`REAL`), in GCC's and Clang's own notation.
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
constexpr int LANE = 16 / sizeof(Real);  // numbers in the 128 bits inside which shuffles are cheap

static inline Vector load(const Real *p) { return *reinterpret_cast<const Unaligned *>(p); }
static inline void store(Real *p, Vector v) { *reinterpret_cast<Unaligned *>(p) = v; }
static inline Vector all(Real a) { return a - Vector{}; }

// Sums of neighbouring numbers of a, then of b, each inside its 128 bits.
template <int... I>
static inline Vector fold(Vector a, Vector b, std::integer_sequence<int, I...>) {
    constexpr auto from = [](int i, int odd) {
        const int lane = i / LANE, place = i % LANE;
        return (place < LANE / 2 ? 2 * place : 2 * (place - LANE / 2) + WIDTH) + odd + lane * LANE;
    };
    return __builtin_shufflevector(a, b, from(I, 0)...) + __builtin_shufflevector(a, b, from(I, 1)...);
}
// Sums of neighbouring lanes of a, then of b.
template <int... I>
static inline Vector fold_lanes(Vector a, Vector b, std::integer_sequence<int, I...>) {
    constexpr auto from = [](int i, int odd) {
        constexpr int half = WIDTH / LANE / 2;
        const int lane = i / LANE, place = i % LANE;
        return place + LANE * (lane < half ? 2 * lane + odd : 2 * (lane - half) + odd) + (lane < half ? 0 : WIDTH);
    };
    return __builtin_shufflevector(a, b, from(I, 0)...) + __builtin_shufflevector(a, b, from(I, 1)...);
}
// The sum over the numbers of each of N vectors, up to SIZE = WIDTH of them; vector k's is number k.
template <int N, int SIZE = WIDTH>
static inline Vector sums(const Vector *v) {
    using Numbers = std::make_integer_sequence<int, WIDTH>;
    if constexpr (SIZE == 1) return v[0];
    else {
        constexpr int HALF = SIZE / 2;
        const Vector a = sums<(N < HALF ? N : HALF), HALF>(v);
        Vector b = a;  // its numbers are not used
        if constexpr (N > HALF) b = sums<N - HALF, HALF>(v + HALF);
        if constexpr (SIZE <= LANE) return fold(a, b, Numbers{});
        else return fold_lanes(a, b, Numbers{});
    }
}

}  // namespace atomgraph
