// Resampling with antialiasing: columns first, then rows, bytes between. Weights are integers of 22 bits, as in Pillow.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "img/image.h"

enum { BITS = 22 };
static const double PI = 3.14159265358979323846;
typedef struct filter { double support; double (*at)(double x); } filter;
typedef struct weights { int n, *first, *count; int32_t *w; } weights;  // of output i: w[i * n + k] for input first[i] + k, k < count[i]

static double triangle(double x) { return fabs(x) < 1 ? 1 - fabs(x) : 0; }

static double cubic(double x)  // a = -0.5
{
    x = fabs(x);
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

static double sinc(double x) { return x == 0 ? 1 : sin(x * PI) / (x * PI); }
static double lanczos(double x) { return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

static const filter filters[] = {
    [ETCH_LANCZOS] = { 3, lanczos }, [ETCH_BILINEAR] = { 1, triangle }, [ETCH_BICUBIC] = { 2, cubic },
};

static void weights_deinit(weights *w)
{
    free(w->first);
    free(w->count);
    free(w->w);
}

static etch_status *weights_init(weights *w, const filter *f, int from, int to)
{
    const double scale = (double)from / to, wide = scale > 1 ? scale : 1, support = f->support * wide;
    *w = (weights){ .n = (int)ceil(support) * 2 + 1 };
    w->first = calloc((size_t)to, sizeof *w->first);
    w->count = calloc((size_t)to, sizeof *w->count);
    w->w = calloc((size_t)to * (size_t)w->n, sizeof *w->w);
    double *row = calloc((size_t)w->n, sizeof *row);
    const bool ok = w->first && w->count && w->w && row;
    for (int i = 0; ok && i < to; i++) {
        const double center = (i + 0.5) * scale;
        const int low = (int)(center - support + 0.5), high = (int)(center + support + 0.5);
        const int first = low > 0 ? low : 0, count = (high < from ? high : from) - first;
        double sum = 0;
        for (int k = 0; k < count; k++) sum += row[k] = f->at((k + first - center + 0.5) / wide);
        for (int k = 0; k < count; k++) {
            const double part = sum != 0 ? row[k] / sum * (1 << BITS) : row[k] * (1 << BITS);
            w->w[(size_t)i * (size_t)w->n + (size_t)k] = (int32_t)(part < 0 ? part - 0.5 : part + 0.5);
        }
        w->first[i] = first;
        w->count[i] = count;
    }
    free(row);
    return ok ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

// One output byte: inputs `step` bytes apart.
static uint8_t mix(const weights *w, int i, const uint8_t *in, size_t step)
{
    const int32_t *k = w->w + (size_t)i * (size_t)w->n;
    int64_t sum = 1 << (BITS - 1);
    in += (size_t)w->first[i] * step;
    for (int j = 0; j < w->count[i]; j++) sum += (int64_t)in[(size_t)j * step] * k[j];
    sum >>= BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static etch_status *columns(const etch_image *in, int width, const filter *f, etch_image *out)
{
    weights w = { 0 };
    ETCH_TRY(etch_image_new(width, in->height, out));
    etch_status *s = weights_init(&w, f, in->width, width);
    for (int y = 0; !s && y < in->height; y++)
        for (int x = 0; x < width; x++)
            for (size_t c = 0; c < 3; c++)
                out->rgb[((size_t)y * (size_t)width + (size_t)x) * 3 + c] = mix(&w, x, in->rgb + (size_t)y * (size_t)in->width * 3 + c, 3);
    weights_deinit(&w);
    return s;
}

static etch_status *rows(const etch_image *in, int height, const filter *f, etch_image *out)
{
    weights w = { 0 };
    const size_t row = (size_t)in->width * 3;
    ETCH_TRY(etch_image_new(in->width, height, out));
    etch_status *s = weights_init(&w, f, in->height, height);
    for (int y = 0; !s && y < height; y++)
        for (size_t x = 0; x < row; x++) out->rgb[(size_t)y * row + x] = mix(&w, y, in->rgb + x, row);
    weights_deinit(&w);
    return s;
}

static etch_status *nearest(const etch_image *in, int width, int height, etch_image *out)
{
    ETCH_TRY(etch_image_new(width, height, out));
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            const size_t from_y = (size_t)((y + 0.5) * in->height / height), from_x = (size_t)((x + 0.5) * in->width / width);
            memcpy(out->rgb + ((size_t)y * (size_t)width + (size_t)x) * 3, in->rgb + (from_y * (size_t)in->width + from_x) * 3, 3);
        }
    return NULL;
}

etch_status *etch_image_resize(const etch_image *in, int width, int height, etch_resample how, etch_image *out)
{
    *out = (etch_image){ 0 };
    if (width == in->width && height == in->height) return etch_image_crop(in, 0, 0, width, height, out);
    if (how == ETCH_NEAREST) return nearest(in, width, height, out);
    etch_image between = { 0 };
    const filter *f = &filters[how];
    etch_status *s = width == in->width ? etch_image_crop(in, 0, 0, width, in->height, &between) : columns(in, width, f, &between);
    if (!s) s = height == in->height ? etch_image_crop(&between, 0, 0, width, height, out) : rows(&between, height, f, out);
    etch_image_deinit(&between);
    if (s) etch_image_deinit(out);
    return s;
}
