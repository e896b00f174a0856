// In: features. Out: the row of kernels.def that fits them.
#include "kern/nhwc/rows.h"

#define FAMILY nhwc
#define KIND kernels
#define ROWS "kern/nhwc/kernels.def"
#include "kern/select.inc"
