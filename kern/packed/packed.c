#include "kern/packed/packed.h"

#include "base/num.h"

void etch_packed_from_blocks(const etch_block *b, const etch_tensor *t, etch_packed *out)
{
    int64_t rows = 1, width = t->sizes[t->rank - 1].v;
    for (int i = 0; i < t->rank - 1; i++) rows *= t->sizes[i].v;
    *out = (etch_packed){ .rows = rows, .cols = width / b->bytes * b->values, .group = b->group, .name = b->name, .block = b,
                          .bytes = t->data };
}

bool etch_packed_format_parse(etch_str name, etch_packed_format *out)
{
    static const char *const names[] = { "gptq", "gptq_v2", "awq" };
    for (int i = 0; i < 3; i++)
        if (etch_str_eqz(name, names[i])) {
            *out = (etch_packed_format)i;
            return true;
        }
    return false;
}

etch_status *etch_packed_from_columns(etch_packed_format format, int bits, const etch_tensor *words, const etch_tensor *zeros,
                                      const etch_tensor *scales, const etch_tensor *group_of, etch_packed *out)
{
    const int64_t per = 32 / bits, groups = scales->sizes[0].v;
    *out = (etch_packed){ .rows = scales->sizes[1].v, .cols = words->sizes[0].v * (format == ETCH_PACKED_AWQ ? 1 : per), .format = format,
                          .bits = bits, .words = words->data, .zeros = zeros->data, .scales = scales->data, .scale_dtype = scales->dtype };
    out->name = format == ETCH_PACKED_AWQ ? "AWQ 4 bits" : bits == 4 ? "GPTQ 4 bits" : "GPTQ 8 bits";
    out->group = 1;
    bool in_order = out->cols && out->cols % groups == 0;
    if (in_order) out->group = out->cols / groups;
    for (int64_t k = 0; group_of && k < out->cols; k++) {
        int32_t g = ((const int32_t *)group_of->data)[k];
        if (g < 0 || g >= groups)
            return ETCH_ERR(ETCH_INVALID, "column %lld belongs to group %d of %lld", (long long)k, g, (long long)groups);
        in_order = in_order && g == k / out->group;
    }
    if (in_order) return NULL;
    if (!group_of) return ETCH_ERR(ETCH_INVALID, "%lld columns in %lld groups", (long long)out->cols, (long long)groups);
    out->group_of = group_of->data;
    out->group = 1;
    return NULL;
}

// Place of integer `i` of eight in an AWQ word.
static const uint8_t awq_place[8] = { 0, 4, 1, 5, 2, 6, 3, 7 };

// Integer of `row` in words [.., rows / p] that run along the rows.
static int along_rows(const etch_packed *p, const uint32_t *line, int64_t row)
{
    const int64_t per = 32 / p->bits, i = row % per;
    const int shift = p->bits * (int)(p->format == ETCH_PACKED_AWQ ? awq_place[i] : i);
    return (int)(line[row / per] >> shift & ((1u << p->bits) - 1));
}

static int zero_of(const etch_packed *p, int64_t g, int64_t row)
{
    int z = along_rows(p, p->zeros + g * (p->rows * p->bits / 32), row);
    return p->format == ETCH_PACKED_GPTQ ? (z + 1) & ((1 << p->bits) - 1) : z;
}

static float scale_of(const etch_packed *p, int64_t g, int64_t row)
{
    const int64_t i = g * p->rows + row;
    if (p->scale_dtype == ETCH_F16) return etch_f16_to_f32(((const uint16_t *)p->scales)[i]);
    return p->scale_dtype == ETCH_BF16 ? etch_bf16_to_f32(((const uint16_t *)p->scales)[i]) : ((const float *)p->scales)[i];
}

static void column_row(const etch_packed *p, int64_t row, int16_t *q, float *scales, float *offsets)
{
    const int64_t per = 32 / p->bits, groups = p->cols / p->group;
    const uint32_t mask = (1u << p->bits) - 1;
    if (p->format == ETCH_PACKED_AWQ)
        for (int64_t k = 0; k < p->cols; k++) q[k] = (int16_t)along_rows(p, p->words + k * (p->rows / 8), row);
    else
        for (int64_t k = 0; k < p->cols; k += per) {
            const uint32_t w = p->words[k / per * p->rows + row];
            for (int64_t i = 0; i < per; i++) q[k + i] = (int16_t)(w >> (p->bits * (int)i) & mask);
        }
    for (int64_t g = 0; g < groups; g++) {
        const int64_t from = p->group_of ? p->group_of[g] : g;
        const int zero = zero_of(p, from, row);
        scales[g] = scale_of(p, from, row);
        offsets[g] = 0;
        for (int64_t k = g * p->group; k < (g + 1) * p->group; k++) q[k] = (int16_t)(q[k] - zero);
    }
}

void etch_packed_row(const etch_packed *p, int64_t row, int16_t *q, float *scales, float *offsets)
{
    if (p->block) etch_packed__block_row(p, row, q, scales, offsets);
    else column_row(p, row, q, scales, offsets);
}

void etch_packed_values(const etch_packed *p, const int16_t *q, const float *scales, const float *offsets, int64_t from, int64_t to,
                        float *out)
{
    for (int64_t at = from; at < to;) {
        const int64_t g = at / p->group, end = (g + 1) * p->group < to ? (g + 1) * p->group : to;
        const float s = scales[g], o = offsets[g];
        for (int64_t k = at; k < end; k++) out[k - from] = (float)q[k] * s + o;
        at = end;
    }
}
