// A sparse polynomial with its terms in tables. A loop over the tree of monomials evaluates a few atoms together, so that each
// coefficient is read only once for these atoms. Used for polynomials with too many terms for one generated statement each.
#pragma once
#include "vectors.h"

namespace atomgraph {

// A monomial that is a prefix of other monomials. In tables, a node is listed after its children. depth: number of variables of the
// monomial. variable: its last variable. terms: number of terms with this monomial. leaves: number of children without children.
struct Node {
    unsigned char depth, variable, terms, leaves;
};
// A monomial without children, in the table for gradients. variable: its last variable. terms: number of terms with this monomial.
struct Leaf {
    unsigned char variable, terms;
};

// Values o of all outputs. T::DEPTH: largest depth of a node, at least 1. T::nodes, T::leaves: the trees of all outputs; the last
// node of each tree is its root. Coefficients c have the same order, with a node before its leaves. x, o: [component][A], for A atoms.
template <class T, int A>
static inline void terms_value(const Vector *x, const Real *c, Vector *o) {
    Vector carried[T::DEPTH][A] = {};  // by depth: sums over the children listed so far, for their parent
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

// Adds the gradient of sum_m g_m o_m to d. T::vjp_nodes, T::vjp_leaves: the tree of the monomials of all outputs. A monomial has one
// coefficient for each output that contains it; T::outputs has the outputs of all coefficients. T::paths: variables of each node.
template <class T, int A>
static inline void terms_vjp(const Vector *x, const Real *c, const Vector *g, Vector *d) {
    Vector carried[T::DEPTH][A] = {};  // by depth: sums over the children listed so far, for their parent
    const unsigned char *path = T::paths, *output = T::outputs;
    const Leaf *leaf = T::vjp_leaves;
    auto add_coefficients = [&](int n, Vector *sum) {
        for (int k = 0; k < n; ++k, c += WIDTH) {
            const Vector factor = load(c), *output_gradient = g + *output++ * A;
            for (int a = 0; a < A; ++a) sum[a] += factor * output_gradient[a];
        }
    };
    for (const Node &node : T::vjp_nodes) {
        Vector sum[A], parent_product[A], product[A], *from = carried[node.depth];
        for (int a = 0; a < A; ++a) sum[a] = from[a], from[a] = Vector{}, parent_product[a] = product[a] = all(1);
        for (int k = 0; k < node.depth; ++k) {
            const Vector *v = x + *path++ * A;
            for (int a = 0; a < A; ++a) parent_product[a] = product[a], product[a] *= v[a];
        }
        add_coefficients(node.terms, sum);
        for (int k = 0; k < node.leaves; ++k, ++leaf) {
            const Vector *v = x + leaf->variable * A;
            Vector leaf_sum[A] = {}, *to = d + leaf->variable * A;
            add_coefficients(leaf->terms, leaf_sum);
            for (int a = 0; a < A; ++a) sum[a] += leaf_sum[a] * v[a], to[a] += leaf_sum[a] * product[a];
        }
        if (node.depth) {
            const Vector *v = x + node.variable * A;
            Vector *to = d + node.variable * A;
            for (int a = 0; a < A; ++a) carried[node.depth - 1][a] += sum[a] * v[a], to[a] += sum[a] * parent_product[a];
        }
    }
}

}  // namespace atomgraph
