// softmax and log_softmax over one dim. In: a float tensor. Out: the same shape. f32 arithmetic, sums in double; f64 in f64.
#include "kern/elem.h"

#include <math.h>

// One row of n values at stride `s`, already loaded.
static void row_f32(float *x, int64_t n, bool is_log)
{
    float m = -INFINITY;
    for (int64_t i = 0; i < n; i++) m = x[i] > m || x[i] != x[i] ? x[i] : m;
    double sum = 0;
    if (is_log) {
        for (int64_t i = 0; i < n; i++) sum += (double)expf(x[i] - m);
        float shift = (float)log(sum);
        for (int64_t i = 0; i < n; i++) x[i] = x[i] - m - shift;
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - m);
        sum += (double)x[i];
    }
    float r = (float)(1.0 / sum);
    for (int64_t i = 0; i < n; i++) x[i] *= r;
}

static void row_any(const etch_tensor *t, etch_tensor *out, int64_t at, int64_t stride, int64_t n, bool is_log)
{
    double m = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double x = etch_load_double(t->data, t->dtype, at + i * stride);
        m = x > m || x != x ? x : m;
    }
    for (int64_t i = 0; i < n; i++) sum += exp(etch_load_double(t->data, t->dtype, at + i * stride) - m);
    for (int64_t i = 0; i < n; i++) {
        double x = etch_load_double(t->data, t->dtype, at + i * stride) - m;
        etch_store_double(out->data, out->dtype, at + i * stride, is_log ? x - log(sum) : exp(x) / sum);
    }
}

static etch_status *softmax(const etch_val *args, etch_tensor *out, bool is_log)
{
    const etch_tensor *t;
    int d;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_dim(args, 1, t->rank, &d));
    ETCH_TRY(kern_want_same(t, out));
    if (!etch_dtype_is_float(out->dtype)) return ETCH_ERR(ETCH_INVALID, "softmax into %s", etch_dtype_name(out->dtype));
    int64_t n = t->rank ? kern_size(t, d) : 1, inner = t->rank ? kern_prod(t, d + 1, t->rank) : 1, outer = t->rank ? kern_prod(t, 0, d) : 1;
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t at = o * n * inner + i;
            if (inner == 1 && out->dtype == ETCH_F32) {  // rows where they lie
                float *x = (float *)out->data + at;
                kern_load(x, KERN_F32, t->data, t->dtype, at, n);
                row_f32(x, n, is_log);
            } else {
                row_any(t, out, at, inner, n, is_log);
            }
        }
    return NULL;
}
// _softmax(self, dim, half_to_float), softmax.int(self, dim, dtype)
KERNEL(softmax) { KERN_BEGIN(2, 1); return softmax(args, outs[0], false); }
KERNEL(log_softmax) { KERN_BEGIN(2, 1); return softmax(args, outs[0], true); }
KERNEL(softmax_int) { KERN_BEGIN(2, 1); return softmax(args, outs[0], false); }
KERNEL(log_softmax_int) { KERN_BEGIN(2, 1); return softmax(args, outs[0], true); }
