// All pairs of atoms at distances below a cutoff, sorted by centre, by a cell list of the atoms and their images within the cutoff.
//
// Atoms of one cell of the grid have the same candidates, which are copied to one array and compared eight at a time, in float. If a
// distance differs from the cutoff by less than rounding errors, it is computed again in double (`Images::is_near`), so that lists are
// exact. Compiled with -ffp-contract=off, so that the distance of j from i is exactly equal to the distance of i from j.
#include "images.h"
#include "scratch.h"

#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

using namespace atomgraph;

constexpr float COINCIDENT = 1e-5f;  // Å², squared distance below which atoms may coincide
constexpr int64_t PIECE = 8;         // number of cells that a thread takes at a time

// Neighbours of one atom.
struct Neighbours {
    const int32_t *rows;  // rows of the images in `Images::all`
    int64_t n;
};

// A neighbour list.
struct List {
    Images images;
    std::vector<int32_t> cells;      // cells of the grid that contain atoms
    std::vector<Scratch> scratch;    // one for each thread
    std::unique_ptr<Neighbours[]> neighbours;  // (n_atoms) neighbours of each atom
    std::vector<int64_t> start;      // (n_atoms + 1): first edge of each centre
    std::atomic<bool> close{false};  // two atoms may coincide
};

// The images that may be neighbours of the atoms of one cell of the grid, copied to one array. Each thread has one object.
struct Candidates {
    std::vector<float> x, y, z;
    std::vector<int32_t> row;
    int64_t n, own;  // number of candidates, and index of the first candidate that is an atom of the cell itself

    // Copies the images in the cells of the grid within `reach` of a cell.
    void gather(const Images &from, int64_t cell) {
        const int64_t *size = from.n, w = cell % size[2], v = cell / size[2] % size[1], u = cell / size[2] / size[1];
        const int64_t w0 = std::max<int64_t>(w - from.reach, 0), w1 = std::min(w + from.reach, size[2] - 1);
        n = 0;
        for (int64_t p = std::max<int64_t>(u - from.reach, 0); p <= std::min(u + from.reach, size[0] - 1); ++p)
            for (int64_t q = std::max<int64_t>(v - from.reach, 0); q <= std::min(v + from.reach, size[1] - 1); ++q) {
                const int64_t line = (p * size[1] + q) * size[2];
                const int32_t begin = from.first[line + w0], end = from.first[line + w1 + 1];
                if (p == u && q == v) own = n + from.first[cell] - begin;
                reserve(n + end - begin + WIDTH);
                for (int32_t t = begin; t < end; t += WIDTH) {  // WIDTH images at a time; superfluous images are overwritten
                    const int64_t target = n + t - begin;
                    std::memcpy(&x[target], &from.x[t], WIDTH * sizeof(float));
                    std::memcpy(&y[target], &from.y[t], WIDTH * sizeof(float));
                    std::memcpy(&z[target], &from.z[t], WIDTH * sizeof(float));
                    int32_t rows[WIDTH];
                    for (int k = 0; k < WIDTH; ++k) rows[k] = t + k;
                    std::memcpy(&row[target], rows, sizeof rows);
                }
                n += end - begin;
            }
        for (int k = 0; k < WIDTH; ++k) x[n + k] = std::numeric_limits<float>::infinity();
    }

  private:
    void reserve(int64_t size) {
        if (static_cast<int64_t>(x.size()) >= size) return;
        for (auto *axis : {&x, &y, &z}) axis->resize(2 * size);
        row.resize(2 * size);
    }
};

#if defined(__AVX2__)
// Positions of the set bits in each pattern of eight bits.
struct SetBits {
    alignas(64) uint8_t positions[256][8]{};
    constexpr SetBits() {
        for (int bits = 0; bits < 256; ++bits)
            for (int k = 0, n = 0; k < 8; ++k)
                if (bits >> k & 1) positions[bits][n++] = static_cast<uint8_t>(k);
    }
};
constexpr SetBits set_bits;
#endif

// Writes to `to` the rows of the candidates whose distance from candidate `self` may be below the cutoff, except `self`. Returns the
// end of these rows. square: squared cutoff, Å².  margin: upper bound of rounding errors of squared distances, Å². `to` has space for
// n + WIDTH rows. uncertain: a distance differs from the cutoff by less than rounding errors. close: two atoms may coincide.
int32_t *find_neighbours(Candidates &candidates, int64_t self, float square, float margin, int32_t *to, bool &uncertain, bool &close) {
    const float at_x = candidates.x[self], at_y = candidates.y[self], at_z = candidates.z[self];
    const float *x = candidates.x.data(), *y = candidates.y.data(), *z = candidates.z.data();
    const int32_t *row = candidates.row.data();
    candidates.x[self] = std::numeric_limits<float>::infinity();
#if defined(__AVX2__)
    const __m256 x0 = _mm256_set1_ps(at_x), y0 = _mm256_set1_ps(at_y), z0 = _mm256_set1_ps(at_z);
    const __m256 limit = _mm256_set1_ps(square), allowed = _mm256_set1_ps(margin), sign = _mm256_set1_ps(-0.0f);
    __m256 unsure = _mm256_setzero_ps(), smallest = limit;
    for (int64_t t = 0; t < candidates.n; t += WIDTH) {
        const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(x + t), x0), dy = _mm256_sub_ps(_mm256_loadu_ps(y + t), y0);
        const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(z + t), z0);
        const __m256 d2 = _mm256_fmadd_ps(dz, dz, _mm256_fmadd_ps(dy, dy, _mm256_mul_ps(dx, dx)));
        const __m256 beyond = _mm256_sub_ps(d2, limit);
        const int bits = _mm256_movemask_ps(_mm256_cmp_ps(beyond, allowed, _CMP_LE_OQ));
        unsure = _mm256_or_ps(unsure, _mm256_cmp_ps(_mm256_andnot_ps(sign, beyond), allowed, _CMP_LE_OQ));
        smallest = _mm256_min_ps(d2, smallest);
        const __m256i where = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(set_bits.positions[bits])));
        const __m256i rows = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row + t));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm256_permutevar8x32_epi32(rows, where));
        to += __builtin_popcount(bits);
    }
    uncertain = _mm256_movemask_ps(unsure) != 0;
    close = _mm256_movemask_ps(_mm256_cmp_ps(smallest, _mm256_set1_ps(COINCIDENT + margin), _CMP_LT_OQ)) != 0;
