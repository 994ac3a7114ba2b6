// A sparse polynomial with its terms in tables: a loop over the tree of monomials evaluates a few atoms at once and reads each
// coefficient once for all of them. Used for polynomials with so many terms that generated code would not fit the caches.
#pragma once
#include "vectors.h"

namespace atomgraph {

// A monomial that is a prefix of others; nodes follow all their children. depth: number of its variables; variable: the last one.
// terms: number of its own terms. leaves: number of its children that are prefixes of no other monomial.
struct Node {
    unsigned char depth, variable, terms, leaves;
};
struct Leaf {
    unsigned char variable, terms;
};

// T: DEPTH (of the deepest node, at least 1). nodes, leaves: the trees of all outputs, one after another, each ending with its root.
// Coefficients are in the same order, those of a node before those of its leaves. x, o: [component][A].
template <class T, int A>
static inline void terms_value(const Vector *x, const Real *c, Vector *o) {
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

// Adds the gradient of sum_m g_m o_m to d. vjp_nodes, vjp_leaves: the tree of the monomials of all outputs; each monomial has one
// coefficient for each output in `outputs` that contains it. paths: the variables of each node.
template <class T, int A>
static inline void terms_vjp(const Vector *x, const Real *c, const Vector *g, Vector *d) {
    Vector carried[T::DEPTH][A] = {};
    const unsigned char *path = T::paths, *output = T::outputs;
    const Leaf *leaf = T::vjp_leaves;
    auto coefficient = [&](int n, Vector *sum) {
        for (int k = 0; k < n; ++k, c += WIDTH) {
            const Vector factor = load(c), *by = g + *output++ * A;
            for (int a = 0; a < A; ++a) sum[a] += factor * by[a];
        }
    };
    for (const Node &node : T::vjp_nodes) {
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
