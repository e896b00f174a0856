// Distances and small linear algebra: cross, cdist, pdist, Hadamard transform, gated delta rule.
// In: float tensors. Out: floats; sums in double except where a recurrence is f32 by definition.
#include <math.h>

#include "kern/elem.h"

// cross(self, other, dim): vectors of 3, operands broadcast.
static etch_status *cross(const etch_val *args, int64_t dim, bool first_of_three, etch_tensor *out)
{
    const etch_tensor *t[2];
    int64_t s[2][ETCH_MAX_RANK], os[ETCH_MAX_RANK], idx[ETCH_MAX_RANK] = { 0 };
    int d = 0;
    for (int k = 0; k < 2; k++) ETCH_TRY(kern_tensor(args, k, &t[k]));
    if (first_of_three) {
        while (d < out->rank && kern_size(out, d) != 3) d++;
    } else {
        ETCH_TRY(kern_wrap_dim(dim, out->rank, &d));
    }
    if (d >= out->rank || kern_size(out, d) != 3) return ETCH_ERR(ETCH_INVALID, "cross needs a dim of 3");
    etch_tensor_strides(out, os);
    for (int k = 0; k < 2; k++) {
        int pad = out->rank - t[k]->rank;
        int64_t own[ETCH_MAX_RANK];
        if (pad < 0) return ETCH_ERR(ETCH_INVALID, "cross: the output does not fit");
        etch_tensor_strides(t[k], own);
        for (int e = 0; e < out->rank; e++) {
            int64_t n = e < pad ? 1 : kern_size(t[k], e - pad);
            if ((n != 1 || e == d) && n != kern_size(out, e)) return ETCH_ERR(ETCH_INVALID, "cross: sizes do not fit");
            s[k][e] = n == 1 ? 0 : own[e - pad];
        }
    }
    bool ints = kern_ctype_of(out->dtype) == KERN_I64;
    for (int64_t i = 0, n = etch_numel(out); i < n; i++) {
        int c = (int)idx[d], c1 = (c + 1) % 3, c2 = (c + 2) % 3;
        int64_t at[2] = { 0, 0 };
        for (int e = 0; e < out->rank; e++)
            for (int k = 0; k < 2; k++) at[k] += e == d ? 0 : idx[e] * s[k][e];
        int64_t a1 = at[0] + c1 * s[0][d], a2 = at[0] + c2 * s[0][d], b1 = at[1] + c1 * s[1][d], b2 = at[1] + c2 * s[1][d];
        if (ints) {
            int64_t x = kern_wmul(etch_load_int(t[0]->data, t[0]->dtype, a1), etch_load_int(t[1]->data, t[1]->dtype, b2));
            etch_store_int(out->data, out->dtype, i,
                           kern_wsub(x, kern_wmul(etch_load_int(t[0]->data, t[0]->dtype, a2), etch_load_int(t[1]->data, t[1]->dtype, b1))));
        } else {
            double x = etch_load_double(t[0]->data, t[0]->dtype, a1) * etch_load_double(t[1]->data, t[1]->dtype, b2);
            etch_store_double(out->data, out->dtype, i,
                              x - etch_load_double(t[0]->data, t[0]->dtype, a2) * etch_load_double(t[1]->data, t[1]->dtype, b1));
        }
        for (int e = out->rank - 1; e >= 0 && ++idx[e] == kern_size(out, e); e--) idx[e] = 0;
    }
    return NULL;
}
KERNEL(cross)
{
    KERN_BEGIN(2, 1);
    int64_t dim;
    ETCH_TRY(kern_int_opt(args, n_args, 2, 0, &dim));
    return cross(args, dim, kern_is_none(args, n_args, 2), outs[0]);
}
KERNEL(linalg_cross)
{
    KERN_BEGIN(2, 1);
    int64_t dim;
    ETCH_TRY(kern_int_opt(args, n_args, 2, -1, &dim));
    return cross(args, dim, false, outs[0]);
}

