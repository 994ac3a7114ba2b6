// The edges inside a cutoff in the order of a model's atoms, by centre and by neighbour; and from slopes by edges to forces and
// virials. Positions and sums are float64 whatever the kernels between compute in.
#pragma once
#include <vector>

#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

struct Structure {
    const double *position, *cell;              // (n_atoms, 3), (n_graphs, 3, 3)
    const std::int64_t *graph;                  // (n_atoms,)
    const std::int64_t *neighbour, *centre;     // (n_edges,), sorted by centre
    const std::int64_t *shift;                  // (n_edges, 3)
    const std::int64_t *place;                  // (n_atoms,) where the model keeps each atom
    std::int64_t n_atoms, n_edges;

    bool is_there(std::int64_t atom) const { return atom >= 0 && atom < n_atoms; }
    void vector(std::int64_t e, double *v) const {
        const double *a = position + 3 * centre[e], *b = position + 3 * neighbour[e], *rows = cell + 9 * graph[centre[e]];
        const std::int64_t *s = shift + 3 * e;
        for (int k = 0; k < 3; ++k)
            v[k] = a[k] - b[k] + (double(s[0]) * rows[k] + double(s[1]) * rows[3 + k] + double(s[2]) * rows[6 + k]);
    }
    double length(std::int64_t e, double *v) const {
        vector(e, v);
        return std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
    }
};

// Counts edges inside the cutoff; row, column: (n_atoms + 1,) where each centre's, each neighbour's edges will begin.
// -1 where some edge has no direction: atoms on one spot, a position that is not finite, or an atom that is not there.
static inline std::int64_t count_edges(const Structure &s, double cutoff, std::int64_t *row, std::int64_t *column) {
    for (std::int64_t i = 0; i <= s.n_atoms; ++i) row[i] = column[i] = 0;
    double v[3];
    for (std::int64_t e = 0; e < s.n_edges; ++e) {
        if (!s.is_there(s.centre[e]) || !s.is_there(s.neighbour[e])) return -1;
        const double length = s.length(e, v);
        if (!(length > 0 && std::isfinite(length))) return -1;
        if (length < cutoff) ++row[s.place[s.centre[e]] + 1], ++column[s.place[s.neighbour[e]] + 1];
    }
    for (std::int64_t i = 0; i < s.n_atoms; ++i) row[i + 1] += row[i], column[i + 1] += column[i];
    return row[s.n_atoms];
}

// Fills in what was counted. vector: (n, 3).  centre, neighbour: (n,) of each edge.  order: edges sorted by neighbour.
static inline void fill_edges(const Structure &s, double cutoff, const std::int64_t *row, const std::int64_t *column,
                              Real *vector, std::int32_t *centre, std::int32_t *neighbour, std::int32_t *order) {
    std::vector<std::int64_t> next(row, row + s.n_atoms), next_of(column, column + s.n_atoms);
    double v[3];
    for (std::int64_t e = 0; e < s.n_edges; ++e) {
        if (!(s.length(e, v) < cutoff)) continue;
        const std::int64_t i = s.place[s.centre[e]], at = next[i]++;
        for (int k = 0; k < 3; ++k) vector[3 * at + k] = Real(v[k]);
        centre[at] = std::int32_t(i), neighbour[at] = std::int32_t(s.place[s.neighbour[e]]);
    }
    for (std::int64_t at = 0; at < row[s.n_atoms]; ++at) order[next_of[neighbour[at]]++] = std::int32_t(at);
}

// gradient: dE/dx, (n_atoms, 3) in the graph's order of atoms; virial: sum of r (x) dE/dr, (n_graphs, 3, 3), symmetric.
// Both are added to. atom: which atom of the graph each of the model's is.
static inline void collect(std::int64_t n, const Real *vector, const Real *slope, const std::int32_t *centre,
                           const std::int32_t *neighbour, const std::int64_t *atom, const std::int64_t *graph, double *gradient,
                           double *virial) {
    for (std::int64_t e = 0; e < n; ++e) {
        double *a = gradient + 3 * atom[centre[e]], *b = gradient + 3 * atom[neighbour[e]];
        double *w = virial + 9 * graph[atom[centre[e]]];
        for (int k = 0; k < 3; ++k) {
            const double g = double(slope[3 * e + k]);
            a[k] += g, b[k] -= g;
            for (int q = 0; q < 3; ++q) {
                const double half = 0.5 * g * double(vector[3 * e + q]);
                w[3 * k + q] += half, w[3 * q + k] += half;
            }
        }
    }
}

}  // namespace atomgraph
