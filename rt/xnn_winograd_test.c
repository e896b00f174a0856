// Convolutions of 3 x 3, with and without padding, odd sizes, several images and bands: Winograd's way against sums in double. The bound is
// in units of the sum of |x w|, as for sums of floats: one in order would be within 2^-24 times the number of products.
#include "rt/xnn_net.h"

#include <math.h>

static const etch_xnn_row conv = { "conv", XK_CONV, 0, 0 }, silu = { "silu", XK_UNARY, 0, ETCH_EW_SILU };

typedef struct { int64_t n, h, w, ic, oc; uint32_t top, left, bottom, right; bool has_bias, is_cut, has_act; } shape;

static const shape shapes[] = {
    { 1, 16, 16, 32, 48, 1, 1, 1, 1, true, false, false },  { 2, 13, 15, 64, 32, 1, 1, 1, 1, true, false, true },
    { 1, 17, 18, 528, 32, 0, 0, 0, 0, false, false, false }, { 1, 70, 41, 32, 32, 2, 0, 1, 2, true, true, false },
};

static void check(const shape *f)
{
    static net g;
    net_init(&g, 7);
    const int64_t dims[4] = { f->n, f->h, f->w, f->ic }, filter[4] = { f->oc, 3, 3, f->ic };
    int x = net_given(&g, XV_INPUT, 4, dims, 1000, 500), w = net_given(&g, XV_CONST, 4, filter, 1000, 500),
        b = net_given(&g, XV_CONST, 1, &f->oc, 1000, 500);
    etch_xnn_node *n = net_node(&g, &conv, x, w, XV_OUTPUT);
    n->in[2] = f->has_bias ? b : -1;
    n->n_in = 3;
    n->win = (etch_xnn_window){ f->top, f->right, f->bottom, f->left, 3, 3, 1, 1, 1, 1, 0, 0, 1, (uint32_t)f->ic, (uint32_t)f->oc };
    if (f->is_cut) n->lo = -5, n->hi = 6;
    if (f->has_act) n->act = &silu;
    assert_null(etch_xnn__shape(&g.x));
    const etch_xnn_value *out = &g.values[n->out[0]];
    int64_t oh = f->h + f->top + f->bottom - 2, ow = f->w + f->left + f->right - 2;
    assert_int_equal(out->numel, f->n * oh * ow * f->oc);
    net_run(&g);
    double worst = 0;
    for (int64_t i = 0; i < out->numel; i++) {
        int64_t oc = i % f->oc, ox = i / f->oc % ow, oy = i / f->oc / ow % oh, image = i / f->oc / ow / oh;
        double sum = f->has_bias ? (double)g.memory[b][oc] : 0, size = fabs(sum);
        for (int64_t ky = 0; ky < 3; ky++)
            for (int64_t kx = 0; kx < 3; kx++) {
                int64_t iy = oy + ky - f->top, ix = ox + kx - f->left;
                if (iy < 0 || iy >= f->h || ix < 0 || ix >= f->w) continue;
                const float *at = g.memory[x] + ((image * f->h + iy) * f->w + ix) * f->ic;
                const float *k = g.memory[w] + (oc * 9 + ky * 3 + kx) * f->ic;
                for (int64_t c = 0; c < f->ic; c++) {
                    sum += (double)at[c] * (double)k[c];
                    size += fabs((double)at[c] * (double)k[c]);
                }
            }
        if (f->is_cut) sum = sum < -5 ? -5 : sum > 6 ? 6 : sum;
        if (f->has_act) sum /= 1 + exp(-sum);
        double error = fabs((double)g.memory[n->out[0]][i] - sum) / size;
        worst = error <= worst ? worst : error;   // a NaN, too
    }
    if (!(worst < 0x1p-21)) fail_msg("%lld x %lld x %lld: 2^%.1f of the sum of |x w|", (long long)f->h, (long long)f->w, (long long)f->ic,
                                     log2(worst));
    net_deinit(&g);
}

void test_rt_xnn_winograd__as_sums_in_double(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) check(&shapes[i]);
}
