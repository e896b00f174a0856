// The loops of rows.inc for AVX2.
#include "kern/quantize/quantize.h"

#if defined(__x86_64__)
#include <float.h>
#include <math.h>

#define ROWS(name) name##__avx2
#include "kern/quantize/rows.inc"
#endif
