// Piecewise polynomials of the distance, as functions of the position s in a piece (-1/2 to 1/2), by Horner's rule.
#pragma once
#include "vectors.h"

namespace atomgraph {

// The pieces of the interval from 0 to the cutoff.
struct Pieces {
    double cutoff;  // Å
    std::int64_t n_pieces;

    // Piece of a distance r. The coordinate t = 2 n r / (r + cutoff) grows by 1 in each piece, so that pieces are shorter at small r.
    // The integer part of t is the piece, and s is the fractional part minus 1/2. Distances outside the interval are in the first or
    // last piece; s is NaN if r is NaN. Computed in double precision, because rounding errors of t are errors of the distance.
    std::int32_t locate(double r, double &s, double &ds_dr) const {
        const double t_max = double(2 * n_pieces), last = double(n_pieces - 1);  // t_max: t at infinite distance; t_left: t_max - t
        const double inverse = 1 / (r + cutoff), t_left = t_max * cutoff * inverse, t = t_max - t_left, inside = t > 0 ? t : 0;
        const std::int32_t piece = std::int32_t(inside < last ? inside : last);
        s = t_max - (piece + 0.5) - t_left, ds_dr = t_left * inverse;
        return piece;
    }
    // The same for WIDTH distances r.
    void locate(const double *r, std::int32_t *piece, Vector &s, Vector &ds_dr) const {
        for (int q = 0; q < WIDTH; ++q) {
            double offset, derivative;
            piece[q] = locate(r[q], offset, derivative);
            s[q] = Real(offset), ds_dr[q] = Real(derivative);
        }
    }
};

// Values of WIDTH polynomials at s; coefficients: [power][WIDTH], power 0 first.
template <int DEGREE>
static inline Vector horner(const Real *coefficients, Vector s) {
    Vector value = load(coefficients + DEGREE * WIDTH);
#pragma GCC unroll 16
    for (int k = DEGREE - 1; k >= 0; --k) value = value * s + load(coefficients + k * WIDTH);
    return value;
}

// Values, and derivatives with respect to s.
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
