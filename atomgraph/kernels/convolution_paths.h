// Parts of a convolution: tables of its weights, its paths, and memory of one thread.
#pragma once
#include <new>

#include "splines.h"
#include "vectors.h"

namespace atomgraph {

// Radial weights of all paths, as tables.
struct Weights {
    const Real *const *tables;  // by pair(centre, neighbour): [path][block of channels][piece][power][WIDTH]
    const std::int32_t *kind;   // of each atom: an index of its element, or 0 if weights do not depend on elements
    std::int32_t n_kinds;
    Pieces pieces;

    // Index of the table of an edge between two atoms.
    std::int32_t pair(std::int32_t centre, std::int32_t neighbour) const { return kind[centre] * n_kinds + kind[neighbour]; }
    const Real *table(std::int32_t centre, std::int32_t neighbour) const { return tables[pair(centre, neighbour)]; }
};

// One path. INDEX: index of the path. IN: index of a block of features, with D1 components. OUT: index of a block of sums, with D3
// components. PLACE: index of the path among the N_SAME paths to OUT. M: offset of its matrix (D3, D1) in the matrices of an edge, or
// -1 if the matrix is a constant times the unit matrix.
template <int INDEX_, int IN_, int D1_, int OUT_, int D3_, int PLACE_, int N_SAME_, int M_>
struct Path {
    static constexpr int INDEX = INDEX_, IN = IN_, D1 = D1_, OUT = OUT_, D3 = D3_, PLACE = PLACE_, N_SAME = N_SAME_, M = M_;
    static constexpr int SIZE = M < 0 ? 0 : D1 * D3;
};

// Paths that are computed together because they have the same input. IN, D1: as in Path. M: offset of their first matrix, or -1 if no
// path has a matrix. N: size of all their matrices.
template <class Q, class... Others>
struct PathGroup {
    static constexpr int IN = Q::IN, D1 = Q::D1, N = (Q::SIZE + ... + Others::SIZE);
    static constexpr int M = [] {
        int first = Q::M;
        ((first = first < 0 ? Others::M : first), ...);
        return first;
    }();
};

// Memory of one thread, which is kept between calls and enlarged if necessary.
template <class T>
class ThreadMemory {
  public:
    ~ThreadMemory() { ::operator delete[](data_, std::align_val_t(64)); }
    // Memory for n values; earlier values are lost if the memory is enlarged.
    T *reserve(std::int64_t n) {
        if (n > size_) {
            ::operator delete[](data_, std::align_val_t(64));
            data_ = nullptr, size_ = 0;
            data_ = static_cast<T *>(::operator new[](n * sizeof(T), std::align_val_t(64)));
            size_ = n;
        }
        return data_;
    }

  private:
    T *data_ = nullptr;
    std::int64_t size_ = 0;
};

}  // namespace atomgraph
