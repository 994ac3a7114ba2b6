// Atoms of a periodic structure and their images within the cutoff, sorted by the cells of a grid.
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

constexpr int WIDTH = 8;  // number of images that are compared together; float arrays have WIDTH unused numbers at the end
constexpr double MAX_IMAGES = 1e9, MAX_PERIODS = 1e9;  // larger numbers are not safe in int32

inline double dot(const double *a, const double *b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }
inline Vector cross(const double *a, const double *b) {
    return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

template <class T>
std::unique_ptr<T[]> uninitialised(int64_t n) { return std::unique_ptr<T[]>(new T[n]); }

// Reciprocal vectors of the periodic directions, in the space that these directions span. They are zero for directions that are not
// periodic, whose cell vectors are ignored.
inline std::array<Vector, 3> reciprocal(const double *cell, const uint8_t *pbc) {
    std::array<Vector, 3> full, result{};
    int n_open = 0, open[3];
    for (int k = 0; k < 3; ++k) {
        std::copy(cell + 3 * k, cell + 3 * k + 3, full[k].begin());
        if (!pbc[k]) open[n_open++] = k;
    }
    if (n_open == 3) return result;
    if (n_open == 2) {  // any vector perpendicular to the periodic one: its cross product with the axis of its smallest component
        const double *periodic = full[3 - open[0] - open[1]].data();
        int smallest = 0;
        for (int k = 1; k < 3; ++k)
            if (std::abs(periodic[k]) < std::abs(periodic[smallest])) smallest = k;
        Vector axis{};
        axis[smallest] = 1.0;
        full[open[1]] = cross(periodic, axis.data());
    }
    if (n_open > 0) full[open[0]] = cross(full[(open[0] + 1) % 3].data(), full[(open[0] + 2) % 3].data());
    for (int k = 0; k < 3; ++k) {
        if (!pbc[k]) continue;
        result[k] = cross(full[(k + 1) % 3].data(), full[(k + 2) % 3].data());
        const double size = dot(full[k].data(), result[k].data());
        for (double &x : result[k]) x /= size;
    }
    return result;
}

// An atom, translated by cell vectors.
struct Image {
    int32_t atom, shift[3];  // the position is x_atom + shift · cell
};

// All images of the atoms of a structure that may be within the cutoff of an atom. A Fault is an error code.
class Images {
  public:
    enum Fault : int64_t { NOT_A_STRUCTURE = -1, NO_MEMORY = -2 };
    static constexpr double MAX_COORDINATE = 1e12;  // Å; beyond it, distances cannot be computed in double precision

    const int64_t n_atoms;
    const double *const pos, *const cell, cutoff;
    std::unique_ptr<std::array<int32_t, 3>[]> periods;  // (n_atoms): periods that are subtracted to move each atom into the cell
    std::unique_ptr<Image[]> all;                     // images sorted by cell of the grid; in each cell, atoms of the structure first
    std::unique_ptr<float[]> x, y, z;                 // positions of the images, relative to the corner of the grid, Å
    int64_t n[3];                                     // numbers of cells of the grid; the last index varies fastest
    int64_t reach;                                    // number of cells of the grid within the cutoff, rounded up
    std::vector<int32_t> first, n_own;                // for each cell of the grid: its first image in `all`, number of atoms
    double margin;                                    // upper bound of rounding errors of squared distances, Å²

    Images(int64_t n_atoms, const double *pos, const double *cell, double cutoff)
        : n_atoms(n_atoms), pos(pos), cell(cell), cutoff(cutoff) {}

    // Creates the images. Returns their number, or a Fault. Unusual structures are a Fault unless the caller has `checked` them.
    int64_t create(const uint8_t *pbc, bool checked) {
        if (n_atoms == 0 || !(checked || plausible(pbc))) return NOT_A_STRUCTURE;
        dual_ = reciprocal(cell, pbc);
        if (!wrap(pbc)) return NOT_A_STRUCTURE;
        double expected = static_cast<double>(n_atoms);
        for (int k = 0; k < 3; ++k) {
            depth_[k] = pbc[k] ? cutoff * std::sqrt(dot(dual_[k].data(), dual_[k].data())) + 1e-6 : 0.0;
            expected *= 2.0 * depth_[k] + 1.0;
        }
        if (!(expected < MAX_IMAGES)) return NO_MEMORY;
        choose_grid();
        return sort(unsorted_images(pbc, static_cast<int64_t>(expected)));
    }

    // Whether the distance of an image from an atom, |x_j - x_i + S L| in double, is below the cutoff. The distance of j from i is
    // exactly equal to the distance of i from j.
    bool is_near(int64_t centre, const Image &image) const {
        const double *x_i = pos + 3 * centre, *x_j = pos + 3 * image.atom;
        double square = 0.0;
        for (int k = 0; k < 3; ++k) {
            double shift = 0.0;
            for (int d = 0; d < 3; ++d)
                if (const int32_t s = image.shift[d] + periods[centre][d]) shift += s * cell[3 * d + k];
            const double step = (x_j[k] - x_i[k]) + shift;
            square += step * step;
        }
        return std::sqrt(square) < cutoff;
    }

  private:
    struct PlacedImage {
        float position[3];  // relative to the corner of the grid, Å
        int32_t grid_cell;
        Image image;
    };

    std::array<Vector, 3> dual_;  // reciprocal vectors, 1/Å
    std::unique_ptr<Vector[]> wrapped_;  // positions of the atoms after they were moved into the cell, Å
    Vector lowest_, highest_;  // corners of the box that contains the atoms; after choose_grid, of the grid
    double depth_[3];          // the cutoff divided by the distance between lattice planes
    double inverse_[3];        // inverse size of a cell of the grid, 1/Å

    // Whether cell vectors are finite, not very short and not nearly parallel, and neighbours are not too many. These limits are
    // stricter than those of graph/checks.py, so that plausible structures pass those checks. (Positions are checked in `wrap`.)
    bool plausible(const uint8_t *pbc) const {
        double lengths = 1.0, shortest = std::numeric_limits<double>::infinity();
        const double *vectors[3];
        int n_periods = 0;
        for (int k = 0; k < 3; ++k) {
            const double length = std::sqrt(dot(cell + 3 * k, cell + 3 * k));
            if (!std::isfinite(length) || (pbc[k] && length > 1e9)) return false;
            if (pbc[k]) vectors[n_periods++] = cell + 3 * k, lengths *= length, shortest = std::min(shortest, length);
        }
        if (n_periods == 0) return true;
        double volume = lengths;  // length, area or volume of the periodic directions
        if (n_periods > 1) {
            const Vector normal = cross(vectors[0], vectors[1]);
            volume = n_periods == 2 ? std::sqrt(dot(normal.data(), normal.data())) : std::abs(dot(normal.data(), vectors[2]));
        }
        const double width = 2.0 * cutoff, range = n_periods == 1 ? width : n_periods == 2 ? width * width : width * width * width;
        const double atoms = static_cast<double>(n_atoms);
        double farthest = 0.0;
        for (int64_t i = 0; i < 3 * n_atoms; ++i) farthest = std::max(farthest, std::abs(pos[i]));
        return shortest > 0.01 && volume > 1e-6 * lengths && atoms * atoms * range < 5e8 * volume && farthest < 1e6 * shortest;
    }

    // Moves all atoms into the cell. Returns false for coordinates that are too large or not finite.
    bool wrap(const uint8_t *pbc) {
        wrapped_ = uninitialised<Vector>(n_atoms), periods = uninitialised<std::array<int32_t, 3>>(n_atoms);
        lowest_.fill(std::numeric_limits<double>::infinity()), highest_.fill(-lowest_[0]);
        double farthest = 0.0;
        for (int64_t i = 0; i < n_atoms; ++i) {
            const double *x = pos + 3 * i;
            Vector wrapped = {x[0], x[1], x[2]};
            const double sum = std::abs(x[0]) + std::abs(x[1]) + std::abs(x[2]);
            if (!std::isfinite(sum)) return false;
            farthest = std::max(farthest, sum);
            for (int k = 0; k < 3; ++k) {
                const double n_periods = pbc[k] ? std::floor(dot(dual_[k].data(), x)) : 0.0;
                if (!(std::abs(n_periods) < MAX_PERIODS)) return false;
                periods[i][k] = static_cast<int32_t>(n_periods);
                if (n_periods != 0.0)
                    for (int d = 0; d < 3; ++d) wrapped[d] -= n_periods * cell[3 * k + d];
            }
            for (int k = 0; k < 3; ++k) lowest_[k] = std::min(lowest_[k], wrapped[k]), highest_[k] = std::max(highest_[k], wrapped[k]);
            wrapped_[i] = wrapped;
            farthest = std::max(farthest, std::abs(wrapped[0]) + std::abs(wrapped[1]) + std::abs(wrapped[2]));
        }
        margin = 64.0 * std::numeric_limits<double>::epsilon() * cutoff * (farthest + cutoff);
        return farthest < MAX_COORDINATE;
    }

    // Cells have the size of the cutoff, or half of it at high density. Cells are enlarged if there are many more cells than atoms.
    void choose_grid() {
        double extent[3], atoms_volume = 1.0, grid_volume = 1.0;
        for (int k = 0; k < 3; ++k) {
            atoms_volume *= std::max(highest_[k] - lowest_[k], 0.5 * cutoff);
            lowest_[k] -= 1.0001 * cutoff, highest_[k] += 1.0001 * cutoff;
            extent[k] = highest_[k] - lowest_[k], grid_volume *= extent[k];
        }
        reach = n_atoms * std::pow(cutoff, 3) > HIGH_DENSITY * atoms_volume ? 2 : 1;
        double size = cutoff / static_cast<double>(reach), n_cells;
        const double max_cells = 1024.0 + 8.0 * static_cast<double>(n_atoms) * std::min(grid_volume / atoms_volume, 30.0);
        for (;; size *= 1.3) {
            n_cells = 1.0;
            for (int k = 0; k < 3; ++k) n_cells *= std::floor(extent[k] / size) + 1.0;
            if (n_cells <= max_cells) break;
        }
        for (int k = 0; k < 3; ++k) n[k] = static_cast<int64_t>(extent[k] / size) + 1, inverse_[k] = 1.0 / size;
        const double widest = *std::max_element(extent, extent + 3);
        margin += 8.0 * std::numeric_limits<float>::epsilon() * cutoff * (widest + cutoff);
    }

    // Returns all images, and counts the images (in first[cell + 1]) and atoms (in n_own) of each cell of the grid.
    std::vector<PlacedImage> unsorted_images(const uint8_t *pbc, int64_t expected) {
        std::vector<PlacedImage> images;
        images.reserve(expected + 64);
        const int64_t n_cells = n[0] * n[1] * n[2];
        first.assign(n_cells + 1, 0), n_own.assign(n_cells, 0);
        for (int64_t i = 0; i < n_atoms; ++i) {
            add(images, i, wrapped_[i], 0, 0, 0);
            ++n_own[images.back().grid_cell];
        }
        for (int64_t i = 0; i < n_atoms; ++i) {
            const Vector &x = wrapped_[i];
            int from[3] = {0, 0, 0}, to[3] = {0, 0, 0};
            for (int k = 0; k < 3; ++k) {
                if (!pbc[k]) continue;
                const double in_cell = dot(dual_[k].data(), x.data());
                from[k] = static_cast<int>(std::ceil(-depth_[k] - in_cell));
                to[k] = static_cast<int>(std::floor(1.0 + depth_[k] - in_cell));
            }
            for (int u = from[0]; u <= to[0]; ++u) {
                const Vector along_a = translate(x, u, 0);
                for (int v = from[1]; v <= to[1]; ++v) {
                    const Vector along_b = translate(along_a, v, 1);
                    for (int w = from[2]; w <= to[2]; ++w) {
                        if (!(u | v | w)) continue;
                        const Vector position = translate(along_b, w, 2);
                        if (inside(position)) add(images, i, position, u, v, w);
                    }
                }
            }
        }
        return images;
    }

    // The position x plus n_periods times cell vector k.
    Vector translate(const Vector &x, int n_periods, int k) const {
        const double *period = cell + 3 * k;
        return {x[0] + n_periods * period[0], x[1] + n_periods * period[1], x[2] + n_periods * period[2]};
    }

    // Whether a position is inside the grid.
    bool inside(const Vector &x) const {
        bool all = true;
        for (int d = 0; d < 3; ++d) all &= x[d] >= lowest_[d] && x[d] <= highest_[d];
        return all;
    }

    // Appends the image of atom i with the shift (u, v, w), relative to the atom in the cell.
    void add(std::vector<PlacedImage> &images, int64_t i, const Vector &position, int u, int v, int w) {
        PlacedImage image;
        int64_t grid_cell = 0;
        for (int k = 0; k < 3; ++k) {
            const double from_corner = position[k] - lowest_[k];
            grid_cell = grid_cell * n[k] + std::min(static_cast<int64_t>(from_corner * inverse_[k]), n[k] - 1);
            image.position[k] = static_cast<float>(from_corner);
        }
        image.grid_cell = static_cast<int32_t>(grid_cell);
        image.image = {static_cast<int32_t>(i), {u - periods[i][0], v - periods[i][1], w - periods[i][2]}};
        ++first[grid_cell + 1];
        images.push_back(image);
    }

    // Writes the images sorted by cell of the grid, and returns their number.
    int64_t sort(const std::vector<PlacedImage> &images) {
        const int64_t n_images = static_cast<int64_t>(images.size());
        for (size_t grid_cell = 1; grid_cell < first.size(); ++grid_cell) first[grid_cell] += first[grid_cell - 1];
        std::vector<int32_t> next(first.begin(), first.end() - 1);
        all = uninitialised<Image>(n_images);
        for (auto *axis : {&x, &y, &z}) {
            *axis = uninitialised<float>(n_images + WIDTH);
            std::fill(axis->get() + n_images, axis->get() + n_images + WIDTH, 0.0f);
        }
        for (const PlacedImage &image : images) {
            const int32_t row = next[image.grid_cell]++;
            all[row] = image.image, x[row] = image.position[0], y[row] = image.position[1], z[row] = image.position[2];
        }
        return n_images;
    }

    static constexpr double HIGH_DENSITY = 40.0;  // atoms per cutoff³, above which cells have half the size
};

}  // namespace atomgraph
