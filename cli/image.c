#include "cli/image.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/num.h"
#include "img/processor.h"

static bool takes_pixels(const etch_val *v)
{
    return v->kind == ETCH_V_TENSOR && etch_dtype_is_float(v->t->dtype) && v->t->rank == 4 && v->t->sizes[0].v == 1 &&
           v->t->sizes[1].v == 3;
}

// In place: narrower elements overtake nothing.
static void narrow(float *x, size_t n, etch_dtype to)
{
    for (size_t i = 0; i < n && to != ETCH_F32; i++) {
        const uint16_t h = to == ETCH_F16 ? etch_f32_to_f16(x[i]) : etch_f32_to_bf16(x[i]);
        memcpy((uint8_t *)x + i * 2, &h, 2);
    }
}

static etch_status *set(etch_rt_method *m, int i, const etch_processor *p, const char *config, const char *image)
{
    etch_image picture;
    etch_tensor t = { .dtype = etch_rt_input(m, i)->t->dtype, .rank = 4, .sizes = { etch_dim_of(1), etch_dim_of(3) } };
    const int64_t height = etch_rt_input(m, i)->t->sizes[2].v, width = etch_rt_input(m, i)->t->sizes[3].v;
    float *values = NULL;
    int h = 0, w = 0;
    if (t.dtype == ETCH_F64) return ETCH_ERR(ETCH_UNSUPPORTED, "--image: the program takes pixels in float64");
    ETCH_TRYF(etch_image_read(image, &picture), "--image");
    etch_status *s = etch_processor_run(p, &picture, &h, &w, &values);
    if (s) s = etch_status_frame(s, __FILE__, __LINE__, "--image %s", image);
    if (!s && !etch_rt_input_is_dynamic(m, i) && (h != height || w != width))
        s = ETCH_ERR(ETCH_INVALID, "--image %s: %s makes %d x %d pixels of it, and the program was exported for %lld x %lld (--image_size)",
                     image, config, w, h, (long long)width, (long long)height);
    if (!s) {
        const size_t n = (size_t)h * (size_t)w * 3;
        narrow(values, n, t.dtype);
        t.sizes[2] = etch_dim_of(h);
        t.sizes[3] = etch_dim_of(w);
        t.data = values;
        t.capacity = n * etch_dtype_size(t.dtype);
        s = etch_rt_set_input(m, i, &t, ETCH_RT_COPY);
    }
    free(values);
    etch_image_deinit(&picture);
    return s;
}

etch_status *etch_cli_set_image(etch_rt_method *m, const char *pte, const char *image, int *out_input)
{
    char folder[4608], config[4672];
    etch_processor p;
    *out_input = 0;
    while (*out_input < etch_rt_n_inputs(m) && !takes_pixels(etch_rt_input(m, *out_input))) ++*out_input;
    if (*out_input == etch_rt_n_inputs(m))
        return ETCH_ERR(ETCH_USAGE, "--image: this method has no input for pixels, [1, 3, height, width]");
    ETCH_TRY(etch_file_beside(pte, "", folder, sizeof folder));
    etch_status *s = etch_processor_find(folder, config, sizeof config, &p);
    if (s && etch_status_code(s) == ETCH_NOT_FOUND)
        s = etch_status_frame(s, __FILE__, __LINE__, "--image: no file says how the model's images are prepared (an export copies it from "
                              "the model's folder)");
    return s ? s : set(m, *out_input, &p, config, image);
}

static void print_likeliest(const etch_tensor *t, const json_t *labels)
{
    const size_t n = json_object_size(labels);
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) most = fmax(most, etch_load_double(t->data, t->dtype, (int64_t)i));
    for (size_t i = 0; i < n; i++) sum += exp(etch_load_double(t->data, t->dtype, (int64_t)i) - most);
    double below = INFINITY;
    for (int k = 0; k < 5 && (size_t)k < n; k++) {
        size_t best = n;
        for (size_t i = 0; i < n; i++) {
            const double x = etch_load_double(t->data, t->dtype, (int64_t)i);
            if (x < below && (best == n || x > etch_load_double(t->data, t->dtype, (int64_t)best))) best = i;
        }
        if (best == n) return;
        below = etch_load_double(t->data, t->dtype, (int64_t)best);
        char key[24];
        snprintf(key, sizeof key, "%zu", best);
        const char *label = json_string_value(json_object_get(labels, key));
        printf("%6.2f %%  %s\n", 100 * exp(below - most) / sum, label ? label : key);
    }
}

bool etch_cli_print_labels(const etch_rt_method *m, const char *pte)
{
    char config[4608];
    const etch_val *v = etch_rt_n_outputs(m) > 0 ? etch_rt_output(m, 0) : NULL;
    etch_status *s = etch_file_beside(pte, "config.json", config, sizeof config);
    json_t *root = s ? NULL : json_load_file(config, 0, NULL), *labels = json_object_get(root, "id2label");
    etch_status_ignore(s);
    const bool fits = v && v->kind == ETCH_V_TENSOR && v->t->rank == 2 && v->t->sizes[0].v == 1 && etch_dtype_is_float(v->t->dtype) &&
                      json_object_size(labels) && v->t->sizes[1].v == (int64_t)json_object_size(labels);
    if (fits) print_likeliest(v->t, labels);
    json_decref(root);
    return fits;
}
