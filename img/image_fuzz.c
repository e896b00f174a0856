// libFuzzer: any bytes as an image, prepared by a processor that does every step.
#include <stdlib.h>

#include "img/processor.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char json[] = "{\"do_resize\": true, \"size\": {\"shortest_edge\": 19}, \"resample\": 3, \"do_center_crop\": true, "
                               "\"crop_size\": 17,"
                               " \"do_normalize\": true, \"image_mean\": [0.5, 0.5, 0.5], \"image_std\": [0.5, 0.5, 0.5]}";
    etch_processor p;
    etch_image i;
    float *values = NULL;
    int h, w;
    etch_status *s = etch_processor_parse((etch_span){ bytes, n }, &p);  // as a configuration
    etch_status_ignore(s);
    s = etch_image_decode((etch_span){ bytes, n }, &i);
    if (!s) {
        s = etch_processor_parse((etch_span){ (const uint8_t *)json, sizeof json - 1 }, &p);
        if (!s && (size_t)i.width * (size_t)i.height < 1 << 20) s = etch_processor_run(&p, &i, &h, &w, &values);
        etch_image_deinit(&i);
    }
    free(values);
    etch_status_ignore(s);
    return 0;
}
