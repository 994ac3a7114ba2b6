// Piecewise polynomials of the distance, in the position s in a piece, -1/2 to 1/2, by Horner's rule.
#pragma once
#include "vectors.h"

namespace atomgraph {

struct Knots {
    double cutoff;  // Å
    std::int64_t n_pieces;

    // t = 2 n r / (r + cutoff) counts pieces, which are shorter at small r: its integer part is the piece, s the position in it.
    // The first and the last piece continue beyond the ends; NaN stays NaN in s. In double precision, because t is much larger than
    // s and its rounding is an error of the distance.
    std::int32_t place(double r, double &s, double &ds_dr) const {
        const double twice = double(2 * n_pieces), last = double(n_pieces - 1);
        const double inverse = 1 / (r + cutoff), left = twice * cutoff * inverse, t = twice - left, inside = t > 0 ? t : 0;
        const std::int32_t piece = std::int32_t(inside < last ? inside : last);
        s = twice - (piece + 0.5) - left, ds_dr = left * inverse;
        return piece;
    }
    // For WIDTH distances.
    void place(const double *r, std::int32_t *piece, Vector &s, Vector &ds_dr) const {
        for (int q = 0; q < WIDTH; ++q) {
            double offset, derivative;
            piece[q] = place(r[q], offset, derivative);
            s[q] = Real(offset), ds_dr[q] = Real(derivative);
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

// Value and derivative with respect to s.
template <int DEGREE>
static inline Vector horner(const Real *coefficients, Vector s, Vector &derivative) {
    Vector value = load(coefficients + DEGREE * WIDTH);
    derivative = Vector{};
#pragma GCC unroll 16
    for (int k = DEGREE - 1; k >= 0; --k) {
        derivative = k == DEGREE - 1 ? value : derivative * s + value;
        value = value * s + load(coefficients + k * WIDTH);
    }
    return value;
}

}  // namespace atomgraph
