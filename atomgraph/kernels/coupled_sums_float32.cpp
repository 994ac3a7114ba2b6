// Coupled sums and their derivatives in float32. Their loops alternate with matrix products of torch.
#define WITH_OPENMP
#define REAL float
#include "coupled_sums.h"
