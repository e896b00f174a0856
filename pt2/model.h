// One model of an archive as a method.
#ifndef ETCH_PT2_MODEL_H
#define ETCH_PT2_MODEL_H

#include "pt2/internal.h"

etch_status *pt2_model_read(etch_pt2 *a, etch_str model, etch_program *p, etch_str method, etch_buf *notes) ETCH_MUST_USE;

#endif
