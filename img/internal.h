// Shared inside img/.
#ifndef ETCH_IMG_INTERNAL_H
#define ETCH_IMG_INTERNAL_H

#include "img/image.h"

etch_status *img_png(etch_span bytes, etch_image *out) ETCH_MUST_USE;

#endif
