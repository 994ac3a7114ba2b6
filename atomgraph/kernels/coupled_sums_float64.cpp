// Coupled sums and their derivatives in float64.
#define REAL double
#include "coupled_sums.h"
