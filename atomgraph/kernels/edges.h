// Edges inside a cutoff, in the order of the kernels (atoms sorted by element), sorted by centre and by neighbour. Gradients with
// respect to positions and strain, from gradients with respect to edge vectors. Positions and sums are float64 for kernels of either
// precision. Each thread computes a run of consecutive atoms. Results do not depend on the number of threads.
#pragma once
#include <memory>

#include "parallel.h"
#include "vectors.h"

namespace atomgraph {

enum Fault : std::int64_t { DEGENERATE = -1, NOT_SORTED = -2, NO_MEMORY = -3 };

// A structure or a batch, in the order of the graph.
struct Structure {
    const double *position, *cell;           // (n_atoms, 3) and (n_graphs, 3, 3), Å
    const std::int64_t *graph;               // (n_atoms,) index of the graph of each atom
    const std::int64_t *neighbour, *centre;  // (n_edges,) the two atoms of each edge, sorted by centre
    const std::int32_t *shift;               // (n_edges, 3) numbers of cell vectors
    const std::int64_t *ordered_row;         // (n_atoms,) row in the kernels' order of each atom of the graph
    const std::int64_t *graph_row;           // (n_atoms,) row in the graph of each atom in the kernels' order
    std::int64_t n_atoms, n_edges;

    bool is_valid(std::int64_t atom) const { return atom >= 0 && atom < n_atoms; }
    // Writes the vectors v, (3, STEP), and lengths, (STEP,), Å, of n edges of one centre, starting with edge e; n is at most STEP.
    static constexpr std::int64_t STEP = 64;
    void measure(std::int64_t e, std::int64_t n, double (*v)[STEP], double *length) const {
        const double *a = position + 3 * centre[e], *rows = cell + 9 * graph[centre[e]];
        const double x = a[0], y = a[1], z = a[2];
        for (std::int64_t t = 0; t < n; ++t) {
            const double *b = position + 3 * neighbour[e + t];
            const std::int32_t *s = shift + 3 * (e + t);
            const double u = double(s[0]), p = double(s[1]), q = double(s[2]);
            v[0][t] = x - b[0] + (u * rows[0] + p * rows[3] + q * rows[6]);
            v[1][t] = y - b[1] + (u * rows[1] + p * rows[4] + q * rows[7]);
            v[2][t] = z - b[2] + (u * rows[2] + p * rows[5] + q * rows[8]);
            length[t] = std::sqrt(v[0][t] * v[0][t] + v[1][t] * v[1][t] + v[2][t] * v[2][t]);
        }
    }
};

// Runs of consecutive atoms, of about equal size.
struct Runs {
    std::int64_t n, n_atoms;

