// In: features. Out: the row of kernels.def that fits them.
#include "kern/transpose/rows.h"

#define FAMILY transpose
#define KIND kernels
#define ROWS "kern/transpose/kernels.def"
#include "kern/select.inc"
