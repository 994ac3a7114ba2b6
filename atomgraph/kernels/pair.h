// Sums over neighbours of pair functions of the distance, S_i = sum_j phi_{z_i z_j}(r_ij), and their vector-Jacobian product.
// All values are in double precision. Each sum is written by one thread.
#pragma once
#include "parallel.h"
#include "splines.h"

namespace atomgraph {

// Edges sorted by centre. row: (n_atoms + 1,) first edge of each centre.  neighbour: (n_edges,).
struct Neighbours {
    const std::int64_t *row;
    const std::int32_t *neighbour;
    const Real *vector;  // (n_edges, 3)
    const std::int32_t *kind;  // of each atom: an index of its element, or 0 if phi does not depend on elements
    std::int32_t n_kinds;
};

// Piecewise polynomials; tables: [kind of centre][kind of neighbour][piece][power]. The functions of this struct and of Screened return
// phi(r) for pair = kind of centre · n_kinds + kind of neighbour, and write its derivative.
struct Tabulated {
    const double *tables;
    int degree;
    Pieces pieces;

    double operator()(std::int32_t pair, double r, double &derivative) const {
        double s, ds_dr;
        const double *c = tables + (pair * pieces.n_pieces + pieces.locate(r, s, ds_dr)) * (degree + 1);
        double value = c[degree], df_ds = 0;
        for (int k = degree - 1; k >= 0; --k) df_ds = df_ds * s + value, value = value * s + c[k];
        derivative = df_ds * ds_dr;
        return value;
    }
};

// ZBL: k / r sum_t c_t exp(-d_t r / a) f_p(r / cutoff), with the polynomial envelope f_p.
struct Screened {
    const double *pairs;  // for each pair of kinds: k (eV Å), 1 / a (1/Å), cutoff (Å)
    const double *terms;  // (4, 2): c, d
    double p;             // exponent of the envelope

    double operator()(std::int32_t pair, double r, double &derivative) const {
        const double k = pairs[3 * pair], inverse = pairs[3 * pair + 1], cutoff = pairs[3 * pair + 2], u = r / cutoff;
        derivative = 0;
        if (u >= 1) return 0;
        double screening = 0, dscreening_dr = 0;
        for (int t = 0; t < 4; ++t) {
            const double d = terms[2 * t + 1] * inverse, term = terms[2 * t] * std::exp(-d * r);
            screening += term, dscreening_dr -= d * term;
        }
        const double power = std::pow(u, p - 1);
        const double envelope = 1 - power * u * (0.5 * (p + 1) * (p + 2) - u * (p * (p + 2) - u * (0.5 * p * (p + 1))));
        const double denvelope_du = -0.5 * p * (p + 1) * (p + 2) * power * (1 - u) * (1 - u);
        const double value = k / r * screening * envelope;
        derivative = k / r * (dscreening_dr * envelope + screening * denvelope_du / cutoff) - value / r;
        return value;
    }
};

constexpr std::int64_t ATOMS_PER_PIECE = 64;

// Writes sum: (n_atoms,), and derivative_over_r: (n_edges,) phi'(r) / r.
template <class Phi>
static inline void pair_sums(int n_threads, std::int64_t n_atoms, const Neighbours &edges, const Phi &phi, double *sum,
                             double *derivative_over_r) {
    parallel_for(n_threads, n_atoms, ATOMS_PER_PIECE, [&](std::int64_t i0, std::int64_t i1, int) {
        for (std::int64_t i = i0; i < i1; ++i) {
            double total = 0;
            for (std::int64_t e = edges.row[i]; e < edges.row[i + 1]; ++e) {
                const Real *v = edges.vector + 3 * e;
                const double x = v[0], y = v[1], z = v[2], r = std::sqrt(x * x + y * y + z * z);
                total += phi(edges.kind[i] * edges.n_kinds + edges.kind[edges.neighbour[e]], r, derivative_over_r[e]);
                derivative_over_r[e] /= r;
            }
            sum[i] = total;
        }
    });
}

// Writes grad_vector: (n_edges, 3) gradient with respect to edge vectors, from grad_sum: (n_atoms,) gradient with respect to the sums.
static inline void pair_vjp(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const Real *vector,
                               const double *derivative_over_r, const double *grad_sum, Real *grad_vector) {
    parallel_for(n_threads, n_atoms, ATOMS_PER_PIECE, [&](std::int64_t i0, std::int64_t i1, int) {
        for (std::int64_t i = i0; i < i1; ++i)
            for (std::int64_t e = row[i]; e < row[i + 1]; ++e)
                for (int k = 0; k < 3; ++k) grad_vector[3 * e + k] = Real(grad_sum[i] * derivative_over_r[e] * double(vector[3 * e + k]));
    });
}

}  // namespace atomgraph
