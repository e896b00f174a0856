#include "img/processor.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"

static etch_status *wrong(const char *key, const char *what) { return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' %s", key, what); }

static etch_status *flag(const char *key, const json_t *v, bool *out)
{
    if (!json_is_boolean(v)) return wrong(key, "is neither true nor false");
    *out = json_is_true(v);
    return NULL;
}

static etch_status *side(const char *key, const json_t *v, int *out)
{
    const json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 1 || n > ETCH_IMAGE_SIDE) return wrong(key, "has a side that is no number of pixels");
    *out = (int)n;
    return NULL;
}

// {"height", "width"}, or where there is room for it {"shortest_edge"}; other members must be null.
static etch_status *size(const char *key, const json_t *v, int *height, int *width, int *shortest)
{
    const json_t *h = json_object_get(v, "height"), *w = json_object_get(v, "width"), *s = json_object_get(v, "shortest_edge"), *m;
    const char *name;
    if (!json_is_object(v)) return wrong(key, "is neither an object nor a number");
    json_object_foreach((json_t *)(uintptr_t)v, name, m) {
        if (!json_is_null(m) && m != h && m != w && m != s)
            return ETCH_ERR(ETCH_UNSUPPORTED, "'%s' has '%s', which is not supported", key, name);
    }
    if (h && w && !json_is_null(h)) {
        ETCH_TRY(side(key, h, height));
        return side(key, w, width);
    }
    if (s && shortest) return side(key, s, shortest);
    return wrong(key, shortest ? "has neither height and width nor shortest_edge" : "has no height and width");
}

// A number is both sides or the shorter one: a class of transformers has its own default, which a file may say, too.
static etch_status *resized_size(const char *key, const json_t *v, const json_t *is_square, etch_processor *p)
{
    if (!json_is_integer(v)) return size(key, v, &p->height, &p->width, &p->shortest_edge);
    if (!json_is_boolean(is_square))
        return wrong(key, "is a number, which models read differently: write {\"height\": N, \"width\": N} or {\"shortest_edge\": N} in "
                          "its place, or beside it \"default_to_square\", as the model's processor in transformers has it");
    if (json_is_false(is_square)) return side(key, v, &p->shortest_edge);
    ETCH_TRY(side(key, v, &p->height));
    p->width = p->height;
    return NULL;
}

static etch_status *crop_size(const char *key, const json_t *v, etch_processor *p)
{
    if (!json_is_integer(v)) return size(key, v, &p->crop_height, &p->crop_width, NULL);
    ETCH_TRY(side(key, v, &p->crop_height));
    p->crop_width = p->crop_height;
    return NULL;
}

static etch_status *numbers(const char *key, const json_t *v, double out[3])
{
    for (size_t i = 0; i < 3; i++) {
        const json_t *n = json_is_array(v) ? json_array_get(v, i) : v;
        out[i] = json_number_value(n);
        if (!json_is_number(n) || !isfinite(out[i]) || (json_is_array(v) && json_array_size(v) != 3))
            return wrong(key, "is no list of three numbers");
    }
    return NULL;
}

static bool says_nothing(const char *key, const json_t *v)
{
    static const char *const names[] = { "image_processor_type", "feature_extractor_type", "processor_class", "_processor_class",
                                         "do_convert_rgb", "default_to_square", "model_input_names", "image_seq_length" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(key, names[i])) return true;
    if (!strcmp(key, "data_format")) return json_is_string(v) && !strcmp(json_string_value(v), "channels_first");
    return json_is_null(v) || json_is_false(v);
}

static etch_status *field(const json_t *all, const char *key, const json_t *v, etch_processor *p)
{
    const struct { const char *name; bool *to; } flags[] = { { "do_resize", &p->resize }, { "do_center_crop", &p->crop },
                                                             { "do_rescale", &p->rescale },
                                                             { "do_normalize", &p->normalize }, { "do_flip_channel_order", &p->flip } };
    if (json_is_null(v)) return NULL;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (!strcmp(key, flags[i].name)) return flag(key, v, flags[i].to);
    if (!strcmp(key, "size")) return resized_size(key, v, json_object_get(all, "default_to_square"), p);
    if (!strcmp(key, "crop_size")) return crop_size(key, v, p);
    if (!strcmp(key, "image_mean")) return numbers(key, v, p->mean);
    if (!strcmp(key, "image_std")) return numbers(key, v, p->std);
    if (!strcmp(key, "rescale_factor")) {
        p->factor = json_number_value(v);
        return json_is_number(v) && isfinite(p->factor) ? NULL : wrong(key, "is no number");
    }
    if (!strcmp(key, "resample")) {
        if (!json_is_integer(v) || json_integer_value(v) < ETCH_NEAREST || json_integer_value(v) > ETCH_BICUBIC)
            return wrong(key, "is not 0 (nearest), 1 (Lanczos), 2 (bilinear) or 3 (bicubic)");
        p->resample = (etch_resample)json_integer_value(v);
        return NULL;
    }
    return says_nothing(key, v) ? NULL : wrong(key, "is not supported: prepare the image elsewhere, and give it as --inputs");
}

static bool has(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    return v && !json_is_null(v);
}

