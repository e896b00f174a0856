// Images as rows of red, green and blue bytes: PPM (P6) files, and PNG files where etch was built with libpng.
#ifndef ETCH_IMG_IMAGE_H
#define ETCH_IMG_IMAGE_H

#include "base/status.h"
#include "base/str.h"

enum { ETCH_IMAGE_SIDE = 1 << 14 };  // pixels of a side at most

typedef struct etch_image { int width, height; uint8_t *rgb; } etch_image;  // rgb: height * width * 3 bytes, owned

// Transparency is left out, gray becomes three equal channels, 16 bits become 8. Deinit after success.
etch_status *etch_image_read(const char *path, etch_image *out) ETCH_MUST_USE;
etch_status *etch_image_decode(etch_span bytes, etch_image *out) ETCH_MUST_USE;
void etch_image_deinit(etch_image *i);

// `out` of this size, uninitialised.
etch_status *etch_image_new(int width, int height, etch_image *out) ETCH_MUST_USE;

// Numbers as Pillow and preprocessor_config.json have them.
typedef enum { ETCH_NEAREST = 0, ETCH_LANCZOS = 1, ETCH_BILINEAR = 2, ETCH_BICUBIC = 3 } etch_resample;
// The same values as Pillow's resize of an RGB image.
etch_status *etch_image_resize(const etch_image *in, int width, int height, etch_resample how, etch_image *out) ETCH_MUST_USE;
// The window [left, left + width) x [top, top + height), inside of the image.
etch_status *etch_image_crop(const etch_image *in, int left, int top, int width, int height, etch_image *out) ETCH_MUST_USE;

#endif