    std::int64_t begin(std::int64_t run) const { return n_atoms * run / n; }
    // Calls work(run, first atom, end of atoms) for each run.
    template <class Work>
    void for_each(const Work &work) const {
        parallel_for(int(n), n, 1, [&](std::int64_t first, std::int64_t last, int) {
            for (std::int64_t run = first; run < last; ++run) work(run, begin(run), begin(run + 1));
        });
    }
};

// Edges inside the cutoff. The edges of each run are consecutive; there may be gaps between runs.
struct EdgeLists {
    std::int64_t *run_begin;  // (n_runs,) first edge of each run in `vector` and `neighbour`
    std::int64_t *row;        // (n_atoms + 1,) first edge of each centre, over all runs
    std::int32_t *count;      // (n_runs, n_atoms) number of edges to each neighbour in each run
    Real *vector;             // (n_edges, 3), Å
    std::int32_t *neighbour;  // (n_edges,)
};

// Writes begin: (n_atoms + 1,) first edge of each centre in the structure. Returns a Fault, or 0 for a valid structure.
static inline std::int64_t find_centres(int n_threads, const Structure &s, std::int64_t *begin) {
    std::atomic<bool> degenerate{false}, unsorted{false};
    parallel_for(n_threads, s.n_edges + 1, 1 << 14, [&](std::int64_t first, std::int64_t last, int) {
        for (std::int64_t e = first; e < last; ++e) {
            const std::int64_t previous = e > 0 ? s.centre[e - 1] : -1, centre = e < s.n_edges ? s.centre[e] : s.n_atoms;
            if (e < s.n_edges && !(s.is_valid(centre) && s.is_valid(s.neighbour[e]))) degenerate = true;
            else if (e > 0 && !s.is_valid(previous)) degenerate = true;
            else if (centre < previous) unsorted = true;
            else
                for (std::int64_t i = previous + 1; i <= centre; ++i) begin[i] = e;
        }
    });
    return degenerate ? DEGENERATE : unsorted ? NOT_SORTED : 0;
}

// Writes the edges inside the cutoff to `lists`, and returns their number. Returns DEGENERATE for coincident atoms, positions that are
// not finite and invalid atom indices, and NOT_SORTED for edges that are not sorted by centre.
static inline std::int64_t count_edges(std::int64_t n_runs, const Structure &s, double cutoff, const EdgeLists &lists) {
    const Runs runs{n_runs, s.n_atoms};
    std::unique_ptr<std::int64_t[]> begin(new std::int64_t[s.n_atoms + 1]);
    if (const std::int64_t fault = find_centres(int(n_runs), s, begin.get())) return fault;
    for (std::int64_t run = 0, i = 0, at = 0; run < n_runs; ++run)
        for (lists.run_begin[run] = at; i < runs.begin(run + 1); ++i) at += begin[s.graph_row[i] + 1] - begin[s.graph_row[i]];
    std::atomic<bool> degenerate{false};
    runs.for_each([&](std::int64_t run, std::int64_t first, std::int64_t last) {
        std::int32_t *count = lists.count + run * s.n_atoms;
        std::fill(count, count + s.n_atoms, 0);
        std::int64_t at = lists.run_begin[run];
        double v[3][Structure::STEP], length[Structure::STEP];
        bool all_lengths_valid = true;
        for (std::int64_t i = first; i < last; ++i) {
            const std::int64_t first_edge = at, end = begin[s.graph_row[i] + 1];
            for (std::int64_t e = begin[s.graph_row[i]], n; e < end; e += n) {
                s.measure(e, n = std::min(end - e, Structure::STEP), v, length);
                for (std::int64_t t = 0; t < n; ++t) {
                    all_lengths_valid &= length[t] > 0 && std::isfinite(length[t]);
                    if (!(length[t] < cutoff)) continue;
                    for (int k = 0; k < 3; ++k) lists.vector[3 * at + k] = Real(v[k][t]);
                    const std::int64_t neighbour = s.ordered_row[s.neighbour[e + t]];
                    lists.neighbour[at++] = std::int32_t(neighbour), ++count[neighbour];
                }
            }
            lists.row[i + 1] = at - first_edge;
        }
        if (!all_lengths_valid) degenerate = true;
    });
    if (degenerate) return DEGENERATE;
    lists.row[0] = 0;
    for (std::int64_t i = 0; i < s.n_atoms; ++i) lists.row[i + 1] += lists.row[i];
    return lists.row[s.n_atoms];
}

// Copies the edges of all runs to arrays without gaps, and sorts them by neighbour. vector: (n_edges, 3) and neighbour: (n_edges,) may
// be the arrays of `lists` if all edges are inside the cutoff.  centre: (n_edges,).  order: (n_edges,) edges sorted by neighbour.
// column: (n_atoms + 1,) first entry of each neighbour in order.
static inline void fill_edges(std::int64_t n_runs, std::int64_t n_atoms, const EdgeLists &lists, Real *vector, std::int32_t *neighbour,
                              std::int32_t *centre, std::int64_t *column, std::int32_t *order) {
    std::int64_t at = 0;
    for (std::int64_t j = 0; j < n_atoms; ++j) {
        column[j] = at;
        for (std::int64_t run = 0; run < n_runs; ++run) {
            std::int32_t &count = lists.count[run * n_atoms + j];
            const std::int32_t n = count;
            count = std::int32_t(at), at += n;
        }
    }
    column[n_atoms] = at;
    Runs{n_runs, n_atoms}.for_each([&](std::int64_t run, std::int64_t first, std::int64_t last) {
        const std::int64_t to = lists.row[first], n = lists.row[last] - to, from = lists.run_begin[run];
        if (vector != lists.vector) {
            std::copy(lists.vector + 3 * from, lists.vector + 3 * (from + n), vector + 3 * to);
            std::copy(lists.neighbour + from, lists.neighbour + from + n, neighbour + to);
        }
        std::int32_t *next = lists.count + run * n_atoms;
        for (std::int64_t i = first; i < last; ++i)
            for (std::int64_t e = lists.row[i]; e < lists.row[i + 1]; ++e)
                centre[e] = std::int32_t(i), order[next[neighbour[e]]++] = std::int32_t(e);
    });
}

// edge_gradient: dE/dr of each edge, (n_edges, 3).  graph_row: row in the graph of each atom in the kernels' order.
// Writes gradient: dE/dx, (n_atoms, 3), in the graph's order.  Adds to virial: sum of r (x) dE/dr over edges, (n_graphs, 3, 3),
// symmetric.
static inline void collect(int n_threads, std::int64_t n_atoms, const std::int64_t *row, const std::int64_t *column,
                           const std::int32_t *order, const Real *vector, const Real *edge_gradient, const std::int64_t *graph_row,
                           const std::int64_t *graph, double *gradient, double *virial) {
    std::unique_ptr<double[]> atom_virial(new double[6 * n_atoms]);  // components xx, xy, xz, yy, yz, zz
    parallel_for(n_threads, n_atoms, 64, [&](std::int64_t first, std::int64_t last, int) {
        for (std::int64_t i = first; i < last; ++i) {
            double f[3] = {}, w[6] = {};
            for (std::int64_t e = row[i]; e < row[i + 1]; ++e) {
                const double g[3] = {edge_gradient[3 * e], edge_gradient[3 * e + 1], edge_gradient[3 * e + 2]};
                const double r[3] = {vector[3 * e], vector[3 * e + 1], vector[3 * e + 2]};
                for (int k = 0; k < 3; ++k) f[k] += g[k];
                w[0] += g[0] * r[0], w[3] += g[1] * r[1], w[5] += g[2] * r[2];
                w[1] += 0.5 * (g[0] * r[1] + g[1] * r[0]), w[2] += 0.5 * (g[0] * r[2] + g[2] * r[0]);
                w[4] += 0.5 * (g[1] * r[2] + g[2] * r[1]);
            }
            for (std::int64_t t = column[i]; t < column[i + 1]; ++t)
                for (int k = 0; k < 3; ++k) f[k] -= double(edge_gradient[3 * std::int64_t(order[t]) + k]);
            std::copy(f, f + 3, gradient + 3 * graph_row[i]), std::copy(w, w + 6, atom_virial.get() + 6 * i);
        }
    });
    for (std::int64_t i = 0; i < n_atoms; ++i) {
        const double *w = atom_virial.get() + 6 * i;
        double *to = virial + 9 * graph[graph_row[i]];
        to[0] += w[0], to[4] += w[3], to[8] += w[5];
        to[1] += w[1], to[3] += w[1], to[2] += w[2], to[6] += w[2], to[5] += w[4], to[7] += w[4];
    }
}

}  // namespace atomgraph
