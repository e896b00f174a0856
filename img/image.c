#include "img/internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

etch_status *etch_image_new(int width, int height, etch_image *out)
{
    *out = (etch_image){ 0 };
    if (width < 1 || height < 1 || width > ETCH_IMAGE_SIDE || height > ETCH_IMAGE_SIDE)
        return ETCH_ERR(ETCH_UNSUPPORTED, "an image of %d x %d pixels: 1 to %d of a side are supported", width, height, ETCH_IMAGE_SIDE);
    *out = (etch_image){ width, height, malloc((size_t)width * (size_t)height * 3) };
    return out->rgb ? NULL : ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
}

void etch_image_deinit(etch_image *i)
{
    free(i->rgb);
    *i = (etch_image){ 0 };
}

// A number of a PPM header: behind white space and comments, which reach to the end of their line.
static bool header_number(etch_span b, size_t *at, int *out)
{
    for (bool comment = false; *at < b.len; ++*at) {
        const uint8_t c = b.ptr[*at];
        if (c == '#') comment = true;
        else if (c == '\n') comment = false;
        else if (!comment && c != ' ' && c != '\t' && c != '\r') break;
    }
    const size_t first = *at;
    for (*out = 0; *at < b.len && b.ptr[*at] >= '0' && b.ptr[*at] <= '9' && *at - first < 6; ++*at) *out = *out * 10 + b.ptr[*at] - '0';
    return *at > first;
}

static etch_status *ppm(etch_span b, etch_image *out)
{
    size_t at = 2;
    int width, height, most;
    if (!header_number(b, &at, &width) || !header_number(b, &at, &height) || !header_number(b, &at, &most) || at == b.len)
        return ETCH_ERR(ETCH_INVALID, "the header of the PPM file is damaged");
    at++;
    if (most != 255) return ETCH_ERR(ETCH_UNSUPPORTED, "a PPM file with values up to %d, not 255", most);
    ETCH_TRY(etch_image_new(width, height, out));
    const size_t n = (size_t)width * (size_t)height * 3;
    if (b.len - at >= n) {
        memcpy(out->rgb, b.ptr + at, n);
        return NULL;
    }
    etch_image_deinit(out);
    return ETCH_ERR(ETCH_INVALID, "the PPM file is cut short");
}

etch_status *etch_image_decode(etch_span b, etch_image *out)
{
    *out = (etch_image){ 0 };
    if (b.len >= 2 && !memcmp(b.ptr, "P6", 2)) return ppm(b, out);
    if (b.len >= 8 && !memcmp(b.ptr, "\x89PNG\r\n\x1a\n", 8)) return img_png(b, out);
    return ETCH_ERR(ETCH_UNSUPPORTED, "this is neither a PNG nor a PPM (P6) file: convert it first");
}

etch_status *etch_image_read(const char *path, etch_image *out)
{
    etch_mapped m;
    *out = (etch_image){ 0 };
    ETCH_TRY(etch_mapped_open(path, &m));
    etch_status *s = etch_image_decode(m.bytes, out);
    etch_mapped_close(&m);
    if (s) ETCH_TRYF(s, "%s", path);
    return NULL;
}

etch_status *etch_image_crop(const etch_image *in, int left, int top, int width, int height, etch_image *out)
{
    ETCH_TRY(etch_image_new(width, height, out));
    for (int y = 0; y < height; y++)
        memcpy(out->rgb + (size_t)y * (size_t)width * 3, in->rgb + ((size_t)(top + y) * (size_t)in->width + (size_t)left) * 3,
               (size_t)width * 3);
    return NULL;
}
