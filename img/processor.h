// preprocessor_config.json of a model for images (or "image_processor" in processor_config.json), as steps: resize, crop the middle,
// rescale, normalize, turn the channels round.
//
// A field that asks for anything else is refused by name. Fields that are null or false ask for nothing.
#ifndef ETCH_IMG_PROCESSOR_H
#define ETCH_IMG_PROCESSOR_H

#include "img/image.h"

typedef struct etch_processor {
    bool resize, crop, rescale, normalize, flip;
    int height, width, shortest_edge;      // of the resized image: both, or the shorter side
    int crop_height, crop_width;
    etch_resample resample;
    double factor, mean[3], std[3];        // y = (x * factor - mean) / std
} etch_processor;

// From processor_config.json if it has an image_processor, as transformers does, else from preprocessor_config.json. folder: "" or ends in
// '/'. path: the file that was taken, or looked for last. ETCH_NOT_FOUND: there is neither.
etch_status *etch_processor_find(const char *folder, char *path, size_t capacity, etch_processor *out) ETCH_MUST_USE;
etch_status *etch_processor_parse(etch_span json, etch_processor *out) ETCH_MUST_USE;
// pixel_values [3, *out_height, *out_width] of an image; free() them.
etch_status *etch_processor_run(const etch_processor *p, const etch_image *image, int *out_height, int *out_width,
                                float **out) ETCH_MUST_USE;

#endif
