// Functions of a distance, piece by piece a polynomial in the place there, s from -1/2 to 1/2, by Horner's rule.
#pragma once
#include "vectors.h"

namespace atomgraph {

struct Knots {
    double cutoff;  // Å
    std::int64_t n_pieces;

    // t = 2 n r / (r + cutoff) counts pieces, which are shorter where r is small: its whole part is the piece, s the place in that
    // piece, by_r is ds/dr. Beyond the ends the first and the last piece go on; NaN stays NaN in s.
    // In double: t is large beside s, and what is rounded off here is an error of the distance.
    std::int32_t place(double r, double &s, double &by_r) const {
        const double twice = double(2 * n_pieces), last = double(n_pieces - 1);
        const double inverse = 1 / (r + cutoff), left = twice * cutoff * inverse, t = twice - left, inside = t > 0 ? t : 0;
        const std::int32_t piece = std::int32_t(inside < last ? inside : last);
        s = twice - (piece + 0.5) - left, by_r = left * inverse;
        return piece;
    }
    // Of WIDTH distances.
    void place(const double *r, std::int32_t *piece, Vector &s, Vector &by_r) const {
        for (int q = 0; q < WIDTH; ++q) {
            double at, slope;
            piece[q] = place(r[q], at, slope);
            s[q] = Real(at), by_r[q] = Real(slope);
        }
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