static etch_status *check(const json_t *o, const etch_processor *p)
{
    if (p->resize && (!has(o, "size") || !has(o, "resample"))) return wrong("do_resize", "is true, but 'size' or 'resample' is missing");
    if (p->crop && !p->crop_height) return wrong("do_center_crop", "is true, but 'crop_size' is missing");
    if (p->normalize && (!has(o, "image_mean") || !has(o, "image_std")))
        return wrong("do_normalize", "is true, but 'image_mean' or 'image_std' is missing");
    for (int i = 0; p->normalize && i < 3; i++)
        if (p->std[i] == 0) return wrong("image_std", "has a zero");
    if (p->normalize && p->flip) return wrong("do_flip_channel_order", "together with do_normalize is not supported");
    return NULL;
}

static etch_status *from_object(const json_t *o, etch_processor *out)
{
    const char *key;
    json_t *v;
    if (!json_is_object(o)) return ETCH_ERR(ETCH_INVALID, "this is no JSON object");
    *out = (etch_processor){ .rescale = true, .factor = 1 / 255.0, .std = { 1, 1, 1 } };
    json_object_foreach((json_t *)(uintptr_t)o, key, v) ETCH_TRY(field(o, key, v, out));
    return check(o, out);
}

static etch_status *load(etch_span json, json_t **out)
{
    json_error_t error;
    *out = json_loadb((const char *)json.ptr, json.len, JSON_REJECT_DUPLICATES, &error);
    return *out ? NULL : ETCH_ERR(ETCH_INVALID, "line %d: %s", error.line, error.text);
}

etch_status *etch_processor_parse(etch_span json, etch_processor *out)
{
    json_t *o;
    ETCH_TRY(load(json, &o));
    etch_status *s = from_object(o, out);
    json_decref(o);
    return s;
}

// The file's object, or with `member` that of its object; *is_there false where it has none.
static etch_status *read_file(const char *path, const char *member, etch_processor *out, bool *is_there)
{
    etch_mapped m;
    json_t *o;
    ETCH_TRY(etch_mapped_open(path, &m));
    etch_status *s = load(m.bytes, &o);
    etch_mapped_close(&m);
    if (s) ETCH_TRYF(s, "%s", path);
    *is_there = !member || has(o, member);
    if (*is_there) s = from_object(member ? json_object_get(o, member) : o, out);
    json_decref(o);
    if (s) ETCH_TRYF(s, "%s%s%s", path, member ? ": " : "", member ? member : "");
    return NULL;
}

etch_status *etch_processor_find(const char *folder, char *path, size_t capacity, etch_processor *out)
{
    static const struct { const char *name, *member; } files[] = { { "processor_config.json", "image_processor" },
                                                                   { "preprocessor_config.json", NULL } };
    bool is_there = false;
    for (size_t i = 0; i < sizeof files / sizeof *files && !is_there; i++) {
        const int n = snprintf(path, capacity, "%s%s", folder, files[i].name);
        if (n < 0 || (size_t)n >= capacity) return ETCH_ERR(ETCH_INVALID, "the path of %s is too long", files[i].name);
        if (etch_file_exists(path)) ETCH_TRY(read_file(path, files[i].member, out, &is_there));
    }
    return is_there ? NULL : ETCH_ERR(ETCH_NOT_FOUND, "there is no %s", path);
}

static etch_status *resized(const etch_processor *p, const etch_image *in, etch_image *out)
{
    int height = p->height, width = p->width;
    if (p->shortest_edge) {  // the longer side is rounded down
        const bool tall = in->width <= in->height;
        const int64_t longer = (int64_t)p->shortest_edge * (tall ? in->height : in->width) / (tall ? in->width : in->height);
        if (longer > ETCH_IMAGE_SIDE) return ETCH_ERR(ETCH_UNSUPPORTED, "the image is too long for its width");
        height = tall ? (int)longer : p->shortest_edge;
        width = tall ? p->shortest_edge : (int)longer;
    }
    return etch_image_resize(in, width, height, p->resample, out);
}

static etch_status *cropped(const etch_processor *p, etch_image *i)
{
    if (i->width < p->crop_width || i->height < p->crop_height)
        return ETCH_ERR(ETCH_UNSUPPORTED, "the image of %d x %d pixels is smaller than 'crop_size'", i->width, i->height);
    etch_image out;
    etch_status *s = etch_image_crop(i, (i->width - p->crop_width) / 2, (i->height - p->crop_height) / 2, p->crop_width, p->crop_height,
                                     &out);
    if (s) return s;
    etch_image_deinit(i);
    *i = out;
    return NULL;
}

static etch_status *values(const etch_processor *p, const etch_image *i, float **out)
{
    const size_t n = (size_t)i->width * (size_t)i->height;
    *out = malloc(n * 3 * sizeof **out);
    if (!*out) return ETCH_ERR(ETCH_NO_MEMORY, "out of memory");
    for (size_t c = 0; c < 3; c++)
        for (size_t k = 0; k < n; k++) {
            double x = i->rgb[k * 3 + (p->flip ? 2 - c : c)];
            if (p->rescale) x *= p->factor;
            (*out)[c * n + k] = (float)(p->normalize ? (x - p->mean[c]) / p->std[c] : x);
        }
    return NULL;
}

etch_status *etch_processor_run(const etch_processor *p, const etch_image *image, int *out_height, int *out_width, float **out)
{
    etch_image i = { 0 };
    *out = NULL;
    etch_status *s = p->resize ? resized(p, image, &i) : etch_image_crop(image, 0, 0, image->width, image->height, &i);
    if (!s && p->crop) s = cropped(p, &i);
    if (!s) s = values(p, &i, out);
    *out_height = i.height;
    *out_width = i.width;
    etch_image_deinit(&i);
    return s;
}
