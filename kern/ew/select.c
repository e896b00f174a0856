// In: features. Out: the row of kernels.def that fits them.
#include "kern/ew/rows.h"

#define FAMILY ew
#define KIND kernels
#define ROWS "kern/ew/kernels.def"
#include "kern/select.inc"
