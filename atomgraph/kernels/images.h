// Atoms of a periodic structure and those of their images that a cutoff can reach, sorted into the cells of a grid.
#pragma once
#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "parallel.h"

namespace atomgraph {

using std::int32_t;
using std::int64_t;
using Vector = std::array<double, 3>;

constexpr int WIDTH = 8;  // images that are looked at together; float arrays are that much longer than what they hold
constexpr double MOST_IMAGES = 1e9, MOST_TURNS = 1e9;

inline double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vector cross(const double *a, const double *b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

template <class T>
std::unique_ptr<T[]> uninitialised(int64_t n) { return std::unique_ptr<T[]>(new T[n]); }

// Reciprocal vectors of the periodic directions, in the space that these span; zeros for open ones, whose vectors may be anything.
inline std::array<Vector, 3> reciprocal(const double *cell, const uint8_t *pbc) {
    std::array<Vector, 3> full, found{};
    int n_open = 0, open[3];
    for (int k = 0; k < 3; ++k) {
        std::copy(cell + 3 * k, cell + 3 * k + 3, full[k].begin());
        if (!pbc[k]) open[n_open++] = k;
    }
    if (n_open == 3) return found;
    if (n_open == 2) {  // any vector across the periodic one: across the axis that this is least along
        const double *along = full[3 - open[0] - open[1]].data();
        int least = 0;
        for (int k = 1; k < 3; ++k)
            if (std::abs(along[k]) < std::abs(along[least])) least = k;
        Vector axis{};
        axis[least] = 1.0;
        full[open[1]] = cross(along, axis.data());
    }
    if (n_open > 0) full[open[0]] = cross(full[(open[0] + 1) % 3].data(), full[(open[0] + 2) % 3].data());
    for (int k = 0; k < 3; ++k) {
        if (!pbc[k]) continue;
        found[k] = cross(full[(k + 1) % 3].data(), full[(k + 2) % 3].data());
        const double size = dot(full[k].data(), found[k].data());
        for (double &x : found[k]) x /= size;
    }
    return found;
}

struct Image {
    int32_t atom, shift[3];  // at x_atom + shift · cell
};

class Images {
  public:
    enum Fault : int64_t { NOT_A_STRUCTURE = -1, NO_MEMORY = -2 };
    static constexpr double FARTHEST = 1e12;  // Å from the origin; beyond, no distance is left in a double, and no grid ends

    const int64_t n_atoms;
    const double *const pos, *const cell, cutoff;
    std::unique_ptr<std::array<int32_t, 3>[]> turns;  // (n_atoms): the atom itself, brought into the cell, is its image -turns
    std::unique_ptr<Image[]> all;                     // by cell of the grid, atoms that are in the cell first
    std::unique_ptr<float[]> x, y, z;                 // of the images, from the grid's corner
    int64_t n[3];                                     // cells of the grid; the last index runs fastest
    int64_t reach;                                    // cells of the grid that the cutoff can reach beyond an atom's own
    std::vector<int32_t> first, n_own;                // per cell of the grid: its first image, and how many of them are atoms
    double margin;                                    // rounding errors of the squares of distances, at most

    Images(int64_t n_atoms, const double *pos, const double *cell, double cutoff)
        : n_atoms(n_atoms), pos(pos), cell(cell), cutoff(cutoff) {}

    // Number of images, or what is wrong. Unless the structure was checked, one that looks strange is not gone into.
    int64_t place(const uint8_t *pbc, bool checked) {
        if (n_atoms == 0 || !(checked || plausible(pbc))) return NOT_A_STRUCTURE;
        dual_ = reciprocal(cell, pbc);
        if (!wrap(pbc)) return NOT_A_STRUCTURE;
        double expected = static_cast<double>(n_atoms);
        for (int k = 0; k < 3; ++k) {
            deep_[k] = pbc[k] ? cutoff * std::sqrt(dot(dual_[k].data(), dual_[k].data())) + 1e-6 : 0.0;
            expected *= 2.0 * deep_[k] + 1.0;
        }
        if (!(expected < MOST_IMAGES)) return NO_MEMORY;
        lay_grid();
        return sort(unsorted(pbc, static_cast<int64_t>(expected)));
    }

    // Whether an image is nearer to an atom than the cutoff: |x_j - x_i + S L| in double, the same number from both ends.
    bool is_near(int64_t centre, const Image &image) const {
        const double *here = pos + 3 * centre, *there = pos + 3 * image.atom;
        double square = 0.0;
        for (int k = 0; k < 3; ++k) {
            double shift = 0.0;
            for (int d = 0; d < 3; ++d)
                if (const int32_t s = image.shift[d] + turns[centre][d]) shift += s * cell[3 * d + k];
            const double step = (there[k] - here[k]) + shift;
            square += step * step;
        }
        return std::sqrt(square) < cutoff;
    }

  private:
    struct Placed {
        float at[3];
        int32_t place;  // cell of the grid
        Image image;
    };

    std::array<Vector, 3> dual_;
    std::unique_ptr<Vector[]> wrapped_;
    Vector lowest_, highest_;  // corners of the atoms' box, then of the grid
    double deep_[3];           // the cutoff as a part of the distance between lattice planes
    double inverse_[3];        // of the size of a grid's cell

    // Finite periods, none very short, none nearly parallel, and not too many neighbours; stricter than graph/checks.py, so that
    // what passes here passes there. (Positions are looked at when they are wrapped.)
    bool plausible(const uint8_t *pbc) const {
        double lengths = 1.0, shortest = std::numeric_limits<double>::infinity();
        const double *periods[3];
        int n_periods = 0;
        for (int k = 0; k < 3; ++k) {
            const double length = std::sqrt(dot(cell + 3 * k, cell + 3 * k));
            if (!std::isfinite(length) || (pbc[k] && length > 1e9)) return false;
            if (pbc[k]) periods[n_periods++] = cell + 3 * k, lengths *= length, shortest = std::min(shortest, length);
        }
        if (n_periods == 0) return true;
        double measure = lengths;
        if (n_periods > 1) {
            const Vector normal = cross(periods[0], periods[1]);
            measure = n_periods == 2 ? std::sqrt(dot(normal.data(), normal.data())) : std::abs(dot(normal.data(), periods[2]));
        }
        const double wide = 2.0 * cutoff, ball = n_periods == 1 ? wide : n_periods == 2 ? wide * wide : wide * wide * wide;
        const double atoms = static_cast<double>(n_atoms);
        double farthest = 0.0;
        for (int64_t i = 0; i < 3 * n_atoms; ++i) farthest = std::max(farthest, std::abs(pos[i]));
        return shortest > 0.01 && measure > 1e-6 * lengths && atoms * atoms * ball < 5e8 * measure && farthest < 1e6 * shortest;
    }

    bool wrap(const uint8_t *pbc) {
        wrapped_ = uninitialised<Vector>(n_atoms), turns = uninitialised<std::array<int32_t, 3>>(n_atoms);
        lowest_.fill(std::numeric_limits<double>::infinity()), highest_.fill(-lowest_[0]);
        double farthest = 0.0;
        for (int64_t i = 0; i < n_atoms; ++i) {
            const double *at = pos + 3 * i;
            Vector to = {at[0], at[1], at[2]};
            const double sum = std::abs(at[0]) + std::abs(at[1]) + std::abs(at[2]);
            if (!std::isfinite(sum)) return false;
            farthest = std::max(farthest, sum);
            for (int k = 0; k < 3; ++k) {
                const double n_turns = pbc[k] ? std::floor(dot(dual_[k].data(), at)) : 0.0;
                if (!(std::abs(n_turns) < MOST_TURNS)) return false;
                turns[i][k] = static_cast<int32_t>(n_turns);
                if (n_turns != 0.0)
                    for (int d = 0; d < 3; ++d) to[d] -= n_turns * cell[3 * k + d];
            }
            for (int k = 0; k < 3; ++k) lowest_[k] = std::min(lowest_[k], to[k]), highest_[k] = std::max(highest_[k], to[k]);
            wrapped_[i] = to;
            farthest = std::max(farthest, std::abs(to[0]) + std::abs(to[1]) + std::abs(to[2]));
        }
        margin = 64.0 * std::numeric_limits<double>::epsilon() * cutoff * (farthest + cutoff);
        return farthest < FARTHEST;
    }

    // Cells as wide as the cutoff, or half of it where there are many atoms; never many more cells than atoms.
    void lay_grid() {
        double extent[3], filled = 1.0, whole = 1.0;
        for (int k = 0; k < 3; ++k) {
            filled *= std::max(highest_[k] - lowest_[k], 0.5 * cutoff);
            lowest_[k] -= 1.0001 * cutoff, highest_[k] += 1.0001 * cutoff;
            extent[k] = highest_[k] - lowest_[k], whole *= extent[k];
        }
        reach = n_atoms * std::pow(cutoff, 3) > MANY * filled ? 2 : 1;
        double size = cutoff / static_cast<double>(reach), n_cells;
        const double most = 1024.0 + 8.0 * static_cast<double>(n_atoms) * std::min(whole / filled, 30.0);
        for (;; size *= 1.3) {
            n_cells = 1.0;
            for (int k = 0; k < 3; ++k) n_cells *= std::floor(extent[k] / size) + 1.0;
            if (n_cells <= most) break;
        }
        for (int k = 0; k < 3; ++k) n[k] = static_cast<int64_t>(extent[k] / size) + 1, inverse_[k] = 1.0 / size;
        const double widest = *std::max_element(extent, extent + 3);
        margin += 8.0 * std::numeric_limits<float>::epsilon() * cutoff * (widest + cutoff);
    }

    std::vector<Placed> unsorted(const uint8_t *pbc, int64_t expected) {
        std::vector<Placed> found;
        found.reserve(expected + 64);
        const int64_t n_cells = n[0] * n[1] * n[2];
        first.assign(n_cells + 1, 0), n_own.assign(n_cells, 0);
        for (int64_t i = 0; i < n_atoms; ++i) {
            add(found, i, wrapped_[i], 0, 0, 0);
            ++n_own[found.back().place];
        }
        for (int64_t i = 0; i < n_atoms; ++i) {
            const Vector &x = wrapped_[i];
            int from[3] = {0, 0, 0}, to[3] = {0, 0, 0};
            for (int k = 0; k < 3; ++k) {
                if (!pbc[k]) continue;
                const double in_cell = dot(dual_[k].data(), x.data());
                from[k] = static_cast<int>(std::ceil(-deep_[k] - in_cell));
                to[k] = static_cast<int>(std::floor(1.0 + deep_[k] - in_cell));
            }
            for (int u = from[0]; u <= to[0]; ++u) {
                const Vector along_a = moved(x, u, 0);
                for (int v = from[1]; v <= to[1]; ++v) {
                    const Vector along_b = moved(along_a, v, 1);
                    for (int w = from[2]; w <= to[2]; ++w) {
                        if (!(u | v | w)) continue;
                        const Vector at = moved(along_b, w, 2);
                        if (inside(at)) add(found, i, at, u, v, w);
                    }
                }
            }
        }
        return found;
    }

    Vector moved(const Vector &x, int n_periods, int k) const {
        const double *period = cell + 3 * k;
        return {x[0] + n_periods * period[0], x[1] + n_periods * period[1], x[2] + n_periods * period[2]};
    }

    bool inside(const Vector &x) const {
        bool all = true;
        for (int d = 0; d < 3; ++d) all &= x[d] >= lowest_[d] && x[d] <= highest_[d];
        return all;
    }

    void add(std::vector<Placed> &found, int64_t i, const Vector &at, int u, int v, int w) {
        Placed one;
        int64_t place = 0;
        for (int k = 0; k < 3; ++k) {
            const double from_corner = at[k] - lowest_[k];
            place = place * n[k] + std::min(static_cast<int64_t>(from_corner * inverse_[k]), n[k] - 1);
            one.at[k] = static_cast<float>(from_corner);
        }
        one.place = static_cast<int32_t>(place);
        one.image = {static_cast<int32_t>(i), {u - turns[i][0], v - turns[i][1], w - turns[i][2]}};
        ++first[place + 1];
        found.push_back(one);
    }

    int64_t sort(const std::vector<Placed> &found) {
        const int64_t n_images = static_cast<int64_t>(found.size());
        for (size_t place = 1; place < first.size(); ++place) first[place] += first[place - 1];
        std::vector<int32_t> next(first.begin(), first.end() - 1);
        all = uninitialised<Image>(n_images);
        for (auto *axis : {&x, &y, &z}) {
            *axis = uninitialised<float>(n_images + WIDTH);
            std::fill(axis->get() + n_images, axis->get() + n_images + WIDTH, 0.0f);
        }
        for (const Placed &one : found) {
            const int32_t to = next[one.place]++;
            all[to] = one.image, x[to] = one.at[0], y[to] = one.at[1], z[to] = one.at[2];
        }
        return n_images;
    }

    static constexpr double MANY = 40.0;  // atoms in a cube as wide as the cutoff
};

}  // namespace atomgraph
