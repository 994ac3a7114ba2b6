// Coupled sums and their derivatives in float64. Their loops alternate with matrix products of torch.
#define WITH_OPENMP
#define REAL double
#include "coupled_sums.h"
