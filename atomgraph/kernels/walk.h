// A sparse polynomial whose terms are data: a loop walks the tree of its monomials, for a few atoms at once, and reads each
// coefficient once for all of them. For polynomials of so many terms that code for each would outgrow the caches.
#pragma once
#include "vectors.h"

namespace atomgraph {

// A monomial that others begin with, after all of these. depth: of how many variables it is; variable: the last of them.
// terms: that it has itself, leaves: how many monomials it is the beginning of that are the beginning of no other.
struct Node {
    unsigned char depth, variable, terms, leaves;
};
struct Leaf {
    unsigned char variable, terms;
};

// T: DEPTH (of the deepest node, and 1). nodes, leaves: of one output's tree after the other, each ending with its root.
// Coefficients come in that order, a node's own before its leaves'. x, o: [component][A].
template <class T, int A>
static inline void walk_value(const Vector *x, const Real *c, Vector *o) {
    Vector carried[T::DEPTH][A] = {};
    const unsigned char *leaf = T::leaves;
    for (const Node &node : T::nodes) {
        Vector sum[A], *from = carried[node.depth];
        for (int a = 0; a < A; ++a) sum[a] = from[a], from[a] = Vector{};
        if (node.terms) {
            const Vector factor = load(c);
            for (int a = 0; a < A; ++a) sum[a] += factor;
            c += WIDTH;
        }
        for (int k = 0; k < node.leaves; ++k, ++leaf, c += WIDTH) {
            const Vector factor = load(c), *v = x + *leaf * A;
            for (int a = 0; a < A; ++a) sum[a] += factor * v[a];
        }
        if (node.depth == 0) {
            for (int a = 0; a < A; ++a) o[a] = sum[a];
            o += A;
        } else {
            const Vector *v = x + node.variable * A;
            for (int a = 0; a < A; ++a) carried[node.depth - 1][a] += sum[a] * v[a];
        }
    }
}

// The slopes of sum_m g_m o_m are added to d. slope_nodes, slope_leaves: of the tree of all outputs' monomials; each has one
// coefficient for each output that it is in, which `outputs` names. paths: the variables of each node.
template <class T, int A>
static inline void walk_slope(const Vector *x, const Real *c, const Vector *g, Vector *d) {
    Vector carried[T::DEPTH][A] = {};
    const unsigned char *path = T::paths, *output = T::outputs;
    const Leaf *leaf = T::slope_leaves;
    auto coefficient = [&](int n, Vector *sum) {
        for (int k = 0; k < n; ++k, c += WIDTH) {
            const Vector factor = load(c), *by = g + *output++ * A;
            for (int a = 0; a < A; ++a) sum[a] += factor * by[a];
        }
    };
    for (const Node &node : T::slope_nodes) {
        Vector sum[A], before[A], product[A], *from = carried[node.depth];
        for (int a = 0; a < A; ++a) sum[a] = from[a], from[a] = Vector{}, before[a] = product[a] = all(1);
        for (int k = 0; k < node.depth; ++k) {
            const Vector *v = x + *path++ * A;
            for (int a = 0; a < A; ++a) before[a] = product[a], product[a] *= v[a];
        }
        coefficient(node.terms, sum);
        for (int k = 0; k < node.leaves; ++k, ++leaf) {
            const Vector *v = x + leaf->variable * A;
            Vector of_leaf[A] = {}, *to = d + leaf->variable * A;
            coefficient(leaf->terms, of_leaf);
            for (int a = 0; a < A; ++a) sum[a] += of_leaf[a] * v[a], to[a] += of_leaf[a] * product[a];
        }
        if (node.depth) {
            const Vector *v = x + node.variable * A;
            Vector *to = d + node.variable * A;
            for (int a = 0; a < A; ++a) carried[node.depth - 1][a] += sum[a] * v[a], to[a] += sum[a] * before[a];
        }
    }
}

}  // namespace atomgraph
