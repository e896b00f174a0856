// PNG files through libpng. Its errors are jumps; they end in this file.
#include "img/internal.h"

#ifndef ETCH_LIBPNG

etch_status *img_png(etch_span bytes, etch_image *out)
{
    (void)bytes;
    (void)out;
    return ETCH_ERR(ETCH_UNSUPPORTED, "etch was built without libpng: build it again with libpng-dev, or convert the file to PPM");
}

#else

#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

typedef struct reader { etch_span left; char why[160]; etch_image *out; etch_status *failed; } reader;

static void on_error(png_structp png, png_const_charp why)
{
    reader *r = png_get_error_ptr(png);
    snprintf(r->why, sizeof r->why, "%s", why);
    longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp why)
{
    (void)png;
    (void)why;
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    reader *r = png_get_io_ptr(png);
    if (n > r->left.len) png_error(png, "it is cut short");
    memcpy(to, r->left.ptr, n);
    r->left = (etch_span){ r->left.ptr + n, r->left.len - n };
}

// False after an error of libpng.
static bool read_rows(png_structp png, png_infop info, reader *r)
{
    if (setjmp(png_jmpbuf(png))) return false;
    png_set_user_limits(png, ETCH_IMAGE_SIDE, ETCH_IMAGE_SIDE);
    png_set_read_fn(png, r, on_read);
    const int how = PNG_TRANSFORM_EXPAND | PNG_TRANSFORM_STRIP_16 | PNG_TRANSFORM_STRIP_ALPHA | PNG_TRANSFORM_PACKING |
                    PNG_TRANSFORM_GRAY_TO_RGB;
    png_read_png(png, info, how, NULL);
    if (png_get_channels(png, info) != 3 || png_get_bit_depth(png, info) != 8) png_error(png, "it has no rows of RGB");
    r->failed = etch_image_new((int)png_get_image_width(png, info), (int)png_get_image_height(png, info), r->out);
    png_bytepp rows = png_get_rows(png, info);
    for (int y = 0; !r->failed && y < r->out->height; y++)
        memcpy(r->out->rgb + (size_t)y * (size_t)r->out->width * 3, rows[y], (size_t)r->out->width * 3);
    return true;
}

etch_status *img_png(etch_span bytes, etch_image *out)
{
    reader r = { .left = bytes, .out = out };
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &r, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    const bool read = info && read_rows(png, info, &r);
    png_destroy_read_struct(&png, info ? &info : NULL, NULL);
    if (!read) return ETCH_ERR(*r.why ? ETCH_INVALID : ETCH_NO_MEMORY, "the PNG file cannot be read: %s", *r.why ? r.why : "out of memory");
    return r.failed;
}

#endif
