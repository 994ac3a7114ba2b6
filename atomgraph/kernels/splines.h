// Splines: between each two of equidistant knots a polynomial in the place there, s from -1/2 to 1/2, by Horner's rule.
#pragma once
#include "vectors.h"

namespace atomgraph {

struct Knots {
    Real first, inverse_step;  // Å, 1/Å
    std::int64_t n_pieces;

    // Which piece a distance is in, the first and the last going on beyond the ends; t becomes its place there. NaN stays NaN.
    std::int64_t piece(Real &t) const {
        t = (t - first) * inverse_step;
        const Real last = Real(n_pieces - 1);
        const std::int64_t found = t < last ? (t > 0 ? std::int64_t(t) : 0) : t >= last ? n_pieces - 1 : 0;
        t -= Real(found) + Real(0.5);
        return found;
    }
};

// Value of one polynomial; coefficients: [power][WIDTH], power 0 first.
template <int DEGREE>
static inline Vector horner(const Real *coefficients, Vector s) {
    Vector value = load(coefficients + DEGREE * WIDTH);
#pragma GCC unroll 16
    for (int k = DEGREE - 1; k >= 0; --k) value = value * s + load(coefficients + k * WIDTH);
    return value;
}

// The same with the slope by s.
template <int DEGREE>
static inline Vector horner(const Real *coefficients, Vector s, Vector &slope) {
    Vector value = load(coefficients + DEGREE * WIDTH);
    slope = Vector{};
#pragma GCC unroll 16
    for (int k = DEGREE - 1; k >= 0; --k) {
        slope = k == DEGREE - 1 ? value : slope * s + value;
        value = value * s + load(coefficients + k * WIDTH);
    }
    return value;
}

}  // namespace atomgraph