// The p-distance of n elements.
static double distance(const etch_tensor *a, int64_t i, const etch_tensor *b, int64_t j, int64_t n, double p)
{
    double s = 0;
    for (int64_t k = 0; k < n; k++) {
        double x = fabs(etch_load_double(a->data, a->dtype, i + k) - etch_load_double(b->data, b->dtype, j + k));
        if (p == INFINITY) s = x > s || x != x ? x : s;
        else s += p == 0 ? x != 0 : p == 1 ? x : p == 2 ? x * x : pow(x, p);
    }
    return p == 2 ? sqrt(s) : p == 0 || p == 1 || p == INFINITY ? s : pow(s, 1 / p);
}
// cdist(x1 [.., P, M], x2 [.., R, M], p) -> [.., P, R]; leading dims broadcast.
KERNEL(cdist)
{
    KERN_BEGIN(2, 1);
    const etch_tensor *t[2];
    etch_tensor *out = outs[0];
    double p;
    int64_t s[2][ETCH_MAX_RANK] = { { 0 } };
    for (int k = 0; k < 2; k++) {
        ETCH_TRY(kern_tensor(args, k, &t[k]));
        ETCH_TRY(kern_want_rank(t[k], "an operand of cdist", 2, ETCH_MAX_RANK));
    }
    ETCH_TRY(kern_num_opt(args, n_args, 2, 2, &p));
    int lead = out->rank - 2;
    int64_t m = kern_size(t[0], t[0]->rank - 1), a = kern_size(t[0], t[0]->rank - 2), b = kern_size(t[1], t[1]->rank - 2), batch = 1;
    if (lead < 0 || kern_size(t[1], t[1]->rank - 1) != m || kern_size(out, lead) != a || kern_size(out, lead + 1) != b || !(p >= 0))
        return ETCH_ERR(ETCH_INVALID, "cdist: sizes do not fit");
    for (int d = 0; d < lead; d++) batch *= kern_size(out, d);
    for (int k = 0; k < 2; k++) {
        int64_t own[ETCH_MAX_RANK];
        int pad = lead - (t[k]->rank - 2);
        if (pad < 0) return ETCH_ERR(ETCH_INVALID, "cdist: the output does not fit");
        etch_tensor_strides(t[k], own);
        for (int d = pad; d < lead; d++) {
            int64_t n = kern_size(t[k], d - pad);
            if (n != 1 && n != kern_size(out, d)) return ETCH_ERR(ETCH_INVALID, "cdist: leading sizes do not broadcast");
            s[k][d] = n == 1 ? 0 : own[d - pad];
        }
    }
    for (int64_t i = 0; i < batch; i++) {
        int64_t at[2] = { 0, 0 }, rest = i;
        for (int d = lead - 1; d >= 0; d--) {
            for (int k = 0; k < 2; k++) at[k] += rest % kern_size(out, d) * s[k][d];
            rest /= kern_size(out, d);
        }
        for (int64_t x = 0; x < a; x++)
            for (int64_t y = 0; y < b; y++)
                etch_store_double(out->data, out->dtype, (i * a + x) * b + y, distance(t[0], at[0] + x * m, t[1], at[1] + y * m, m, p));
    }
    return NULL;
}
// _pdist_forward(self [N, M], p) -> the upper triangle of distances, row by row
KERNEL(pdist)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    double p;
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_num_opt(args, n_args, 1, 2, &p));
    ETCH_TRY(kern_want_rank(t, "the argument of pdist", 2, 2));
    int64_t n = kern_size(t, 0), m = kern_size(t, 1), at = 0, want;
    if (n > INT32_MAX || !(p >= 0)) return ETCH_ERR(ETCH_INVALID, "pdist: sizes do not fit");
    want = n ? n * (n - 1) / 2 : 0;
    if (etch_numel(outs[0]) != want) return ETCH_ERR(ETCH_INVALID, "pdist: the output does not fit");
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = i + 1; j < n; j++) etch_store_double(outs[0]->data, outs[0]->dtype, at++, distance(t, i * m, t, j * m, m, p));
    return NULL;
}

// fast_hadamard_transform(mat [.., n]): rows times the symmetric Hadamard matrix / sqrt(n), n a power of two.
KERNEL(fast_hadamard_transform)
{
    KERN_BEGIN(1, 1);
    const etch_tensor *t;
    etch_tensor *out = outs[0];
    ETCH_TRY(kern_tensor(args, 0, &t));
    ETCH_TRY(kern_want_same(t, out));
    ETCH_TRY(kern_want_rank(t, "the matrix", 1, ETCH_MAX_RANK));
    int64_t n = kern_size(t, t->rank - 1), rows = kern_prod(t, 0, t->rank - 1);
    if (!etch_dtype_is_float(t->dtype)) return ETCH_ERR(ETCH_INVALID, "a Hadamard transform of %s", etch_dtype_name(t->dtype));
    if (n < 1 || n & (n - 1))
        return ETCH_ERR(ETCH_UNSUPPORTED, "a Hadamard transform of %lld columns (a power of two is needed)", (long long)n);
    float *x, f = (float)(1 / sqrt((double)n));
    ETCH_TRY(kern_scratch(cx, sizeof *x * (size_t)n, &x));
    for (int64_t r = 0; r < rows; r++) {
        kern_load(x, KERN_F32, t->data, t->dtype, r * n, n);
        for (int64_t h = 1; h < n; h *= 2)
            for (int64_t i = 0; i < n; i += 2 * h)
                for (int64_t j = i; j < i + h; j++) {
                    float a = x[j], b = x[j + h];
                    x[j] = a + b;
                    x[j + h] = a - b;
                }
        for (int64_t i = 0; i < n; i++) x[i] *= f;
        kern_store(out->data, out->dtype, r * n, x, KERN_F32, n);
    }
    return NULL;
}

