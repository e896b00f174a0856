// In: calls of ops that have a fast form, of many sizes, forms that fit it and forms that do not. Out: what the reference kernel gives:
// 2e-6 of the largest value (softmax and norms: sums in fp32 instead of double), exact for sums and products.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "base/pool.h"
#include "kern/ew/ew.h"
#include "kern/fast.h"

enum { MAX = 40 * 300 };
static float x[MAX], y[MAX], w[MAX], got[3][MAX], want[3][MAX];

static etch_tensor tensor(float *data, int rank, int64_t a, int64_t b)
{
    etch_tensor t = { .dtype = ETCH_F32, .rank = rank, .data = data, .capacity = sizeof x };
    t.sizes[0] = etch_dim_of(a);
    if (rank > 1) t.sizes[1] = etch_dim_of(b);
    return t;
}

static void must(etch_status *s)
{
    if (s) fail_msg("%s", etch_status_message(s));
}

static void same(etch_kern_cx *cx, etch_op_id id, const etch_val *args, int n_args, int n_outs, int64_t rows, int64_t n, double tolerance)
{
    etch_tensor outs[3], plain[3], *out_ptrs[3], *plain_ptrs[3];
    for (int i = 0; i < n_outs; i++) {
        outs[i] = i ? tensor(got[i], 2, rows, 1) : tensor(got[i], 2, rows, n);
        plain[i] = i ? tensor(want[i], 2, rows, 1) : tensor(want[i], 2, rows, n);
        out_ptrs[i] = &outs[i];
        plain_ptrs[i] = &plain[i];
    }
    etch_kern_cx reference = { 0 };
    memset(got, 0, sizeof got);
    must(etch_kern_find_fast(id)(cx, args, n_args, out_ptrs, n_outs));
    must(etch_kern_find(id)(&reference, args, n_args, plain_ptrs, n_outs));
    for (int k = 0; k < n_outs; k++)
        for (int64_t i = 0; i < (k ? rows : rows * n); i++) {
            double d = fabs((double)got[k][i] - (double)want[k][i]), size = fmax(1, fabs((double)want[k][i]));
            if (!(d <= tolerance * size))
                fail_msg("op %d, %lld x %lld, output %d at %lld: %g, not %g", id, (long long)rows, (long long)n, k, (long long)i,
                         (double)got[k][i], (double)want[k][i]);
        }
}

static void every_op(etch_kern_cx *cx, int64_t rows, int64_t n)
{
    etch_tensor tx = tensor(x, 2, rows, n), ty = tensor(y, 2, rows, n), tail = tensor(w, 1, n, 0), column = tensor(w, 2, rows, 1);
    etch_dim width = etch_dim_of(n);
    etch_val vx = etch_val_tensor(&tx), vtail = etch_val_tensor(&tail), none = etch_val_none(),
             shape = { .kind = ETCH_V_INTS, .ints = { &width, 1 } };
    static const etch_op_id unaries[] = { ETCH_OP_silu, ETCH_OP_sigmoid, ETCH_OP_tanh, ETCH_OP_erf, ETCH_OP_exp, ETCH_OP_gelu };
    for (size_t i = 0; i < sizeof unaries / sizeof *unaries; i++) same(cx, unaries[i], &vx, 1, 1, rows, n, 2e-6);
    same(cx, ETCH_OP_gelu, (etch_val[]){ vx, etch_val_str(ETCH_LIT("tanh")) }, 2, 1, rows, n, 2e-6);
    const etch_val others[] = { etch_val_tensor(&ty), vtail, etch_val_tensor(&column), etch_val_float(0.375) };
    static const etch_op_id binaries[] = { ETCH_OP_add_Tensor, ETCH_OP_sub_Tensor, ETCH_OP_mul_Tensor };
    for (size_t o = 0; o < 4; o++)
        for (size_t i = 0; i < 3; i++) {
            same(cx, binaries[i], (etch_val[]){ vx, others[o], etch_val_int(1) }, i == 2 ? 2 : 3, 1, rows, n, 0);
            if (i < 2) same(cx, binaries[i], (etch_val[]){ vx, others[o], etch_val_int(3) }, 3, 1, rows, n, 0);
        }
    uint8_t bits[MAX];
    float number = 0.25f;
    for (int i = 0; i < MAX; i++) bits[i] = x[i] > 0;
    etch_tensor all = tensor(x, 2, rows, n), by_row = tensor(x, 2, rows, 1), one = tensor(x, 1, 1, 0), zero_d = tensor(&number, 0, 1, 0);
    etch_tensor *conditions[] = { &all, &by_row, &one };
    for (int i = 0; i < 3; i++) {
        conditions[i]->dtype = ETCH_BOOL;
        conditions[i]->data = bits;
        for (int o = 0; o < 4; o++) {
            etch_val a = o & 1 ? etch_val_tensor(&zero_d) : vx, b = o & 2 ? etch_val_tensor(&zero_d) : etch_val_tensor(&ty);
            same(cx, ETCH_OP_where_self, (etch_val[]){ etch_val_tensor(conditions[i]), a, b }, 3, 1, rows, n, 0);
        }
    }
    for (int d = -1; d < 1; d++) same(cx, ETCH_OP__softmax, (etch_val[]){ vx, etch_val_int(d), etch_val_bool(false) }, 3, 1, rows, n, 2e-6);
    same(cx, ETCH_OP_native_layer_norm, (etch_val[]){ vx, shape, vtail, none, etch_val_float(1e-5) }, 5, 3, rows, n, 1e-5);
    same(cx, ETCH_OP_native_layer_norm, (etch_val[]){ vx, shape, vtail, vtail, etch_val_float(1e-5) }, 5, 3, rows, n, 1e-5);
}

void test_kern_fast__as_the_reference(void **state)
{
    (void)state;
    must(etch_ops_init());
    uint32_t seed = 9;
    for (int i = 0; i < MAX; i++) {
        seed = seed * 1664525u + 1013904223u;
        x[i] = (float)(seed >> 8) / 2097152.0f - 4.0f;
        y[i] = x[(i * 7) % (i + 1)] - 0.5f;
        w[i] = 1.0f + 0.125f * (float)(i % 5);
    }
    etch_pool *pool = etch_pool_acquire(2);
    etch_kern_cx cx = { .ew = etch_ew_select(etch_cpu_features()), .pool = pool };
    static const int64_t sizes[][2] = { { 1, 2 }, { 3, 7 }, { 7, 33 }, { 1, 300 }, { 40, 300 }, { 13, 64 } };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) every_op(&cx, sizes[i][0], sizes[i][1]);
    etch_pool_release(pool);
}