#else
    float smallest = square;
    int unsure = 0;
    for (int64_t t = 0; t < candidates.n; ++t) {
        const float dx = x[t] - at_x, dy = y[t] - at_y, dz = z[t] - at_z, d2 = dx * dx + dy * dy + dz * dz, beyond = d2 - square;
        *to = row[t], to += beyond <= margin;
        unsure |= std::abs(beyond) <= margin, smallest = std::min(smallest, d2);
    }
    uncertain = unsure != 0, close = smallest < COINCIDENT + margin;
#endif
    candidates.x[self] = at_x;
    return to;
}

// Finds the neighbours of the atoms in list.cells[begin] to list.cells[end - 1].
void search(List &list, Candidates &candidates, Scratch &scratch, int64_t begin, int64_t end) {
    const Images &images = list.images;
    const float square = static_cast<float>(images.cutoff * images.cutoff), margin = static_cast<float>(images.margin);
    bool any_close = false;
    for (int64_t k = begin; k < end; ++k) {
        const int32_t cell = list.cells[k];
        candidates.gather(images, cell);
        for (int32_t own = 0; own < images.n_own[cell]; ++own) {
            const int64_t centre = images.all[images.first[cell] + own].atom;
            int32_t *to = scratch.reserve(candidates.n + WIDTH);
            bool uncertain, close;
            int32_t *last = find_neighbours(candidates, candidates.own + own, square, margin, to, uncertain, close);
            if (uncertain) last = std::remove_if(to, last, [&](int32_t row) { return !images.is_near(centre, images.all[row]); });
            any_close |= close;
            list.neighbours[centre] = {to, last - to};
            scratch.use(last);
        }
    }
    if (any_close) list.close = true;
}

}  // namespace

// Creates the neighbour list of n_atoms atoms at pos (n_atoms, 3) in a cell (3, 3), periodic in directions whose pbc (3) is not 0.
// Returns a handle, which `neighbours_write` deletes, and writes n_edges, the number of pairs. If there is an error, returns a null
// pointer and writes a negative n_edges: -1 if the structure must be checked first (if `checked` is set: if no list is possible),
// -2 if there is not enough memory. close: whether the distance of two atoms may be below 0.003 Å. The arrays must stay unchanged
// until the list is written.
ATOMGRAPH_API void *neighbours_make(int n_threads, int64_t n_atoms, const double *pos, const double *cell, const uint8_t *pbc,
                                    double cutoff, int checked, int64_t *n_edges, int32_t *close) {
    try {
        std::unique_ptr<List> list(new List{Images(n_atoms, pos, cell, cutoff), {}, {}, {}, {}, {}});
        if ((*n_edges = list->images.create(pbc, checked)) < 0) return nullptr;
        for (size_t cell = 0; cell < list->images.n_own.size(); ++cell)
            if (list->images.n_own[cell]) list->cells.push_back(static_cast<int32_t>(cell));
        const int64_t n_cells = static_cast<int64_t>(list->cells.size());
        list->neighbours = uninitialised<Neighbours>(n_atoms);
        n_threads = std::max(n_threads, 1);
        std::vector<Candidates> candidates(n_threads);
        list->scratch.resize(n_threads);
        parallel_for(n_threads, n_cells, PIECE, [&](int64_t begin, int64_t end, int thread) {
            search(*list, candidates[thread], list->scratch[thread], begin, end);
        });
        list->start.resize(n_atoms + 1);
        for (int64_t i = 0; i < n_atoms; ++i) list->start[i + 1] = list->start[i] + list->neighbours[i].n;
        *n_edges = list->start[n_atoms], *close = list->close;
        return list.release();
    } catch (...) {
        *n_edges = Images::NO_MEMORY;
        return nullptr;
    }
}

// Writes edge_index, the neighbours and centres, (2, n_edges), and sign · shift, (n_edges, 3): shift · cell is the displacement
// of the neighbour's image. Writes nothing if edge_index is a null pointer. Deletes the list.
ATOMGRAPH_API void neighbours_write(int n_threads, void *handle, int64_t *edge_index, int32_t *shift, int32_t sign) {
    std::unique_ptr<List> list(static_cast<List *>(handle));
    if (edge_index == nullptr) return;
    int64_t *neighbour = edge_index, *centre = edge_index + list->start[list->images.n_atoms];
    const Image *images = list->images.all.get();
    parallel_for(n_threads, list->images.n_atoms, 256, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
            const Neighbours &neighbours = list->neighbours[i];
            const auto &periods = list->images.periods[i];
            int64_t e = list->start[i];
            for (int64_t k = 0; k < neighbours.n; ++k, ++e) {
                const Image &image = images[neighbours.rows[k]];
                neighbour[e] = image.atom, centre[e] = i;
                for (int d = 0; d < 3; ++d) shift[3 * e + d] = sign * (image.shift[d] + periods[d]);
            }
        }
    });
}