// gated_delta_rule(query [B, Hq, T, K], key [B, H, T, K], value [B, H, T, V], decay [B, H, T(, K)], beta [B, H, T], state [B, H, K, V])
// -> out [B, Hq, T, V], final state. A token: S *= decay; S += k (beta (v - S^T k))^T; out = S^T q. Query heads share a state in groups.
KERNEL(gated_delta_rule)
{
    KERN_BEGIN(6, 2);
    const etch_tensor *t[6];
    etch_tensor *out = outs[0], *final = outs[1];
    for (int i = 0; i < 6; i++) {
        ETCH_TRY(kern_tensor(args, i, &t[i]));
        ETCH_TRY(kern_want_dtype(t[i], "an operand", ETCH_F32));
        ETCH_TRY(kern_want_rank(t[i], "an operand", i == 3 || i == 4 ? 3 : 4, i == 4 ? 3 : 4));
    }
    ETCH_TRY(kern_want_dtype(out, "the output", ETCH_F32));
    ETCH_TRY(kern_want_dtype(final, "the final state", ETCH_F32));
    int64_t b = kern_size(t[0], 0), hq = kern_size(t[0], 1), n = kern_size(t[0], 2), k = kern_size(t[0], 3), h = kern_size(t[1], 1),
            v = kern_size(t[2], 3);
    int64_t key[4] = { b, h, n, k }, state[4] = { b, h, k, v };
    ETCH_TRY(kern_want_sizes(t[1], "the key", 4, key));
    ETCH_TRY(kern_want_sizes(t[2], "the value", 4, (int64_t[4]){ b, h, n, v }));
    ETCH_TRY(kern_want_sizes(t[3], "the decay", t[3]->rank, key));
    ETCH_TRY(kern_want_sizes(t[4], "beta", 3, key));
    ETCH_TRY(kern_want_sizes(t[5], "the state", 4, state));
    ETCH_TRY(kern_want_sizes(final, "the final state", 4, state));
    ETCH_TRY(kern_want_sizes(out, "the output", 4, (int64_t[4]){ b, hq, n, v }));
    if (h < 1 || hq % h) return ETCH_ERR(ETCH_INVALID, "%lld query heads for %lld states", (long long)hq, (long long)h);
    const float *pq = t[0]->data, *pk = t[1]->data, *pv = t[2]->data, *pd = t[3]->data, *pb = t[4]->data;
    float *s0 = final->data, *po = out->data, *delta;
    int64_t group = hq / h;
    bool wide = t[3]->rank == 4;
    ETCH_TRY(kern_scratch(cx, sizeof *delta * (size_t)v, &delta));
    if (etch_numel(final) && s0 != t[5]->data) memmove(s0, t[5]->data, sizeof(float) * (size_t)etch_numel(final));
    for (int64_t i = 0; i < b * h; i++) {
        float *s = s0 + i * k * v;
        for (int64_t m = 0; m < n; m++) {
            const float *kk = pk + (i * n + m) * k, *vv = pv + (i * n + m) * v;
            for (int64_t c = 0; c < v; c++) delta[c] = 0;
            for (int64_t r = 0; r < k; r++) {
                float g = wide ? pd[(i * n + m) * k + r] : pd[i * n + m];
                for (int64_t c = 0; c < v; c++) {
                    s[r * v + c] *= g;
                    delta[c] += s[r * v + c] * kk[r];
                }
            }
            for (int64_t c = 0; c < v; c++) delta[c] = (vv[c] - delta[c]) * pb[i * n + m];
            for (int64_t r = 0; r < k; r++)
                for (int64_t c = 0; c < v; c++) s[r * v + c] += kk[r] * delta[c];
            for (int64_t e = 0; e < group; e++) {
                int64_t head = i / h * hq + i % h * group + e;
                const float *q = pq + (head * n + m) * k;
                float *o = po + (head * n + m) * v;
                for (int64_t c = 0; c < v; c++) o[c] = 0;
                for (int64_t r = 0; r < k; r++)
                    for (int64_t c = 0; c < v; c++) o[c] += s[r * v + c] * q[r];
            }
        }
    }
    return NULL;
}
