// Coupled sums and their derivatives in float32.
#define REAL float
#include "coupled_sums.h"
