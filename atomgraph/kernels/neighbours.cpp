// All pairs nearer than a cutoff, sorted by centre: a cell list over the atoms and those images that the cutoff can reach.
//
// Atoms of one cell of the grid share their candidates, which are laid side by side and looked at eight at a time, in float. Only a
// pair within rounding of the cutoff is looked at again, in double (`Images::is_near`), so that lists are exact, and full.
// Compiled with -ffp-contract=off: the distance of a pair is the same from both ends.
#include "images.h"
#include "scratch.h"

#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace {

using namespace atomgraph;

constexpr float SPOT = 1e-5f;  // Å²; nearer pairs may be on one spot
constexpr int64_t PIECE = 8;   // cells that a thread takes at a time

struct Found {
    const int32_t *rows;  // of the images in reach
    int64_t n;
};

struct List {
    Images images;
    std::vector<int32_t> cells;      // those that hold atoms
    std::vector<Scratch> scratch;    // one for each thread
    std::unique_ptr<Found[]> of;     // (n_atoms)
    std::vector<int64_t> start;      // edge at which each centre begins, and the end
    std::atomic<bool> close{false};  // two atoms may be on one spot
};

// The images that atoms of one cell of the grid may have in reach, copied side by side; one for each thread.
struct Candidates {
    std::vector<float> x, y, z;
    std::vector<int32_t> row;
    int64_t n, own;  // how many, and where the cell's own begin

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
                for (int32_t t = begin; t < end; t += WIDTH) {  // a vector's width at a time; what is too much is written over
                    const int64_t to = n + t - begin;
                    std::memcpy(&x[to], &from.x[t], WIDTH * sizeof(float)), std::memcpy(&y[to], &from.y[t], WIDTH * sizeof(float));
                    std::memcpy(&z[to], &from.z[t], WIDTH * sizeof(float));
                    int32_t rows[WIDTH];
                    for (int k = 0; k < WIDTH; ++k) rows[k] = t + k;
                    std::memcpy(&row[to], rows, sizeof rows);
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
// For each pattern of eight bits, where the set ones are.
struct SetBits {
    alignas(64) uint8_t of[256][8]{};
    constexpr SetBits() {
        for (int bits = 0; bits < 256; ++bits)
            for (int k = 0, n = 0; k < 8; ++k)
                if (bits >> k & 1) of[bits][n++] = static_cast<uint8_t>(k);
    }
};
constexpr SetBits set_bits;
#endif

// Rows of the candidates whose distance from candidate `self`, which is no candidate itself, may be below the cutoff; `to` has space
// for all of them and one vector more. `rim`: some are within rounding of it; `close`: some may be on one spot.
int32_t *in_reach(Candidates &all, int64_t self, float square, float margin, int32_t *to, bool &rim, bool &close) {
    const float at_x = all.x[self], at_y = all.y[self], at_z = all.z[self];
    const float *x = all.x.data(), *y = all.y.data(), *z = all.z.data();
    const int32_t *row = all.row.data();
    all.x[self] = std::numeric_limits<float>::infinity();
#if defined(__AVX2__)
    const __m256 x0 = _mm256_set1_ps(at_x), y0 = _mm256_set1_ps(at_y), z0 = _mm256_set1_ps(at_z);
    const __m256 limit = _mm256_set1_ps(square), allowed = _mm256_set1_ps(margin), sign = _mm256_set1_ps(-0.0f);
    __m256 unsure = _mm256_setzero_ps(), least = limit;
    for (int64_t t = 0; t < all.n; t += WIDTH) {
        const __m256 dx = _mm256_sub_ps(_mm256_loadu_ps(x + t), x0), dy = _mm256_sub_ps(_mm256_loadu_ps(y + t), y0);
        const __m256 dz = _mm256_sub_ps(_mm256_loadu_ps(z + t), z0);
        const __m256 d2 = _mm256_fmadd_ps(dz, dz, _mm256_fmadd_ps(dy, dy, _mm256_mul_ps(dx, dx)));
        const __m256 beyond = _mm256_sub_ps(d2, limit);
        const int bits = _mm256_movemask_ps(_mm256_cmp_ps(beyond, allowed, _CMP_LE_OQ));
        unsure = _mm256_or_ps(unsure, _mm256_cmp_ps(_mm256_andnot_ps(sign, beyond), allowed, _CMP_LE_OQ));
        least = _mm256_min_ps(d2, least);
        const __m256i where = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i *>(set_bits.of[bits])));
        const __m256i rows = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(row + t));
        _mm256_storeu_si256(reinterpret_cast<__m256i *>(to), _mm256_permutevar8x32_epi32(rows, where));
        to += __builtin_popcount(bits);
    }
    rim = _mm256_movemask_ps(unsure) != 0;
    close = _mm256_movemask_ps(_mm256_cmp_ps(least, _mm256_set1_ps(SPOT + margin), _CMP_LT_OQ)) != 0;
