// Where a distance stands between two knots, and the Hermite polynomials there: values and slopes by values and derivatives
// at both knots. DERIVATIVES = 2, 3, 4: cubic, quintic, septic.
#pragma once
#include "vectors.h"

namespace atomgraph {

struct Knots {
    Real first, inverse_step;  // Å, 1/Å
    std::int64_t number;
};

// weight[k], slope[k] for k < 2 DERIVATIVES: first of the knot below, value and derivatives (each times the step to its power),
// then of the knot above; slopes are by distance.
template <int DERIVATIVES>
static inline void hermite(Vector t, Real inverse_step, Vector *weight, Vector *slope) {
    constexpr int N = DERIVATIVES;
    const Vector s = 1 - t;
    // weight of the j-th derivative below: t^j / j! (1 - t)^N sum_k binomial(N - 1 + k, k) t^k, k < N - j; above: mirrored.
    constexpr Real factorial[4] = {1, 1, 2, 6};
    auto side = [&](Vector a, Vector b, int at, Real sign) {
        Vector bs = b - b + 1, bs1 = bs;  // b^N, b^(N-1)
        for (int k = 0; k < N; ++k) bs1 = bs, bs *= b;
        Vector as = b - b + 1, as1 = b - b;  // a^j, j a^(j-1)
        for (int j = 0; j < N; ++j) {
            Vector sum = Vector{}, rise = Vector{};
            for (int k = N - j - 1; k >= 0; --k) {
                Real binomial = 1;
                for (int q = 1; q <= k; ++q) binomial = binomial * Real(N - 1 + q) / Real(q);
                rise = rise * a + sum;
                sum = sum * a + binomial;
            }
            const Real flip = (j % 2 == 1 ? sign : Real(1)) / factorial[j];
            weight[at + j] = flip * (as * bs * sum);
            slope[at + j] = flip * sign * inverse_step * (as1 * bs * sum - Real(N) * as * bs1 * sum + as * bs * rise);
            as1 = Real(j + 1) * as;
            as *= a;
        }
    };
    side(t, s, 0, Real(1));
    side(s, t, N, Real(-1));
}

}  // namespace atomgraph
