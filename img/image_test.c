// Decoding, resizing and whole processors against what Pillow and transformers made of the same files (tools/golden/images.py).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "img/processor.h"
#include "st/safetensors.h"

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static void says(etch_status *s, const char *part)
{
    if (!s) fail_msg("accepted: %s", part);
    if (!strstr(etch_status_message(s), part)) fail_msg("'%s' does not say '%s'", etch_status_message(s), part);
    etch_status_free(s);
}

static const char *data(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/img/testdata/%s", ETCH_SOURCE_DIR, name);
    return path;
}

static etch_st *golden(void)
{
    etch_st *st;
    must(etch_st_open(data("images.safetensors"), &st));
    return st;
}

static bool has_png(void)
{
    etch_image i;
    etch_status *s = etch_image_read(data("photo.png"), &i);
    if (!s) etch_image_deinit(&i);
    const bool no = s && strstr(etch_status_message(s), "without libpng");
    etch_status_ignore(s);
    return !no;
}

void test_img_image__decodes(void **state)
{
    (void)state;
    etch_st *st = golden();
    static const char *const names[][2] = { { "photo.ppm", "decoded.photo" }, { "photo.png", "decoded.photo" },
                                            { "palette.png", "decoded.palette" },
                                            { "gray.png", "decoded.gray" }, { "alpha.png", "decoded.alpha" } };
    for (size_t k = 0; k < (has_png() ? sizeof names / sizeof *names : 1); k++) {
        etch_image i;
        must(etch_image_read(data(names[k][0]), &i));
        assert_int_equal(i.width, 53);
        assert_int_equal(i.height, 41);
        etch_span want = etch_st_bytes(st, etch_st_find(st, etch_str_of(names[k][1])));
        assert_int_equal(want.len, 53 * 41 * 3);
        assert_memory_equal(i.rgb, want.ptr, want.len);
        etch_image_deinit(&i);
    }
    etch_st_close(st);
}

// The processors of transformers: bytes between the steps are the same, float32 at the end (a mean of 0.5 costs a bit or two).
void test_img_image__processors(void **state)
{
    (void)state;
    etch_st *st = golden();
    json_t *configs = json_load_file(data("processors.json"), 0, NULL), *c;
    const char *name;
    etch_image image;
    must(etch_image_read(data("photo.ppm"), &image));
    assert_int_equal(json_object_size(configs), 9);
    json_object_foreach(configs, name, c) {
        char *text = json_dumps(c, 0);
        etch_processor p;
        float *got;
        int h, w;
        must(etch_processor_parse((etch_span){ (const uint8_t *)text, strlen(text) }, &p));
        must(etch_processor_run(&p, &image, &h, &w, &got));
        const etch_st_tensor *t = etch_st_find(st, etch_str_of(name));
        if (t->sizes[2] != h || t->sizes[3] != w) fail_msg("%s: %d x %d", name, w, h);
        const uint8_t *bytes = etch_st_bytes(st, t).ptr;
        for (size_t i = 0; i < (size_t)h * (size_t)w * 3; i++) {
            float want;
            memcpy(&want, bytes + i * 4, 4);
            if (!(fabsf(got[i] - want) <= 2e-6f)) fail_msg("%s, value %zu: %g, not %g", name, i, (double)got[i], (double)want);
        }
        free(got);
        free(text);
    }
    etch_image_deinit(&image);
    json_decref(configs);
    etch_st_close(st);
}

static void refused(const char *json, const char *part)
{
    etch_processor p;
    says(etch_processor_parse((etch_span){ (const uint8_t *)json, strlen(json) }, &p), part);
}

void test_img_image__refuses_fields(void **state)
{
    (void)state;
    etch_processor p;
    const char *fine = "{\"do_pad\": false, \"pad_size\": null, \"image_seq_length\": 256, \"do_resize\": true, \"resample\": 2, "
                       "\"size\": {\"height\": 3, \"width\": 4}}";
    must(etch_processor_parse((etch_span){ (const uint8_t *)fine, strlen(fine) }, &p));
    refused("{", "line 1");
    refused("[]", "no JSON object");
    refused("{\"do_pad\": true}", "'do_pad' is not supported");
    refused("{\"do_resize\": true, \"resample\": 2}", "'size' or 'resample' is missing");
    refused("{\"do_resize\": true, \"size\": {\"height\": 3, \"width\": 4}}", "'size' or 'resample' is missing");
    refused("{\"size\": 224}", "'size' is a number");
    refused("{\"size\": 224, \"default_to_square\": null}", "'size' is a number");
    refused("{\"size\": 0, \"default_to_square\": true}", "'size' has a side");
    refused("{\"size\": [3, 4], \"default_to_square\": true}", "'size' is neither");
    refused("{\"size\": {\"shortest_edge\": 3, \"longest_edge\": 4}}", "'longest_edge'");
    refused("{\"size\": {\"height\": 0, \"width\": 4}}", "'size' has a side");
    refused("{\"resample\": 4}", "'resample' is not 0");
    refused("{\"do_normalize\": true, \"image_mean\": [0, 0, 0]}", "'image_std' is missing");
    refused("{\"do_normalize\": true, \"image_mean\": null, \"image_std\": [1, 1, 1]}", "'image_std' is missing");
    refused("{\"do_normalize\": true, \"image_mean\": [0, 0, 0], \"image_std\": [1, 0, 1]}", "has a zero");
    refused("{\"image_mean\": [0, 0]}", "no list of three numbers");
    refused("{\"do_center_crop\": true}", "'crop_size' is missing");
    refused("{\"rescale_factor\": \"x\"}", "no number");
}

void test_img_image__refuses_files(void **state)
{
    (void)state;
    etch_image i;
    static const struct { const char *text, *part; } cases[] = {
        { "GIF89a", "neither a PNG nor a PPM" }, { "P6", "header" }, { "P6 2 2 65535\n", "values up to 65535" },
        { "P6 2 2 255\n12345", "cut short" },
        { "P6 0 2 255\n1", "0 x 2 pixels" }, { "P6 99999 2 255\n1", "99999 x 2 pixels" },
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
        says(etch_image_decode((etch_span){ (const uint8_t *)cases[k].text, strlen(cases[k].text) }, &i), cases[k].part);
    const char *comment = "P6\n# a comment 5 5\n1 1\n255\nabc";
    must(etch_image_decode((etch_span){ (const uint8_t *)comment, strlen(comment) }, &i));
    assert_memory_equal(i.rgb, "abc", 3);
    etch_image_deinit(&i);
    says(etch_image_read(data("none.png"), &i), "none.png");
    if (!has_png()) return;
    etch_buf b = { 0 };
    must(etch_file_read(data("photo.png"), &b));
    for (size_t n = 8; n < b.len; n += 61) says(etch_image_decode((etch_span){ b.ptr, n }, &i), "cannot be read");
    b.ptr[60] ^= 1;
    says(etch_image_decode((etch_span){ b.ptr, b.len }, &i), "cannot be read");
    etch_buf_deinit(&b);
}