#else
    float least = square;
    int unsure = 0;
    for (int64_t t = 0; t < all.n; ++t) {
        const float dx = x[t] - at_x, dy = y[t] - at_y, dz = z[t] - at_z, d2 = dx * dx + dy * dy + dz * dz, beyond = d2 - square;
        *to = row[t], to += beyond <= margin;
        unsure |= std::abs(beyond) <= margin, least = std::min(least, d2);
    }
    rim = unsure != 0, close = least < SPOT + margin;
#endif
    all.x[self] = at_x;
    return to;
}

// Neighbours of the atoms in some cells.
void search(List &list, Candidates &near, Scratch &scratch, int64_t begin, int64_t end) {
    const Images &images = list.images;
    const float square = static_cast<float>(images.cutoff * images.cutoff), margin = static_cast<float>(images.margin);
    bool any_close = false;
    for (int64_t k = begin; k < end; ++k) {
        const int32_t cell = list.cells[k];
        near.gather(images, cell);
        for (int32_t own = 0; own < images.n_own[cell]; ++own) {
            const int64_t centre = images.all[images.first[cell] + own].atom;
            int32_t *to = scratch.reserve(near.n + WIDTH);
            bool rim, close;
            int32_t *last = in_reach(near, near.own + own, square, margin, to, rim, close);
            if (rim) last = std::remove_if(to, last, [&](int32_t row) { return !images.is_near(centre, images.all[row]); });
            any_close |= close;
            list.of[centre] = {to, last - to};
            scratch.use(last);
        }
    }
    if (any_close) list.close = true;
}

}  // namespace

// Make the list of n_atoms at pos (n_atoms, 3) in a cell (3, 3), periodic where pbc (3) is not 0. Returns a handle for
// `neighbours_write`, which ends it, and n_edges, the number of pairs; no handle, and a negative number, where there is no list:
// -1 if the structure should be looked at first (unless `checked`: only if it makes no list at all), -2 without memory.
// `close` tells whether two atoms may be nearer than 0.003 Å. The arrays are read until the list is written.
ATOMGRAPH_API void *neighbours_make(int n_threads, int64_t n_atoms, const double *pos, const double *cell, const uint8_t *pbc,
                                    double cutoff, int checked, int64_t *n_edges, int32_t *close) {
    try {
        std::unique_ptr<List> list(new List{Images(n_atoms, pos, cell, cutoff), {}, {}, {}, {}, {}});
        if ((*n_edges = list->images.place(pbc, checked)) < 0) return nullptr;
        for (size_t cell = 0; cell < list->images.n_own.size(); ++cell)
            if (list->images.n_own[cell]) list->cells.push_back(static_cast<int32_t>(cell));
        const int64_t n_cells = static_cast<int64_t>(list->cells.size());
        list->of = uninitialised<Found>(n_atoms);
        n_threads = std::max(n_threads, 1);
        std::vector<Candidates> near(n_threads);
        list->scratch.resize(n_threads);
        parallel_for(n_threads, n_cells, PIECE, [&](int64_t begin, int64_t end, int thread) {
            search(*list, near[thread], list->scratch[thread], begin, end);
        });
        list->start.resize(n_atoms + 1);
        for (int64_t i = 0; i < n_atoms; ++i) list->start[i + 1] = list->start[i] + list->of[i].n;
        *n_edges = list->start[n_atoms], *close = list->close;
        return list.release();
    } catch (...) {
        *n_edges = Images::NO_MEMORY;
        return nullptr;
    }
}

// Write neighbours and centres, (2, n_edges), and sign · shift (n_edges, 3), where shift · cell leads to the neighbour's image; write
// nothing where there is no place to. The list is gone.
ATOMGRAPH_API void neighbours_write(int n_threads, void *handle, int64_t *edge_index, int32_t *shift, int32_t sign) {
    std::unique_ptr<List> list(static_cast<List *>(handle));
    if (edge_index == nullptr) return;
    int64_t *neighbour = edge_index, *centre = edge_index + list->start[list->images.n_atoms];
    const Image *images = list->images.all.get();
    parallel_for(n_threads, list->images.n_atoms, 256, [&](int64_t begin, int64_t end, int) {
        for (int64_t i = begin; i < end; ++i) {
            const Found &found = list->of[i];
            const auto &turns = list->images.turns[i];
            int64_t e = list->start[i];
            for (int64_t k = 0; k < found.n; ++k, ++e) {
                const Image &there = images[found.rows[k]];
                neighbour[e] = there.atom, centre[e] = i;
                for (int d = 0; d < 3; ++d) shift[3 * e + d] = sign * (there.shift[d] + turns[d]);
            }
        }
    });
}
