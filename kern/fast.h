// Kernels for the runtime: the reference kernel of an op, or one that runs its common fp32 forms on the loops and threads of etch_kern_cx
// and leaves the rest to the reference. Within the tolerances of the families' headers; constant folding uses the reference alone.
#ifndef ETCH_KERN_FAST_H
#define ETCH_KERN_FAST_H

#include "kern/kern.h"

// NULL when the op has no kernel.
etch_kern_fn etch_kern_find_fast(etch_op_id id);

#endif
